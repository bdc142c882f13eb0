package awssm_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/uuid"

	localkms "goblins-secrets/infra/local/kms"
	"goblins-secrets/infra/local/secretsmanager"
	"goblins-secrets/pkg/awskms"
	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/envelope"
	"goblins-secrets/pkg/secrets"
)

const day = 24 * time.Hour

var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
})

// service is a Secrets Manager that speaks its real protocol.
type service struct {
	*sm.Client // without retries
	url        string
	ahead      atomic.Int64 // offset of its clock
	calls      atomic.Int64 // requests so far, of all operations

	// intercept, if set, may answer a request itself.
	intercept atomic.Pointer[func(w http.ResponseWriter, r *http.Request, serve http.Handler)]
}

func newService(t *testing.T) *service {
	t.Helper()
	keys, err := localkms.Open(filepath.Join(t.TempDir(), "kms.json"))
	if err != nil {
		t.Fatal(err)
	}
	arn, err := keys.EnsureKey("alias/test")
	if err != nil {
		t.Fatal(err)
	}
	keyServer := httptest.NewServer(keys)
	t.Cleanup(keyServer.Close)
	keyClient := kms.New(kms.Options{Region: "us-east-1", BaseEndpoint: &keyServer.URL, Credentials: credentials})
	server, err := secretsmanager.Open(filepath.Join(t.TempDir(), "secrets.json"),
		envelope.Sealer{Keys: awskms.New(keyClient, arn), Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	s := new(service)
	server.Now = func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		if intercept := s.intercept.Load(); intercept != nil {
			(*intercept)(w, r, server)
			return
		}
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	s.url, s.Client = web.URL, sm.New(options(web.URL))
	return s
}

func options(url string) sm.Options {
	return sm.Options{Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials, Retryer: aws.NopRetryer{}}
}

// withRetries is a client as the product has it, which does not wait.
func (s *service) withRetries() *sm.Client {
	o := options(s.url)
	o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxBackoff = time.Millisecond
	})
	return sm.New(o)
}

// bundle is a revision of a secret.
func bundle(secret uuid.UUID, revision int64) delivery.Bundle {
	content := fmt.Sprintf(`{"REVISION": "%d"}`, revision)
	return delivery.Bundle{
		AccountID: uuid.NameSpaceDNS, SecretID: secret, Name: "secret", Revision: revision,
		Versions: sha256.Sum256([]byte(content)), Content: secrets.NewValue(content),
	}
}

func name(b delivery.Bundle) *string {
	return aws.String("goblins/" + b.AccountID.String() + "/" + b.SecretID.String())
}

// deliver stages and promotes a bundle.
func deliver(ctx context.Context, target awssm.Target, b delivery.Bundle) (int64, error) {
	if err := target.Stage(ctx, b); err != nil {
		return 0, err
	}
	return target.Promote(ctx, b)
}

func mustDeliver(t *testing.T, target awssm.Target, b delivery.Bundle, ahead int64) {
	t.Helper()
	if got, err := deliver(t.Context(), target, b); err != nil || got != ahead {
		t.Errorf("delivered revision %d: %d is ahead, %v, want %d", b.Revision, got, err, ahead)
	}
}

// readRevision is what a service reads.
func (s *service) readRevision(b delivery.Bundle) (int64, error) {
	out, err := s.GetSecretValue(context.Background(), &sm.GetSecretValueInput{SecretId: name(b)})
	if err != nil {
		return 0, err
	}
	var content struct {
		Revision int64 `json:"REVISION,string"`
	}
	if err := json.Unmarshal([]byte(*out.SecretString), &content); err != nil {
		return 0, errors.New("what is current is no bundle")
	}
	return content.Revision, nil
}

func (s *service) checkCurrent(t *testing.T, b delivery.Bundle) {
	t.Helper()
	if got, err := s.readRevision(b); err != nil || got != b.Revision {
		t.Errorf("services read revision %d, %v, want %d", got, err, b.Revision)
	}
}

func (s *service) describe(t *testing.T, b delivery.Bundle) *sm.DescribeSecretOutput {
	t.Helper()
	out, err := s.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: name(b)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *service) versions(t *testing.T, b delivery.Bundle) (ids []string) {
	t.Helper()
	out, err := s.ListSecretVersionIds(t.Context(), &sm.ListSecretVersionIdsInput{SecretId: name(b), IncludeDeprecated: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range out.Versions {
		ids = append(ids, *v.VersionId)
	}
	return ids
}

func (s *service) tags(t *testing.T, b delivery.Bundle) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, tag := range s.describe(t, b).Tags {
		found[*tag.Key] = *tag.Value
	}
	return found
}

// passing tells an error that may pass, as package httpapi does.
func passing(err error) bool {
	var outage interface{ Unavailable() bool }
	return errors.As(err, &outage) && outage.Unavailable()
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, "alias/bundles")
	first, second := bundle(secret, 1), bundle(secret, 2)
	mustDeliver(t, target, first, 0)
	s.checkCurrent(t, first)

	if err := target.Stage(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	s.checkCurrent(t, first) // until it is promoted
	if got, err := target.Promote(t.Context(), second); err != nil || got != 0 {
		t.Errorf("Promote = %d, %v, want 0", got, err)
	}
	s.checkCurrent(t, second)

	got := s.describe(t, second)
	if key := aws.ToString(got.KmsKeyId); key != "alias/bundles" {
		t.Errorf("the secret is under key %q, want the one of the target", key)
	}
	for tag, want := range map[string]string{
		"goblins:account": second.AccountID.String(), "goblins:secret": secret.String(), "goblins:name": "secret",
	} {
		if has := s.tags(t, second)[tag]; has != want {
			t.Errorf("tag %s is %q, want %q", tag, has, want)
		}
	}
	out, err := s.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: name(second)})
	if err != nil {
		t.Fatal(err)
	}
	if *out.SecretString != second.Content.Reveal() {
		t.Error("services read another content than the bundle's")
	}
}

func TestAccountsOwnKey(t *testing.T) {
	t.Parallel()
	s, b := newService(t), bundle(uuid.New(), 1)
	intercept := func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
		body, err := io.ReadAll(r.Body)
		if err != nil || strings.Contains(string(body), "KmsKeyId") {
			t.Errorf("%s names a key, %v", r.Header.Get("X-Amz-Target"), err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		serve.ServeHTTP(w, r)
	}
	s.intercept.Store(&intercept)
	mustDeliver(t, awssm.New(s.Client, ""), b, 0)
}

// The ids are what other deliveries, and operators, tell revisions by.
func TestVersionID(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, "")
	var want []string
	for _, n := range []int64{1, 9, 10, math.MaxInt64} {
		b := bundle(secret, n)
		mustDeliver(t, target, b, 0)
		want = append(want, fmt.Sprintf("r%019d-%x", n, b.Versions[:16]))
	}
	got := s.versions(t, bundle(secret, 1))
	if !slices.Equal(got, want) || !slices.IsSorted(got) {
		t.Errorf("version ids are %q, want %q", got, want)
	}
}

func TestRepeated(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, "")
	for n := int64(1); n <= 3; n++ {
		b := bundle(secret, n)
		for range 2 {
			if err := target.Stage(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		mustDeliver(t, target, b, 0)
		mustDeliver(t, target, b, 0)
	}
	if got := s.versions(t, bundle(secret, 3)); len(got) != 3 {
		t.Errorf("%d versions after 3 bundles, want 3", len(got))
	}
}

// A version loses its label when another one is staged, and is the same still.
func TestStagedAgainAfterAnother(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, "")
	mustDeliver(t, target, bundle(secret, 1), 0)
	for _, n := range []int64{2, 3, 2} {
		b := bundle(secret, n)
		b.Content = secrets.NewValue(b.Content.Reveal() + strings.Repeat(" ", len(s.versions(t, b)))) // JSON, too
		if err := target.Stage(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := target.Promote(t.Context(), bundle(secret, 2)); err != nil || got != 0 {
		t.Errorf("Promote(2) = %d, %v, want 0", got, err)
	}
	s.checkCurrent(t, bundle(secret, 2))
}

func TestOutOfOrder(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, "")
	old, recent := bundle(secret, 5), bundle(secret, 7)
	old.Name = "old name"
	mustDeliver(t, target, bundle(secret, 1), 0)
	if err := target.Stage(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	mustDeliver(t, target, recent, 0)
	if got, err := target.Promote(t.Context(), old); err != nil || got != 7 {
		t.Errorf("Promote(5) after 7 = %d, %v, want 7", got, err)
	}
	mustDeliver(t, target, old, 7)
	s.checkCurrent(t, recent)
	if got := s.tags(t, old)["goblins:name"]; got != "secret" {
		t.Errorf("the name is %q after an old bundle, want that of the recent one", got)
	}

	// Of one revision, the first stays.
	other := recent
	other.Versions[0]++
	other.Content = secrets.NewValue(`{"REVISION": "8"}`)
	mustDeliver(t, target, other, 7)
	s.checkCurrent(t, recent)
}

func TestRevisionNeverGoesBack(t *testing.T) {
	t.Parallel()
	const deliverers, revisions = 8, 40
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.withRetries(), "")
	order := mathrand.Perm(revisions)

	done, polled := make(chan struct{}), make(chan int64)
	go func() {
		last := int64(0)
		defer func() { polled <- last }()
		for {
			got, err := s.readRevision(bundle(secret, 1))
			if missing := new(types.ResourceNotFoundException); err != nil && (last > 0 || !errors.As(err, &missing)) {
				t.Errorf("services can't read, after revision %d: %v", last, err)
				return
			}
			if got < last {
				t.Errorf("services read revision %d after %d", got, last)
				return
			}
			last = got
			select {
			case <-done:
				return
			default:
			}
		}
	}()
	var wg sync.WaitGroup
	var next atomic.Int64
	for range deliverers {
		wg.Go(func() {
			for n := next.Add(1); n <= revisions; n = next.Add(1) {
				b := bundle(secret, int64(order[n-1]+1))
				got, err := deliver(t.Context(), target, b)
				if err != nil || got != 0 && got <= b.Revision {
					t.Errorf("delivered revision %d: %d is ahead, %v", b.Revision, got, err)
				}
			}
		})
	}
	wg.Wait()
	close(done)
	<-polled
	s.checkCurrent(t, bundle(secret, revisions))
}

// Whatever answer is lost, doing it again comes to the same end.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for how, lose := range map[string]func(http.ResponseWriter){
		"500":    func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		"closed": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		s := newService(t)
		var losing atomic.Int64 // the answer to lose: 1 is the next one
		intercept := func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
			if losing.Add(-1) != 0 {
				serve.ServeHTTP(w, r)
				return
			}
			serve.ServeHTTP(httptest.NewRecorder(), r)
			lose(w)
		}
		s.intercept.Store(&intercept)
		for what, client := range map[string]*sm.Client{"retried here": s.Client, "retried by the SDK": s.withRetries()} {
			target := awssm.New(client, "")
			// The life of a secret, again and again: each time, the answer to the nth request is lost.
			for nth := int64(1); ; nth++ {
				secret, lost := uuid.New(), false
				again := func(do func() error) {
					t.Helper()
					for {
						err := do()
						if err == nil {
							return
						}
						if client != s.Client || lost || !passing(err) {
							t.Fatalf("%s, %s, request %d: %v, want one outage at most", how, what, nth, err)
						}
						lost = true
					}
				}
				losing.Store(nth)
				one, two, three := bundle(secret, 1), bundle(secret, 2), bundle(secret, 3)
				two.Name = "renamed"
				for _, b := range []delivery.Bundle{one, two} {
					again(func() error { return target.Stage(t.Context(), b) })
					again(func() error {
						got, err := target.Promote(t.Context(), b)
						if err == nil && got != 0 {
							t.Errorf("%s, %s, request %d: Promote(%d) = %d", how, what, nth, b.Revision, got)
						}
						return err
					})
				}
				again(func() error { return target.Remove(t.Context(), three.AccountID, secret) })
				again(func() error { _, err := deliver(t.Context(), target, three); return err })
				all := losing.Load() > 0
				losing.Store(0)
				s.checkCurrent(t, three)
				if got := s.versions(t, three); len(got) != 3 {
					t.Errorf("%s, %s, request %d: %d versions, want 3", how, what, nth, len(got))
				}
				if all { // there is no nth request
					if nth < 10 {
						t.Errorf("%s, %s: only %d requests", how, what, nth-1)
					}
					break
				}
			}
		}
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, "")
	one, two := bundle(secret, 1), bundle(secret, 2)
	remove := func() {
		t.Helper()
		if err := target.Remove(t.Context(), one.AccountID, secret); err != nil {
			t.Errorf("Remove = %v", err)
		}
	}
	remove() // what there is not
	mustDeliver(t, target, one, 0)
	remove()
	remove()
	if got, err := s.readRevision(one); err == nil {
		t.Errorf("services read revision %d of a removed secret", got)
	}
	deleted := s.describe(t, one).DeletedDate
	if deleted == nil || time.Until(*deleted) < 29*day {
		t.Errorf("the secret is gone at %v, want in 30 days", deleted)
	}
	if got, err := target.Promote(t.Context(), one); err == nil {
		t.Errorf("Promote of a removed secret = %d, want an error: services can't read it", got)
	}

	s.ahead.Store(int64(29 * day))
	mustDeliver(t, target, two, 0)
	s.checkCurrent(t, two)
	remove()
	mustDeliver(t, target, one, 2) // which comes late, and restores all the same
	s.checkCurrent(t, two)

	remove()
	s.ahead.Add(int64(31 * day))
	remove()
	mustDeliver(t, target, one, 0) // a new secret
	s.checkCurrent(t, one)
}

func TestNameTag(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, "")
	for n, tt := range []struct{ name, want string }{
		{"plain", "plain"},
		{"a#b 💥 <x>", "a_b _ _x_"},
		{"Größe/日本 1+2=3 @a.b:c_d-e", "Größe/日本 1+2=3 @a.b:c_d-e"},
		{"new\nline\xff\x00", "new_line__"},
		{"", ""},
		{strings.Repeat("ü", 300), strings.Repeat("ü", 256)},
		{strings.Repeat("𝐀", 200), strings.Repeat("𝐀", 128)}, // two characters each, for Java
	} {
		b := bundle(secret, int64(n+1))
		b.Name = tt.name
		mustDeliver(t, target, b, 0)
		if got := s.tags(t, b)["goblins:name"]; got != tt.want {
			t.Errorf("the tag of name %q is %q, want %q", tt.name, got, tt.want)
		}
	}
	// A rename that changes no item.
	b := bundle(secret, 7)
	b.Name = "renamed"
	mustDeliver(t, target, b, 0)
	if got := s.tags(t, b)["goblins:name"]; got != "renamed" {
		t.Errorf("the tag of a renamed secret is %q", got)
	}
	calls := s.calls.Load()
	mustDeliver(t, target, b, 0)
	if got := s.calls.Load() - calls; got != 2 {
		t.Errorf("delivering again took %d requests, want 2 looks", got)
	}
}

func TestForeignVersionGivesWay(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		uuid.NewString(),
		"r9999999999999999999-00000000000000000000000000000000", // no int64
		"r0000000000000000099-00000000000000000000000000000000-x",
		"R0000000000000000099-00000000000000000000000000000000",
		"r000000000000000099-00000000000000000000000000000000",
	} {
		s, secret := newService(t), uuid.New()
		target := awssm.New(s.Client, "")
		one, two := bundle(secret, 1), bundle(secret, 2)
		mustDeliver(t, target, one, 0)
		_, err := s.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: name(one), ClientRequestToken: &id, SecretString: aws.String("by hand")})
		if err != nil {
			t.Fatal(err)
		}
		mustDeliver(t, target, one, 0)
		s.checkCurrent(t, one)
		mustDeliver(t, target, two, 0)
		s.checkCurrent(t, two)
	}
}

// An operator may put an older revision back: the next one is delivered all the same.
func TestAfterRollback(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, "")
	one, two, three := bundle(secret, 1), bundle(secret, 2), bundle(secret, 3)
	mustDeliver(t, target, one, 0)
	mustDeliver(t, target, two, 0)
	ids := s.versions(t, two)
	_, err := s.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{
		SecretId: name(two), VersionStage: aws.String("AWSCURRENT"), RemoveFromVersionId: &ids[1], MoveToVersionId: &ids[0],
	})
	if err != nil {
		t.Fatal(err)
	}
	mustDeliver(t, target, three, 0)
	s.checkCurrent(t, three)
}

// The quota is of a day: the SDK must not ask again at once, and the caller must know.
func TestQuota(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.withRetries(), "")
	for n := int64(1); n <= 100; n++ {
		mustDeliver(t, target, bundle(secret, n), 0)
	}
	next := bundle(secret, 101)
	calls := s.calls.Load()
	err := target.Stage(t.Context(), next)
	if !errors.Is(err, delivery.ErrQuota) || passing(err) {
		t.Errorf("Stage of the 101st version in a day = %v, want %v", err, delivery.ErrQuota)
	}
	if got := s.calls.Load() - calls; got != 2 {
		t.Errorf("Stage over the quota took %d requests, want one look and one put", got)
	}
	s.checkCurrent(t, bundle(secret, 100))
	s.ahead.Store(int64(day + time.Minute))
	mustDeliver(t, target, next, 0)
	s.checkCurrent(t, next)
}

func TestThrottlingIsRetried(t *testing.T) {
	t.Parallel()
	s, b := newService(t), bundle(uuid.New(), 1)
	var puts atomic.Int64
	intercept := func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutSecretValue") && puts.Add(1) < 3 {
			answer(w, "ThrottlingException", "Rate exceeded")
			return
		}
		serve.ServeHTTP(w, r)
	}
	mustDeliver(t, awssm.New(s.withRetries(), ""), b, 0)
	s.intercept.Store(&intercept)
	mustDeliver(t, awssm.New(s.withRetries(), ""), bundle(b.SecretID, 2), 0)
	puts.Store(0)
	if err := awssm.New(s.Client, "").Stage(t.Context(), bundle(b.SecretID, 3)); !passing(err) {
		t.Errorf("Stage while throttled = %v, want an outage", err)
	}
}

func answer(w http.ResponseWriter, kind, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": kind, "Message": message})
}

func TestPromoteOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, "")
	if got, err := target.Promote(t.Context(), bundle(secret, 1)); err == nil || passing(err) {
		t.Errorf("Promote without a secret = %d, %v, want a lasting error", got, err)
	}
	mustDeliver(t, target, bundle(secret, 1), 0)
	if got, err := target.Promote(t.Context(), bundle(secret, 2)); err == nil || passing(err) {
		t.Errorf("Promote of what was not staged = %d, %v, want a lasting error", got, err)
	}
	s.checkCurrent(t, bundle(secret, 1))
}

// A secret that is made between the look and the making is used.
func TestMadeMeanwhile(t *testing.T) {
	t.Parallel()
	s, b := newService(t), bundle(uuid.New(), 1)
	intercept := func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".CreateSecret") {
			s.intercept.Store(nil)
			if _, err := s.CreateSecret(context.Background(), &sm.CreateSecretInput{Name: name(b)}); err != nil {
				t.Errorf("CreateSecret = %v", err)
			}
		}
		serve.ServeHTTP(w, r)
	}
	s.intercept.Store(&intercept)
	mustDeliver(t, awssm.New(s.Client, ""), b, 0)
	s.checkCurrent(t, b)
}

// A label that is never where it was seen: Promote ends, and says that it may pass.
func TestPromoteGivesUp(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, "")
	mustDeliver(t, target, bundle(secret, 1), 0)
	if err := target.Stage(t.Context(), bundle(secret, 2)); err != nil {
		t.Fatal(err)
	}
	intercept := func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".UpdateSecretVersionStage") {
			answer(w, "InvalidParameterException", "The label is on another version.")
			return
		}
		serve.ServeHTTP(w, r)
	}
	s.intercept.Store(&intercept)
	if got, err := target.Promote(t.Context(), bundle(secret, 2)); !errors.Is(err, secrets.ErrUnavailable) {
		t.Errorf("Promote = %d, %v, want an outage", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := target.Promote(ctx, bundle(secret, 2)); !passing(err) {
		t.Errorf("Promote, canceled = %d, %v, want an outage", got, err)
	}
}

func TestOutages(t *testing.T) {
	t.Parallel()
	s, b := newService(t), bundle(uuid.New(), 1)
	target := awssm.New(s.Client, "")
	mustDeliver(t, target, b, 0)
	calls := map[string]func(context.Context) error{
		"Stage":   func(ctx context.Context) error { return target.Stage(ctx, bundle(b.SecretID, 2)) },
		"Promote": func(ctx context.Context) error { _, err := target.Promote(ctx, b); return err },
		"Remove":  func(ctx context.Context) error { return target.Remove(ctx, b.AccountID, b.SecretID) },
	}
	for what, intercept := range map[string]func(http.ResponseWriter, *http.Request, http.Handler){
		"failing":  func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(503) },
		"breaking": func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) },
		"hanging": func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
			_, _ = io.Copy(io.Discard, r.Body) // or the end of the request goes unnoticed
			<-r.Context().Done()
		},
		"unreachable": nil,
	} {
		if intercept != nil {
			s.intercept.Store(&intercept)
		} else {
			target = awssm.New(sm.New(options("http://127.0.0.1:1")), "")
		}
		for call, do := range calls {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			if err := do(ctx); !passing(err) {
				t.Errorf("%s, service %s: %v, want an outage", call, what, err)
			}
			cancel()
		}
		target = awssm.New(s.Client, "")
	}

	denied := func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		answer(w, "AccessDeniedException", "No.")
	}
	s.intercept.Store(&denied)
	for call, do := range calls {
		if err := do(t.Context()); err == nil || passing(err) || !strings.HasSuffix(err.Error(), ": AccessDeniedException") {
			t.Errorf("%s, not allowed: %v, want a lasting error that says so", call, err)
		}
	}
}

// Whatever comes back, in whatever shape: no error shows the value that was sent.
func TestErrorsHoldNoValue(t *testing.T) {
	t.Parallel()
	const plaintext = "correct-horse-battery-staple"
	s := newService(t)
	for what, echo := range map[string]func(http.ResponseWriter, string){
		"ValidationException":   func(w http.ResponseWriter, body string) { answer(w, "ValidationException", "Value '"+body+"' …") },
		"InvalidParameter":      func(w http.ResponseWriter, body string) { answer(w, "InvalidParameterException", body) },
		"LimitExceeded":         func(w http.ResponseWriter, body string) { answer(w, "LimitExceededException", body) },
		"ThrottlingException":   func(w http.ResponseWriter, body string) { answer(w, "ThrottlingException", body) },
		"InternalServiceError":  func(w http.ResponseWriter, body string) { w.WriteHeader(500); _, _ = io.WriteString(w, body) },
		"no JSON, with status":  func(w http.ResponseWriter, body string) { w.WriteHeader(400); _, _ = io.WriteString(w, "!"+body) },
		"no JSON":               func(w http.ResponseWriter, body string) { _, _ = io.WriteString(w, "!"+body) },
		"JSON of another shape": func(w http.ResponseWriter, body string) { _, _ = io.WriteString(w, `{"ARN": [`+body+`]}`) },
		"no HTTP": func(w http.ResponseWriter, body string) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, body+"\r\n\r\n")
				conn.Close()
			}
		},
	} {
		intercept := func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
			body, _ := io.ReadAll(r.Body)
			if !strings.Contains(string(body), plaintext) {
				r.Body = io.NopCloser(bytes.NewReader(body))
				serve.ServeHTTP(w, r)
				return
			}
			echo(w, string(body))
		}
		for _, client := range []*sm.Client{s.Client, s.withRetries()} {
			for _, revision := range []int64{1, 2} { // a new secret, and a new version
				b := bundle(uuid.New(), revision)
				s.intercept.Store(nil)
				if revision > 1 {
					mustDeliver(t, awssm.New(client, ""), bundle(b.SecretID, 1), 0)
				}
				s.intercept.Store(&intercept)
				b.Content = secrets.NewValue(plaintext)
				err := awssm.New(client, "").Stage(t.Context(), b)
				if err == nil {
					t.Errorf("Stage of revision %d answered with %s = nil, want an error", revision, what)
				}
				for ; err != nil; err = errors.Unwrap(err) {
					if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, plaintext[:7]) {
						t.Errorf("the error of Stage answered with %s shows the value", what)
					}
				}
			}
		}
	}
}

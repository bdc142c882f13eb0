package awssm_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/uuid"

	localkms "goblins-secrets/infra/local/kms"
	"goblins-secrets/infra/local/secretsmanager"
	"goblins-secrets/pkg/awserr"
	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

const day = 24 * time.Hour

var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
})

// service is a local Secrets Manager that speaks the real protocol.
type service struct {
	*sm.Client // without retries
	url        string
	ahead      atomic.Int64 // of its clock
	calls      atomic.Int64 // of all operations, so far

	// intercept, if set, may answer a request itself.
	intercept atomic.Pointer[func(w http.ResponseWriter, r *http.Request, serve http.Handler)]
}

func newService(t *testing.T) *service {
	t.Helper()
	keys, err := localkms.Open(filepath.Join(t.TempDir(), "kms.json"))
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := keys.Sealer("alias/test")
	if err != nil {
		t.Fatal(err)
	}
	server, err := secretsmanager.Open(filepath.Join(t.TempDir(), "secrets.json"), sealer)
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

// withRetries returns a client that retries as the product's does, without the waiting.
func (s *service) withRetries() *sm.Client {
	o := options(s.url)
	o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxBackoff = time.Millisecond
	})
	return sm.New(o)
}

// on intercepts the calls of one operation.
func (s *service) on(operation string, intercept func(w http.ResponseWriter, r *http.Request, serve http.Handler)) {
	selected := func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+operation) {
			intercept(w, r, serve)
			return
		}
		serve.ServeHTTP(w, r)
	}
	s.intercept.Store(&selected)
}

// answer writes an error as AWS does.
func answer(w http.ResponseWriter, kind, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": kind, "Message": message})
}

// bundle returns a revision of a secret.
func bundle(secret uuid.UUID, revision int64) delivery.Bundle {
	content := fmt.Sprintf(`{"REVISION": "%d"}`, revision)
	return delivery.Bundle{
		AccountID: uuid.NameSpaceDNS, SecretID: secret, Name: "secret", Revision: revision,
		At:       "goblins/test/" + uuid.NameSpaceDNS.String() + "/" + secret.String(),
		Versions: sha256.Sum256([]byte(content)), Content: secrets.NewValue(content),
	}
}

// inTest is where the bundles of these tests are.
var inTest = awssm.Names{Prefix: "test"}

// stage stages a bundle as a deliverer does, unless the target is ahead.
func stage(ctx context.Context, target awssm.Target, b delivery.Bundle) error {
	held, err := target.Look(ctx, b)
	if err != nil || held.Revision > b.Revision && !held.Deleted {
		return err
	}
	if err := target.Restore(ctx, b, held); err != nil {
		return err
	}
	return target.Stage(ctx, b, held)
}

// promote promotes a bundle. It returns the current revision if that is ahead, else 0.
func promote(ctx context.Context, target awssm.Target, b delivery.Bundle) (ahead int64, err error) {
	now, promoted, err := target.Promote(ctx, b)
	if promoted {
		return 0, err
	}
	return now.Revision, err
}

// deliver stages and promotes a bundle.
func deliver(ctx context.Context, target awssm.Target, b delivery.Bundle) (int64, error) {
	if err := stage(ctx, target, b); err != nil {
		return 0, err
	}
	return promote(ctx, target, b)
}

func mustDeliver(t *testing.T, target awssm.Target, b delivery.Bundle, ahead int64) {
	t.Helper()
	if got, err := deliver(t.Context(), target, b); err != nil || got != ahead {
		t.Errorf("deliver(revision %d) = %d, %v, want %d", b.Revision, got, err, ahead)
	}
}

// readRevision returns the revision that services read.
func (s *service) readRevision(b delivery.Bundle) (int64, error) {
	out, err := s.GetSecretValue(context.Background(), &sm.GetSecretValueInput{SecretId: &b.At})
	if err != nil {
		return 0, err
	}
	var content struct {
		Revision int64 `json:"REVISION,string"`
	}
	if err := json.Unmarshal([]byte(*out.SecretString), &content); err != nil {
		return 0, errors.New("the current version is not a bundle")
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
	out, err := s.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: &b.At})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *service) versions(t *testing.T, b delivery.Bundle) (ids []string) {
	t.Helper()
	out, err := s.ListSecretVersionIds(t.Context(), &sm.ListSecretVersionIdsInput{SecretId: &b.At, IncludeDeprecated: aws.Bool(true)})
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

func isOutage(err error) bool {
	_, ok := errors.AsType[awserr.Outage](err)
	return ok
}

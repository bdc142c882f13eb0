package awssm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/uuid"

	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

func TestServicesReadABundleOnceItIsPromoted(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, awssm.Names{Prefix: "test", KMSKeyID: "alias/bundles"})
	first, second := bundle(secret, 1), bundle(secret, 2)
	mustDeliver(t, target, first, 0)
	s.checkCurrent(t, first)

	if err := stage(t.Context(), target, second); err != nil {
		t.Fatal(err)
	}
	s.checkCurrent(t, first) // until the promotion
	if got, err := promote(t.Context(), target, second); err != nil || got != 0 {
		t.Errorf("Promote = %d, %v, want 0", got, err)
	}
	s.checkCurrent(t, second)

	got := s.describe(t, second)
	if key := aws.ToString(got.KmsKeyId); key != "alias/bundles" {
		t.Errorf("KmsKeyId = %q, want alias/bundles", key)
	}
	for tag, want := range map[string]string{
		"goblins:account": second.AccountID.String(), "goblins:secret": secret.String(), "goblins:name": "secret",
	} {
		if has := s.tags(t, second)[tag]; has != want {
			t.Errorf("tag %s = %q, want %q", tag, has, want)
		}
	}
	out, err := s.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: &second.At})
	if err != nil {
		t.Fatal(err)
	}
	if *out.SecretString != second.Content.Reveal() {
		t.Error("services read other content than the bundle's")
	}
}

func TestBundlesUseTheAccountsKeyWithoutAKeyOfTheTarget(t *testing.T) {
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
	mustDeliver(t, awssm.New(s.Client, inTest), b, 0)
}

// Other deliverers, and operators, find the revision in the id.
func TestVersionIDsSortByRevision(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, inTest)
	var want []string
	for _, n := range []int64{1, 9, 10, math.MaxInt64} {
		b := bundle(secret, n)
		mustDeliver(t, target, b, 0)
		want = append(want, fmt.Sprintf("r%019d-%x", n, b.Versions[:16]))
	}
	got := s.versions(t, bundle(secret, 1))
	if !slices.Equal(got, want) || !slices.IsSorted(got) {
		t.Errorf("version ids = %q, want %q", got, want)
	}
}

func TestRepeatedDeliveriesAddNoVersions(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, inTest)
	for n := int64(1); n <= 3; n++ {
		b := bundle(secret, n)
		for range 2 {
			if err := stage(t.Context(), target, b); err != nil {
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

// A version loses AWSPENDING when another one is staged. Staged again, it is the same version.
func TestBundleCanBeStagedAgainAfterAnother(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, inTest)
	mustDeliver(t, target, bundle(secret, 1), 0)
	for _, n := range []int64{2, 3, 2} {
		b := bundle(secret, n)
		b.Content = secrets.NewValue(b.Content.Reveal() + strings.Repeat(" ", len(s.versions(t, b)))) // other JSON of the same content
		if err := stage(t.Context(), target, b); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := promote(t.Context(), target, bundle(secret, 2)); err != nil || got != 0 {
		t.Errorf("Promote(2) = %d, %v, want 0", got, err)
	}
	s.checkCurrent(t, bundle(secret, 2))
}

// Another caller creates the secret between DescribeSecret and CreateSecret.
func TestSecretCreatedMeanwhileIsUsed(t *testing.T) {
	t.Parallel()
	s, b := newService(t), bundle(uuid.New(), 1)
	s.on("CreateSecret", func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
		s.intercept.Store(nil)
		if _, err := s.CreateSecret(context.Background(), &sm.CreateSecretInput{Name: &b.At}); err != nil {
			t.Errorf("CreateSecret = %v", err)
		}
		serve.ServeHTTP(w, r)
	})
	mustDeliver(t, awssm.New(s.Client, inTest), b, 0)
	s.checkCurrent(t, b)
}

// A version whose id is not the id of a bundle counts as revision 0.
func TestBundleReplacesAVersionOfAnotherWriter(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		uuid.NewString(),
		"r9999999999999999999-00000000000000000000000000000000", // not an int64
		"r0000000000000000099-00000000000000000000000000000000-x",
		"R0000000000000000099-00000000000000000000000000000000",
		"r000000000000000099-00000000000000000000000000000000",
	} {
		s, secret := newService(t), uuid.New()
		target := awssm.New(s.Client, inTest)
		one, two := bundle(secret, 1), bundle(secret, 2)
		mustDeliver(t, target, one, 0)
		_, err := s.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: &one.At, ClientRequestToken: &id,
			SecretString: aws.String("by hand")})
		if err != nil {
			t.Fatal(err)
		}
		mustDeliver(t, target, one, 0)
		s.checkCurrent(t, one)
		mustDeliver(t, target, two, 0)
		s.checkCurrent(t, two)
	}
}

// The quota covers a day: the SDK must not retry, and the caller gets ErrQuota.
func TestQuotaIsReportedAndNotRetried(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.withRetries(), inTest)
	mustDeliver(t, target, bundle(secret, 1), 0)
	for n := int64(2); n <= 100; n++ {
		if err := stage(t.Context(), target, bundle(secret, n)); err != nil {
			t.Fatal(err)
		}
	}
	mustDeliver(t, target, bundle(secret, 100), 0)
	next := bundle(secret, 101)
	calls := s.calls.Load()
	err := stage(t.Context(), target, next)
	if !errors.Is(err, delivery.ErrQuota) || isOutage(err) {
		t.Errorf("Stage(the 101st version of a day) = %v, want %v", err, delivery.ErrQuota)
	}
	if got := s.calls.Load() - calls; got != 2 {
		t.Errorf("Stage over the quota took %d requests, want DescribeSecret and PutSecretValue", got)
	}
	s.checkCurrent(t, bundle(secret, 100))
	s.ahead.Store(int64(day + time.Minute))
	mustDeliver(t, target, next, 0)
	s.checkCurrent(t, next)
}

func TestThrottlingIsRetried(t *testing.T) {
	t.Parallel()
	s, b := newService(t), bundle(uuid.New(), 1)
	mustDeliver(t, awssm.New(s.withRetries(), inTest), b, 0)
	var puts atomic.Int64
	s.on("PutSecretValue", func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
		if puts.Add(1) < 3 {
			answer(w, "ThrottlingException", "Rate exceeded")
			return
		}
		serve.ServeHTTP(w, r)
	})
	mustDeliver(t, awssm.New(s.withRetries(), inTest), bundle(b.SecretID, 2), 0)
	puts.Store(0)
	if err := stage(t.Context(), awssm.New(s.Client, inTest), bundle(b.SecretID, 3)); !isOutage(err) {
		t.Errorf("Stage while throttled = %v, want an Outage", err)
	}
}

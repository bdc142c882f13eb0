package awssm_test

import (
	"context"
	"errors"
	mathrand "math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/secrets"
)

func TestOlderBundleIsNeverPromoted(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, inTest)
	old, recent := bundle(secret, 5), bundle(secret, 7)
	old.Name = "old name"
	mustDeliver(t, target, bundle(secret, 1), 0)
	if err := stage(t.Context(), target, old); err != nil {
		t.Fatal(err)
	}
	mustDeliver(t, target, recent, 0)
	if got, err := promote(t.Context(), target, old); err != nil || got != 7 {
		t.Errorf("Promote(5) after 7 = %d, %v, want 7", got, err)
	}
	mustDeliver(t, target, old, 7)
	s.checkCurrent(t, recent)
	if got := s.tags(t, old)["goblins:name"]; got != "secret" {
		t.Errorf("name tag after an old bundle = %q, want secret", got)
	}

	// Of two bundles of one revision, the first stays current.
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
	target := awssm.New(s.withRetries(), inTest)
	order := mathrand.Perm(revisions)

	done, polled := make(chan struct{}), make(chan int64)
	go func() {
		last := int64(0)
		defer func() { polled <- last }()
		for {
			got, err := s.readRevision(bundle(secret, 1))
			if missing := new(types.ResourceNotFoundException); err != nil && (last > 0 || !errors.As(err, &missing)) {
				t.Errorf("read after revision %d = %v", last, err)
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
					t.Errorf("deliver(revision %d) = %d, %v", b.Revision, got, err)
				}
			}
		})
	}
	wg.Wait()
	close(done)
	<-polled
	s.checkCurrent(t, bundle(secret, revisions))
}

// An operator may put an older revision back. The next revision becomes current again.
func TestNextRevisionReplacesAnOperatorsRollback(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, inTest)
	one, two, three := bundle(secret, 1), bundle(secret, 2), bundle(secret, 3)
	mustDeliver(t, target, one, 0)
	mustDeliver(t, target, two, 0)
	ids := s.versions(t, two)
	_, err := s.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{
		SecretId: &two.At, VersionStage: aws.String("AWSCURRENT"), RemoveFromVersionId: &ids[1], MoveToVersionId: &ids[0],
	})
	if err != nil {
		t.Fatal(err)
	}
	mustDeliver(t, target, three, 0)
	s.checkCurrent(t, three)
}

func TestPromoteRequiresAStagedBundle(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, inTest)
	if got, err := promote(t.Context(), target, bundle(secret, 1)); err == nil || isOutage(err) {
		t.Errorf("Promote(no secret) = %d, %v, want a lasting error", got, err)
	}
	mustDeliver(t, target, bundle(secret, 1), 0)
	if got, err := promote(t.Context(), target, bundle(secret, 2)); err == nil || isOutage(err) {
		t.Errorf("Promote(not staged) = %d, %v, want a lasting error", got, err)
	}
	s.checkCurrent(t, bundle(secret, 1))
}

// AWSCURRENT moves each time before the compare-and-swap: Promote ends, with an outage.
func TestPromoteGivesUpWhenTheLabelKeepsMoving(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, inTest)
	mustDeliver(t, target, bundle(secret, 1), 0)
	if err := stage(t.Context(), target, bundle(secret, 2)); err != nil {
		t.Fatal(err)
	}
	s.on("UpdateSecretVersionStage", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		answer(w, "InvalidParameterException", "The label is on another version.")
	})
	if got, err := promote(t.Context(), target, bundle(secret, 2)); !errors.Is(err, secrets.ErrUnavailable) {
		t.Errorf("Promote = %d, %v, want ErrUnavailable", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := promote(ctx, target, bundle(secret, 2)); !isOutage(err) {
		t.Errorf("Promote(canceled) = %d, %v, want an Outage", got, err)
	}
}

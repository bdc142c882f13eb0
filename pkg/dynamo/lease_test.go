package dynamo_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// A lease is acquired with the token after the last one. An older token releases nothing, and a
// deleted secret has no lease.
func TestLeaseIsAcquiredWithTheNextToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, store := t.Context(), f.store
	current := func() delivery.Lease {
		t.Helper()
		l, err := store.Lease(ctx, f.account, f.secret.ID)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	nothing := delivery.Lease{AccountID: f.account, SecretID: f.secret.ID}
	if diff := cmp.Diff(nothing, current()); diff != "" {
		t.Errorf("Lease of a new secret (-want +got):\n%s", diff)
	}
	acquire := func(token int64) (delivery.Lease, error) {
		l := nothing
		l.Token, l.Expires, l.NotBefore = token, now.Add(time.Minute), now.Add(time.Hour)
		for i := range token { // stored in milliseconds
			l.Times = append(l.Times, now.Truncate(time.Millisecond).Add(-time.Duration(i)*time.Second))
		}
		return l, store.AcquireLease(ctx, l)
	}
	if _, err := acquire(2); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("AcquireLease(token too high) = %v, want ErrChanged", err)
	}
	first, err := acquire(1)
	if diff := cmp.Diff(first, current()); err != nil || diff != "" {
		t.Errorf("AcquireLease: %v (-want +got):\n%s", err, diff)
	}
	if _, err := acquire(1); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("AcquireLease(same token) = %v, want ErrChanged", err)
	}
	if err := store.ReleaseLease(ctx, first, "what went wrong"); err != nil {
		t.Errorf("ReleaseLease = %v", err)
	}
	released := first
	released.Expires = time.Time{}
	if diff := cmp.Diff(released, current()); diff != "" {
		t.Errorf("ReleaseLease (-want +got):\n%s", diff)
	}
	if got := f.leaseRow(t)["error"]; got != "what went wrong" {
		t.Errorf("error of the row = %v, want what went wrong", got)
	}
	second, err := acquire(2)
	if diff := cmp.Diff(second, current()); err != nil || diff != "" {
		t.Errorf("AcquireLease: %v (-want +got):\n%s", err, diff)
	}
	// An earlier holder releases nothing.
	if err := store.ReleaseLease(ctx, first, "late"); err != nil || !current().Expires.Equal(second.Expires) ||
		f.leaseRow(t)["error"] != nil {
		t.Errorf("ReleaseLease(old token) = %v, then %v, want the newer lease unchanged", err, f.leaseRow(t))
	}
	if err := store.ReleaseLease(ctx, second, ""); err != nil || f.leaseRow(t)["error"] != nil {
		t.Errorf("ReleaseLease = %v, then %v, want no error in the row", err, f.leaseRow(t))
	}
	f.Check(t)

	// A deleted secret has no lease, and a late release does not restore the row.
	deleted := f.event(secrets.SecretDeleted)
	if err := store.DeleteSecret(ctx, binned(f.secret), deleted); err != nil {
		t.Fatal(err)
	}
	if _, err := acquire(3); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("AcquireLease(deleted secret) = %v, want ErrNotFound", err)
	}
	f.purge(t, secrets.Purge{AccountID: f.account, SecretID: f.secret.ID, ID: deleted.ID, Due: now})
	if err := store.ReleaseLease(ctx, second, "late"); err != nil {
		t.Errorf("ReleaseLease(deleted secret) = %v", err)
	}
	if diff := cmp.Diff(nothing, current()); diff != "" {
		t.Errorf("Lease of a deleted secret (-want +got):\n%s", diff)
	}
	f.Check(t)
}

func (f fixture) leaseRow(t *testing.T) secretstest.Row {
	t.Helper()
	for _, row := range f.Rows(t) {
		if row["SK"] == "DELIVERY" {
			return row
		}
	}
	t.Fatal("there is no lease")
	return nil
}

func TestOneOfRivalsAcquiresTheLease(t *testing.T) {
	t.Parallel()
	const rivals, leases = 6, 5
	f := newFixture(t)
	var stores []secretstest.Store
	for range rivals {
		stores = append(stores, f.Store(t, secretstest.Inject(secretstest.Conflicts)))
	}
	for token := int64(1); token <= leases; token++ {
		results := make(chan error, rivals)
		for _, store := range stores {
			go func() {
				results <- store.AcquireLease(t.Context(), delivery.Lease{AccountID: f.account, SecretID: f.secret.ID, Token: token, Expires: now})
			}()
		}
		won := 0
		for range rivals {
			if err := <-results; err == nil {
				won++
			} else if !errors.Is(err, secrets.ErrChanged) {
				t.Errorf("AcquireLease(token %d) = %v, want ErrChanged", token, err)
			}
		}
		if won != 1 {
			t.Errorf("%d of %d rivals acquired the lease with token %d, want 1", won, rivals, token)
		}
	}
}

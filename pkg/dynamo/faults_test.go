package dynamo_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// The store retries a write whose answer was lost. The retry changes nothing and does not fail
// because of the first attempt's rows, even if it meets a conflict before.
func TestWritesWithLostAnswersHappenOnce(t *testing.T) {
	t.Parallel()
	lose := secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if c.What == "TransactWriteItems" {
			return []secretstest.Fault{secretstest.LostAfter, secretstest.Conflict, secretstest.None}[c.Nth%3]
		}
		return secretstest.None
	})
	f := newFixture(t, lose) // creates an account and a secret
	it := f.newItem(t, "API_KEY")
	updated := it
	updated.Key, updated.Version = "KEY_2", 2
	if err := f.store.UpdateItem(t.Context(), f.items(0), it, updated, sealed, f.itemEvent(secrets.ItemUpdated, updated)); err != nil {
		t.Errorf("UpdateItem: %v", err)
	}
	if err := f.store.DeleteItem(t.Context(), f.items(-1), updated, f.itemEvent(secrets.ItemDeleted, updated)); err != nil {
		t.Errorf("DeleteItem: %v", err)
	}
	if err := f.store.DeleteSecret(t.Context(), f.secret, f.event(secrets.SecretDeleted)); err != nil {
		t.Errorf("DeleteSecret: %v", err)
	}
	f.Check(t)
	events := 0
	for _, row := range f.Rows(t) {
		if row["PK"] == "EVENTS#"+f.account.String() {
			events++
		}
	}
	if events != 6 {
		t.Errorf("%d events of 6 writes, want 6", events)
	}
}

// The same holds for writes of services.
func TestServiceWritesWithLostAnswersHappenOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if c.What == "TransactWriteItems" {
			return []secretstest.Fault{secretstest.LostAfter, secretstest.Conflict, secretstest.None}[c.Nth%3]
		}
		return secretstest.None
	}))
	ctx := t.Context()
	to := f.newSecret(t, "to")
	w := f.newService(t, "app", f.secret.ID)
	moved := w
	moved.SecretID, moved.Name, moved.Version = to.ID, "moved", 2
	changes := []secrets.Change{use(f.read(t, f.secret.ID), -1), use(to, +1)}
	if err := f.store.UpdateService(ctx, changes, w, moved, f.event(secrets.ServiceUpdated)); err != nil {
		t.Errorf("UpdateService: %v", err)
	}
	if err := f.store.DeleteService(ctx, use(f.read(t, to.ID), -1), moved, f.event(secrets.ServiceDeleted)); err != nil {
		t.Errorf("DeleteService: %v", err)
	}
	if s := f.read(t, to.ID); s.Services != 0 || s.Revision != 2 {
		t.Errorf("secret = %+v, want no use and revision 2", s)
	}
	f.wantUses(t, []secrets.Service{}, to.ID)
}

// An outage of DynamoDB, and a conflict that lasts, are ErrUnavailable.
func TestOutagesAndLastingConflictsAreUnavailable(t *testing.T) {
	t.Parallel()
	for _, fault := range []secretstest.Fault{secretstest.LostBefore, secretstest.LostAfter} {
		f := newFixture(t)
		away := f.Store(t, secretstest.Inject(func(secretstest.Call) secretstest.Fault { return fault }))
		it, stored := f.item("API_KEY"), f.newItem(t, "STORED")
		_, stampErr := away.StampReveal(t.Context(), f.account, f.secret.ID, stored.ID, now, f.user)
		// A repeated stamp meets its own first try, which is no outage.
		if done := fault == secretstest.LostAfter; done != (stampErr == nil) || !done && !errors.Is(stampErr, secrets.ErrUnavailable) {
			t.Errorf("StampReveal under %s = %v, want ErrUnavailable unless it was done", fault, stampErr)
		}
		_, _, listErr := away.Items(t.Context(), f.account, f.secret.ID, secrets.Cursor{}, 10)
		_, chargeErr := away.ChargeReveal(t.Context(), f.account, f.user, now, 100, time.Hour)
		for name, err := range map[string]error{
			"Secret":       errOf(away.Secret(t.Context(), f.account, f.secret.ID)),
			"Items":        listErr,
			"ChargeReveal": chargeErr,
			"Purges":       errOf(away.Purges(t.Context())),
			"CreateItem":   away.CreateItem(t.Context(), f.items(+1), it, sealed, f.itemEvent(secrets.ItemCreated, it)),
		} {
			if !errors.Is(err, secrets.ErrUnavailable) {
				t.Errorf("%s under %s = %v, want ErrUnavailable", name, fault, err)
			}
		}
	}
	f := newFixture(t)
	conflicted := f.Store(t, secretstest.Inject(func(secretstest.Call) secretstest.Fault { return secretstest.Conflict }))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // the store retries for longer
	defer cancel()
	it := f.item("API_KEY")
	if err := conflicted.CreateItem(ctx, f.items(+1), it, sealed, f.itemEvent(secrets.ItemCreated, it)); !errors.Is(err,
		secrets.ErrUnavailable) {
		t.Errorf("CreateItem in a lasting conflict = %v, want ErrUnavailable", err)
	}
}

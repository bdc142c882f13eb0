package dynamo_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

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
	updated := next(it)
	updated.Key = "KEY_2"
	if err := updateItem(t.Context(), f.store, f.items(0), it, updated, sealed, f.itemEvent(secrets.ItemUpdated, updated)); err != nil {
		t.Errorf("UpdateItem: %v", err)
	}
	binnedItem, _ := f.mustDeleteItem(t, updated, f.inBin(now))
	if _, err := f.restoreItem(t, f.store, binnedItem, "KEY_2", sealed); err != nil {
		t.Errorf("RestoreItem: %v", err)
	}
	binnedSecret, _ := f.deleteSecret(t, f.secret.ID, f.inBin(now))
	if err := f.restoreSecret(t, f.store, binnedSecret, f.secret.Name); err != nil {
		t.Errorf("RestoreSecret: %v", err)
	}
	if err := f.store.DeleteSecret(t.Context(), binned(f.read(t, f.secret.ID)), f.event(secrets.SecretDeleted)); err != nil {
		t.Errorf("DeleteSecret: %v", err)
	}
	f.Check(t)
	events := 0
	for _, row := range f.Rows(t) {
		if row["PK"] == "EVENTS#"+f.account.String() {
			events++
		}
	}
	if events != 9 {
		t.Errorf("%d events of 9 writes, want 9", events)
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
		_, _, keysErr := away.ItemsWithKeys(t.Context(), f.account, f.secret.ID, "STORED")
		_, _, binErr := away.DeletedItems(t.Context(), f.account, f.secret.ID, secrets.Cursor{}, 10)
		_, _, deletedErr := away.DeletedItem(t.Context(), f.account, f.secret.ID, stored.ID)
		_, _, secretsErr := away.DeletedSecrets(t.Context(), f.account, secrets.Cursor{}, 10)
		_, chargeErr := away.ChargeReveal(t.Context(), f.account, f.user, now, 100, time.Hour)
		for name, err := range map[string]error{
			"Secret":        errOf(away.Secret(t.Context(), f.account, f.secret.ID)),
			"Items":         listErr,
			"ChargeReveal":  chargeErr,
			"Purges":        errOf(away.Purges(t.Context(), now)),
			"ItemsWithKeys": keysErr, "DeletedItems": binErr, "DeletedItem": deletedErr, "DeletedSecrets": secretsErr,
			"DeletedSecretsWithIDs": errOf(away.DeletedSecretsWithIDs(t.Context(), f.account, []uuid.UUID{f.secret.ID})),
			"DeletedSecret":         errOf(away.DeletedSecret(t.Context(), f.account, f.secret.ID)),
			"Versions":              errOf(away.Versions(t.Context(), stored)),
			"SealedVersion":         errOfVersion(away.SealedVersion(t.Context(), stored, 0)),
			"RemoveChildren":        away.RemoveChildren(t.Context(), secrets.Purge{AccountID: f.account, SecretID: newID()}, uuid.Nil),
			"CreateItem":            createItem(t.Context(), away, f.items(+1), it, sealed, f.itemEvent(secrets.ItemCreated, it)),
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
	if err := createItem(ctx, conflicted, f.items(+1), it, sealed, f.itemEvent(secrets.ItemCreated, it)); !errors.Is(err,
		secrets.ErrUnavailable) {
		t.Errorf("CreateItem in a lasting conflict = %v, want ErrUnavailable", err)
	}
}

package dynamo_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/pkg/secrets"
)

// A write fails if another write changed the item since it was read. Two items of a secret
// never share a key.
func TestItemWritesRestOnTheVersionRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	it := f.newItem(t, "API_KEY")
	parent, got, err := f.store.Item(ctx, f.account, f.secret.ID, it.ID)
	if parent.ID != f.secret.ID || parent.Name != f.secret.Name {
		t.Errorf("Item's secret = %+v, want %+v", parent, f.secret)
	}
	if diff := cmp.Diff(it, got); err != nil || diff != "" {
		t.Errorf("Item: %v (-want +got):\n%s", err, diff)
	}
	if r, err := f.store.ReadValue(ctx, f.account, f.user, f.secret.ID, it.ID); err != nil || r.Value.Version != 1 || string(r.Value.Blob) != "sealed" {
		t.Errorf("ReadValue = %+v, %v, want version 1 of it", r, err)
	}
	taken := f.item("API_KEY")
	if err := createItem(ctx, f.store, f.items(+1), taken, sealed, f.itemEvent(secrets.ItemCreated, taken)); !errors.Is(err,
		secrets.ErrExists) {
		t.Errorf("CreateItem(taken key) = %v, want ErrExists", err)
	}

	read, err := f.store.StampReveal(ctx, f.account, f.secret.ID, it.ID, now.Add(time.Hour), f.user)
	want := it
	want.LastAccessedAt, want.LastAccessedBy = now.Add(time.Hour), f.user
	if diff := cmp.Diff(want, read); err != nil || diff != "" {
		t.Errorf("StampReveal: %v (-want +got):\n%s", err, diff)
	}
	// An older reveal does not replace a newer one.
	for _, at := range []time.Time{now, now.Add(time.Hour)} {
		if read, err := f.store.StampReveal(ctx, f.account, f.secret.ID, it.ID, at, newID()); err != nil || read != want {
			t.Errorf("StampReveal(older) = %+v, %v, want the newer stamp of %+v", read, err, want)
		}
	}
	if _, err := f.store.StampReveal(ctx, f.account, f.secret.ID, newID(), now, f.user); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("StampReveal(missing item) = %v, want ErrNotFound", err)
	}

	updated := next(want)
	updated.Key, updated.UpdatedAt = "KEY_2", now.Add(2*time.Hour)
	if err := updateItem(ctx, f.store, f.items(0), it, updated, []byte("resealed"), f.itemEvent(secrets.ItemUpdated, updated)); err != nil {
		t.Errorf("UpdateItem = %v", err)
	}
	if _, got, err := f.store.Item(ctx, f.account, f.secret.ID, it.ID); err != nil || got != updated {
		t.Errorf("Item after UpdateItem = %+v, %v, want %+v", got, err, updated)
	}
	if err := updateItem(ctx, f.store, f.items(0), it, updated, sealed,
		f.itemEvent(secrets.ItemUpdated, updated)); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("UpdateItem(old revision) = %v, want ErrChanged", err)
	}
	if err := deleteItem(ctx, f.store, f.items(-1), it, f.itemEvent(secrets.ItemDeleted, it)); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("DeleteItem(old key) = %v, want ErrChanged", err)
	}
	f.newItem(t, "API_KEY") // the key is free again
	clash := updated
	clash.Key, clash.Revision = "API_KEY", updated.Revision+1
	if err := updateItem(ctx, f.store, f.items(0), updated, clash, nil, f.itemEvent(secrets.ItemUpdated, clash)); !errors.Is(err,
		secrets.ErrExists) {
		t.Errorf("UpdateItem(to a taken key) = %v, want ErrExists", err)
	}
	f.Check(t)
	if err := deleteItem(ctx, f.store, f.items(-1), updated, f.itemEvent(secrets.ItemDeleted, updated)); err != nil {
		t.Errorf("DeleteItem = %v", err)
	}
	if err := errOfItem(f.store.Item(ctx, f.account, f.secret.ID, updated.ID)); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("Item(deleted item) = %v, want ErrNotFound", err)
	}
	if r, err := f.store.ReadValue(ctx, f.account, f.user, f.secret.ID, updated.ID); err != nil || r.Value.Version != 0 {
		t.Errorf("ReadValue(deleted item) = %+v, %v, want no value", r.Value, err)
	}
	f.Check(t)
}

// No read finds the items of a deleted secret, and no write adds to them, before the purge
// and after it.
func TestItemsOfADeletedSecretAreOutOfReach(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	other := f.newItem(t, "API_KEY")
	deleted := f.event(secrets.SecretDeleted)
	if err := f.store.DeleteSecret(ctx, binned(f.read(t, f.secret.ID)), deleted); err != nil {
		t.Fatal(err)
	}
	late, changed := f.item("LATE"), next(other)
	unreachable := func(when string) {
		t.Helper()
		_, _, listErr := f.store.Items(ctx, f.account, f.secret.ID, secrets.Cursor{}, 10)
		for name, err := range map[string]error{
			"Item":  errOfItem(f.store.Item(ctx, f.account, f.secret.ID, other.ID)),
			"Items": listErr,
		} {
			if !errors.Is(err, secrets.ErrNotFound) {
				t.Errorf("%s(deleted secret) %s = %v, want ErrNotFound", name, when, err)
			}
		}
		for name, err := range map[string]error{
			"CreateItem": createItem(ctx, f.store, f.items(+1), late, sealed, f.itemEvent(secrets.ItemCreated, late)),
			"UpdateItem": updateItem(ctx, f.store, f.items(0), other, changed, sealed, f.itemEvent(secrets.ItemUpdated, changed)),
			"DeleteItem": deleteItem(ctx, f.store, f.items(-1), other, f.itemEvent(secrets.ItemDeleted, other)),
		} {
			if !errors.Is(err, secrets.ErrChanged) {
				t.Errorf("%s(deleted secret) %s = %v, want ErrChanged", name, when, err)
			}
		}
		f.Check(t)
	}
	unreachable("before the purge") // which excuses the item that is left
	purges, err := f.store.Purges(ctx, now)
	want := []secrets.Purge{{AccountID: f.account, SecretID: f.secret.ID, ID: deleted.ID, Due: now}}
	if diff := cmp.Diff(want, purges); err != nil || diff != "" {
		t.Errorf("Purges: %v (-want +got):\n%s", err, diff)
	}
	f.purge(t, purges[0])
	f.wantPurged(t)
	unreachable("after the purge")
}

package dynamo_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

const recovery = 30 * 24 * time.Hour

// inBin is a deletion after which a restore is possible.
func (f fixture) inBin(at time.Time) secrets.Deleted {
	return secrets.Deleted{By: f.user, At: at, Due: at.Add(recovery)}
}

// deleteSecret moves a secret, as it is now, into the bin.
func (f fixture) deleteSecret(t *testing.T, secret uuid.UUID, d secrets.Deleted) (secrets.DeletedSecret, secrets.Purge) {
	t.Helper()
	x := secrets.DeletedSecret{Secret: f.read(t, secret), Deleted: d}
	ev := f.event(secrets.SecretDeleted)
	if err := f.store.DeleteSecret(t.Context(), x, ev); err != nil {
		t.Fatal(err)
	}
	return x, secrets.Purge{AccountID: f.account, SecretID: secret, ID: ev.ID, Due: d.Due}
}

// restoreSecret takes a secret out of the bin, as the domain does after it read x.
func (f fixture) restoreSecret(t *testing.T, s secrets.Secrets, x secrets.DeletedSecret, name string) error {
	t.Helper()
	restored := x.Secret
	restored.Name = name
	restored.Revision++
	return s.RestoreSecret(t.Context(), x, restored, 0, f.event(secrets.SecretRestored))
}

// deleteItem moves an item into the bin, as the domain does after it read the item.
func (f fixture) deleteItem(t *testing.T, it secrets.Item, d secrets.Deleted) (secrets.DeletedItem, secrets.Purge, error) {
	t.Helper()
	c := secrets.Change{Secret: f.read(t, it.SecretID), Items: -1, Size: -it.Size, Revise: true, AtExport: true}
	ev := f.itemEvent(secrets.ItemDeleted, it)
	err := f.store.WriteItems(t.Context(), c, ev, secrets.ItemWrite{Old: it, New: it, Deleted: d})
	p := secrets.Purge{AccountID: f.account, SecretID: it.SecretID, ID: ev.ID, Due: d.Due, Items: []uuid.UUID{it.ID}}
	return secrets.DeletedItem{Item: it, Deleted: d}, p, err
}

// mustDeleteItem moves an item into the bin.
func (f fixture) mustDeleteItem(t *testing.T, it secrets.Item, d secrets.Deleted) (secrets.DeletedItem, secrets.Purge) {
	t.Helper()
	x, p, err := f.deleteItem(t, it, d)
	if err != nil {
		t.Fatal(err)
	}
	return x, p
}

// restoreItem takes an item out of the bin, as the domain does after it read x.
func (f fixture) restoreItem(t *testing.T, s secrets.Items, x secrets.DeletedItem, key string, blob []byte) (secrets.Item, error) {
	t.Helper()
	restored := revised(x.Item, func(it *secrets.Item) { it.Key = key })
	c := secrets.Change{Secret: f.read(t, x.Item.SecretID), Items: +1, Size: restored.Size, Revise: true, AtExport: true}
	w := secrets.ItemWrite{Old: x.Item, New: restored, Sealed: blob, Restored: true}
	return restored, s.WriteItems(t.Context(), c, f.itemEvent(secrets.ItemRestored, restored), w)
}

// export stamps a secret as one that was read at once.
func (f fixture) export(t *testing.T, secret uuid.UUID, at time.Time) {
	t.Helper()
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	_, err := f.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName:        &f.Name,
		Key:              map[string]types.AttributeValue{"PK": text("ACCOUNT#" + f.account.String()), "SK": text("SECRET#" + secret.String())},
		UpdateExpression: aws.String("SET exported_at = :at, exported_by = :by, exported_revision = :one"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":at": text(at.Format("2006-01-02T15:04:05.000000Z")), ":by": text(f.user.String()), ":one": &types.AttributeValueMemberN{Value: "1"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What is in the bin is the object as it was. It comes back with its value and its versions, under a free key.
func TestItemIsRestoredWithItsValue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	first := f.newItem(t, "KEY")
	it := version(first, secrets.Slot{Version: 1}, secrets.Slot{Number: 1, Version: 2})
	if err := f.write(t, secrets.ItemUpdated, 0, secrets.ItemWrite{
		Old: first, New: it, Sealed: []byte("two"), Into: &secrets.Slot{Number: 1}, By: f.user,
	}); err != nil {
		t.Fatal(err)
	}
	it, err := f.store.StampReveal(ctx, f.account, f.secret.ID, it.ID, now.Add(time.Minute), f.user)
	if err != nil {
		t.Fatal(err)
	}
	before := f.read(t, f.secret.ID)
	want, _ := f.mustDeleteItem(t, it, f.inBin(now))
	f.wantVersions(t, "in the bin", it, map[int]string{0: "sealed", 1: "two"})
	if after := f.read(t, f.secret.ID); after.Items != 0 || after.Checksum != 0 || after.Revision != before.Revision+1 {
		t.Errorf("the secret of a deleted item is %+v, want no items and another revision", after)
	}
	if r, err := f.store.ReadValue(ctx, f.account, f.user, f.secret.ID, it.ID); err != nil || r.Item != (secrets.Item{}) || r.Value.Version != 0 {
		t.Errorf("ReadValue(deleted item) = %+v, %v, want none", r, err)
	}
	if _, err := f.store.StampReveal(ctx, f.account, f.secret.ID, it.ID, now.Add(time.Hour), f.user); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("StampReveal(deleted item) = %v, want ErrNotFound", err)
	}
	parent, got, err := f.store.DeletedItem(ctx, f.account, f.secret.ID, it.ID)
	if diff := cmp.Diff(want, got); err != nil || diff != "" || parent != f.read(t, f.secret.ID) {
		t.Errorf("DeletedItem: %v, of %+v (-want +got):\n%s", err, parent, diff)
	}
	for name, of := range map[string][2]uuid.UUID{"a live item": {f.secret.ID, f.newItem(t, "OTHER").ID}, "another secret": {newID(), it.ID}} {
		if _, _, err := f.store.DeletedItem(ctx, f.account, of[0], of[1]); !errors.Is(err, secrets.ErrNotFound) {
			t.Errorf("DeletedItem(%s) = %v, want ErrNotFound", name, err)
		}
	}

	f.newItem(t, "KEY") // the key is free at once
	f.wantUnchanged(t, "restore under a taken key", secrets.ErrExists, func() error {
		return errOf(f.restoreItem(t, f.store, got, "KEY", []byte("two")))
	})
	restored, err := f.restoreItem(t, f.store, got, "KEY_2", []byte("two"))
	if err != nil {
		t.Fatal(err)
	}
	f.wantValue(t, "restored", restored, "two")
	f.wantVersions(t, "restored", restored, map[int]string{0: "sealed", 1: "two"})
	for _, key := range []string{"KEY_2", "KEY_3"} { // the first is its own
		f.wantUnchanged(t, "restore again as "+key, secrets.ErrChanged, func() error {
			return errOf(f.restoreItem(t, f.store, got, key, []byte("two")))
		})
	}
	again, _ := f.mustDeleteItem(t, restored, f.inBin(now.Add(time.Hour)))
	f.wantUnchanged(t, "restore that rests on the first deletion", secrets.ErrChanged, func() error {
		return errOf(f.restoreItem(t, f.store, got, "KEY_3", []byte("two")))
	})
	if _, err := f.restoreItem(t, f.store, again, "KEY_3", []byte("two")); err != nil {
		t.Errorf("restore of the second deletion = %v", err)
	}
	f.Check(t)
}

// A deletion takes the last read into the bin. So it fails if there was a read since, and if anything else changed.
func TestDeletionOfItemRestsOnItsLastRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	it := f.newItem(t, "KEY")
	remove := func(it secrets.Item) func() error {
		return func() error { _, _, err := f.deleteItem(t, it, f.inBin(now)); return err }
	}
	stamp := func(after time.Duration) secrets.Item {
		t.Helper()
		it, err := f.store.StampReveal(ctx, f.account, f.secret.ID, it.ID, now.Add(after), f.user)
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	first := stamp(time.Second)
	f.wantUnchanged(t, "deletion of an item that was never read then", secrets.ErrChanged, remove(it))
	second := stamp(time.Minute)
	f.wantUnchanged(t, "deletion of an item that was read since", secrets.ErrChanged, remove(first))
	f.wantUnchanged(t, "deletion from an old revision", secrets.ErrChanged, remove(revised(second, func(it *secrets.Item) { it.Revision -= 2 })))

	secret := f.read(t, f.secret.ID)
	for n, exported := range []time.Time{now.Add(time.Hour), now.Add(2 * time.Hour)} {
		f.export(t, f.secret.ID, exported)
		f.wantUnchanged(t, fmt.Sprint("deletion of an item that was exported since, ", n), secrets.ErrChanged, func() error {
			c := secrets.Change{Secret: secret, Items: -1, Revise: true, AtExport: true}
			return f.store.WriteItems(ctx, c, f.itemEvent(secrets.ItemDeleted, second), secrets.ItemWrite{Old: second, New: second, Deleted: f.inBin(now)})
		})
		secret = f.read(t, f.secret.ID)
		if want := (secrets.Exported{At: exported, By: f.user, Revision: 1}); secret.Exported != want {
			t.Errorf("the last export is %+v, want %+v", secret.Exported, want)
		}
	}
	other := f.item("OTHER")
	f.wantUnchanged(t, "creation at an older export", secrets.ErrChanged, func() error {
		return createItem(ctx, f.store, secrets.Change{Secret: f.secret, Items: +1, Revise: true, AtExport: true}, other, sealed,
			f.itemEvent(secrets.ItemCreated, other))
	})
	if err := remove(second)(); err != nil {
		t.Errorf("deletion of what was read = %v", err)
	}
	f.Check(t)
}

// A secret goes into the bin as it was read, and its name is free at once. What is in it stays where it is, out of reach.
func TestDeletionOfSecretRestsOnWhatWasRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	remove := func(change func(*secrets.Secret)) func() error {
		old := f.read(t, f.secret.ID)
		change(&old)
		return func() error {
			return f.store.DeleteSecret(ctx, secrets.DeletedSecret{Secret: old, Deleted: f.inBin(now)}, f.event(secrets.SecretDeleted))
		}
	}
	unrevised := remove(func(*secrets.Secret) {})
	it := f.newItem(t, "KEY")
	f.wantUnchanged(t, "deletion of a secret that had no revision", secrets.ErrChanged, unrevised)
	unread := remove(func(*secrets.Secret) {})
	f.export(t, f.secret.ID, now.Add(time.Hour))
	f.wantUnchanged(t, "deletion of a secret that was never exported then", secrets.ErrChanged, unread)
	f.wantUnchanged(t, "deletion of a secret that was exported since", secrets.ErrChanged, remove(func(s *secrets.Secret) { s.Exported.At = now }))
	f.wantUnchanged(t, "deletion under another name", secrets.ErrChanged, remove(func(s *secrets.Secret) { s.Name = "x" }))
	f.wantUnchanged(t, "deletion from an old revision", secrets.ErrChanged, remove(func(s *secrets.Secret) { s.Revision-- }))
	f.wantUnchanged(t, "deletion of a secret that lost its services", secrets.ErrChanged, remove(func(s *secrets.Secret) { s.Services = 1 }))

	before := f.read(t, f.secret.ID)
	want, purge := f.deleteSecret(t, f.secret.ID, f.inBin(now))
	got, err := f.store.DeletedSecret(ctx, f.account, f.secret.ID)
	if diff := cmp.Diff(want, got); err != nil || diff != "" || got.Secret != before {
		t.Errorf("DeletedSecret: %v (-want +got):\n%s", err, diff)
	}
	if _, n, err := f.store.Secrets(ctx, f.account, secrets.Cursor{}, 10); err != nil || n != 1 {
		t.Errorf("the account counts %d secrets, %v, want 1", n, err)
	}
	purges, err := f.store.Purges(ctx, want.Deleted.Due)
	if diff := cmp.Diff([]secrets.Purge{purge}, purges); err != nil || diff != "" {
		t.Errorf("Purges: %v (-want +got):\n%s", err, diff)
	}
	f.wantUnchanged(t, "deletion of a deleted secret", secrets.ErrChanged, func() error {
		return f.store.DeleteSecret(ctx, want, f.event(secrets.SecretDeleted))
	})
	if r, err := f.store.ReadValue(ctx, f.account, f.user, f.secret.ID, it.ID); err != nil || r.Secret != (secrets.Secret{}) {
		t.Errorf("ReadValue(item of a deleted secret) = %+v, %v, want no secret", r, err)
	}
	if _, _, err := f.store.DeletedItems(ctx, f.account, f.secret.ID, secrets.Cursor{}, 10); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("DeletedItems(deleted secret) = %v, want ErrNotFound", err)
	}
	f.newSecret(t, f.secret.Name)
	f.Check(t)
}

// A restore rests on the deletion that was read, and on a free name and place.
func TestSecretIsRestoredAsItWas(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	it := f.newItem(t, "KEY")
	inBin := f.newItem(t, "IN_BIN")
	f.mustDeleteItem(t, inBin, f.inBin(now))
	f.export(t, f.secret.ID, now.Add(time.Hour))
	first, _ := f.deleteSecret(t, f.secret.ID, f.inBin(now))
	f.newSecret(t, f.secret.Name)
	f.wantUnchanged(t, "restore under a taken name", secrets.ErrExists, func() error {
		return f.restoreSecret(t, f.store, first, f.secret.Name)
	})
	restored := first.Secret
	restored.Name = "restored"
	restored.Revision++
	f.wantUnchanged(t, "restore into a full account", secrets.ErrFull, func() error {
		return f.store.RestoreSecret(ctx, first, restored, 2, f.event(secrets.SecretRestored))
	})
	if err := f.store.RestoreSecret(ctx, first, restored, 3, f.event(secrets.SecretRestored)); err != nil {
		t.Fatal(err)
	}
	if got := f.read(t, f.secret.ID); got != restored {
		t.Errorf("the restored secret is %+v, want %+v", got, restored)
	}
	f.wantValue(t, "restored", it, "sealed")
	if _, err := f.store.DeletedSecret(ctx, f.account, f.secret.ID); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("DeletedSecret(restored) = %v, want ErrNotFound", err)
	}
	if _, n, err := f.store.DeletedItems(ctx, f.account, f.secret.ID, secrets.Cursor{}, 10); err != nil || n != 1 {
		t.Errorf("DeletedItems(restored secret) = %d, %v, want the one that was deleted before", n, err)
	}
	if _, err := f.store.Entry(ctx, f.account, f.secret.ID); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("Entry(a secret that was never delivered) = %v, want ErrNotFound", err)
	}
	f.Check(t)

	for _, name := range []string{"restored", "again"} { // the first is its own
		f.wantUnchanged(t, "restore again as "+name, secrets.ErrChanged, func() error { return f.restoreSecret(t, f.store, first, name) })
	}
	second, _ := f.deleteSecret(t, f.secret.ID, f.inBin(now.Add(time.Hour)))
	f.wantUnchanged(t, "restore that rests on the first deletion", secrets.ErrChanged, func() error {
		return f.restoreSecret(t, f.store, first, "again")
	})
	if err := f.restoreSecret(t, f.store, second, "again"); err != nil {
		t.Errorf("restore of the second deletion = %v", err)
	}
	f.Check(t)

	// So does a restore of a secret without a revision, and a missing row is none.
	plain := f.newSecret(t, "plain")
	first, _ = f.deleteSecret(t, plain.ID, f.inBin(now))
	if err := f.restoreSecret(t, f.store, first, "plain"); err != nil {
		t.Fatal(err)
	}
	f.deleteSecret(t, plain.ID, f.inBin(now.Add(time.Hour)))
	f.wantUnchanged(t, "restore that rests on a deletion without a revision", secrets.ErrChanged, func() error {
		return f.restoreSecret(t, f.store, first, "plain")
	})
	purged, p := f.deleteSecret(t, f.newSecret(t, "purged").ID, f.inBin(now))
	f.finishPurge(t, p, uuid.Nil)
	f.wantUnchanged(t, "restore after the purge", secrets.ErrChanged, func() error { return f.restoreSecret(t, f.store, purged, "purged") })
}

// A secret that may have a bundle at the target comes back with an outbox entry.
func TestRestoredSecretWithABundleEntersTheOutbox(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	w := f.newService(t, "app", f.secret.ID)
	if err := f.store.MarkDelivered(ctx, f.account, f.secret.ID, 1, bundle(1)); err != nil {
		t.Fatal(err)
	}
	if err := f.store.DeleteService(ctx, use(f.read(t, f.secret.ID), -1), w, f.event(secrets.ServiceDeleted)); err != nil {
		t.Fatal(err)
	}
	x, _ := f.deleteSecret(t, f.secret.ID, f.inBin(now))
	if err := f.store.Acknowledge(ctx, must(f.store.Entry(ctx, f.account, f.secret.ID))); err != nil { // the bundle was removed
		t.Fatal(err)
	}
	restored := x.Secret
	restored.Revision++
	ev := f.event(secrets.SecretRestored)
	if err := f.store.RestoreSecret(ctx, x, restored, 0, ev); err != nil {
		t.Fatal(err)
	}
	want := delivery.Entry{AccountID: f.account, SecretID: f.secret.ID, Change: ev.ID, At: now, Bundle: bundle(1).Name}
	if got, err := f.store.Entry(ctx, f.account, f.secret.ID); err != nil || got != want {
		t.Errorf("Entry = %+v, %v, want %+v", got, err, want)
	}
	f.Check(t)
}

func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

// A permanent deletion of what is in the bin makes it due now. It can't be restored then, and the purge that waits for
// the former time leaves it alone.
func TestClaimInTheBinIsFinal(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	hour := now.Add(time.Hour)
	claim := secrets.Deleted{By: f.user, At: hour, Due: hour, Claimed: true}

	it := f.newItem(t, "KEY")
	bystander := f.newItem(t, "OTHER")
	x, former := f.mustDeleteItem(t, it, f.inBin(now))
	claimItem := func(old secrets.Item) (secrets.Purge, error) {
		ev := f.itemEvent(secrets.ItemDeleted, it)
		err := f.store.WriteItems(ctx, secrets.Change{Secret: f.read(t, f.secret.ID)}, ev,
			secrets.ItemWrite{Old: old, New: old, Restored: true, Deleted: claim})
		return secrets.Purge{AccountID: f.account, SecretID: f.secret.ID, ID: ev.ID, Due: hour, Items: []uuid.UUID{it.ID}}, err
	}
	f.wantUnchanged(t, "claim of another revision", secrets.ErrChanged, func() error {
		return errOf(claimItem(revised(it, func(*secrets.Item) {})))
	})
	f.wantUnchanged(t, "claim of what is not in the bin", secrets.ErrChanged, func() error { return errOf(claimItem(bystander)) })
	before := f.read(t, f.secret.ID)
	p, err := claimItem(it)
	if err != nil {
		t.Fatal(err)
	}
	if after := f.read(t, f.secret.ID); after != before {
		t.Errorf("the secret is %+v after %+v, want no change", after, before)
	}
	f.wantUnchanged(t, "claim of what is claimed", secrets.ErrChanged, func() error { return errOf(claimItem(it)) })
	f.wantUnchanged(t, "restore of what is claimed", secrets.ErrChanged, func() error {
		return errOf(f.restoreItem(t, f.store, x, "KEY", sealed))
	})
	f.wantUnchanged(t, "a claim by the former purge", secrets.ErrChanged, func() error { return errOfClaim(f.store.ClaimPurged(ctx, former, it.ID)) })
	if _, _, err := f.store.DeletedItem(ctx, f.account, f.secret.ID, it.ID); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("DeletedItem(claimed) = %v, want ErrNotFound", err)
	}
	f.Check(t)
	f.finishPurge(t, p, it.ID)

	secret, former := f.deleteSecret(t, f.secret.ID, f.inBin(now))
	claimSecret := func(old secrets.Secret) (secrets.Purge, error) {
		ev := f.event(secrets.SecretDeleted)
		err := f.store.ClaimSecret(ctx, secrets.DeletedSecret{Secret: old, Deleted: claim}, ev)
		return secrets.Purge{AccountID: f.account, SecretID: old.ID, ID: ev.ID, Due: hour}, err
	}
	f.wantUnchanged(t, "claim of another revision", secrets.ErrChanged, func() error {
		old := secret.Secret
		old.Revision--
		return errOf(claimSecret(old))
	})
	live := f.newSecret(t, "live") // without a revision, as is a missing row
	f.wantUnchanged(t, "claim of a secret that is not in the bin", secrets.ErrChanged, func() error {
		return errOf(claimSecret(live))
	})
	p, err = claimSecret(secret.Secret)
	if err != nil {
		t.Fatal(err)
	}
	f.wantUnchanged(t, "claim of a claimed secret", secrets.ErrChanged, func() error { return errOf(claimSecret(secret.Secret)) })
	f.wantUnchanged(t, "restore of a claimed secret", secrets.ErrChanged, func() error {
		return f.restoreSecret(t, f.store, secret, "restored")
	})
	f.wantUnchanged(t, "a claim by the former purge", secrets.ErrChanged, func() error { return errOfClaim(f.store.ClaimPurged(ctx, former, uuid.Nil)) })
	if _, err := f.store.DeletedSecret(ctx, f.account, f.secret.ID); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("DeletedSecret(claimed) = %v, want ErrNotFound", err)
	}
	f.Check(t)
	f.finishPurge(t, p, uuid.Nil)
}

func errOfClaim(_, _ secrets.Named, err error) error { return err }

// finishPurge does all steps of a purge twice, as after a crash, and looks for what is left.
func (f fixture) finishPurge(t *testing.T, p secrets.Purge, item uuid.UUID) {
	t.Helper()
	ctx := t.Context()
	action, of := secrets.SecretPurged, p.SecretID.String()
	if item != uuid.Nil {
		action, of = secrets.ItemPurged, item.String()
	}
	ev := f.event(action)
	for range 2 {
		secret, it, err := f.store.ClaimPurged(ctx, p, item)
		if err != nil || secret.ID != p.SecretID || secret.Name == "" || it.ID != item || (it.Name == "") != (item == uuid.Nil) {
			t.Errorf("ClaimPurged = %+v, %+v, %v, want the names of %s", secret, it, err, of)
		}
		ev.Secret, ev.Item = secret, it
		if err := f.store.RemoveChildren(ctx, p, item); err != nil {
			t.Errorf("RemoveChildren = %v", err)
		}
		f.Check(t)
	}
	if err := f.store.EndPurged(ctx, p, item, ev); err != nil {
		t.Errorf("EndPurged = %v", err)
	}
	f.wantUnchanged(t, "EndPurged again", secrets.ErrChanged, func() error { return f.store.EndPurged(ctx, p, item, f.event(action)) })
	f.wantUnchanged(t, "ClaimPurged at the end", secrets.ErrChanged, func() error { return errOfClaim(f.store.ClaimPurged(ctx, p, item)) })
	for range 2 {
		if err := f.store.EndPurge(ctx, p); err != nil {
			t.Errorf("EndPurge = %v", err)
		}
	}
	for _, row := range f.Rows(t) {
		key := fmt.Sprint(row["PK"], "|", row["SK"])
		waits := row["PK"] == "PURGE" && !strings.Contains(key, p.ID.String()) // another purge, until it is due
		if strings.Contains(key, of) && !waits {
			t.Errorf("%s is left", key)
		}
	}
	f.Check(t)
}

// Restore and purge meet: one of them wins, and the other is ErrChanged.
func TestRestoreAndPurgeHaveOneWinner(t *testing.T) {
	t.Parallel()
	const rounds = 12
	f := newFixture(t)
	busy := func() secretstest.Store {
		return f.Store(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
			switch c.What {
			case "TransactWriteItems", "UpdateItem BIN", "UpdateItem SECRET":
				return []secretstest.Fault{secretstest.None, secretstest.Conflict}[newID()[15]%2]
			}
			return secretstest.None
		}))
	}
	restorer, purger := busy(), busy()
	won := map[bool]int{}
	for round := range rounds {
		secret := f.newSecret(t, fmt.Sprint("secret ", round))
		g := f
		g.secret = secret
		it := g.newItem(t, "KEY")
		item := uuid.Nil
		var purge secrets.Purge
		var restore func() error
		if round%2 == 0 {
			var x secrets.DeletedItem
			x, purge = g.mustDeleteItem(t, it, f.inBin(now))
			item = it.ID
			restore = func() error { return errOf(g.restoreItem(t, restorer, x, "KEY", sealed)) }
		} else {
			var x secrets.DeletedSecret
			x, purge = g.deleteSecret(t, secret.ID, f.inBin(now))
			restore = func() error { return g.restoreSecret(t, restorer, x, secret.Name) }
		}
		var restoring, purging error
		var wg sync.WaitGroup
		wg.Go(func() { restoring = restore() })
		wg.Go(func() { _, _, purging = purger.ClaimPurged(t.Context(), purge, item) })
		wg.Wait()
		restored := restoring == nil
		if restored == (purging == nil) || !errors.Is(errors.Join(restoring, purging), secrets.ErrChanged) {
			t.Errorf("round %d: restore = %v, claim = %v, want one success and one ErrChanged", round, restoring, purging)
		}
		won[restored]++
		f.Check(t)
		if !restored {
			g.finishPurge(t, purge, item)
			continue
		}
		g.wantUnchanged(t, "EndPurged of what was restored", secrets.ErrChanged, func() error {
			return f.store.EndPurged(t.Context(), purge, item, f.event(secrets.SecretPurged))
		})
		if err := f.store.EndPurge(t.Context(), purge); err != nil {
			t.Errorf("round %d: EndPurge = %v", round, err)
		}
		g.wantValue(t, "restored", must2(f.store.Item(t.Context(), f.account, secret.ID, it.ID)), "sealed")
	}
	t.Logf("restored %d, purged %d", won[true], won[false])
}

func must2[T, U any](_ T, x U, err error) U { return must(x, err) }

// What is not claimed is not ended.
func TestOnlyClaimsAreEnded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	it := f.newItem(t, "KEY")
	_, items := f.mustDeleteItem(t, it, f.inBin(now))
	_, whole := f.deleteSecret(t, f.secret.ID, f.inBin(now))
	for name, tt := range map[string]struct {
		p    secrets.Purge
		item uuid.UUID
	}{"an item": {items, it.ID}, "a secret": {whole, uuid.Nil}} {
		f.wantUnchanged(t, "EndPurged of "+name, secrets.ErrChanged, func() error {
			return f.store.EndPurged(t.Context(), tt.p, tt.item, f.event(secrets.SecretPurged))
		})
		tt.p.Due = tt.p.Due.Add(time.Microsecond)
		f.wantUnchanged(t, "ClaimPurged for another purge of "+name, secrets.ErrChanged, func() error {
			return errOfClaim(f.store.ClaimPurged(t.Context(), tt.p, tt.item))
		})
	}
}

// The purge of an item removes its versions, and nothing else. That of a secret removes all that is in it, and its lease.
func TestPurgeRemovesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	g := f
	g.secret = f.newSecret(t, "bystander")
	g.newItem(t, "KEY")
	for _, secret := range []uuid.UUID{f.secret.ID, g.secret.ID} {
		if err := f.store.AcquireLease(ctx, delivery.Lease{AccountID: f.account, SecretID: secret, Token: 1}); err != nil {
			t.Fatal(err)
		}
	}
	left, gone := f.newItem(t, "LEFT"), f.newItem(t, "GONE")
	changed := version(gone, secrets.Slot{Version: 1}, secrets.Slot{Number: 10, Version: 2})
	if err := f.write(t, secrets.ItemUpdated, 0, secrets.ItemWrite{
		Old: gone, New: changed, Sealed: []byte("two"), Into: &secrets.Slot{Number: 10}, By: f.user,
	}); err != nil {
		t.Fatal(err)
	}
	other, _ := f.mustDeleteItem(t, f.newItem(t, "OTHER"), f.inBin(now))
	_, p := f.mustDeleteItem(t, changed, f.inBin(now))
	rows := func(fragment string) (n int) {
		for _, row := range f.Rows(t) {
			if key := fmt.Sprint(row["PK"], "|", row["SK"]); strings.Contains(key, fragment) && !strings.HasPrefix(key, "PURGE") {
				n++
			}
		}
		return n
	}
	before := rows("")
	if err := errOfClaim(f.store.ClaimPurged(ctx, p, changed.ID)); err != nil {
		t.Fatal(err)
	}
	if err := f.store.RemoveChildren(ctx, p, changed.ID); err != nil {
		t.Fatal(err)
	}
	if n := before - rows(""); n != 2 || rows(changed.ID.String()) != 1 {
		t.Errorf("%d rows were removed, %d of the item are left, want its 2 versions, and its row in the bin", n, rows(changed.ID.String()))
	}
	f.finishPurge(t, p, changed.ID)
	f.wantVersions(t, "of another item", left, map[int]string{0: "sealed"})
	f.wantVersions(t, "of another item in the bin", other.Item, map[int]string{0: "sealed"})

	own := rows(g.secret.ID.String())
	_, p = f.deleteSecret(t, f.secret.ID, f.inBin(now))
	f.finishPurge(t, p, uuid.Nil)
	if n := rows(g.secret.ID.String()); n != own {
		t.Errorf("another secret has %d rows, and had %d", n, own)
	}
}

// Purges has what is due, the longest due first.
func TestPurgesAreDueAtTheirTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	due := now.Add(recovery)
	var want []secrets.Purge
	for _, after := range []time.Duration{2 * time.Hour, -time.Hour, time.Microsecond, 0, -time.Microsecond, 0} {
		_, p := f.deleteSecret(t, f.newSecret(t, fmt.Sprint("secret ", newID())).ID, f.inBin(now.Add(after)))
		want = append(want, p)
	}
	it := f.newItem(t, "KEY")
	_, p := f.mustDeleteItem(t, it, f.inBin(now))
	for at, of := range map[time.Time][]secrets.Purge{
		due.Add(-2 * time.Hour):        nil,
		due.Add(-time.Hour):            {want[1]},
		due.Add(-2 * time.Microsecond): {want[1]},
		due.Add(-time.Microsecond):     {want[1], want[4]},
		due.Add(-time.Nanosecond):      {want[1], want[4]},
	} {
		purges, err := f.store.Purges(ctx, at)
		if diff := cmp.Diff(of, purges); err != nil || diff != "" {
			t.Errorf("Purges(%v before it is due): %v (-want +got):\n%s", due.Sub(at), err, diff)
		}
	}
	purges, err := f.store.Purges(ctx, due)
	if err != nil || len(purges) != 5 {
		t.Fatalf("Purges = %+v, %v, want 5", purges, err)
	}
	for _, p := range []secrets.Purge{want[3], want[5], p} { // three at one time, in the order of their secrets
		found := false
		for _, got := range purges[2:] {
			found = found || cmp.Equal(p, got)
		}
		if !found {
			t.Errorf("Purges = %+v, without %+v", purges, p)
		}
	}
	if purges, err := f.store.Purges(ctx, due.Add(recovery)); err != nil || len(purges) != 7 {
		t.Errorf("Purges, later = %+v, %v, want 7", purges, err)
	}
}

// The lists of the bin leave out what is claimed. They count over all pages of a query, which has at most 1 MB.
func TestBinIsListedAndCountedWithoutClaims(t *testing.T) {
	t.Parallel()
	const many, padding = 75, 20_000
	f := newFixture(t)
	ctx := t.Context()
	made := "2026-02-03T04:05:06.000789Z"
	var ids []uuid.UUID // of what is not claimed
	var rows []map[string]any
	for i := range many {
		id := newID()
		row := map[string]any{
			"PK": "BIN#" + f.account.String(), "SK": "SECRET#" + id.String(), "name": "n", "created_at": made, "deleted_at": made,
			"deleted_by": f.user.String(), "due": made, "padding": strings.Repeat("x", padding),
		}
		item := map[string]any{
			"PK": "SECRET#" + f.account.String() + "#" + f.secret.ID.String(), "SK": "BIN#" + id.String(), "key": "K", "version": 1,
			"created_at": made, "updated_at": made, "value_at": made, "deleted_at": made, "deleted_by": f.user.String(), "due": made,
			"padding": strings.Repeat("x", padding),
		}
		if i%3 == 0 || i > 60 && i < 70 {
			row["claimed"], item["claimed"] = true, true
		} else {
			ids = append(ids, id)
		}
		rows = append(rows, row, item)
	}
	put(t, f.Table, rows...)
	f.newItem(t, "LIVE")
	f.newSecret(t, "live")
	for name, list := range map[string]func(from secrets.Cursor, limit int) ([]uuid.UUID, int, error){
		"secrets": func(from secrets.Cursor, limit int) (found []uuid.UUID, n int, err error) {
			list, n, err := f.store.DeletedSecrets(ctx, f.account, from, limit)
			for _, x := range list {
				found = append(found, x.Secret.ID)
			}
			return found, n, err
		},
		"items": func(from secrets.Cursor, limit int) (found []uuid.UUID, n int, err error) {
			list, n, err := f.store.DeletedItems(ctx, f.account, f.secret.ID, from, limit)
			for _, x := range list {
				found = append(found, x.Item.ID)
			}
			return found, n, err
		},
	} {
		for _, limit := range []int{1, 7, many, 1000} {
			for _, backward := range []bool{false, true} {
				var got []uuid.UUID
				from := secrets.Cursor{Backward: backward}
				if backward {
					from.ID = uuid.Max
				}
				for {
					page, n, err := list(from, limit)
					if err != nil || n != len(ids) || len(page) > limit {
						t.Fatalf("%s: %d in a page of %d, of %d, %v, want %d", name, len(page), limit, n, err, len(ids))
					}
					got = append(got, page...)
					if len(page) < limit {
						break
					}
					from.ID = page[len(page)-1]
				}
				if backward {
					slices.Reverse(got)
				}
				if diff := cmp.Diff(ids, got); diff != "" {
					t.Errorf("%s in pages of %d, backward %v (-want +got):\n%s", name, limit, backward, diff)
				}
			}
		}
	}
}

// Secrets of the bin are read by ids, as a limited caller may.
func TestDeletedSecretsAreReadByIDs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	var binned []secrets.DeletedSecret
	for range 3 {
		x, _ := f.deleteSecret(t, f.newSecret(t, fmt.Sprint(newID())).ID, f.inBin(now))
		binned = append(binned, x)
	}
	claimed := f.newSecret(t, "claimed")
	f.deleteSecret(t, claimed.ID, secrets.Deleted{By: f.user, At: now, Due: now, Claimed: true})
	ids := []uuid.UUID{binned[2].Secret.ID, newID(), claimed.ID, f.secret.ID, binned[0].Secret.ID}
	found, err := f.store.DeletedSecretsWithIDs(ctx, f.account, ids)
	if diff := cmp.Diff([]secrets.DeletedSecret{binned[0], binned[2]}, found); err != nil || diff != "" {
		t.Errorf("DeletedSecretsWithIDs: %v (-want +got):\n%s", err, diff)
	}
	if found, err := f.store.DeletedSecretsWithIDs(ctx, newID(), ids); err != nil || len(found) > 0 {
		t.Errorf("DeletedSecretsWithIDs(another account) = %+v, %v, want none", found, err)
	}
	if found, err := f.store.SecretsWithIDs(ctx, f.account, ids); err != nil || len(found) != 1 {
		t.Errorf("SecretsWithIDs = %+v, %v, want the live one", found, err)
	}
	f.Check(t)
}

// A deleted secret has a lease for the removal of its bundle, as long as it can be restored.
func TestLeaseOfDeletedSecretEndsWithTheBin(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	token := int64(0)
	want := func(when string, live, deleted error, gone bool) {
		t.Helper()
		for _, tt := range []struct {
			deleted bool
			want    error
		}{{false, live}, {true, deleted}} {
			l := delivery.Lease{AccountID: f.account, SecretID: f.secret.ID, Token: token + 1, Deleted: tt.deleted}
			err := f.store.AcquireLease(ctx, l)
			if err == nil {
				token++
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: AcquireLease(deleted %v) = %v, want %v", when, tt.deleted, err, tt.want)
			}
		}
		if got, err := f.store.IsGone(ctx, f.account, f.secret.ID); err != nil || got != gone {
			t.Errorf("%s: IsGone = %v, %v, want %v", when, got, err, gone)
		}
		l, err := f.store.Lease(ctx, f.account, f.secret.ID)
		if err != nil || l.Token != token || l.Deleted {
			t.Errorf("%s: Lease = %+v, %v, want token %d", when, l, err, token)
		}
		f.Check(t)
	}
	want("live", nil, secrets.ErrNotFound, false)
	x, _ := f.deleteSecret(t, f.secret.ID, f.inBin(now))
	want("in the bin", secrets.ErrNotFound, nil, false)
	stale := delivery.Lease{AccountID: f.account, SecretID: f.secret.ID, Token: token, Deleted: true}
	if err := f.store.AcquireLease(ctx, stale); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("AcquireLease(same token) in the bin = %v, want ErrChanged", err)
	}
	if err := f.restoreSecret(t, f.store, x, f.secret.Name); err != nil {
		t.Fatal(err)
	}
	want("restored", nil, secrets.ErrNotFound, false)
	_, p := f.deleteSecret(t, f.secret.ID, f.inBin(now))
	if err := errOfClaim(f.store.ClaimPurged(ctx, p, uuid.Nil)); err != nil {
		t.Fatal(err)
	}
	want("claimed", secrets.ErrNotFound, secrets.ErrNotFound, true)
	f.finishPurge(t, p, uuid.Nil)
	token = 0
	want("purged", secrets.ErrNotFound, secrets.ErrNotFound, true)

	away := f.Store(t, secretstest.Inject(func(secretstest.Call) secretstest.Fault { return secretstest.LostBefore }))
	if gone, err := away.IsGone(ctx, f.account, f.secret.ID); gone || !errors.Is(err, secrets.ErrUnavailable) {
		t.Errorf("IsGone in an outage = %v, %v, want ErrUnavailable", gone, err)
	}
}

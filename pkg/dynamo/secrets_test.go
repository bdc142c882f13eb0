package dynamo_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/pkg/secrets"
)

func TestSecretIsFoundInItsAccountOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	got, err := f.store.Secret(ctx, f.account, f.secret.ID)
	if diff := cmp.Diff(f.secret, got); err != nil || diff != "" {
		t.Errorf("Secret: %v (-want +got):\n%s", err, diff)
	}
	if _, err := f.store.Secret(ctx, newID(), f.secret.ID); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("Secret(another account) = %v, want ErrNotFound", err)
	}
	stranger := f.secret
	stranger.AccountID, stranger.ID, stranger.Name = newID(), newID(), "x"
	if err := f.store.CreateSecret(ctx, stranger, 0, f.event(secrets.SecretCreated)); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("CreateSecret(no account) = %v, want ErrNotFound", err)
	}
	f.Check(t)
}

// Two secrets never share a name. A rename frees the old name, and a write from an older
// name fails.
func TestSecretNamesAreUnique(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	taken := f.secret
	taken.ID = newID()
	if err := f.store.CreateSecret(ctx, taken, 0, f.event(secrets.SecretCreated)); !errors.Is(err, secrets.ErrExists) {
		t.Errorf("CreateSecret(taken name) = %v, want ErrExists", err)
	}
	rename := func(s secrets.Secret, name string) error {
		return f.store.RenameSecret(ctx, secrets.Change{Secret: s, Name: name, Revise: true}, f.event(secrets.SecretUpdated))
	}
	renamed := f.secret
	renamed.Name, renamed.Revision = "staging", 1
	if err := rename(f.secret, "staging"); err != nil {
		t.Errorf("RenameSecret = %v", err)
	}
	if err := rename(f.secret, "staging"); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("RenameSecret(from its old name) = %v, want ErrChanged", err)
	}
	f.newSecret(t, "production") // the name is free again
	if err := rename(renamed, "production"); !errors.Is(err, secrets.ErrExists) {
		t.Errorf("RenameSecret(to a taken name) = %v, want ErrExists", err)
	}
	if err := f.store.DeleteSecret(ctx, binned(f.secret), f.event(secrets.SecretDeleted)); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("DeleteSecret(old name) = %v, want ErrChanged", err)
	}
	if err := f.store.DeleteSecret(ctx, binned(renamed), f.event(secrets.SecretDeleted)); err != nil {
		t.Errorf("DeleteSecret = %v", err)
	}
	f.Check(t)
}

// A name leads to its secret by two reads. Between them the secret may get another name or be deleted; then
// nothing is found.
func TestNamesLeadToTheirObjects(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	it := f.newItem(t, "API_KEY")
	w := f.newService(t, "app", f.secret.ID)
	secret := f.read(t, f.secret.ID)
	found, err := f.store.SecretsNamed(ctx, f.account, f.secret.Name)
	if diff := cmp.Diff([]secrets.Secret{secret}, found); err != nil || diff != "" {
		t.Errorf("SecretsNamed: %v (-want +got):\n%s", err, diff)
	}
	parent, items, err := f.store.ItemsWithKeys(ctx, f.account, f.secret.ID, "NO_SUCH_KEY", "API_KEY")
	if diff := cmp.Diff([]secrets.Item{it}, items); err != nil || diff != "" || parent != secret {
		t.Errorf("ItemsWithKeys: %v, of %+v, want %+v (-want +got):\n%s", err, parent, secret, diff)
	}
	if parent, items, err := f.store.ItemsWithKeys(ctx, f.account, f.secret.ID, "NO_SUCH_KEY"); err != nil || len(items) > 0 || parent != secret {
		t.Errorf("ItemsWithKeys(free key) = %v, %v, of %+v, want none of %+v", items, err, parent, secret)
	}
	services, err := f.store.ServicesNamed(ctx, f.account, "app")
	if diff := cmp.Diff([]secrets.Service{w}, services); err != nil || diff != "" {
		t.Errorf("ServicesNamed: %v (-want +got):\n%s", err, diff)
	}
	if _, _, err := f.store.ItemsWithKeys(ctx, f.account, newID(), "API_KEY"); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("ItemsWithKeys(no secret) = %v, want ErrNotFound", err)
	}
	// What a reader sees that comes between a marker and its row.
	for key, owner := range map[string]string{"RENAMED": it.ID.String(), "DELETED": newID().String()} {
		put(t, f.Table, map[string]any{"PK": "SECRET#" + f.account.String() + "#" + f.secret.ID.String(), "SK": "KEY#" + key, "owner": owner})
		if _, items, err := f.store.ItemsWithKeys(ctx, f.account, f.secret.ID, key); err != nil || len(items) > 0 {
			t.Errorf("ItemsWithKeys(%s) = %v, %v, want none", key, items, err)
		}
	}
	for name, owner := range map[string]string{"renamed": f.secret.ID.String(), "deleted": newID().String()} {
		sum := sha256.Sum256([]byte(name))
		put(t, f.Table, map[string]any{"PK": "ACCOUNT#" + f.account.String(), "SK": "NAME#" + hex.EncodeToString(sum[:]), "owner": owner})
		if found, err := f.store.SecretsNamed(ctx, f.account, name); err != nil || len(found) > 0 {
			t.Errorf("SecretsNamed(%s) = %v, %v, want none", name, found, err)
		}
	}
}

package dynamo_test

import (
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
	renamed.Name = "staging"
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
	if err := f.store.DeleteSecret(ctx, f.secret, f.event(secrets.SecretDeleted)); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("DeleteSecret(old name) = %v, want ErrChanged", err)
	}
	if err := f.store.DeleteSecret(ctx, renamed, f.event(secrets.SecretDeleted)); err != nil {
		t.Errorf("DeleteSecret = %v", err)
	}
	f.Check(t)
}

package dynamo_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/pkg/secrets"
)

func TestAPIKeyIsFoundByItsHash(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	place, err := f.store.FindKey(t.Context(), secrets.KeyHash{1})
	if err != nil || place.AccountID != f.account {
		t.Fatalf("FindKey = %+v, %v, want the account's", place, err)
	}
	k, err := f.store.Key(t.Context(), place.AccountID, place.ID)
	if err != nil || k.UserID != f.user || !k.CreatedAt.Equal(now) || !k.ExpiresAt.IsZero() {
		t.Errorf("Key = %+v, %v, want the account's", k, err)
	}
	if _, err := f.store.FindKey(t.Context(), secrets.KeyHash{2}); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("FindKey of an unknown hash: %v, want ErrNotFound", err)
	}
}

func TestAccountNamesAreUnique(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := secrets.Account{ID: newID(), Name: "first", DefaultSecretID: newID(), CreatedAt: now}
	err := f.store.CreateAccount(t.Context(), other,
		secrets.Secret{AccountID: other.ID, ID: other.DefaultSecretID, Name: "Default", IsDefault: true, CreatedAt: now},
		secrets.User{AccountID: other.ID, ID: newID(), Kind: secrets.Person, Rights: secrets.Rights{Permissions: secrets.Every}, CreatedAt: now}, 100,
		secrets.Key{ID: newID(), AccountID: other.ID, UserID: newID(), Hash: secrets.KeyHash{3}, Rights: secrets.Rights{Permissions: secrets.Every}, CreatedAt: now},
		secrets.Event{ID: secrets.NewEventID(now, newID()), AccountID: other.ID, Action: secrets.AccountCreated})
	if !errors.Is(err, secrets.ErrExists) {
		t.Errorf("CreateAccount with a taken name: %v, want ErrExists", err)
	}
	f.Check(t)
}

func TestAccountsAreRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	for _, name := range []string{"second", "third"} {
		made, _ := f.Account(t, name)
		got, err := f.store.Account(ctx, made.Account.ID)
		if diff := cmp.Diff(made.Account, got); err != nil || diff != "" {
			t.Errorf("Account: %v (-want +got):\n%s", err, diff)
		}
	}
	if _, err := f.store.Account(ctx, newID()); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("Account of no id: %v, want ErrNotFound", err)
	}
}

package secrets_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// An admin that is narrowed meanwhile revokes what it may revoke by now, and is answered: the search for what a key
// made ends, although it still finds keys by the gateway's older answer.
func TestNarrowedAdminDoesNotSearchForEver(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	m := table.Manager(t)
	_, first := table.Account(t, "account")
	maker := join(t, table, first, userInput(secrets.Person, secrets.Every))
	machine, err := m.CreateUser(t.Context(), first, userInput(secrets.Machine, secrets.List))
	if err != nil {
		t.Fatal(err)
	}
	made := makeKey(t, table, maker.Caller, secrets.KeyInput{Name: secrets.Text("made"), User: secrets.Text(machine.ID.String())})
	narrowed := join(t, table, first, userInput(secrets.Person, secrets.Every))
	if _, err := m.UpdateUser(t.Context(), first, narrowed.UserID.String(), secrets.UserInput{Permissions: secrets.Texts("list")}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	err = m.DeleteKey(t.Context(), narrowed.Caller, maker.KeyID.String(), true)
	if !errors.Is(err, secrets.ErrNotFound) || time.Since(began) > 5*time.Second {
		t.Errorf("delete after %v: %v, want ErrNotFound at once", time.Since(began), err)
	}
	if _, err := m.Authenticate(t.Context(), "Bearer "+made.text); err != nil {
		t.Errorf("what the other key made: %v, want it kept", err)
	}
	table.Check(t)
}

// What a key made is revoked with it, also what one of those keys makes just before its turn, by an operator too.
func TestKeysMadeMeanwhileAreRevokedToo(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	for _, by := range []string{"admin", "operator"} {
		_, first := table.Account(t, by)
		thief := join(t, table, first, userInput(secrets.Person, secrets.Every))
		second := makeKey(t, table, thief.Caller, secrets.KeyInput{Name: secrets.Text("second")})
		var late member
		m := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
			if c.What == "TransactWriteItems" && c.Nth == 1 { // the key itself is gone, and the others are found
				late = makeKey(t, table, second.Caller, secrets.KeyInput{Name: secrets.Text("late")})
			}
			return secretstest.None
		}))
		var err error
		if by == "admin" {
			err = m.DeleteKey(t.Context(), first, thief.KeyID.String(), true)
		} else {
			err = m.RevokeKey(t.Context(), thief.KeyID.String(), true)
		}
		if err != nil {
			t.Errorf("%s: %v", by, err)
		}
		for name, text := range map[string]string{"itself": thief.text, "made": second.text, "made late": late.text} {
			if _, err := m.Authenticate(t.Context(), "Bearer "+text); text == "" || !errors.Is(err, secrets.ErrUnauthenticated) {
				t.Errorf("%s: the key %s: %v, want it revoked", by, name, err)
			}
		}
		if _, err := m.User(t.Context(), first, first.UserID.String()); err != nil {
			t.Errorf("%s: the caller: %v", by, err)
		}
	}
	table.Check(t)
}

// A deleted user that still calls is unknown, not misunderstood.
func TestDeletedUserListsNoKeys(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	m := table.Manager(t)
	_, first := table.Account(t, "account")
	u := join(t, table, first, userInput(secrets.Person, secrets.List))
	if err := m.DeleteUser(t.Context(), first, u.UserID.String()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ListKeys(t.Context(), u.Caller, secrets.Field{}, secrets.Cursor{}, 10); !errors.Is(err, secrets.ErrUnauthenticated) {
		t.Errorf("list keys: %v, want ErrUnauthenticated", err)
	}
	_, err := m.ListKeys(t.Context(), first, secrets.Text(uuid.NewString()), secrets.Cursor{}, 10)
	if !refused(err, "user") {
		t.Errorf("list keys of a missing user: %v, want it refused", err)
	}
}

package secrets_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// A reveal is held before each of its calls, while its key or user loses the right to it. It is answered with its
// charge and its event, or refused without a value. A reveal that begins after that opens nothing.
func TestRevocationDuringReveals(t *testing.T) {
	fates := map[string]struct {
		befall func(t *testing.T, m *secrets.Manager, w world, x member) error
		want   error
	}{
		"revoked": {func(t *testing.T, m *secrets.Manager, w world, x member) error {
			return m.DeleteKey(t.Context(), w.caller, x.KeyID.String(), false)
		}, secrets.ErrUnauthenticated},
		"deleted": {func(t *testing.T, m *secrets.Manager, w world, x member) error {
			return m.DeleteUser(t.Context(), w.caller, x.UserID.String())
		}, secrets.ErrUnauthenticated},
		"key narrowed": {func(t *testing.T, m *secrets.Manager, w world, x member) error {
			return errOf(m.UpdateKey(t.Context(), w.caller, x.KeyID.String(), secrets.KeyInput{Permissions: secrets.Texts("list")}))
		}, secrets.ErrDenied},
		"user narrowed": {func(t *testing.T, m *secrets.Manager, w world, x member) error {
			return errOf(m.UpdateUser(t.Context(), w.caller, x.UserID.String(), secrets.UserInput{Permissions: secrets.Texts("list")}))
		}, secrets.ErrDenied},
		"limited to others": {func(t *testing.T, m *secrets.Manager, w world, x member) error {
			return errOf(m.UpdateUser(t.Context(), w.caller, x.UserID.String(), secrets.UserInput{Secrets: idsField(w.second.ID)}))
		}, secrets.ErrNotFound},
		"expired": {func(t *testing.T, m *secrets.Manager, w world, x member) error {
			expire(t, w.table, x.key, time.Now().Add(-time.Second))
			return nil
		}, secrets.ErrUnauthenticated},
	}
	for fate, f := range fates {
		t.Run(fate, func(t *testing.T) {
			t.Parallel()
			table := secretstest.NewTable(t)
			w := newWorld(t, table)
			attach(t, &w)
			u, err := table.Manager(t).CreateUser(t.Context(), w.caller, userInput(secrets.Machine, secrets.List|secrets.Reveal))
			if err != nil {
				t.Fatal(err)
			}
			answered := map[string]bool{}
			for _, at := range []string{"UpdateItem READS", "BatchGetItem", "UpdateItem ITEM", "PutItem EVENTS", "Decrypt"} {
				if fate == "deleted" && at != "UpdateItem READS" {
					if u, err = table.Manager(t).CreateUser(t.Context(), w.caller, userInput(secrets.Machine, secrets.List|secrets.Reveal)); err != nil {
						t.Fatal(err)
					}
				}
				x := keyOf(t, table, w.caller, u, secrets.KeyInput{Name: secrets.Text("key"), ExpiresAt: later(time.Hour)})
				x.Caller.RequestID = at
				held := false
				m := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
					if c.What == at && !held {
						held = true
						if err := f.befall(t, table.Manager(t), w, x); err != nil {
							t.Errorf("held at %s: %v", at, err)
						}
					}
					return secretstest.None
				}))
				r, err := m.RevealItem(t.Context(), x.Caller, w.secret.ID.String(), w.item.ID.String())
				events := 0
				for _, ev := range eventsOf(t, table, w.caller.AccountID, secrets.ItemRevealed) {
					if ev["key_id"] == x.KeyID.String() {
						events++
					}
				}
				switch {
				case err == nil && events == 1 && r.Value.Reveal() == "value of API_KEY":
					answered[at] = true
				case err != nil && errors.Is(err, f.want) && r.Value.Reveal() == "" && events == 0:
				default:
					t.Errorf("held at %s: %v with %d events, want an answer and its event, or %v", at, err, events, f.want)
				}
				if at == "BatchGetItem" && answered[at] {
					t.Errorf("held before its reading, it was answered")
				}

				// What begins afterwards opens nothing, whatever the gateway remembers.
				var opened int
				m = table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
					if c.What == "Decrypt" {
						opened++
					}
					return secretstest.None
				}))
				r, err = m.RevealItem(t.Context(), x.Caller, w.secret.ID.String(), w.item.ID.String())
				if !errors.Is(err, f.want) || opened != 0 || r.Value.Reveal() != "" {
					t.Errorf("afterwards: %v, %d values were opened, want %v and none", err, opened, f.want)
				}
				if fate == "user narrowed" || fate == "limited to others" {
					in := secrets.UserInput{Permissions: secrets.Texts("list", "reveal"), Secrets: secrets.Null()}
					if _, err := table.Manager(t).UpdateUser(t.Context(), w.caller, u.ID.String(), in); err != nil {
						t.Fatal(err)
					}
				}
			}
			if !answered["Decrypt"] || !answered["PutItem EVENTS"] {
				t.Errorf("answered when held at %v, want those that were under way", answered)
			}
			table.Check(t)
		})
	}
}

// Two admins revoke each other, many times: one stays. And the two keys of one admin, each by the other.
func TestAdminsRevokeEachOther(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	for round := range 8 {
		_, a := table.Account(t, fmt.Sprint("account ", round))
		var b secrets.Caller
		if round%2 == 0 {
			b = join(t, table, a, userInput(secrets.Person, secrets.Every)).Caller
		} else {
			b = makeKey(t, table, a, secrets.KeyInput{Name: secrets.Text("second")}).Caller
		}
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i, c := range []secrets.Caller{a, b} {
			m := table.Manager(t, secretstest.Inject(secretstest.Conflicts))
			target := []secrets.Caller{b, a}[i]
			wg.Go(func() {
				if round%4 < 2 {
					errs[i] = m.DeleteKey(t.Context(), c, target.KeyID.String(), false)
				} else if round%2 == 0 {
					errs[i] = m.DeleteUser(t.Context(), c, target.UserID.String())
				} else {
					errs[i] = errOf(m.UpdateKey(t.Context(), c, target.KeyID.String(), secrets.KeyInput{Permissions: secrets.Texts("list")}))
				}
			})
		}
		wg.Wait()
		isRefused := func(err error) bool {
			return errors.Is(err, secrets.ErrUnauthenticated) || errors.Is(err, secrets.ErrLastAdmin) || errors.Is(err, secrets.ErrDenied) || errors.Is(err, secrets.ErrNotFound)
		}
		if !(errs[0] == nil && isRefused(errs[1]) || errs[1] == nil && isRefused(errs[0])) {
			t.Errorf("round %d: %v, and %v, want one of them done", round, errs[0], errs[1])
		}
	}
	table.Check(t) // an admin is left in each account
}

// An invitation is exchanged by several at once: one gets a key, which is the only one.
func TestInvitationIsExchangedOnce(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	for round := range 5 {
		assemble(t, &w)
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			m := table.Manager(t, secretstest.Inject(secretstest.Conflicts))
			wg.Go(func() {
				errs[i] = errOf(m.CreateKey(t.Context(), w.team.invitation.Caller, secrets.KeyInput{Name: secrets.Text("mine")}))
				if errs[i] != nil && !errors.Is(errs[i], secrets.ErrUnauthenticated) {
					t.Errorf("round %d: %v, want a key or ErrUnauthenticated", round, errs[i])
				}
			})
		}
		wg.Wait()
		won := len(slices.DeleteFunc(errs, func(err error) bool { return err != nil }))
		if names, _ := w.keysOf(t, table.Manager(t), w.team.person); won != 1 || !slices.Equal(names, []string{"mine"}) {
			t.Errorf("round %d: %d keys, the person has %v, want one", round, won, names)
		}
	}
	table.Check(t)
}

// A user is deleted while a key of it is made, held on both sides before the write. No key outlives its user.
func TestDeletedUsersHaveNoKeys(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	hold := func(do func() error) *secrets.Manager {
		return table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
			if c == (secretstest.Call{What: "TransactWriteItems"}) {
				if err := do(); err != nil {
					t.Errorf("meanwhile: %v", err)
				}
			}
			return secretstest.None
		}))
	}
	for _, of := range []string{"machine", "invited"} {
		w := newWorld(t, table)
		assemble(t, &w)
		create := func(m *secrets.Manager) error { return peopleWrites[3].do(t.Context(), m, w) }
		user := w.team.machine
		if of == "invited" {
			create = func(m *secrets.Manager) error { return peopleWrites[4].do(t.Context(), m, w) }
			user = w.team.person
		}
		remove := func(m *secrets.Manager) error { return m.DeleteUser(t.Context(), w.caller, user.ID.String()) }

		clean := table.Manager(t)
		err := create(hold(func() error { return remove(clean) }))
		if of == "invited" && !errors.Is(err, secrets.ErrUnauthenticated) || of == "machine" && !refused(err, "user") {
			t.Errorf("key of a user that is deleted meanwhile, %s: %v", of, err)
		}
		assemble(t, &w)
		user = map[string]secrets.User{"machine": w.team.machine, "invited": w.team.person}[of]
		if err := remove(hold(func() error { return create(clean) })); err != nil {
			t.Errorf("delete a user that gets a key meanwhile, %s: %v", of, err)
		}
		if names, exists := w.keysOf(t, clean, user); exists {
			t.Errorf("%s: a deleted user has the keys %v", of, names)
		}
	}
	table.Check(t)
}

// The last admin stays, however it would be lost: the table of ways, each tried on the last key, and on one of two.
func TestLastAdminStays(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	m := table.Manager(t)
	ways := map[string]func(c secrets.Caller, of secrets.Caller) error{
		"revoke":      func(c, of secrets.Caller) error { return m.DeleteKey(t.Context(), c, of.KeyID.String(), false) },
		"delete user": func(c, of secrets.Caller) error { return m.DeleteUser(t.Context(), c, of.UserID.String()) },
		"narrow key": func(c, of secrets.Caller) error {
			return errOf(m.UpdateKey(t.Context(), c, of.KeyID.String(), secrets.KeyInput{Permissions: secrets.Texts("list")}))
		},
		"narrow user": func(c, of secrets.Caller) error {
			return errOf(m.UpdateUser(t.Context(), c, of.UserID.String(), secrets.UserInput{Permissions: secrets.Texts("list", "audit")}))
		},
		"expiry": func(c, of secrets.Caller) error {
			return errOf(m.UpdateKey(t.Context(), c, of.KeyID.String(), secrets.KeyInput{ExpiresAt: later(time.Hour)}))
		},
		"operator": func(_, of secrets.Caller) error { return m.RevokeKey(t.Context(), of.KeyID.String(), false) },
	}
	for name, way := range ways {
		_, last := table.Account(t, name)
		// None of these is an admin for ever.
		expiring := makeKey(t, table, last, secrets.KeyInput{Name: secrets.Text("expiring"), ExpiresAt: later(time.Hour)})
		narrow := makeKey(t, table, last, secrets.KeyInput{Name: secrets.Text("narrow"), Permissions: secrets.Texts("list")})
		u, err := m.CreateUser(t.Context(), last, userInput(secrets.Person, secrets.Every))
		if err != nil {
			t.Fatal(err)
		}
		invited := invite(t, table, last, u)
		for _, c := range []secrets.Caller{last, expiring.Caller} {
			if err := way(c, last); !errors.Is(err, secrets.ErrLastAdmin) {
				t.Errorf("%s the last admin: %v, want ErrLastAdmin", name, err)
			}
		}
		// Those others can be lost, but for what takes the last one along.
		if err := way(last, narrow.Caller); name != "delete user" && name != "narrow user" && err != nil {
			t.Errorf("%s a key without admin: %v", name, err)
		}
		// With another one it may go, with all keys that its user has.
		second := makeKey(t, table, invited.Caller, secrets.KeyInput{Name: secrets.Text("second")})
		if err := way(second.Caller, last); err != nil {
			t.Errorf("%s one of two admins: %v", name, err)
		}
		if err := way(second.Caller, second.Caller); !errors.Is(err, secrets.ErrLastAdmin) {
			t.Errorf("%s the second one, now the last: %v, want ErrLastAdmin", name, err)
		}
	}
	// A user with several keys with admin loses them all at once, or none.
	_, last := table.Account(t, "several")
	makeKey(t, table, last, secrets.KeyInput{Name: secrets.Text("second")})
	if err := ways["narrow user"](last, last); !errors.Is(err, secrets.ErrLastAdmin) {
		t.Errorf("narrow the only admin, with two keys: %v, want ErrLastAdmin", err)
	}
	if err := ways["revoke"](last, last); err != nil {
		t.Errorf("revoke one of the two: %v", err)
	}
	table.Check(t)
}

// A write that changes its own maker's key, or user, rests on the key as it was when it decided. An admin who is demoted
// after that does not take the permissions back, and does nothing else either.
func TestDemotedAdminDoesNotPromoteItself(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	_, first := table.Account(t, "first")
	list := secrets.Texts("list")
	demotions := map[string]func(m *secrets.Manager, x member) error{
		"its user": func(m *secrets.Manager, x member) error {
			return errOf(m.UpdateUser(t.Context(), first, x.UserID.String(), secrets.UserInput{Permissions: list}))
		},
		"its key": func(m *secrets.Manager, x member) error {
			return errOf(m.UpdateKey(t.Context(), first, x.KeyID.String(), secrets.KeyInput{Permissions: list}))
		},
	}
	tries := map[string]func(m *secrets.Manager, x member) error{
		"widen its user": func(m *secrets.Manager, x member) error {
			every := secrets.Texts(secrets.PermissionNames...)
			return errOf(m.UpdateUser(t.Context(), x.Caller, x.UserID.String(), secrets.UserInput{Permissions: every}))
		},
		"rename its user": func(m *secrets.Manager, x member) error {
			return errOf(m.UpdateUser(t.Context(), x.Caller, x.UserID.String(), secrets.UserInput{Name: secrets.Text("other")}))
		},
		"delete its user": func(m *secrets.Manager, x member) error {
			return m.DeleteUser(t.Context(), x.Caller, x.UserID.String())
		},
	}
	for what, demote := range demotions {
		for name, try := range tries {
			if what == "its key" && name == "widen its user" {
				continue // which has every permission still
			}
			x := join(t, table, first, userInput(secrets.Person, secrets.Every))
			demoted := false
			m := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
				if c.What == "GetItem USER" && !demoted { // the authority is read
					demoted = true
					if err := demote(table.Manager(t), x); err != nil {
						t.Errorf("demote: %v", err)
					}
				}
				return secretstest.None
			}))
			if err := try(m, x); !errors.Is(err, secrets.ErrDenied) || !demoted {
				t.Errorf("%s while %s is demoted: %v, want ErrDenied", name, what, err)
			}
			if now := table.Caller(t, x.text).Rights.Permissions; now != secrets.List {
				t.Errorf("%s while %s is demoted: it has %v, want list", name, what, now)
			}
		}
	}
	table.Check(t)
}

// Conflicts with other transactions delay a write. It does not happen after its maker's key has expired.
func TestDelayedWritesEndWithTheirMakersKey(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	_, first := table.Account(t, "first")
	u, err := table.Manager(t).CreateUser(t.Context(), first, userInput(secrets.Machine, secrets.Every))
	if err != nil {
		t.Fatal(err)
	}
	x := keyOf(t, table, first, u, secrets.KeyInput{Name: secrets.Text("key"), ExpiresAt: later(time.Hour)})
	end := time.Now().Add(300 * time.Millisecond)
	expire(t, table, x.key, end)
	m := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if c.What == "TransactWriteItems" && time.Now().Before(end) {
			return secretstest.Conflict
		}
		return secretstest.None
	}))
	if _, err := m.CreateUser(t.Context(), x.Caller, userInput(secrets.Machine, secrets.List)); !errors.Is(err, secrets.ErrUnavailable) {
		t.Errorf("a write that conflicts until its maker's key expires: %v, want ErrUnavailable", err)
	}
	if page, err := table.Manager(t).ListUsers(t.Context(), first, secrets.Cursor{}, 10); err != nil || page.Count != 2 {
		t.Errorf("there are %d users, %v, want 2", page.Count, err)
	}
}

package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// team are the people and machines of a world.
type team struct {
	maker      member // an admin, who acts
	made       member // a key of the machine, made by the maker
	second     member // made by the key before
	machine    secrets.User
	person     secrets.User
	invitation member // of the person
	until      secrets.Field
}

// assemble gives a world a team.
func assemble(t *testing.T, w *world) {
	t.Helper()
	m := w.table.Manager(t)
	user := func(kind secrets.Kind) secrets.User {
		u, err := m.CreateUser(t.Context(), w.caller, userInput(kind, secrets.Every))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	w.team.until = later(time.Hour)
	w.team.maker = join(t, w.table, w.caller, userInput(secrets.Person, secrets.Every))
	w.team.machine, w.team.person = user(secrets.Machine), user(secrets.Person)
	ofMachine := secrets.KeyInput{Name: secrets.Text("made"), User: secrets.Text(w.team.machine.ID.String())}
	w.team.made = makeKey(t, w.table, w.team.maker.Caller, ofMachine)
	w.team.second = makeKey(t, w.table, w.team.made.Caller, ofMachine)
	w.team.invitation = invite(t, w.table, w.caller, w.team.person)
}

// accepted reports whether the keys of a member still open the door.
func (x member) accepted(t *testing.T, m *secrets.Manager) bool {
	t.Helper()
	_, err := m.Authenticate(t.Context(), "Bearer "+x.text)
	if err != nil && !errors.Is(err, secrets.ErrUnauthenticated) {
		t.Fatal(err)
	}
	return err == nil
}

// keysOf are the names of a user's keys, and whether there is the user.
func (w world) keysOf(t *testing.T, m *secrets.Manager, u secrets.User) (names []string, exists bool) {
	t.Helper()
	page, err := m.ListKeys(t.Context(), w.caller, secrets.Text(u.ID.String()), secrets.Cursor{}, 100)
	if refused(err, "user") {
		return nil, false
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range page.Results {
		names = append(names, k.Name)
	}
	return names, true
}

// peopleWrites are all operations that write users and keys, by the team's maker.
var peopleWrites = []operation{
	{"CreateUser", assemble,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			in := userInput(secrets.Machine, secrets.Reveal, w.secret.ID)
			in.Name, in.RevealLimit = secrets.Text("new"), secrets.Text("7")
			return errOf(m.CreateUser(ctx, w.team.maker.Caller, in))
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			page, err := m.ListUsers(t.Context(), w.caller, secrets.Cursor{}, 100)
			if err != nil || page.Count != len(page.Results) {
				t.Fatal(page.Count, err)
			}
			return slices.ContainsFunc(page.Results, func(u secrets.User) bool { return u.Name == "new" })
		}},
	{"UpdateUser", assemble,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return errOf(m.UpdateUser(ctx, w.team.maker.Caller, w.team.machine.ID.String(), secrets.UserInput{
				Name: secrets.Text("renamed"), Permissions: secrets.Texts("list"), Secrets: idsField(w.secret.ID), RevealLimit: secrets.Text("7"),
			}))
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			u, err := m.User(t.Context(), w.caller, w.team.machine.ID.String())
			if err != nil {
				t.Fatal(err)
			}
			done := u.Name == "renamed"
			for _, x := range []member{w.team.made, w.team.second} {
				if now := w.table.Caller(t, x.text).Rights; now.Limited() != done || (now.Permissions == secrets.List) != done {
					t.Errorf("done = %v, and a key's rights are %+v", done, now)
				}
			}
			return done
		}},
	{"DeleteUser", assemble,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return m.DeleteUser(ctx, w.team.maker.Caller, w.team.machine.ID.String())
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			_, exists := w.keysOf(t, m, w.team.machine)
			if w.team.made.accepted(t, m) != exists || w.team.second.accepted(t, m) != exists {
				t.Errorf("half of a deletion was done")
			}
			return !exists
		}},
	{"CreateKey", assemble,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return errOf(m.CreateKey(ctx, w.team.maker.Caller, secrets.KeyInput{
				Name: secrets.Text("new"), User: secrets.Text(w.team.machine.ID.String()), Secrets: secrets.Null(),
			}))
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			names, _ := w.keysOf(t, m, w.team.machine)
			return slices.Contains(names, "new")
		}},
	{"CreateKey in exchange", assemble,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return errOf(m.CreateKey(ctx, w.team.invitation.Caller, secrets.KeyInput{Name: secrets.Text("new")}))
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			names, _ := w.keysOf(t, m, w.team.person)
			done := slices.Equal(names, []string{"new"})
			if !done && !slices.Equal(names, []string{"invitation"}) || w.team.invitation.accepted(t, m) == done {
				t.Errorf("half of an exchange was done: %v", names)
			}
			return done
		}},
	{"UpdateKey", assemble,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return errOf(m.UpdateKey(ctx, w.team.maker.Caller, w.team.made.KeyID.String(), secrets.KeyInput{
				Name: secrets.Text("renamed"), Permissions: secrets.Texts("list"), Secrets: idsField(w.secret.ID), ExpiresAt: w.team.until,
			}))
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			names, _ := w.keysOf(t, m, w.team.machine)
			done := slices.Contains(names, "renamed")
			if w.table.Caller(t, w.team.made.text).Rights.Limited() != done {
				t.Error("half of an update was done")
			}
			return done
		}},
	{"DeleteKey", assemble,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return m.DeleteKey(ctx, w.team.maker.Caller, w.team.made.KeyID.String(), false)
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			names, _ := w.keysOf(t, m, w.team.machine)
			done := !w.team.made.accepted(t, m)
			if done != (len(names) == 1) {
				t.Error("half of a deletion was done")
			}
			return done
		}},
	{"DeleteKey of oneself", assemble,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return m.DeleteKey(ctx, w.team.maker.Caller, w.team.maker.KeyID.String(), false)
		},
		func(t *testing.T, m *secrets.Manager, w world) bool { return !w.team.maker.accepted(t, m) }},
	{"DeleteKey with what it made", assemble,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return m.DeleteKey(ctx, w.team.maker.Caller, w.team.made.KeyID.String(), true)
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			first, second := w.team.made.accepted(t, m), w.team.second.accepted(t, m)
			if first && !second {
				t.Error("what a key made was revoked before the key itself")
			}
			return !second
		}},
}

// operatorWrites are those of operators and of the system.
var operatorWrites = []operation{
	{"IssueKey", assemble,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return errOf(m.IssueKey(ctx, w.caller.AccountID.String(), ""))
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			names, _ := w.keysOf(t, m, secrets.User{ID: w.caller.UserID})
			return slices.Contains(names, "Issued by an operator")
		}},
	{"RevokeKey", assemble,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return m.RevokeKey(ctx, w.team.made.KeyID.String(), false)
		},
		func(t *testing.T, m *secrets.Manager, w world) bool { return !w.team.made.accepted(t, m) }},
	{"DeleteExpiredKeys",
		func(t *testing.T, w *world) {
			assemble(t, w)
			in := secrets.KeyInput{Name: secrets.Text("old"), User: secrets.Text(w.team.machine.ID.String()), ExpiresAt: later(time.Hour)}
			w.team.made = makeKey(t, w.table, w.team.maker.Caller, in)
			expire(t, w.table, w.team.made.key, time.Now().Add(-90*24*time.Hour))
		},
		func(ctx context.Context, m *secrets.Manager, w world) error { return errOf(m.DeleteExpiredKeys(ctx)) },
		func(t *testing.T, m *secrets.Manager, w world) bool {
			names, _ := w.keysOf(t, m, w.team.machine)
			return !slices.Contains(names, "old")
		}},
}

// Each write of users and keys meets each fault at each of its calls, like all other writes. What was not done is
// done by the same call again.
func TestPeopleSurviveFaults(t *testing.T) {
	for _, op := range slices.Concat(peopleWrites, operatorWrites) {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			table := secretstest.NewTable(t)
			prepare := func() world {
				w := newWorld(t, table)
				op.prepare(t, &w)
				return w
			}
			made, events := calls(t, prepare(), op.do)
			if len(events) == 0 {
				t.Error("it leaves no event")
			}
			for _, call := range made {
				outcomes := []secretstest.Fault{secretstest.Before, secretstest.After, secretstest.LostAfter}
				if call.What != "TransactWriteItems" {
					outcomes = outcomes[:1] // a read has no other
				}
				for _, fault := range outcomes {
					for _, crash := range []bool{false, true} {
						if crash && op.name != "DeleteKey with what it made" {
							continue // nothing follows what is written
						}
						w := prepare()
						underFault(t, w, op, call, fault, crash, events)
						err := op.do(t.Context(), table.Manager(t), w)
						isGone := errors.Is(err, secrets.ErrNotFound) || errors.Is(err, secrets.ErrUnauthenticated)
						if err != nil && !isGone || !op.done(t, table.Manager(t), w) {
							t.Errorf("%s/%s/crash=%v: again: %v, want it done", call, fault, crash, err)
						}
					}
				}
			}
			table.Check(t)
		})
	}
}

// A maker loses its authority when all is read and nothing is written. The write rests on it, and is refused.
func TestRevokedMakersWriteNothing(t *testing.T) {
	fates := map[string]func(t *testing.T, m *secrets.Manager, w world, maker member) error{
		"revoked": func(t *testing.T, m *secrets.Manager, w world, maker member) error {
			return m.DeleteKey(t.Context(), w.caller, maker.KeyID.String(), false)
		},
		"narrowed": func(t *testing.T, m *secrets.Manager, w world, maker member) error {
			return errOf(m.UpdateUser(t.Context(), w.caller, maker.UserID.String(), secrets.UserInput{Permissions: secrets.Texts("audit")}))
		},
		"deleted": func(t *testing.T, m *secrets.Manager, w world, maker member) error {
			return m.DeleteUser(t.Context(), w.caller, maker.UserID.String())
		},
	}
	for _, op := range peopleWrites {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			table := secretstest.NewTable(t)
			for fate, befall := range fates {
				w := newWorld(t, table)
				op.prepare(t, &w)
				maker := w.team.maker
				if op.name == "CreateKey in exchange" {
					maker = w.team.invitation
				}
				want := secrets.ErrUnauthenticated
				switch {
				case fate != "narrowed":
				case op.name == "CreateKey in exchange", op.name == "DeleteKey of oneself":
					continue // which may still be done
				case op.name == "UpdateKey", op.name == "DeleteKey", op.name == "DeleteKey with what it made":
					want = secrets.ErrNotFound // others' keys are not there for it
				default:
					want = secrets.ErrDenied
				}
				m := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
					if c == (secretstest.Call{What: "TransactWriteItems"}) {
						if err := befall(t, table.Manager(t), w, maker); err != nil {
							t.Errorf("%s: %v", fate, err)
						}
					}
					return secretstest.None
				}))
				if err := op.do(t.Context(), m, w); !errors.Is(err, want) {
					t.Errorf("%s: %v, want %v", fate, err, want)
				}
				// The world's first admin sees the rest as it was.
				clean := table.Manager(t)
				if names, _ := w.keysOf(t, clean, w.team.machine); fmt.Sprint(names) != "[made made]" {
					t.Errorf("%s: the machine has the keys %v", fate, names)
				}
				if names, exists := w.keysOf(t, clean, w.team.person); exists != (fate != "deleted" || maker.UserID != w.team.person.ID) || slices.Contains(names, "new") {
					t.Errorf("%s: the person has the keys %v", fate, names)
				}
			}
			table.Check(t)
		})
	}
}

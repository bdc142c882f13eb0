package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// verdict is how an operation was refused: "", the fields of invalid input, or what is denied.
func verdict(err error) string {
	var invalid secrets.Invalid
	var beyond secrets.Beyond
	switch {
	case err == nil:
		return ""
	case errors.As(err, &invalid):
		var fields []string
		for _, f := range invalid {
			fields = append(fields, f.Field)
		}
		return strings.Join(fields, " ")
	case errors.As(err, &beyond):
		return "beyond: " + beyond.Permissions.String()
	case errors.Is(err, secrets.ErrDenied):
		return "denied"
	case errors.Is(err, secrets.ErrNotFound):
		return "not found"
	case errors.Is(err, secrets.ErrUnauthenticated):
		return "unauthenticated"
	}
	return err.Error()
}

// keyInput is an input for a key of a user, or of one's own.
func keyInput(of uuid.UUID, permissions ...string) secrets.KeyInput {
	in := secrets.KeyInput{Name: secrets.Text("key")}
	if of != uuid.Nil {
		in.User = secrets.Text(of.String())
	}
	if permissions != nil {
		in.Permissions = secrets.Texts(permissions...)
	}
	return in
}

// No caller makes or becomes more than it is.
func TestWhoMayMakeWhat(t *testing.T) {
	t.Parallel()
	const list, reveal, write, admin = secrets.List, secrets.Reveal, secrets.Write, secrets.Admin
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	attach(t, &w)
	foreign := newWorld(t, table)
	m, own := table.Manager(t), uuid.Nil
	s, other := w.secret.ID, w.second.ID

	first := w.caller
	noReveal := join(t, table, first, userInput(secrets.Person, list|write|admin))
	reader := join(t, table, first, userInput(secrets.Person, list))
	limited := join(t, table, first, userInput(secrets.Person, list|reveal|write, s))
	narrow := makeKey(t, table, join(t, table, first, userInput(secrets.Person, list|reveal)).Caller, keyInput(own, "list"))
	within := keyInput(own)
	within.Secrets = idsField(s)
	keyWithin := makeKey(t, table, join(t, table, first, userInput(secrets.Person, list|reveal)).Caller, within)
	machine := join(t, table, first, userInput(secrets.Machine, list|reveal))
	machineWithin := join(t, table, first, userInput(secrets.Machine, list|reveal, s))
	revealer := join(t, table, first, userInput(secrets.Machine, reveal))
	machineAdmin := join(t, table, first, userInput(secrets.Machine, list|admin))

	with := func(in secrets.KeyInput, change func(*secrets.KeyInput)) secrets.KeyInput { change(&in); return in }
	to := func(field secrets.Field) func(*secrets.KeyInput) {
		return func(in *secrets.KeyInput) { in.Secrets = field }
	}
	invites := func(in *secrets.KeyInput) { in.Invitation = secrets.Bool(true) }
	user := func(p secrets.Permissions, limit ...uuid.UUID) secrets.UserInput {
		return userInput(secrets.Machine, p, limit...)
	}

	for _, row := range []struct {
		name string
		by   member
		in   any       // a KeyInput or a UserInput
		of   uuid.UUID // what an update is of
		want string
		is   string // of a key that is made: its effective permissions and secrets
	}{
		{"user with what its maker lacks", noReveal, user(list | reveal), own, "beyond: reveal", ""},
		{"limited user with what its maker lacks", noReveal, user(list|reveal, s), own, "beyond: reveal", ""},
		{"user with as much", noReveal, user(list | write | admin), own, "", ""},
		{"user by a reader", reader, user(list), own, "denied", ""},
		{"limited user with admin", member{Caller: first}, user(admin, s), own, "secrets", ""},
		{"limited user with audit", member{Caller: first}, user(secrets.Audit, s), own, "secrets", ""},
		{"user limited to a missing secret", member{Caller: first}, user(list, uuid.New()), own, "secrets", ""},
		{"user limited to a foreign secret", member{Caller: first}, user(list, foreign.secret.ID), own, "secrets", ""},
		{"user of no kind", member{Caller: first}, secrets.UserInput{Kind: secrets.Text("invited"), Name: secrets.Text("x"), Permissions: secrets.Texts("list")}, own, "kind", ""},
		{"user with nothing", member{Caller: first}, secrets.UserInput{Kind: secrets.Text("person"), Name: secrets.Text("x"), Permissions: secrets.Texts()}, own, "permissions", ""},
		{"user with something unknown", member{Caller: first}, secrets.UserInput{Kind: secrets.Text("person"), Name: secrets.Text("x"), Permissions: secrets.Texts("root")}, own, "permissions", ""},
		{"oneself with more", noReveal, secrets.UserInput{Permissions: secrets.Texts("list", "write", "admin", "reveal")}, noReveal.UserID, "beyond: reveal", ""},
		{"another with more", noReveal, secrets.UserInput{Permissions: secrets.Texts("list", "reveal")}, reader.UserID, "beyond: reveal", ""},
		{"another one's name", noReveal, secrets.UserInput{Name: secrets.Text("x")}, machine.UserID, "", ""},
		{"another one's limit lifted", noReveal, secrets.UserInput{Secrets: secrets.Null()}, machineWithin.UserID, "beyond: reveal", ""},
		{"another one's limit moved", noReveal, secrets.UserInput{Secrets: idsField(other)}, machineWithin.UserID, "beyond: reveal", ""},
		{"a person into a machine", member{Caller: first}, secrets.UserInput{Kind: secrets.Text("machine")}, reader.UserID, "kind", ""},

		{"key with the user's rights, as far as its maker has them", noReveal, keyInput(machine.UserID), own, "", "list *"},
		{"key with a right that its maker lacks", noReveal, keyInput(machine.UserID, "reveal"), own, "beyond: reveal", ""},
		{"key with nothing that its maker has", noReveal, keyInput(revealer.UserID), own, "permissions", ""},
		{"key with a right that its user lacks", member{Caller: first}, keyInput(machine.UserID, "write"), own, "permissions", ""},
		{"key of another person", member{Caller: first}, keyInput(reader.UserID), own, "invitation", ""},
		{"invitation of oneself", member{Caller: first}, with(keyInput(own), invites), own, "invitation", ""},
		{"invitation of a machine", member{Caller: first}, with(keyInput(machine.UserID), invites), own, "invitation", ""},
		{"invitation", member{Caller: first}, with(keyInput(reader.UserID), invites), own, "", " none"},
		{"invitation by a reader", reader, with(keyInput(limited.UserID), invites), own, "denied", ""},
		{"key of a machine by a reader", reader, keyInput(machine.UserID), own, "denied", ""},
		{"key of a missing user by a reader", reader, keyInput(uuid.New()), own, "denied", ""},
		{"key of a missing user", member{Caller: first}, keyInput(uuid.New()), own, "user", ""},
		{"key of a foreign user", member{Caller: first}, keyInput(foreign.caller.UserID), own, "user", ""},
		{"key of a machine by itself", machine, keyInput(own), own, "denied", ""},
		{"key of a machine that is an admin by itself", machineAdmin, keyInput(own), own, "", "list,admin *"},
		{"own key", reader, keyInput(own), own, "", "list *"},
		{"own key with more than the key", narrow, keyInput(own, "list", "reveal"), own, "beyond: reveal", ""},
		{"own key, narrow", narrow, keyInput(own), own, "", "list *"},
		{"own key, the user limited", limited, keyInput(own), own, "", "list,reveal,write " + s.String()},
		{"own key, limited to null", limited, with(keyInput(own), to(secrets.Null())), own, "", "list,reveal,write " + s.String()},
		{"own key, limited to another secret", limited, with(keyInput(own), to(idsField(other))), own, "secrets", ""},
		{"own key, limited to a missing secret", limited, with(keyInput(own), to(idsField(uuid.New()))), own, "secrets", ""},
		{"own key, the maker's limited", keyWithin, keyInput(own), own, "", "list,reveal " + s.String()},
		{"own key, the maker's limited, to null", keyWithin, with(keyInput(own), to(secrets.Null())), own, "secrets", ""},
		{"own key, the maker's limited, to another", keyWithin, with(keyInput(own), to(idsField(other))), own, "secrets", ""},
		{"own key, limited to nothing", reader, with(keyInput(own), to(secrets.Texts())), own, "secrets", ""},
		{"admin's key, limited", member{Caller: first}, with(keyInput(own), to(idsField(s))), own, "", "list,reveal,write,export " + s.String()},
		{"admin's key with admin, limited", member{Caller: first}, with(keyInput(own, "admin"), to(idsField(s))), own, "secrets", ""},

		{"wider key", narrow, keyInput(own, "list", "reveal"), narrow.KeyID, "permissions", ""},
		{"wider key by an admin", member{Caller: first}, keyInput(own, "list", "reveal"), narrow.KeyID, "permissions", ""},
		{"key for all secrets", keyWithin, secrets.KeyInput{Secrets: secrets.Null()}, keyWithin.KeyID, "secrets", ""},
		{"key for another secret", keyWithin, secrets.KeyInput{Secrets: idsField(s, other)}, keyWithin.KeyID, "secrets", ""},
		{"another one's key", reader, secrets.KeyInput{Name: secrets.Text("x")}, limited.KeyID, "not found", ""},
		{"a machine's key by itself", machine, secrets.KeyInput{Name: secrets.Text("x")}, machine.KeyID, "denied", ""},
		{"a foreign key", member{Caller: first}, secrets.KeyInput{Name: secrets.Text("x")}, foreign.caller.KeyID, "not found", ""},
	} {
		var err error
		var k secrets.NewKey
		switch in := row.in.(type) {
		case secrets.UserInput:
			if row.of == own {
				_, err = m.CreateUser(t.Context(), row.by.Caller, in)
			} else {
				_, err = m.UpdateUser(t.Context(), row.by.Caller, row.of.String(), in)
			}
		case secrets.KeyInput:
			if row.of == own {
				k, err = m.CreateKey(t.Context(), row.by.Caller, in)
			} else {
				_, err = m.UpdateKey(t.Context(), row.by.Caller, row.of.String(), in)
			}
		}
		if got := verdict(err); got != row.want {
			t.Errorf("%s = %q, want %q", row.name, got, row.want)
			continue
		}
		if row.is == "" {
			continue
		}
		rights := table.Caller(t, k.Text).Rights
		within := "*"
		if rights.Limited() {
			within = "none"
			for _, id := range rights.Secrets {
				within = id.String()
			}
		}
		if got := rights.Permissions.String() + " " + within; got != row.is {
			t.Errorf("%s: it may %q, want %q", row.name, got, row.is)
		}
	}
	table.Check(t)
}

// A person's key outlives no key that made it, and an invitation no week.
func TestExpiryOfNewKeys(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	assemble(t, &w)
	m := table.Manager(t)
	expiring := makeKey(t, table, w.caller, secrets.KeyInput{Name: secrets.Text("expiring"), ExpiresAt: later(2 * day)})
	for _, row := range []struct {
		name    string
		by      secrets.Caller
		user    *secrets.User
		invites bool
		expires secrets.Field
		want    string
		after   time.Duration // about; 0: never
	}{
		{"own", w.caller, nil, false, secrets.Field{}, "", 0},
		{"own, in a day", w.caller, nil, false, later(day), "", day},
		{"own, now", w.caller, nil, false, later(0), "expires_at", 0},
		{"own, before", w.caller, nil, false, later(-day), "expires_at", 0},
		{"own, no time", w.caller, nil, false, secrets.Text("tomorrow"), "expires_at", 0},
		{"own, without an offset", w.caller, nil, false, secrets.Text("2100-01-01T00:00:00"), "expires_at", 0},
		{"own, by an expiring key", expiring.Caller, nil, false, secrets.Field{}, "", 2 * day},
		{"own, sooner", expiring.Caller, nil, false, later(day), "", day},
		{"own, later", expiring.Caller, nil, false, later(3 * day), "expires_at", 0},
		{"own, never", expiring.Caller, nil, false, secrets.Null(), "expires_at", 0},
		{"a machine's, by an expiring key", expiring.Caller, &w.team.machine, false, secrets.Field{}, "", 0},
		{"invitation", w.caller, &w.team.person, true, secrets.Field{}, "", 7 * day},
		{"invitation for a day", w.caller, &w.team.person, true, later(day), "", day},
		{"invitation for 8 days", w.caller, &w.team.person, true, later(8 * day), "expires_at", 0},
		{"invitation for ever", w.caller, &w.team.person, true, secrets.Null(), "expires_at", 0},
	} {
		in := secrets.KeyInput{Name: secrets.Text("key"), ExpiresAt: row.expires, Invitation: secrets.Bool(row.invites)}
		if row.user != nil {
			in.User = secrets.Text(row.user.ID.String())
		}
		k, err := m.CreateKey(t.Context(), row.by, in)
		if got := verdict(err); got != row.want {
			t.Errorf("%s = %q, want %q", row.name, got, row.want)
		}
		if err != nil {
			continue
		}
		off := time.Until(k.ExpiresAt) - row.after
		if k.ExpiresAt.IsZero() != (row.after == 0) || row.after != 0 && off.Abs() > 10*time.Second {
			t.Errorf("%s: it expires at %v, want after %v", row.name, k.ExpiresAt, row.after)
		}
	}
	for name, at := range map[string]secrets.Field{"later": later(3 * day), "never": secrets.Null(), "before": later(-day)} {
		if _, err := m.UpdateKey(t.Context(), w.caller, expiring.KeyID.String(), secrets.KeyInput{ExpiresAt: at}); verdict(err) != "expires_at" {
			t.Errorf("update to expire %s: %v", name, err)
		}
	}
	table.Check(t)
}

// An invitation gives the rights that it was made with, of its user as it is by then, to its user, in time.
func TestInvitations(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	assemble(t, &w)
	m, person := table.Manager(t), w.team.person.ID
	invitation := func(permissions ...string) member {
		in := keyInput(person, permissions...)
		in.Invitation = secrets.Bool(true)
		return makeKey(t, table, w.caller, in)
	}
	x := invitation("list", "reveal")
	for name, in := range map[string]secrets.KeyInput{
		"denied": keyInput(w.team.machine.ID), "beyond: write": keyInput(uuid.Nil, "list", "write"),
		"invitation": {Name: secrets.Text("k"), Invitation: secrets.Bool(true)}, "name": {},
	} {
		if _, err := m.CreateKey(t.Context(), x.Caller, in); verdict(err) != name {
			t.Errorf("exchange = %q, want %q", verdict(err), name)
		}
	}
	if _, err := m.UpdateUser(t.Context(), w.caller, person.String(), secrets.UserInput{Permissions: secrets.Texts("list", "write")}); err != nil {
		t.Fatal(err)
	}
	k := makeKey(t, table, x.Caller, keyInput(uuid.Nil))
	if k.Rights.Permissions != secrets.List || !k.key.ExpiresAt.IsZero() || k.key.MadeBy != x.KeyID {
		t.Errorf("exchanged for %+v, want one with list, for ever", k.key)
	}
	if _, err := m.CreateKey(t.Context(), x.Caller, keyInput(uuid.Nil)); verdict(err) != "unauthenticated" {
		t.Errorf("exchange again: %v, want ErrUnauthenticated", err)
	}
	late := invitation()
	expire(t, table, late.key, time.Now().Add(-time.Second))
	if _, err := m.CreateKey(t.Context(), late.Caller, keyInput(uuid.Nil)); verdict(err) != "unauthenticated" {
		t.Errorf("exchange too late: %v, want ErrUnauthenticated", err)
	}
	// Who the chain of makers leads to is found through what is gone.
	_, made, err := m.Key(t.Context(), w.caller, w.caller.KeyID.String())
	if err != nil || !slices.Contains(made, k.KeyID) {
		t.Errorf("made by the inviter: %v, %v, want %v among them", made, err, k.KeyID)
	}
	table.Check(t)
}

// A user has at most 20 keys, of which an exchange adds none, and an account at most 1,000 users.
func TestLimitsOfPeople(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	m := table.Manager(t)
	u, err := m.CreateUser(t.Context(), w.caller, userInput(secrets.Person, secrets.Every))
	if err != nil {
		t.Fatal(err)
	}
	k := keyOf(t, table, w.caller, u, keyInput(uuid.Nil))
	for range secrets.MaxKeys - 2 {
		makeKey(t, table, k.Caller, keyInput(uuid.Nil))
	}
	last := invite(t, table, w.caller, u)
	if _, err := m.CreateKey(t.Context(), k.Caller, keyInput(uuid.Nil)); verdict(err) != "non_field_errors" {
		t.Errorf("key 21 = %v, want it refused", err)
	}
	if _, err := m.IssueKey(t.Context(), w.caller.AccountID.String(), u.ID.String()); verdict(err) != "user_id" {
		t.Errorf("key 21 by an operator = %v, want it refused", err)
	}
	makeKey(t, table, last.Caller, keyInput(uuid.Nil))
	table.Check(t)
	if _, err := m.UpdateUser(t.Context(), w.caller, u.ID.String(), secrets.UserInput{Permissions: secrets.Texts("list"), Secrets: idsField(w.secret.ID)}); err != nil {
		t.Errorf("update a user with 20 keys: %v", err)
	}
	if err := m.DeleteUser(t.Context(), w.caller, u.ID.String()); err != nil {
		t.Errorf("delete a user with 20 keys: %v", err)
	}
	table.Check(t)

	pk := "PEOPLE#" + w.caller.AccountID.String()
	setAttribute(t, table, pk, "PEOPLE", "users", &types.AttributeValueMemberN{Value: "999"})
	for i, want := range []string{"", "non_field_errors"} {
		if _, err := m.CreateUser(t.Context(), w.caller, userInput(secrets.Person, secrets.List)); verdict(err) != want {
			t.Errorf("user %d = %v, want %q", 1000+i, err, want)
		}
	}
	setAttribute(t, table, pk, "PEOPLE", "users", &types.AttributeValueMemberN{Value: "2"})
	table.Check(t)
}

// Keys stay for 90 days after their expiry. Then the system deletes them as a caller would.
func TestExpiredKeysAreDeleted(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	assemble(t, &w)
	want := []string{"[]", "[made made day 89]"}
	for name, age := range map[string]time.Duration{"day 89": 89 * 24 * time.Hour, "day 90": 90*24*time.Hour + time.Second} {
		in := keyInput(w.team.machine.ID)
		in.Name, in.ExpiresAt = secrets.Text(name), later(time.Hour)
		expire(t, table, makeKey(t, table, w.caller, in).key, time.Now().Add(-age))
	}
	m := table.Manager(t)
	for _, n := range []int{1, 0} {
		if deleted, err := m.DeleteExpiredKeys(t.Context()); err != nil || deleted != n {
			t.Errorf("deleted %d keys, %v, want %d", deleted, err, n)
		}
	}
	if names, _ := w.keysOf(t, m, w.team.machine); fmt.Sprint(names) != want[1] {
		t.Errorf("left are %v, want %s", names, want[1])
	}
	for _, ev := range eventsOf(t, table, w.caller.AccountID, secrets.KeyDeleted) {
		if ev["subject_key_name"] != "day 90" || ev["by_user"] != nil {
			t.Errorf("the event %v, want that of the oldest key, by no one", ev)
		}
	}
	table.Check(t)
}

// Operators find the way back into an account that has no key left that anyone knows.
func TestOperators(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	assemble(t, &w)
	m, ctx := table.Manager(t), t.Context()
	account, err := m.Store.Account(ctx, w.caller.AccountID)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{account.Name, account.ID.String()} {
		issued, err := m.IssueKey(ctx, name, "")
		if err != nil {
			t.Fatal(err)
		}
		if c := table.Caller(t, issued.Text); c.UserID != w.caller.UserID || c.Rights.Permissions != secrets.Every || issued.MadeBy != uuid.Nil {
			t.Errorf("issued %+v, want a key of the first user with every permission", c)
		}
	}
	for _, row := range []struct{ account, user, want string }{
		{"no such account", "", "account"}, {uuid.NewString(), "", "account"}, {"", "", "account"},
		{account.Name, uuid.NewString(), "user_id"}, {account.Name, "x", "user_id"}, {account.Name, w.team.machine.ID.String(), ""},
	} {
		if _, err := m.IssueKey(ctx, row.account, row.user); verdict(err) != row.want {
			t.Errorf("issue a key for %v = %v, want %q", row, err, row.want)
		}
	}
	for id, want := range map[string]string{"x": "not found", uuid.NewString(): "not found", w.team.made.KeyID.String(): ""} {
		if err := m.RevokeKey(ctx, id, true); verdict(err) != want {
			t.Errorf("revoke %s = %v, want %q", id, err, want)
		}
	}
	if w.team.made.accepted(t, m) || w.team.second.accepted(t, m) || !w.team.maker.accepted(t, m) {
		t.Error("an operator did not revoke the key, what it made, and no other")
	}
	events := len(eventsOf(t, table, account.ID))
	var users, keys int
	for from, more := (secrets.Cursor{}), true; more; {
		page, err := m.ListPeople(ctx, account.Name, from, 2)
		if err != nil {
			t.Fatal(err)
		}
		users += len(page.Users)
		for _, u := range page.Users {
			keys += len(page.Keys[u.ID])
		}
		if more = page.Next != nil; more {
			from = *page.Next
		}
	}
	if users != 4 || keys != 6 || len(eventsOf(t, table, account.ID)) != events {
		t.Errorf("listed %d users with %d keys, want 4 and 6, and no event", users, keys)
	}
	table.Check(t)
}

// slowStamp takes long to record a key's use, and does not heed its context.
type slowStamp struct{ secrets.Store }

func (s slowStamp) StampKey(context.Context, uuid.UUID, uuid.UUID, time.Time, time.Time) error {
	time.Sleep(2 * time.Second)
	return nil
}

// A key's use is recorded once a minute, and no caller waits long or fails for that.
func TestUseOfKeysIsRecorded(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	made, c := table.Account(t, "account")
	var failed int
	failing := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if c.What == "UpdateItem KEY" {
			failed++
			return secretstest.Before
		}
		return secretstest.None
	}))
	slow := table.Manager(t)
	slow.Store = slowStamp{slow.Store}
	for name, m := range map[string]*secrets.Manager{"failing": failing, "slow": slow} {
		began := time.Now()
		if _, err := m.Authenticate(t.Context(), "Bearer "+made.Key); err != nil {
			t.Errorf("%s: %v, want it accepted", name, err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: it took %v, want about 100 ms", name, took)
		}
	}
	if failed != 1 {
		t.Errorf("%d records failed, want 1", failed)
	}
	m, now := table.Manager(t), time.Now().UTC().Truncate(time.Microsecond)
	for _, step := range []struct{ at, want time.Duration }{{0, 0}, {59 * time.Second, 0}, {61 * time.Second, 61 * time.Second}, {90 * time.Second, 61 * time.Second}} {
		m.Now = func() time.Time { return now.Add(time.Hour + step.at) }
		if _, err := m.Authenticate(t.Context(), "Bearer "+made.Key); err != nil {
			t.Fatal(err)
		}
		k, err := m.Store.Key(t.Context(), c.AccountID, c.KeyID)
		if err != nil || !k.LastUsedAt.Equal(now.Add(time.Hour+step.want)) || k.Revision != 0 {
			t.Errorf("used after %v: last used %v, revision %d, %v, want after %v", step.at, k.LastUsedAt.Sub(now.Add(time.Hour)), k.Revision, err, step.want)
		}
	}
	table.Check(t)
}

// A key's row with the longest lists and names is one read unit.
func TestLongestKeyIsOneReadUnit(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	m := table.Manager(t)
	_, c := table.Account(t, "account")
	set := plant(t, table, c.AccountID, secrets.MaxLimitedTo+1)
	in := userInput(secrets.Machine, secrets.List|secrets.Reveal|secrets.Write, set...)
	if _, err := m.CreateUser(t.Context(), c, in); verdict(err) != "secrets" {
		t.Errorf("a user limited to 51 secrets: %v, want it refused", err)
	}
	name := secrets.Text(strings.Repeat("é", 32))
	in.Secrets, in.Name = idsField(set[:secrets.MaxLimitedTo]...), name
	u, err := m.CreateUser(t.Context(), c, in)
	if err != nil {
		t.Fatal(err)
	}
	key := keyInput(u.ID)
	key.Name, key.Secrets, key.ExpiresAt = name, in.Secrets, later(time.Hour)
	k := makeKey(t, table, c, key)
	var usage secretstest.Usage
	counted := table.Store(t, usage.Count)
	if _, err := counted.Key(t.Context(), c.AccountID, k.KeyID); err != nil {
		t.Fatal(err)
	}
	if used := usage.Take(); used.Reads != 1 {
		t.Errorf("reading the longest key takes %v units, want 1", used.Reads)
	}
	for _, row := range table.Rows(t) {
		if row["SK"] != "KEY#"+k.KeyID.String() {
			continue
		}
		size := 0
		for name, value := range row {
			size += len(name) + 3
			switch value := value.(type) {
			case []byte:
				size += len(value)
			case string:
				size += len(value)
			default:
				size += 21
			}
		}
		if size < 1600 || size > 4096*3/4 {
			t.Errorf("the longest key has %d bytes, want more than its lists and far less than 4 KB", size)
		}
	}
}

// Each change is an event with its subject and what it replaced.
func TestPeopleChangesAreRecorded(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	m, ctx, c := table.Manager(t), t.Context(), w.caller
	in := userInput(secrets.Person, secrets.List|secrets.Reveal)
	u, err := m.CreateUser(ctx, c, in)
	if err != nil {
		t.Fatal(err)
	}
	invitation := invite(t, table, c, u)
	k := makeKey(t, table, invitation.Caller, keyInput(uuid.Nil))
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	change := secrets.UserInput{Name: secrets.Text("Ana"), Email: secrets.Text("ana@example.com"), Permissions: secrets.Texts("list"), Secrets: idsField(w.secret.ID), RevealLimit: secrets.Text("5")}
	for range 2 { // the second time it changes nothing
		if _, err := m.UpdateUser(ctx, c, u.ID.String(), change); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := m.UpdateKey(ctx, k.Caller, k.KeyID.String(), secrets.KeyInput{Name: secrets.Text("laptop"), ExpiresAt: secrets.Text(until.Format(time.RFC3339))}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.UpdateUser(ctx, c, u.ID.String(), secrets.UserInput{Secrets: secrets.Null(), RevealLimit: secrets.Null()}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.DeleteKey(ctx, c, k.KeyID.String(), false), m.DeleteUser(ctx, c, u.ID.String())); err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer(c.AccountID.String()+"#", "", until.Format(time.RFC3339Nano), "UNTIL", invitation.key.ExpiresAt.Format(time.RFC3339Nano), "WEEK", u.ID.String(), "U", k.KeyID.String(), "K", invitation.KeyID.String(), "I", w.secret.ID.String(), "S", c.UserID.String(), "A", c.KeyID.String(), "AK")
	var got []string
	for _, ev := range eventsOf(t, table, c.AccountID) {
		if kind := fmt.Sprint(ev["action"]); strings.HasPrefix(kind, "user.") || strings.HasPrefix(kind, "key.") {
			got = append(got, names.Replace(fmt.Sprint(kind, " by ", ev["by_user"], "/", ev["key_id"], " ", ev["subject_user_id"], " ", ev["subject_key_id"],
				" ", ev["subject_user_name"], "/", ev["subject_key_name"], " ", ev["changed"], " ", ev["from"], " ", ev["to"])))
		}
	}
	want := []string{
		"user.created by A/AK U <nil> person/<nil> <nil> <nil> map[kind:person name:person permissions:list,reveal]",
		"key.created by A/AK U I person/invitation <nil> <nil> map[expires_at:WEEK kind:invited name:invitation permissions:list,reveal]",
		"key.created by U/I U K person/key <nil> map[invitation:I] map[name:key permissions:list,reveal]",
		"user.updated by A/AK U <nil> Ana/<nil> [email name permissions reveal_limit secrets] map[email: name:person permissions:list,reveal reveal_limit: secrets:]" +
			" map[email:ana@example.com name:Ana permissions:list reveal_limit:5 secrets:S]",
		"key.updated by U/K U K Ana/laptop [expires_at name] map[expires_at: name:key] map[expires_at:UNTIL name:laptop]",
		"user.updated by A/AK U <nil> Ana/<nil> [reveal_limit secrets] map[reveal_limit:5 secrets:S] map[reveal_limit: secrets:]",
		"key.deleted by A/AK U K Ana/laptop <nil> map[expires_at:UNTIL name:laptop permissions:list,reveal] <nil>",
		"user.deleted by A/AK U <nil> Ana/<nil> <nil> map[email:ana@example.com kind:person name:Ana permissions:list] <nil>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	table.Check(t)
}

// A limited caller finds by name what it may see. To ask for a hidden name makes the calls that a free one makes, so
// that their time tells nothing either.
func TestHiddenNamesCostWhatFreeOnesDo(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	attach(t, &w)
	setup := table.Manager(t)
	hidden, err := setup.CreateService(t.Context(), w.caller, serviceInput("hidden", w.second.ID))
	if err != nil {
		t.Fatal(err)
	}
	c := join(t, table, w.caller, userInput(secrets.Person, secrets.List, w.secret.ID)).Caller
	var usage secretstest.Usage
	m := table.Manager(t, usage.Count)
	ask := map[string]func(name string, secret secrets.Field) (int, error){
		"secrets": func(name string, _ secrets.Field) (int, error) {
			page, err := m.ListSecrets(t.Context(), c, secrets.Text(name), secrets.Cursor{}, 10)
			return len(page.Results) + page.Count, err
		},
		"services": func(name string, secret secrets.Field) (int, error) {
			page, err := m.ListServices(t.Context(), c, secrets.Text(name), secret, secrets.Cursor{}, 10)
			return len(page.Results) + page.Count, err
		},
	}
	for what, names := range map[string][3]string{
		"secrets": {w.secret.Name, w.second.Name, "free"}, "services": {w.service.Name, hidden.Name, "free"},
	} {
		for _, secret := range []secrets.Field{{}, secrets.Text(w.secret.ID.String())} {
			var used []string
			for i, name := range names {
				usage.Take()
				n, err := ask[what](name, secret)
				used = append(used, usage.Take().String())
				if want := map[bool]int{true: 2, false: 0}[i == 0]; n != want || err != nil {
					t.Errorf("%s named %q: %d, %v, want %d", what, name, n, err, want)
				}
			}
			if used[1] != used[2] || used[1] == "" {
				t.Errorf("%s: a hidden name makes the calls %q, a free one %q", what, used[1], used[2])
			}
		}
	}
}

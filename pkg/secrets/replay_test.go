package secrets_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// objects are what an account has: fields by kind and id.
type objects map[string]map[string]string

func (o objects) set(name string, fields map[string]string) {
	if o[name] == nil {
		o[name] = map[string]string{}
	}
	for field, value := range fields {
		if o[name][field] = value; value == "" {
			delete(o[name], field)
		}
	}
}

// replay makes objects of events, oldest first. What was in a deleted secret, or of a deleted user, is gone; what is
// restored is there again.
func replay(events []secrets.Event) objects {
	o, gone := objects{}, map[string]bool{}
	remove := func(name string) { gone[name] = true }
	for _, ev := range events {
		secret, item, service := "secret "+ev.Secret.ID.String(), "item "+ev.Item.ID.String(), "service "+ev.Service.ID.String()
		user, key := "user "+ev.SubjectUser.ID.String(), "key "+ev.SubjectKey.ID.String()
		switch ev.Action {
		case secrets.AccountCreated:
			rights := map[string]string{"permissions": ev.To["permissions"]}
			o.set(secret, map[string]string{"name": ev.Secret.Name})
			o.set(user, map[string]string{"name": ev.SubjectUser.Name, "kind": string(secrets.Person)})
			o.set(user, rights)
			o.set(key, map[string]string{"name": ev.SubjectKey.Name, "user": user})
			o.set(key, rights)
		case secrets.SecretCreated, secrets.SecretUpdated:
			o.set(secret, map[string]string{"name": ev.Secret.Name})
		case secrets.SecretDeleted:
			remove(secret)
		case secrets.SecretRestored:
			delete(gone, secret)
			o.set(secret, map[string]string{"name": ev.Secret.Name})
		case secrets.ItemsChanged:
			for _, x := range ev.Items {
				item := "item " + x.Item.ID.String()
				if x.Done == secrets.DoneDeleted {
					remove(item)
					continue
				}
				o.set(item, map[string]string{"key": x.Item.Name, "version": fmt.Sprint(x.Version), "secret": secret})
			}
		case secrets.ItemCreated, secrets.ItemUpdated, secrets.ItemRestored, secrets.ItemRolledBack:
			delete(gone, item)
			o.set(item, map[string]string{"key": ev.Item.Name, "version": fmt.Sprint(ev.Version), "secret": secret})
		case secrets.ItemDeleted:
			remove(item)
		case secrets.ServiceCreated:
			o.set(service, map[string]string{"name": ev.Service.Name, "secret": secret})
		case secrets.ServiceUpdated:
			o.set(service, map[string]string{"name": ev.Service.Name})
			if to, moved := ev.To["secret"]; moved {
				o.set(service, map[string]string{"secret": "secret " + to})
			}
		case secrets.ServiceDeleted:
			remove(service)
		case secrets.UserCreated, secrets.UserUpdated:
			o.set(user, ev.To)
		case secrets.UserDeleted:
			remove(user)
		case secrets.KeyCreated, secrets.KeyUpdated:
			o.set(key, ev.To)
			o.set(key, map[string]string{"user": user})
			if exchanged := ev.From["invitation"]; exchanged != "" {
				remove("key " + exchanged)
			}
		case secrets.KeyDeleted:
			remove(key)
		}
	}
	maps.DeleteFunc(o, func(name string, fields map[string]string) bool {
		isUse := strings.HasPrefix(name, "service ") // which does not go with its secret
		return gone[name] || !isUse && gone[fields["secret"]] || gone[fields["user"]]
	})
	return o
}

// objectsOf are what the table has of an account.
func objectsOf(t testing.TB, table *secretstest.Table, account uuid.UUID) objects {
	t.Helper()
	o := objects{}
	limits := func(row secretstest.Row) string {
		packed, isLimited := row["secrets"].([]byte)
		var ids []string
		for id := range slices.Chunk(packed, 16) {
			ids = append(ids, uuid.UUID(id).String())
		}
		if isLimited && ids == nil {
			return "none"
		}
		return strings.Join(ids, ",")
	}
	text := func(row secretstest.Row, name string) string {
		if row[name] == nil {
			return ""
		}
		return fmt.Sprint(row[name])
	}
	rows := table.Rows(t)
	deleted := map[string]bool{}
	for _, row := range rows {
		if row["PK"] == "BIN#"+account.String() {
			deleted[strings.TrimPrefix(fmt.Sprint(row["SK"]), "SECRET#")] = true
		}
	}
	for _, row := range rows {
		pk, sk := fmt.Sprint(row["PK"]), fmt.Sprint(row["SK"])
		kind, id, _ := strings.Cut(sk, "#")
		of, within, _ := strings.Cut(strings.TrimPrefix(pk, "SECRET#"), "#")
		switch {
		case pk == "ACCOUNT#"+account.String() && kind == "SECRET":
			o.set("secret "+id, map[string]string{"name": text(row, "name")})
		case pk == "ACCOUNT#"+account.String() && kind == "SERVICE":
			o.set("service "+id, map[string]string{"name": text(row, "name"), "secret": "secret " + text(row, "secret_id")})
		case of == account.String() && kind == "ITEM" && !deleted[within]:
			o.set("item "+id, map[string]string{"key": text(row, "key"), "version": text(row, "version"), "secret": "secret " + within})
		case pk == "PEOPLE#"+account.String() && kind == "USER":
			o.set("user "+id, map[string]string{
				"name": text(row, "name"), "kind": text(row, "kind"), "email": text(row, "email"), "permissions": text(row, "permissions"),
				"secrets": limits(row), "reveal_limit": text(row, "reveal_limit"),
			})
		case pk == "PEOPLE#"+account.String() && kind == "KEY":
			expires := ""
			if at := text(row, "valid_until"); at != "" {
				expires = parsedTime(t, at).Format(time.RFC3339Nano)
			}
			o.set("key "+id, map[string]string{
				"name": text(row, "name"), "permissions": text(row, "permissions"), "secrets": limits(row), "expires_at": expires,
				"user": "user " + text(row, "user_id"), "kind": map[bool]string{true: "invited"}[row["invitation"] == true],
			})
		}
	}
	return o
}

// checkReplay reads the whole trail of an account, and holds what it says against the table. An id is the time at which
// a change had read what it replaces, so that changes of one object are in their order.
func checkReplay(t testing.TB, table *secretstest.Table, c secrets.Caller) {
	t.Helper()
	m := table.Manager(t)
	c.Rights = secrets.Rights{Permissions: secrets.Audit}
	var events []secrets.Event
	for from := (&secrets.Cursor{}); from != nil; {
		page, err := m.ListEvents(t.Context(), c, secrets.EventsInput{Outcome: secrets.Text("allowed")}, *from, 100)
		if err != nil {
			t.Fatal(err)
		}
		events, from = append(events, page.Results...), page.Next
	}
	slices.Reverse(events)
	if diff := cmp.Diff(objectsOf(t, table, c.AccountID), replay(events)); diff != "" {
		t.Errorf("what %d events make of the account (-table +events):\n%s", len(events), diff)
	}
}

// All that users and keys have is in the log, also limits to nothing.
func TestReplayOfPeople(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	attach(t, &w)
	assemble(t, &w)
	m := table.Manager(t)
	in := userInput(secrets.Machine, secrets.List|secrets.Reveal, w.second.ID)
	in.Email, in.RevealLimit = secrets.Text("machine@example.com"), secrets.Text("7")
	u, err := m.CreateUser(t.Context(), w.caller, in)
	if err != nil {
		t.Fatal(err)
	}
	makeKey(t, table, w.caller, secrets.KeyInput{Name: secrets.Text("within"), Secrets: idsField(w.secret.ID)})
	expiring := keyOf(t, table, w.caller, u, secrets.KeyInput{Name: secrets.Text("expiring"), ExpiresAt: later(time.Hour)})
	keyOf(t, table, w.caller, u, secrets.KeyInput{Name: secrets.Text("kept"), Secrets: idsField(w.second.ID)})
	for _, err := range []error{
		errOf(m.UpdateUser(t.Context(), w.caller, u.ID.String(), secrets.UserInput{Email: secrets.Null(), RevealLimit: secrets.Null(), Secrets: secrets.Null()})),
		errOf(m.UpdateUser(t.Context(), w.caller, w.team.machine.ID.String(), secrets.UserInput{Permissions: secrets.Texts("list"), Secrets: idsField(w.second.ID, w.secret.ID)})),
		errOf(m.UpdateKey(t.Context(), w.caller, expiring.KeyID.String(), secrets.KeyInput{Name: secrets.Text("renamed"), ExpiresAt: later(time.Minute)})),
		errOf(m.CreateKey(t.Context(), w.team.invitation.Caller, secrets.KeyInput{Name: secrets.Text("exchanged")})),
		m.DeleteKey(t.Context(), w.caller, w.team.made.KeyID.String(), true),
		errOf(m.IssueKey(t.Context(), w.caller.AccountID.String(), "")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	in = userInput(secrets.Person, secrets.List|secrets.Reveal, w.second.ID, w.secret.ID)
	in.Email, in.RevealLimit = secrets.Text("own@example.com"), secrets.Text("8")
	own := join(t, table, w.caller, in)
	ownWithin := makeKey(t, table, own.Caller, secrets.KeyInput{Name: secrets.Text("own"), Secrets: idsField(w.secret.ID)})
	if err := errOf(m.UpdateUser(t.Context(), w.caller, own.UserID.String(), secrets.UserInput{Secrets: idsField(w.second.ID)})); err != nil {
		t.Fatal(err)
	}
	// What its maker and its user are limited to have nothing in common.
	if _, err := m.CreateKey(t.Context(), ownWithin.Caller, secrets.KeyInput{Name: secrets.Text("nothing")}); err != nil {
		t.Fatal(err)
	}
	checkReplay(t, table, w.caller)
	table.Check(t)
}

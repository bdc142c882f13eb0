package secrets_test

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/infra/functions"
	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// The matrix: every route of the table of functions meets every caller on every object. The rules are the rows
// below; what they expect is computed.

// What a request asks for beside a permission, as in the gate.
const (
	known  = secrets.Permissions(0)      // any key but an invitation
	anyone = secrets.Permissions(1 << 7) // invitations too
)

// ask is a request of a route.
type ask struct {
	query, body string // with <unique>, <user>, <key>, <secret>, <machine>, <pair> and <target>
	needs       secrets.Permissions
	names       bool                                                        // it gives a unique name
	fresh       bool                                                        // it reads its authority afresh
	also        func(s *subject, target string, is secrets.Permissions) int // a status, or 0
	status      int
	calls       string // of what succeeds; *: any
	limited     string // of what succeeds for a limited caller, where that differs
	missing     string // of what does not exist
	noSuch      int    // status of what does not exist; 0: 404
}

// route is a function of the table with what it acts on.
type route struct {
	serve func(*secrets.Manager) http.Handler
	on    string // what its path names: secret, pair, item, version, deleted secret, deleted item, service, user, key
	asks  []ask
}

// inSecret reports whether the route acts on a secret or in one.
func (r route) inSecret() bool {
	return slices.Contains([]string{"secret", "pair", "item", "version", "deleted secret", "deleted item"}, r.on)
}

// ownOrAdmin: without admin, other users' keys do not exist.
func ownOrAdmin(_ *subject, target string, is secrets.Permissions) int {
	if target == "other" && !is.Has(secrets.Admin) {
		return http.StatusNotFound
	}
	return 0
}

// managing is ownOrAdmin; machines without admin manage no keys at all.
func managing(s *subject, target string, is secrets.Permissions) int {
	if s.Kind == secrets.Machine && !s.Rights.Permissions.Has(secrets.Admin) {
		return http.StatusForbidden
	}
	return ownOrAdmin(s, target, is)
}

func adminOnly(s *subject, _ string, _ secrets.Permissions) int {
	if !s.Rights.Permissions.Has(secrets.Admin) {
		return http.StatusForbidden
	}
	return 0
}

var matrix = map[string]route{
	"list-secrets": {httpapi.ListSecrets, "", []ask{
		{needs: secrets.List, status: 200, calls: "1 GetItem, 1 Query", limited: "1 BatchGetItem"},
		{query: "?deleted=true", needs: secrets.List | secrets.Write, status: 200, calls: "2 Query", limited: "1 BatchGetItem"},
	}},
	"create-secret": {httpapi.CreateSecret, "", []ask{
		{body: `{"name":"<unique>"}`, needs: secrets.Write, names: true, status: 201, calls: "1 TransactWriteItems"},
	}},
	"get-secret": {httpapi.GetSecret, "secret", []ask{
		{needs: secrets.List, status: 200, calls: "1 GetItem", missing: "1 GetItem"},
	}},
	"update-secret": {httpapi.UpdateSecret, "secret", []ask{
		{body: `{"name":"<unique>"}`, needs: secrets.Write, names: true, status: 200, calls: "1 GetItem, 1 TransactWriteItems", missing: "1 GetItem"},
	}},
	"delete-secret": {httpapi.DeleteSecret, "secret", []ask{
		{needs: secrets.Write, status: 204, calls: "1 GetItem, 1 TransactWriteItems", missing: "1 GetItem"},
		{query: "?permanent=true", needs: secrets.Write | secrets.Admin, status: 204,
			calls: "2 DeleteItem, 1 GetItem, 1 Query, 2 TransactWriteItems, 1 UpdateItem", missing: "2 GetItem"},
	}},
	"restore-secret": {httpapi.RestoreSecret, "deleted secret", []ask{
		{needs: secrets.Write, names: true, status: 200, calls: "1 GetItem, 1 TransactWriteItems", missing: "1 GetItem"},
	}},
	"list-items": {httpapi.ListItems, "secret", []ask{
		{needs: secrets.List, status: 200, calls: "1 GetItem, 1 Query", missing: "1 GetItem, 1 Query"},
		{query: "?key=KEY", needs: secrets.List, status: 200, calls: "2 BatchGetItem", missing: "1 BatchGetItem"},
		{query: "?deleted=true", needs: secrets.List | secrets.Write, status: 200, calls: "1 GetItem, 2 Query",
			missing: "1 GetItem|1 GetItem, 1 Query|1 GetItem, 2 Query"}, // the first failure stops the rest
	}},
	"create-item": {httpapi.CreateItem, "secret", []ask{
		{body: `{"key":"<unique>","value":"v"}`, needs: secrets.Write, status: 201, calls: "1 GetItem, 1 KMS GenerateDataKey, 1 TransactWriteItems", missing: "1 GetItem"},
	}},
	"get-item": {httpapi.GetItem, "item", []ask{
		{needs: secrets.Reveal, fresh: true, status: 200, calls: "1 BatchGetItem, 1 KMS Decrypt, 1 PutItem, 2 UpdateItem", missing: "1 BatchGetItem, 1 UpdateItem"},
	}},
	"get-item 2": {httpapi.GetItem, "version", []ask{
		{needs: secrets.Reveal, fresh: true, status: 200, calls: "1 BatchGetItem, 1 GetItem, 1 KMS Decrypt, 1 PutItem, 2 UpdateItem",
			missing: "1 BatchGetItem, 1 UpdateItem|1 BatchGetItem, 1 GetItem, 1 UpdateItem"}, // the version is found with the key
	}},
	"batch-items": {httpapi.BatchItems, "secret", []ask{
		{body: `{"items":[{"key":"<unique>","value":"v"}]}`, needs: secrets.Write, status: 200,
			calls: "1 BatchGetItem, 1 KMS GenerateDataKey, 1 TransactWriteItems", missing: "1 BatchGetItem"},
		{body: `{"items":[{"key":"PAIRED","value":"v"}],"delete":["NONE"]}`, needs: secrets.Write, status: 200, missing: "1 BatchGetItem",
			calls: "2 BatchGetItem, 1 KMS GenerateDataKey, 1 TransactWriteItems|1 BatchGetItem, 1 KMS GenerateDataKey, 1 TransactWriteItems"}, // the first creates it
		{query: "?dry_run=true", body: `{"items":[{"key":"<unique>","value":"v"}],"delete":["KEY"]}`, needs: secrets.Write, status: 200,
			also: func(s *subject, _ string, _ secrets.Permissions) int {
				if !s.Rights.Permissions.Has(secrets.List) {
					return http.StatusForbidden
				}
				return 0
			}, calls: "2 BatchGetItem", missing: "1 BatchGetItem"},
	}},
	"get-bundle": {httpapi.GetBundle, "secret", []ask{
		{needs: secrets.Export, fresh: true, status: 200, calls: "1 BatchGetItem, <n> KMS Decrypt, 1 PutItem, 2 Query, 2 UpdateItem", missing: "1 BatchGetItem, 1 UpdateItem"},
	}},
	"get-bundle 2": {httpapi.GetBundle, "pair", []ask{
		{query: "?a=<pair>&b=<target>", needs: secrets.Reveal, fresh: true, status: 200, calls: "1 BatchGetItem, 2 KMS Decrypt, 2 PutItem, 4 Query, 2 UpdateItem",
			// A user that is gone is charged once. The first failure stops the rest.
			missing: "1 BatchGetItem, 1 UpdateItem|1 BatchGetItem, 2 UpdateItem|1 BatchGetItem, 1 Query, 2 UpdateItem|1 BatchGetItem, 2 Query, 2 UpdateItem"},
	}},
	"list-versions": {httpapi.ListVersions, "item", []ask{
		{needs: secrets.List, status: 200, calls: "2 GetItem, 1 Query", missing: "2 GetItem"},
	}},
	"rollback-item": {httpapi.RollbackItem, "item", []ask{
		{body: `{"version":1}`, needs: secrets.Write, status: 200, calls: "3 GetItem, 1 TransactWriteItems", missing: "2 GetItem"},
	}},
	"delete-version": {httpapi.DeleteVersion, "version", []ask{
		{needs: secrets.Write, status: 204, calls: "2 GetItem, 1 TransactWriteItems", missing: "2 GetItem"},
	}},
	"restore-item": {httpapi.RestoreItem, "deleted item", []ask{
		{needs: secrets.Write, status: 200, calls: "3 GetItem, 1 TransactWriteItems", missing: "2 GetItem"},
	}},
	"update-item": {httpapi.UpdateItem, "item", []ask{
		{body: `{"value":"v"}`, needs: secrets.Write, status: 200, calls: "2 GetItem, 1 KMS GenerateDataKey, 1 TransactWriteItems", missing: "2 GetItem"},
	}},
	"delete-item": {httpapi.DeleteItem, "item", []ask{
		{needs: secrets.Write, status: 204, calls: "2 GetItem, 1 TransactWriteItems", missing: "2 GetItem"},
		{query: "?permanent=true", needs: secrets.Write | secrets.Admin, status: 204,
			calls: "3 DeleteItem, 2 GetItem, 1 Query, 2 TransactWriteItems, 1 UpdateItem", missing: "4 GetItem"},
	}},
	"list-events": {httpapi.ListEvents, "", []ask{
		{needs: secrets.Audit, status: 200, calls: "2 Query"},
		{query: "?user=me", needs: known, fresh: true, status: 200, calls: "1 GetItem, 2 Query", missing: "1 GetItem"}, // with audit: below
	}},
	// What is gone, or was never there, may have events.
	"list-secret-events": {httpapi.ListSecretEvents, "secret", []ask{{needs: secrets.Audit, status: 200, calls: "2 Query", noSuch: 200, missing: "2 Query"}}},
	"list-item-events":   {httpapi.ListItemEvents, "item", []ask{{needs: secrets.Audit, status: 200, calls: "2 Query", noSuch: 200, missing: "2 Query"}}},
	"get-review":         {httpapi.GetReview, "", []ask{{needs: secrets.Audit, status: 200, calls: "*"}}}, // by the account's size
	"get-budget": {httpapi.GetBudget, "", []ask{
		{needs: known, status: 200, calls: "1 GetItem", missing: "1 GetItem"},
	}},
	"list-services": {httpapi.ListServices, "", []ask{
		{needs: secrets.List, status: 200, calls: "1 GetItem, 1 Query", limited: "1 BatchGetItem, <n> GetItem, <n> Query"},
	}},
	"create-service": {httpapi.CreateService, "", []ask{
		{body: `{"name":"<unique>","image":"app","port":80,"secret":"<secret>"}`, needs: secrets.Write, names: true, status: 201,
			calls: "1 GetItem, 1 TransactWriteItems"},
	}},
	"get-service": {httpapi.GetService, "service", []ask{
		{needs: secrets.List, status: 200, calls: "1 GetItem", missing: "1 GetItem"},
	}},
	"update-service": {httpapi.UpdateService, "service", []ask{
		{body: `{"config":"<unique>"}`, needs: secrets.Write, status: 200, calls: "2 GetItem, 1 TransactWriteItems", missing: "1 GetItem"},
		{body: `{"name":"<unique>"}`, needs: secrets.Write, names: true, status: 200, calls: "2 GetItem, 1 TransactWriteItems", missing: "1 GetItem"},
	}},
	"delete-service": {httpapi.DeleteService, "service", []ask{
		{needs: secrets.Write, status: 204, calls: "2 GetItem, 1 TransactWriteItems", missing: "1 GetItem"},
	}},
	"get-me": {httpapi.GetMe, "", []ask{
		{needs: anyone, fresh: true, status: 200, calls: "4 GetItem", missing: "4 GetItem"},
	}},
	"list-users": {httpapi.ListUsers, "", []ask{
		{needs: known, status: 200, calls: "1 GetItem, 1 Query"},
	}},
	"create-user": {httpapi.CreateUser, "", []ask{
		{body: `{"kind":"machine","name":"m","permissions":["admin"]}`, needs: secrets.Admin, fresh: true, status: 201,
			calls: "1 GetItem, 1 TransactWriteItems", missing: "1 GetItem"},
	}},
	"get-user": {httpapi.GetUser, "user", []ask{
		{needs: known, status: 200, calls: "1 GetItem", missing: "1 GetItem"},
	}},
	"update-user": {httpapi.UpdateUser, "user", []ask{
		{body: `{"email":"<unique>@example.com"}`, needs: secrets.Admin, fresh: true, status: 200, calls: "2 GetItem, 1 TransactWriteItems", missing: "2 GetItem"},
	}},
	"delete-user": {httpapi.DeleteUser, "user", []ask{
		{needs: secrets.Admin, fresh: true, status: 204, calls: "2 GetItem, 1 TransactWriteItems", missing: "2 GetItem"},
	}},
	"list-keys": {httpapi.ListKeys, "", []ask{
		{needs: known, status: 200, calls: "1 BatchGetItem, 1 GetItem", missing: "1 GetItem"}, // of all users: below
		{query: "?user=<machine>", needs: known, also: adminOnly, status: 200, calls: "1 BatchGetItem, 1 GetItem"},
	}},
	"create-key": {httpapi.CreateKey, "", []ask{
		{body: `{"name":"k"}`, needs: anyone, fresh: true, also: func(s *subject, target string, is secrets.Permissions) int {
			if s.Kind == secrets.Invited {
				return 0
			}
			return managing(s, target, is)
		}, status: 201, calls: "2 GetItem, 1 TransactWriteItems", missing: "1 GetItem"},
		{body: `{"name":"k","user":"<machine>","permissions":["admin"]}`, needs: anyone, fresh: true, also: adminOnly, status: 201,
			calls: "2 GetItem, 1 TransactWriteItems", missing: "1 GetItem"},
	}},
	"get-key": {httpapi.GetKey, "key", []ask{
		{needs: known, also: ownOrAdmin, status: 200, calls: "1 GetItem, 1 Query", missing: "1 GetItem"},
	}},
	"update-key": {httpapi.UpdateKey, "key", []ask{
		{body: `{"name":"<unique>"}`, needs: known, fresh: true, also: managing, status: 200, calls: "2 GetItem, 1 TransactWriteItems", missing: "2 GetItem"},
	}},
	"delete-key": {httpapi.DeleteKey, "key", []ask{
		{needs: known, fresh: true, also: managing, status: 204, calls: "3 GetItem, 1 TransactWriteItems", missing: "2 GetItem"},
		{query: "?made=true", needs: known, fresh: true, also: managing, status: 204, calls: "4 GetItem, 1 Query, 1 TransactWriteItems",
			missing: "3 GetItem, 1 Query"},
	}},
}

// subject is a caller: its context as the gateway remembers it, and what has happened since.
type subject struct {
	member
	name string
	fate string         // "", expired, revoked, narrowed, deleted
	is   secrets.Rights // since then
	set  []uuid.UUID    // secrets that it is limited to, and that exist; it may delete the last one
}

func (s *subject) gone() bool {
	return s.fate == "expired" || s.fate == "revoked" || s.fate == "deleted"
}

func (s *subject) now() secrets.Rights {
	if s.fate == "narrowed" {
		return s.is
	}
	return s.Rights
}

// field is an account with what routes act on.
type field struct {
	table         *secretstest.Table
	m             *secrets.Manager
	admin         secrets.Caller
	machine       secrets.User // an admin's
	within, out   place
	pair          [2]place // secrets to compare
	foreign       place
	foreignPerson member
	unique        int
}

// place is a secret, with an item and a service.
type place struct{ secret, item, service uuid.UUID }

func (f *field) plant(t *testing.T, c secrets.Caller) (p place) {
	t.Helper()
	name := "planted-" + uuid.NewString()
	secret, err := f.m.CreateSecret(t.Context(), c, secretInput(name))
	if err != nil {
		t.Fatal(err)
	}
	item, err := f.m.CreateItem(t.Context(), c, secret.ID.String(), itemInput("KEY", "value"))
	if err != nil {
		t.Fatal(err)
	}
	service, err := f.m.CreateService(t.Context(), c, serviceInput(name, secret.ID))
	if err != nil {
		t.Fatal(err)
	}
	return place{secret.ID, item.ID, service.ID}
}

func newField(t *testing.T) *field {
	t.Helper()
	table := secretstest.NewTable(t)
	f := &field{table: table, m: table.Manager(t)}
	_, f.admin = table.Account(t, "ours")
	_, stranger := table.Account(t, "theirs")
	f.within, f.out, f.foreign = f.plant(t, f.admin), f.plant(t, f.admin), f.plant(t, stranger)
	f.pair = [2]place{f.plant(t, f.admin), f.plant(t, f.admin)}
	f.foreignPerson = join(t, table, stranger, userInput(secrets.Person, secrets.Every))
	var err error
	if f.machine, err = f.m.CreateUser(t.Context(), f.admin, userInput(secrets.Machine, secrets.Every)); err != nil {
		t.Fatal(err)
	}
	return f
}

// subject adds a user and lets its fate happen after the gateway has met it.
func (f *field) subject(t *testing.T, kind secrets.Kind, p secrets.Permissions, limited bool, fate string) *subject {
	t.Helper()
	s := &subject{name: fmt.Sprintf("%s %s limited=%v %s", kind, p, limited, fate), fate: fate}
	in := userInput(kind, p)
	if limited {
		secret, err := f.m.CreateSecret(t.Context(), f.admin, secretInput("doomed "+uuid.NewString()))
		if err != nil {
			t.Fatal(err)
		}
		s.set = []uuid.UUID{f.within.secret, f.pair[0].secret, f.pair[1].secret, secret.ID}
		in = userInput(kind, p, s.set...)
	}
	u, err := f.m.CreateUser(t.Context(), f.admin, in)
	if err != nil {
		t.Fatal(err)
	}
	key := secrets.KeyInput{Name: secrets.Text("key")}
	if fate == "expired" {
		key.ExpiresAt = later(time.Hour)
	}
	s.member = keyOf(t, f.table, f.admin, u, key)
	m := f.m
	switch fate {
	case "expired":
		expire(t, f.table, s.key, time.Now().Add(-time.Second))
	case "revoked":
		keyOf(t, f.table, f.admin, u, secrets.KeyInput{Name: secrets.Text("second")})
		err = m.DeleteKey(t.Context(), f.admin, s.KeyID.String(), false)
	case "deleted":
		err = m.DeleteUser(t.Context(), f.admin, s.UserID.String())
	case "narrowed":
		in := secrets.UserInput{Permissions: secrets.Texts("audit")}
		s.is = secrets.Rights{Permissions: secrets.Audit}
		if limited {
			in = secrets.UserInput{Secrets: idsField(s.set[3])}
			s.is = secrets.Rights{Permissions: p, Secrets: s.set[3:]}
		}
		_, err = m.UpdateUser(t.Context(), f.admin, s.UserID.String(), in)
	}
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	if c, err := m.Authenticate(t.Context(), "Bearer "+s.text); s.gone() != (err != nil) || !s.gone() && c.Rights.Permissions != s.now().Permissions {
		t.Errorf("%s: a fresh context is %+v, %v", s.name, c, err)
	}
	return s
}

// outside reports whether a route acts on a secret that the subject's rights do not reach.
func (s *subject) outside(r route, target string) bool {
	switch {
	case !s.Rights.Limited():
		return false
	case target == "own":
		return r.inSecret() && s.fate == "narrowed"
	}
	return r.inSecret() || r.on == "service"
}

// outcome is what the rules expect of a request.
func (s *subject) outcome(r route, q ask, target string) (status int, calls string) {
	absent := func() (int, string) { return cmp.Or(q.noSuch, 404), q.missing }
	inSecret := r.inSecret()
	switch {
	case q.needs != anyone && (s.Kind == secrets.Invited || !s.Rights.Permissions.Has(q.needs)):
		return 403, ""
	case inSecret && s.Rights.Limited() && target != "own":
		return 404, ""
	case q.names && s.Rights.Limited():
		return 403, ""
	}
	var also int
	if q.also != nil {
		is := s.Rights.Permissions
		if q.fresh {
			is = s.now().Permissions
		}
		also = q.also(s, target, is)
	}
	lost := "1 GetItem" // the authority
	if inSecret || r.on == "" && q.body == "" {
		lost = q.missing
	}
	switch {
	case also == 403:
		return 403, ""
	case q.fresh && s.gone():
		return 401, lost
	case q.fresh && q.needs != anyone && !s.now().Permissions.Has(q.needs):
		return 403, lost
	case q.fresh && q.body != "" && strings.Contains(q.body, "<machine>") && !s.now().Permissions.Has(secrets.Admin):
		return 403, lost
	case q.fresh && inSecret && target == "own" && s.fate == "narrowed" && s.Rights.Limited():
		return 404, lost
	case target == "foreign" || target == "missing", also == 404:
		return absent()
	case r.on == "service" && target == "other" && s.Rights.Limited():
		return absent()
	case r.on == "user" && target == "own" && s.fate == "deleted", r.on == "key" && target == "own" && (s.fate == "deleted" || s.fate == "revoked"):
		return absent()
	case r.on == "" && q.needs == known && s.fate == "deleted" && q.missing != "": // of the caller itself
		return 401, q.missing
	}
	if s.Rights.Limited() && q.limited != "" {
		return q.status, strings.ReplaceAll(q.limited, "<n>", fmt.Sprint(len(s.set)))
	}
	return q.status, q.calls
}

// ids are those of a request's path. Where the request will delete or change much, it gets an object of its own.
func (f *field) ids(t *testing.T, s *subject, name string, on, target string, done bool) []string {
	t.Helper()
	one := func(ids ...uuid.UUID) (texts []string) {
		for _, id := range ids {
			texts = append(texts, id.String())
		}
		return texts
	}
	if target == "missing" {
		return append(one(uuid.New(), uuid.New()), "1")
	}
	p := map[string]place{"own": f.within, "other": f.out, "foreign": f.foreign}[target]
	destroys := done && (strings.HasPrefix(name, "delete-") || name == "rollback-item")
	switch on {
	case "pair":
		if target == "own" {
			p = f.pair[1]
		}
		return one(p.secret)
	case "deleted secret":
		if !done {
			return one(p.secret)
		}
		secret, err := f.m.CreateSecret(t.Context(), f.admin, secretInput("restored "+uuid.NewString()))
		if err == nil {
			err = f.m.DeleteSecret(t.Context(), f.admin, secret.ID.String(), secrets.Deletion{})
		}
		if err != nil {
			t.Fatal(err)
		}
		return one(secret.ID)
	case "deleted item":
		if !done {
			return one(p.secret, p.item)
		}
		item := f.item(t, p.secret, 1)
		if err := f.m.DeleteItem(t.Context(), f.admin, p.secret.String(), item.String(), secrets.Deletion{}); err != nil {
			t.Fatal(err)
		}
		return one(p.secret, item)
	case "version":
		if destroys {
			return append(one(p.secret, f.item(t, p.secret, 2)), "1")
		}
		return append(one(p.secret, p.item), "1")
	case "secret":
		if destroys && s.Rights.Limited() {
			return one(s.set[3])
		}
		if destroys {
			secret, err := f.m.CreateSecret(t.Context(), f.admin, secretInput("doomed "+uuid.NewString()))
			if err != nil {
				t.Fatal(err)
			}
			return one(secret.ID)
		}
		return one(p.secret)
	case "item":
		if destroys {
			return one(p.secret, f.item(t, p.secret, 2))
		}
		return one(p.secret, p.item)
	case "service":
		if destroys {
			service, err := f.m.CreateService(t.Context(), f.admin, serviceInput("s"+uuid.NewString(), p.secret))
			if err != nil {
				t.Fatal(err)
			}
			return one(service.ID)
		}
		return one(p.service)
	}
	owner, key := s.UserID, s.KeyID
	switch target {
	case "foreign":
		owner, key = f.foreignPerson.UserID, f.foreignPerson.KeyID
	case "other":
		owner, key = f.admin.UserID, f.admin.KeyID
	}
	switch {
	case destroys && on == "user": // the rules are the same for any user
		u, err := f.m.CreateUser(t.Context(), f.admin, userInput(secrets.Machine, secrets.List))
		if err != nil {
			t.Fatal(err)
		}
		return one(u.ID)
	case destroys && on == "key" && target == "other":
		return one(makeKey(t, f.table, f.admin, secrets.KeyInput{Name: secrets.Text("doomed"), User: secrets.Text(f.machine.ID.String())}).KeyID)
	case on == "key" && target == "own" && name == "delete-key" && !done:
		return one(uuid.New()) // not the one that asks, which ?made=true refuses
	case destroys && on == "key":
		u, err := f.table.Store(t).User(t.Context(), f.admin.AccountID, s.UserID)
		if err != nil {
			t.Fatal(err)
		}
		return one(keyOf(t, f.table, f.admin, u, secrets.KeyInput{Name: secrets.Text("doomed")}).KeyID)
	case on == "user":
		return one(owner)
	}
	return one(key)
}

// item makes an item with a number of versions.
func (f *field) item(t *testing.T, secret uuid.UUID, versions int) uuid.UUID {
	t.Helper()
	item, err := f.m.CreateItem(t.Context(), f.admin, secret.String(), itemInput("K"+uuid.NewString(), "v"))
	for range versions - 1 {
		if err == nil {
			_, err = f.m.UpdateItem(t.Context(), f.admin, secret.String(), item.ID.String(), secrets.ItemInput{Value: secrets.Text("v")})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return item.ID
}

// charged is the number of a user's reveals that count.
func (f *field) charged(t *testing.T, s *subject) int {
	t.Helper()
	tally, err := f.m.Store.Tally(t.Context(), s.AccountID, s.UserID, time.Now(), f.m.RevealLimit, f.m.RevealWindow)
	if err != nil && !errors.Is(err, secrets.ErrNotFound) {
		t.Fatal(err)
	}
	return tally.Counting
}

func TestEveryRouteMeetsEveryCaller(t *testing.T) {
	t.Parallel()
	table, err := functions.Load()
	if err != nil {
		t.Fatal(err)
	}
	routes := map[string]functions.Route{}
	for _, fn := range table {
		for i, r := range fn.Routes() {
			name := fn.Name
			if i > 0 {
				name += fmt.Sprint(" ", i+1) // a further route
			}
			if !fn.Open && !fn.IsFallback() {
				routes[name] = r
			}
		}
	}
	for name := range routes {
		if len(matrix[name].asks) == 0 {
			t.Errorf("%s: the route has no entry in the matrix", name)
		}
	}
	for name := range matrix {
		if _, exists := routes[name]; !exists {
			t.Errorf("%s: an entry without a route", name)
		}
	}
	type shape struct {
		kind    secrets.Kind
		p       secrets.Permissions
		limited bool
		fate    string
	}
	all := secrets.List | secrets.Reveal | secrets.Write | secrets.Export
	shapes := []shape{
		{secrets.Machine, secrets.Every, false, ""}, {secrets.Machine, all, false, ""}, {secrets.Invited, secrets.Every, false, ""},
		{secrets.Person, secrets.Every, false, ""}, {secrets.Person, all, true, ""}, {secrets.Machine, all, true, ""},
	}
	for i := range secrets.PermissionNames {
		one := secrets.Permissions(1 << i)
		shapes = append(shapes, shape{secrets.Person, one, false, ""}, shape{secrets.Person, secrets.Every &^ one, false, ""})
		if all.Has(one) {
			shapes = append(shapes, shape{secrets.Person, one, true, ""})
		}
	}
	for _, fate := range []string{"expired", "revoked", "narrowed", "deleted"} {
		shapes = append(shapes, shape{secrets.Person, secrets.Every, false, fate}, shape{secrets.Person, all, true, fate})
	}
	var mu sync.Mutex
	cells := 0
	for worker := range 2 { // each has its own account
		t.Run(fmt.Sprint(worker), func(t *testing.T) {
			t.Parallel()
			f := newField(t)
			var usage secretstest.Usage
			counted := f.table.Manager(t, usage.Count)
			counted.Log, f.m.Log = slog.New(slog.DiscardHandler), slog.New(slog.DiscardHandler)
			n := 0
			for i, shape := range shapes {
				if i%2 != worker {
					continue
				}
				var s *subject
				if shape.kind == secrets.Invited {
					u, err := f.m.CreateUser(t.Context(), f.admin, userInput(secrets.Person, shape.p))
					if err != nil {
						t.Fatal(err)
					}
					s = &subject{member: invite(t, f.table, f.admin, u), name: "invited"}
				} else {
					s = f.subject(t, shape.kind, shape.p, shape.limited, shape.fate)
				}
				for _, name := range slices.Sorted(maps.Keys(routes)) {
					n += f.meet(t, s, name, matrix[name], routes[name], counted, &usage)
				}
			}
			f.table.Check(t)
			mu.Lock()
			defer mu.Unlock()
			cells += n
			t.Logf("%d cells so far", cells)
		})
	}
}

var decrypts = regexp.MustCompile(`\d+ KMS Decrypt`)

// meet has a subject ask a route for everything, and returns the number of requests.
func (f *field) meet(t *testing.T, s *subject, name string, r route, at functions.Route, counted *secrets.Manager, usage *secretstest.Usage) (n int) {
	t.Helper()
	targets := []string{"own", "other", "foreign", "missing"}
	if r.on == "" {
		targets = targets[:1]
	}
	h := r.serve(counted)
	for _, q := range r.asks {
		for _, target := range targets {
			status, calls := s.outcome(r, q, target)
			ids := f.ids(t, s, name, r.on, target, status < 300)
			f.unique++
			query := q.query
			if r.on == "pair" {
				query = strings.NewReplacer("<pair>", f.pair[0].secret.String(), "<target>", ids[0]).Replace(query)
			}
			body := strings.NewReplacer("<unique>", fmt.Sprint("u-", f.unique), "<machine>", f.machine.ID.String(), "<secret>", f.within.secret.String())
			var before int
			reveals := strings.HasPrefix(name, "get-item") || strings.HasPrefix(name, "get-bundle")
			if reveals {
				before = f.charged(t, s)
			}
			usage.Take()
			w := exchange(t, h, s.Caller, at.Method, at.Path, body.Replace(query), body.Replace(q.body), ids...)
			used := usage.Take().String()
			counted := strings.HasSuffix(used, "1 "+secretstest.CountRefused)
			used = strings.TrimSuffix(strings.TrimSuffix(used, "1 "+secretstest.CountRefused), ", ")
			if r.on == "key" {
				used = strings.TrimPrefix(used, "1 BatchGetItem, ") // of what the key has made, if there is anything
			}
			if name == "get-bundle" { // by the secret's size
				used = decrypts.ReplaceAllString(used, "<n> KMS Decrypt")
			}
			n++
			cell := fmt.Sprintf("%s: %s%s %s", s.name, name, q.query, target)
			if name == "list-keys" && q.query == "" && s.Rights.Permissions.Has(secrets.Admin) {
				status, calls = 200, "1 GetItem, 1 Query"
			}
			if q.query == "?user=me" && s.Rights.Permissions.Has(secrets.Audit) {
				status, calls = 200, "2 Query"
			}
			if w.Code != status || calls != "*" && !slices.Contains(strings.Split(calls, "|"), used) {
				t.Errorf("%s = %d with %s, want %d with %s: %s", cell, w.Code, used, status, calls, w.Body)
			}
			if refused := status == 403 || status == 404 && s.outside(r, target); counted != refused {
				t.Errorf("%s: counted as a refused try: %v, want %v", cell, counted, refused)
			}
			switch {
			case reveals:
				charges := 0
				if calls != "" && s.fate != "deleted" {
					charges = 1
				}
				if r.on == "pair" {
					charges *= 2
				}
				if got := f.charged(t, s) - before; got != charges {
					t.Errorf("%s: charged %d times, want %d", cell, got, charges)
				}
			case strings.Contains(used, "UpdateItem") && q.query != "?permanent=true", strings.Contains(used, "Decrypt"):
				t.Errorf("%s: only a reveal is charged, and opens values: %s", cell, used)
			case name == "delete-secret" && w.Code == 204 && s.Rights.Limited():
				s.set = s.set[:3]
			case name == "create-key" && w.Code == 201 && s.Kind == secrets.Invited:
				s.member = invite(t, f.table, f.admin, secrets.User{ID: s.UserID}) // that one is used up
			}
		}
	}
	return n
}

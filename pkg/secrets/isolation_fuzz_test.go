package secrets_test

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/infra/functions"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// Random requests of many users of two accounts. Every id is known, and every name, key, value and email is a marker
// of its own, so whatever an answer says is traced to what it is about, and held against a small model of who may
// see that. What the request itself said may come back.

// thing is an object of the model.
type thing struct {
	kind    string // secret, item, service, user, key
	account uuid.UUID
	id      string
	secret  string // that it is, is in, or uses
	owner   string // user of a key
	maker   string // key of a key
	gone    bool
	with    bool // it is gone with its secret, and comes back with it
	fixed   bool // it stays: the fuzz rests on it
}

// trace is what a text in an answer is about.
type trace struct {
	*thing
	what string // id, name, value, email
}

// fuzzer is a caller whose rights never change.
type fuzzer struct {
	member
	name string
	set  []string // the secrets that its user is limited to: shown to it, although its key may have fewer

	narrow bool // its key may do less than its user
}

type isolation struct {
	t      *testing.T
	rnd    *rand.Rand
	things []*thing
	traces map[string]trace
	texts  []string        // of all traces, oldest first
	seen   map[string]int  // traces by kind, what and whether the caller is limited
	done   map[string]int  // answers below 300, by route
	named  map[string]bool // user + secret: that a key of the user was limited to
	sent   map[string]bool // user + id: that the user named in a path
	counts int
}

var (
	markers = regexp.MustCompile(`zq[0-9a-f]{12}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	texts   = regexp.MustCompile(`gob_[0-9A-Za-z]{49}`)
	cursors = regexp.MustCompile(`cursor=([0-9A-Za-z_-]+)`)
)

func (f *isolation) marker() string { return fmt.Sprintf("zq%012x", f.rnd.Uint64()>>16) }

// add makes an object known.
func (f *isolation) add(x *thing, marks map[string]string) *thing {
	f.things = append(f.things, x)
	f.trace(x, map[string]string{x.id: "id"})
	f.trace(x, marks)
	return x
}

func (f *isolation) trace(x *thing, marks map[string]string) {
	for _, mark := range slices.Sorted(maps.Keys(marks)) {
		f.traces[mark], f.texts = trace{x, marks[mark]}, append(f.texts, mark)
	}
}

// pick is any object of a kind that was ever there, if there is one with the property.
func (f *isolation) pick(kind string, like func(*thing) bool) *thing {
	for range 50 {
		x := f.things[f.rnd.IntN(len(f.things))]
		if x.kind == kind && (like == nil || like(x)) {
			return x
		}
	}
	return &thing{id: uuid.NewString(), secret: uuid.NewString()}
}

// mayList reports whether a caller may find an object in lists and answers.
func (c *fuzzer) mayList(x *thing) bool {
	p := c.Rights.Permissions
	switch {
	case x.account != c.AccountID:
		return false
	case x.kind == "user":
		return c.Kind != secrets.Invited || x.id == c.UserID.String()
	case x.kind == "key":
		return p.Has(secrets.Admin) || x.owner == c.UserID.String()
	}
	return c.Rights.Reaches(uuid.MustParse(x.secret)) && p.Has(secrets.List)
}

// maySee reports whether the answer to a request may have a trace. object and in are the answer's own id and its secret's.
func (f *isolation) maySee(c *fuzzer, x trace, route, object, in string) bool {
	p := c.Rights.Permissions
	switch {
	case x.account != c.AccountID:
		return false
	case x.what == "value":
		may := route == "get-item" && p.Has(secrets.Reveal) || route == "get-bundle" && p.Has(secrets.Export)
		return may && c.Rights.Reaches(uuid.MustParse(x.secret))
	case x.kind == "item" && (route == "get-bundle" || route == "compare-secrets"):
		needed := map[string]secrets.Permissions{"get-bundle": secrets.Export, "compare-secrets": secrets.Reveal}[route]
		return x.what == "name" && p.Has(needed) && c.Rights.Reaches(uuid.MustParse(x.secret))
	case x.kind == "item" && route == "batch-items":
		return p.Has(secrets.Write) && c.Rights.Reaches(uuid.MustParse(x.secret))
	case x.what == "email":
		return p.Has(secrets.Admin) || x.id == c.UserID.String()
	case route == "get-review":
		return p.Has(secrets.Audit)
	case c.mayList(x.thing):
		return true
	case x.kind == "user" && x.what == "id":
		return true // who made something
	case x.kind == "key" && x.what == "id":
		return slices.ContainsFunc(f.things, func(k *thing) bool { return k.owner == c.UserID.String() && k.maker == x.id })
	case x.kind == "secret" && x.what == "id" && (p.Has(secrets.Admin) || slices.Contains(c.set, x.id) || f.named[c.UserID.String()+x.id]):
		return true // what rights are limited to
	case x.kind == "user", x.kind == "key":
		return false
	}
	// Without list, the answer to a write or a reveal shows its object.
	var needed secrets.Permissions
	switch verb, _, _ := strings.Cut(route, "-"); {
	case verb == "create", verb == "update", verb == "restore", verb == "rollback":
		needed = secrets.Write
	case route == "get-item":
		needed = secrets.Reveal
	default:
		return false
	}
	isAbout := x.id == object || x.id == in && x.what == "id"
	return isAbout && p.Has(needed) && c.Rights.Reaches(uuid.MustParse(x.secret))
}

// check holds an answer against the model.
func (f *isolation) check(c *fuzzer, route, path, said string, status int, header http.Header, body string) {
	f.t.Helper()
	answer := body + fmt.Sprint(header)
	for _, found := range cursors.FindAllStringSubmatch(answer, -1) {
		b, err := base64.RawURLEncoding.DecodeString(found[1])
		switch {
		case err != nil || strings.Contains(said, found[1]):
		case len(b) == 17:
			answer += " " + uuid.UUID(b[1:]).String()
		case len(b) == 37: // of a review
			answer += fmt.Sprint(" ", uuid.UUID(b[5:21]), " ", uuid.UUID(b[21:]))
		}
	}
	var object struct{ ID, Secret string }
	_ = json.Unmarshal([]byte(body), &object) // errors have none
	for _, text := range markers.FindAllString(answer, -1) {
		x, known := f.traces[text]
		if !known || strings.Contains(path+said, text) {
			continue
		}
		f.seen[fmt.Sprintf("%s %s limited=%v", x.kind, x.what, c.Rights.Limited())]++
		if !f.maySee(c, x, route, object.ID, object.Secret) {
			f.t.Errorf("%s: %s %s %s = %d shows the %s of the %s %s: %s", c.name, route, path, said, status, x.what, x.kind, x.id, body)
		}
	}
	if texts.MatchString(body) != (route == "create-key" && status == http.StatusCreated) {
		f.t.Errorf("%s: %s = %d with a key's text: %s", c.name, route, status, body)
	}
	f.checkDetails(c, body)
}

// shownEvent is an event as any format shows it.
type shownEvent struct {
	outcome, user, key string
	text               string // all of it
}

// eventsIn are the events of an answer, and what it says beside them.
func eventsIn(t *testing.T, format, body string) (found []shownEvent, rest string) {
	t.Helper()
	var texts []json.RawMessage
	switch format {
	case "csv":
		records, err := csv.NewReader(strings.NewReader(body)).ReadAll()
		if err != nil || len(records) == 0 {
			t.Fatalf("%v in %q", err, body)
		}
		column := func(name string) int { return slices.Index(records[0], name) }
		for _, r := range records[1:] {
			found = append(found, shownEvent{r[column("outcome")], r[column("user_id")], r[column("key_id")], strings.Join(r, " ")})
		}
		return found, ""
	case "ndjson":
		for line := range strings.Lines(body) {
			texts = append(texts, json.RawMessage(line))
		}
	default:
		var page struct {
			Next, Previous any
			Results        []json.RawMessage
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatalf("%v in %q", err, body)
		}
		texts, rest = page.Results, fmt.Sprint(page.Next, " ", page.Previous)
	}
	for _, text := range texts {
		var ev struct {
			Outcome   string
			User, Key struct{ ID string }
		}
		if err := json.Unmarshal(text, &ev); err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		found = append(found, shownEvent{ev.Outcome, ev.User.ID, ev.Key.ID, string(text)})
	}
	return found, rest
}

// checkEvents holds events against what the caller may see of the trail: with audit that of its account, else what
// its user did, of a key with fewer rights only what was done with it. An event shows what it is about, with the names
// of that time. A refused try also shows ids that its user sent, whosever they are.
func (f *isolation) checkEvents(c *fuzzer, asked string, events []shownEvent) {
	f.t.Helper()
	for _, ev := range events {
		mayRead := c.Rights.Permissions.Has(secrets.Audit) || ev.user == c.UserID.String() && (!c.narrow || ev.key == c.KeyID.String())
		if !mayRead {
			f.t.Errorf("%s: %s shows the event of another one: %s", c.name, asked, ev.text)
		}
		kind := "event"
		if ev.outcome != string(secrets.OutcomeAllowed) {
			kind = "refused try"
		}
		f.seen[fmt.Sprintf("%s audit=%v", kind, c.Rights.Permissions.Has(secrets.Audit))]++
		for _, text := range markers.FindAllString(ev.text, -1) {
			x, known := f.traces[text]
			switch {
			case !known, x.account == c.AccountID && x.what != "value":
			case ev.outcome != string(secrets.OutcomeAllowed) && x.what == "id" && f.sent[ev.user+x.id]:
				f.seen["id of another account"]++
			default:
				f.t.Errorf("%s: %s shows the %s of the %s %s: %s", c.name, asked, x.what, x.kind, x.id, ev.text)
			}
		}
	}
}

// checkTrail reads all that a caller sees as its own events. They are those of the table.
func (f *isolation) checkTrail(c *fuzzer, m *secrets.Manager, rows []secretstest.Row) {
	f.t.Helper()
	if c.Kind == secrets.Invited {
		return
	}
	var want []string
	account, user := c.AccountID.String(), c.UserID.String()
	for _, row := range rows {
		isOurs := row["PK"] == "EVENTS#"+account && row["by_user"] == account+"#"+user || row["PK"] == "REFUSED#"+account && row["user_id"] == user
		if isOurs && (!c.narrow || row["key_id"] == c.KeyID.String()) {
			want = append(want, fmt.Sprint(row["SK"]))
		}
	}
	var got []string
	for from := (&secrets.Cursor{}); from != nil; {
		page, err := m.ListEvents(f.t.Context(), c.Caller, secrets.EventsInput{User: secrets.Text("me")}, *from, 1000)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, ev := range page.Results {
			got = append(got, ev.ID.String())
		}
		from = page.Next
	}
	slices.Sort(want)
	slices.Reverse(want)
	if !slices.Equal(got, want) {
		f.t.Errorf("%s finds %d own events, want %d", c.name, len(got), len(want))
	}
}

// checkDetails finds users in an answer that show more than a name and a kind to those who may not see it.
func (f *isolation) checkDetails(c *fuzzer, body string) {
	var parsed struct {
		Results []map[string]any
		ID      string
	}
	var one map[string]any
	if json.Unmarshal([]byte(body), &parsed) != nil || json.Unmarshal([]byte(body), &one) != nil {
		return
	}
	for _, x := range append(parsed.Results, one) {
		if x["kind"] == nil || x["id"] == c.UserID.String() || c.Rights.Permissions.Has(secrets.Admin) {
			continue
		}
		for name, value := range x {
			if value != nil && name != "id" && name != "name" && name != "kind" {
				f.t.Errorf("%s sees the %s of another user: %v", c.name, name, x)
			}
		}
	}
}

// checkCount holds the count of a whole list against the objects that the caller may list.
func (f *isolation) checkCount(c *fuzzer, kind, secret, body string) {
	f.t.Helper()
	var page struct{ Count int }
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		f.t.Fatal(err)
	}
	n := 0
	for _, x := range f.things {
		if x.kind == kind && !x.gone && (secret == "" || x.secret == secret) && c.mayList(x) {
			n++
		}
	}
	if f.counts++; page.Count != n {
		f.t.Errorf("%s counts %d %ss in %q, want %d", c.name, page.Count, kind, secret, n)
	}
}

func TestNoCallerSeesWhatItMayNot(t *testing.T) {
	t.Parallel()
	const requests = 10_000
	table := secretstest.NewTable(t)
	m := table.Manager(t)
	m.Log = slog.New(slog.DiscardHandler)
	f := &isolation{t: t, rnd: rand.New(rand.NewPCG(19, 19)), traces: map[string]trace{}, seen: map[string]int{}, done: map[string]int{}, named: map[string]bool{}, sent: map[string]bool{}}
	var fuzzers []*fuzzer
	for _, name := range []string{"ours", "theirs"} {
		fuzzers = append(fuzzers, f.populate(table, m, name)...)
	}
	all, err := functions.Load()
	if err != nil {
		t.Fatal(err)
	}
	var routes []functions.Route
	var names []string
	handlers := map[string]http.Handler{}
	for _, fn := range all {
		for _, r := range fn.Routes() {
			if entry, ok := matrix[fn.Name]; ok {
				names, routes = append(names, fn.Name), append(routes, r)
				handlers[fn.Name] = entry.serve(m)
			}
		}
	}
	for range requests {
		i := f.rnd.IntN(len(routes))
		f.ask(fuzzers[f.rnd.IntN(len(fuzzers))], names[i], routes[i], handlers[names[i]])
	}
	for _, name := range slices.Sorted(maps.Keys(handlers)) {
		if f.done[name] < 2 {
			t.Errorf("%s succeeded %d times, so the fuzz says little about it", name, f.done[name])
		}
	}
	for _, what := range []string{"secret name", "item name", "item value", "service name", "key id"} {
		for _, limited := range []bool{false, true} {
			if f.seen[fmt.Sprintf("%s limited=%v", what, limited)] == 0 {
				t.Errorf("limited=%v: no answer had the %s of anything", limited, what)
			}
		}
	}
	for _, what := range []string{"event audit=true", "event audit=false", "refused try audit=true", "refused try audit=false", "id of another account"} {
		if f.seen[what] == 0 {
			t.Errorf("no answer had an %s", what)
		}
	}
	t.Logf("%d counts; seen %v", f.counts, f.seen)
	rows := table.Rows(t)
	for _, c := range fuzzers {
		f.checkTrail(c, m, rows)
		if strings.HasSuffix(c.name, "first admin") {
			checkReplay(t, table, c.Caller)
		}
	}
	table.Check(t)
}

// populate makes an account with its secrets and its callers.
func (f *isolation) populate(table *secretstest.Table, m *secrets.Manager, name string) (all []*fuzzer) {
	t, ctx := f.t, f.t.Context()
	made, first := table.Account(t, name)
	account := first.AccountID
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var set []uuid.UUID
	def := made.Account.DefaultSecretID.String()
	f.add(&thing{kind: "secret", account: account, id: def, secret: def, fixed: true}, nil)
	for range 4 {
		mark, key, value, label := f.marker(), f.marker(), f.marker(), f.marker()
		secret, err := m.CreateSecret(ctx, first, secretInput(mark))
		fail(err)
		item, err := m.CreateItem(ctx, first, secret.ID.String(), itemInput(key, value))
		fail(err)
		service, err := m.CreateService(ctx, first, serviceInput(label, secret.ID))
		fail(err)
		set = append(set, secret.ID)
		id := secret.ID.String()
		f.add(&thing{kind: "secret", account: account, id: id, secret: id, fixed: true}, map[string]string{mark: "name"})
		f.add(&thing{kind: "item", account: account, id: item.ID.String(), secret: id, fixed: true}, map[string]string{key: "name", value: "value"})
		f.add(&thing{kind: "service", account: account, id: service.ID.String(), secret: id, fixed: true}, map[string]string{label: "name"})
	}
	meet := func(what string, x member, limits ...uuid.UUID) {
		c := &fuzzer{member: x, name: name + "'s " + what, narrow: what == "narrow key"}
		for _, id := range limits {
			c.set = append(c.set, id.String())
		}
		all = append(all, c)
	}
	f.add(&thing{kind: "user", account: account, id: first.UserID.String(), fixed: true}, nil)
	f.add(&thing{kind: "key", account: account, id: first.KeyID.String(), owner: first.UserID.String(), fixed: true}, nil)
	meet("first admin", member{Caller: first})
	const list, reveal, write = secrets.List, secrets.Reveal, secrets.Write
	for _, x := range []struct {
		name   string
		kind   secrets.Kind
		p      secrets.Permissions
		limits []uuid.UUID
		key    secrets.KeyInput
	}{
		{"lister", secrets.Person, list, nil, secrets.KeyInput{}},
		{"revealer", secrets.Person, reveal, nil, secrets.KeyInput{}},
		{"writing machine", secrets.Machine, write, nil, secrets.KeyInput{}},
		{"limited editor", secrets.Person, list | reveal | write, set[:2], secrets.KeyInput{}},
		{"limited writer", secrets.Person, write, set[1:3], secrets.KeyInput{}},
		{"limited machine", secrets.Machine, list | reveal, set[1:2], secrets.KeyInput{}},
		{"limited exporter", secrets.Machine, secrets.Export, set[1:3], secrets.KeyInput{}},
		{"auditor", secrets.Person, secrets.Audit, nil, secrets.KeyInput{}},
		{"admin of people", secrets.Person, secrets.Admin, nil, secrets.KeyInput{}},
		{"narrow key", secrets.Person, secrets.Every, nil, secrets.KeyInput{Permissions: secrets.Texts("list", "reveal"), Secrets: idsField(set[0])}},
		{"invited", secrets.Invited, secrets.Every, nil, secrets.KeyInput{}},
	} {
		kind := x.kind
		if kind == secrets.Invited {
			kind = secrets.Person
		}
		mark, email := f.marker(), f.marker()
		in := userInput(kind, x.p, x.limits...)
		in.Name, in.Email, in.RevealLimit = secrets.Text(mark), secrets.Text(email+"@example.com"), secrets.Text("1000")
		u, err := m.CreateUser(ctx, first, in)
		fail(err)
		f.add(&thing{kind: "user", account: account, id: u.ID.String(), fixed: true}, map[string]string{mark: "name", email: "email"})
		keyMark := f.marker()
		x.key.Name = secrets.Text(keyMark)
		var k member
		if x.kind == secrets.Invited {
			k = invite(t, table, first, u)
		} else {
			k = keyOf(t, table, first, u, x.key)
		}
		f.add(&thing{kind: "key", account: account, id: k.KeyID.String(), owner: u.ID.String(), maker: k.key.MadeBy.String(), fixed: true}, map[string]string{keyMark: "name"})
		meet(x.name, k, x.limits...)
		if x.name == "narrow key" { // which does not see what its user's other key did
			other := keyOf(t, table, first, u, secrets.KeyInput{Name: secrets.Text("wide")})
			f.add(&thing{kind: "key", account: account, id: other.KeyID.String(), owner: u.ID.String(), maker: other.key.MadeBy.String(), fixed: true}, nil)
			_, err := m.UpdateSecret(ctx, other.Caller, def, secretInput("renamed"))
			fail(err)
			m.Refused(ctx, other.Caller, secrets.Try{Action: secrets.ItemRevealed}, secrets.ErrDenied)
		}
	}
	return all
}

// ask sends one random request, and checks its answer.
func (f *isolation) ask(c *fuzzer, name string, at functions.Route, h http.Handler) {
	f.t.Helper()
	// Most requests are about the caller's own account.
	mine := func(x *thing) bool { return x.account == c.AccountID }
	about := func(kind string) *thing {
		if f.rnd.IntN(5) > 0 {
			return f.pick(kind, func(x *thing) bool { return mine(x) && !x.gone })
		}
		return f.pick(kind, nil)
	}
	var target *thing
	var ids []string
	switch {
	case strings.Contains(at.Path, "{item_id}"):
		target = about("item")
		ids = []string{target.secret, target.id}
		if f.rnd.IntN(10) == 0 {
			ids[0] = about("secret").id
		}
	case strings.Contains(at.Path, "{secret_id}"):
		target = about("secret")
	case strings.Contains(at.Path, "{service_id}"):
		target = about("service")
	case strings.Contains(at.Path, "{user_id}"):
		target = about("user")
	case strings.Contains(at.Path, "{key_id}"):
		target = about("key")
		if f.rnd.IntN(2) == 0 {
			target = f.pick("key", func(x *thing) bool { return x.owner == c.UserID.String() })
		}
	}
	if target != nil && ids == nil {
		ids = []string{target.id}
	}
	if strings.Contains(at.Path, "{version}") {
		n := 1 + f.rnd.IntN(3)
		if at.Method == "DELETE" {
			n = 1 // which is seldom the current one for long
		}
		ids = append(ids, fmt.Sprint(n))
	}
	if strings.HasPrefix(name, "restore-") { // mostly of what is deleted
		if gone := f.pick(target.kind, func(x *thing) bool { return mine(x) && x.gone && !x.with }); f.rnd.IntN(5) > 0 {
			target, ids = gone, []string{gone.id}
			if name == "restore-item" {
				ids = []string{gone.secret, gone.id}
			}
		}
	}
	// What the fuzz rests on is deleted and changed only by those who may not.
	writes := at.Method == "PATCH" || at.Method == "DELETE"
	people := target != nil && (target.kind == "user" || target.kind == "key")
	if writes && target != nil && target.fixed && mine(target) && (at.Method == "DELETE" && !people || people && (c.Rights.Permissions.Has(secrets.Admin) || target.owner == c.UserID.String())) {
		return
	}
	if name == "create-key" && c.Kind == secrets.Invited && f.rnd.IntN(2) == 0 {
		return
	}
	marks := map[string]string{}
	mark := func(what string) string { x := f.marker(); marks[x] = what; return x }
	body, query, moved := map[string]any{}, url.Values{}, (*thing)(nil)
	some := func(field string, value any) {
		if at.Method == "POST" || f.rnd.IntN(2) == 0 {
			body[field] = value
		}
	}
	var limitedTo []string
	limits := func() {
		if f.rnd.IntN(3) == 0 {
			limitedTo = []string{about("secret").id, about("secret").id}
			body["secrets"] = limitedTo
		}
	}
	switch name {
	case "create-secret", "update-secret":
		some("name", mark("name"))
	case "create-item", "update-item":
		some("key", mark("name"))
		some("value", mark("value"))
	case "restore-secret":
		if f.rnd.IntN(2) == 0 {
			body["name"] = mark("name")
		}
	case "restore-item":
		if f.rnd.IntN(2) == 0 {
			body["key"] = mark("name")
		}
	case "rollback-item":
		body["version"] = 1 + f.rnd.IntN(3)
	case "batch-items":
		body["items"] = []map[string]string{{"key": mark("name"), "value": mark("value")}}
		if text := f.texts[f.rnd.IntN(len(f.texts))]; f.traces[text].kind == "item" && f.traces[text].what == "name" && !f.traces[text].fixed {
			body["delete"] = []string{text}
		}
	case "get-bundle":
		if target == nil {
			name = "compare-secrets"
			query.Set("a", about("secret").id)
			query.Set("b", about("secret").id)
		}
	case "create-service", "update-service":
		some("name", mark("name"))
		some("image", "app")
		some("port", 80)
		moved = about("secret")
		some("secret", moved.id)
		if body["secret"] == nil {
			moved = nil
		}
	case "create-user", "update-user":
		if name == "create-user" {
			body["kind"] = "machine"
		}
		some("name", mark("name"))
		some("email", mark("email")+"@example.com")
		some("permissions", []string{secrets.PermissionNames[f.rnd.IntN(len(secrets.PermissionNames))]})
		limits()
	case "create-key", "update-key":
		some("name", mark("name"))
		if name == "create-key" && c.Kind != secrets.Invited && f.rnd.IntN(2) == 0 {
			body["user"] = about("user").id
		} else if name == "create-key" && c.Kind == secrets.Invited {
			body["user"] = f.pick("user", func(x *thing) bool { return x.id != c.UserID.String() }).id
		}
		limits()
	}
	isTrail := strings.HasSuffix(name, "-events")
	if isTrail {
		f.filter(c, name, about, query)
	} else if strings.HasPrefix(name, "list-") && name != "list-versions" {
		if f.rnd.IntN(2) == 0 {
			query.Set("page_size", fmt.Sprint(1+f.rnd.IntN(3)))
		}
		if f.rnd.IntN(4) == 0 {
			from := secrets.Cursor{Backward: f.rnd.IntN(2) == 0, ID: uuid.MustParse(about(map[string]string{
				"list-secrets": "secret", "list-items": "item", "list-services": "service", "list-users": "user", "list-keys": "key",
			}[name]).id)}
			query.Set("cursor", from.String())
		} else if filter := map[string]string{"list-secrets": "name", "list-services": "name", "list-items": "key", "list-keys": "user"}[name]; filter != "" && f.rnd.IntN(3) == 0 {
			query.Set(filter, f.texts[f.rnd.IntN(len(f.texts))])
			if filter == "name" && name == "list-services" && f.rnd.IntN(2) == 0 {
				query.Del("name")
				query.Set("secret", about("secret").id)
			}
		}
	}
	if (name == "list-secrets" || name == "list-items") && !query.Has("cursor") && !query.Has("name") && !query.Has("key") && f.rnd.IntN(4) == 0 {
		query.Set("deleted", "true")
	}
	if (name == "delete-secret" || name == "delete-item") && f.rnd.IntN(4) == 0 {
		query.Set("permanent", "true")
	}
	if name == "delete-key" && f.rnd.IntN(4) == 0 && target.account == c.AccountID && !target.fixed {
		query.Set("made", "false")
	}
	said, err := json.Marshal(body)
	if err != nil {
		f.t.Fatal(err)
	}
	text := string(said)
	if len(body) == 0 {
		text = ""
	}
	q := ""
	if len(query) > 0 {
		q = "?" + query.Encode()
	}
	for _, id := range ids {
		f.sent[c.UserID.String()+id] = true
	}
	w := exchange(f.t, h, c.Caller, at.Method, at.Path, q, text, ids...)
	path := strings.Join(append([]string{at.Path}, ids...), " ")
	if w.Code >= 500 {
		f.t.Errorf("%s: %s %s%s %s = %d: %s", c.name, name, path, q, text, w.Code, w.Body)
	}
	if w.Code < 300 {
		f.done[name]++
		f.happened(c, name, target, moved, marks, limitedTo, w.Body.Bytes())
	}
	if isTrail && w.Code == 200 {
		events, rest := eventsIn(f.t, query.Get("format"), w.Body.String())
		f.checkEvents(c, name+" "+path+q, events)
		f.check(c, name, path, text+q, w.Code, w.Header(), rest)
		return
	}
	f.check(c, name, path, text+q, w.Code, w.Header(), w.Body.String())
	if query.Has("deleted") && w.Code == 200 && !c.Rights.Permissions.Has(secrets.List|secrets.Write) {
		f.t.Errorf("%s: %s shows what is deleted", c.name, path)
	}
	isFiltered := name == "list-versions" || query.Has("deleted") || query.Has("name") || query.Has("key") || query.Has("user") || query.Has("secret")
	if w.Code == 200 && strings.HasPrefix(name, "list-") && !isFiltered {
		kind := strings.TrimSuffix(strings.TrimPrefix(name, "list-"), "s")
		in := ""
		if target != nil {
			in = target.id
		}
		f.checkCount(c, kind, in, w.Body.String())
	}
}

// filter asks for a part of the trail.
func (f *isolation) filter(c *fuzzer, name string, about func(string) *thing, query url.Values) {
	some := func(n int) bool { return f.rnd.IntN(n) == 0 }
	query.Set("page_size", fmt.Sprint(1+f.rnd.IntN(20)))
	switch f.rnd.IntN(4) {
	case 0, 1:
		query.Set("user", "me")
	case 2:
		query.Set("user", about("user").id)
	}
	if name == "list-events" && some(3) {
		query.Set("secret", about("secret").id)
	}
	if some(4) {
		query.Set("key", about("key").id)
	}
	if some(4) {
		query.Set("action", secrets.Actions[f.rnd.IntN(len(secrets.Actions))])
	}
	if some(3) {
		query.Set("outcome", secrets.Outcomes[f.rnd.IntN(len(secrets.Outcomes))])
	}
	if some(4) {
		query.Set("format", []string{"json", "csv", "ndjson"}[f.rnd.IntN(3)])
	}
	if some(3) {
		at := time.Now().Add(-time.Duration(f.rnd.IntN(5)) * time.Second)
		query.Set("cursor", secrets.Cursor{Backward: some(2), ID: secrets.NewEventID(at, uuid.New())}.String())
	}
}

// happened changes the model as a successful request changed the account.
func (f *isolation) happened(c *fuzzer, name string, target, moved *thing, marks map[string]string, limits []string, answer []byte) {
	verb, kind, _ := strings.Cut(name, "-")
	switch verb {
	case "create":
		var made struct{ ID, User string }
		if err := json.Unmarshal(answer, &made); err != nil {
			f.t.Fatal(err)
		}
		x := &thing{kind: kind, account: c.AccountID, id: made.ID, owner: made.User}
		switch kind {
		case "secret":
			x.secret = x.id
		case "item":
			x.secret = target.id
		case "service":
			x.secret = moved.id
		case "key":
			x.maker = c.KeyID.String()
		}
		target = f.add(x, marks)
	case "update":
		f.trace(target, marks)
		if moved != nil {
			target.secret = moved.id
		}
	case "restore":
		for _, x := range f.things {
			if x == target || kind == "secret" && x.secret == target.id && x.with {
				x.gone, x.with = false, false
			}
		}
		f.trace(target, marks)
	case "batch":
		f.changed(target, marks, answer)
	case "delete":
		if kind == "version" {
			break
		}
		for _, x := range f.things {
			inSecret := kind == "secret" && x.secret == target.id
			ofUser := kind == "user" && x.kind == "key" && x.owner == target.id
			if x == target || inSecret || ofUser {
				x.with = x.with || inSecret && x != target && !x.gone
				x.gone = true
			}
		}
	}
	for _, id := range limits {
		f.named[target.owner+id] = true
	}
}

// changed changes the model as a batch changed the items of a secret.
func (f *isolation) changed(secret *thing, marks map[string]string, answer []byte) {
	var done struct {
		Results []struct{ Key, ID, Done string }
	}
	if err := json.Unmarshal(answer, &done); err != nil {
		f.t.Fatal(err)
	}
	for _, x := range done.Results {
		switch x.Done {
		case "created":
			f.add(&thing{kind: "item", account: secret.account, id: x.ID, secret: secret.id}, marks)
		case "deleted":
			for _, it := range f.things {
				if it.id == x.ID {
					it.gone = true
				}
			}
		}
	}
}

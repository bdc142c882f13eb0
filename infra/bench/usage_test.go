package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// These tests count AWS calls and units. The numbers are the same on every machine, so they are
// goals, and docs/benchmarks.md shows them all. DynamoDB Local counts transactions differently.

var update = flag.Bool("update", false, "write the counted calls and units to docs/benchmarks.md")

// documented compares a section of docs/benchmarks.md with what was counted.
func documented(t *testing.T, name string, counted *table) {
	t.Helper()
	s, err := findSection(name)
	if err == nil && *update {
		err = s.write(counted.String())
		s.text = counted.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.SplitAfter(s.text, "\n"), strings.SplitAfter(counted.String(), "\n")); diff != "" {
		t.Errorf("docs/benchmarks.md differs from what was counted (-documented +counted):\n%s"+
			"If the change is intended, run: go test ./infra/bench -update", diff)
	}
}

// goal reports a counted value that misses its goal.
func goal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// counter is an account whose AWS calls are counted.
type counter struct {
	*testing.T
	table   *secretstest.Table
	setup   *secrets.Manager // its calls are not counted
	manager *secrets.Manager
	floor   *floor
	usage   secretstest.Usage
	key     string
	def     string // the account's default secret
	caller  secrets.Caller
	rows    *table // what was counted
}

func newCounter(t *testing.T) *counter {
	t.Helper()
	c := &counter{T: t, table: secretstest.NewTable(t), rows: newTable("function | calls | read units: | write units:")}
	c.setup = c.table.Manager(t)
	c.manager = c.table.Manager(t, c.usage.Count, func(cfg *aws.Config) { c.floor = newFloor(*cfg, c.table.Endpoints()) })
	made, caller := c.table.Account(t, "counted")
	c.key, c.def, c.caller = made.Key, made.Account.DefaultSecretID.String(), caller
	c.caller.UserAgent = userAgent
	return c
}

// secret creates a secret with items, and returns its id and that of its last item.
func (c *counter) secret(name string, items int) (secret, item string) {
	c.Helper()
	secret, err := createSecret(c.Context(), c.setup, c.caller, name)
	if err == nil {
		item, err = createItems(c.Context(), c.setup, c.caller, secret, items)
	}
	if err != nil {
		c.Fatal(err)
	}
	return secret, item
}

// count returns what an operation uses.
func (c *counter) count(name string, operation func() error) secretstest.Used {
	c.Helper()
	c.usage.Take()
	if err := operation(); err != nil {
		c.Fatalf("%s: %v", name, err)
	}
	return c.usage.Take()
}

// record counts an operation and adds it to the table.
func (c *counter) record(name string, operation func() error) secretstest.Used {
	c.Helper()
	used := c.count(name, operation)
	c.row(name, used)
	return used
}

func (c *counter) row(name string, used secretstest.Used) {
	c.rows.row(name, used.String(), withIndexes(used.Reads, used.IndexReads), withIndexes(used.Writes, used.IndexWrites))
}

// withIndexes writes units of the table, and behind a plus those of its indexes.
func withIndexes(table, indexes float64) string {
	if indexes == 0 {
		return units(table)
	}
	return units(table) + " + " + units(indexes)
}

// serve returns a call of a route.
func (c *counter) serve(handler func(*secrets.Manager) http.Handler, q request) func() error {
	return q.ready(c.Context(), handler(c.manager), c.caller)
}

// keepVersions is the template's default.
const keepVersions = 10

// tagOf returns the tag of an item.
func (c *counter) tagOf(secret, item string) string {
	c.Helper()
	it, err := c.setup.UpdateItem(c.Context(), c.caller, secret, item, secrets.ItemInput{})
	if err != nil {
		c.Fatal(err)
	}
	return fmt.Sprintf("%q", strconv.FormatInt(it.Revision, 10))
}

// newValue is the body of a request that changes a value.
var newValue = fmt.Sprintf(`{"value":%q}`, plaintext)

// One request of each route makes the documented calls. A list reads no value.
func TestRoutesUseTheDocumentedCalls(t *testing.T) {
	c := newCounter(t)
	secret, item := c.secret("listed", listed)
	doomed, _ := c.secret("doomed", 10)
	c.record("`authorizer`, when its answer is not cached", func() error {
		_, err := c.manager.Authenticate(t.Context(), "Bearer "+c.key)
		return err
	})
	c.record("`list-secrets`, 3 secrets", c.serve(httpapi.ListSecrets, request{want: 200}))
	named := c.record("`list-secrets`, by name", c.serve(httpapi.ListSecrets, request{query: "name=listed", want: 200}))
	c.record("`create-secret`", c.serve(httpapi.CreateSecret, request{body: `{"name":"new"}`, want: 201}))
	c.record("`get-secret`", c.serve(httpapi.GetSecret, request{secret: secret, want: 200}))
	c.record("`update-secret`", c.serve(httpapi.UpdateSecret, request{secret: secret, body: `{"name":"renamed"}`, want: 200}))
	empty, _ := c.secret("empty", 0)
	c.record("`delete-secret`, empty, into the bin", c.serve(httpapi.DeleteSecret, request{secret: empty, want: 204}))
	c.record("`delete-secret`, with 10 items, into the bin", c.serve(httpapi.DeleteSecret, request{secret: doomed, want: 204}))
	c.record("`list-secrets`, 2 in the bin", c.serve(httpapi.ListSecrets, request{query: "deleted=true", want: 200}))
	c.record("`restore-secret`", c.serve(httpapi.RestoreSecret, request{secret: doomed, want: 200}))
	c.record("`delete-secret`, with 10 items, permanently", c.serve(httpapi.DeleteSecret, request{secret: doomed, query: "permanent=true", want: 204}))
	list := c.record("`list-items`, 100 items", c.serve(httpapi.ListItems, request{secret: secret, want: 200}))
	c.record("`list-items`, by key", c.serve(httpapi.ListItems, request{secret: secret, query: "key=KEY_001", want: 200}))
	newItem := `{"key":"KEY_NEW",` + newValue[1:]
	c.record("`create-item`", c.serve(httpapi.CreateItem, request{secret: secret, body: newItem, want: 201}))
	stored := request{secret: secret, item: item, want: 200}
	reveal := c.record("`get-item`, the reveal", c.serve(httpapi.GetItem, stored))
	tag := c.tagOf(secret, item)
	known := c.record("`get-item`, which the client has: 304", c.serve(httpapi.GetItem,
		request{secret: secret, item: item, header: map[string]string{"If-None-Match": tag}, want: 304}))
	stored.body = newValue
	value := c.record("`update-item`, a new value", c.serve(httpapi.UpdateItem, stored))
	for version := 3; version <= keepVersions+1; version++ {
		c.count("a value", c.serve(httpapi.UpdateItem, stored))
	}
	c.manager.Now = func() time.Time { return time.Now().Add(26 * time.Hour) } // none is dropped within a day
	full := c.record("`update-item`, a new value in place of the oldest of 11", c.serve(httpapi.UpdateItem, stored))
	c.manager.Now = time.Now
	stored.body = `{"key":"RENAMED"}`
	c.record("`update-item`, a new key", c.serve(httpapi.UpdateItem, stored))
	at := request{secret: secret, item: item, want: 200}
	c.record("`list-versions`, 11 versions", c.serve(httpapi.ListVersions, at))
	at.version = "2"
	c.record("`get-item`, the reveal of a version", c.serve(httpapi.GetItem, at))
	at.body = `{"version":3}`
	rollback := c.record("`rollback-item`", c.serve(httpapi.RollbackItem, at))
	c.record("`delete-version`", c.serve(httpapi.DeleteVersion, request{secret: secret, item: item, version: "2", want: 204}))
	c.record("`delete-item`, into the bin", c.serve(httpapi.DeleteItem, request{secret: secret, item: item, want: 204}))
	c.record("`list-items`, 1 in the bin", c.serve(httpapi.ListItems, request{secret: secret, query: "deleted=true", want: 200}))
	c.record("`restore-item`", c.serve(httpapi.RestoreItem, request{secret: secret, item: item, want: 200}))
	c.record("`delete-item`, 10 versions, permanently", c.serve(httpapi.DeleteItem, request{secret: secret, item: item, query: "permanent=true", want: 204}))
	page := c.record("`list-events`, a page of 100", c.serve(httpapi.ListEvents, request{want: 200}))
	c.record("`list-events`, a page of 100 of a user", c.serve(httpapi.ListEvents, request{query: "user=me", want: 200}))
	c.record("`list-secret-events`, a page of 100", c.serve(httpapi.ListSecretEvents, request{secret: secret, want: 200}))
	ofItem, ofSecret := 0, 0
	for _, row := range c.table.Rows(t) {
		if row["by_secret"] == c.caller.AccountID.String()+"#"+secret {
			ofSecret++
			if row["item_id"] == item {
				ofItem++
			}
		}
	}
	c.record(fmt.Sprintf("`list-item-events`, %d events among %d of the secret", ofItem, ofSecret), c.serve(httpapi.ListItemEvents, request{secret: secret, item: item, want: 200}))
	c.record("`get-review`, 1 user, 1 key, 3 secrets, 100 items", c.serve(httpapi.GetReview, request{want: 200}))

	c.fillCounter(readLimit, readLimit-2, time.Now()) // two are counted
	const exhausted = "`get-item`, refused: no budget left"
	refused := c.count(exhausted, c.serve(httpapi.GetItem, request{secret: secret, item: item, want: 429}))
	refused.Writes++ // AWS bills a failed condition on up to 1 KB, but does not report it
	c.row(exhausted, refused)
	documented(t, "routes", c.rows)

	goal(t, "write units of a reveal", reveal.Writes, 3)
	goal(t, "write units of a reveal in the indexes", reveal.IndexWrites, 2)
	goal(t, "read units of a reveal, one of them for its authority", reveal.Reads, 4)
	goal(t, "queries of a page of events, one of them for refused tries", page.Calls["Query"], 2)
	goal(t, "round trips for a reveal's rows and authority, beside its charge", reveal.Calls["BatchGetItem"]+reveal.Calls["GetItem"], 1)
	goal(t, "KMS calls of a reveal", reveal.Of("KMS"), 1)
	goal(t, "calls of a list", list.String(), "1 GetItem, 1 Query")
	goal(t, "calls of a list by name", named.String(), "2 GetItem")
	goal(t, "write units of a new value, in a secret that no service uses", value.Writes, 10)
	goal(t, "write units of a new value that drops the oldest version", full.Writes, 10)
	goal(t, "KMS calls of a rollback", rollback.Of("KMS"), 0)
	goal(t, "calls of a reveal that the client has", known.String(), "1 BatchGetItem")
}

// Many items in one request make the documented calls, and so does a repeated request.
func TestSeveralAtOnceUseTheDocumentedCalls(t *testing.T) {
	c := newCounter(t)
	secret, _ := c.secret("several", listed)
	other, _ := c.secret("other", listed)
	batch := func(query string, keys ...string) request {
		var items []string
		for _, key := range keys {
			items = append(items, fmt.Sprintf(`{"key":%q,"value":%q}`, key, plaintext))
		}
		return request{secret: secret, query: query, body: `{"items":[` + strings.Join(items, ",") + `],"delete":["NONE"]}`, want: 200}
	}
	var newKeys, oldKeys []string
	for i := range 19 {
		newKeys, oldKeys = append(newKeys, fmt.Sprint("NEW_", i)), append(oldKeys, fmt.Sprintf("KEY_%03d", i))
	}
	c.record("`batch-items`, a new item", c.serve(httpapi.BatchItems, batch("", "NEW")))
	c.record("`batch-items`, a new value", c.serve(httpapi.BatchItems, batch("", "NEW")))
	dry := c.record("`batch-items`, 19 new values, a dry run", c.serve(httpapi.BatchItems, batch("dry_run=true", oldKeys...)))
	c.record("`batch-items`, 19 new items", c.serve(httpapi.BatchItems, batch("", newKeys...)))
	values := c.record("`batch-items`, 19 new values", c.serve(httpapi.BatchItems, batch("", oldKeys...)))
	c.record("`batch-items`, 3 deleted into the bin", c.serve(httpapi.BatchItems, request{secret: secret, body: `{"delete":["NEW_0","NEW_1","NEW_2"]}`, want: 200}))
	whole := request{secret: other, want: 200}
	bundle := c.record("`get-bundle`, 100 items", c.serve(httpapi.GetBundle, whole))
	revision, err := c.setup.Secret(t.Context(), c.caller, other)
	if err != nil {
		t.Fatal(err)
	}
	whole.header, whole.want = map[string]string{"If-None-Match": fmt.Sprintf(`"%d"`, revision.Revision)}, 304
	known := c.record("`get-bundle`, which the client has: 304", c.serve(httpapi.GetBundle, whole))
	compared := c.record("`get-bundle`, a comparison of 117 with 100 items", c.serve(httpapi.GetBundle, request{query: "a=" + secret + "&b=" + other, want: 200}))
	again := request{secret: secret, body: `{"key":"ONCE",` + newValue[1:], want: 201, method: "POST", header: map[string]string{"Idempotency-Key": "key"}}
	c.record("`create-item`, with an idempotency key", c.serve(httpapi.CreateItem, again))
	repeated := c.record("`create-item`, repeated", c.serve(httpapi.CreateItem, again))
	documented(t, "several", c.rows)

	goal(t, "KMS calls of a dry run", dry.Of("KMS"), 0)
	goal(t, "write units of a dry run", dry.Writes, 0)
	goal(t, "transactions of a batch", values.Calls["TransactWriteItems"], 1)
	goal(t, "round trips for a batch's rows", values.Calls["BatchGetItem"]+values.Calls["GetItem"]+values.Calls["Query"], 2)
	goal(t, "KMS calls of a bundle of 100 items", bundle.Of("KMS"), 100)
	goal(t, "charges and stamps of a bundle", bundle.Calls["UpdateItem"], 2)
	goal(t, "events of a bundle", bundle.Calls["PutItem"], 1)
	goal(t, "calls of a bundle that the client has", known.String(), "1 BatchGetItem")
	goal(t, "charges of a comparison", compared.Calls["UpdateItem"], 2)
	goal(t, "write units of a repeated request", repeated.Writes, 0)
}

// A history costs at most 4 write units more for values of up to 1 KB: one more row.
func TestHistoryCostsLittle(t *testing.T) {
	for _, tt := range []struct {
		size    int
		without float64 // as before items had a history: the rows of secret, item, value and event
	}{{20, 8}, {1024, 10}} {
		c := newCounter(t)
		secret, item := c.secret("history", 1)
		value := request{secret: secret, item: item, body: fmt.Sprintf(`{"value":%q}`, strings.Repeat("v", tt.size)), want: 200}
		for range 2 * keepVersions {
			c.count("a value", c.serve(httpapi.UpdateItem, value))
		}
		c.manager.Now = func() time.Time { return time.Now().Add(26 * time.Hour) } // none is dropped within a day
		for _, keep := range []int{keepVersions, 0} {
			c.manager.KeepVersions = keep
			for { // until each update drops one version
				before := versionRows(c, item)
				c.count("a value", c.serve(httpapi.UpdateItem, value))
				if versionRows(c, item) == before {
					break
				}
			}
			used := c.count("a value", c.serve(httpapi.UpdateItem, value))
			if more := used.Writes - tt.without; more > 4 {
				t.Errorf("%d kept versions cost %v write units more for a value of %d bytes, want at most 4", keep, more, tt.size)
			}
		}
	}
}

// versionRows counts the rows of an item's kept versions.
func versionRows(c *counter, item string) (n int) {
	for _, row := range c.table.Rows(c.T) {
		if strings.HasPrefix(fmt.Sprint(row["SK"]), "VERSION#"+item) {
			n++
		}
	}
	return n
}

// Users, keys and rights make the documented calls. A limited list reads its set's rows.
func TestPeopleUseTheDocumentedCalls(t *testing.T) {
	c := newCounter(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	first, _ := c.secret("first", 1)
	second, _ := c.secret("second", 1)
	newUser := func(kind string) string {
		u, err := c.setup.CreateUser(t.Context(), c.caller, secrets.UserInput{
			Kind: secrets.Text(kind), Name: secrets.Text(kind), Permissions: secrets.Texts("list", "reveal"),
		})
		must(err)
		return u.ID.String()
	}
	newKey := func(by secrets.Caller, in secrets.KeyInput) secrets.NewKey {
		in.Name = secrets.Text("key")
		k, err := c.setup.CreateKey(t.Context(), by, in)
		must(err)
		return k
	}
	machine, person := newUser("machine"), newUser("person")
	of := func(user string) secrets.KeyInput { return secrets.KeyInput{User: secrets.Text(user)} }
	one := newKey(c.caller, of(machine))
	newKey(c.caller, of(machine))

	c.record("`get-me`", c.serve(httpapi.GetMe, request{want: 200}))
	c.record("`list-users`, 3 users", c.serve(httpapi.ListUsers, request{want: 200}))
	c.record("`create-user`", c.serve(httpapi.CreateUser, request{body: `{"kind":"person","name":"n","permissions":["list"]}`, want: 201}))
	c.record("`create-user`, limited to 2 secrets", c.serve(httpapi.CreateUser, request{
		body: fmt.Sprintf(`{"kind":"person","name":"n","permissions":["list"],"secrets":[%q,%q]}`, first, second), want: 201,
	}))
	c.record("`get-user`", c.serve(httpapi.GetUser, request{user: machine, want: 200}))
	c.record("`update-user`, its email", c.serve(httpapi.UpdateUser, request{user: machine, body: `{"email":"a@example.com"}`, want: 200}))
	c.record("`update-user`, its permissions, with 2 keys", c.serve(httpapi.UpdateUser, request{user: machine, body: `{"permissions":["list"]}`, want: 200}))
	c.record("`update-user`, its reveal limit", c.serve(httpapi.UpdateUser, request{user: machine, body: `{"reveal_limit":7}`, want: 200}))
	c.record("`list-keys`, 3 keys", c.serve(httpapi.ListKeys, request{want: 200}))
	c.record("`list-keys`, of a user with 2 keys", c.serve(httpapi.ListKeys, request{query: "user=" + machine, want: 200}))
	c.record("`create-key`", c.serve(httpapi.CreateKey, request{body: `{"name":"k"}`, want: 201}))
	invitation := of(person)
	invitation.Invitation = secrets.Bool(true)
	invited := c.table.Caller(t, newKey(c.caller, invitation).Text)
	c.record("`create-key`, the exchange of an invitation", request{body: `{"name":"k"}`, want: 201}.
		ready(t.Context(), httpapi.CreateKey(c.manager), invited))
	c.record("`get-key`", c.serve(httpapi.GetKey, request{key: one.ID.String(), want: 200}))
	c.record("`update-key`", c.serve(httpapi.UpdateKey, request{key: one.ID.String(), body: `{"permissions":["list"]}`, want: 200}))
	c.record("`delete-key`", c.serve(httpapi.DeleteKey, request{key: one.ID.String(), want: 204}))
	maker := newKey(c.caller, secrets.KeyInput{})
	newKey(c.table.Caller(t, maker.Text), secrets.KeyInput{})
	c.record("`delete-key`, with the one key that it made", c.serve(httpapi.DeleteKey, request{key: maker.ID.String(), query: "made=true", want: 204}))
	newKey(c.caller, of(machine))
	c.record("`delete-user`, with 2 keys", c.serve(httpapi.DeleteUser, request{user: machine, want: 204}))

	limited := c.caller
	limited.Rights = secrets.Rights{Permissions: secrets.List, Secrets: []uuid.UUID{uuid.MustParse(first), uuid.MustParse(second)}}
	c.record("`list-secrets`, limited to 2 secrets", request{want: 200}.ready(t.Context(), httpapi.ListSecrets(c.manager), limited))
	c.record("`list-services`, limited to 2 secrets", request{want: 200}.ready(t.Context(), httpapi.ListServices(c.manager), limited))

	var issued secrets.NewKey
	c.record("`issue-key`, by the account's name", func() (err error) { issued, err = c.manager.IssueKey(t.Context(), "counted", ""); return err })
	c.record("`list-people`, 4 users", func() error { _, err := c.manager.ListPeople(t.Context(), "counted", secrets.Cursor{}, 50); return err })
	c.record("`revoke-key`, in the only account", func() error { return c.manager.RevokeKey(t.Context(), issued.ID.String(), false) })
	c.record("`delete-expired-keys`, none, in the only account", func() error { _, err := c.manager.DeleteExpiredKeys(t.Context()); return err })
	documented(t, "people", c.rows)
}

// newUser makes the caller a new user of a deployment with this limit.
func (c *counter) newUser(limit int) {
	c.Helper()
	m := c.table.Manager(c.T)
	m.RevealLimit = limit
	made, err := m.CreateAccount(c.Context(), secrets.Text(uuid.NewString()))
	if err != nil {
		c.Fatal(err)
	}
	c.caller.AccountID, c.caller.UserID = made.Account.ID, made.UserID
}

// fillCounter charges the caller n times, each a second after the one before, and the last time at the given time.
func (c *counter) fillCounter(limit, n int, last time.Time) {
	c.Helper()
	store := c.table.Store(c.T)
	for i := n - 1; i >= 0; i-- {
		at := last.Add(-time.Duration(i) * time.Second)
		charge, err := store.ChargeReveal(c.Context(), c.caller.AccountID, c.caller.UserID, at, limit, time.Second)
		if err == nil && charge.Rotate != nil {
			err = charge.Rotate(c.Context())
		}
		if err != nil || !charge.Admitted {
			c.Fatalf("charge: %v, %v", charge, err)
		}
	}
}

// A charge costs one write unit at every limit, and its share of the rotations is small. The counter stays below 1 KB.
func TestChargesCostOneUnit(t *testing.T) {
	c := newCounter(t)
	// Odd, because DynamoDB does not store trailing zeros: every number has its full size.
	yesterday := time.Now().Add(-24 * time.Hour).Truncate(2 * time.Millisecond).Add(time.Millisecond)
	store := c.table.Store(t, c.usage.Count)
	table := newTable("limit: | size of the counter, at most: | write units of a charge, with rotations: | read units:")
	for _, limit := range []int{1, 2, 3, 4, 80, 81, 100, 119, 120, 150, 250, 500, 963, 997, 1000} {
		c.newUser(limit)
		c.fillCounter(limit, limit+1, yesterday)
		size := 0
		charges := max(limit, 100)
		used := c.count("charges", func() error {
			for i := range charges {
				at := yesterday.Add(time.Duration(i+1) * 2 * time.Second)
				charge, err := store.ChargeReveal(t.Context(), c.caller.AccountID, c.caller.UserID, at, limit, time.Second)
				if err == nil && !charge.Admitted {
					err = errors.New("refused")
				}
				if err == nil && charge.Rotate != nil {
					err = charge.Rotate(t.Context())
				}
				if err != nil {
					return err
				}
				if i%7 == 0 {
					stored, err := c.floor.get(t.Context(), readsPK(c.caller), "READS")
					if err != nil {
						return err
					}
					size = max(size, secretstest.RowSize(stored.Item))
				}
			}
			return nil
		})
		used.Reads -= float64((charges + 6) / 7) // of this test
		writes, reads := used.Writes/float64(charges), used.Reads/float64(charges)
		table.row(strconv.Itoa(limit), strconv.Itoa(size), fmt.Sprintf("%.3f", writes), fmt.Sprintf("%.3f", reads))
		most := 2.0
		switch {
		case limit >= 80:
			most = 1.1
		case limit >= 4:
			most = 1.25
		}
		if writes > most || size > 1024 {
			t.Errorf("at the limit %d a charge costs %.3f write units and the counter has %d bytes, want at most %.2f and 1,024", limit, writes, size, most)
		}
	}
	documented(t, "counter", table)
}

// What it costs to charge with another limit than that of the counter.
func TestChangesOfTheLimitCostWhatIsDocumented(t *testing.T) {
	c := newCounter(t)
	store := c.table.Store(t, c.usage.Count)
	at := time.Now().Truncate(2 * time.Millisecond).Add(time.Millisecond)
	charge := func(at time.Time, limit int) func() error {
		return func() error {
			charge, err := store.ChargeReveal(t.Context(), c.caller.AccountID, c.caller.UserID, at, limit, time.Hour)
			if err == nil && !charge.Admitted {
				err = errors.New("refused")
			}
			return err
		}
	}
	for _, change := range [][2]int{{100, 50}, {50, 100}, {100, 1000}, {1000, 100}, {1000, 900}} {
		c.newUser(change[0])
		c.fillCounter(change[0], change[0]+change[0]/4, at.Add(-2*time.Hour))
		name := fmt.Sprintf("at %d, where the counter's limit is %d", change[1], change[0])
		used := c.count(name, charge(at, change[1]))
		used.Writes++ // AWS bills the failed condition that shows the limit, but does not report it
		c.row(name, used)
	}
	const agreed = "at 100, where the counter's limit is 900 and functions with it are at work"
	used := c.count(agreed, charge(at, 100))
	used.Writes++
	c.row(agreed, used)
	documented(t, "limit-change", c.rows)
}

// What a reveal costs, for a user who reveals every day.
func TestRevealsCostWhatIsDocumented(t *testing.T) {
	c := newCounter(t)
	secret, item := c.secret("revealed", 1)
	c.fillCounter(readLimit, readLimit, time.Now().Add(-24*time.Hour))
	const reveals = 84 // until a rotation
	sum := c.count("reveals", func() error {
		for range reveals {
			if err := c.serve(httpapi.GetItem, request{secret: secret, item: item, want: 200})(); err != nil {
				return err
			}
		}
		return nil
	})
	writes, indexWrites := sum.Writes/reveals, sum.IndexWrites/reveals
	reads, calls := sum.Reads/reveals, float64(sum.Of("KMS"))/reveals

	const million = 1e6
	cost := newTable("service | a reveal | dollars:")
	total := 0.0
	for _, line := range []struct {
		service, quantity string
		price             float64
	}{
		{"DynamoDB writes", withIndexes(writes, indexWrites) + " units", (writes + indexWrites) * priceWriteUnit},
		{"DynamoDB reads", units(reads) + " units", reads * priceReadUnit},
		{"KMS", units(calls) + " request", calls * priceKMS},
		{"Lambda", "1 request, 35 ms of 256 MB", priceLambda + 0.035*0.25*priceLambdaGBs},
		{"API Gateway", "1 request", priceGateway},
	} {
		cost.row(line.service, line.quantity, fixed(million*line.price))
		total += million * line.price
	}
	cost.row("**together**", "", "**"+fixed(total)+"**")
	documented(t, "cost", cost)
}

// Prices in US dollars, in us-east-1, without free tiers.
const (
	priceWriteUnit = 0.625 / 1e6 // DynamoDB, on demand
	priceReadUnit  = 0.125 / 1e6
	priceKMS       = 0.03 / 10_000 // a request
	priceLambda    = 0.20 / 1e6    // a request
	priceGateway   = 3.50 / 1e6    // a request to a REST API
	priceSecrets   = 0.05 / 10_000 // a call of Secrets Manager
)

// Services, changes of the secrets that they use, and deliveries make the documented calls.
func TestDeliveriesUseTheDocumentedCalls(t *testing.T) {
	c := newCounter(t)
	deliverer, sweeper := c.table.Deliverer(t, c.usage.Count), c.table.Sweeper(t, c.usage.Count)
	deliver := func(secret string) func() error {
		return func() error { return deliverer.Deliver(t.Context(), c.caller.AccountID, uuid.MustParse(secret)) }
	}
	create := func(name, secret string) func() error {
		body := fmt.Sprintf(`{"name":%q,"image":"app:1","port":80,"secret":%q}`, name, secret)
		return c.serve(httpapi.CreateService, request{body: body, want: 201})
	}
	another := fmt.Sprintf(`{"value":%q}`, strings.ToUpper(plaintext))
	change := func(secret, item string) func() error {
		return c.serve(httpapi.UpdateItem, request{secret: secret, item: item, body: another, want: 200})
	}
	cost := newTable("items: | read units: | write units: | calls of KMS: | calls of Secrets Manager: | dollars a thousand:")
	costs := func(items int, used secretstest.Used) {
		kms, target := used.Of("KMS"), used.Of("Secrets Manager")
		dollars := (used.Writes+used.IndexWrites)*priceWriteUnit + used.Reads*priceReadUnit + float64(kms)*priceKMS + float64(target)*priceSecrets
		cost.row(strconv.Itoa(items), units(used.Reads), withIndexes(used.Writes, used.IndexWrites), strconv.Itoa(kms), strconv.Itoa(target), fixed(1000*dollars))
	}

	secret, item := c.secret("delivered-1", 1)
	c.record("`create-service`, the first of its secret", create("one", secret))
	c.record("`deploy-secret`, the first bundle, 1 item", deliver(secret))
	c.record("`create-service`, another one", create("other", secret))
	c.record("`deploy-secret`, a look", deliver(secret))
	value := c.record("`update-item`, a new value, in a used secret", change(secret, item))
	costs(1, c.record("`deploy-secret`, 1 item", deliver(secret)))
	if err := change(secret, item)(); err != nil { // to the same value
		t.Fatal(err)
	}
	c.record("`deploy-secret`, 1 item, equal content", deliver(secret))
	checker := c.table.Checker(t, c.usage.Count)
	c.record("`check-bundles`, 1 bundle, a new round", func() error { _, _, err := checker.Check(t.Context()); return err })
	c.record("`check-bundles`, none to look at", func() error { _, _, err := checker.Check(t.Context()); return err })
	services, err := c.setup.ListServices(t.Context(), c.caller, secrets.Field{}, secrets.Field{}, secrets.Cursor{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	one, other := services.Results[0].ID.String(), services.Results[1].ID.String()
	c.record("`list-services`, 2 services", c.serve(httpapi.ListServices, request{want: 200}))
	c.record("`list-services`, by name", c.serve(httpapi.ListServices, request{query: "name=one", want: 200}))
	c.record("`get-service`", c.serve(httpapi.GetService, request{service: one, want: 200}))
	c.record("`update-service`, a new image", c.serve(httpapi.UpdateService, request{service: one, body: `{"image":"app:2"}`, want: 200}))
	c.record("`delete-service`", c.serve(httpapi.DeleteService, request{service: other, want: 204}))
	c.record("`delete-service`, the last of its secret", c.serve(httpapi.DeleteService, request{service: one, want: 204}))
	c.record("`deploy-secret`, a removal", deliver(secret))
	c.record("`redeploy-secrets`, nothing waits", func() error { _, err := sweeper.Sweep(t.Context()); return err })
	for _, items := range []int{10, 100} {
		name := fmt.Sprintf("delivered-%d", items)
		secret, item := c.secret(name, items)
		if err := errors.Join(create(name, secret)(), deliver(secret)(), change(secret, item)()); err != nil {
			t.Fatal(err)
		}
		costs(items, c.record(fmt.Sprintf("`deploy-secret`, %d items", items), deliver(secret)))
	}
	documented(t, "deliveries", c.rows)
	documented(t, "delivery-cost", cost)

	goal(t, "write units of a new value, in a secret that services use", value.Writes, 12)
}

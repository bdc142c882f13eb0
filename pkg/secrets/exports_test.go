package secrets_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

// accesses are the last reads of a secret's items, by their keys.
func accesses(t testing.TB, m *secrets.Manager, w world) map[string]time.Time {
	t.Helper()
	page, err := m.ListItems(t.Context(), w.caller, w.secret.ID.String(), secrets.Field{}, secrets.Cursor{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]time.Time{}
	for _, it := range page.Results {
		found[it.Key] = it.LastAccessedAt
		if it.LastAccessedAt.IsZero() != (it.LastAccessedBy == uuid.Nil) {
			t.Errorf("%s was read at %v by %v", it.Key, it.LastAccessedAt, it.LastAccessedBy)
		}
	}
	return found
}

// An export is one charge and one event, and a read of each item that it has.
func TestExportIsOneRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m, used := w.counted(t)
	clock(m)
	ctx, sid, iid := t.Context(), w.secret.ID.String(), w.item.ID.String()
	first, err := m.CreateItem(ctx, w.caller, sid, itemInput("A.first", "<a href=\"x\">&\u2028é</a>\n"))
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, m, "second")
	machine := join(t, w.table, w.caller, userInput(secrets.Machine, secrets.Export, w.secret.ID)).Caller
	used.Take()
	b, err := m.ExportSecret(ctx, machine, sid, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"A.first":"<a href=\"x\">&\u2028é</a>\n","API_KEY":"second","OTHER":"value of OTHER"}`; b.Object.Reveal() != want || fmt.Sprint(b) == want {
		t.Errorf("the bundle is %s, want %s", b.Object.Reveal(), want)
	}
	var object map[string]string
	if err := json.Unmarshal([]byte(b.Object.Reveal()), &object); err != nil || len(object) != 3 {
		t.Errorf("the bundle decodes to %v, %v", object, err)
	}
	secret, _ := w.now(t)
	if b.Secret.Revision != secret.Revision || b.Same || b.Budget.Left != b.Budget.Limit-1 {
		t.Errorf("the answer is %+v, the secret %+v", b, secret)
	}
	if calls := used.Take(); calls.Calls["KMS Decrypt"] != 3 {
		t.Errorf("it calls %v, want one KMS call a value", calls)
	}
	ev := w.lastEvent(t)
	want := []secrets.EventItem{{Item: secrets.Named{ID: w.item.ID}, Version: 2}, {Item: secrets.Named{ID: w.other.ID}, Version: 1}, {Item: secrets.Named{ID: first.ID}, Version: 1}}
	slices.SortFunc(want, func(a, b secrets.EventItem) int { return strings.Compare(a.Item.ID.String(), b.Item.ID.String()) })
	if diff := cmp.Diff(want, ev.Items); diff != "" || ev.Action != secrets.SecretExported || ev.Version != secret.Revision || ev.User.ID != machine.UserID {
		t.Errorf("the event is %+v, its items (-want +got):\n%s", ev, diff)
	}
	if charges, _ := recorded(t, world{table: w.table, caller: machine}); charges != 1 {
		t.Errorf("%d charges, want 1", charges)
	}
	if events := eventsOf(t, w.table, w.caller.AccountID, secrets.SecretExported, secrets.ItemRevealed); len(events) != 1 {
		t.Errorf("%d events of reads, want 1", len(events))
	}
	page, err := m.ListEvents(ctx, w.caller, secrets.EventsInput{SecretID: sid, ItemID: iid}, secrets.Cursor{}, 1)
	if err != nil || len(page.Results) != 1 || page.Results[0].ID != ev.ID {
		t.Errorf("the item's events begin with %+v, %v", page.Results, err)
	}

	// Every answer that has an item has this read of it.
	at := ev.At()
	if got, want := accesses(t, m, w), map[string]time.Time{"A.first": at, "API_KEY": at, "OTHER": at}; !cmp.Equal(got, want, equalTimes) {
		t.Errorf("the items were read at %v, want %v", got, want)
	}
	isRead := func(what string, it secrets.Item, err error) {
		t.Helper()
		if err != nil || !it.LastAccessedAt.Equal(at) || it.LastAccessedBy != machine.UserID {
			t.Errorf("%s: read at %v by %v, %v, want %v by %v", what, it.LastAccessedAt, it.LastAccessedBy, err, at, machine.UserID)
		}
	}
	byKey, err := m.ListItems(ctx, w.caller, sid, secrets.Text("OTHER"), secrets.Cursor{}, 9)
	isRead("by key", byKey.Results[0], err)
	it, err := m.UpdateItem(ctx, w.caller, sid, iid, secrets.ItemInput{})
	isRead("no update", it, err)
	it, err = m.UpdateItem(ctx, w.caller, sid, iid, itemInput("API_KEY", "third"))
	isRead("update", it, err)
	it, err = m.RollBackItem(ctx, w.caller, sid, iid, rollback("1"))
	isRead("rollback", it, err)
	if err := m.DeleteItem(ctx, w.caller, sid, iid, secrets.Deletion{}); err != nil {
		t.Fatal(err)
	}
	bin, err := m.DeletedItems(ctx, w.caller, sid, secrets.Cursor{}, 9)
	isRead("in the bin", bin.Results[0].Item, err)
	it, err = m.RestoreItem(ctx, w.caller, sid, iid, secrets.ItemInput{})
	isRead("restored", it, err)

	// What came later was not read by it, and the newer read wins.
	if _, err := m.CreateItem(ctx, w.caller, sid, itemInput("LATER", "x")); err != nil {
		t.Fatal(err)
	}
	r, err := m.RevealItem(ctx, w.caller, sid, w.other.ID.String())
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]time.Time{"A.first": at, "API_KEY": at, "OTHER": r.Item.LastAccessedAt, "LATER": {}}
	if got := accesses(t, m, w); !cmp.Equal(got, read, equalTimes) || !r.Item.LastAccessedAt.After(at) {
		t.Errorf("the items were read at %v, want %v", got, read)
	}
	quarter := w.table.Manager(t)
	quarter.Now = func() time.Time { return at.Add(90*24*time.Hour + 3*time.Hour) }
	found, err := quarter.Review(ctx, w.caller, secrets.ReviewCursor{})
	unread := map[string]time.Time{}
	for _, f := range found.Findings {
		if f.Check == secrets.ValueNotRead && f.Secret.ID == w.secret.ID {
			unread[f.Item.Name] = f.At
		}
	}
	if !cmp.Equal(unread, read, equalTimes) || err != nil {
		t.Errorf("a review after a quarter finds unread values of %v, %v, want %v", unread, err, read)
	}
	if b, err = m.ExportSecret(ctx, w.caller, sid, nil); err != nil {
		t.Fatal(err)
	}
	at = w.lastEvent(t).At()
	if got := accesses(t, m, w); !cmp.Equal(got, map[string]time.Time{"A.first": at, "API_KEY": at, "OTHER": at, "LATER": at}, equalTimes) {
		t.Errorf("the items were read at %v, want %v", got, at)
	}
	// A clock that is behind does not make an older read of it.
	m.Now = func() time.Time { return at.Add(-time.Hour) }
	if _, err = m.ExportSecret(ctx, machine, sid, nil); err != nil || accesses(t, m, w)["OTHER"].Before(at) {
		t.Errorf("%v, read at %v, want not before %v", err, accesses(t, m, w)["OTHER"], at)
	}
	w.table.Check(t)
}

// An export needs its own permission, for this secret, and a budget.
func TestExportIsForFew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m, used := w.counted(t)
	attachSecond(t, &w)
	ctx, sid := t.Context(), w.secret.ID.String()
	c := w.caller
	c.Rights.Permissions = secrets.Every &^ secrets.Export
	expect(t, "an export without export", errOf(m.ExportSecret(ctx, c, sid, nil)), secrets.ErrDenied)
	limited := join(t, w.table, w.caller, userInput(secrets.Machine, secrets.Export, w.second.ID)).Caller
	for _, known := range []secrets.Match{nil, {0, 1, 2, 3}} {
		expect(t, "an export of a foreign secret", errOf(m.ExportSecret(ctx, limited, sid, known)), secrets.ErrNotFound)
	}
	if calls := used.Take(); len(calls.Calls) != 0 {
		t.Errorf("what the caller's context refuses calls %v", calls)
	}
	// It is empty, and counts.
	m.RevealLimit = 2
	if b, err := m.ExportSecret(ctx, w.caller, w.second.ID.String(), nil); err != nil || b.Object.Reveal() != "{}" {
		t.Errorf("an empty secret is %q, %v", b.Object.Reveal(), err)
	}
	expect(t, "an export of no secret", errOf(m.ExportSecret(ctx, w.caller, uuid.NewString(), nil)), secrets.ErrNotFound)
	var throttled secrets.Throttled
	if b, err := m.ExportSecret(ctx, w.caller, sid, nil); !errors.As(err, &throttled) || b.Object.Reveal() != "" || b.Budget.Left != 0 {
		t.Errorf("an export without a budget = %v, %v", b, err)
	}
	if calls := used.Take(); calls.Of("KMS") > 0 {
		t.Errorf("it calls %v", calls)
	}
	w.table.Check(t)
}

// attachSecond makes the second secret, without a service.
func attachSecond(t *testing.T, w *world) {
	t.Helper()
	var err error
	if w.second, err = w.table.Manager(t).CreateSecret(t.Context(), w.caller, secretInput("second")); err != nil {
		t.Fatal(err)
	}
}

// A revision that the caller knows is free, for a caller that still may have it.
func TestExportOfAKnownRevisionIsFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m, used := w.counted(t)
	ctx, sid := t.Context(), w.secret.ID.String()
	reader := join(t, w.table, w.caller, userInput(secrets.Machine, secrets.Export))
	narrowed := join(t, w.table, w.caller, userInput(secrets.Machine, secrets.Export|secrets.List))
	secret, _ := w.now(t)
	known := secrets.Match{77, secret.Revision}
	used.Take()
	changed := w.changes(t, func() {
		b, err := m.ExportSecret(ctx, reader.Caller, sid, known)
		if err != nil || !b.Same || b.Object.Reveal() != "" || b.Secret.Revision != secret.Revision || b.Budget != (secrets.Budget{}) {
			t.Errorf("an export of a known revision = %+v, %v", b, err)
		}
	})
	if calls := used.Take(); calls.String() != "1 BatchGetItem" || changed != nil {
		t.Errorf("it calls %v, and changes %v", calls, changed)
	}
	for n, known := range []secrets.Match{{77}, {}, {secret.Revision - 1}} {
		b, err := m.ExportSecret(ctx, reader.Caller, sid, known)
		if err != nil || b.Same || b.Budget.Left != b.Budget.Limit-n-1 || !strings.Contains(b.Object.Reveal(), "value of OTHER") {
			t.Errorf("an export unless it is %v = %+v, %v", known, b, err)
		}
	}
	if b, err := m.ExportSecret(ctx, reader.Caller, sid, known); err != nil || !b.Same { // reads do not move it
		t.Errorf("after reads: %+v, %v", b, err)
	}
	missing, err := m.ExportSecret(ctx, reader.Caller, uuid.NewString(), secrets.Match{0})
	if !errors.Is(err, secrets.ErrNotFound) || missing.Budget.Left != missing.Budget.Limit-4 {
		t.Errorf("an export of no secret = %+v, %v, want it charged", missing, err)
	}
	if _, err := m.UpdateKey(ctx, w.caller, narrowed.key.ID.String(), secrets.KeyInput{Permissions: secrets.Texts("list")}); err != nil {
		t.Fatal(err)
	}
	if err := m.DeleteKey(ctx, w.caller, reader.key.ID.String(), false); err != nil {
		t.Fatal(err)
	}
	used.Take()
	for _, match := range []secrets.Match{known, nil} {
		expect(t, "with a revoked key", errOf(m.ExportSecret(ctx, reader.Caller, sid, match)), secrets.ErrUnauthenticated)
		expect(t, "with a narrowed key", errOf(m.ExportSecret(ctx, narrowed.Caller, sid, match)), secrets.ErrDenied)
	}
	if calls := used.Take(); calls.Of("KMS") > 0 {
		t.Errorf("they call %v", calls)
	}
	w.table.Check(t)
}

// What is too large is refused by the secret's row, before anything is opened.
func TestExportIsNotTooLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	attachSecond(t, &w)
	m, used := w.counted(t)
	ctx, sid := t.Context(), w.secret.ID.String()
	secret, _ := w.now(t)
	set := func(name string, n int) {
		t.Helper()
		setAttribute(t, w.table, "ACCOUNT#"+w.caller.AccountID.String(), "SECRET#"+sid, name, &types.AttributeValueMemberN{Value: fmt.Sprint(n)})
	}
	refuses := func(what string, err error, want secrets.TooLarge) {
		t.Helper()
		var tooLarge secrets.TooLarge
		if !errors.As(err, &tooLarge) || tooLarge != want {
			t.Errorf("%s = %v, want %v", what, err, want)
		}
	}
	tooLarge := func(what string, want secrets.TooLarge) {
		t.Helper()
		used.Take()
		b, err := m.ExportSecret(ctx, w.caller, sid, nil)
		refuses(what, err, want)
		for _, in := range []secrets.CompareInput{
			{A: secrets.Text(sid), B: secrets.Text(w.second.ID.String())}, {A: secrets.Text(w.second.ID.String()), B: secrets.Text(sid)},
		} {
			refuses(what+", compared", errOf(m.CompareSecrets(ctx, w.caller, in)), want)
		}
		if calls := used.Take(); calls.Of("KMS") > 0 || b.Object.Reveal() != "" {
			t.Errorf("%s: it calls %v", what, calls)
		}
	}
	set("items", 1001)
	tooLarge("1,001 items", secrets.TooLarge{Items: 1001, Size: secret.Size})
	set("items", secret.Items)
	set("size", 4<<20)
	tooLarge("a byte more than 4 MiB", secrets.TooLarge{Items: secret.Items, Size: 4 << 20})
	set("size", 4<<20-1)
	if b, err := m.ExportSecret(ctx, w.caller, sid, nil); err != nil || b.Object.Reveal() == "" {
		t.Errorf("4 MiB = %v", err)
	}
	// It grows while it is read.
	opened, done := 0, false
	grown := w.table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if c.What == "Query SECRET" && !done {
			done = true
			if _, err := m.CreateItem(context.Background(), w.caller, sid, itemInput("LAST", "x")); err != nil {
				t.Error(err)
			}
		}
		if c.What == "Decrypt" {
			opened++
		}
		return secretstest.None
	}))
	_, err := grown.ExportSecret(ctx, w.caller, sid, nil)
	refuses("what grew meanwhile", err, secrets.TooLarge{Items: secret.Items + 1, Size: 4<<20 - 1 + len(`"LAST":"x",`)})
	if opened > 0 {
		t.Errorf("%d values of it are opened", opened)
	}
	set("size", secret.Size+len(`"LAST":"x",`))
	w.table.Check(t)
}

// An export meets a fault at each of its calls. Values leave only with their charge, their event and their stamp.
func TestFailedExportReleasesNothing(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	made, _ := calls(t, newWorld(t, table), func(ctx context.Context, m *secrets.Manager, w world) error {
		return errOf(m.ExportSecret(ctx, w.caller, w.secret.ID.String(), nil))
	})
	needed := map[string]bool{}
	for _, call := range made {
		for _, fault := range []secretstest.Fault{secretstest.Before, secretstest.After, secretstest.LostAfter} {
			w := newWorld(t, table)
			m := table.Manager(t, secretstest.Inject(secretstest.At(call, fault, false)))
			b, err := m.ExportSecret(t.Context(), w.caller, w.secret.ID.String(), nil)
			events := eventsOf(t, table, w.caller.AccountID, secrets.SecretExported)
			charges, _ := recorded(t, w)
			secret, _ := w.now(t)
			if err == nil {
				if charges != 1 || len(events) != 1 || secret.Exported.At.IsZero() || b.Object.Reveal() != `{"API_KEY":"value of API_KEY","OTHER":"value of OTHER"}` {
					t.Errorf("%s/%s: %s left with %d charges, %d events and the stamp %v", call, fault, b.Object.Reveal(), charges, len(events), secret.Exported)
				}
				continue
			}
			if b.Object.Reveal() != "" || charges > 1 || len(events) > charges {
				t.Errorf("%s/%s: %s beside the error %v, with %d charges and %d events", call, fault, b.Object.Reveal(), err, charges, len(events))
			}
			if fault != secretstest.LostAfter {
				needed[call.What] = true
			}
		}
	}
	for _, what := range []string{"UpdateItem READS", "BatchGetItem", "Query SECRET", "UpdateItem SECRET", "PutItem EVENTS", "Decrypt"} {
		if !needed[what] {
			t.Errorf("an export needs no %s, of %v", what, made)
		}
	}
	table.Check(t)
}

// Two items always have the same value. A secret that changes between the reads of an export is read again: the values
// that leave are of one revision, and that is the one of the answer, the event and the stamp.
func TestExportIsOfOneRevision(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	for _, at := range []secretstest.Call{
		{What: "BatchGetItem"}, {What: "Query SECRET"}, {What: "Query SECRET", Nth: 1}, {What: "UpdateItem SECRET"}, {What: "Decrypt"}, {What: "Decrypt", Nth: 1},
	} {
		w := newWorld(t, table)
		rival := table.Manager(t)
		values := map[int64]string{}
		change := func(value string) {
			_, err := rival.BatchItems(context.Background(), w.caller, w.secret.ID.String(), secrets.BatchInput{
				Items: []secrets.ItemInput{itemInput("API_KEY", value), itemInput("OTHER", value), itemInput("NEW_"+value, value)},
			})
			if err != nil {
				t.Error(err)
			}
			secret, _ := w.now(t)
			values[secret.Revision] = value
		}
		change("first")
		m := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
			if c == at {
				change("second")
			}
			return secretstest.None
		}))
		b, err := m.ExportSecret(t.Context(), w.caller, w.secret.ID.String(), nil)
		var object map[string]string
		_ = json.Unmarshal([]byte(b.Object.Reveal()), &object)
		value := values[b.Secret.Revision]
		delete(object, "NEW_first")
		if value == "second" {
			delete(object, "NEW_second")
		}
		if want := map[string]string{"API_KEY": value, "OTHER": value}; err != nil || value == "" || !maps.Equal(object, want) {
			t.Errorf("a change at %s: %v, revision %d, %v, want %v", at, err, b.Secret.Revision, b.Object.Reveal(), want)
		}
		secret, _ := w.now(t)
		events := eventsOf(t, table, w.caller.AccountID, secrets.SecretExported)
		if last := events[len(events)-1]; fmt.Sprint(last["version"]) != fmt.Sprint(b.Secret.Revision) || secret.Exported.Revision != b.Secret.Revision {
			t.Errorf("a change at %s: the event is of revision %v, the stamp of %d, the answer of %d", at, last["version"], secret.Exported.Revision, b.Secret.Revision)
		}
		if charges, _ := recorded(t, w); charges != 1 || len(values) != 2 {
			t.Errorf("a change at %s: %d charges, the states %v", at, charges, values)
		}
	}
	w := newWorld(t, table)
	m := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if c == (secretstest.Call{What: "UpdateItem SECRET"}) {
			w.removed(t, table.Manager(t), true, secrets.Deletion{})
		}
		return secretstest.None
	}))
	b, err := m.ExportSecret(t.Context(), w.caller, w.secret.ID.String(), nil)
	if !errors.Is(err, secrets.ErrNotFound) || b.Object.Reveal() != "" {
		t.Errorf("deleted meanwhile: %v, %s", err, b.Object.Reveal())
	}
	table.Check(t)
}

// A comparison tells which keys have equal values, and no value. It is two reveals, and an event of both secrets.
func TestCompareReleasesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	attachSecond(t, &w)
	m, used := w.counted(t)
	ctx, a, b := t.Context(), w.secret.ID.String(), w.second.ID.String()
	for key, value := range map[string]string{"API_KEY": "value of API_KEY", "OTHER": "another", "NEW": "x"} {
		if _, err := m.CreateItem(ctx, w.caller, b, itemInput(key, value)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.CreateItem(ctx, w.caller, a, itemInput("OLD", "x")); err != nil {
		t.Fatal(err)
	}
	compare := func(c secrets.Caller, a, b string) (secrets.Compared, error) {
		return m.CompareSecrets(ctx, c, secrets.CompareInput{A: secrets.Text(a), B: secrets.Text(b)})
	}
	want := map[string]secrets.Difference{"API_KEY": secrets.Same, "OTHER": secrets.Different, "OLD": secrets.OnlyA, "NEW": secrets.OnlyB}
	reader := join(t, w.table, w.caller, userInput(secrets.Machine, secrets.Reveal, w.secret.ID, w.second.ID)).Caller
	used.Take()
	got, err := compare(reader, a, b)
	if err != nil || !maps.Equal(got.Keys, want) || got.Budget.Left != got.Budget.Limit-2 {
		t.Errorf("%+v, %v, want %v and two charges", got, err, want)
	}
	if calls := used.Take(); calls.Calls["KMS Decrypt"] != 4 {
		t.Errorf("it calls %v, want the values of two keys opened", calls)
	}
	if charges, events := recorded(t, world{table: w.table, caller: reader}); charges != 2 || events != 0 {
		t.Errorf("%d charges and %d reveals, want 2 and 0", charges, events)
	}
	events := eventsOf(t, w.table, w.caller.AccountID, secrets.SecretCompared)
	if len(events) != 2 {
		t.Fatalf("the events are %v, want two", events)
	}
	for i, id := range []string{a, b} {
		page, err := m.ListEvents(ctx, w.caller, secrets.EventsInput{SecretID: id}, secrets.Cursor{}, 1)
		if err != nil || len(page.Results) != 1 {
			t.Fatalf("%v, %v", page, err)
		}
		ev := page.Results[0]
		if ev.Action != secrets.SecretCompared || ev.To["secret"] != []string{b, a}[i] || len(ev.Items) != 2 || ev.Version == 0 {
			t.Errorf("the event of %s is %+v", id, ev)
		}
	}
	for key, at := range accesses(t, m, w) {
		if !at.IsZero() {
			t.Errorf("%s was read at %v: nothing was released", key, at)
		}
	}

	// Who may not reveal both, and what is not two secrets.
	c := w.caller
	c.Rights.Permissions &^= secrets.Reveal
	expect(t, "without reveal", errOf(compare(c, a, b)), secrets.ErrDenied)
	limited := join(t, w.table, w.caller, userInput(secrets.Machine, secrets.Reveal, w.secret.ID)).Caller
	used.Take()
	expect(t, "a foreign b", errOf(compare(limited, a, b)), secrets.ErrNotFound)
	expect(t, "a foreign a", errOf(compare(limited, b, a)), secrets.ErrNotFound)
	for _, twice := range []string{a, strings.ToUpper(a)} {
		if _, err := compare(w.caller, a, twice); !refused(err, "b") {
			t.Errorf("a secret with itself = %v", err)
		}
	}
	var invalid secrets.Invalid
	if _, err := m.CompareSecrets(ctx, w.caller, secrets.CompareInput{}); !errors.As(err, &invalid) || len(invalid) != 2 {
		t.Errorf("nothing = %v", err)
	}
	if _, err := m.CompareSecrets(ctx, w.caller, secrets.CompareInput{A: secrets.Text(a)}); !refused(err, "b") {
		t.Errorf("a with nothing = %v", err)
	}
	expect(t, "a malformed id", errOf(compare(w.caller, "x", b)), secrets.ErrNotFound)
	if calls := used.Take(); len(calls.Calls) > 0 {
		t.Errorf("they call %v", calls)
	}
	for _, pair := range [][2]string{{a, uuid.NewString()}, {uuid.NewString(), b}} {
		got, err := compare(w.caller, pair[0], pair[1])
		if !errors.Is(err, secrets.ErrNotFound) || got.Keys != nil || got.Budget.Limit == 0 {
			t.Errorf("a missing secret = %+v, %v, want it charged", got, err)
		}
	}
	if calls := used.Take(); calls.Of("KMS") > 0 {
		t.Errorf("they call %v", calls)
	}
	m.RevealLimit = 3
	poor := join(t, w.table, w.caller, userInput(secrets.Machine, secrets.Reveal)).Caller
	expect(t, "two of three reveals", errOf(compare(poor, a, b)), nil)
	used.Take()
	var throttled secrets.Throttled
	if got, err := compare(poor, a, b); !errors.As(err, &throttled) || got.Keys != nil || got.Budget.Left != 0 {
		t.Errorf("without a budget for two = %+v, %v", got, err)
	}
	if calls := used.Take(); calls.Of("KMS") > 0 {
		t.Errorf("it calls %v", calls)
	}
	w.table.Check(t)
}

// Each failure of a comparison gives no answer, and none comes without its charges and events.
func TestFailedComparisonTellsNothing(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	prepare := func() world {
		w := newWorld(t, table)
		attachSecond(t, &w)
		if _, err := table.Manager(t).CreateItem(t.Context(), w.caller, w.second.ID.String(), itemInput("OTHER", "value of OTHER")); err != nil {
			t.Fatal(err)
		}
		return w
	}
	do := func(ctx context.Context, m *secrets.Manager, w world) (secrets.Compared, error) {
		return m.CompareSecrets(ctx, w.caller, secrets.CompareInput{A: secrets.Text(w.secret.ID.String()), B: secrets.Text(w.second.ID.String())})
	}
	made, _ := calls(t, prepare(), func(ctx context.Context, m *secrets.Manager, w world) error { return errOf(do(ctx, m, w)) })
	failed := map[string]int{}
	for _, call := range made {
		for _, fault := range []secretstest.Fault{secretstest.Before, secretstest.After} {
			w := prepare()
			got, err := do(t.Context(), table.Manager(t, secretstest.Inject(secretstest.At(call, fault, false))), w)
			charges, _ := recorded(t, w)
			events := eventsOf(t, table, w.caller.AccountID, secrets.SecretCompared)
			if err == nil && (charges != 2 || len(events) != 2 || len(got.Keys) != 2) || err != nil && got.Keys != nil {
				t.Errorf("%s/%s: %v, %v, with %d charges and %d events", call, fault, got, err, charges, len(events))
			}
			if err != nil {
				failed[call.What]++
			}
		}
	}
	if want := map[string]int{"UpdateItem READS": 4, "BatchGetItem": 2, "Query SECRET": 8, "PutItem EVENTS": 4, "Decrypt": 4}; !maps.Equal(failed, want) {
		t.Errorf("failures of %v leave no answer, want %v", failed, want)
	}
	table.Check(t)
}

// A read just before a write is not lost with the row that it stamps, and is no read of what the write adds.
func TestReadsMeetWrites(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	ctx := context.Background()
	for name, tt := range map[string]struct {
		prepare func(*secrets.Manager, world) error
		do      func(*secrets.Manager, world) error
		isRead  bool // by a reveal and an export in between
	}{
		"delete the item": {nil, func(m *secrets.Manager, w world) error {
			return m.DeleteItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), secrets.Deletion{})
		}, true},
		"delete it in a batch": {func(m *secrets.Manager, w world) error {
			return errOf(m.RevealItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String()))
		}, func(m *secrets.Manager, w world) error {
			return errOf(m.BatchItems(ctx, w.caller, w.secret.ID.String(), secrets.BatchInput{Delete: keysField("API_KEY")}))
		}, true},
		"delete the secret": {nil, func(m *secrets.Manager, w world) error {
			return m.DeleteSecret(ctx, w.caller, w.secret.ID.String(), secrets.Deletion{})
		}, true},
		"update": {nil, func(m *secrets.Manager, w world) error {
			return errOf(m.UpdateItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), valueInput("x")))
		}, true},
		"restore the item": {
			func(m *secrets.Manager, w world) error {
				return m.DeleteItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), secrets.Deletion{})
			},
			func(m *secrets.Manager, w world) error {
				return errOf(m.RestoreItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), secrets.ItemInput{}))
			}, false},
		"create an item": {nil, func(m *secrets.Manager, w world) error {
			return errOf(m.CreateItem(ctx, w.caller, w.secret.ID.String(), itemInput("NEW", "x")))
		}, false},
		"create it in a batch": {nil, func(m *secrets.Manager, w world) error {
			return errOf(m.BatchItems(ctx, w.caller, w.secret.ID.String(), secrets.BatchInput{Items: []secrets.ItemInput{itemInput("NEW", "x")}}))
		}, false},
	} {
		for _, isExport := range []bool{false, true} {
			w := newWorld(t, table)
			rival := table.Manager(t)
			if tt.prepare != nil {
				if err := tt.prepare(rival, w); err != nil {
					t.Fatal(err)
				}
			}
			var at time.Time
			m := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
				if c == (secretstest.Call{What: "TransactWriteItems"}) && (isExport || tt.isRead) {
					var err error
					if !tt.isRead { // of a revision that the item could have had
						_, err = rival.UpdateItem(ctx, w.caller, w.secret.ID.String(), w.other.ID.String(), valueInput("x"))
					}
					if isExport && err == nil {
						_, err = rival.ExportSecret(ctx, w.caller, w.secret.ID.String(), nil)
					} else if err == nil {
						_, err = rival.RevealItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String())
					}
					if err != nil {
						t.Errorf("%s: %v", name, err)
					}
					at = w.lastEvent(t).At()
				}
				return secretstest.None
			}))
			if err := tt.do(m, w); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if strings.HasPrefix(name, "delete the secret") {
				if err := errOf(m.RestoreSecret(ctx, w.caller, w.secret.ID.String(), secrets.SecretInput{})); err != nil {
					t.Fatal(err)
				}
			}
			got := accesses(t, rival, w)
			last, exists := got["NEW"]
			if !exists {
				last, exists = got["API_KEY"]
			}
			if !exists {
				page, err := rival.DeletedItems(ctx, w.caller, w.secret.ID.String(), secrets.Cursor{}, 1)
				if err != nil || len(page.Results) != 1 {
					t.Fatalf("%s: %v, %v", name, page, err)
				}
				last = page.Results[0].Item.LastAccessedAt
			}
			if want := map[bool]time.Time{true: at}[tt.isRead]; !last.Equal(want) {
				t.Errorf("%s, export %v: last read at %v, want %v", name, isExport, last, want)
			}
		}
	}
	table.Check(t)
}

// A key that is revoked before an export tries again gets no values.
func TestExportOfARevokedKeyIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	other := w.table.Manager(t)
	ctx, sid := t.Context(), w.secret.ID.String()
	machine := join(t, w.table, w.caller, userInput(secrets.Machine, secrets.Export)).Caller
	m := w.table.Manager(t, secretstest.Inject(before(t, "UpdateItem SECRET", 0, func() {
		if err := other.DeleteUser(ctx, w.caller, machine.UserID.String()); err != nil {
			t.Error(err)
		}
		if _, err := other.CreateItem(ctx, w.caller, sid, itemInput("AFTER_THE_REVOCATION", "new")); err != nil {
			t.Error(err)
		}
	})))
	if b, err := m.ExportSecret(ctx, machine, sid, nil); err == nil {
		t.Errorf("a revoked key gets %d items, with a value that was written after the revocation", b.Secret.Items)
	}
}

// A limited key gets the same fault for a missing parameter.
func TestMissingParameterOfALimitedKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	limited := join(t, w.table, w.caller, userInput(secrets.Machine, secrets.Reveal, w.secret.ID)).Caller
	_, err := w.table.Manager(t).CompareSecrets(t.Context(), limited, secrets.CompareInput{A: secrets.Text(w.secret.ID.String())})
	if !refused(err, "b") {
		t.Errorf("without b: %v, want the fault of b", err)
	}
}

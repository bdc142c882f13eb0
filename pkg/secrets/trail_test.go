package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// shortQueries makes queries of the trail look at few events, as DynamoDB does when events are large, and counts them.
type shortQueries struct {
	secrets.Store
	most    int
	queries atomic.Int64
}

func (s *shortQueries) Events(ctx context.Context, q secrets.EventQuery) ([]secrets.Event, uuid.UUID, error) {
	s.queries.Add(1)
	if q.Most == 0 || q.Most > s.most {
		q.Most = s.most
	}
	return s.Store.Events(ctx, q)
}

// entry is an event or a minute's refused tries, as the table has it.
type entry struct {
	id, action, outcome, user, key, secret, item string
	at, first, last                              time.Time
}

// entries are the whole trail of an account, newest first.
func entries(t testing.TB, table *secretstest.Table, account uuid.UUID) (all []entry) {
	t.Helper()
	text := func(row secretstest.Row, name string) string { x, _ := row[name].(string); return x }
	ofIndex := func(row secretstest.Row, name string) string {
		_, id, _ := strings.Cut(text(row, name), "#")
		return id
	}
	for _, row := range table.Rows(t) {
		e := entry{
			id: text(row, "SK"), action: text(row, "action"), outcome: "allowed", key: text(row, "key_id"), item: text(row, "item_id"),
			user: ofIndex(row, "by_user"), secret: ofIndex(row, "by_secret"),
		}
		switch row["PK"] {
		case "REFUSED#" + account.String():
			e.outcome, e.user, e.secret = text(row, "outcome"), text(row, "user_id"), text(row, "secret_id")
			e.first, e.last = parsedTime(t, text(row, "first")), parsedTime(t, text(row, "last"))
		case "EVENTS#" + account.String():
		default:
			continue
		}
		e.at = secrets.Event{ID: uuid.MustParse(e.id)}.At()
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(b.id, a.id) })
	return all
}

func parsedTime(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// trailTest asks for parts of a random trail.
type trailTest struct {
	t     *testing.T
	rnd   *rand.Rand
	m     *secrets.Manager
	store *shortQueries
	c     secrets.Caller
	all   []entry
}

// listing is a request to a list, and which entries it is for.
type listing struct {
	in   secrets.EventsInput
	want func(entry) bool
	what string
}

// random makes a request with some filters.
func (f *trailTest) random() (l listing) {
	conditions := []func(entry) bool{}
	add := func(name string, field *secrets.Field, value string, is func(entry) bool) {
		*field = secrets.Text(value)
		conditions, l.what = append(conditions, is), l.what+" "+name+"="+value
	}
	one := f.all[f.rnd.IntN(len(f.all))]
	some := func(n int) bool { return f.rnd.IntN(n) == 0 }
	switch id := one.secret; {
	case id == "" || some(2):
	case one.item != "" && some(2):
		l.in.SecretID, l.in.ItemID = id, one.item
		conditions = append(conditions, func(e entry) bool { return e.secret == id && e.item == one.item })
	case some(2):
		l.in.SecretID = id
		conditions = append(conditions, func(e entry) bool { return e.secret == id })
	default:
		add("secret", &l.in.Secret, strings.ToUpper(id), func(e entry) bool { return e.secret == id })
	}
	l.what = fmt.Sprintf("%s/%s", l.in.SecretID, l.in.ItemID)
	if some(4) && one.user != "" {
		add("user", &l.in.User, one.user, func(e entry) bool { return e.user == one.user })
	}
	if some(6) && one.key != "" {
		add("key", &l.in.Key, one.key, func(e entry) bool { return e.key == one.key })
	}
	if some(5) {
		add("action", &l.in.Action, one.action, func(e entry) bool { return e.action == one.action })
	}
	if some(4) {
		add("outcome", &l.in.Outcome, one.outcome, func(e entry) bool { return e.outcome == one.outcome })
	}
	moment := func() time.Time { // of an event, or next to one
		at := one.at
		if some(2) {
			at = f.all[f.rnd.IntN(len(f.all))].at
		}
		return at.Add(time.Duration(f.rnd.IntN(3)-1) * time.Microsecond)
	}
	var since, until time.Time
	const layout = "2006-01-02T15:04:05.000000Z07:00"
	switch f.rnd.IntN(8) {
	case 0, 1:
		since = moment()
		add("since", &l.in.Since, since.In(time.FixedZone("", 3*60*60)).Format(layout), func(e entry) bool {
			return !e.at.Before(since) || !e.last.Before(since)
		})
	case 2:
		settled := f.m.Now().Add(-30 * time.Second).Truncate(time.Minute)
		id := one.id
		switch f.rnd.IntN(6) {
		case 0:
			id = uuid.Nil.String()
		case 1:
			id = uuid.Max.String()
		case 2:
			id = f.all[f.rnd.IntN(len(f.all))].id
		}
		add("since", &l.in.Since, id, func(e entry) bool { return e.id > id && e.at.Before(settled) })
	case 3:
		add("since", &l.in.Since, []string{"0001-01-01T00:00:00.000001Z", "9999-12-31T23:59:59.999999Z"}[f.rnd.IntN(2)], nil)
		isEarly := strings.Contains(l.what, "0001-")
		conditions[len(conditions)-1] = func(entry) bool { return isEarly }
	}
	switch f.rnd.IntN(6) {
	case 0:
		until = moment()
		add("until", &l.in.Until, until.Format(layout), func(e entry) bool {
			if e.first.IsZero() {
				return e.at.Before(until)
			}
			return e.first.Before(until)
		})
	case 1:
		add("until", &l.in.Until, []string{"0001-01-01T00:00:00.000001Z", "9999-12-31T23:59:59.999999+00:00"}[f.rnd.IntN(2)], nil)
		isLate := strings.Contains(l.what, "9999-12-31T23:59:59.999999+")
		conditions[len(conditions)-1] = func(entry) bool { return isLate }
	}
	isEmpty := !since.IsZero() && !until.IsZero() && !since.Before(until)
	l.want = func(e entry) bool {
		return !isEmpty && !slices.ContainsFunc(conditions, func(is func(entry) bool) bool { return !is(e) })
	}
	return l
}

// page asks for a page, and holds it against what there is on that side of the cursor, nearest first.
func (f *trailTest) page(l listing, from secrets.Cursor, size int) (p secrets.Page[secrets.Event], got []string) {
	f.t.Helper()
	before := f.store.queries.Load()
	p, err := f.m.ListEvents(f.t.Context(), f.c, l.in, from, size)
	if err != nil {
		f.t.Fatalf("%s: %v", l.what, err)
	}
	if n := f.store.queries.Load() - before; n > 10 {
		f.t.Errorf("%s: %d queries, want at most 10", l.what, n)
	}
	var want []string
	isStart := from == secrets.Cursor{}
	for _, e := range f.all {
		isBeyond := e.id < from.ID.String()
		if !from.Backward {
			isBeyond = e.id > from.ID.String()
		}
		if (isStart || isBeyond) && l.want(e) {
			want = append(want, e.id)
		}
	}
	for _, ev := range p.Results {
		got = append(got, ev.ID.String())
	}
	rest := p.Next
	nearest := slices.Clone(got)
	if !isStart && !from.Backward {
		rest = p.Previous
		slices.Reverse(nearest)
		slices.Reverse(want)
	}
	if len(nearest) > size || len(nearest) > len(want) || !slices.Equal(nearest, want[:len(nearest)]) {
		f.t.Errorf("%s from %v, %d: %v, want the first of %v", l.what, from, size, got, want)
	}
	if len(nearest) < len(want) && rest == nil {
		f.t.Errorf("%s from %v, %d: the list ends after %d of %d", l.what, from, size, len(nearest), len(want))
	}
	return p, got
}

// turn asks for a page, and for the one behind it: nothing lies between the two but what is at the cursor.
func (f *trailTest) turn(l listing, from secrets.Cursor) {
	f.t.Helper()
	p, got := f.page(l, from, 2)
	to := p.Next
	if from.Backward {
		to = p.Previous
	}
	if isStart := from == (secrets.Cursor{}); isStart || to == nil || *to == (secrets.Cursor{}) { // before the least id is nothing
		return
	}
	isBehind := func(id string) bool { return id <= from.ID.String() == !from.Backward || id == from.ID.String() }
	if len(got) > 0 && from.Backward {
		isBehind = func(id string) bool { return id > got[0] }
	} else if len(got) > 0 {
		isBehind = func(id string) bool { return id < got[len(got)-1] }
	}
	var want []string
	for _, e := range f.all {
		if l.want(e) && isBehind(e.id) {
			want = append(want, e.id)
		}
	}
	_, behind := f.page(l, *to, 2)
	if from.Backward {
		slices.Reverse(want)
		slices.Reverse(behind)
	}
	if len(behind) > len(want) || !slices.Equal(behind, want[:len(behind)]) || len(behind) == 0 && len(want) > 0 && f.store.most > 100 {
		f.t.Errorf("%s: behind the page at %v: %v, want the first of %v", l.what, from, behind, want)
	}
}

// walk follows a list to its end and back.
func (f *trailTest) walk(l listing, size int) {
	f.t.Helper()
	var all, last, back []string
	var p secrets.Page[secrets.Event]
	const most = 2000
	pages := 0
	for from := (&secrets.Cursor{}); from != nil && pages < most; pages++ {
		var got []string
		p, got = f.page(l, *from, size)
		if (p.Previous == nil) != (*from == secrets.Cursor{}) {
			f.t.Errorf("%s: previous %v from %v", l.what, p.Previous, from)
		}
		all, last, from = append(all, got...), got, p.Next
	}
	for from := p.Previous; from != nil && pages < most; pages++ {
		var got []string
		p, got = f.page(l, *from, size)
		if p.Next == nil {
			f.t.Errorf("%s: no way forth from %v", l.what, from)
		}
		back, from = append(got, back...), p.Previous
	}
	if pages == most {
		f.t.Fatalf("%s: no end", l.what)
	}
	if want := all[:len(all)-len(last)]; !slices.Equal(back, want) {
		f.t.Errorf("%s, %d: on the way back %d of %d: %v", l.what, size, len(back), len(want), back)
	}
}

// A random trail is read with random filters, in small pages and by short queries, forth and back, and held against
// the plain list: no gap, no repeat, newest first.
func TestTrailIsAPlainList(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	table := secretstest.NewTable(t)
	f := &trailTest{t: t, rnd: rand.New(rand.NewPCG(seed, 0)), m: table.Manager(t)}
	f.store = &shortQueries{Store: f.m.Store}
	_, f.c = table.Account(t, "account")
	f.m.Store = f.store
	f.fill()
	f.all = entries(t, table, f.c.AccountID)
	kinds := map[string]int{}
	for range 40 {
		f.store.most = []int{1, 2, 3, 5, 8, 12, 1000}[f.rnd.IntN(7)]
		l := f.random()
		for name, has := range map[string]bool{"since an id": strings.Contains(l.what, "since=0"), "until": strings.Contains(l.what, "until"), "of an item": l.in.ItemID != ""} {
			if has {
				kinds[name]++
			}
		}
		f.walk(l, []int{1, 2, 3, 7, 1000}[f.rnd.IntN(5)])
		cursors := []uuid.UUID{uuid.MustParse(f.all[f.rnd.IntN(len(f.all))].id), uuid.New(), uuid.Nil, uuid.Max}
		if i := slices.IndexFunc(f.all, l.want); i >= 0 { // the newest, beyond which there is nothing
			cursors = append(cursors, uuid.MustParse(f.all[i].id))
		}
		for _, at := range cursors {
			f.turn(l, secrets.Cursor{Backward: true, ID: at})
			f.turn(l, secrets.Cursor{ID: at})
		}
	}
	t.Logf("%d entries, %d queries, %v", len(f.all), f.store.queries.Load(), kinds)

	// Times and ids that leave nothing between them.
	at, id := f.all[40].at.Format(time.RFC3339Nano), f.all[40].id
	for _, in := range []secrets.EventsInput{
		{Since: secrets.Text(at), Until: secrets.Text(at)},
		{Since: secrets.Text(f.all[3].at.Format(time.RFC3339Nano)), Until: secrets.Text(f.all[90].at.Format(time.RFC3339Nano)), Outcome: secrets.Text("allowed")},
		{Since: secrets.Text(id), Until: secrets.Text(f.all[90].at.Format(time.RFC3339Nano))},
		{Since: secrets.Text(uuid.Max.String())},
	} {
		p, err := f.m.ListEvents(t.Context(), f.c, in, secrets.Cursor{}, 100)
		if err != nil || len(p.Results) > 0 || p.Next != nil {
			t.Errorf("%d events, next %v, %v, want nothing", len(p.Results), p.Next, err)
		}
	}
	// Cursors and parameters that are none.
	for _, in := range []secrets.EventsInput{
		{Since: secrets.Text("yesterday")}, {Since: secrets.Text("")}, {Since: secrets.Text("2026-01-01T00:00:00")}, {Since: secrets.Text("0001-01-01T00:00:00Z")},
		{Since: secrets.Text(strings.Trim(id, "0"))}, {Until: secrets.Text(id)}, {Until: secrets.Text("9999-12-31T23:59:59-01:00")}, {Action: secrets.Text("item.shown")},
		{User: secrets.Text("Me")}, {Key: secrets.Text("me")}, {Secret: secrets.Text("")}, {Outcome: secrets.Text("refused")},
	} {
		_, err := f.m.ListEvents(t.Context(), f.c, in, secrets.Cursor{}, 1)
		if invalid := new(secrets.Invalid); !errors.As(err, invalid) || len(*invalid) != 1 {
			t.Errorf("%v, want one field refused", err)
		}
	}
}

// fill writes a trail: events at few times, some at the same microsecond, and refused tries.
func (f *trailTest) fill() {
	f.t.Helper()
	id := func() uuid.UUID { return uuid.Must(uuid.NewV7()) }
	ids := func(n int) (all []uuid.UUID) {
		for range n {
			all = append(all, id())
		}
		return all
	}
	pick := func(ids []uuid.UUID) uuid.UUID { return ids[f.rnd.IntN(len(ids))] }
	users, keys, within, items := ids(3), ids(4), ids(3), ids(3)
	base := time.Date(2026, 11, 28, 5, 0, 0, 0, time.UTC)
	moment := func() time.Time {
		at := base.Add(time.Duration(f.rnd.IntN(8)) * time.Minute)
		return at.Add(time.Duration(f.rnd.IntN(6)) * 10 * time.Second).Add(time.Duration(f.rnd.IntN(3)) * time.Microsecond)
	}
	actions := []string{secrets.ItemRevealed, secrets.ItemUpdated, secrets.SecretUpdated, secrets.KeyCreated}
	for range 110 {
		ev := secrets.Event{ID: secrets.NewEventID(moment(), uuid.New()), AccountID: f.c.AccountID, Action: actions[f.rnd.IntN(len(actions))]}
		if f.rnd.IntN(8) > 0 {
			ev.User, ev.Key = secrets.Named{ID: pick(users), Name: "user"}, secrets.Named{ID: pick(keys), Name: "key"}
		}
		if f.rnd.IntN(4) > 0 {
			ev.Secret = secrets.Named{ID: pick(within), Name: "secret"}
		}
		if strings.HasPrefix(ev.Action, "item") {
			ev.Item = secrets.Named{ID: pick(items), Name: "KEY"}
		}
		if err := f.m.Store.AppendEvent(f.t.Context(), ev); err != nil {
			f.t.Fatal(err)
		}
	}
	for range 60 {
		at := moment().Add(time.Duration(f.rnd.IntN(9)) * time.Second)
		f.m.Now = func() time.Time { return at }
		c := f.c
		c.UserID, c.KeyID = pick(users), pick(keys)
		try := secrets.Try{Action: actions[f.rnd.IntN(len(actions))]}
		if f.rnd.IntN(3) > 0 {
			try.SecretID, try.ItemID = pick(within).String(), pick(items).String()
		}
		f.m.Refused(f.t.Context(), c, try, []error{secrets.ErrDenied, secrets.Throttled{}}[f.rnd.IntN(2)])
	}
	f.m.Now = func() time.Time { return base.Add(6*time.Minute + 10*time.Second) } // a part is not settled
}

// The id of zeros is that of nothing. It is not the absence of a filter.
func TestNilIdsMatchNothing(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	m, zeros := table.Manager(t), uuid.Nil.String()
	for name, in := range map[string]secrets.EventsInput{
		"user": {User: secrets.Text(zeros)}, "key": {Key: secrets.Text(zeros)}, "secret": {Secret: secrets.Text(zeros)},
		"secret in the path": {SecretID: zeros}, "item": {SecretID: w.secret.ID.String(), ItemID: zeros},
	} {
		if page, err := m.ListEvents(t.Context(), w.caller, in, secrets.Cursor{}, 10); err != nil || len(page.Results) > 0 {
			t.Errorf("%s: %d events, %v, want none", name, len(page.Results), err)
		}
	}
}

// A function without the right to append events can put rows into the indexes. They are no events.
func TestForgedRowsAreNoEvents(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	account, secret := w.caller.AccountID.String(), w.secret.ID.String()
	for _, pk := range []string{"REFUSED#" + account, "SECRET#" + account + "#" + secret} {
		row, err := attributevalue.MarshalMap(map[string]string{
			"PK": pk, "SK": secrets.NewEventID(time.Now(), uuid.New()).String(), "action": secrets.ItemRevealed,
			"by_secret": account + "#" + secret, "by_user": account + "#" + w.caller.UserID.String(), "user_name": "forged",
			"user_id": w.caller.UserID.String(), "secret_id": secret,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := table.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table.Name, Item: row}); err != nil {
			t.Fatal(err)
		}
	}
	for name, in := range map[string]secrets.EventsInput{
		"account": {}, "secret": {SecretID: secret}, "user": {User: secrets.Text("me")},
	} {
		page, err := table.Manager(t).ListEvents(t.Context(), w.caller, in, secrets.Cursor{}, 100)
		if err != nil || len(page.Results) == 0 {
			t.Errorf("%s: %d events, %v", name, len(page.Results), err)
		}
		for _, ev := range page.Results {
			if ev.User.Name == "forged" {
				t.Errorf("%s: shows %+v", name, ev)
			}
		}
	}
}

// A key without list sees in its own events which objects it changed, but no names of them.
func TestOwnEventsHideNamesFromWriters(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	m := table.Manager(t)
	writer := join(t, table, w.caller, userInput(secrets.Machine, secrets.Write)).Caller
	if _, err := m.UpdateItem(t.Context(), writer, w.secret.ID.String(), w.item.ID.String(), itemInput("RENAMED", "value")); err != nil {
		t.Fatal(err)
	}
	page, err := m.ListEvents(t.Context(), writer, secrets.EventsInput{User: secrets.Text("me")}, secrets.Cursor{}, 10)
	if err != nil || len(page.Results) != 1 {
		t.Fatalf("own events: %+v, %v, want one", page.Results, err)
	}
	ev := page.Results[0]
	if ev.Secret != (secrets.Named{ID: w.secret.ID}) || ev.Item != (secrets.Named{ID: w.item.ID}) || ev.From != nil || ev.To != nil {
		t.Errorf("the event = %+v, want ids without names", ev)
	}
}

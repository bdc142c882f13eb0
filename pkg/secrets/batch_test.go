package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

func keysField(keys ...string) (fields []secrets.Field) {
	for _, key := range keys {
		fields = append(fields, secrets.Text(key))
	}
	return fields
}

func manyItems(from, to int) (items []secrets.ItemInput) {
	for n := from; n < to; n++ {
		items = append(items, itemInput(fmt.Sprintf("MANY_%02d", n), fmt.Sprint("value ", n)))
	}
	return items
}

// A batch is one change of its secret, with one event that an item's events show.
func TestBatchIsOneChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	attach(t, &w)
	m, used := w.counted(t)
	clock(m)
	ctx, sid := t.Context(), w.secret.ID.String()
	w.write(t, m, "second")
	if _, err := m.RollBackItem(ctx, w.caller, sid, w.item.ID.String(), rollback("1")); err != nil {
		t.Fatal(err)
	}
	if _, err := m.RevealItem(ctx, w.caller, sid, w.other.ID.String()); err != nil {
		t.Fatal(err)
	}
	before, was := w.now(t)
	in := secrets.BatchInput{
		Items:   []secrets.ItemInput{itemInput("NEW", "new value"), itemInput("API_KEY", "third"), itemInput("NEW_2", "2")},
		Delete:  keysField("NONE", "OTHER"),
		IfMatch: secrets.Match{before.Revision},
	}

	// What it would do needs no KMS and writes nothing.
	used.Take()
	in.DryRun = true
	var dry []secrets.BatchChange
	changed := w.changes(t, func() {
		var err error
		if dry, err = m.BatchItems(ctx, w.caller, sid, in); err != nil {
			t.Error(err)
		}
	})
	want := []secrets.BatchChange{
		{Item: secrets.Named{Name: "NEW"}, Version: 1, Done: secrets.DoneCreated},
		{Item: secrets.Named{ID: w.item.ID, Name: "API_KEY"}, Version: 3, Done: secrets.DoneUpdated},
		{Item: secrets.Named{Name: "NEW_2"}, Version: 1, Done: secrets.DoneCreated},
		{Item: secrets.Named{Name: "NONE"}, Done: secrets.DoneNothing},
		{Item: secrets.Named{ID: w.other.ID, Name: "OTHER"}, Version: 1, Done: secrets.DoneDeleted},
	}
	if diff := cmp.Diff(want, dry); diff != "" || changed != nil {
		t.Errorf("a dry run changes %v, and says (-want +got):\n%s", changed, diff)
	}
	if calls := used.Take(); calls.Of("KMS") > 0 || calls.Calls["TransactWriteItems"] > 0 {
		t.Errorf("a dry run calls %v", calls)
	}
	blind := w.caller
	blind.Rights.Permissions &^= secrets.List
	expect(t, "a dry run without list", errOf(m.BatchItems(ctx, blind, sid, in)), secrets.ErrDenied)
	blind.Rights.Permissions = secrets.Every &^ secrets.Write
	expect(t, "a dry run without write", errOf(m.BatchItems(ctx, blind, sid, in)), secrets.ErrDenied)

	in.DryRun = false
	done, err := m.BatchItems(ctx, w.caller, sid, in)
	if err != nil {
		t.Fatal(err)
	}
	for i := range done {
		if want[i].Done == secrets.DoneCreated {
			want[i].Item.ID = done[i].Item.ID
		}
	}
	if diff := cmp.Diff(want, done); diff != "" || done[0].Item.ID == done[2].Item.ID {
		t.Errorf("a batch says (-want +got):\n%s", diff)
	}
	ev := w.lastEvent(t)
	got := map[secrets.EventItem]bool{}
	for _, it := range ev.Items {
		got[it] = true
	}
	for _, x := range want {
		if is := got[secrets.EventItem(x)]; is != (x.Done != secrets.DoneNothing) {
			t.Errorf("the event has %+v: %v", x, is)
		}
	}
	if ev.Action != secrets.ItemsChanged || len(ev.Items) != 4 || ev.Secret.ID != w.secret.ID || ev.To["restorable_until"] == "" {
		t.Errorf("the event is %+v", ev)
	}
	after, is := w.now(t)
	if after.Revision != before.Revision+1 || after.Items != before.Items+1 || w.outbox(t) != ev.ID {
		t.Errorf("the secret was %+v, and is %+v", before, after)
	}
	if is.Version != 3 || is.Revision <= was.Revision || !is.ValueAt.Equal(ev.At()) || !is.UpdatedAt.Equal(ev.At()) || !is.CreatedAt.Equal(was.CreatedAt) {
		t.Errorf("the item was %+v, and is %+v", was, is)
	}
	if b, err := m.ExportSecret(ctx, w.caller, sid, nil); err != nil || b.Object.Reveal() != `{"API_KEY":"third","NEW":"new value","NEW_2":"2"}` {
		t.Errorf("the values are %s, %v", b.Object.Reveal(), err)
	}
	for _, x := range done {
		page, err := m.ListEvents(ctx, w.caller, secrets.EventsInput{SecretID: sid, ItemID: x.Item.ID.String(), Action: secrets.Text(secrets.ItemsChanged)}, secrets.Cursor{}, 10)
		if x.Done != secrets.DoneNothing && (err != nil || len(page.Results) != 1 || page.Results[0].ID != ev.ID) {
			t.Errorf("the events of %s are %+v, %v", x.Item.Name, page.Results, err)
		}
	}
	if page, err := m.ListEvents(ctx, w.caller, secrets.EventsInput{SecretID: sid, ItemID: w.second.ID.String()}, secrets.Cursor{}, 10); err != nil || len(page.Results) != 0 {
		t.Errorf("the events of no item of it are %+v, %v", page.Results, err)
	}

	// What it deleted comes back as it was.
	back, err := m.RestoreItem(ctx, w.caller, sid, w.other.ID.String(), secrets.ItemInput{})
	if err != nil || back.LastAccessedBy != w.caller.UserID || back.Version != 1 {
		t.Errorf("restored is %+v, %v", back, err)
	}
	// And what nothing keeps is gone.
	m.Recovery = 0
	if _, err := m.BatchItems(ctx, w.caller, sid, secrets.BatchInput{Delete: keysField("OTHER", "NEW")}); err != nil {
		t.Error(err)
	}
	expect(t, "restore what is not kept", errOf(m.RestoreItem(ctx, w.caller, sid, w.other.ID.String(), secrets.ItemInput{})), secrets.ErrNotFound)
	purged := eventsOf(t, w.table, w.caller.AccountID, secrets.ItemPurged)
	if keys := deletedKeys(t, m, w); keys != nil || len(purged) != 2 {
		t.Errorf("in the bin are %v, the purges are %v", keys, purged)
	}
	for _, row := range w.table.Rows(t) {
		if at := fmt.Sprint(row["PK"], row["SK"]); strings.Contains(at, w.other.ID.String()) {
			t.Errorf("%s is left", at)
		}
	}
	w.table.Check(t)
	checkReplay(t, w.table, w.caller)
}

// A batch that is refused says why, by index as a list's serializer does, and does nothing.
func TestBatchIsRefusedWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m, used := w.counted(t)
	attach(t, &w)
	ctx, sid := t.Context(), w.secret.ID.String()
	ofValue := func(err error) (e secrets.InvalidBatch) {
		if !errors.As(err, &e) {
			t.Errorf("%v is no InvalidBatch", err)
		}
		return e
	}
	fields := func(list secrets.Invalid) (names string) {
		for _, f := range list {
			names += f.Field + " "
		}
		return strings.TrimSpace(names)
	}
	large := strings.Repeat("x", 64<<10)
	nothing := errors.New("not an object")
	for name, tt := range map[string]struct {
		in            secrets.BatchInput
		items         []string // the fields of each
		deletes, rest string
	}{
		"fields":            {secrets.BatchInput{Items: []secrets.ItemInput{itemInput("OK", "x"), itemInput("no key", ""), valueInput("x"), {Key: secrets.Text("K")}}}, []string{"", "key value", "key", "value"}, "", ""},
		"twice":             {secrets.BatchInput{Items: []secrets.ItemInput{itemInput("K", "x"), itemInput("K", "x")}}, []string{"", "key"}, "", ""},
		"twice, deleted":    {secrets.BatchInput{Items: []secrets.ItemInput{itemInput("K", "x")}, Delete: keysField("A", "K", "A")}, nil, "1 2", ""},
		"keys":              {secrets.BatchInput{Items: []secrets.ItemInput{itemInput("K", "x"), itemInput("", "x")}, Delete: keysField("", "K", "x", "no key")}, []string{"", "key"}, "0 1 3", ""},
		"of another shape":  {secrets.BatchInput{Items: []secrets.ItemInput{{Err: secrets.Invalid{{Field: "non_field_errors"}}}, itemInput("K", "x")}}, []string{"non_field_errors", ""}, "", ""},
		"more than 128 KiB": {secrets.BatchInput{Items: []secrets.ItemInput{itemInput("A", large), itemInput("B", large), itemInput("C", "x")}}, nil, "", "non_field_errors"},
	} {
		e := ofValue(errOf(m.BatchItems(ctx, w.caller, sid, tt.in)))
		var items []string
		for _, list := range e.Items {
			items = append(items, fields(list))
		}
		if !slices.Equal(items, tt.items) || fields(e.Delete) != tt.deletes || fields(e.Rest) != tt.rest {
			t.Errorf("%s: %+v, want the items' %v, the keys' %q and %q", name, e, tt.items, tt.deletes, tt.rest)
		}
	}
	room := m.MaxBundleSize
	quota := m.Quotas
	for name, tt := range map[string]struct {
		in   secrets.BatchInput
		with func()
		want func(error) bool
	}{
		"nothing":       {want: func(err error) bool { return refused(err, "non_field_errors") }},
		"too many":      {in: secrets.BatchInput{Items: manyItems(0, 10), Delete: keysField(strings.Split("ABCDEFGHIJK", "")...)}, want: func(err error) bool { return refused(err, "non_field_errors") }},
		"not an object": {in: secrets.BatchInput{Err: nothing}, want: func(err error) bool { return err == nothing }},
		"item's error":  {in: secrets.BatchInput{Items: []secrets.ItemInput{{Err: nothing}}}, want: func(err error) bool { return err == nothing }},
		"the quota": {in: secrets.BatchInput{Items: manyItems(0, 4), Delete: keysField("OTHER")}, with: func() { m.Quotas.Items = 4 },
			want: func(err error) bool { return refused(err, "non_field_errors") }},
		"the bundle": {in: secrets.BatchInput{Items: append(manyItems(0, 3), itemInput("API_KEY", "x"))}, with: func() { m.MaxBundleSize = 90 },
			want: func(err error) bool { return refused(err, "non_field_errors") }},
		"another revision": {in: secrets.BatchInput{Items: manyItems(0, 3), IfMatch: secrets.Match{99}}, want: func(err error) bool { return errors.Is(err, secrets.ErrPrecondition) }},
	} {
		m.MaxBundleSize, m.Quotas = room, quota
		if tt.with != nil {
			tt.with()
		}
		for _, dry := range []bool{false, true} {
			tt.in.DryRun = dry
			used.Take()
			changed := w.changes(t, func() {
				if err := errOf(m.BatchItems(ctx, w.caller, sid, tt.in)); !tt.want(err) {
					t.Errorf("%s, dry %v: %v", name, dry, err)
				}
			})
			if calls := used.Take(); changed != nil || calls.Of("KMS") > 0 {
				t.Errorf("%s: it calls %v, and changes %v", name, calls, changed)
			}
		}
		if tt.want(nil) {
			t.Errorf("%s: nothing is wanted", name)
		}
		expect(t, name+" in no secret", errOf(m.BatchItems(ctx, w.caller, w.item.ID.String(), tt.in)), secrets.ErrNotFound)
	}
	// At the limits it is done: as many as there may be, and what it deletes makes room.
	m.MaxBundleSize, m.Quotas = room, quota
	m.Quotas.Items = 20
	if _, err := m.BatchItems(ctx, w.caller, sid, secrets.BatchInput{Items: manyItems(0, 18), Delete: keysField("OTHER", "API_KEY")}); err != nil {
		t.Errorf("20 changes: %v", err)
	}
	if _, err := m.BatchItems(ctx, w.caller, sid, secrets.BatchInput{Items: manyItems(18, 28), Delete: keysField("MANY_00", "MANY_01", "MANY_02", "MANY_03", "MANY_04", "MANY_05", "MANY_06", "MANY_07")}); err != nil {
		t.Errorf("as many as there may be: %v", err)
	}
	m.MaxBundleSize = 0
	if _, err := m.BatchItems(ctx, w.caller, sid, secrets.BatchInput{Items: []secrets.ItemInput{itemInput("MANY_10", large), itemInput("MANY_11", large)}}); err != nil {
		t.Errorf("128 KiB: %v", err)
	}
	w.table.Check(t)
}

// 20 changes in a used secret, with a history and a token, are one transaction of at most 100 actions.
func TestLargestBatchFitsIntoATransaction(t *testing.T) {
	t.Parallel()
	var actions []int
	counts := func(cfg *aws.Config) {
		cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("CountActions", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				if in, ok := in.Parameters.(*dynamodb.TransactWriteItemsInput); ok {
					actions = append(actions, len(in.TransactItems))
				}
				return next.HandleInitialize(ctx, in)
			}), middleware.After)
		})
	}
	w := newWorld(t, secretstest.NewTable(t))
	attach(t, &w)
	m := w.table.Manager(t, counts)
	m.KeepVersions = 3
	clock(m) // a minute each: with KeepVersions and a day's versions there is more to drop, later
	day := m.Now
	days := 0
	m.Now = func() (at time.Time) { return day().AddDate(0, 0, days) }
	ctx, sid := t.Context(), w.secret.ID.String()
	var keys []string
	for _, it := range manyItems(0, 20) {
		_ = it
		keys = append(keys, fmt.Sprintf("MANY_%02d", len(keys)))
	}
	for n, step := range []struct {
		in   secrets.BatchInput
		want int
	}{
		{secrets.BatchInput{Items: manyItems(0, 20)}, 5*20 + 0},
		{secrets.BatchInput{Items: manyItems(0, 20)}, 3*20 + 4},
		{secrets.BatchInput{Items: manyItems(0, 20)}, 3*20 + 4},
		{secrets.BatchInput{Items: manyItems(0, 20)}, 3*20 + 4},
		{secrets.BatchInput{Items: manyItems(0, 20)}, 3*20 + 4},
		{secrets.BatchInput{Items: manyItems(0, 20)}, 3*20 + 4},
		{secrets.BatchInput{Items: manyItems(0, 10), Delete: keysField(keys[10:]...)}, 7*10 + 5},
		{secrets.BatchInput{Delete: keysField(keys[:10]...)}, 4*10 + 5},
		{secrets.BatchInput{Items: manyItems(0, 20)}, 100},
		{secrets.BatchInput{Delete: keysField(keys...)}, 4*20 + 5},
	} {
		days += 2
		if n == 4 {
			m.KeepVersions = 0 // all of them go, by degrees
		}
		c := w.caller
		c.Token = secrets.NewToken(fmt.Sprint("key ", n), "request")
		actions = nil
		if _, err := m.BatchItems(ctx, c, sid, step.in); err != nil {
			t.Errorf("batch %d: %v", n, err)
		}
		if len(actions) != 1 || actions[0] > 100 || actions[0] > step.want {
			t.Errorf("batch %d: transactions of %v actions, want one of at most %d", n, actions, step.want)
		}
		if len(tokens(t, w.table)) != n+1 {
			t.Errorf("batch %d: %d tokens are kept", n, len(tokens(t, w.table)))
		}
	}
	w.table.Check(t)
	checkReplay(t, w.table, w.caller)
}

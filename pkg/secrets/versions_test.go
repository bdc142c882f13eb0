package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// counted is a manager whose AWS calls are counted.
func (w world) counted(t testing.TB) (*secrets.Manager, *secretstest.Usage) {
	t.Helper()
	u := new(secretstest.Usage)
	return w.table.Manager(t, u.Count), u
}

// clock makes the time of a manager go by a minute with each look at it, from the next hour on.
func clock(m *secrets.Manager) {
	at := time.Now().UTC().Truncate(time.Hour).Add(time.Hour)
	var mu sync.Mutex
	m.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		at = at.Add(time.Minute)
		return at
	}
}

// write gives the world's item a value.
func (w world) write(t testing.TB, m *secrets.Manager, value string) secrets.Item {
	t.Helper()
	it, err := m.UpdateItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String(), valueInput(value))
	if err != nil {
		t.Fatal(err)
	}
	return it
}

// now is the world's secret and item as they are now.
func (w world) now(t testing.TB) (secrets.Secret, secrets.Item) {
	t.Helper()
	secret, it, err := w.table.Store(t).Item(t.Context(), w.caller.AccountID, w.secret.ID, w.item.ID)
	if err != nil {
		t.Fatal(err)
	}
	return secret, it
}

// outbox is the change of the world's secret that waits for its delivery.
func (w world) outbox(t testing.TB) (change uuid.UUID) {
	t.Helper()
	entry, err := w.table.Store(t).Entry(t.Context(), w.caller.AccountID, w.secret.ID)
	if err != nil && !errors.Is(err, secrets.ErrNotFound) {
		t.Fatal(err)
	}
	return entry.Change
}

// lastEvent is the newest event of the world's account.
func (w world) lastEvent(t testing.TB) secrets.Event {
	t.Helper()
	p, err := w.table.Manager(t).ListEvents(t.Context(), w.caller, secrets.EventsInput{}, secrets.Cursor{}, 1)
	if err != nil || len(p.Results) == 0 {
		t.Fatalf("%v, %v", p, err)
	}
	return p.Results[0]
}

// changes are the rows of the world's table that a call adds, changes or removes, by their keys.
func (w world) changes(t testing.TB, call func()) (changed []string) {
	t.Helper()
	all := func() map[string]string {
		rows := map[string]string{}
		for _, row := range w.table.Rows(t) {
			rows[fmt.Sprintf("%v %v", row["PK"], row["SK"])] = fmt.Sprint(row)
		}
		return rows
	}
	before := all()
	call()
	after := all()
	for at, row := range after {
		if before[at] != row {
			changed = append(changed, at)
		}
	}
	for at := range before {
		if after[at] == "" {
			changed = append(changed, at)
		}
	}
	slices.Sort(changed)
	return changed
}

func rollback(to string) secrets.RollbackInput {
	return secrets.RollbackInput{Version: secrets.Text(to)}
}

var equalTimes = cmp.Options{cmpopts.EquateApproxTime(0), cmpopts.EquateEmpty()}

func TestVersionsAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m, used := w.counted(t)
	clock(m)
	machine := join(t, w.table, w.caller, userInput(secrets.Machine, secrets.Write))
	second := w.write(t, m, "second")
	third, err := m.UpdateItem(t.Context(), machine.Caller, w.secret.ID.String(), w.item.ID.String(), itemInput("RENAMED", "third, longer"))
	if err != nil {
		t.Fatal(err)
	}
	want := []secrets.Version{
		{Number: 3, Size: len(`"":"third, longer",`), CreatedAt: third.UpdatedAt, CreatedBy: machine.UserID, Current: true},
		{Number: 2, Size: len(`"":"second",`), CreatedAt: second.UpdatedAt, CreatedBy: w.caller.UserID},
		{Number: 1, Size: len(`"":"value of API_KEY",`), CreatedAt: w.item.CreatedAt, CreatedBy: w.caller.UserID},
	}
	used.Take()
	check := func(what string) {
		t.Helper()
		got, err := m.Versions(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
		if diff := cmp.Diff(want, got, equalTimes); diff != "" || err != nil {
			t.Errorf("%s: %v, (-want +got):\n%s", what, err, diff)
		}
	}
	check("after two changes")
	if calls := used.Take(); calls.Of("KMS") > 0 {
		t.Errorf("the list opens something: %v", calls)
	}
	if _, err := m.RollBackItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String(), rollback("1")); err != nil {
		t.Fatal(err)
	}
	want[0].Current, want[2].Current = false, true
	check("after a rollback")
	if charges, events := recorded(t, w); charges+events > 0 {
		t.Errorf("%d charges and %d events of reads, want none", charges, events)
	}
	w.table.Check(t)
}

func TestVersionIsRevealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m, used := w.counted(t)
	clock(m)
	w.write(t, m, "second")
	w.write(t, m, "third")
	for n, value := range []string{"value of API_KEY", "second", "third"} {
		number := int64(n + 1)
		r, err := m.RevealVersion(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String(), fmt.Sprint(number))
		if err != nil || r.Value.Reveal() != value || r.Item.Version != number || r.Budget.Left != r.Budget.Limit-n-1 {
			t.Errorf("version %d is %q, %+v, %v, want %q, charged", number, r.Value.Reveal(), r, err, value)
		}
		if ev := w.lastEvent(t); ev.Action != secrets.ItemRevealed || ev.Version != number || ev.Item.ID != w.item.ID {
			t.Errorf("the event is %+v, want the reveal of version %d", ev, number)
		}
		if _, it := w.now(t); !it.LastAccessedAt.Equal(r.Item.LastAccessedAt) || it.LastAccessedBy != w.caller.UserID ||
			!it.LastAccessedAt.Equal(w.lastEvent(t).At()) {
			t.Errorf("the last access is %v, the answer has %v", it.LastAccessedAt, r.Item.LastAccessedAt)
		}
	}
	if err := m.DeleteVersion(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String(), "2", secrets.Deletion{}); err != nil {
		t.Fatal(err)
	}
	used.Take()
	item, charged := w.item.ID.String(), 3
	for _, at := range [][2]string{
		{item, "2"}, {item, "4"}, {item, "0"}, {item, "01"}, {item, "+1"}, {item, "-1"}, {item, "x"}, {item, ""}, {item, "99999999999999999999"},
		{item, "9223372036854775807"}, {uuid.NewString(), "1"}, {"x", "1"},
	} {
		charged++
		r, err := m.RevealVersion(t.Context(), w.caller, w.secret.ID.String(), at[0], at[1])
		if !errors.Is(err, secrets.ErrNotFound) || r.Value.Reveal() != "" || r.Budget.Left != r.Budget.Limit-charged {
			t.Errorf("version %q = %v, %d left, want ErrNotFound, charged", at[1], err, r.Budget.Left)
		}
	}
	if calls := used.Take(); calls.Of("KMS") > 0 {
		t.Errorf("what does not exist is opened: %v", calls)
	}
	if charges, events := recorded(t, w); charges != charged || events != 3 {
		t.Errorf("%d charges and %d events, want %d and 3", charges, events, charged)
	}
	w.table.Check(t)
}

func TestRollbackOpensNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	attach(t, &w)
	m, used := w.counted(t)
	clock(m)
	w.write(t, m, "a longer second value")
	secret, before := w.now(t)
	waiting := w.outbox(t)
	sid, iid := w.secret.ID.String(), w.item.ID.String()
	used.Take()
	back, err := m.RollBackItem(t.Context(), w.caller, sid, iid, rollback("1"))
	if err != nil {
		t.Fatal(err)
	}
	if calls := used.Take(); calls.Of("KMS") > 0 {
		t.Errorf("a rollback calls KMS: %v", calls)
	}
	after, it := w.now(t)
	if it.Version != 1 || it.LastVersion != 2 || it.Revision <= before.Revision || it.Size != w.item.Size || !it.ValueAt.Equal(w.item.ValueAt) ||
		!it.UpdatedAt.After(before.UpdatedAt) || !it.CreatedAt.Equal(w.item.CreatedAt) {
		t.Errorf("the item is %+v, and was %+v", it, before)
	}
	if diff := cmp.Diff(it, back, equalTimes); diff != "" {
		t.Errorf("the answer differs from the item (-item +answer):\n%s", diff)
	}
	if after.Revision != secret.Revision+1 || after.Size != secret.Size+it.Size-before.Size {
		t.Errorf("the secret is %+v, and was %+v", after, secret)
	}
	ev := w.lastEvent(t)
	if ev.Action != secrets.ItemRolledBack || ev.Version != 1 || !ev.At().Equal(it.UpdatedAt) || !slices.Equal(ev.Changed, []string{"version"}) ||
		ev.From["version"] != "2" || ev.To["version"] != "1" {
		t.Errorf("the event is %+v", ev)
	}
	if entry := w.outbox(t); entry == waiting || entry != ev.ID {
		t.Errorf("%v waits for its delivery, want %v", entry, ev.ID)
	}
	if value := revealed(t, m, w); value != "value of API_KEY" {
		t.Errorf("the value is %q", value)
	}

	// What has no such version writes nothing, nor does a rollback to the current one.
	for in, want := range map[string]string{"3": "does not exist", "0": "", "x": "A valid integer", "": ""} {
		changed := w.changes(t, func() { _, err = m.RollBackItem(t.Context(), w.caller, sid, iid, rollback(in)) })
		if !refused(err, "version") || !strings.Contains(err.Error(), want) || changed != nil {
			t.Errorf("a rollback to %q = %v, changes %v", in, err, changed)
		}
	}
	if _, err := m.RollBackItem(t.Context(), w.caller, sid, iid, secrets.RollbackInput{}); !refused(err, "version") {
		t.Errorf("a rollback to nothing = %v", err)
	}
	changed := w.changes(t, func() { back, err = m.RollBackItem(t.Context(), w.caller, sid, iid, rollback("1")) })
	if err != nil || changed != nil || back.Revision != it.Revision {
		t.Errorf("a rollback to the current version = %+v, %v, changes %v", back, err, changed)
	}

	// The next value has the next number, and the sizes are right by any name.
	if it := w.write(t, m, "3"); it.Version != 3 || it.LastVersion != 3 {
		t.Errorf("a value after the rollback has version %d, want 3", it.Version)
	}
	for _, to := range []func() error{
		func() error {
			return errOf(m.UpdateItem(t.Context(), w.caller, sid, iid, secrets.ItemInput{Key: secrets.Text("A_LONGER_KEY")}))
		},
		func() error { return errOf(m.RollBackItem(t.Context(), w.caller, sid, iid, rollback("2"))) },
		func() error {
			return errOf(m.UpdateItem(t.Context(), w.caller, sid, iid, secrets.ItemInput{Key: secrets.Text("K")}))
		},
		func() error { return errOf(m.RollBackItem(t.Context(), w.caller, sid, iid, rollback("1"))) },
	} {
		if err := to(); err != nil {
			t.Fatal(err)
		}
		b, err := m.ExportSecret(t.Context(), w.caller, sid, nil)
		if got := len(b.Object.Reveal()); err != nil || b.Secret.Size+1 != got {
			t.Errorf("the secret's size is %d, %v, its bundle has %d bytes", b.Secret.Size, err, got)
		}
	}

	// Services can't be given more than their target takes.
	m.MaxBundleSize = 50
	if _, err := m.RollBackItem(t.Context(), w.caller, sid, iid, rollback("2")); !refused(err, "version") {
		t.Errorf("a rollback to what is too large = %v", err)
	}
	if _, err := m.RollBackItem(t.Context(), w.caller, sid, iid, rollback("3")); err != nil {
		t.Errorf("a rollback to what is small = %v", err)
	}
	w.table.Check(t)
	checkReplay(t, w.table, w.caller)
}

func TestVersionIsDestroyed(t *testing.T) {
	t.Parallel()
	for _, isUsed := range []bool{false, true} {
		w := newWorld(t, secretstest.NewTable(t))
		if isUsed {
			attach(t, &w)
		}
		m, used := w.counted(t)
		w.write(t, m, "second")
		waiting := w.outbox(t)
		secret, before := w.now(t)
		sid, iid := w.secret.ID.String(), w.item.ID.String()
		remove := func(number string) error {
			return m.DeleteVersion(t.Context(), w.caller, sid, iid, number, secrets.Deletion{})
		}
		for number, want := range map[string]error{
			"2": secrets.ErrCurrentVersion, "3": secrets.ErrNotFound, "0": secrets.ErrNotFound, "01": secrets.ErrNotFound, "x": secrets.ErrNotFound,
		} {
			if changed := w.changes(t, func() { err := remove(number); expect(t, "delete version "+number, err, want) }); changed != nil {
				t.Errorf("a refused deletion changes %v", changed)
			}
		}
		expect(t, "delete an old version", remove("1"), nil)
		ev := w.lastEvent(t)
		if ev.Action != secrets.VersionDeleted || ev.Version != 1 || ev.Item.ID != w.item.ID {
			t.Errorf("the event is %+v", ev)
		}
		after, it := w.now(t)
		if it.Revision <= before.Revision || it.Version != 2 || !it.UpdatedAt.Equal(before.UpdatedAt) || after.Revision != secret.Revision {
			t.Errorf("the item is %+v, and was %+v, its secret %+v", it, before, after)
		}
		if entry := w.outbox(t); entry != waiting {
			t.Error("what services read has not changed, and is delivered")
		}
		used.Take()
		expect(t, "delete it again", remove("1"), secrets.ErrNotFound)
		expect(t, "reveal it", errOf(m.RevealVersion(t.Context(), w.caller, sid, iid, "1")), secrets.ErrNotFound)
		if err := errOf(m.RollBackItem(t.Context(), w.caller, sid, iid, rollback("1"))); !refused(err, "version") {
			t.Errorf("a rollback to it = %v", err)
		}
		if left, err := m.Versions(t.Context(), w.caller, sid, iid); err != nil || len(left) != 1 || left[0].Number != 2 {
			t.Errorf("versions %v are left, %v", left, err)
		}
		if calls := used.Take(); calls.Of("KMS") > 0 {
			t.Errorf("it is opened: %v", calls)
		}
		if it := w.write(t, m, "third"); it.Version != 3 {
			t.Errorf("the next version is %d", it.Version)
		}
		w.table.Check(t)
	}
}

// expect compares an error with the one that is wanted.
func expect(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || want == nil && got != nil {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// A reveal that began before a version was destroyed releases nothing, also if a newer one has its row by then.
func TestRevealMeetsTheDeletionOfItsVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	for at, opens := range map[string]int{"GetItem VERSION": 0, "UpdateItem ITEM": 1} {
		for _, isReused := range []bool{false, true} {
			it, err := w.table.Manager(t).CreateItem(t.Context(), w.caller, w.secret.ID.String(), itemInput("K"+uuid.NewString(), "leaked"))
			if err != nil {
				t.Fatal(err)
			}
			w.item = it
			w.write(t, w.table.Manager(t), "second")
			rival := w.table.Manager(t)
			done, opened := false, 0
			m := w.table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
				if c.What == "Decrypt" {
					opened++
				}
				if c.What == at && !done {
					done = true
					err := rival.DeleteVersion(context.Background(), w.caller, w.secret.ID.String(), it.ID.String(), "1", secrets.Deletion{})
					if err != nil {
						t.Error(err)
					}
					if isReused {
						w.write(t, rival, "third")
					}
				}
				return secretstest.None
			}))
			r, err := m.RevealVersion(t.Context(), w.caller, w.secret.ID.String(), it.ID.String(), "1")
			if !errors.Is(err, secrets.ErrNotFound) || r.Value.Reveal() != "" || opened > opens || !done {
				t.Errorf("deleted at %s, its row reused %v: %q, %v, opened %d times", at, isReused, r.Value.Reveal(), err, opened)
			}
		}
	}
	w.table.Check(t)
}

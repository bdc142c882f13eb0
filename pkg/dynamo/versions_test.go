package dynamo_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// revised is an item after another change.
func revised(it secrets.Item, change func(*secrets.Item)) secrets.Item {
	it.Revision++
	change(&it)
	return it
}

// version is an item with a new value, after which these versions are kept.
func version(it secrets.Item, kept ...secrets.Slot) secrets.Item {
	return revised(it, func(it *secrets.Item) {
		it.LastVersion++
		it.Version, it.History = it.LastVersion, history(kept...)
	})
}

// write changes an item, with the event of that action.
func (f fixture) write(t *testing.T, action string, more int, w secrets.ItemWrite) error {
	t.Helper()
	c := secrets.Change{Secret: f.read(t, f.secret.ID), Items: more, Size: w.New.Size - w.Old.Size, Revise: true}
	return f.store.WriteItems(t.Context(), c, f.itemEvent(action, w.New), w)
}

// wantUnchanged calls do, which must return an error and write nothing.
func (f fixture) wantUnchanged(t *testing.T, name string, want error, do func() error) {
	t.Helper()
	rows := cmpopts.SortSlices(func(a, b secretstest.Row) bool { return fmt.Sprint(a["PK"], a["SK"]) < fmt.Sprint(b["PK"], b["SK"]) })
	before := f.Rows(t)
	if err := do(); !errors.Is(err, want) {
		t.Errorf("%s = %v, want %v", name, err, want)
	}
	if diff := cmp.Diff(before, f.Rows(t), rows); diff != "" {
		t.Errorf("%s wrote (-before +after):\n%s", name, diff)
	}
}

// wantVersions compares the kept versions of an item with the blobs of these, by slot.
func (f fixture) wantVersions(t *testing.T, when string, it secrets.Item, want map[int]string) {
	t.Helper()
	found, err := f.store.Versions(t.Context(), it)
	if err != nil || len(found) != len(want) {
		t.Errorf("%s: Versions = %+v, %v, want %d", when, found, err, len(want))
	}
	got := map[int]string{}
	for slot := range want {
		v, sealed, err := f.store.SealedVersion(t.Context(), it, slot)
		if err != nil || v.Number != sealed.Version || !slices.Contains(found, v) {
			t.Errorf("%s: SealedVersion(slot %d) = %+v, %+v, %v, want one of %+v", when, slot, v, sealed, err, found)
		}
		got[slot] = string(sealed.Blob)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: versions by slot (-want +got):\n%s", when, diff)
	}
	f.Check(t)
}

// wantValue compares what a reveal reads of an item.
func (f fixture) wantValue(t *testing.T, when string, it secrets.Item, blob string) {
	t.Helper()
	r, err := f.store.ReadValue(t.Context(), f.account, f.user, f.secret.ID, it.ID)
	want := secrets.SealedValue{Version: it.Version, Blob: []byte(blob)}
	if diff := cmp.Diff(want, r.Value); err != nil || diff != "" || r.Item != it {
		t.Errorf("%s: ReadValue = %+v, %v, want %+v (-want +got):\n%s", when, r.Item, err, it, diff)
	}
}

// A new version is put into a free slot, or over the version that it drops. If the slot has anything else, nothing is
// written.
func TestVersionIsPutOverTheOneItDrops(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	slot := func(number int, version int64) secrets.Slot { return secrets.Slot{Number: number, Version: version} }
	first := f.item("KEY")
	first.Size = 10
	if err := f.write(t, secrets.ItemCreated, +1, secrets.ItemWrite{New: first, Sealed: []byte("one"), Into: &secrets.Slot{}, By: f.user}); err != nil {
		t.Fatal(err)
	}
	f.wantVersions(t, "created", first, map[int]string{0: "one"})

	second := version(first, slot(0, 1), slot(1, 2))
	second.Size, second.ValueAt = 14, now.Add(time.Hour)
	by := newID()
	if err := f.write(t, secrets.ItemUpdated, 0, secrets.ItemWrite{
		Old: first, New: second, Sealed: []byte("two"), Into: &secrets.Slot{Number: 1}, By: by,
	}); err != nil {
		t.Fatal(err)
	}
	f.wantVersions(t, "into a free slot", second, map[int]string{0: "one", 1: "two"})
	f.wantValue(t, "into a free slot", second, "two")
	found, err := f.store.Versions(t.Context(), second)
	if diff := cmp.Diff([]secrets.Version{
		{Number: 1, Size: 10 - len("KEY"), CreatedAt: now, CreatedBy: f.user},
		{Number: 2, Size: 14 - len("KEY"), CreatedAt: now.Add(time.Hour), CreatedBy: by},
	}, found); err != nil || diff != "" {
		t.Errorf("Versions: %v (-want +got):\n%s", err, diff)
	}

	third := version(second, slot(1, 2), slot(0, 3))
	for name, into := range map[string]secrets.Slot{
		"over another version":   slot(0, 2),
		"into a taken slot":      slot(0, 0),
		"over the current one":   slot(1, 1),
		"over one in a free row": slot(2, 1),
	} {
		f.wantUnchanged(t, name, secrets.ErrChanged, func() error {
			return f.write(t, secrets.ItemUpdated, 0, secrets.ItemWrite{Old: second, New: third, Sealed: []byte("three"), Into: &into, By: by})
		})
	}
	f.wantUnchanged(t, "from an old revision", secrets.ErrChanged, func() error {
		return f.write(t, secrets.ItemUpdated, 0, secrets.ItemWrite{Old: first, New: third, Sealed: []byte("three"), Into: new(slot(0, 1)), By: by})
	})
	if err := f.write(t, secrets.ItemUpdated, 0, secrets.ItemWrite{
		Old: second, New: third, Sealed: []byte("three"), Into: new(slot(0, 1)), By: by,
	}); err != nil {
		t.Fatal(err)
	}
	f.wantVersions(t, "over the first", third, map[int]string{1: "two", 0: "three"})
	f.wantValue(t, "over the first", third, "three")
}

// Versions are dropped in the transaction that removes them from the history. Another version in the slot stays.
func TestVersionsAreDroppedFromTheirSlots(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var kept []secrets.Slot
	it := secrets.Item{}
	for n := range 5 { // version n+1 in slot n
		kept = append(kept, secrets.Slot{Number: n, Version: int64(n + 1)})
		w := secrets.ItemWrite{Old: it, New: version(it, kept...), Sealed: fmt.Append(nil, n+1), Into: &secrets.Slot{Number: n}, By: f.user}
		action, more := secrets.ItemUpdated, 0
		if n == 0 {
			action, more, w.New = secrets.ItemCreated, 1, f.item("KEY")
		}
		if err := f.write(t, action, more, w); err != nil {
			t.Fatal(err)
		}
		it = w.New
	}
	f.wantVersions(t, "at first", it, map[int]string{0: "1", 1: "2", 2: "3", 3: "4", 4: "5"})

	without := revised(it, func(it *secrets.Item) { it.History = history(append(slices.Clone(kept[:1]), kept[2:]...)...) })
	for name, drop := range map[string][]secrets.Slot{
		"another version":    {{Number: 1, Version: 3}},
		"an empty slot":      {{Number: 7, Version: 2}},
		"one of them is not": {{Number: 1, Version: 2}, {Number: 2, Version: 2}},
	} {
		f.wantUnchanged(t, "drop "+name, secrets.ErrChanged, func() error {
			return f.write(t, secrets.VersionDeleted, 0, secrets.ItemWrite{Old: it, New: without, Drop: drop})
		})
	}
	f.wantUnchanged(t, "drop of an old revision", secrets.ErrChanged, func() error {
		old := it
		old.Revision--
		return f.write(t, secrets.VersionDeleted, 0, secrets.ItemWrite{Old: old, New: without, Drop: kept[1:2]})
	})
	if err := f.write(t, secrets.VersionDeleted, 0, secrets.ItemWrite{Old: it, New: without, Drop: kept[1:2]}); err != nil {
		t.Fatal(err)
	}
	f.wantVersions(t, "without a version", without, map[int]string{0: "1", 2: "3", 3: "4", 4: "5"})
	f.wantValue(t, "without a version", without, "5") // it is not written

	// A new version over one, while others go.
	last := version(without, kept[4], secrets.Slot{Number: 0, Version: 6})
	if err := f.write(t, secrets.ItemUpdated, 0, secrets.ItemWrite{
		Old: without, New: last, Sealed: []byte("6"), Into: &kept[0], Drop: kept[2:4], By: f.user,
	}); err != nil {
		t.Fatal(err)
	}
	f.wantVersions(t, "after a smaller number is kept", last, map[int]string{4: "5", 0: "6"})

	// A rollback copies a version over the value, and writes no version.
	back := revised(last, func(it *secrets.Item) { it.Version, it.History = 5, history(secrets.Slot{Version: 6}, kept[4]) })
	f.wantUnchanged(t, "rollback from an old revision", secrets.ErrChanged, func() error {
		return f.write(t, secrets.ItemRolledBack, 0, secrets.ItemWrite{Old: without, New: back, Sealed: []byte("5")})
	})
	if err := f.write(t, secrets.ItemRolledBack, 0, secrets.ItemWrite{Old: last, New: back, Sealed: []byte("5")}); err != nil {
		t.Fatal(err)
	}
	f.wantVersions(t, "rolled back", back, map[int]string{4: "5", 0: "6"})
	f.wantValue(t, "rolled back", back, "5")
	if err := errOfVersion(f.store.SealedVersion(t.Context(), back, 1)); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("SealedVersion(empty slot) = %v, want ErrNotFound", err)
	}
}

func errOfVersion(_ secrets.Version, _ secrets.SealedValue, err error) error { return err }

// Items of one secret change all or none, with one revision, one event, and one purge of those that are deleted.
func TestItemsChangeTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	changed, gone, left, other := f.newItem(t, "CHANGED"), f.newItem(t, "GONE"), f.newItem(t, "LEFT"), f.newItem(t, "OTHER")
	created := f.item("CREATED")
	due := now.Add(time.Hour)
	deleted := secrets.Deleted{By: f.user, At: now, Due: due}
	writes := func() []secrets.ItemWrite {
		return []secrets.ItemWrite{
			{New: created, Sealed: []byte("new"), Into: &secrets.Slot{}, By: f.user},
			{Old: gone, New: gone, Deleted: deleted},
			{Old: changed, New: next(changed), Sealed: []byte("newer"), Into: &secrets.Slot{Version: 1}, By: f.user},
			{Old: left, New: left, Deleted: deleted},
		}
	}
	before := f.read(t, f.secret.ID)
	ev := f.event(secrets.ItemUpdated) // of version 2 of the changed item
	ev.Secret, ev.Item, ev.Version = secrets.Named{ID: f.secret.ID, Name: f.secret.Name}, secrets.Named{ID: changed.ID, Name: changed.Key}, 2
	all := secrets.Change{Secret: before, Items: -1, Revise: true}
	for name, tt := range map[string]struct {
		spoil func(w []secrets.ItemWrite)
		want  error
	}{
		"an item of an old revision": {func(w []secrets.ItemWrite) { w[2].Old.Revision-- }, secrets.ErrChanged},
		"a deleted one":              {func(w []secrets.ItemWrite) { w[3].Old.Revision-- }, secrets.ErrChanged},
		"a taken key":                {func(w []secrets.ItemWrite) { w[0].New.Key = other.Key }, secrets.ErrExists},
	} {
		w := writes()
		tt.spoil(w)
		f.wantUnchanged(t, name, tt.want, func() error { return f.store.WriteItems(ctx, all, ev, w...) })
	}
	if err := f.store.WriteItems(ctx, all, ev, writes()...); err != nil {
		t.Fatal(err)
	}
	if err := f.store.AppendEvent(ctx, f.itemEvent(secrets.ItemCreated, created)); err != nil { // which Check wants for each version
		t.Fatal(err)
	}
	after := f.read(t, f.secret.ID)
	if after.Revision != before.Revision+1 || after.Items != 3 || after.Checksum != created.Revision+changed.Revision+1+other.Revision {
		t.Errorf("the secret is %+v after %+v, want one revision more, 3 items, and their checksum", after, before)
	}
	_, found, err := f.store.Items(ctx, f.account, f.secret.ID, secrets.Cursor{}, 10)
	if diff := cmp.Diff([]secrets.Item{next(changed), other, created}, found); err != nil || diff != "" {
		t.Errorf("Items: %v (-want +got):\n%s", err, diff)
	}
	binned, n, err := f.store.DeletedItems(ctx, f.account, f.secret.ID, secrets.Cursor{}, 10)
	if diff := cmp.Diff([]secrets.DeletedItem{{Item: gone, Deleted: deleted}, {Item: left, Deleted: deleted}}, binned); err != nil || n != 2 || diff != "" {
		t.Errorf("DeletedItems: %d, %v (-want +got):\n%s", n, err, diff)
	}
	purges, err := f.store.Purges(ctx, due)
	want := []secrets.Purge{{AccountID: f.account, SecretID: f.secret.ID, ID: ev.ID, Due: due, Items: []uuid.UUID{gone.ID, left.ID}}}
	if diff := cmp.Diff(want, purges); err != nil || diff != "" {
		t.Errorf("Purges: %v (-want +got):\n%s", err, diff)
	}
	f.Check(t)
}

// Each reveal stamps the item's row, which costs a unit for each started KB.
func TestLargestItemCostsOneUnitToStamp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	it := f.item(strings.Repeat("K", 253))
	it.Version, it.LastVersion, it.Revision, it.Since, it.Size = math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64, 400_000
	var kept []secrets.Slot
	for i := range 101 {
		kept = append(kept, secrets.Slot{Number: i, Version: math.MaxInt64 - 100 + int64(i)})
	}
	it.History = history(kept...)
	if err := createItem(t.Context(), f.store, f.items(+1), it, sealed, f.itemEvent(secrets.ItemCreated, it)); err != nil {
		t.Fatal(err)
	}
	var used secretstest.Usage
	if _, err := f.Store(t, used.Count).StampReveal(t.Context(), f.account, f.secret.ID, it.ID, now, f.user); err != nil {
		t.Fatal(err)
	}
	if n := used.Take().Writes; n != 1 {
		t.Errorf("a stamp costs %v units, want 1", n)
	}
	out, err := f.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &f.Name, Key: map[string]types.AttributeValue{
		"PK": &types.AttributeValueMemberS{Value: fmt.Sprintf("SECRET#%s#%s", f.account, f.secret.ID)},
		"SK": &types.AttributeValueMemberS{Value: "ITEM#" + it.ID.String()},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if n := secretstest.RowSize(out.Item); n < 900 || n > 1024 {
		t.Errorf("the item's row has %d bytes, want at most 1,024, and not many less", n)
	}
}

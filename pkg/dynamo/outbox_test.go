package dynamo_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

func TestAccountsAreListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	want := []uuid.UUID{f.account}
	for _, name := range []string{"second", "third"} {
		made, _ := f.Account(t, name)
		want = append(want, made.Account.ID)
		got, err := f.store.Account(ctx, made.Account.ID)
		if diff := cmp.Diff(made.Account, got); err != nil || diff != "" {
			t.Errorf("Account: %v (-want +got):\n%s", err, diff)
		}
	}
	if _, err := f.store.Account(ctx, newID()); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("Account of no id: %v, want ErrNotFound", err)
	}
	got, err := f.store.AccountIDs(ctx)
	byID := func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }
	slices.SortFunc(got, byID)
	slices.SortFunc(want, byID)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("AccountIDs: %v (-want +got):\n%s", err, diff)
	}
}

func TestOutboxKeepsTheNewestEntry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, store := t.Context(), f.store
	waiting := func() []delivery.Entry {
		t.Helper()
		found, err := store.Entries(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if _, err := store.Entry(ctx, f.account, f.secret.ID); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("Entry of a secret without an entry: %v, want ErrNotFound", err)
	}
	old := delivery.Entry{AccountID: f.account, SecretID: f.secret.ID, Change: newID(), At: now}
	if err := store.Acknowledge(ctx, old); err != nil { // again, its first answer was lost
		t.Errorf("Acknowledge of a secret without an entry: %v, want no error", err)
	}
	if err := store.Requeue(ctx, old); err != nil || len(waiting()) != 0 {
		t.Errorf("Requeue of a secret without an entry: %v, then %v waits, want nothing", err, waiting())
	}
	if err := store.PutEntry(ctx, old); err != nil {
		t.Fatal(err)
	}
	newer := old
	newer.Change, newer.At = newID(), now.Add(time.Second)
	if err := store.PutEntry(ctx, newer); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Entry(ctx, f.account, f.secret.ID); err != nil || got != newer {
		t.Errorf("Entry = %+v, %v, want the newest, %+v", got, err, newer)
	}
	// Requeueing changes the row, which the stream emits, but not its content.
	for n := range 2 {
		if err := store.Requeue(ctx, newer); err != nil {
			t.Errorf("Requeue: %v", err)
		}
		if diff := cmp.Diff([]delivery.Entry{newer}, waiting()); diff != "" {
			t.Errorf("Entries (-want +got):\n%s", diff)
		}
		if row := f.entryRow(t); row["requeues"] != float64(n+1) {
			t.Errorf("after %d requeues the row is %v", n+1, row)
		}
	}
	// The stream's reader finds the ids in the row, not in its key.
	if row := f.entryRow(t); row["account_id"] != f.account.String() || row["secret_id"] != f.secret.ID.String() {
		t.Errorf("the row is %v, want the account's and the secret's id in it", row)
	}
	if err := store.Acknowledge(ctx, old); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("Acknowledge of an older change: %v, want ErrChanged", err)
	}
	other := delivery.Entry{AccountID: f.account, SecretID: newID(), Change: newID(), At: now}
	if err := store.PutEntry(ctx, other); err != nil {
		t.Fatal(err)
	}
	bySecret := cmpopts.SortSlices(func(a, b delivery.Entry) bool { return a.SecretID.String() < b.SecretID.String() })
	if diff := cmp.Diff([]delivery.Entry{newer, other}, waiting(), bySecret); diff != "" {
		t.Errorf("Entries (-want +got):\n%s", diff)
	}
	for range 2 {
		if err := store.Acknowledge(ctx, newer); err != nil {
			t.Errorf("Acknowledge: %v", err)
		}
	}
	if diff := cmp.Diff([]delivery.Entry{other}, waiting()); diff != "" {
		t.Errorf("Entries (-want +got):\n%s", diff)
	}
}

// entryRow is the row of the fixture's secret on the list of what waits.
func (f fixture) entryRow(t *testing.T) secretstest.Row {
	t.Helper()
	for _, row := range f.Rows(t) {
		if row["PK"] == "OUTBOX" && strings.HasSuffix(fmt.Sprint(row["SK"]), f.secret.ID.String()) {
			return row
		}
	}
	t.Fatal("nothing waits")
	return nil
}

// The list is longer than a page of a query.
func TestManyEntry(t *testing.T) {
	t.Parallel()
	const many = 5000 // of about 270 bytes each: more than 1 MB
	f := newFixture(t)
	row := map[string]any{
		"PK": "OUTBOX", "account_id": f.account.String(), "change": newID().String(), "at": "2026-02-03T04:05:06.000789Z",
	}
	var rows []map[string]any
	for range many {
		secret := newID().String()
		r := map[string]any{"SK": f.account.String() + "#" + secret, "secret_id": secret}
		for name, value := range row {
			r[name] = value
		}
		rows = append(rows, r)
	}
	put(t, f.Table, rows...)
	found, err := f.store.Entries(t.Context())
	if err != nil || len(found) != many {
		t.Errorf("Entries: %d, %v, want %d", len(found), err, many)
	}
	seen := map[uuid.UUID]bool{}
	for _, u := range found {
		seen[u.SecretID] = true
	}
	if len(seen) != many {
		t.Errorf("Entries names %d secrets, want %d", len(seen), many)
	}
}

func TestTurn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, store := t.Context(), f.store
	read := func() delivery.Lease {
		t.Helper()
		d, err := store.Lease(ctx, f.account, f.secret.ID)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	nothing := delivery.Lease{AccountID: f.account, SecretID: f.secret.ID}
	if diff := cmp.Diff(nothing, read()); diff != "" {
		t.Errorf("Delivery at first (-want +got):\n%s", diff)
	}
	begin := func(turn int64) (delivery.Lease, error) {
		d := nothing
		d.Token, d.Expires, d.NotBefore = turn, now.Add(time.Minute), now.Add(time.Hour)
		for i := range turn { // in milliseconds they are kept
			d.Times = append(d.Times, now.Truncate(time.Millisecond).Add(-time.Duration(i)*time.Second))
		}
		return d, store.AcquireLease(ctx, d)
	}
	if _, err := begin(2); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("AcquireLease with a token ahead: %v, want ErrChanged", err)
	}
	first, err := begin(1)
	if diff := cmp.Diff(first, read()); err != nil || diff != "" {
		t.Errorf("AcquireLease: %v (-want +got):\n%s", err, diff)
	}
	if _, err := begin(1); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("AcquireLease with the same token: %v, want ErrChanged", err)
	}
	if err := store.ReleaseLease(ctx, first, "what went wrong"); err != nil {
		t.Errorf("ReleaseLease: %v", err)
	}
	ended := first
	ended.Expires = time.Time{}
	if diff := cmp.Diff(ended, read()); diff != "" {
		t.Errorf("ReleaseLease (-want +got):\n%s", diff)
	}
	if got := f.leaseRow(t)["error"]; got != "what went wrong" {
		t.Errorf("the row's error = %v", got)
	}
	second, err := begin(2)
	if diff := cmp.Diff(second, read()); err != nil || diff != "" {
		t.Errorf("AcquireLease: %v (-want +got):\n%s", err, diff)
	}
	// A late holder releases nothing.
	if err := store.ReleaseLease(ctx, first, "late"); err != nil || !read().Expires.Equal(second.Expires) || f.leaseRow(t)["error"] != nil {
		t.Errorf("ReleaseLease with an old token: %v, then %v, want the newer one untouched", err, f.leaseRow(t))
	}
	if err := store.ReleaseLease(ctx, second, ""); err != nil || f.leaseRow(t)["error"] != nil {
		t.Errorf("ReleaseLease: %v, then %v, want no error left", err, f.leaseRow(t))
	}
	f.Check(t)

	// Once the secret is gone there are no turns, and an old one brings no row back.
	if err := store.DeleteSecret(ctx, f.secret, f.event(secrets.SecretDeleted)); err != nil {
		t.Fatal(err)
	}
	if _, err := begin(3); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("AcquireLease of a deleted secret: %v, want ErrNotFound", err)
	}
	if err := store.Purge(ctx, secrets.Purge{AccountID: f.account, SecretID: f.secret.ID}); err != nil {
		t.Fatal(err)
	}
	if err := store.ReleaseLease(ctx, second, "late"); err != nil {
		t.Errorf("ReleaseLease of a deleted secret: %v, want no error", err)
	}
	if diff := cmp.Diff(nothing, read()); diff != "" {
		t.Errorf("Delivery of a deleted secret (-want +got):\n%s", diff)
	}
	f.Check(t)
}

func (f fixture) leaseRow(t *testing.T) secretstest.Row {
	t.Helper()
	for _, row := range f.Rows(t) {
		if row["SK"] == "DELIVERY" {
			return row
		}
	}
	t.Fatal("there is no delivery")
	return nil
}

// Of several who begin the same turn one does.
func TestTurnsAtOnce(t *testing.T) {
	t.Parallel()
	const rivals = 8
	f := newFixture(t)
	for turn := int64(1); turn < 20; turn++ {
		results := make(chan error, rivals)
		for range rivals {
			store := f.Store(t, secretstest.Inject(secretstest.Conflicts))
			go func() {
				results <- store.AcquireLease(t.Context(), delivery.Lease{AccountID: f.account, SecretID: f.secret.ID, Token: turn, Expires: now})
			}()
		}
		won := 0
		for range rivals {
			if err := <-results; err == nil {
				won++
			} else if !errors.Is(err, secrets.ErrChanged) {
				t.Errorf("turn %d: %v", turn, err)
			}
		}
		if won != 1 {
			t.Errorf("turn %d: begun by %d of %d, want 1", turn, won, rivals)
		}
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, store := t.Context(), f.store
	f.newService(t, "app", f.secret.ID)
	read := f.read(t, f.secret.ID)
	if err := store.RaiseRevision(ctx, read, 5); err != nil {
		t.Errorf("RaiseRevision: %v", err)
	}
	if err := store.RaiseRevision(ctx, read, 6); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("RaiseRevision from an old one: %v, want ErrChanged", err)
	}
	for _, step := range []struct {
		name      string
		do        func() error
		delivered int64
		failed    bool
	}{
		{"failed", func() error { return store.MarkFailed(ctx, f.account, f.secret.ID) }, 0, true},
		{"delivered 3", func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, 3) }, 3, false},
		{"delivered 5", func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, 5) }, 5, false},
		{"failed", func() error { return store.MarkFailed(ctx, f.account, f.secret.ID) }, 5, true},
		{"delivered 4, late", func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, 4) }, 5, true},
		{"delivered 5 again", func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, 5) }, 5, false},
		{"failed", func() error { return store.MarkFailed(ctx, f.account, f.secret.ID) }, 5, true},
		{"undelivered", func() error { return store.MarkUndelivered(ctx, f.account, f.secret.ID) }, 0, false},
		{"delivered 2", func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, 2) }, 2, false},
	} {
		err := step.do()
		got := f.read(t, f.secret.ID)
		if err != nil || got.Delivered != step.delivered || got.DeployFailed != step.failed || got.Revision != 5 || got.Services != 1 {
			t.Errorf("%s: %v, then %+v, want delivered %d, failed %v", step.name, err, got, step.delivered, step.failed)
		}
	}
	f.Check(t)

	// What is gone is left alone.
	gone := f.newSecret(t, "gone")
	if err := store.DeleteSecret(ctx, gone, f.event(secrets.SecretDeleted)); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"MarkDelivered":   store.MarkDelivered(ctx, f.account, gone.ID, 1),
		"MarkUndelivered": store.MarkUndelivered(ctx, f.account, gone.ID),
		"MarkFailed":      store.MarkFailed(ctx, f.account, gone.ID),
	} {
		if err != nil {
			t.Errorf("%s of a deleted secret: %v, want no error", name, err)
		}
	}
	if err := store.RaiseRevision(ctx, gone, 9); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("RaiseRevision of a deleted secret: %v, want ErrChanged", err)
	}
	if _, err := store.Secret(ctx, f.account, gone.ID); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("Secret after all that: %v, want ErrNotFound", err)
	}
	f.Check(t)
}

// A change of what services use raises the revision and is on the list, both with the
// change itself or not at all.
func TestChangesOfUsedSecrets(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	f.newService(t, "app", f.secret.ID)
	change := func(c secrets.Change) secrets.Change {
		c.Secret, c.Revise, c.Deliver = f.read(t, f.secret.ID), true, true
		c.UsedBy = usedBy(c.Secret, 0)
		return c
	}
	it := f.item("KEY")
	it.Size = 12
	updated, renamed := it, it
	updated.Version, updated.Size = 2, 20
	renamed.Key, renamed.Version, renamed.Size = "LONGER", 2, 23
	name := f.secret.Name
	for i, step := range []struct {
		name string
		do   func(ev secrets.Event) error
		size int
	}{
		{"CreateItem", func(ev secrets.Event) error {
			return f.store.CreateItem(ctx, change(secrets.Change{Items: 1, Size: 12}), it, sealed, ev)
		}, 12},
		{"UpdateItem", func(ev secrets.Event) error {
			return f.store.UpdateItem(ctx, change(secrets.Change{Size: 8}), it, updated, sealed, ev)
		}, 20},
		{"UpdateItem of the key", func(ev secrets.Event) error {
			return f.store.UpdateItem(ctx, change(secrets.Change{Size: 3}), updated, renamed, nil, ev)
		}, 23},
		{"RenameSecret", func(ev secrets.Event) error {
			return f.store.RenameSecret(ctx, change(secrets.Change{Name: name + "'"}), ev)
		}, 23},
		{"DeleteItem", func(ev secrets.Event) error {
			return f.store.DeleteItem(ctx, change(secrets.Change{Items: -1, Size: -23}), renamed, ev)
		}, 0},
	} {
		ev := f.event(secrets.ItemUpdated)
		ev.SecretID, ev.ItemID, ev.Version = f.secret.ID, it.ID, int64(i+1)
		if err := step.do(ev); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		waits, err := f.store.Entry(ctx, f.account, f.secret.ID)
		if got := f.read(t, f.secret.ID); err != nil || waits.Change != ev.ID || got.Revision != int64(i+2) || got.Size != step.size {
			t.Errorf("%s: %+v waits, %v, of %+v, want change %s, revision %d, size %d", step.name, waits, err, got, ev.ID, i+2, step.size)
		}
		if err := step.do(f.event(secrets.ItemUpdated)); err == nil {
			t.Errorf("%s again: no error", step.name)
		}
		if again, err := f.store.Entry(ctx, f.account, f.secret.ID); err != nil || again != waits || f.read(t, f.secret.ID).Revision != int64(i+2) {
			t.Errorf("%s, refused: %+v waits, %v, want %+v and the revision as it was", step.name, again, err, waits)
		}
		f.Check(t)
	}
}

func TestSealedItems(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	if got, err := f.store.SealedItems(ctx, f.account, f.secret.ID); err != nil || len(got) != 0 {
		t.Errorf("SealedItems of none = %v, %v", got, err)
	}
	var want []secrets.SealedItem
	for i := range 5 {
		it := f.item(fmt.Sprint("KEY_", i))
		it.Size = 100 + i
		// In 4 of 5 a lot of a page: it takes several to read them.
		blob := []byte(strings.Repeat(fmt.Sprint(i), 300_000))
		if err := f.store.CreateItem(ctx, secrets.Change{Secret: f.secret, Items: 1, Size: it.Size, Revise: true}, it, blob, f.itemEvent(secrets.ItemCreated, it)); err != nil {
			t.Fatal(err)
		}
		want = append(want, secrets.SealedItem{Item: it, Value: secrets.SealedValue{Version: 1, Blob: blob}})
	}
	other := f.newSecret(t, "other")
	stranger := f.item("STRANGER")
	stranger.SecretID = other.ID
	if err := f.store.CreateItem(ctx, secrets.Change{Secret: other, Items: 1, Revise: true}, stranger, sealed, f.itemEvent(secrets.ItemCreated, stranger)); err != nil {
		t.Fatal(err)
	}
	updated := want[2].Item
	updated.Version, updated.UpdatedAt = 2, now.Add(time.Hour)
	if err := f.store.UpdateItem(ctx, f.items(0), want[2].Item, updated, []byte("newer"), f.itemEvent(secrets.ItemUpdated, updated)); err != nil {
		t.Fatal(err)
	}
	want[2] = secrets.SealedItem{Item: updated, Value: secrets.SealedValue{Version: 2, Blob: []byte("newer")}}
	got, err := f.store.SealedItems(ctx, f.account, f.secret.ID)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("SealedItems: %v (-want +got):\n%.2000s", err, diff)
	}
	f.Check(t)
}

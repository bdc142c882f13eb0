package dynamo_test

import (
	"errors"
	"fmt"
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

// An entry is replaced by the entry of a newer change, and an older change does not acknowledge it.
func TestOutboxKeepsTheNewestEntry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, store := t.Context(), f.store
	entries := func() []delivery.Entry {
		t.Helper()
		found, err := store.Entries(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if _, err := store.Entry(ctx, f.account, f.secret.ID); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("Entry(no entry) = %v, want ErrNotFound", err)
	}
	old := delivery.Entry{AccountID: f.account, SecretID: f.secret.ID, Change: newID(), At: now}
	if err := store.Acknowledge(ctx, old); err != nil { // a retry whose first answer was lost
		t.Errorf("Acknowledge(no entry) = %v", err)
	}
	if err := store.Requeue(ctx, old); err != nil || len(entries()) != 0 {
		t.Errorf("Requeue(no entry) = %v, then the entries are %v, want none", err, entries())
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
		t.Errorf("Entry = %+v, %v, want the newest: %+v", got, err, newer)
	}
	// Requeueing changes the row, which the stream emits, but not its content.
	for n := range 2 {
		if err := store.Requeue(ctx, newer); err != nil {
			t.Errorf("Requeue = %v", err)
		}
		if diff := cmp.Diff([]delivery.Entry{newer}, entries()); diff != "" {
			t.Errorf("Entries (-want +got):\n%s", diff)
		}
		if row := f.entryRow(t); row["requeues"] != float64(n+1) {
			t.Errorf("row after %d requeues = %v", n+1, row)
		}
	}
	if err := store.Acknowledge(ctx, old); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("Acknowledge(older change) = %v, want ErrChanged", err)
	}
	other := delivery.Entry{AccountID: f.account, SecretID: newID(), Change: newID(), At: now}
	if err := store.PutEntry(ctx, other); err != nil {
		t.Fatal(err)
	}
	bySecret := cmpopts.SortSlices(func(a, b delivery.Entry) bool { return a.SecretID.String() < b.SecretID.String() })
	if diff := cmp.Diff([]delivery.Entry{newer, other}, entries(), bySecret); diff != "" {
		t.Errorf("Entries (-want +got):\n%s", diff)
	}
	for range 2 {
		if err := store.Acknowledge(ctx, newer); err != nil {
			t.Errorf("Acknowledge = %v", err)
		}
	}
	if diff := cmp.Diff([]delivery.Entry{other}, entries()); diff != "" {
		t.Errorf("Entries (-want +got):\n%s", diff)
	}
}

// entryRow returns the outbox row of the fixture's secret.
func (f fixture) entryRow(t *testing.T) secretstest.Row {
	t.Helper()
	for _, row := range f.Rows(t) {
		if row["PK"] == "OUTBOX" && strings.HasSuffix(fmt.Sprint(row["SK"]), f.secret.ID.String()) {
			return row
		}
	}
	t.Fatal("the outbox has no entry of the secret")
	return nil
}

// Entries reads more than one page of a query, which has at most 1 MB.
func TestEntriesReadsAllPages(t *testing.T) {
	t.Parallel()
	const size, many = 20_000, 60
	f := newFixture(t)
	var rows []map[string]any
	for range many {
		secret := newID().String()
		rows = append(rows, map[string]any{
			"PK": "OUTBOX", "SK": f.account.String() + "#" + secret, "account_id": f.account.String(), "secret_id": secret,
			"change": newID().String(), "at": "2026-02-03T04:05:06.000789Z", "padding": strings.Repeat("x", size),
		})
	}
	put(t, f.Table, rows...)
	found, err := f.store.Entries(t.Context())
	if err != nil || len(found) != many {
		t.Errorf("Entries = %d, %v, want %d", len(found), err, many)
	}
	seen := map[uuid.UUID]bool{}
	for _, e := range found {
		seen[e.SecretID] = true
	}
	if len(seen) != many {
		t.Errorf("Entries has %d secrets, want %d", len(seen), many)
	}
}

// A change of a used secret raises its revision and enters the outbox, in one transaction: a
// refused change does neither.
func TestChangesOfUsedSecretsEnterTheOutbox(t *testing.T) {
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
	updated := next(it)
	updated.Size = 20
	renamed := updated
	renamed.Key, renamed.Revision, renamed.Size = "LONGER", updated.Revision+1, 23
	name := f.secret.Name
	for i, step := range []struct {
		name string
		do   func(ev secrets.Event) error
		size int
	}{
		{"CreateItem", func(ev secrets.Event) error {
			return createItem(ctx, f.store, change(secrets.Change{Items: 1, Size: 12}), it, sealed, ev)
		}, 12},
		{"UpdateItem", func(ev secrets.Event) error {
			return updateItem(ctx, f.store, change(secrets.Change{Size: 8}), it, updated, sealed, ev)
		}, 20},
		{"UpdateItem of the key", func(ev secrets.Event) error {
			return updateItem(ctx, f.store, change(secrets.Change{Size: 3}), updated, renamed, nil, ev)
		}, 23},
		{"RenameSecret", func(ev secrets.Event) error {
			return f.store.RenameSecret(ctx, change(secrets.Change{Name: name + "'"}), ev)
		}, 23},
		{"DeleteItem", func(ev secrets.Event) error {
			return deleteItem(ctx, f.store, change(secrets.Change{Items: -1, Size: -23}), renamed, ev)
		}, 0},
	} {
		ev := f.event(secrets.ItemUpdated)
		ev.Secret, ev.Item, ev.Version = secrets.Named{ID: f.secret.ID, Name: name}, secrets.Named{ID: it.ID, Name: it.Key}, int64(i+1)
		if err := step.do(ev); err != nil {
			t.Errorf("%s = %v", step.name, err)
		}
		entry, err := f.store.Entry(ctx, f.account, f.secret.ID)
		if got := f.read(t, f.secret.ID); err != nil || entry.Change != ev.ID || got.Revision != int64(i+2) || got.Size != step.size {
			t.Errorf("%s: entry %+v, %v, of %+v, want change %s, revision %d, size %d", step.name, entry, err, got, ev.ID, i+2, step.size)
		}
		if err := step.do(f.event(secrets.ItemUpdated)); err == nil {
			t.Errorf("%s again = nil, want an error", step.name)
		}
		if again, err := f.store.Entry(ctx, f.account, f.secret.ID); err != nil || again != entry ||
			f.read(t, f.secret.ID).Revision != int64(i+2) {
			t.Errorf("%s, refused: entry %+v, %v, want %+v and the same revision", step.name, again, err, entry)
		}
		f.Check(t)
	}
}

package dynamo_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/pkg/secrets"
)

// SealedItems reads more than one page of a query, which has at most 1 MB.
func TestSealedItemsReadsAllPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	if got, err := f.store.SealedItems(ctx, f.account, f.secret.ID); err != nil || len(got) != 0 {
		t.Errorf("SealedItems(no items) = %v, %v, want none", got, err)
	}
	var want []secrets.SealedItem
	for i := range 5 {
		it := f.item(fmt.Sprint("KEY_", i))
		it.Size = 100 + i
		// Four of the five blobs exceed a page.
		blob := []byte(strings.Repeat(fmt.Sprint(i), 300_000))
		if err := createItem(ctx, f.store, secrets.Change{Secret: f.secret, Items: 1, Size: it.Size, Revise: true}, it, blob,
			f.itemEvent(secrets.ItemCreated, it)); err != nil {
			t.Fatal(err)
		}
		want = append(want, secrets.SealedItem{Item: it, Value: secrets.SealedValue{Version: 1, Blob: blob}})
	}
	other := f.newSecret(t, "other")
	stranger := f.item("STRANGER")
	stranger.SecretID = other.ID
	if err := createItem(ctx, f.store, secrets.Change{Secret: other, Items: 1, Revise: true}, stranger, sealed,
		f.itemEvent(secrets.ItemCreated, stranger)); err != nil {
		t.Fatal(err)
	}
	updated := next(want[2].Item)
	updated.UpdatedAt = now.Add(time.Hour)
	if err := updateItem(ctx, f.store, f.items(0), want[2].Item, updated, []byte("newer"),
		f.itemEvent(secrets.ItemUpdated, updated)); err != nil {
		t.Fatal(err)
	}
	want[2] = secrets.SealedItem{Item: updated, Value: secrets.SealedValue{Version: 2, Blob: []byte("newer")}}
	got, err := f.store.SealedItems(ctx, f.account, f.secret.ID)
	if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); err != nil || diff != "" {
		t.Errorf("SealedItems: %v (-want +got):\n%.2000s", err, diff)
	}
	f.Check(t)
}

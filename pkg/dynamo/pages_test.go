package dynamo_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// A page holds the rows next to the cursor, on its side, nearest first, even if the cursor's own
// row does not exist.
func TestPageHoldsTheNearestRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var ids []uuid.UUID
	for i := range 7 {
		ids = append(ids, f.newItem(t, fmt.Sprintf("KEY_%d", i)).ID)
	}
	gap := newID()
	last := f.newItem(t, "LAST").ID
	ids = append(ids, last)
	reversed := func(from, to int) (out []uuid.UUID) {
		for i := from; i >= to; i-- {
			out = append(out, ids[i])
		}
		return out
	}
	for _, tt := range []struct {
		name  string
		from  secrets.Cursor
		limit int
		want  []uuid.UUID
	}{
		{"start", secrets.Cursor{}, 3, ids[:3]},
		{"all", secrets.Cursor{}, 100, ids},
		{"after", secrets.Cursor{ID: ids[2]}, 2, ids[3:5]},
		{"after a gap", secrets.Cursor{ID: gap}, 5, ids[7:]},
		{"after the last", secrets.Cursor{ID: last}, 5, nil},
		{"before", secrets.Cursor{Backward: true, ID: ids[4]}, 3, reversed(3, 1)},
		{"before a gap", secrets.Cursor{Backward: true, ID: gap}, 2, reversed(6, 5)},
		{"before the first", secrets.Cursor{Backward: true, ID: ids[0]}, 2, nil},
		{"before all", secrets.Cursor{Backward: true}, 2, nil},
	} {
		parent, found, err := f.store.Items(t.Context(), f.account, f.secret.ID, tt.from, tt.limit)
		if err != nil || parent.Items != len(ids) {
			t.Errorf("%s: the secret has %d items, %v, want %d", tt.name, parent.Items, err, len(ids))
		}
		var got []uuid.UUID
		for _, it := range found {
			got = append(got, it.ID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

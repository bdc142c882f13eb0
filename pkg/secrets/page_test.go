package secrets_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// listStore is a store of one list of secrets, by their ids.
type listStore struct {
	secrets.Store
	ids []uuid.UUID
}

func (s listStore) Secrets(_ context.Context, _ uuid.UUID, from secrets.Cursor, limit int) ([]secrets.Secret, int, error) {
	var found []secrets.Secret
	for _, id := range s.ids {
		order := slices.Compare(id[:], from.ID[:])
		if from == (secrets.Cursor{}) || !from.Backward && order > 0 || from.Backward && order < 0 {
			found = append(found, secrets.Secret{ID: id})
		}
	}
	if from.Backward {
		slices.Reverse(found)
	}
	return found[:min(limit, len(found))], len(s.ids), nil
}

// pageOf is a page of a list of secrets, and the ids on it.
func pageOf(t *testing.T, list []uuid.UUID, from secrets.Cursor, size int) (secrets.Page[secrets.Secret], []uuid.UUID) {
	t.Helper()
	m := &secrets.Manager{Store: listStore{ids: list}}
	c := secretstest.Admin()
	page, err := m.ListSecrets(t.Context(), c, secrets.Field{}, from, size)
	if err != nil {
		t.Fatal(err)
	}
	if page.Count != len(list) {
		t.Errorf("page of %d from %v: count = %d, want %d", size, from, page.Count, len(list))
	}
	ids := make([]uuid.UUID, len(page.Results))
	for i, s := range page.Results {
		ids[i] = s.ID
	}
	return page, ids
}

func ids(n int) []uuid.UUID {
	list := make([]uuid.UUID, n)
	for i := range list {
		list[i] = uuid.UUID{0: 1, 14: byte(i / 250), 15: byte(i%250) + 2}
	}
	return list
}

// Every list is walked whole, forwards and back, at every page size.
func TestPagesCoverTheList(t *testing.T) {
	for n := range 9 {
		list := ids(n)
		for size := 1; size <= n+1; size++ {
			var forwards, backwards []uuid.UUID
			page, on := pageOf(t, list, secrets.Cursor{}, size)
			if page.Previous != nil {
				t.Errorf("%d by %d: the first page has a previous one", n, size)
			}
			for {
				forwards = append(forwards, on...)
				if page.Next == nil {
					break
				}
				page, on = pageOf(t, list, *page.Next, size)
			}
			for {
				backwards = append(slices.Clone(on), backwards...)
				if page.Previous == nil {
					break
				}
				page, on = pageOf(t, list, *page.Previous, size)
			}
			if !slices.Equal(forwards, list) || !slices.Equal(backwards, list) {
				t.Errorf("%d by %d: %d forwards, %d backwards", n, size, len(forwards), len(backwards))
			}
		}
	}
}

// If a whole page was deleted before it was asked for, its links still lead to the list on
// either side.
func TestCursorsSurviveDeletions(t *testing.T) {
	list := ids(6)
	page, _ := pageOf(t, list, secrets.Cursor{}, 3)
	list = list[:3] // the second page is gone
	empty, _ := pageOf(t, list, *page.Next, 3)
	if len(empty.Results) != 0 || empty.Next != nil || empty.Previous == nil {
		t.Fatalf("page behind the end = %+v, want empty with a previous one", empty)
	}
	if back, on := pageOf(t, list, *empty.Previous, 3); !slices.Equal(on, list) || back.Previous != nil {
		t.Errorf("back from there = %+v, want the first page", back)
	}

	list = ids(6)
	second, _ := pageOf(t, list, *page.Next, 3)
	list = list[3:] // the first page is gone
	empty, _ = pageOf(t, list, *second.Previous, 3)
	if len(empty.Results) != 0 || empty.Previous != nil || empty.Next == nil {
		t.Fatalf("page before the start = %+v, want empty with a next one", empty)
	}
	if onward, on := pageOf(t, list, *empty.Next, 3); !slices.Equal(on, list) || onward.Next != nil {
		t.Errorf("on from there = %+v, want the second page", onward)
	}
}

func TestCursorsRoundTrip(t *testing.T) {
	for _, c := range []secrets.Cursor{{}, {ID: uuid.New()}, {Backward: true, ID: uuid.New()}} {
		if got, err := secrets.ParseCursor(c.String()); got != c || err != nil {
			t.Errorf("ParseCursor(%q) = %v, %v, want %v", c, got, err, c)
		}
		if n := len(c.String()); n != 23 {
			t.Errorf("cursor %q has %d characters, want 23: 17 bytes", c, n)
		}
	}
	good := secrets.Cursor{ID: uuid.New()}.String()
	for _, text := range []string{"", "x", good[1:], good + "A", good + "=", "_" + good[1:], "Ag" + good[2:], good[:22] + "_", "☃"} {
		if got, err := secrets.ParseCursor(text); err != secrets.ErrInvalidCursor {
			t.Errorf("ParseCursor(%q) = %v, %v, want ErrInvalidCursor", text, got, err)
		}
	}
}

// The way back from an empty page includes the id of its cursor: it begins at the neighbour
// of that id.
func TestEmptyPagesLeadBackToTheirCursor(t *testing.T) {
	for _, tt := range []struct{ id, next string }{
		{"00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001"},
		{"00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"},
		{"00000000-0000-0000-0000-0000000000ff", "00000000-0000-0000-0000-000000000100"},
		{"0192aaaa-ffff-7fff-ffff-ffffffffffff", "0192aaaa-ffff-8000-0000-000000000000"},
	} {
		id, next := uuid.MustParse(tt.id), uuid.MustParse(tt.next)
		if id != uuid.Nil { // that cursor is the start of the list, which has no way back
			page, _ := pageOf(t, nil, secrets.Cursor{ID: id}, 3)
			if want := (secrets.Cursor{Backward: true, ID: next}); page.Previous == nil || *page.Previous != want {
				t.Errorf("back from an empty page behind %s = %v, want %v", id, page.Previous, want)
			}
		}
		page, _ := pageOf(t, nil, secrets.Cursor{Backward: true, ID: next}, 3)
		if want := (secrets.Cursor{ID: id}); page.Next == nil || *page.Next != want {
			t.Errorf("on from an empty page before %s = %v, want %v", next, page.Next, want)
		}
	}
}

package secrets

import (
	"slices"
	"testing"

	"github.com/google/uuid"
)

// list is a list that a page is cut from, as a store would read it.
func (c Cursor) read(list []uuid.UUID, limit int) []uuid.UUID {
	var found []uuid.UUID
	for _, id := range list {
		order := slices.Compare(id[:], c.ID[:])
		if c == (Cursor{}) || !c.Backward && order > 0 || c.Backward && order < 0 {
			found = append(found, id)
		}
	}
	if c.Backward {
		slices.Reverse(found)
	}
	return found[:min(limit, len(found))]
}

func pageOf(list []uuid.UUID, from Cursor, size int) Page[uuid.UUID] {
	return newPage(from.read(list, size+1), len(list), from, size, func(id uuid.UUID) uuid.UUID { return id })
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
			page := pageOf(list, Cursor{}, size)
			if page.Previous != nil {
				t.Errorf("%d by %d: the first page has a previous one", n, size)
			}
			for {
				forwards = append(forwards, page.Results...)
				if page.Next == nil {
					break
				}
				page = pageOf(list, *page.Next, size)
			}
			for {
				backwards = append(slices.Clone(page.Results), backwards...)
				if page.Previous == nil {
					break
				}
				page = pageOf(list, *page.Previous, size)
			}
			if !slices.Equal(forwards, list) || !slices.Equal(backwards, list) {
				t.Errorf("%d by %d: %d forwards, %d backwards", n, size, len(forwards), len(backwards))
			}
		}
	}
}

// When all of a page was deleted before it was asked for, its links still lead to
// what there is on either side.
func TestCursorsSurviveDeletions(t *testing.T) {
	list := ids(6)
	page := pageOf(list, Cursor{}, 3)
	list = list[:3] // the second page is gone
	empty := pageOf(list, *page.Next, 3)
	if len(empty.Results) != 0 || empty.Next != nil || empty.Previous == nil {
		t.Fatalf("page behind the end = %+v, want empty with a previous one", empty)
	}
	if back := pageOf(list, *empty.Previous, 3); !slices.Equal(back.Results, list) || back.Previous != nil {
		t.Errorf("back from there = %+v, want the first page", back)
	}

	list = ids(6)
	second := pageOf(list, *page.Next, 3)
	list = list[3:] // the first page is gone
	empty = pageOf(list, *second.Previous, 3)
	if len(empty.Results) != 0 || empty.Previous != nil || empty.Next == nil {
		t.Fatalf("page before the start = %+v, want empty with a next one", empty)
	}
	if on := pageOf(list, *empty.Next, 3); !slices.Equal(on.Results, list) || on.Next != nil {
		t.Errorf("on from there = %+v, want the second page", on)
	}
}

func TestCursorsRoundTrip(t *testing.T) {
	for _, c := range []Cursor{{}, {ID: uuid.New()}, {Backward: true, ID: uuid.New()}} {
		if got, err := ParseCursor(c.String()); got != c || err != nil {
			t.Errorf("ParseCursor(%q) = %v, %v, want %v", c, got, err, c)
		}
		if n := len(c.String()); n != 23 {
			t.Errorf("cursor %q has %d characters, want 23: 17 bytes", c, n)
		}
	}
	good := Cursor{ID: uuid.New()}.String()
	for _, text := range []string{"", "x", good[1:], good + "A", good + "=", "_" + good[1:], "Ag" + good[2:], good[:22] + "_", "☃"} {
		if got, err := ParseCursor(text); err != ErrInvalidCursor {
			t.Errorf("ParseCursor(%q) = %v, %v, want ErrInvalidCursor", text, got, err)
		}
	}
}

func TestNeighboursOfIDs(t *testing.T) {
	for _, tt := range []struct{ id, next string }{
		{"00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001"},
		{"00000000-0000-0000-0000-0000000000ff", "00000000-0000-0000-0000-000000000100"},
		{"0192aaaa-ffff-7fff-ffff-ffffffffffff", "0192aaaa-ffff-8000-0000-000000000000"},
	} {
		id, next := uuid.MustParse(tt.id), uuid.MustParse(tt.next)
		if got := successor(id); got != next {
			t.Errorf("successor(%s) = %s, want %s", id, got, next)
		}
		if got := predecessor(next); got != id {
			t.Errorf("predecessor(%s) = %s, want %s", next, got, id)
		}
	}
}

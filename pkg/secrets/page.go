package secrets

import (
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// Cursor is a position in a list that is ordered by id, and a direction: forward to
// larger ids, or backward to smaller ones. The position's own id is excluded. The zero
// Cursor is the start of the list, forward. A cursor carries no account: the caller's
// own account always applies.
type Cursor struct {
	Backward bool
	ID       uuid.UUID
}

// String encodes the cursor: 17 bytes, a direction and an id, in base64url.
func (c Cursor) String() string {
	b := append([]byte{0}, c.ID[:]...)
	if c.Backward {
		b[0] = 1
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseCursor decodes the result of String. Any other text is ErrInvalidCursor.
func ParseCursor(text string) (Cursor, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 17 || b[0] > 1 {
		return Cursor{}, ErrInvalidCursor
	}
	return Cursor{Backward: b[0] == 1, ID: uuid.UUID(b[1:])}, nil
}

// Page is one page of a list, in the list's order.
type Page[T any] struct {
	Count    int // of the whole list
	Next     *Cursor
	Previous *Cursor
	Results  []T
}

// newPage returns a page of at most size elements of found, which were read from a
// cursor on, nearest first. If found has more than size elements, the list continues in
// that direction. It continues in the other direction unless the cursor is the start.
func newPage[T any](found []T, count int, from Cursor, size int, id func(T) uuid.UUID) Page[T] {
	more := len(found) > size
	if more {
		found = found[:size]
	}
	if from.Backward {
		slices.Reverse(found)
	}
	p := Page[T]{Count: count, Results: found}
	// An empty page lies beside its cursor's id, so the way back includes that id.
	first, last := successor(from.ID), from.ID
	if from.Backward {
		first, last = from.ID, predecessor(from.ID)
	}
	if len(found) > 0 {
		first, last = id(found[0]), id(found[len(found)-1])
	}
	if from.Backward || more {
		p.Next = &Cursor{ID: last}
	}
	if from.Backward && more || !from.Backward && from != (Cursor{}) {
		p.Previous = &Cursor{Backward: true, ID: first}
	}
	return p
}

// compare orders ids as a list is read from the cursor: nearest first.
func (c Cursor) compare(a, b uuid.UUID) int {
	if c.Backward {
		a, b = b, a
	}
	return compareIDs(a, b)
}

// pageOf returns a page of a whole list, which is sorted by id.
func pageOf[T any](all []T, from Cursor, size int, id func(T) uuid.UUID) Page[T] {
	var found []T
	for _, x := range all {
		if from == (Cursor{}) || from.compare(from.ID, id(x)) < 0 {
			found = append(found, x)
		}
	}
	if from.Backward {
		slices.Reverse(found)
	}
	return newPage(found, len(all), from, size, id)
}

// only is a page of the objects that a name or key found.
func only[T any](found []T, err error) (Page[T], error) {
	if err != nil {
		return Page[T]{}, fmt.Errorf("find by name: %w", err)
	}
	return Page[T]{Count: len(found), Results: found}, nil
}

func successor(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}
	return id
}

func predecessor(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]--; id[i] != 0xff {
			break
		}
	}
	return id
}

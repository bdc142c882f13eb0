package secrets

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Item is one key of a secret, without its value.
type Item struct {
	AccountID      uuid.UUID
	SecretID       uuid.UUID
	ID             uuid.UUID
	Key            string
	Version        int64 // of the value; the first is 1
	Size           int   // in a bundle, in bytes: see entrySize
	CreatedAt      time.Time
	UpdatedAt      time.Time
	ValueAt        time.Time // of the value's version
	LastAccessedAt time.Time // zero: never
	LastAccessedBy uuid.UUID
}

// AssociatedData is what the item's value is sealed under: its place and its version.
func (it Item) AssociatedData() map[string]string {
	return map[string]string{
		"account": it.AccountID.String(),
		"secret":  it.SecretID.String(),
		"item":    it.ID.String(),
		"version": strconv.FormatInt(it.Version, 10),
	}
}

// ItemInput is what a caller may say about an item. Err is set when the input could
// not be read; an operation reports it after a missing object.
type ItemInput struct {
	Key, Value Field
	Err        error
}

// SealedItem is an item and its value, as they are stored.
type SealedItem struct {
	Item  Item
	Value SealedValue
}

// Items is the part of a [Store] that keeps items and their sealed values.
type Items interface {
	// Item reads an item and its secret. ErrNotFound: either is gone.
	Item(ctx context.Context, account, secret, item uuid.UUID) (Secret, Item, error)
	// Items reads a page like Secrets. ErrNotFound: the secret does not exist.
	Items(ctx context.Context, account, secret uuid.UUID, from Cursor, limit int) (found []Item, count int, err error)
	// ItemsWithKey reads the item of a secret with this key, if there is one. ErrNotFound: the secret does
	// not exist.
	ItemsWithKey(ctx context.Context, account, secret uuid.UUID, key string) (found []Item, err error)
	// CreateItem: ErrExists when the key is taken.
	CreateItem(ctx context.Context, c Change, it Item, sealed []byte, ev Event) error
	// UpdateItem replaces old by updated, and the value's blob when the version differs.
	// ErrExists: the key is taken.
	UpdateItem(ctx context.Context, c Change, old, updated Item, sealed []byte, ev Event) error
	DeleteItem(ctx context.Context, c Change, old Item, ev Event) error
}

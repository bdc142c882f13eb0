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
	LastVersion    int64 // the highest that was given
	Revision       int64 // raised by every change, and never the same again
	History        History
	Since          int64 // the first revision of the secret that can have it
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
	IfMatch    Match
	Err        error
}

// valueSize is the part of the size that does not depend on the key.
func (it Item) valueSize() int { return it.Size - len(it.Key) }

// readBy returns the item with the newer of its own last read and that of its whole secret.
func (it Item) readBy(e Exported) Item {
	if e.Revision >= it.Since && e.At.After(it.LastAccessedAt) {
		it.LastAccessedAt, it.LastAccessedBy = e.At, e.By
	}
	return it
}

// SealedItem is an item and its value, as they are stored.
type SealedItem struct {
	Item  Item
	Value SealedValue
}

// Version is a kept version of an item's value.
type Version struct {
	Number    int64
	Size      int // its share of the item's size
	CreatedAt time.Time
	CreatedBy uuid.UUID
	Current   bool
}

// DeletedItem is an item in the bin.
type DeletedItem struct {
	Item    Item
	Deleted Deleted
}

// ItemWrite is the change of one item in a transaction.
type ItemWrite struct {
	Old, New Item   // the zero Item: there was none, or is none
	Sealed   []byte // the value of New's version, if Old has another one
	Into     *Slot  // keeps Sealed as a new version, over the version that the slot has
	By       uuid.UUID
	Drop     []Slot // kept versions to remove

	Deleted  Deleted // of an item that is deleted
	Restored bool    // Old is in the bin
}

// Items is the part of a [Store] that keeps items and their sealed values.
type Items interface {
	// Item reads an item and its secret. ErrNotFound: either is gone.
	Item(ctx context.Context, account, secret, item uuid.UUID) (Secret, Item, error)
	// Items reads a page like Secrets, and the secret. ErrNotFound: the secret does not exist.
	Items(ctx context.Context, account, secret uuid.UUID, from Cursor, limit int) (parent Secret, found []Item, err error)
	// ItemsWithKeys reads the items of a secret that have one of these keys, and the secret. ErrNotFound: the secret
	// does not exist.
	ItemsWithKeys(ctx context.Context, account, secret uuid.UUID, keys ...string) (parent Secret, found []Item, err error)
	// WriteItems changes items of one secret, all or none. Deleted ones leave one purge. ErrExists: a key is taken.
	// ErrChanged: a revision or a version in a slot is not as it was read.
	WriteItems(ctx context.Context, c Change, ev Event, items ...ItemWrite) error

	// Versions reads the kept versions of an item, in no order. A version that was dropped meanwhile can be missing.
	Versions(ctx context.Context, it Item) ([]Version, error)
	// SealedVersion reads the version in a slot of an item.
	SealedVersion(ctx context.Context, it Item, slot int) (Version, SealedValue, error)

	// DeletedItems reads a page of the bin like Secrets, without what is claimed. ErrNotFound: the secret does not exist.
	DeletedItems(ctx context.Context, account, secret uuid.UUID, from Cursor, limit int) (found []DeletedItem, count int, err error)
	// DeletedItem reads an item in the bin, and its secret. ErrNotFound: it is not there, or claimed.
	DeletedItem(ctx context.Context, account, secret, item uuid.UUID) (Secret, DeletedItem, error)
}

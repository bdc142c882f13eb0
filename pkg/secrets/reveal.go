package secrets

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Budget is the number of reveals that a user has left.
type Budget struct {
	Limit  int
	Window time.Duration
	Left   int
	Reset  time.Duration // whole seconds until the oldest counted reveal leaves the window; 0: none is counted
}

// Revealed is an item with its value, and the budget after the reveal.
type Revealed struct {
	Item   Item
	Value  Value
	Budget Budget
}

// Reveals is the part of a [Store] that a reveal needs: the budget's counter, which is
// an exact sliding-window log, the sealed values, and the stamp on the item.
type Reveals interface {
	// ChargeReveal adds now to the user's log unless its limit-th newest entry is
	// younger than the window. It returns the log, newest first, and whether now was
	// added. It charges at most once: after an error it may or may not have charged.
	ChargeReveal(ctx context.Context, account, user uuid.UUID, now time.Time, limit int, window time.Duration) (log []time.Time, charged bool, err error)
	// RevealTimes returns the user's log, newest first. It is empty at first.
	RevealTimes(ctx context.Context, account, user uuid.UUID) ([]time.Time, error)
	// TrimReveals drops the entries behind the newest limit of a log that had have
	// entries. It never drops entries that are added concurrently. It may leave some of
	// the entries of a very long log.
	TrimReveals(ctx context.Context, account, user uuid.UUID, limit, have int) error
	SealedValue(ctx context.Context, account, secret, item uuid.UUID) (SealedValue, error)
	// StampReveal records a reveal on the item, unless a newer one is recorded, and returns
	// the item as it then is.
	StampReveal(ctx context.Context, account, secret, item uuid.UUID, at time.Time, by uuid.UUID) (Item, error)
}

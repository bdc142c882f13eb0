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
	Same   bool // the item has a revision that the caller knows: nothing was opened, charged or recorded
}

// Charge is the answer to the charge of a reveal.
type Charge struct {
	Admitted bool // otherwise the budget is spent
	// Tally counts what counts after the charge. After a refusal it makes no call.
	Tally func(context.Context) (Tally, error)

	// Rotate makes room for further charges, if it is not nil. The caller should call it, once, at any time. A charge
	// that finds no room makes it itself.
	Rotate func(context.Context) error
}

// Tally is what counts of a user's reveals.
type Tally struct {
	Limit    int       // that the user's counter is for
	Counting int       // reveals within the window
	Oldest   time.Time // of those that count
}

// Reading is what a reveal rests on. Zero ids and versions: the row is missing.
type Reading struct {
	Key    Key // the caller's
	Secret Secret
	Item   Item
	Value  SealedValue
}

// Reveals is the part of a [Store] that a reveal needs: the budget's counter, which is
// an exact sliding-window log, the sealed values, and the stamp on the item.
type Reveals interface {
	// ChargeReveal admits a reveal at now, unless the limit-th newest admission is younger
	// than the window. It charges at most once: after an error it may or may not have charged.
	// ErrNotFound: there is no such user, and nothing was charged.
	// While functions with different limits are at work, it is one of their limits.
	ChargeReveal(ctx context.Context, account, user uuid.UUID, now time.Time, limit int, window time.Duration) (Charge, error)
	// Tally returns what counts at now, for a user with this limit.
	Tally(ctx context.Context, account, user uuid.UUID, now time.Time, limit int, window time.Duration) (Tally, error)
	// ReadValue reads at once what a reveal rests on.
	ReadValue(ctx context.Context, account, key, secret, item uuid.UUID) (Reading, error)
	// ReadItem is ReadValue without the value.
	ReadItem(ctx context.Context, account, key, secret, item uuid.UUID) (Reading, error)
	// StampReveal records a reveal on the item, unless a newer one is recorded, and returns
	// the item as it then is.
	StampReveal(ctx context.Context, account, secret, item uuid.UUID, at time.Time, by uuid.UUID) (Item, error)
}

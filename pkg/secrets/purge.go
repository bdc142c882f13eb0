package secrets

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Purge is what a deletion leaves to remove, at its due time: a secret with all that is in it, or items.
type Purge struct {
	AccountID uuid.UUID
	SecretID  uuid.UUID
	ID        uuid.UUID // of the deletion's event
	Due       time.Time
	Items     []uuid.UUID // none: the secret
}

// Purges is the part of a [Store] that removes what is in the bin for good. Each method is idempotent, and safe to
// interrupt and to call concurrently.
type Purges interface {
	// Purges lists what is due at a time.
	Purges(ctx context.Context, now time.Time) ([]Purge, error)
	// ClaimPurged claims the secret of a purge, or one of its items, which then can't be restored. ErrChanged: it is no
	// longer in the bin, or for another purge.
	ClaimPurged(ctx context.Context, p Purge, item uuid.UUID) (secret, it Named, err error)
	// RemoveChildren removes all that is in a claimed secret, or the versions of a claimed item.
	RemoveChildren(ctx context.Context, p Purge, item uuid.UUID) error
	// EndPurged removes what was claimed from the bin. ErrChanged: it is not there.
	EndPurged(ctx context.Context, p Purge, item uuid.UUID, ev Event) error
	// EndPurge removes the purge itself.
	EndPurge(ctx context.Context, p Purge) error

	// ClaimSecret makes a secret that is in the bin due now. ErrChanged: it is not there, or claimed.
	ClaimSecret(ctx context.Context, old DeletedSecret, ev Event) error
}

package secrets

import (
	"context"

	"github.com/google/uuid"
)

// Purge is a deleted secret whose children may not all be gone yet.
type Purge struct {
	AccountID uuid.UUID
	SecretID  uuid.UUID
}

// Purges is the part of a [Store] that removes the children of deleted secrets.
type Purges interface {
	// Purges lists the secrets that are deleted but may have children left.
	Purges(ctx context.Context) ([]Purge, error)
	// Purge removes the children, then the purge itself. It is idempotent, and safe to
	// interrupt and to call concurrently.
	Purge(ctx context.Context, p Purge) error
}

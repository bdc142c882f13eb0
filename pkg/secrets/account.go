package secrets

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Account is a tenant.
type Account struct {
	ID              uuid.UUID
	Name            string
	DefaultSecretID uuid.UUID
	CreatedAt       time.Time
}

// NewAccount is the result of CreateAccount. Key is the text of the first API key. It
// is stored nowhere and cannot be recovered.
type NewAccount struct {
	Account Account
	UserID  uuid.UUID
	KeyID   uuid.UUID
	Key     string
}

// Accounts is the part of a [Store] that keeps accounts and their API keys.
type Accounts interface {
	// CreateAccount adds an account with its default secret and first key.
	// ErrExists: the name is taken.
	CreateAccount(ctx context.Context, a Account, def Secret, k APIKey, ev Event) error
	// APIKey finds a key by the SHA-256 of its text.
	APIKey(ctx context.Context, hash KeyHash) (APIKey, error)
	Account(ctx context.Context, account uuid.UUID) (Account, error)
}

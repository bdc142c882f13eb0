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

// NewAccount is the result of CreateAccount: an account, and the first key of its first user.
type NewAccount struct {
	Account Account
	UserID  uuid.UUID
	KeyID   uuid.UUID
	Key     string // the key's text, which cannot be recovered
}

// Caller is who calls with the first key.
func (n NewAccount) Caller() Caller {
	return Caller{
		AccountID: n.Account.ID, UserID: n.UserID, KeyID: n.KeyID, Kind: Person, Rights: Rights{Permissions: Every},
		UserName: firstUserName, KeyName: firstKeyName,
	}
}

// Accounts is the part of a [Store] that keeps accounts.
type Accounts interface {
	// CreateAccount adds an account with its default secret, its first user, whose read counter is for the
	// deployment's limit, and that user's key. ErrExists: the name is taken.
	CreateAccount(ctx context.Context, a Account, def Secret, u User, limit int, k Key, ev Event) error
	Account(ctx context.Context, account uuid.UUID) (Account, error)
	// AccountNamed returns the id of the account with a name.
	AccountNamed(ctx context.Context, name string) (uuid.UUID, error)
	// AccountIDs lists all accounts.
	AccountIDs(ctx context.Context) ([]uuid.UUID, error)
}

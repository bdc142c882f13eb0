package secrets

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Limits of an account's users and keys.
const (
	MaxUsers        = 1000 // of an account
	MaxKeys         = 20   // of a user, expired ones included
	MaxLimitedTo    = 50   // secrets that rights are limited to
	maxOwnLimit     = 1000 // reveals of a user in a window
	maxInvitation   = 7 * 24 * time.Hour
	keptAfterExpiry = 90 * 24 * time.Hour
)

// User is a person or a machine.
type User struct {
	AccountID   uuid.UUID
	ID          uuid.UUID
	Kind        Kind // Person or Machine
	Name        string
	Email       string // shown only; empty: none
	Rights      Rights
	RevealLimit int         // reveals in a window; 0: the deployment's limit
	Keys        []uuid.UUID // oldest first
	Revision    int64       // raised by every change, also of its keys' number
	CreatedAt   time.Time
	CreatedBy   uuid.UUID // a user; zero: an operator
}

// Detailed reports whether the user has more than a name and a kind. Callers without Admin see no more of
// others.
func (u User) Detailed() bool { return u.Rights.Permissions != 0 }

// UserInput is what a caller may say about a user. Err is set when the input could not be read.
type UserInput struct {
	Kind, Name, Email, Permissions, Secrets, RevealLimit Field
	Err                                                  error
}

// People counts the users and keys of an account, or what a write adds to them.
type People struct {
	Users  int
	Keys   int
	Admins int // keys with effective Admin that do not expire
}

// Users is the part of a [Store] that keeps users. Each write of users and keys rests on its maker's key as
// it was read: ErrChanged, if that has changed. maker is nil if an operator or the system acts.
type Users interface {
	User(ctx context.Context, account, user uuid.UUID) (User, error)
	// Users reads a page like Secrets.
	Users(ctx context.Context, account uuid.UUID, from Cursor, limit int) (found []User, count int, err error)
	// CreateUser adds a user without keys, and its read counter for the deployment's limit. ErrFull: the
	// account has MaxUsers.
	CreateUser(ctx context.Context, maker *Key, u User, limit int, ev Event) error
	// UpdateUser replaces old by updated, with the copies that its keys have. ErrLastAdmin: no key with
	// Admin would be left.
	UpdateUser(ctx context.Context, maker *Key, old, updated User, keys []Key, sum People, ev Event) error
	// DeleteUser removes a user with all its keys, and its read counter. ErrLastAdmin as above.
	DeleteUser(ctx context.Context, maker *Key, u User, keys []Key, sum People, ev Event) error
}

package secrets

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

var (
	// ErrNotFound: missing, or owned by another account. Callers cannot tell which.
	ErrNotFound = errors.New("not found")
	// ErrUnauthenticated: the key is malformed, unknown or expired.
	ErrUnauthenticated = errors.New("invalid or missing API key")
	// ErrDenied: the caller lacks a permission.
	ErrDenied = errors.New("permission denied")
	// ErrLimited: the caller's rights are limited to some secrets, and names are unique in the account.
	ErrLimited = errors.New("limited callers give no names")
	// ErrLastAdmin: the last key with Admin that does not expire must stay.
	ErrLastAdmin = errors.New("the last key with admin that does not expire: make another one first")
	// ErrDefaultSecret: the default secret cannot be deleted.
	ErrDefaultSecret = errors.New("the default secret cannot be deleted")
	// ErrCurrentVersion: the current version of a value cannot be deleted.
	ErrCurrentVersion = errors.New("the current version cannot be deleted")
	// ErrPrecondition: the object has another revision than the request allows.
	ErrPrecondition = errors.New("precondition failed")
	// ErrTokenReused: the idempotency token is that of another request.
	ErrTokenReused = errors.New("idempotency key of another request")
	// ErrAnswered: the request was done before, and what it made is gone, or has changed for a caller that may not list.
	ErrAnswered = errors.New("already done")
	// ErrInvalidCursor: the cursor was not issued by a page.
	ErrInvalidCursor = errors.New("invalid cursor")
	// ErrUnavailable: AWS failed or throttled the call. The caller may retry. The
	// operation may or may not have been done.
	ErrUnavailable = errors.New("temporarily unavailable")

	// ErrExists: a name or key is taken. Only stores return it.
	ErrExists = errors.New("already exists")
	// ErrRepeated: the idempotency token is kept already. Only stores return it.
	ErrRepeated = errors.New("repeated")
	// ErrFull: the parent has as many objects as it may have. Only stores return it.
	ErrFull = errors.New("as many as allowed")
	// ErrChanged: the state that a write rests on has changed. Only stores return it.
	ErrChanged = errors.New("changed concurrently")
)

// Invalid lists the faults of each field of an input, in the order of the fields.
type Invalid []Fault

// Fault is one field and its error messages, which the caller sees.
type Fault struct {
	Field    string
	Messages []string
}

func (e Invalid) Error() string {
	fields := make([]string, len(e))
	for i, f := range e {
		fields[i] = f.Field + ": " + strings.Join(f.Messages, " ")
	}
	return strings.Join(fields, " ")
}

// Beyond refuses to give permissions that the giver lacks.
type Beyond struct{ Permissions Permissions }

func (e Beyond) Error() string { return "beyond the caller's rights: " + e.Permissions.String() }

// KeyMade refuses to make a key again for an idempotency token: its text is not kept.
type KeyMade struct{ ID uuid.UUID }

func (e KeyMade) Error() string { return "made already: key " + e.ID.String() }

// TooLarge refuses to read all items of a secret at once.
type TooLarge struct{ Items, Size int }

func (e TooLarge) Error() string {
	return fmt.Sprintf("%d items of %d bytes are too large to export", e.Items, e.Size)
}

// InUse refuses to delete a secret that services use.
type InUse struct {
	Services int
	Names    []string // of the oldest ones, at most five
}

func (e InUse) Error() string {
	return fmt.Sprintf("used by %d services: %s", e.Services, strings.Join(e.Names, ", "))
}

// Throttled refuses a reveal because the caller's budget is spent.
type Throttled struct {
	Wait time.Duration // until the budget has room; whole seconds, from 1 to the window
}

func (e Throttled) Error() string { return fmt.Sprintf("throttled for %s", e.Wait) }

package secrets

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

var (
	// ErrNotFound: it does not exist, or not for this caller; which, nobody learns.
	ErrNotFound = errors.New("not found")
	// ErrUnauthenticated: the key is malformed, unknown or expired.
	ErrUnauthenticated = errors.New("invalid or missing API key")
	// ErrDefaultSecret: the default secret was to be deleted.
	ErrDefaultSecret = errors.New("the default secret cannot be deleted")
	// ErrInvalidCursor: a page was asked for with a cursor that no page gave.
	ErrInvalidCursor = errors.New("invalid cursor")
	// ErrUnavailable: a service behind us failed or refused for load; the caller
	// may try again. It may or may not have done what it was asked.
	ErrUnavailable = errors.New("temporarily unavailable")

	// ErrExists is a store's word for a name or key that is taken.
	ErrExists = errors.New("already exists")
	// ErrChanged is a store's word for a write whose premise no longer holds.
	ErrChanged = errors.New("changed meanwhile")
)

// Invalid says what is wrong with each field of an input, in the fields' order.
type Invalid []Fault

// Fault is one field and everything that is wrong with it, in words for the caller.
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

// InUse says that a secret was to be deleted that services use.
type InUse struct {
	Services int
	Names    []string // of the first of them, five at most
}

func (e InUse) Error() string {
	return fmt.Sprintf("used by %d services: %s", e.Services, strings.Join(e.Names, ", "))
}

// Throttled says that the caller's budget is spent, and for how long.
type Throttled struct {
	Wait time.Duration // whole seconds, from 1 to the window
}

func (e Throttled) Error() string { return fmt.Sprintf("throttled for %s", e.Wait) }

package secrets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// Manager holds every operation of the domain. Its methods are safe for concurrent
// use. All fields are required unless they say otherwise.
type Manager struct {
	Store   Store
	Sealer  Sealer
	Monitor Monitor

	// MaxBundleSize is the largest bundle that the target accepts, in bytes. Zero means
	// that this deployment delivers no bundles.
	MaxBundleSize int

	Quotas Quotas

	KeepVersions int           // former versions of a value that are kept, 0 to 100
	Recovery     time.Duration // how long what is deleted stays in the bin; 0: it is removed at once

	RevealLimit  int           // reveals that a user may make in any RevealWindow
	RevealWindow time.Duration // whole seconds

	Now   func() time.Time
	NewID func() uuid.UUID // version 7, so that ids sort by creation
	Rand  io.Reader        // cryptographic; the source of API keys
	Log   *slog.Logger
}

// Quotas limit how many objects there may be. Zero means no limit.
type Quotas struct {
	Secrets  int // of an account
	Items    int // of a secret
	Services int // of an account
}

// full refuses one object more than a quota allows.
func full(owner string, most int, objects string) error {
	return fault("non_field_errors", fmt.Sprintf("This %s has %d %s, the most it may have.", owner, most, objects))
}

// Sealer encrypts values. Ciphertext opens only under the associated data that it was
// sealed under, so a value that was moved to another place does not open.
type Sealer interface {
	Seal(ctx context.Context, associatedData map[string]string, plaintext []byte) (blob []byte, err error)
	Open(ctx context.Context, associatedData map[string]string, blob []byte) (plaintext []byte, err error)
}

// Store keeps everything durably. It holds no rules. Each write is atomic, and each
// read is strongly consistent.
//
// A missing row is [ErrNotFound]; an outage wraps [ErrUnavailable]. Writes use
// optimistic concurrency: a write that rests on state that was read earlier fails with
// [ErrChanged] when that state has changed. A write appends its event in the same
// transaction.
type Store interface {
	Accounts
	Users
	Keys
	Secrets
	Items
	Services
	Reveals
	Exports
	Events
	Purges
	Tokens
}

// patience limits how long an operation retries when concurrent writers keep changing
// what it read. A function's timeout covers this and the store's own retries.
const patience = 3 * time.Second

// retryChanged calls try until it returns anything but ErrChanged. Each try must read
// its premise again. Of several concurrent writers, one always succeeds.
func retryChanged(ctx context.Context, try func() error) error {
	for deadline := time.Now().Add(patience); ; {
		err := try()
		if !errors.Is(err, ErrChanged) {
			return err
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return errors.Join(ErrUnavailable, err)
		}
		time.Sleep(rand.N(10 * time.Millisecond))
	}
}

// now is the time of an operation, in the resolution that is stored and shown.
func (m *Manager) now() time.Time { return m.Now().UTC().Truncate(time.Microsecond) }

// delivers reports whether this deployment delivers bundles to a target.
func (m *Manager) delivers() bool { return m.MaxBundleSize > 0 }

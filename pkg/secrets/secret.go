package secrets

import (
	"context"
	"math"
	"time"

	"github.com/google/uuid"
)

// Secret is a named bundle of items.
type Secret struct {
	AccountID    uuid.UUID
	ID           uuid.UUID
	Name         string
	IsDefault    bool
	CreatedAt    time.Time
	Items        int   // number of its items
	Services     int   // number of services that use it
	Size         int   // sum of its items' sizes in a bundle, in bytes: see entrySize
	Revision     int64 // raised by every change of its bundle
	Delivered    int64 // revision whose content the target has as current; 0: none
	DeployFailed bool  // the last delivery failed
	Drifted      bool  // the target was found to differ from what was delivered, and is not repaired yet
	Bundle       Bundle
}

// Bundle is where services read a secret, as the target named it when it accepted the bundle.
// It is zero before the first delivery and after a removal.
type Bundle struct {
	Name    string
	Region  string
	ARN     string
	Version string // id of the version that the last delivery made current or left so
}

// SecretInput is what a caller may say about a secret. Err is set when the input could
// not be read; an operation reports it after a missing object.
type SecretInput struct {
	Name Field
	Err  error
}

// Change describes how a write changes the secret that it belongs to, and the state of
// the secret that the write rests on.
type Change struct {
	Secret   Secret // as it was read
	Name     string // the new name; empty: unchanged
	Items    int    // added to the number of items
	MaxItems int    // limit of the new number of items; 0: none
	Size     int    // added to the size, in bytes
	MaxSize  int    // limit of the new size, in bytes; 0: none
	Services int    // added to the number of services
	UsedBy   Range  // premise: the number of services before the write
	Revise   bool   // the bundle changes: raise the revision
	Deliver  bool   // put the secret into the outbox
}

// Begins reports whether the change attaches the first service.
func (c Change) Begins() bool { return c.Services > 0 && c.UsedBy.Max == 0 }

// Ends reports whether the change detaches the last service.
func (c Change) Ends() bool { return c.Services < 0 && c.UsedBy.Max == 1 }

// Range is an inclusive range of numbers.
type Range struct{ Min, Max int }

// Unlimited is the Max of a Range without an upper limit.
const Unlimited = math.MaxInt

// fits reports whether the change stays within its MaxSize.
func (c Change) fits() bool { return c.MaxSize == 0 || c.Secret.Size+c.Size <= c.MaxSize }

// full reports whether the change exceeds its MaxItems.
func (c Change) full() bool { return c.MaxItems > 0 && c.Secret.Items+c.Items > c.MaxItems }

// Secrets is the part of a [Store] that keeps secrets.
type Secrets interface {
	Secret(ctx context.Context, account, secret uuid.UUID) (Secret, error)
	// Secrets reads up to limit secrets of the account on one side of from, nearest
	// first, and the number of all secrets.
	Secrets(ctx context.Context, account uuid.UUID, from Cursor, limit int) (found []Secret, count int, err error)
	// SecretsWithIDs reads those of the secrets that exist, sorted by id.
	SecretsWithIDs(ctx context.Context, account uuid.UUID, ids []uuid.UUID) ([]Secret, error)
	// SecretsNamed reads the secret of the account with this name, if there is one.
	SecretsNamed(ctx context.Context, account uuid.UUID, name string) (found []Secret, err error)
	// CreateSecret: ErrExists when the name is taken. ErrFull when the account has most
	// secrets; 0: no limit.
	CreateSecret(ctx context.Context, s Secret, most int, ev Event) error
	// RenameSecret: ErrExists when the new name is taken.
	RenameSecret(ctx context.Context, c Change, ev Event) error
	// DeleteSecret removes a secret and leaves a purge for its children. ErrChanged: its
	// name or its number of services is not that of old.
	DeleteSecret(ctx context.Context, old Secret, ev Event) error
}

// Status is the state of a secret's delivery, as the API shows it.
type Status string

// All statuses. A secret that is not delivered anywhere is ready.
const (
	StatusReady     Status = "ready"     // the target has the newest revision
	StatusPending   Status = "pending"   // a service uses the secret, and it was never delivered
	StatusDeploying Status = "deploying" // the target has an older revision, or something else
	StatusFailed    Status = "failed"    // the target has an older revision, and the last delivery failed
)

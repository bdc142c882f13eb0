package secrets

import (
	"context"
	"math"
	"slices"
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
	Checksum     int64 // sum of its items' revisions: it shows whether rows are of one state
	Delivered    int64 // revision whose content the target has as current; 0: none
	DeployFailed bool  // the last delivery failed
	Drifted      bool  // the target was found to differ from what was delivered, and is not repaired yet
	Bundle       Bundle
	Exported     Exported // the newest read of all its items at once
}

// Exported is a read of all items of a secret at once. It is a read of each item that the revision had.
type Exported struct {
	At       time.Time // zero: never
	By       uuid.UUID
	Revision int64
}

// Deleted says who deleted a secret or an item, when, and when it is removed for good. Until then it can be restored.
type Deleted struct {
	By  uuid.UUID
	At  time.Time
	Due time.Time
	// Claimed: it is being removed, or is to be removed now, and can no longer be restored.
	Claimed bool
}

// DeletedSecret is a secret in the bin.
type DeletedSecret struct {
	Secret  Secret
	Deleted Deleted
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
	Name    Field
	IfMatch Match
	Err     error
}

// Match are the revisions of an object that a write may rest on. Nil: any.
type Match []int64

// check returns ErrPrecondition unless the object has one of the revisions.
func (x Match) check(revision int64) error {
	if x != nil && !slices.Contains(x, revision) {
		return ErrPrecondition
	}
	return nil
}

// Deletion says how something is deleted.
type Deletion struct {
	IfMatch   Match
	Permanent bool // it does not go into the bin; if it is there, it is removed from it
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
	Checksum int64  // added to the checksum
	// Premise: the revision is the one that was read.
	AtRevision bool
	// Premise: the items were not exported since. What is added then knows the exports that can't have it.
	AtExport bool
	UsedBy   Range // premise: the number of services before the write
	Revise   bool  // the bundle changes: raise the revision
	Deliver  bool  // put the secret into the outbox
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
	// DeleteSecret moves a secret into the bin and leaves a purge for it. ErrChanged: its name, its revision, its
	// number of services or its export is not as it was read.
	DeleteSecret(ctx context.Context, old DeletedSecret, ev Event) error
	// DeletedSecrets reads a page of the bin like Secrets, without what is claimed.
	DeletedSecrets(ctx context.Context, account uuid.UUID, from Cursor, limit int) (found []DeletedSecret, count int, err error)
	// DeletedSecretsWithIDs reads those of the secrets that are in the bin, without what is claimed, sorted by id.
	DeletedSecretsWithIDs(ctx context.Context, account uuid.UUID, ids []uuid.UUID) ([]DeletedSecret, error)
	// DeletedSecret reads a secret in the bin. ErrNotFound: it is not there, or claimed.
	DeletedSecret(ctx context.Context, account, secret uuid.UUID) (DeletedSecret, error)
	// RestoreSecret takes a secret out of the bin. ErrExists: the name is taken. ErrFull: the account has most
	// secrets; 0: no limit. ErrChanged: it is no longer there, or claimed.
	RestoreSecret(ctx context.Context, old DeletedSecret, restored Secret, most int, ev Event) error
}

// Exports is the part of a [Store] that an export and a comparison need.
type Exports interface {
	// ReadSecrets reads the caller's key and secrets at once. Zero ids: the row is missing.
	ReadSecrets(ctx context.Context, account, key uuid.UUID, ids ...uuid.UUID) (Key, []Secret, error)
	// SealedItems reads all items of a secret and their values. It is not a snapshot: see [Secret.Has].
	SealedItems(ctx context.Context, account, secret uuid.UUID) ([]SealedItem, error)
	// StampExport records a read of all items, later than those that are recorded, and returns the secret as it then
	// is. ErrNotFound: it does not exist. ErrChanged: a newer revision was exported.
	StampExport(ctx context.Context, account, secret uuid.UUID, e Exported) (Secret, error)
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

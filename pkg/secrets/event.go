package secrets

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Types of events. A reveal is an event; other reads are not.
const (
	AccountCreated = "account.created"
	SecretCreated  = "secret.created"
	SecretUpdated  = "secret.updated"
	SecretDeleted  = "secret.deleted"
	ItemCreated    = "item.created"
	ItemUpdated    = "item.updated"
	ItemDeleted    = "item.deleted"
	ItemRevealed   = "item.revealed"
	ServiceCreated = "service.created"
	ServiceUpdated = "service.updated"
	ServiceDeleted = "service.deleted"
	UserCreated    = "user.created"
	UserUpdated    = "user.updated"
	UserDeleted    = "user.deleted" // with all its keys
	KeyCreated     = "key.created"  // From has the invitation that it was exchanged for, if there was one
	KeyUpdated     = "key.updated"
	KeyDeleted     = "key.deleted"
	// An operator requeued all used secrets of the account.
	AccountRequeued = "account.requeued"
	// By the system, before a bundle becomes current at the target or is removed there.
	SecretDeployed   = "secret.deployed"
	SecretUndeployed = "secret.undeployed"
	// By the system: the target no longer had what was delivered to it. Changed says what differs:
	// deleted, scheduled, tags, version.
	SecretDrifted = "secret.drifted"
)

// Event is an entry of the append-only audit trail: who did what, to what, when, and
// from where. It outlives its subject and never holds a value. UserID, KeyID and
// SourceIP are zero when an operator or the system acted. ItemID and ServiceID are
// zero when the event concerns none.
type Event struct {
	ID        uuid.UUID
	AccountID uuid.UUID
	At        time.Time
	Type      string
	UserID    uuid.UUID
	KeyID     uuid.UUID
	SourceIP  string
	RequestID string
	SecretID  uuid.UUID
	ItemID    uuid.UUID
	ServiceID uuid.UUID

	// The user or key that was created, changed or deleted. A key's event names its user too.
	SubjectUserID uuid.UUID
	SubjectKeyID  uuid.UUID

	Version int64  // of the value that was revealed or written; for a bundle, its revision
	Name    string // of the account, secret, service, user or key, or the item's key, when it was written

	// From has what a change replaced, by field: name, key, secret (an id); of users and keys email,
	// permissions, secrets, reveal_limit, expires_at, and invitation (an id). "": there was none.
	From map[string]string
	// Changed names the fields that a change of a service, user or key changed, or the differences of a drifted
	// bundle, sorted.
	Changed []string
}

// Events is the part of a [Store] that keeps the audit trail.
type Events interface {
	// AppendEvent appends an event without any other change. It is idempotent by the
	// event's id.
	AppendEvent(ctx context.Context, ev Event) error
}

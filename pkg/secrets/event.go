package secrets

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// Actions of events. A reveal is an event; other reads are not.
const (
	AccountCreated = "account.created"
	SecretCreated  = "secret.created"
	SecretUpdated  = "secret.updated"
	SecretDeleted  = "secret.deleted" // To has the time until which it can be restored, if it can
	SecretRestored = "secret.restored"
	SecretExported = "secret.exported" // Version is the revision, Items has all that was read
	SecretCompared = "secret.compared" // with the secret in To
	SecretPurged   = "secret.purged"   // by the system: nothing of it is left
	ItemCreated    = "item.created"
	ItemUpdated    = "item.updated"
	ItemDeleted    = "item.deleted" // To as of a secret
	ItemRestored   = "item.restored"
	ItemPurged     = "item.purged"      // by the system: nothing of it is left
	ItemRolledBack = "item.rolled_back" // Version is the one that is current again
	ItemRevealed   = "item.revealed"
	ItemsChanged   = "items.changed" // a batch: Items has what it did
	VersionDeleted = "version.deleted"
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

// Actions of refused tries to read, which are no events when they are allowed.
const (
	AccountRead = "account.read"
	SecretRead  = "secret.read"
	ItemRead    = "item.read"
	ServiceRead = "service.read"
	UserRead    = "user.read"
	KeyRead     = "key.read"
	EventRead   = "event.read"
)

// Actions are all actions, in the order in which the documents list them.
var Actions = []string{
	AccountCreated, AccountRequeued, AccountRead,
	SecretCreated, SecretUpdated, SecretDeleted, SecretRestored, SecretPurged, SecretExported, SecretCompared, SecretDeployed, SecretUndeployed, SecretDrifted, SecretRead,
	ItemCreated, ItemUpdated, ItemRolledBack, ItemDeleted, ItemRestored, ItemPurged, ItemRevealed, ItemRead, ItemsChanged, VersionDeleted,
	ServiceCreated, ServiceUpdated, ServiceDeleted, ServiceRead,
	UserCreated, UserUpdated, UserDeleted, UserRead,
	KeyCreated, KeyUpdated, KeyDeleted, KeyRead,
	EventRead,
}

// Outcome says whether what an event tells was allowed.
type Outcome string

// All outcomes.
const (
	OutcomeAllowed   Outcome = "allowed"
	OutcomeDenied    Outcome = "denied"    // a permission is missing, or the secret is outside of the caller's limit
	OutcomeThrottled Outcome = "throttled" // the budget is spent
)

// Outcomes are all outcomes.
var Outcomes = []string{string(OutcomeAllowed), string(OutcomeDenied), string(OutcomeThrottled)}

// Named is an object of an event, with the name that it had then. A zero id: none.
type Named struct {
	ID   uuid.UUID
	Name string // a person's, secret's or service's name, or an item's key; empty: not known
}

// Event is an entry of the audit trail: who did what, to what, when, and from where. The trail is append-only.
// An event outlives its subject and never holds a value. User, Key and SourceIP are zero when an operator or the
// system acted.
//
// Refused tries are entries too: one for each key, outcome, action and minute, with the number of tries. The rest
// is that of the latest one.
type Event struct {
	ID        uuid.UUID // see NewEventID
	AccountID uuid.UUID
	Action    string
	Outcome   Outcome

	User      Named
	Key       Named
	SourceIP  string
	UserAgent string
	RequestID string

	Secret  Named
	Item    Named
	Service Named
	// The user or key that was created, changed or deleted. A key's event names its user too.
	SubjectUser Named
	SubjectKey  Named

	Version int64 // of the value that was revealed or written; for a bundle, its revision

	// Changed names the fields that a change changed, or the differences of a drifted bundle, sorted.
	Changed []string
	// From and To have what a change replaced and gave, by field: name, key, secret (an id); of users and keys
	// email, kind, permissions, secrets, reveal_limit, expires_at, and invitation (an id). "": none; of secrets: no
	// limit, and "none" is a limit to no secret. An event of a creation has no From, one of a deletion no To.
	From, To map[string]string

	// Items are those of an event about several, sorted by id: of a batch, and of an export, which names no keys.
	Items []EventItem

	// Token is that of the request, and Revision that of what the request made. They are kept in the transaction of the
	// event, not in the trail.
	Token    Token
	Revision int64

	Tries       int       // of refused ones
	First, Last time.Time // of refused ones
}

// EventItem is an item of an event about several.
type EventItem struct {
	Item    Named
	Version int64
	Done    Done // empty: read
}

// At is when the event happened, in microseconds.
func (ev Event) At() time.Time { return eventTime(ev.ID) }

// The id of an event is its time and its place in the trail: a UUID of version 7 with the milliseconds, in the 12 bits
// that follow the microseconds, and 62 random bits. So the trail is sorted by time, and a time is a place in it.

// NewEventID makes the id of an event at a time of a random id.
func NewEventID(at time.Time, random uuid.UUID) uuid.UUID {
	id := random
	micros := max(at.UnixMicro(), 0)
	binary.BigEndian.PutUint64(id[:8], uint64(micros/1000)<<16|uint64(micros%1000))
	id[6] |= 0x70
	return id
}

func eventTime(id uuid.UUID) time.Time {
	bits := binary.BigEndian.Uint64(id[:8])
	return time.UnixMicro(int64(bits>>16)*1000 + int64(bits&0xfff)).UTC()
}

// firstEventID is the least id of an event at a time.
func firstEventID(at time.Time) uuid.UUID { return NewEventID(at, uuid.UUID{8: 0x80}) }

// Trail is a part of the audit trail that is read in the order of ids.
type Trail int

// All parts.
const (
	EventsOfAccount Trail = iota
	EventsOfSecret
	EventsOfUser
	RefusedTries // of the account
)

// EventQuery asks for events of a part of the trail.
type EventQuery struct {
	AccountID uuid.UUID
	Trail     Trail
	Match     EventMatch // EventsOfSecret and EventsOfUser need Secret or User
	Low, High uuid.UUID  // the range of ids, both included
	Backward  bool       // newest first
	Most      int        // events to look at; 0: as many as one call can
}

// EventMatch are conditions on events. Zero: any.
type EventMatch struct {
	Action  string
	Outcome Outcome
	User    uuid.UUID
	Key     uuid.UUID
	Secret  uuid.UUID
	Item    uuid.UUID
}

// Events is the part of a [Store] that keeps the audit trail.
type Events interface {
	// AppendEvent appends an event without any other change. It is idempotent by the
	// event's id.
	AppendEvent(ctx context.Context, ev Event) error
	// CountRefused counts a refused try, at most once: its event has the id of its minute, and its Last is now.
	CountRefused(ctx context.Context, ev Event) error
	// Events makes one query. It returns the events that match, and the last id that it looked at; zero: there
	// are no more in the range. EventsOfSecret and EventsOfUser can lag behind by a second.
	Events(ctx context.Context, q EventQuery) (found []Event, reached uuid.UUID, err error)
}

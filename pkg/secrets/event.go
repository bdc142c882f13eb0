package secrets

import (
	"time"

	"github.com/google/uuid"
)

// What an event can say. Reads of values are events; other reads are not.
const (
	AccountCreated = "account.created"
	SecretCreated  = "secret.created"
	SecretUpdated  = "secret.updated"
	SecretDeleted  = "secret.deleted"
	ItemCreated    = "item.created"
	ItemUpdated    = "item.updated"
	ItemDeleted    = "item.deleted"
	ItemRevealed   = "item.revealed"
)

// Event is an entry of the audit trail: who did what, to what, when, from where.
// It outlives what it speaks of, and never holds a value. UserID, KeyID and
// SourceIP are zero for what an operator did; ItemID and Version where no item
// is concerned.
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
	Version   int64  // of the value that was revealed or written
	Name      string // of the account or secret, or the item's key, where it was written
}

// event begins an event by the caller about a secret.
func (s *Service) event(c Caller, at time.Time, kind string, secret uuid.UUID) Event {
	return Event{
		ID: s.NewID(), AccountID: c.AccountID, At: at, Type: kind,
		UserID: c.UserID, KeyID: c.KeyID, SourceIP: c.SourceIP, RequestID: c.RequestID,
		SecretID: secret,
	}
}

// itemEvent begins an event by the caller about an item.
func (s *Service) itemEvent(c Caller, at time.Time, kind string, it Item) Event {
	ev := s.event(c, at, kind, it.SecretID)
	ev.ItemID, ev.Version, ev.Name = it.ID, it.Version, it.Key
	return ev
}

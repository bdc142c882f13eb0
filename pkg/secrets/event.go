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
	ServiceCreated = "service.created"
	ServiceUpdated = "service.updated"
	ServiceDeleted = "service.deleted"
	// By the system: a bundle is about to become what services take, or to be deleted.
	SecretDeployed   = "secret.deployed"
	SecretUndeployed = "secret.undeployed"
)

// Event is an entry of the audit trail: who did what, to what, when, from where.
// It outlives what it speaks of, and never holds a value. UserID, KeyID and
// SourceIP are zero for what an operator or the system did; ItemID and ServiceID
// where none is concerned.
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
	Version   int64  // of the value that was revealed or written; of a bundle, its revision
	Name      string // of the account, secret or service, or the item's key, where it was written
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

// workloadEvent begins an event by the caller about a service.
func (s *Service) workloadEvent(c Caller, at time.Time, kind string, w Workload) Event {
	ev := s.event(c, at, kind, w.SecretID)
	ev.ServiceID, ev.Name = w.ID, w.Name
	return ev
}

package secrets

import (
	"time"

	"github.com/google/uuid"
)

// event begins an event by the caller about a secret.
func (m *Manager) event(c Caller, at time.Time, kind string, secret uuid.UUID) Event {
	return Event{
		ID: m.NewID(), AccountID: c.AccountID, At: at, Type: kind,
		UserID: c.UserID, KeyID: c.KeyID, SourceIP: c.SourceIP, RequestID: c.RequestID,
		SecretID: secret,
	}
}

// itemEvent begins an event by the caller about an item.
func (m *Manager) itemEvent(c Caller, at time.Time, kind string, it Item) Event {
	ev := m.event(c, at, kind, it.SecretID)
	ev.ItemID, ev.Version, ev.Name = it.ID, it.Version, it.Key
	return ev
}

// serviceEvent begins an event by the caller about a service.
func (m *Manager) serviceEvent(c Caller, at time.Time, kind string, s Service) Event {
	ev := m.event(c, at, kind, s.SecretID)
	ev.ServiceID, ev.Name = s.ID, s.Name
	return ev
}

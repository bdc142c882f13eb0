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

// userEvent begins an event by the caller about a user.
func (m *Manager) userEvent(c Caller, at time.Time, kind string, u User) Event {
	ev := m.event(c, at, kind, uuid.Nil)
	ev.AccountID, ev.SubjectUserID, ev.Name = u.AccountID, u.ID, u.Name
	return ev
}

// keyEvent begins an event by the caller about a key.
func (m *Manager) keyEvent(c Caller, at time.Time, kind string, k Key) Event {
	ev := m.event(c, at, kind, uuid.Nil)
	ev.AccountID, ev.SubjectUserID, ev.SubjectKeyID, ev.Name = k.AccountID, k.UserID, k.ID, k.Name
	return ev
}

package secrets

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// scope is the part of the caller's account that an operation acts on, with parsed
// ids. Ids that the operation does not name are zero.
type scope struct{ secret, item, service uuid.UUID }

// object names what an operation acts on, with ids as the caller sent them.
type object func(*scope) error

func ofAccount() object { return func(*scope) error { return nil } }

func ofSecret(id string) object {
	return func(s *scope) (err error) { s.secret, err = parseID(id); return err }
}

func ofItem(secret, item string) object {
	return func(s *scope) (err error) {
		if s.secret, err = parseID(secret); err != nil {
			return err
		}
		s.item, err = parseID(item)
		return err
	}
}

func ofService(id string) object {
	return func(s *scope) (err error) { s.service, err = parseID(id); return err }
}

// gate is the choke point of authorization: every operation that a caller can ask for
// calls it before anything else. It decides whether the caller may do the action on
// the object, and returns the object's scope.
//
// ErrUnauthenticated: the caller is not identified. ErrNotFound: an id is malformed,
// so nothing can have it.
func (m *Manager) gate(_ context.Context, c Caller, a Action, on object) (scope, error) {
	if c.AccountID == uuid.Nil || c.UserID == uuid.Nil || c.KeyID == uuid.Nil {
		return scope{}, ErrUnauthenticated
	}
	var s scope
	if err := on(&s); err != nil {
		return scope{}, err
	}
	switch a {
	case List, Reveal, Write: // every key of an account has all permissions
		return s, nil
	}
	return scope{}, fmt.Errorf("gate: unknown action %q", a)
}

// parseID accepts the canonical text of a UUID, in either case. Other forms that
// uuid.Parse accepts are not ids here.
func parseID(text string) (uuid.UUID, error) {
	if len(text) != 36 {
		return uuid.UUID{}, ErrNotFound
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.UUID{}, ErrNotFound
	}
	return id, nil
}

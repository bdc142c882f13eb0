package secrets

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"
)

// scope is the part of the caller's account that an operation acts on, with parsed
// ids. Ids that the operation does not name are zero.
type scope struct {
	secret, item, service, user, key uuid.UUID

	version int64 // of the item's value; 0: the current one; below 0: none

	within bool // it is a secret, or in one
	names  bool // the operation gives a name that is unique in the account
}

// object names what an operation acts on, with ids as the caller sent them.
type object func(*scope) error

func ofAccount() object { return func(*scope) error { return nil } }

// ofNames is an account in which the operation gives a unique name. A clash would tell a limited caller
// about what it may not see.
func ofNames(within object) object {
	return func(s *scope) error { s.names = true; return within(s) }
}

func ofSecret(id string) object {
	return func(s *scope) (err error) { s.within = true; s.secret, err = parseID(id); return err }
}

func ofItem(secret, item string) object {
	return func(s *scope) error {
		if err := ofSecret(secret)(s); err != nil {
			return err
		}
		var err error
		s.item, err = parseID(item)
		return err
	}
}

// ofVersion is a version of an item's value. A number that no version can have is a malformed id.
func ofVersion(secret, item, number string) object {
	return func(s *scope) error {
		if err := ofItem(secret, item)(s); err != nil {
			return err
		}
		s.version = -1
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 1 || versionText(n) != number {
			return errMalformed
		}
		s.version = n
		return nil
	}
}

func ofService(id string) object {
	return func(s *scope) (err error) { s.service, err = parseID(id); return err }
}

func ofUser(id string) object {
	return func(s *scope) (err error) { s.user, err = parseID(id); return err }
}

func ofKey(id string) object {
	return func(s *scope) (err error) { s.key, err = parseID(id); return err }
}

// gate is the choke point of authorization: every operation that a caller can ask for
// calls it before anything else. It decides by the caller's context alone, without a call,
// whether the caller may do this on the object, and returns the object's scope.
//
// ErrUnauthenticated: the caller is not identified. ErrDenied: a permission is missing.
// ErrNotFound: the secret is outside of the caller's rights, whether or not it exists.
// errMalformed: an id is malformed, so nothing can have it; it is zero in the scope.
// ErrLimited: the operation gives a unique name, and the caller's rights are limited.
func (m *Manager) gate(_ context.Context, c Caller, needed Permissions, on object) (scope, error) {
	if c.AccountID == uuid.Nil || c.UserID == uuid.Nil || c.KeyID == uuid.Nil {
		return scope{}, ErrUnauthenticated
	}
	if err := c.permits(needed); err != nil {
		return scope{}, err
	}
	var s scope
	malformed := on(&s)
	if s.within && !c.Rights.Reaches(s.secret) {
		return scope{}, errOutside
	}
	if malformed != nil {
		return s, malformed
	}
	if s.names && c.Rights.Limited() {
		return scope{}, ErrLimited
	}
	return s, nil
}

// permits returns ErrDenied unless the caller has a permission.
func (c Caller) permits(needed Permissions) error {
	switch {
	case needed == anyone:
		return nil
	case c.Kind != Person && c.Kind != Machine, !c.Rights.Permissions.Has(needed):
		return ErrDenied
	}
	return nil
}

// authority reads the caller's key afresh and returns it with the caller as it is now.
// What the gate decided by the caller's context is decided again.
//
// ErrUnauthenticated: the key or its user is gone, or the key has expired.
func (m *Manager) authority(ctx context.Context, c Caller, needed Permissions) (Key, Caller, error) {
	k, err := m.Store.Key(ctx, c.AccountID, c.KeyID)
	if err == nil || isNotFound(err) {
		c, err = m.current(k, c)
	}
	if err != nil {
		return Key{}, Caller{}, fmt.Errorf("read authority: %w", err)
	}
	return k, c, c.permits(needed)
}

// current returns the caller as its key says now. The zero Key is one that is gone.
func (m *Manager) current(k Key, c Caller) (Caller, error) {
	if k.ID != c.KeyID || k.UserID != c.UserID || k.expired(m.now()) {
		return Caller{}, ErrUnauthenticated
	}
	return k.caller(c), nil
}

// errOutside is the ErrNotFound of a secret that is outside of the caller's rights.
var errOutside = fmt.Errorf("outside of the rights: %w", ErrNotFound)

// errMalformed is the ErrNotFound of ids that nothing can have.
var errMalformed = fmt.Errorf("malformed id: %w", ErrNotFound)

// parseID accepts the canonical text of a UUID, in either case. Other forms that
// uuid.Parse accepts are not ids here.
func parseID(text string) (uuid.UUID, error) {
	if len(text) != 36 {
		return uuid.UUID{}, errMalformed
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.UUID{}, errMalformed
	}
	return id, nil
}

package secrets

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// The operations in this file have no route. Operators invoke them with IAM: they are the way back into an
// account whose keys are lost or stolen.

// issuedKeyName is the name of keys that operators issue.
const issuedKeyName = "Issued by an operator"

// IssueKey makes a key with all rights of a user that has Admin: of the given user, or of the oldest one with room
// for a key, people first. The account is given by its name or id.
func (m *Manager) IssueKey(ctx context.Context, account, user string) (issued NewKey, err error) {
	id, err := m.accountID(ctx, account)
	if err != nil {
		return NewKey{}, err
	}
	err = retryChanged(ctx, func() error {
		u, err := m.someAdmin(ctx, id, user)
		if err != nil {
			return err
		}
		if issued, err = m.newKey(u, issuedKeyName, u.Rights); err != nil {
			return err
		}
		ev := m.keyEvent(Caller{}, issued.CreatedAt, KeyCreated, issued.Key).creates(issued.fields())
		if err := m.Store.CreateKey(ctx, nil, u, issued.Key, nil, People{Keys: 1, Admins: issued.admins()}, ev); err != nil {
			return fmt.Errorf("create key: %w", err)
		}
		return nil
	})
	return issued, err
}

// accountID finds an account by its name or id.
func (m *Manager) accountID(ctx context.Context, account string) (uuid.UUID, error) {
	if id, err := parseID(account); err == nil {
		found, err := m.Store.Account(ctx, id)
		if err == nil {
			return found.ID, nil
		}
		if !isNotFound(err) {
			return uuid.Nil, fmt.Errorf("read account: %w", err)
		}
	}
	id, err := m.Store.AccountNamed(ctx, account)
	if isNotFound(err) {
		return uuid.Nil, fault("account", "There is no account with this name or id.")
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("find account: %w", err)
	}
	return id, nil
}

// someAdmin finds a user with Admin that has room for a key.
func (m *Manager) someAdmin(ctx context.Context, account uuid.UUID, user string) (User, error) {
	fits := func(u User) bool { return u.Rights.Permissions.Has(Admin) && len(u.Keys) < MaxKeys }
	if user != "" {
		id, err := parseID(user)
		var u User
		if err == nil {
			u, err = m.Store.User(ctx, account, id)
		}
		switch {
		case isNotFound(err):
			return User{}, fault("user_id", msgNoObject(user))
		case err != nil:
			return User{}, fmt.Errorf("read user: %w", err)
		case !fits(u):
			return User{}, fault("user_id", "The user has no admin permission, or as many keys as it may have.")
		}
		return u, nil
	}
	users, _, err := m.Store.Users(ctx, account, Cursor{}, MaxUsers)
	if err != nil {
		return User{}, fmt.Errorf("list users: %w", err)
	}
	for _, kind := range []Kind{Person, Machine} {
		for _, u := range users {
			if u.Kind == kind && fits(u) {
				return u, nil
			}
		}
	}
	return User{}, fault("account", "Each user with admin has as many keys as it may have. Revoke one.")
}

// RevokeKey deletes a key, whatever its account, and if all is set the keys that it made. ErrNotFound: no account
// has the key. ErrLastAdmin: see [Manager.UpdateUser].
func (m *Manager) RevokeKey(ctx context.Context, keyID string, all bool) error {
	id, err := parseID(keyID)
	if err != nil {
		return err
	}
	accounts, err := m.Store.AccountIDs(ctx)
	if err != nil {
		return fmt.Errorf("list accounts: %w", err)
	}
	for _, account := range accounts {
		operator := func() (Caller, error) {
			return Caller{AccountID: account, Rights: Rights{Permissions: Every}}, nil
		}
		err := m.deleteAll(ctx, operator, id, all, func(id uuid.UUID) error { return m.revoke(ctx, account, id) })
		if !isNotFound(err) {
			return err
		}
	}
	return ErrNotFound
}

// AccountPeople is a page of an account's users with their keys.
type AccountPeople struct {
	AccountID uuid.UUID
	Users     []User
	Keys      map[uuid.UUID][]Key // by user
	Next      *Cursor
}

// ListPeople returns a page of an account's users and their keys. It leaves no event.
func (m *Manager) ListPeople(ctx context.Context, account string, from Cursor, size int) (AccountPeople, error) {
	id, err := m.accountID(ctx, account)
	if err != nil {
		return AccountPeople{}, err
	}
	users, count, err := m.Store.Users(ctx, id, from, size+1)
	if err != nil {
		return AccountPeople{}, fmt.Errorf("list users: %w", err)
	}
	page := newPage(users, count, from, size, func(x User) uuid.UUID { return x.ID })
	people := AccountPeople{AccountID: id, Users: page.Results, Keys: map[uuid.UUID][]Key{}, Next: page.Next}
	var ids []uuid.UUID
	for _, u := range page.Results {
		ids = append(ids, u.Keys...)
	}
	keys, err := m.Store.KeysWithIDs(ctx, id, ids)
	if err != nil {
		return AccountPeople{}, fmt.Errorf("read keys: %w", err)
	}
	for _, k := range keys {
		people.Keys[k.UserID] = append(people.Keys[k.UserID], k)
	}
	return people, nil
}

package secrets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Who may do what with users and keys:
//
//   - Admin manages users, and keys of machines. No key gives what it lacks: permissions and secrets that a
//     write adds to a user or key must be within its maker's rights, as they are when the write is done.
//   - A person manages keys of their own without Admin. Another person's key is made as an invitation, which
//     that person exchanges for a key of their own.
//   - A key only gets narrower.
//   - One key with Admin that does not expire always stays: ErrLastAdmin.
//
// Each write rests on its maker's key, so a key that is revoked meanwhile makes nothing.

// ListUsers returns a page of the account's users, oldest first. Without Admin the caller sees details of no
// other users.
func (m *Manager) ListUsers(ctx context.Context, c Caller, from Cursor, size int) (Page[User], error) {
	if _, err := m.gate(ctx, c, anyKey, ofAccount()); err != nil {
		return Page[User]{}, err
	}
	found, count, err := m.Store.Users(ctx, c.AccountID, from, size+1)
	if err != nil {
		return Page[User]{}, fmt.Errorf("list users: %w", err)
	}
	for i := range found {
		found[i] = found[i].shownTo(c)
	}
	return newPage(found, count, from, size, func(x User) uuid.UUID { return x.ID }), nil
}

// User returns a user of the account, with the details that the caller may see.
func (m *Manager) User(ctx context.Context, c Caller, userID string) (User, error) {
	on, err := m.gate(ctx, c, anyKey, ofUser(userID))
	if err != nil {
		return User{}, err
	}
	u, err := m.readUser(ctx, c, on.user)
	return u.shownTo(c), err
}

func (m *Manager) readUser(ctx context.Context, c Caller, id uuid.UUID) (User, error) {
	u, err := m.Store.User(ctx, c.AccountID, id)
	if err != nil {
		return User{}, fmt.Errorf("read user: %w", err)
	}
	return u, nil
}

// shownTo returns what a caller may see of a user.
func (u User) shownTo(c Caller) User {
	if u.ID == c.UserID || c.Rights.Permissions.Has(Admin) {
		return u
	}
	return User{AccountID: u.AccountID, ID: u.ID, Kind: u.Kind, Name: u.Name}
}

// CreateUser adds a user without keys. Beyond: it would have permissions that its maker lacks.
func (m *Manager) CreateUser(ctx context.Context, c Caller, in UserInput) (created User, err error) {
	if _, err := m.gate(ctx, c, Admin, ofAccount()); err != nil {
		return User{}, err
	}
	return once(ctx, m, c, m.userAgain(ctx, c), func() (created User, err error) {
		if in.Err != nil {
			return User{}, in.Err
		}
		err = retryChanged(ctx, func() error {
			maker, fresh, err := m.authority(ctx, c, Admin)
			if err != nil {
				return err
			}
			now := m.now()
			created = User{AccountID: c.AccountID, ID: m.NewID(), CreatedAt: now, CreatedBy: c.UserID}
			if created, err = m.applyUser(ctx, fresh, in, created); err != nil {
				return err
			}
			ev := m.userEvent(fresh, now, UserCreated, created).creates(created.fields())
			err = m.Store.CreateUser(ctx, &maker, created, m.RevealLimit, ev)
			if errors.Is(err, ErrFull) {
				return full("account", MaxUsers, "users")
			}
			if err != nil {
				return fmt.Errorf("create user: %w", err)
			}
			return nil
		})
		return created, err
	})
}

// UpdateUser changes a user, and what its keys may do. A missing user is reported before invalid input.
// Fields that are not given keep their values, and an update that changes nothing writes nothing. Beyond:
// the user would get permissions that the caller lacks. ErrLastAdmin: see above.
func (m *Manager) UpdateUser(ctx context.Context, c Caller, userID string, in UserInput) (updated User, err error) {
	on, err := m.gate(ctx, c, Admin, ofUser(userID))
	if err != nil {
		return User{}, err
	}
	err = retryChanged(ctx, func() error {
		maker, fresh, err := m.authority(ctx, c, Admin)
		if err != nil {
			return err
		}
		old, err := m.readUser(ctx, c, on.user)
		if err != nil {
			return err
		}
		if in.Err != nil {
			return in.Err
		}
		if updated, err = m.applyUser(ctx, fresh, in, old); err != nil {
			return err
		}
		ev := m.userEvent(fresh, m.now(), UserUpdated, updated).changes(old.fields(), updated.fields())
		if len(ev.Changed) == 0 {
			return nil
		}
		var keys []Key
		var sum People
		if updated.Name != old.Name || !updated.Rights.equal(old.Rights) {
			if keys, err = m.keysOf(ctx, old); err != nil {
				return err
			}
			for i, k := range keys {
				keys[i].User = updated.holder()
				sum.Admins += keys[i].admins() - k.admins()
			}
		}
		if err := m.Store.UpdateUser(ctx, &maker, old, updated, keys, sum, ev); err != nil {
			return fmt.Errorf("update user: %w", err)
		}
		updated.Revision++
		return nil
	})
	return updated, err
}

// DeleteUser deletes a user with all keys of it. What it did remains in the audit trail.
func (m *Manager) DeleteUser(ctx context.Context, c Caller, userID string) error {
	on, err := m.gate(ctx, c, Admin, ofUser(userID))
	if err != nil {
		return err
	}
	return retryChanged(ctx, func() error {
		maker, fresh, err := m.authority(ctx, c, Admin)
		if err != nil {
			return err
		}
		old, err := m.readUser(ctx, c, on.user)
		if err != nil {
			return err
		}
		keys, err := m.keysOf(ctx, old)
		if err != nil {
			return err
		}
		sum := People{Users: -1, Keys: -len(keys)}
		for _, k := range keys {
			sum.Admins -= k.admins()
		}
		ev := m.userEvent(fresh, m.now(), UserDeleted, old).deletes(old.fields())
		if err := m.Store.DeleteUser(ctx, &maker, old, keys, sum, ev); err != nil {
			return fmt.Errorf("delete user: %w", err)
		}
		return nil
	})
}

// keysOf reads all keys of a user. ErrChanged: the user has other keys by now.
func (m *Manager) keysOf(ctx context.Context, u User) ([]Key, error) {
	keys, err := m.Store.KeysWithIDs(ctx, u.AccountID, u.Keys)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	if len(keys) != len(u.Keys) {
		return nil, ErrChanged
	}
	return keys, nil
}

// applyUser returns a user with what an input says. A new one has no kind yet. It refuses what the caller
// may not give.
func (m *Manager) applyUser(ctx context.Context, c Caller, in UserInput, old User) (User, error) {
	var f faults
	var messages []string
	u, isNew := old, old.Kind == ""
	if in.Kind.given || isNew {
		var kind string
		kind, messages = in.Kind.choice(string(Person), string(Machine))
		if len(messages) == 0 && !isNew && kind != string(old.Kind) {
			messages = []string{"A person does not become a machine, nor a machine a person."}
		}
		u.Kind = Kind(kind)
		f.add("kind", messages)
	}
	if in.Name.given || isNew {
		u.Name, messages = in.Name.shortName()
		f.add("name", messages)
	}
	if in.Email.given {
		u.Email, messages = in.Email.email()
		f.add("email", messages)
	}
	if in.Permissions.given || isNew {
		u.Rights.Permissions, messages = in.Permissions.permissions()
		f.add("permissions", messages)
	}
	if in.Secrets.given {
		u.Rights.Secrets, messages = in.Secrets.ids(MaxLimitedTo)
		f.add("secrets", messages)
	}
	if in.RevealLimit.given {
		u.RevealLimit, messages = in.RevealLimit.limit(1, maxOwnLimit)
		f.add("reveal_limit", messages)
	}
	if len(f.invalid) == 0 {
		f.add("secrets", u.Rights.unlimitable())
	}
	if err := f.err(); err != nil {
		return User{}, err
	}
	if lacked := u.Rights.added(old.Rights) &^ c.Rights.Permissions; lacked != 0 {
		return User{}, Beyond{lacked}
	}
	if in.Secrets.given {
		if err := m.checkSecrets(ctx, c.AccountID, c.Rights, old.Rights.Secrets, u.Rights.Secrets); err != nil {
			return User{}, err
		}
	}
	return u, nil
}

// checkSecrets refuses secrets that do not exist or are outside of these rights. Known ones may be deleted.
func (m *Manager) checkSecrets(ctx context.Context, account uuid.UUID, within Rights, known, ids []uuid.UUID) error {
	var messages []string
	var looked []uuid.UUID
	for _, id := range ids {
		if within.Reaches(id) && !slices.Contains(known, id) {
			looked = append(looked, id)
		}
	}
	found, err := m.Store.SecretsWithIDs(ctx, account, looked)
	if err != nil {
		return fmt.Errorf("find secrets: %w", err)
	}
	for _, id := range ids {
		exists := slices.ContainsFunc(found, func(s Secret) bool { return s.ID == id })
		if !exists && !slices.Contains(known, id) {
			messages = append(messages, msgNoObject(id.String()))
		}
	}
	if len(messages) > 0 {
		return Invalid{{"secrets", messages}}
	}
	return nil
}

// unlimitable returns why the rights may not be limited, if they are.
func (r Rights) unlimitable() []string {
	if fixed := r.Permissions & unlimitable; r.Limited() && fixed != 0 {
		return []string{"Rights with " + strings.Join(fixed.Names(), " and ") + " can't be limited to secrets."}
	}
	return nil
}

// fields are those of a user in events.
func (u User) fields() map[string]string {
	limit := ""
	if u.RevealLimit != 0 {
		limit = strconv.Itoa(u.RevealLimit)
	}
	return map[string]string{
		"email": u.Email, "kind": string(u.Kind), "name": u.Name, "permissions": u.Rights.Permissions.String(),
		"reveal_limit": limit, "secrets": u.Rights.secretsText(),
	}
}

// secretsText is what the rights are limited to, in an event; empty: they are not.
func (r Rights) secretsText() string {
	if r.Limited() && len(r.Secrets) == 0 {
		return "none"
	}
	var ids []string
	for _, id := range r.Secrets {
		ids = append(ids, id.String())
	}
	return strings.Join(ids, ",")
}

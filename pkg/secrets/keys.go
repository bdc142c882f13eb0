package secrets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// ListKeys returns a page of keys, oldest first: those of a user if one is given, else with Admin those of all
// users, else the caller's own. ErrDenied: without Admin, keys of another user.
func (m *Manager) ListKeys(ctx context.Context, c Caller, user Field, from Cursor, size int) (Page[Key], error) {
	if _, err := m.gate(ctx, c, anyKey, ofAccount()); err != nil {
		return Page[Key]{}, err
	}
	isAdmin := c.Rights.Permissions.Has(Admin)
	if isAdmin && !user.given {
		found, count, err := m.Store.Keys(ctx, c.AccountID, from, size+1)
		if err != nil {
			return Page[Key]{}, fmt.Errorf("list keys: %w", err)
		}
		return newPage(found, count, from, size, func(x Key) uuid.UUID { return x.ID }), nil
	}
	id := c.UserID
	if user.given {
		var err error
		if id, err = parseID(user.text); !isAdmin && id != c.UserID {
			return Page[Key]{}, ErrDenied
		} else if err != nil {
			return Page[Key]{}, fault("user", msgNoObject(user.text))
		}
	}
	u, err := m.Store.User(ctx, c.AccountID, id)
	if isNotFound(err) && id == c.UserID {
		return Page[Key]{}, ErrUnauthenticated // the user is gone, and so is the key
	}
	if isNotFound(err) {
		return Page[Key]{}, fault("user", msgNoObject(id.String()))
	}
	var keys []Key
	if err == nil {
		keys, err = m.Store.KeysWithIDs(ctx, c.AccountID, u.Keys)
	}
	if err != nil {
		return Page[Key]{}, fmt.Errorf("list keys: %w", err)
	}
	return pageOf(keys, from, size, func(x Key) uuid.UUID { return x.ID }), nil
}

// Key returns a key, and the ids of the keys that it made, directly or through others, oldest first. Without
// Admin the caller sees only keys of their own.
func (m *Manager) Key(ctx context.Context, c Caller, keyID string) (k Key, made []uuid.UUID, err error) {
	on, err := m.gate(ctx, c, anyKey, ofKey(keyID))
	if err != nil {
		return Key{}, nil, err
	}
	if k, err = m.readKey(ctx, c, on.key); err != nil {
		return Key{}, nil, err
	}
	found, err := m.made(ctx, c, k.ID)
	for _, x := range found {
		made = append(made, x.ID)
	}
	return k, made, err
}

// readKey reads a key that the caller may see.
func (m *Manager) readKey(ctx context.Context, c Caller, id uuid.UUID) (Key, error) {
	k, err := m.Store.Key(ctx, c.AccountID, id)
	if err == nil && !k.shownTo(c) {
		err = ErrNotFound
	}
	if err != nil {
		return Key{}, fmt.Errorf("read key: %w", err)
	}
	return k, nil
}

func (k Key) shownTo(c Caller) bool {
	return k.UserID == c.UserID || c.Rights.Permissions.Has(Admin)
}

// made returns the keys that a key made, directly or through others, as far as they exist and the caller may
// see them. It follows keys that are deleted since: rotation and the exchange of invitations leave such gaps.
// It leaves out some keys, with what these made.
func (m *Manager) made(ctx context.Context, c Caller, id uuid.UUID, except ...uuid.UUID) ([]Key, error) {
	var all []uuid.UUID
	edges, err := m.Store.Made(ctx, c.AccountID)
	if err != nil {
		return nil, fmt.Errorf("find what keys made: %w", err)
	}
	madeBy := map[uuid.UUID][]Made{}
	for _, x := range edges {
		madeBy[x.Maker] = append(madeBy[x.Maker], x)
	}
	for next := []uuid.UUID{id}; len(next) > 0; next = next[1:] {
		for _, x := range madeBy[next[0]] {
			if slices.Contains(except, x.Key) {
				continue
			}
			next = append(next, x.Key)
			if (Key{UserID: x.UserID}).shownTo(c) { // so that the calls tell nothing of others
				all = append(all, x.Key)
			}
		}
	}
	keys, err := m.Store.KeysWithIDs(ctx, c.AccountID, all)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return keys, nil
}

// managesKeys refuses a caller that may not write keys of a user.
func (c Caller) managesKeys(user uuid.UUID) error {
	isOwn := user == c.UserID
	switch {
	case c.Rights.Permissions.Has(Admin), isOwn && c.Kind == Person:
		return nil
	}
	return ErrDenied
}

// CreateKey makes a key, and returns its text, this once. Without a user it is the caller's own. With an
// invitation it is the exchange: the new key takes the invitation's place in one transaction.
//
// ErrDenied: the caller may not make keys of the user. Beyond: the key would have permissions that its maker
// lacks.
func (m *Manager) CreateKey(ctx context.Context, c Caller, in KeyInput) (created NewKey, err error) {
	if _, err := m.gate(ctx, c, anyone, ofAccount()); err != nil {
		return NewKey{}, err
	}
	return once(ctx, m, c, keyAgain, func() (created NewKey, err error) {
		userID, err := c.ownerOf(in)
		if err != nil {
			return NewKey{}, err
		}
		err = retryChanged(ctx, func() error {
			maker, fresh, err := m.authority(ctx, c, anyone)
			if err != nil {
				return err
			}
			if _, err := fresh.ownerOf(in); err != nil {
				return err
			}
			u, err := m.Store.User(ctx, c.AccountID, userID)
			switch {
			case isNotFound(err) && userID == c.UserID:
				return ErrChanged // deleted since the authority was read
			case isNotFound(err):
				return in.noUser()
			case err != nil:
				return fmt.Errorf("read user: %w", err)
			}
			if created, err = m.makeKey(ctx, in, u, maker); err != nil {
				return err
			}
			ev := m.keyEvent(fresh, created.CreatedAt, KeyCreated, created.Key).creates(created.fields())
			sum := People{Keys: 1, Admins: created.admins()}
			var exchanged *Key
			if maker.Invitation {
				exchanged, sum.Keys = &maker, 0
				ev.From = map[string]string{"invitation": maker.ID.String()}
			}
			if len(u.Keys)+sum.Keys > MaxKeys {
				return full("user", MaxKeys, "keys")
			}
			if err := m.Store.CreateKey(ctx, &maker, u, created.Key, exchanged, sum, ev); err != nil {
				return fmt.Errorf("create key: %w", err)
			}
			return nil
		})
		if err != nil {
			return NewKey{}, err
		}
		return created, nil
	})
}

// ownerOf returns whose key the caller wants to make, if the caller may. A malformed id is that of no user.
func (c Caller) ownerOf(in KeyInput) (user uuid.UUID, err error) {
	user = c.UserID
	if in.User.given {
		user, _ = parseID(in.User.text)
	}
	if c.Kind == Invited && user == c.UserID {
		return user, in.Err
	}
	if err := c.managesKeys(user); err != nil {
		return user, err
	}
	return user, in.Err
}

// noUser refuses the user that a key was asked for, as the caller sent it.
func (in KeyInput) noUser() error {
	if messages := in.User.common(); messages != nil {
		return Invalid{{"user", messages}}
	}
	return fault("user", msgNoObject(in.User.text))
}

// makeKey returns a new key of a user as its maker asks for it.
func (m *Manager) makeKey(ctx context.Context, in KeyInput, u User, maker Key) (NewKey, error) {
	var f faults
	name, messages := in.Name.shortName()
	f.add("name", messages)
	invites, messages := in.Invitation.boolean()
	isOwn := u.ID == maker.UserID
	switch {
	case len(messages) > 0:
	case invites && (u.Kind != Person || isOwn):
		messages = []string{"An invitation is for another person."}
	case !invites && !isOwn && u.Kind == Person:
		messages = []string{"A key of another person is made as an invitation, which that person exchanges."}
	}
	f.add("invitation", messages)

	// What the maker may give, and of that what the user may have.
	gives := maker.Granted()
	rights := u.Rights.and(gives)
	if !maker.Rights.Limited() {
		rights.Secrets = nil // the user's own limit suffices, now and when it changes
	}
	asked := rights.Permissions
	if in.Secrets.given && !in.Secrets.null {
		asked &^= unlimitable
	}
	if in.Permissions.given {
		asked, messages = in.Permissions.permissions()
		if lacked := asked &^ u.Rights.Permissions; len(messages) == 0 && lacked != 0 {
			messages = []string{"The user lacks: " + lacked.String() + "."}
		}
		f.add("permissions", messages)
	} else if asked == 0 {
		f.add("permissions", []string{"You have none of the user's permissions to give."})
	}
	if in.Secrets.given {
		var limits []uuid.UUID
		limits, messages = in.Secrets.ids(MaxLimitedTo)
		if limits != nil {
			rights.Secrets = limits
		} else if rights.Limited() && len(messages) == 0 {
			messages = []string{"Your key is limited to secrets, and so is what it makes."}
		}
		f.add("secrets", messages)
	}
	now := m.now()
	expires, messages := m.expiry(in.ExpiresAt, now, isOwn, invites, maker)
	f.add("expires_at", messages)
	if len(f.invalid) == 0 {
		f.add("secrets", Rights{asked, rights.Secrets}.unlimitable())
	}
	if err := f.err(); err != nil {
		return NewKey{}, err
	}
	if lacked := asked &^ gives.Permissions; lacked != 0 {
		return NewKey{}, Beyond{lacked}
	}
	rights.Permissions = asked
	if in.Secrets.given {
		if err := m.checkSecrets(ctx, u.AccountID, u.Rights.and(gives), nil, rights.Secrets); err != nil {
			return NewKey{}, err
		}
	}
	k, err := m.newKey(u, name, rights)
	k.Invitation, k.ExpiresAt, k.CreatedBy, k.MadeBy = invites, expires, maker.UserID, maker.ID
	return k, err
}

// expiry checks when a new key expires.
func (m *Manager) expiry(in Field, now time.Time, isOwn, invites bool, maker Key) (time.Time, []string) {
	var latest time.Time // zero: never
	switch {
	case invites:
		latest = now.Add(maxInvitation)
	case isOwn && !maker.Invitation: // else an expiring key would live on in another one
		latest = maker.ExpiresAt
	}
	if !in.given {
		return latest, nil
	}
	at, messages := in.moment()
	never := at.IsZero()
	switch {
	case len(messages) > 0, never && latest.IsZero():
	case !never && !at.After(now):
		messages = []string{msgPast}
	case latest.IsZero(), !never && !at.After(latest):
	case invites:
		messages = []string{"An invitation expires within 7 days."}
	default:
		messages = []string{"A key that you make with a key that expires expires no later: " + latest.Format(time.RFC3339) + "."}
	}
	return at, messages
}

const (
	msgPast = "This time is not in the future."
	msgWide = "A key only gets narrower. Make another one."
)

// newKey returns a new key of a user.
func (m *Manager) newKey(u User, name string, rights Rights) (NewKey, error) {
	text, err := newKey(m.Rand)
	if err != nil {
		return NewKey{}, fmt.Errorf("make API key: %w", err)
	}
	hash, _ := hashKey(text)
	return NewKey{Key{
		AccountID: u.AccountID, ID: m.NewID(), UserID: u.ID, Name: name, Prefix: shown(text), Hash: hash,
		Rights: rights, User: u.holder(), CreatedAt: m.now(),
	}, text}, nil
}

// UpdateKey renames a key, or makes it narrower. ErrLastAdmin: see [Manager.UpdateUser].
func (m *Manager) UpdateKey(ctx context.Context, c Caller, keyID string, in KeyInput) (updated Key, err error) {
	on, err := m.gate(ctx, c, anyKey, ofKey(keyID))
	if err == nil {
		err = c.managesKeys(c.UserID)
	}
	if err != nil {
		return Key{}, err
	}
	err = retryChanged(ctx, func() error {
		maker, fresh, err := m.authority(ctx, c, anyKey)
		if err != nil {
			return err
		}
		old, err := m.readKey(ctx, fresh, on.key)
		if err == nil {
			err = fresh.managesKeys(old.UserID)
		}
		if err != nil {
			return err
		}
		if in.Err != nil {
			return in.Err
		}
		if updated, err = m.applyKey(ctx, fresh, in, old); err != nil {
			return err
		}
		ev := m.keyEvent(fresh, m.now(), KeyUpdated, updated).changes(old.fields(), updated.fields())
		if len(ev.Changed) == 0 {
			return nil
		}
		if err := m.Store.UpdateKey(ctx, &maker, old, updated, People{Admins: updated.admins() - old.admins()}, ev); err != nil {
			return fmt.Errorf("update key: %w", err)
		}
		updated.Revision++
		return nil
	})
	return updated, err
}

// applyKey returns a key with what an input says.
func (m *Manager) applyKey(ctx context.Context, c Caller, in KeyInput, old Key) (Key, error) {
	k := old
	var f faults
	var messages []string
	if in.Name.given {
		k.Name, messages = in.Name.shortName()
		f.add("name", messages)
	}
	if in.Permissions.given {
		k.Rights.Permissions, messages = in.Permissions.permissions()
		if len(messages) == 0 && !old.Rights.Permissions.Has(k.Rights.Permissions) {
			messages = []string{msgWide}
		}
		f.add("permissions", messages)
	}
	if in.Secrets.given {
		k.Rights.Secrets, messages = in.Secrets.ids(MaxLimitedTo)
		if len(messages) == 0 && old.Rights.Limited() && !old.Rights.reachesAll(k.Rights.Secrets) {
			messages = []string{msgWide}
		}
		f.add("secrets", messages)
	}
	if in.ExpiresAt.given {
		k.ExpiresAt, messages = in.ExpiresAt.moment()
		switch {
		case len(messages) > 0, k.ExpiresAt.Equal(old.ExpiresAt):
		case k.ExpiresAt.IsZero(), !old.ExpiresAt.IsZero() && k.ExpiresAt.After(old.ExpiresAt):
			messages = []string{msgWide}
		case !k.ExpiresAt.After(m.now()):
			messages = []string{msgPast}
		}
		f.add("expires_at", messages)
	}
	if len(f.invalid) == 0 {
		f.add("secrets", k.Rights.unlimitable())
	}
	if err := f.err(); err != nil {
		return Key{}, err
	}
	if in.Secrets.given {
		if err := m.checkSecrets(ctx, c.AccountID, c.Rights.and(old.User.Rights), old.Rights.Secrets, k.Rights.Secrets); err != nil {
			return Key{}, err
		}
	}
	return k, nil
}

// fields are those of a key in events.
func (k Key) fields() map[string]string {
	fields := map[string]string{
		"name": k.Name, "permissions": k.Rights.Permissions.String(), "secrets": k.Rights.secretsText(),
	}
	if !k.ExpiresAt.IsZero() {
		fields["expires_at"] = k.ExpiresAt.UTC().Format(time.RFC3339Nano)
	}
	if k.Invitation {
		fields["kind"] = string(Invited)
	}
	return fields
}

// DeleteKey revokes a key. If all is set, it then revokes the keys that the key made, directly or through
// others, one by one, as far as the caller may. The caller's own key stays, with what that one made. After a
// failure the same call goes on, although the key itself is gone by then. ErrLastAdmin: see [Manager.UpdateUser].
func (m *Manager) DeleteKey(ctx context.Context, c Caller, keyID string, all bool) error {
	on, err := m.gate(ctx, c, anyKey, ofKey(keyID))
	if err == nil {
		err = c.managesKeys(c.UserID)
	}
	if err != nil {
		return err
	}
	if all && on.key == c.KeyID {
		return fault("made", "A key can't revoke what it made together with itself. Use another key.")
	}
	fresh := func() (Caller, error) {
		_, fresh, err := m.authority(ctx, c, anyKey)
		return fresh, err
	}
	return m.deleteAll(ctx, fresh, on.key, all, func(id uuid.UUID) error { return m.deleteKey(ctx, c, id) })
}

// deleteAll deletes a key, and if all is set those that it made. A deleted key makes no more; but those that it
// made can, until they are deleted. So the search repeats until it finds none, each time as the caller is then: it
// would never end with keys that the caller no longer sees. ErrNotFound: there is no such key, nor one that it made.
func (m *Manager) deleteAll(ctx context.Context, as func() (Caller, error), key uuid.UUID, all bool, deleteKey func(uuid.UUID) error) error {
	missing := deleteKey(key)
	if !all || missing != nil && !isNotFound(missing) {
		return missing
	}
	for {
		c, err := as()
		if err != nil {
			return err
		}
		made, err := m.made(ctx, c, key, c.KeyID)
		if err != nil {
			return err
		}
		var failed []error
		for _, k := range made {
			missing = nil
			if err := deleteKey(k.ID); err != nil && !isNotFound(err) {
				failed = append(failed, err)
			}
		}
		if len(made) == 0 || len(failed) > 0 {
			return errors.Join(append(failed, missing)...)
		}
	}
}

// deleteKey revokes one key for a caller.
func (m *Manager) deleteKey(ctx context.Context, c Caller, id uuid.UUID) error {
	return retryChanged(ctx, func() error {
		maker, fresh, err := m.authority(ctx, c, anyKey)
		if err != nil {
			return err
		}
		k, err := m.readKey(ctx, fresh, id)
		if err == nil {
			err = fresh.managesKeys(k.UserID)
		}
		if err != nil {
			return err
		}
		return m.revokeOnce(ctx, &maker, fresh, k)
	})
}

// revoke deletes a key for an operator or the system.
func (m *Manager) revoke(ctx context.Context, account, id uuid.UUID) error {
	return retryChanged(ctx, func() error {
		k, err := m.Store.Key(ctx, account, id)
		if err != nil {
			return fmt.Errorf("read key: %w", err)
		}
		return m.revokeOnce(ctx, nil, Caller{AccountID: account}, k)
	})
}

func (m *Manager) revokeOnce(ctx context.Context, maker *Key, c Caller, k Key) error {
	u, err := m.Store.User(ctx, k.AccountID, k.UserID)
	if isNotFound(err) {
		return ErrChanged // a user is deleted with its keys
	}
	if err != nil {
		return fmt.Errorf("read user: %w", err)
	}
	sum := People{Keys: -1, Admins: -k.admins()}
	ev := m.keyEvent(c, m.now(), KeyDeleted, k).deletes(k.fields())
	if err := m.Store.DeleteKey(ctx, maker, u, k, sum, ev); err != nil {
		return fmt.Errorf("delete key: %w", err)
	}
	return nil
}

// DeleteExpiredKeys deletes keys that expired 90 days ago or earlier, and returns their number. One failing
// key or account must not block the others.
func (m *Manager) DeleteExpiredKeys(ctx context.Context) (deleted int, err error) {
	accounts, err := m.Store.AccountIDs(ctx)
	if err != nil {
		return 0, fmt.Errorf("list accounts: %w", err)
	}
	due := m.now().Add(-keptAfterExpiry)
	var failed []error
	for _, account := range accounts {
		for from, more := (Cursor{}), true; more; {
			const size = 1000
			keys, _, err := m.Store.Keys(ctx, account, from, size)
			if err != nil {
				failed = append(failed, fmt.Errorf("list keys of account %s: %w", account, err))
				break
			}
			for _, k := range keys {
				if k.ExpiresAt.IsZero() || k.ExpiresAt.After(due) {
					continue
				}
				switch err := m.revoke(ctx, account, k.ID); {
				case err == nil:
					deleted++
				case !isNotFound(err): // else its user deleted it meanwhile
					failed = append(failed, fmt.Errorf("delete key %s: %w", k.ID, err))
				}
			}
			if more = len(keys) == size; more {
				from = Cursor{ID: keys[size-1].ID}
			}
		}
	}
	return deleted, errors.Join(failed...)
}

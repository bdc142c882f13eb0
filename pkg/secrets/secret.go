package secrets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

const msgSecretExists = "secret with this name already exists."

// Secret is a named bundle of items.
type Secret struct {
	AccountID    uuid.UUID
	ID           uuid.UUID
	Name         string
	IsDefault    bool
	CreatedAt    time.Time
	Services     int   // that use it
	Size         int   // of its items in a bundle: see entrySize
	Revision     int64 // raised by every change of what services take
	Delivered    int64 // the revision that services take; 0: none
	DeployFailed bool  // the last delivery failed
}

// Change is what a write does to the secret that it is in, or is about. It rests on
// whether services use the secret, as that was read.
type Change struct {
	Secret   Secret // as it was read
	Name     string // its new one; empty: it stays
	Items    int    // more
	Size     int    // more
	MaxSize  int    // that it may come to; 0: any
	Services int    // more
	Revise   bool   // what services take of it changes
	Deliver  bool   // and is to be delivered
}

// change begins a change of what services take of a secret.
func (s *Service) change(secret Secret) Change {
	return Change{Secret: secret, Revise: true, Deliver: s.Delivers && secret.Services > 0}
}

// resize adds bytes to what services take. What they use may not outgrow a bundle.
func (c Change) resize(size int) Change {
	c.Size = size
	if c.Deliver && size > 0 {
		c.MaxSize = maxEntries
	}
	return c
}

// fits reports whether the change is within its MaxSize.
func (c Change) fits() bool { return c.MaxSize == 0 || c.Secret.Size+c.Size <= c.MaxSize }

// attach is one more service for a secret; the first one has it delivered.
func (s *Service) attach(secret Secret) Change {
	c := Change{Secret: secret, Services: +1}
	if c.Revise = secret.Services == 0; c.Revise && s.Delivers {
		c.Deliver, c.MaxSize = true, maxEntries
	}
	return c
}

// detach is one service less for a secret; with the last one its bundle goes.
func (s *Service) detach(secret Secret) Change {
	last := secret.Services == 1
	// What was delivered before there was no target waits for one.
	return Change{Secret: secret, Services: -1, Revise: last, Deliver: last && (s.Delivers || secret.Delivered > 0)}
}

// SecretInput is what a caller may say of a secret.
type SecretInput struct{ Name Field }

// ListSecrets returns a page of the caller's secrets, oldest first.
func (s *Service) ListSecrets(ctx context.Context, c Caller, from Cursor, size int) (Page[Secret], error) {
	found, count, err := s.Store.Secrets(ctx, c.AccountID, from, size+1)
	if err != nil {
		return Page[Secret]{}, fmt.Errorf("list secrets: %w", err)
	}
	return newPage(found, count, from, size, func(x Secret) uuid.UUID { return x.ID }), nil
}

// Secret returns one secret of the caller's.
func (s *Service) Secret(ctx context.Context, c Caller, secretID string) (Secret, error) {
	id, err := parseID(secretID)
	if err != nil {
		return Secret{}, err
	}
	secret, err := s.Store.Secret(ctx, c.AccountID, id)
	if err != nil {
		return Secret{}, fmt.Errorf("read secret: %w", err)
	}
	return secret, nil
}

// CreateSecret adds a secret. Its name is unique in the account.
func (s *Service) CreateSecret(ctx context.Context, c Caller, input func() (SecretInput, error)) (Secret, error) {
	in, err := input()
	if err != nil {
		return Secret{}, err
	}
	name, messages := in.Name.name()
	if len(messages) > 0 {
		return Secret{}, Invalid{{"name", messages}}
	}
	secret := Secret{AccountID: c.AccountID, ID: s.NewID(), Name: name, CreatedAt: s.now()}
	ev := s.event(c, secret.CreatedAt, SecretCreated, secret.ID)
	ev.Name = name
	err = s.Store.CreateSecret(ctx, secret, ev)
	if errors.Is(err, ErrExists) {
		return Secret{}, fault("name", msgSecretExists)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("create secret: %w", err)
	}
	return secret, nil
}

// UpdateSecret renames a secret, the default one too. A missing secret is told
// before a faulty input: input is asked for once the secret is known. What is
// not given stays; when nothing changes nothing is written.
func (s *Service) UpdateSecret(ctx context.Context, c Caller, secretID string, input func() (SecretInput, error)) (updated Secret, err error) {
	err = untilUnchanged(ctx, func() error {
		old, err := s.Secret(ctx, c, secretID)
		if err != nil {
			return err
		}
		in, err := input()
		if err != nil {
			return err
		}
		updated = old
		if in.Name.given {
			name, messages := in.Name.name()
			if len(messages) > 0 {
				return Invalid{{"name", messages}}
			}
			updated.Name = name
		}
		if updated == old {
			return nil
		}
		ev := s.event(c, s.now(), SecretUpdated, old.ID)
		ev.Name = updated.Name
		change := s.change(old)
		change.Name = updated.Name
		err = s.Store.RenameSecret(ctx, change, ev)
		if errors.Is(err, ErrExists) {
			return fault("name", msgSecretExists)
		}
		if err != nil {
			return fmt.Errorf("rename secret: %w", err)
		}
		return nil
	})
	return updated, err
}

// purgeTime is how long a deletion goes on to remove the secret's children while
// the caller waits; what remains is PurgeSecrets' to remove.
const purgeTime = 2 * time.Second

// namedUsers is how many services an InUse names.
const namedUsers = 5

// DeleteSecret removes a secret and everything in it. ErrDefaultSecret: the
// default secret stays. InUse: so does one that services use.
func (s *Service) DeleteSecret(ctx context.Context, c Caller, secretID string) error {
	var deleted Secret
	err := untilUnchanged(ctx, func() error {
		old, err := s.Secret(ctx, c, secretID)
		if err != nil {
			return err
		}
		if old.IsDefault {
			return ErrDefaultSecret
		}
		if old.Services > 0 {
			return s.inUse(ctx, old)
		}
		ev := s.event(c, s.now(), SecretDeleted, old.ID)
		ev.Name = old.Name
		if err := s.Store.DeleteSecret(ctx, old, ev); err != nil {
			return fmt.Errorf("delete secret: %w", err)
		}
		deleted = old
		return nil
	})
	if err != nil {
		return err
	}
	// The secret is gone for everybody already: a failure from here on is ours to
	// mend later, not the caller's.
	ctx, cancel := context.WithTimeout(ctx, purgeTime)
	defer cancel()
	if err := s.Store.Purge(ctx, Purge{AccountID: deleted.AccountID, SecretID: deleted.ID}); err != nil {
		s.Log.InfoContext(ctx, "secret left to purge-secrets", "secret_id", deleted.ID, "error", err)
	}
	return nil
}

// inUse names the services that use a secret; ErrChanged when none does any more.
func (s *Service) inUse(ctx context.Context, secret Secret) error {
	users, count, err := s.Store.Users(ctx, secret.AccountID, secret.ID, Cursor{}, namedUsers)
	if err != nil {
		return fmt.Errorf("list users: %w", err)
	}
	if len(users) == 0 {
		return ErrChanged
	}
	e := InUse{Services: max(count, len(users))} // the two were not read at one moment
	for _, w := range users {
		e.Names = append(e.Names, w.Name)
	}
	return e
}

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
	AccountID uuid.UUID
	ID        uuid.UUID
	Name      string
	IsDefault bool
	CreatedAt time.Time
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
		err = s.Store.RenameSecret(ctx, old, updated, ev)
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

// DeleteSecret removes a secret and everything in it. ErrDefaultSecret: the
// default secret stays.
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

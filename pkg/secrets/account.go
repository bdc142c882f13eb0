package secrets

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// defaultSecretName is the name of the secret that an account begins with.
const defaultSecretName = "Default"

// Account is a tenant.
type Account struct {
	ID              uuid.UUID
	Name            string
	DefaultSecretID uuid.UUID
	CreatedAt       time.Time
}

// NewAccount is what CreateAccount made. Key is the text of the first API key:
// it is nowhere else, and can't be had again.
type NewAccount struct {
	Account Account
	UserID  uuid.UUID
	KeyID   uuid.UUID
	Key     string
}

// CreateAccount makes an account with its default secret, first user and first
// key. Names of accounts are unique, so that a repeated call makes no second
// account: it is Invalid. This is an operator's operation; no route leads here.
func (s *Service) CreateAccount(ctx context.Context, name Field) (NewAccount, error) {
	trimmed, messages := name.name()
	if len(messages) > 0 {
		return NewAccount{}, Invalid{{"name", messages}}
	}
	key, err := newKey(s.Rand)
	if err != nil {
		return NewAccount{}, fmt.Errorf("make API key: %w", err)
	}
	hash, _ := hashKey(key)
	now := s.now()
	account := Account{ID: s.NewID(), Name: trimmed, DefaultSecretID: s.NewID(), CreatedAt: now}
	k := APIKey{ID: s.NewID(), AccountID: account.ID, UserID: s.NewID(), Hash: hash, CreatedAt: now}
	def := Secret{
		AccountID: account.ID, ID: account.DefaultSecretID, Name: defaultSecretName, IsDefault: true, CreatedAt: now,
	}
	ev := Event{
		ID: s.NewID(), AccountID: account.ID, At: now, Type: AccountCreated, SecretID: def.ID, Name: account.Name,
	}
	err = s.Store.CreateAccount(ctx, account, def, k, ev)
	if errors.Is(err, ErrExists) {
		return NewAccount{}, fault("name", "account with this name already exists.")
	}
	if err != nil {
		return NewAccount{}, fmt.Errorf("create account: %w", err)
	}
	return NewAccount{Account: account, UserID: k.UserID, KeyID: k.ID, Key: key}, nil
}

// Authenticate tells whose key this is, as it comes in an Authorization header:
// "Bearer gob_…", the scheme in any case. ErrUnauthenticated: nobody's.
func (s *Service) Authenticate(ctx context.Context, header string) (Caller, error) {
	c, err := s.authenticate(ctx, header)
	if errors.Is(err, ErrUnauthenticated) {
		s.Monitor.Denied(ctx)
	}
	return c, err
}

func (s *Service) authenticate(ctx context.Context, header string) (Caller, error) {
	scheme, key, _ := strings.Cut(header, " ")
	hash, ok := hashKey(strings.Trim(key, " "))
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return Caller{}, ErrUnauthenticated
	}
	k, err := s.Store.APIKey(ctx, hash)
	if errors.Is(err, ErrNotFound) {
		return Caller{}, ErrUnauthenticated
	}
	if err != nil {
		return Caller{}, fmt.Errorf("find API key: %w", err)
	}
	if !k.ExpiresAt.IsZero() && !s.Now().Before(k.ExpiresAt) {
		return Caller{}, ErrUnauthenticated
	}
	return Caller{AccountID: k.AccountID, UserID: k.UserID, KeyID: k.ID}, nil
}

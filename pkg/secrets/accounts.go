package secrets

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// defaultSecretName is the name of the secret that an account begins with.
const defaultSecretName = "Default"

// CreateAccount creates an account with its default secret, first user and first
// key. Account names are unique, so a repeated call returns Invalid instead of
// creating a second account. Only operators call it; it has no route.
func (m *Manager) CreateAccount(ctx context.Context, name Field) (NewAccount, error) {
	trimmed, messages := name.name()
	if len(messages) > 0 {
		return NewAccount{}, Invalid{{"name", messages}}
	}
	key, err := newKey(m.Rand)
	if err != nil {
		return NewAccount{}, fmt.Errorf("make API key: %w", err)
	}
	hash, _ := hashKey(key)
	now := m.now()
	account := Account{ID: m.NewID(), Name: trimmed, DefaultSecretID: m.NewID(), CreatedAt: now}
	k := APIKey{ID: m.NewID(), AccountID: account.ID, UserID: m.NewID(), Hash: hash, CreatedAt: now}
	def := Secret{
		AccountID: account.ID, ID: account.DefaultSecretID, Name: defaultSecretName, IsDefault: true, CreatedAt: now,
	}
	ev := Event{
		ID: m.NewID(), AccountID: account.ID, At: now, Type: AccountCreated, SecretID: def.ID, Name: account.Name,
	}
	err = m.Store.CreateAccount(ctx, account, def, k, ev)
	if errors.Is(err, ErrExists) {
		return NewAccount{}, fault("name", "account with this name already exists.")
	}
	if err != nil {
		return NewAccount{}, fmt.Errorf("create account: %w", err)
	}
	return NewAccount{Account: account, UserID: k.UserID, KeyID: k.ID, Key: key}, nil
}

// keyHashPrefix is how many bytes of a refused key's hash the log shows.
const keyHashPrefix = 4

// Authenticate identifies the owner of the key in an Authorization header:
// "Bearer gob_…", the scheme in any case. ErrUnauthenticated: the key is malformed,
// unknown or expired. A refusal is one line in the log; API Gateway tells an authorizer no address, but
// its access log has it, by request.
func (m *Manager) Authenticate(ctx context.Context, header string) (Caller, error) {
	c, err := m.authenticate(ctx, header)
	if errors.Is(err, ErrUnauthenticated) {
		m.Monitor.Denied(ctx)
	}
	return c, err
}

func (m *Manager) authenticate(ctx context.Context, header string) (Caller, error) {
	scheme, key, _ := strings.Cut(header, " ")
	hash, ok := hashKey(strings.Trim(key, " "))
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		m.Log.WarnContext(ctx, "key refused: not a key")
		return Caller{}, ErrUnauthenticated
	}
	// The prefix finds the same key in other lines, and a leaked key that is known. It opens nothing.
	prefix := hex.EncodeToString(hash[:keyHashPrefix])
	k, err := m.Store.APIKey(ctx, hash)
	if errors.Is(err, ErrNotFound) {
		m.Log.WarnContext(ctx, "key refused: unknown", "key_sha256", prefix)
		return Caller{}, ErrUnauthenticated
	}
	if err != nil {
		return Caller{}, fmt.Errorf("find API key: %w", err)
	}
	c := Caller{AccountID: k.AccountID, UserID: k.UserID, KeyID: k.ID}
	if !k.ExpiresAt.IsZero() && !m.Now().Before(k.ExpiresAt) {
		m.Log.WarnContext(ctx, "key refused: expired", append(c.attributes(), "key_sha256", prefix)...)
		return Caller{}, ErrUnauthenticated
	}
	return c, nil
}

package secrets

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// defaultSecretName is the name of the secret that an account begins with.
const defaultSecretName = "Default"

// Names of an account's first user and key. They can be changed.
const (
	firstUserName = "Admin"
	firstKeyName  = "First key"
)

// CreateAccount creates an account with its default secret, and a first user with every
// permission and a key. Account names are unique, so a repeated call returns Invalid instead of
// creating a second account. Only operators call it; it has no route.
func (m *Manager) CreateAccount(ctx context.Context, name Field) (NewAccount, error) {
	trimmed, messages := name.name()
	if len(messages) > 0 {
		return NewAccount{}, Invalid{{"name", messages}}
	}
	now := m.now()
	account := Account{ID: m.NewID(), Name: trimmed, DefaultSecretID: m.NewID(), CreatedAt: now}
	u := User{
		AccountID: account.ID, ID: m.NewID(), Kind: Person, Name: firstUserName, Rights: Rights{Permissions: Every}, CreatedAt: now,
	}
	k, err := m.newKey(u, firstKeyName, u.Rights)
	if err != nil {
		return NewAccount{}, err
	}
	u.Keys = append(u.Keys, k.ID)
	def := Secret{
		AccountID: account.ID, ID: account.DefaultSecretID, Name: defaultSecretName, IsDefault: true, CreatedAt: now,
	}
	ev := m.event(Caller{AccountID: account.ID}, now, AccountCreated, def.named())
	ev.SubjectUser, ev.SubjectKey = Named{u.ID, u.Name}, Named{k.ID, k.Name}
	ev.To = map[string]string{"name": account.Name, "permissions": u.Rights.Permissions.String()}
	err = m.Store.CreateAccount(ctx, account, def, u, m.RevealLimit, k.Key, ev)
	if errors.Is(err, ErrExists) {
		return NewAccount{}, fault("name", "account with this name already exists.")
	}
	if err != nil {
		return NewAccount{}, fmt.Errorf("create account: %w", err)
	}
	return NewAccount{Account: account, UserID: u.ID, KeyID: k.ID, Key: k.Text}, nil
}

const (
	keyHashPrefix = 4                      // bytes of a refused key's hash in the log
	stampEvery    = time.Minute            // how exact a key's last use is
	stampPatience = 100 * time.Millisecond // for the record of a key's use
)

// Authenticate identifies the owner of the key in an Authorization header:
// "Bearer gob_…", the scheme in any case, and what it may do. It records the key's use beside its reads, but
// never waits long for that nor fails because of it. ErrUnauthenticated: the key is malformed,
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
	place, err := m.Store.FindKey(ctx, hash)
	var k Key
	if err == nil {
		stamped := m.stampKey(ctx, place)
		k, err = m.Store.Key(ctx, place.AccountID, place.ID)
		stamped()
	}
	if isNotFound(err) {
		m.Log.WarnContext(ctx, "key refused: unknown", "key_sha256", prefix)
		return Caller{}, ErrUnauthenticated
	}
	if err != nil {
		return Caller{}, fmt.Errorf("find API key: %w", err)
	}
	c := k.caller(Caller{})
	if k.expired(m.Now()) {
		m.Log.WarnContext(ctx, "key refused: expired", append(c.attributes(), "key_sha256", prefix)...)
		return Caller{}, ErrUnauthenticated
	}
	return c, nil
}

// stampKey begins to record the use of a key. The result waits until that has ended, or for what is left
// of its patience.
func (m *Manager) stampKey(ctx context.Context, place KeyPlace) (wait func()) {
	ctx, cancel := context.WithTimeout(ctx, stampPatience)
	done := make(chan struct{})
	go func() {
		defer close(done)
		now := m.now()
		err := Guard(func() error { return m.Store.StampKey(ctx, place.AccountID, place.ID, now, now.Add(-stampEvery)) })
		if err != nil {
			m.Log.WarnContext(ctx, "use of a key not recorded", "key_id", place.ID, "error", err)
		}
	}()
	return func() {
		defer cancel()
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

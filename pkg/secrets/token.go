package secrets

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
)

// Token is the idempotency token of a request: a client sends the same key with each repetition. Zero: there is none.
type Token struct {
	Name string // hash of the key, which is not kept
	MAC  string // of the request, under the key
}

// NewToken makes the token of a request. Parts must say all that the request asks for.
func NewToken(key string, parts ...string) Token {
	name := sha256.Sum256([]byte(key))
	mac := hmac.New(sha256.New, []byte(key))
	for _, part := range parts {
		_, _ = fmt.Fprintf(mac, "%d:", len(part)) // a hash returns no error
		_, _ = io.WriteString(mac, part)
	}
	return Token{hex.EncodeToString(name[:]), hex.EncodeToString(mac.Sum(nil))}
}

// TokenTime is how long a repetition is recognized.
const TokenTime = 24 * time.Hour

// Answered is what is kept of a request that was done: what its event names.
type Answered struct {
	MAC   string
	Event Event // its time, and the ids, the items and the revision in it
}

// Tokens is the part of a [Store] that keeps what was done for idempotency tokens. A write whose event has a token
// keeps it in the same transaction. ErrRepeated: it is kept already.
type Tokens interface {
	// Answered reads what is kept for a token of a user. ErrNotFound: nothing, or it is too old at now.
	Answered(ctx context.Context, account, user uuid.UUID, name string, now time.Time) (Answered, error)
	// KeepAnswered keeps the token of an event of something that changed nothing.
	KeepAnswered(ctx context.Context, ev Event) error
}

// once does what a request asks for, unless it was done for the request's token before. Then again makes the answer from
// what the event of the first time names. Only what was done is kept: a repetition of what failed is a first try.
//
// ErrTokenReused: the token is that of another request.
func once[T any](ctx context.Context, m *Manager, c Caller, again func(first Event) (T, error), first func() (T, error)) (x T, err error) {
	if c.Token == (Token{}) {
		return first()
	}
	answered, err := m.Store.Answered(ctx, c.AccountID, c.UserID, c.Token.Name, m.now())
	if isNotFound(err) {
		var failure error
		if x, failure = first(); failure == nil {
			return x, nil
		}
		// The same request may have been done meanwhile, or this one without an answer: then it failed because it is done.
		if answered, err = m.Store.Answered(ctx, c.AccountID, c.UserID, c.Token.Name, m.now()); isNotFound(err) {
			return x, failure
		}
	}
	if err != nil {
		return x, fmt.Errorf("read idempotency token: %w", err)
	}
	if !hmac.Equal([]byte(answered.MAC), []byte(c.Token.MAC)) {
		return x, ErrTokenReused
	}
	x, err = again(answered.Event)
	if isNotFound(err) {
		err = ErrAnswered
	}
	return x, err
}

// unchanged allows a repetition to show an object as it is now: to a caller that may list, or if it has not changed.
func (c Caller) unchanged(isUnchanged bool) error {
	if !isUnchanged && c.permits(List) != nil {
		return ErrAnswered
	}
	return nil
}

// onlyReads ends a request that found nothing to do: its answer only reads. It keeps the request's token, if there is one.
func (m *Manager) onlyReads(ctx context.Context, c Caller, ev Event) error {
	if err := c.permits(List); err != nil || ev.Token == (Token{}) {
		return err
	}
	if err := m.Store.KeepAnswered(ctx, ev); err != nil {
		return fmt.Errorf("keep idempotency token: %w", err)
	}
	return nil
}

// The answers of repeated requests, of the objects as they are now.

func (m *Manager) itemAgain(ctx context.Context, c Caller) func(first Event) (Item, error) {
	return func(first Event) (Item, error) {
		secret, it, err := m.Store.Item(ctx, c.AccountID, first.Secret.ID, first.Item.ID)
		if err != nil {
			return Item{}, fmt.Errorf("read item: %w", err)
		}
		return it.readBy(secret.Exported), c.unchanged(it.Revision == first.Revision)
	}
}

func (m *Manager) secretAgain(ctx context.Context, c Caller) func(first Event) (Secret, error) {
	return func(first Event) (Secret, error) {
		s, err := m.readSecret(ctx, c, first.Secret.ID)
		if err != nil {
			return Secret{}, err
		}
		return s, c.unchanged(s.Revision == first.Revision)
	}
}

func (m *Manager) serviceAgain(ctx context.Context, c Caller) func(first Event) (Service, error) {
	return func(first Event) (Service, error) {
		s, err := m.readService(ctx, c, first.Service.ID)
		if err != nil {
			return Service{}, err
		}
		return s, c.unchanged(s.Version == first.Revision)
	}
}

func (m *Manager) userAgain(ctx context.Context, c Caller) func(first Event) (User, error) {
	return func(first Event) (User, error) { return m.readUser(ctx, c, first.SubjectUser.ID) }
}

// keyAgain refuses: the text of a key is shown once, and not kept.
func keyAgain(first Event) (NewKey, error) { return NewKey{}, KeyMade{first.SubjectKey.ID} }

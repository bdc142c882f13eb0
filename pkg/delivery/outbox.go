package delivery

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Entry is a secret in the outbox: its newest change waits for delivery, or its bundle
// for removal. A secret has at most one entry; a newer change replaces it.
type Entry struct {
	AccountID  uuid.UUID
	SecretID   uuid.UUID
	Change     uuid.UUID // id of the event of the change
	At         time.Time // of the change
	Bundle     string    // name of the bundle when the entry was put; empty: there was none
	Background bool      // no caller waits for it: a requeue of all or a look has put it
}

// Outbox is a transactional outbox: the transaction of a change puts the entry, and the
// entry stays until it is acknowledged. Delivery is at least once.
type Outbox interface {
	// Entry returns the entry of a secret. ErrNotFound: it has none.
	Entry(ctx context.Context, account, secret uuid.UUID) (Entry, error)
	// Entries lists the entries of all accounts.
	Entries(ctx context.Context) ([]Entry, error)
	// PutEntry puts an entry, and replaces the secret's previous one.
	PutEntry(ctx context.Context, e Entry) error
	// Enqueue puts an entry unless the secret has one.
	Enqueue(ctx context.Context, e Entry) error
	// Requeue makes the stream emit the secret's entry again. Without an entry it does
	// nothing.
	Requeue(ctx context.Context, e Entry) error
	// Acknowledge removes an entry. ErrChanged: a newer entry replaced it, and stays.
	Acknowledge(ctx context.Context, e Entry) error
}

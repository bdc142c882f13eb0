package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// Sweeper requeues outbox entries. It needs no target: the stream's consumer delivers.
// All fields are required.
type Sweeper struct {
	Store SweepStore
	Now   func() time.Time
	NewID func() uuid.UUID // version 7
}

// SweepStore is what a [Sweeper] reads and writes.
type SweepStore interface {
	Outbox
	secrets.Events
	// AccountIDs lists all accounts.
	AccountIDs(ctx context.Context) ([]uuid.UUID, error)
	// Secrets reads a page of an account's secrets; see [secrets.Secrets].
	Secrets(ctx context.Context, account uuid.UUID, from secrets.Cursor, limit int) (found []secrets.Secret, count int, err error)
}

// Sweep requeues every outbox entry and returns their number. With all it first puts an
// entry for each secret that a service uses or that was delivered, and an event for each account that
// has one. The target then becomes what the table says, whatever happened to either.
func (s *Sweeper) Sweep(ctx context.Context, all bool) (requeued int, err error) {
	if all {
		if err := s.putAll(ctx); err != nil {
			return 0, err
		}
	}
	entries, err := s.Store.Entries(ctx)
	if err != nil {
		return 0, fmt.Errorf("list outbox: %w", err)
	}
	for _, e := range entries {
		if err := s.Store.Requeue(ctx, e); err != nil {
			return 0, fmt.Errorf("requeue secret %s: %w", e.SecretID, err)
		}
	}
	return len(entries), nil
}

func (s *Sweeper) putAll(ctx context.Context) error {
	accounts, err := s.Store.AccountIDs(ctx)
	if err != nil {
		return fmt.Errorf("list accounts: %w", err)
	}
	for _, account := range accounts {
		const pageSize = 1000
		recorded := false
		for from := (secrets.Cursor{}); ; {
			found, _, err := s.Store.Secrets(ctx, account, from, pageSize)
			if err != nil {
				return fmt.Errorf("list secrets: %w", err)
			}
			for _, secret := range found {
				if secret.Services == 0 && secret.Delivered == 0 {
					continue
				}
				at := s.Now().UTC().Truncate(time.Microsecond)
				if !recorded {
					ev := secrets.Event{ID: s.NewID(), AccountID: account, At: at, Type: secrets.AccountRequeued}
					if err := s.Store.AppendEvent(ctx, ev); err != nil {
						return fmt.Errorf("record the requeue: %w", err)
					}
					recorded = true
				}
				e := Entry{AccountID: account, SecretID: secret.ID, Change: s.NewID(), At: at}
				if err := s.Store.PutEntry(ctx, e); err != nil {
					return fmt.Errorf("put outbox entry of secret %s: %w", secret.ID, err)
				}
			}
			if len(found) < pageSize {
				break
			}
			from = secrets.Cursor{ID: found[len(found)-1].ID}
		}
	}
	return nil
}

package secrets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// PurgeSecrets removes for good what is due in the bin, and returns the number of finished purges. One failing purge
// must not block the others.
func (m *Manager) PurgeSecrets(ctx context.Context) (finished int, err error) {
	purges, err := m.Store.Purges(ctx, m.now())
	if err != nil {
		return 0, fmt.Errorf("list purges: %w", err)
	}
	var failed []error
	for _, p := range purges {
		if err := m.purge(ctx, p); err != nil {
			failed = append(failed, fmt.Errorf("purge secret %s: %w", p.SecretID, err))
			continue
		}
		finished++
	}
	return finished, errors.Join(failed...)
}

// purgeTime limits how long a permanent deletion removes while the caller waits. PurgeSecrets removes the rest.
const purgeTime = 2 * time.Second

// beginPurge removes what a deletion left, if it is due. It is gone for every caller already, so a failure is not the
// caller's.
func (m *Manager) beginPurge(ctx context.Context, p Purge) {
	if p.Due.After(m.now()) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, purgeTime)
	defer cancel()
	if err := m.purge(ctx, p); err != nil {
		m.Log.InfoContext(ctx, "left to purge-secrets", "secret_id", p.SecretID, "error", err)
	}
}

// purge claims, removes, and says so in an event. What was restored meanwhile it leaves alone. After a crash at any
// step, the next call goes on.
func (m *Manager) purge(ctx context.Context, p Purge) error {
	objects := p.Items
	if len(objects) == 0 {
		objects = []uuid.UUID{uuid.Nil} // the secret
	}
	for _, item := range objects {
		secret, it, err := m.Store.ClaimPurged(ctx, p, item)
		if errors.Is(err, ErrChanged) {
			continue
		}
		if err != nil {
			return fmt.Errorf("claim: %w", err)
		}
		if err := m.Store.RemoveChildren(ctx, p, item); err != nil {
			return fmt.Errorf("remove: %w", err)
		}
		action := SecretPurged
		if item != uuid.Nil {
			action = ItemPurged
		}
		ev := Event{
			ID: NewEventID(m.now(), m.NewID()), AccountID: p.AccountID, Action: action, Outcome: OutcomeAllowed, Secret: secret, Item: it,
		}
		if err := m.Store.EndPurged(ctx, p, item, ev); err != nil && !errors.Is(err, ErrChanged) {
			return fmt.Errorf("record: %w", err)
		}
	}
	if err := m.Store.EndPurge(ctx, p); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	return nil
}

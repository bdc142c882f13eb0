package secrets

import (
	"context"
	"errors"
	"fmt"
)

// PurgeSecrets removes the children that deletions left, and returns the number of
// finished secrets. One failing secret must not block the others.
func (m *Manager) PurgeSecrets(ctx context.Context) (finished int, err error) {
	purges, err := m.Store.Purges(ctx)
	if err != nil {
		return 0, fmt.Errorf("list purges: %w", err)
	}
	var failed []error
	for _, p := range purges {
		if err := m.Store.Purge(ctx, p); err != nil {
			failed = append(failed, fmt.Errorf("purge secret %s: %w", p.SecretID, err))
			continue
		}
		finished++
	}
	return finished, errors.Join(failed...)
}

package secrets

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Purge is a deleted secret whose children are not all gone yet.
type Purge struct {
	AccountID uuid.UUID
	SecretID  uuid.UUID
}

// PurgeSecrets finishes what deletions left, and returns how many secrets it
// finished. One that fails does not keep it from the others.
func (s *Service) PurgeSecrets(ctx context.Context) (finished int, err error) {
	purges, err := s.Store.Purges(ctx)
	if err != nil {
		return 0, fmt.Errorf("list purges: %w", err)
	}
	var failed []error
	for _, p := range purges {
		if err := s.Store.Purge(ctx, p); err != nil {
			failed = append(failed, fmt.Errorf("purge secret %s: %w", p.SecretID, err))
			continue
		}
		finished++
	}
	return finished, errors.Join(failed...)
}

package dynamo

import (
	"context"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// CreateCounter, SetOwnLimit and DeleteCounter do alone what transactions on users do with the read counter. They
// return ErrChanged if the counter exists already, or is missing.

func (s *Store) CreateCounter(ctx context.Context, account, user uuid.UUID, limit, own int) error {
	return s.transactOnce(ctx, uuid.New(), s.put(newCounter(account, user, limit, own), secrets.ErrChanged))
}

func (s *Store) SetOwnLimit(ctx context.Context, account, user uuid.UUID, own int) error {
	return s.transactOnce(ctx, uuid.New(), s.ownLimit(account, user, own))
}

func (s *Store) DeleteCounter(ctx context.Context, account, user uuid.UUID) error {
	return s.transactOnce(ctx, uuid.New(), s.removeCounter(account, user))
}

package dynamo

import (
	"context"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/pkg/secrets"
)

// Secret implements secrets.Secrets.
func (s *Store) Secret(ctx context.Context, account, secret uuid.UUID) (secrets.Secret, error) {
	row, err := get[secretRow](ctx, s, secretKey(account, secret))
	if err != nil {
		return secrets.Secret{}, err
	}
	return row.secret()
}

// Secrets implements secrets.Secrets.
func (s *Store) Secrets(ctx context.Context, account uuid.UUID, from secrets.Cursor, limit int) ([]secrets.Secret, int, error) {
	return list(ctx,
		func(ctx context.Context) (int, error) {
			row, err := get[accountRow](ctx, s, accountKey(account))
			return row.Secrets, err
		},
		func(ctx context.Context) ([]secretRow, error) {
			return page[secretRow](ctx, s, accountPK(account), secretPrefix, from, limit)
		},
		secretRow.secret)
}

// list counts and reads at once, and converts what was read.
func list[R, T any](ctx context.Context, count func(context.Context) (int, error), read func(context.Context) ([]R, error), convert func(R) (T, error)) (found []T, n int, err error) {
	var rows []R
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { n, err = count(ctx); return err })
	g.Go(func() (err error) { rows, err = read(ctx); return err })
	if err := g.Wait(); err != nil {
		return nil, 0, err
	}
	found = make([]T, len(rows))
	for i, row := range rows {
		if found[i], err = convert(row); err != nil {
			return nil, 0, err
		}
	}
	return found, n, nil
}

// CreateSecret implements secrets.Secrets.
func (s *Store) CreateSecret(ctx context.Context, x secrets.Secret, ev secrets.Event) error {
	return s.transact(ctx, ev,
		s.put(markerRow{secretNameKey(x.AccountID, x.Name), x.ID.String()}, secrets.ErrExists),
		s.put(newSecretRow(x), secrets.ErrChanged),
		s.count(accountKey(x.AccountID), "secrets", +1, secrets.ErrNotFound),
	)
}

// RenameSecret implements secrets.Secrets.
func (s *Store) RenameSecret(ctx context.Context, old, renamed secrets.Secret, ev secrets.Event) error {
	return s.transact(ctx, ev,
		s.update(secretKey(old.AccountID, old.ID), "SET #name = :new", "#name = :old",
			nameAttribute, attributes{":old": text(old.Name), ":new": text(renamed.Name)}, secrets.ErrChanged),
		s.removeOwned(secretNameKey(old.AccountID, old.Name), old.ID),
		s.put(markerRow{secretNameKey(old.AccountID, renamed.Name), old.ID.String()}, secrets.ErrExists),
	)
}

// DeleteSecret implements secrets.Secrets.
func (s *Store) DeleteSecret(ctx context.Context, old secrets.Secret, ev secrets.Event) error {
	return s.transact(ctx, ev,
		s.remove(secretKey(old.AccountID, old.ID), "#name = :old",
			nameAttribute, attributes{":old": text(old.Name)}, secrets.ErrChanged),
		s.removeOwned(secretNameKey(old.AccountID, old.Name), old.ID),
		s.count(accountKey(old.AccountID), "secrets", -1, secrets.ErrChanged),
		s.put(purgeKey(secrets.Purge{AccountID: old.AccountID, SecretID: old.ID}), secrets.ErrChanged),
	)
}

// nameAttribute: "name" is a reserved word.
var nameAttribute = map[string]string{"#name": "name"}

package dynamo

import (
	"context"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// CreateAccount implements secrets.Accounts.
func (s *Store) CreateAccount(ctx context.Context, a secrets.Account, def secrets.Secret, k secrets.APIKey, ev secrets.Event) error {
	return s.transact(ctx, ev,
		s.put(markerRow{accountNameKey(a.Name), a.ID.String()}, secrets.ErrExists),
		s.put(accountRow{
			key: accountKey(a.ID), Name: a.Name, DefaultSecretID: a.DefaultSecretID.String(), Secrets: 1,
			CreatedAt: timeText(a.CreatedAt),
		}, secrets.ErrChanged),
		s.put(accountsKey(a.ID), secrets.ErrChanged),
		s.put(newSecretRow(def), secrets.ErrChanged),
		s.put(markerRow{secretNameKey(a.ID, def.Name), def.ID.String()}, secrets.ErrChanged),
		s.put(newAPIKeyRow(k), secrets.ErrChanged),
	)
}

// Account implements secrets.Accounts.
func (s *Store) Account(ctx context.Context, account uuid.UUID) (secrets.Account, error) {
	row, err := get[accountRow](ctx, s, accountKey(account))
	if err != nil {
		return secrets.Account{}, err
	}
	var p parser
	a := secrets.Account{ID: account, Name: row.Name, DefaultSecretID: p.id(row.DefaultSecretID), CreatedAt: p.time(row.CreatedAt)}
	return a, p.err
}

// Accounts implements secrets.Accounts.
func (s *Store) Accounts(ctx context.Context) ([]uuid.UUID, error) {
	return partition(ctx, s, accountsPK, func(k key) (uuid.UUID, error) {
		return uuid.Parse(k.SK)
	})
}

// APIKey implements secrets.Accounts.
func (s *Store) APIKey(ctx context.Context, h secrets.KeyHash) (secrets.APIKey, error) {
	row, err := get[apiKeyRow](ctx, s, apiKeyKey(h))
	if err != nil {
		return secrets.APIKey{}, err
	}
	return row.apiKey(h)
}

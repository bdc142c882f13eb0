package dynamo

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// CreateAccount implements secrets.Accounts.
func (s *Store) CreateAccount(ctx context.Context, a secrets.Account, def secrets.Secret, u secrets.User, limit int, k secrets.Key, ev secrets.Event) error {
	return s.transact(ctx, ev,
		s.put(markerRow{accountNameKey(a.Name), a.ID.String()}, secrets.ErrExists),
		s.put(accountRow{
			key: accountKey(a.ID), Name: a.Name, DefaultSecretID: a.DefaultSecretID.String(), Secrets: 1,
			CreatedAt: timeText(a.CreatedAt),
		}, secrets.ErrChanged),
		s.put(accountsRow{accountsKey(a.ID), tableFormat}, secrets.ErrChanged),
		s.put(newSecretRow(def), secrets.ErrChanged),
		s.put(markerRow{secretNameKey(a.ID, def.Name), def.ID.String()}, secrets.ErrChanged),
		s.put(peopleRow{key: peopleKey(a.ID), Users: 1, Keys: 1, Admins: 1}, secrets.ErrChanged),
		s.put(newUserRow(u), secrets.ErrChanged),
		s.put(newCounter(a.ID, u.ID, limit, u.RevealLimit), secrets.ErrChanged),
		s.put(newKeyRow(k), secrets.ErrChanged),
		s.put(pointerRow{apiKeyKey(k.Hash), k.AccountID.String(), k.ID.String()}, secrets.ErrChanged),
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

// tableFormat is the format of the rows that this version reads and writes. Each account
// carries the format that it was created in.
const tableFormat = 6

// CheckFormat refuses a table of another format. An empty table has any format. It costs
// one Query of one row.
func (s *Store) CheckFormat(ctx context.Context) error {
	in := s.allOf(accountsPK)
	in.Limit = aws.Int32(1)
	out, err := s.client.Query(ctx, in)
	if err != nil {
		return translate("Query", err)
	}
	for _, item := range out.Items {
		row, err := unmarshal[accountsRow](item)
		if err != nil {
			return err
		}
		if row.Format != tableFormat {
			return fmt.Errorf("the table %s was made by another version of Goblins Secrets, which this version does not take over: "+
				"use a new table", s.table)
		}
	}
	return nil
}

// AccountNamed implements secrets.Accounts.
func (s *Store) AccountNamed(ctx context.Context, name string) (uuid.UUID, error) {
	row, err := get[markerRow](ctx, s, accountNameKey(name))
	if err != nil {
		return uuid.Nil, err
	}
	var p parser
	return p.id(row.Owner), p.err
}

// AccountIDs implements secrets.Accounts.
func (s *Store) AccountIDs(ctx context.Context) ([]uuid.UUID, error) {
	return partition(ctx, s, accountsPK, func(k key) (uuid.UUID, error) {
		var p parser
		return p.id(k.SK), p.err
	})
}

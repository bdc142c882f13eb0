package dynamo

import (
	"context"
	"strings"

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
func (s *Store) RenameSecret(ctx context.Context, c secrets.Change, ev secrets.Event) error {
	old := c.Secret
	return s.transact(ctx, ev, append(s.change(c, ev),
		s.removeOwned(secretNameKey(old.AccountID, old.Name), old.ID),
		s.put(markerRow{secretNameKey(old.AccountID, c.Name), old.ID.String()}, secrets.ErrExists),
	)...)
}

// change is what a write does to a secret's row, and to the list of what waits for its
// delivery. The row's conditions are what the change rests on.
func (s *Store) change(c secrets.Change, ev secrets.Event) []write {
	names := map[string]string{"#services": "services"}
	values := attributes{}
	add := func(to []string, name string, n int) []string {
		if n == 0 {
			return to
		}
		names["#"+name], values[":"+name] = name, number(int64(n))
		return append(to, "#"+name+" :"+name)
	}
	var sums, conditions []string
	sums = add(sums, "items", c.Items)
	sums = add(sums, "size", c.Size)
	sums = add(sums, "services", c.Services)
	if c.Revise {
		sums = add(sums, "revision", 1)
	}
	update := "ADD " + strings.Join(sums, ", ")
	if c.Name != "" {
		names["#name"], values[":old"], values[":new"] = "name", text(c.Secret.Name), text(c.Name)
		update += " SET #name = :new"
		conditions = append(conditions, "#name = :old")
	}
	// Whether services use it, and whether one that goes is the last.
	switch {
	case c.Secret.Services == 0:
		values[":zero"] = number(0)
		conditions = append(conditions, "attribute_exists(PK)", "(attribute_not_exists(#services) OR #services = :zero)")
	case c.Secret.Services+c.Services == 0:
		values[":used"] = number(int64(c.Secret.Services))
		conditions = append(conditions, "#services = :used")
	default:
		values[":used"] = number(int64(max(0, -c.Services)))
		conditions = append(conditions, "#services > :used")
	}
	if c.MaxSize > 0 {
		names["#size"], values[":room"] = "size", number(int64(c.MaxSize-c.Size))
		conditions = append(conditions, "(attribute_not_exists(#size) OR #size <= :room)")
	}
	k := secretKey(c.Secret.AccountID, c.Secret.ID)
	writes := []write{s.update(k, update, strings.Join(conditions, " AND "), names, values, secrets.ErrChanged)}
	if c.Deliver {
		writes = append(writes, s.set(newUndeliveredRow(secrets.Undelivered{
			AccountID: c.Secret.AccountID, SecretID: c.Secret.ID, Change: ev.ID, At: ev.At,
		})))
	}
	return writes
}

// DeleteSecret implements secrets.Secrets.
func (s *Store) DeleteSecret(ctx context.Context, old secrets.Secret, ev secrets.Event) error {
	return s.transact(ctx, ev,
		s.remove(secretKey(old.AccountID, old.ID), "#name = :old AND (attribute_not_exists(services) OR services = :zero)",
			nameAttribute, attributes{":old": text(old.Name), ":zero": number(0)}, secrets.ErrChanged),
		s.removeOwned(secretNameKey(old.AccountID, old.Name), old.ID),
		s.count(accountKey(old.AccountID), "secrets", -1, secrets.ErrChanged),
		s.put(purgeKey(secrets.Purge{AccountID: old.AccountID, SecretID: old.ID}), secrets.ErrChanged),
	)
}

// nameAttribute: "name" is a reserved word.
var nameAttribute = map[string]string{"#name": "name"}

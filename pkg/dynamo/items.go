package dynamo

import (
	"context"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/pkg/secrets"
)

// Item implements secrets.Items.
func (s *Store) Item(ctx context.Context, account, secret, item uuid.UUID) (secrets.Item, error) {
	var row itemRow
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { _, err := get[secretRow](ctx, s, secretKey(account, secret)); return err })
	g.Go(func() (err error) { row, err = get[itemRow](ctx, s, itemKey(account, secret, item)); return err })
	if err := g.Wait(); err != nil {
		return secrets.Item{}, err
	}
	return row.item()
}

// Items implements secrets.Items.
func (s *Store) Items(ctx context.Context, account, secret uuid.UUID, from secrets.Cursor, limit int) ([]secrets.Item, int, error) {
	return list(ctx,
		func(ctx context.Context) (int, error) {
			row, err := get[secretRow](ctx, s, secretKey(account, secret))
			return row.Items, err
		},
		func(ctx context.Context) ([]itemRow, error) {
			return page[itemRow](ctx, s, secretPK(account, secret), itemPrefix, from, limit)
		},
		itemRow.item)
}

// CreateItem implements secrets.Items.
func (s *Store) CreateItem(ctx context.Context, it secrets.Item, sealed []byte, ev secrets.Event) error {
	return s.transact(ctx, ev,
		s.count(secretKey(it.AccountID, it.SecretID), "items", +1, secrets.ErrNotFound),
		s.put(markerRow{itemKeyKey(it.AccountID, it.SecretID, it.Key), it.ID.String()}, secrets.ErrExists),
		s.put(newItemRow(it), secrets.ErrChanged),
		s.put(newValueRow(it, sealed), secrets.ErrChanged),
	)
}

// UpdateItem implements secrets.Items.
func (s *Store) UpdateItem(ctx context.Context, old, updated secrets.Item, sealed []byte, ev secrets.Event) error {
	writes := []write{
		s.check(secretKey(old.AccountID, old.SecretID), secrets.ErrNotFound),
		s.update(itemKey(old.AccountID, old.SecretID, old.ID),
			"SET #key = :key, version = :version, updated_at = :at",
			"#key = :old AND version = :read",
			keyAttribute, attributes{
				":old": text(old.Key), ":read": number(old.Version),
				":key": text(updated.Key), ":version": number(updated.Version), ":at": text(timeText(updated.UpdatedAt)),
			}, secrets.ErrChanged),
	}
	if updated.Version != old.Version {
		writes = append(writes, s.replace(newValueRow(updated, sealed), "version = :read",
			attributes{":read": number(old.Version)}, secrets.ErrChanged))
	}
	if updated.Key != old.Key {
		writes = append(writes,
			s.removeOwned(itemKeyKey(old.AccountID, old.SecretID, old.Key), old.ID),
			s.put(markerRow{itemKeyKey(old.AccountID, old.SecretID, updated.Key), old.ID.String()}, secrets.ErrExists))
	}
	return s.transact(ctx, ev, writes...)
}

// DeleteItem implements secrets.Items.
func (s *Store) DeleteItem(ctx context.Context, old secrets.Item, ev secrets.Event) error {
	return s.transact(ctx, ev,
		s.count(secretKey(old.AccountID, old.SecretID), "items", -1, secrets.ErrNotFound),
		s.remove(itemKey(old.AccountID, old.SecretID, old.ID), "#key = :old",
			keyAttribute, attributes{":old": text(old.Key)}, secrets.ErrChanged),
		s.removeOwned(itemKeyKey(old.AccountID, old.SecretID, old.Key), old.ID),
		s.remove(valueKey(old.AccountID, old.SecretID, old.ID), "attribute_exists(PK)", nil, nil, secrets.ErrChanged),
	)
}

func newValueRow(it secrets.Item, sealed []byte) valueRow {
	return valueRow{valueKey(it.AccountID, it.SecretID, it.ID), it.Version, sealed}
}

// keyAttribute: "key" is a reserved word.
var keyAttribute = map[string]string{"#key": "key"}

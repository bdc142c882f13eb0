package dynamo

import (
	"context"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/pkg/secrets"
)

// Item implements secrets.Items.
func (s *Store) Item(ctx context.Context, account, secret, item uuid.UUID) (secrets.Secret, secrets.Item, error) {
	var parent secrets.Secret
	var it secrets.Item
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { parent, err = s.Secret(ctx, account, secret); return err })
	g.Go(func() error {
		row, err := get[itemRow](ctx, s, itemKey(account, secret, item))
		if err != nil {
			return err
		}
		it, err = row.item()
		return err
	})
	return parent, it, g.Wait()
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

// ItemsWithKey implements secrets.Items.
func (s *Store) ItemsWithKey(ctx context.Context, account, secret uuid.UUID, text string) (found []secrets.Item, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { _, err := get[secretRow](ctx, s, secretKey(account, secret)); return err })
	g.Go(func() (err error) {
		found, err = owned(ctx, s, itemKeyKey(account, secret, text),
			func(id uuid.UUID) key { return itemKey(account, secret, id) },
			itemRow.item, func(x secrets.Item) bool { return x.Key == text })
		return err
	})
	err = g.Wait()
	return found, err
}

// CreateItem implements secrets.Items.
func (s *Store) CreateItem(ctx context.Context, c secrets.Change, it secrets.Item, sealed []byte, ev secrets.Event) error {
	return s.transact(ctx, ev, append(s.change(c, ev),
		s.put(markerRow{itemKeyKey(it.AccountID, it.SecretID, it.Key), it.ID.String()}, secrets.ErrExists),
		s.put(newItemRow(it), secrets.ErrChanged),
		s.put(newValueRow(it, sealed), secrets.ErrChanged),
	)...)
}

// UpdateItem implements secrets.Items.
func (s *Store) UpdateItem(ctx context.Context, c secrets.Change, old, updated secrets.Item, sealed []byte, ev secrets.Event) error {
	writes := append(s.change(c, ev),
		s.update(itemKey(old.AccountID, old.SecretID, old.ID),
			"SET #key = :key, version = :version, #size = :size, updated_at = :at, value_at = :value",
			"#key = :old AND version = :read",
			map[string]string{"#key": "key", "#size": "size"}, attributes{
				":old": text(old.Key), ":read": number(old.Version), ":size": number(int64(updated.Size)),
				":key": text(updated.Key), ":version": number(updated.Version), ":at": text(timeText(updated.UpdatedAt)),
				":value": text(timeText(updated.ValueAt)),
			}, secrets.ErrChanged))
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
func (s *Store) DeleteItem(ctx context.Context, c secrets.Change, old secrets.Item, ev secrets.Event) error {
	return s.transact(ctx, ev, append(s.change(c, ev),
		s.remove(itemKey(old.AccountID, old.SecretID, old.ID), "#key = :old AND version = :read",
			map[string]string{"#key": "key"}, attributes{":old": text(old.Key), ":read": number(old.Version)}, secrets.ErrChanged),
		s.removeOwned(itemKeyKey(old.AccountID, old.SecretID, old.Key), old.ID),
		s.remove(valueKey(old.AccountID, old.SecretID, old.ID), "attribute_exists(PK)", nil, nil, secrets.ErrChanged),
	)...)
}

func newValueRow(it secrets.Item, sealed []byte) valueRow {
	return valueRow{valueKey(it.AccountID, it.SecretID, it.ID), it.Version, sealed}
}

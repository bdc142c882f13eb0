package secrets

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

const msgItemExists = "secret item with this key already exists."

// ListItems returns a page of a secret's items, oldest first. If a key is given, the page holds only the
// item with that key. It reads no values, neither sealed nor open.
func (m *Manager) ListItems(ctx context.Context, c Caller, secretID string, key Field, from Cursor, size int) (Page[Item], error) {
	on, err := m.gate(ctx, c, List, ofSecret(secretID))
	if err != nil {
		return Page[Item]{}, err
	}
	if key.given {
		text, messages := key.key()
		if len(messages) > 0 {
			return Page[Item]{}, Invalid{{"key", messages}}
		}
		return only(m.Store.ItemsWithKey(ctx, c.AccountID, on.secret, text))
	}
	found, count, err := m.Store.Items(ctx, c.AccountID, on.secret, from, size+1)
	if err != nil {
		return Page[Item]{}, fmt.Errorf("list items: %w", err)
	}
	return newPage(found, count, from, size, func(x Item) uuid.UUID { return x.ID }), nil
}

// CreateItem adds an item to a secret. Its key is unique in the secret. A missing
// secret is reported before invalid input.
func (m *Manager) CreateItem(ctx context.Context, c Caller, secretID string, in ItemInput) (created Item, err error) {
	on, err := m.gate(ctx, c, Write, ofSecret(secretID))
	if err != nil {
		return Item{}, err
	}
	err = retryChanged(ctx, func() error {
		secret, err := m.readSecret(ctx, c, on.secret)
		if err != nil {
			return err
		}
		key, value, err := m.checkItem(ctx, in, Item{AccountID: c.AccountID, SecretID: secret.ID})
		if err != nil {
			return err
		}
		now := m.now()
		created = Item{
			AccountID: c.AccountID, SecretID: secret.ID, ID: m.NewID(), Key: key, Version: 1,
			Size: entrySize(key, value), CreatedAt: now, UpdatedAt: now, ValueAt: now,
		}
		change := m.resize(secret, created.Size)
		change.Items, change.MaxItems = 1, m.Quotas.Items
		if change.full() {
			return full("secret", m.Quotas.Items, "items")
		}
		if !change.fits() {
			return m.bundleFull("value")
		}
		sealed, err := m.seal(ctx, created, value)
		if err != nil {
			return err
		}
		err = m.Store.CreateItem(ctx, change, created, sealed, m.itemEvent(c, now, ItemCreated, secret, created))
		if errors.Is(err, ErrExists) {
			return fault("key", msgItemExists)
		}
		if err != nil {
			return fmt.Errorf("create item: %w", err)
		}
		return nil
	})
	return created, err
}

// UpdateItem changes an item's key, its value, or both. A new value is a new version
// and replaces the old one. A missing item is reported before invalid input. Fields
// that are not given keep their values, and an update that changes nothing writes
// nothing.
func (m *Manager) UpdateItem(ctx context.Context, c Caller, secretID, itemID string, in ItemInput) (updated Item, err error) {
	on, err := m.gate(ctx, c, Write, ofItem(secretID, itemID))
	if err != nil {
		return Item{}, err
	}
	err = retryChanged(ctx, func() error {
		secret, old, err := m.Store.Item(ctx, c.AccountID, on.secret, on.item)
		if err != nil {
			return fmt.Errorf("read item: %w", err)
		}
		key, value, err := m.checkItem(ctx, in, old)
		if err != nil {
			return err
		}
		updated = old
		updated.Key = key
		updated.Size += len(key) - len(old.Key)
		if in.Value.given {
			updated.Version++
			updated.Size = entrySize(key, value)
		}
		if updated == old {
			return c.permits(List) // the answer would only read
		}
		change := m.resize(secret, updated.Size-old.Size)
		if !change.fits() {
			return m.bundleFull(in.growing())
		}
		var sealed []byte
		if in.Value.given {
			if sealed, err = m.seal(ctx, updated, value); err != nil {
				return err
			}
		}
		updated.UpdatedAt = m.now()
		if in.Value.given {
			updated.ValueAt = updated.UpdatedAt
		}
		ev := m.itemEvent(c, updated.UpdatedAt, ItemUpdated, secret, updated).
			changes(map[string]string{"key": old.Key}, map[string]string{"key": updated.Key})
		if in.Value.given {
			ev.Changed = append(ev.Changed, "value")
		}
		err = m.Store.UpdateItem(ctx, change, old, updated, sealed, ev)
		if errors.Is(err, ErrExists) {
			return fault("key", msgItemExists)
		}
		if err != nil {
			return fmt.Errorf("update item: %w", err)
		}
		return nil
	})
	return updated, err
}

// DeleteItem deletes an item and its value.
func (m *Manager) DeleteItem(ctx context.Context, c Caller, secretID, itemID string) error {
	on, err := m.gate(ctx, c, Write, ofItem(secretID, itemID))
	if err != nil {
		return err
	}
	return retryChanged(ctx, func() error {
		secret, old, err := m.Store.Item(ctx, c.AccountID, on.secret, on.item)
		if err != nil {
			return fmt.Errorf("read item: %w", err)
		}
		change := m.resize(secret, -old.Size)
		change.Items = -1
		if err := m.Store.DeleteItem(ctx, change, old, m.itemEvent(c, m.now(), ItemDeleted, secret, old)); err != nil {
			return fmt.Errorf("delete item: %w", err)
		}
		return nil
	})
}

// checkItem checks the input for an item. A new one has no id yet, and needs both fields; an old one keeps
// what is not given.
func (m *Manager) checkItem(ctx context.Context, in ItemInput, old Item) (key string, value Value, err error) {
	if in.Err != nil {
		return "", Value{}, in.Err
	}
	isNew := old.ID == uuid.Nil
	var f faults
	var messages []string
	key = old.Key
	if in.Key.given || isNew {
		key, messages = in.Key.key()
		f.add("key", messages)
	}
	if in.Value.given || isNew {
		value, messages = in.Value.value()
		f.add("value", messages)
	}
	if key != old.Key {
		err = addTaken(&f, "key", msgItemExists, func() ([]Item, error) {
			return m.Store.ItemsWithKey(ctx, old.AccountID, old.SecretID, key)
		})
		if err != nil {
			return "", Value{}, err
		}
	}
	return key, value, f.err()
}

// growing is the field that makes a bundle too large.
func (in ItemInput) growing() string {
	if in.Value.given {
		return "value"
	}
	return "key"
}

func (m *Manager) seal(ctx context.Context, it Item, v Value) ([]byte, error) {
	plaintext := []byte(v.Reveal())
	defer clear(plaintext)
	sealed, err := m.Sealer.Seal(ctx, it.AssociatedData(), plaintext)
	if err != nil {
		return nil, fmt.Errorf("seal value: %w", err)
	}
	return sealed, nil
}

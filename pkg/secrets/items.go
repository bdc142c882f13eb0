package secrets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

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
		secret, found, err := m.Store.ItemsWithKeys(ctx, c.AccountID, on.secret, text)
		return only(readBy(found, secret.Exported), err)
	}
	secret, found, err := m.Store.Items(ctx, c.AccountID, on.secret, from, size+1)
	if err != nil {
		return Page[Item]{}, fmt.Errorf("list items: %w", err)
	}
	return newPage(readBy(found, secret.Exported), secret.Items, from, size, func(x Item) uuid.UUID { return x.ID }), nil
}

// readBy merges the export of a secret into the last reads of its items.
func readBy(items []Item, e Exported) []Item {
	for i, it := range items {
		items[i] = it.readBy(e)
	}
	return items
}

// CreateItem adds an item to a secret. Its key is unique in the secret. A missing
// secret is reported before invalid input.
func (m *Manager) CreateItem(ctx context.Context, c Caller, secretID string, in ItemInput) (created Item, err error) {
	on, err := m.gate(ctx, c, Write, ofSecret(secretID))
	if err != nil {
		return Item{}, err
	}
	return once(ctx, m, c, m.itemAgain(ctx, c), func() (created Item, err error) {
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
			w := m.created(c, secret, key, value, now)
			change := m.resize(secret, w.New.Size)
			m.adds(&change)
			if change.full() {
				return full("secret", m.Quotas.Items, "items")
			}
			if !change.fits() {
				return m.bundleFull("value")
			}
			if err := m.renew(ctx, c, &w, value, maxDrops); err != nil {
				return err
			}
			created = w.New
			err = m.Store.WriteItems(ctx, change, m.itemEvent(c, now, ItemCreated, secret, created), w)
			if errors.Is(err, ErrExists) {
				return fault("key", msgItemExists)
			}
			if err != nil {
				return fmt.Errorf("create item: %w", err)
			}
			return nil
		})
		return created, err
	})
}

// adds makes a change add an item.
func (m *Manager) adds(change *Change) {
	change.Items, change.MaxItems, change.AtExport = 1, m.Quotas.Items, true
}

// created begins a new item, which has no version yet. The first revision of the secret that can have it is the next
// one, if the items are not exported before.
func (m *Manager) created(c Caller, secret Secret, key string, value Value, now time.Time) ItemWrite {
	w := ItemWrite{New: Item{
		AccountID: c.AccountID, SecretID: secret.ID, ID: m.NewID(), Key: key, Since: secret.Revision + 1,
		Size: entrySize(key, value), CreatedAt: now, UpdatedAt: now,
	}}
	m.revise(&w.New)
	return w
}

// replaced begins a change of an item, which has the same value with another key.
func (m *Manager) replaced(old Item, secret Secret, key string, now time.Time) ItemWrite {
	w := ItemWrite{Old: old, New: old.readBy(secret.Exported)}
	w.New.Key, w.New.Size, w.New.UpdatedAt = key, len(key)+old.valueSize(), now
	m.revise(&w.New)
	return w
}

// revise raises the revision of an item by a random step, so that the sum of revisions is a checksum.
func (m *Manager) revise(it *Item) {
	random := m.NewID()
	it.Revision += 1 + int64(binary.BigEndian.Uint16(random[len(random)-2:]))
}

// renew seals a value as the newest version of an item, the current one. It drops at most drops others.
func (m *Manager) renew(ctx context.Context, c Caller, w *ItemWrite, value Value, drops int) (err error) {
	it := &w.New
	it.LastVersion++
	it.Version, it.ValueAt = it.LastVersion, it.UpdatedAt
	var into Slot
	it.History, into, w.Drop = it.History.add(it.Version, it.UpdatedAt, m.KeepVersions, drops)
	w.Into, w.By = &into, c.UserID
	w.Sealed, err = m.seal(ctx, *it, value)
	return err
}

// UpdateItem changes an item's key, its value, or both. A new value is a new version,
// and the former ones are kept: see KeepVersions. A missing item is reported before invalid
// input. Fields that are not given keep their values, and an update that changes nothing
// writes nothing.
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
		w := m.replaced(old, secret, key, m.now())
		if in.Value.given {
			w.New.Size = entrySize(key, value)
		}
		change := m.resize(secret, w.New.Size-old.Size)
		if !change.fits() {
			return m.bundleFull(in.growing())
		}
		err = takenBefore(in.IfMatch.check(old.Revision), key != old.Key, "key", msgItemExists, func() ([]Item, error) {
			_, found, err := m.Store.ItemsWithKeys(ctx, c.AccountID, on.secret, key)
			return found, err
		})
		if err != nil {
			return err
		}
		if key == old.Key && !in.Value.given {
			updated = old.readBy(secret.Exported)
			return c.permits(List) // the answer would only read
		}
		if in.Value.given {
			if err := m.renew(ctx, c, &w, value, maxDrops); err != nil {
				return err
			}
		}
		updated = w.New
		ev := m.itemEvent(c, updated.UpdatedAt, ItemUpdated, secret, updated).
			changes(map[string]string{"key": old.Key}, map[string]string{"key": updated.Key})
		if in.Value.given {
			ev.Changed = append(ev.Changed, "value")
		}
		err = m.Store.WriteItems(ctx, change, ev, w)
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

// DeleteItem deletes an item. It stays in the bin, with its versions, unless the deletion is permanent or nothing is
// kept there.
func (m *Manager) DeleteItem(ctx context.Context, c Caller, secretID, itemID string, d Deletion) error {
	on, err := m.gate(ctx, c, d.needs(), ofItem(secretID, itemID))
	if err != nil {
		return err
	}
	var p Purge
	err = retryChanged(ctx, func() error {
		secret, old, err := m.Store.Item(ctx, c.AccountID, on.secret, on.item)
		w := ItemWrite{Old: old, New: old.readBy(secret.Exported)}
		change := m.resize(secret, -old.Size)
		change.Items, change.AtExport = -1, true
		if d.Permanent && isNotFound(err) {
			var binned DeletedItem
			secret, binned, err = m.Store.DeletedItem(ctx, c.AccountID, on.secret, on.item)
			w = ItemWrite{Old: binned.Item, New: binned.Item, Restored: true}
			change = Change{Secret: secret}
		}
		if err != nil {
			return fmt.Errorf("read item: %w", err)
		}
		if err := d.IfMatch.check(w.Old.Revision); err != nil {
			return err
		}
		w.Deleted = m.deleted(c, d, m.now())
		ev := m.itemEvent(c, w.Deleted.At, ItemDeleted, secret, w.Old).until(w.Deleted)
		if err := m.Store.WriteItems(ctx, change, ev, w); err != nil {
			return fmt.Errorf("delete item: %w", err)
		}
		p = Purge{AccountID: c.AccountID, SecretID: on.secret, ID: ev.ID, Due: w.Deleted.Due, Items: []uuid.UUID{on.item}}
		return nil
	})
	if err == nil {
		m.beginPurge(ctx, p)
	}
	return err
}

// DeletedItems returns a page of a secret's items in the bin, in the order of their creation.
func (m *Manager) DeletedItems(ctx context.Context, c Caller, secretID string, from Cursor, size int) (Page[DeletedItem], error) {
	on, err := m.gate(ctx, c, List|Write, ofSecret(secretID))
	if err != nil {
		return Page[DeletedItem]{}, err
	}
	found, count, err := m.Store.DeletedItems(ctx, c.AccountID, on.secret, from, size+1)
	if err != nil {
		return Page[DeletedItem]{}, fmt.Errorf("list deleted items: %w", err)
	}
	return newPage(found, count, from, size, func(x DeletedItem) uuid.UUID { return x.Item.ID }), nil
}

// RestoreItem takes an item out of the bin, with its versions, under its key or another one. It opens no value.
func (m *Manager) RestoreItem(ctx context.Context, c Caller, secretID, itemID string, in ItemInput) (restored Item, err error) {
	on, err := m.gate(ctx, c, Write, ofItem(secretID, itemID))
	if err != nil {
		return Item{}, err
	}
	return once(ctx, m, c, m.itemAgain(ctx, c), func() (restored Item, err error) {
		err = retryChanged(ctx, func() error {
			secret, old, err := m.Store.DeletedItem(ctx, c.AccountID, on.secret, on.item)
			if err != nil {
				return fmt.Errorf("read deleted item: %w", err)
			}
			w := ItemWrite{Old: old.Item, New: old.Item, Restored: true}
			if in.Err != nil {
				return in.Err
			}
			if in.Key.given {
				key, messages := in.Key.key()
				if len(messages) > 0 {
					return Invalid{{"key", messages}}
				}
				if w.New.Key = key; key != old.Item.Key {
					w.New.UpdatedAt = m.now()
				}
			}
			w.New.Size = len(w.New.Key) + old.Item.valueSize()
			w.New.Since = secret.Revision + 1
			m.revise(&w.New)
			change := m.resize(secret, w.New.Size)
			m.adds(&change)
			if change.full() {
				return full("secret", m.Quotas.Items, "items")
			}
			if !change.fits() {
				return m.bundleFull("key")
			}
			if _, w.Sealed, err = m.sealedVersion(ctx, old.Item, old.Item.Version); err != nil {
				return err
			}
			restored = w.New
			ev := m.itemEvent(c, m.now(), ItemRestored, secret, restored).
				changes(map[string]string{"key": old.Item.Key}, map[string]string{"key": restored.Key})
			err = m.Store.WriteItems(ctx, change, ev, w)
			if errors.Is(err, ErrExists) {
				return fault("key", msgItemExists)
			}
			if err != nil {
				return fmt.Errorf("restore item: %w", err)
			}
			return nil
		})
		return restored, err
	})
}

// sealedVersion reads a kept version of an item. ErrChanged: it was dropped since the item was read.
func (m *Manager) sealedVersion(ctx context.Context, it Item, number int64) (Version, []byte, error) {
	slot, _ := it.History.slot(number)
	v, sealed, err := m.Store.SealedVersion(ctx, it, slot.Number)
	if isNotFound(err) || err == nil && v.Number != number {
		return Version{}, nil, ErrChanged
	}
	if err != nil {
		return Version{}, nil, fmt.Errorf("read version: %w", err)
	}
	return v, sealed.Blob, nil
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
		if err := m.addKeyTaken(ctx, &f, old, key); err != nil {
			return "", Value{}, err
		}
	}
	return key, value, f.err()
}

// addKeyTaken adds the fault that another item of the secret has a key.
func (m *Manager) addKeyTaken(ctx context.Context, f *faults, it Item, key string) error {
	return addTaken(f, "key", msgItemExists, func() ([]Item, error) {
		_, found, err := m.Store.ItemsWithKeys(ctx, it.AccountID, it.SecretID, key)
		return found, err
	})
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

package secrets

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
)

const msgItemExists = "secret item with this key already exists."

// Item is one key of a secret, without its value.
type Item struct {
	AccountID      uuid.UUID
	SecretID       uuid.UUID
	ID             uuid.UUID
	Key            string
	Version        int64 // of the value; the first is 1
	Size           int   // in a bundle: see entrySize; 0: not known, from a release before bundles
	CreatedAt      time.Time
	UpdatedAt      time.Time
	LastAccessedAt time.Time // zero: never
	LastAccessedBy uuid.UUID
}

// facts are what a value is sealed under: its place and its version.
func (it Item) facts() map[string]string {
	return map[string]string{
		"account": it.AccountID.String(),
		"secret":  it.SecretID.String(),
		"item":    it.ID.String(),
		"version": strconv.FormatInt(it.Version, 10),
	}
}

// ItemInput is what a caller may say of an item.
type ItemInput struct{ Key, Value Field }

// ListItems returns a page of a secret's items, oldest first. It is no reveal:
// it reads no value, sealed or open.
func (s *Service) ListItems(ctx context.Context, c Caller, secretID string, from Cursor, size int) (Page[Item], error) {
	id, err := parseID(secretID)
	if err != nil {
		return Page[Item]{}, err
	}
	found, count, err := s.Store.Items(ctx, c.AccountID, id, from, size+1)
	if err != nil {
		return Page[Item]{}, fmt.Errorf("list items: %w", err)
	}
	return newPage(found, count, from, size, func(x Item) uuid.UUID { return x.ID }), nil
}

// CreateItem adds an item to a secret. Its key is unique in the secret. A missing
// secret is told before a faulty input.
func (s *Service) CreateItem(ctx context.Context, c Caller, secretID string, input func() (ItemInput, error)) (created Item, err error) {
	err = untilUnchanged(ctx, func() error {
		secret, err := s.Secret(ctx, c, secretID)
		if err != nil {
			return err
		}
		in, err := input()
		if err != nil {
			return err
		}
		key, value, err := in.checkNew()
		if err != nil {
			return err
		}
		now := s.now()
		created = Item{
			AccountID: c.AccountID, SecretID: secret.ID, ID: s.NewID(), Key: key, Version: 1,
			Size: entrySize(key, value), CreatedAt: now, UpdatedAt: now,
		}
		change := s.change(secret).resize(created.Size)
		change.Items = 1
		if !change.fits() {
			return fault("value", msgBundleFull)
		}
		sealed, err := s.seal(ctx, created, value)
		if err != nil {
			return err
		}
		err = s.Store.CreateItem(ctx, change, created, sealed, s.itemEvent(c, now, ItemCreated, created))
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

// UpdateItem changes an item's key, value or both; a new value is a new version,
// and the old one is gone. A missing item is told before a faulty input. What is
// not given stays; when nothing changes nothing is written.
func (s *Service) UpdateItem(ctx context.Context, c Caller, secretID, itemID string, input func() (ItemInput, error)) (updated Item, err error) {
	sid, iid, err := parseIDs(secretID, itemID)
	if err != nil {
		return Item{}, err
	}
	err = untilUnchanged(ctx, func() error {
		secret, old, err := s.Store.Item(ctx, c.AccountID, sid, iid)
		if err != nil {
			return fmt.Errorf("read item: %w", err)
		}
		in, err := input()
		if err != nil {
			return err
		}
		key, value, err := in.checkChange(old.Key)
		if err != nil {
			return err
		}
		updated = old
		updated.Key = key
		if old.Size > 0 {
			updated.Size += len(key) - len(old.Key)
		}
		if in.Value.given {
			updated.Version++
			updated.Size = entrySize(key, value)
		}
		if updated == old {
			return nil
		}
		change := s.change(secret).resize(updated.Size - old.Size)
		if !change.fits() {
			return fault(in.growing(), msgBundleFull)
		}
		var sealed []byte
		if in.Value.given {
			if sealed, err = s.seal(ctx, updated, value); err != nil {
				return err
			}
		}
		updated.UpdatedAt = s.now()
		err = s.Store.UpdateItem(ctx, change, old, updated, sealed, s.itemEvent(c, updated.UpdatedAt, ItemUpdated, updated))
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

// DeleteItem removes an item and its value.
func (s *Service) DeleteItem(ctx context.Context, c Caller, secretID, itemID string) error {
	sid, iid, err := parseIDs(secretID, itemID)
	if err != nil {
		return err
	}
	return untilUnchanged(ctx, func() error {
		secret, old, err := s.Store.Item(ctx, c.AccountID, sid, iid)
		if err != nil {
			return fmt.Errorf("read item: %w", err)
		}
		change := s.change(secret).resize(-old.Size)
		change.Items = -1
		if err := s.Store.DeleteItem(ctx, change, old, s.itemEvent(c, s.now(), ItemDeleted, old)); err != nil {
			return fmt.Errorf("delete item: %w", err)
		}
		return nil
	})
}

// checkNew checks the input for a new item, where both fields must be given.
func (in ItemInput) checkNew() (string, Value, error) {
	var f faults
	key, messages := in.Key.key()
	f.add("key", messages)
	value, messages := in.Value.value()
	f.add("value", messages)
	return key, value, f.err()
}

// checkChange checks the input for an item that exists and has oldKey.
func (in ItemInput) checkChange(oldKey string) (string, Value, error) {
	var f faults
	key := oldKey
	if in.Key.given {
		var messages []string
		key, messages = in.Key.key()
		f.add("key", messages)
	}
	var value Value
	if in.Value.given {
		var messages []string
		value, messages = in.Value.value()
		f.add("value", messages)
	}
	return key, value, f.err()
}

// growing is the field that a bundle has no room for.
func (in ItemInput) growing() string {
	if in.Value.given {
		return "value"
	}
	return "key"
}

func (s *Service) seal(ctx context.Context, it Item, v Value) ([]byte, error) {
	plaintext := []byte(v.Reveal())
	defer clear(plaintext)
	sealed, err := s.Sealer.Seal(ctx, it.facts(), plaintext)
	if err != nil {
		return nil, fmt.Errorf("seal value: %w", err)
	}
	return sealed, nil
}

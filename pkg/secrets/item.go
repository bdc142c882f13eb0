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
func (s *Service) CreateItem(ctx context.Context, c Caller, secretID string, input func() (ItemInput, error)) (Item, error) {
	id, err := parseID(secretID)
	if err != nil {
		return Item{}, err
	}
	in, err := input()
	var key string
	var value Value
	if err == nil {
		key, value, err = in.checkNew()
	}
	if err != nil {
		// The store would tell of a missing secret, but it is not asked now.
		if _, missing := s.Store.Secret(ctx, c.AccountID, id); missing != nil {
			return Item{}, fmt.Errorf("read secret: %w", missing)
		}
		return Item{}, err
	}
	now := s.now()
	it := Item{
		AccountID: c.AccountID, SecretID: id, ID: s.NewID(), Key: key, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	sealed, err := s.seal(ctx, it, value)
	if err != nil {
		return Item{}, err
	}
	err = s.Store.CreateItem(ctx, it, sealed, s.itemEvent(c, now, ItemCreated, it))
	if errors.Is(err, ErrExists) {
		return Item{}, fault("key", msgItemExists)
	}
	if err != nil {
		return Item{}, fmt.Errorf("create item: %w", err)
	}
	return it, nil
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
		old, err := s.Store.Item(ctx, c.AccountID, sid, iid)
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
		var sealed []byte
		if in.Value.given {
			updated.Version++
			if sealed, err = s.seal(ctx, updated, value); err != nil {
				return err
			}
		}
		if updated == old {
			return nil
		}
		updated.UpdatedAt = s.now()
		err = s.Store.UpdateItem(ctx, old, updated, sealed, s.itemEvent(c, updated.UpdatedAt, ItemUpdated, updated))
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
		old, err := s.Store.Item(ctx, c.AccountID, sid, iid)
		if err != nil {
			return fmt.Errorf("read item: %w", err)
		}
		if err := s.Store.DeleteItem(ctx, old, s.itemEvent(c, s.now(), ItemDeleted, old)); err != nil {
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

func (s *Service) seal(ctx context.Context, it Item, v Value) ([]byte, error) {
	plaintext := []byte(v.Reveal())
	defer clear(plaintext)
	sealed, err := s.Sealer.Seal(ctx, it.facts(), plaintext)
	if err != nil {
		return nil, fmt.Errorf("seal value: %w", err)
	}
	return sealed, nil
}

package secrets

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// RollbackInput is what a caller may say about a rollback.
type RollbackInput struct {
	Version Field
	IfMatch Match
	Err     error
}

// Versions returns the kept versions of an item's value, newest first. It opens none.
func (m *Manager) Versions(ctx context.Context, c Caller, secretID, itemID string) ([]Version, error) {
	on, err := m.gate(ctx, c, List, ofItem(secretID, itemID))
	if err != nil {
		return nil, err
	}
	_, it, err := m.Store.Item(ctx, c.AccountID, on.secret, on.item)
	if err != nil {
		return nil, fmt.Errorf("read item: %w", err)
	}
	found, err := m.Store.Versions(ctx, it)
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	for i := range found {
		found[i].Current = found[i].Number == it.Version
	}
	slices.SortFunc(found, func(a, b Version) int { return cmp.Compare(b.Number, a.Number) })
	return found, nil
}

// RollBackItem makes an older version of an item's value the current one. It opens neither.
func (m *Manager) RollBackItem(ctx context.Context, c Caller, secretID, itemID string, in RollbackInput) (updated Item, err error) {
	on, err := m.gate(ctx, c, Write, ofItem(secretID, itemID))
	if err != nil {
		return Item{}, err
	}
	return once(ctx, m, c, m.itemAgain(ctx, c), func() (updated Item, err error) {
		err = retryChanged(ctx, func() error {
			secret, old, err := m.Store.Item(ctx, c.AccountID, on.secret, on.item)
			if err != nil {
				return fmt.Errorf("read item: %w", err)
			}
			if in.Err != nil {
				return in.Err
			}
			n, messages := in.Version.integer(1, math.MaxInt)
			if len(messages) > 0 {
				return Invalid{{"version", messages}}
			}
			number := int64(n)
			if _, exists := old.History.slot(number); !exists {
				return fault("version", msgNoObject(in.Version.text))
			}
			updated = old.readBy(secret.Exported)
			var version Version
			var sealed []byte
			if number != old.Version {
				if version, sealed, err = m.sealedVersion(ctx, old, number); err != nil {
					return err
				}
				updated.Version, updated.ValueAt, updated.Size = number, version.CreatedAt, version.Size+len(old.Key)
			}
			change := m.resize(secret, updated.Size-old.Size)
			if !change.fits() {
				return m.bundleFull("version")
			}
			if err := in.IfMatch.check(old.Revision); err != nil {
				return err
			}
			if number == old.Version {
				return m.onlyReads(ctx, c, m.itemEvent(c, m.now(), ItemRolledBack, secret, old))
			}
			updated.History = old.History.current(number)
			updated.UpdatedAt = m.now()
			m.revise(&updated)
			ev := m.itemEvent(c, updated.UpdatedAt, ItemRolledBack, secret, updated).
				changes(map[string]string{"version": versionText(old.Version)}, map[string]string{"version": versionText(number)})
			if err := m.Store.WriteItems(ctx, change, ev, ItemWrite{Old: old, New: updated, Sealed: sealed}); err != nil {
				return fmt.Errorf("roll back item: %w", err)
			}
			return nil
		})
		return updated, err
	})
}

// DeleteVersion removes a kept version of an item's value for good. ErrCurrentVersion: it is the current one.
func (m *Manager) DeleteVersion(ctx context.Context, c Caller, secretID, itemID, number string, d Deletion) error {
	on, err := m.gate(ctx, c, Write, ofVersion(secretID, itemID, number))
	if err != nil {
		return err
	}
	return retryChanged(ctx, func() error {
		secret, old, err := m.Store.Item(ctx, c.AccountID, on.secret, on.item)
		if err != nil {
			return fmt.Errorf("read item: %w", err)
		}
		slot, exists := old.History.slot(on.version)
		if !exists {
			return ErrNotFound
		}
		if err := d.IfMatch.check(old.Revision); err != nil {
			return err
		}
		if on.version == old.Version {
			return ErrCurrentVersion
		}
		w := ItemWrite{Old: old, New: old, Drop: []Slot{slot}}
		w.New.History = old.History.without(on.version)
		m.revise(&w.New)
		ev := m.itemEvent(c, m.now(), VersionDeleted, secret, old)
		ev.Version = on.version
		change := Change{Secret: secret, UsedBy: sameUse(secret, 0)} // the checksum changes, but no bundle
		if err := m.Store.WriteItems(ctx, change, ev, w); err != nil {
			return fmt.Errorf("delete version: %w", err)
		}
		return nil
	})
}

func versionText(n int64) string { return strconv.FormatInt(n, 10) }

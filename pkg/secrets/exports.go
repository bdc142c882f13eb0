package secrets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// Limits of what is opened at once: API Gateway and Lambda return at most 6 MB, in at most 29 seconds.
const (
	MaxExportItems = 1000
	MaxExportSize  = 4 << 20 // bytes of the JSON object
)

// Bundled is a whole secret: one JSON object of all its items.
type Bundled struct {
	Secret Secret
	Object Value
	Budget Budget
	Same   bool // the secret has a revision that the caller knows: nothing was opened, charged or recorded
}

// ExportSecret returns all values of a secret, of one revision. It is one reveal of the budget. Like a reveal, nothing
// leaves before it is charged and recorded: in one event that names all items, and in one stamp on the secret's row.
// A secret that has one of the revisions that the caller knows is not opened.
//
// TooLarge: it has too many items, or too large ones.
func (m *Manager) ExportSecret(ctx context.Context, c Caller, secretID string, known Match) (Bundled, error) {
	on, err := m.gate(ctx, c, Export, ofSecret(secretID))
	if err != nil && !errors.Is(err, errMalformed) { // a malformed id is that of no row
		return Bundled{}, err
	}
	within := []uuid.UUID{on.secret}
	if len(known) > 0 {
		key, found, err := m.Store.ReadSecrets(ctx, c.AccountID, c.KeyID, on.secret)
		if err != nil {
			return Bundled{}, fmt.Errorf("read secret: %w", err)
		}
		if _, err := m.stillMay(Export, within, key, c); err != nil {
			return Bundled{}, err
		}
		if found[0].ID != uuid.Nil && slices.Contains(known, found[0].Revision) {
			return Bundled{Secret: found[0], Same: true}, nil
		}
	}
	var b Bundled
	var found []Secret
	b.Budget, err = m.charged(ctx, c, Export, within, 1,
		func(ctx context.Context) (key Key, err error) {
			key, found, err = m.Store.ReadSecrets(ctx, c.AccountID, c.KeyID, on.secret)
			return key, err
		},
		func(ctx context.Context, c Caller, _ time.Time, readErr error) (err error) {
			if readErr != nil {
				return fmt.Errorf("read secret: %w", readErr)
			}
			return m.openChanged(ctx, c, Export, found, func(c Caller, found []Secret) (err error) {
				b.Secret, b.Object, err = m.openExported(ctx, c, found[0])
				return err
			})
		})
	if err != nil {
		return Bundled{Budget: b.Budget}, err
	}
	m.Monitor.Revealed(ctx, b.Secret.Items)
	return b, nil
}

// openChanged calls open with secrets that were read, and again while they change. Each time the caller's key decides.
func (m *Manager) openChanged(ctx context.Context, c Caller, needed Permissions, found []Secret, open func(c Caller, found []Secret) error) error {
	var ids []uuid.UUID
	for _, s := range found {
		ids = append(ids, s.ID)
	}
	isFirst := true
	return retryChanged(ctx, func() error {
		if !isFirst {
			key, read, err := m.Store.ReadSecrets(ctx, c.AccountID, c.KeyID, ids...)
			if err != nil {
				return fmt.Errorf("read secrets: %w", err)
			}
			if c, err = m.stillMay(needed, ids, key, c); err != nil {
				return err
			}
			found = read
		}
		isFirst = false
		return open(c, found)
	})
}

// openExported opens all items of a secret and records the export in parallel. ErrChanged: the secret has changed since
// its items were read.
func (m *Manager) openExported(ctx context.Context, c Caller, read Secret) (Secret, Value, error) {
	secret, items, err := m.readState(ctx, c, read)
	if err != nil {
		return Secret{}, Value{}, err
	}
	now := m.now()
	ev := m.event(c, now, SecretExported, secret.named())
	ev.Version = secret.Revision
	for _, it := range items {
		ev.Items = append(ev.Items, EventItem{Item: Named{ID: it.Item.ID}, Version: it.Item.Version})
	}
	var values []Value
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		stamped, err := m.Store.StampExport(ctx, c.AccountID, secret.ID, Exported{At: now, By: c.UserID, Revision: secret.Revision})
		if err != nil {
			return fmt.Errorf("stamp export: %w", err)
		}
		if stamped.Revision != secret.Revision { // an item that was added since would count as read
			return ErrChanged
		}
		secret = stamped
		return m.Store.AppendEvent(ctx, ev)
	})
	g.Go(func() (err error) { values, err = OpenItems(ctx, m.Sealer, items); return err })
	if err := g.Wait(); err != nil {
		return Secret{}, Value{}, fmt.Errorf("export: %w", err)
	}
	object := EncodeBundle(items, values)
	defer clear(object)
	return secret, NewValue(string(object)), nil
}

// readState reads a secret's items and values, all of one state of the secret, as far as it may be opened at once. read
// is the secret as it was read before. ErrChanged: what was read is a mixture of states.
func (m *Manager) readState(ctx context.Context, c Caller, read Secret) (secret Secret, items []SealedItem, err error) {
	if err := read.exportable(); err != nil {
		return Secret{}, nil, err
	}
	if items, err = m.Store.SealedItems(ctx, c.AccountID, read.ID); err != nil {
		return Secret{}, nil, fmt.Errorf("read items: %w", err)
	}
	if !read.Has(items) {
		if read, err = m.readSecret(ctx, c, read.ID); err != nil {
			return Secret{}, nil, err
		}
		if !read.Has(items) {
			return Secret{}, nil, ErrChanged
		}
	}
	return read, items, read.exportable() // also as it is now
}

// exportable returns why not all of a secret may be opened at once.
func (s Secret) exportable() error {
	switch {
	case s.ID == uuid.Nil:
		return ErrNotFound
	case s.Items > MaxExportItems, s.Size+1 > MaxExportSize: // the sizes of entries count one comma too many, and no braces
		return TooLarge{s.Items, s.Size}
	}
	return nil
}

// Difference says where a key is, and whether both values are equal.
type Difference string

// All differences.
const (
	Same      Difference = "same"
	Different Difference = "different"
	OnlyA     Difference = "only_a"
	OnlyB     Difference = "only_b"
)

// CompareInput names two secrets.
type CompareInput struct{ A, B Field }

// Compared is the difference of each key of two secrets.
type Compared struct {
	Keys   map[string]Difference
	Budget Budget
}

// CompareSecrets compares the values of two secrets and releases none of them. It is an oracle for guesses, so it
// charges two reveals, and is an event of both.
func (m *Manager) CompareSecrets(ctx context.Context, c Caller, in CompareInput) (Compared, error) {
	onA, errA := m.gate(ctx, c, Reveal, ofSecret(in.A.text))
	onB, errB := m.gate(ctx, c, Reveal, ofSecret(in.B.text))
	var f faults
	f.add("a", in.A.common())
	f.add("b", in.B.common())
	for _, err := range []error{errA, errB} {
		if err != nil && !isNotFound(err) {
			return Compared{}, err
		}
	}
	if err := cmp.Or(f.err(), errA, errB); err != nil { // a missing id is no secret's, too
		return Compared{}, err
	}
	if onA.secret == onB.secret {
		return Compared{}, fault("b", "Give another secret than a.")
	}
	var result Compared
	var found []Secret
	opened := 0
	budget, err := m.charged(ctx, c, Reveal, []uuid.UUID{onA.secret, onB.secret}, 2,
		func(ctx context.Context) (key Key, err error) {
			key, found, err = m.Store.ReadSecrets(ctx, c.AccountID, c.KeyID, onA.secret, onB.secret)
			return key, err
		},
		func(ctx context.Context, c Caller, _ time.Time, readErr error) (err error) {
			if readErr != nil {
				return fmt.Errorf("read secrets: %w", readErr)
			}
			return m.openChanged(ctx, c, Reveal, found, func(c Caller, found []Secret) (err error) {
				result.Keys, opened, err = m.compare(ctx, c, found[0], found[1])
				return err
			})
		})
	result.Budget = budget
	if err != nil {
		return Compared{Budget: budget}, err
	}
	m.Monitor.Revealed(ctx, opened)
	return result, nil
}

// compare opens the values of the keys that both secrets have, and records it for both in parallel.
func (m *Manager) compare(ctx context.Context, c Caller, a, b Secret) (keys map[string]Difference, opened int, err error) {
	var sides [2][]SealedItem
	secrets := [2]Secret{a, b}
	g, within := errgroup.WithContext(ctx)
	for i := range secrets {
		g.Go(func() (err error) { secrets[i], sides[i], err = m.readState(within, c, secrets[i]); return err })
	}
	if err := g.Wait(); err != nil {
		return nil, 0, err
	}
	keys = map[string]Difference{}
	for _, it := range sides[0] {
		keys[it.Item.Key] = OnlyA
	}
	for _, it := range sides[1] {
		if keys[it.Item.Key] == OnlyA {
			keys[it.Item.Key] = Different
		} else {
			keys[it.Item.Key] = OnlyB
		}
	}
	var values [2][]Value
	g, within = errgroup.WithContext(ctx)
	for i := range secrets {
		ev := m.event(c, m.now(), SecretCompared, secrets[i].named())
		ev.Version, ev.To = secrets[i].Revision, map[string]string{"secret": secrets[1-i].ID.String()}
		sides[i] = slices.DeleteFunc(sides[i], func(it SealedItem) bool { return keys[it.Item.Key] != Different })
		for _, it := range sides[i] {
			ev.Items = append(ev.Items, EventItem{Item: Named{ID: it.Item.ID}, Version: it.Item.Version})
		}
		g.Go(func() error { return m.Store.AppendEvent(within, ev) })
		g.Go(func() (err error) { values[i], err = OpenItems(within, m.Sealer, sides[i]); return err })
	}
	if err := g.Wait(); err != nil {
		return nil, 0, fmt.Errorf("compare: %w", err)
	}
	for i, it := range sides[0] { // both are sorted by the same keys
		if values[0][i].Reveal() == values[1][i].Reveal() {
			keys[it.Item.Key] = Same
		}
	}
	return keys, len(values[0]) + len(values[1]), nil
}

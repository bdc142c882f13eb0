package secrets

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// Limits of a batch. It is one transaction, and a partition of the table takes 1,000 write units a second.
const (
	maxBatch       = 20
	maxBatchValues = 128 << 10 // bytes of all values together
)

// BatchInput is what a caller may say about several changes of a secret's items. Err is set when the input could
// not be read; an operation reports it after a missing object.
type BatchInput struct {
	Items   []ItemInput // created, or replaced by key
	Delete  []Field     // keys
	DryRun  bool        // only says what would happen
	IfMatch Match       // revisions of the secret
	Err     error
}

// BatchChange is what a batch did, or would do, with a key.
type BatchChange struct {
	Item    Named // without an id: there is none yet, or none
	Version int64 // the new one; of a deleted item its current one; 0: none
	Done    Done
}

// Done is what was done with an item.
type Done string

// All that can be done.
const (
	DoneCreated Done = "created"
	DoneUpdated Done = "updated"
	DoneDeleted Done = "deleted"
	DoneNothing Done = "missing" // it was to be deleted, and there is none
)

// InvalidBatch lists the faults of a batch.
type InvalidBatch struct {
	Items  []Invalid // of each item, in their order; nil: none
	Delete Invalid   // by the index of a key
	Rest   Invalid
}

func (e InvalidBatch) Error() string {
	return fmt.Sprintf("items: %v, delete: %v, %v", e.Items, e.Delete, e.Rest)
}

// batched is a valid change of a batch.
type batched struct {
	key     string
	value   Value
	deletes bool
}

const msgTwice = "This key is given twice."

// parse checks a batch without reading anything.
func (in BatchInput) parse() (changes []batched, err error) {
	if in.Err != nil {
		return nil, in.Err
	}
	n := len(in.Items) + len(in.Delete)
	if n == 0 || n > maxBatch {
		return nil, fault("non_field_errors", fmt.Sprintf("Give 1 to %d changes: items, delete, or both.", maxBatch))
	}
	var e InvalidBatch
	isInvalid := false
	seen := map[string]bool{}
	key := func(field Field) (string, []string) {
		text, messages := field.key()
		if len(messages) == 0 && seen[text] {
			messages = []string{msgTwice}
		}
		seen[text] = true
		return text, messages
	}
	size := 0
	for _, it := range in.Items {
		var f faults
		if it.Err != nil {
			var invalid Invalid
			if !errors.As(it.Err, &invalid) {
				return nil, it.Err
			}
			f.invalid = invalid
		} else {
			text, messages := key(it.Key)
			f.add("key", messages)
			value, messages := it.Value.value()
			f.add("value", messages)
			size += len(value.Reveal())
			changes = append(changes, batched{key: text, value: value})
		}
		e.Items = append(e.Items, f.invalid)
		isInvalid = isInvalid || f.err() != nil
	}
	if !isInvalid {
		e.Items = nil
	}
	for i, field := range in.Delete {
		text, messages := key(field)
		if len(messages) > 0 {
			e.Delete = append(e.Delete, Fault{strconv.Itoa(i), messages})
		}
		changes = append(changes, batched{key: text, deletes: true})
	}
	if size > maxBatchValues {
		e.Rest = fault("non_field_errors", fmt.Sprintf("All values together may have at most %d bytes.", maxBatchValues))
	}
	if isInvalid || e.Delete != nil || e.Rest != nil {
		return nil, e
	}
	return changes, nil
}

// BatchItems creates, replaces and deletes items of a secret by their keys, all or none: one transaction, one
// revision, one delivery and one event. What is deleted goes into the bin. A missing secret is reported before invalid
// input. A dry run writes and seals nothing; like a batch that finds nothing to do, it only reads.
func (m *Manager) BatchItems(ctx context.Context, c Caller, secretID string, in BatchInput) (done []BatchChange, err error) {
	on, err := m.gate(ctx, c, Write, ofSecret(secretID))
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		if err := c.permits(List); err != nil {
			return nil, err
		}
		c.Token = Token{} // there is nothing to repeat
	}
	changes, invalid := in.parse()
	return once(ctx, m, c, again(changes), func() (done []BatchChange, err error) {
		var p Purge
		var keys []string
		for _, x := range changes {
			keys = append(keys, x.key)
		}
		err = retryChanged(ctx, func() error {
			secret, items, err := m.Store.ItemsWithKeys(ctx, c.AccountID, on.secret, keys...)
			if err != nil {
				return fmt.Errorf("read items: %w", err)
			}
			if invalid != nil {
				return invalid
			}
			now := m.now()
			plan := m.plan(c, secret, items, changes, now)
			done = plan.done
			switch {
			case plan.change.full():
				return full("secret", m.Quotas.Items, "items")
			case !plan.change.fits():
				return m.bundleFull("non_field_errors")
			}
			if err := in.IfMatch.check(secret.Revision); err != nil || in.DryRun {
				return err
			}
			ev := m.event(c, now, ItemsChanged, secret.named())
			if len(plan.writes) == 0 {
				return m.onlyReads(ctx, c, ev)
			}
			if err := plan.seal(ctx, m, c); err != nil {
				return err
			}
			plan.change.AtRevision = in.IfMatch != nil
			ev.Items = plan.written()
			if plan.deleted != (Deleted{}) {
				ev = ev.until(plan.deleted)
			}
			err = m.Store.WriteItems(ctx, plan.change, ev, plan.writes...)
			if errors.Is(err, ErrExists) { // created meanwhile: it is replaced
				return ErrChanged
			}
			if err != nil {
				return fmt.Errorf("change items: %w", err)
			}
			p = Purge{AccountID: c.AccountID, SecretID: on.secret, ID: ev.ID, Due: plan.deleted.Due, Items: plan.removed()}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(p.Items) > 0 {
			m.beginPurge(ctx, p)
		}
		return done, nil
	})
}

// again is the answer of a batch that was done before.
func again(changes []batched) func(first Event) ([]BatchChange, error) {
	return func(first Event) (done []BatchChange, err error) {
		for _, x := range changes {
			did := BatchChange{Item: Named{Name: x.key}, Done: DoneNothing}
			for _, it := range first.Items {
				if it.Item.Name == x.key {
					did = BatchChange(it)
				}
			}
			done = append(done, did)
		}
		return done, nil
	}
}

// plan is what a batch does.
type plan struct {
	change Change
	writes []ItemWrite
	values []Value // of the writes that have a new version
	done   []BatchChange

	deleted Deleted // of those that are deleted
}

// plan decides by the items as they were read.
func (m *Manager) plan(c Caller, secret Secret, items []Item, changes []batched, now time.Time) plan {
	there := make(map[string]Item, len(items))
	for _, it := range items {
		there[it.Key] = it
	}
	var p plan
	size, more := 0, 0
	for _, x := range changes {
		old, exists := there[x.key]
		var w ItemWrite
		did := BatchChange{Item: Named{old.ID, x.key}}
		switch {
		case x.deletes && !exists:
			did.Done = DoneNothing
			p.done = append(p.done, did)
			continue
		case x.deletes:
			p.deleted = m.deleted(c, Deletion{}, now) // one purge removes all
			w = ItemWrite{Old: old, New: old.readBy(secret.Exported), Deleted: p.deleted}
			size -= old.Size
			more--
			did.Done, did.Version = DoneDeleted, old.Version
		case exists:
			w = m.replaced(old, secret, x.key, now)
			w.New.Size = entrySize(x.key, x.value)
			size += w.New.Size - old.Size
			did.Done, did.Version = DoneUpdated, old.LastVersion+1
		default:
			w = m.created(c, secret, x.key, x.value, now)
			size += w.New.Size
			more++
			did.Done, did.Version = DoneCreated, 1
		}
		p.writes, p.values, p.done = append(p.writes, w), append(p.values, x.value), append(p.done, did)
	}
	p.change = m.resize(secret, size)
	p.change.Items, p.change.AtExport = more, true
	if more > 0 {
		p.change.MaxItems = m.Quotas.Items
	}
	return p
}

// seal seals the new values in parallel.
func (p plan) seal(ctx context.Context, m *Manager, c Caller) error {
	drops := max(maxDrops/len(p.writes), 1)
	g, ctx := errgroup.WithContext(ctx)
	for i := range p.writes {
		if p.writes[i].Deleted == (Deleted{}) {
			g.Go(func() error {
				return Guard(func() error { return m.renew(ctx, c, &p.writes[i], p.values[i], drops) })
			})
		}
	}
	return g.Wait()
}

// removed are the items that are deleted.
func (p plan) removed() (ids []uuid.UUID) {
	for _, w := range p.writes {
		if w.Deleted != (Deleted{}) {
			ids = append(ids, w.New.ID)
		}
	}
	return ids
}

// written is what the event names. It also gives new items their ids in the answer.
func (p plan) written() (items []EventItem) {
	n := 0
	for i, x := range p.done {
		if x.Done == DoneNothing {
			continue
		}
		p.done[i].Item.ID = p.writes[n].New.ID
		items = append(items, EventItem{p.done[i].Item, x.Version, x.Done})
		n++
	}
	return items
}

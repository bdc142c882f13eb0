package secrets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// RevealItem returns one value. No value leaves before its reveal is charged to the
// user's budget and recorded on the item and in the audit trail:
//
//  1. what the caller's context forbids is refused: ErrDenied, or ErrNotFound for a secret outside of its rights;
//  2. in parallel: charge the budget ‖ read, at once, the caller's key, the sealed value, its item and its secret;
//  3. the key is gone: ErrUnauthenticated. It lost the permission or the secret: ErrDenied, ErrNotFound. So a
//     revocation counts for values at once, whatever is cached;
//  4. the budget refuses: Throttled, with the exact wait. An object is missing:
//     ErrNotFound, charged, so that guessing ids is limited too;
//  5. in parallel: open the value, stamp the item, append the event, and make room in the
//     counter if it is nearly used up;
//  6. the first three succeeded: return the value. Otherwise: an error, and no value.
//
// A refused reveal leaves one line in the log, as far as the caller is known; [Manager.Refused] counts it.
//
// A crash between the steps can record a reveal that did not happen, but never lets a
// value out unrecorded. Budget is set whenever the reveal was charged, the caller has authority and the rest
// could be counted, also with an error.
func (m *Manager) RevealItem(ctx context.Context, c Caller, secretID, itemID string) (Revealed, error) {
	return m.reveal(ctx, c, ofItem(secretID, itemID), nil)
}

// RevealChangedItem is RevealItem, unless the item has one of the revisions that the caller knows. Then it opens,
// charges and records nothing. It costs one read more.
func (m *Manager) RevealChangedItem(ctx context.Context, c Caller, secretID, itemID string, known Match) (Revealed, error) {
	return m.reveal(ctx, c, ofItem(secretID, itemID), known)
}

// RevealVersion is RevealItem for a kept version of the item's value.
func (m *Manager) RevealVersion(ctx context.Context, c Caller, secretID, itemID, version string) (Revealed, error) {
	return m.reveal(ctx, c, ofVersion(secretID, itemID, version), nil)
}

func (m *Manager) reveal(ctx context.Context, c Caller, of object, known Match) (Revealed, error) {
	on, err := m.gate(ctx, c, Reveal, of)
	if err != nil && !errors.Is(err, errMalformed) { // a malformed id is that of no row
		return Revealed{}, err
	}
	ctx = m.Monitor.Revealing(ctx)
	within := []uuid.UUID{on.secret}
	if len(known) > 0 {
		read, err := m.Store.ReadItem(ctx, c.AccountID, c.KeyID, on.secret, on.item)
		if err != nil {
			return Revealed{}, fmt.Errorf("read item: %w", err)
		}
		if _, err := m.stillMay(Reveal, within, read.Key, c); err != nil {
			return Revealed{}, err
		}
		if read.reaches() && slices.Contains(known, read.Item.Revision) {
			return Revealed{Item: read.Item, Same: true}, nil
		}
	}
	var r Revealed
	var read Reading
	r.Budget, err = m.charged(ctx, c, Reveal, within, 1,
		func(ctx context.Context) (_ Key, err error) {
			read, err = m.readValue(ctx, c, on)
			return read.Key, err
		},
		func(ctx context.Context, c Caller, now time.Time, readErr error) (err error) {
			r.Item, r.Value, err = m.release(ctx, c, now, on, read, readErr)
			return err
		})
	if err == nil {
		m.Monitor.Revealed(ctx, 1)
	}
	return r, err
}

// charged charges a caller's budget and reads what an operation that opens values rests on, in parallel. Then the key
// that was read decides again, and release opens: see [Manager.RevealItem].
func (m *Manager) charged(
	ctx context.Context, c Caller, needed Permissions, within []uuid.UUID, charges int,
	read func(context.Context) (Key, error), release func(ctx context.Context, c Caller, now time.Time, readErr error) error,
) (budget Budget, err error) {
	now := m.now()
	var (
		wg                 sync.WaitGroup
		charge             Charge
		key                Key
		chargeErr, readErr error
	)
	wg.Go(func() {
		ctx := withPhase(ctx, PhaseCharge)
		chargeErr = Guard(func() (err error) {
			for range charges {
				charge, err = m.Store.ChargeReveal(ctx, c.AccountID, c.UserID, now, m.RevealLimit, m.RevealWindow)
				if err != nil || !charge.Admitted {
					break
				}
			}
			return err
		})
	})
	wg.Go(func() {
		readErr = Guard(func() (err error) {
			key, err = read(withPhase(ctx, PhaseRead))
			return err
		})
	})
	wg.Wait()
	if isNotFound(chargeErr) { // no such user
		chargeErr = ErrUnauthenticated
	}
	if chargeErr != nil {
		return Budget{}, fmt.Errorf("charge reveal: %w", chargeErr)
	}
	if readErr == nil {
		if c, err = m.stillMay(needed, within, key, c); err != nil {
			m.Log.WarnContext(ctx, "reveal refused: the key has lost it", append(c.attributes(), "error", err)...)
			return Budget{}, err
		}
	}
	if !charge.Admitted {
		budget := m.tallied(ctx, charge, now)
		m.Monitor.Throttled(ctx)
		m.Log.WarnContext(ctx, "reveal refused: the budget is spent", c.attributes()...)
		return budget, Throttled{Wait: budget.Reset}
	}
	wg.Go(func() { budget = m.tallied(ctx, charge, now) })
	wg.Go(func() { m.rotate(ctx, charge) })
	err = release(ctx, c, now, readErr)
	wg.Wait()
	return budget, err
}

// stillMay decides by a key that was just read whether the caller still has permissions for secrets, and returns the
// caller as it is now.
func (m *Manager) stillMay(needed Permissions, within []uuid.UUID, k Key, c Caller) (Caller, error) {
	fresh, err := m.current(k, c)
	if err != nil {
		return c, err
	}
	if err := fresh.permits(needed); err != nil {
		return c, err
	}
	if slices.ContainsFunc(within, func(id uuid.UUID) bool { return !fresh.Rights.Reaches(id) }) {
		return c, errOutside
	}
	return fresh, nil
}

// release opens and records what was read, unless the reading failed.
func (m *Manager) release(ctx context.Context, c Caller, now time.Time, on scope, read Reading, readErr error) (Item, Value, error) {
	if readErr == nil {
		readErr = read.missing()
	}
	if isNotFound(readErr) {
		m.Log.WarnContext(ctx, "reveal of what does not exist, charged", c.attributes()...)
	}
	if readErr != nil {
		return Item{}, Value{}, fmt.Errorf("read value: %w", readErr)
	}
	item, value, err := m.openRecorded(ctx, c, now, on, read)
	if errors.Is(err, ErrChanged) { // updated between the two reads: open the newer value, once
		if read, err = m.readValue(ctx, c, on); err == nil {
			if c, err = m.stillMay(Reveal, []uuid.UUID{on.secret}, read.Key, c); err == nil {
				err = read.missing()
			}
		}
		if err == nil {
			item, value, err = m.openRecorded(ctx, c, m.now(), on, read)
		}
		if errors.Is(err, ErrChanged) {
			err = errors.Join(ErrUnavailable, err)
		}
	}
	if err != nil {
		return Item{}, Value{}, fmt.Errorf("reveal item: %w", err)
	}
	return item, value, nil
}

// readValue reads what a reveal rests on: at once for the current version; another one is found by its item's history.
func (m *Manager) readValue(ctx context.Context, c Caller, on scope) (Reading, error) {
	if on.version == 0 {
		return m.Store.ReadValue(ctx, c.AccountID, c.KeyID, on.secret, on.item)
	}
	read, err := m.Store.ReadItem(ctx, c.AccountID, c.KeyID, on.secret, on.item)
	slot, exists := read.Item.History.slot(on.version)
	if err != nil || !exists {
		return read, err
	}
	version, sealed, err := m.Store.SealedVersion(ctx, read.Item, slot.Number)
	if err == nil && version.Number == on.version {
		read.Value = sealed
	}
	if isNotFound(err) {
		err = nil
	}
	return read, err
}

// missing is ErrNotFound if the value, its item or its secret does not exist.
func (r Reading) missing() error {
	if r.Value.Version == 0 || !r.reaches() {
		return ErrNotFound
	}
	return nil
}

// reaches reports whether the item and its secret exist.
func (r Reading) reaches() bool { return r.Secret.ID != uuid.Nil && r.Item.ID != uuid.Nil }

// openRecorded opens a value and records its reveal in parallel. It returns the value
// only when both succeeded and the item still has this version; else ErrChanged.
func (m *Manager) openRecorded(ctx context.Context, c Caller, now time.Time, on scope, read Reading) (Item, Value, error) {
	sealed := read.Value
	revealed := Item{AccountID: c.AccountID, SecretID: on.secret, ID: on.item, Key: read.Item.Key, Version: sealed.Version}
	event := m.revealEvent(c, now, read.Secret, revealed)
	var (
		wg                          sync.WaitGroup
		plaintext                   []byte
		stamped                     Item
		openErr, stampErr, eventErr error
	)
	record := withPhase(ctx, PhaseRecord)
	wg.Go(func() {
		openErr = Guard(func() (err error) {
			plaintext, err = m.Sealer.Open(withPhase(ctx, PhaseOpen), revealed.AssociatedData(), sealed.Blob)
			return err
		})
	})
	wg.Go(func() {
		stampErr = Guard(func() (err error) {
			stamped, err = m.Store.StampReveal(record, c.AccountID, on.secret, on.item, now, c.UserID)
			return err
		})
	})
	wg.Go(func() {
		eventErr = Guard(func() error { return m.Store.AppendEvent(record, event) })
	})
	wg.Wait()
	defer clear(plaintext)
	for _, err := range []error{stampErr, eventErr, openErr} {
		if err != nil {
			return Item{}, Value{}, err
		}
	}
	if on.version != 0 {
		if _, exists := stamped.History.slot(on.version); !exists { // deleted meanwhile
			return Item{}, Value{}, ErrNotFound
		}
	} else if stamped.Version != sealed.Version {
		return Item{}, Value{}, ErrChanged
	}
	stamped.Version = sealed.Version
	return stamped.readBy(read.Secret.Exported), NewValue(string(plaintext)), nil
}

// rotate makes room in the counter. A failure does no harm: a charge that finds no room makes it.
func (m *Manager) rotate(ctx context.Context, charge Charge) {
	if charge.Rotate == nil {
		return
	}
	if err := Guard(func() error { return charge.Rotate(ctx) }); err != nil {
		m.Log.WarnContext(ctx, "read counter not rotated", "error", err)
	}
}

// tallied is the budget after a charge. It is zero if it can't be counted: the charge itself is exact without it.
func (m *Manager) tallied(ctx context.Context, charge Charge, now time.Time) Budget {
	var tally Tally
	err := Guard(func() (err error) { tally, err = charge.Tally(ctx); return err })
	if err != nil {
		m.Log.WarnContext(ctx, "budget not counted", "error", err)
		return Budget{}
	}
	return m.budget(tally, now)
}

// Budget returns the caller's remaining budget. It charges nothing.
func (m *Manager) Budget(ctx context.Context, c Caller) (Budget, error) {
	if _, err := m.gate(ctx, c, anyKey, ofAccount()); err != nil {
		return Budget{}, err
	}
	now := m.now()
	tally, err := m.Store.Tally(ctx, c.AccountID, c.UserID, now, m.RevealLimit, m.RevealWindow)
	if isNotFound(err) { // no such user
		err = ErrUnauthenticated
	}
	if err != nil {
		return Budget{}, fmt.Errorf("read budget: %w", err)
	}
	return m.budget(tally, now), nil
}

// budget computes what is left at now.
func (m *Manager) budget(t Tally, now time.Time) Budget {
	b := Budget{Limit: t.Limit, Window: m.RevealWindow, Left: max(t.Limit-t.Counting, 0)}
	if t.Counting > 0 {
		b.Reset = m.wait(t.Oldest, now)
	}
	return b
}

// wait is how long a reveal still counts, in whole seconds from 1 to the window.
func (m *Manager) wait(at, now time.Time) time.Duration {
	left := at.Add(m.RevealWindow).Sub(now)
	seconds := (left + time.Second - 1).Truncate(time.Second)
	return min(max(seconds, time.Second), m.RevealWindow)
}

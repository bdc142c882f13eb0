package secrets

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Budget is what a user may still reveal.
type Budget struct {
	Limit  int
	Window time.Duration
	Left   int
	Reset  time.Duration // whole seconds until the oldest counted reveal leaves the window; 0: none is counted
}

// Revealed is an item with its value, and the budget after the read.
type Revealed struct {
	Item   Item
	Value  Value
	Budget Budget
}

// RevealTimes is how long the phases of a reveal took. Charge and Read run at the
// same time, and after them Open and Record.
type RevealTimes struct {
	Charge time.Duration // the budget is charged
	Read   time.Duration // the sealed value and its secret are read
	Open   time.Duration // KMS unwraps the data key, and the value is opened
	Record time.Duration // the read is stamped on the item, and its event appended
}

// RevealItem reads one value. No value leaves before its read is charged to the
// caller's budget and recorded, on the item and in the audit trail:
//
//  1. at once: charge the budget, read the sealed value, check that the secret is there;
//  2. refused: Throttled, with the exact wait. Missing: ErrNotFound (charged, so that
//     guessing ids is limited too);
//  3. at once: open the value, stamp the item, append the event;
//  4. all three done: the value. Any failed: none.
//
// A crash in between can record a read that did not happen, never let one happen
// unrecorded. Budget is filled in whenever the read was charged, also beside an error.
func (s *Service) RevealItem(ctx context.Context, c Caller, secretID, itemID string) (Revealed, error) {
	now := s.now()
	sid, iid, missing := parseIDs(secretID, itemID)
	var (
		wg                             sync.WaitGroup
		reads                          []time.Time
		charged                        bool
		sealed                         SealedValue
		chargeErr, secretErr, valueErr error
		took                           RevealTimes
		tookValue, tookSecret          time.Duration
	)
	wg.Go(s.timed(&took.Charge, func() {
		reads, charged, chargeErr = s.Store.ChargeRead(ctx, c.AccountID, c.UserID, now, s.ReadLimit, s.ReadWindow)
	}))
	if missing == nil {
		wg.Go(s.timed(&tookValue, func() { sealed, valueErr = s.Store.SealedValue(ctx, c.AccountID, sid, iid) }))
		wg.Go(s.timed(&tookSecret, func() { _, secretErr = s.Store.Secret(ctx, c.AccountID, sid) }))
	}
	wg.Wait()
	took.Read = max(tookValue, tookSecret)
	if chargeErr != nil {
		return Revealed{}, fmt.Errorf("charge read: %w", chargeErr)
	}
	budget := s.budget(reads, now)
	if !charged {
		s.Monitor.Throttled(ctx)
		budget.Left, budget.Reset = 0, s.wait(reads[s.ReadLimit-1], now)
		return Revealed{Budget: budget}, Throttled{Wait: budget.Reset}
	}
	for _, err := range []error{missing, secretErr, valueErr} {
		if err != nil {
			return Revealed{Budget: budget}, fmt.Errorf("read value: %w", err)
		}
	}
	if len(reads) > s.ReadLimit+trimAfter {
		wg.Go(func() { s.trimReads(ctx, c, len(reads)) })
		defer wg.Wait()
	}
	item, value, err := s.openRecorded(ctx, c, now, sid, iid, sealed, &took)
	if errors.Is(err, ErrChanged) { // updated between the two reads: the newer value, once
		if sealed, err = s.Store.SealedValue(ctx, c.AccountID, sid, iid); err == nil {
			item, value, err = s.openRecorded(ctx, c, now, sid, iid, sealed, &took)
		}
		if errors.Is(err, ErrChanged) {
			err = errors.Join(ErrUnavailable, err)
		}
	}
	if err != nil {
		return Revealed{Budget: budget}, fmt.Errorf("reveal item: %w", err)
	}
	s.Monitor.Revealed(ctx, took)
	return Revealed{Item: item, Value: value, Budget: budget}, nil
}

// openRecorded opens a value while its read is recorded, and returns it only when
// all of that is done and the item still has this version; else ErrChanged.
func (s *Service) openRecorded(ctx context.Context, c Caller, now time.Time, secret, item uuid.UUID, sealed SealedValue, took *RevealTimes) (Item, Value, error) {
	read := Item{AccountID: c.AccountID, SecretID: secret, ID: item, Version: sealed.Version}
	var (
		wg                          sync.WaitGroup
		plaintext                   []byte
		stamped                     Item
		openErr, stampErr, eventErr error
		tookStamp, tookEvent        time.Duration
	)
	wg.Go(s.timed(&took.Open, func() { plaintext, openErr = s.Sealer.Open(ctx, read.facts(), sealed.Blob) }))
	wg.Go(s.timed(&tookStamp, func() { stamped, stampErr = s.Store.StampRead(ctx, c.AccountID, secret, item, now, c.UserID) }))
	wg.Go(s.timed(&tookEvent, func() { eventErr = s.Store.AppendEvent(ctx, s.itemEvent(c, now, ItemRevealed, read)) }))
	wg.Wait()
	took.Record = max(tookStamp, tookEvent)
	defer clear(plaintext)
	for _, err := range []error{stampErr, eventErr, openErr} {
		if err != nil {
			return Item{}, Value{}, err
		}
	}
	if stamped.Version != sealed.Version {
		return Item{}, Value{}, ErrChanged
	}
	return stamped, NewValue(string(plaintext)), nil
}

// timed is do, and notes how long it takes.
func (s *Service) timed(took *time.Duration, do func()) func() {
	return func() {
		start := s.Now()
		do()
		*took = s.Now().Sub(start)
	}
}

// trimAfter is how many reads more than the limit a counter may hold: enough that
// trimming is rare, few enough that the counter of 100 stays within 1 KB, which is
// one write unit.
const trimAfter = 10

// trimReads drops the reads that no longer count. It can fail without harm: the
// next reveal tries again.
func (s *Service) trimReads(ctx context.Context, c Caller, have int) {
	if err := s.Store.TrimReads(ctx, c.AccountID, c.UserID, s.ReadLimit, have); err != nil {
		s.Log.WarnContext(ctx, "read counter not trimmed", "error", err)
	}
}

// Budget tells what the caller may still reveal. Asking charges nothing.
func (s *Service) Budget(ctx context.Context, c Caller) (Budget, error) {
	reads, err := s.Store.ReadTimes(ctx, c.AccountID, c.UserID)
	if err != nil {
		return Budget{}, fmt.Errorf("read budget: %w", err)
	}
	return s.budget(reads, s.now()), nil
}

// budget tells what is left at now, given the newest reads. They are in the order
// in which they were charged, and functions' clocks differ: of two, the one that
// was charged first may have the later time.
func (s *Service) budget(reads []time.Time, now time.Time) Budget {
	b := Budget{Limit: s.ReadLimit, Window: s.ReadWindow, Left: s.ReadLimit}
	for _, at := range reads[:min(len(reads), s.ReadLimit)] {
		if at.Add(s.ReadWindow).After(now) {
			b.Left--
			b.Reset = s.wait(at, now)
		}
	}
	return b
}

// wait is how long a read still counts, in whole seconds from 1 to the window.
func (s *Service) wait(at, now time.Time) time.Duration {
	left := at.Add(s.ReadWindow).Sub(now)
	seconds := (left + time.Second - 1).Truncate(time.Second)
	return min(max(seconds, time.Second), s.ReadWindow)
}

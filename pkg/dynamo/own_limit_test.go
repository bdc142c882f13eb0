package dynamo_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// An own limit that is set, changed or removed counts from the next charge on. Tally answers what that charge would.
func TestOwnLimitCountsFromTheNextCharge(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for seed, tt := range []struct {
		deployment int
		own        []int
	}{{5, []int{3, 8}}, {1, []int{2, 1}}, {100, []int{20, 130}}, {104, []int{105, 30}}, {300, []int{100, 350}}} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(uint64(seed), 4))
			own := tt.own[0]
			user := f.newUser(t, tt.deployment, own)
			var m model
			at := now.Truncate(time.Millisecond)
			var changes, refused int
			for i := range 2*tt.deployment + 150 {
				pause := 200 * time.Millisecond
				if random.IntN(12+tt.deployment/5) == 0 {
					pause = window
				}
				at = at.Add(time.Duration(random.Int64N(int64(pause))).Truncate(time.Millisecond))
				for random.IntN(10) == 0 {
					own = append(tt.own, 0)[random.IntN(len(tt.own)+1)]
					f.own(t, user, own)
					changes++
				}
				limit, deployment := tt.deployment, tt.deployment
				if own != 0 {
					limit, deployment = own, tt.deployment+random.IntN(2) // two deployments
				}
				counting, oldest := m.count(at, limit)
				tally, err := f.store.Tally(t.Context(), f.account, user, at, deployment, window)
				if err != nil || tally.Limit != limit || tally.Counting != counting || counting > 0 && !tally.Oldest.Equal(oldest) {
					t.Fatalf("tally %d = %+v, %v, want %d of %d since %v", i, tally, err, counting, limit, oldest)
				}
				got, err := f.charge(t, f.store, user, at, deployment, window)
				if err != nil {
					t.Fatal(err)
				}
				admitted, counting, oldest := m.charge(at, limit)
				if !admitted {
					refused++
				}
				if got.Admitted != admitted || got.Tally.Limit != limit || got.Tally.Counting != counting || counting > 0 && !got.Tally.Oldest.Equal(oldest) {
					t.Fatalf("charge %d = %v %+v, want %v with %d of %d since %v", i, got.Admitted, got.Tally, admitted, counting, limit, oldest)
				}
				if got.Rotate != nil && random.IntN(3) > 0 {
					if err := got.Rotate(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if changes < 5 || refused < 5 {
				t.Errorf("%d changes and %d refusals, want at least 5 of each", changes, refused)
			}
		})
	}
}

// While a user has an own limit, deployments with other limits neither resize the counter nor need a second call, also
// if none was at work for a minute.
func TestDeploymentsKeepAnOwnLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var calls atomic.Int64
	store := f.Store(t, secretstest.Inject(func(secretstest.Call) secretstest.Fault { calls.Add(1); return secretstest.None }))
	user, at := f.newUser(t, 5, 12), now.Truncate(time.Millisecond)
	for i := range 10 { // until a rotation is due
		at = at.Add([]time.Duration{time.Second, 2 * time.Minute}[i/2%2])
		calls.Store(0)
		c, err := f.charge(t, store, user, at, []int{5, 20}[i%2], window)
		if err != nil || !c.Admitted || c.Tally.Limit != 12 || c.Tally.Counting != i+1 || calls.Load() != 1 {
			t.Errorf("charge %d = %v %+v, %v with %d calls, want the limit 12 and one call", i, c.Admitted, c.Tally, err, calls.Load())
		}
	}
}

// The own limit changes while 16 callers charge. The window never holds more than the larger limit. A charge that
// begins after a reduction below what counts is refused. What follows the last change is exact.
func TestOwnLimitChangesWhileManyCharge(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, limits := range [][]int{{20, 100, 20, 100}, {100, 30}, {130, 104, 130}, {300, 110, 250, 40}} {
		user, at := f.newUser(t, 50, limits[0]), now.Truncate(time.Millisecond)
		most := limits[0]
		var admitted atomic.Int64
		var closed atomic.Int64 // the number of a change to a limit that is used up; 0: the limit is not
		var done atomic.Bool
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for !done.Load() {
					before := closed.Load()
					c, err := f.charge(t, f.store, user, at, 50, window)
					if err != nil {
						t.Error(err)
						return
					}
					if c.Admitted {
						admitted.Add(1)
					}
					if c.Admitted && before != 0 && before == closed.Load() {
						t.Errorf("%v: a reveal was admitted after the reduction", limits)
					}
					if c.Rotate != nil {
						_ = c.Rotate(t.Context()) // another charge does it otherwise
					}
				}
			})
		}
		for i, limit := range limits[1:] {
			time.Sleep(60 * time.Millisecond)
			closed.Store(0)
			f.own(t, user, limit)
			most = max(most, limit)
			if int(admitted.Load()) >= limit {
				closed.Store(int64(i + 1))
			}
		}
		time.Sleep(60 * time.Millisecond)
		done.Store(true)
		wg.Wait()
		last, before := limits[len(limits)-1], int(admitted.Load())
		if before > most {
			t.Errorf("%v: %d admitted, want at most %d", limits, before, most)
		}
		more := f.chargeAll(t, user, at, 50, last+64)
		if before+more != max(before, last) {
			t.Errorf("%v: %d admitted, then %d, want %d together", limits, before, more, max(before, last))
		}
		if n := f.chargeAll(t, user, at.Add(window), 50, last+64); n != last {
			t.Errorf("%v: %d admitted in the next window, want %d", limits, n, last)
		}
	}
}

// The own limit changes before any call of a charge that resizes the counter. The charge then uses the new limit.
func TestResizeRestsOnTheOwnLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const deployment = 10
	for before, after := range map[int]int{5: 0, 20: 0, 4: 7, 7: 4, 6: 30, 0: 8} {
		for nth := 1; ; nth++ {
			user, at := f.newUser(t, deployment+5, 0), now.Truncate(time.Millisecond)
			if before != 0 {
				f.own(t, user, before)
			}
			calls := 0
			store := f.Store(t, secretstest.Inject(func(secretstest.Call) secretstest.Fault {
				if calls++; calls == nth {
					f.own(t, user, after)
				}
				return secretstest.None
			}))
			c, err := f.charge(t, store, user, at, deployment, window)
			if nth > calls {
				if nth < 4 {
					t.Errorf("the charge makes %d calls, want to see the limit, change it, and charge", calls)
				}
				break
			}
			want := map[bool]int{true: after, false: deployment}[after != 0]
			if err != nil || !c.Admitted || c.Tally.Limit != want || c.Tally.Counting != 1 {
				t.Errorf("from %d to %d before call %d: charge = %v %+v, %v, want the limit %d", before, after, nth, c.Admitted, c.Tally, err, want)
			}
			if got := f.head(t, user)["w"]; got != map[bool]any{true: float64(after), false: nil}[after != 0] {
				t.Errorf("from %d to %d before call %d: the counter's own limit is %v", before, after, nth, got)
			}
		}
	}
}

// A charge of another deployment sees the row's limit, and will charge by that. An own limit that is set before holds.
func TestOwnLimitHoldsForAnotherDeployment(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	user, at := f.newUser(t, 20, 0), now.Truncate(time.Millisecond)
	for range 10 {
		if c, err := f.charge(t, f.store, user, at, 20, window); err != nil || !c.Admitted {
			t.Fatalf("charge = %v, %v", c.Admitted, err)
		}
	}
	calls := 0
	store := f.Store(t, secretstest.Inject(func(secretstest.Call) secretstest.Fault {
		if calls++; calls == 2 {
			f.own(t, user, 8)
		}
		return secretstest.None
	}))
	c, err := f.charge(t, store, user, at, 5, window)
	if err != nil || c.Admitted || c.Tally.Limit != 8 || calls < 2 {
		t.Errorf("charge = %v %+v, %v with %d calls, want a refusal by the limit 8", c.Admitted, c.Tally, err, calls)
	}
}

// head returns the counter's head, or nil.
func (f fixture) head(t *testing.T, user uuid.UUID) secretstest.Row {
	t.Helper()
	for _, row := range f.Rows(t) {
		if row["PK"] == "USER#"+f.account.String()+"#"+user.String() && row["SK"] == "READS" {
			return row
		}
	}
	return nil
}

// Without a counter nothing is charged, and nothing makes one.
func TestWithoutACounterNothingIsCharged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	user, ctx := newID(), t.Context()
	for name, got := range map[string]struct{ err, want error }{
		"ChargeReveal":  {errOf(f.store.ChargeReveal(ctx, f.account, user, now, 5, window)), secrets.ErrNotFound},
		"Tally":         {errOf(f.store.Tally(ctx, f.account, user, now, 5, window)), secrets.ErrNotFound},
		"own limit":     {f.counters().SetOwnLimit(ctx, f.account, user, 3), secrets.ErrChanged},
		"no own limit":  {f.counters().SetOwnLimit(ctx, f.account, user, 0), secrets.ErrChanged},
		"deletion":      {f.counters().DeleteCounter(ctx, f.account, user), secrets.ErrChanged},
		"another put":   {f.counters().CreateCounter(ctx, f.account, f.user, 5, 0), secrets.ErrChanged},
		"first account": {errOf(f.store.Tally(ctx, f.account, f.user, now, 5, window)), nil},
	} {
		if !errors.Is(got.err, got.want) {
			t.Errorf("%s = %v, want %v", name, got.err, got.want)
		}
	}
	for _, row := range f.Rows(t) {
		if pk := row["PK"].(string); strings.HasPrefix(pk, "USER#") && strings.HasSuffix(pk, user.String()) {
			t.Errorf("a row of no user: %v", row)
		}
	}
}

// The counter is deleted while 16 callers charge, rotate and resize it. No charge that begins after the deletion is
// admitted, and none makes the counter again.
func TestDeletedCounterAdmitsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, limit := range []int{4, 100, 130, 1000} {
		user := f.newUser(t, limit, 0)
		var clock, admitted atomic.Int64
		var deleted, done atomic.Bool
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for !done.Load() {
					at := now.Truncate(time.Millisecond).Add(time.Duration(clock.Add(1)) * (window/time.Duration(limit) + time.Second))
					wasDeleted := deleted.Load()
					c, err := f.store.ChargeReveal(t.Context(), f.account, user, at, limit, window)
					if err != nil && !errors.Is(err, secrets.ErrNotFound) || wasDeleted && err == nil {
						t.Errorf("charge of a deleted user: %v = %v, %v", wasDeleted, c.Admitted, err)
					}
					if c.Admitted {
						admitted.Add(1)
					}
					if c.Rotate != nil {
						_ = c.Rotate(t.Context())
					}
				}
			})
		}
		time.Sleep(60 * time.Millisecond)
		f.own(t, user, limit+10) // resizes begin
		if err := f.counters().DeleteCounter(t.Context(), f.account, user); err != nil {
			t.Error(err)
		}
		deleted.Store(true)
		time.Sleep(60 * time.Millisecond)
		done.Store(true)
		wg.Wait()
		if row := f.head(t, user); row != nil || admitted.Load() == 0 {
			t.Errorf("limit %d: %d admitted, then the deleted counter is %v", limit, admitted.Load(), row)
		}
	}
}

// Transactions conflict with half of all updates. Each charge still counts exactly once, rotations and changes of the
// limit included.
func TestChargesUnderConflictsCountOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var conflicts atomic.Int64
	store := f.Store(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		fault := secretstest.Conflicts(c)
		if c.What == "UpdateItem READS" && fault == secretstest.Conflict {
			conflicts.Add(1)
		}
		return fault
	}))
	const most = 130
	user, at := f.newUser(t, 100, 0), now.Truncate(time.Millisecond)
	for i := range most {
		if i == 40 {
			f.own(t, user, most)
		}
		c, err := f.charge(t, store, user, at, 100, window)
		if err != nil || !c.Admitted {
			t.Fatalf("charge %d = %v, %v", i, c.Admitted, err)
		}
		if c.Rotate != nil {
			if err := c.Rotate(t.Context()); err != nil {
				t.Errorf("rotate: %v", err)
			}
		}
		if tally, err := f.store.Tally(t.Context(), f.account, user, at, 100, window); err != nil || tally.Counting != i+1 {
			t.Fatalf("%d count after %d charges: %v", tally.Counting, i+1, err)
		}
	}
	if c, err := f.charge(t, store, user, at, 100, window); err != nil || c.Admitted {
		t.Errorf("charge of a spent budget = %v, %v", c.Admitted, err)
	}
	if conflicts.Load() < most/4 {
		t.Errorf("%d conflicts, want at least %d", conflicts.Load(), most/4)
	}
}

package secrets_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// reveal tries to reveal the world's item. If the budget refuses, it returns the wait.
func reveal(t *testing.T, m *secrets.Manager, w world) (granted bool, wait time.Duration) {
	t.Helper()
	_, err := m.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
	var throttled secrets.Throttled
	switch {
	case err == nil:
		return true, 0
	case errors.As(err, &throttled):
		return false, throttled.Wait
	default:
		t.Errorf("reveal: %v", err)
		return false, 0
	}
}

// Many callers ask at one moment of a clock that stands still. Exactly the limit is granted,
// at each moment that a window allows it, and the waits are exact.
func TestBudgetIsExactAtOneMoment(t *testing.T) {
	t.Parallel()
	const limit, callers, tries = 100, 16, 10
	w := newWorld(t, secretstest.NewTable(t))
	start := time.Now()
	var moment atomic.Int64 // since start
	m := w.table.Manager(t)
	m.Now = func() time.Time { return start.Add(time.Duration(moment.Load())) }
	for _, step := range []struct {
		after time.Duration
		want  int
		wait  time.Duration // of the refused, where all have the same
	}{
		{0, limit, time.Hour},
		{0, 0, time.Hour},
		{30 * time.Minute, 0, 30 * time.Minute},
		{30*time.Minute - time.Second, 0, time.Second},
		{time.Second - time.Millisecond, 0, time.Second},
		{time.Millisecond, limit, time.Hour},
		{time.Hour, limit, time.Hour},
	} {
		moment.Add(int64(step.after))
		var granted atomic.Int64
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for range tries {
					ok, wait := reveal(t, m, w)
					if ok {
						granted.Add(1)
					} else if wait != step.wait {
						t.Errorf("at %v: wait = %v, want %v", time.Duration(moment.Load()), wait, step.wait)
					}
				}
			})
		}
		wg.Wait()
		if n := int(granted.Load()); n != step.want {
			t.Errorf("at %v: %d of %d reveals granted, want %d", time.Duration(moment.Load()), n, callers*tries, step.want)
		}
	}
	w.table.Check(t)
}

// Many callers, whose clocks differ, ask without pause in a small window. No rolling window
// holds more reveals than the limit, and each window is used up. Each try moves the clock.
func TestNoWindowHoldsMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	const limit, window, callers, tries, step = 20, 300 * time.Millisecond, 24, 40, 2 * time.Millisecond
	w := newWorld(t, secretstest.NewTable(t))
	var mu sync.Mutex
	var charged []time.Time // as the table has them
	refused := 0
	start := time.Now()
	var clock atomic.Int64 // since start
	var wg sync.WaitGroup
	for range callers {
		skew := time.Duration(rand.IntN(5)) * time.Millisecond
		m := w.table.Manager(t)
		wg.Go(func() {
			for range tries {
				now := start.Add(time.Duration(clock.Add(int64(step))) + skew)
				c, err := m.Store.ChargeReveal(t.Context(), w.caller.AccountID, w.caller.UserID, now, limit, window)
				if err != nil {
					t.Errorf("charge: %v", err)
					continue
				}
				mu.Lock()
				if c.Admitted {
					charged = append(charged, now.Truncate(time.Millisecond))
				} else {
					refused++
				}
				mu.Unlock()
				if c.Rotate != nil {
					_ = c.Rotate(t.Context())
				}
			}
		})
	}
	wg.Wait()
	slices.SortFunc(charged, time.Time.Compare)
	for i := limit; i < len(charged); i++ {
		if between := charged[i].Sub(charged[i-limit]); between < window {
			t.Fatalf("%d reveals within %v, want at most %d in any %v", limit+1, between, limit, window)
		}
	}
	// Each window was used up, except for the time of a few rounds of all callers.
	const took, round = callers * tries * step, callers * step
	if least := limit * int(took/(window+4*round)); len(charged) < least {
		t.Errorf("%d reveals in %v, want at least %d", len(charged), took, least)
	}
	if refused == 0 {
		t.Error("no reveal was refused: the limit was not tried")
	}
	t.Logf("%d tries in %v: %d granted, %d refused", callers*tries, took, len(charged), refused)
}

// Whole reveals keep the limit too, and each value that leaves has its charge and its event.
func TestEachRevealHasItsChargeAndEvent(t *testing.T) {
	t.Parallel()
	const limit, callers, tries = 30, 16, 12
	w := newWorld(t, secretstest.NewTable(t))
	var granted atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		m := w.table.Manager(t, secretstest.Inject(secretstest.Conflicts))
		m.RevealLimit = limit
		wg.Go(func() {
			for range tries {
				if ok, _ := reveal(t, m, w); ok {
					granted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	charges, events := recorded(t, w)
	if n := int(granted.Load()); n != limit || charges != limit || events != limit {
		t.Errorf("%d values with %d charges and %d events, want %d of each", n, charges, events, limit)
	}
}

// If clocks differ, reveals are charged in one order and timed in another. A refusal still
// leaves nothing and asks for a wait of at least a second.
func TestBudgetToleratesSkewedClocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m := w.table.Manager(t)
	m.RevealLimit, m.RevealWindow = 2, 10*time.Second
	start := time.Now()
	for i, step := range []struct {
		at      time.Duration
		granted bool
		left    int
		wait    time.Duration
	}{
		{3 * time.Millisecond, true, 1, 10 * time.Second},
		{0, true, 0, 10 * time.Second},
		{10*time.Second + time.Millisecond, false, 0, time.Second},
		{10*time.Second + 3*time.Millisecond, true, 1, 10 * time.Second},
	} {
		m.Now = func() time.Time { return start.Add(step.at) }
		r, err := m.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
		var throttled secrets.Throttled
		if granted := err == nil; granted != step.granted || r.Budget.Left != step.left || r.Budget.Reset != step.wait ||
			!granted && (!errors.As(err, &throttled) || throttled.Wait != step.wait) {
			t.Errorf("reveal %d: %+v, %v, want granted = %v, %d left, %v", i, r.Budget, err, step.granted, step.left, step.wait)
		}
	}
}

// A deleted user has no counter. An authorizer's cached answer still lets the caller in: no value leaves, and nothing is
// charged.
func TestDeletedUserIsUnauthenticated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m := w.table.Manager(t)
	w.caller.UserID = m.NewID()
	for name, item := range map[string]string{"a reveal": w.item.ID.String(), "a reveal of what is missing": w.secret.ID.String()} {
		r, err := m.RevealItem(t.Context(), w.caller, w.secret.ID.String(), item)
		if !errors.Is(err, secrets.ErrUnauthenticated) || errors.Is(err, secrets.ErrNotFound) || r.Value.Reveal() != "" || r.Budget != (secrets.Budget{}) {
			t.Errorf("%s of a deleted user = %q, %+v, %v, want ErrUnauthenticated", name, r.Value.Reveal(), r.Budget, err)
		}
	}
	if b, err := m.Budget(t.Context(), w.caller); !errors.Is(err, secrets.ErrUnauthenticated) {
		t.Errorf("budget of a deleted user = %+v, %v, want ErrUnauthenticated", b, err)
	}
	if _, events := recorded(t, w); events != 0 {
		t.Errorf("%d reveals of a deleted user are recorded", events)
	}
}

func TestBudgetCountsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m := w.table.Manager(t)
	m.RevealLimit, m.RevealWindow = 3, 100*time.Second
	now := time.Now()
	m.Now = func() time.Time { return now }
	for _, step := range []struct {
		after time.Duration
		left  int
		reset time.Duration
	}{
		{0, 2, 100 * time.Second},
		{10 * time.Second, 1, 90 * time.Second},
		{500 * time.Millisecond, 0, 90 * time.Second}, // 89.5, rounded up
		{89500 * time.Millisecond, 0, 10 * time.Second},
	} {
		now = now.Add(step.after)
		r, err := m.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
		want := secrets.Budget{Limit: 3, Window: 100 * time.Second, Left: step.left, Reset: step.reset}
		if err != nil || r.Budget != want {
			t.Errorf("reveal %v later: budget = %+v, %v, want %+v", step.after, r.Budget, err, want)
		}
	}
	// A reveal of a missing item is charged too, so that guessing ids is limited.
	now = now.Add(time.Hour)
	for i, item := range []string{w.secret.ID.String(), "no-uuid", w.caller.UserID.String()} {
		r, err := m.RevealItem(t.Context(), w.caller, w.secret.ID.String(), item)
		if !errors.Is(err, secrets.ErrNotFound) || r.Budget.Left != 2-i {
			t.Errorf("reveal of %s: %d left, %v, want %d and ErrNotFound", item, r.Budget.Left, err, 2-i)
		}
	}
	if ok, wait := reveal(t, m, w); ok || wait != 100*time.Second {
		t.Errorf("reveal after guesses = %v, wait %v, want refused for 100s", ok, wait)
	}
}

package dynamo_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/dynamo"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

const window = time.Hour

// model is a counter as a plain list.
type model struct{ times []time.Time }

// charge admits a reveal, or not. It returns the number of those that count, and the oldest of them.
func (m *model) charge(now time.Time, limit int) (admitted bool, counting int, oldest time.Time) {
	counting, _ = m.count(now, limit)
	if admitted = counting < limit; admitted {
		m.times = append(m.times, now)
	}
	counting, oldest = m.count(now, limit)
	return admitted, counting, oldest
}

// count returns how many reveals count, and the oldest of them.
func (m *model) count(now time.Time, limit int) (counting int, oldest time.Time) {
	newest := m.times[max(len(m.times)-limit, 0):]
	for i, at := range newest {
		if at.After(now.Add(-window)) {
			return len(newest) - i, at
		}
	}
	return 0, time.Time{}
}

func (m *model) last() time.Time { return m.times[len(m.times)-1] }

// charged is the answer to a charge, with what counts after it.
type charged struct {
	secrets.Charge
	Tally secrets.Tally
}

// charge charges a user by the store, and counts.
func (f fixture) charge(t *testing.T, store secretstest.Store, user uuid.UUID, at time.Time, limit int, window time.Duration) (charged, error) {
	t.Helper()
	c, err := store.ChargeReveal(t.Context(), f.account, user, at, limit, window)
	if err != nil {
		return charged{}, err
	}
	tally, err := c.Tally(t.Context())
	return charged{c, tally}, err
}

// newUser creates the counter of a user: see dynamo.Store.CreateCounter.
func (f fixture) newUser(t *testing.T, limit, own int) uuid.UUID {
	t.Helper()
	user := newID()
	if err := f.counters().CreateCounter(t.Context(), f.account, user, limit, own); err != nil {
		t.Fatal(err)
	}
	return user
}

// own changes a user's own limit.
func (f fixture) own(t *testing.T, user uuid.UUID, own int) {
	t.Helper()
	if err := f.counters().SetOwnLimit(t.Context(), f.account, user, own); err != nil {
		t.Fatal(err)
	}
}

// counters has what only transactions on users do with a counter.
func (f fixture) counters() *dynamo.Store { return f.store.(*dynamo.Store) }

// limits are those at the edges of the counter's layouts.
var limits = []int{1, 2, 3, 5, 6, 100, 104, 105, 106, 250, 1000}

// Each charge is answered as by a plain list, whatever the limit is, and whether a rotation follows it, comes late, or
// never comes.
func TestCounterIsAPlainList(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, limit := range limits {
		for _, rotation := range []string{"follows", "comes late", "never comes"} {
			if limit > 110 && rotation != "comes late" {
				continue
			}
			t.Run(fmt.Sprintf("%d, a rotation %s", limit, rotation), func(t *testing.T) {
				t.Parallel()
				var m model
				user := f.newUser(t, limit, 0)
				random := rand.New(rand.NewPCG(uint64(limit), 1))
				at := now.Truncate(time.Millisecond)
				late := 0
				var rotate func(context.Context) error
				for i := range 5*limit/4 + 60 {
					// Bursts, and pauses that let some, or all, leave the window.
					switch random.IntN(40) {
					case 0:
						at = at.Add(time.Duration(random.Int64N(int64(2 * window))).Truncate(time.Millisecond))
					case 1, 2, 3:
						at = at.Add(time.Duration(random.Int64N(int64(window) * 4 / int64(limit))).Truncate(time.Millisecond))
					default:
						at = at.Add(time.Duration(random.IntN(3)) * time.Millisecond)
					}
					got, err := f.charge(t, f.store, user, at, limit, window)
					if err != nil {
						t.Fatal(err)
					}
					admitted, counting, oldest := m.charge(at, limit)
					want := secrets.Tally{Limit: limit, Counting: counting, Oldest: oldest}
					if got.Admitted != admitted || got.Tally.Counting != counting || counting > 0 && !got.Tally.Oldest.Equal(oldest) {
						t.Fatalf("charge %d = %v %+v, want %v %+v", i, got.Admitted, got.Tally, admitted, want)
					}
					if got.Rotate != nil {
						rotate = got.Rotate
						if late < 0 && rotation != "never comes" {
							late = map[bool]int{true: 1, false: 1 + random.IntN(5)}[rotation == "follows"]
						}
					}
					if late--; late == 0 {
						if err := rotate(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
				}
			})
		}
	}
}

// Many callers charge at one moment, then at later ones. Each window holds exactly the limit.
func TestCounterIsExactForManyCallers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, limit := range []int{1, 2, 100, 104, 105, 1000} {
		user := f.newUser(t, limit, 0)
		at := now.Truncate(time.Millisecond)
		for round := range 2 {
			if admitted := f.chargeAll(t, user, at, limit, limit+64); admitted != limit {
				t.Errorf("round %d with the limit %d: %d admitted", round, limit, admitted)
			}
			if admitted := f.chargeAll(t, user, at.Add(window-time.Millisecond), limit, 32); admitted != 0 {
				t.Errorf("round %d with the limit %d: %d admitted before the window ends", round, limit, admitted)
			}
			at = at.Add(window)
		}
	}
}

// chargeAll charges a user tries times with 16 callers, and returns how many were admitted.
func (f fixture) chargeAll(t *testing.T, user uuid.UUID, at time.Time, limit, tries int) int {
	t.Helper()
	var admitted, left atomic.Int64
	left.Store(int64(tries))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				c, err := f.charge(t, f.store, user, at, limit, window)
				if err != nil {
					t.Error(err)
					return
				}
				if c.Admitted {
					admitted.Add(1)
				}
				if c.Rotate != nil {
					if err := c.Rotate(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	return int(admitted.Load())
}

// The limit in force changes when no caller that agrees with it was admitted for a minute. Then the newest admissions
// of all time count, also those that a lower limit has dropped meanwhile.
func TestCounterTakesAnotherLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for seed, pair := range [][2]int{{5, 3}, {1, 2}, {100, 20}, {104, 105}, {130, 40}} {
		t.Run(fmt.Sprint(pair), func(t *testing.T) {
			t.Parallel()
			var m model
			user, random := f.newUser(t, pair[0], 0), rand.New(rand.NewPCG(uint64(seed), 2))
			at, inForce, agreed, changes := now.Truncate(time.Millisecond), 0, time.Time{}, 0
			for i := range 2*pair[0] + 150 {
				switch random.IntN(12) {
				case 0:
					at = at.Add(time.Duration(random.Int64N(int64(window))).Truncate(time.Millisecond))
				case 1, 2:
					at = at.Add(time.Duration(random.IntN(70)) * time.Second)
				default:
					at = at.Add(time.Duration(random.IntN(200)) * time.Millisecond)
				}
				limit := pair[i*7/(2*pair[0]+150)%2] // some time of each
				if random.IntN(20) == 0 {
					limit = pair[random.IntN(2)]
				}
				if inForce == 0 || limit != inForce && at.Sub(agreed) >= time.Minute {
					if inForce != 0 {
						changes++
					}
					inForce, agreed = limit, at
				}
				got, err := f.charge(t, f.store, user, at, limit, window)
				if err != nil {
					t.Fatal(err)
				}
				admitted, counting, oldest := m.charge(at, inForce)
				if admitted && limit == inForce {
					agreed = at
				}
				want := secrets.Tally{Limit: inForce, Counting: counting, Oldest: oldest}
				if got.Admitted != admitted || got.Tally.Limit != inForce || got.Tally.Counting != counting || counting > 0 && !got.Tally.Oldest.Equal(oldest) {
					t.Fatalf("charge %d with %d at %v = %v %+v, want %v %+v", i, limit, at, got.Admitted, got.Tally, admitted, want)
				}
				if got.Rotate != nil && random.IntN(3) > 0 {
					if err := got.Rotate(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if changes < 2 {
				t.Errorf("the limit changed %d times, want at least 2", changes)
			}
		})
	}
}

// Callers with two limits meet a counter at once, whose limit is that of one of them, or of none. Each gets an answer,
// and the limit in force is exact.
func TestTwoLimitsDoNotStarveEachOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, before := range []int{20, 60, 100, 300} {
		for _, pair := range [][2]int{{20, 100}, {100, 300}} {
			user, at := f.newUser(t, before, 0), now.Truncate(time.Millisecond)
			if n := f.chargeAll(t, user, at, before, before); n != before {
				t.Fatalf("%d admitted, want %d", n, before)
			}
			at = at.Add(window)
			var admitted [2]atomic.Int64
			var inForce atomic.Int64
			var wg sync.WaitGroup
			for caller := range 16 {
				wg.Go(func() {
					for range pair[1]/16 + 5 {
						c, err := f.charge(t, f.store, user, at, pair[caller%2], window)
						if err != nil {
							t.Error(err)
							return
						}
						inForce.Store(int64(c.Tally.Limit))
						if c.Admitted {
							admitted[caller%2].Add(1)
						}
						if c.Rotate != nil {
							_ = c.Rotate(t.Context()) // another charge does it otherwise
						}
					}
				})
			}
			wg.Wait()
			a, b, limit := admitted[0].Load(), admitted[1].Load(), inForce.Load()
			if a+b != limit || a == 0 || b == 0 || limit != int64(pair[0]) && limit != int64(pair[1]) {
				t.Errorf("%v after %d, with %d in force: %d and %d admitted", pair, before, limit, a, b)
			}
		}
	}
}

// A rotation that fails or ends at any of its calls, and one that another caller overtakes, changes no answer.
func TestRotationsAreIdempotent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, limit := range []int{1, 8, 104, 130} {
		// try rotates, with what happens at the nth of its calls, and goes on.
		try := func(nth int, what string, happens func(m *model, user uuid.UUID) secretstest.Fault) (calls int) {
			var rotating atomic.Bool
			var mu sync.Mutex
			var m *model
			var user uuid.UUID
			store := f.Store(t, secretstest.Inject(func(secretstest.Call) secretstest.Fault {
				if !rotating.Load() {
					return secretstest.None
				}
				mu.Lock()
				defer mu.Unlock()
				if calls++; calls == nth {
					return happens(m, user)
				}
				return secretstest.None
			}))
			var rotate func(context.Context) error
			m, user, rotate = f.untilDue(t, store, limit)
			rotating.Store(true)
			_ = rotate(t.Context())
			f.goOn(t, m, user, m.last(), limit, fmt.Sprint(limit, " ", nth, " ", what))
			return calls
		}
		calls := try(0, "nothing", nil)
		if want := map[bool]int{true: 1, false: 3}[limit <= 104]; calls != want {
			t.Errorf("a rotation with the limit %d makes %d calls, want %d", limit, calls, want)
		}
		for nth := 1; nth <= calls; nth++ {
			for _, fault := range []secretstest.Fault{secretstest.LostBefore, secretstest.LostAfter} {
				try(nth, fmt.Sprint(fault), func(*model, uuid.UUID) secretstest.Fault { return fault })
			}
			// Before this call, another caller rotates, and there are charges for an hour.
			try(nth, "overtaken", func(m *model, user uuid.UUID) secretstest.Fault {
				f.goOn(t, m, user, m.last(), limit, fmt.Sprint(limit, " overtakes ", nth))
				return secretstest.None
			})
		}
	}
}

// untilDue charges a new user until a rotation is due, which reads a block if there are any.
func (f fixture) untilDue(t *testing.T, store secretstest.Store, limit int) (*model, uuid.UUID, func(context.Context) error) {
	t.Helper()
	m, user := new(model), f.newUser(t, limit, 0)
	for at := now.Truncate(time.Millisecond); ; at = at.Add(window/time.Duration(limit) + time.Millisecond) {
		c, err := f.charge(t, store, user, at, limit, window)
		m.charge(at, limit)
		if err != nil || !c.Admitted {
			t.Fatalf("charge = %+v, %v", c, err)
		}
		if c.Rotate == nil {
			continue
		}
		if limit <= 104 || len(m.times) > limit { // the oldest block is not zeros any more
			return m, user, c.Rotate
		}
		if err := c.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// goOn charges for about an hour.
func (f fixture) goOn(t *testing.T, m *model, user uuid.UUID, at time.Time, limit int, what string) {
	t.Helper()
	steps := min(limit+2, 40) // more than the reserve
	for range steps {
		at = at.Add(window/time.Duration(steps) - time.Second)
		got, err := f.charge(t, f.store, user, at, limit, window)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if admitted, counting, _ := m.charge(at, limit); got.Admitted != admitted || got.Tally.Counting != counting {
			t.Fatalf("%s: charge = %v %+v, want %v with %d", what, got.Admitted, got.Tally, admitted, counting)
		}
	}
}

// A block that is gone counts for as long as its newest time, and then no more.
func TestLostBlockFailsClosed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const limit = 300
	user, at := f.newUser(t, limit, 0), now.Truncate(time.Millisecond)
	for i := range limit {
		c, err := f.charge(t, f.store, user, at.Add(time.Duration(i)*time.Second), limit, window)
		if err != nil || !c.Admitted {
			t.Fatalf("charge = %+v, %v", c, err)
		}
		if c.Rotate != nil {
			if err := c.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	lost := 0
	for _, row := range f.Rows(t) {
		if sk, _ := row["SK"].(string); strings.HasPrefix(sk, "READS#") {
			lost++
			f.delete(t, row["PK"].(string), sk)
		}
	}
	if lost == 0 {
		t.Fatal("the counter has no blocks")
	}
	charge := func(after time.Duration) (admitted int) {
		for range 2 * limit {
			c, err := f.charge(t, f.store, user, at.Add(after), limit, window)
			if err != nil {
				t.Fatal(err)
			}
			if !c.Admitted {
				break
			}
			admitted++
		}
		return admitted
	}
	// As a plain list, 150 and then 150 would be free.
	if first, second := charge(window+149*time.Second), charge(window+299*time.Second); first > 150 || first+second != limit {
		t.Errorf("%d, then %d admitted, want at most 150, and %d together", first, second, limit)
	}
}

// delete deletes a row.
func (f fixture) delete(t *testing.T, pk, sk string) {
	t.Helper()
	_, err := f.Client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &f.Name, Key: map[string]types.AttributeValue{
		"PK": &types.AttributeValueMemberS{Value: pk}, "SK": &types.AttributeValueMemberS{Value: sk},
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// Clocks differ by up to 200 ms. Of any limit+1 admissions in a row, the last is at least a window less twice that
// later than the first. One clock that is far off changes no more than by how far it is off, to both sides.
func TestCounterToleratesClocks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const limit, window, spread = 20, time.Minute, 200 * time.Millisecond
	for name, off := range map[string]time.Duration{"all are near": 0, "one is fast": 10 * time.Second, "one is slow": -10 * time.Second} {
		random, user := rand.New(rand.NewPCG(3, 3)), f.newUser(t, limit, 0)
		offsets := make([]time.Duration, 16)
		for i := range offsets {
			offsets[i] = time.Duration(random.Int64N(int64(2*spread))) - spread
		}
		offsets[0] += off
		far := spread + max(off, -off)
		var admitted []time.Time // by a clock that is right
		start := now.Truncate(time.Millisecond)
		at := start
		for range 600 {
			at = at.Add(time.Duration(random.IntN(1000)) * time.Millisecond)
			c, err := f.charge(t, f.store, user, at.Add(offsets[random.IntN(16)]), limit, window)
			if err != nil {
				t.Fatal(err)
			}
			if c.Admitted {
				admitted = append(admitted, at)
			}
		}
		for i := limit; i < len(admitted); i++ {
			if between := admitted[i].Sub(admitted[i-limit]); between < window-spread-far {
				t.Errorf("%s: %d reveals within %v", name, limit+1, between)
			}
			if between := admitted[i].Sub(admitted[i-1]); between > window+spread+far {
				t.Errorf("%s: refused for %v", name, between)
			}
		}
		if least := int(at.Sub(start)/(window+far+spread)) * limit; len(admitted) < least {
			t.Errorf("%s: %d admitted in %v, want at least %d", name, len(admitted), at.Sub(start), least)
		}
	}
}

// A change of the limit that fails or ends at any of its calls loses no admission, and the next charge completes it.
func TestChangesOfTheLimitAreIdempotent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, change := range [][2]int{{6, 3}, {3, 6}, {130, 20}, {20, 130}} {
		prepare := func() (*model, uuid.UUID, time.Time) {
			m, user, _ := f.untilDue(t, f.store, change[0])
			return m, user, m.last().Add(2 * time.Minute)
		}
		var calls []secretstest.Call
		var mu sync.Mutex
		_, user, at := prepare()
		if _, err := f.Store(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, c)
			return secretstest.None
		})).ChargeReveal(t.Context(), f.account, user, at, change[1], window); err != nil || len(calls) < 3 {
			t.Fatalf("%v: charge = %v with the calls %v, want to see the limit, change it, and charge", change, err, calls)
		}
		charge := len(calls) - 1
		for i, call := range calls {
			for _, fault := range []secretstest.Fault{secretstest.LostBefore, secretstest.LostAfter} {
				m, user, at := prepare()
				store := f.Store(t, secretstest.Inject(secretstest.At(call, fault, true)))
				c, err := store.ChargeReveal(t.Context(), f.account, user, at, change[1], window)
				wasDone := i == charge && fault == secretstest.LostAfter
				if err == nil && c.Admitted || wasDone {
					m.charge(at, change[1])
				}
				f.goOn(t, m, user, at, change[1], fmt.Sprint(change, " ", call, " ", fault))
			}
		}
	}
}

// Functions with two windows use one counter. Each answers by its own.
func TestCounterHasNoWindow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	at := now.Truncate(time.Millisecond)
	for _, step := range []struct {
		after, window time.Duration
		admitted      bool
		counting      int
	}{
		{0, time.Hour, true, 1},
		{time.Minute, time.Hour, true, 2},
		{2 * time.Minute, time.Hour, false, 2},
		{2 * time.Minute, time.Minute, true, 1},
		{2 * time.Minute, time.Hour, false, 2},
		{2*time.Minute + 30*time.Second, time.Minute, true, 2},
		{time.Hour + 2*time.Minute, time.Hour, true, 2},
		{time.Hour + 2*time.Minute, 24 * time.Hour, false, 2},
	} {
		c, err := f.charge(t, f.store, f.user, at.Add(step.after), 2, step.window)
		if err != nil || c.Admitted != step.admitted || c.Tally.Counting != step.counting {
			t.Errorf("charge after %v with the window %v = %+v, %v, want %v with %d", step.after, step.window, c, err, step.admitted, step.counting)
		}
	}
}

// A caller with the limit before charges while another one changes the limit. Neither charge is lost.
func TestChangesOfTheLimitLoseNoCharge(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const before, after = 6, 10
	m, user, _ := f.untilDue(t, f.store, before)
	at := m.last().Add(window)
	updates := 0
	store := f.Store(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if updates++; updates == 2 { // it has read the counter, and will replace it
			if c, err := f.charge(t, f.store, user, at, before, window); err != nil || !c.Admitted {
				t.Errorf("charge with the limit before = %+v, %v", c, err)
			}
			m.charge(at, before)
		}
		return secretstest.None
	}))
	c, err := f.charge(t, store, user, at, after, window)
	_, counting, _ := m.charge(at, before)
	if err != nil || !c.Admitted || c.Tally.Limit != before || c.Tally.Counting != counting {
		t.Errorf("charge with the limit after = %+v, %v, want %d that count", c, err, counting)
	}
}

// A limit and a window change together, back and forth. What a shorter queue has lost counts at most too long.
func TestLostTimesCountInALongerWindow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	at := now.Truncate(time.Millisecond)
	charge := func(after time.Duration, limit int, window time.Duration) (admitted int) {
		for range 20 {
			c, err := f.charge(t, f.store, f.user, at.Add(after), limit, window)
			if err != nil {
				t.Fatal(err)
			}
			if c.Admitted {
				admitted++
			}
		}
		return admitted
	}
	for _, step := range []struct {
		after  time.Duration
		limit  int
		window time.Duration
		want   int
	}{
		{0, 10, time.Hour, 10},
		{2 * time.Minute, 5, time.Minute, 5},
		{4 * time.Minute, 10, time.Hour, 0},
		{time.Hour + 2*time.Minute, 10, time.Hour, 10},
	} {
		if got := charge(step.after, step.limit, step.window); got != step.want {
			t.Errorf("after %v with %d in %v: %d admitted, want %d", step.after, step.limit, step.window, got, step.want)
		}
	}
}

// A short queue pops what a longer window would count. A longer queue then admits too few, never too many.
func TestPoppedTimesCountInALongerWindow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	at, admitted := now.Truncate(time.Millisecond), 0
	for range 9 {
		c, err := f.charge(t, f.store, f.user, at, 3, time.Minute)
		if err != nil || !c.Admitted {
			t.Fatalf("charge = %+v, %v", c, err)
		}
		at = at.Add(time.Minute)
	}
	for range 20 {
		c, err := f.charge(t, f.store, f.user, at.Add(time.Minute), 20, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if c.Admitted {
			admitted++
		}
	}
	if admitted > 20-9 {
		t.Errorf("%d admitted within the hour of 9 others, want at most 11", admitted)
	}
}

// A kept queue that is missing counts for as long as it could.
func TestLostQueueFailsClosed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	user, at := f.newUser(t, 10, 0), now.Truncate(time.Millisecond)
	charge := func(after time.Duration, limit int) (admitted int) {
		for range 15 {
			c, err := f.charge(t, f.store, user, at.Add(after), limit, window)
			if err != nil {
				t.Fatal(err)
			}
			if c.Admitted {
				admitted++
			}
		}
		return admitted
	}
	if n := charge(0, 10); n != 10 {
		t.Errorf("%d admitted, want 10", n)
	}
	if n := charge(2*time.Minute, 5); n != 0 {
		t.Errorf("%d admitted after a reduction, want 0", n)
	}
	kept := 0
	for _, row := range f.Rows(t) {
		if sk, _ := row["SK"].(string); strings.HasPrefix(sk, "READS#") {
			kept++
			f.delete(t, row["PK"].(string), sk)
		}
	}
	if before, after := charge(4*time.Minute, 10), charge(window, 10); kept != 1 || before != 0 || after != 10 {
		t.Errorf("%d kept rows; %d admitted within the window, and %d after it, want 1, 0 and 10", kept, before, after)
	}
}

// A budget that is read is that of the next reveal, also if it has another limit.
func TestTallyIsThatOfTheNextCharge(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, change := range [][2]int{{6, 3}, {3, 6}, {130, 20}, {20, 130}} {
		m, user, _ := f.untilDue(t, f.store, change[0])
		for _, after := range []time.Duration{time.Second, 2 * time.Minute, window / 2, window + time.Minute} {
			at := m.last().Add(after)
			tally, err := f.store.Tally(t.Context(), f.account, user, at, change[1], window)
			if err != nil {
				t.Fatal(err)
			}
			c, err := f.charge(t, f.store, user, at, change[1], window)
			admitted := map[bool]int{true: 1}[c.Admitted]
			if err != nil || tally.Limit != c.Tally.Limit || (tally.Counting < tally.Limit) != c.Admitted || c.Admitted && c.Tally.Counting < min(tally.Counting+admitted, tally.Limit)-1 {
				t.Errorf("%v after %v: tally = %+v, then charge = %v %+v, %v", change, after, tally, c.Admitted, c.Tally, err)
			}
			if c.Admitted {
				break
			}
		}
	}
}

// One clock that is far ahead does not keep the limit that was.
func TestFastClockDoesNotKeepTheLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	at := now.Truncate(time.Millisecond)
	for _, step := range []struct {
		at    time.Time
		limit int
		want  int
	}{{at, 10, 10}, {at.Add(24 * time.Hour), 10, 10}, {at.Add(2 * time.Minute), 3, 3}} {
		if c, err := f.charge(t, f.store, f.user, step.at, step.limit, window); err != nil || c.Tally.Limit != step.want {
			t.Errorf("charge with %d = %+v, %v, want the limit %d", step.limit, c.Tally, err, step.want)
		}
	}
}

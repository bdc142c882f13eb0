package delivery_test

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Changes come in different ways over days, and the deliverer is called at each of
// them and each minute. A due change is delivered at once, and no other: 20 in any
// 24 hours without a pause, more of them 15 minutes apart, and never more than 90. So a
// burst of 1,000 changes is at most 20 deliveries.
func TestPaceKeepsTheTargetsQuota(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	for name, changes := range map[string]func(r *rand.Rand, minute int) int{
		"one":                func(_ *rand.Rand, minute int) int { return map[bool]int{true: 1}[minute == 0] },
		"a burst":            func(_ *rand.Rand, minute int) int { return map[bool]int{true: 1000}[minute == 3] },
		"a burst a day":      func(_ *rand.Rand, minute int) int { return map[bool]int{true: 50}[minute%1440 == 77] },
		"each minute":        func(*rand.Rand, int) int { return 1 },
		"each hour":          func(_ *rand.Rand, minute int) int { return map[bool]int{true: 1}[minute%60 == 0] },
		"in working hours":   func(_ *rand.Rand, minute int) int { return map[bool]int{true: 1}[minute%1440 < 540 && minute%7 == 0] },
		"at random":          func(r *rand.Rand, _ int) int { return max(0, r.IntN(20)-17) },
		"seldom, then often": func(r *rand.Rand, minute int) int { return map[bool]int{true: 1}[minute > 3000 || r.IntN(100) == 0] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 0))
			d, s, target := newPaced(100)
			call := func() {
				n, before := len(target.staged), target.within(day)
				var last time.Duration // since the previous delivery
				if n > 0 {
					last = s.now.Sub(target.staged[n-1])
				}
				may := before < paceBurst || before < paceLimit && last >= paceEvery
				queued := s.entry != nil
				if err := s.deliver(t, d); err != nil {
					t.Fatalf("seed %d, %v: Deliver = %v", seed, s.now, err)
				}
				if delivered := len(target.staged) > n; delivered != (queued && may) || len(target.staged) > n+1 {
					t.Fatalf("seed %d, %v: %d delivered with %d in 24 hours, the last %v ago, in the outbox = %v",
						seed, s.now, len(target.staged)-n, before, last, queued)
				}
				if s.entry == nil && s.secret.Delivered != s.secret.Revision {
					t.Fatalf("seed %d, %v: the outbox is empty, and revision %d is delivered, want %d", seed, s.now, s.secret.Delivered, s.secret.Revision)
				}
				if most := target.within(day); most > paceLimit {
					t.Fatalf("seed %d, %v: %d versions in 24 hours", seed, s.now, most)
				}
			}
			for minute := range 6 * 1440 {
				for range changes(r, minute) {
					s.change()
					s.now = s.now.Add(10 * time.Millisecond)
					call()
				}
				call()
				s.now = s.now.Truncate(time.Minute).Add(time.Minute)
			}
			// In the end, the newest is delivered.
			for range 1440 {
				call()
				s.now = s.now.Add(time.Minute)
			}
			if s.entry != nil || s.secret.Delivered != s.secret.Revision {
				t.Errorf("seed %d: revision %d is delivered a day after the last change, want %d", seed, s.secret.Delivered, s.secret.Revision)
			}
			t.Logf("%d changes, %d deliveries", s.secret.Revision, len(target.staged))
		})
	}
}

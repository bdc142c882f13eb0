package delivery_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/awssm/limits"
	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

const leaseTime = time.Minute // that a delivery may take

// versions24 is a target that accepts a number of versions in any 24 hours.
type versions24 struct {
	delivery.Target
	now    *time.Time
	limit  int
	staged []time.Time
}

func (v *versions24) within(window time.Duration) (n int) {
	for _, at := range v.staged {
		if v.now.Sub(at) < window {
			n++
		}
	}
	return n
}

func (v *versions24) Stage(context.Context, delivery.Bundle) error {
	if v.within(24*time.Hour) >= v.limit {
		return delivery.ErrQuota
	}
	v.staged = append(v.staged, *v.now)
	return nil
}

func (v *versions24) Promote(context.Context, delivery.Bundle) (int64, error) { return 0, nil }

// newPaced is a deliverer of one secret to a target with a quota, on the clock of the store.
func newPaced(limit int) (*delivery.Deliverer, *memory, *versions24) {
	l := &memory{now: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)}
	l.secret.Services = 1
	target := &versions24{now: &l.now, limit: limit}
	return &delivery.Deliverer{
		Store: l, Opener: plain{}, Target: target, Limits: limits.SecretsManager(), Monitor: silent{},
		Now: func() time.Time { return l.now }, NewID: uuid.New,
	}, l, target
}

// Changes come in different ways over days, and the deliverer is called at each of
// them and each minute. A due change is delivered at once, and no other: 20 in any
// 24 hours without a pause, more of them 15 minutes apart, and never more than 90.
func TestPaceKeepsTheTargetsQuota(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	for name, changes := range map[string]func(r *rand.Rand, minute int) int{
		"one":                func(_ *rand.Rand, minute int) int { return map[bool]int{true: 1}[minute == 0] },
		"a burst":            func(_ *rand.Rand, minute int) int { return map[bool]int{true: 500}[minute == 3] },
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
			d, l, target := newPaced(100)
			call := func() {
				n, before := len(target.staged), target.within(24*time.Hour)
				var last time.Duration // since the delivery before
				if n > 0 {
					last = l.now.Sub(target.staged[n-1])
				}
				may := before < 20 || before < 90 && last >= 15*time.Minute
				waits := l.entry != nil
				if err := d.Deliver(t.Context(), uuid.UUID{}, uuid.UUID{}); err != nil {
					t.Fatalf("seed %d, %v: deploy: %v", seed, l.now, err)
				}
				if delivered := len(target.staged) > n; delivered != (waits && may) || len(target.staged) > n+1 {
					t.Fatalf("seed %d, %v: %d delivered with %d in 24 hours, the last %v ago, and one waits = %v",
						seed, l.now, len(target.staged)-n, before, last, waits)
				}
				if l.entry == nil && l.secret.Delivered != l.secret.Revision {
					t.Fatalf("seed %d, %v: nothing waits, and of revision %d %d is delivered", seed, l.now, l.secret.Revision, l.secret.Delivered)
				}
				if most := target.within(24 * time.Hour); most > 90 {
					t.Fatalf("seed %d, %v: %d versions in 24 hours", seed, l.now, most)
				}
			}
			for minute := range 6 * 1440 {
				for range changes(r, minute) {
					l.change()
					l.now = l.now.Add(10 * time.Millisecond)
					call()
				}
				call()
				l.now = l.now.Truncate(time.Minute).Add(time.Minute)
			}
			// The newest wins, in the end.
			for range 1440 {
				call()
				l.now = l.now.Add(time.Minute)
			}
			if l.entry != nil || l.secret.Delivered != l.secret.Revision {
				t.Errorf("seed %d: a day after the last change it still waits", seed)
			}
			t.Logf("%d changes, %d deliveries", l.secret.Revision, len(target.staged))
		})
	}
}

// A target whose quota is exceeded is not asked again for a quarter of an hour, even if other
// writers filled the quota.
func TestExceededQuotaPausesDeliveries(t *testing.T) {
	t.Parallel()
	d, l, target := newPaced(0)
	manager := &secrets.Manager{MaxBundleSize: limits.MaxSecretSize}
	l.change()
	deploy := func() error { return d.Deliver(t.Context(), uuid.UUID{}, uuid.UUID{}) }
	if err := deploy(); !errors.Is(err, delivery.ErrQuota) {
		t.Errorf("deploy over the quota: %v, want ErrQuota", err)
	}
	if status, _ := manager.Status(l.secret); status != secrets.StatusFailed || l.entry == nil {
		t.Errorf("status = %s, waiting %v, want failed and still on the list", status, l.entry)
	}
	target.limit = 100
	for range 14 {
		l.now = l.now.Add(time.Minute)
		l.change()
		if err := deploy(); err != nil || len(target.staged) != 0 {
			t.Errorf("deploy %v: %v, %d staged, want nothing yet", l.now, err, len(target.staged))
		}
	}
	l.now = l.now.Add(time.Minute)
	if err := deploy(); err != nil || len(target.staged) != 1 || l.entry != nil {
		t.Errorf("deploy a quarter of an hour later: %v, %d staged, waiting %v, want one and nothing left", err, len(target.staged), l.entry)
	}
	if status, _ := manager.Status(l.secret); status != secrets.StatusReady {
		t.Errorf("status = %s, want ready", status)
	}
	l.change()
	if err := deploy(); err != nil || len(target.staged) != 2 {
		t.Errorf("deploy right after it: %v, %d staged, want another", err, len(target.staged))
	}
}

// A held lease blocks other deliverers until it is released or has expired.
func TestOnlyAnExpiredLeaseIsTakenOver(t *testing.T) {
	t.Parallel()
	d, l, target := newPaced(100)
	l.change()
	l.lease = delivery.Lease{Token: 3, Expires: l.now.Add(leaseTime)}
	for _, step := range []struct {
		after  time.Duration
		staged int
	}{{0, 0}, {leaseTime - time.Microsecond, 0}, {time.Microsecond, 1}} {
		l.now = l.now.Add(step.after)
		if err := d.Deliver(t.Context(), uuid.UUID{}, uuid.UUID{}); err != nil || len(target.staged) != step.staged {
			t.Errorf("deploy with a turn until %v, at %v: %v, %d staged, want %d", l.lease.Expires, l.now, err, len(target.staged), step.staged)
		}
	}
	if l.lease.Token != 4 || !l.lease.Expires.IsZero() || l.entry != nil {
		t.Errorf("turn %d until %v, waiting %v, want the fourth, given back, and nothing left", l.lease.Token, l.lease.Expires, l.entry)
	}
}

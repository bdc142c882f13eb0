package secrets

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		secret     Secret
		status     Status
		successful bool
	}{
		{"of before there were services", Secret{}, StatusReady, true},
		{"changed, unused", Secret{Revision: 7}, StatusReady, true},
		{"unused, its bundle not removed yet", Secret{Revision: 7, Delivered: 5}, StatusReady, true},
		{"unused, the removal failed", Secret{Revision: 7, Delivered: 5, DeployFailed: true}, StatusReady, true},
		{"used, never delivered", Secret{Services: 1, Revision: 1}, StatusPending, false},
		{"used by many, never delivered", Secret{Services: 9, Revision: 30}, StatusPending, false},
		{"the first delivery failed", Secret{Services: 1, Revision: 1, DeployFailed: true}, StatusFailed, false},
		{"delivered", Secret{Services: 1, Revision: 7, Delivered: 7}, StatusReady, true},
		{"changed since", Secret{Services: 1, Revision: 8, Delivered: 7}, StatusDeploying, true},
		{"changed since, and it failed", Secret{Services: 1, Revision: 8, Delivered: 7, DeployFailed: true}, StatusFailed, false},
		{"delivered again, and it failed", Secret{Services: 1, Revision: 7, Delivered: 7, DeployFailed: true}, StatusFailed, false},
	} {
		status, successful := (&Service{Delivers: true}).Status(tt.secret)
		if status != tt.status || successful != tt.successful {
			t.Errorf("%s: Status(%+v) = %s, %v, want %s, %v", tt.name, tt.secret, status, successful, tt.status, tt.successful)
		}
		if status, successful := (&Service{}).Status(tt.secret); status != StatusReady || !successful {
			t.Errorf("%s, nothing is delivered: Status(%+v) = %s, %v, want ready, true", tt.name, tt.secret, status, successful)
		}
	}
}

// ledger is a store of one used secret that changes, and of its deliveries; shelf has
// its items.
type ledger struct {
	shelf
	waiting  *Undelivered
	delivery Delivery
	now      time.Time
}

func (l *ledger) change() {
	l.secret.Revision++
	l.waiting = &Undelivered{Change: uuid.New(), At: l.now}
}

func (l *ledger) Undelivered(context.Context, uuid.UUID, uuid.UUID) (Undelivered, error) {
	if l.waiting == nil {
		return Undelivered{}, ErrNotFound
	}
	return *l.waiting, nil
}

func (l *ledger) Settle(_ context.Context, u Undelivered) error {
	if l.waiting != nil && *l.waiting != u {
		return ErrChanged
	}
	l.waiting = nil
	return nil
}

func (l *ledger) Delivery(context.Context, uuid.UUID, uuid.UUID) (Delivery, error) {
	return l.delivery, nil
}

func (l *ledger) BeginDelivery(_ context.Context, begun Delivery) error {
	if begun.Turn != l.delivery.Turn+1 {
		return ErrChanged
	}
	l.delivery = begun
	return nil
}

func (l *ledger) EndDelivery(_ context.Context, begun Delivery, _ string) error {
	if begun.Turn == l.delivery.Turn {
		l.delivery = begun
		l.delivery.Until = time.Time{}
	}
	return nil
}

func (l *ledger) MarkDelivered(_ context.Context, _, _ uuid.UUID, revision int64) error {
	l.secret.Delivered, l.secret.DeployFailed = revision, false
	return nil
}

func (l *ledger) MarkFailed(context.Context, uuid.UUID, uuid.UUID) error {
	l.secret.DeployFailed = true
	return nil
}

func (l *ledger) AppendEvent(context.Context, Event) error { return nil }

// versions24 is a target that takes a number of versions in any 24 hours.
type versions24 struct {
	Target
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

func (v *versions24) Stage(context.Context, Bundle) error {
	if v.within(24*time.Hour) >= v.limit {
		return ErrQuota
	}
	v.staged = append(v.staged, *v.now)
	return nil
}

func (v *versions24) Promote(context.Context, Bundle) (int64, error) { return 0, nil }

// silent is a monitor that nobody listens to.
type silent struct{ Monitor }

func (silent) Delivered(context.Context, time.Duration) {}
func (silent) DeliveryFailed(context.Context)           {}

// newPaced is a service whose one secret is delivered to a target with a quota, on a
// clock that its ledger has.
func newPaced(limit int) (*Service, *ledger, *versions24) {
	l := &ledger{now: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)}
	l.secret.Services = 1
	target := &versions24{now: &l.now, limit: limit}
	return &Service{
		Store: l, Sealer: open{}, Target: target, Monitor: silent{}, Delivers: true,
		Now: func() time.Time { return l.now }, NewID: uuid.New, Log: slog.New(slog.DiscardHandler),
	}, l, target
}

// Changes come in different ways over days, and whoever delivers is called at each of
// them and each minute. What is due is delivered at once, and nothing else: 20 in any
// 24 hours without a pause, more of them 15 minutes apart, and never more than 90.
func TestPace(t *testing.T) {
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
			svc, l, target := newPaced(100)
			call := func() {
				n, before := len(target.staged), target.within(24*time.Hour)
				var last time.Duration // since the delivery before
				if n > 0 {
					last = l.now.Sub(target.staged[n-1])
				}
				may := before < 20 || before < 90 && last >= 15*time.Minute
				waits := l.waiting != nil
				if err := svc.DeploySecret(t.Context(), uuid.UUID{}, uuid.UUID{}); err != nil {
					t.Fatalf("seed %d, %v: deploy: %v", seed, l.now, err)
				}
				if delivered := len(target.staged) > n; delivered != (waits && may) || len(target.staged) > n+1 {
					t.Fatalf("seed %d, %v: %d delivered with %d in 24 hours, the last %v ago, and one waits = %v",
						seed, l.now, len(target.staged)-n, before, last, waits)
				}
				if l.waiting == nil && l.secret.Delivered != l.secret.Revision {
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
			if l.waiting != nil || l.secret.Delivered != l.secret.Revision {
				t.Errorf("seed %d: a day after the last change it still waits", seed)
			}
			t.Logf("%d changes, %d deliveries", l.secret.Revision, len(target.staged))
		})
	}
}

// A target that has had enough is left alone for a quarter of an hour, though others
// have filled its quota.
func TestQuota(t *testing.T) {
	t.Parallel()
	svc, l, target := newPaced(0)
	l.change()
	deploy := func() error { return svc.DeploySecret(t.Context(), uuid.UUID{}, uuid.UUID{}) }
	if err := deploy(); !errors.Is(err, ErrQuota) {
		t.Errorf("deploy over the quota: %v, want ErrQuota", err)
	}
	if status, _ := svc.Status(l.secret); status != StatusFailed || l.waiting == nil {
		t.Errorf("status = %s, waiting %v, want failed and still on the list", status, l.waiting)
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
	if err := deploy(); err != nil || len(target.staged) != 1 || l.waiting != nil {
		t.Errorf("deploy a quarter of an hour later: %v, %d staged, waiting %v, want one and nothing left", err, len(target.staged), l.waiting)
	}
	if status, _ := svc.Status(l.secret); status != StatusReady {
		t.Errorf("status = %s, want ready", status)
	}
	l.change()
	if err := deploy(); err != nil || len(target.staged) != 2 {
		t.Errorf("deploy right after it: %v, %d staged, want another", err, len(target.staged))
	}
}

// A turn that is taken is nobody else's until it has ended, or its time has.
func TestTurns(t *testing.T) {
	t.Parallel()
	svc, l, target := newPaced(100)
	l.change()
	l.delivery = Delivery{Turn: 3, Until: l.now.Add(turnTime)}
	for _, step := range []struct {
		after  time.Duration
		staged int
	}{{0, 0}, {turnTime - time.Microsecond, 0}, {time.Microsecond, 1}} {
		l.now = l.now.Add(step.after)
		if err := svc.DeploySecret(t.Context(), uuid.UUID{}, uuid.UUID{}); err != nil || len(target.staged) != step.staged {
			t.Errorf("deploy with a turn until %v, at %v: %v, %d staged, want %d", l.delivery.Until, l.now, err, len(target.staged), step.staged)
		}
	}
	if l.delivery.Turn != 4 || !l.delivery.Until.IsZero() || l.waiting != nil {
		t.Errorf("turn %d until %v, waiting %v, want the fourth, given back, and nothing left", l.delivery.Turn, l.delivery.Until, l.waiting)
	}
}

package secrets_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/infra/bench/compare"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// A reveal costs the same in a large account as in a small one. Each iteration is a block of
// reveals in both.
func BenchmarkRevealInLargeAccount(b *testing.B) {
	items := 100_000
	if testing.Short() {
		items = 5_000
	}
	table := secretstest.NewTable(b)
	m := table.Manager(b)
	windows := 0
	m.Now = func() time.Time { return time.Now().Add(time.Duration(windows) * m.RevealWindow) }
	small, large := newWorld(b, table), newWorld(b, table)
	fill(b, small, 10)
	fill(b, large, items)
	reveal := func(w *world) compare.Side {
		return func(int) func() error {
			return func() error {
				_, err := m.RevealItem(b.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
				return err
			}
		}
	}
	pair := compare.Pair{
		Clients: 1, Calls: 30, Sides: [2]compare.Side{reveal(&large), reveal(&small)},
		Reset: func() error { // a window later, the budgets are full
			windows++
			return nil
		},
	}
	if err := pair.Warm(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := pair.Round(); err != nil {
			b.Fatal(err)
		}
	}
	pair.Metrics(b.ReportMetric, "large", "small")
}

// A reveal costs the same at the highest and at the lowest limit as at the default one. All users have full counters,
// and reveal steadily: as much as the limit allows, or half of that.
func BenchmarkRevealByLimit(b *testing.B) {
	table := secretstest.NewTable(b)
	side := func(b *testing.B, limit, pace int) compare.Side {
		w := newWorld(b, table)
		m := table.Manager(b)
		m.RevealLimit = limit
		var clock atomic.Int64
		start := time.Now()
		m.Now = func() time.Time {
			return start.Add(time.Duration(clock.Add(1)) * (time.Duration(pace)*m.RevealWindow/time.Duration(limit) + time.Millisecond))
		}
		reveal := func() error {
			_, err := m.RevealItem(b.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
			return err
		}
		for range limit + limit/4 {
			if err := reveal(); err != nil {
				b.Fatal(err)
			}
		}
		return func(int) func() error { return reveal }
	}
	for name, c := range map[string]struct{ limit, pace int }{"1000": {1000, 1}, "1000 half": {1000, 2}, "1": {1, 1}} {
		b.Run(name, func(b *testing.B) {
			limit := c.limit
			pair := compare.Pair{Clients: 1, Calls: 30, Sides: [2]compare.Side{side(b, limit, c.pace), side(b, 100, c.pace)}, Reset: func() error { return nil }}
			if err := pair.Warm(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := pair.Round(); err != nil {
					b.Fatal(err)
				}
			}
			pair.Metrics(b.ReportMetric, strconv.Itoa(limit), "100")
		})
	}
}

// A charge costs the same at the highest and at the lowest limit as at the default one, for one client of a user and
// for 16. Their counters are full.
func BenchmarkChargeByLimit(b *testing.B) {
	table := secretstest.NewTable(b)
	var updates, charges atomic.Int64 // of the limit that is compared
	side := func(b *testing.B, limit int, isCounted bool) compare.Side {
		m := table.Manager(b, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
			if isCounted && strings.HasPrefix(c.What, "UpdateItem READS") {
				updates.Add(1)
			}
			return secretstest.None
		}))
		m.RevealLimit = limit
		made, err := m.CreateAccount(b.Context(), secrets.Text(uuid.NewString()))
		if err != nil {
			b.Fatal(err)
		}
		var clock atomic.Int64
		start := time.Now()
		charge := func() error {
			now := start.Add(time.Duration(clock.Add(1)) * (m.RevealWindow/time.Duration(limit)*2 + time.Millisecond))
			return chargeOnce(b, m, made.Account.ID, made.UserID, now, limit)
		}
		for range limit + limit/4 {
			if err := charge(); err != nil {
				b.Fatal(err)
			}
		}
		return func(int) func() error {
			return func() error {
				if isCounted {
					charges.Add(1)
				}
				return charge()
			}
		}
	}
	for _, clients := range []int{1, 16} {
		for _, limit := range []int{1000, 1} {
			b.Run(fmt.Sprintf("%d/%d clients", limit, clients), func(b *testing.B) {
				pair := compare.Pair{Clients: clients, Calls: 30, Sides: [2]compare.Side{side(b, limit, true), side(b, 100, false)}}
				if err := pair.Warm(); err != nil {
					b.Fatal(err)
				}
				updates.Store(0)
				charges.Store(0)
				for b.Loop() {
					if err := pair.Round(); err != nil {
						b.Fatal(err)
					}
				}
				pair.Metrics(b.ReportMetric, strconv.Itoa(limit), "100")
				b.ReportMetric(float64(updates.Load())/float64(charges.Load()), "updates/charge")
			})
		}
	}
}

// chargeOnce charges a user, and makes room if that is due.
func chargeOnce(b *testing.B, m *secrets.Manager, account, user uuid.UUID, now time.Time, limit int) error {
	charge, err := m.Store.ChargeReveal(b.Context(), account, user, now, limit, m.RevealWindow)
	if err == nil && charge.Rotate != nil {
		err = charge.Rotate(b.Context())
	}
	return err
}

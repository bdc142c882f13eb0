package secrets_test

import (
	"testing"

	"github.com/google/uuid"

	"goblins-secrets/infra/bench/compare"
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
		Reset: func() error { // other users, whose budgets are full
			small.caller.UserID, large.caller.UserID = uuid.New(), uuid.New()
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

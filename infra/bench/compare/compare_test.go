package compare_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"goblins-secrets/infra/bench/compare"
)

func TestQuantileIsTheNearestRank(t *testing.T) {
	values := []int{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}
	for _, tc := range []struct {
		q    float64
		want int
	}{{0, 1}, {0.25, 3}, {0.5, 5}, {0.99, 10}, {1, 10}} {
		if got := compare.Quantile(values, tc.q); got != tc.want {
			t.Errorf("Quantile(10…1, %v) = %d, want %d", tc.q, got, tc.want)
		}
	}
}

// Blocks alternate, and the order of the sides too. The warm-up does not count.
func TestRoundsAlternate(t *testing.T) {
	var order []string
	side := func(name string) compare.Side {
		return func(int) func() error {
			return func() error { order = append(order, name); return nil }
		}
	}
	pair := compare.Pair{
		Clients: 1, Calls: 2, Sides: [2]compare.Side{side("a"), side("b")},
		Reset: func() error { order = append(order, "reset"); return nil },
	}
	for _, run := range []func() error{pair.Warm, pair.Round, pair.Round} {
		if err := run(); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.Fields("reset a a reset b b  reset b b reset a a  reset a a reset b b")
	if !slices.Equal(order, want) {
		t.Errorf("calls = %v, want %v", order, want)
	}
	if len(pair.Times[0]) != 4 || len(pair.Times[1]) != 4 || len(pair.Ratios) != 2 {
		t.Errorf("%d and %d times, %d ratios, want 4, 4, 2", len(pair.Times[0]), len(pair.Times[1]), len(pair.Ratios))
	}
}

// A few failures are counted, many end the measurement.
func TestFailuresAreNotTimed(t *testing.T) {
	broken := errors.New("broken")
	calls, failing := 0, 1
	pair := compare.Pair{Clients: 1, Calls: 20, Sides: [2]compare.Side{
		func(int) func() error { return func() error { return nil } },
		func(int) func() error {
			return func() error {
				if calls++; calls%20 < failing {
					return broken
				}
				return nil
			}
		},
	}}
	if err := pair.Round(); err != nil || pair.Failed != [2]int{0, 1} || len(pair.Times[1]) != 19 {
		t.Errorf("Round = %v with %v failures and %d times, want none and 1, 19", err, pair.Failed, len(pair.Times[1]))
	}
	failing = 3
	if err := pair.Round(); !errors.Is(err, broken) {
		t.Errorf("Round with 3 of 20 failures = %v, want the failure", err)
	}
}

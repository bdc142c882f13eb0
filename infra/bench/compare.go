package main

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"
)

// caller prepares a client's next call and returns it. Only the returned call is timed, not
// the preparation.
type caller func(client int) (call func() error)

// comparison has the times of two ways to do the same work, interleaved.
type comparison struct {
	name    string
	clients int
	a, b    []time.Duration // sorted
	failed  [2]int
	rounds  []float64 // p50 of a / p50 of b in each round, sorted
}

// compare measures both kinds of calls in short alternating blocks of concurrent clients:
// A B, B A, A B, … so that other load on the machine affects both alike. It calls reset
// before each block. The first round only warms up.
func compare(name string, clients, rounds, each int, reset func() error, a, b caller) (comparison, error) {
	c := comparison{name: name, clients: clients}
	for round := range rounds + 1 {
		var took [2][]time.Duration
		for turn := range 2 {
			side := (round + turn) % 2
			if err := reset(); err != nil {
				return c, err
			}
			runtime.GC() // no side pays for the other's garbage
			times, failures := block(clients, each, [2]caller{a, b}[side])
			// Connections occasionally break: a few failures are counted, but not timed.
			c.failed[side] += len(failures)
			if len(failures) > 1+clients*each/20 {
				return c, fmt.Errorf("%s: %d of %d calls failed, first: %w", name, len(failures), clients*each, failures[0])
			}
			took[side] = times
		}
		if round == 0 {
			c.failed = [2]int{}
			continue
		}
		slices.Sort(took[0])
		slices.Sort(took[1])
		c.rounds = append(c.rounds, ratio(p50(took[0]), p50(took[1])))
		c.a, c.b = append(c.a, took[0]...), append(c.b, took[1]...)
	}
	slices.Sort(c.a)
	slices.Sort(c.b)
	slices.Sort(c.rounds)
	return c, nil
}

// block runs the clients concurrently. Each makes its calls one after the other.
func block(clients, each int, side caller) (times []time.Duration, failures []error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			own := make([]time.Duration, 0, each)
			var failed []error
			for range each {
				call := side(client)
				start := time.Now()
				err := call()
				took := time.Since(start)
				if err != nil {
					failed = append(failed, err)
					continue
				}
				own = append(own, took)
			}
			mu.Lock()
			defer mu.Unlock()
			times, failures = append(times, own...), append(failures, failed...)
		})
	}
	wg.Wait()
	return times, failures
}

// ratio returns the median of the rounds' ratios of p50: a temporary slowdown of the machine
// affects both halves of a round.
func (c comparison) ratio() float64 { return p50(c.rounds) }

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func p50[T any](sorted []T) T { return quantile(sorted, 0.5) }
func p99[T any](sorted []T) T { return quantile(sorted, 0.99) }

// quantile returns the nearest-rank quantile: the smallest element such that at least the share
// q of all elements do not exceed it.
func quantile[T any](sorted []T, q float64) T {
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// Package compare measures two ways to do the same work, interleaved, so that other load on
// the machine affects both alike.
package compare

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Side prepares a client's next call and returns it. Only the returned call is timed, not
// the preparation.
type Side func(client int) (call func() error)

// Pair is two sides and what was measured of them.
type Pair struct {
	Clients int          // concurrent clients in a block
	Calls   int          // of each client in a block, one after the other
	Reset   func() error // runs before each block, unless it is nil
	Sides   [2]Side

	Times  [2][]time.Duration // of all calls of a side
	Failed [2]int             // calls that failed, which are not timed
	Ratios []float64          // of each round: p50 of the first side / p50 of the second one

	rounds int
}

// Warm runs a round that does not count.
func (p *Pair) Warm() error {
	err := p.Round()
	p.Times, p.Failed, p.Ratios = [2][]time.Duration{}, [2]int{}, nil
	return err
}

// Round runs a block of each side. The order alternates between rounds: A B, B A, A B, …
func (p *Pair) Round() error {
	var took [2][]time.Duration
	for turn := range 2 {
		side := (p.rounds + turn) % 2
		if p.Reset != nil {
			if err := p.Reset(); err != nil {
				return err
			}
		}
		runtime.GC() // no side pays for the other's garbage
		times, failures := p.block(p.Sides[side])
		// Connections occasionally break: a few failures are counted, but not timed.
		if len(failures) > 1+p.Clients*p.Calls/20 {
			return fmt.Errorf("%d of %d calls failed, first: %w", len(failures), p.Clients*p.Calls, failures[0])
		}
		p.Failed[side] += len(failures)
		p.Times[side] = append(p.Times[side], times...)
		took[side] = times
	}
	p.rounds++
	p.Ratios = append(p.Ratios, Ratio(P50(took[0]), P50(took[1])))
	return nil
}

// block runs the clients concurrently.
func (p *Pair) block(side Side) (times []time.Duration, failures []error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for client := range p.Clients {
		wg.Go(func() {
			own := make([]time.Duration, 0, p.Calls)
			var failed []error
			for range p.Calls {
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

// Ratio returns the median of the rounds' ratios: a temporary slowdown of the machine affects
// both halves of a round.
func (p *Pair) Ratio() float64 { return P50(p.Ratios) }

// Metrics reports the measurement to a benchmark, whose iterations are rounds, under the names of
// the sides: times in milliseconds, the ratio and the limits of the middle half of the ratios.
func (p *Pair) Metrics(report func(n float64, unit string), a, b string) {
	report(0, "ns/op") // of both sides together: it says nothing
	for side, name := range []string{a, b} {
		report(P50(p.Times[side]).Seconds()*1e3, name+"-p50-ms")
		report(P99(p.Times[side]).Seconds()*1e3, name+"-p99-ms")
	}
	report(Quantile(p.Ratios, 0.25), a+"/"+b+"-p25")
	report(p.Ratio(), a+"/"+b)
	report(Quantile(p.Ratios, 0.75), a+"/"+b+"-p75")
}

// Ratio returns a / b.
func Ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// P50 returns the median.
func P50[T cmp.Ordered](values []T) T { return Quantile(values, 0.5) }

// P99 returns the 99th percentile.
func P99[T cmp.Ordered](values []T) T { return Quantile(values, 0.99) }

// Quantile returns the nearest-rank quantile: the smallest value such that at least the share q
// of all values do not exceed it. There must be a value.
func Quantile[T cmp.Ordered](values []T, q float64) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

package secrets_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"goblins-secrets/pkg/secrets"
)

// theHour is a time in the started hour n.
func theHour(n int) time.Time {
	return time.Date(2026, 1, 2, 0, 59, 59, 0, time.UTC).Add(time.Duration(n) * time.Hour)
}

// history is what n values leave that were written one a day, and the hour of the next one.
func history(n, keep int) (h secrets.History, next int) {
	for i := range n {
		h, _, _ = secrets.AddVersion(h, int64(i+1), theHour(25*i), keep, 20)
	}
	return h, 25 * n
}

func numbers(from, to int64) (list []int64) {
	for n := from; n <= to; n++ {
		list = append(list, n)
	}
	return list
}

func TestHistoryKeepsTheNewest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		keep, written int
		want          []int64
	}{
		{0, 1, numbers(1, 1)}, {0, 3, numbers(3, 3)}, {1, 1, numbers(1, 1)}, {1, 2, numbers(1, 2)}, {1, 5, numbers(4, 5)},
		{10, 11, numbers(1, 11)}, {10, 40, numbers(30, 40)}, {100, 101, numbers(1, 101)}, {100, 300, numbers(200, 300)},
	} {
		h, _ := history(tt.written, tt.keep)
		if got := h.Numbers(); !slices.Equal(got, tt.want) {
			t.Errorf("%d of %d values are kept as %v, want %v", tt.keep, tt.written, got, tt.want)
		}
		if most := 3*len(tt.want) + 8; len(h) > most {
			t.Errorf("a history of %d versions has %d bytes, want at most %d", len(tt.want), len(h), most)
		}
	}
}

// Dropped is what was current longest ago, whatever its number.
func TestHistoryDropsWhatWasCurrentLongestAgo(t *testing.T) {
	t.Parallel()
	h, next := history(4, 3) // 1 2 3 [4]
	h = secrets.MakeCurrent(secrets.MakeCurrent(h, 1), 4)
	if want := []int64{2, 3, 1, 4}; !slices.Equal(h.Numbers(), want) {
		t.Fatalf("after two rollbacks %v, want %v", h.Numbers(), want)
	}
	for n, want := range [][]int64{{3, 1, 4, 5}, {1, 4, 5, 6}, {4, 5, 6, 7}} {
		var into secrets.Slot
		before := secrets.KeptIn(h)[0]
		h, into, _ = secrets.AddVersion(h, int64(5+n), theHour(next+25*n), 3, 20)
		if !slices.Equal(h.Numbers(), want) || into != (secrets.Slot{Number: before.Slot, Version: before.Number}) {
			t.Errorf("after version %d: %v, written over %+v, want %v, over %+v", 5+n, h.Numbers(), into, want, before)
		}
	}
	if got := secrets.WithoutVersion(h, 5).Numbers(); !slices.Equal(got, []int64{4, 6, 7}) {
		t.Errorf("without version 5: %v", got)
	}
}

// A version of the last 24 hours stays, beyond the parameter. An older one that was current after it goes instead.
func TestHistoryKeepsADay(t *testing.T) {
	t.Parallel()
	written := func(keep int, hours ...int) (h secrets.History) {
		for i, hour := range hours {
			h, _, _ = secrets.AddVersion(h, int64(i+1), theHour(hour), keep, 20)
		}
		return h
	}
	for _, tt := range []struct {
		keep  int
		hours []int
		want  []int64
	}{
		{1, []int{0, 1, 2, 3}, numbers(1, 4)}, {1, []int{0, 1, 2, 24}, numbers(1, 4)}, {1, []int{0, 1, 2, 25}, []int64{2, 3, 4}},
		{1, []int{0, 1, 2, 27}, []int64{3, 4}}, {0, []int{0, 1, 2, 3}, []int64{4}}, {10, make([]int, 101), numbers(1, 101)},
		{10, make([]int, 102), numbers(2, 102)}, {100, make([]int, 150), numbers(50, 150)},
	} {
		if got := written(tt.keep, tt.hours...).Numbers(); !slices.Equal(got, tt.want) {
			t.Errorf("%d kept, written at the hours %v: %v, want %v", tt.keep, tt.hours, got, tt.want)
		}
	}
	h := secrets.MakeCurrent(written(2, 0, 30, 31), 1) // 2 and 3 are young
	if h, _, _ = secrets.AddVersion(h, 4, theHour(32), 2, 20); !slices.Equal(h.Numbers(), []int64{2, 3, 4}) {
		t.Errorf("%v, want the old version to go, which was current last", h.Numbers())
	}
}

// What a lowered parameter no longer keeps goes with the next updates, 20 with each, and fewer in a batch.
func TestHistoryShrinksByDegrees(t *testing.T) {
	t.Parallel()
	h, next := history(101, 100)
	for n, want := range []int{82, 63, 44, 25, 11, 11} {
		before := h.Numbers()
		var into secrets.Slot
		var drop []secrets.Slot
		h, into, drop = secrets.AddVersion(h, int64(102+n), theHour(next+25*n), 10, 20)
		gone := len(before) + 1 - len(h.Numbers())
		if len(h.Numbers()) != want || gone != len(drop)+1 || into.Version != before[0] || gone > 20 {
			t.Errorf("update %d: %d versions, %d gone, %d of them beside %+v", n, len(h.Numbers()), gone, len(drop), into)
		}
	}
	h, next = history(101, 100)
	if _, into, drop := secrets.AddVersion(h, 102, theHour(next), 10, 1); len(drop) != 0 || into.Version != 1 {
		t.Errorf("one may go: %+v and %v do", into, drop)
	}
}

// modelled is a version of the model of a history.
type modelled struct {
	number int64
	slot   int
	hour   int
}

// A long random run is held against a plain list.
func TestHistoryIsAPlainList(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	var h secrets.History
	var model []modelled
	keep, hour, last := 10, 0, int64(0)
	base := theHour(0).Unix() / 3600
	for range 5000 {
		hour += []int{0, 0, 1, 6, 40}[rnd.IntN(5)]
		switch n := rnd.IntN(20); {
		case n == 0:
			keep = []int{0, 1, 3, 10, 100}[rnd.IntN(5)]
		case n < 4 && len(model) > 1:
			i := rnd.IntN(len(model))
			h = secrets.MakeCurrent(h, model[i].number)
			model = append(slices.Delete(slices.Clone(model), i, i+1), model[i])
		case n < 6 && len(model) > 1:
			i := rnd.IntN(len(model) - 1)
			h = secrets.WithoutVersion(h, model[i].number)
			model = slices.Delete(model, i, i+1)
		default:
			most := []int{1, 4, 20}[rnd.IntN(3)]
			var into secrets.Slot
			var drop []secrets.Slot
			last++
			h, into, drop = secrets.AddVersion(h, last, theHour(hour), keep, most)
			var gone []secrets.Slot
			for len(gone) < most && len(model) > keep {
				i := slices.IndexFunc(model, func(v modelled) bool { return keep == 0 || len(model) > 100 || hour-v.hour > 24 })
				if old := slices.IndexFunc(model, func(v modelled) bool { return hour-v.hour > 24 }); old >= 0 && keep > 0 {
					i = old
				}
				if i < 0 {
					break
				}
				gone = append(gone, secrets.Slot{Number: model[i].slot, Version: model[i].number})
				model = slices.Delete(model, i, i+1)
			}
			want := secrets.Slot{}
			for len(gone) == 0 && slices.ContainsFunc(model, func(v modelled) bool { return v.slot == want.Number }) {
				want.Number++
			}
			if len(gone) > 0 {
				want, gone = gone[0], gone[1:]
			}
			if into != want || !slices.Equal(drop, gone) {
				t.Fatalf("version %d goes into %+v and drops %v, want %+v and %v", last, into, drop, want, gone)
			}
			model = append(model, modelled{last, into.Number, hour})
		}
		got := secrets.KeptIn(h)
		slots := map[int]bool{}
		for i, v := range got {
			slots[v.Slot] = true
			if i >= len(model) || v.Number != model[i].number || v.Slot != model[i].slot {
				t.Fatalf("%+v, want %+v", got, model)
			}
			if of := int64(model[i].hour) + base; v.Hour != of && (v.Hour < of || int64(hour)+base-v.Hour < 25) {
				t.Fatalf("version %d is of hour %d, at hour %d decoded as %d", v.Number, model[i].hour, hour, v.Hour-base)
			}
		}
		if len(got) != len(model) || len(slots) != len(model) || len(got) > 101 {
			t.Fatalf("%d versions in %d slots, want %d", len(got), len(slots), len(model))
		}
	}
	// What a release that knows less may leave is no reason to panic.
	for n := range len(h) {
		if got := secrets.KeptIn(h[:n]); !slices.Equal(got, secrets.KeptIn(h)[:len(got)]) {
			t.Errorf("%d of %d bytes are decoded as %v", n, len(h), got)
		}
	}
}

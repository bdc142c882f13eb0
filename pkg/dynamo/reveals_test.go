package dynamo_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/pkg/secrets"
)

// The budget allows limit reveals in each window. A refused reveal is not logged, and trimming
// keeps the entries that count.
func TestChargesNeverExceedTheLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	charge := func(at time.Time) ([]time.Time, bool) {
		t.Helper()
		reveals, ok, err := f.store.ChargeReveal(t.Context(), f.account, f.user, at, 2, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return reveals, ok
	}
	at := now.Truncate(time.Millisecond)
	second, third := at.Add(10*time.Second), at.Add(time.Minute)
	for _, step := range []struct {
		at      time.Time
		reveals []time.Time
		ok      bool
	}{
		{at, []time.Time{at}, true},
		{second, []time.Time{second, at}, true},
		{third.Add(-time.Millisecond), []time.Time{second, at}, false},
		{third, []time.Time{third, second, at}, true},
		{third, []time.Time{third, second, at}, false},
	} {
		reveals, ok := charge(step.at)
		if diff := cmp.Diff(step.reveals, reveals); diff != "" || ok != step.ok {
			t.Errorf("ChargeReveal at %v = %v, want %v (-want +got):\n%s", step.at, ok, step.ok, diff)
		}
	}
	if err := f.store.TrimReveals(t.Context(), f.account, f.user, 1, 3); err != nil {
		t.Fatal(err)
	}
	if reveals, _ := charge(third); len(reveals) != 2 { // one was kept, one is new
		t.Errorf("reveals after TrimReveals(1, 3) and a charge = %d, want 2", len(reveals))
	}
	if err := f.store.TrimReveals(t.Context(), f.account, newID(), 1, 3); err == nil {
		t.Error("TrimReveals(missing counter) = nil, want an error and no new row")
	}
	f.Check(t)
}

func TestEventsAreNeverOverwritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ev := f.event(secrets.ItemRevealed)
	for range 2 { // the second repeats a call whose answer was lost
		if err := f.store.AppendEvent(t.Context(), ev); err != nil {
			t.Errorf("AppendEvent: %v", err)
		}
	}
	other := ev
	other.SourceIP = "198.51.100.1"
	if err := f.store.AppendEvent(t.Context(), other); err != nil {
		t.Errorf("AppendEvent: %v", err)
	}
	for _, row := range f.Rows(t) {
		if row["SK"] == ev.ID.String() && row["source_ip"] != "192.0.2.1" {
			t.Errorf("an event was overwritten: %v", row)
		}
	}
}

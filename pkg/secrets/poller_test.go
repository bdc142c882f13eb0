package secrets_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// A poller that asks for what follows the last id gets each event once, and each row of refused tries once, when it no
// longer changes. Sixteen writers write meanwhile: their clocks are up to 10 s off, the poller's is 10 s ahead, and
// each write is done up to 10 s after its time, the timeout of a function. The clock is the test's, so that minutes pass in a moment.
func TestPollerGetsEachEventOnce(t *testing.T) {
	t.Parallel()
	const (
		writers = 16
		rounds  = 150
		skew    = 10 * time.Second
		delay   = 10 * time.Second
	)
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	rnd := rand.New(rand.NewPCG(20, 1))
	within := func(d time.Duration) time.Duration { return time.Duration(rnd.Int64N(int64(d))) }
	// The world's events are a day old, for the test's clock.
	now := time.Now().Add(24 * time.Hour)
	managers, off := make([]*secrets.Manager, writers), make([]time.Duration, writers)
	for i := range managers {
		managers[i], off[i] = table.Manager(t), within(2*skew)-skew
		managers[i].RevealLimit, managers[i].RevealWindow = 1000, time.Second
	}
	poller := table.Manager(t)
	got := map[string]int{} // tries by id
	last := "00000000-0000-0000-0000-000000000000"
	poll := func(now time.Time) {
		poller.Now = func() time.Time { return now.Add(skew) }
		in, from := secrets.EventsInput{Since: secrets.Text(last)}, &secrets.Cursor{}
		for from != nil {
			page, err := poller.ListEvents(t.Context(), w.caller, in, *from, 7)
			if err != nil {
				t.Error(err)
				return
			}
			for i, ev := range page.Results {
				if _, repeated := got[ev.ID.String()]; repeated {
					t.Errorf("%s %s %s: a second time", ev.ID, ev.Action, ev.Outcome)
				}
				got[ev.ID.String()] = ev.Tries
				if *from == (secrets.Cursor{}) && i == 0 {
					last = ev.ID.String()
				}
			}
			from = page.Next
		}
	}
	for range rounds {
		now = now.Add(within(8 * time.Second))
		var wg sync.WaitGroup
		for i, m := range managers {
			if rnd.IntN(4) > 0 {
				continue
			}
			at, refused := now.Add(off[i]-within(delay)), rnd.IntN(4) == 0
			m.Now = func() time.Time { return at }
			wg.Go(func() {
				if refused {
					m.Refused(t.Context(), w.caller, secrets.Try{Action: secrets.ItemRevealed}, secrets.ErrDenied)
				} else if _, err := m.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() { poll(now) })
		wg.Wait()
	}
	poll(now.Add(2 * time.Minute))
	want := map[string]int{}
	for _, row := range table.Rows(t) {
		if pk := fmt.Sprint(row["PK"]); pk == "EVENTS#"+w.caller.AccountID.String() || pk == "REFUSED#"+w.caller.AccountID.String() {
			tries, _ := row["tries"].(float64)
			want[fmt.Sprint(row["SK"])] = int(tries)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tries by id (-table +poller):\n%s", diff)
	}
	if len(want) < writers*rounds/8 {
		t.Errorf("the log has %d events", len(want))
	}
}

package delivery_test

import (
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"goblins-secrets/pkg/secretstest"
)

// Independent deliverers, each of which finds all leases expired, deliver late, twice,
// concurrently and out of order, while the secret changes. The current bundle never goes
// back, and is always the whole secret at one revision.
func TestCurrentBundleNeverGoesBack(t *testing.T) {
	t.Parallel()
	const deliverers, changes, seen = 8, 60, 5 // or more changes, until so many are seen
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("A", "B")
	b.attach()

	stop := make(chan struct{})
	stopped := func() bool {
		select {
		case <-stop:
			return true
		default:
			return false
		}
	}
	var wg sync.WaitGroup
	for range deliverers {
		deliverer := d.newDeliverer(secretstest.Inject(func(secretstest.Call) secretstest.Fault {
			if rand.IntN(10) == 0 {
				time.Sleep(rand.N(40 * time.Millisecond)) // others overtake this deliverer anywhere
			}
			return secretstest.None
		}))
		deliverer.Now = func() time.Time {
			d.clock.pass(paceEvery + 2*time.Minute) // no deliverer waits for a lease or for the pace
			return d.clock.now()
		}
		wg.Go(func() {
			for !stopped() {
				if err := deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err != nil {
					t.Errorf("deliver: %v", err)
				}
			}
		})
	}
	type sight struct {
		revision int64
		content  map[string]string
	}
	var sights []sight
	var seenNow atomic.Int64
	wg.Go(func() {
		for last := int64(0); !stopped(); {
			revision, content := b.bundle()
			if revision < last {
				t.Errorf("services read revision %d after %d", revision, last)
			}
			if revision > last {
				sights = append(sights, sight{revision, content})
				seenNow.Add(1)
			}
			last = revision
		}
	})
	states := map[int64]map[string]string{b.secret().Revision: maps.Clone(b.want)}
	for i := 0; i < changes || seenNow.Load() < seen && i < 100*changes; i++ {
		time.Sleep(rand.N(12 * time.Millisecond)) // for deliveries between the changes
		switch i % 6 {
		case 0:
			b.create("C", d.value())
		case 1, 4:
			b.write("A")
		case 2:
			b.rename("B", "B2")
		case 3:
			b.delete("C")
		case 5:
			b.rename("B2", "B")
		}
		states[b.secret().Revision] = maps.Clone(b.want)
	}
	close(stop)
	wg.Wait()
	b.finishDeliveries(d.deliverer)
	b.checkDelivered("at the end")
	for _, s := range sights {
		if want, ok := states[s.revision]; !ok || !maps.Equal(want, s.content) {
			t.Errorf("services read as revision %d a bundle that the secret never was, or not at that revision", s.revision)
		}
	}
	if len(sights) < seen {
		t.Errorf("services saw %d revisions, want %d at least", len(sights), seen)
	}
	t.Logf("%d of %d revisions seen, %d versions staged", len(sights), len(states), d.count("PutSecretValue"))
}

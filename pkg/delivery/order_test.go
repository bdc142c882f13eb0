package delivery_test

import (
	"fmt"
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
	d := newDelivery(t)
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
			time.Sleep(rand.N(4 * time.Millisecond)) // some are overtaken anywhere
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
				t.Errorf("services take revision %d after %d", revision, last)
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
			t.Errorf("services took as revision %d what was never the secret, or not then", s.revision)
		}
	}
	if len(sights) < seen {
		t.Errorf("services saw %d revisions, want %d at least", len(sights), seen)
	}
	t.Logf("%d of %d revisions seen, %d versions staged", len(sights), len(states), d.count("PutSecretValue"))
}

// Services come and go while several deliver, with pauses anywhere. A removal that began
// before a service came never removes its bundle.
func TestRemovalNeverOvertakes(t *testing.T) {
	t.Parallel()
	const rounds, deliverers = 12, 3
	d := newDelivery(t)
	defer d.finish()
	for round := range rounds {
		b := d.newSecret("KEY")
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range deliverers {
			deliverer := d.newDeliverer(secretstest.Inject(func(secretstest.Call) secretstest.Fault {
				if rand.IntN(4) == 0 {
					time.Sleep(rand.N(12 * time.Millisecond))
				}
				return secretstest.None
			}))
			wg.Go(func() {
				for {
					if err := deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err != nil {
						t.Errorf("round %d: deliver: %v", round, err)
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		for range 2 + rand.IntN(5) {
			if len(b.services) == 0 {
				b.attach()
			} else {
				b.detach()
			}
			time.Sleep(rand.N(20 * time.Millisecond))
		}
		close(stop)
		wg.Wait()
		b.finishDeliveries(d.deliverer)
		if len(b.services) > 0 {
			b.checkDelivered(fmt.Sprintf("round %d", round))
		} else if b.deleted() {
			b.checkRemoved(fmt.Sprintf("round %d", round))
		} else if revision, _ := b.bundle(); revision != 0 || b.waits() { // nothing was ever delivered
			t.Errorf("round %d: services take revision %d of an unused secret, something waits: %v", round, revision, b.waits())
		}
	}
}

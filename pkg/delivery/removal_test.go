package delivery_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// The bundle of a deleted secret is removed, even if no deliverer removed it before the deletion: at once if the secret
// is in the bin. If it is gone for good, the removal waits until the lease of an earlier delivery must have expired.
func TestBundleOfDeletedSecretIsRemoved(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	for name, tt := range map[string]struct {
		removed, permanent bool
	}{"removed before": {removed: true}, "in the bin": {}, "gone for good": {permanent: true}} {
		b := d.newSecret("KEY")
		b.attach()
		b.deploy()
		b.checkDelivered("delivered")
		b.detach()
		if tt.removed {
			b.deploy()
		}
		b.remove(secrets.Deletion{Permanent: tt.permanent})
		b.deploy()
		if b.deleted() == tt.permanent || b.queued() != tt.permanent {
			t.Errorf("%s: deleted %v, in the outbox %v", name, b.deleted(), b.queued())
		}
		b.finishDeliveries(d.deliverer)
		b.checkGone(name + ", after a while")
	}
}

// Services come and go, and the secret goes into the bin and out of it, while several deliverers run, with pauses
// anywhere. A removal that began before a service came never removes its bundle.
func TestRemovalNeverOvertakes(t *testing.T) {
	t.Parallel()
	const rounds, deliverers = 12, 3
	d := newHarness(t)
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
			switch {
			case len(b.services) > 0:
				b.detach()
			case rand.IntN(2) == 0:
				b.attach()
			default:
				b.remove(secrets.Deletion{})
				time.Sleep(rand.N(20 * time.Millisecond))
				b.takeOut()
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
		} else if revision, _ := b.bundle(); revision != 0 || b.queued() { // nothing was ever delivered
			t.Errorf("round %d: services read revision %d of an unused secret, in the outbox: %v", round, revision, b.queued())
		}
	}
}

package delivery_test

import (
	"net/http"
	"testing"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// remove deletes the secret; it stays in the bin, unless the deletion is permanent.
func (b *bundled) remove(how secrets.Deletion) {
	b.t.Helper()
	if err := b.manager.DeleteSecret(b.t.Context(), b.caller, b.id.String(), how); err != nil {
		b.t.Fatal(err)
	}
}

// takeOut takes the secret out of the bin.
func (b *bundled) takeOut() {
	b.t.Helper()
	if _, err := b.manager.RestoreSecret(b.t.Context(), b.caller, b.id.String(), secrets.SecretInput{}); err != nil {
		b.t.Fatal(err)
	}
}

// checkGone checks that the bundle of a deleted secret is removed, and that the outbox has no entry.
func (b *bundled) checkGone(when string) {
	b.t.Helper()
	if !b.deleted() || b.queued() {
		b.t.Errorf("%s: deleted %v, in the outbox %v", when, b.deleted(), b.queued())
	}
}

// The removal of a bundle whose secret is in the bin holds the lease. While it runs, the secret is restored and used
// again, and it is not delivered before the removal has ended.
func TestRemovalInTheBinHoldsTheLease(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	b.detach()
	b.remove(secrets.Deletion{})
	removals := 0
	d.intercept(func(operation string, w http.ResponseWriter, r *http.Request, serve http.Handler) {
		if operation == "DeleteSecret" {
			if removals++; removals == 1 {
				b.takeOut()
				b.write("KEY")
				b.attach()
				versions := b.versions()
				b.deploy() // the stream emits the change
				if now := b.versions(); now != versions || !b.queued() {
					t.Errorf("while the bundle is removed, %d versions were made, in the outbox: %v", now-versions, b.queued())
				}
			}
		}
		serve.ServeHTTP(w, r)
	})
	if err := d.newDeliverer().Deliver(t.Context(), d.caller.AccountID, b.id); err != nil {
		t.Errorf("Deliver = %v", err)
	}
	d.intercept(nil)
	if removals != 1 {
		t.Errorf("the bundle was removed %d times, want once", removals)
	}
	b.checkDelivered("after the removal") // the turn after it has delivered the newer entry
}

// A deliverer finds a secret deleted. Before it goes on, the secret is restored, used and delivered, and perhaps
// deleted again. The removal then has no right to the bundle, however old its entry is.
func TestRemovalNeverOvertakesARestore(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	for name, tt := range map[string]struct {
		at   secretstest.Call
		then func(b *bundled)
	}{
		"before it reads the lease":     {secretstest.Call{What: "GetItem DELIVERY", Nth: 1}, func(*bundled) {}},
		"before it acquires the lease":  {secretstest.Call{What: "TransactWriteItems"}, func(*bundled) {}},
		"and deleted before it asks":    {secretstest.Call{What: "GetItem DELIVERY", Nth: 1}, func(b *bundled) { b.detach(); b.remove(secrets.Deletion{}) }},
		"and deleted after it has lost": {secretstest.Call{What: "TransactWriteItems"}, func(b *bundled) { b.detach(); b.remove(secrets.Deletion{}) }},
	} {
		b := d.newSecret("KEY")
		b.attach()
		b.deploy()
		b.detach()
		b.remove(secrets.Deletion{})
		d.clock.pass(3 * leaseTime) // an outage kept the entry in the outbox
		removals, restored := d.count("DeleteSecret"), false
		slow := d.newDeliverer(secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
			if c == tt.at {
				restored = true
				b.takeOut()
				b.attach()
				b.deploy()
				b.checkDelivered(name)
				tt.then(b)
			}
			return secretstest.None
		}))
		if err := slow.Deliver(t.Context(), d.caller.AccountID, b.id); err != nil || !restored {
			t.Errorf("%s: Deliver = %v, restored %v", name, err, restored)
		}
		if len(b.services) > 0 {
			b.checkDelivered(name)
			if n := d.count("DeleteSecret") - removals; n > 0 {
				t.Errorf("%s: the bundle was removed %d times, want never", name, n)
			}
			continue
		}
		b.finishDeliveries(d.deliverer)
		b.checkGone(name)
	}
}

// A restored secret whose bundle may still be at the target enters the outbox, and the bundle is removed. A secret that
// was never delivered does not.
func TestBundleOfRestoredSecretIsRemoved(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	for _, removed := range []bool{true, false} { // in the bin
		b := d.newSecret("KEY")
		b.attach()
		b.deploy()
		b.detach()
		b.remove(secrets.Deletion{})
		if removed {
			b.deploy()
		}
		if b.deleted() != removed || b.queued() == removed {
			t.Errorf("removed in the bin = %v: deleted %v, in the outbox %v", removed, b.deleted(), b.queued())
		}
		b.takeOut()
		if !b.queued() {
			t.Errorf("removed in the bin = %v: the restored secret is not in the outbox", removed)
		}
		d.table.Check(t)
		b.deploy()
		b.checkRemoved("restored")
		b.attach()
		b.deploy()
		b.checkDelivered("used again")
	}
	b := d.newSecret("KEY")
	b.remove(secrets.Deletion{})
	b.takeOut()
	if b.queued() {
		t.Error("a restored secret that was never delivered is in the outbox")
	}
}

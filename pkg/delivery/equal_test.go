package delivery_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// tags are the bundle's tags, as one text.
func (b *bundled) tags() string {
	out, _ := b.ask("DescribeSecret", map[string]any{"SecretId": b.bundleName()})
	return fmt.Sprint(out["Tags"])
}

// Changes that leave the bundle's content as it is make no version and do not count for the pace,
// however many there are. A rename of the secret changes the tag alone.
func TestEqualContentMakesNoVersion(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY", "OTHER")
	b.attach()
	b.deploy()
	b.checkDelivered("delivered")
	version := b.secret().Bundle.Version
	for range paceBurst {
		for name, change := range map[string]func(){
			"the same value":            func() { b.set("KEY", b.want["KEY"]) },
			"a key there and back":      func() { b.rename("KEY", "THERE"); b.rename("THERE", "KEY") },
			"an item added and deleted": func() { b.create("NEW", b.value()); b.delete("NEW") },
			"the secret's name":         func() { b.renameSecret(b.name + "'") },
		} {
			change()
			b.checkStatus(name, secrets.StatusDeploying, true)
			b.deploy()
			b.checkDelivered(name)
		}
	}
	if n := b.versions(); n != 1 || b.secret().Bundle.Version != version {
		t.Errorf("%d versions, the current one %s, want the first alone: %s", n, b.secret().Bundle.Version, version)
	}
	if n := len(d.events(b.id, secrets.SecretDeployed)); n != 1 {
		t.Errorf("%d events of bundles that became current, want 1", n)
	}
	if want := "Value:" + strings.ReplaceAll(b.name, "'", "_") + "]"; !strings.Contains(b.tags(), want) {
		t.Errorf("the tags are %s, want the new name", b.tags())
	}
	for range paceBurst - 1 { // as if nothing had been before
		b.write("KEY")
		b.deploy()
		b.checkDelivered("another value")
	}
}

// A deliverer stages B and sleeps before its promotion, longer than its lease. The secret becomes A
// again, which is still current. When the deliverer wakes, B does not become current.
func TestSleepingDelivererPromotesNothing(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	a := b.want["KEY"]
	b.write("KEY") // B

	asleep, wake := make(chan struct{}), make(chan struct{})
	sleepy := d.newDeliverer(secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if c.What == "UpdateSecretVersionStage" && c.Nth == 0 {
			close(asleep)
			<-wake
		}
		return secretstest.None
	}))
	var sleeper sync.WaitGroup
	sleeper.Go(func() { _ = sleepy.Deliver(t.Context(), d.caller.AccountID, b.id) }) // it may fail
	<-asleep
	d.clock.pass(2 * leaseTime)
	b.set("KEY", a)
	b.deploy()
	b.checkDelivered("A again")
	close(wake)
	sleeper.Wait()
	if _, content := b.bundle(); content["KEY"] != a {
		t.Error("B is current after A")
	}
	b.finishDeliveries(d.deliverer)
	b.checkDelivered("in the end")

	// Once a turn has ended with success, equal content is skipped again.
	versions := b.versions()
	b.set("KEY", a)
	b.deploy()
	b.checkDelivered("the same value")
	if n := b.versions(); n != versions {
		t.Errorf("%d versions after the same value, want %d", n, versions)
	}
}

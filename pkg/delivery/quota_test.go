package delivery_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

// Two hundred changes in about a day stay within the quota of Secrets Manager: twenty at
// once, then one in a quarter of an hour, never more than ninety in any day. The newest
// state is delivered in the end.
func TestBurstsAreCoalesced(t *testing.T) {
	t.Parallel()
	const changes = 200
	d := newDelivery(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	for i := range changes {
		b.deploy()
		if i < paceBurst {
			b.checkDelivered(fmt.Sprintf("after %d changes", i))
		}
		d.clock.pass(paceEvery / 2)
		b.write("KEY")
	}
	b.deploy()
	for tries := 0; b.waits(); tries++ {
		if tries > int(day/paceEvery) {
			t.Fatal("a day later something still waits")
		}
		b.finishDeliveries(d.deliverer)
	}
	b.checkDelivered("in the end")

	var puts []time.Time
	for _, r := range d.requests {
		if r.operation == "CreateSecret" || r.operation == "PutSecretValue" {
			puts = append(puts, r.at)
			if r.status != http.StatusOK {
				t.Errorf("bundle %d was refused: %d", len(puts), r.status)
			}
		}
	}
	for i := range puts {
		if i >= paceBurst && i < paceLimit && puts[i].Sub(puts[i-1]) < paceEvery {
			t.Errorf("bundle %d came %v after the one before", i, puts[i].Sub(puts[i-1]))
		}
		if i >= paceLimit && puts[i].Sub(puts[i-paceLimit]) < day {
			t.Errorf("%d bundles within %v", paceLimit+1, puts[i].Sub(puts[i-paceLimit]))
		}
	}
	if len(puts) <= paceLimit {
		t.Errorf("%d bundles, want more than %d: the limit was not met", len(puts), paceLimit)
	}
	t.Logf("%d changes, %d bundles", changes, len(puts))
}

// A Secrets Manager whose quota other writers exceeded is not asked again before a pause has
// passed. Until it accepts a version, the secret's status is failed.
func TestQuotaIsRetriedLater(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	b.checkDelivered("delivered")
	for i := b.versions(); i < maxVersion; i++ {
		if _, ok := d.ask("PutSecretValue", map[string]any{
			"SecretId": b.bundleName(), "ClientRequestToken": uuid.NewString(), "SecretString": "foreign", "VersionStages": []string{"FOREIGN"},
		}); !ok {
			t.Fatalf("version %d was refused", i)
		}
	}
	before := b.want
	b.want = maps.Clone(before)
	b.write("KEY")

	puts := d.count("PutSecretValue")
	try := func(want int) {
		t.Helper()
		err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id)
		if want > 0 && !errors.Is(err, delivery.ErrQuota) || want == 0 && err != nil {
			t.Errorf("DeploySecret = %v", err)
		}
		if got := d.count("PutSecretValue") - puts; got != want {
			t.Errorf("%d requests to store a bundle, want %d", got, want)
		}
		puts += want
		b.checkStatus("without room", secrets.StatusFailed, false)
		if _, content := b.bundle(); !maps.Equal(content, before) || !b.waits() {
			t.Errorf("services don't take what they took before, or nothing waits: %v", b.waits())
		}
	}
	try(1)
	try(0)
	d.clock.pass(2 * turn)
	try(0)
	d.clock.pass(paceEvery)
	try(1)
	d.clock.pass(day)
	b.finishDeliveries(d.deliverer)
	b.checkDelivered("a day later")
}

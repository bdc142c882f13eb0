package delivery_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

// putVersion stores a version at the target as another writer does. No delivery makes it
// current.
func (b *bundled) putVersion() {
	b.t.Helper()
	if _, ok := b.ask("PutSecretValue", map[string]any{
		"SecretId": b.bundleName(), "ClientRequestToken": uuid.NewString(), "SecretString": "foreign", "VersionStages": []string{"FOREIGN"},
	}); !ok {
		b.t.Fatalf("version %d was refused", b.versions())
	}
}

// recordVersions makes the table and the target look as after n more deliveries, one each
// quarter of an hour. It returns their times. It is much faster than the deliveries.
func (b *bundled) recordVersions(n int) (times []time.Time) {
	b.t.Helper()
	lease, err := b.store.Lease(b.t.Context(), b.caller.AccountID, b.id)
	if err != nil {
		b.t.Fatal(err)
	}
	for range n {
		b.clock.pass(paceEvery)
		b.putVersion()
		times = append(times, b.clock.now().UTC().Truncate(time.Microsecond))
		lease.Times = slices.Insert(lease.Times, 0, times[len(times)-1])
	}
	lease.Token++
	if err := b.store.AcquireLease(b.t.Context(), lease); err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.ReleaseLease(b.t.Context(), lease, ""); err != nil {
		b.t.Fatal(err)
	}
	return times
}

// A day of changes stays within the quota of Secrets Manager: twenty deliveries at once,
// then one in a quarter of an hour, never more than ninety in any day. The newest state is
// delivered in the end.
func TestBurstsAreCoalesced(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	changes := 0
	deliver := func(n int, pause time.Duration) {
		t.Helper()
		for range n {
			b.deploy()
			if changes < paceBurst {
				b.checkDelivered(fmt.Sprintf("after %d changes", changes))
			}
			d.clock.pass(pause)
			b.write("KEY")
			changes++
		}
	}
	deliver(paceBurst, 0)
	deliver(10, paceEvery/2) // every second one is coalesced
	puts := b.recordVersions(paceLimit - paceBurst - 15)
	deliver(20, paceEvery) // up to the limit and beyond
	for tries := 0; b.queued(); tries++ {
		if tries > int(day/paceEvery) {
			t.Fatal("a day later the outbox still has an entry")
		}
		b.finishDeliveries(d.deliverer)
	}
	deliver(3, paceEvery) // the window slides
	b.finishDeliveries(d.deliverer)
	b.checkDelivered("in the end")

	bundles := 0
	for _, r := range d.requests {
		if r.operation == "CreateSecret" || r.operation == "PutSecretValue" {
			puts = append(puts, r.at)
			bundles++
			if r.status != http.StatusOK {
				t.Errorf("bundle %d was refused: %d", bundles, r.status)
			}
		}
	}
	slices.SortFunc(puts, time.Time.Compare)
	for i := range puts {
		if i >= paceBurst && i < paceLimit && puts[i].Sub(puts[i-1]) < paceEvery {
			t.Errorf("version %d came %v after the previous one", i, puts[i].Sub(puts[i-1]))
		}
		if i >= paceLimit && puts[i].Sub(puts[i-paceLimit]) < day {
			t.Errorf("%d versions within %v", paceLimit+1, puts[i].Sub(puts[i-paceLimit]))
		}
	}
	if len(puts) <= paceLimit || bundles >= changes {
		t.Errorf("%d versions, want more than %d; %d bundles of %d changes, want fewer", len(puts), paceLimit, bundles, changes)
	}
	t.Logf("%d versions, %d bundles of %d changes", len(puts), bundles, changes)
}

// A Secrets Manager whose quota other writers exceeded is not asked again before a pause has
// passed. Until it accepts a version, the secret's status is failed.
func TestQuotaIsRetriedLater(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	b.checkDelivered("delivered")
	for i := b.versions(); i < maxVersion; i++ {
		b.putVersion()
	}
	before := b.want
	b.want = maps.Clone(before)
	b.write("KEY")

	puts := d.count("PutSecretValue")
	try := func(want int) {
		t.Helper()
		err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id)
		if want > 0 && !errors.Is(err, delivery.ErrQuota) || want == 0 && err != nil {
			t.Errorf("Deliver = %v", err)
		}
		if got := d.count("PutSecretValue") - puts; got != want {
			t.Errorf("%d requests to store a bundle, want %d", got, want)
		}
		puts += want
		b.checkStatus("without room", secrets.StatusFailed, false)
		if _, content := b.bundle(); !maps.Equal(content, before) || !b.queued() {
			t.Errorf("services no longer read the previous bundle, or the outbox is empty: queued = %v", b.queued())
		}
	}
	try(1)
	try(0)
	d.clock.pass(2 * leaseTime)
	try(0)
	d.clock.pass(paceEvery)
	try(1)
	d.clock.pass(day)
	b.finishDeliveries(d.deliverer)
	b.checkDelivered("a day later")
}

// A target whose quota is exceeded is not asked again for a quarter of an hour, even if other
// writers filled the quota.
func TestExceededQuotaPausesDeliveries(t *testing.T) {
	t.Parallel()
	d, s, target := newPaced(0)
	manager := &secrets.Manager{MaxBundleSize: maxBundle}
	s.change()
	deploy := func() error { return s.deliver(t, d) }
	if err := deploy(); !errors.Is(err, delivery.ErrQuota) {
		t.Errorf("Deliver over the quota = %v, want ErrQuota", err)
	}
	if status, _ := manager.Status(s.secret); status != secrets.StatusFailed || s.entry == nil {
		t.Errorf("status = %s, entry %v, want failed and still in the outbox", status, s.entry)
	}
	target.limit = 100
	for range 14 {
		s.now = s.now.Add(time.Minute)
		s.change()
		if err := deploy(); err != nil || len(target.staged) != 0 {
			t.Errorf("Deliver at %v = %v, %d staged, want nothing yet", s.now, err, len(target.staged))
		}
	}
	s.now = s.now.Add(time.Minute)
	if err := deploy(); err != nil || len(target.staged) != 1 || s.entry != nil {
		t.Errorf("Deliver a quarter of an hour later = %v, %d staged, entry %v, want one and an empty outbox", err, len(target.staged), s.entry)
	}
	if status, _ := manager.Status(s.secret); status != secrets.StatusReady {
		t.Errorf("status = %s, want ready", status)
	}
	s.change()
	if err := deploy(); err != nil || len(target.staged) != 2 {
		t.Errorf("Deliver right after it = %v, %d staged, want another", err, len(target.staged))
	}
}

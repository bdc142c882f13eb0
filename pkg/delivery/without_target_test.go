package delivery_test

import (
	"testing"

	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/secrets"
)

// Without a target every secret is ready and the outbox is empty. Once there is a target,
// an operator's sweep of all delivers the used secrets.
func TestWithoutTargetEverythingIsReady(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	delivering := d.manager
	getenv := d.table.Environment(t, "GetItem")
	nowhere, err := app.NewManager(func(name string) string {
		switch name {
		case "DEPLOY_TARGET":
			return "none"
		case "AWS_ENDPOINT_URL_SECRETS_MANAGER":
			return d.url
		}
		return getenv(name)
	})
	if err != nil {
		t.Fatal(err)
	}
	d.manager = nowhere
	b := d.newSecret("KEY")
	for name, do := range map[string]func(){"attached": b.attach, "changed": func() { b.write("KEY") }} {
		do()
		b.checkStatus(name, secrets.StatusReady, true)
		if b.queued() {
			t.Errorf("%s: the outbox has an entry", name)
		}
	}
	b.deploy()
	if n := len(d.requests); n != 0 {
		t.Errorf("%d requests to the Secrets Manager, want none", n)
	}

	d.manager = delivering
	b.checkStatus("with deliveries", secrets.StatusPending, false)
	d.requeueAll()
	if n, err := d.sweeper.Sweep(t.Context()); err != nil || n != 1 {
		t.Errorf("Sweep = %d, %v, want 1", n, err)
	}
	requeued := 0
	for _, row := range d.table.Rows(t) {
		if row["action"] == secrets.AccountRequeued {
			requeued++
		}
	}
	if requeued != 1 {
		t.Errorf("%d events of an operator's requeue, want one: the schedule's has none", requeued)
	}
	b.deploy()
	b.checkDelivered("with deliveries")
}

// The last service leaves while there is no target. Once there is one again, the bundle is
// removed.
func TestRemovalWaitsForATarget(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	size := d.manager.MaxBundleSize
	d.manager.MaxBundleSize = 0
	b.detach()
	b.checkStatus("left", secrets.StatusReady, true)
	d.manager.MaxBundleSize = size
	b.deploy()
	b.checkRemoved("with a target again")
}

package delivery_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/secrets"
)

// From the first service to the last one: each change of a secret that is used comes
// to be what services take, exactly, and nothing else moves.
func TestUsedSecretsAreDelivered(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
	defer d.finish()
	b := d.newSecret("PASSWORD", "doomed")
	b.create("awkward", d.value()+" \x01\x7f\t\r\n\"\\/</script>&\u2028\u2029é日本💥")
	b.create("LARGE", d.value()+strings.Repeat("ü\"", 10_000))
	b.checkStatus("unused", secrets.StatusReady, true)
	if b.waits() {
		t.Error("an unused secret is in the outbox")
	}

	b.attach()
	b.checkStatus("attached", secrets.StatusPending, false)
	if _, ok := d.ask("DescribeSecret", map[string]any{"SecretId": b.bundleName()}); ok {
		t.Error("something is delivered before its delivery")
	}
	b.deploy()
	b.checkDelivered("delivered")
	first := b.secret().Revision

	for i, change := range []struct {
		name string
		do   func()
	}{
		{"an item more", func() { b.create("NEW", d.value()) }},
		{"a new value", func() { b.write("PASSWORD") }},
		{"a new key", func() { b.rename("PASSWORD", "pass.word-2") }},
		{"an item less", func() { b.delete("doomed") }},
		{"another name", func() {
			b.name = "rénamed"
			if _, err := d.manager.UpdateSecret(t.Context(), d.caller, b.id.String(), secretInput(b.name)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		before := maps.Clone(b.want)
		change.do()
		b.checkStatus(change.name, secrets.StatusDeploying, true)
		revision, content := b.bundle()
		if revision != first+int64(i) || !maps.Equal(content, before) {
			t.Errorf("%s: services take revision %d before its delivery, want the one before", change.name, revision)
		}
		b.deploy()
		b.checkDelivered(change.name)
		if got := b.secret().Revision; got != first+int64(i)+1 {
			t.Errorf("%s: revision %d, want %d", change.name, got, first+int64(i)+1)
		}
	}
	out, _ := d.ask("DescribeSecret", map[string]any{"SecretId": b.bundleName()})
	if got := fmt.Sprint(out["Tags"]); !strings.Contains(got, "map[Key:goblins:name Value:rénamed]") {
		t.Errorf("the tags are %s, want the new name", got)
	}

	// More services change nothing, as long as one is left.
	versions, revision := b.versions(), b.secret().Revision
	b.attach()
	b.checkDelivered("with a second service")
	b.detach()
	b.checkDelivered("with one service again")
	b.deploy()
	if b.versions() != versions || b.secret().Revision != revision {
		t.Errorf("%d versions, revision %d, after a second service, want %d and %d", b.versions(), b.secret().Revision, versions, revision)
	}

	// Each delivery is an event without a user.
	for kind, want := range map[string]int{secrets.SecretDeployed: versions, secrets.SecretUndeployed: 0} {
		events := d.events(b.id, kind)
		for i, ev := range events {
			if diff := cmp.Diff(event{Type: kind, Version: revision - int64(i), Name: ev.Name}, ev); diff != "" {
				t.Errorf("event of a delivery (-want +got):\n%s", diff)
			}
		}
		if len(events) != want || want > 0 && events[0].Name != b.name {
			t.Errorf("%d events %s, want %d, the last one of %s", len(events), kind, want, b.name)
		}
	}

	b.detach()
	if !b.waits() {
		t.Error("nothing waits after the last service left")
	}
	b.deploy()
	b.checkRemoved("unused again")
	if events := d.events(b.id, secrets.SecretUndeployed); len(events) != 1 ||
		events[0] != (event{Type: secrets.SecretUndeployed, Version: revision, Name: b.name}) {
		t.Errorf("events of a removal: %+v, want one without a user", events)
	}
	b.write("NEW") // not in the outbox
	if b.waits() {
		t.Error("a change of an unused secret is in the outbox")
	}
	b.attach()
	b.checkStatus("attached again", secrets.StatusPending, false)
	b.deploy()
	b.checkDelivered("attached again")

	// None of this was a reveal.
	page, err := d.manager.ListItems(t.Context(), d.caller, b.id.String(), secrets.Cursor{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range page.Results {
		if !it.LastAccessedAt.IsZero() || it.LastAccessedBy != uuid.Nil {
			t.Errorf("item %s was last accessed at %v by %s", it.Key, it.LastAccessedAt, it.LastAccessedBy)
		}
	}
	for _, row := range d.table.Rows(t) {
		if strings.HasPrefix(row["PK"].(string), "USER#") {
			t.Errorf("a delivery was charged: %v", row)
		}
	}
}

// The bundle of a deleted secret is removed, even if no deliverer removed it
// before. It waits for as long as a delivery from before may still be under way.
func TestBundleOfDeletedSecretIsRemoved(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
	defer d.finish()
	for _, removed := range []bool{true, false} {
		b := d.newSecret("KEY")
		b.attach()
		b.deploy()
		b.checkDelivered("delivered")
		b.detach()
		if removed {
			b.deploy()
		}
		if err := d.manager.DeleteSecret(t.Context(), d.caller, b.id.String()); err != nil {
			t.Fatal(err)
		}
		b.deploy()
		if b.deleted() != removed || b.waits() == removed {
			t.Errorf("removed before = %v: deleted %v, something waits %v", removed, b.deleted(), b.waits())
		}
		b.finishDeliveries(d.deliverer)
		if !b.deleted() || b.waits() {
			t.Errorf("removed before = %v, after a while: deleted %v, something waits %v", removed, b.deleted(), b.waits())
		}
	}
}

// Without a target every secret is ready and the outbox is empty. Once there is a target,
// an operator's sweep of all delivers the used secrets.
func TestWithoutTargetEverythingIsReady(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
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
		if b.waits() {
			t.Errorf("%s: something waits", name)
		}
	}
	b.deploy()
	if n := len(d.requests); n != 0 {
		t.Errorf("%d requests of a Secrets Manager, want none", n)
	}

	d.manager = delivering
	b.checkStatus("with deliveries", secrets.StatusPending, false)
	if n, err := d.sweeper.Sweep(t.Context(), true); err != nil || n != 1 {
		t.Errorf("RedeploySecrets = %d, %v, want 1", n, err)
	}
	b.deploy()
	b.checkDelivered("with deliveries")
}

// What was delivered before there was no target any more is removed when there is one.
func TestRemovalWaitsForATarget(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
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

package delivery_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// From the first service to the last one: services read exactly the used secret as of its
// last delivery, and each change is delivered. No other change raises the revision.
func TestUsedSecretsAreDelivered(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("PASSWORD", "doomed")
	b.create("awkward", d.value()+" \x01\x7f\t\r\n\"\\/</script>&\u2028\u2029é日本💥")
	b.create("LARGE", d.value()+strings.Repeat("ü\"", 10_000))
	b.checkStatus("unused", secrets.StatusReady, true)
	if b.queued() {
		t.Error("an unused secret is in the outbox")
	}

	b.attach()
	b.checkStatus("attached", secrets.StatusPending, false)
	if _, ok := d.ask("DescribeSecret", map[string]any{"SecretId": b.bundleName()}); ok {
		t.Error("there is a bundle before the first delivery")
	}
	b.deploy()
	b.checkDelivered("delivered")
	first := b.secret().Revision

	for i, change := range []struct {
		name string
		do   func()
	}{
		{"one more item", func() { b.create("NEW", d.value()) }},
		{"a new value", func() { b.write("PASSWORD") }},
		{"a new key", func() { b.rename("PASSWORD", "pass.word-2") }},
		{"one item fewer", func() { b.delete("doomed") }},
	} {
		before := maps.Clone(b.want)
		change.do()
		b.checkStatus(change.name, secrets.StatusDeploying, true)
		revision, content := b.bundle()
		if revision != first+int64(i) || !maps.Equal(content, before) {
			t.Errorf("%s: services read revision %d before its delivery, want the previous one", change.name, revision)
		}
		b.deploy()
		b.checkDelivered(change.name)
		if got := b.secret().Revision; got != first+int64(i)+1 {
			t.Errorf("%s: revision %d, want %d", change.name, got, first+int64(i)+1)
		}
	}
	// More services change nothing, as long as one is left. Each has the target looked at.
	versions, revision := b.versions(), b.secret().Revision
	b.attach()
	b.checkStatus("with a second service", secrets.StatusReady, true)
	b.deploy()
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
		// The test's clock stands still, so that ids do not order them.
		slices.SortFunc(events, func(x, y event) int { return int(y.Version - x.Version) })
		for i, ev := range events {
			if diff := cmp.Diff(event{Action: kind, Version: revision - int64(i), Name: ev.Name}, ev); diff != "" {
				t.Errorf("event of a delivery (-want +got):\n%s", diff)
			}
		}
		if len(events) != want || want > 0 && events[0].Name != b.name {
			t.Errorf("%d events %s, want %d, the last one of %s", len(events), kind, want, b.name)
		}
	}

	b.detach()
	if !b.queued() {
		t.Error("the outbox is empty after the last service left")
	}
	b.deploy()
	b.checkRemoved("unused again")
	if events := d.events(b.id, secrets.SecretUndeployed); len(events) != 1 ||
		!cmp.Equal(events[0], event{Action: secrets.SecretUndeployed, Version: revision, Name: b.name}) {
		t.Errorf("events of a removal: %+v, want one without a user", events)
	}
	b.write("NEW") // not in the outbox
	if b.queued() {
		t.Error("a change of an unused secret is in the outbox")
	}
	b.attach()
	b.checkStatus("attached again", secrets.StatusPending, false)
	b.deploy()
	b.checkDelivered("attached again")

	// None of this was a reveal.
	page, err := d.manager.ListItems(t.Context(), d.caller, b.id.String(), secrets.Field{}, secrets.Cursor{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range page.Results {
		if !it.LastAccessedAt.IsZero() || it.LastAccessedBy != uuid.Nil {
			t.Errorf("item %s was last accessed at %v by %s", it.Key, it.LastAccessedAt, it.LastAccessedBy)
		}
	}
	for _, row := range d.table.Rows(t) {
		if reveals, ok := row["n"].([]any); ok && row["SK"] == "READS" && len(reveals) > 0 {
			t.Errorf("a delivery was charged: %v", row)
		}
	}
}

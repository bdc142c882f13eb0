package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// A hand changes the target past the product.
type hand struct {
	name  string
	do    func(b *bundled)
	drift []string // what the event says has changed
}

// byHand makes a request of the Secrets Manager that must succeed. What is current afterwards is the
// hand's doing.
func (b *bundled) byHand(operation string, in map[string]any) map[string]any {
	b.t.Helper()
	in["SecretId"] = b.bundleName()
	out, ok := b.ask(operation, in)
	if !ok {
		b.t.Errorf("%s by hand: %v", operation, out)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen[b.bundleName()], _ = b.current(b.bundleName())
	return out
}

// versionIDs are the versions of the bundle, oldest first.
func (b *bundled) versionIDs() (ids []string) {
	out, _ := b.ask("ListSecretVersionIds", map[string]any{"SecretId": b.bundleName(), "IncludeDeprecated": true})
	versions, _ := out["Versions"].([]any)
	for _, v := range versions {
		ids = append(ids, v.(map[string]any)["VersionId"].(string))
	}
	return ids
}

// labelled is the version with a label, or empty.
func (b *bundled) labelled(label string) string {
	out, _ := b.ask("DescribeSecret", map[string]any{"SecretId": b.bundleName()})
	stages, _ := out["VersionIdsToStages"].(map[string]any)
	for id, labels := range stages {
		if slices.Contains(labels.([]any), any(label)) {
			return id
		}
	}
	return ""
}

var hands = []hand{
	{"deletes the bundle", func(b *bundled) {
		b.byHand("DeleteSecret", map[string]any{"ForceDeleteWithoutRecovery": true})
	}, []string{"deleted"}},
	{"schedules its deletion", func(b *bundled) {
		b.byHand("DeleteSecret", map[string]any{"RecoveryWindowInDays": 7})
	}, []string{"scheduled"}},
	{"puts a value", func(b *bundled) {
		b.byHand("PutSecretValue", map[string]any{"ClientRequestToken": uuid.NewString(), "SecretString": "by hand"})
	}, []string{"version"}},
	{"moves AWSCURRENT back", func(b *bundled) {
		ids := b.versionIDs()
		b.byHand("UpdateSecretVersionStage", map[string]any{
			"VersionStage": "AWSCURRENT", "MoveToVersionId": ids[0], "RemoveFromVersionId": b.labelled("AWSCURRENT"),
		})
	}, []string{"version"}},
	{"changes a tag", func(b *bundled) {
		b.byHand("TagResource", map[string]any{"Tags": []map[string]string{{"Key": "goblins:name", "Value": "another"}}})
	}, []string{"tags"}},
}

// drifted is a used secret of two revisions, which a hand has changed at the target.
func (d *harness) drifted(h hand) *bundled {
	d.t.Helper()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	b.write("KEY")
	b.deploy()
	b.checkDelivered("delivered")
	h.do(b)
	return b
}

// checkRepaired checks that a drifted secret is as it was delivered, with one event of the drift.
func (b *bundled) checkRepaired(when string, changed []string) {
	b.t.Helper()
	b.checkDelivered(when)
	if !strings.Contains(b.tags(), "map[Key:goblins:name Value:"+b.name+"]") {
		b.t.Errorf("%s: the tags are %s", when, b.tags())
	}
	events := b.events(b.id, secrets.SecretDrifted)
	if len(events) != 1 || !cmp.Equal(events[0].Changed, changed) || events[0].User != "" {
		b.t.Errorf("%s: events of a drift: %+v, want one of %v without a user", when, events, changed)
	}
	if p := b.labelled("AWSPREVIOUS"); p != "" {
		b.t.Errorf("%s: %s is still labelled as the version before", when, p)
	}
}

// Whatever was changed by hand is changed back: when one more service is attached, and within six
// hours by itself. Only a lost or replaced version takes another one.
func TestDriftIsRepaired(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	for _, h := range hands {
		b := d.drifted(h)
		b.checkStatus(h.name, secrets.StatusReady, true)
		b.attach()
		b.deploy()
		b.checkRepaired(h.name+", then a service is attached", h.drift)

		b = d.drifted(h)
		if looked, differ := d.check(); looked == 0 || differ == 0 {
			t.Errorf("%s: Check = %d looked at, %d differ, want one", h.name, looked, differ)
		}
		b.deploy()
		b.checkRepaired(h.name+", then six hours pass", h.drift)
		if looked, differ := d.check(); looked == 0 || differ != 0 {
			t.Errorf("%s, repaired: Check = %d looked at, %d differ, want 0", h.name, looked, differ)
		}
	}
}

// check lets six hours pass and a checker look at all used secrets.
func (d *harness) check() (looked, differ int) {
	d.t.Helper()
	for range 72 {
		d.clock.pass(5 * time.Minute)
		n, m, err := d.checker.Check(d.t.Context())
		if err != nil {
			d.t.Fatal(err)
		}
		looked, differ = looked+n, differ+m
	}
	return looked, differ
}

// A bundle that may not be looked at is an error, and the others are looked at. An outage ends the call:
// the next one looks at the same bundles.
func TestRefusedLooksBlockNoOthers(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	refused, lost := d.drifted(hands[4]), d.drifted(hands[0])
	for name, answers := range map[string]func(w http.ResponseWriter){
		"refused": func(w http.ResponseWriter) { answer(w, http.StatusBadRequest, "AccessDeniedException", "No.") },
		"away":    func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
	} {
		d.intercept(func(_ string, w http.ResponseWriter, r *http.Request, serve http.Handler) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			if strings.Contains(string(body), refused.id.String()) {
				answers(w)
				return
			}
			serve.ServeHTTP(w, r)
		})
		looked, failed := 0, error(nil)
		for range 2 { // it begins a round, and ends it
			d.clock.pass(day)
			n, _, err := d.checker.Check(t.Context())
			looked, failed = looked+n, errors.Join(failed, err)
		}
		if failed == nil || !strings.Contains(failed.Error(), refused.id.String()) {
			t.Errorf("%s: Check = %v, want an error that names the secret", name, failed)
		}
		if want := map[string]int{"refused": 2, "away": 0}[name]; looked != want {
			t.Errorf("%s: %d bundles were looked at, want %d", name, looked, want)
		}
	}
	d.intercept(nil)
	d.check()
	lost.deploy()
	lost.checkRepaired("lost", hands[0].drift)
	refused.deploy()
	refused.checkRepaired("refused, and allowed again", hands[4].drift)
}

// While a repair waits or fails, the status says so.
func TestDriftShowsInTheStatus(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.drifted(hands[0])
	d.intercept(func(operation string, w http.ResponseWriter, r *http.Request, serve http.Handler) {
		if operation == "CreateSecret" {
			b.checkStatus("during the repair", secrets.StatusDeploying, true)
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		serve.ServeHTTP(w, r)
	})
	b.attach()
	if err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil {
		t.Error("Deliver without CreateSecret = nil")
	}
	b.checkStatus("after a failed repair", secrets.StatusFailed, false)
	d.intercept(nil)
	b.finishDeliveries(d.deliverer)
	b.checkRepaired("in the end", hands[0].drift)
}

// A bundle that is gone is recorded before it is current again, also if it is deleted between a
// deliverer's look and its staging. harness.watch checks the order.
func TestLostBundleIsRecordedFirst(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.drifted(hands[0])
	b.write("KEY")
	b.deploy()
	b.checkDelivered("lost before the delivery")

	b.write("KEY")
	d.intercept(func(operation string, w http.ResponseWriter, r *http.Request, serve http.Handler) {
		if operation == "PutSecretValue" {
			d.intercept(nil)
			hands[0].do(b)
		}
		serve.ServeHTTP(w, r)
	})
	if err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil {
		t.Error("Deliver of a bundle that was lost meanwhile = nil")
	}
	b.finishDeliveries(d.deliverer)
	b.checkDelivered("lost during the delivery")
}

// A hand that changes the bundle all the time does not use up the deliveries that changes need.
func TestRepairsLeaveRoomForChanges(t *testing.T) {
	t.Parallel()
	const reserved = 10
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	b.recordVersions(paceLimit - reserved - 1)
	hands[2].do(b)
	b.attach()
	b.deploy()
	b.checkStatus("no room for a repair", secrets.StatusDeploying, true)
	d.clock.pass(paceEvery)
	b.deploy()
	b.checkStatus("after the wait of a change", secrets.StatusDeploying, true)
	b.write("KEY") // waits like any other change, and repairs what it finds
	d.clock.pass(paceEvery)
	b.deploy()
	b.checkDelivered("with the change")
}

// A bundle that was removed becomes current again only after its event, also where the delivery then fails.
func TestRestoredBundleIsRecordedFirst(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	b.detach()
	b.deploy()
	b.write("KEY")
	b.attach()
	recorded := len(d.events(b.id, secrets.SecretDeployed))
	failing := d.newDeliverer(secretstest.Inject(secretstest.At(secretstest.Call{What: "PutSecretValue"}, secretstest.Before, true)))
	if err := failing.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil {
		t.Fatal("Deliver without PutSecretValue = nil")
	}
	if got := len(d.events(b.id, secrets.SecretDeployed)) - recorded; b.labelled("AWSCURRENT") == "" || got != 1 {
		t.Errorf("%d events of a delivery, and %q is current, want an event before the restored version", got, b.labelled("AWSCURRENT"))
	}
	b.finishDeliveries(d.deliverer)
	b.checkDelivered("after the failure")
}

// A label that a crash has left on a former version comes off with the next look, which is no drift.
func TestLooksTakeLabelsOff(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	b.write("KEY")
	crashed := d.newDeliverer(secretstest.Inject(secretstest.At(
		secretstest.Call{What: "UpdateSecretVersionStage", Nth: 1}, secretstest.Before, true))) // the second takes AWSPREVIOUS off
	if err := crashed.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil || b.labelled("AWSPREVIOUS") == "" {
		t.Fatalf("Deliver = %v, AWSPREVIOUS on %q, want a crash before it comes off", err, b.labelled("AWSPREVIOUS"))
	}
	b.finishDeliveries(d.deliverer)
	b.checkDelivered("after the crash")
	if got := b.labelled("AWSPREVIOUS"); got != "" {
		t.Errorf("AWSPREVIOUS is on %s", got)
	}
	for _, label := range []string{"AWSPREVIOUS", "AWSPENDING"} {
		b.byHand("UpdateSecretVersionStage", map[string]any{"VersionStage": label, "MoveToVersionId": b.versionIDs()[0], "RemoveFromVersionId": b.labelled(label)})
		if _, differ := d.check(); differ == 0 {
			t.Errorf("Check with %s left: %d differ, want one", label, differ)
		}
		b.deploy()
		if got := b.labelled(label); got != "" || len(d.events(b.id, secrets.SecretDrifted)) != 0 {
			t.Errorf("%s is on %s, and %d events of a drift, want neither", label, got, len(d.events(b.id, secrets.SecretDrifted)))
		}
	}
}

// Another hand changes the target at random while changes, crashes and outages go on. In the end the
// target is what the table says. In between no deliverer makes an older revision current, or one that
// is not recorded: harness.watch.
func TestTargetAgreesInTheEnd(t *testing.T) {
	t.Parallel()
	const steps = 120
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY", "OTHER")
	b.attach()
	b.deploy()
	var requests, broken atomic.Int64
	sometimes := breakSometimes(&requests, &broken)
	var trace []string
	for i := range steps {
		d.clock.pass(time.Duration(r.IntN(40)) * time.Minute)
		exists := b.labelled("AWSCURRENT") != "" && !b.deleted()
		switch n := r.IntN(12); {
		case n < 2:
			trace = append(trace, "write")
			b.write("KEY")
		case n == 2:
			b.set("KEY", b.want["KEY"])
		case n == 3:
			b.renameSecret(fmt.Sprintf("name-%d", i))
		case n == 4:
			b.attach()
		case n == 5 && len(b.services) > 1:
			b.detach()
		case n < 9 && exists:
			h := hands[r.IntN(len(hands))]
			trace = append(trace, h.name)
			h.do(b)
		default:
			_, _, _ = d.checker.Check(t.Context()) // it fails during an outage
		}
		d.intercept(nil)
		deliverer := d.deliverer
		switch r.IntN(4) {
		case 0:
			d.intercept(sometimes)
		case 1:
			at := secretstest.Call{What: []string{"PutSecretValue", "UpdateSecretVersionStage", "UpdateItem SECRET", "PutItem DELIVERY"}[r.IntN(4)]}
			deliverer = d.newDeliverer(secretstest.Inject(secretstest.At(at, secretstest.After, true)))
		}
		_ = deliverer.Deliver(context.Background(), d.caller.AccountID, b.id) // it may fail
	}
	d.intercept(nil)
	for range 3 {
		d.clock.pass(day)
		d.check()
		b.finishDeliveries(d.deliverer)
	}
	b.checkDelivered("in the end")
	if drift := len(d.events(b.id, secrets.SecretDrifted)); drift == 0 || broken.Load() == 0 {
		t.Errorf("%d drifts, %d broken requests, want some", drift, broken.Load())
	}
	if t.Failed() {
		t.Logf("seed %d: %v", seed, trace)
	}
}

package delivery_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// answer is a refusal of the Secrets Manager.
func answer(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": kind, "Message": message}) // fails only when the client has gone
}

// deliveryRow is the row of the secret's lease.
func (b *bundled) deliveryRow() secretstest.Row {
	b.t.Helper()
	for _, row := range b.table.Rows(b.t) {
		if row["PK"] == fmt.Sprintf("DELIVERY#%s#%s", b.caller.AccountID, b.id) && row["SK"] == "DELIVERY" {
			return row
		}
	}
	b.t.Fatal("the table has no lease of the secret")
	return nil
}

// The secret's status shows each failure of the target. The row of the lease has the reason
// without any value, even where AWS quotes one. When the target is back, the secret is
// ready.
func TestFailuresShowAndHeal(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	for name, fail := range map[string]func(w http.ResponseWriter, r *http.Request){
		"failing":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"breaking": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"throttling": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
		},
		"refusing": func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			answer(w, http.StatusBadRequest, "AccessDeniedException", "You may not do this: "+string(body))
		},
	} {
		for _, first := range []bool{true, false} {
			b := d.newSecret("KEY")
			b.attach()
			if !first {
				b.deploy()
				b.write("KEY")
			}
			var quoted atomic.Bool
			d.intercept(func(operation string, w http.ResponseWriter, r *http.Request, serve http.Handler) {
				if operation == "DescribeSecret" || operation == "GetSecretValue" {
					serve.ServeHTTP(w, r)
					return
				}
				body, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(body))
				if strings.Contains(string(body), d.mark) {
					quoted.Store(true)
				}
				fail(w, r)
			})
			for range 2 { // the status stays
				if err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil || strings.Contains(err.Error(), d.mark) {
					t.Errorf("%s, first = %v: Deliver = %v, want an error without a value", name, first, err)
				}
				b.checkStatus(name, secrets.StatusFailed, false)
				if text, _ := b.deliveryRow()["error"].(string); !strings.Contains(text, "stage bundle") || strings.Contains(text, d.mark) {
					t.Errorf("%s, first = %v: the stored error is %q", name, first, text)
				}
				if !b.queued() {
					t.Errorf("%s, first = %v: the outbox is empty", name, first)
				}
				d.clock.pass(leaseTime)
			}
			if !quoted.Load() {
				t.Errorf("%s, first = %v: no request had a value that could be quoted", name, first)
			}
			d.intercept(nil)
			b.finishDeliveries(d.deliverer)
			b.checkDelivered(name + ", and back")
			if text, ok := b.deliveryRow()["error"]; ok {
				t.Errorf("%s, and back: the stored error is %q", name, text)
			}
		}
	}
	if logged := d.log.String(); !strings.Contains(logged, `"DeliveryFailures":1`) {
		t.Error("the failures were not counted")
	}
}

// Without a target, the bundle of a used secret may grow beyond what a target accepts. Once
// there is a target, the delivery fails until there are fewer items.
func TestTooLargeBundleFails(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret()
	size := d.manager.MaxBundleSize
	d.manager.MaxBundleSize = 0
	b.create("ONE", d.value()+strings.Repeat("x", maxBundle/2))
	b.create("TWO", d.value()+strings.Repeat("x", maxBundle/2))
	b.attach()
	d.manager.MaxBundleSize = size
	d.requeueAll()
	if err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil {
		t.Error("a bundle that is too large was delivered")
	}
	b.checkStatus("too large", secrets.StatusFailed, false)
	if text, _ := b.deliveryRow()["error"].(string); !strings.Contains(text, "more bytes than a bundle may have") {
		t.Errorf("the stored error is %q", text)
	}
	if revision, _ := b.bundle(); revision != 0 || !b.queued() {
		t.Errorf("revision %d is delivered, in the outbox: %v", revision, b.queued())
	}
	b.delete("TWO")
	b.deploy()
	b.checkDelivered("with fewer items")
}

// A failed delivery makes no version and does not count for the pace: after a long outage
// the next try is due at once. The first bundle of a secret skips the pace too.
func TestOutageCostsNoPace(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	b.write("KEY")
	d.intercept(func(_ string, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		answer(w, http.StatusBadRequest, "AccessDeniedException", "No.")
	})
	for i := range paceLimit {
		if err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil {
			t.Fatalf("try %d: no error", i)
		}
	}
	d.intercept(nil)
	b.deploy()
	b.checkDelivered("after the outage")

	for range paceBurst {
		b.write("KEY")
		b.deploy()
	}
	b.checkStatus("after a burst", secrets.StatusDeploying, true)
	b.detach()
	b.deploy()
	b.checkRemoved("after a burst")
	b.attach()
	b.deploy()
	b.checkDelivered("attached again after a burst")
}

// panicking is an opener that panics with what it opened.
type panicking struct{ secrets.Opener }

func (p panicking) Open(ctx context.Context, associatedData map[string]string, blob []byte) ([]byte, error) {
	plaintext, err := p.Opener.Open(ctx, associatedData, blob)
	if err != nil {
		return nil, err
	}
	panic(string(plaintext))
}

// A panic during a delivery fails that delivery alone, and no text has what it holds.
func TestPanicFailsTheDelivery(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish() // no value in the log or the table
	b := d.newSecret("KEY")
	b.attach()
	opener := d.deliverer.Opener
	d.deliverer.Opener = panicking{opener}
	err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id)
	if err == nil || !strings.Contains(err.Error(), "panic with string at") || strings.Contains(err.Error(), d.mark) {
		t.Errorf("Deliver = %v, want the panic's type and place alone", err)
	}
	b.checkStatus("after a panic", secrets.StatusFailed, false)
	d.deliverer.Opener = opener
	b.deploy()
	b.checkDelivered("afterwards")
}

package delivery_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// answer is a refusal of the Secrets Manager.
func answer(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": kind, "Message": message}) // fails only when the client has gone
}

// deliveryRow is what the table has of a secret's deliveries.
func (b *bundled) deliveryRow() secretstest.Row {
	b.t.Helper()
	for _, row := range b.table.Rows(b.t) {
		if row["PK"] == fmt.Sprintf("DELIVERY#%s#%s", b.caller.AccountID, b.id) && row["SK"] == "DELIVERY" {
			return row
		}
	}
	b.t.Fatal("the table has nothing of the secret's deliveries")
	return nil
}

// Whatever the target's failure, the secret's status shows it, and the row has its reason
// without any value, even where AWS quotes one. When the target is back, the secret is
// ready.
func TestFailuresShowAndHeal(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
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
			d.away(func(operation string, w http.ResponseWriter, r *http.Request, serve http.Handler) {
				if operation == "DescribeSecret" {
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
			for range 2 { // it stays so
				if err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil || strings.Contains(err.Error(), d.mark) {
					t.Errorf("%s, first = %v: DeploySecret = %v, want an error without a value", name, first, err)
				}
				b.checkStatus(name, secrets.StatusFailed, false)
				if text, _ := b.deliveryRow()["error"].(string); !strings.Contains(text, "stage bundle") || strings.Contains(text, d.mark) {
					t.Errorf("%s, first = %v: the error that is kept is %q", name, first, text)
				}
				if !b.waits() {
					t.Errorf("%s, first = %v: nothing waits", name, first)
				}
				d.clock.pass(turn)
			}
			if !quoted.Load() {
				t.Errorf("%s, first = %v: no request had a value to be quoted", name, first)
			}
			d.away(nil)
			b.finishDeliveries(d.deliverer)
			b.checkDelivered(name + ", and back")
			if text, ok := b.deliveryRow()["error"]; ok {
				t.Errorf("%s, and back: the error that is kept is %q", name, text)
			}
		}
	}
	if logged := d.log.String(); !strings.Contains(logged, `"DeliveryFailures":1`) {
		t.Error("the failures were not counted")
	}
}

// Items from a release that knew no sizes can be too many for a bundle. A service may
// begin to use them. The delivery fails until there are fewer.
func TestTooLargeBundleFails(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
	defer d.finish()
	b := d.newSecret()
	b.create("ONE", d.value()+strings.Repeat("x", maxBundle/2))
	b.create("TWO", d.value()+strings.Repeat("x", maxBundle/2))
	for _, row := range d.table.Rows(t) {
		if _, ok := row["size"]; !ok {
			continue
		}
		_, err := d.table.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: &d.table.Name, Key: map[string]types.AttributeValue{
				"PK": &types.AttributeValueMemberS{Value: row["PK"].(string)}, "SK": &types.AttributeValueMemberS{Value: row["SK"].(string)},
			},
			UpdateExpression: aws.String("REMOVE #size"), ExpressionAttributeNames: map[string]string{"#size": "size"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	b.attach()
	if err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil {
		t.Error("a bundle that is too large was delivered")
	}
	b.checkStatus("too large", secrets.StatusFailed, false)
	if text, _ := b.deliveryRow()["error"].(string); !strings.Contains(text, "more bytes than a bundle may have") {
		t.Errorf("the error that is kept is %q", text)
	}
	if revision, _ := b.bundle(); revision != 0 || !b.waits() {
		t.Errorf("revision %d is delivered, something waits: %v", revision, b.waits())
	}
	b.delete("TWO")
	b.deploy()
	b.checkDelivered("with fewer items")
}

// What failed has made no version, so it counts for no pace: after a long outage the
// next try is not a long time away. And services that have nothing at all wait for no
// pace either.
func TestOutageCostsNoPace(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	b.write("KEY")
	d.away(func(_ string, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		answer(w, http.StatusBadRequest, "AccessDeniedException", "No.")
	})
	for i := range paceLimit {
		if err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil {
			t.Fatalf("try %d: no error", i)
		}
	}
	d.away(nil)
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

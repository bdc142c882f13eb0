package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// stream returns an event as Lambda sends it, of changed outbox rows. A nil row has no sort key.
func stream(t *testing.T, rows ...map[string]string) []byte {
	t.Helper()
	type value map[string]any
	type record map[string]any
	var records []record
	for i, row := range rows {
		keys := value{"PK": value{"S": "OUTBOX"}}
		if row != nil {
			keys["SK"] = value{"S": row["account_id"] + "#" + row["secret_id"]}
		}
		change := record{"SequenceNumber": fmt.Sprint("number-", i), "Keys": keys, "StreamViewType": "KEYS_ONLY"}
		records = append(records, record{"eventID": fmt.Sprint("event-", i), "eventName": "INSERT", "eventSource": "aws:dynamodb",
			"dynamodb": change})
	}
	event, err := json.Marshal(record{"Records": records})
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// failures returns the sequence numbers of the records that deploy-secret reports as failed.
func failures(t *testing.T, d *delivery.Deliverer, event []byte) []string {
	t.Helper()
	answer, err := lambda.NewHandler(gateway.DeploySecret(d)).Invoke(t.Context(), event)
	if err != nil {
		t.Fatalf("deploy-secret = %v", err)
	}
	var response struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	dec := json.NewDecoder(bytes.NewReader(answer))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&response); err != nil {
		t.Fatalf("deploy-secret = %s: %v", answer, err)
	}
	numbers := []string{}
	for _, f := range response.BatchItemFailures {
		numbers = append(numbers, f.ItemIdentifier)
	}
	slices.Sort(numbers)
	return numbers
}

// batches is an account and its table, to which deploy-secret delivers.
type batches struct {
	*secretstest.Table
	manager *secrets.Manager
	caller  secrets.Caller

	mu      sync.Mutex
	created int // bundles
}

func newBatches(t *testing.T) *batches {
	t.Helper()
	b := &batches{Table: secretstest.NewTable(t)}
	b.manager = b.Manager(t)
	_, b.caller = b.Account(t, uuid.NewString())
	return b
}

// used creates a secret with an item and a service.
func (b *batches) used(t *testing.T, name string) secrets.Secret {
	t.Helper()
	secret, err := b.manager.CreateSecret(t.Context(), b.caller, secrets.SecretInput{Name: secrets.Text(name)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.manager.CreateItem(t.Context(), b.caller, secret.ID.String(), secrets.ItemInput{
		Key: secrets.Text("KEY"), Value: secrets.Text("value"),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.manager.CreateService(t.Context(), b.caller, secrets.ServiceInput{
		Name: secrets.Text(name), Image: secrets.Text("app"), Port: secrets.Text("80"), Secret: secrets.Text(secret.ID.String()),
	})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func (b *batches) status(t *testing.T, s secrets.Secret) secrets.Status {
	t.Helper()
	s, err := b.manager.Secret(t.Context(), b.caller, s.ID.String())
	if err != nil {
		t.Fatal(err)
	}
	status, _ := b.manager.Status(s)
	return status
}

// failures is failures of a deliverer whose AWS calls have the faults of plan. It counts the
// bundles.
func (b *batches) failures(t *testing.T, plan func(secretstest.Call) secretstest.Fault, event []byte) []string {
	t.Helper()
	d := b.Deliverer(t, secretstest.Inject(func(call secretstest.Call) secretstest.Fault {
		b.mu.Lock()
		defer b.mu.Unlock()
		if call.What == "CreateSecret" || call.What == "PutSecretValue" {
			b.created++
		}
		return plan(call)
	}))
	d.Log = slog.New(slog.DiscardHandler)
	return failures(t, d, event)
}

func well(secretstest.Call) secretstest.Fault { return secretstest.None }

// of returns the attributes of a secret's outbox row.
func of(s secrets.Secret) map[string]string {
	return map[string]string{"account_id": s.AccountID.String(), "secret_id": s.ID.String()}
}

// Several records of a secret are one delivery, and a repeated batch is none.
func TestBatchDeliversEachSecretOnce(t *testing.T) {
	b := newBatches(t)
	one, two := b.used(t, "one"), b.used(t, "two")
	unknown := map[string]string{"account_id": uuid.NewString(), "secret_id": uuid.NewString()}
	event := stream(t, of(one), unknown, of(two), of(one), of(one))
	if failed := b.failures(t, well, event); len(failed) != 0 || b.created != 2 {
		t.Errorf("five records of two secrets: failed %v, %d bundles, want none and 2", failed, b.created)
	}
	if first, second := b.status(t, one), b.status(t, two); first != secrets.StatusReady || second != secrets.StatusReady {
		t.Errorf("the two secrets are %s and %s, want both ready", first, second)
	}
	if failed := b.failures(t, well, event); len(failed) != 0 || b.created != 2 {
		t.Errorf("the same records again: failed %v, %d bundles, want none and still 2", failed, b.created)
	}
	if failed := b.failures(t, well, []byte(`{"Records": []}`)); len(failed) != 0 {
		t.Errorf("no records: failed %v, want none", failed)
	}
	b.Check(t)
}

// A record without valid ids does not block the others.
func TestRecordsWithoutIDsFailAlone(t *testing.T) {
	b := newBatches(t)
	secret := b.used(t, "used")
	failed := b.failures(t, well, stream(t,
		nil,
		map[string]string{},
		map[string]string{"account_id": secret.AccountID.String()},
		map[string]string{"secret_id": secret.ID.String()},
		map[string]string{"account_id": "x", "secret_id": secret.ID.String()},
		of(secret),
		map[string]string{"account_id": secret.AccountID.String(), "secret_id": ""}))
	want := []string{"number-0", "number-1", "number-2", "number-3", "number-4", "number-6"}
	if diff := cmp.Diff(want, failed); diff != "" || b.status(t, secret) != secrets.StatusReady {
		t.Errorf("records without valid ids: %s, want ready, and only those failed (-want +got):\n%s", b.status(t, secret), diff)
	}
	numbers := bytes.Replace(stream(t, of(secret)), []byte(`{"S":"`+secret.AccountID.String()+"#"+secret.ID.String()+`"}`),
		[]byte(`{"N":"1"}`), 1)
	if failed := b.failures(t, well, numbers); !slices.Equal(failed, []string{"number-0"}) {
		t.Errorf("record with a number as id: failed %v, want number-0", failed)
	}
	b.Check(t)
}

func TestAllRecordsOfAFailingSecretFail(t *testing.T) {
	b := newBatches(t)
	one, two := b.used(t, "one"), b.used(t, "two")
	plan := func(call secretstest.Call) secretstest.Fault {
		if call.What == "Decrypt" && call.Nth == 0 {
			return secretstest.Before
		}
		return secretstest.None
	}
	event := stream(t, of(one), of(two), of(one), of(two))
	failed := b.failures(t, plan, event)
	ready, other := one, two
	want := []string{"number-1", "number-3"}
	if b.status(t, two) == secrets.StatusReady {
		ready, other, want = two, one, []string{"number-0", "number-2"}
	}
	if diff := cmp.Diff(want, failed); diff != "" || b.status(t, ready) != secrets.StatusReady ||
		b.status(t, other) != secrets.StatusFailed {
		t.Errorf("one of two secrets cannot be opened: %s and %s, want one ready, and failed (-want +got):\n%s",
			b.status(t, ready), b.status(t, other), diff)
	}
	if failed := b.failures(t, well, event); len(failed) != 0 || b.status(t, other) != secrets.StatusReady {
		t.Errorf("retry: failed %v, %s, want none and ready", failed, b.status(t, other))
	}
	b.Check(t)
}

func TestNoDeliveryStartsShortlyBeforeTheTimeout(t *testing.T) {
	table := secretstest.NewTable(t)
	d := table.Deliverer(t)
	d.Log = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // less than the reserve for the last writes
	defer cancel()
	var event events.DynamoDBEvent
	if err := json.Unmarshal(stream(t, map[string]string{"account_id": uuid.NewString(), "secret_id": uuid.NewString()}),
		&event); err != nil {
		t.Fatal(err)
	}
	answer, err := gateway.DeploySecret(d)(ctx, event)
	if err != nil || len(answer.BatchItemFailures) != 1 || ctx.Err() != nil {
		t.Errorf("deploy-secret without time = %v, %v, want the record failed immediately", answer, err)
	}
}

package delivery_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

// use lists n secrets of each account as used, which is faster than to create them.
func (d *harness) use(n int, accounts ...uuid.UUID) {
	d.t.Helper()
	var rows []types.WriteRequest
	for _, account := range accounts {
		for range n {
			rows = append(rows, types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{
				"PK": &types.AttributeValueMemberS{Value: "USED"},
				"SK": &types.AttributeValueMemberS{Value: account.String() + "#" + uuid.Must(uuid.NewV7()).String()},
			}}})
		}
	}
	for batch := range slices.Chunk(rows, 25) {
		out, err := d.table.Client.BatchWriteItem(d.t.Context(), &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{d.table.Name: batch},
		})
		if err != nil || len(out.UnprocessedItems) > 0 {
			d.t.Fatalf("BatchWriteItem = %v, %v", out, err)
		}
	}
}

// An operator requeues 5,000 secrets. At most 1,000 of them wait at a time, so that a caller's change
// waits behind no more. A call ends after 45 seconds, and both the next call and the schedule go on
// where it ended. Each secret is enqueued once, and each account has one event.
func TestRequeueOfAllLeavesRoomForChanges(t *testing.T) {
	t.Parallel()
	const each, most, perPause = 2500, 1000, 300
	d := newHarness(t)
	_, other := d.table.Account(t, uuid.NewString())
	d.use(each, d.caller.AccountID, other.AccountID)

	enqueued := map[delivery.Place]int{}
	acknowledge := func(n int) {
		t.Helper()
		entries, err := d.store.Entries(t.Context())
		if err != nil || len(entries) > most {
			t.Fatalf("%d secrets wait, %v, want at most %d", len(entries), err, most)
		}
		for _, e := range entries[:min(n, len(entries))] {
			enqueued[delivery.Place{AccountID: e.AccountID, SecretID: e.SecretID}]++
			if err := d.store.Acknowledge(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.sweeper.Pause = func(_ context.Context, pause time.Duration) { // deliveries go on meanwhile
		d.clock.pass(pause)
		acknowledge(perPause)
	}
	next, waiting, err := d.sweeper.RequeueAll(t.Context(), delivery.Place{})
	if err != nil || next == (delivery.Place{}) || waiting == 0 || waiting > most {
		t.Fatalf("RequeueAll = %v, %d, %v, want to go on, with at most %d waiting", next, waiting, err, most)
	}
	for calls := 1; ; calls++ {
		again, _, err := d.sweeper.RequeueAll(t.Context(), next)
		if err != nil {
			t.Fatal(err)
		}
		if again == (delivery.Place{}) || calls == 1 {
			break
		}
	}
	for round := range 10 { // the schedule goes on by itself, and requeues nothing twice
		waiting, err := d.sweeper.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if waiting == 0 {
			break
		}
		if round == 9 {
			t.Errorf("%d secrets still wait", waiting)
		}
		acknowledge(most)
	}
	for place, n := range enqueued {
		if n != 1 {
			t.Errorf("%v was enqueued %d times", place, n)
		}
	}
	if len(enqueued) != 2*each {
		t.Errorf("%d secrets were enqueued, want %d", len(enqueued), 2*each)
	}
	for _, account := range []uuid.UUID{d.caller.AccountID, other.AccountID} {
		events := 0
		pages := dynamodb.NewQueryPaginator(d.table.Client, &dynamodb.QueryInput{
			TableName: &d.table.Name, KeyConditionExpression: aws.String("PK = :pk"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: "EVENTS#" + account.String()}},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range page.Items {
				if kind, ok := row["action"].(*types.AttributeValueMemberS); ok && kind.Value == secrets.AccountRequeued {
					events++
				}
			}
		}
		if events != 1 {
			t.Errorf("%d events of the requeue of an account, want 1", events)
		}
	}
}

// An entry that is not due is not requeued: no deliverer is called only to find that.
func TestOnlyDueEntriesAreRequeued(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	for range paceBurst + 1 {
		b.deploy()
		b.write("KEY")
	}
	requeues := func() float64 {
		t.Helper()
		for _, row := range d.table.Rows(t) {
			if row["PK"] == "OUTBOX" {
				n, _ := row["requeues"].(float64)
				return n
			}
		}
		t.Fatal("the outbox is empty")
		return 0
	}
	for _, step := range []struct {
		pass time.Duration
		want float64
	}{{0, 0}, {paceEvery / 2, 0}, {paceEvery, 1}} {
		d.clock.pass(step.pass)
		if waiting, err := d.sweeper.Sweep(t.Context()); err != nil || waiting != 1 || requeues() != step.want {
			t.Errorf("Sweep = %d, %v, %v requeues, want 1 waiting and %v requeues", waiting, err, requeues(), step.want)
		}
	}
	b.deploy()
	b.checkDelivered("when it is due")
}

// A round looks at each used secret once, a few in each call, and makes up for missed calls.
func TestRoundsAreSpreadEvenly(t *testing.T) {
	t.Parallel()
	const secretsUsed, round, every = 330, 165 * time.Minute, 5 * time.Minute
	d := newHarness(t)
	d.use(secretsUsed, d.caller.AccountID) // without rows of their own: they are gone when they are looked at
	looked := func(pass time.Duration) int {
		t.Helper()
		d.clock.pass(pass)
		n, _, err := d.checker.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := looked(0); n != 1 {
		t.Errorf("the first call looks at %d, want 1", n)
	}
	total := 1
	for i := range int(round/every) - 1 {
		if i == 10 {
			total += looked(3 * every) // two calls were missed
			continue
		}
		if i == 11 || i == 12 {
			continue
		}
		n := looked(every)
		if total += n; n > 11 {
			t.Errorf("call %d looks at %d, want about %d", i, n, secretsUsed/int(round/every))
		}
	}
	total += looked(every)
	if total != secretsUsed {
		t.Errorf("a round looks at %d, want %d", total, secretsUsed)
	}
	if n := looked(0); n > 1 {
		t.Errorf("the next round begins with %d, want 1 at most", n)
	}
}

// The bundles of another prefix keep their names until they are removed.
func TestBundlesKeepTheirNames(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	b.checkDelivered("delivered")
	d.prefix = "moved"
	d.deliverer = d.newDeliverer()
	b.write("KEY")
	b.deploy()
	b.checkDelivered("after the prefix has changed")
	if got := b.secret().Bundle.Name; got != b.bundleName() {
		t.Errorf("the bundle is %s, want still %s", got, b.bundleName())
	}
	b.detach()
	b.deploy()
	b.checkRemoved("detached")
	if got := b.secret().Bundle; got != (secrets.Bundle{}) {
		t.Errorf("the bundle of an unused secret is %+v", got)
	}
	b.attach()
	b.deploy()
	if got := b.secret().Bundle; got.Name != "goblins/moved/"+d.caller.AccountID.String()+"/"+b.id.String() || got.Region != "us-east-1" {
		t.Errorf("the bundle is %+v, want the new prefix", got)
	}

	// The bundle of a secret that is deleted before its removal is removed under its own name.
	gone := d.newSecret("KEY")
	gone.attach()
	gone.deploy()
	at := gone.secret().Bundle.Name
	d.prefix = "again"
	d.deliverer = d.newDeliverer()
	gone.detach()
	gone.remove(secrets.Deletion{})
	gone.finishDeliveries(d.deliverer)
	if out, ok := d.ask("DescribeSecret", map[string]any{"SecretId": at}); !ok || out["DeletedDate"] == nil {
		t.Errorf("the bundle %s of a deleted secret is %v, want its deletion scheduled", at, out)
	}
}

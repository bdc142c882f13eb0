package delivery_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// A secret that is written without a pause cannot be read at one revision. That is not a
// failure: the stream emits each of those writes too, and the last one is delivered.
func TestBusySecretIsDeliveredAtRest(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	b.write("KEY")
	deliverer := d.newDeliverer(secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if c.What == "Query SECRET" && c.Nth%2 == 0 {
			b.write("KEY")
		}
		return secretstest.None
	}))
	for range paceBurst + 1 { // none of them counts for the pace
		if err := deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err != nil {
			t.Errorf("Deliver of a secret that is being written = %v", err)
		}
	}
	b.checkStatus("while it is written", secrets.StatusDeploying, true)
	if !b.queued() {
		t.Error("the outbox is empty")
	}
	b.deploy() // at once
	b.checkDelivered("at rest")
}

// An item whose value has another version cannot be delivered, however often it is read.
// That is a failure.
func TestTornItemIsNotDelivered(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	setVersion := func(version string) {
		t.Helper()
		_, err := d.table.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: &d.table.Name, Key: map[string]types.AttributeValue{
				"PK": &types.AttributeValueMemberS{Value: fmt.Sprintf("SECRET#%s#%s", d.caller.AccountID, b.id)},
				"SK": &types.AttributeValueMemberS{Value: "VALUE#" + b.items["KEY"].String()},
			},
			UpdateExpression:          aws.String("SET version = :version"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":version": &types.AttributeValueMemberN{Value: version}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	setVersion("2")
	if err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil {
		t.Error("an item without its value was delivered")
	}
	b.checkStatus("torn", secrets.StatusFailed, false)
	setVersion("1")
	b.deploy()
	b.checkDelivered("repaired")
}

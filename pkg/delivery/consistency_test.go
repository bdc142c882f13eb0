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

// An item whose value has another version, or whose revision is not part of the secret's checksum, cannot be delivered,
// however often it is read. That is a failure.
func TestTornItemIsNotDelivered(t *testing.T) {
	t.Parallel()
	d := newHarness(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	set := func(kind, name, value string) {
		t.Helper()
		_, err := d.table.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: &d.table.Name, Key: map[string]types.AttributeValue{
				"PK": &types.AttributeValueMemberS{Value: fmt.Sprintf("SECRET#%s#%s", d.caller.AccountID, b.id)},
				"SK": &types.AttributeValueMemberS{Value: kind + "#" + b.items["KEY"].String()},
			},
			UpdateExpression:          aws.String("SET #name = :value"),
			ExpressionAttributeNames:  map[string]string{"#name": name},
			ExpressionAttributeValues: map[string]types.AttributeValue{":value": &types.AttributeValueMemberN{Value: value}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ kind, name, right string }{
		{"VALUE", "version", "1"}, {"ITEM", "revision", fmt.Sprint(b.secret().Checksum)},
	} {
		set(tt.kind, tt.name, "0") // it begins at 1
		if err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil {
			t.Errorf("an item with another %s was delivered", tt.name)
		}
		b.checkStatus("torn", secrets.StatusFailed, false)
		set(tt.kind, tt.name, tt.right)
		b.deploy()
		b.checkDelivered("repaired")
		b.renameSecret(b.name + "'")
	}
	b.deploy()
}

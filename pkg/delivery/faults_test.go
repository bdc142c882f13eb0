package delivery_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// restore changes the table as a restore does: the secret is some revisions behind its
// bundle.
func (b *bundled) restore(by int64) {
	b.t.Helper()
	revision := &types.AttributeValueMemberN{Value: fmt.Sprint(b.secret().Revision - by)}
	_, err := b.table.Client.UpdateItem(b.t.Context(), &dynamodb.UpdateItemInput{
		TableName: &b.table.Name, Key: map[string]types.AttributeValue{
			"PK": &types.AttributeValueMemberS{Value: "ACCOUNT#" + b.caller.AccountID.String()},
			"SK": &types.AttributeValueMemberS{Value: "SECRET#" + b.id.String()},
		},
		UpdateExpression:          aws.String("SET revision = :revision, delivered = :revision"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":revision": revision},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// reads reports whether a call changes nothing.
func reads(c secretstest.Call) bool {
	operation, _, _ := strings.Cut(c.What, " ")
	return slices.Contains([]string{"GetItem", "Query", "Decrypt", "DescribeSecret"}, operation)
}

// Each call of each delivery fails, before or after it was done, with or without the end
// of the process. The bundle that services read then was recorded, and is the secret at its
// revision. After the next delivery, services read what the table says.
func TestDeliverySurvivesFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fresh bool   // each case has its own secret
		from  string // the first call that fails
		begin func(b *bundled)
		check func(b *bundled, when string)
		end   func(b *bundled) // undoes begin
	}{
		{
			name: "first", fresh: true, check: (*bundled).checkDelivered,
			begin: (*bundled).attach,
		},
		{
			name: "change", check: (*bundled).checkDelivered,
			begin: func(b *bundled) { b.write("KEY") },
		},
		{
			name: "removal", check: (*bundled).checkRemoved,
			begin: (*bundled).detach,
			end:   func(b *bundled) { b.attach(); b.deploy() },
		},
		{
			name: "return", check: (*bundled).checkDelivered,
			begin: func(b *bundled) { b.detach(); b.deploy(); b.write("KEY"); b.attach() },
		},
		{
			name: "equal content", check: (*bundled).checkDelivered,
			begin: func(b *bundled) { b.set("KEY", b.want["KEY"]); b.renameSecret(b.name + "'") },
		},
		{
			name: "drift", check: (*bundled).checkDelivered,
			begin: func(b *bundled) { hands[rand.IntN(len(hands))].do(b); b.attach() },
		},
		{
			name: "target ahead", from: "UpdateItem SECRET", check: (*bundled).checkDelivered,
			begin: func(b *bundled) { b.restore(1); b.write("KEY") },
		},
		{
			name: "deletion", fresh: true, check: (*bundled).checkGone,
			begin: func(b *bundled) { b.attach(); b.deploy(); b.detach(); b.remove(secrets.Deletion{}) },
		},
		{
			name: "permanent deletion", fresh: true, check: (*bundled).checkGone,
			begin: func(b *bundled) { b.attach(); b.deploy(); b.detach(); b.remove(secrets.Deletion{Permanent: true}) },
		},
		{
			name: "restoration", fresh: true, check: (*bundled).checkRemoved,
			begin: func(b *bundled) { b.attach(); b.deploy(); b.detach(); b.remove(secrets.Deletion{}); b.takeOut() },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newHarness(t)
			defer d.finish()
			var one *bundled
			prepare := func() (b *bundled, taken map[string]string) {
				t.Helper()
				switch {
				case tt.fresh:
					one = d.newSecret("KEY")
				case one == nil:
					one = d.newSecret("KEY", "OTHER")
					one.attach()
					one.deploy()
				default:
					if tt.end != nil {
						tt.end(one)
					}
					d.clock.pass(day) // for the pace
				}
				taken = maps.Clone(one.want)
				tt.begin(one)
				d.clock.pass(2 * leaseTime)
				return one, taken
			}
			var plan func(secretstest.Call) secretstest.Fault
			var calls map[string]int // of one deploy
			deliverer := d.newDeliverer(secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
				c.Nth = calls[c.What]
				calls[c.What]++
				return plan(c)
			}))
			deploy := func(b *bundled, to func(secretstest.Call) secretstest.Fault) error {
				plan, calls = to, make(map[string]int)
				return deliverer.Deliver(t.Context(), d.caller.AccountID, b.id)
			}

			var sent []secretstest.Call
			b, _ := prepare()
			if err := deploy(b, func(c secretstest.Call) secretstest.Fault {
				sent = append(sent, c)
				return secretstest.None
			}); err != nil {
				t.Fatal(err)
			}
			tt.check(b, "without a fault")
			sent = sent[max(0, slices.IndexFunc(sent, func(c secretstest.Call) bool { return c.What == tt.from })):]
			for _, call := range sent {
				for _, variant := range []struct {
					fault secretstest.Fault
					crash bool // a crash before a call is one after the call before it
				}{{secretstest.Before, false}, {secretstest.After, true}, {secretstest.After, false}, {secretstest.LostAfter, false}} {
					if variant.fault != secretstest.Before && reads(call) {
						continue // the same as Before: nothing was done
					}
					when := fmt.Sprintf("%s/%s/crash=%v", call, variant.fault, variant.crash)
					b, taken := prepare() // a restored bundle is the one that was current before
					_, before := b.bundle()
					err := deploy(b, secretstest.At(call, variant.fault, variant.crash))
					if variant.fault.Retried() && err != nil {
						t.Errorf("%s: %v, want the SDK's retry to succeed", when, err)
					}
					if revision, now := b.bundle(); revision > 0 && !maps.Equal(now, before) && !maps.Equal(now, taken) && !maps.Equal(now, b.want) {
						t.Errorf("%s: services read a bundle that was never the secret", when)
					}
					if !variant.fault.Retried() {
						b.finishDeliveries(d.deliverer)
					}
					tt.check(b, when)
				}
			}
			t.Logf("%d calls", len(sent))
		})
	}
}

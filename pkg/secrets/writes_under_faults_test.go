package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// operation is one write to a world that prepare may have changed first. done reads whether
// the write was done.
type operation struct {
	name    string
	prepare func(t *testing.T, w *world)
	do      func(ctx context.Context, m *secrets.Manager, w world) error
	done    func(t *testing.T, m *secrets.Manager, w world) bool
}

func itemKeys(t *testing.T, m *secrets.Manager, w world) []string {
	t.Helper()
	page, err := m.ListItems(t.Context(), w.caller, w.secret.ID.String(), secrets.Field{}, secrets.Cursor{}, 1000)
	if errors.Is(err, secrets.ErrNotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, it := range page.Results {
		keys = append(keys, it.Key)
	}
	if page.Count != len(keys) {
		t.Errorf("count = %d, want %d", page.Count, len(keys))
	}
	return keys
}

func secretNames(t *testing.T, m *secrets.Manager, w world) []string {
	t.Helper()
	page, err := m.ListSecrets(t.Context(), w.caller, secrets.Field{}, secrets.Cursor{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range page.Results {
		names = append(names, s.Name)
	}
	return names
}

func revealed(t *testing.T, m *secrets.Manager, w world) string {
	t.Helper()
	r, err := m.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
	if err != nil {
		t.Fatalf("reveal: %v", err)
	}
	return r.Value.Reveal()
}

// writes are all operations that write.
var writes = []operation{
	{"CreateAccount", nil,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			_, err := m.CreateAccount(ctx, secrets.Text("second of "+w.caller.AccountID.String()))
			return err
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			_, err := m.CreateAccount(t.Context(), secrets.Text("second of "+w.caller.AccountID.String()))
			var taken secrets.Invalid
			return errors.As(err, &taken)
		}},
	{"CreateSecret", nil,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			_, err := m.CreateSecret(ctx, w.caller, secretInput("staging"))
			return err
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			return slices.Contains(secretNames(t, m, w), "staging")
		}},
	{"UpdateSecret", nil,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			_, err := m.UpdateSecret(ctx, w.caller, w.secret.ID.String(), secretInput("renamed"))
			return err
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			return slices.Contains(secretNames(t, m, w), "renamed")
		}},
	{"DeleteSecret", nil,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return m.DeleteSecret(ctx, w.caller, w.secret.ID.String(), secrets.Deletion{})
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			return !slices.Contains(secretNames(t, m, w), "production")
		}},
	{"CreateItem", nil,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			_, err := m.CreateItem(ctx, w.caller, w.secret.ID.String(), itemInput("NEW", "new value"))
			return err
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			return slices.Contains(itemKeys(t, m, w), "NEW")
		}},
	{"UpdateItem value", nil,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			_, err := m.UpdateItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), valueInput("rotated"))
			return err
		},
		func(t *testing.T, m *secrets.Manager, w world) bool { return revealed(t, m, w) == "rotated" }},
	{"UpdateItem both", nil,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			_, err := m.UpdateItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), itemInput("KEY_2", "rotated"))
			return err
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			value, renamed := revealed(t, m, w), slices.Contains(itemKeys(t, m, w), "KEY_2")
			if renamed != (value == "rotated") {
				t.Error("half of an update was done")
			}
			return renamed
		}},
	{"DeleteItem", nil,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return m.DeleteItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), secrets.Deletion{})
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			return !slices.Contains(itemKeys(t, m, w), "API_KEY")
		}},
	{"DeleteSecret for good", nil,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return m.DeleteSecret(ctx, w.caller, w.secret.ID.String(), secrets.Deletion{Permanent: true})
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			return !slices.Contains(secretNames(t, m, w), "production")
		}},
	{"DeleteSecret in the bin for good", binSecret,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return m.DeleteSecret(ctx, w.caller, w.secret.ID.String(), secrets.Deletion{Permanent: true})
		},
		func(t *testing.T, m *secrets.Manager, w world) bool { return len(deletedSecrets(t, m, w)) == 0 }},
	{"RestoreSecret", binSecret,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			_, err := m.RestoreSecret(ctx, w.caller, w.secret.ID.String(), secretInput("restored"))
			return err
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			done := slices.Contains(secretNames(t, m, w), "restored")
			if done == (len(deletedSecrets(t, m, w)) > 0) {
				t.Error("half of a restore was done")
			}
			return done
		}},
	{"DeleteItem for good", nil,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return m.DeleteItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), secrets.Deletion{Permanent: true})
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			return !slices.Contains(itemKeys(t, m, w), "API_KEY")
		}},
	{"DeleteItem in the bin for good", binItem,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return m.DeleteItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), secrets.Deletion{Permanent: true})
		},
		func(t *testing.T, m *secrets.Manager, w world) bool { return len(deletedKeys(t, m, w)) == 0 }},
	{"RestoreItem", binItem,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			_, err := m.RestoreItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), secrets.ItemInput{Key: secrets.Text("RESTORED")})
			return err
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			done := slices.Contains(itemKeys(t, m, w), "RESTORED")
			if done == (len(deletedKeys(t, m, w)) > 0) || done && revealed(t, m, w) != "value of API_KEY" {
				t.Error("half of a restore was done")
			}
			return done
		}},
	{"RollBackItem", rotate,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			_, err := m.RollBackItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), secrets.RollbackInput{Version: secrets.Text("1")})
			return err
		},
		func(t *testing.T, m *secrets.Manager, w world) bool { return revealed(t, m, w) == "value of API_KEY" }},
	{"DeleteVersion", rotate,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return m.DeleteVersion(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), "1", secrets.Deletion{})
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			kept, err := m.Versions(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
			return err == nil && len(kept) == 1
		}},
	{"BatchItems", nil, batch(secrets.Token{}), batchDone},
	{"BatchItems with a token", nil, batch(secrets.NewToken("token", "request")), batchDone},
	{"PurgeSecrets", leavePurge,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			_, err := m.PurgeSecrets(ctx)
			return err
		},
		func(t *testing.T, m *secrets.Manager, w world) bool { return true }},
	{"CreateService", nil,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			_, err := m.CreateService(ctx, w.caller, serviceInput("app", w.secret.ID))
			return err
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			return slices.Equal(users(t, m, w, w.secret.ID), []string{"app"})
		}},
	{"CreateService for a used secret", attach,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			_, err := m.CreateService(ctx, w.caller, serviceInput("worker", w.secret.ID))
			return err
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			return slices.Equal(users(t, m, w, w.secret.ID), []string{"app", "worker"})
		}},
	{"UpdateService", attach,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			_, err := m.UpdateService(ctx, w.caller, w.service.ID.String(),
				secrets.ServiceInput{Name: secrets.Text("renamed"), Port: secrets.Text("81")})
			return err
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			got, err := m.Service(t.Context(), w.caller, w.service.ID.String())
			if err != nil {
				t.Fatal(err)
			}
			renamed := got.Name == "renamed"
			if renamed != (got.Port == 81) || renamed != slices.Equal(users(t, m, w, w.secret.ID), []string{"renamed"}) {
				t.Error("half of an update was done")
			}
			return renamed
		}},
	{"UpdateService to another secret", attach,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			_, err := m.UpdateService(ctx, w.caller, w.service.ID.String(), serviceInput("moved", w.second.ID))
			return err
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			left, came := users(t, m, w, w.secret.ID), users(t, m, w, w.second.ID)
			moved := slices.Equal(came, []string{"moved"})
			if moved != (len(left) == 0) || !moved && (len(came) != 0 || !slices.Equal(left, []string{"app"})) {
				t.Errorf("half of a move was done: %v use the secret that it leaves, %v the one that it joins", left, came)
			}
			return moved
		}},
	{"DeleteService", attach,
		func(ctx context.Context, m *secrets.Manager, w world) error {
			return m.DeleteService(ctx, w.caller, w.service.ID.String(), nil)
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			_, err := m.Service(t.Context(), w.caller, w.service.ID.String())
			gone := errors.Is(err, secrets.ErrNotFound)
			if gone != (len(users(t, m, w, w.secret.ID)) == 0) {
				t.Errorf("half of a deletion was done: %v", err)
			}
			return gone
		}},
}

// usedWrites are the writes that change the bundle of a secret, on a secret that a service
// uses. If and only if the write was done, the revision is raised and the outbox has the
// secret.
func usedWrites() (found []operation) {
	for _, op := range writes {
		switch op.name {
		case "UpdateSecret", "CreateItem", "UpdateItem value", "UpdateItem both", "DeleteItem", "BatchItems":
		default:
			continue
		}
		done := op.done
		op.name += " in a used secret"
		op.prepare = func(t *testing.T, w *world) {
			attach(t, w)
			waiting, err := w.table.Store(t).Entry(t.Context(), w.caller.AccountID, w.secret.ID)
			if err == nil {
				err = w.table.Store(t).Acknowledge(t.Context(), waiting)
			}
			if err == nil {
				err = w.table.Store(t).MarkDelivered(t.Context(), w.caller.AccountID, w.secret.ID, 3, secrets.Bundle{Name: "bundle"})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		op.done = func(t *testing.T, m *secrets.Manager, w world) bool {
			done := done(t, m, w)
			secret, err := m.Secret(t.Context(), w.caller, w.secret.ID.String())
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.table.Store(t).Entry(t.Context(), w.caller.AccountID, w.secret.ID)
			if want := map[bool]int64{false: 3, true: 4}[done]; secret.Revision != want || done != (err == nil) {
				t.Errorf("done = %v, and revision %d, want %d, and what waits: %v", done, secret.Revision, want, err)
			}
			return done
		}
		found = append(found, op)
	}
	return found
}

// calls lists every AWS call that do makes when nothing fails, and the events that it leaves.
func calls(t *testing.T, w world, do func(context.Context, *secrets.Manager, world) error) (made []secretstest.Call, events []string) {
	t.Helper()
	before := len(recordedEvents(t, w))
	m := w.table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		made = append(made, c)
		return secretstest.None
	}))
	if err := do(t.Context(), m, w); err != nil {
		t.Fatal(err)
	}
	return made, recordedEvents(t, w)[before:]
}

// recordedEvents are the actions of the events of a world, oldest first, with the versions of values.
func recordedEvents(t *testing.T, w world) (actions []string) {
	t.Helper()
	out, err := w.table.Client.Query(t.Context(), &dynamodb.QueryInput{
		TableName: &w.table.Name, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("PK = :pk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: "EVENTS#" + w.caller.AccountID.String()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range out.Items {
		action := row["action"].(*types.AttributeValueMemberS).Value
		if version, ok := row["version"].(*types.AttributeValueMemberN); ok {
			action += " " + version.Value
		}
		actions = append(actions, action)
	}
	return actions
}

// Each write meets each fault at each of its calls. An acknowledged write is in the table,
// any other one is there whole or not at all, and no invariant of the table breaks.
func TestAcknowledgedWritesSurviveFaults(t *testing.T) {
	for _, op := range slices.Concat(writes, usedWrites()) {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			table := secretstest.NewTable(t)
			prepare := func() world {
				w := newWorld(t, table)
				if op.prepare != nil {
					op.prepare(t, &w)
				}
				return w
			}
			made, events := calls(t, prepare(), op.do)
			// That of an account is in the account. What is deleted for good is purged, too.
			want := 1
			switch {
			case op.name == "CreateAccount":
				want = 0
			case strings.HasSuffix(op.name, "for good"):
				want = 2
			}
			if len(events) != want {
				t.Errorf("it leaves the events %v, want %d", events, want)
			}
			for _, call := range made {
				for _, fault := range faultsOf(call) {
					underFault(t, prepare(), op, call, fault, false, events)
					if !fault.Retried() { // a crash ends the retries
						underFault(t, prepare(), op, call, fault, true, events)
					}
				}
			}
			table.Check(t)

			// purge-secrets finishes crashed deletions, and deletes nothing else.
			emptyBin(t, table)
		})
	}
}

// emptyBin purges all that is in the bin when it is due, and finds nothing left of it.
func emptyBin(t *testing.T, table *secretstest.Table) {
	t.Helper()
	m := table.Manager(t)
	m.Now = func() time.Time { return time.Now().Add(m.Recovery + time.Hour) }
	if _, err := m.PurgeSecrets(t.Context()); err != nil {
		t.Fatal(err)
	}
	table.Check(t)
	for _, row := range table.Rows(t) {
		if pk, sk := fmt.Sprint(row["PK"]), fmt.Sprint(row["SK"]); pk == "PURGE" || strings.HasPrefix(pk+sk, "BIN#") || strings.HasPrefix(sk, "BIN#") {
			t.Errorf("%v is left", row)
		}
	}
}

var faults = []secretstest.Fault{
	secretstest.Before, secretstest.After, secretstest.LostBefore, secretstest.LostAfter, secretstest.NoConnection, secretstest.Throttled,
}

// faultsOf are the faults that differ at a call. Of one that writes nothing, the answer is lost in one way only.
func faultsOf(call secretstest.Call) []secretstest.Fault {
	operation, _, _ := strings.Cut(call.What, " ")
	switch operation {
	case "GetItem", "BatchGetItem", "Query", "GenerateDataKey", "Decrypt":
		return []secretstest.Fault{secretstest.Before, secretstest.LostBefore}
	}
	return faults
}

// ambiguous reports whether the call may have been done after a retried fault.
func ambiguous(f secretstest.Fault) bool {
	return f == secretstest.LostBefore || f == secretstest.LostAfter
}

// underFault does an operation that meets a fault. What was done has left its events, each exactly once, and what was
// not done none.
func underFault(t *testing.T, w world, op operation, call secretstest.Call, fault secretstest.Fault, crash bool, events []string) {
	t.Helper()
	name := fmt.Sprintf("%s/%s/crash=%v", call, fault, crash)
	before := len(recordedEvents(t, w))
	err := op.do(t.Context(), w.table.Manager(t, secretstest.Inject(secretstest.At(call, fault, crash))), w)
	var invalid secrets.Invalid
	if errors.As(err, &invalid) {
		t.Errorf("%s: %v: it failed because of its own rows", name, err)
	}
	if fault.Retried() && !crash && err != nil {
		t.Errorf("%s: %v, want the SDK's retry to succeed", name, err)
	}
	healthy := w.table.Manager(t)
	if _, err := healthy.PurgeSecrets(t.Context()); err != nil { // what was claimed
		t.Errorf("%s: purge-secrets: %v", name, err)
	}
	left := recordedEvents(t, w)[before:]
	done := op.done(t, healthy, w)
	isPart := !done && len(left) < len(events) && slices.Equal(left, events[:len(left)]) // of several changes
	if done && !slices.Equal(left, events) || !done && len(left) > 0 && !isPart {
		t.Errorf("%s: %v, done = %v with the events %v, want each of %v once", name, err, done, left, events)
	}
	if err == nil && !done {
		t.Errorf("%s: an acknowledged write is lost", name)
	}
	if done && call.What == "TransactWriteItems" && call.Nth == 0 && fault == secretstest.Before && op.name != "PurgeSecrets" {
		t.Errorf("%s: done, though nothing was sent", name)
	}
}

// batch creates, replaces and deletes an item.
func batch(token secrets.Token) func(context.Context, *secrets.Manager, world) error {
	return func(ctx context.Context, m *secrets.Manager, w world) error {
		c := w.caller
		c.Token = token
		_, err := m.BatchItems(ctx, c, w.secret.ID.String(), secrets.BatchInput{
			Items: []secrets.ItemInput{itemInput("API_KEY", "rotated"), itemInput("NEW", "new value")}, Delete: []secrets.Field{secrets.Text("OTHER")},
		})
		return err
	}
}

func batchDone(t *testing.T, m *secrets.Manager, w world) bool {
	keys := itemKeys(t, m, w)
	done := slices.Equal(keys, []string{"API_KEY", "NEW"})
	if !done && !slices.Contains(keys, "OTHER") || done != (revealed(t, m, w) == "rotated") || done != (len(deletedKeys(t, m, w)) == 1) {
		t.Errorf("a part of a batch was done, there are %v", keys)
	}
	return done
}

// rotate gives the world's item a second version.
func rotate(t *testing.T, w *world) {
	t.Helper()
	if _, err := w.table.Manager(t).UpdateItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String(), valueInput("rotated")); err != nil {
		t.Fatal(err)
	}
}

// binItem puts the world's item into the bin.
func binItem(t *testing.T, w *world) {
	t.Helper()
	if err := w.table.Manager(t).DeleteItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String(), secrets.Deletion{}); err != nil {
		t.Fatal(err)
	}
}

// binSecret puts the world's secret into the bin.
func binSecret(t *testing.T, w *world) {
	t.Helper()
	if err := w.table.Manager(t).DeleteSecret(t.Context(), w.caller, w.secret.ID.String(), secrets.Deletion{}); err != nil {
		t.Fatal(err)
	}
}

// deletedSecrets are the names of the secrets in the bin.
func deletedSecrets(t *testing.T, m *secrets.Manager, w world) (names []string) {
	t.Helper()
	page, err := m.DeletedSecrets(t.Context(), w.caller, secrets.Cursor{}, 1000)
	if err != nil || page.Count != len(page.Results) {
		t.Fatalf("%d of %d secrets in the bin, %v", len(page.Results), page.Count, err)
	}
	for _, x := range page.Results {
		names = append(names, x.Secret.Name)
	}
	return names
}

// deletedKeys are the keys of the items in the bin of the world's secret.
func deletedKeys(t *testing.T, m *secrets.Manager, w world) (keys []string) {
	t.Helper()
	page, err := m.DeletedItems(t.Context(), w.caller, w.secret.ID.String(), secrets.Cursor{}, 1000)
	if err != nil || page.Count != len(page.Results) {
		t.Fatalf("%d of %d items in the bin, %v", len(page.Results), page.Count, err)
	}
	for _, x := range page.Results {
		keys = append(keys, x.Item.Key)
	}
	return keys
}

// leavePurge deletes the world's secret in a way that leaves its children behind.
func leavePurge(t *testing.T, w *world) {
	t.Helper()
	m := w.table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if c.What == "TransactWriteItems" || c.What == "GetItem SECRET" {
			return secretstest.None
		}
		return secretstest.Before
	}))
	if err := m.DeleteSecret(t.Context(), w.caller, w.secret.ID.String(), secrets.Deletion{Permanent: true}); err != nil {
		t.Fatalf("delete secret, its purge failing: %v, want it done", err)
	}
}

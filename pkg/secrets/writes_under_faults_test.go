package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

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
			return m.DeleteSecret(ctx, w.caller, w.secret.ID.String())
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
			return m.DeleteItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String())
		},
		func(t *testing.T, m *secrets.Manager, w world) bool {
			return !slices.Contains(itemKeys(t, m, w), "API_KEY")
		}},
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
			return m.DeleteService(ctx, w.caller, w.service.ID.String())
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
		case "UpdateSecret", "CreateItem", "UpdateItem value", "UpdateItem both", "DeleteItem":
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
			// One of a purge is that of the deletion before it, and that of an account is in the account.
			if (len(events) == 0) != (op.name == "PurgeSecrets" || op.name == "CreateAccount") || len(events) > 1 {
				t.Errorf("it leaves the events %v, want one", events)
			}
			for _, call := range made {
				for _, fault := range faults {
					for _, crash := range []bool{false, true} {
						underFault(t, prepare(), op, call, fault, crash, events)
					}
				}
			}
			table.Check(t)

			// purge-secrets finishes crashed deletions, and deletes nothing else.
			if _, err := table.Manager(t).PurgeSecrets(t.Context()); err != nil {
				t.Fatal(err)
			}
			table.Check(t)
			for _, row := range table.Rows(t) {
				if row["PK"] == "PURGE" {
					t.Errorf("%v is left", row)
				}
			}
		})
	}
}

var faults = []secretstest.Fault{
	secretstest.Before, secretstest.After, secretstest.LostBefore, secretstest.LostAfter, secretstest.NoConnection, secretstest.Throttled,
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
	left := recordedEvents(t, w)[before:]
	done := op.done(t, w.table.Manager(t), w)
	isPart := !done && len(left) < len(events) && slices.Equal(left, events[:len(left)]) // of several changes
	if done && !slices.Equal(left, events) || !done && len(left) > 0 && !isPart {
		t.Errorf("%s: %v, done = %v with the events %v, want each of %v once", name, err, done, left, events)
	}
	if err == nil && !done {
		t.Errorf("%s: an acknowledged write is lost", name)
	}
	if done && call.What == "TransactWriteItems" && fault == secretstest.Before {
		t.Errorf("%s: done, though nothing was sent", name)
	}
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
	if err := m.DeleteSecret(t.Context(), w.caller, w.secret.ID.String()); err != nil {
		t.Fatalf("delete secret, its purge failing: %v, want it done", err)
	}
}

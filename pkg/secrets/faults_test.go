package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// world is an account that something is done to: a secret with two items.
type world struct {
	table  *secretstest.Table
	caller secrets.Caller
	secret secrets.Secret
	item   secrets.Item
	other  secrets.Item

	workload secrets.Service // that uses the secret, once it is used
	second   secrets.Secret  // without items, for that one to move to
}

func newWorld(t *testing.T, table *secretstest.Table) world {
	t.Helper()
	svc := table.Manager(t)
	_, c := table.Account(t, uuid.NewString())
	secret, err := svc.CreateSecret(t.Context(), c, secretInput("production"))
	if err != nil {
		t.Fatal(err)
	}
	w := world{table: table, caller: c, secret: secret}
	for key, it := range map[string]*secrets.Item{"API_KEY": &w.item, "OTHER": &w.other} {
		if *it, err = svc.CreateItem(t.Context(), c, secret.ID.String(), itemInput(key, "value of "+key)); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func secretInput(name string) secrets.SecretInput {
	return secrets.SecretInput{Name: secrets.Text(name)}
}

func itemInput(key, value string) secrets.ItemInput {
	return secrets.ItemInput{Key: secrets.Text(key), Value: secrets.Text(value)}
}

func valueInput(value string) secrets.ItemInput {
	return secrets.ItemInput{Value: secrets.Text(value)}
}

// operation is done to a world, which may be prepared for it, and done tells by reading
// whether it has been.
type operation struct {
	name    string
	prepare func(t *testing.T, w *world)
	do      func(ctx context.Context, svc *secrets.Manager, w world) error
	done    func(t *testing.T, svc *secrets.Manager, w world) bool
}

func itemKeys(t *testing.T, svc *secrets.Manager, w world) []string {
	t.Helper()
	page, err := svc.ListItems(t.Context(), w.caller, w.secret.ID.String(), secrets.Cursor{}, 1000)
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

func secretNames(t *testing.T, svc *secrets.Manager, w world) []string {
	t.Helper()
	page, err := svc.ListSecrets(t.Context(), w.caller, secrets.Cursor{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range page.Results {
		names = append(names, s.Name)
	}
	return names
}

func revealed(t *testing.T, svc *secrets.Manager, w world) string {
	t.Helper()
	r, err := svc.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
	if err != nil {
		t.Fatalf("reveal: %v", err)
	}
	return r.Value.Reveal()
}

// writes are all the operations that change something.
var writes = []operation{
	{"CreateAccount", nil,
		func(ctx context.Context, svc *secrets.Manager, w world) error {
			_, err := svc.CreateAccount(ctx, secrets.Text("second of "+w.caller.AccountID.String()))
			return err
		},
		func(t *testing.T, svc *secrets.Manager, w world) bool {
			_, err := svc.CreateAccount(t.Context(), secrets.Text("second of "+w.caller.AccountID.String()))
			var taken secrets.Invalid
			return errors.As(err, &taken)
		}},
	{"CreateSecret", nil,
		func(ctx context.Context, svc *secrets.Manager, w world) error {
			_, err := svc.CreateSecret(ctx, w.caller, secretInput("staging"))
			return err
		},
		func(t *testing.T, svc *secrets.Manager, w world) bool {
			return slices.Contains(secretNames(t, svc, w), "staging")
		}},
	{"UpdateSecret", nil,
		func(ctx context.Context, svc *secrets.Manager, w world) error {
			_, err := svc.UpdateSecret(ctx, w.caller, w.secret.ID.String(), secretInput("renamed"))
			return err
		},
		func(t *testing.T, svc *secrets.Manager, w world) bool {
			return slices.Contains(secretNames(t, svc, w), "renamed")
		}},
	{"DeleteSecret", nil,
		func(ctx context.Context, svc *secrets.Manager, w world) error {
			return svc.DeleteSecret(ctx, w.caller, w.secret.ID.String())
		},
		func(t *testing.T, svc *secrets.Manager, w world) bool {
			return !slices.Contains(secretNames(t, svc, w), "production")
		}},
	{"CreateItem", nil,
		func(ctx context.Context, svc *secrets.Manager, w world) error {
			_, err := svc.CreateItem(ctx, w.caller, w.secret.ID.String(), itemInput("NEW", "new value"))
			return err
		},
		func(t *testing.T, svc *secrets.Manager, w world) bool {
			return slices.Contains(itemKeys(t, svc, w), "NEW")
		}},
	{"UpdateItem value", nil,
		func(ctx context.Context, svc *secrets.Manager, w world) error {
			_, err := svc.UpdateItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), valueInput("rotated"))
			return err
		},
		func(t *testing.T, svc *secrets.Manager, w world) bool { return revealed(t, svc, w) == "rotated" }},
	{"UpdateItem both", nil,
		func(ctx context.Context, svc *secrets.Manager, w world) error {
			_, err := svc.UpdateItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), itemInput("KEY_2", "rotated"))
			return err
		},
		func(t *testing.T, svc *secrets.Manager, w world) bool {
			value, renamed := revealed(t, svc, w), slices.Contains(itemKeys(t, svc, w), "KEY_2")
			if renamed != (value == "rotated") {
				t.Error("half of an update was done")
			}
			return renamed
		}},
	{"DeleteItem", nil,
		func(ctx context.Context, svc *secrets.Manager, w world) error {
			return svc.DeleteItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String())
		},
		func(t *testing.T, svc *secrets.Manager, w world) bool {
			return !slices.Contains(itemKeys(t, svc, w), "API_KEY")
		}},
	{"PurgeSecrets", leavePurge,
		func(ctx context.Context, svc *secrets.Manager, w world) error {
			_, err := svc.PurgeSecrets(ctx)
			return err
		},
		func(t *testing.T, svc *secrets.Manager, w world) bool { return true }},
	{"CreateService", nil,
		func(ctx context.Context, svc *secrets.Manager, w world) error {
			_, err := svc.CreateService(ctx, w.caller, workloadInput("app", w.secret.ID))
			return err
		},
		func(t *testing.T, svc *secrets.Manager, w world) bool {
			return slices.Equal(users(t, svc, w, w.secret.ID), []string{"app"})
		}},
	{"CreateService for a used secret", attach,
		func(ctx context.Context, svc *secrets.Manager, w world) error {
			_, err := svc.CreateService(ctx, w.caller, workloadInput("worker", w.secret.ID))
			return err
		},
		func(t *testing.T, svc *secrets.Manager, w world) bool {
			return slices.Equal(users(t, svc, w, w.secret.ID), []string{"app", "worker"})
		}},
	{"UpdateService", attach,
		func(ctx context.Context, svc *secrets.Manager, w world) error {
			_, err := svc.UpdateService(ctx, w.caller, w.workload.ID.String(), secrets.ServiceInput{Name: secrets.Text("renamed"), Port: secrets.Text("81")})
			return err
		},
		func(t *testing.T, svc *secrets.Manager, w world) bool {
			got, err := svc.Service(t.Context(), w.caller, w.workload.ID.String())
			if err != nil {
				t.Fatal(err)
			}
			renamed := got.Name == "renamed"
			if renamed != (got.Port == 81) || renamed != slices.Equal(users(t, svc, w, w.secret.ID), []string{"renamed"}) {
				t.Error("half of an update was done")
			}
			return renamed
		}},
	{"UpdateService to another secret", attach,
		func(ctx context.Context, svc *secrets.Manager, w world) error {
			_, err := svc.UpdateService(ctx, w.caller, w.workload.ID.String(), workloadInput("moved", w.second.ID))
			return err
		},
		func(t *testing.T, svc *secrets.Manager, w world) bool {
			left, came := users(t, svc, w, w.secret.ID), users(t, svc, w, w.second.ID)
			moved := slices.Equal(came, []string{"moved"})
			if moved != (len(left) == 0) || !moved && (len(came) != 0 || !slices.Equal(left, []string{"app"})) {
				t.Errorf("half of a move was done: %v use what it leaves, %v what it comes to", left, came)
			}
			return moved
		}},
	{"DeleteService", attach,
		func(ctx context.Context, svc *secrets.Manager, w world) error {
			return svc.DeleteService(ctx, w.caller, w.workload.ID.String())
		},
		func(t *testing.T, svc *secrets.Manager, w world) bool {
			_, err := svc.Service(t.Context(), w.caller, w.workload.ID.String())
			gone := errors.Is(err, secrets.ErrNotFound)
			if gone != (len(users(t, svc, w, w.secret.ID)) == 0) {
				t.Errorf("half of a deletion was done: %v", err)
			}
			return gone
		}},
}

// usedWrites are those that change what services use, done to a secret that one uses:
// its revision is raised, and the change waits for its delivery, if and only if it was done.
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
				err = w.table.Store(t).MarkDelivered(t.Context(), w.caller.AccountID, w.secret.ID, 3)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		op.done = func(t *testing.T, svc *secrets.Manager, w world) bool {
			done := done(t, svc, w)
			secret, err := svc.Secret(t.Context(), w.caller, w.secret.ID.String())
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

// attach has a service use the world's secret.
func attach(t *testing.T, w *world) {
	t.Helper()
	svc := w.table.Manager(t)
	var err error
	if w.second, err = svc.CreateSecret(t.Context(), w.caller, secretInput("second")); err != nil {
		t.Fatal(err)
	}
	if w.workload, err = svc.CreateService(t.Context(), w.caller, workloadInput("app", w.secret.ID)); err != nil {
		t.Fatal(err)
	}
}

func workloadInput(name string, secret uuid.UUID) secrets.ServiceInput {
	return secrets.ServiceInput{
		Name: secrets.Text(name), Image: secrets.Text("app:v1"), Port: secrets.Text("80"), Secret: secrets.Text(secret.String()),
	}
}

// users are the names of the services that use a secret, oldest first.
func users(t *testing.T, svc *secrets.Manager, w world, secret uuid.UUID) []string {
	t.Helper()
	page, err := svc.ListServices(t.Context(), w.caller, secret.String(), secrets.Cursor{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, x := range page.Results {
		names = append(names, x.Name)
	}
	if page.Count != len(names) {
		t.Errorf("count of users = %d, want %d", page.Count, len(names))
	}
	return names
}

// calls lists every AWS call that do makes when nothing fails.
func calls(t *testing.T, w world, do func(context.Context, *secrets.Manager, world) error) []secretstest.Call {
	t.Helper()
	var made []secretstest.Call
	svc := w.table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		made = append(made, c)
		return secretstest.None
	}))
	if err := do(t.Context(), svc, w); err != nil {
		t.Fatal(err)
	}
	return made
}

// Each write meets each fault at each of its calls. What it acknowledged is there,
// what it did not is there whole or not at all, and the table holds together.
func TestWritesUnderFaults(t *testing.T) {
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
			for _, call := range calls(t, prepare(), op.do) {
				for _, fault := range faults {
					for _, crash := range []bool{false, true} {
						underFault(t, prepare(), op, call, fault, crash)
					}
				}
			}
			table.Check(t)

			// What crashed deletions left is finished by the sweeper, and nothing else goes.
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

// ambiguous tells a retried fault after which the call may have been done.
func ambiguous(f secretstest.Fault) bool {
	return f == secretstest.LostBefore || f == secretstest.LostAfter
}

func underFault(t *testing.T, w world, op operation, call secretstest.Call, fault secretstest.Fault, crash bool) {
	t.Helper()
	name := fmt.Sprintf("%s/%s/crash=%v", call, fault, crash)
	err := op.do(t.Context(), w.table.Manager(t, secretstest.Inject(secretstest.At(call, fault, crash))), w)
	var invalid secrets.Invalid
	if errors.As(err, &invalid) {
		t.Errorf("%s: %v: it stumbled over its own rows", name, err)
	}
	if fault.Retried() && !crash && err != nil {
		t.Errorf("%s: %v, want the SDK's retry to succeed", name, err)
	}
	done := op.done(t, w.table.Manager(t), w)
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
	svc := w.table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if c.What == "TransactWriteItems" || c.What == "GetItem SECRET" {
			return secretstest.None
		}
		return secretstest.Before
	}))
	if err := svc.DeleteSecret(t.Context(), w.caller, w.secret.ID.String()); err != nil {
		t.Fatalf("delete secret, its purge failing: %v, want it done", err)
	}
}

// A secret with 1,000 items is gone for everybody at once. Whatever removes its rows is
// killed, again and again, at each of its steps, before or after what it does there:
// nothing else goes, and in the end purge-secrets has removed all of them.
func TestDeleteLargeSecret(t *testing.T) {
	t.Parallel()
	const items = 1000
	prepare := func(t *testing.T) (w, bystander world) {
		table := secretstest.NewTable(t)
		w, bystander = newWorld(t, table), newWorld(t, table)
		attach(t, &bystander)
		fill(t, w, items)
		table.Check(t)
		if rows := w.rows(t); rows != 3*items {
			t.Fatalf("%d rows, want those of %d items", rows, items)
		}
		return w, bystander
	}
	finish := func(t *testing.T, w, bystander world) {
		if _, err := w.table.Manager(t).PurgeSecrets(t.Context()); err != nil {
			t.Errorf("purge-secrets: %v", err)
		}
		w.table.Check(t)
		purges, err := w.table.Manager(t).Store.Purges(t.Context())
		if rows := w.rows(t); err != nil || len(purges) > 0 || rows > 0 {
			t.Errorf("%d rows and the purges %v are left, %v", rows, purges, err)
		}
		if keys := itemKeys(t, w.table.Manager(t), bystander); len(keys) != 2 {
			t.Errorf("another secret has the items %v left, want two", keys)
		}
	}
	t.Run("left alone", func(t *testing.T) {
		t.Parallel()
		w, bystander := prepare(t)
		if err := w.table.Manager(t).DeleteSecret(t.Context(), w.caller, w.secret.ID.String()); err != nil {
			t.Errorf("delete: %v", err)
		}
		w.table.Check(t)
		finish(t, w, bystander)
	})
	for name, fault := range map[string]secretstest.Fault{"killed before": secretstest.Before, "killed after": secretstest.After} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, bystander := prepare(t)
			// killed is a service whose process is killed at the nth call of a kind.
			killed := func(what string, nth int) *secrets.Manager {
				return w.table.Manager(t, secretstest.Inject(secretstest.At(secretstest.Call{What: what, Nth: nth}, fault, true)))
			}
			delete := func(svc *secrets.Manager) error {
				return svc.DeleteSecret(t.Context(), w.caller, w.secret.ID.String())
			}
			err := delete(killed("TransactWriteItems", 0))
			gone := errOf(w.table.Manager(t).Secret(t.Context(), w.caller, w.secret.ID.String())) != nil
			if rows := w.rows(t); err == nil || gone != (fault == secretstest.After) || rows != 3*items {
				t.Errorf("delete, %s the transaction: %v, gone = %v, %d rows are left, want all", name, err, gone, rows)
			}
			if !gone {
				if err := delete(killed("BatchWriteItem", 1)); err != nil {
					t.Errorf("delete, %s the second batch: %v, want it done", name, err)
				}
			}
			w.table.Check(t)
			const few = 300 // rows that one run removes to the last
			rows := w.rows(t)
			for step := 0; rows > few; step++ {
				// The steps of a purge: two queries, of what there is to purge and of what is
				// left of it, and batches.
				what, nth := [...]string{"Query PURGE", "Query SECRET", "BatchWriteItem", "BatchWriteItem"}[step%4], 0
				if what == "BatchWriteItem" {
					nth = step % 7
				}
				finished, err := killed(what, nth).PurgeSecrets(t.Context())
				now := w.rows(t)
				if finished != 0 || err == nil || now > rows || what == "BatchWriteItem" && nth > 0 && now == rows || step > 400 {
					t.Fatalf("purge-secrets, %s %s/%d: finished %d, %v, and of %d rows %d are left", name, what, nth, finished, err, rows, now)
				}
				if step%10 == 0 {
					w.table.Check(t)
				}
				rows = now
			}
			finished, err := killed("DeleteItem PURGE", 0).PurgeSecrets(t.Context())
			if rows := w.rows(t); finished != 0 || err == nil || rows != 0 {
				t.Errorf("purge-secrets, %s its last step: finished %d, %v, %d rows are left", name, finished, err, rows)
			}
			w.table.Check(t)
			finish(t, w, bystander)
		})
	}
}

func errOf[T any](_ T, err error) error { return err }

// rows counts the rows of what is in the world's secret.
func (w world) rows(t *testing.T) (n int) {
	t.Helper()
	pages := dynamodb.NewQueryPaginator(w.table.Client, &dynamodb.QueryInput{
		TableName: &w.table.Name, ConsistentRead: aws.Bool(true), Select: types.SelectCount, KeyConditionExpression: aws.String("PK = :pk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pk": &types.AttributeValueMemberS{Value: fmt.Sprintf("SECRET#%s#%s", w.caller.AccountID, w.secret.ID)},
		},
	})
	for pages.HasMorePages() {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n += int(out.Count)
	}
	return n
}

// fill copies the rows of the world's item, until its secret has so many.
func fill(t *testing.T, w world, items int) {
	t.Helper()
	pk := fmt.Sprintf("SECRET#%s#%s", w.caller.AccountID, w.secret.ID)
	id := w.item.ID.String()
	var own []secretstest.Row
	for _, row := range w.table.Rows(t) {
		if sk := fmt.Sprint(row["SK"]); row["PK"] == pk && (strings.HasSuffix(sk, id) || row["owner"] == id) || row["item_id"] == id {
			own = append(own, row)
		}
	}
	if len(own) != 4 { // the item, its key, its value, its event
		t.Fatalf("an item has the rows %v, want 4", own)
	}
	var rows []map[string]types.AttributeValue
	for i := range items - 2 {
		other, key := uuid.Must(uuid.NewV7()).String(), fmt.Sprintf("KEY%04d", i) // as long as API_KEY
		for _, row := range own {
			replica := maps.Clone(row)
			for name, value := range replica {
				switch {
				case value == id:
					replica[name] = other
				case name == "SK" && row["item_id"] == id: // an event
					replica[name] = uuid.Must(uuid.NewV7()).String()
				case name == "SK":
					replica[name] = strings.NewReplacer(id, other, w.item.Key, key).Replace(fmt.Sprint(value))
				case name == "key":
					replica[name] = key
				}
			}
			attributes, err := attributevalue.MarshalMap(replica)
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, attributes)
		}
	}
	putRows(t, w.table, rows)
	_, err := w.table.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: &w.table.Name,
		Key: map[string]types.AttributeValue{
			"PK": &types.AttributeValueMemberS{Value: "ACCOUNT#" + w.caller.AccountID.String()}, "SK": &types.AttributeValueMemberS{Value: "SECRET#" + w.secret.ID.String()},
		},
		UpdateExpression:         aws.String("ADD #items :items, #size :size"),
		ExpressionAttributeNames: map[string]string{"#items": "items", "#size": "size"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":items": &types.AttributeValueMemberN{Value: fmt.Sprint(items - 2)}, ":size": &types.AttributeValueMemberN{Value: fmt.Sprint((items - 2) * w.item.Size)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A reveal meets each fault at each of its calls: a value comes out only with its
// charge and its event in the table, and then all of it is right.
func TestRevealUnderFaults(t *testing.T) {
	table := secretstest.NewTable(t)
	do := func(ctx context.Context, svc *secrets.Manager, w world) error {
		_, err := svc.RevealItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String())
		return err
	}
	made := calls(t, newWorld(t, table), do)
	if len(made) != 6 {
		t.Errorf("a reveal makes the calls %v, want 6", made)
	}
	released := 0
	for _, call := range made {
		for _, fault := range faults {
			for _, crash := range []bool{false, true} {
				name := fmt.Sprintf("%s/%s/crash=%v", call, fault, crash)
				w := newWorld(t, table)
				svc := table.Manager(t, secretstest.Inject(secretstest.At(call, fault, crash)))
				r, err := svc.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
				charges, events := recorded(t, w)
				if err == nil {
					released++
					if r.Value.Reveal() != "value of API_KEY" {
						t.Errorf("%s: another value was revealed", name)
					}
					if charges != 1 || events != 1 {
						t.Errorf("%s: a value left with %d charges and %d events, want 1 and 1", name, charges, events)
					}
					continue
				}
				if r.Value.Reveal() != "" {
					t.Errorf("%s: a value beside the error %v", name, err)
				}
				if charges > 1 || events > charges {
					t.Errorf("%s: %d charges, %d events", name, charges, events)
				}
				if fault.Retried() && !crash && (call.What != "UpdateItem READS" || !ambiguous(fault)) {
					t.Errorf("%s: %v, want the SDK's retry to succeed", name, err)
				}
				if call.What == "UpdateItem READS" && ambiguous(fault) && !errors.Is(err, secrets.ErrUnavailable) {
					t.Errorf("%s: %v, want ErrUnavailable for a charge that may have happened", name, err)
				}
			}
		}
	}
	if released == 0 {
		t.Error("no value was revealed at all")
	}
	table.Check(t)
}

// recorded counts the charges and the reveal events of the world's only user.
func recorded(t *testing.T, w world) (charges, events int) {
	t.Helper()
	for _, row := range w.table.Rows(t) {
		switch {
		case row["PK"] == fmt.Sprintf("USER#%s#%s", w.caller.AccountID, w.caller.UserID):
			charges = len(row["r"].([]any))
		case row["PK"] == "EVENTS#"+w.caller.AccountID.String() && row["type"] == secrets.ItemRevealed:
			events++
		}
	}
	return charges, events
}

// An item that is updated between the reads of a reveal gives its newer value; one
// that is updated again gives none. An older value never comes out beside a newer item.
func TestRevealDuringUpdates(t *testing.T) {
	table := secretstest.NewTable(t)
	for _, updates := range []int{1, 2} {
		w := newWorld(t, table)
		rival := table.Manager(t)
		svc := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
			if c.What == "UpdateItem ITEM" && c.Nth < updates {
				value := fmt.Sprintf("rotated %d", c.Nth+1)
				if _, err := rival.UpdateItem(context.Background(), w.caller, w.secret.ID.String(), w.item.ID.String(), valueInput(value)); err != nil {
					t.Errorf("update: %v", err)
				}
			}
			return secretstest.None
		}))
		r, err := svc.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
		if updates == 1 && (err != nil || r.Value.Reveal() != "rotated 1" || r.Item.Version != 2) {
			t.Errorf("reveal during an update = version %d, %v, want the newer value", r.Item.Version, err)
		}
		if updates == 2 && (!errors.Is(err, secrets.ErrUnavailable) || r.Value.Reveal() != "") {
			t.Errorf("reveal during two updates = version %d, %v, want ErrUnavailable and no value", r.Item.Version, err)
		}
	}
	table.Check(t)
}

// Without its event, its stamp, its charge or its data key no value leaves, and
// the error says nothing of it.
func TestRevealFailsClosed(t *testing.T) {
	table := secretstest.NewTable(t)
	for _, what := range []string{"UpdateItem READS", "GetItem SECRET", "GetItem VALUE", "UpdateItem ITEM", "PutItem EVENTS", "Decrypt"} {
		w := newWorld(t, table)
		svc := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
			if c.What == what {
				return secretstest.Before
			}
			return secretstest.None
		}))
		r, err := svc.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
		if err == nil || r.Value.Reveal() != "" {
			t.Errorf("reveal without %s = %v, %v, want no value and an error", what, r.Item, err)
		}
	}
}

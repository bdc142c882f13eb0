package app_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"goblins-secrets/infra/local/localtest"
	"goblins-secrets/pkg/secrets"
)

// world is an account that something is done to: a secret with two items.
type world struct {
	table  *localtest.Table
	caller secrets.Caller
	secret secrets.Secret
	item   secrets.Item
	other  secrets.Item
}

func newWorld(t *testing.T, table *localtest.Table) world {
	t.Helper()
	svc := table.Service(t)
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

func secretInput(name string) func() (secrets.SecretInput, error) {
	return func() (secrets.SecretInput, error) { return secrets.SecretInput{Name: secrets.Text(name)}, nil }
}

func itemInput(key, value string) func() (secrets.ItemInput, error) {
	return func() (secrets.ItemInput, error) {
		return secrets.ItemInput{Key: secrets.Text(key), Value: secrets.Text(value)}, nil
	}
}

func valueInput(value string) func() (secrets.ItemInput, error) {
	return func() (secrets.ItemInput, error) { return secrets.ItemInput{Value: secrets.Text(value)}, nil }
}

// operation is done to a world, and done tells by reading whether it has been.
type operation struct {
	name string
	do   func(ctx context.Context, svc *secrets.Service, w world) error
	done func(t *testing.T, svc *secrets.Service, w world) bool
}

func itemKeys(t *testing.T, svc *secrets.Service, w world) []string {
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

func secretNames(t *testing.T, svc *secrets.Service, w world) []string {
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

func revealed(t *testing.T, svc *secrets.Service, w world) string {
	t.Helper()
	r, err := svc.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
	if err != nil {
		t.Fatalf("reveal: %v", err)
	}
	return r.Value.Reveal()
}

// writes are all the operations that change something.
var writes = []operation{
	{"CreateAccount",
		func(ctx context.Context, svc *secrets.Service, w world) error {
			_, err := svc.CreateAccount(ctx, secrets.Text("second of "+w.caller.AccountID.String()))
			return err
		},
		func(t *testing.T, svc *secrets.Service, w world) bool {
			_, err := svc.CreateAccount(t.Context(), secrets.Text("second of "+w.caller.AccountID.String()))
			var taken secrets.Invalid
			return errors.As(err, &taken)
		}},
	{"CreateSecret",
		func(ctx context.Context, svc *secrets.Service, w world) error {
			_, err := svc.CreateSecret(ctx, w.caller, secretInput("staging"))
			return err
		},
		func(t *testing.T, svc *secrets.Service, w world) bool {
			return slices.Contains(secretNames(t, svc, w), "staging")
		}},
	{"UpdateSecret",
		func(ctx context.Context, svc *secrets.Service, w world) error {
			_, err := svc.UpdateSecret(ctx, w.caller, w.secret.ID.String(), secretInput("renamed"))
			return err
		},
		func(t *testing.T, svc *secrets.Service, w world) bool {
			return slices.Contains(secretNames(t, svc, w), "renamed")
		}},
	{"DeleteSecret",
		func(ctx context.Context, svc *secrets.Service, w world) error {
			return svc.DeleteSecret(ctx, w.caller, w.secret.ID.String())
		},
		func(t *testing.T, svc *secrets.Service, w world) bool {
			return !slices.Contains(secretNames(t, svc, w), "production")
		}},
	{"CreateItem",
		func(ctx context.Context, svc *secrets.Service, w world) error {
			_, err := svc.CreateItem(ctx, w.caller, w.secret.ID.String(), itemInput("NEW", "new value"))
			return err
		},
		func(t *testing.T, svc *secrets.Service, w world) bool {
			return slices.Contains(itemKeys(t, svc, w), "NEW")
		}},
	{"UpdateItem value",
		func(ctx context.Context, svc *secrets.Service, w world) error {
			_, err := svc.UpdateItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), valueInput("rotated"))
			return err
		},
		func(t *testing.T, svc *secrets.Service, w world) bool { return revealed(t, svc, w) == "rotated" }},
	{"UpdateItem both",
		func(ctx context.Context, svc *secrets.Service, w world) error {
			_, err := svc.UpdateItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), itemInput("KEY_2", "rotated"))
			return err
		},
		func(t *testing.T, svc *secrets.Service, w world) bool {
			value, renamed := revealed(t, svc, w), slices.Contains(itemKeys(t, svc, w), "KEY_2")
			if renamed != (value == "rotated") {
				t.Error("half of an update was done")
			}
			return renamed
		}},
	{"DeleteItem",
		func(ctx context.Context, svc *secrets.Service, w world) error {
			return svc.DeleteItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String())
		},
		func(t *testing.T, svc *secrets.Service, w world) bool {
			return !slices.Contains(itemKeys(t, svc, w), "API_KEY")
		}},
	{"PurgeSecrets",
		func(ctx context.Context, svc *secrets.Service, w world) error {
			_, err := svc.PurgeSecrets(ctx)
			return err
		},
		func(t *testing.T, svc *secrets.Service, w world) bool { return true }},
}

// calls lists every AWS call that do makes when nothing fails.
func calls(t *testing.T, w world, do func(context.Context, *secrets.Service, world) error) []localtest.Call {
	t.Helper()
	var made []localtest.Call
	svc := w.table.Service(t, localtest.Inject(func(c localtest.Call) localtest.Fault {
		made = append(made, c)
		return localtest.None
	}))
	if err := do(t.Context(), svc, w); err != nil {
		t.Fatal(err)
	}
	return made
}

// at is a plan with one fault at one call, after which, if crash is set, the
// process is gone: nothing more is sent.
func at(target localtest.Call, fault localtest.Fault, crash bool) func(localtest.Call) localtest.Fault {
	crashed := false
	return func(c localtest.Call) localtest.Fault {
		switch {
		case crashed:
			return localtest.Before
		case c == target:
			crashed = crash
			return fault
		}
		return localtest.None
	}
}

// Each write meets each fault at each of its calls. What it acknowledged is there,
// what it did not is there whole or not at all, and the table holds together.
func TestWritesUnderFaults(t *testing.T) {
	for _, op := range writes {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			table := localtest.NewTable(t)
			prepare := func() world {
				w := newWorld(t, table)
				if op.name == "PurgeSecrets" {
					leavePurge(t, w)
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
			if _, err := table.Service(t).PurgeSecrets(t.Context()); err != nil {
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

var faults = []localtest.Fault{
	localtest.Before, localtest.After, localtest.LostBefore, localtest.LostAfter, localtest.NoConnection, localtest.Throttled,
}

// retried tells a fault that the SDK retries.
func retried(f localtest.Fault) bool { return f != localtest.Before && f != localtest.After }

// ambiguous tells a retried fault after which the call may have been done.
func ambiguous(f localtest.Fault) bool { return f == localtest.LostBefore || f == localtest.LostAfter }

func underFault(t *testing.T, w world, op operation, call localtest.Call, fault localtest.Fault, crash bool) {
	t.Helper()
	name := fmt.Sprintf("%s/%s/crash=%v", call, fault, crash)
	err := op.do(t.Context(), w.table.Service(t, localtest.Inject(at(call, fault, crash))), w)
	var invalid secrets.Invalid
	if errors.As(err, &invalid) {
		t.Errorf("%s: %v: it stumbled over its own rows", name, err)
	}
	if retried(fault) && !crash && err != nil {
		t.Errorf("%s: %v, want the SDK's retry to succeed", name, err)
	}
	done := op.done(t, w.table.Service(t), w)
	if err == nil && !done {
		t.Errorf("%s: an acknowledged write is lost", name)
	}
	if done && call.What == "TransactWriteItems" && fault == localtest.Before {
		t.Errorf("%s: done, though nothing was sent", name)
	}
}

// leavePurge deletes the world's secret in a way that leaves its children behind.
func leavePurge(t *testing.T, w world) {
	t.Helper()
	svc := w.table.Service(t, localtest.Inject(func(c localtest.Call) localtest.Fault {
		if c.What == "TransactWriteItems" || c.What == "GetItem SECRET" {
			return localtest.None
		}
		return localtest.Before
	}))
	if err := svc.DeleteSecret(t.Context(), w.caller, w.secret.ID.String()); err != nil {
		t.Fatalf("delete secret, its purge failing: %v, want it done", err)
	}
}

// A reveal meets each fault at each of its calls: a value comes out only with its
// charge and its event in the table, and then all of it is right.
func TestRevealUnderFaults(t *testing.T) {
	table := localtest.NewTable(t)
	do := func(ctx context.Context, svc *secrets.Service, w world) error {
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
				svc := table.Service(t, localtest.Inject(at(call, fault, crash)))
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
				if retried(fault) && !crash && (call.What != "UpdateItem READS" || !ambiguous(fault)) {
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
	table := localtest.NewTable(t)
	for _, updates := range []int{1, 2} {
		w := newWorld(t, table)
		rival := table.Service(t)
		svc := table.Service(t, localtest.Inject(func(c localtest.Call) localtest.Fault {
			if c.What == "UpdateItem ITEM" && c.Nth < updates {
				value := fmt.Sprintf("rotated %d", c.Nth+1)
				if _, err := rival.UpdateItem(context.Background(), w.caller, w.secret.ID.String(), w.item.ID.String(), valueInput(value)); err != nil {
					t.Errorf("update: %v", err)
				}
			}
			return localtest.None
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
	table := localtest.NewTable(t)
	for _, what := range []string{"UpdateItem READS", "GetItem SECRET", "GetItem VALUE", "UpdateItem ITEM", "PutItem EVENTS", "Decrypt"} {
		w := newWorld(t, table)
		svc := table.Service(t, localtest.Inject(func(c localtest.Call) localtest.Fault {
			if c.What == what {
				return localtest.Before
			}
			return localtest.None
		}))
		r, err := svc.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
		if err == nil || r.Value.Reveal() != "" {
			t.Errorf("reveal without %s = %v, %v, want no value and an error", what, r.Item, err)
		}
	}
}

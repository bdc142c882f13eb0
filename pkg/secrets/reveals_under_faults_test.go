package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// A reveal meets each fault at each of its calls. A value leaves only with its charge and its
// event in the table, and then it is the right value.
func TestFailedRevealReleasesNothing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		calls  int
		reveal func(ctx context.Context, m *secrets.Manager, w world) (secrets.Revealed, error)
	}{
		"the current version": {5, func(ctx context.Context, m *secrets.Manager, w world) (secrets.Revealed, error) {
			return m.RevealItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String())
		}},
		"a kept version": {6, func(ctx context.Context, m *secrets.Manager, w world) (secrets.Revealed, error) {
			return m.RevealVersion(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), "1")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testFailedReveal(t, tt.calls, tt.reveal)
		})
	}
}

func testFailedReveal(t *testing.T, wanted int, reveal func(context.Context, *secrets.Manager, world) (secrets.Revealed, error)) {
	t.Helper()
	table := secretstest.NewTable(t)
	do := func(ctx context.Context, m *secrets.Manager, w world) error { return errOf(reveal(ctx, m, w)) }
	made, _ := calls(t, newWorld(t, table), do)
	if len(made) != wanted {
		t.Errorf("a reveal makes the calls %v, want %d", made, wanted)
	}
	released := 0
	for _, call := range made {
		for _, fault := range faultsOf(call) {
			for _, crash := range []bool{false, true} {
				if crash && fault.Retried() {
					continue // a crash ends the retries
				}
				name := fmt.Sprintf("%s/%s/crash=%v", call, fault, crash)
				w := newWorld(t, table)
				m := table.Manager(t, secretstest.Inject(secretstest.At(call, fault, crash)))
				r, err := reveal(t.Context(), m, w)
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
	query := func(pk string) []map[string]types.AttributeValue {
		out, err := w.table.Client.Query(t.Context(), &dynamodb.QueryInput{
			TableName: &w.table.Name, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("PK = :pk"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: pk}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if out.LastEvaluatedKey != nil {
			t.Fatalf("%s has more than one page", pk)
		}
		return out.Items
	}
	for _, row := range query(fmt.Sprintf("USER#%s#%s", w.caller.AccountID, w.caller.UserID)) {
		for _, times := range []string{"o", "n"} {
			for _, at := range row[times].(*types.AttributeValueMemberL).Value {
				if at.(*types.AttributeValueMemberN).Value != "0" {
					charges++
				}
			}
		}
	}
	for _, row := range query("EVENTS#" + w.caller.AccountID.String()) {
		if row["action"].(*types.AttributeValueMemberS).Value == secrets.ItemRevealed {
			events++
		}
	}
	return charges, events
}

// An item that is updated between the reads of a reveal gives its newer value. An item that
// is updated again gives none. An older value never leaves with a newer item. The version that was opened and not
// released has an event too: the only event without a released value.
func TestRevealDuringUpdatesIsWhole(t *testing.T) {
	table := secretstest.NewTable(t)
	for _, updates := range []int{1, 2} {
		w := newWorld(t, table)
		rival := table.Manager(t)
		m := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
			if c.What == "UpdateItem ITEM" && c.Nth < updates {
				value := fmt.Sprintf("rotated %d", c.Nth+1)
				if _, err := rival.UpdateItem(context.Background(), w.caller, w.secret.ID.String(), w.item.ID.String(), valueInput(value)); err != nil {
					t.Errorf("update: %v", err)
				}
			}
			return secretstest.None
		}))
		r, err := m.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
		var events []string
		for _, ev := range recordedEvents(t, w) {
			if strings.HasPrefix(ev, secrets.ItemRevealed) {
				events = append(events, ev)
			}
		}
		slices.Sort(events) // both are of the time at which the reveal began
		if want := []string{secrets.ItemRevealed + " 1", secrets.ItemRevealed + " 2"}; !slices.Equal(events, want) {
			t.Errorf("reveal during %d updates leaves %v, want %v", updates, events, want)
		}
		if updates == 1 && (err != nil || r.Value.Reveal() != "rotated 1" || r.Item.Version != 2) {
			t.Errorf("reveal during an update = version %d, %v, want the newer value", r.Item.Version, err)
		}
		if updates == 2 && (!errors.Is(err, secrets.ErrUnavailable) || r.Value.Reveal() != "") {
			t.Errorf("reveal during two updates = version %d, %v, want ErrUnavailable and no value", r.Item.Version, err)
		}
	}
	table.Check(t)
}

// Without its event, its stamp, its charge or its data key no value leaves.
func TestRevealFailsClosed(t *testing.T) {
	table := secretstest.NewTable(t)
	for _, what := range []string{"UpdateItem READS", "BatchGetItem", "UpdateItem ITEM", "PutItem EVENTS", "Decrypt"} {
		w := newWorld(t, table)
		m := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
			if c.What == what {
				return secretstest.Before
			}
			return secretstest.None
		}))
		r, err := m.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
		if err == nil || r.Value.Reveal() != "" {
			t.Errorf("reveal without %s = %v, %v, want no value and an error", what, r.Item, err)
		}
	}
}

// The rest of the budget is only told: a reveal that is charged and recorded does not fail if it can't be counted.
func TestRevealDoesNotNeedTheTally(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	away := false
	m := w.table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if away && c.What == "GetItem READS" {
			return secretstest.Before
		}
		return secretstest.None
	}))
	m.RevealLimit = 130 // its counter has a block, which has the first reveals after a rotation
	for range 60 {
		if ok, wait := reveal(t, m, w); !ok {
			t.Fatalf("refused for %v", wait)
		}
	}
	away = true
	r, err := m.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
	if err != nil || r.Value.Reveal() != "value of API_KEY" || r.Budget != (secrets.Budget{}) {
		t.Errorf("reveal without a tally = %q, %+v, %v, want the value and no budget", r.Value.Reveal(), r.Budget, err)
	}
}

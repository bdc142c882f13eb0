package secrets_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// prepareDeletion returns a secret with items, and another one that uses the same table.
func prepareDeletion(t *testing.T, items int) (w, bystander world) {
	t.Helper()
	table := secretstest.NewTable(t)
	w, bystander = newWorld(t, table), newWorld(t, table)
	attach(t, &bystander)
	fill(t, w, items)
	table.Check(t)
	if rows := w.rows(t); rows != 4*items {
		t.Fatalf("%d rows, want those of %d items", rows, items)
	}
	return w, bystander
}

// finishDeletion lets purge-secrets run, and checks that nothing of the secret is left, and all of the other.
func finishDeletion(t *testing.T, w, bystander world) {
	t.Helper()
	if _, err := w.table.Manager(t).PurgeSecrets(t.Context()); err != nil {
		t.Errorf("purge-secrets: %v", err)
	}
	w.table.Check(t)
	purges, err := w.table.Manager(t).Store.Purges(t.Context(), time.Now())
	if rows := w.rows(t); err != nil || len(purges) > 0 || rows > 0 {
		t.Errorf("%d rows and the purges %v are left, %v", rows, purges, err)
	}
	if keys := itemKeys(t, w.table.Manager(t), bystander); len(keys) != 2 {
		t.Errorf("another secret has the items %v left, want two", keys)
	}
}

// A secret with 10,000 items is gone for every caller at the moment of its deletion, and its rows go within the
// functions' time. (make test-long runs this test without the race detector, with which it takes six times as long.)
func TestLargestSecretIsDeletedInTime(t *testing.T) {
	t.Parallel()
	w, bystander := prepareDeletion(t, 10_000)
	request, cancel := context.WithTimeout(t.Context(), 10*time.Second) // of delete-secret
	defer cancel()
	if err := w.table.Manager(t).DeleteSecret(request, w.caller, w.secret.ID.String(), secrets.Deletion{Permanent: true}); err != nil {
		t.Errorf("delete: %v", err)
	}
	w.table.Check(t)
	sweep, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // of purge-secrets
	defer cancel()
	if _, err := w.table.Manager(t).PurgeSecrets(sweep); err != nil {
		t.Errorf("purge-secrets: %v", err)
	}
	finishDeletion(t, w, bystander)
}

// The removal of a secret's rows is killed again and again, before or after each of its steps: no other row goes,
// and in the end purge-secrets has removed all of them.
func TestDeletionOfLargeSecretIsFinished(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]secretstest.Fault{"killed before": secretstest.Before, "killed after": secretstest.After} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const items = 400 // each kind of step is killed at each of its calls below, once
			w, bystander := prepareDeletion(t, items)
			// killed is a manager whose process is killed at the nth call of a kind.
			const child = "DeleteItem of a child"
			killed := func(what string, nth int) *secrets.Manager {
				plan, children := secretstest.At(secretstest.Call{What: what, Nth: nth}, fault, true), 0
				return w.table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
					switch c.What {
					case "DeleteItem ITEM", "DeleteItem KEY", "DeleteItem VALUE", "DeleteItem VERSION":
						c = secretstest.Call{What: child, Nth: children}
						children++
					}
					return plan(c)
				}))
			}
			delete := func(m *secrets.Manager) error {
				return m.DeleteSecret(t.Context(), w.caller, w.secret.ID.String(), secrets.Deletion{Permanent: true})
			}
			err := delete(killed("TransactWriteItems", 0))
			gone := errOf(w.table.Manager(t).Secret(t.Context(), w.caller, w.secret.ID.String())) != nil
			if rows := w.rows(t); err == nil || gone != (fault == secretstest.After) || rows != 4*items {
				t.Errorf("delete, %s the transaction: %v, gone = %v, %d rows are left, want all", name, err, gone, rows)
			}
			if !gone {
				if err := delete(killed(child, 30)); err != nil {
					t.Errorf("delete, %s the 31st row: %v, want it done", name, err)
				}
			}
			w.table.Check(t)
			const few = 300 // rows that one run removes to the last
			rows := w.rows(t)
			for step := 0; rows > few; step++ {
				// The steps of a purge: two queries, of what there is to purge and of what is
				// left of it, and deletions.
				what, nth := [...]string{"Query PURGE", "Query SECRET", child, child}[step%4], 0
				if what == child {
					nth = 25 * (step % 7)
				}
				finished, err := killed(what, nth).PurgeSecrets(t.Context())
				now := w.rows(t)
				if finished != 0 || err == nil || now > rows || what == child && nth > 0 && now == rows || step > 400 {
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
			finishDeletion(t, w, bystander)
		})
	}
}

func errOf[T any](_ T, err error) error { return err }

// rows counts the rows of the world's secret.
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

// fill copies the rows of the world's item until its secret has that many items.
func fill(t testing.TB, w world, items int) {
	t.Helper()
	pk := fmt.Sprintf("SECRET#%s#%s", w.caller.AccountID, w.secret.ID)
	id := w.item.ID.String()
	var own []secretstest.Row
	for _, row := range w.table.Rows(t) {
		if sk := fmt.Sprint(row["SK"]); row["PK"] == pk && (strings.Contains(sk, id) || row["owner"] == id) || row["item_id"] == id {
			own = append(own, row)
		}
	}
	if len(own) != 5 { // the item, its key, its value, its version, its event
		t.Fatalf("an item has the rows %v, want 5", own)
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
			"PK": &types.AttributeValueMemberS{Value: "ACCOUNT#" + w.caller.AccountID.String()},
			"SK": &types.AttributeValueMemberS{Value: "SECRET#" + w.secret.ID.String()},
		},
		UpdateExpression:         aws.String("ADD #items :items, #size :size, checksum :checksum"),
		ExpressionAttributeNames: map[string]string{"#items": "items", "#size": "size"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":items":    &types.AttributeValueMemberN{Value: fmt.Sprint(items - 2)},
			":checksum": &types.AttributeValueMemberN{Value: fmt.Sprint(int64(items-2) * w.item.Revision)},
			":size":     &types.AttributeValueMemberN{Value: fmt.Sprint((items - 2) * w.item.Size)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

package secrets_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// A secret is deleted and a service begins to use it at the same time, many times. One of
// them wins, and the other is refused as if it had come later.
func TestDeletionOrUseWins(t *testing.T) {
	t.Parallel()
	const racers, rounds = 8, 30
	table := secretstest.NewTable(t)
	var deleted, used [2]atomic.Int64 // by new services, and by those that move
	var wg sync.WaitGroup
	for i := range racers {
		_, c := table.Account(t, uuid.NewString())
		secretIDs := plant(t, table, c.AccountID, rounds)
		owner, rival := table.Manager(t), table.Manager(t)
		if i%4 == 0 { // their transactions meet others, too
			owner = table.Manager(t, secretstest.Inject(secretstest.Conflicts))
			rival = table.Manager(t, secretstest.Inject(secretstest.Conflicts))
		}
		wg.Go(func() {
			input := secrets.ServiceInput{Name: secrets.Text("mover"), Image: secrets.Text("app"), Port: secrets.Text("80")}
			mover, err := owner.CreateService(t.Context(), c, input)
			if err != nil {
				t.Error(err)
				return
			}
			for round := range rounds {
				name := fmt.Sprint("app-", round)
				id := secretIDs[round]
				how := round % 2
				head := time.Duration(rand.IntN(4)-2) * time.Millisecond // of the deletion
				if how == 1 {                                            // a move reads more rows before its write
					head -= 3 * time.Millisecond
				}
				var deletion error
				var both sync.WaitGroup
				both.Go(func() {
					time.Sleep(-head)
					deletion = owner.DeleteSecret(t.Context(), c, id.String(), secrets.Deletion{})
				})
				time.Sleep(head)
				var use error
				if how == 0 {
					_, use = rival.CreateService(t.Context(), c, serviceInput(name, id))
				} else {
					_, use = rival.UpdateService(t.Context(), c, mover.ID.String(), serviceInput("mover", id))
				}
				both.Wait()
				var inUse secrets.InUse
				switch {
				case deletion == nil && refused(use, "secret"):
					deleted[how].Add(1)
				case use == nil && errors.As(deletion, &inUse) && inUse.Services == 1 && len(inUse.Names) == 1:
					used[how].Add(1)
				default:
					t.Errorf("deletion: %v, use: %v, want one of them done, and the other refused for it", deletion, use)
				}
			}
		})
	}
	wg.Wait()
	for how, name := range []string{"create", "move"} {
		if deleted[how].Load() == 0 || used[how].Load() == 0 {
			t.Errorf("%s: deleted %d times, used %d times, want each of them to win sometimes", name, deleted[how].Load(), used[how].Load())
		}
		t.Logf("%s: deleted %d times, used %d times", name, deleted[how].Load(), used[how].Load())
	}
	table.Check(t)
}

// plant writes the rows of secrets without items: creating them would take longer than the
// race.
func plant(t *testing.T, table *secretstest.Table, account uuid.UUID, secrets int) (ids []uuid.UUID) {
	t.Helper()
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	pk := text("ACCOUNT#" + account.String())
	var rows []map[string]types.AttributeValue
	for i := range secrets {
		id, name := uuid.Must(uuid.NewV7()), fmt.Sprint("planted ", i)
		hash := sha256.Sum256([]byte(name))
		ids = append(ids, id)
		rows = append(rows,
			map[string]types.AttributeValue{
				"PK": pk, "SK": text("SECRET#" + id.String()), "name": text(name),
				"items": &types.AttributeValueMemberN{Value: "0"}, "created_at": text("2026-02-03T04:05:06.000789Z"),
			},
			map[string]types.AttributeValue{"PK": pk, "SK": text("NAME#" + hex.EncodeToString(hash[:])), "owner": text(id.String())},
		)
	}
	putRows(t, table, rows)
	_, err := table.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: &table.Name, Key: map[string]types.AttributeValue{"PK": pk, "SK": text("ACCOUNT")},
		UpdateExpression:          aws.String("ADD secrets :n"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":n": &types.AttributeValueMemberN{Value: fmt.Sprint(secrets)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// putRows writes rows as they are.
func putRows(t testing.TB, table *secretstest.Table, rows []map[string]types.AttributeValue) {
	t.Helper()
	for batch := range slices.Chunk(rows, 25) {
		var writes []types.WriteRequest
		for _, row := range batch {
			writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: row}})
		}
		out, err := table.Client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{table.Name: writes},
		})
		if err != nil || len(out.UnprocessedItems) > 0 {
			t.Fatalf("write rows: %v, %d left", err, len(out.UnprocessedItems))
		}
	}
}

// A write would make a used secret too large, while its first service begins to use it. One
// of them wins, and the other is refused.
func TestWriteOrUseWinsTheRoom(t *testing.T) {
	t.Parallel()
	const rounds = 15
	table := secretstest.NewTable(t)
	_, c := table.Account(t, uuid.NewString())
	a, b := table.Manager(t, secretstest.Inject(secretstest.Conflicts)), table.Manager(t, secretstest.Inject(secretstest.Conflicts))
	won := map[string]int{}
	for round := range rounds {
		name := fmt.Sprint("app-", round)
		secret, err := a.CreateSecret(t.Context(), c, secretInput(name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.CreateItem(t.Context(), c, secret.ID.String(), itemInput("A", strings.Repeat("a", 40_000))); err != nil {
			t.Fatal(err)
		}
		var write, use error
		var wg sync.WaitGroup
		wg.Go(func() {
			_, write = a.CreateItem(t.Context(), c, secret.ID.String(), itemInput("B", strings.Repeat("b", 40_000)))
		})
		wg.Go(func() { _, use = b.CreateService(t.Context(), c, serviceInput(name, secret.ID)) })
		wg.Wait()
		switch {
		case write == nil && refused(use, "secret"):
			won["write"]++
		case use == nil && refused(write, "value"):
			won["use"]++
		default:
			t.Errorf("write: %v, use: %v, want one of them done, and the other refused for it", write, use)
		}
	}
	t.Logf("won: %v", won)
	table.Check(t)
}

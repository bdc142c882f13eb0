package emulator_test

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/infra/bench/compare"
	"goblins-secrets/infra/local/emulator"
)

// A write to a table on disk costs the same when the table's stream has many records. Each
// iteration is a block of writes to a table with many, and one to a table with few.
func BenchmarkWriteAfterLongStream(b *testing.B) {
	records := 20_000
	if testing.Short() {
		records = 3_000
	}
	name := aws.String("rows")
	newRow := func() map[string]types.AttributeValue {
		return map[string]types.AttributeValue{
			"PK":    &types.AttributeValueMemberS{Value: "ROWS"},
			"SK":    &types.AttributeValueMemberS{Value: uuid.NewString()},
			"value": &types.AttributeValueMemberS{Value: strings.Repeat("0123456789abcdef", 16)},
		}
	}
	pair := compare.Pair{Clients: 1, Calls: 30}
	var clients [2]*dynamodb.Client
	for side := range clients {
		e, err := emulator.Dynoxide(b.Context(), filepath.Join(b.TempDir(), "db.sqlite"), io.Discard)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = e.Close() }) // its failure shows earlier
		if err := errors.Join(e.CreateTable(b.Context(), *name, table), e.SetStream(b.Context(), *name, "NEW_AND_OLD_IMAGES")); err != nil {
			b.Fatal(err)
		}
		client := e.Client()
		clients[side] = client
		pair.Sides[side] = func(int) func() error {
			row := newRow()
			return func() error {
				_, err := client.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: name, Item: row})
				return err
			}
		}
	}
	const perBatch = 25
	for range records / perBatch {
		var batch []types.WriteRequest
		for range perBatch {
			batch = append(batch, types.WriteRequest{PutRequest: &types.PutRequest{Item: newRow()}})
		}
		out, err := clients[0].BatchWriteItem(b.Context(), &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{*name: batch},
		})
		if err != nil || len(out.UnprocessedItems) > 0 {
			b.Fatalf("write rows: %v, %d left", err, len(out.UnprocessedItems))
		}
	}
	if err := pair.Warm(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := pair.Round(); err != nil {
			b.Fatal(err)
		}
	}
	pair.Metrics(b.ReportMetric, "long", "short")
}

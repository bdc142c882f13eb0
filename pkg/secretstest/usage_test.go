package secretstest_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"goblins-secrets/pkg/secretstest"
)

// The units of indexes are counted apart from those of the table.
func TestIndexesAreCountedApart(t *testing.T) {
	table := secretstest.NewTable(t)
	var usage secretstest.Usage
	var cfg aws.Config
	usage.Count(&cfg)
	client := dynamodb.New(table.Client.Options(), func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, cfg.APIOptions...) })
	text := func(value string) types.AttributeValue { return &types.AttributeValueMemberS{Value: value} }
	row := map[string]types.AttributeValue{"PK": text("a"), "SK": text("1"), "by_secret": text("s"), "by_user": text("u")}
	for _, call := range []struct {
		name string
		do   func() error
		want secretstest.Used
	}{
		{"a put into both indexes", func() error {
			_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table.Name, Item: row})
			return err
		}, secretstest.Used{Writes: 1, IndexWrites: 2}},
		{"a query of an index", func() error {
			_, err := client.Query(t.Context(), &dynamodb.QueryInput{
				TableName: &table.Name, IndexName: aws.String("by_user"), KeyConditionExpression: aws.String("by_user = :u"),
				ExpressionAttributeValues: map[string]types.AttributeValue{":u": row["by_user"]},
			})
			return err
		}, secretstest.Used{IndexReads: 0.5}},
		{"a query of the table", func() error {
			_, err := client.Query(t.Context(), &dynamodb.QueryInput{
				TableName: &table.Name, KeyConditionExpression: aws.String("PK = :a"), ConsistentRead: aws.Bool(true),
				ExpressionAttributeValues: map[string]types.AttributeValue{":a": row["PK"]},
			})
			return err
		}, secretstest.Used{Reads: 1}},
	} {
		if err := call.do(); err != nil {
			t.Fatalf("%s: %v", call.name, err)
		}
		got := usage.Take()
		if got.Reads != call.want.Reads || got.Writes != call.want.Writes || got.IndexReads != call.want.IndexReads || got.IndexWrites != call.want.IndexWrites {
			t.Errorf("%s: %+v, want the units of %+v", call.name, got, call.want)
		}
	}
}

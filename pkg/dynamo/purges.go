package dynamo

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"goblins-secrets/pkg/secrets"
)

const batchSize = 25 // of BatchWriteItem

// Purges implements secrets.Purges.
func (s *Store) Purges(ctx context.Context) ([]secrets.Purge, error) {
	return partition(ctx, s, purgesPK, func(k key) (purge secrets.Purge, err error) {
		var p parser
		p.lastIDs("#"+k.SK, &purge.AccountID, &purge.SecretID)
		return purge, p.err
	})
}

// Purge implements secrets.Purges. Every write of a child checks that the secret's row
// exists, so a consistent query that finds no children is final.
func (s *Store) Purge(ctx context.Context, p secrets.Purge) error {
	pages := dynamodb.NewQueryPaginator(s.client, s.keysOf(secretPK(p.AccountID, p.SecretID)))
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return translate("Query", err)
		}
		for batch := range slices.Chunk(out.Items, batchSize) {
			if err := s.deleteBatch(ctx, batch); err != nil {
				return err
			}
		}
	}
	for _, k := range []key{leaseKey(p.AccountID, p.SecretID), purgeKey(p)} {
		if _, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.table, Key: marshal(k)}); err != nil {
			return translate("DeleteItem", err)
		}
	}
	return nil
}

// keysOf queries the keys of all rows of a partition.
func (s *Store) keysOf(pk string) *dynamodb.QueryInput {
	in := s.allOf(pk)
	in.ProjectionExpression = aws.String("PK, SK")
	return in
}

// deleteBatch deletes up to batchSize rows. It retries the rows that DynamoDB did not
// process because of load.
func (s *Store) deleteBatch(ctx context.Context, keys []attributes) error {
	left := make([]types.WriteRequest, len(keys))
	for i, k := range keys {
		left[i].DeleteRequest = &types.DeleteRequest{Key: k}
	}
	for backoff := 16 * time.Millisecond; ; backoff = min(2*backoff, time.Second) {
		out, err := s.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{s.table: left},
		})
		if err != nil {
			return translate("BatchWriteItem", err)
		}
		if left = out.UnprocessedItems[s.table]; len(left) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return translate("BatchWriteItem", ctx.Err())
		case <-time.After(rand.N(backoff)):
		}
	}
}

package dynamo

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/pkg/secrets"
)

// Purges implements secrets.Purges.
func (s *Store) Purges(ctx context.Context) ([]secrets.Purge, error) {
	return partition(ctx, s, purgesPK, func(k key) (purge secrets.Purge, err error) {
		var p parser
		p.lastIDs("#"+k.SK, &purge.AccountID, &purge.SecretID)
		return purge, p.err
	})
}

// purgeAtOnce is how many rows a purge deletes in parallel. BatchWriteItem would take fewer calls and
// the same units, but permission for it is also permission to put.
const purgeAtOnce = 16

// Purge implements secrets.Purges. Every write of a child checks that the secret's row
// exists, so a consistent query that finds no children is final.
func (s *Store) Purge(ctx context.Context, p secrets.Purge) error {
	pages := dynamodb.NewQueryPaginator(s.client, s.keysOf(secretPK(p.AccountID, p.SecretID)))
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return translate("Query", err)
		}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(purgeAtOnce)
		for _, k := range out.Items {
			g.Go(func() error { return s.delete(ctx, k) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	for _, k := range []key{leaseKey(p.AccountID, p.SecretID), purgeKey(p)} {
		if err := s.delete(ctx, marshal(k)); err != nil {
			return err
		}
	}
	return nil
}

// delete deletes a row, if there is one.
func (s *Store) delete(ctx context.Context, k attributes) error {
	_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.table, Key: k})
	return translate("DeleteItem", err)
}

// keysOf queries the keys of all rows of a partition.
func (s *Store) keysOf(pk string) *dynamodb.QueryInput {
	in := s.allOf(pk)
	in.ProjectionExpression = aws.String("PK, SK")
	return in
}

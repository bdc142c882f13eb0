package dynamo

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/pkg/secrets"
)

// Purges implements secrets.Purges.
func (s *Store) Purges(ctx context.Context, now time.Time) ([]secrets.Purge, error) {
	in := s.allOf(purgesPK)
	in.KeyConditionExpression = aws.String("PK = :pk AND SK <= :now")
	in.ExpressionAttributeValues[":now"] = text(timeText(now) + "~") // sorts after every id
	return all(ctx, s, in, purgeRow.purge)
}

// purged is the row in the bin of a purge's secret, or of one of its items.
func purged(p secrets.Purge, item uuid.UUID) key {
	if item == uuid.Nil {
		return deletedSecretKey(p.AccountID, p.SecretID)
	}
	return deletedItemKey(p.AccountID, p.SecretID, item)
}

// ClaimPurged implements secrets.Purges. A restore rests on the row without a claim.
func (s *Store) ClaimPurged(ctx context.Context, p secrets.Purge, item uuid.UUID) (secret, it secrets.Named, err error) {
	var out *dynamodb.UpdateItemOutput
	err = retryConflicts(ctx, func() (err error) {
		out, err = s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &s.table, Key: marshal(purged(p, item)),
			UpdateExpression: aws.String("SET claimed = :true"), ConditionExpression: aws.String("due = :due"),
			ExpressionAttributeValues: attributes{":true": &types.AttributeValueMemberBOOL{Value: true}, ":due": text(timeText(p.Due))},
			ReturnValues:              types.ReturnValueAllNew,
		})
		return err
	})
	if err != nil {
		return secret, it, translate("UpdateItem", err)
	}
	row, err := unmarshal[struct {
		Name       string `dynamodbav:"name"`
		Key        string `dynamodbav:"key"`
		SecretName string `dynamodbav:"secret_name"`
	}](out.Attributes)
	if item == uuid.Nil {
		return secrets.Named{ID: p.SecretID, Name: row.Name}, it, err
	}
	return secrets.Named{ID: p.SecretID, Name: row.SecretName}, secrets.Named{ID: item, Name: row.Key}, err
}

// purgeAtOnce is how many rows a purge deletes in parallel. BatchWriteItem would take fewer calls and
// the same units, but permission for it is also permission to put.
const purgeAtOnce = 16

// RemoveChildren implements secrets.Purges. Every write of a child checks that the secret's row
// exists, so a consistent query that finds no children is final.
func (s *Store) RemoveChildren(ctx context.Context, p secrets.Purge, item uuid.UUID) error {
	in := s.allOf(secretPK(p.AccountID, p.SecretID))
	if item != uuid.Nil {
		in = s.versionsOf(p.AccountID, p.SecretID, item)
	}
	in.ProjectionExpression = aws.String("PK, SK")
	pages := dynamodb.NewQueryPaginator(s.client, in)
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
	if item != uuid.Nil {
		return nil
	}
	return s.delete(ctx, marshal(leaseKey(p.AccountID, p.SecretID)))
}

// EndPurged implements secrets.Purges.
func (s *Store) EndPurged(ctx context.Context, p secrets.Purge, item uuid.UUID, ev secrets.Event) error {
	return s.transact(ctx, ev, s.remove(purged(p, item), "due = :due AND attribute_exists(claimed)", nil,
		attributes{":due": text(timeText(p.Due))}, secrets.ErrChanged))
}

// EndPurge implements secrets.Purges.
func (s *Store) EndPurge(ctx context.Context, p secrets.Purge) error {
	return s.delete(ctx, marshal(purgeKey(p)))
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

package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// batchSize is the most rows of one BatchGetItem.
const batchSize = 100

// errUnprocessed is an answer without some of the rows that were asked for. They are not missing: DynamoDB had no
// capacity to read them.
var errUnprocessed = errors.New("rows were not processed")

// batch reads rows by their keys, in any order, as far as they exist. It is strongly consistent for each row.
func batch(ctx context.Context, s *Store, keys []key) (map[key]attributes, error) {
	rows := make(map[key]attributes, len(keys))
	for chunk := range slices.Chunk(keys, batchSize) {
		ask := &types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
		for _, k := range chunk {
			ask.Keys = append(ask.Keys, marshal(k))
		}
		err := retryWhile(ctx, isUnprocessed, func() error {
			out, err := s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{s.table: *ask}})
			if err != nil {
				return err
			}
			for _, item := range out.Responses[s.table] {
				k, err := unmarshal[key](item)
				if err != nil {
					return err
				}
				rows[k] = item
			}
			if rest := out.UnprocessedKeys[s.table]; len(rest.Keys) > 0 {
				ask.Keys = rest.Keys
				return errUnprocessed
			}
			return nil
		})
		if isUnprocessed(err) {
			return nil, errors.Join(secrets.ErrUnavailable, fmt.Errorf("BatchGetItem: %w", err))
		}
		if err != nil {
			return nil, translate("BatchGetItem", err)
		}
	}
	return rows, nil
}

func isUnprocessed(err error) bool { return errors.Is(err, errUnprocessed) }

// withIDs reads the objects with these ids that exist, sorted by id.
func withIDs[R, T any](ctx context.Context, s *Store, ids []uuid.UUID, at func(uuid.UUID) key, convert func(R) (T, error)) ([]T, error) {
	var keys []key
	for _, id := range ids {
		keys = append(keys, at(id))
	}
	slices.SortFunc(keys, func(a, b key) int { return strings.Compare(a.SK, b.SK) })
	keys = slices.Compact(keys)
	rows, err := batch(ctx, s, keys)
	if err != nil {
		return nil, err
	}
	var found []T
	for _, k := range keys {
		if item, exists := rows[k]; exists {
			x, err := decode(item, convert)
			if err != nil {
				return nil, err
			}
			found = append(found, x)
		}
	}
	return found, nil
}

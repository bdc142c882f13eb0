package dynamo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// The read counter is a list "r" of the times of the newest reveals, newest
// first, in milliseconds since 2025-01-01: that is short enough for 110 of them,
// with the row's keys, to stay under 1 KB, so that charging a full counter of 100
// is one write unit. The reads beyond the limit count for nothing any more.
var counterEpoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// retryUndone retries only what surely was not done: a throttled call, one that
// found no connection. Sent twice, a charge could count twice.
func retryUndone() aws.Retryer {
	noConnection := retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
		var op *net.OpError
		return aws.BoolTernary(errors.As(err, &op) && op.Op == "dial")
	})
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.Retryables = []retry.IsErrorRetryable{
			retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes}, noConnection,
		}
		o.MaxBackoff = 200 * time.Millisecond
	})
}

type readsRow struct {
	Reads []int64 `dynamodbav:"r"`
}

// ChargeRead implements secrets.Reads. The condition and the append are one
// UpdateItem, so the limit is exact however many callers there are.
func (s *Store) ChargeRead(ctx context.Context, account, user uuid.UUID, now time.Time, limit int, window time.Duration) ([]time.Time, bool, error) {
	at := now.Sub(counterEpoch).Milliseconds()
	limiting := fmt.Sprintf("r[%d]", limit-1)
	out, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:           &s.table,
		Key:                 marshal(readsKey(account, user)),
		UpdateExpression:    aws.String("SET r = list_append(:now, if_not_exists(r, :none))"),
		ConditionExpression: aws.String("attribute_not_exists(" + limiting + ") OR " + limiting + " <= :gone"),
		ExpressionAttributeValues: attributes{
			":now":  &types.AttributeValueMemberL{Value: []types.AttributeValue{number(at)}},
			":none": &types.AttributeValueMemberL{},
			":gone": number(at - window.Milliseconds()),
		},
		ReturnValues:                        types.ReturnValueUpdatedNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, func(o *dynamodb.Options) { o.Retryer = s.retryUndone })
	var refused *types.ConditionalCheckFailedException
	if errors.As(err, &refused) {
		reads, err := readTimes(refused.Item)
		return reads, false, err
	}
	if err != nil {
		return nil, false, translate("UpdateItem", err)
	}
	reads, err := readTimes(out.Attributes)
	return reads, true, err
}

func readTimes(row attributes) ([]time.Time, error) {
	r, err := unmarshal[readsRow](row)
	if err != nil {
		return nil, err
	}
	return r.times(), nil
}

func (r readsRow) times() []time.Time {
	times := make([]time.Time, len(r.Reads))
	for i, ms := range r.Reads {
		times[i] = counterEpoch.Add(time.Duration(ms) * time.Millisecond)
	}
	return times
}

// ReadTimes implements secrets.Reads.
func (s *Store) ReadTimes(ctx context.Context, account, user uuid.UUID) ([]time.Time, error) {
	row, err := get[readsRow](ctx, s, readsKey(account, user))
	if errors.Is(err, secrets.ErrNotFound) { // before the first
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return row.times(), nil
}

// maxTrim is how many reads one TrimReads drops: an expression may have 4 KB.
const maxTrim = 200

// TrimReads implements secrets.Reads. Reads that are charged meanwhile only push
// those at and behind limit further back, so removing by index is safe.
func (s *Store) TrimReads(ctx context.Context, account, user uuid.UUID, limit, have int) error {
	var indexes []string
	for i := have - 1; i >= max(limit, have-maxTrim); i-- { // descending: emulators get the other order wrong
		indexes = append(indexes, fmt.Sprintf("r[%d]", i))
	}
	_, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: marshal(readsKey(account, user)),
		UpdateExpression:    aws.String("REMOVE " + strings.Join(indexes, ", ")),
		ConditionExpression: aws.String("attribute_exists(PK)"),
	})
	if err != nil {
		return translate("UpdateItem", err)
	}
	return nil
}

// SealedValue implements secrets.Reads.
func (s *Store) SealedValue(ctx context.Context, account, secret, item uuid.UUID) (secrets.SealedValue, error) {
	row, err := get[valueRow](ctx, s, valueKey(account, secret, item))
	if err != nil {
		return secrets.SealedValue{}, err
	}
	return secrets.SealedValue{Version: row.Version, Blob: row.Sealed}, nil
}

// StampRead implements secrets.Reads.
func (s *Store) StampRead(ctx context.Context, account, secret, item uuid.UUID, at time.Time, by uuid.UUID) (secrets.Item, error) {
	var out *dynamodb.UpdateItemOutput
	err := retryConflicts(ctx, func() (err error) {
		out, err = s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName:           &s.table,
			Key:                 marshal(itemKey(account, secret, item)),
			UpdateExpression:    aws.String("SET last_accessed_at = :at, last_accessed_by = :by"),
			ConditionExpression: aws.String("attribute_exists(PK)"),
			ExpressionAttributeValues: attributes{
				":at": text(timeText(at)), ":by": text(by.String()),
			},
			ReturnValues: types.ReturnValueAllNew,
		})
		return err
	})
	var refused *types.ConditionalCheckFailedException
	if errors.As(err, &refused) {
		return secrets.Item{}, secrets.ErrNotFound
	}
	if err != nil {
		return secrets.Item{}, translate("UpdateItem", err)
	}
	row, err := unmarshal[itemRow](out.Attributes)
	if err != nil {
		return secrets.Item{}, err
	}
	return row.item()
}

// AppendEvent implements secrets.Reads.
func (s *Store) AppendEvent(ctx context.Context, ev secrets.Event) error {
	_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.table, Item: marshal(newEventRow(ev)), ConditionExpression: aws.String("attribute_not_exists(PK)"),
	})
	var refused *types.ConditionalCheckFailedException
	if errors.As(err, &refused) {
		return nil // its id is random: the row is ours, from an attempt whose answer was lost
	}
	if err != nil {
		return translate("PutItem", err)
	}
	return nil
}

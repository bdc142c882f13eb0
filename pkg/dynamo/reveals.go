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

// The read counter is a sliding-window log: a list "r" of the times of the newest
// reveals, newest first, in milliseconds since 2025-01-01. 110 such numbers and the row's
// keys stay under 1 KB, so that charging a full log of 100 is one write unit. Entries
// beyond the limit no longer count.
var counterEpoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// retryUndone retries only calls that certainly were not done: a throttled call, or a
// call without a connection. A charge that is sent twice could count twice.
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

type revealsRow struct {
	Times []int64 `dynamodbav:"r"`
}

// ChargeReveal implements secrets.Reveals. The condition and the append are one
// UpdateItem, so the limit is exact for any number of concurrent callers.
func (s *Store) ChargeReveal(ctx context.Context, account, user uuid.UUID, now time.Time, limit int, window time.Duration) ([]time.Time, bool, error) {
	at := now.Sub(counterEpoch).Milliseconds()
	limiting := fmt.Sprintf("r[%d]", limit-1)
	out, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:           &s.table,
		Key:                 marshal(revealsKey(account, user)),
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
		log, err := revealTimes(refused.Item)
		return log, false, err
	}
	if err != nil {
		return nil, false, translate("UpdateItem", err)
	}
	log, err := revealTimes(out.Attributes)
	return log, true, err
}

func revealTimes(row attributes) ([]time.Time, error) {
	r, err := unmarshal[revealsRow](row)
	if err != nil {
		return nil, err
	}
	return r.times(), nil
}

func (r revealsRow) times() []time.Time {
	times := make([]time.Time, len(r.Times))
	for i, ms := range r.Times {
		times[i] = counterEpoch.Add(time.Duration(ms) * time.Millisecond)
	}
	return times
}

// RevealTimes implements secrets.Reveals.
func (s *Store) RevealTimes(ctx context.Context, account, user uuid.UUID) ([]time.Time, error) {
	row, err := get[revealsRow](ctx, s, revealsKey(account, user))
	if errors.Is(err, secrets.ErrNotFound) { // no reveal yet
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return row.times(), nil
}

// maxTrim limits how many entries one call drops: an expression may have 4 KB.
const maxTrim = 200

// TrimReveals implements secrets.Reveals. Concurrent charges only push the entries
// at and behind limit further back, so removing by index is safe.
func (s *Store) TrimReveals(ctx context.Context, account, user uuid.UUID, limit, have int) error {
	var indexes []string
	for i := have - 1; i >= max(limit, have-maxTrim); i-- { // descending: emulators get the other order wrong
		indexes = append(indexes, fmt.Sprintf("r[%d]", i))
	}
	_, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: marshal(revealsKey(account, user)),
		UpdateExpression:    aws.String("REMOVE " + strings.Join(indexes, ", ")),
		ConditionExpression: aws.String("attribute_exists(PK)"),
	})
	return translate("UpdateItem", err)
}

// SealedValue implements secrets.Reveals.
func (s *Store) SealedValue(ctx context.Context, account, secret, item uuid.UUID) (secrets.SealedValue, error) {
	row, err := get[valueRow](ctx, s, valueKey(account, secret, item))
	if err != nil {
		return secrets.SealedValue{}, err
	}
	return secrets.SealedValue{Version: row.Version, Blob: row.Sealed}, nil
}

// StampReveal implements secrets.Reveals. Times are texts of one length, which sort as they follow.
func (s *Store) StampReveal(ctx context.Context, account, secret, item uuid.UUID, at time.Time, by uuid.UUID) (secrets.Item, error) {
	var out *dynamodb.UpdateItemOutput
	err := retryConflicts(ctx, func() (err error) {
		out, err = s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName:           &s.table,
			Key:                 marshal(itemKey(account, secret, item)),
			UpdateExpression:    aws.String("SET last_accessed_at = :at, last_accessed_by = :by"),
			ConditionExpression: aws.String("attribute_exists(PK) AND (attribute_not_exists(last_accessed_at) OR last_accessed_at < :at)"),
			ExpressionAttributeValues: attributes{
				":at": text(timeText(at)), ":by": text(by.String()),
			},
			ReturnValues:                        types.ReturnValueAllNew,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		return err
	})
	var newer *types.ConditionalCheckFailedException
	var stamped attributes
	switch {
	case errors.As(err, &newer):
		if stamped = newer.Item; stamped == nil {
			return secrets.Item{}, secrets.ErrNotFound
		}
	case err != nil:
		return secrets.Item{}, translate("UpdateItem", err)
	default:
		stamped = out.Attributes
	}
	row, err := unmarshal[itemRow](stamped)
	if err != nil {
		return secrets.Item{}, err
	}
	return row.item()
}

// AppendEvent implements secrets.Events.
func (s *Store) AppendEvent(ctx context.Context, ev secrets.Event) error {
	_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.table, Item: marshal(newEventRow(ev)), ConditionExpression: aws.String("attribute_not_exists(PK)"),
	})
	if refused(err) {
		return nil // ids are random: an earlier attempt, whose answer was lost, wrote the row
	}
	return translate("PutItem", err)
}

package dynamo

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

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

// ReadValue implements secrets.Reveals, in one BatchGetItem.
func (s *Store) ReadValue(ctx context.Context, account, caller, secret, item uuid.UUID) (read secrets.Reading, err error) {
	keyAt, secretAt := keyKey(account, caller), secretKey(account, secret)
	itemAt, valueAt := itemKey(account, secret, item), valueKey(account, secret, item)
	rows, err := batch(ctx, s, []key{keyAt, secretAt, itemAt, valueAt})
	if err != nil {
		return read, err
	}
	if row, exists := rows[keyAt]; exists {
		read.Key, err = decode(row, keyRow.apiKey)
	}
	if row, exists := rows[secretAt]; exists && err == nil {
		read.Secret, err = decode(row, secretRow.secret)
	}
	if row, exists := rows[itemAt]; exists && err == nil {
		read.Item, err = decode(row, itemRow.item)
	}
	if row, exists := rows[valueAt]; exists && err == nil {
		read.Value, err = decode(row, valueRow.value)
	}
	if err != nil {
		return secrets.Reading{}, err
	}
	return read, nil
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

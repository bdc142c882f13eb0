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
func (s *Store) ReadValue(ctx context.Context, account, caller, secret, item uuid.UUID) (secrets.Reading, error) {
	return s.read(ctx, account, caller, secret, item, valueKey(account, secret, item))
}

// ReadItem implements secrets.Reveals, in one BatchGetItem.
func (s *Store) ReadItem(ctx context.Context, account, caller, secret, item uuid.UUID) (secrets.Reading, error) {
	return s.read(ctx, account, caller, secret, item)
}

func (s *Store) read(ctx context.Context, account, caller, secret, item uuid.UUID, value ...key) (read secrets.Reading, err error) {
	keyAt, secretAt, itemAt := keyKey(account, caller), secretKey(account, secret), itemKey(account, secret, item)
	rows, err := batch(ctx, s, append([]key{keyAt, secretAt, itemAt}, value...))
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
	for _, at := range value {
		if row, exists := rows[at]; exists && err == nil {
			read.Value, err = decode(row, valueRow.value)
		}
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

// ReadSecrets implements secrets.Exports, in one BatchGetItem.
func (s *Store) ReadSecrets(ctx context.Context, account, caller uuid.UUID, ids ...uuid.UUID) (k secrets.Key, found []secrets.Secret, err error) {
	keyAt := keyKey(account, caller)
	ask := []key{keyAt}
	for _, id := range ids {
		ask = append(ask, secretKey(account, id))
	}
	rows, err := batch(ctx, s, ask)
	if err != nil {
		return k, nil, err
	}
	if row, exists := rows[keyAt]; exists {
		k, err = decode(row, keyRow.apiKey)
	}
	found = make([]secrets.Secret, len(ids))
	for i, at := range ask[1:] {
		if row, exists := rows[at]; exists && err == nil {
			found[i], err = decode(row, secretRow.secret)
		}
	}
	return k, found, err
}

// StampExport implements secrets.Exports. A read of an older revision than the newest one is ErrChanged. A clock that is behind does not make a newer read older: it is later by
// a microsecond.
func (s *Store) StampExport(ctx context.Context, account, secret uuid.UUID, e secrets.Exported) (secrets.Secret, error) {
	for {
		var out *dynamodb.UpdateItemOutput
		err := retryConflicts(ctx, func() (err error) {
			out, err = s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
				TableName:        &s.table,
				Key:              marshal(secretKey(account, secret)),
				UpdateExpression: aws.String("SET exported_at = :at, exported_by = :by, exported_revision = :revision"),
				ConditionExpression: aws.String("attribute_exists(PK) AND (attribute_not_exists(exported_at) OR " +
					"exported_at < :at AND exported_revision <= :revision)"),
				ExpressionAttributeValues: attributes{
					":at": text(timeText(e.At)), ":by": text(e.By.String()), ":revision": number(e.Revision),
				},
				ReturnValues:                        types.ReturnValueAllNew,
				ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			})
			return err
		})
		var newer *types.ConditionalCheckFailedException
		if errors.As(err, &newer) {
			if newer.Item == nil {
				return secrets.Secret{}, secrets.ErrNotFound
			}
			stamped, err := decode(newer.Item, secretRow.secret)
			if err != nil || stamped.Exported == e {
				return stamped, err // an attempt whose answer was lost
			}
			if stamped.Exported.Revision > e.Revision {
				return secrets.Secret{}, secrets.ErrChanged
			}
			e.At = stamped.Exported.At.Add(time.Microsecond)
			continue
		}
		if err != nil {
			return secrets.Secret{}, translate("UpdateItem", err)
		}
		return decode(out.Attributes, secretRow.secret)
	}
}

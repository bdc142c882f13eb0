package dynamo

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/pkg/secrets"
)

// Undelivered implements secrets.Deliveries.
func (s *Store) Undelivered(ctx context.Context, account, secret uuid.UUID) (secrets.Undelivered, error) {
	row, err := get[undeliveredRow](ctx, s, undeliveredKey(account, secret))
	if err != nil {
		return secrets.Undelivered{}, err
	}
	return row.undelivered()
}

// AllUndelivered implements secrets.Deliveries.
func (s *Store) AllUndelivered(ctx context.Context) ([]secrets.Undelivered, error) {
	return partition(ctx, s, undeliveredsPK, undeliveredRow.undelivered)
}

// Enlist implements secrets.Deliveries.
func (s *Store) Enlist(ctx context.Context, u secrets.Undelivered) error {
	err := retryConflicts(ctx, func() error {
		_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: marshal(newUndeliveredRow(u))})
		return err
	})
	return translate("PutItem", err)
}

// Remind implements secrets.Deliveries. The stream tells of rows that change.
func (s *Store) Remind(ctx context.Context, u secrets.Undelivered) error {
	return ignoreRefusal(s.updateRow(ctx, undeliveredKey(u.AccountID, u.SecretID), "ADD reminders :one", "attribute_exists(PK)",
		attributes{":one": number(1)}))
}

// Settle implements secrets.Deliveries.
func (s *Store) Settle(ctx context.Context, u secrets.Undelivered) error {
	err := retryConflicts(ctx, func() error {
		_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: &s.table, Key: marshal(undeliveredKey(u.AccountID, u.SecretID)),
			ConditionExpression:       aws.String("attribute_not_exists(PK) OR change = :change"),
			ExpressionAttributeValues: attributes{":change": text(u.Change.String())},
		})
		return err
	})
	return translateRefusal("DeleteItem", err)
}

// Delivery implements secrets.Deliveries.
func (s *Store) Delivery(ctx context.Context, account, secret uuid.UUID) (secrets.Delivery, error) {
	row, err := get[deliveryRow](ctx, s, deliveryKey(account, secret))
	if err != nil && !errors.Is(err, secrets.ErrNotFound) {
		return secrets.Delivery{}, err
	}
	d, err := row.delivery()
	d.AccountID, d.SecretID = account, secret
	return d, err
}

// BeginDelivery implements secrets.Deliveries. The row belongs to the secret, whose
// row is checked: what a purge has removed does not come back.
func (s *Store) BeginDelivery(ctx context.Context, begun secrets.Delivery) error {
	row := newDeliveryRow(begun)
	begin := s.put(row, secrets.ErrChanged)
	if begun.Turn > 1 {
		begin = s.replace(row, "turn = :before", attributes{":before": number(begun.Turn - 1)}, secrets.ErrChanged)
	}
	return s.transactOnce(ctx, uuid.New(), s.check(secretKey(begun.AccountID, begun.SecretID), secrets.ErrNotFound), begin)
}

// EndDelivery implements secrets.Deliveries.
func (s *Store) EndDelivery(ctx context.Context, begun secrets.Delivery, failure string) error {
	begun.Until = time.Time{}
	row := newDeliveryRow(begun)
	row.Error = failure
	_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.table, Item: marshal(row),
		ConditionExpression: aws.String("turn = :turn"), ExpressionAttributeValues: attributes{":turn": number(begun.Turn)},
	})
	return ignoreRefusal(translateRefusal("PutItem", err))
}

// MarkDelivered implements secrets.Deliveries.
func (s *Store) MarkDelivered(ctx context.Context, account, secret uuid.UUID, revision int64) error {
	return s.mark(ctx, account, secret, "SET delivered = :revision REMOVE deploy_failed",
		"attribute_exists(PK) AND (attribute_not_exists(delivered) OR delivered <= :revision)", attributes{":revision": number(revision)})
}

// MarkUndelivered implements secrets.Deliveries.
func (s *Store) MarkUndelivered(ctx context.Context, account, secret uuid.UUID) error {
	return s.mark(ctx, account, secret, "REMOVE delivered, deploy_failed", "attribute_exists(PK)", nil)
}

// MarkFailed implements secrets.Deliveries.
func (s *Store) MarkFailed(ctx context.Context, account, secret uuid.UUID) error {
	return s.mark(ctx, account, secret, "SET deploy_failed = :true", "attribute_exists(PK)",
		attributes{":true": &types.AttributeValueMemberBOOL{Value: true}})
}

func (s *Store) mark(ctx context.Context, account, secret uuid.UUID, update, condition string, values attributes) error {
	return ignoreRefusal(s.updateRow(ctx, secretKey(account, secret), update, condition, values))
}

// RaiseRevision implements secrets.Deliveries.
func (s *Store) RaiseRevision(ctx context.Context, old secrets.Secret, revision int64) error {
	return s.updateRow(ctx, secretKey(old.AccountID, old.ID), "SET revision = :new", "revision = :old",
		attributes{":new": number(revision), ":old": number(old.Revision)})
}

// allRows is a limit for page that is none.
const allRows = math.MaxInt32

// SealedItems implements secrets.Deliveries.
func (s *Store) SealedItems(ctx context.Context, account, secret uuid.UUID) ([]secrets.SealedItem, error) {
	pk := secretPK(account, secret)
	var items []itemRow
	var values []valueRow
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		items, err = page[itemRow](ctx, s, pk, itemPrefix, secrets.Cursor{}, allRows)
		return err
	})
	g.Go(func() (err error) {
		values, err = page[valueRow](ctx, s, pk, valuePrefix, secrets.Cursor{}, allRows)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	sealed := make(map[string]secrets.SealedValue, len(values))
	for _, row := range values {
		sealed[strings.TrimPrefix(row.SK, valuePrefix)] = secrets.SealedValue{Version: row.Version, Blob: row.Sealed}
	}
	found := make([]secrets.SealedItem, len(items))
	for i, row := range items {
		it, err := row.item()
		if err != nil {
			return nil, err
		}
		found[i] = secrets.SealedItem{Item: it, Value: sealed[it.ID.String()]}
	}
	return found, nil
}

// updateRow changes a row of which the condition holds; else ErrChanged.
func (s *Store) updateRow(ctx context.Context, k key, expression, condition string, values attributes) error {
	err := retryConflicts(ctx, func() error {
		_, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &s.table, Key: marshal(k), UpdateExpression: &expression,
			ConditionExpression: &condition, ExpressionAttributeValues: values,
		})
		return err
	})
	return translateRefusal("UpdateItem", err)
}

// translateRefusal is translate for a write whose condition may not hold: ErrChanged.
func translateRefusal(doing string, err error) error {
	var refused *types.ConditionalCheckFailedException
	if errors.As(err, &refused) {
		return secrets.ErrChanged
	}
	return translate(doing, err)
}

func ignoreRefusal(err error) error {
	if errors.Is(err, secrets.ErrChanged) {
		return nil
	}
	return err
}

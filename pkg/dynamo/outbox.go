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

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

// Entry implements delivery.Store.
func (s *Store) Entry(ctx context.Context, account, secret uuid.UUID) (delivery.Entry, error) {
	row, err := get[entryRow](ctx, s, entryKey(account, secret))
	if err != nil {
		return delivery.Entry{}, err
	}
	return row.entry()
}

// Entries implements delivery.Store.
func (s *Store) Entries(ctx context.Context) ([]delivery.Entry, error) {
	return partition(ctx, s, outboxPK, entryRow.entry)
}

// PutEntry implements delivery.Store.
func (s *Store) PutEntry(ctx context.Context, e delivery.Entry) error {
	err := retryConflicts(ctx, func() error {
		_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: marshal(newEntryRow(e))})
		return err
	})
	return translate("PutItem", err)
}

// Enqueue implements delivery.Outbox.
func (s *Store) Enqueue(ctx context.Context, e delivery.Entry) error {
	err := retryConflicts(ctx, func() error {
		_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: &s.table, Item: marshal(newEntryRow(e)), ConditionExpression: aws.String("attribute_not_exists(PK)"),
		})
		return err
	})
	return ignoreChanged(translate("PutItem", err))
}

// Requeue implements delivery.Store. The stream emits rows that change.
func (s *Store) Requeue(ctx context.Context, e delivery.Entry) error {
	return ignoreChanged(s.updateRow(ctx, entryKey(e.AccountID, e.SecretID), "ADD requeues :one", "attribute_exists(PK)",
		attributes{":one": number(1)}))
}

// Acknowledge implements delivery.Store.
func (s *Store) Acknowledge(ctx context.Context, e delivery.Entry) error {
	err := retryConflicts(ctx, func() error {
		_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: &s.table, Key: marshal(entryKey(e.AccountID, e.SecretID)),
			ConditionExpression:       aws.String("attribute_not_exists(PK) OR change = :change"),
			ExpressionAttributeValues: attributes{":change": text(e.Change.String())},
		})
		return err
	})
	return translate("DeleteItem", err)
}

// Lease implements delivery.Store.
func (s *Store) Lease(ctx context.Context, account, secret uuid.UUID) (delivery.Lease, error) {
	row, err := get[leaseRow](ctx, s, leaseKey(account, secret))
	if err != nil && !errors.Is(err, secrets.ErrNotFound) {
		return delivery.Lease{}, err
	}
	d, err := row.lease()
	d.AccountID, d.SecretID = account, secret
	return d, err
}

// AcquireLease implements delivery.Store. It checks that the secret's row exists, so that
// a lease that a purge has removed does not come back.
func (s *Store) AcquireLease(ctx context.Context, l delivery.Lease) error {
	l.Settled = false
	row := newLeaseRow(l)
	acquire := s.put(row, secrets.ErrChanged)
	if l.Token > 1 {
		acquire = s.replace(row, "fencing_token = :before", attributes{":before": number(l.Token - 1)}, secrets.ErrChanged)
	}
	exists := s.check(secretKey(l.AccountID, l.SecretID), secrets.ErrNotFound)
	if l.Deleted {
		exists = s.checkThat(deletedSecretKey(l.AccountID, l.SecretID), "attribute_exists(PK) AND "+unclaimed, secrets.ErrNotFound)
	}
	return s.transactOnce(ctx, uuid.New(), exists, acquire)
}

// IsGone implements delivery.Store. Two reads could miss a secret that goes into the bin, or out of it, between them.
func (s *Store) IsGone(ctx context.Context, account, secret uuid.UUID) (bool, error) {
	err := s.transactOnce(ctx, uuid.New(),
		s.checkThat(secretKey(account, secret), "attribute_not_exists(PK)", secrets.ErrChanged),
		s.checkThat(deletedSecretKey(account, secret), "attribute_not_exists(PK) OR attribute_exists(claimed)", secrets.ErrChanged))
	return err == nil, ignoreChanged(err)
}

// ReleaseLease implements delivery.Store.
func (s *Store) ReleaseLease(ctx context.Context, l delivery.Lease, failure string) error {
	l.Expires = time.Time{}
	row := newLeaseRow(l)
	row.Error = failure
	_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.table, Item: marshal(row),
		ConditionExpression: aws.String("fencing_token = :token"), ExpressionAttributeValues: attributes{":token": number(l.Token)},
	})
	return ignoreChanged(translate("PutItem", err))
}

// MarkDelivered implements delivery.Store.
func (s *Store) MarkDelivered(ctx context.Context, account, secret uuid.UUID, revision int64, b secrets.Bundle) error {
	return s.mark(ctx, account, secret, "SET delivered = :revision, bundle = :bundle REMOVE deploy_failed, drifted",
		"attribute_exists(PK) AND (attribute_not_exists(delivered) OR delivered <= :revision)",
		attributes{":revision": number(revision), ":bundle": &types.AttributeValueMemberM{Value: marshal(bundleAttribute(b))}})
}

// MarkDrifted implements delivery.Store.
func (s *Store) MarkDrifted(ctx context.Context, old secrets.Secret, ev secrets.Event) error {
	return s.transact(ctx, ev, s.update(secretKey(old.AccountID, old.ID), "SET drifted = :true",
		"revision = :revision AND attribute_not_exists(drifted)", nil,
		attributes{":true": &types.AttributeValueMemberBOOL{Value: true}, ":revision": number(old.Revision)}, secrets.ErrChanged))
}

// MarkUndelivered implements delivery.Store.
func (s *Store) MarkUndelivered(ctx context.Context, account, secret uuid.UUID) error {
	return s.mark(ctx, account, secret, "REMOVE delivered, deploy_failed, drifted, bundle", "attribute_exists(PK)", nil)
}

// MarkFailed implements delivery.Store.
func (s *Store) MarkFailed(ctx context.Context, account, secret uuid.UUID) error {
	return s.mark(ctx, account, secret, "SET deploy_failed = :true", "attribute_exists(PK)",
		attributes{":true": &types.AttributeValueMemberBOOL{Value: true}})
}

func (s *Store) mark(ctx context.Context, account, secret uuid.UUID, update, condition string, values attributes) error {
	return ignoreChanged(s.updateRow(ctx, secretKey(account, secret), update, condition, values))
}

// RaiseRevision implements delivery.Store.
func (s *Store) RaiseRevision(ctx context.Context, old secrets.Secret, revision int64) error {
	return s.updateRow(ctx, secretKey(old.AccountID, old.ID), "SET revision = :new", "revision = :old",
		attributes{":new": number(revision), ":old": number(old.Revision)})
}

// allRows is a page limit that never applies.
const allRows = math.MaxInt32

// SealedItems implements delivery.Store.
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

// updateRow updates a row on a condition. ErrChanged: the condition failed.
func (s *Store) updateRow(ctx context.Context, k key, expression, condition string, values attributes) error {
	err := retryConflicts(ctx, func() error {
		_, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &s.table, Key: marshal(k), UpdateExpression: &expression,
			ConditionExpression: &condition, ExpressionAttributeValues: values,
		})
		return err
	})
	return translate("UpdateItem", err)
}

// ignoreChanged is for writes that leave a row alone when their condition failed.
func ignoreChanged(err error) error {
	if errors.Is(err, secrets.ErrChanged) {
		return nil
	}
	return err
}

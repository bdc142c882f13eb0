package dynamo

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/pkg/secrets"
)

// The bin has a row for each deleted secret and item. What is claimed is not in any answer.

// unclaimed is the filter of what can be restored.
const unclaimed = "attribute_not_exists(claimed)"

// bin reads a page of what is deleted in a partition, and the number of all. It is counted, because the purge would
// meet every deletion and restore in a counter; the bin is short.
func bin[R, T any](ctx context.Context, s *Store, pk, prefix string, from secrets.Cursor, limit int, convert func(R) (T, error)) ([]T, int, error) {
	return list(ctx,
		func(ctx context.Context) (n int, err error) {
			in := s.allOf(pk)
			in.KeyConditionExpression = aws.String("PK = :pk AND begins_with(SK, :prefix)")
			in.ExpressionAttributeValues[":prefix"] = text(prefix)
			in.FilterExpression, in.Select = aws.String(unclaimed), types.SelectCount
			return s.countRows(ctx, in)
		},
		func(ctx context.Context) ([]R, error) {
			return pageThat[R](ctx, s, unclaimed, pk, prefix, from, limit)
		},
		convert)
}

// DeletedSecrets implements secrets.Secrets.
func (s *Store) DeletedSecrets(ctx context.Context, account uuid.UUID, from secrets.Cursor, limit int) ([]secrets.DeletedSecret, int, error) {
	return bin(ctx, s, binPK(account), secretPrefix, from, limit, deletedSecretRow.deletedSecret)
}

// DeletedSecretsWithIDs implements secrets.Secrets.
func (s *Store) DeletedSecretsWithIDs(ctx context.Context, account uuid.UUID, ids []uuid.UUID) ([]secrets.DeletedSecret, error) {
	found, err := withIDs(ctx, s, ids, func(id uuid.UUID) key { return deletedSecretKey(account, id) }, deletedSecretRow.deletedSecret)
	return slices.DeleteFunc(found, func(x secrets.DeletedSecret) bool { return x.Deleted.Claimed }), err
}

// DeletedSecret implements secrets.Secrets.
func (s *Store) DeletedSecret(ctx context.Context, account, secret uuid.UUID) (secrets.DeletedSecret, error) {
	row, err := get[deletedSecretRow](ctx, s, deletedSecretKey(account, secret))
	if err != nil {
		return secrets.DeletedSecret{}, err
	}
	if row.Claimed {
		return secrets.DeletedSecret{}, secrets.ErrNotFound
	}
	return row.deletedSecret()
}

// DeletedItems implements secrets.Items.
func (s *Store) DeletedItems(ctx context.Context, account, secret uuid.UUID, from secrets.Cursor, limit int) (found []secrets.DeletedItem, count int, err error) {
	g, within := errgroup.WithContext(ctx)
	g.Go(func() error { _, err := s.Secret(within, account, secret); return err })
	g.Go(func() (err error) {
		found, count, err = bin(within, s, secretPK(account, secret), binPrefix, from, limit, deletedItemRow.deletedItem)
		return err
	})
	return found, count, g.Wait()
}

// DeletedItem implements secrets.Items.
func (s *Store) DeletedItem(ctx context.Context, account, secret, item uuid.UUID) (parent secrets.Secret, x secrets.DeletedItem, err error) {
	parent, x, err = child(ctx, s, account, secret, deletedItemKey(account, secret, item), deletedItemRow.deletedItem)
	if err == nil && x.Deleted.Claimed {
		err = secrets.ErrNotFound
	}
	return parent, x, err
}

// DeleteSecret implements secrets.Secrets. A read that a bundle stamps meanwhile would be lost with the row, and the
// deletion of a version, which moves the checksum alone.
func (s *Store) DeleteSecret(ctx context.Context, x secrets.DeletedSecret, ev secrets.Event) error {
	old := x.Secret
	names, values := map[string]string{"#name": "name"}, attributes{":old": text(old.Name)}
	condition := "#name = :old AND " + within(secrets.Range{Min: old.Services, Max: old.Services}, names, values) +
		" AND " + atRevision(old, values) + " AND " + atExport(old, values) + " AND " + atChecksum(old, values)
	return s.transact(ctx, ev,
		s.remove(secretKey(old.AccountID, old.ID), condition, names, values, secrets.ErrChanged),
		s.removeOwned(secretNameKey(old.AccountID, old.Name), old.ID),
		s.count(accountKey(old.AccountID), "secrets", -1, secrets.ErrChanged),
		s.put(newDeletedSecretRow(x), secrets.ErrChanged),
		s.put(newPurgeRow(secrets.Purge{AccountID: old.AccountID, SecretID: old.ID, ID: ev.ID, Due: x.Deleted.Due}), secrets.ErrChanged),
	)
}

// ClaimSecret implements secrets.Purges.
func (s *Store) ClaimSecret(ctx context.Context, x secrets.DeletedSecret, ev secrets.Event) error {
	old := x.Secret
	condition, values := restorable(old)
	return s.transact(ctx, ev,
		s.replace(newDeletedSecretRow(x), condition, values, secrets.ErrChanged),
		s.put(newPurgeRow(secrets.Purge{AccountID: old.AccountID, SecretID: old.ID, ID: ev.ID, Due: x.Deleted.Due}), secrets.ErrChanged),
	)
}

// RestoreSecret implements secrets.Secrets. The purge stays: at its due time it finds nothing. A bundle that may still be
// at the target is removed again.
func (s *Store) RestoreSecret(ctx context.Context, x secrets.DeletedSecret, restored secrets.Secret, most int, ev secrets.Event) error {
	old := x.Secret
	condition, values := restorable(old)
	var removal []write
	if restored.Delivered > 0 || restored.DeployFailed {
		removal = []write{s.enqueue(restored, ev)}
	}
	return s.transact(ctx, ev, append(removal,
		s.remove(deletedSecretKey(old.AccountID, old.ID), condition, nil, values, secrets.ErrChanged), // first: the name may be its own
		s.put(markerRow{secretNameKey(old.AccountID, restored.Name), old.ID.String()}, secrets.ErrExists),
		s.put(newSecretRow(restored), secrets.ErrChanged),
		s.countUpTo(most, accountKey(old.AccountID), "secrets"),
	)...)
}

// restorable is the condition that a secret is in the bin as it was read, and not claimed. A row that is missing would
// pass as one without a revision.
func restorable(read secrets.Secret) (condition string, values attributes) {
	values = attributes{}
	condition = "attribute_exists(PK) AND " + atRevision(read, values) + " AND " + unclaimed
	if len(values) == 0 {
		values = nil // DynamoDB refuses an empty map
	}
	return condition, values
}

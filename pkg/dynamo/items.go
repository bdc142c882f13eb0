package dynamo

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/pkg/secrets"
)

// Item implements secrets.Items.
func (s *Store) Item(ctx context.Context, account, secret, item uuid.UUID) (secrets.Secret, secrets.Item, error) {
	return child(ctx, s, account, secret, itemKey(account, secret, item), itemRow.item)
}

// child reads a secret and a row in it. ErrNotFound: either is missing.
func child[R, T any](ctx context.Context, s *Store, account, secret uuid.UUID, k key, convert func(R) (T, error)) (parent secrets.Secret, x T, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { parent, err = s.Secret(ctx, account, secret); return err })
	g.Go(func() error {
		row, err := get[R](ctx, s, k)
		if err != nil {
			return err
		}
		x, err = convert(row)
		return err
	})
	return parent, x, g.Wait()
}

// Items implements secrets.Items.
func (s *Store) Items(ctx context.Context, account, secret uuid.UUID, from secrets.Cursor, limit int) (parent secrets.Secret, found []secrets.Item, err error) {
	found, parent, err = list(ctx,
		func(ctx context.Context) (secrets.Secret, error) { return s.Secret(ctx, account, secret) },
		func(ctx context.Context) ([]itemRow, error) {
			return page[itemRow](ctx, s, secretPK(account, secret), itemPrefix, from, limit)
		},
		itemRow.item)
	return parent, found, err
}

// ItemsWithKeys implements secrets.Items. Between its two reads an item can get another key; then it is left out.
func (s *Store) ItemsWithKeys(ctx context.Context, account, secret uuid.UUID, texts ...string) (parent secrets.Secret, found []secrets.Item, err error) {
	parentAt := secretKey(account, secret)
	keys := []key{parentAt}
	for _, text := range texts {
		keys = append(keys, itemKeyKey(account, secret, text))
	}
	rows, err := batch(ctx, s, keys)
	if err != nil {
		return parent, nil, err
	}
	row, exists := rows[parentAt]
	if !exists {
		return parent, nil, secrets.ErrNotFound
	}
	if parent, err = decode(row, secretRow.secret); err != nil {
		return parent, nil, err
	}
	delete(rows, parentAt)
	var p parser
	var ids []uuid.UUID
	of := make(map[uuid.UUID]string, len(rows))
	for k, row := range rows {
		marker, err := unmarshal[markerRow](row)
		if err != nil {
			return parent, nil, err
		}
		id := p.id(marker.Owner)
		ids, of[id] = append(ids, id), strings.TrimPrefix(k.SK, keyPrefix)
	}
	if p.err != nil || len(ids) == 0 {
		return parent, nil, p.err
	}
	read, err := withIDs(ctx, s, ids, func(id uuid.UUID) key { return itemKey(account, secret, id) }, itemRow.item)
	for _, it := range read {
		if of[it.ID] == it.Key {
			found = append(found, it)
		}
	}
	return parent, found, err
}

// WriteItems implements secrets.Items.
func (s *Store) WriteItems(ctx context.Context, c secrets.Change, ev secrets.Event, items ...secrets.ItemWrite) error {
	var writes []write
	purge := secrets.Purge{AccountID: c.Secret.AccountID, SecretID: c.Secret.ID, ID: ev.ID}
	for _, w := range items {
		isDeleted := w.Deleted != (secrets.Deleted{})
		if isDeleted {
			purge.Items, purge.Due = append(purge.Items, w.New.ID), w.Deleted.Due
		} else {
			c.Checksum += w.New.Revision
		}
		if !w.Restored {
			c.Checksum -= w.Old.Revision
		}
		writes = append(writes, s.writeItem(c.Secret.Name, w)...)
	}
	writes = append(s.change(c, ev), writes...)
	if len(purge.Items) > 0 {
		writes = append(writes, s.put(newPurgeRow(purge), secrets.ErrChanged))
	}
	return s.transact(ctx, ev, writes...)
}

// writeItem translates the change of an item. The name is its secret's.
func (s *Store) writeItem(name string, w secrets.ItemWrite) (writes []write) {
	old, it := w.Old, w.New
	account, secret, id := it.AccountID, it.SecretID, it.ID
	isDeleted := w.Deleted != (secrets.Deleted{})
	value := valueRow{valueKey(account, secret, id), it.Version, w.Sealed}
	switch {
	case isDeleted && w.Restored: // it is in the bin, and claimed there
		return []write{s.replace(newDeletedItemRow(it, name, w.Deleted), "revision = :read AND "+unclaimed,
			attributes{":read": number(old.Revision)}, secrets.ErrChanged)}
	case isDeleted:
		condition, values := "revision = :read AND attribute_not_exists(last_accessed_at)", attributes{":read": number(old.Revision)}
		if !old.LastAccessedAt.IsZero() {
			condition, values[":accessed"] = "revision = :read AND last_accessed_at = :accessed", text(timeText(old.LastAccessedAt))
		}
		return []write{
			s.remove(itemKey(account, secret, id), condition, nil, values, secrets.ErrChanged),
			s.removeOwned(itemKeyKey(account, secret, old.Key), id),
			s.remove(valueKey(account, secret, id), "attribute_exists(PK)", nil, nil, secrets.ErrChanged),
			s.put(newDeletedItemRow(it, name, w.Deleted), secrets.ErrChanged),
		}
	case old.ID == uuid.Nil, w.Restored:
		if w.Restored { // first: the key may be its own
			writes = append(writes, s.remove(deletedItemKey(account, secret, id), "revision = :read AND "+unclaimed,
				nil, attributes{":read": number(old.Revision)}, secrets.ErrChanged))
		}
		writes = append(writes,
			s.put(markerRow{itemKeyKey(account, secret, it.Key), id.String()}, secrets.ErrExists),
			s.put(newItemRow(it), secrets.ErrChanged),
			s.put(value, secrets.ErrChanged))
	default:
		writes = s.updateItemRow(old, it)
		if it.Version != old.Version {
			writes = append(writes, s.replace(value, "version = :read", attributes{":read": number(old.Version)}, secrets.ErrChanged))
		}
	}
	if w.Into != nil {
		row := versionRow{
			versionKey(account, secret, id, w.Into.Number), it.Version, w.Sealed, it.Size - len(it.Key), timeText(it.ValueAt), w.By.String(),
		}
		keep := s.put(row, secrets.ErrChanged)
		if w.Into.Version != 0 {
			keep = s.replace(row, "version = :dropped", attributes{":dropped": number(w.Into.Version)}, secrets.ErrChanged)
		}
		writes = append(writes, keep)
	}
	for _, slot := range w.Drop {
		writes = append(writes, s.remove(versionKey(account, secret, id, slot.Number), "version = :dropped", nil,
			attributes{":dropped": number(slot.Version)}, secrets.ErrChanged))
	}
	return writes
}

// updateItemRow updates an item's row, but not its last read, and its marker.
func (s *Store) updateItemRow(old, it secrets.Item) []write {
	writes := []write{s.update(itemKey(it.AccountID, it.SecretID, it.ID),
		"SET #key = :key, version = :version, last_version = :last, revision = :revision, history = :history, #size = :size, "+
			"updated_at = :at, value_at = :value",
		"revision = :read", map[string]string{"#key": "key", "#size": "size"}, attributes{
			":read": number(old.Revision), ":revision": number(it.Revision), ":size": number(int64(it.Size)),
			":key": text(it.Key), ":version": number(it.Version), ":last": number(it.LastVersion),
			":history": &types.AttributeValueMemberB{Value: []byte(it.History)},
			":at":      text(timeText(it.UpdatedAt)), ":value": text(timeText(it.ValueAt)),
		}, secrets.ErrChanged)}
	if it.Key != old.Key {
		writes = append(writes,
			s.removeOwned(itemKeyKey(it.AccountID, it.SecretID, old.Key), it.ID),
			s.put(markerRow{itemKeyKey(it.AccountID, it.SecretID, it.Key), it.ID.String()}, secrets.ErrExists))
	}
	return writes
}

// Versions implements secrets.Items. It returns no sealed value.
func (s *Store) Versions(ctx context.Context, it secrets.Item) ([]secrets.Version, error) {
	in := s.versionsOf(it.AccountID, it.SecretID, it.ID)
	in.ProjectionExpression = aws.String("version, #size, created_at, created_by")
	in.ExpressionAttributeNames = map[string]string{"#size": "size"}
	return all(ctx, s, in, func(r versionRow) (secrets.Version, error) {
		v, _, err := r.sealed()
		return v, err
	})
}

// versionsOf queries the versions of an item.
func (s *Store) versionsOf(account, secret, item uuid.UUID) *dynamodb.QueryInput {
	in := s.allOf(secretPK(account, secret))
	in.KeyConditionExpression = aws.String("PK = :pk AND begins_with(SK, :of)")
	in.ExpressionAttributeValues[":of"] = text(versionPrefix + item.String() + "#")
	return in
}

// SealedVersion implements secrets.Items.
func (s *Store) SealedVersion(ctx context.Context, it secrets.Item, slot int) (secrets.Version, secrets.SealedValue, error) {
	row, err := get[versionRow](ctx, s, versionKey(it.AccountID, it.SecretID, it.ID, slot))
	if err != nil {
		return secrets.Version{}, secrets.SealedValue{}, err
	}
	return row.sealed()
}

package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// BundleStore is the part of a [Store] that bundles are read from.
type BundleStore interface {
	Secret(ctx context.Context, account, secret uuid.UUID) (secrets.Secret, error)
	// SealedItems reads all items of a secret and their values. It is not a snapshot:
	// concurrent changes may be in the result or not, and a value's version may differ
	// from its item's.
	SealedItems(ctx context.Context, account, secret uuid.UUID) ([]secrets.SealedItem, error)
}

// bundler reads bundles of at most maxSize bytes.
type bundler struct {
	store   BundleStore
	opener  secrets.Opener
	maxSize int
}

// bundleTries limits how often a secret is read for a bundle. Only a secret that is
// written without a pause differs each time.
const bundleTries = 10

// read reads a secret and opens its items. The result is one state of the secret,
// never a mixture: the revision is the same before and after.
func (b bundler) read(ctx context.Context, account, secretID uuid.UUID) (Bundle, error) {
	before, err := b.store.Secret(ctx, account, secretID)
	if err != nil {
		return Bundle{}, fmt.Errorf("read secret: %w", err)
	}
	for range bundleTries {
		items, err := b.store.SealedItems(ctx, account, secretID)
		if err != nil {
			return Bundle{}, fmt.Errorf("read items: %w", err)
		}
		after, err := b.store.Secret(ctx, account, secretID)
		if err != nil {
			return Bundle{}, fmt.Errorf("read secret: %w", err)
		}
		if after.Revision != before.Revision || !after.Has(items) {
			before = after
			continue
		}
		read := Bundle{AccountID: account, SecretID: secretID, Name: after.Name, At: after.Bundle.Name, Revision: after.Revision, Versions: versions(items)}
		read.Content, err = b.openAll(ctx, items)
		return read, err
	}
	return Bundle{}, fmt.Errorf("read items: %w", secrets.ErrChanged)
}

// versions hashes the identity of a bundle's items, in the order of their ids. Times are
// part of it because a restored table gives a version number again, at another time.
func versions(items []secrets.SealedItem) [32]byte {
	var identity []byte
	for _, it := range items {
		identity = append(identity, it.Item.ID[:]...)
		identity = binary.BigEndian.AppendUint64(identity, uint64(it.Item.Version))
		identity = binary.BigEndian.AppendUint64(identity, uint64(it.Item.UpdatedAt.UnixMicro()))
	}
	return sha256.Sum256(identity)
}

// openAll opens items and encodes them as one JSON object, in the order of their keys.
func (b bundler) openAll(ctx context.Context, items []secrets.SealedItem) (secrets.Value, error) {
	values, err := secrets.OpenItems(ctx, b.opener, items)
	if err != nil {
		return secrets.Value{}, err
	}
	object := secrets.EncodeBundle(items, values)
	defer clear(object)
	if len(object) > b.maxSize {
		return secrets.Value{}, errors.New("the items take more bytes than a bundle may have")
	}
	return secrets.NewValue(string(object)), nil
}

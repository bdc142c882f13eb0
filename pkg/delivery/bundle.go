package delivery

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

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

// Opener opens sealed values.
type Opener interface {
	Open(ctx context.Context, associatedData map[string]string, blob []byte) (plaintext []byte, err error)
}

// bundler reads bundles of at most maxSize bytes.
type bundler struct {
	store   BundleStore
	opener  Opener
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
		if after.Revision != before.Revision || !consistent(items) {
			before = after
			continue
		}
		read := Bundle{AccountID: account, SecretID: secretID, Name: after.Name, At: after.Bundle.Name, Revision: after.Revision, Versions: versions(items)}
		read.Content, err = b.openAll(ctx, items)
		return read, err
	}
	return Bundle{}, fmt.Errorf("read items: %w", secrets.ErrChanged)
}

// consistent reports whether each item was read with its own value: the rows of a
// transaction do not become visible at the same moment.
func consistent(items []secrets.SealedItem) bool {
	return !slices.ContainsFunc(items, func(it secrets.SealedItem) bool { return it.Item.Version != it.Value.Version })
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

// openParallel is how many values are opened in parallel; each one is a KMS call.
const openParallel = 16

// openAll opens items and encodes them as one JSON object, in the order of their keys.
func (b bundler) openAll(ctx context.Context, items []secrets.SealedItem) (secrets.Value, error) {
	slices.SortFunc(items, func(a, b secrets.SealedItem) int { return cmp.Compare(a.Item.Key, b.Item.Key) })
	values := make([]secrets.Value, len(items))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(openParallel)
	for i, it := range items {
		g.Go(func() error {
			return secrets.Guard(func() error {
				plaintext, err := b.opener.Open(ctx, it.Item.AssociatedData(), it.Value.Blob)
				if err != nil {
					return fmt.Errorf("open item %s: %w", it.Item.ID, err)
				}
				values[i] = secrets.NewValue(string(plaintext))
				clear(plaintext)
				return nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		return secrets.Value{}, err
	}
	object := []byte{'{'}
	for i, it := range items {
		object = append(secrets.AppendEntry(object, it.Item.Key, values[i]), ',')
	}
	object = append(bytes.TrimSuffix(object, []byte(",")), '}')
	defer clear(object)
	if len(object) > b.maxSize {
		return secrets.Value{}, errors.New("the items take more bytes than a bundle may have")
	}
	return secrets.NewValue(string(object)), nil
}

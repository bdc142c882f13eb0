package secrets

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// MaxBundleSize is how many bytes a bundle may have: what AWS Secrets Manager takes.
const MaxBundleSize = 65536

// maxEntries is what the sizes of a bundle's entries may add up to: the object has two
// braces, and of n commas that are counted n-1.
const maxEntries = MaxBundleSize - 1

// Bundle is what services take: all items of a secret as they were at one revision.
type Bundle struct {
	AccountID uuid.UUID
	SecretID  uuid.UUID
	Name      string // of the secret
	Revision  int64
	Versions  [32]byte // SHA-256 over the items' ids, versions and times: never over values
	Content   Value    // a JSON object, {KEY: value}, at most MaxBundleSize bytes
}

// SealedItem is an item and its value, as they are stored.
type SealedItem struct {
	Item  Item
	Value SealedValue
}

// bundleTries is how often a secret is read for a bundle. Only one that is written
// without a pause is different each time.
const bundleTries = 10

// bundle reads a secret and opens its items. What it returns is one state of the
// secret, not a mixture: the revision is the same before and after.
func (s *Service) bundle(ctx context.Context, account, secretID uuid.UUID) (Bundle, error) {
	before, err := s.Store.Secret(ctx, account, secretID)
	if err != nil {
		return Bundle{}, fmt.Errorf("read secret: %w", err)
	}
	for range bundleTries {
		items, err := s.Store.SealedItems(ctx, account, secretID)
		if err != nil {
			return Bundle{}, fmt.Errorf("read items: %w", err)
		}
		after, err := s.Store.Secret(ctx, account, secretID)
		if err != nil {
			return Bundle{}, fmt.Errorf("read secret: %w", err)
		}
		if after.Revision != before.Revision || !consistent(items) {
			before = after
			continue
		}
		b := Bundle{AccountID: account, SecretID: secretID, Name: after.Name, Revision: after.Revision, Versions: versions(items)}
		b.Content, err = s.openAll(ctx, items)
		return b, err
	}
	return Bundle{}, fmt.Errorf("read items: %w", ErrChanged)
}

// consistent reports whether each item was read with its own value: a transaction's
// rows don't become visible at one moment.
func consistent(items []SealedItem) bool {
	return !slices.ContainsFunc(items, func(it SealedItem) bool { return it.Item.Version != it.Value.Version })
}

// versions is a hash over what the items of a bundle are, in the order of their ids. In
// a table that was restored, a version comes once more, but at another time.
func versions(items []SealedItem) [32]byte {
	var facts []byte
	for _, it := range items {
		facts = append(facts, it.Item.ID[:]...)
		facts = binary.BigEndian.AppendUint64(facts, uint64(it.Item.Version))
		facts = binary.BigEndian.AppendUint64(facts, uint64(it.Item.UpdatedAt.UnixMicro()))
	}
	return sha256.Sum256(facts)
}

// openAtOnce is how many values are opened at the same time; each is a call of KMS.
const openAtOnce = 16

// openAll opens items and makes a JSON object of them, in the order of their keys.
func (s *Service) openAll(ctx context.Context, items []SealedItem) (Value, error) {
	slices.SortFunc(items, func(a, b SealedItem) int { return cmp.Compare(a.Item.Key, b.Item.Key) })
	values := make([]Value, len(items))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(openAtOnce)
	for i, it := range items {
		g.Go(func() error {
			plaintext, err := s.Sealer.Open(ctx, it.Item.facts(), it.Value.Blob)
			if err != nil {
				return fmt.Errorf("open item %s: %w", it.Item.ID, err)
			}
			values[i] = NewValue(string(plaintext))
			clear(plaintext)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return Value{}, err
	}
	object := []byte{'{'}
	for i, it := range items {
		object = append(appendEntry(object, it.Item.Key, values[i]), ',')
	}
	object = append(bytes.TrimSuffix(object, []byte(",")), '}')
	defer clear(object)
	if len(object) > MaxBundleSize {
		return Value{}, errors.New("the items take more bytes than a bundle may have")
	}
	return NewValue(string(object)), nil
}

// entrySize is how many bytes an item takes in a bundle, with a comma.
func entrySize(key string, v Value) int {
	entry := appendEntry(nil, key, v)
	defer clear(entry)
	return len(entry) + len(",")
}

func appendEntry(to []byte, key string, v Value) []byte {
	return appendJSON(append(appendJSON(to, key), ':'), v.Reveal())
}

// appendJSON appends a text as JSON, with <, > and & as they are.
func appendJSON(to []byte, text string) []byte {
	b := bytes.NewBuffer(to)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // neither a text nor a buffer can fail it
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

package secrets

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

// A bundle is one JSON object {KEY: value} of all items of a secret, in the order of
// their keys. This file owns its encoding, because the size of a used secret's bundle
// is limited and each item carries its share of it.

// AppendEntry appends a member of a bundle's object, without a comma. JSON leaves <, >
// and & as they are.
func AppendEntry(to []byte, key string, v Value) []byte {
	return appendJSON(append(appendJSON(to, key), ':'), v.Reveal())
}

// EncodeBundle encodes items and their values as a bundle. It sorts neither.
func EncodeBundle(items []SealedItem, values []Value) []byte {
	object := []byte{'{'}
	for i, it := range items {
		if i > 0 {
			object = append(object, ',')
		}
		object = AppendEntry(object, it.Item.Key, values[i])
	}
	return append(object, '}')
}

// Opener opens sealed values.
type Opener interface {
	Open(ctx context.Context, associatedData map[string]string, blob []byte) (plaintext []byte, err error)
}

// openParallel is how many values are opened in parallel; each one is a KMS call.
const openParallel = 16

// OpenItems sorts items by their keys and opens them.
func OpenItems(ctx context.Context, o Opener, items []SealedItem) ([]Value, error) {
	slices.SortFunc(items, func(a, b SealedItem) int { return cmp.Compare(a.Item.Key, b.Item.Key) })
	values := make([]Value, len(items))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(openParallel)
	for i, it := range items {
		g.Go(func() error {
			return Guard(func() error {
				plaintext, err := o.Open(ctx, it.Item.AssociatedData(), it.Value.Blob)
				if err != nil {
					return fmt.Errorf("open item %s: %w", it.Item.ID, err)
				}
				values[i] = NewValue(string(plaintext))
				clear(plaintext)
				return nil
			})
		})
	}
	return values, g.Wait()
}

func appendJSON(to []byte, text string) []byte {
	b := bytes.NewBuffer(to)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // cannot fail: a string into a buffer
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// entrySize is the number of bytes of an item in a bundle, including a comma.
func entrySize(key string, v Value) int {
	entry := AppendEntry(nil, key, v)
	defer clear(entry)
	return len(entry) + len(",")
}

// maxEntries limits the sum of a bundle's entry sizes. The object adds two braces, and
// n entries have n-1 commas while their sizes count n.
func (m *Manager) maxEntries() int { return m.MaxBundleSize - 1 }

// bundleFull refuses a field that makes the bundle of a used secret too large.
func (m *Manager) bundleFull(field string) error {
	return fault(field, fmt.Sprintf(
		"With this, the items of the secret, which services use, would take more than %d bytes as a JSON object.", m.MaxBundleSize))
}

// bundleTooLarge refuses the first service of a secret whose bundle is too large.
func (m *Manager) bundleTooLarge() string {
	return fmt.Sprintf("The items of this secret are too large to be delivered to a service: "+
		"as a JSON object they take more than %d bytes.", m.MaxBundleSize)
}

// Has reports whether these are all items of the secret as it was read, each with its value. Rows of a transaction do
// not become visible at the same moment, so reads of several rows can be a mixture of states; then the sum of the
// items' revisions differs.
func (s Secret) Has(items []SealedItem) bool {
	sum := int64(0)
	for _, it := range items {
		if it.Item.Version != it.Value.Version {
			return false
		}
		sum += it.Item.Revision
	}
	return len(items) == s.Items && sum == s.Checksum
}

package secrets

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// A bundle is one JSON object {KEY: value} of all items of a secret, in the order of
// their keys. This file owns its encoding, because the size of a used secret's bundle
// is limited and each item carries its share of it.

// AppendEntry appends a member of a bundle's object, without a comma. JSON leaves <, >
// and & as they are.
func AppendEntry(to []byte, key string, v Value) []byte {
	return appendJSON(append(appendJSON(to, key), ':'), v.Reveal())
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

package secrets

import "log/slog"

const redacted = "[redacted]"

// Mask is what stands for a value wherever it is not revealed.
const Mask = "********"

// Value is the plaintext of an item. However it is printed, logged or encoded it
// says "[redacted]": only Reveal gives it away, so its callers can be counted.
type Value struct{ text string }

// NewValue wraps a plaintext.
func NewValue(text string) Value { return Value{text} }

// Reveal returns the plaintext.
func (v Value) Reveal() string { return v.text }

func (Value) String() string               { return redacted }
func (Value) GoString() string             { return redacted }
func (Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (Value) LogValue() slog.Value         { return slog.StringValue(redacted) }

// SealedValue is a value as it is stored.
type SealedValue struct {
	Version int64
	Blob    []byte
}

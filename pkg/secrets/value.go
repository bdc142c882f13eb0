package secrets

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Mask replaces a value wherever it is not revealed.
const Mask = "********"

// Value is the plaintext of an item. It prints, logs and encodes as "[redacted]". Only
// Reveal returns the plaintext, so its callers can be counted.
type Value struct {
	text *string // behind a pointer: fmt prints unexported fields without asking their type
}

// NewValue wraps a plaintext.
func NewValue(text string) Value { return Value{&text} }

// Reveal returns the plaintext. That of the zero Value is empty.
func (v Value) Reveal() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

func (Value) String() string               { return redacted }
func (Value) Format(f fmt.State, _ rune)   { redact(f) }
func (Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (Value) LogValue() slog.Value         { return slog.StringValue(redacted) }

// redact prints the placeholder of a secret string for every verb.
func redact(f fmt.State) { _, _ = io.WriteString(f, redacted) } // fmt reports write errors

// SealedValue is a value as it is stored.
type SealedValue struct {
	Version int64
	Blob    []byte
}

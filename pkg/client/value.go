package client

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Value is the plaintext of an item. It prints and logs as "[redacted]", and cannot be marshalled. Only Reveal
// returns the plaintext. The zero Value is none: an update with it keeps the value that is there.
type Value struct {
	// Printers of unexported fields follow pointers, but cannot look into a function.
	reveal func() string
}

// NewValue wraps a plaintext.
func NewValue(text string) Value { return Value{func() string { return text }} }

// Reveal returns the plaintext. That of the zero Value is empty.
func (v Value) Reveal() string {
	if v.reveal == nil {
		return ""
	}
	return v.reveal()
}

// IsZero reports whether v is the zero Value.
func (v Value) IsZero() bool { return v.reveal == nil }

func (Value) String() string             { return redacted }
func (Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) } // fmt reports write errors
func (Value) LogValue() slog.Value       { return slog.StringValue(redacted) }

// MarshalText fails: a file or message with "[redacted]" in the place of a value would be found too late.
func (Value) MarshalText() ([]byte, error) { return nil, errMarshal }

// GobEncode fails like MarshalText.
func (Value) GobEncode() ([]byte, error) { return nil, errMarshal }

var errMarshal = errors.New("client: a Value cannot be marshalled: call Reveal where its plaintext is meant")

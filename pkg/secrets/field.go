package secrets

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxNameLength = 255       // code points, of names and keys
	maxValueSize  = 64 * 1024 // bytes of UTF-8
)

// The texts are those of Django REST framework, which the API's clients know.
const (
	msgRequired = "This field is required."
	msgBlank    = "This field may not be blank."
	msgNUL      = "Null characters are not allowed."
	msgBadKey   = "Enter a valid key: letters, digits, dots, underscores and hyphens only."
	msgMask     = "This is the mask, not a value."
)

var keyPattern = regexp.MustCompile(`^[A-Za-z0-9._-]*$`)

// Field is one field of an input as the caller gave it. It may hold a plaintext
// value, so it prints as "[redacted]". The zero Field was not given.
type Field struct {
	given bool
	text  string
	fault string
}

// Text is a field that holds text.
func Text(text string) Field { return Field{given: true, text: text} }

// NoText is a field that was given but is no text; fault says why, to the caller.
func NoText(fault string) Field { return Field{given: true, fault: fault} }

func (Field) String() string             { return redacted }
func (Field) Format(f fmt.State, _ rune) { redact(f) }
func (Field) LogValue() slog.Value       { return slog.StringValue(redacted) }

// check lists what is wrong with the field: what every field must be first, then
// what rules find.
func (f Field) check(rules func(text string) []string) []string {
	switch {
	case !f.given:
		return []string{msgRequired}
	case f.fault != "":
		return []string{f.fault}
	case f.text == "":
		return []string{msgBlank}
	}
	messages := rules(f.text)
	if strings.ContainsRune(f.text, 0) {
		messages = append(messages, msgNUL)
	}
	return messages
}

// name checks the name of a secret or account, and returns it trimmed.
func (f Field) name() (string, []string) {
	f.text = trim(f.text)
	return f.text, f.check(maxLength)
}

// key checks the key of an item, and returns it trimmed.
func (f Field) key() (string, []string) {
	f.text = trim(f.text)
	messages := f.check(maxLength)
	if !keyPattern.MatchString(f.text) {
		messages = append(messages, msgBadKey)
	}
	return f.text, messages
}

// value checks the value of an item, which is opaque: nothing of it is trimmed.
func (f Field) value() (Value, []string) {
	return NewValue(f.text), f.check(func(text string) []string {
		switch {
		case text == Mask: // a listed item, sent back, would destroy its value
			return []string{msgMask}
		case len(text) > maxValueSize:
			return []string{fmt.Sprintf("Ensure this field has no more than %d bytes.", maxValueSize)}
		}
		return nil
	})
}

func maxLength(text string) []string {
	if utf8.RuneCountInString(text) > maxNameLength {
		return []string{fmt.Sprintf("Ensure this field has no more than %d characters.", maxNameLength)}
	}
	return nil
}

// trim removes what Python's str.strip removes: Go's spaces and U+001C to U+001F.
func trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f
	})
}

// faults gathers what is wrong with several fields into one error, or nil.
type faults struct{ invalid Invalid }

func (f *faults) add(field string, messages []string) {
	if len(messages) > 0 {
		f.invalid = append(f.invalid, Fault{field, messages})
	}
}

func (f *faults) err() error {
	if len(f.invalid) == 0 {
		return nil
	}
	return f.invalid
}

func fault(field, message string) Invalid { return Invalid{{field, []string{message}}} }

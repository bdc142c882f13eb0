package secrets

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

const (
	maxNameLength  = 255       // code points
	maxKeyLength   = 253       // of a key of a Kubernetes secret
	maxLabelLength = 63        // of a DNS label
	maxImageLength = 512       // code points
	maxValueSize   = 64 * 1024 // bytes of UTF-8
	maxPort        = 65535
)

// The messages are those of Django REST framework, which the API's clients know.
const (
	msgRequired = "This field is required."
	msgBlank    = "This field may not be blank."
	msgNUL      = "Null characters are not allowed."
	msgControl  = "Control characters are not allowed."
	msgUnseen   = "Enter a name with visible characters."
	msgBadKey   = "Enter a valid key: letters, digits, dots, underscores and hyphens only."
	msgDots     = "Enter a valid key: a dot alone, and two dots at the beginning, are not allowed."
	msgMask     = "This is the mask, not a value."
	msgBadLabel = "Enter a valid name: lowercase letters, digits and hyphens only, with a letter or digit at both ends."
	msgBadImage = "Enter a valid image reference."
	msgNoNumber = "A valid integer is required."
)

var (
	keyPattern   = regexp.MustCompile(`^[A-Za-z0-9._-]*$`)
	labelPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

	// The grammar of github.com/distribution/reference. That package compiles its
	// patterns at program start, which adds 0.8 ms of a full CPU to each cold start.
	// This pattern compiles on first use.
	imagePattern = sync.OnceValue(func() *regexp.Regexp {
		const (
			label  = `(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])`
			host   = `(?:` + label + `(?:\.` + label + `)*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?`
			part   = `[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*`
			tag    = `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`
			digest = `[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}`
		)
		return regexp.MustCompile(`^(?:` + host + `/)?` + part + `(?:/` + part + `)*(?::` + tag + `)?(?:@` + digest + `)?$`)
	})
)

// Field is one field of an input as the caller sent it. It may hold a plaintext value,
// so it prints as "[redacted]". The zero Field was not given.
type Field struct {
	given bool
	null  bool
	text  string
	fault string
}

// Text is a field that holds a string.
func Text(text string) Field { return Field{given: true, text: text} }

// Null is a field that was given as null.
func Null() Field { return Field{given: true, null: true} }

// Malformed is a field that was given but is not a string. The caller sees fault.
func Malformed(fault string) Field { return Field{given: true, fault: fault} }

func (Field) String() string             { return redacted }
func (Field) Format(f fmt.State, _ rune) { redact(f) }
func (Field) LogValue() slog.Value       { return slog.StringValue(redacted) }

// check returns the field's faults: first those common to all fields, then those that
// rules find.
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

// name checks the name of a secret or account and returns it trimmed.
func (f Field) name() (string, []string) {
	f.text = trim(f.text)
	return f.text, f.check(func(text string) []string {
		messages := maxLength(maxNameLength)(text)
		switch {
		case strings.ContainsFunc(text, func(r rune) bool { return r != 0 && unicode.IsControl(r) }):
			messages = append(messages, msgControl)
		case strings.ContainsRune(text, 0): // check tells it
		case !strings.ContainsFunc(text, visible):
			messages = append(messages, msgUnseen)
		}
		return messages
	})
}

// visible reports whether a character shows anything. Characters that are newer than Go's tables do.
func visible(r rune) bool {
	const blankBraille = '\u2800'
	return r != blankBraille && !unicode.In(r, unicode.Z, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// optional checks a string that may be missing or null, and returns it trimmed.
func (f Field) optional() (string, []string) {
	if !f.given || f.null {
		return "", nil
	}
	return f.name()
}

// label checks the name of a service, which is a DNS label, and returns it trimmed.
func (f Field) label() (string, []string) {
	return f.pattern(maxLabelLength, labelPattern, msgBadLabel)
}

// image checks a container image reference and returns it trimmed.
func (f Field) image() (string, []string) {
	return f.pattern(maxImageLength, imagePattern(), msgBadImage)
}

func (f Field) pattern(length int, pattern *regexp.Regexp, message string) (string, []string) {
	f.text = trim(f.text)
	return f.text, f.check(func(text string) []string {
		messages := maxLength(length)(text)
		if !pattern.MatchString(text) {
			messages = append(messages, message)
		}
		return messages
	})
}

// port checks a port number. Like DRF, it accepts a string and a fraction of zeros.
func (f Field) port() (int, []string) {
	switch {
	case !f.given:
		return 0, []string{msgRequired}
	case f.fault != "":
		return 0, []string{f.fault}
	}
	whole, fraction, _ := strings.Cut(trim(f.text), ".")
	n, err := strconv.Atoi(whole)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange), strings.Trim(fraction, "0") != "":
		return 0, []string{msgNoNumber}
	case n < 1: // out of range, Atoi returns the nearest int
		return 0, []string{"Ensure this value is greater than or equal to 1."}
	case n > maxPort:
		return 0, []string{fmt.Sprintf("Ensure this value is less than or equal to %d.", maxPort)}
	}
	return n, nil
}

// key checks the key of an item and returns it trimmed. All items of a secret can become keys of one
// Kubernetes secret, so a key is one there.
func (f Field) key() (string, []string) {
	f.text = trim(f.text)
	messages := f.check(maxLength(maxKeyLength))
	if !keyPattern.MatchString(f.text) {
		messages = append(messages, msgBadKey)
	} else if f.text == "." || strings.HasPrefix(f.text, "..") {
		messages = append(messages, msgDots)
	}
	return f.text, messages
}

// value checks the value of an item. Values are opaque and never trimmed.
func (f Field) value() (Value, []string) {
	return NewValue(f.text), f.check(func(text string) []string {
		switch {
		case text == Mask: // a client that sends a listed item back must not destroy its value
			return []string{msgMask}
		case len(text) > maxValueSize:
			return []string{fmt.Sprintf("Ensure this field has no more than %d bytes.", maxValueSize)}
		}
		return nil
	})
}

func maxLength(characters int) func(text string) []string {
	return func(text string) []string {
		if utf8.RuneCountInString(text) > characters {
			return []string{fmt.Sprintf("Ensure this field has no more than %d characters.", characters)}
		}
		return nil
	}
}

// trim removes the same characters as Python's str.strip: Go's spaces and U+001C to
// U+001F.
func trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f
	})
}

// faults collects the faults of several fields into one error.
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

// addTaken adds to the faults of other fields that the name or key in the first field is taken, if it is
// found. Without other faults the write itself tells.
func addTaken[T any](f *faults, field, message string, find func() ([]T, error)) error {
	if len(f.invalid) == 0 || f.invalid[0].Field == field {
		return nil
	}
	found, err := find()
	if err != nil {
		return fmt.Errorf("find by %s: %w", field, err)
	}
	if len(found) > 0 {
		f.invalid = slices.Insert(f.invalid, 0, Fault{field, []string{message}})
	}
	return nil
}

func fault(field, message string) Invalid { return Invalid{{field, []string{message}}} }

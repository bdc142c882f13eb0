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
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

const (
	maxNameLength  = 255       // code points
	maxShortName   = 64        // bytes of a user's or key's name, so that events stay small
	maxEmailLength = 254       // of a path in RFC 5321, without its brackets
	maxKeyLength   = 253       // of a key of a Kubernetes secret
	maxLabelLength = 63        // of a DNS label
	maxImageLength = 512       // code points
	maxValueSize   = 64 * 1024 // bytes of UTF-8
	maxPort        = 65535
)

// The messages are those of Django REST framework, which the API's clients know.
const (
	msgRequired = "This field is required."
	msgNull     = "This field may not be null."
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
	msgNoBool   = "Must be a valid boolean."
	msgNoList   = `Expected a list of items but got type "str".`
	msgNoItems  = "This list may not be empty."
	msgBadUUID  = "Must be a valid UUID."
	msgBadEmail = "Enter a valid email address."
	msgBadTime  = "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
	msgNoTime   = "Datetime value out of range."
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

	// The addresses that Django accepts, but for quoted names, IP addresses and localhost.
	emailPattern = sync.OnceValue(func() *regexp.Regexp {
		const (
			atom  = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
			label = `[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?`
			top   = `[A-Za-z0-9-]{1,62}[A-Za-z0-9]`
		)
		return regexp.MustCompile(`^` + atom + `(?:\.` + atom + `)*@(?:` + label + `\.)+` + top + `$`)
	})

	// time.Parse alone also accepts hours of one digit, a comma and offsets of more than a day.
	timePattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(?:\.\d+)?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$`)
	})
)

// Field is one field of an input as the caller sent it. It may hold a plaintext value,
// so it prints as "[redacted]". The zero Field was not given.
type Field struct {
	given bool
	null  bool
	text  string
	list  []string // not nil in a list, nil in all other fields
	fault string
}

// Text is a field that holds a string.
func Text(text string) Field { return Field{given: true, text: text} }

// Texts is a field that holds a list of strings.
func Texts(items ...string) Field { return Field{given: true, list: append([]string{}, items...)} }

// Bool is a field that holds a boolean. Like a number, it is kept as its text.
func Bool(b bool) Field { return Text(strconv.FormatBool(b)) }

// Null is a field that was given as null.
func Null() Field { return Field{given: true, null: true} }

// Malformed is a field that was given with another type. The caller sees fault.
func Malformed(fault string) Field { return Field{given: true, fault: fault} }

func (Field) String() string             { return redacted }
func (Field) Format(f fmt.State, _ rune) { redact(f) }
func (Field) LogValue() slog.Value       { return slog.StringValue(redacted) }

// common returns the faults that all kinds of fields have.
func (f Field) common() []string {
	switch {
	case !f.given:
		return []string{msgRequired}
	case f.null:
		return []string{msgNull}
	case f.fault != "":
		return []string{f.fault}
	}
	return nil
}

// check returns the field's faults: first those common to all fields, then those that
// rules find.
func (f Field) check(rules func(text string) []string) []string {
	if messages := f.common(); messages != nil {
		return messages
	}
	if f.text == "" {
		return []string{msgBlank}
	}
	messages := rules(f.text)
	if strings.ContainsRune(f.text, 0) {
		messages = append(messages, msgNUL)
	}
	return messages
}

// name checks the name of a secret or account and returns it trimmed.
func (f Field) name() (string, []string) { return f.visibleText(maxLength(maxNameLength)) }

// shortName checks the name of a user or key and returns it trimmed.
func (f Field) shortName() (string, []string) { return f.visibleText(maxSize(maxShortName)) }

// visibleText checks a string that people read, and returns it trimmed.
func (f Field) visibleText(length func(text string) []string) (string, []string) {
	f.text = trim(f.text)
	return f.text, f.check(func(text string) []string {
		messages := length(text)
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

// email checks an email address that may be missing, null or blank, and returns it trimmed.
func (f Field) email() (string, []string) {
	if f.fault == "" && trim(f.text) == "" {
		return "", nil
	}
	return f.pattern(maxEmailLength, emailPattern(), msgBadEmail)
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

// port checks a port number.
func (f Field) port() (int, []string) { return f.integer(1, maxPort) }

// limit checks an integer that may be null, which is 0.
func (f Field) limit(low, high int) (n int, messages []string) {
	if f.null {
		return 0, nil
	}
	return f.integer(low, high)
}

// integer checks a number. Like DRF, it accepts a string and a fraction of zeros.
func (f Field) integer(low, high int) (int, []string) {
	if messages := f.common(); messages != nil {
		return 0, messages
	}
	whole, fraction, _ := strings.Cut(trim(f.text), ".")
	n, err := strconv.Atoi(whole)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange), strings.Trim(fraction, "0") != "":
		return 0, []string{msgNoNumber}
	case n < low: // out of range, Atoi returns the nearest int
		return 0, []string{fmt.Sprintf("Ensure this value is greater than or equal to %d.", low)}
	case n > high:
		return 0, []string{fmt.Sprintf("Ensure this value is less than or equal to %d.", high)}
	}
	return n, nil
}

// boolean checks a boolean. A field that was not given is false.
func (f Field) boolean() (bool, []string) {
	if !f.given {
		return false, nil
	}
	if messages := f.common(); messages != nil {
		return false, messages
	}
	if f.text != "true" && f.text != "false" {
		return false, []string{msgNoBool}
	}
	return f.text == "true", nil
}

// choice checks a string that must be one of the choices.
func (f Field) choice(choices ...string) (string, []string) {
	if messages := f.common(); messages != nil {
		return "", messages
	}
	if !slices.Contains(choices, f.text) {
		return "", []string{msgNoChoice(f.text)}
	}
	return f.text, nil
}

// choiceNamed is choice with an error that names the choices.
func (f Field) choiceNamed(choices []string) (string, []string) {
	text, messages := f.choice(choices...)
	if messages != nil {
		messages = []string{messages[0] + " Choose from: " + strings.Join(choices, ", ") + "."}
	}
	return text, messages
}

// moment checks a time that may be null, and returns it in UTC, in whole microseconds. The time must have an
// offset, because the server cannot know the caller's. The zero time is out of range: elsewhere it means none.
func (f Field) moment() (t time.Time, messages []string) {
	if f.null {
		return time.Time{}, nil
	}
	if messages := f.common(); messages != nil {
		return time.Time{}, messages
	}
	found := timePattern().FindStringSubmatch(f.text)
	if found == nil {
		return time.Time{}, []string{msgBadTime}
	}
	layout := time.RFC3339
	if seconds := found[1]; seconds == "" {
		layout = "2006-01-02T15:04Z07:00"
	}
	t, err := time.Parse(layout, f.text)
	if err != nil {
		return time.Time{}, []string{msgBadTime}
	}
	t = t.UTC().Truncate(time.Microsecond)
	if !t.After(time.Time{}) || t.Year() > 9999 {
		return time.Time{}, []string{msgNoTime}
	}
	return t, nil
}

// items checks a list that has at least one item.
func (f Field) items() ([]string, []string) {
	switch messages := f.common(); {
	case messages != nil:
		return nil, messages
	case f.list == nil:
		return nil, []string{msgNoList}
	case len(f.list) == 0:
		return nil, []string{msgNoItems}
	}
	return f.list, nil
}

// permissions checks a set of permissions.
func (f Field) permissions() (set Permissions, messages []string) {
	names, messages := f.items()
	for _, name := range names {
		p, err := ParsePermissions(name)
		if err != nil {
			return 0, []string{msgNoChoice(name) + " Known: " + strings.Join(PermissionNames, ", ") + "."}
		}
		set |= p
	}
	return set, messages
}

// ids checks a set of ids that may be null, which is nil, and returns it sorted.
func (f Field) ids(most int) (ids []uuid.UUID, messages []string) {
	if f.null {
		return nil, nil
	}
	items, messages := f.items()
	if messages != nil {
		return nil, messages
	}
	for _, text := range items {
		id, err := parseID(text)
		if err != nil {
			return nil, []string{msgBadUUID}
		}
		ids = append(ids, id)
	}
	slices.SortFunc(ids, compareIDs)
	if ids = slices.Compact(ids); len(ids) > most {
		return nil, []string{fmt.Sprintf("Ensure this field has no more than %d elements.", most)}
	}
	return ids, nil
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
		if text == Mask { // a client that sends a listed item back must not destroy its value
			return []string{msgMask}
		}
		return maxSize(maxValueSize)(text)
	})
}

func msgNoChoice(text string) string { return `"` + text + `" is not a valid choice.` }

func maxLength(characters int) func(text string) []string {
	return func(text string) []string {
		if utf8.RuneCountInString(text) > characters {
			return []string{fmt.Sprintf("Ensure this field has no more than %d characters.", characters)}
		}
		return nil
	}
}

func maxSize(most int) func(text string) []string {
	return func(text string) []string {
		if len(text) > most {
			return []string{fmt.Sprintf("Ensure this field has no more than %d bytes.", most)}
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

// takenBefore is the error of a failed precondition, unless the new name or key in a field is taken: all faults of an
// input come first. Without a precondition the write itself says so.
func takenBefore[T any](failed error, isNew bool, field, message string, find func() ([]T, error)) error {
	if failed == nil || !isNew {
		return failed
	}
	found, err := find()
	if err != nil {
		return fmt.Errorf("find by %s: %w", field, err)
	}
	if len(found) > 0 {
		return fault(field, message)
	}
	return failed
}

func fault(field, message string) Invalid { return Invalid{{field, []string{message}}} }

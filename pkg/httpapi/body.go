package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"goblins-secrets/pkg/secrets"
)

// maxBody limits a request's body, in bytes. The largest value, 64 KiB, takes six times
// that if each of its bytes is escaped.
const maxBody = 512 * 1024

// maxBatchBody is that of a batch, whose values have 128 KiB together.
const maxBatchBody = 1024 * 1024

const (
	msgNull      = "This field may not be null."
	msgNotText   = "Not a valid string."
	msgNotNumber = "A valid integer is required."
	msgNotBool   = "Must be a valid boolean."
)

// body is the JSON object of a request. Names are case-sensitive, the last of duplicates
// counts, and unknown names are ignored.
type body map[string]json.RawMessage

// readBody reads the body. An empty body is an empty object, whatever its type.
func readBody(r *http.Request) (body, error) { return readBodyUpTo(r, maxBody) }

func readBodyUpTo(r *http.Request, most int64) (body, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, most))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, errParse("the body ended early.")
	}
	if len(raw) == 0 {
		return nil, nil
	}
	if contentType := r.Header.Get("Content-Type"); contentType != "" {
		if media, _, _ := mime.ParseMediaType(contentType); media != "application/json" {
			return nil, errMediaType(contentType)
		}
	}
	if bytes.HasPrefix(raw, []byte("\ufeff")) {
		return nil, errParse("unexpected byte order mark.")
	}
	if !utf8.Valid(raw) { // encoding/json would replace invalid bytes
		return nil, errParse("the body is not UTF-8.")
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(raw, new(json.RawMessage)); errors.As(err, &syntax) {
		return nil, errParse(fmt.Sprintf("malformed at byte %d.", syntax.Offset))
	}
	switch kind := kindOf(raw); kind {
	case "dict":
	case "NoneType":
		return nil, secrets.Invalid{{Field: "non_field_errors", Messages: []string{"No data provided"}}}
	default:
		return nil, secrets.Invalid{{Field: "non_field_errors", Messages: []string{
			"Invalid data. Expected a dictionary, but got " + kind + ".",
		}}}
	}
	var b body
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, errParse("the object can't be read.")
	}
	return b, nil
}

// kindOf names the type of a JSON value as Python does, because clients know those names.
func kindOf(raw json.RawMessage) string {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	switch raw[0] {
	case '{':
		return "dict"
	case '[':
		return "list"
	case '"':
		return "str"
	case 't', 'f':
		return "bool"
	case 'n':
		return "NoneType"
	}
	if bytes.ContainsAny(raw, ".eE") {
		return "float"
	}
	return "int"
}

// text is a field that accepts a string or, like DRF, a number as its text.
func (b body) text(name string) secrets.Field {
	raw := b[name]
	if raw == nil {
		return secrets.Field{}
	}
	switch kindOf(raw) {
	case "int":
		return secrets.Text(intText(string(raw)))
	case "float":
		return secrets.Text(floatText(string(raw)))
	}
	return b.opaque(name)
}

// opaque is a field that accepts a string unchanged, and nothing else.
func (b body) opaque(name string) secrets.Field {
	raw := b[name]
	if raw == nil {
		return secrets.Field{}
	}
	if kindOf(raw) == "NoneType" {
		return secrets.Malformed(msgNull)
	}
	text, fault := stringOf(raw)
	if fault != "" {
		return secrets.Malformed(fault)
	}
	return secrets.Text(text)
}

// stringOf returns the string that a JSON value is, or why it is not one.
func stringOf(raw json.RawMessage) (text, fault string) {
	if kindOf(raw) != "str" {
		return "", msgNotText
	}
	if lone, found := loneSurrogate(raw); found {
		return "", fmt.Sprintf("Surrogate characters are not allowed: U+%04X.", lone)
	}
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", msgNotText // unreachable: raw is a valid JSON string
	}
	return text, ""
}

// objects is a field that accepts a list. Each of its elements that is not an object has a fault instead.
func (b body) objects(name string) (elements []body, faults []secrets.Invalid, err error) {
	raws, fault := b.elements(name)
	if fault != "" {
		return nil, nil, secrets.Invalid{{Field: name, Messages: []string{fault}}}
	}
	elements, faults = make([]body, len(raws)), make([]secrets.Invalid, len(raws))
	for i, raw := range raws {
		if kind := kindOf(raw); kind != "dict" {
			faults[i] = secrets.Invalid{{Field: "non_field_errors", Messages: []string{"Invalid data. Expected a dictionary, but got " + kind + "."}}}
			continue
		}
		if err := json.Unmarshal(raw, &elements[i]); err != nil {
			return nil, nil, errParse("the object can't be read.")
		}
	}
	return elements, faults, nil
}

// texts is a field that accepts a list of what text accepts.
func (b body) texts(name string) (fields []secrets.Field, err error) {
	raws, fault := b.elements(name)
	if fault != "" {
		return nil, secrets.Invalid{{Field: name, Messages: []string{fault}}}
	}
	for _, raw := range raws {
		fields = append(fields, body{name: raw}.text(name))
	}
	return fields, nil
}

// elements returns the elements of a list, or why it is none.
func (b body) elements(name string) (raws []json.RawMessage, fault string) {
	raw := b[name]
	if raw == nil {
		return nil, ""
	}
	switch kind := kindOf(raw); kind {
	case "list":
	case "NoneType":
		return nil, msgNull
	default:
		return nil, `Expected a list of items but got type "` + kind + `".`
	}
	if err := json.Unmarshal(raw, &raws); err != nil {
		return nil, msgNotText // unreachable: raw is a valid JSON list
	}
	return raws, ""
}

// nullableOpaque is an opaque field that also accepts null.
func (b body) nullableOpaque(name string) secrets.Field {
	if b.isNull(name) {
		return secrets.Null()
	}
	return b.opaque(name)
}

// list is a field that accepts a list of strings. The first item that is not a string is the fault of the
// whole field.
func (b body) list(name string) secrets.Field {
	raw := b[name]
	if raw == nil {
		return secrets.Field{}
	}
	items, fault := b.elements(name)
	if fault != "" {
		return secrets.Malformed(fault)
	}
	texts := make([]string, len(items))
	for i, item := range items {
		text, fault := stringOf(item)
		if fault != "" {
			return secrets.Malformed(fault)
		}
		texts[i] = text
	}
	return secrets.Texts(texts...)
}

// nullableList is a list that may be null.
func (b body) nullableList(name string) secrets.Field {
	if b.isNull(name) {
		return secrets.Null()
	}
	return b.list(name)
}

// nullable is a text field that also accepts null.
func (b body) nullable(name string) secrets.Field {
	if b.isNull(name) {
		return secrets.Null()
	}
	return b.text(name)
}

// integer is a field that accepts a number or its text.
func (b body) integer(name string) secrets.Field {
	return b.scalar(name, func(string) string { return msgNotNumber })
}

// nullableInteger is an integer field that also accepts null.
func (b body) nullableInteger(name string) secrets.Field {
	if b.isNull(name) {
		return secrets.Null()
	}
	return b.integer(name)
}

func (b body) isNull(name string) bool { return b[name] != nil && kindOf(b[name]) == "NoneType" }

// boolean is a field that accepts true and false.
func (b body) boolean(name string) secrets.Field {
	raw := b[name]
	if raw == nil {
		return secrets.Field{}
	}
	switch kindOf(raw) {
	case "bool":
		return secrets.Bool(string(raw) == "true")
	case "NoneType":
		return secrets.Malformed(msgNull)
	}
	return secrets.Malformed(msgNotBool)
}

// reference is a field that accepts an id. A blank id is null, as in DRF.
func (b body) reference(name string) secrets.Field {
	if string(b[name]) == `""` {
		return secrets.Malformed(msgNull)
	}
	return b.scalar(name, func(kind string) string { return "Incorrect type. Expected pk value, received " + kind + "." })
}

// scalar is text with another fault for values of other types.
func (b body) scalar(name string, fault func(kind string) string) secrets.Field {
	raw := b[name]
	if raw == nil {
		return secrets.Field{}
	}
	switch kind := kindOf(raw); kind {
	case "bool", "list", "dict":
		return secrets.Malformed(fault(kind))
	}
	return b.text(name)
}

// intText is Python's str of an integer: its exact digits, and no minus before 0.
func intText(digits string) string {
	if digits == "-0" {
		return "0"
	}
	return digits
}

// floatText is Python's str of a float: the shortest digits that round-trip.
func floatText(number string) string {
	f, _ := strconv.ParseFloat(number, 64) // out of range: infinite, as in Python
	if math.IsInf(f, 0) {
		return strings.TrimPrefix(strings.ToLower(fmt.Sprint(f)), "+")
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// loneSurrogate finds an unpaired surrogate escape in a valid JSON string. encoding/json
// would replace it by U+FFFD, and the value would not be the caller's.
func loneSurrogate(raw json.RawMessage) (lone uint64, found bool) {
	const high, low, end = 0xd800, 0xdc00, 0xe000
	var before uint64 // a high surrogate without its low one so far
	for i := 1; i < len(raw)-1; i++ {
		var unit uint64
		if raw[i] == '\\' {
			if i++; raw[i] == 'u' {
				unit, _ = strconv.ParseUint(string(raw[i+1:i+5]), 16, 16)
				i += 4
			}
		}
		isLow := low <= unit && unit < end
		switch {
		case before != 0 && !isLow:
			return before, true
		case before == 0 && isLow:
			return unit, true
		}
		before = 0
		if high <= unit && unit < low {
			before = unit
		}
	}
	return before, before != 0
}

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

// maxBody bounds a request's body, in bytes. The largest value, 64 KiB, takes six
// times that when each of its bytes is escaped.
const maxBody = 512 * 1024

const (
	msgNull      = "This field may not be null."
	msgNotText   = "Not a valid string."
	msgNotNumber = "A valid integer is required."
)

// body is the JSON object that a request carries: names are case-sensitive, of
// duplicates the last counts, and unknown ones do no harm.
type body map[string]json.RawMessage

// readBody reads it. An empty body is an empty object, whatever its type.
func readBody(r *http.Request) (body, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
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
	if !utf8.Valid(raw) { // encoding/json would replace what is wrong
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

// kindOf names the type of a JSON text as Python does: clients know those names.
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

// text is a field that takes text and, as DRF does, numbers for the text of them.
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

// opaque is a field that takes a string as it is, and nothing else.
func (b body) opaque(name string) secrets.Field {
	raw := b[name]
	if raw == nil {
		return secrets.Field{}
	}
	switch kindOf(raw) {
	case "str":
	case "NoneType":
		return secrets.NoText(msgNull)
	default:
		return secrets.NoText(msgNotText)
	}
	if lone, found := loneSurrogate(raw); found {
		return secrets.NoText(fmt.Sprintf("Surrogate characters are not allowed: U+%04X.", lone))
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return secrets.NoText(msgNotText) // unreachable: it is a valid JSON string
	}
	return secrets.Text(text)
}

// nullable is text, or null for nothing.
func (b body) nullable(name string) secrets.Field {
	if raw := b[name]; raw != nil && kindOf(raw) == "NoneType" {
		return secrets.Null()
	}
	return b.text(name)
}

// integer is a field that takes a number, or the text of one.
func (b body) integer(name string) secrets.Field {
	return b.scalar(name, func(string) string { return msgNotNumber })
}

// reference is a field that takes the id of something; a blank one is null, as in DRF.
func (b body) reference(name string) secrets.Field {
	if string(b[name]) == `""` {
		return secrets.NoText(msgNull)
	}
	return b.scalar(name, func(kind string) string { return "Incorrect type. Expected pk value, received " + kind + "." })
}

// scalar is text, but for what it says of other types.
func (b body) scalar(name string, fault func(kind string) string) secrets.Field {
	raw := b[name]
	if raw == nil {
		return secrets.Field{}
	}
	switch kind := kindOf(raw); kind {
	case "bool", "list", "dict":
		return secrets.NoText(fault(kind))
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

// floatText is Python's str of a float: the shortest digits that give it back.
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

// loneSurrogate finds a \u escape of half a character in a valid JSON string:
// encoding/json would replace it by U+FFFD, and the value would not be the caller's.
func loneSurrogate(raw json.RawMessage) (lone uint64, found bool) {
	const high, low, end = 0xd800, 0xdc00, 0xe000
	var before uint64 // a high surrogate that waits for its low one
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

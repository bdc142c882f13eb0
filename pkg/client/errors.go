package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Error is a failed operation. Its text contains neither the key nor a value that was sent: "[redacted]" replaces
// the key, and each message that contains the value.
type Error struct {
	Op     string              // such as "create item"
	Status int                 // of the last answer; 0: none arrived
	Detail string              // the API's text about the request
	Fields map[string][]string // the API's messages by field of the input
	Wait   time.Duration       // until another try makes sense; 0: the API does not say

	// Found is what a look found after a lost answer to a create or an update: a Secret, an Item or a Service.
	Found any

	outcome   outcome
	isAPI     bool // the API or its gateway answered, no intermediary: their bodies have a detail
	uncertain bool
	cause     error
}

// outcome is what the failure of a try says about its request.
type outcome int

const (
	refused outcome = iota // not done, and not done if repeated
	notDone                // no connection, or throttled
	lost                   // done or not
)

func (e *Error) Error() string {
	parts := []string{"client: " + e.Op}
	if e.Status != 0 {
		parts = append(parts, strings.TrimSpace(fmt.Sprint(e.Status, " ", http.StatusText(e.Status))))
	}
	if e.Detail != "" {
		parts = append(parts, e.Detail)
	}
	for _, field := range slices.Sorted(maps.Keys(e.Fields)) {
		parts = append(parts, field+": "+strings.Join(e.Fields[field], " "))
	}
	if e.cause != nil {
		parts = append(parts, e.cause.Error())
	}
	if e.uncertain {
		parts = append(parts, "it may have been done")
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the failures of the connection, of the context and of the look, if there are any.
func (e *Error) Unwrap() error { return e.cause }

// endedBy adds why the context has ended, if it has.
func (e *Error) endedBy(ctx context.Context) *Error {
	if end := context.Cause(ctx); end != nil && !errors.Is(e.cause, end) {
		e.cause = errors.Join(e.cause, end)
	}
	return e
}

// IsNotFound reports that the object does not exist, or belongs to another account. It is also true if no
// object has the name or key that was looked for. It is false for a 404 without the API's detail, such as a proxy's
// page: that says nothing about the object.
func IsNotFound(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusNotFound && e.isAPI
}

// IsConflict reports that the state of the object forbids the operation, such as a secret that services use.
func IsConflict(err error) bool { return hasStatus(err, http.StatusConflict) }

// IsUnauthenticated reports that the key is unknown, expired or revoked.
func IsUnauthenticated(err error) bool { return hasStatus(err, http.StatusUnauthorized) }

func hasStatus(err error, status int) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == status
}

// Throttled reports that the budget of reveals is spent, or that requests are too many. wait is the time until
// another try makes sense; 0 if the API does not say.
func Throttled(err error) (wait time.Duration, ok bool) {
	e, found := errors.AsType[*Error](err)
	if !found || e.Status != http.StatusTooManyRequests {
		return 0, false
	}
	return e.Wait, true
}

// FieldErrors returns the messages about the fields of the input, by field. It is nil if there are none.
func FieldErrors(err error) map[string][]string {
	e, _ := errors.AsType[*Error](err)
	if e == nil {
		return nil
	}
	return e.Fields
}

// IsUncertain reports that a reveal or a write may have been done although it returned an error. [Error.Found]
// may have the object as it is now.
func IsUncertain(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.uncertain
}

const (
	maxErrorBody = 64 << 10 // bytes; the API's are much smaller
	maxMessage   = 1000     // bytes
)

// read sets Detail and Fields from the body of an answer, as clean returns them. Any other body, such as a proxy's
// page, has none.
func (e *Error) read(body []byte, clean func(string) string) {
	var members map[string]json.RawMessage
	if len(body) > maxErrorBody || json.Unmarshal(body, &members) != nil {
		return
	}
	message := func(text string) string {
		text = clean(text) // before the cut, which could leave a part of a value
		return strings.ToValidUTF8(text[:min(len(text), maxMessage)], "")
	}
	for name, raw := range members {
		var detail *string
		if name == "detail" && json.Unmarshal(raw, &detail) == nil && detail != nil {
			e.Detail, e.isAPI = message(*detail), true
			continue
		}
		var messages []string
		if json.Unmarshal(raw, &messages) == nil && messages != nil {
			for i := range messages {
				messages[i] = message(messages[i])
			}
			if e.Fields == nil {
				e.Fields = make(map[string][]string)
			}
			e.Fields[message(name)] = messages
		}
	}
}

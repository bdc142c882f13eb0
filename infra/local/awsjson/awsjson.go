// Package awsjson is the protocol of the local stand-ins for AWS services, AWS JSON 1.1.
//
// A request is POST / with the operation in a header:
//
//	POST / HTTP/1.1
//	Content-Type: application/x-amz-json-1.1
//	X-Amz-Target: TrentService.Decrypt
//
//	{"KeyId": "alias/app", …}
//
// An error has its AWS name and status 400, except 500 for an internal error and 413 for
// a body that is too large:
//
//	{"__type": "NotFoundException", "message": "Alias … is not found."}
package awsjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

const (
	contentType = "application/x-amz-json-1.1"
	tooLarge    = "RequestEntityTooLargeException"
)

// API is the http.Handler of a service.
type API struct {
	Service    string // its name in the log
	Prefix     string // of X-Amz-Target, such as "TrentService."
	MaxBody    int64  // bytes of a request body
	Internal   Error  // the answer for an error of any other type
	Operations map[string]Operation
	Log        *slog.Logger
}

// Operation answers the body of a request. An error of a type other than *Error is
// logged, and the client gets API.Internal without details.
type Operation func(body []byte) (Answer, error)

// Answer holds the members of an answer, by their AWS names. Nil is an empty body.
type Answer map[string]any

// Error is an error for the client, under its AWS name.
type Error struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
}

// Fail makes an Error.
func Fail(name, format string, args ...any) *Error {
	return &Error{name, fmt.Sprintf(format, args...)}
}

// Between refuses a member whose value or length is outside low to high. A missing member has length 0.
func Between(member string, n, low, high int) error {
	if n < low || n > high {
		return Fail("ValidationException", "1 validation error detected: '%s' failed to satisfy constraint: %d is not between %d and %d", member, n, low, high)
	}
	return nil
}

func (e *Error) Error() string { return e.Type + ": " + e.Message }

// Decode makes an Operation from a function of a decoded request.
func Decode[In any](do func(In) (Answer, error)) Operation {
	return func(body []byte) (Answer, error) {
		var in In
		if json.Unmarshal(body, &in) != nil { // its message would quote the body
			return nil, Fail("SerializationException", "The request is not valid JSON for this operation.")
		}
		return do(in)
	}
}

// ServeHTTP answers one request.
func (a API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, a.MaxBody)
	status, body := http.StatusOK, any(nil)
	out, err := a.dispatch(r)
	if e := new(Error); errors.As(err, &e) {
		status, body = http.StatusBadRequest, e
		if e.Type == tooLarge {
			status = http.StatusRequestEntityTooLarge
		}
	} else if err != nil {
		a.Log.ErrorContext(r.Context(), a.Service+" request failed", "target", r.Header.Get("X-Amz-Target"), "error", err)
		status, body = http.StatusInternalServerError, a.Internal
	} else if out != nil {
		body = out
	}
	w.Header().Set("X-Amzn-Requestid", uuid.NewString())
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	if body != nil {
		_ = json.NewEncoder(w).Encode(body) // fails only if the client is gone
	}
}

func (a API) dispatch(r *http.Request) (Answer, error) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), a.Prefix)
	operation := a.Operations[name]
	if r.Method != http.MethodPost || r.URL.Path != "/" || media != contentType || !ok || operation == nil {
		return nil, Fail("UnknownOperationException", "The requested operation is not recognized by the service.")
	}
	body, err := io.ReadAll(r.Body)
	if errors.As(err, new(*http.MaxBytesError)) {
		return nil, Fail(tooLarge, "The request is larger than %d bytes.", a.MaxBody)
	} else if err != nil {
		return nil, Fail("SerializationException", "The request could not be read.")
	}
	return operation(body)
}

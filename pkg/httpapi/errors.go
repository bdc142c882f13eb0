package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"goblins-secrets/pkg/secrets"
)

// requestError is a fault of the HTTP request itself.
type requestError struct {
	status int
	detail string
}

func (e requestError) Error() string { return e.detail }

var errTooLarge = requestError{http.StatusRequestEntityTooLarge, "Request body too large."}

func errParse(reason string) error {
	return requestError{http.StatusBadRequest, "JSON parse error - " + reason}
}

func errMediaType(contentType string) error {
	return requestError{http.StatusUnsupportedMediaType, `Unsupported media type "` + contentType + `" in request.`}
}

// statuses maps the domain's errors to statuses and the texts that clients see.
var statuses = []struct {
	err    error
	status int
	detail string
}{
	{secrets.ErrUnauthenticated, http.StatusUnauthorized, "Invalid or missing API key."},
	{secrets.ErrNotFound, http.StatusNotFound, "Not found."},
	{secrets.ErrInvalidCursor, http.StatusNotFound, "Invalid cursor."},
	{secrets.ErrDenied, http.StatusForbidden, "You do not have permission to perform this action."},
	{secrets.ErrLimited, http.StatusForbidden, "Your key is limited to secrets. Names are unique in the account, so only unlimited keys give them."},
	{secrets.ErrLastAdmin, http.StatusConflict, "This is the last key with admin that does not expire. Make another one first."},
	{secrets.ErrPrecondition, http.StatusPreconditionFailed, "The object has changed since: its ETag is not in If-Match."},
	{secrets.ErrCurrentVersion, http.StatusConflict, "The current version cannot be deleted. Make another version current first."},
	{secrets.ErrTokenReused, http.StatusConflict, "This Idempotency-Key belongs to another request."},
	{secrets.ErrAnswered, http.StatusConflict, "This request was done before, and what it made is gone or has changed since."},
	{secrets.ErrDefaultSecret, http.StatusConflict, "The default secret cannot be deleted."},
	{secrets.ErrUnavailable, http.StatusServiceUnavailable, "Service temporarily unavailable, try again later."},
}

const (
	unavailable = http.StatusServiceUnavailable
	retryAfter  = 1 // seconds, after a 503
)

type detailBody struct {
	Detail string `json:"detail"`
}

// fail answers with an error. It is the only mapping of errors to statuses. An unknown
// error is logged and answered with a fixed text; its own text never reaches a client.
func fail(m *secrets.Manager, w http.ResponseWriter, r *http.Request, err error) {
	var (
		invalid   secrets.Invalid
		throttled secrets.Throttled
		inUse     secrets.InUse
		beyond    secrets.Beyond
		batch     secrets.InvalidBatch
		tooLarge  secrets.TooLarge
		made      secrets.KeyMade
		request   requestError
		outage    interface{ Unavailable() bool } // an outage reported by a port
	)
	switch {
	case errors.As(err, &invalid):
		write(w, http.StatusBadRequest, fieldErrors(invalid))
		return
	case errors.As(err, &batch):
		write(w, http.StatusBadRequest, newBatchErrors(batch))
		return
	case errors.As(err, &tooLarge):
		write(w, http.StatusConflict, detailBody{tooLargeDetail(tooLarge)})
		return
	case errors.As(err, &made):
		write(w, http.StatusConflict, detailBody{"This request made the key " + made.ID.String() + " before. Its text is shown only once: delete this key and make another one."})
		return
	case errors.As(err, &throttled):
		seconds := int(throttled.Wait / time.Second)
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		unit := "seconds"
		if seconds == 1 {
			unit = "second"
		}
		write(w, http.StatusTooManyRequests, detailBody{
			fmt.Sprintf("Request was throttled. Expected available in %d %s.", seconds, unit),
		})
		return
	case errors.As(err, &inUse):
		write(w, http.StatusConflict, detailBody{inUseDetail(inUse)})
		return
	case errors.As(err, &beyond):
		write(w, http.StatusForbidden, detailBody{"You can't give what you lack: " + strings.Join(beyond.Permissions.Names(), ", ") + "."})
		return
	case errors.As(err, &request):
		write(w, request.status, detailBody{request.detail})
		return
	case errors.As(err, &outage) && outage.Unavailable():
		err = errors.Join(secrets.ErrUnavailable, err)
	}
	for _, s := range statuses {
		if !errors.Is(err, s.err) {
			continue
		}
		switch s.status {
		case http.StatusUnauthorized:
			w.Header().Set("WWW-Authenticate", "Bearer")
		case unavailable:
			w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
			logFailure(m, r, s.status, err)
		}
		write(w, s.status, detailBody{s.detail})
		return
	}
	logFailure(m, r, http.StatusInternalServerError, err)
	write(w, http.StatusInternalServerError, detailBody{"A server error occurred."})
}

// inUseDetail names the services that prevent the deletion of a secret.
func inUseDetail(e secrets.InUse) string {
	users := strings.Join(e.Names, ", ")
	if more := e.Services - len(e.Names); more > 0 && users != "" {
		users += fmt.Sprintf(" and %d more", more)
	}
	noun := "services"
	if e.Services == 1 {
		noun = "service"
	}
	if users != "" {
		noun += ": " + users
	}
	return fmt.Sprintf("This secret is used by %d %s. Remove the secret from all services first.", e.Services, noun)
}

// tooLargeDetail says how to read what can't be read at once.
func tooLargeDetail(e secrets.TooLarge) string {
	return fmt.Sprintf("This secret has %d items, which take %d bytes as a JSON object. At most %d items of %d bytes are read at once. Reveal them one by one.",
		e.Items, e.Size, secrets.MaxExportItems, secrets.MaxExportSize)
}

// batchErrorsBody is the faults of a batch: a list for its items, as long as theirs, and an object for its keys, by index.
type batchErrorsBody struct {
	Items  []fieldErrors `json:"items,omitempty"`
	Delete *fieldErrors  `json:"delete,omitempty"`
	Rest   []string      `json:"non_field_errors,omitempty"`
}

func newBatchErrors(e secrets.InvalidBatch) (b batchErrorsBody) {
	for _, x := range e.Items {
		b.Items = append(b.Items, fieldErrors(x))
	}
	if e.Delete != nil {
		b.Delete = new(fieldErrors(e.Delete))
	}
	for _, fault := range e.Rest {
		b.Rest = append(b.Rest, fault.Messages...)
	}
	return b
}

func logFailure(m *secrets.Manager, r *http.Request, status int, err error) {
	c, _ := r.Context().Value(callerKey{}).(secrets.Caller)
	m.Log.ErrorContext(r.Context(), "request failed",
		"method", r.Method, "route", r.Pattern, "status", status, "request_id", c.RequestID, "error", err)
}

// fieldErrors encodes as an object that keeps the order of the fields.
type fieldErrors secrets.Invalid

func (f fieldErrors) MarshalJSON() ([]byte, error) {
	var object bytes.Buffer
	enc := json.NewEncoder(&object) // the outer encoder removes its newlines
	enc.SetEscapeHTML(false)
	object.WriteByte('{')
	for i, fault := range f {
		if i > 0 {
			object.WriteByte(',')
		}
		if err := enc.Encode(fault.Field); err != nil {
			return nil, err
		}
		object.WriteByte(':')
		if err := enc.Encode(fault.Messages); err != nil {
			return nil, err
		}
	}
	object.WriteByte('}')
	return object.Bytes(), nil
}

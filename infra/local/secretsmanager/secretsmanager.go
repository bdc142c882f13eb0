// Package secretsmanager is AWS Secrets Manager for local runs: it speaks its
// protocol, so AWS SDKs and the AWS CLI talk to it unchanged, and keeps its secrets in
// a file, sealed. Signatures, IAM and resource policies are not checked, so whoever
// reaches the listener may read every secret. Serve it on loopback.
//
// # Protocol
//
// AWS JSON 1.1. A request is POST / with the operation in a header:
//
//	POST / HTTP/1.1
//	Content-Type: application/x-amz-json-1.1
//	X-Amz-Target: secretsmanager.GetSecretValue
//
//	{"SecretId": "app/database", "VersionStage": "AWSCURRENT"}
//
// Blobs are base64, times are seconds since 1970. Members it does not know are
// ignored. An error is status 400 (500 for InternalServiceError, 413 for a body too
// large) with the name AWS gives it; its message never holds a value:
//
//	{"__type": "ResourceNotFoundException", "Message": "Secrets Manager can't find …"}
//
// Operations, limits and errors follow the AWS Secrets Manager API reference, in its
// plain form: a change is seen by the next request, and what is due to be removed is
// gone at once. What differs:
//
//   - Rotation, replication, resource policies and the operations that are not in
//     [Open] are missing. Filters and orders of ListSecrets, and replicas of
//     CreateSecret, are refused with InvalidParameterException.
//   - KmsKeyId is kept and told, and seals nothing. The key need not exist.
//   - When a secret was last accessed is not kept.
//   - There is one quota on versions and one on labels; rates are not limited.
//
// # File
//
// One JSON object, mode 0600, replaced as a whole before a change is answered:
//
//	{
//	  "version": 1,
//	  "secrets": {"<name>": {
//	    "arn": "arn:aws:secretsmanager:us-east-1:000000000000:secret:<name>-<6 random>",
//	    "description": "…", "kms_key_id": "…", "tags": [{"Key": "…", "Value": "…"}],
//	    "created_at": "…", "changed_at": "…",
//	    "deletes_at": "<when it is gone, of a secret that was deleted>",
//	    "stages": {"AWSCURRENT": "<version id>"},
//	    "versions": {"<version id>": {"created_at": "…", "binary": false, "sealed": "<base64>"}}
//	  }}
//	}
//
// Values are sealed under the facts {"secret": <ARN>, "version": <version id>}; a
// version sealed elsewhere does not open. One process at a time may have the file open.
package secretsmanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

const (
	contentType  = "application/x-amz-json-1.1"
	targetPrefix = "secretsmanager."

	// maxBody leaves room for the largest value with all its bytes escaped, and tags.
	maxBody = 512 << 10
)

// Server is an http.Handler speaking the protocol of Secrets Manager. Its methods may
// be called concurrently.
type Server struct {
	// Now is the clock: time.Now, unless it is set before the first request. It
	// decides when a deleted secret is gone and how old a version is.
	Now func() time.Time

	path       string
	sealer     secrets.Sealer
	operations map[string]operation

	// Readers take the current secrets without a lock and never change them; a writer
	// makes the next ones, writes them to the file, and only then publishes them.
	writing sync.Mutex
	current atomic.Pointer[vault]
}

// Open loads the secrets kept at path, or starts with none if there is no such file.
// The folder must exist. A file that is not a whole file of secrets is an error.
// The sealer encrypts all values; what it sealed once, it must open later.
func Open(path string, sealer secrets.Sealer) (*Server, error) {
	kept, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("open secrets: %w", err)
	}
	s := &Server{Now: time.Now, path: path, sealer: sealer}
	s.current.Store(&kept)
	s.operations = map[string]operation{
		"CreateSecret":             handle(s.createSecret),
		"DeleteSecret":             handle(s.deleteSecret),
		"DescribeSecret":           handle(s.describeSecret),
		"GetSecretValue":           handle(s.getSecretValue),
		"ListSecretVersionIds":     handle(s.listSecretVersionIDs),
		"ListSecrets":              handle(s.listSecrets),
		"PutSecretValue":           handle(s.putSecretValue),
		"RestoreSecret":            handle(s.restoreSecret),
		"TagResource":              handle(s.tagResource),
		"UpdateSecretVersionStage": handle(s.updateSecretVersionStage),
	}
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	status, body := http.StatusOK, any(nil)
	out, err := s.dispatch(r)
	if e := new(apiError); errors.As(err, &e) {
		status, body = e.status(), e
	} else if err != nil {
		slog.ErrorContext(r.Context(), "Secrets Manager request failed", "target", r.Header.Get("X-Amz-Target"), "error", err)
		e := fail("InternalServiceError", "An error occurred on the server side.")
		status, body = e.status(), e
	} else {
		body = out
	}
	w.Header().Set("X-Amzn-Requestid", uuid.NewString())
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only when the client has gone
}

func (s *Server) dispatch(r *http.Request) (answer, error) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	op := s.operations[name]
	if r.Method != http.MethodPost || r.URL.Path != "/" || media != contentType || !ok || op == nil {
		return nil, fail("UnknownOperationException", "The requested operation is not recognized by the service.")
	}
	body, err := io.ReadAll(r.Body)
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, fail("RequestEntityTooLargeException", "The request is larger than %d bytes.", maxBody)
	} else if err != nil {
		return nil, fail("SerializationException", "The request could not be read.")
	}
	return op(r.Context(), body)
}

type operation func(ctx context.Context, body []byte) (answer, error)

// answer has the members of an answer, by their AWS names.
type answer map[string]any

// handle decodes the request of an operation.
func handle[In any](do func(context.Context, In) (answer, error)) operation {
	return func(ctx context.Context, body []byte) (answer, error) {
		var in In
		if json.Unmarshal(body, &in) != nil { // whose text would quote the body
			return nil, fail("SerializationException", "The request is not valid JSON for this operation.")
		}
		return do(ctx, in)
	}
}

// apiError is an error for the client, under the name AWS gives it.
type apiError struct {
	Type    string `json:"__type"`
	Message string
}

func fail(name, format string, args ...any) *apiError {
	return &apiError{name, fmt.Sprintf(format, args...)}
}

func (e *apiError) Error() string { return e.Type + ": " + e.Message }

func (e *apiError) status() int {
	switch e.Type {
	case "InternalServiceError":
		return http.StatusInternalServerError
	case "RequestEntityTooLargeException":
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

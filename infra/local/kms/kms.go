// Package kms is a key management service for local runs: it speaks the AWS KMS
// protocol, so the AWS SDK talks to it unchanged, and keeps its keys in a file.
// It is no place for real keys: signatures, key policies and grants are not
// checked, so whoever reaches the listener may use every key. Serve it on
// loopback.
//
// # Protocol
//
// AWS JSON 1.1. A request is POST / with the operation in a header:
//
//	POST / HTTP/1.1
//	Content-Type: application/x-amz-json-1.1
//	X-Amz-Target: TrentService.Decrypt
//
//	{"KeyId": "alias/app", "CiphertextBlob": "AQ…", "EncryptionContext": {"secret": "42"}}
//
// Blobs are base64, times are seconds since 1970. Members it does not know are
// ignored. An error is status 400 (500 for KMSInternalException, 413 for a body
// too large) with the name AWS gives it:
//
//	{"__type": "NotFoundException", "message": "Alias … is not found."}
//
// Operations, limits and errors follow the AWS KMS API reference. What AWS offers
// and this does not is refused with UnsupportedOperationException: asymmetric
// keys, other HMAC sizes, imported or multi-Region keys, dry runs, attestation.
// Two things are taken without effect: key policies and tags are dropped, and
// automatic rotation is recorded and reported, but only RotateKeyOnDemand rotates.
//
// # Ciphertext blob
//
//	offset  size  field
//	0       1     format version, 1
//	1       16    key id, the bytes of the UUID
//	17      4     index of the backing key, big-endian
//	21      12    nonce, random
//	33      n+16  AES-256-GCM ciphertext and tag
//
// The additional data is the first 21 bytes, then the encryption context sorted
// by key, each key and each value preceded by its length in 4 bytes, big-endian.
//
// # Key file
//
// One JSON object, mode 0600, replaced as a whole before a change is answered:
//
//	{
//	  "version": 1,
//	  "keys": {"<key id>": {
//	    "spec": "SYMMETRIC_DEFAULT", "description": "", "enabled": true, "created_at": "…",
//	    "rotation": {"period_days": 365, "enabled_at": "…"},
//	    "backing_keys": [{"id": "<64 hex digits>", "secret": "<32 bytes, base64>"}]
//	  }},
//	  "aliases": {"alias/app": {"key_id": "<key id>", "created_at": "…"}}
//	}
//
// Backing keys are in order of age: the last one encrypts, all of them decrypt.
// Data keys are never kept. One process at a time may have the file open.
package kms

import (
	"crypto/rand"
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
)

const (
	contentType  = "application/x-amz-json-1.1"
	targetPrefix = "TrentService."

	// maxBody leaves room for the largest request AWS takes: a key policy of
	// 32 KiB, or a blob of 6 KiB with a large encryption context.
	maxBody = 128 << 10
)

// Server is an http.Handler speaking the KMS protocol. Its methods may be called
// concurrently.
type Server struct {
	path       string
	now        func() time.Time
	rand       io.Reader
	log        *slog.Logger
	operations map[string]operation

	// Readers take the current keyring without a lock and never change it; a
	// writer builds the next one, writes it to the file, and only then publishes it.
	writing sync.Mutex
	current atomic.Pointer[keyring]
}

// Open loads the keys kept at path, or starts with none if there is no such file.
// The folder must exist. A file that is not a whole key file is an error.
func Open(path string) (*Server, error) {
	ring, err := readKeyring(path)
	if err != nil {
		return nil, fmt.Errorf("open KMS keys: %w", err)
	}
	s := &Server{path: path, now: time.Now, rand: rand.Reader, log: slog.Default()}
	s.current.Store(ring)
	s.operations = map[string]operation{
		"CreateAlias":                     handle(s.createAlias),
		"CreateKey":                       handle(s.createKey),
		"Decrypt":                         handle(s.decryptData),
		"DescribeKey":                     handle(s.describeKey),
		"DisableKey":                      handle(s.disableKey),
		"EnableKey":                       handle(s.enableKey),
		"EnableKeyRotation":               handle(s.enableKeyRotation),
		"GenerateDataKey":                 handle(s.generateDataKey),
		"GenerateDataKeyWithoutPlaintext": handle(s.generateDataKeyWithoutPlaintext),
		"GenerateMac":                     handle(s.generateMac),
		"GetKeyRotationStatus":            handle(s.getKeyRotationStatus),
		"ListAliases":                     handle(s.listAliases),
		"ReEncrypt":                       handle(s.reEncrypt),
		"RotateKeyOnDemand":               handle(s.rotateKeyOnDemand),
		"VerifyMac":                       handle(s.verifyMac),
	}
	return s, nil
}

// EnsureKey returns the ARN of the key behind alias (such as
// "alias/goblins-secrets"). If there is no such alias it creates a symmetric key
// and the alias, both or neither.
func (s *Server) EnsureKey(alias string) (arn string, err error) {
	if k, err := s.current.Load().find(alias); err == nil {
		return k.arn(), nil
	}
	k, err := s.newKey(specSymmetric, "")
	if err != nil {
		return "", fmt.Errorf("ensure key %s: %w", alias, err)
	}
	err = s.update(func(ring *keyring) error {
		// Another call may have created it since the look above.
		if held, err := ring.find(alias); err == nil {
			k = held
			return nil
		}
		ring.Keys[k.id] = k
		return ring.addAlias(alias, k.id, s.now())
	})
	if err != nil {
		return "", fmt.Errorf("ensure key %s: %w", alias, err)
	}
	return k.arn(), nil
}

// ServeHTTP answers one KMS request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	status, body := http.StatusOK, any(nil)
	out, err := s.dispatch(r)
	if e := new(apiError); errors.As(err, &e) {
		status, body = e.status(), e
	} else if err != nil {
		s.log.ErrorContext(r.Context(), "KMS request failed", "target", r.Header.Get("X-Amz-Target"), "error", err)
		e := fail("KMSInternalException", "The request was rejected because an internal exception occurred.")
		status, body = e.status(), e
	} else if out != nil {
		body = out
	}
	if id, err := uuid.NewRandomFromReader(s.rand); err == nil {
		w.Header().Set("X-Amzn-Requestid", id.String())
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	if body != nil {
		_ = json.NewEncoder(w).Encode(body) // fails only when the client has gone
	}
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
	return op(body)
}

type operation func(body []byte) (answer, error)

// handle decodes the request of an operation, and refuses the parameters that no
// operation here honours and that would change what an answer means.
func handle[In any](do func(In) (answer, error)) operation {
	return func(body []byte) (answer, error) {
		var in In
		var unsupported struct {
			DryRun    bool
			Recipient *struct{}
		}
		if json.Unmarshal(body, &in) != nil || json.Unmarshal(body, &unsupported) != nil {
			return nil, fail("SerializationException", "The request is not valid JSON for this operation.")
		}
		if unsupported.DryRun || unsupported.Recipient != nil {
			return nil, fail("UnsupportedOperationException", "DryRun and Recipient are not supported here.")
		}
		return do(in)
	}
}

// apiError is an error for the client, under the name AWS gives it.
type apiError struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
}

func fail(name, format string, args ...any) *apiError {
	return &apiError{name, fmt.Sprintf(format, args...)}
}

func (e *apiError) Error() string { return e.Type + ": " + e.Message }

func (e *apiError) status() int {
	switch e.Type {
	case "KMSInternalException":
		return http.StatusInternalServerError
	case "RequestEntityTooLargeException":
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// Package kms is a key management service for local runs: it speaks the AWS KMS
// protocol, so the AWS SDK talks to it unchanged, and keeps its keys in a file.
// It is no place for real keys: signatures, key policies and grants are not
// checked, so whoever reaches the listener may use every key. Serve it on
// loopback.
//
// # Protocol
//
// AWS JSON 1.1, which package awsjson describes:
//
//	X-Amz-Target: TrentService.Decrypt
//
//	{"KeyId": "alias/app", "CiphertextBlob": "AQ…", "EncryptionContext": {"secret": "42"}}
//
// Blobs are base64, times are seconds since 1970. Members it does not know are
// ignored.
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
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"goblins-secrets/infra/local/awsjson"
)

// maxBody leaves room for the largest request AWS takes: a key policy of 32 KiB, or a
// blob of 6 KiB with a large encryption context.
const maxBody = 128 << 10

// Server is an http.Handler speaking the KMS protocol. Its methods may be called
// concurrently.
type Server struct {
	awsjson.API

	path string
	now  func() time.Time
	rand io.Reader

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
	s := &Server{path: path, now: time.Now, rand: rand.Reader}
	s.current.Store(ring)
	s.API = awsjson.API{
		Service: "KMS", Prefix: "TrentService.", MaxBody: maxBody, Log: slog.Default(),
		Internal: awsjson.Error{Type: "KMSInternalException", Message: "The request was rejected because an internal exception occurred."},
	}
	s.Operations = map[string]awsjson.Operation{
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

type answer = awsjson.Answer

func fail(name, format string, args ...any) error { return awsjson.Fail(name, format, args...) }

// handle decodes the request of an operation, and refuses the parameters that no
// operation here honours and that would change what an answer means.
func handle[In any](do func(In) (answer, error)) awsjson.Operation {
	return func(ctx context.Context, body []byte) (answer, error) {
		return awsjson.Decode(func(ctx context.Context, unsupported struct {
			DryRun    bool
			Recipient *struct{}
		}) (answer, error) {
			if unsupported.DryRun || unsupported.Recipient != nil {
				return nil, fail("UnsupportedOperationException", "DryRun and Recipient are not supported here.")
			}
			return awsjson.Decode(func(_ context.Context, in In) (answer, error) { return do(in) })(ctx, body)
		})(ctx, body)
	}
}

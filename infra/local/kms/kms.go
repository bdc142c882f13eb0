// Package kms is a key management service for local runs. It speaks the AWS KMS
// protocol, so the AWS SDK works with it unchanged, and stores its keys in a file.
// Do not use it for real keys: it does not check signatures, key policies or
// grants, so every client that reaches the listener may use every key. Serve it
// on loopback only.
//
// # Protocol
//
// AWS JSON 1.1, as described in package awsjson:
//
//	X-Amz-Target: TrentService.Decrypt
//
//	{"KeyId": "alias/app", "CiphertextBlob": "AQ…", "EncryptionContext": {"secret": "42"}}
//
// Blobs are base64. Unknown members are ignored.
//
// The operations are those that the product calls, GenerateDataKey and Decrypt, and RotateKeyOnDemand,
// which its operators may call. Their limits and errors follow the AWS KMS API reference. Dry runs,
// attestation and data keys by NumberOfBytes are refused with UnsupportedOperationException. EnsureKey
// makes keys.
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
// The associated data is the first 21 bytes, then the encryption context sorted by
// key. Each key and each value is preceded by its length in 4 bytes, big-endian.
//
// # Key file
//
// One JSON object, mode 0600, replaced atomically before a change is answered:
//
//	{
//	  "version": 1,
//	  "keys": {"<key id>": {"backing_keys": [{"id": "<64 hex digits>", "secret": "<32 bytes, base64>"}]}},
//	  "aliases": {"alias/app": {"key_id": "<key id>"}}
//	}
//
// Backing keys are ordered from oldest to newest: the last one encrypts, all of them
// decrypt. Data keys are never stored. Only one process may have the file open.
package kms

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/google/uuid"

	"goblins-secrets/infra/local/awsjson"
	"goblins-secrets/infra/local/durable"
)

// maxBody leaves room for the largest request that AWS accepts: a blob of 6 KiB with a large encryption
// context.
const maxBody = 128 << 10

// Server is an http.Handler that speaks the KMS protocol. It is safe for concurrent
// use.
type Server struct {
	awsjson.API

	state *durable.State[*keyring]
}

// Open loads the key file at path, or starts without keys if the file does not exist.
// The folder must exist. An incomplete or invalid key file is an error.
func Open(path string) (*Server, error) {
	empty := &keyring{Version: fileVersion, Keys: map[string]key{}, Aliases: map[string]alias{}}
	state, err := durable.Open(path, empty, (*keyring).check)
	if err != nil {
		return nil, fmt.Errorf("open KMS keys: %w", err)
	}
	s := &Server{state: state}
	s.API = awsjson.API{
		Service: "KMS", Prefix: "TrentService.", MaxBody: maxBody, Log: slog.Default(),
		Internal: awsjson.Error{Type: "KMSInternalException", Message: "The request was rejected because an internal exception occurred."},
	}
	s.Operations = map[string]awsjson.Operation{
		"Decrypt":           handle(s.decryptData),
		"GenerateDataKey":   handle(s.generateDataKey),
		"RotateKeyOnDemand": handle(s.rotateKeyOnDemand),
	}
	return s, nil
}

// EnsureKey returns the ARN of the key behind an alias, such as "alias/goblins-secrets". If
// the alias does not exist, it creates a symmetric key and the alias in one step.
func (s *Server) EnsureKey(name string) (arn string, err error) {
	if !strings.HasPrefix(name, "alias/") {
		return "", fmt.Errorf("ensure key %q: the name of an alias begins with alias/", name)
	}
	if k, err := s.state.Load().find(name); err == nil {
		return k.arn(), nil
	}
	k := key{id: uuid.NewString(), BackingKeys: []backingKey{newBackingKey()}}
	err = s.update(func(ring *keyring) error {
		// Another call may have created it since the check above.
		if held, err := ring.find(name); err == nil {
			k = held
			return nil
		}
		ring.Keys[k.id], ring.Aliases[name] = k, alias{k.id}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("ensure key %s: %w", name, err)
	}
	return k.arn(), nil
}

// Sealer seals the values of another stand-in under a key, as the services of AWS do. There is no limit
// to their size.
type Sealer struct {
	server *Server
	key    string
}

// Sealer returns the sealer of the key behind alias, which it ensures.
func (s *Server) Sealer(alias string) (Sealer, error) {
	arn, err := s.EnsureKey(alias)
	return Sealer{s, arn}, err
}

// Seal seals a value. It opens only with the same associated data.
func (s Sealer) Seal(associatedData map[string]string, value []byte) ([]byte, error) {
	sealed, err := encrypt(s.server.state.Load(), s.key, value, associatedData)
	return sealed.data, err
}

// Open opens a sealed value.
func (s Sealer) Open(associatedData map[string]string, sealed []byte) ([]byte, error) {
	opened, err := decrypt(s.server.state.Load(), &s.key, sealed, associatedData)
	if err != nil {
		return nil, errors.New(err.Error()) // an answer for clients of KMS only
	}
	return opened.data, nil
}

type answer = awsjson.Answer

func fail(name, format string, args ...any) error { return awsjson.Fail(name, format, args...) }

// handle decodes the request of an operation. It refuses members that no operation here
// supports: ignoring these would change the meaning of an answer.
func handle[In any](do func(In) (answer, error)) awsjson.Operation {
	return func(body []byte) (answer, error) {
		return awsjson.Decode(func(unsupported struct {
			DryRun        bool
			Recipient     *struct{}
			NumberOfBytes *int
		}) (answer, error) {
			if unsupported.DryRun || unsupported.Recipient != nil || unsupported.NumberOfBytes != nil {
				return nil, fail("UnsupportedOperationException", "DryRun, Recipient and NumberOfBytes are not supported here.")
			}
			return awsjson.Decode(do)(body)
		})(body)
	}
}

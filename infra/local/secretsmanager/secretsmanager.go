// Package secretsmanager is AWS Secrets Manager for local runs: it speaks its
// protocol, so AWS SDKs and the AWS CLI talk to it unchanged, and keeps its secrets in
// a file, sealed. Signatures, IAM and resource policies are not checked, so whoever
// reaches the listener may read every secret. Serve it on loopback.
//
// # Protocol
//
// AWS JSON 1.1, which package awsjson describes:
//
//	X-Amz-Target: secretsmanager.GetSecretValue
//
//	{"SecretId": "app/database", "VersionStage": "AWSCURRENT"}
//
// Blobs are base64, times are seconds since 1970. Members it does not know are
// ignored. No error's message holds a value.
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
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"goblins-secrets/infra/local/awsjson"
	"goblins-secrets/pkg/secrets"
)

// maxBody leaves room for the largest value with all its bytes escaped, and tags.
const maxBody = 512 << 10

// Server is an http.Handler speaking the protocol of Secrets Manager. Its methods may
// be called concurrently.
type Server struct {
	// Now is the clock: time.Now, unless it is set before the first request. It
	// decides when a deleted secret is gone and how old a version is.
	Now func() time.Time

	awsjson.API

	path   string
	sealer secrets.Sealer

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
	s.API = awsjson.API{
		Service: "Secrets Manager", Prefix: "secretsmanager.", MaxBody: maxBody, Log: slog.Default(),
		Internal: awsjson.Error{Type: "InternalServiceError", Message: "An error occurred on the server side."},
	}
	s.Operations = map[string]awsjson.Operation{
		"CreateSecret":             awsjson.Decode(s.createSecret),
		"DeleteSecret":             awsjson.Decode(s.deleteSecret),
		"DescribeSecret":           awsjson.Decode(s.describeSecret),
		"GetSecretValue":           awsjson.Decode(s.getSecretValue),
		"ListSecretVersionIds":     awsjson.Decode(s.listSecretVersionIDs),
		"ListSecrets":              awsjson.Decode(s.listSecrets),
		"PutSecretValue":           awsjson.Decode(s.putSecretValue),
		"RestoreSecret":            awsjson.Decode(s.restoreSecret),
		"TagResource":              awsjson.Decode(s.tagResource),
		"UpdateSecretVersionStage": awsjson.Decode(s.updateSecretVersionStage),
	}
	return s, nil
}

type answer = awsjson.Answer

func fail(name, format string, args ...any) error { return awsjson.Fail(name, format, args...) }

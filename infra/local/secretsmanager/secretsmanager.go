// Package secretsmanager is AWS Secrets Manager for local runs. It speaks the same
// protocol, so AWS SDKs and the AWS CLI work with it unchanged, and stores its secrets,
// sealed, in a file. It does not check signatures, IAM or resource policies, so every
// client that reaches the listener may read every secret. Serve it on loopback only.
//
// # Protocol
//
// AWS JSON 1.1, as described in package awsjson:
//
//	X-Amz-Target: secretsmanager.GetSecretValue
//
//	{"SecretId": "app/database", "VersionStage": "AWSCURRENT"}
//
// Blobs are base64, times are seconds since 1970. Unknown members are ignored. Error
// messages never contain a value.
//
// Operations, limits and errors follow the AWS Secrets Manager API reference, but
// consistency is strong: the next request sees every change, and removals are immediate.
// Differences from AWS:
//
//   - Rotation, replication, resource policies and the operations that are not in
//     [Open] are missing. Orders of ListSecrets and replicas of CreateSecret are
//     refused with InvalidParameterException.
//   - KmsKeyId is stored and reported, but not used to seal. The key need not exist.
//   - LastAccessedDate is not recorded.
//   - There is one quota on versions and one on labels; rates are not limited.
//
// # File
//
// One JSON object, mode 0600, replaced atomically before a change is answered:
//
//	{
//	  "version": 2,
//	  "secrets": {"<name>": {
//	    "arn": "arn:aws:secretsmanager:us-east-1:000000000000:secret:<name>-<6 random>",
//	    "description": "…", "kms_key_id": "…", "tags": [{"Key": "…", "Value": "…"}],
//	    "created_at": "…", "changed_at": "…",
//	    "deletes_at": "<end of the recovery window, only of a deleted secret>",
//	    "stages": {"AWSCURRENT": "<version id>"},
//	    "versions": {"<version id>": {"created_at": "…", "binary": false, "sealed": "<base64>"}}
//	  }}
//	}
//
// Values are sealed with the associated data {"secret": <ARN>, "version": <version id>},
// so a value moved to another version does not open. Only one process may have the file
// open.
package secretsmanager

import (
	"fmt"
	"log/slog"
	"time"

	"goblins-secrets/infra/local/awsjson"
	"goblins-secrets/infra/local/durable"
)

// maxBody leaves room for tags and the largest value with every byte escaped.
const maxBody = 512 << 10

// Sealer seals values with associated data, without which they do not open: the local KMS.
type Sealer interface {
	Seal(associatedData map[string]string, value []byte) (sealed []byte, err error)
	Open(associatedData map[string]string, sealed []byte) (value []byte, err error)
}

// Server is an http.Handler that speaks the protocol of Secrets Manager. It is safe for
// concurrent use.
type Server struct {
	// Now is the clock, by default time.Now. Set it before the first request. It
	// decides when a recovery window ends and how old a version is.
	Now func() time.Time

	awsjson.API

	sealer Sealer
	state  *durable.State[file]
}

// Open loads the file of secrets at path, or starts without secrets if the file does not
// exist. The folder must exist. An incomplete or invalid file is an error. The sealer
// encrypts all values, and must be able to open those sealed by earlier runs.
func Open(path string, sealer Sealer) (*Server, error) {
	state, err := durable.Open(path, file{fileVersion, vault{}}, file.check)
	if err != nil {
		return nil, fmt.Errorf("open secrets: %w", err)
	}
	s := &Server{Now: time.Now, state: state, sealer: sealer}
	s.API = awsjson.API{
		Service: "Secrets Manager", Prefix: "secretsmanager.", MaxBody: maxBody, Log: slog.Default(),
		Internal: awsjson.Error{Type: "InternalServiceError", Message: "An error occurred on the server side."},
	}
	s.Operations = map[string]awsjson.Operation{
		"BatchGetSecretValue":      awsjson.Decode(s.batchGetSecretValue),
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

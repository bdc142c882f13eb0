package secrets

import (
	"log/slog"

	"github.com/google/uuid"
)

// Caller is the proven identity behind a request, what it may do, and the request's origin. Rights and names are
// as the authorizer found them, so they can be as old as the gateway caches its answers.
type Caller struct {
	AccountID uuid.UUID
	UserID    uuid.UUID
	KeyID     uuid.UUID
	Kind      Kind
	Rights    Rights // effective: those of the user that the key does not narrow
	UserName  string
	KeyName   string
	SourceIP  string
	UserAgent string
	RequestID string
	Token     Token // of the request
}

// attributes are those of a log line about the caller.
func (c Caller) attributes() []any {
	return []any{
		slog.Any("account_id", c.AccountID), slog.Any("user_id", c.UserID), slog.Any("key_id", c.KeyID),
		slog.String("source_ip", c.SourceIP), slog.String("request_id", c.RequestID),
	}
}

// Kind is what acts behind a key.
type Kind string

// All kinds. A user is a person or a machine.
const (
	Person  Kind = "person"
	Machine Kind = "machine"
	// Invited is a caller whose key is an invitation: a person who has no key yet.
	Invited Kind = "invited"
)

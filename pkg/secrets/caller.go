package secrets

import (
	"log/slog"

	"github.com/google/uuid"
)

// Caller is the proven identity behind a request, and the request's origin.
type Caller struct {
	AccountID uuid.UUID
	UserID    uuid.UUID
	KeyID     uuid.UUID
	SourceIP  string
	RequestID string
}

// attributes are those of a log line about the caller.
func (c Caller) attributes() []any {
	return []any{
		slog.Any("account_id", c.AccountID), slog.Any("user_id", c.UserID), slog.Any("key_id", c.KeyID),
		slog.String("source_ip", c.SourceIP), slog.String("request_id", c.RequestID),
	}
}

// Action is a permission that an operation requires. No action implies another.
type Action string

// All actions.
const (
	List   Action = "list"   // read names and metadata
	Reveal Action = "reveal" // read values
	Write  Action = "write"  // create, change and delete
)

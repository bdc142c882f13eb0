package secrets

import "github.com/google/uuid"

// Caller is the proven identity behind a request, and the request's origin.
type Caller struct {
	AccountID uuid.UUID
	UserID    uuid.UUID
	KeyID     uuid.UUID
	SourceIP  string
	RequestID string
}

// Action is a permission that an operation requires. No action implies another.
type Action string

// All actions.
const (
	List   Action = "list"   // read names and metadata
	Reveal Action = "reveal" // read values
	Write  Action = "write"  // create, change and delete
)

package delivery

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// ErrQuota: the Target accepts no more versions of this bundle for now.
var ErrQuota = errors.New("too many versions in a day")

// Bundle is all items of a secret at one revision.
type Bundle struct {
	AccountID uuid.UUID
	SecretID  uuid.UUID
	Name      string // of the secret
	Revision  int64
	Versions  [32]byte      // SHA-256 over the items' ids, versions and times: never over values
	Content   secrets.Value // a JSON object, {KEY: value}
}

// Target holds the current bundle of each used secret, where services read it.
//
// Promotion is a compare-and-swap by revision: the current bundle only ever moves from a
// lower revision to a higher one, however many callers deliver concurrently and in
// whatever order. All methods are idempotent. What they report as done is durable.
//
// An outage wraps [secrets.ErrUnavailable] or has an Unavailable method that returns
// true. No error's text holds a value. Callers must not rely on Remove being ordered
// against Stage and Promote: a [Lease] orders them.
type Target interface {
	// Stage stores a bundle beside the current one. The first bundle of a secret becomes
	// current at once, and so does one whose deletion was scheduled: Stage restores it.
	// ErrQuota: not now.
	Stage(ctx context.Context, b Bundle) error
	// Promote makes a staged bundle current, unless the current one has the same or a
	// higher revision. It then returns that revision as ahead, else 0.
	Promote(ctx context.Context, b Bundle) (ahead int64, err error)
	// Remove schedules the deletion of a secret's bundle. It is not an error if there is
	// none, or if its deletion is scheduled already.
	Remove(ctx context.Context, account, secret uuid.UUID) error
}

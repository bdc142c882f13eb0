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
	At        string // name of the bundle at the target
	Revision  int64
	Versions  [32]byte      // SHA-256 over the items' ids, versions and times: never over values
	Content   secrets.Value // a JSON object, {KEY: value}
}

// Held is what a Target has under a bundle's name, without the values. The zero Held: nothing.
type Held struct {
	secrets.Bundle        // Version is the current version's id, or empty
	Revision       int64  // of the current version; 0: there is none, or another writer made it
	Deleted        bool   // its deletion is scheduled
	Tagged         bool   // its tags say which secret it belongs to, and the secret's name
	Previous       string // id of the version that is still labelled as the one before the current
	Pending        string // id of a version that is labelled as staged and is not current
}

// Live reports whether services can read a bundle.
func (h Held) Live() bool { return h.Version != "" && !h.Deleted }

// Tidy reports whether no version but the current one has a label.
func (h Held) Tidy() bool { return h.Previous == "" && h.Pending == "" }

// Looker is the part of a [Target] that reads no values and changes nothing.
type Looker interface {
	// At returns the name of a secret's bundle, if the target has none yet.
	At(account, secret uuid.UUID) string
	// Look reports what the target has under the name b.At. b needs no revision and no content.
	Look(ctx context.Context, b Bundle) (Held, error)
}

// Target holds the current bundle of each used secret, where services read it.
//
// Promotion is a compare-and-swap by revision: the current bundle only ever moves from a
// lower revision to a higher one, however many callers deliver concurrently and in
// whatever order. All methods are idempotent. What they report as done is durable.
//
// An outage wraps [secrets.ErrUnavailable] or has an Unavailable method that returns
// true. No error's text holds a value. Callers must not rely on Remove being ordered
// against the other methods: a [Lease] orders them.
type Target interface {
	Looker
	// Content reads the current version of a bundle that is live.
	Content(ctx context.Context, held Held) (secrets.Value, error)
	// Restore takes back a scheduled deletion and writes missing tags. What was current before
	// the deletion is current again. It makes no version.
	Restore(ctx context.Context, b Bundle, held Held) error
	// Stage stores a bundle beside the current one. If held has no current version, the bundle
	// becomes current at once. If held has one and it is gone meanwhile, Stage fails: no bundle
	// becomes current unexpectedly. ErrQuota: not now.
	Stage(ctx context.Context, b Bundle, held Held) error
	// Promote makes a staged bundle current, unless the current one has the same or a higher
	// revision: then promoted is false. It returns what the target has afterwards, and takes
	// the labels off all versions that are not current.
	Promote(ctx context.Context, b Bundle) (now Held, promoted bool, err error)
	// Tidy takes the labels off the versions Previous and Pending of held.
	Tidy(ctx context.Context, held Held) error
	// Remove schedules the deletion of the bundle with this name. It is not an error if there is
	// none, or if its deletion is scheduled already.
	Remove(ctx context.Context, at string) error
}

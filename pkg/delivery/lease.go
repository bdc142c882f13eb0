package delivery

import (
	"context"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// Lease is the exclusive right to deliver a secret. The Target's Remove is no
// compare-and-swap, so the lease keeps a removal from overtaking a delivery; promotions
// are safe without it. It expires by itself after leaseTime: a function that delivers
// has no more time than that, so a holder that outlives its lease does not exist.
type Lease struct {
	AccountID uuid.UUID
	SecretID  uuid.UUID
	Token     int64       // fencing token: each acquisition raises it by one
	Expires   time.Time   // zero: the lease is free
	Times     []time.Time // of the newest versions made at the Target, newest first
	NotBefore time.Time   // the Target accepts no version before that
	// Settled: no holder is left that may still promote the version it has staged. Either every
	// holder since the last promotion has released the lease with success, or the promotion
	// itself makes theirs fail.
	Settled bool
	// Deleted: the secret is in the bin. While the lease is held, a restored secret can't be delivered.
	Deleted bool
}

const (
	leaseTime   = time.Minute
	leaseMargin = 10 * time.Second // of it, to record the outcome
)

// Leases is the part of a [Store] that keeps leases. They use optimistic concurrency
// on the token.
type Leases interface {
	// Lease returns the lease of a secret as it is; the zero lease at first.
	Lease(ctx context.Context, account, secret uuid.UUID) (Lease, error)
	// AcquireLease writes a lease whose token follows the stored one, as not settled.
	// ErrChanged: another caller acquired it. ErrNotFound: the secret is gone; of a Deleted one, it is no
	// longer in the bin, or claimed there.
	AcquireLease(ctx context.Context, l Lease) error
	// IsGone reports whether a secret is gone for good: at one moment it neither exists nor can be restored.
	IsGone(ctx context.Context, account, secret uuid.UUID) (bool, error)
	// ReleaseLease frees the lease and records its outcome; failure is the error's text
	// or empty. It does nothing if another caller has acquired the lease since.
	ReleaseLease(ctx context.Context, l Lease, failure string) error
}

// due returns when the next turn of a secret may begin. A turn that makes no version does not wait.
func (l Lease) due(p Pace, secret secrets.Secret) time.Time {
	if !outdated(secret) {
		return l.Expires
	}
	if secret.Delivered >= secret.Revision { // only a repair waits: a change may use all places
		p.Most -= p.Reserved
	}
	due := p.next(l.Times, secret.Delivered > 0)
	for _, t := range []time.Time{l.NotBefore, l.Expires} {
		if t.After(due) {
			due = t
		}
	}
	return due
}

// outdated reports whether a used secret's bundle must be delivered or repaired. After a failure it is
// unknown how far the delivery came.
func outdated(secret secrets.Secret) bool {
	return secret.Services > 0 && (secret.Delivered < secret.Revision || secret.Drifted || secret.DeployFailed)
}

// acquire returns the lease as its next holder has it. A holder that makes a version
// counts for the pace.
func (l Lease) acquire(p Pace, now time.Time, makesVersion bool) Lease {
	l.Token++
	l.Expires = now.Add(leaseTime)
	if makesVersion {
		l.Times = append([]time.Time{now}, l.Times...)
		l.Times = l.Times[:min(len(l.Times), p.Most)]
		l.NotBefore = time.Time{}
	}
	return l
}

// refund takes back the version that acquire counted, because none was made: an outage
// must not slow down later deliveries.
func (l Lease) refund() Lease {
	if len(l.Times) > 0 && l.Times[0].Equal(l.Expires.Add(-leaseTime)) {
		l.Times = l.Times[1:]
	}
	return l
}

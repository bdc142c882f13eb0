// Package delivery delivers the secrets that services use to a [Target], as one bundle
// each, so that no service calls this product's API when it starts.
//
// The protocol is a transactional outbox with a lease, and a two-phase move at the
// target:
//
//  1. The transaction of a change raises the secret's revision and puts an [Entry] into
//     the outbox. The entry stays until it is acknowledged, whatever crashes.
//  2. The table's stream emits the entry, and its consumer calls [Deliverer.Deliver].
//     [Sweeper.Sweep] requeues the entries that are left.
//  3. Deliver acquires the secret's [Lease], reads the bundle at one revision, stages it
//     at the target, appends the event, and promotes the bundle unless a higher revision
//     is current. It then marks the secret as delivered, releases the lease and
//     acknowledges the entry. If a newer entry has replaced it, Deliver starts again.
//
// Each step may be repeated, may be late, and may run concurrently: the target only moves
// from lower revisions to higher ones. No bundle becomes current before its event is
// appended. A crash, or a target that is ahead, can leave an event of a bundle that did
// not become current; the opposite never happens.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// Deliverer brings the target to what the table says. Its methods are safe for
// concurrent use. All fields are required.
type Deliverer struct {
	Store   Store
	Opener  Opener
	Target  Target
	Limits  Limits
	Monitor Monitor

	Now   func() time.Time
	NewID func() uuid.UUID // version 7
	Log   *slog.Logger     // for failed deliveries; their consumer writes it
}

// Store is what a [Deliverer] reads and writes. It holds no rules, and its reads are
// strongly consistent. Errors are those of [secrets.Store].
type Store interface {
	Outbox
	Leases
	BundleStore
	secrets.Events

	// MarkDelivered records the revision that is current at the target, unless a higher
	// one is recorded. MarkUndelivered records that none is, MarkFailed that the last
	// delivery failed. A secret that is gone is left alone.
	MarkDelivered(ctx context.Context, account, secret uuid.UUID, revision int64) error
	MarkUndelivered(ctx context.Context, account, secret uuid.UUID) error
	MarkFailed(ctx context.Context, account, secret uuid.UUID) error
	// RaiseRevision sets the secret's revision. ErrChanged: it is not that of old.
	RaiseRevision(ctx context.Context, old secrets.Secret, revision int64) error
}

// Monitor counts what operators watch. Its methods neither fail nor block.
type Monitor interface {
	Delivered(ctx context.Context, lag time.Duration) // a bundle became current, lag after its newest change
	DeliveryFailed(ctx context.Context)               // an attempt to deliver failed
}

// now is the time of a step, in the resolution that is stored.
func (d *Deliverer) now() time.Time { return d.Now().UTC().Truncate(time.Microsecond) }

// Deliver processes the outbox entry of a secret until none is left. It also returns nil
// when the entry is not due yet, or when another caller holds the lease. A failure is
// recorded on the secret, and the entry stays in the outbox.
func (d *Deliverer) Deliver(ctx context.Context, account, secret uuid.UUID) error {
	for {
		entry, err := d.Store.Entry(ctx, account, secret)
		if errors.Is(err, secrets.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read outbox: %w", err)
		}
		done, err := d.process(ctx, entry)
		if err != nil || !done {
			return err
		}
	}
}

// process does what an entry asks for and acknowledges it. It reports false if the entry
// is left for later or for another caller.
func (d *Deliverer) process(ctx context.Context, e Entry) (done bool, err error) {
	lease, secret, err := d.acquire(ctx, e)
	switch {
	case errors.Is(err, secrets.ErrNotFound):
		// The secret is gone, so no service can begin to use it. But a lease that was
		// acquired before its deletion may still be held.
		if d.now().Before(e.At.Add(2 * leaseTime)) {
			return false, nil
		}
		if err := d.Target.Remove(ctx, e.AccountID, e.SecretID); err != nil {
			return false, fmt.Errorf("remove bundle: %w", err)
		}
	case errors.Is(err, secrets.ErrChanged):
		return false, nil
	case err != nil:
		return false, err
	default:
		if done, err := d.deliver(ctx, lease, secret, e); err != nil || !done {
			return false, err
		}
	}
	if err := d.Store.Acknowledge(ctx, e); err != nil && !errors.Is(err, secrets.ErrChanged) {
		return false, fmt.Errorf("acknowledge: %w", err)
	}
	return true, nil
}

// acquire acquires the lease of an entry's secret and reads the secret under it.
// ErrChanged: the lease is held, or no delivery is due. ErrNotFound: the secret is gone.
func (d *Deliverer) acquire(ctx context.Context, e Entry) (Lease, secrets.Secret, error) {
	lease, err := d.Store.Lease(ctx, e.AccountID, e.SecretID)
	if err != nil {
		return lease, secrets.Secret{}, fmt.Errorf("read lease: %w", err)
	}
	secret, err := d.Store.Secret(ctx, e.AccountID, e.SecretID)
	if err != nil {
		return lease, secret, fmt.Errorf("read secret: %w", err)
	}
	now, used := d.now(), secret.Services > 0
	if lease.Expires.After(now) || used && lease.due(d.Limits.Pace, secret.Delivered > 0).After(now) {
		return lease, secret, secrets.ErrChanged
	}
	lease = lease.acquire(d.Limits.Pace, now, used)
	if err := d.Store.AcquireLease(ctx, lease); err != nil {
		return lease, secret, fmt.Errorf("acquire lease: %w", err)
	}
	// The first read may predate the entry's change, because the rows of a transaction do
	// not become visible at the same moment. Acquiring the lease waited for all of them.
	if secret, err = d.Store.Secret(ctx, e.AccountID, e.SecretID); err != nil {
		err = fmt.Errorf("read secret: %w", err)
		return lease, secret, errors.Join(err, d.Store.ReleaseLease(ctx, lease, err.Error()))
	}
	return lease, secret, nil
}

// deliver uses the lease: it delivers the secret, or removes its bundle if no service uses
// the secret. A secret that is written without a pause is neither done nor failed: the
// stream emits its last change too.
func (d *Deliverer) deliver(ctx context.Context, lease Lease, secret secrets.Secret, e Entry) (done bool, err error) {
	working, cancel := context.WithTimeout(ctx, leaseTime-leaseMargin)
	defer cancel()
	staged := false
	if secret.Services > 0 {
		staged, err = d.deploy(working, secret, e.At)
	} else {
		err = d.undeploy(working, secret)
	}
	// The outcome is recorded even after a failure, and when time is up.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), leaseMargin/2)
	defer cancel()
	if !staged && !errors.Is(err, ErrQuota) {
		lease = lease.refund()
	}
	failure, done := "", true
	switch {
	case errors.Is(err, secrets.ErrNotFound), errors.Is(err, secrets.ErrChanged) && d.replaced(ctx, e):
		done, err = false, nil
	case err != nil:
		failure = err.Error()
		if errors.Is(err, ErrQuota) {
			lease.NotBefore = d.now().Add(d.Limits.Pace.Every)
		}
		d.Monitor.DeliveryFailed(ctx)
		if markErr := d.Store.MarkFailed(ctx, secret.AccountID, secret.ID); markErr != nil {
			err = errors.Join(err, fmt.Errorf("mark secret: %w", markErr))
		}
	}
	if releaseErr := d.Store.ReleaseLease(ctx, lease, failure); releaseErr != nil {
		err = errors.Join(err, fmt.Errorf("release lease: %w", releaseErr))
	}
	return done, err
}

// replaced reports whether a newer change has replaced an entry in the outbox.
func (d *Deliverer) replaced(ctx context.Context, e Entry) bool {
	now, err := d.Store.Entry(ctx, e.AccountID, e.SecretID)
	return err == nil && now.Change != e.Change
}

// deploy makes the secret's bundle current at the target. It reports whether the target
// has stored a version.
func (d *Deliverer) deploy(ctx context.Context, secret secrets.Secret, changed time.Time) (staged bool, err error) {
	bundler := bundler{store: d.Store, opener: d.Opener, maxSize: d.Limits.BundleSize}
	b, err := bundler.read(ctx, secret.AccountID, secret.ID)
	if err != nil {
		return false, err
	}
	record := func() error {
		if err := d.Store.AppendEvent(ctx, d.event(secrets.SecretDeployed, secret, b.Revision)); err != nil {
			return fmt.Errorf("record delivery: %w", err)
		}
		return nil
	}
	// A first or restored bundle becomes current when it is staged: record before that.
	// Otherwise record after staging, so that failed attempts leave no events.
	first := secret.Delivered == 0
	if first {
		if err := record(); err != nil {
			return false, err
		}
	}
	if err := d.Target.Stage(ctx, b); err != nil {
		return false, fmt.Errorf("stage bundle: %w", err)
	}
	if !first {
		if err := record(); err != nil {
			return true, err
		}
	}
	ahead, err := d.Target.Promote(ctx, b)
	if err != nil {
		return true, fmt.Errorf("promote bundle: %w", err)
	}
	if ahead > 0 {
		return true, d.overtake(ctx, b, ahead)
	}
	if err := d.Store.MarkDelivered(ctx, secret.AccountID, secret.ID, b.Revision); err != nil {
		return true, fmt.Errorf("mark secret: %w", err)
	}
	d.Monitor.Delivered(ctx, d.Now().Sub(changed))
	return true, nil
}

// overtake handles a target that is ahead. Either the secret has changed since, or the
// table was restored: then the secret's revision is raised above the target's.
func (d *Deliverer) overtake(ctx context.Context, b Bundle, ahead int64) error {
	now, err := d.Store.Secret(ctx, b.AccountID, b.SecretID)
	if err != nil {
		return fmt.Errorf("read secret: %w", err)
	}
	if now.Revision < ahead || now.Revision == b.Revision {
		// ErrChanged: a concurrent change, or an earlier try whose answer was lost, raised it.
		if err := d.Store.RaiseRevision(ctx, now, ahead+1); err != nil && !errors.Is(err, secrets.ErrChanged) {
			return fmt.Errorf("raise revision: %w", err)
		}
	}
	return d.Store.PutEntry(ctx, Entry{AccountID: b.AccountID, SecretID: b.SecretID, Change: d.NewID(), At: d.now()})
}

// undeploy removes the bundle of a secret that no service uses any more.
func (d *Deliverer) undeploy(ctx context.Context, secret secrets.Secret) error {
	if secret.Delivered > 0 || secret.DeployFailed { // otherwise there is no bundle
		if err := d.Store.AppendEvent(ctx, d.event(secrets.SecretUndeployed, secret, secret.Delivered)); err != nil {
			return fmt.Errorf("record removal: %w", err)
		}
	}
	if err := d.Target.Remove(ctx, secret.AccountID, secret.ID); err != nil {
		return fmt.Errorf("remove bundle: %w", err)
	}
	if err := d.Store.MarkUndelivered(ctx, secret.AccountID, secret.ID); err != nil {
		return fmt.Errorf("mark secret: %w", err)
	}
	return nil
}

// event is an event by the system, which has no user.
func (d *Deliverer) event(kind string, secret secrets.Secret, revision int64) secrets.Event {
	return secrets.Event{
		ID: d.NewID(), AccountID: secret.AccountID, At: d.now(), Type: kind,
		SecretID: secret.ID, Version: revision, Name: secret.Name,
	}
}

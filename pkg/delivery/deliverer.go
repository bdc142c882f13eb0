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
//  3. Deliver acquires the secret's [Lease] and looks at what the target has. It reads the
//     bundle at one revision, stages it, appends the event, and promotes the bundle unless a
//     higher revision is current. It then marks the secret as delivered, releases the lease
//     and acknowledges the entry. If a newer entry has replaced it, Deliver starts again.
//
// Each step may be repeated, may be late, and may run concurrently: the target only moves
// from lower revisions to higher ones. No bundle becomes current before its event is
// appended. A crash, or a target that is ahead, can leave an event of a bundle that did
// not become current; the opposite never happens.
//
// The table says what the target should have. What it has is asked, never assumed: an entry
// of a secret that is up to date only has the target looked at. A target that differs, such
// as after a change by hand, makes the secret drifted, and a drifted secret is delivered
// again. [Checker] puts such entries, so that each used secret is looked at every few hours.
//
// A bundle whose content equals the current one makes no version. That is safe only while no
// earlier holder of the lease can still promote what it staged: see [Lease].
package delivery

import (
	"cmp"
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
	Opener  secrets.Opener
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

	// MarkDelivered records the revision whose content is current at the target, and where,
	// unless a higher one is recorded. The secret has not drifted then. MarkUndelivered records
	// that none is, MarkFailed that the last delivery failed. A secret that is gone is left alone.
	MarkDelivered(ctx context.Context, account, secret uuid.UUID, revision int64, b secrets.Bundle) error
	MarkUndelivered(ctx context.Context, account, secret uuid.UUID) error
	MarkFailed(ctx context.Context, account, secret uuid.UUID) error
	// MarkDrifted records with an event that the target differs. ErrChanged: the secret's
	// revision is not that of old, or it has drifted already.
	MarkDrifted(ctx context.Context, old secrets.Secret, ev secrets.Event) error
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
		next, err := d.process(ctx, entry)
		if err != nil || next == later {
			return err
		}
	}
}

// step is what follows a turn.
type step int

const (
	acknowledge step = iota // the turn has done what the entry asks for
	again                   // the entry needs another turn at once
	later                   // the entry is left for later, or for another caller
)

// process does what an entry asks for, and acknowledges it.
func (d *Deliverer) process(ctx context.Context, e Entry) (next step, err error) {
	lease, secret, next, err := d.acquire(ctx, e)
	switch {
	case errors.Is(err, secrets.ErrNotFound):
		next, err = d.removeDeleted(ctx, e)
	case err == nil && next == acknowledge:
		next, err = d.deliver(ctx, lease, secret, e)
	}
	if err != nil || next != acknowledge {
		return next, err
	}
	if err := d.Store.Acknowledge(ctx, e); err != nil && !errors.Is(err, secrets.ErrChanged) {
		return later, fmt.Errorf("acknowledge: %w", err)
	}
	return again, nil
}

// removeDeleted removes the bundle of a deleted secret. One in the bin can be restored, and used and delivered again,
// so the removal holds the lease. One that is gone for good can't, but a lease that was acquired before may still be held.
// A secret that is not in the bin may as well have been restored meanwhile: then the entry gets another turn.
func (d *Deliverer) removeDeleted(ctx context.Context, e Entry) (next step, err error) {
	lease, err := d.Store.Lease(ctx, e.AccountID, e.SecretID)
	if err != nil {
		return later, fmt.Errorf("read lease: %w", err)
	}
	now := d.now()
	if lease.Expires.After(now) {
		return later, nil
	}
	lease = lease.acquire(d.Limits.Pace, now, false)
	lease.Deleted, lease.Settled = true, false
	err = d.Store.AcquireLease(ctx, lease)
	switch {
	case errors.Is(err, secrets.ErrChanged), errors.Is(err, secrets.ErrNotFound) && now.Before(e.At.Add(2*leaseTime)):
		return later, nil
	case errors.Is(err, secrets.ErrNotFound):
		gone, err := d.Store.IsGone(ctx, e.AccountID, e.SecretID)
		if err != nil {
			return later, fmt.Errorf("look for the secret: %w", err)
		}
		if !gone {
			return again, nil
		}
		return acknowledge, d.removeBundle(ctx, e)
	case err != nil:
		return later, fmt.Errorf("acquire lease: %w", err)
	}
	working, cancel := context.WithTimeout(ctx, leaseTime-leaseMargin)
	defer cancel()
	failure := ""
	if err = d.removeBundle(working, e); err != nil {
		failure = err.Error()
	}
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), leaseMargin/2) // as in deliver
	defer cancel()
	if releaseErr := d.Store.ReleaseLease(ctx, lease, failure); releaseErr != nil {
		err = errors.Join(err, fmt.Errorf("release lease: %w", releaseErr))
	}
	return acknowledge, err
}

// removeBundle removes the bundle that an entry names.
func (d *Deliverer) removeBundle(ctx context.Context, e Entry) error {
	if err := d.Target.Remove(ctx, cmp.Or(e.Bundle, d.Target.At(e.AccountID, e.SecretID))); err != nil {
		return fmt.Errorf("remove bundle: %w", err)
	}
	return nil
}

// acquire acquires the lease of an entry's secret and reads the secret under it. Unless next is
// acknowledge, the turn ends here: the lease is held, no delivery is due, or the secret became
// outdated meanwhile. ErrNotFound: the secret is gone.
func (d *Deliverer) acquire(ctx context.Context, e Entry) (lease Lease, secret secrets.Secret, next step, err error) {
	if lease, err = d.Store.Lease(ctx, e.AccountID, e.SecretID); err != nil {
		return lease, secret, later, fmt.Errorf("read lease: %w", err)
	}
	if secret, err = d.Store.Secret(ctx, e.AccountID, e.SecretID); err != nil {
		return lease, secret, later, fmt.Errorf("read secret: %w", err)
	}
	now, counted := d.now(), outdated(secret)
	if lease.due(d.Limits.Pace, secret).After(now) {
		return lease, secret, later, nil
	}
	lease = lease.acquire(d.Limits.Pace, now, counted)
	err = d.Store.AcquireLease(ctx, lease)
	if errors.Is(err, secrets.ErrChanged) {
		return lease, secret, later, nil
	}
	if err != nil {
		return lease, secret, later, fmt.Errorf("acquire lease: %w", err)
	}
	// The first read may predate the entry's change, because the rows of a transaction do
	// not become visible at the same moment. Acquiring the lease waited for all of them.
	if secret, err = d.Store.Secret(ctx, e.AccountID, e.SecretID); err != nil {
		err = fmt.Errorf("read secret: %w", err)
		lease.Settled = false
		return lease, secret, later, errors.Join(err, d.Store.ReleaseLease(ctx, lease, err.Error()))
	}
	if outdated(secret) && !counted { // the pace decides first
		return lease, secret, again, d.Store.ReleaseLease(ctx, lease, "")
	}
	return lease, secret, acknowledge, nil
}

// deliver uses the lease: it delivers the secret, or looks at the target if the secret is up to date, or
// removes the bundle if no service uses the secret.
func (d *Deliverer) deliver(ctx context.Context, lease Lease, secret secrets.Secret, e Entry) (next step, err error) {
	working, cancel := context.WithTimeout(ctx, leaseTime-leaseMargin)
	defer cancel()
	var made outcome
	switch {
	case secret.Services == 0:
		err = d.undeploy(working, secret)
	case outdated(secret):
		made, err = d.deploy(working, secret, lease.Settled, e.At)
	default:
		next, err = d.look(working, secret)
	}
	// The outcome is recorded even after a failure, and when time is up.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), leaseMargin/2)
	defer cancel()
	if !made.staged && !errors.Is(err, ErrQuota) {
		lease = lease.refund()
	}
	lease.Settled = made.promoted || lease.Settled && err == nil
	failure := ""
	switch {
	case errors.Is(err, secrets.ErrNotFound), errors.Is(err, secrets.ErrChanged) && d.replaced(ctx, e):
		// It is deleted, or written without a pause: the stream emits its last change too.
		next, err = later, nil
	case err != nil:
		next, failure = later, err.Error()
		if errors.Is(err, ErrQuota) {
			lease.NotBefore = d.now().Add(d.Limits.Pace.Every)
		}
		d.Monitor.DeliveryFailed(ctx)
		if outdated(secret) || secret.Services == 0 { // after a look nothing is known to be wrong
			if markErr := d.Store.MarkFailed(ctx, secret.AccountID, secret.ID); markErr != nil {
				err = errors.Join(err, fmt.Errorf("mark secret: %w", markErr))
			}
		}
	}
	if releaseErr := d.Store.ReleaseLease(ctx, lease, failure); releaseErr != nil {
		next, err = later, errors.Join(err, fmt.Errorf("release lease: %w", releaseErr))
	}
	return next, err
}

// replaced reports whether a newer change has replaced an entry in the outbox.
func (d *Deliverer) replaced(ctx context.Context, e Entry) bool {
	now, err := d.Store.Entry(ctx, e.AccountID, e.SecretID)
	return err == nil && now.Change != e.Change
}

// outcome is what a turn did at the target.
type outcome struct {
	staged   bool // it may have stored a version
	promoted bool // the bundle is current: every promotion that was begun before fails
}

// look compares what the target has with what was delivered to it. If it differs, look marks the secret
// as drifted, and another turn repairs it.
func (d *Deliverer) look(ctx context.Context, secret secrets.Secret) (next step, err error) {
	held, err := d.Target.Look(ctx, d.place(secret))
	if err != nil {
		return later, fmt.Errorf("look at the target: %w", err)
	}
	different := drift(secret, held)
	if len(different) == 0 {
		return acknowledge, d.tidy(ctx, held)
	}
	ev := d.event(secrets.SecretDrifted, secret, secret.Delivered)
	ev.Changed = different
	if err := d.Store.MarkDrifted(ctx, secret, ev); err != nil && !errors.Is(err, secrets.ErrChanged) {
		return later, fmt.Errorf("mark secret: %w", err)
	}
	return again, nil
}

// drift names the differences between what was delivered of a secret and what the target has, sorted.
func drift(secret secrets.Secret, held Held) (different []string) {
	if held == (Held{}) {
		return []string{"deleted"}
	}
	if held.Deleted {
		different = append(different, "scheduled")
	}
	if !held.Tagged {
		different = append(different, "tags")
	}
	if held.Version != secret.Bundle.Version {
		different = append(different, "version")
	}
	return different
}

func (d *Deliverer) tidy(ctx context.Context, held Held) error {
	if held.Tidy() {
		return nil
	}
	if err := d.Target.Tidy(ctx, held); err != nil {
		return fmt.Errorf("take labels off: %w", err)
	}
	return nil
}

// place is a bundle without content: what the target needs to look at it.
func (d *Deliverer) place(secret secrets.Secret) Bundle {
	return placeOf(d.Target, secret)
}

func placeOf(target Looker, secret secrets.Secret) Bundle {
	return Bundle{
		AccountID: secret.AccountID, SecretID: secret.ID, Name: secret.Name,
		At: cmp.Or(secret.Bundle.Name, target.At(secret.AccountID, secret.ID)),
	}
}

// deploy makes the secret's bundle current at the target. settled allows to skip a bundle whose content
// is current already.
func (d *Deliverer) deploy(ctx context.Context, secret secrets.Secret, settled bool, changed time.Time) (made outcome, err error) {
	held, err := d.Target.Look(ctx, d.place(secret))
	if err != nil {
		return made, fmt.Errorf("look at the target: %w", err)
	}
	asDelivered := settled && held.Revision > 0 && held.Version == secret.Bundle.Version
	if asDelivered && secret.Delivered == secret.Revision { // the version is right, the rest is not
		return made, d.keep(ctx, d.place(secret), held, secret.Revision)
	}
	bundler := bundler{store: d.Store, opener: d.Opener, maxSize: d.Limits.BundleSize}
	b, err := bundler.read(ctx, secret.AccountID, secret.ID)
	if err != nil {
		return made, err
	}
	b.At = d.place(secret).At
	if asDelivered && held.Live() {
		now, err := d.Target.Content(ctx, held)
		if err != nil {
			return made, fmt.Errorf("read the current bundle: %w", err)
		}
		if now.Reveal() == b.Content.Reveal() {
			return made, d.keep(ctx, b, held, b.Revision)
		}
	}
	record := func() error {
		if err := d.Store.AppendEvent(ctx, d.event(secrets.SecretDeployed, secret, b.Revision)); err != nil {
			return fmt.Errorf("record delivery: %w", err)
		}
		return nil
	}
	// Where services can read nothing, restoring or staging makes a version current: record before that.
	// Otherwise record after staging, so that failed attempts leave no events.
	first := !held.Live()
	if held.Revision > b.Revision { // it would never be promoted, and AWS counts versions
		return made, d.overtake(ctx, b, held.Revision)
	}
	if first {
		if err := record(); err != nil {
			return made, err
		}
	}
	if err := d.Target.Restore(ctx, b, held); err != nil {
		return made, fmt.Errorf("restore bundle: %w", err)
	}
	if err := d.Target.Stage(ctx, b, held); err != nil {
		return made, fmt.Errorf("stage bundle: %w", err)
	}
	made.staged = true
	if !first {
		if err := record(); err != nil {
			return made, err
		}
	}
	now, promoted, err := d.Target.Promote(ctx, b)
	made.promoted = promoted
	if err != nil {
		return made, fmt.Errorf("promote bundle: %w", err)
	}
	if !promoted {
		return made, d.overtake(ctx, b, now.Revision)
	}
	if err := d.Store.MarkDelivered(ctx, secret.AccountID, secret.ID, b.Revision, now.Bundle); err != nil {
		return made, fmt.Errorf("mark secret: %w", err)
	}
	d.Monitor.Delivered(ctx, d.Now().Sub(changed))
	return made, nil
}

// keep leaves the current version as it is, because it has the content of a revision, and repairs
// everything else.
func (d *Deliverer) keep(ctx context.Context, b Bundle, held Held, revision int64) error {
	if err := d.Target.Restore(ctx, b, held); err != nil {
		return fmt.Errorf("restore bundle: %w", err)
	}
	if err := d.tidy(ctx, held); err != nil {
		return err
	}
	if err := d.Store.MarkDelivered(ctx, b.AccountID, b.SecretID, revision, held.Bundle); err != nil {
		return fmt.Errorf("mark secret: %w", err)
	}
	return nil
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
	return d.Store.PutEntry(ctx, Entry{AccountID: b.AccountID, SecretID: b.SecretID, Change: d.NewID(), At: d.now(), Bundle: b.At})
}

// undeploy removes the bundle of a secret that no service uses any more.
func (d *Deliverer) undeploy(ctx context.Context, secret secrets.Secret) error {
	if secret.Delivered > 0 || secret.DeployFailed { // otherwise there is no bundle
		if err := d.Store.AppendEvent(ctx, d.event(secrets.SecretUndeployed, secret, secret.Delivered)); err != nil {
			return fmt.Errorf("record removal: %w", err)
		}
	}
	if err := d.Target.Remove(ctx, d.place(secret).At); err != nil {
		return fmt.Errorf("remove bundle: %w", err)
	}
	if err := d.Store.MarkUndelivered(ctx, secret.AccountID, secret.ID); err != nil {
		return fmt.Errorf("mark secret: %w", err)
	}
	return nil
}

// event is an event by the system, which has no user.
func (d *Deliverer) event(action string, secret secrets.Secret, revision int64) secrets.Event {
	return secrets.Event{
		ID: secrets.NewEventID(d.now(), d.NewID()), AccountID: secret.AccountID, Action: action, Outcome: secrets.OutcomeAllowed,
		Secret: secrets.Named{ID: secret.ID, Name: secret.Name}, Version: revision,
	}
}

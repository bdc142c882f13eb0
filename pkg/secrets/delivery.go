package secrets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// A secret that services use is delivered, as one bundle, to where they run, so that
// none of them calls this API when it starts. From a change to the bundle:
//
//  1. The transaction of the change raises the secret's revision and puts the change
//     on a list (Undelivered). It stays there until what it asks for is done, whatever
//     crashes, so nothing is forgotten; nobody needs to look anywhere else.
//  2. Whoever listens to that list, the table's stream, has DeploySecret called;
//     RedeploySecrets reminds of what still waits.
//  3. DeploySecret takes a turn (Delivery), so that a removal never overtakes a
//     delivery; reads the bundle at one revision; stages it at the Target; records
//     that; makes it the current one unless a higher revision is; notes that on the
//     secret; and takes the change off the list unless a newer one waits: then again.
//
// Each step may be repeated, late, or done by several at once: the Target moves from
// lower revisions to higher ones only. A bundle does not become what services take
// before that is recorded; a crash, or a Target that is ahead, can leave a record of one
// that did not, never the other way.

// ErrQuota is a [Target]'s word for a bundle that it takes later, but not now: AWS
// keeps a number of versions of the last day, and no more.
var ErrQuota = errors.New("too many versions in a day")

// Target is where services take their secrets from, natively: AWS Secrets Manager.
// It holds a bundle for each secret that a service uses.
//
// Outages wrap [ErrUnavailable] or have an Unavailable method that says true. No error's
// text holds a value.
type Target interface {
	// Stage stores a bundle beside the current one; where there is none it becomes that
	// at once. Staged again, it is the same one. What was to be deleted is restored.
	// ErrQuota: not now.
	Stage(ctx context.Context, b Bundle) error
	// Promote makes a staged bundle the current one, unless another of its revision or
	// of a higher one is. It returns the revision of that other one, or 0.
	Promote(ctx context.Context, b Bundle) (ahead int64, err error)
	// Remove schedules the deletion of a secret's bundle. It is no error when there is
	// none, or when that has been done.
	Remove(ctx context.Context, account, secret uuid.UUID) error
}

// Undelivered is a change of a secret that waits for its delivery, or for the removal of
// what was delivered.
type Undelivered struct {
	AccountID uuid.UUID
	SecretID  uuid.UUID
	Change    uuid.UUID // the id of the event of the change
	At        time.Time
}

// Delivery is what is known of the deliveries of a secret.
type Delivery struct {
	AccountID uuid.UUID
	SecretID  uuid.UUID
	Turn      int64       // counts them
	Until     time.Time   // when a turn that is taken ends by itself; zero: none is
	Times     []time.Time // of the newest deliveries that were begun, newest first
	NotBefore time.Time   // when the next one may begin, as the Target wants it
}

// turnTime is how long one delivery may take. It ends in time, or its process has ended:
// a function that delivers has no more time than that.
const (
	turnTime   = time.Minute
	turnMargin = 10 * time.Second
)

// The pace of deliveries of one secret. Secrets Manager keeps each version of the last
// 24 hours and refuses the 101st, so changes in haste are gathered: the newest wins.
const (
	paceWindow = 24 * time.Hour
	paceBurst  = 20               // so many in the window at once,
	paceEvery  = 15 * time.Minute // then one in this time,
	paceLimit  = 90               // and never more
)

// due is when the next delivery may begin. Where services take nothing yet, or nothing
// any more, it does not wait for its turn among many.
func (d Delivery) due(served bool) time.Time {
	due := d.NotBefore
	later := func(t time.Time) {
		if t.After(due) {
			due = t
		}
	}
	if served && len(d.Times) >= paceBurst {
		// Now, when the window holds fewer than the burst; else after a while.
		free, next := d.Times[paceBurst-1].Add(paceWindow), d.Times[0].Add(paceEvery)
		if free.Before(next) {
			next = free
		}
		later(next)
	}
	if len(d.Times) >= paceLimit {
		later(d.Times[paceLimit-1].Add(paceWindow))
	}
	return due
}

// begin is the delivery's next turn; one that stages a bundle counts for the pace.
func (d Delivery) begin(now time.Time, stages bool) Delivery {
	d.Turn++
	d.Until = now.Add(turnTime)
	if stages {
		d.Times = append([]time.Time{now}, d.Times...)
		d.Times = d.Times[:min(len(d.Times), paceLimit)]
		d.NotBefore = time.Time{}
	}
	return d
}

// Status is what the API tells of a secret's delivery.
type Status string

// All statuses. Where nothing is delivered a secret is ready at once.
const (
	StatusReady     Status = "ready"     // services, if any, take it as it is
	StatusPending   Status = "pending"   // services use it, and it was never delivered
	StatusDeploying Status = "deploying" // services take it as it was before the last changes
	StatusFailed    Status = "failed"    // and the last attempt to deliver those failed
)

// Status tells how far the delivery of a secret is, and whether the last one succeeded:
// false before the first one.
func (s *Service) Status(secret Secret) (status Status, successful bool) {
	switch {
	case !s.Delivers || secret.Services == 0:
		return StatusReady, true
	case secret.DeployFailed:
		return StatusFailed, false
	case secret.Delivered == 0:
		return StatusPending, false
	case secret.Delivered < secret.Revision:
		return StatusDeploying, true
	}
	return StatusReady, true
}

// DeploySecret does what the changes of a secret that wait ask for. It returns nil also
// when that is to be done later, or by somebody who is at it. A failure is noted on the
// secret, and what waits stays on the list.
func (s *Service) DeploySecret(ctx context.Context, account, secret uuid.UUID) error {
	for {
		waiting, err := s.Store.Undelivered(ctx, account, secret)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read what waits: %w", err)
		}
		done, err := s.settle(ctx, waiting)
		if err != nil || !done {
			return err
		}
	}
}

// settle does what one change asks for and takes it off the list; not done: later, or
// somebody else.
func (s *Service) settle(ctx context.Context, u Undelivered) (done bool, err error) {
	turn, secret, err := s.takeTurn(ctx, u)
	switch {
	case errors.Is(err, ErrNotFound):
		// The secret is gone, and no service can come to use it. But a turn from before
		// may still be used.
		if s.now().Before(u.At.Add(2 * turnTime)) {
			return false, nil
		}
		if err := s.Target.Remove(ctx, u.AccountID, u.SecretID); err != nil {
			return false, fmt.Errorf("remove bundle: %w", err)
		}
	case errors.Is(err, ErrChanged):
		return false, nil
	case err != nil:
		return false, err
	default:
		if done, err := s.useTurn(ctx, turn, secret, u); err != nil || !done {
			return false, err
		}
	}
	if err := s.Store.Settle(ctx, u); err != nil && !errors.Is(err, ErrChanged) {
		return false, fmt.Errorf("take change off the list: %w", err)
	}
	return true, nil
}

// takeTurn begins a delivery. ErrChanged: not now. ErrNotFound: the secret is gone.
func (s *Service) takeTurn(ctx context.Context, u Undelivered) (Delivery, Secret, error) {
	d, err := s.Store.Delivery(ctx, u.AccountID, u.SecretID)
	if err != nil {
		return d, Secret{}, fmt.Errorf("read delivery: %w", err)
	}
	secret, err := s.Store.Secret(ctx, u.AccountID, u.SecretID)
	if err != nil {
		return d, secret, fmt.Errorf("read secret: %w", err)
	}
	now, stages := s.now(), secret.Services > 0
	if d.Until.After(now) || stages && d.due(secret.Delivered > 0).After(now) {
		return d, secret, ErrChanged
	}
	d = d.begin(now, stages)
	if err := s.Store.BeginDelivery(ctx, d); err != nil {
		return d, secret, fmt.Errorf("begin delivery: %w", err)
	}
	// What was read may be from before the change that waits: its rows don't become
	// visible at one moment. The turn has waited for all of it.
	if secret, err = s.Store.Secret(ctx, u.AccountID, u.SecretID); err != nil {
		err = fmt.Errorf("read secret: %w", err)
		return d, secret, errors.Join(err, s.Store.EndDelivery(ctx, d, err.Error()))
	}
	return d, secret, nil
}

// useTurn delivers the secret, or removes what was delivered when no service uses it. A
// secret that is written without a pause is neither done nor a failure: the write that
// comes last is told of, too.
func (s *Service) useTurn(ctx context.Context, d Delivery, secret Secret, u Undelivered) (done bool, err error) {
	working, cancel := context.WithTimeout(ctx, turnTime-turnMargin)
	defer cancel()
	staged := false
	if secret.Services > 0 {
		staged, err = s.deploy(working, secret, u.At)
	} else {
		err = s.undeploy(working, secret)
	}
	// What follows is for after a failure too, and for when time is up.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), turnMargin/2)
	defer cancel()
	if counted := len(d.Times) > 0 && d.Times[0].Equal(d.Until.Add(-turnTime)); counted && !staged && !errors.Is(err, ErrQuota) {
		d.Times = d.Times[1:] // it has made no version: an outage does not slow down what follows it
	}
	failure, done := "", true
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrChanged) && s.newerWaits(ctx, u):
		done, err = false, nil
	case err != nil:
		failure = err.Error()
		if errors.Is(err, ErrQuota) {
			d.NotBefore = s.now().Add(paceEvery)
		}
		s.Monitor.DeliveryFailed(ctx)
		if markErr := s.Store.MarkFailed(ctx, secret.AccountID, secret.ID); markErr != nil {
			err = errors.Join(err, fmt.Errorf("mark secret: %w", markErr))
		}
	}
	if endErr := s.Store.EndDelivery(ctx, d, failure); endErr != nil {
		err = errors.Join(err, fmt.Errorf("end delivery: %w", endErr))
	}
	return done, err
}

// newerWaits reports whether a change has taken another one's place on the list.
func (s *Service) newerWaits(ctx context.Context, u Undelivered) bool {
	now, err := s.Store.Undelivered(ctx, u.AccountID, u.SecretID)
	return err == nil && now.Change != u.Change
}

// deploy makes a secret, as it is, what services take. It reports whether the Target
// has got a bundle.
func (s *Service) deploy(ctx context.Context, secret Secret, since time.Time) (staged bool, err error) {
	b, err := s.bundle(ctx, secret.AccountID, secret.ID)
	if err != nil {
		return false, err
	}
	record := func() error {
		if err := s.Store.AppendEvent(ctx, s.deliveryEvent(SecretDeployed, secret, b.Revision)); err != nil {
			return fmt.Errorf("record delivery: %w", err)
		}
		return nil
	}
	// A first bundle is what services take as soon as it is staged, and so is one that
	// is restored. Any other is recorded once it is staged: an outage has no events.
	first := secret.Delivered == 0
	if first {
		if err := record(); err != nil {
			return false, err
		}
	}
	if err := s.Target.Stage(ctx, b); err != nil {
		return false, fmt.Errorf("stage bundle: %w", err)
	}
	if !first {
		if err := record(); err != nil {
			return true, err
		}
	}
	ahead, err := s.Target.Promote(ctx, b)
	if err != nil {
		return true, fmt.Errorf("promote bundle: %w", err)
	}
	if ahead > 0 {
		return true, s.overtake(ctx, b, ahead)
	}
	if err := s.Store.MarkDelivered(ctx, secret.AccountID, secret.ID, b.Revision); err != nil {
		return true, fmt.Errorf("mark secret: %w", err)
	}
	s.Monitor.Delivered(ctx, s.Now().Sub(since))
	return true, nil
}

// overtake is for a Target that is ahead. Either the secret has gone on by now, or the
// table is one that was restored: then its revisions go on behind the Target's.
func (s *Service) overtake(ctx context.Context, b Bundle, ahead int64) error {
	now, err := s.Store.Secret(ctx, b.AccountID, b.SecretID)
	if err != nil {
		return fmt.Errorf("read secret: %w", err)
	}
	if now.Revision < ahead || now.Revision == b.Revision {
		// It may have gone on just now, by somebody else or by a try whose answer was lost.
		if err := s.Store.RaiseRevision(ctx, now, ahead+1); err != nil && !errors.Is(err, ErrChanged) {
			return fmt.Errorf("raise revision: %w", err)
		}
	}
	return s.Store.Enlist(ctx, Undelivered{AccountID: b.AccountID, SecretID: b.SecretID, Change: s.NewID(), At: s.now()})
}

// undeploy removes what was delivered of a secret that no service uses any more.
func (s *Service) undeploy(ctx context.Context, secret Secret) error {
	if secret.Delivered > 0 || secret.DeployFailed { // else there is no bundle
		if err := s.Store.AppendEvent(ctx, s.deliveryEvent(SecretUndeployed, secret, secret.Delivered)); err != nil {
			return fmt.Errorf("record removal: %w", err)
		}
	}
	if err := s.Target.Remove(ctx, secret.AccountID, secret.ID); err != nil {
		return fmt.Errorf("remove bundle: %w", err)
	}
	if err := s.Store.MarkUndelivered(ctx, secret.AccountID, secret.ID); err != nil {
		return fmt.Errorf("mark secret: %w", err)
	}
	return nil
}

// deliveryEvent is what the system does: it has no user.
func (s *Service) deliveryEvent(kind string, secret Secret, revision int64) Event {
	ev := s.event(Caller{AccountID: secret.AccountID}, s.now(), kind, secret.ID)
	ev.Version, ev.Name = revision, secret.Name
	return ev
}

// RedeploySecrets reminds of every change that waits, so that DeploySecret is called
// for it once more, and returns how many there are. With all it first enlists each
// secret that a service uses, or that was delivered: the Target is then made what the table says, whatever
// happened to either.
func (s *Service) RedeploySecrets(ctx context.Context, all bool) (reminded int, err error) {
	if all {
		if err := s.enlistAll(ctx); err != nil {
			return 0, err
		}
	}
	waiting, err := s.Store.AllUndelivered(ctx)
	if err != nil {
		return 0, fmt.Errorf("list what waits: %w", err)
	}
	for _, u := range waiting {
		if err := s.Store.Remind(ctx, u); err != nil {
			return 0, fmt.Errorf("remind of secret %s: %w", u.SecretID, err)
		}
	}
	return len(waiting), nil
}

func (s *Service) enlistAll(ctx context.Context) error {
	accounts, err := s.Store.Accounts(ctx)
	if err != nil {
		return fmt.Errorf("list accounts: %w", err)
	}
	for _, account := range accounts {
		const pageSize = 1000
		for from := (Cursor{}); ; {
			found, _, err := s.Store.Secrets(ctx, account, from, pageSize)
			if err != nil {
				return fmt.Errorf("list secrets: %w", err)
			}
			for _, secret := range found {
				if secret.Services == 0 && secret.Delivered == 0 {
					continue
				}
				u := Undelivered{AccountID: account, SecretID: secret.ID, Change: s.NewID(), At: s.now()}
				if err := s.Store.Enlist(ctx, u); err != nil {
					return fmt.Errorf("enlist secret %s: %w", secret.ID, err)
				}
			}
			if len(found) < pageSize {
				break
			}
			from = Cursor{ID: found[len(found)-1].ID}
		}
	}
	return nil
}

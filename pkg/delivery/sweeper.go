package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/pkg/secrets"
)

// Sweeper requeues outbox entries, and enqueues secrets. It needs no target: the
// stream's consumer delivers. All fields are required.
type Sweeper struct {
	Store SweepStore
	Pace  Pace // of the target
	Now   func() time.Time
	NewID func() uuid.UUID // version 7
	Pause func(context.Context, time.Duration)
}

// SweepStore is what a [Sweeper] reads and writes.
type SweepStore interface {
	Outbox
	UsedSecrets
	secrets.Events
	Lease(ctx context.Context, account, secret uuid.UUID) (Lease, error)
	Secret(ctx context.Context, account, secret uuid.UUID) (secrets.Secret, error)
}

// UsedSecrets is the list of all secrets that services use, and the marks of the rounds through it.
type UsedSecrets interface {
	// Used lists up to limit used secrets of all accounts, after one of them, ordered by account.
	// The zero Place is before all.
	Used(ctx context.Context, after Place, limit int) ([]Place, error)
	// CountUsed returns their number.
	CountUsed(ctx context.Context) (int, error)
	// Round returns the mark of a round; the zero Round: it was never begun.
	Round(ctx context.Context, name string) (Round, error)
	PutRound(ctx context.Context, name string, r Round) error
}

// Place is a secret of an account.
type Place struct{ AccountID, SecretID uuid.UUID }

// Round is how far a function has come that goes round the used secrets.
type Round struct {
	Started time.Time
	After   Place // the last secret that is done
	Done    int   // their number in this round
	Count   int   // number of used secrets when the round began
	Ended   bool
}

// Names of rounds.
const (
	requeuing = "requeuing" // of a requeue of all
	looking   = "looking"   // of a Checker
)

const (
	atOnce = 16 // secrets in parallel

	// Background entries share the stream with those of callers' changes. So many of them are
	// delivered in about a minute.
	maxBackground = 1000
	requeueAtOnce = 500              // between so many the mark is written
	requeueTime   = 45 * time.Second // of a call
	requeuePause  = 5 * time.Second  // for deliveries, when the most wait
)

// Sweep requeues every outbox entry that is due, and returns how many secrets wait in the outbox. It
// then goes on with a requeue of all that has not ended.
func (s *Sweeper) Sweep(ctx context.Context) (waiting int, err error) {
	entries, err := s.Store.Entries(ctx)
	if err != nil {
		return 0, fmt.Errorf("list outbox: %w", err)
	}
	err = inParallel(ctx, len(entries), func(ctx context.Context, i int) error { return s.requeue(ctx, entries[i]) })
	if err != nil {
		return 0, err
	}
	round, err := s.Store.Round(ctx, requeuing)
	if err != nil || round.Started.IsZero() || round.Ended {
		return len(entries), err
	}
	_, waiting, err = s.requeueUsed(ctx, round)
	return waiting, err
}

// requeue requeues an entry, unless its turn would end at once: another caller holds the lease, or the
// pace makes it wait.
func (s *Sweeper) requeue(ctx context.Context, e Entry) error {
	lease, err := s.Store.Lease(ctx, e.AccountID, e.SecretID)
	if err != nil {
		return fmt.Errorf("read lease: %w", err)
	}
	secret, err := s.Store.Secret(ctx, e.AccountID, e.SecretID)
	if err != nil && !errors.Is(err, secrets.ErrNotFound) { // the bundle of a secret that is gone is removed
		return fmt.Errorf("read secret: %w", err)
	}
	if lease.due(s.Pace, secret).After(s.Now()) {
		return nil
	}
	if err := s.Store.Requeue(ctx, e); err != nil {
		return fmt.Errorf("requeue secret %s: %w", e.SecretID, err)
	}
	return nil
}

// RequeueAll enqueues every used secret after a place in the outbox, and appends an event for each
// account that has one. The target then becomes what the table says, whatever happened to either.
// It ends after 45 seconds, and at most 1,000 such secrets wait at a time; next is where to go on,
// or the zero Place when all are enqueued, and waiting is how many secrets wait in the outbox. Sweep
// goes on, too, if no caller does.
func (s *Sweeper) RequeueAll(ctx context.Context, after Place) (next Place, waiting int, err error) {
	return s.requeueUsed(ctx, Round{Started: s.now(), After: after})
}

func (s *Sweeper) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

func (s *Sweeper) requeueUsed(ctx context.Context, r Round) (next Place, waiting int, err error) {
	for begun := s.Now(); ; {
		if r, waiting, err = s.requeuePage(ctx, r); err != nil {
			return r.After, waiting, err
		}
		if err := s.Store.PutRound(ctx, requeuing, r); err != nil {
			return r.After, waiting, fmt.Errorf("mark the round: %w", err)
		}
		if r.Ended {
			return Place{}, waiting, nil
		}
		if s.Now().Sub(begun) >= requeueTime {
			return r.After, waiting, nil
		}
	}
}

// requeuePage enqueues as many secrets as may wait, or pauses if none may. It returns the number of
// secrets in the outbox.
func (s *Sweeper) requeuePage(ctx context.Context, r Round) (Round, int, error) {
	entries, err := s.Store.Entries(ctx)
	if err != nil {
		return r, 0, fmt.Errorf("list outbox: %w", err)
	}
	room := maxBackground
	for _, e := range entries {
		if e.Background {
			room--
		}
	}
	if room <= 0 {
		s.Pause(ctx, requeuePause)
		return r, len(entries), nil
	}
	limit := min(room, requeueAtOnce)
	found, err := s.Store.Used(ctx, r.After, limit)
	if err != nil {
		return r, 0, fmt.Errorf("list used secrets: %w", err)
	}
	account := r.After.AccountID
	for _, p := range found {
		if p.AccountID == account {
			continue
		}
		account = p.AccountID
		ev := secrets.Event{
			ID: secrets.NewEventID(s.now(), s.NewID()), AccountID: account, Action: secrets.AccountRequeued, Outcome: secrets.OutcomeAllowed,
		}
		if err := s.Store.AppendEvent(ctx, ev); err != nil {
			return r, 0, fmt.Errorf("record the requeue: %w", err)
		}
	}
	err = inParallel(ctx, len(found), func(ctx context.Context, i int) error {
		e := Entry{AccountID: found[i].AccountID, SecretID: found[i].SecretID, Change: s.NewID(), At: s.now(), Background: true}
		if err := s.Store.Enqueue(ctx, e); err != nil {
			return fmt.Errorf("enqueue secret %s: %w", e.SecretID, err)
		}
		return nil
	})
	if err != nil {
		return r, 0, err
	}
	if r.Ended = len(found) < limit; len(found) > 0 {
		r.After, r.Done = found[len(found)-1], r.Done+len(found)
	}
	return r, len(entries) + len(found), nil
}

// inParallel calls do for 0 to n-1.
func inParallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range n {
		g.Go(func() error { return do(ctx, i) })
	}
	return g.Wait()
}

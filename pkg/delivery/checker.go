package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// Checker goes round the used secrets and looks at what the target has of each. A secret whose
// bundle differs from what was delivered is enqueued in the outbox: its delivery looks again, under
// the lease, and repairs. It reads no value. All fields are required.
type Checker struct {
	Store  CheckStore
	Target Looker
	Now    func() time.Time
	NewID  func() uuid.UUID // version 7
}

// CheckStore is what a [Checker] reads and writes.
type CheckStore interface {
	UsedSecrets
	Secret(ctx context.Context, account, secret uuid.UUID) (secrets.Secret, error)
	Enqueue(ctx context.Context, e Entry) error
}

const (
	// roundTime is the time of a round. While secrets are added, one can move from the beginning
	// of a round to the end of the next: it is then looked at after twice this time, within six
	// hours.
	roundTime = 165 * time.Minute
	checkPage = 100              // secrets; between two pages the mark is written
	checkTime = 40 * time.Second // of a call
)

// Check looks at the share of the used secrets that the round has reached by now: calls are spread
// evenly over it, and a call makes up for missed ones. It returns how many secrets it has looked at,
// and how many of them differ. An outage ends the call, and the next one goes on there. A bundle that
// may not be looked at is an error, too, but does not block the others.
func (c *Checker) Check(ctx context.Context) (looked, differ int, err error) {
	now := c.Now().UTC().Truncate(time.Microsecond)
	r, err := c.Store.Round(ctx, looking)
	if err != nil {
		return 0, 0, fmt.Errorf("read the round: %w", err)
	}
	if now.Sub(r.Started) >= roundTime && (r.Ended || r.Started.IsZero()) {
		r = Round{Started: now}
		if r.Count, err = c.Store.CountUsed(ctx); err != nil {
			return 0, 0, fmt.Errorf("count used secrets: %w", err)
		}
	}
	var failed error
	for !r.Ended && c.Now().Sub(now) < checkTime {
		limit := min(r.share(now)-r.Done, checkPage)
		if limit <= 0 {
			break
		}
		found, err := c.Store.Used(ctx, r.After, limit)
		if err != nil {
			return looked, differ, fmt.Errorf("list used secrets: %w", err)
		}
		different, refused := make([]bool, len(found)), make([]error, len(found))
		err = inParallel(ctx, len(found), func(ctx context.Context, i int) (err error) {
			different[i], err = c.look(ctx, found[i])
			if isOutage(err) {
				return err
			}
			refused[i] = err // it must not block the others
			return nil
		})
		if err != nil {
			return looked, differ, err
		}
		for _, is := range different {
			if is {
				differ++
			}
		}
		failed = errors.Join(append(refused, failed)...)
		looked += len(found)
		if r.Ended = len(found) < limit; len(found) > 0 {
			r.After, r.Done = found[len(found)-1], r.Done+len(found)
		}
		if err := c.Store.PutRound(ctx, looking, r); err != nil {
			return looked, differ, fmt.Errorf("mark the round: %w", err)
		}
	}
	return looked, differ, failed
}

// share is how many secrets should be done at a time of the round: one more than its part of the
// time, so that the first call looks at some, and all that there are in the end.
func (r Round) share(now time.Time) int {
	elapsed := now.Sub(r.Started)
	if elapsed >= roundTime {
		return r.Done + checkPage
	}
	return 1 + int(int64(r.Count)*int64(elapsed/time.Second)/int64(roundTime/time.Second))
}

// look enqueues a secret whose bundle differs. One that waits for its delivery is looked at there.
func (c *Checker) look(ctx context.Context, p Place) (differs bool, err error) {
	secret, err := c.Store.Secret(ctx, p.AccountID, p.SecretID)
	if errors.Is(err, secrets.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read secret: %w", err)
	}
	if secret.Services == 0 || outdated(secret) {
		return false, nil
	}
	held, err := c.Target.Look(ctx, placeOf(c.Target, secret))
	if err != nil {
		return false, fmt.Errorf("look at secret %s: %w", p.SecretID, err)
	}
	if len(drift(secret, held)) == 0 && held.Tidy() {
		return false, nil
	}
	e := Entry{
		AccountID: p.AccountID, SecretID: p.SecretID, Change: c.NewID(), At: c.Now().UTC().Truncate(time.Microsecond),
		Bundle: secret.Bundle.Name, Background: true,
	}
	if err := c.Store.Enqueue(ctx, e); err != nil {
		return false, fmt.Errorf("enqueue secret %s: %w", p.SecretID, err)
	}
	return true, nil
}

// isOutage reports whether an error of a Target is an outage.
func isOutage(err error) bool {
	var outage interface{ Unavailable() bool }
	return errors.Is(err, secrets.ErrUnavailable) || errors.As(err, &outage) && outage.Unavailable()
}

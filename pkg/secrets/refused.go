package secrets

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/google/uuid"
)

// countPatience is how long a refusal waits for its count.
const countPatience = 2 * time.Second

// Try is what a caller tried, with ids as the caller sent them.
type Try struct {
	Action           string
	SecretID, ItemID string
}

// Refused counts a try that ended with an error, if that is a refusal of a known caller: a missing permission, a secret
// outside of the limit, or a spent budget. Tries of one key, outcome, action and minute are one entry of the audit
// trail: each costs a write, and all of them one row. The key is part of it, so that no other key of the user hides
// what a stolen one tried. What has no user is in the log alone. So is a failure to count: the caller is refused anyway.
func (m *Manager) Refused(ctx context.Context, c Caller, try Try, err error) {
	outcome := refusal(err)
	if outcome == "" {
		return
	}
	now := m.now()
	ev := m.event(c, now, try.Action, Named{})
	ev.Outcome, ev.Last = outcome, now
	ev.ID = refusedID(now, c, try.Action, outcome)
	if id, err := parseID(try.SecretID); err == nil {
		ev.Secret.ID = id
	}
	if id, err := parseID(try.ItemID); err == nil {
		ev.Item.ID = id
	}
	ctx, cancel := context.WithTimeout(ctx, countPatience)
	defer cancel()
	if err := Guard(func() error { return m.Store.CountRefused(ctx, ev) }); err != nil {
		m.Log.WarnContext(ctx, "refused try not counted", append(c.attributes(), "error", err)...)
	}
}

// refusal is the outcome of a refused try; empty: the error is no refusal.
func refusal(err error) Outcome {
	var throttled Throttled
	var beyond Beyond
	switch {
	case errors.As(err, &throttled):
		return OutcomeThrottled
	case errors.Is(err, ErrDenied), errors.Is(err, ErrLimited), errors.Is(err, errOutside), errors.As(err, &beyond):
		return OutcomeDenied
	}
	return ""
}

// refusedID is the same for all tries of a user's key, action and outcome within a minute. Its time is the minute's
// beginning.
func refusedID(now time.Time, c Caller, action string, outcome Outcome) uuid.UUID {
	sum := sha256.Sum256([]byte(c.UserID.String() + " " + c.KeyID.String() + " " + action + " " + string(outcome)))
	rest := uuid.UUID(sum[:16])
	rest[8] = rest[8]&0x3f | 0x80
	return NewEventID(now.Truncate(time.Minute), rest)
}

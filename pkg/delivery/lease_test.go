package delivery_test

import (
	"testing"
	"time"

	"goblins-secrets/pkg/delivery"
)

// A held lease blocks other deliverers until it is released or has expired.
func TestOnlyAnExpiredLeaseIsTakenOver(t *testing.T) {
	t.Parallel()
	d, s, target := newPaced(100)
	s.change()
	s.lease = delivery.Lease{Token: 3, Expires: s.now.Add(leaseTime)}
	for _, step := range []struct {
		after  time.Duration
		staged int
	}{{0, 0}, {leaseTime - time.Microsecond, 0}, {time.Microsecond, 1}} {
		s.now = s.now.Add(step.after)
		if err := s.deliver(t, d); err != nil || len(target.staged) != step.staged {
			t.Errorf("Deliver at %v, with a lease until %v = %v, %d staged, want nil, %d",
				s.now, s.lease.Expires, err, len(target.staged), step.staged)
		}
	}
	if s.lease.Token != 4 || !s.lease.Expires.IsZero() || s.entry != nil {
		t.Errorf("token %d, lease until %v, entry %v, want token 4, released, and an empty outbox", s.lease.Token, s.lease.Expires, s.entry)
	}
}

// The rows of a change do not become visible at the same moment. A deliverer that finds the
// entry before the secret's row decides by the secret that it reads under its lease.
func TestSecretIsReadAgainUnderTheLease(t *testing.T) {
	t.Parallel()
	d, s, target := newPaced(100)
	s.change()
	stale := s.secret
	stale.Services, stale.Revision = 0, 0 // before the first service
	s.stale = &stale
	if err := s.deliver(t, d); err != nil || len(target.staged) != 1 || s.secret.Delivered != s.secret.Revision {
		t.Errorf("Deliver after a stale read = %v, %d staged, revision %d of %d delivered, want one, and all",
			err, len(target.staged), s.secret.Delivered, s.secret.Revision)
	}
}

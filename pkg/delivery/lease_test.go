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

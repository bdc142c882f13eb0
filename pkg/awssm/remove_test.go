package awssm_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/awssm"
)

func TestRemovedBundleIsRestorableFor30Days(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, inTest)
	one, two := bundle(secret, 1), bundle(secret, 2)
	remove := func() {
		t.Helper()
		if err := target.Remove(t.Context(), one.At); err != nil {
			t.Errorf("Remove = %v", err)
		}
	}
	remove() // there is none
	mustDeliver(t, target, one, 0)
	remove()
	remove()
	if got, err := s.readRevision(one); err == nil {
		t.Errorf("services read revision %d of a removed bundle", got)
	}
	deleted := s.describe(t, one).DeletedDate
	if deleted == nil || time.Until(*deleted) < 29*day {
		t.Errorf("DeletedDate = %v, want in 30 days", deleted)
	}
	if got, err := promote(t.Context(), target, one); err == nil {
		t.Errorf("Promote(removed bundle) = %d, want an error: services cannot read it", got)
	}

	s.ahead.Store(int64(29 * day))
	mustDeliver(t, target, two, 0)
	s.checkCurrent(t, two)
	remove()
	mustDeliver(t, target, one, 2) // an older one also restores it
	s.checkCurrent(t, two)

	remove()
	s.ahead.Add(int64(31 * day))
	remove()
	mustDeliver(t, target, one, 0) // a new secret
	s.checkCurrent(t, one)
}

package dynamo_test

import (
	"errors"
	"fmt"
	"testing"

	"goblins-secrets/pkg/secrets"
)

// bundle is the bundle of a revision.
func bundle(revision int64) secrets.Bundle {
	return secrets.Bundle{Name: "goblins/x", Region: "eu-west-1", ARN: "arn:x", Version: fmt.Sprint("r", revision)}
}

// A late mark of an older revision changes nothing, and no mark restores a deleted secret.
func TestMarksKeepTheNewestRevision(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, store := t.Context(), f.store
	f.newService(t, "app", f.secret.ID)
	read := f.read(t, f.secret.ID)
	if err := store.RaiseRevision(ctx, read, 5); err != nil {
		t.Errorf("RaiseRevision = %v", err)
	}
	if err := store.RaiseRevision(ctx, read, 6); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("RaiseRevision(old revision) = %v, want ErrChanged", err)
	}
	for _, step := range []struct {
		name      string
		do        func() error
		delivered int64
		failed    bool
	}{
		{"failed", func() error { return store.MarkFailed(ctx, f.account, f.secret.ID) }, 0, true},
		{"delivered 3", func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, 3, bundle(3)) }, 3, false},
		{"delivered 5", func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, 5, bundle(5)) }, 5, false},
		{"failed", func() error { return store.MarkFailed(ctx, f.account, f.secret.ID) }, 5, true},
		{"delivered 4, late", func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, 4, bundle(4)) }, 5, true},
		{"delivered 5 again", func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, 5, bundle(5)) }, 5, false},
		{"failed", func() error { return store.MarkFailed(ctx, f.account, f.secret.ID) }, 5, true},
		{"undelivered", func() error { return store.MarkUndelivered(ctx, f.account, f.secret.ID) }, 0, false},
		{"delivered 2", func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, 2, bundle(2)) }, 2, false},
	} {
		err := step.do()
		got := f.read(t, f.secret.ID)
		want := secrets.Bundle{}
		if step.delivered > 0 {
			want = bundle(step.delivered)
		}
		if got.Bundle != want {
			t.Errorf("%s: the bundle is %+v, want %+v", step.name, got.Bundle, want)
		}
		if err != nil || got.Delivered != step.delivered || got.DeployFailed != step.failed || got.Revision != 5 || got.Services != 1 {
			t.Errorf("%s: %v, then %+v, want delivered %d, failed %v", step.name, err, got, step.delivered, step.failed)
		}
	}
	f.Check(t)

	// Marks do not restore a deleted secret.
	gone := f.newSecret(t, "gone")
	if err := store.DeleteSecret(ctx, binned(gone), f.event(secrets.SecretDeleted)); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"MarkDelivered":   store.MarkDelivered(ctx, f.account, gone.ID, 1, bundle(1)),
		"MarkUndelivered": store.MarkUndelivered(ctx, f.account, gone.ID),
		"MarkFailed":      store.MarkFailed(ctx, f.account, gone.ID),
	} {
		if err != nil {
			t.Errorf("%s(deleted secret) = %v", name, err)
		}
	}
	if err := store.RaiseRevision(ctx, gone, 9); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("RaiseRevision(deleted secret) = %v, want ErrChanged", err)
	}
	if _, err := store.Secret(ctx, f.account, gone.ID); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("Secret after all marks = %v, want ErrNotFound", err)
	}
	f.Check(t)
}

// A secret drifts once, with one event, until it is delivered or removed.
func TestDriftIsMarkedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, store := t.Context(), f.store
	f.newService(t, "app", f.secret.ID)
	old := f.read(t, f.secret.ID)
	mark := func(s secrets.Secret) error {
		return store.MarkDrifted(ctx, s, secrets.Event{
			ID: secrets.NewEventID(old.CreatedAt, newID()), AccountID: f.account, Action: secrets.SecretDrifted,
			Secret: secrets.Named{ID: s.ID, Name: s.Name}, Changed: []string{"tags"},
		})
	}
	for name, repair := range map[string]func() error{
		"delivered": func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, old.Revision, bundle(1)) },
		"removed":   func() error { return store.MarkUndelivered(ctx, f.account, f.secret.ID) },
	} {
		if err := mark(old); err != nil || !f.read(t, f.secret.ID).Drifted {
			t.Errorf("MarkDrifted = %v, drifted %v, want true", err, f.read(t, f.secret.ID).Drifted)
		}
		if err := mark(old); !errors.Is(err, secrets.ErrChanged) {
			t.Errorf("MarkDrifted again = %v, want ErrChanged", err)
		}
		if err := repair(); err != nil || f.read(t, f.secret.ID).Drifted {
			t.Errorf("%s = %v, drifted %v, want false", name, err, f.read(t, f.secret.ID).Drifted)
		}
	}
	older := old
	older.Revision--
	if err := mark(older); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("MarkDrifted of an older revision = %v, want ErrChanged", err)
	}
	f.Check(t)
}

package dynamo_test

import (
	"errors"
	"testing"

	"goblins-secrets/pkg/secrets"
)

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
		{"delivered 3", func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, 3) }, 3, false},
		{"delivered 5", func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, 5) }, 5, false},
		{"failed", func() error { return store.MarkFailed(ctx, f.account, f.secret.ID) }, 5, true},
		{"delivered 4, late", func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, 4) }, 5, true},
		{"delivered 5 again", func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, 5) }, 5, false},
		{"failed", func() error { return store.MarkFailed(ctx, f.account, f.secret.ID) }, 5, true},
		{"undelivered", func() error { return store.MarkUndelivered(ctx, f.account, f.secret.ID) }, 0, false},
		{"delivered 2", func() error { return store.MarkDelivered(ctx, f.account, f.secret.ID, 2) }, 2, false},
	} {
		err := step.do()
		got := f.read(t, f.secret.ID)
		if err != nil || got.Delivered != step.delivered || got.DeployFailed != step.failed || got.Revision != 5 || got.Services != 1 {
			t.Errorf("%s: %v, then %+v, want delivered %d, failed %v", step.name, err, got, step.delivered, step.failed)
		}
	}
	f.Check(t)

	// Marks do not restore a deleted secret.
	gone := f.newSecret(t, "gone")
	if err := store.DeleteSecret(ctx, gone, f.event(secrets.SecretDeleted)); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"MarkDelivered":   store.MarkDelivered(ctx, f.account, gone.ID, 1),
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

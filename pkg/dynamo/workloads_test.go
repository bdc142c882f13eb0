package dynamo_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/infra/local/localtest"
	"goblins-secrets/pkg/secrets"
)

func (f fixture) workload(name string, secret uuid.UUID) secrets.Workload {
	return secrets.Workload{
		AccountID: f.account, ID: newID(), Name: name, Image: "registry.example.com/app:v1", Port: 8080, Config: "config",
		SecretID: secret, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
}

// read is a secret as it is now.
func (f fixture) read(t *testing.T, secret uuid.UUID) secrets.Secret {
	t.Helper()
	s, err := f.store.Secret(t.Context(), f.account, secret)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// use is the change of one service more or less, as the domain makes it of what it has read.
func use(s secrets.Secret, more int) secrets.Change {
	first, last := s.Services == 0, s.Services+more == 0
	return secrets.Change{Secret: s, Services: more, Revise: first || last, Deliver: first || last}
}

// newWorkload makes a service that uses a secret.
func (f fixture) newWorkload(t *testing.T, name string, secret uuid.UUID) secrets.Workload {
	t.Helper()
	w := f.workload(name, secret)
	if err := f.store.CreateWorkload(t.Context(), use(f.read(t, secret), +1), w, f.event(secrets.ServiceCreated)); err != nil {
		t.Fatal(err)
	}
	return w
}

// wantUses holds the account's services, and those of a secret, against what they should be.
func (f fixture) wantUses(t *testing.T, all []secrets.Workload, secret uuid.UUID, users ...secrets.Workload) {
	t.Helper()
	found, n, err := f.store.Workloads(t.Context(), f.account, secrets.Cursor{}, 100)
	if diff := cmp.Diff(all, found); err != nil || diff != "" || n != len(all) {
		t.Errorf("Workloads: %d, %v, want %d (-want +got):\n%s", n, err, len(all), diff)
	}
	if users == nil {
		users = []secrets.Workload{}
	}
	found, n, err = f.store.Users(t.Context(), f.account, secret, secrets.Cursor{}, 100)
	if diff := cmp.Diff(users, found); err != nil || diff != "" || n != len(users) {
		t.Errorf("Users: %d, %v, want %d (-want +got):\n%s", n, err, len(users), diff)
	}
	for _, w := range all {
		if got, err := f.store.Workload(t.Context(), f.account, w.ID); err != nil || got != w {
			t.Errorf("Workload = %+v, %v, want %+v", got, err, w)
		}
	}
	f.Check(t)
}

func TestWorkloads(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	f.wantUses(t, []secrets.Workload{}, f.secret.ID)
	created := f.event(secrets.ServiceCreated)
	first := f.workload("first", f.secret.ID)
	if err := f.store.CreateWorkload(ctx, use(f.secret, +1), first, created); err != nil {
		t.Fatal(err)
	}
	f.wantUses(t, []secrets.Workload{first}, f.secret.ID, first)
	want := f.secret
	want.Services, want.Revision = 1, 1
	if got := f.read(t, f.secret.ID); got != want {
		t.Errorf("its secret = %+v, want %+v", got, want)
	}
	waits := secrets.Undelivered{AccountID: f.account, SecretID: f.secret.ID, Change: created.ID, At: now}
	if got, err := f.store.Undelivered(ctx, f.account, f.secret.ID); err != nil || got != waits {
		t.Errorf("Undelivered = %+v, %v, want %+v", got, err, waits)
	}

	second := f.newWorkload(t, "second", f.secret.ID)
	second.Config = "" // none is kept as none
	updated := second
	updated.Version, updated.UpdatedAt = 2, now.Add(time.Hour)
	if err := f.store.UpdateWorkload(ctx, nil, f.workloadOf(t, second.ID), updated, f.event(secrets.ServiceUpdated)); err != nil {
		t.Errorf("UpdateWorkload: %v", err)
	}
	second = updated
	f.wantUses(t, []secrets.Workload{first, second}, f.secret.ID, first, second)
	if got, err := f.store.Undelivered(ctx, f.account, f.secret.ID); err != nil || got != waits || f.read(t, f.secret.ID).Revision != 1 {
		t.Errorf("Undelivered after another service = %+v, %v, want that of the first one", got, err)
	}

	for name, err := range map[string]error{
		"of another account": errOf(f.store.Workload(ctx, newID(), first.ID)),
		"of no id":           errOf(f.store.Workload(ctx, f.account, f.secret.ID)),
	} {
		if !errors.Is(err, secrets.ErrNotFound) {
			t.Errorf("Workload %s: %v, want ErrNotFound", name, err)
		}
	}
	if _, _, err := f.store.Users(ctx, newID(), f.secret.ID, secrets.Cursor{}, 10); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("Users of another account's secret: %v, want ErrNotFound", err)
	}
	taken := f.workload("first", f.secret.ID)
	if err := f.store.CreateWorkload(ctx, use(f.read(t, f.secret.ID), +1), taken, f.event(secrets.ServiceCreated)); !errors.Is(err, secrets.ErrExists) {
		t.Errorf("CreateWorkload with a taken name: %v, want ErrExists", err)
	}
	renamed := second
	renamed.Name, renamed.Version = "first", 3
	if err := f.store.UpdateWorkload(ctx, nil, second, renamed, f.event(secrets.ServiceUpdated)); !errors.Is(err, secrets.ErrExists) {
		t.Errorf("UpdateWorkload to a taken name: %v, want ErrExists", err)
	}
	renamed.Name = "third"
	if err := f.store.UpdateWorkload(ctx, nil, second, renamed, f.event(secrets.ServiceUpdated)); err != nil {
		t.Errorf("UpdateWorkload of the name: %v", err)
	}
	for name, err := range map[string]error{
		"UpdateWorkload": f.store.UpdateWorkload(ctx, nil, second, renamed, f.event(secrets.ServiceUpdated)),
		"DeleteWorkload": f.store.DeleteWorkload(ctx, use(f.read(t, f.secret.ID), -1), second, f.event(secrets.ServiceDeleted)),
	} {
		if !errors.Is(err, secrets.ErrChanged) {
			t.Errorf("%s of an old version: %v, want ErrChanged", name, err)
		}
	}
	f.wantUses(t, []secrets.Workload{first, renamed}, f.secret.ID, first, renamed)
	third := f.newWorkload(t, "second", f.secret.ID) // the name is free again

	if err := f.store.DeleteWorkload(ctx, use(f.read(t, f.secret.ID), -1), first, f.event(secrets.ServiceDeleted)); err != nil {
		t.Errorf("DeleteWorkload: %v", err)
	}
	if err := f.store.DeleteWorkload(ctx, use(f.read(t, f.secret.ID), -1), first, f.event(secrets.ServiceDeleted)); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("DeleteWorkload again: %v, want ErrChanged", err)
	}
	f.wantUses(t, []secrets.Workload{renamed, third}, f.secret.ID, renamed, third)
	f.newWorkload(t, "first", f.secret.ID)
	f.Check(t)
}

// workloadOf is a service as it is now.
func (f fixture) workloadOf(t *testing.T, id uuid.UUID) secrets.Workload {
	t.Helper()
	w, err := f.store.Workload(t.Context(), f.account, id)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A service that moves is counted where it comes to and no more where it was, or stays
// and all is as before.
func TestMoveWorkload(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	to, gone := f.newSecret(t, "to"), f.newSecret(t, "gone")
	w := f.newWorkload(t, "app", f.secret.ID)
	if err := f.store.DeleteSecret(ctx, gone, f.event(secrets.SecretDeleted)); err != nil {
		t.Fatal(err)
	}
	move := func(w secrets.Workload, target secrets.Secret, name string) (secrets.Workload, error) {
		moved := w
		moved.SecretID, moved.Name, moved.Version = target.ID, name, w.Version+1
		changes := []secrets.Change{use(f.read(t, w.SecretID), -1), use(target, +1)}
		return moved, f.store.UpdateWorkload(ctx, changes, w, moved, f.event(secrets.ServiceUpdated))
	}
	if _, err := move(w, gone, "app"); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("UpdateWorkload to a secret that is deleted: %v, want ErrChanged", err)
	}
	used := to
	used.Services = 1
	if _, err := move(w, used, "app"); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("UpdateWorkload to a secret that no longer has users: %v, want ErrChanged", err)
	}
	f.wantUses(t, []secrets.Workload{w}, f.secret.ID, w)
	moved, err := move(w, to, "renamed")
	if err != nil {
		t.Errorf("UpdateWorkload: %v", err)
	}
	f.wantUses(t, []secrets.Workload{moved}, to.ID, moved)
	f.wantUses(t, []secrets.Workload{moved}, f.secret.ID)
	from, came := f.read(t, f.secret.ID), f.read(t, to.ID)
	if from.Services != 0 || from.Revision != 2 || came.Services != 1 || came.Revision != 1 {
		t.Errorf("it left %+v for %+v, want one use less and more, and a revision for each", from, came)
	}
	for _, id := range []uuid.UUID{from.ID, came.ID} {
		if _, err := f.store.Undelivered(ctx, f.account, id); err != nil {
			t.Errorf("Undelivered of %s: %v, want it to wait", id, err)
		}
	}
	if _, err := move(w, to, "app"); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("UpdateWorkload of an old version: %v, want ErrChanged", err)
	}
	f.Check(t)
}

// What a write rests on is whether services use the secret, and whether one that goes
// is the last: not how many there are.
func TestPremisesOfUse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, tt := range []struct {
		services, read, more int
		ok                   bool
	}{
		{0, 0, +1, true}, {0, 1, +1, false}, {0, 0, 0, true}, {0, 1, 0, false}, {0, 1, -1, false}, {0, 2, -1, false},
		{1, 0, +1, false}, {1, 1, +1, true}, {1, 2, +1, true}, {1, 0, 0, false}, {1, 1, 0, true}, {1, 9, 0, true}, {1, 1, -1, true}, {1, 2, -1, false},
		{2, 0, +1, false}, {2, 1, +1, true}, {2, 1, 0, true}, {2, 1, -1, false}, {2, 2, -1, true}, {2, 3, -1, true},
		{3, 2, -1, true}, {3, 1, -1, false},
	} {
		name := fmt.Sprintf("used by %d, read as %d, %+d", tt.services, tt.read, tt.more)
		secret := f.newSecret(t, name)
		var users []secrets.Workload
		for i := range tt.services {
			users = append(users, f.newWorkload(t, fmt.Sprint(secret.ID, i), secret.ID))
		}
		before := f.read(t, secret.ID)
		read := before
		read.Services = tt.read
		var err error
		switch tt.more {
		case +1:
			err = f.store.CreateWorkload(t.Context(), use(read, +1), f.workload(fmt.Sprint(secret.ID, "new"), secret.ID), f.event(secrets.ServiceCreated))
		case -1:
			gone := f.workload("gone", secret.ID)
			if len(users) > 0 {
				gone = users[0]
			}
			err = f.store.DeleteWorkload(t.Context(), use(read, -1), gone, f.event(secrets.ServiceDeleted))
		default:
			err = f.store.RenameSecret(t.Context(), secrets.Change{Secret: read, Name: name + "'", Revise: true, Deliver: tt.read > 0}, f.event(secrets.SecretUpdated))
		}
		after := f.read(t, secret.ID)
		if tt.ok && (err != nil || after.Services != tt.services+tt.more) || !tt.ok && (!errors.Is(err, secrets.ErrChanged) || after != before) {
			t.Errorf("%s: %v and %+v after %+v, want it done = %v", name, err, after, before, tt.ok)
		}
		// With these it can't be deleted, whatever was read.
		old := after
		old.Services = 0
		err = f.store.DeleteSecret(t.Context(), old, f.event(secrets.SecretDeleted))
		if used := after.Services > 0; used != errors.Is(err, secrets.ErrChanged) || !used && err != nil {
			t.Errorf("%s: DeleteSecret: %v, with %d services", name, err, after.Services)
		}
	}
	f.Check(t)
}

// A change keeps to the size that it may come to, as the secret is when it is written.
func TestPremiseOfSize(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	put := func(key string, size, most int) error {
		it := f.item(key)
		it.Size = size
		return f.store.CreateItem(ctx, secrets.Change{Secret: f.secret, Items: 1, Size: size, MaxSize: most, Revise: true}, it, sealed, f.itemEvent(secrets.ItemCreated, it))
	}
	if err := put("NONE_YET", 10, 10); err != nil {
		t.Errorf("CreateItem of 10 bytes of 10: %v", err)
	}
	if err := put("ONE_MORE", 1, 10); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("CreateItem of 11 bytes of 10: %v, want ErrChanged", err)
	}
	if err := put("ROOM", 5, 15); err != nil {
		t.Errorf("CreateItem of 15 bytes of 15: %v", err)
	}
	attach := use(f.secret, +1)
	attach.MaxSize = 14
	if err := f.store.CreateWorkload(ctx, attach, f.workload("app", f.secret.ID), f.event(secrets.ServiceCreated)); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("CreateWorkload for 15 bytes of 14: %v, want ErrChanged", err)
	}
	attach.MaxSize = 15
	if err := f.store.CreateWorkload(ctx, attach, f.workload("app", f.secret.ID), f.event(secrets.ServiceCreated)); err != nil {
		t.Errorf("CreateWorkload for 15 bytes of 15: %v", err)
	}
	if got := f.read(t, f.secret.ID); got.Size != 15 {
		t.Errorf("size = %d, want 15", got.Size)
	}
	f.Check(t)
}

// Nothing of services is done twice though its answer was lost, and nothing trips over
// what the first attempt left.
func TestLostAnswersOfWorkloads(t *testing.T) {
	t.Parallel()
	f := newFixture(t, localtest.Inject(func(c localtest.Call) localtest.Fault {
		if c.What == "TransactWriteItems" {
			return []localtest.Fault{localtest.LostAfter, localtest.Conflict, localtest.None}[c.Nth%3]
		}
		return localtest.None
	}))
	ctx := t.Context()
	to := f.newSecret(t, "to")
	w := f.newWorkload(t, "app", f.secret.ID)
	moved := w
	moved.SecretID, moved.Name, moved.Version = to.ID, "moved", 2
	changes := []secrets.Change{use(f.read(t, f.secret.ID), -1), use(to, +1)}
	if err := f.store.UpdateWorkload(ctx, changes, w, moved, f.event(secrets.ServiceUpdated)); err != nil {
		t.Errorf("UpdateWorkload: %v", err)
	}
	if err := f.store.DeleteWorkload(ctx, use(f.read(t, to.ID), -1), moved, f.event(secrets.ServiceDeleted)); err != nil {
		t.Errorf("DeleteWorkload: %v", err)
	}
	if s := f.read(t, to.ID); s.Services != 0 || s.Revision != 2 {
		t.Errorf("the secret is %+v, want no use and revision 2", s)
	}
	f.wantUses(t, []secrets.Workload{}, to.ID)
}

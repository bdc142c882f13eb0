package dynamo_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

// wantUses compares the services of the account, and the services of a secret, with these.
func (f fixture) wantUses(t *testing.T, all []secrets.Service, secret uuid.UUID, users ...secrets.Service) {
	t.Helper()
	found, n, err := f.store.Services(t.Context(), f.account, secrets.Cursor{}, 100)
	if diff := cmp.Diff(all, found); err != nil || diff != "" || n != len(all) {
		t.Errorf("Services: %d, %v, want %d (-want +got):\n%s", n, err, len(all), diff)
	}
	if users == nil {
		users = []secrets.Service{}
	}
	found, n, err = f.store.ServicesUsing(t.Context(), f.account, secret, secrets.Cursor{}, 100)
	if diff := cmp.Diff(users, found); err != nil || diff != "" || n != len(users) {
		t.Errorf("ServicesUsing: %d, %v, want %d (-want +got):\n%s", n, err, len(users), diff)
	}
	for _, w := range all {
		if got, err := f.store.Service(t.Context(), f.account, w.ID); err != nil || got != w {
			t.Errorf("Service = %+v, %v, want %+v", got, err, w)
		}
	}
	f.Check(t)
}

func TestServicesAreListedAndCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	f.wantUses(t, []secrets.Service{}, f.secret.ID)
	created := f.event(secrets.ServiceCreated)
	first := f.service("first", f.secret.ID)
	if err := f.store.CreateService(ctx, use(f.secret, +1), first, 0, created); err != nil {
		t.Fatal(err)
	}
	f.wantUses(t, []secrets.Service{first}, f.secret.ID, first)
	want := f.secret
	want.Services, want.Revision = 1, 1
	if got := f.read(t, f.secret.ID); got != want {
		t.Errorf("secret of the service = %+v, want %+v", got, want)
	}
	entry := delivery.Entry{AccountID: f.account, SecretID: f.secret.ID, Change: created.ID, At: now}
	if got, err := f.store.Entry(ctx, f.account, f.secret.ID); err != nil || got != entry {
		t.Errorf("Entry = %+v, %v, want %+v", got, err, entry)
	}

	second := f.newService(t, "second", f.secret.ID)
	second.Config = "" // stays empty
	updated := second
	updated.Version, updated.UpdatedAt = 2, now.Add(time.Hour)
	if err := f.store.UpdateService(ctx, nil, f.serviceOf(t, second.ID), updated, f.event(secrets.ServiceUpdated)); err != nil {
		t.Errorf("UpdateService = %v", err)
	}
	second = updated
	f.wantUses(t, []secrets.Service{first, second}, f.secret.ID, first, second)
	if got, err := f.store.Entry(ctx, f.account, f.secret.ID); err != nil || got != entry || f.read(t, f.secret.ID).Revision != 1 {
		t.Errorf("Entry after a second service = %+v, %v, want the entry of the first one", got, err)
	}

	for name, err := range map[string]error{
		"another account": errOf(f.store.Service(ctx, newID(), first.ID)),
		"missing id":      errOf(f.store.Service(ctx, f.account, f.secret.ID)),
	} {
		if !errors.Is(err, secrets.ErrNotFound) {
			t.Errorf("Service(%s) = %v, want ErrNotFound", name, err)
		}
	}
	if _, _, err := f.store.ServicesUsing(ctx, newID(), f.secret.ID, secrets.Cursor{}, 10); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("ServicesUsing(secret of another account) = %v, want ErrNotFound", err)
	}
	taken := f.service("first", f.secret.ID)
	if err := f.store.CreateService(ctx, use(f.read(t, f.secret.ID), +1), taken, 0,
		f.event(secrets.ServiceCreated)); !errors.Is(err, secrets.ErrExists) {
		t.Errorf("CreateService(taken name) = %v, want ErrExists", err)
	}
	renamed := second
	renamed.Name, renamed.Version = "first", 3
	if err := f.store.UpdateService(ctx, nil, second, renamed, f.event(secrets.ServiceUpdated)); !errors.Is(err, secrets.ErrExists) {
		t.Errorf("UpdateService(to a taken name) = %v, want ErrExists", err)
	}
	renamed.Name = "third"
	if err := f.store.UpdateService(ctx, nil, second, renamed, f.event(secrets.ServiceUpdated)); err != nil {
		t.Errorf("UpdateService(new name) = %v", err)
	}
	for name, err := range map[string]error{
		"UpdateService": f.store.UpdateService(ctx, nil, second, renamed, f.event(secrets.ServiceUpdated)),
		"DeleteService": f.store.DeleteService(ctx, use(f.read(t, f.secret.ID), -1), second, f.event(secrets.ServiceDeleted)),
	} {
		if !errors.Is(err, secrets.ErrChanged) {
			t.Errorf("%s(old version) = %v, want ErrChanged", name, err)
		}
	}
	f.wantUses(t, []secrets.Service{first, renamed}, f.secret.ID, first, renamed)
	third := f.newService(t, "second", f.secret.ID) // the name is free again

	if err := f.store.DeleteService(ctx, use(f.read(t, f.secret.ID), -1), first, f.event(secrets.ServiceDeleted)); err != nil {
		t.Errorf("DeleteService = %v", err)
	}
	if err := f.store.DeleteService(ctx, use(f.read(t, f.secret.ID), -1), first,
		f.event(secrets.ServiceDeleted)); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("DeleteService again = %v, want ErrChanged", err)
	}
	f.wantUses(t, []secrets.Service{renamed, third}, f.secret.ID, renamed, third)
	f.newService(t, "first", f.secret.ID)
	f.Check(t)
}

// A moved service counts for its new secret and no longer for the old one. A refused move changes
// nothing.
func TestMovedServiceCountsForItsNewSecretOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	to, gone := f.newSecret(t, "to"), f.newSecret(t, "gone")
	w := f.newService(t, "app", f.secret.ID)
	if err := f.store.DeleteSecret(ctx, binned(gone), f.event(secrets.SecretDeleted)); err != nil {
		t.Fatal(err)
	}
	move := func(w secrets.Service, target secrets.Secret, name string) (secrets.Service, error) {
		moved := w
		moved.SecretID, moved.Name, moved.Version = target.ID, name, w.Version+1
		changes := []secrets.Change{use(f.read(t, w.SecretID), -1), use(target, +1)}
		return moved, f.store.UpdateService(ctx, changes, w, moved, f.event(secrets.ServiceUpdated))
	}
	if _, err := move(w, gone, "app"); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("UpdateService(to a deleted secret) = %v, want ErrChanged", err)
	}
	used := to
	used.Services = 1
	if _, err := move(w, used, "app"); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("UpdateService(to a secret that lost its services) = %v, want ErrChanged", err)
	}
	f.wantUses(t, []secrets.Service{w}, f.secret.ID, w)
	moved, err := move(w, to, "renamed")
	if err != nil {
		t.Errorf("UpdateService = %v", err)
	}
	f.wantUses(t, []secrets.Service{moved}, to.ID, moved)
	f.wantUses(t, []secrets.Service{moved}, f.secret.ID)
	from, joined := f.read(t, f.secret.ID), f.read(t, to.ID)
	if from.Services != 0 || from.Revision != 2 || joined.Services != 1 || joined.Revision != 1 {
		t.Errorf("it left %+v for %+v, want one service less and one more, and a new revision of each", from, joined)
	}
	for _, id := range []uuid.UUID{from.ID, joined.ID} {
		if _, err := f.store.Entry(ctx, f.account, id); err != nil {
			t.Errorf("Entry(%s) = %v, want an entry", id, err)
		}
	}
	if _, err := move(w, to, "app"); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("UpdateService(old version) = %v, want ErrChanged", err)
	}
	f.Check(t)
}

// A write fails if the number of services is outside the range of its condition.
func TestWritesRestOnTheNumberOfServices(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, tt := range []struct {
		services, read, more int
		ok                   bool
	}{
		{0, 0, +1, true}, {0, 1, +1, false}, {0, 0, 0, true}, {0, 1, 0, false}, {0, 1, -1, false}, {0, 2, -1, false},
		{1, 0, +1, false}, {1, 1, +1, true}, {1, 2, +1, true}, {1, 0, 0, false}, {1, 1, 0, true}, {1, 9, 0, true}, {1, 1, -1,
			true}, {1, 2, -1, false},
		{2, 0, +1, false}, {2, 1, +1, true}, {2, 1, 0, true}, {2, 1, -1, false}, {2, 2, -1, true}, {2, 3, -1, true},
		{3, 2, -1, true}, {3, 1, -1, false},
	} {
		name := fmt.Sprintf("used by %d, read as %d, %+d", tt.services, tt.read, tt.more)
		secret := f.newSecret(t, name)
		var users []secrets.Service
		for i := range tt.services {
			users = append(users, f.newService(t, fmt.Sprint(secret.ID, i), secret.ID))
		}
		before := f.read(t, secret.ID)
		read := before
		read.Services = tt.read
		var err error
		switch tt.more {
		case +1:
			err = f.store.CreateService(t.Context(), use(read, +1), f.service(fmt.Sprint(secret.ID, "new"), secret.ID), 0,
				f.event(secrets.ServiceCreated))
		case -1:
			gone := f.service("gone", secret.ID)
			if len(users) > 0 {
				gone = users[0]
			}
			err = f.store.DeleteService(t.Context(), use(read, -1), gone, f.event(secrets.ServiceDeleted))
		default:
			err = f.store.RenameSecret(t.Context(), secrets.Change{Secret: read, UsedBy: usedBy(read, 0), Name: name + "'",
				Revise: true, Deliver: tt.read > 0}, f.event(secrets.SecretUpdated))
		}
		after := f.read(t, secret.ID)
		done := err == nil && after.Services == tt.services+tt.more
		refused := errors.Is(err, secrets.ErrChanged) && after == before
		if tt.ok && !done || !tt.ok && !refused {
			t.Errorf("%s = %v and %+v after %+v, want success = %v", name, err, after, before, tt.ok)
		}
		// A used secret cannot be deleted, even by a caller that read no services.
		old := after
		old.Services = 0
		err = f.store.DeleteSecret(t.Context(), binned(old), f.event(secrets.SecretDeleted))
		if used := after.Services > 0; used != errors.Is(err, secrets.ErrChanged) || !used && err != nil {
			t.Errorf("%s: DeleteSecret = %v, with %d services", name, err, after.Services)
		}
	}
	f.Check(t)
}

// A write fails if the secret's size at the time of the write would exceed the maximum of the
// change.
func TestSizesNeverExceedTheirMaximum(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	put := func(key string, size, most int) error {
		it := f.item(key)
		it.Size = size
		return createItem(ctx, f.store, secrets.Change{Secret: f.secret, Items: 1, Size: size, MaxSize: most, Revise: true}, it,
			sealed, f.itemEvent(secrets.ItemCreated, it))
	}
	if err := put("NONE_YET", 10, 10); err != nil {
		t.Errorf("CreateItem(10 bytes of 10) = %v", err)
	}
	if err := put("ONE_MORE", 1, 10); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("CreateItem(11 bytes of 10) = %v, want ErrChanged", err)
	}
	if err := put("ROOM", 5, 15); err != nil {
		t.Errorf("CreateItem(15 bytes of 15) = %v", err)
	}
	attach := use(f.secret, +1)
	attach.MaxSize = 14
	if err := f.store.CreateService(ctx, attach, f.service("app", f.secret.ID), 0,
		f.event(secrets.ServiceCreated)); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("CreateService(15 bytes of 14) = %v, want ErrChanged", err)
	}
	attach.MaxSize = 15
	if err := f.store.CreateService(ctx, attach, f.service("app", f.secret.ID), 0, f.event(secrets.ServiceCreated)); err != nil {
		t.Errorf("CreateService(15 bytes of 15) = %v", err)
	}
	if got := f.read(t, f.secret.ID); got.Size != 15 {
		t.Errorf("size = %d, want 15", got.Size)
	}
	f.Check(t)
}

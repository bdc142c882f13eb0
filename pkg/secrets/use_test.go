package secrets_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// refused reports whether an error refuses exactly this field.
func refused(err error, field string) bool {
	var invalid secrets.Invalid
	return errors.As(err, &invalid) && len(invalid) == 1 && invalid[0].Field == field
}

// Services are created for a few secrets, moved between them and deleted, while items change
// and secrets are renamed, all at the same time. Each secret counts the services that use it,
// and its size is that of its items.
func TestConcurrentUseIsCountedExactly(t *testing.T) {
	t.Parallel()
	const clients, rounds = 12, 16
	w := newWorld(t, secretstest.NewTable(t))
	attach(t, &w)
	bundles := []uuid.UUID{w.secret.ID, w.second.ID}
	third, err := w.table.Manager(t).CreateSecret(t.Context(), w.caller, secretInput("third"))
	if err != nil {
		t.Fatal(err)
	}
	bundles = append(bundles, third.ID)
	var made, gone atomic.Int64
	var wg sync.WaitGroup
	for i := range clients {
		m := w.table.Manager(t, secretstest.Inject(secretstest.Conflicts))
		wg.Go(func() {
			ctx, c := t.Context(), w.caller
			some := func() uuid.UUID { return bundles[rand.IntN(len(bundles))] }
			var own []uuid.UUID // this client's services
			var items [][2]string
			for round := range rounds {
				var err error
				switch n := rand.IntN(10); {
				case n < 2 || len(own) == 0:
					var x secrets.Service
					if x, err = m.CreateService(ctx, c, serviceInput(fmt.Sprintf("app-%d-%d", i, round), some())); err == nil {
						own = append(own, x.ID)
						made.Add(1)
					}
				case n < 5:
					_, err = m.UpdateService(ctx, c, own[rand.IntN(len(own))].String(), secrets.ServiceInput{Secret: secrets.Text(some().String())})
				case n < 6:
					err = m.DeleteService(ctx, c, own[0].String(), nil)
					own = own[1:]
					gone.Add(1)
				case n < 8 || len(items) == 0:
					id := some().String()
					var it secrets.Item
					if it, err = m.CreateItem(ctx, c, id, itemInput(fmt.Sprintf("KEY_%d_%d", i, round), uuid.NewString())); err == nil {
						items = append(items, [2]string{id, it.ID.String()})
					}
				case n < 9:
					at := items[rand.IntN(len(items))]
					_, err = m.UpdateItem(ctx, c, at[0], at[1],
						itemInput(fmt.Sprintf("RENAMED_%d_%d", i, round), strings.Repeat("x", rand.IntN(100)+1)))
				default:
					err = m.DeleteItem(ctx, c, items[0][0], items[0][1], secrets.Deletion{})
					items = items[1:]
				}
				if err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			}
		})
	}
	for n := range 20 { // another client renames, and tries to delete
		id := bundles[n%len(bundles)].String()
		m := w.table.Manager(t, secretstest.Inject(secretstest.Conflicts))
		if _, err := m.UpdateSecret(t.Context(), w.caller, id, secretInput(fmt.Sprint("name ", n))); err != nil {
			t.Errorf("rename: %v", err)
		}
		var inUse secrets.InUse
		err := m.DeleteSecret(t.Context(), w.caller, w.secret.ID.String(), secrets.Deletion{})
		if !errors.As(err, &inUse) || inUse.Services < 1 || len(inUse.Names) < 1 {
			t.Errorf("delete a used secret: %v, want InUse", err) // the first service never leaves it
		}
	}
	wg.Wait()
	m := w.table.Manager(t)
	count := 0
	for _, id := range bundles {
		count += len(users(t, m, w, id))
	}
	page, err := m.ListServices(t.Context(), w.caller, secrets.Field{}, secrets.Field{}, secrets.Cursor{}, 1000)
	if want := int(1 + made.Load() - gone.Load()); err != nil || page.Count != want || count != want {
		t.Errorf("%d services, %v, and %d uses, want %d of each", page.Count, err, count, want)
	}
	w.table.Check(t)
}

// The last service of a secret leaves, another begins to use it, and an item changes, all at
// the same moment, while a deliverer empties the outbox. In any order, the secret is in the
// outbox in the end unless its newest revision was delivered.
func TestLastUseAndFirstUseKeepTheOutboxRight(t *testing.T) {
	t.Parallel()
	const rounds = 20
	w := newWorld(t, secretstest.NewTable(t))
	attach(t, &w)
	a, b := w.table.Manager(t, secretstest.Inject(secretstest.Conflicts)), w.table.Manager(t, secretstest.Inject(secretstest.Conflicts))
	last := w.service.ID
	for round := range rounds {
		var wg sync.WaitGroup
		var next secrets.Service
		wg.Go(func() {
			if err := a.DeleteService(t.Context(), w.caller, last.String(), nil); err != nil {
				t.Errorf("delete: %v", err)
			}
		})
		wg.Go(func() {
			var err error
			if next, err = b.CreateService(t.Context(), w.caller, serviceInput(fmt.Sprint("app-", round), w.secret.ID)); err != nil {
				t.Errorf("create: %v", err)
			}
		})
		wg.Go(func() {
			if _, err := b.UpdateItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String(), valueInput(uuid.NewString())); err != nil {
				t.Errorf("update: %v", err)
			}
		})
		done := make(chan struct{})
		var deliverer sync.WaitGroup
		deliverer.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					deliver(t, w)
				}
			}
		})
		wg.Wait()
		close(done)
		deliverer.Wait()
		w.table.Check(t)
		if t.Failed() {
			break
		}
		last = next.ID
	}
	secret, err := a.Secret(t.Context(), w.caller, w.secret.ID.String())
	if err != nil || secret.Services != 1 {
		t.Errorf("the secret = %+v, %v, want one service", secret, err)
	}
}

// deliver does to the store what a deliverer does for the world's secret, if it is in the
// outbox.
func deliver(t *testing.T, w world) {
	store := w.table.Store(t)
	entry, err := store.Entry(t.Context(), w.caller.AccountID, w.secret.ID)
	if errors.Is(err, secrets.ErrNotFound) {
		return
	}
	var secret secrets.Secret
	if err == nil {
		secret, err = store.Secret(t.Context(), w.caller.AccountID, w.secret.ID)
	}
	switch {
	case err != nil:
	case secret.Services > 0:
		err = store.MarkDelivered(t.Context(), w.caller.AccountID, w.secret.ID, secret.Revision, secrets.Bundle{Name: "bundle"})
	default:
		err = store.MarkUndelivered(t.Context(), w.caller.AccountID, w.secret.ID)
	}
	if err == nil {
		err = store.Acknowledge(t.Context(), entry)
	}
	if err != nil && !errors.Is(err, secrets.ErrChanged) { // a newer change took the entry's place
		t.Errorf("deliver: %v", err)
	}
}

// An outage while the secret of a service is read is an outage, not an internal error.
func TestOutageOfTheUsedSecretIsUnavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	attach(t, &w)
	m := w.table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if c.What == "GetItem SECRET" {
			return secretstest.LostBefore
		}
		return secretstest.None
	}))
	for name, err := range map[string]error{
		"create": errOf(m.CreateService(t.Context(), w.caller, serviceInput("other", w.second.ID))),
		"move":   errOf(m.UpdateService(t.Context(), w.caller, w.service.ID.String(), serviceInput("app", w.second.ID))),
		"delete": m.DeleteService(t.Context(), w.caller, w.service.ID.String(), nil),
	} {
		if !errors.Is(err, secrets.ErrUnavailable) {
			t.Errorf("%s without the secret's row: %v, want ErrUnavailable", name, err)
		}
	}
	w.table.Check(t)
}

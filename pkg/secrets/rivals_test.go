package secrets_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// 32 clients create items in one secret at the same time, with conflicts in every second
// attempt. All succeed, and the count is exact, also in a secret that a service uses.
func TestConcurrentCreatesAllSucceed(t *testing.T) {
	t.Parallel()
	const clients = 32
	for _, used := range []bool{false, true} {
		t.Run(fmt.Sprintf("used=%v", used), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, secretstest.NewTable(t))
			if used {
				attach(t, &w)
			}
			before, err := w.table.Manager(t).Secret(t.Context(), w.caller, w.secret.ID.String())
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for i := range clients {
				m := w.table.Manager(t, secretstest.Inject(secretstest.Conflicts))
				wg.Go(func() {
					if _, err := m.CreateItem(t.Context(), w.caller, w.secret.ID.String(), itemInput(fmt.Sprintf("KEY_%d", i), "value")); err != nil {
						t.Errorf("create %d: %v", i, err)
					}
				})
			}
			wg.Wait()
			m := w.table.Manager(t)
			if keys := itemKeys(t, m, w); len(keys) != clients+2 {
				t.Errorf("%d items, want %d", len(keys), clients+2)
			}
			after, err := m.Secret(t.Context(), w.caller, w.secret.ID.String())
			if err != nil || after.Revision != before.Revision+clients {
				t.Errorf("revision %d after %d, %v, want one for each of %d writes", after.Revision, before.Revision, err, clients)
			}
			w.table.Check(t)
		})
	}
}

// Many clients change, rename and reveal one item at the same time. In any interleaving each
// operation is whole: a revealed value was written, and no invariant of the table breaks.
func TestOneOfRivalsWins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	var written sync.Map
	written.Store("value of API_KEY", true)
	var wg sync.WaitGroup
	for i := range 12 {
		m := w.table.Manager(t, secretstest.Inject(secretstest.Conflicts))
		m.RevealLimit = 1000
		wg.Go(func() {
			for j := range 8 {
				var err error
				switch (i + j) % 4 {
				case 0:
					value := uuid.NewString()
					written.Store(value, true)
					_, err = m.UpdateItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String(), valueInput(value))
				case 1:
					_, err = m.UpdateItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String(),
						secrets.ItemInput{Key: secrets.Text(fmt.Sprintf("KEY_%d", i))})
				case 2, 3:
					var r secrets.Revealed
					r, err = m.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
					if _, ok := written.Load(r.Value.Reveal()); err == nil && !ok {
						t.Error("a value was revealed that was never written")
					}
				}
				if err != nil && !errors.Is(err, secrets.ErrUnavailable) { // changed twice within one reveal
					t.Errorf("rival %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	w.table.Check(t)
	checkReplay(t, w.table, w.caller)

	// And the race to delete the secret under writers: nothing is left behind.
	for i := range 6 {
		m := w.table.Manager(t, secretstest.Inject(secretstest.Conflicts))
		wg.Go(func() {
			var err error
			if i == 0 {
				err = m.DeleteSecret(t.Context(), w.caller, w.secret.ID.String(), secrets.Deletion{Permanent: true})
			} else {
				_, err = m.CreateItem(t.Context(), w.caller, w.secret.ID.String(), itemInput(fmt.Sprintf("LATE_%d", i), "value"))
			}
			if err != nil && !errors.Is(err, secrets.ErrNotFound) {
				t.Errorf("racer %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	w.table.Check(t)
	checkReplay(t, w.table, w.caller)
	for _, row := range w.table.Rows(t) {
		if row["PK"] == fmt.Sprintf("SECRET#%s#%s", w.caller.AccountID, w.secret.ID) {
			t.Errorf("%v is left of a deleted secret", row["SK"])
		}
	}
}

// Of reveals at the same time, the newest one is the item's last access.
func TestNewestOfConcurrentRevealsIsTheLastAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m := w.table.Manager(t)
	for round := range 5 {
		var (
			mu     sync.Mutex
			newest time.Time
			wg     sync.WaitGroup
		)
		for range 16 {
			wg.Go(func() {
				revealed, err := m.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
				if err != nil {
					t.Errorf("RevealItem = %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				if revealed.Item.LastAccessedAt.After(newest) {
					newest = revealed.Item.LastAccessedAt
				}
			})
		}
		wg.Wait()
		page, err := m.ListItems(t.Context(), w.caller, w.secret.ID.String(), secrets.Field{}, secrets.Cursor{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range page.Results {
			if it.ID == w.item.ID && !it.LastAccessedAt.Equal(newest) {
				t.Fatalf("round %d: last access at %v, want that of the newest answer, %v", round, it.LastAccessedAt, newest)
			}
		}
	}
}

package secrets_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// rivals does all at the same time, each with conflicts in every second write.
func rivals(t *testing.T, table *secretstest.Table, all ...func(m *secrets.Manager)) {
	t.Helper()
	var wg sync.WaitGroup
	for _, do := range all {
		m := table.Manager(t, secretstest.Inject(secretstest.Conflicts))
		m.RevealLimit = 1000
		wg.Go(func() { do(m) })
	}
	wg.Wait()
}

// Values and rollbacks at the same time: each new value has a number of its own, and each number the value that was
// written under it.
func TestRollbacksAmongUpdates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	rotate(t, &w)
	secret, item := w.secret.ID.String(), w.item.ID.String()
	var mu sync.Mutex
	written := map[string]int{"value of API_KEY": 1, "rotated": 1} // times
	var all []func(*secrets.Manager)
	for i := range 4 {
		all = append(all, func(m *secrets.Manager) {
			for j := range 5 {
				value := fmt.Sprintf("value %d of %d", j, i)
				if _, err := m.UpdateItem(t.Context(), w.caller, secret, item, valueInput(value)); err != nil {
					t.Errorf("update: %v", err)
					continue
				}
				mu.Lock()
				written[value]++
				mu.Unlock()
			}
		}, func(m *secrets.Manager) {
			for j := range 5 {
				if _, err := m.RollBackItem(t.Context(), w.caller, secret, item, secrets.RollbackInput{Version: secrets.Text(fmt.Sprint(1 + j%2))}); err != nil {
					t.Errorf("roll back: %v", err)
				}
			}
		})
	}
	rivals(t, w.table, all...)
	m := w.table.Manager(t)
	m.RevealLimit = 1000
	kept, err := m.Versions(t.Context(), w.caller, secret, item)
	if err != nil || len(kept) != 22 || kept[0].Number != 22 {
		t.Fatalf("%d versions, %v, want 22 with the highest number 22", len(kept), err)
	}
	for _, v := range kept {
		r, err := m.RevealVersion(t.Context(), w.caller, secret, item, fmt.Sprint(v.Number))
		if err != nil || written[r.Value.Reveal()] != 1 {
			t.Errorf("version %d: %v, its value was written %d times", v.Number, err, written[r.Value.Reveal()])
		}
		delete(written, r.Value.Reveal())
	}
	w.table.Check(t)
	checkReplay(t, w.table, w.caller)
}

// An update has read version 1. Before it writes, another update and a rollback make version 1 current again. The
// revision differs, so that it reads again.
func TestUpdateWaitsForARollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	secret, item := w.secret.ID.String(), w.item.ID.String()
	other := w.table.Manager(t)
	waiting := w.table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if c.What == "TransactWriteItems" && c.Nth == 0 {
			if _, err := other.UpdateItem(t.Context(), w.caller, secret, item, valueInput("second")); err != nil {
				t.Error(err)
			}
			if _, err := other.RollBackItem(t.Context(), w.caller, secret, item, secrets.RollbackInput{Version: secrets.Text("1")}); err != nil {
				t.Error(err)
			}
		}
		return secretstest.None
	}))
	updated, err := waiting.UpdateItem(t.Context(), w.caller, secret, item, valueInput("third"))
	if err != nil || updated.Version != 3 {
		t.Fatalf("update = version %d, %v, want 3", updated.Version, err)
	}
	for number, want := range map[string]string{"1": "value of API_KEY", "2": "second", "3": "third"} {
		if r, err := other.RevealVersion(t.Context(), w.caller, secret, item, number); err != nil || r.Value.Reveal() != want {
			t.Errorf("version %s: %v, or not %q", number, err, want)
		}
	}
	w.table.Check(t)
}

// A name and a key go to one of those who want them at the same time.
func TestOneGetsTheNameOfWhatIsRestored(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	for range 4 {
		w := newWorld(t, table)
		binItem(t, &w)
		secret := w.secret.ID.String()
		var restored, created error
		rivals(t, table,
			func(m *secrets.Manager) {
				_, restored = m.RestoreItem(t.Context(), w.caller, secret, w.item.ID.String(), secrets.ItemInput{})
			},
			func(m *secrets.Manager) {
				_, created = m.CreateItem(t.Context(), w.caller, secret, itemInput("API_KEY", "new"))
			})
		if (restored == nil) == (created == nil) || restored != nil && !refused(restored, "key") || created != nil && !refused(created, "key") {
			t.Errorf("restore the item: %v, create another one: %v, want one of them refused", restored, created)
		}
		binSecret(t, &w)
		rivals(t, table,
			func(m *secrets.Manager) {
				_, restored = m.RestoreSecret(t.Context(), w.caller, secret, secrets.SecretInput{})
			},
			func(m *secrets.Manager) {
				_, created = m.CreateSecret(t.Context(), w.caller, secretInput("production"))
			})
		if (restored == nil) == (created == nil) || restored != nil && !refused(restored, "name") || created != nil && !refused(created, "name") {
			t.Errorf("restore the secret: %v, create another one: %v, want one of them refused", restored, created)
		}
	}
	table.Check(t)
}

// A batch and the deletion of its secret: the batch is in the deleted secret whole, or not at all.
func TestBatchAmongDeletions(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	for range 4 {
		w := newWorld(t, table)
		var changed, deleted error
		rivals(t, table,
			func(m *secrets.Manager) { changed = batch(secrets.Token{})(t.Context(), m, w) },
			func(m *secrets.Manager) {
				deleted = m.DeleteSecret(t.Context(), w.caller, w.secret.ID.String(), secrets.Deletion{})
			})
		if deleted != nil || changed != nil && !errors.Is(changed, secrets.ErrNotFound) {
			t.Errorf("delete the secret: %v, change its items: %v", deleted, changed)
		}
		m := table.Manager(t)
		if _, err := m.RestoreSecret(t.Context(), w.caller, w.secret.ID.String(), secrets.SecretInput{}); err != nil {
			t.Fatal(err)
		}
		want := []string{"API_KEY", "NEW"}
		if changed != nil {
			want = []string{"API_KEY", "OTHER"}
		}
		keys := itemKeys(t, m, w)
		slices.Sort(keys)
		if !slices.Equal(keys, want) {
			t.Errorf("the restored secret has %v, want %v", keys, want)
		}
	}
	table.Check(t)
}

// before does something once, before the nth call of a kind.
func before(t *testing.T, what string, nth int, do func()) func(secretstest.Call) secretstest.Fault {
	return func(c secretstest.Call) secretstest.Fault {
		if c.What == what && c.Nth == nth {
			do()
		}
		return secretstest.None
	}
}

// A version is destroyed while its secret goes into the bin. The bin's row must have the checksum of the items.
func TestVersionIsDeletedWhileItsSecretIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	other := w.table.Manager(t)
	ctx, sid, iid := t.Context(), w.secret.ID.String(), w.item.ID.String()
	rotate(t, &w)
	m := w.table.Manager(t, secretstest.Inject(before(t, "TransactWriteItems", 0, func() {
		if err := other.DeleteVersion(ctx, w.caller, sid, iid, "1", secrets.Deletion{}); err != nil {
			t.Error(err)
		}
	})))
	if err := m.DeleteSecret(ctx, w.caller, sid, secrets.Deletion{}); err != nil {
		t.Fatal(err)
	}
	w.table.Check(t)
	if _, err := other.RestoreSecret(ctx, w.caller, sid, secrets.SecretInput{}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.ExportSecret(ctx, w.caller, sid, nil); err != nil {
		t.Errorf("the restored secret is never exported, nor delivered, again: %v", err)
	}
}

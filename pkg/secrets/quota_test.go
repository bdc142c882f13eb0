package secrets_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// An account never has more secrets and services than its quotas, and a secret never more items,
// however many clients create them at once. What was deleted makes room.
func TestQuotasHoldUnderRivals(t *testing.T) {
	t.Parallel()
	const most, rivals = 5, 12
	w := newWorld(t, secretstest.NewTable(t))
	m := w.table.Manager(t)
	m.Quotas = secrets.Quotas{Secrets: most, Items: most, Services: most}
	secret := w.secret.ID.String()
	for objects, create := range map[string]func(i int) (uuid.UUID, error){
		"account has 5 secrets": func(i int) (uuid.UUID, error) {
			made, err := m.CreateSecret(t.Context(), w.caller, secretInput(fmt.Sprint("rival ", i)))
			return made.ID, err
		},
		"secret has 5 items": func(i int) (uuid.UUID, error) {
			made, err := m.CreateItem(t.Context(), w.caller, secret, itemInput(fmt.Sprint("RIVAL_", i), "value"))
			return made.ID, err
		},
		"account has 5 services": func(i int) (uuid.UUID, error) {
			made, err := m.CreateService(t.Context(), w.caller, serviceInput(fmt.Sprint("rival-", i), w.secret.ID))
			return made.ID, err
		},
	} {
		want := secrets.Invalid{{Field: "non_field_errors", Messages: []string{"This " + objects + ", the most it may have."}}}
		refused := func(err error) bool {
			var got secrets.Invalid
			if !errors.As(err, &got) || !cmp.Equal(want, got) {
				return false
			}
			return true
		}
		var wg sync.WaitGroup
		var failed atomic.Int32
		for i := range rivals {
			wg.Go(func() {
				if _, err := create(i); err != nil && !refused(err) {
					t.Errorf("%s: %v, want %v", objects, err, want)
				} else if err != nil {
					failed.Add(1)
				}
			})
		}
		wg.Wait()
		if failed.Load() == 0 || failed.Load() == rivals {
			t.Errorf("%s: %d of %d rivals were refused, want some", objects, failed.Load(), rivals)
		}
		if _, err := create(rivals); !refused(err) {
			t.Errorf("%s: one more = %v, want %v", objects, err, want)
		}
	}
	for name, count := range map[string]func() (int, error){
		"secrets": func() (int, error) {
			p, err := m.ListSecrets(t.Context(), w.caller, secrets.Field{}, secrets.Cursor{}, 10)
			return p.Count, err
		},
		"items": func() (int, error) {
			p, err := m.ListItems(t.Context(), w.caller, secret, secrets.Field{}, secrets.Cursor{}, 10)
			return p.Count, err
		},
		"services": func() (int, error) {
			p, err := m.ListServices(t.Context(), w.caller, secrets.Field{}, secrets.Field{}, secrets.Cursor{}, 10)
			return p.Count, err
		},
	} {
		if n, err := count(); err != nil || n != most {
			t.Errorf("%d %s, %v, want %d", n, name, err, most)
		}
	}
	if err := m.DeleteItem(t.Context(), w.caller, secret, w.item.ID.String(), secrets.Deletion{}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.CreateItem(t.Context(), w.caller, secret, itemInput("AFTER", "value")); err != nil {
		t.Errorf("CreateItem after a deletion = %v", err)
	}
	w.table.Check(t)
}

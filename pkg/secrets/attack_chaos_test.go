package secrets_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// Everything at the same time on one secret: no answer is a 500, no invariant breaks.
func TestAttackChaos(t *testing.T) {
	t.Parallel()
	for round := range 6 {
		w := newWorld(t, secretstest.NewTable(t))
		ctx, sid := t.Context(), w.secret.ID.String()
		withVersions, withSecret := round%2 == 0, round%2 == 1 // not both: a known fault
		var wg sync.WaitGroup
		for range 8 {
			m := w.table.Manager(t, secretstest.Inject(secretstest.Conflicts))
			m.RevealLimit, m.KeepVersions = 1000, 2
			m.Recovery = time.Hour
			wg.Go(func() {
				for range 40 {
					iid := []string{w.item.ID.String(), w.other.ID.String()}[rand.IntN(2)]
					key := fmt.Sprintf("K%d", rand.IntN(4))
					c := w.caller
					if rand.IntN(3) == 0 {
						c.Token = secrets.NewToken(fmt.Sprint("k", rand.IntN(1000)), fmt.Sprint(rand.IntN(2)))
					}
					var err error
					n := rand.IntN(16)
					switch n {
					case 0, 1:
						_, err = m.UpdateItem(ctx, w.caller, sid, iid, valueInput("x"))
					case 2:
						_, err = m.RollBackItem(ctx, c, sid, iid, rollback(fmt.Sprint(1+rand.IntN(8))))
					case 3:
						if withVersions {
							err = m.DeleteVersion(ctx, w.caller, sid, iid, fmt.Sprint(1+rand.IntN(8)), secrets.Deletion{})
						}
					case 4:
						err = m.DeleteItem(ctx, w.caller, sid, iid, secrets.Deletion{})
					case 5, 6:
						_, err = m.RestoreItem(ctx, c, sid, iid, secrets.ItemInput{Key: secrets.Text(key)})
					case 7:
						_, err = m.CreateItem(ctx, c, sid, itemInput(key, "v"))
					case 8, 9:
						_, err = m.BatchItems(ctx, c, sid, secrets.BatchInput{Items: []secrets.ItemInput{itemInput(key, "b"), itemInput("API_KEY", "c")}, Delete: keysField("K9", "K8")})
					case 10:
						_, err = m.BatchItems(ctx, c, sid, secrets.BatchInput{Items: []secrets.ItemInput{itemInput("K9", "b")}, Delete: keysField("API_KEY", key)})
					case 11:
						_, err = m.ExportSecret(ctx, w.caller, sid, nil)
					case 12:
						_, err = m.RevealVersion(ctx, w.caller, sid, iid, fmt.Sprint(1+rand.IntN(8)))
					case 13:
						_, err = m.RevealItem(ctx, w.caller, sid, iid)
					case 14:
						if withSecret {
							err = m.DeleteSecret(ctx, w.caller, sid, secrets.Deletion{})
						} else {
							_, err = m.UpdateSecret(ctx, w.caller, sid, secretInput(key))
						}
					case 15:
						_, err = m.RestoreSecret(ctx, c, sid, secrets.SecretInput{})
						purger := *m
						purger.Now = func() time.Time { return time.Now().Add(-time.Minute) }
						if _, e := purger.PurgeSecrets(ctx); e != nil {
							t.Error(e)
						}
					}
					var invalid secrets.Invalid
					switch {
					case err == nil, errors.As(err, &invalid), errors.Is(err, secrets.ErrNotFound), errors.Is(err, secrets.ErrCurrentVersion),
						errors.Is(err, secrets.ErrTokenReused), errors.Is(err, secrets.ErrAnswered), errors.Is(err, secrets.ErrUnavailable): // half of the writes conflict
					default:
						t.Errorf("case %d: %v", n, err)
					}
				}
			})
		}
		wg.Wait()
		m := w.table.Manager(t)
		m.RevealLimit = 1000
		if withSecret {
			_, _ = m.RestoreSecret(ctx, w.caller, sid, secrets.SecretInput{})
		}
		w.table.Check(t)
		if _, err := m.ExportSecret(ctx, w.caller, sid, nil); err != nil {
			t.Errorf("round %d: export: %v", round, err)
		}
		// All is purged in the end.
		m.Recovery = 0
		later := *m
		later.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
		if _, err := later.PurgeSecrets(ctx); err != nil {
			t.Error(err)
		}
		w.table.Check(t)
		if err := m.DeleteSecret(ctx, w.caller, sid, secrets.Deletion{Permanent: true}); err != nil {
			t.Error(err)
		}
		if n := w.rows(t); n != 0 {
			t.Errorf("%d rows remain", n)
		}
	}
}

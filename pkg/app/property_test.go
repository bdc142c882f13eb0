package app_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"goblins-secrets/infra/local/localtest"
	"goblins-secrets/pkg/secrets"
)

// model is what an account should hold: secrets by id, with items by id.
type model map[string]*modelSecret

type modelSecret struct {
	name  string
	items map[string]*modelItem
}

type modelItem struct{ key, value string }

// player does random operations on one account and keeps the model of it.
type player struct {
	t     *testing.T
	rand  *rand.Rand
	svc   *secrets.Service
	c     secrets.Caller
	model model
	def   string
}

// Several accounts do random operations at once, with conflicts in every second
// write. At the end each holds exactly what its model says, through the API and in
// the table.
func TestRandomOperations(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	table := localtest.NewTable(t)
	var wg sync.WaitGroup
	var players []*player
	for i := range 4 {
		made, c := table.Account(t, fmt.Sprintf("player %d", i))
		p := &player{
			t: t, rand: rand.New(rand.NewPCG(seed, uint64(i))), c: c, def: made.Account.DefaultSecretID.String(),
			svc: table.Service(t, localtest.Inject(localtest.Conflicts)),
		}
		p.svc.ReadLimit = 1000
		p.model = model{p.def: {name: "Default", items: map[string]*modelItem{}}}
		players = append(players, p)
		wg.Go(func() {
			for range 150 {
				p.step()
			}
		})
	}
	wg.Wait()
	for _, p := range players {
		p.svc = table.Service(t)
		p.svc.ReadLimit = 1000
		p.compare()
	}
	table.Check(t)
}

// few makes collisions of names and keys likely.
func (p *player) few(prefix string) string { return fmt.Sprintf("%s-%d", prefix, p.rand.IntN(6)) }

// pick chooses a key of a map, in a way that depends on the seed only.
func pick[T any](p *player, m map[string]T) (string, bool) {
	if len(m) == 0 {
		return "", false
	}
	return slices.Sorted(maps.Keys(m))[p.rand.IntN(len(m))], true
}

// outcome holds an operation's error against what the model expects.
func (p *player) outcome(doing string, err error, taken bool) (done bool) {
	p.t.Helper()
	var invalid secrets.Invalid
	if taken != errors.As(err, &invalid) || !taken && err != nil {
		p.t.Errorf("%s: %v, want taken = %v", doing, err, taken)
	}
	return err == nil
}

func (p *player) nameTaken(name, except string) bool {
	for id, s := range p.model {
		if id != except && s.name == name {
			return true
		}
	}
	return false
}

func (s *modelSecret) keyTaken(key, except string) bool {
	for id, it := range s.items {
		if id != except && it.key == key {
			return true
		}
	}
	return false
}

func (p *player) step() {
	ctx := p.t.Context()
	sid, _ := pick(p, p.model)
	secret := p.model[sid]
	iid, hasItem := pick(p, secret.items)
	switch n := p.rand.IntN(20); {
	case n < 3:
		name := p.few("secret")
		made, err := p.svc.CreateSecret(ctx, p.c, secretInput(name))
		if p.outcome("create secret", err, p.nameTaken(name, "")) {
			p.model[made.ID.String()] = &modelSecret{name, map[string]*modelItem{}}
		}
	case n < 5:
		name := p.few("secret")
		_, err := p.svc.UpdateSecret(ctx, p.c, sid, secretInput(name))
		if p.outcome("rename secret", err, p.nameTaken(name, sid)) {
			secret.name = name
		}
	case n < 6:
		err := p.svc.DeleteSecret(ctx, p.c, sid)
		if sid == p.def {
			if !errors.Is(err, secrets.ErrDefaultSecret) {
				p.t.Errorf("delete default secret: %v, want ErrDefaultSecret", err)
			}
		} else if p.outcome("delete secret", err, false) {
			delete(p.model, sid)
		}
	case n < 11 || !hasItem:
		key, value := p.few("KEY"), uuid.NewString()
		made, err := p.svc.CreateItem(ctx, p.c, sid, itemInput(key, value))
		if p.outcome("create item", err, secret.keyTaken(key, "")) {
			secret.items[made.ID.String()] = &modelItem{key, value}
		}
	case n < 14:
		value := uuid.NewString()
		_, err := p.svc.UpdateItem(ctx, p.c, sid, iid, valueInput(value))
		if p.outcome("update value", err, false) {
			secret.items[iid].value = value
		}
	case n < 16:
		key, value := p.few("KEY"), uuid.NewString()
		_, err := p.svc.UpdateItem(ctx, p.c, sid, iid, itemInput(key, value))
		if p.outcome("update item", err, secret.keyTaken(key, iid)) {
			*secret.items[iid] = modelItem{key, value}
		}
	case n < 18:
		r, err := p.svc.RevealItem(ctx, p.c, sid, iid)
		if p.outcome("reveal", err, false) && r.Value.Reveal() != secret.items[iid].value {
			p.t.Errorf("reveal gave another value than was written")
		}
	default:
		if p.outcome("delete item", p.svc.DeleteItem(ctx, p.c, sid, iid), false) {
			delete(secret.items, iid)
		}
	}
}

// compare reads the account back, page by page and value by value.
func (p *player) compare() {
	p.t.Helper()
	ctx := p.t.Context()
	found := 0
	for from := (&secrets.Cursor{}); from != nil; {
		page, err := p.svc.ListSecrets(ctx, p.c, *from, 2)
		if err != nil {
			p.t.Fatal(err)
		}
		if page.Count != len(p.model) {
			p.t.Errorf("count of secrets = %d, want %d", page.Count, len(p.model))
		}
		for _, s := range page.Results {
			found++
			if want := p.model[s.ID.String()]; want == nil || want.name != s.Name {
				p.t.Errorf("secret %s is named %q, want %+v", s.ID, s.Name, want)
				continue
			}
			p.compareItems(s.ID.String())
		}
		from = page.Next
	}
	if found != len(p.model) {
		p.t.Errorf("%d secrets, want %d", found, len(p.model))
	}
}

func (p *player) compareItems(sid string) {
	p.t.Helper()
	ctx := p.t.Context()
	want := p.model[sid].items
	page, err := p.svc.ListItems(ctx, p.c, sid, secrets.Cursor{}, 1000)
	if err != nil {
		p.t.Fatal(err)
	}
	if page.Count != len(want) || len(page.Results) != len(want) {
		p.t.Errorf("secret %s: %d items, count %d, want %d", sid, len(page.Results), page.Count, len(want))
	}
	for _, it := range page.Results {
		r, err := p.svc.RevealItem(ctx, p.c, sid, it.ID.String())
		if err != nil {
			p.t.Errorf("reveal: %v", err)
			continue
		}
		if w := want[it.ID.String()]; w == nil || *w != (modelItem{it.Key, r.Value.Reveal()}) {
			p.t.Errorf("item %s of secret %s is not what the model has", it.ID, sid)
		}
	}
}

// 32 clients create items in one secret at once, against conflicts in every second
// attempt: all succeed, and the count is exact.
func TestConcurrentCreates(t *testing.T) {
	t.Parallel()
	const clients = 32
	w := newWorld(t, localtest.NewTable(t))
	var wg sync.WaitGroup
	for i := range clients {
		svc := w.table.Service(t, localtest.Inject(localtest.Conflicts))
		wg.Go(func() {
			if _, err := svc.CreateItem(t.Context(), w.caller, w.secret.ID.String(), itemInput(fmt.Sprintf("KEY_%d", i), "value")); err != nil {
				t.Errorf("create %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if keys := itemKeys(t, w.table.Service(t), w); len(keys) != clients+2 {
		t.Errorf("%d items, want %d", len(keys), clients+2)
	}
	w.table.Check(t)
}

// Everybody changes, renames, reveals and deletes one item at once. Whatever the
// interleaving, each operation is whole: a revealed value is one that was written,
// and the table holds together.
func TestRivals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, localtest.NewTable(t))
	var written sync.Map
	written.Store("value of API_KEY", true)
	var wg sync.WaitGroup
	for i := range 12 {
		svc := w.table.Service(t, localtest.Inject(localtest.Conflicts))
		svc.ReadLimit = 1000
		wg.Go(func() {
			for j := range 8 {
				var err error
				switch (i + j) % 4 {
				case 0:
					value := uuid.NewString()
					written.Store(value, true)
					_, err = svc.UpdateItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String(), valueInput(value))
				case 1:
					_, err = svc.UpdateItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String(),
						func() (secrets.ItemInput, error) {
							return secrets.ItemInput{Key: secrets.Text(fmt.Sprintf("KEY_%d", i))}, nil
						})
				case 2, 3:
					var r secrets.Revealed
					r, err = svc.RevealItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String())
					if _, ok := written.Load(r.Value.Reveal()); err == nil && !ok {
						t.Error("a value was revealed that nobody wrote")
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

	// And the race to delete the secret under writers: nothing is left behind.
	for i := range 6 {
		svc := w.table.Service(t, localtest.Inject(localtest.Conflicts))
		wg.Go(func() {
			var err error
			if i == 0 {
				err = svc.DeleteSecret(t.Context(), w.caller, w.secret.ID.String())
			} else {
				_, err = svc.CreateItem(t.Context(), w.caller, w.secret.ID.String(), itemInput(fmt.Sprintf("LATE_%d", i), "value"))
			}
			if err != nil && !errors.Is(err, secrets.ErrNotFound) {
				t.Errorf("racer %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	w.table.Check(t)
	for _, row := range w.table.Rows(t) {
		if row["PK"] == fmt.Sprintf("SECRET#%s#%s", w.caller.AccountID, w.secret.ID) {
			t.Errorf("%v is left of a deleted secret", row["SK"])
		}
	}
}

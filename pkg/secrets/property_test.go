package secrets_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// model is what an account should hold: secrets by id, with items by id.
type model map[string]*modelSecret

type modelSecret struct {
	name  string
	items map[string]*modelItem
}

type modelItem struct{ key, value string }

// modelService is a service; it uses the secret of this id.
type modelService struct{ name, image, secret string }

// player does random operations on one account and keeps the model of it.
type player struct {
	t     *testing.T
	rand  *rand.Rand
	m     *secrets.Manager
	c     secrets.Caller
	model model
	def   string

	services map[string]*modelService // by id

	full int // times that something was refused for its size
}

// Several accounts do random operations at the same time, with conflicts in every second
// write. In the end each account equals its model, through the API and in the table.
func TestRandomOperationsMatchTheModel(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	table := secretstest.NewTable(t)
	var wg sync.WaitGroup
	var players []*player
	for i := range 4 {
		made, c := table.Account(t, fmt.Sprintf("player %d", i))
		p := &player{
			t: t, rand: rand.New(rand.NewPCG(seed, uint64(i))), c: c, def: made.Account.DefaultSecretID.String(),
			m: table.Manager(t, secretstest.Inject(secretstest.Conflicts)),
		}
		p.m.RevealLimit = 1000
		p.model = model{p.def: {name: "Default", items: map[string]*modelItem{}}}
		p.services = map[string]*modelService{}
		players = append(players, p)
		wg.Go(func() {
			for range 120 {
				p.step()
			}
		})
	}
	wg.Wait()
	full := 0
	for _, p := range players {
		p.m = table.Manager(t)
		p.m.RevealLimit = 1000
		p.compare()
		checkReplay(t, table, p.c)
		full += p.full
	}
	if full == 0 {
		t.Error("nothing was refused for its size: the limit was not tried")
	}
	t.Logf("%d were refused for their size", full)
	table.Check(t)
}

// few makes collisions of names and keys likely.
func (p *player) few(prefix string) string { return fmt.Sprintf("%s-%d", prefix, p.rand.IntN(6)) }

// pick chooses a key of a map. The choice depends on the seed only.
func pick[T any](p *player, m map[string]T) (string, bool) {
	if len(m) == 0 {
		return "", false
	}
	return slices.Sorted(maps.Keys(m))[p.rand.IntN(len(m))], true
}

// outcome compares an operation's error with the field that the model expects to be refused,
// if any.
func (p *player) outcome(doing string, err error, fields ...string) (done bool) {
	p.t.Helper()
	field := cmp.Or(fields...)
	if field == "value" || field == "secret" {
		p.full++
	}
	if field != "" && !refused(err, field) || field == "" && err != nil {
		p.t.Errorf("%s: %v, want refused for %q", doing, err, field)
	}
	return err == nil
}

// when is a field that is refused on a condition.
func when(refused bool, field string) string {
	if refused {
		return field
	}
	return ""
}

// users are the services that use a secret, in the order of their creation.
func (p *player) users(sid string) (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(p.services)) {
		if p.services[id].secret == sid {
			ids = append(ids, id)
		}
	}
	return ids
}

func (p *player) serviceTaken(name, except string) bool {
	for id, s := range p.services {
		if id != except && s.name == name {
			return true
		}
	}
	return false
}

// size is the size of a secret's bundle, in bytes, with an item replaced.
func (s *modelSecret) size(iid string, changed *modelItem) int {
	object := map[string]string{}
	for id, it := range s.items {
		if id != iid {
			object[it.key] = it.value
		}
	}
	if changed != nil {
		object[changed.key] = changed.value
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(object); err != nil {
		panic(err) // unreachable: any texts can be encoded
	}
	return b.Len() - len("\n")
}

// tooLarge reports whether a change is refused for the size of the bundle: services use the
// secret, the bundle exceeds the limit, and it grows.
func (p *player) tooLarge(sid, iid string, changed modelItem) bool {
	secret := p.model[sid]
	was := secret.size("", nil)
	now := secret.size(iid, &changed)
	return len(p.users(sid)) > 0 && now > 65536 && now > was
}

// value is a value to write. Some are so large that two or three of them fill a bundle.
func (p *player) value() string {
	if p.rand.IntN(3) > 0 {
		return uuid.NewString()
	}
	return strings.Repeat([]string{"v", "\"", "é", "\u2028"}[p.rand.IntN(4)], 12000+p.rand.IntN(9000))
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
	switch n := p.rand.IntN(30); {
	case n < 3:
		name := p.few("secret")
		made, err := p.m.CreateSecret(ctx, p.c, secretInput(name))
		if p.outcome("create secret", err, when(p.nameTaken(name, ""), "name")) {
			p.model[made.ID.String()] = &modelSecret{name, map[string]*modelItem{}}
		}
	case n < 5:
		name := p.few("secret")
		_, err := p.m.UpdateSecret(ctx, p.c, sid, secretInput(name))
		if p.outcome("rename secret", err, when(p.nameTaken(name, sid), "name")) {
			secret.name = name
		}
	case n < 7:
		p.deleteSecret(sid)
	case n < 16:
		p.stepService(n, sid)
	case n < 21 || !hasItem:
		it := modelItem{p.few("KEY"), p.value()}
		made, err := p.m.CreateItem(ctx, p.c, sid, itemInput(it.key, it.value))
		taken := secret.keyTaken(it.key, "")
		if taken { // its size is checked first, as if the key were free
			it.key = strings.ToLower(it.key)
		}
		if p.outcome("create item", err, when(p.tooLarge(sid, "", it), "value"), when(taken, "key")) {
			secret.items[made.ID.String()] = &it
		}
	case n < 24:
		it := modelItem{secret.items[iid].key, p.value()}
		_, err := p.m.UpdateItem(ctx, p.c, sid, iid, valueInput(it.value))
		if p.outcome("update value", err, when(p.tooLarge(sid, iid, it), "value")) {
			secret.items[iid] = &it
		}
	case n < 25:
		it := modelItem{p.few("LONGER_KEY"), secret.items[iid].value}
		_, err := p.m.UpdateItem(ctx, p.c, sid, iid, secrets.ItemInput{Key: secrets.Text(it.key)})
		if p.outcome("rename item", err, when(p.tooLarge(sid, iid, it), "key"), when(secret.keyTaken(it.key, iid), "key")) {
			secret.items[iid] = &it
		}
	case n < 26:
		it := modelItem{p.few("KEY"), p.value()}
		_, err := p.m.UpdateItem(ctx, p.c, sid, iid, itemInput(it.key, it.value))
		taken := secret.keyTaken(it.key, iid)
		if taken {
			it.key = strings.ToLower(it.key)
		}
		if p.outcome("update item", err, when(p.tooLarge(sid, iid, it), "value"), when(taken, "key")) {
			secret.items[iid] = &it
		}
	case n < 28:
		r, err := p.m.RevealItem(ctx, p.c, sid, iid)
		if p.outcome("reveal", err) && r.Value.Reveal() != secret.items[iid].value {
			p.t.Errorf("reveal gave another value than was written")
		}
	default:
		if p.outcome("delete item", p.m.DeleteItem(ctx, p.c, sid, iid)) {
			delete(secret.items, iid)
		}
	}
}

func (p *player) deleteSecret(sid string) {
	err := p.m.DeleteSecret(p.t.Context(), p.c, sid)
	users := p.users(sid)
	switch {
	case sid == p.def:
		if !errors.Is(err, secrets.ErrDefaultSecret) {
			p.t.Errorf("delete default secret: %v, want ErrDefaultSecret", err)
		}
	case len(users) > 0:
		want := secrets.InUse{Services: len(users)}
		for _, id := range users[:min(5, len(users))] {
			want.Names = append(want.Names, p.services[id].name)
		}
		var got secrets.InUse
		if !errors.As(err, &got) || got.Services != want.Services || !slices.Equal(got.Names, want.Names) {
			p.t.Errorf("delete a used secret: %v, want %v", err, want)
		}
	case p.outcome("delete secret", err):
		delete(p.model, sid)
	}
}

// stepService creates, changes, moves or deletes a service. sid is the secret that it may join.
func (p *player) stepService(n int, sid string) {
	ctx := p.t.Context()
	id, has := pick(p, p.services)
	// The first service is refused if the bundle is too large.
	full := func() string {
		return when(len(p.users(sid)) == 0 && p.model[sid].size("", nil) > 65536, "secret")
	}
	switch {
	case n < 10 || !has:
		name := p.few("service")
		in := serviceInput(name, uuid.MustParse(sid))
		if p.rand.IntN(4) == 0 {
			sid = p.def
			in = secrets.ServiceInput{Name: secrets.Text(name), Image: secrets.Text("app:v1"), Port: secrets.Text("80")}
		}
		made, err := p.m.CreateService(ctx, p.c, in)
		tooLarge, taken := full(), when(p.serviceTaken(name, ""), "name")
		var invalid secrets.Invalid
		if tooLarge != "" && taken != "" && errors.As(err, &invalid) && len(invalid) == 2 && invalid[0].Field == taken {
			err, taken = invalid[1:], "" // both are named
		}
		if p.outcome("create service", err, tooLarge, taken) {
			p.services[made.ID.String()] = &modelService{name, "app:v1", sid}
		}
	case n < 12:
		s := p.services[id]
		name, image := p.few("service"), p.few("image")
		_, err := p.m.UpdateService(ctx, p.c, id, secrets.ServiceInput{Name: secrets.Text(name), Image: secrets.Text(image)})
		if p.outcome("update service", err, when(p.serviceTaken(name, id), "name")) {
			s.name, s.image = name, image
		}
	case n < 14:
		s := p.services[id]
		refused := ""
		if sid != s.secret {
			refused = full()
		}
		_, err := p.m.UpdateService(ctx, p.c, id, secrets.ServiceInput{Secret: secrets.Text(sid)})
		if p.outcome("move service", err, refused) {
			s.secret = sid
		}
	default:
		if p.outcome("delete service", p.m.DeleteService(ctx, p.c, id)) {
			delete(p.services, id)
		}
	}
}

// compare reads the account back, page by page and value by value.
func (p *player) compare() {
	p.t.Helper()
	ctx := p.t.Context()
	found := 0
	for from := (&secrets.Cursor{}); from != nil; {
		page, err := p.m.ListSecrets(ctx, p.c, secrets.Field{}, *from, 2)
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
	p.compareServices("", slices.Sorted(maps.Keys(p.services)))
	for sid := range p.model {
		p.compareServices(sid, p.users(sid))
	}
}

// compareServices reads all services, or those of a secret, page by page.
func (p *player) compareServices(sid string, want []string) {
	p.t.Helper()
	var got []string
	for from := (&secrets.Cursor{}); from != nil; {
		var of secrets.Field
		if sid != "" {
			of = secrets.Text(sid)
		}
		page, err := p.m.ListServices(p.t.Context(), p.c, secrets.Field{}, of, *from, 2)
		if err != nil {
			p.t.Fatal(err)
		}
		if page.Count != len(want) {
			p.t.Errorf("count of services of %q = %d, want %d", sid, page.Count, len(want))
		}
		for _, w := range page.Results {
			got = append(got, w.ID.String())
			if s := p.services[w.ID.String()]; s == nil || *s != (modelService{w.Name, w.Image, w.SecretID.String()}) {
				p.t.Errorf("service %+v is not what the model has, %+v", w, s)
			}
		}
		from = page.Next
	}
	if !slices.Equal(got, want) {
		p.t.Errorf("services of %q = %v, want %v", sid, got, want)
	}
}

func (p *player) compareItems(sid string) {
	p.t.Helper()
	ctx := p.t.Context()
	want := p.model[sid].items
	secret, err := p.m.Secret(ctx, p.c, sid)
	if err != nil {
		p.t.Fatal(err)
	}
	if size := p.model[sid].size("", nil); len(want) > 0 && secret.Size+1 != size { // of n commas n-1 are there, and two braces
		p.t.Errorf("secret %s has the size %d, want what makes a bundle of %d", sid, secret.Size, size)
	}
	page, err := p.m.ListItems(ctx, p.c, sid, secrets.Field{}, secrets.Cursor{}, 1000)
	if err != nil {
		p.t.Fatal(err)
	}
	if page.Count != len(want) || len(page.Results) != len(want) {
		p.t.Errorf("secret %s: %d items, count %d, want %d", sid, len(page.Results), page.Count, len(want))
	}
	for _, it := range page.Results {
		r, err := p.m.RevealItem(ctx, p.c, sid, it.ID.String())
		if err != nil {
			p.t.Errorf("reveal: %v", err)
			continue
		}
		if w := want[it.ID.String()]; w == nil || *w != (modelItem{it.Key, r.Value.Reveal()}) {
			p.t.Errorf("item %s of secret %s is not what the model has", it.ID, sid)
		}
	}
}

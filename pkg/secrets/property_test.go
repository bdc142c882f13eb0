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
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// model is what an account should hold: secrets by id, with items by id.
type model map[string]*modelSecret

type modelSecret struct {
	name  string
	items map[string]*modelItem
	bin   map[string]*modelItem
}

func newModelSecret(name string) *modelSecret {
	return &modelSecret{name, map[string]*modelItem{}, map[string]*modelItem{}}
}

type modelItem struct{ key, value string }

// modelValues are the values of an item by their versions, those that were dropped too, but not those that were deleted.
type modelValues struct {
	current, last int64
	values        map[int64]string
}

// write gives an item a new version.
func (v *modelValues) write(value string) {
	v.last++
	v.current, v.values[v.last] = v.last, value
}

// modelService is a service; it uses the secret of this id.
type modelService struct{ name, image, secret string }

// player does random operations on one account and keeps the model of it.
type player struct {
	t     *testing.T
	rand  *rand.Rand
	m     *secrets.Manager
	c     secrets.Caller
	model model
	bin   model // deleted secrets
	def   string

	values map[string]*modelValues // by id of an item
	hours  int                     // of the clock, which goes by a few with each step

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
		p.m.RevealLimit, p.m.KeepVersions = 1000, 2*i // of which a few are older than a day
		begin := time.Now()
		p.m.Now = func() time.Time { return begin.Add(time.Duration(p.hours)*time.Hour + time.Since(begin)) }
		p.model, p.bin = model{p.def: newModelSecret("Default")}, model{}
		p.values = map[string]*modelValues{}
		p.services = map[string]*modelService{}
		players = append(players, p)
		wg.Go(func() {
			for range 160 {
				p.hours += p.rand.IntN(12)
				p.step()
			}
		})
	}
	wg.Wait()
	full := 0
	for _, p := range players {
		keep := p.m.KeepVersions
		p.m = table.Manager(t)
		p.m.RevealLimit, p.m.KeepVersions = 1000, keep
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
	switch n := p.rand.IntN(48); {
	case n < 3:
		name := p.few("secret")
		made, err := p.m.CreateSecret(ctx, p.c, secretInput(name))
		if p.outcome("create secret", err, when(p.nameTaken(name, ""), "name")) {
			p.model[made.ID.String()] = newModelSecret(name)
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
			p.values[made.ID.String()] = &modelValues{values: map[int64]string{}}
			p.values[made.ID.String()].write(it.value)
		}
	case n < 24:
		it := modelItem{secret.items[iid].key, p.value()}
		_, err := p.m.UpdateItem(ctx, p.c, sid, iid, valueInput(it.value))
		if p.outcome("update value", err, when(p.tooLarge(sid, iid, it), "value")) {
			secret.items[iid] = &it
			p.values[iid].write(it.value)
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
			p.values[iid].write(it.value)
		}
	case n < 28:
		r, err := p.m.RevealItem(ctx, p.c, sid, iid)
		if p.outcome("reveal", err) && r.Value.Reveal() != secret.items[iid].value {
			p.t.Errorf("reveal gave another value than was written")
		}
	case n < 31:
		permanent := p.rand.IntN(3) == 0
		if p.outcome("delete item", p.m.DeleteItem(ctx, p.c, sid, iid, secrets.Deletion{Permanent: permanent})) {
			if !permanent {
				secret.bin[iid] = secret.items[iid]
			}
			delete(secret.items, iid)
		}
	case n < 36:
		p.stepVersion(sid, iid)
	case n < 39:
		p.batch(sid)
	case n < 40:
		p.export(sid)
	default:
		p.stepBin(n, sid)
	}
}

// stepVersion rolls an item back, or reveals or deletes a version.
func (p *player) stepVersion(sid, iid string) {
	ctx := p.t.Context()
	kept, err := p.m.Versions(ctx, p.c, sid, iid)
	if err != nil {
		p.t.Errorf("list versions: %v", err)
		return
	}
	v, n := p.values[iid], kept[p.rand.IntN(len(kept))].Number
	switch p.rand.IntN(4) {
	case 0:
		r, err := p.m.RevealVersion(ctx, p.c, sid, iid, fmt.Sprint(n))
		if p.outcome("reveal version", err) && (r.Value.Reveal() != v.values[n] || r.Item.Version != n) {
			p.t.Errorf("version %d has another value than was written", n)
		}
	case 1:
		err := p.m.DeleteVersion(ctx, p.c, sid, iid, fmt.Sprint(n), secrets.Deletion{})
		switch {
		case n == v.current:
			if !errors.Is(err, secrets.ErrCurrentVersion) {
				p.t.Errorf("delete the current version: %v", err)
			}
		case p.outcome("delete version", err):
			delete(v.values, n)
		}
	default:
		it := modelItem{p.model[sid].items[iid].key, v.values[n]}
		_, err := p.m.RollBackItem(ctx, p.c, sid, iid, secrets.RollbackInput{Version: secrets.Text(fmt.Sprint(n))})
		if p.outcome("roll back", err, when(n != v.current && p.tooLarge(sid, iid, it), "version")) {
			p.model[sid].items[iid], v.current = &it, n
		}
	}
}

// batch changes up to four items.
func (p *player) batch(sid string) {
	secret := p.model[sid]
	by := map[string]string{}
	for id, it := range secret.items {
		by[it.key] = id
	}
	next := &modelSecret{secret.name, maps.Clone(secret.items), maps.Clone(secret.bin)}
	var in secrets.BatchInput
	written, used := map[string]string{}, map[string]bool{}
	for range 1 + p.rand.IntN(4) {
		key := p.few("KEY")
		if used[key] {
			continue
		}
		used[key] = true
		id, exists := by[key]
		if p.rand.IntN(3) == 0 {
			in.Delete = append(in.Delete, secrets.Text(key))
			if exists {
				next.bin[id] = next.items[id]
				delete(next.items, id)
			}
			continue
		}
		value := p.value()
		if !exists {
			id = key // until it has one
		}
		next.items[id], written[key] = &modelItem{key, value}, value
		in.Items = append(in.Items, itemInput(key, value))
	}
	was, now := secret.size("", nil), next.size("", nil)
	done, err := p.m.BatchItems(p.t.Context(), p.c, sid, in)
	if !p.outcome("batch", err, when(len(p.users(sid)) > 0 && now > 65536 && now > was, "non_field_errors")) {
		return
	}
	for _, x := range done {
		value, isWritten := written[x.Item.Name]
		if !isWritten {
			continue
		}
		id := x.Item.ID.String()
		if _, exists := by[x.Item.Name]; !exists {
			next.items[id] = next.items[x.Item.Name]
			delete(next.items, x.Item.Name)
			p.values[id] = &modelValues{values: map[int64]string{}}
		}
		p.values[id].write(value)
		if v := p.values[id]; x.Version != v.current {
			p.t.Errorf("a batch wrote version %d, want %d", x.Version, v.current)
		}
	}
	p.model[sid] = next
}

// export reads a whole secret, and sees that each item was read.
func (p *player) export(sid string) {
	ctx := p.t.Context()
	b, err := p.m.ExportSecret(ctx, p.c, sid, nil)
	if !p.outcome("export", err) {
		return
	}
	want := map[string]string{}
	for _, it := range p.model[sid].items {
		want[it.key] = it.value
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(b.Object.Reveal()), &got); err != nil || !maps.Equal(got, want) {
		p.t.Errorf("an export has %d of %d items, %v, or other values", len(got), len(want), err)
	}
	page, err := p.m.ListItems(ctx, p.c, sid, secrets.Field{}, secrets.Cursor{}, 1000)
	for _, it := range page.Results {
		if it.LastAccessedAt != b.Secret.Exported.At || it.LastAccessedBy != p.c.UserID {
			err = fmt.Errorf("an item was read at %v", it.LastAccessedAt)
		}
	}
	if err != nil {
		p.t.Errorf("after an export: %v", err)
	}
}

// stepBin restores or removes something of the bin.
func (p *player) stepBin(n int, sid string) {
	ctx := p.t.Context()
	secret := p.model[sid]
	iid, hasItem := pick(p, secret.bin)
	did, hasSecret := pick(p, p.bin)
	switch {
	case n < 44 && hasItem:
		it := *secret.bin[iid]
		var in secrets.ItemInput
		if p.rand.IntN(2) == 0 {
			it.key = p.few("KEY")
			in.Key = secrets.Text(it.key)
		}
		_, err := p.m.RestoreItem(ctx, p.c, sid, iid, in)
		taken, large := secret.keyTaken(it.key, ""), p.tooLarge(sid, iid, it)
		if taken {
			large = false // both are faults of the key
			it.key = strings.ToLower(it.key)
		}
		if p.outcome("restore item", err, when(large, "key"), when(taken, "key")) {
			secret.items[iid] = &it
			delete(secret.bin, iid)
		}
	case n < 45 && hasItem:
		if p.outcome("delete item in the bin", p.m.DeleteItem(ctx, p.c, sid, iid, secrets.Deletion{Permanent: true})) {
			delete(secret.bin, iid)
		}
	case n < 47 && hasSecret:
		name := p.bin[did].name
		var in secrets.SecretInput
		if p.rand.IntN(2) == 0 {
			name = p.few("secret")
			in = secretInput(name)
		}
		_, err := p.m.RestoreSecret(ctx, p.c, did, in)
		if p.outcome("restore secret", err, when(p.nameTaken(name, ""), "name")) {
			p.model[did] = p.bin[did]
			p.model[did].name = name
			delete(p.bin, did)
		}
	case hasSecret:
		if p.outcome("delete secret in the bin", p.m.DeleteSecret(ctx, p.c, did, secrets.Deletion{Permanent: true})) {
			delete(p.bin, did)
		}
	}
}

func (p *player) deleteSecret(sid string) {
	permanent := p.rand.IntN(3) == 0
	err := p.m.DeleteSecret(p.t.Context(), p.c, sid, secrets.Deletion{Permanent: permanent})
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
		if !permanent {
			p.bin[sid] = p.model[sid]
		}
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
		if p.outcome("delete service", p.m.DeleteService(ctx, p.c, id, nil)) {
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
	binned, err := p.m.DeletedSecrets(ctx, p.c, secrets.Cursor{}, 1000)
	if err != nil || binned.Count != len(p.bin) || len(binned.Results) != len(p.bin) {
		p.t.Errorf("%d secrets in the bin, count %d, want %d, %v", len(binned.Results), binned.Count, len(p.bin), err)
	}
	for _, x := range binned.Results {
		if want := p.bin[x.Secret.ID.String()]; want == nil || want.name != x.Secret.Name || len(want.items) != x.Secret.Items {
			p.t.Errorf("deleted secret %s is %+v, want %+v", x.Secret.ID, x.Secret, want)
		}
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

// compareVersions holds an item's kept versions against what was written. It keeps as many as it should, and opens each.
func (p *player) compareVersions(sid string, it secrets.Item) {
	p.t.Helper()
	v := p.values[it.ID.String()]
	kept, err := p.m.Versions(p.t.Context(), p.c, sid, it.ID.String())
	if err != nil || it.Version != v.current || it.LastVersion != v.last {
		p.t.Errorf("item %s is at version %d of %d, want %d of %d, %v", it.ID, it.Version, it.LastVersion, v.current, v.last, err)
	}
	newest := time.Time{}
	for _, x := range kept {
		if x.CreatedAt.After(newest) {
			newest = x.CreatedAt
		}
	}
	old := 0 // when the newest one was written
	for _, x := range kept {
		value, written := v.values[x.Number]
		r, err := p.m.RevealVersion(p.t.Context(), p.c, sid, it.ID.String(), fmt.Sprint(x.Number))
		if !written || err != nil || r.Value.Reveal() != value || x.Current != (x.Number == v.current) || x.CreatedBy != p.c.UserID {
			p.t.Errorf("version %d of item %s: %v, or it is not what was written", x.Number, it.ID, err)
		}
		if newest.Sub(x.CreatedAt) > 25*time.Hour {
			old++
		}
	}
	if old > p.m.KeepVersions+1 { // and one that was current then
		p.t.Errorf("item %s keeps %d versions that are older than a day, want at most %d", it.ID, old, p.m.KeepVersions)
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
		p.compareVersions(sid, it)
		if w := want[it.ID.String()]; w == nil || *w != (modelItem{it.Key, r.Value.Reveal()}) {
			p.t.Errorf("item %s of secret %s is not what the model has", it.ID, sid)
		}
	}
}

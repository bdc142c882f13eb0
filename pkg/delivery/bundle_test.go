package delivery_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// randomText consists of characters that JSON encodes in different ways.
func randomText(r *rand.Rand, length int) string {
	alphabet := []rune("aZ0\"\\/<>&'\b\f\n\r\t\x01\x1f\x7f\u0080é\u2027\u2028\u2029\ufeff\ufffd\U0001f511\U0010ffff")
	text := make([]rune, r.IntN(length)+1)
	for i := range text {
		text[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(text)
}

// The sizes that the domain gives items add up to the size of the bundle, whatever they
// hold. The bundle is their JSON object, in the order of the keys.
func TestItemSizesAddUpToTheBundle(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for n := range 200 {
		s := newMemory(secrets.Secret{Name: "n", Revision: 7})
		want, size := map[string]string{}, 0
		for i := range n % 20 {
			key, value := fmt.Sprintf("K.%d-_", r.IntN(1_000_000)+i*1_000_000), randomText(r, 200)
			want[key] = value
			s.put(t, key, value)
		}
		for _, it := range s.items {
			size += it.Item.Size
		}
		b, err := s.bundle(t)
		if err != nil {
			t.Fatalf("seed %d: bundle: %v", seed, err)
		}
		text := b.Content.Reveal()
		if len(want) == 0 {
			size = 1 // without items, no comma is dropped
		}
		if len(text) != size+1 {
			t.Errorf("seed %d: the bundle of %d items has %d bytes, want the sum of their sizes, %d, and one", seed, len(want), len(text), size)
		}
		var got map[string]string
		if err := json.Unmarshal([]byte(text), &got); err != nil || !maps.Equal(got, want) {
			t.Errorf("seed %d: bundle = %s, %v, want %q", seed, text, err, want)
		}
		var encoded bytes.Buffer
		enc := json.NewEncoder(&encoded)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(want); err != nil || strings.TrimSuffix(encoded.String(), "\n") != text {
			t.Errorf("seed %d: bundle = %s, want %s", seed, text, &encoded)
		}
	}
}

// A bundle's identity depends on the items' ids, versions and times, and not on values and
// keys.
func TestBundleIdentityDependsOnNoValue(t *testing.T) {
	s := newMemory(secrets.Secret{Name: "n", Revision: 7})
	s.put(t, "A", "a")
	s.put(t, "B", "b")
	of := func() [32]byte {
		t.Helper()
		b, err := s.bundle(t)
		if err != nil || b.Revision != 7 || b.Name != "n" || b.AccountID != (uuid.UUID{1}) || b.SecretID != (uuid.UUID{2}) {
			t.Fatalf("bundle = %+v, %v", b, err)
		}
		return b.Versions
	}
	first := of()
	s.items[0].Value.Blob, s.items[1].Item.Key = []byte("another"), "C"
	if of() != first {
		t.Error("the hash depends on values or keys")
	}
	for name, change := range map[string]func(){
		"version": func() { s.items[0].Item.Version, s.items[0].Value.Version = 2, 2 },
		"time":    func() { s.items[0].Item.UpdatedAt = s.items[0].Item.UpdatedAt.Add(time.Microsecond) },
		"id":      func() { s.items[0].Item.ID = uuid.Must(uuid.NewV7()) },
		"number":  func() { s.items = s.items[:1] },
	} {
		before := of()
		change()
		if of() == before {
			t.Errorf("another %s has the same hash", name)
		}
	}
}

// A bundle is one state of the secret: after a change during the read, the deliverer reads
// again.
func TestBundleIsOneRevision(t *testing.T) {
	s := newMemory(secrets.Secret{Revision: 1})
	s.put(t, "A", "old")
	reads := 0
	s.read = func(s *memory) {
		if reads++; reads == 1 { // the update is visible in the secret only
			s.secret.Revision, s.items[0].Item.Version = 2, 2
		}
		if reads == 2 { // then in all rows
			s.items[0].Value = secrets.SealedValue{Version: 2, Blob: []byte("new")}
		}
	}
	b, err := s.bundle(t)
	if err != nil || b.Revision != 2 || b.Content.Reveal() != `{"A":"new"}` || reads != 3 {
		t.Errorf("bundle = revision %d %s, %v, after %d reads, want revision 2 with the new value, after 3",
			b.Revision, b.Content.Reveal(), err, reads)
	}
	// The name is that of the revision, too.
	s.read = func(s *memory) {
		if s.secret.Name == "" {
			s.secret.Revision, s.secret.Name = 3, "renamed"
		}
	}
	if b, err := s.bundle(t); err != nil || b.Revision != 3 || b.Name != "renamed" {
		t.Errorf("bundle = revision %d of %q, %v, want 3 of the new name", b.Revision, b.Name, err)
	}
	s.read = func(s *memory) { s.secret.Revision++ }
	if _, err := s.bundle(t); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("bundle of a secret that never stands still: %v, want ErrChanged", err)
	}
	s.read, s.items[0].Value.Version = nil, 1
	if _, err := s.bundle(t); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("bundle of an item with another version's value: %v, want ErrChanged", err)
	}
}

// Rows of a transaction do not become visible at the same moment. Items of an earlier revision, each with its own
// value, are not delivered as the secret's revision: the deliverer reads again.
func TestBundleIsNoMixtureOfRevisions(t *testing.T) {
	s := newMemory(secrets.Secret{Revision: 7})
	s.put(t, "A", "a")
	s.put(t, "B", "b")
	now := func() []secrets.SealedItem { return slices.Clone(s.items) }
	changed := func(change func(it *secrets.SealedItem)) []secrets.SealedItem {
		items := now()
		change(&items[0])
		return items
	}
	earlier := changed(func(it *secrets.SealedItem) { // of a whole row and its value
		it.Item.Revision, it.Item.Version, it.Value = it.Item.Revision-1, 9, secrets.SealedValue{Version: 9, Blob: []byte("old")}
	})
	for name, mixed := range map[string][]secrets.SealedItem{
		"an earlier version":   earlier,
		"an earlier key":       changed(func(it *secrets.SealedItem) { it.Item.Revision, it.Item.Key = it.Item.Revision-1, "OLD" }),
		"another version's":    changed(func(it *secrets.SealedItem) { it.Value.Version++ }),
		"an item less":         now()[:1],
		"an item more":         append(now(), earlier[0]),
		"another item instead": append(now()[:1], earlier[0]),
		"no items":             {},
	} {
		s.mixed = [][]secrets.SealedItem{mixed, mixed}
		b, err := s.bundle(t)
		if err != nil || b.Content.Reveal() != `{"A":"a","B":"b"}` || b.Revision != 7 || len(s.mixed) > 0 {
			t.Errorf("%s: bundle = revision %d %s, %v, want the secret's items, read a third time", name, b.Revision, b.Content.Reveal(), err)
		}
	}
	s.mixed = slices.Repeat([][]secrets.SealedItem{earlier}, 100)
	if b, err := s.bundle(t); !errors.Is(err, secrets.ErrChanged) || b.Content.Reveal() != "" {
		t.Errorf("bundle of a lasting mixture = %s, %v, want ErrChanged", b.Content.Reveal(), err)
	}
}

// Items over the limit make no bundle, and the error holds no value.
func TestBundleOverTheLimitIsRefused(t *testing.T) {
	const canary = "canary-"
	s := newMemory(secrets.Secret{Revision: 1})
	fill := strings.Repeat(canary, 10_000)[:maxBundle-len(`{"A":""}`)]
	s.put(t, "A", fill)
	if b, err := s.bundle(t); err != nil || len(b.Content.Reveal()) != maxBundle {
		t.Errorf("a full bundle: %d bytes, %v, want %d", len(b.Content.Reveal()), err, maxBundle)
	}
	s.items = nil
	s.put(t, "AB", fill)
	if b, err := s.bundle(t); err == nil || b.Content.Reveal() != "" || strings.Contains(err.Error(), canary) {
		t.Errorf("a bundle that is one byte larger: %d bytes, %v, want none and an error without values", len(b.Content.Reveal()), err)
	}
}

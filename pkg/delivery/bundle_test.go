package delivery_test

import (
	"bytes"
	"context"
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

	"goblins-secrets/pkg/awssm/limits"
	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

// memory is a delivery.Store in memory, of one used secret whose values are not sealed.
type memory struct {
	delivery.Store
	secret secrets.Secret
	items  []secrets.SealedItem
	entry  *delivery.Entry
	lease  delivery.Lease
	now    time.Time

	read func(*memory) // after each read of the items
}

func (s *memory) change() {
	s.secret.Revision++
	s.entry = &delivery.Entry{Change: uuid.New(), At: s.now}
}

func (s *memory) Secret(context.Context, uuid.UUID, uuid.UUID) (secrets.Secret, error) {
	return s.secret, nil
}

func (s *memory) SealedItems(context.Context, uuid.UUID, uuid.UUID) ([]secrets.SealedItem, error) {
	found := slices.Clone(s.items)
	if s.read != nil {
		s.read(s)
	}
	return found, nil
}

func (s *memory) Entry(context.Context, uuid.UUID, uuid.UUID) (delivery.Entry, error) {
	if s.entry == nil {
		return delivery.Entry{}, secrets.ErrNotFound
	}
	return *s.entry, nil
}

func (s *memory) Acknowledge(_ context.Context, e delivery.Entry) error {
	if s.entry != nil && *s.entry != e {
		return secrets.ErrChanged
	}
	s.entry = nil
	return nil
}

func (s *memory) Lease(context.Context, uuid.UUID, uuid.UUID) (delivery.Lease, error) {
	return s.lease, nil
}

func (s *memory) AcquireLease(_ context.Context, l delivery.Lease) error {
	if l.Token != s.lease.Token+1 {
		return secrets.ErrChanged
	}
	s.lease = l
	return nil
}

func (s *memory) ReleaseLease(_ context.Context, l delivery.Lease, _ string) error {
	if l.Token == s.lease.Token {
		s.lease = l
		s.lease.Expires = time.Time{}
	}
	return nil
}

func (s *memory) MarkDelivered(_ context.Context, _, _ uuid.UUID, revision int64) error {
	s.secret.Delivered, s.secret.DeployFailed = revision, false
	return nil
}

func (s *memory) MarkFailed(context.Context, uuid.UUID, uuid.UUID) error {
	s.secret.DeployFailed = true
	return nil
}

func (s *memory) AppendEvent(context.Context, secrets.Event) error { return nil }

// put adds an item with the size that the domain keeps of it: its entry and a comma.
func (s *memory) put(key, value string) {
	size := len(secrets.AppendEntry(nil, key, secrets.NewValue(value))) + 1
	s.items = append(s.items, secrets.SealedItem{
		Item:  secrets.Item{ID: uuid.Must(uuid.NewV7()), Key: key, Version: 1, Size: size},
		Value: secrets.SealedValue{Version: 1, Blob: []byte(value)},
	})
}

// plain opens the values of memory.
type plain struct{}

func (plain) Open(_ context.Context, _ map[string]string, blob []byte) ([]byte, error) {
	return slices.Clone(blob), nil
}

// silent is a Monitor without an audience.
type silent struct{}

func (silent) Delivered(context.Context, time.Duration) {}
func (silent) DeliveryFailed(context.Context)           {}

// capture is a Target that keeps the staged bundle.
type capture struct {
	delivery.Target
	staged delivery.Bundle
}

func (c *capture) Stage(_ context.Context, b delivery.Bundle) error { c.staged = b; return nil }

func (c *capture) Promote(context.Context, delivery.Bundle) (int64, error) { return 0, nil }

// bundle delivers the secret and returns the bundle that reaches the target.
func (s *memory) bundle(t *testing.T) (delivery.Bundle, error) {
	t.Helper()
	s.secret.AccountID, s.secret.ID, s.secret.Services = uuid.UUID{1}, uuid.UUID{2}, 1
	s.lease, s.entry = delivery.Lease{}, &delivery.Entry{AccountID: uuid.UUID{1}, SecretID: uuid.UUID{2}, Change: uuid.New()}
	target := &capture{}
	d := &delivery.Deliverer{
		Store: s, Opener: plain{}, Target: target, Limits: limits.SecretsManager(), Monitor: silent{}, Now: time.Now, NewID: uuid.New,
	}
	err := d.Deliver(t.Context(), uuid.UUID{1}, uuid.UUID{2})
	return target.staged, err
}

// randomText consists of characters that JSON encodes in different ways.
func randomText(r *rand.Rand, length int) string {
	alphabet := []rune("aZ0\"\\/<>&'\b\f\n\r\t\x01\x1f\x7f\u0080é\u2027\u2028\u2029\ufeff\ufffd\U0001f511\U0010ffff")
	text := make([]rune, r.IntN(length)+1)
	for i := range text {
		text[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(text)
}

// The sizes of items add up to the size of the bundle, whatever they hold. The bundle is
// their JSON object, in the order of the keys.
func TestItemSizesAddUpToTheBundle(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for n := range 200 {
		s := &memory{secret: secrets.Secret{Name: "n", Revision: 7}}
		want, size := map[string]string{}, 0
		for i := range n % 20 {
			key, value := fmt.Sprintf("K.%d-_", r.IntN(1_000_000)+i*1_000_000), randomText(r, 200)
			want[key] = value
			s.put(key, value)
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
			size = 1 // no comma is left out
		}
		if len(text) != size+1 {
			t.Errorf("seed %d: a bundle of %d items takes %d bytes, want their sizes %d and one", seed, len(want), len(text), size)
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
	s := &memory{secret: secrets.Secret{Name: "n", Revision: 7}}
	s.put("A", "a")
	s.put("B", "b")
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

// A bundle is one state of the secret: a change during the read makes it read again.
func TestBundleIsOneRevision(t *testing.T) {
	s := &memory{secret: secrets.Secret{Revision: 1}}
	s.put("A", "old")
	reads := 0
	s.read = func(s *memory) {
		if reads++; reads == 1 { // the update is seen in the secret only
			s.secret.Revision, s.items[0].Item.Version = 2, 2
		}
		if reads == 2 { // then in all
			s.items[0].Value = secrets.SealedValue{Version: 2, Blob: []byte("new")}
		}
	}
	b, err := s.bundle(t)
	if err != nil || b.Revision != 2 || b.Content.Reveal() != `{"A":"new"}` || reads != 3 {
		t.Errorf("bundle = revision %d %s, %v, after %d reads, want revision 2 with the new value, after 3", b.Revision, b.Content.Reveal(), err, reads)
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
		t.Errorf("bundle of what never stands still: %v, want ErrChanged", err)
	}
	s.read, s.items[0].Value.Version = nil, 1
	if _, err := s.bundle(t); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("bundle of an item with another version's value: %v, want ErrChanged", err)
	}
}

// Items over the limit make no bundle, and the error holds no value.
func TestBundleOverTheLimitIsRefused(t *testing.T) {
	const canary = "canary-"
	s := &memory{secret: secrets.Secret{Revision: 1}}
	fill := strings.Repeat(canary, 10_000)[:limits.MaxSecretSize-len(`{"A":""}`)]
	s.put("A", fill)
	if b, err := s.bundle(t); err != nil || len(b.Content.Reveal()) != limits.MaxSecretSize {
		t.Errorf("a full bundle: %d bytes, %v, want %d", len(b.Content.Reveal()), err, limits.MaxSecretSize)
	}
	s.items = nil
	s.put("AB", fill)
	if b, err := s.bundle(t); err == nil || b.Content.Reveal() != "" || strings.Contains(err.Error(), canary) {
		t.Errorf("a bundle of a byte more: %d bytes, %v, want none and an error without values", len(b.Content.Reveal()), err)
	}
}

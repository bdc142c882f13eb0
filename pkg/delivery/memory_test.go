package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/awssm/limits"
	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// memory is a delivery.Store in memory, of one used secret whose values are not sealed.
type memory struct {
	delivery.Store
	secret secrets.Secret
	items  []secrets.SealedItem
	entry  *delivery.Entry
	lease  delivery.Lease
	now    time.Time

	count bool                   // each change has another value
	read  func(*memory)          // after each read of the items
	mixed [][]secrets.SealedItem // what the next reads of the items return; then the items
	stale *secrets.Secret        // what reads return until a lease is acquired; nil: the secret
}

// newMemory is a store of one used secret, at a fixed time.
func newMemory(secret secrets.Secret) *memory {
	secret.AccountID, secret.ID, secret.Services = uuid.UUID{1}, uuid.UUID{2}, 1
	return &memory{secret: secret, now: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)}
}

// deliverer delivers from the store, on the store's clock.
func (s *memory) deliverer(target delivery.Target) *delivery.Deliverer {
	return &delivery.Deliverer{
		Store: s, Opener: plain{}, Target: target, Limits: limits.SecretsManager(), Monitor: silent{},
		Now: func() time.Time { return s.now }, NewID: uuid.New,
	}
}

func (s *memory) change() {
	s.secret.Revision++
	if s.count {
		value := secrets.SealedValue{Version: s.secret.Revision, Blob: fmt.Append(nil, s.secret.Revision)}
		s.items = []secrets.SealedItem{{Item: secrets.Item{Key: "REVISION", Version: s.secret.Revision}, Value: value}}
	}
	s.requeue()
}

// requeue puts a new entry into the outbox.
func (s *memory) requeue() {
	s.entry = &delivery.Entry{AccountID: s.secret.AccountID, SecretID: s.secret.ID, Change: uuid.New(), At: s.now}
}

// deliver delivers the secret.
func (s *memory) deliver(t *testing.T, d *delivery.Deliverer) error {
	return d.Deliver(t.Context(), s.secret.AccountID, s.secret.ID)
}

// bundle delivers the secret and returns the bundle that reaches the target.
func (s *memory) bundle(t *testing.T) (delivery.Bundle, error) {
	t.Helper()
	s.lease = delivery.Lease{}
	s.requeue()
	target := &capture{}
	err := s.deliver(t, s.deliverer(target))
	return target.staged, err
}

func (s *memory) Secret(context.Context, uuid.UUID, uuid.UUID) (secrets.Secret, error) {
	if s.stale != nil {
		return *s.stale, nil
	}
	secret := s.secret
	secret.Items = len(s.items)
	for _, it := range s.items {
		secret.Checksum += it.Item.Revision
	}
	return secret, nil
}

func (s *memory) SealedItems(context.Context, uuid.UUID, uuid.UUID) ([]secrets.SealedItem, error) {
	found := slices.Clone(s.items)
	if len(s.mixed) > 0 {
		found, s.mixed = s.mixed[0], s.mixed[1:]
	}
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
	s.lease, s.stale = l, nil
	return nil
}

func (s *memory) ReleaseLease(_ context.Context, l delivery.Lease, _ string) error {
	if l.Token == s.lease.Token {
		s.lease = l
		s.lease.Expires = time.Time{}
	}
	return nil
}

func (s *memory) MarkDelivered(_ context.Context, _, _ uuid.UUID, revision int64, b secrets.Bundle) error {
	s.secret.Delivered, s.secret.Bundle, s.secret.DeployFailed, s.secret.Drifted = revision, b, false, false
	return nil
}

func (s *memory) MarkDrifted(context.Context, secrets.Secret, secrets.Event) error {
	s.secret.Drifted = true
	return nil
}

func (s *memory) MarkFailed(context.Context, uuid.UUID, uuid.UUID) error {
	s.secret.DeployFailed = true
	return nil
}

func (s *memory) AppendEvent(context.Context, secrets.Event) error { return nil }

// put has the domain create an item, which decides the item's size.
func (s *memory) put(t *testing.T, key, value string) {
	t.Helper()
	m := &secrets.Manager{
		Store: &writable{memory: s}, Sealer: plain{}, Now: func() time.Time { return s.now },
		NewID: func() uuid.UUID { return uuid.Must(uuid.NewV7()) },
	}
	caller := secretstest.Admin()
	caller.AccountID = s.secret.AccountID
	if _, err := m.CreateItem(t.Context(), caller, s.secret.ID.String(), itemInput(key, value)); err != nil {
		t.Fatalf("create item %q: %v", key, err)
	}
}

// writable is the part of a secrets.Store that creates the items of a memory.
type writable struct {
	secrets.Store
	memory *memory
}

func (w *writable) Secret(ctx context.Context, account, secret uuid.UUID) (secrets.Secret, error) {
	return w.memory.Secret(ctx, account, secret)
}

func (w *writable) WriteItems(_ context.Context, _ secrets.Change, _ secrets.Event, items ...secrets.ItemWrite) error {
	for _, it := range items {
		value := secrets.SealedValue{Version: it.New.Version, Blob: it.Sealed}
		w.memory.items = append(w.memory.items, secrets.SealedItem{Item: it.New, Value: value})
	}
	return nil
}

// plain is a Sealer that does not encrypt.
type plain struct{}

func (plain) Seal(_ context.Context, _ map[string]string, plaintext []byte) ([]byte, error) {
	return slices.Clone(plaintext), nil
}

func (plain) Open(_ context.Context, _ map[string]string, blob []byte) ([]byte, error) {
	return slices.Clone(blob), nil
}

// silent is a Monitor that counts nothing.
type silent struct{}

func (silent) Delivered(context.Context, time.Duration) {}
func (silent) DeliveryFailed(context.Context)           {}

// capture is a Target that keeps the current bundle.
type capture struct {
	delivery.Target
	staged delivery.Bundle
	held   delivery.Held
}

func (c *capture) At(_, secret uuid.UUID) string { return secret.String() }

func (c *capture) Look(context.Context, delivery.Bundle) (delivery.Held, error) { return c.held, nil }

func (c *capture) Content(context.Context, delivery.Held) (secrets.Value, error) {
	return c.staged.Content, nil
}

func (c *capture) Restore(context.Context, delivery.Bundle, delivery.Held) error { return nil }

func (c *capture) Stage(_ context.Context, b delivery.Bundle, _ delivery.Held) error {
	c.staged = b
	return nil
}

func (c *capture) Promote(_ context.Context, b delivery.Bundle) (delivery.Held, bool, error) {
	c.held = delivery.Held{
		Bundle: secrets.Bundle{Name: b.At, Version: fmt.Sprint("r", b.Revision)}, Revision: b.Revision, Tagged: true,
	}
	return c.held, true, nil
}

// quota is a Target that accepts a number of versions in any 24 hours.
type quota struct {
	capture
	now    *time.Time
	limit  int
	staged []time.Time // oldest first
}

// within is the number of versions in the last window.
func (q *quota) within(window time.Duration) int {
	older := len(q.staged)
	for older > 0 && q.now.Sub(q.staged[older-1]) < window {
		older--
	}
	return len(q.staged) - older
}

func (q *quota) Stage(ctx context.Context, b delivery.Bundle, held delivery.Held) error {
	if q.within(day) >= q.limit {
		return delivery.ErrQuota
	}
	q.staged = append(q.staged, *q.now)
	return q.capture.Stage(ctx, b, held)
}

// newPaced is a deliverer of one secret to a target with a quota, on the store's clock.
func newPaced(limit int) (*delivery.Deliverer, *memory, *quota) {
	s := newMemory(secrets.Secret{})
	s.count = true
	target := &quota{now: &s.now, limit: limit}
	return s.deliverer(target), s, target
}

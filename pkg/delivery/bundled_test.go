package delivery_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

// bundled is a secret with the bundle that services should read.
type bundled struct {
	*harness
	id       uuid.UUID
	name     string
	items    map[string]uuid.UUID // by key
	want     map[string]string
	services []uuid.UUID
}

func (d *harness) newSecret(keys ...string) *bundled {
	d.t.Helper()
	secret, err := d.manager.CreateSecret(d.t.Context(), d.caller, secretInput("secret "+uuid.NewString()))
	if err != nil {
		d.t.Fatal(err)
	}
	b := &bundled{harness: d, id: secret.ID, name: secret.Name, items: map[string]uuid.UUID{}, want: map[string]string{}}
	for _, key := range keys {
		b.create(key, d.value())
	}
	return b
}

func (b *bundled) create(key, value string) {
	b.t.Helper()
	it, err := b.manager.CreateItem(b.t.Context(), b.caller, b.id.String(), itemInput(key, value))
	if err != nil {
		b.t.Fatal(err)
	}
	b.items[key], b.want[key] = it.ID, value
}

// write sets a new value of an item.
func (b *bundled) write(key string) {
	b.t.Helper()
	b.set(key, b.value())
}

func (b *bundled) set(key, value string) {
	b.t.Helper()
	if _, err := b.manager.UpdateItem(b.t.Context(), b.caller, b.id.String(), b.items[key].String(), valueInput(value)); err != nil {
		b.t.Fatal(err)
	}
	b.want[key] = value
}

func (b *bundled) rename(key, to string) {
	b.t.Helper()
	_, err := b.manager.UpdateItem(b.t.Context(), b.caller, b.id.String(), b.items[key].String(), secrets.ItemInput{Key: secrets.Text(to)})
	if err != nil {
		b.t.Fatal(err)
	}
	b.items[to], b.want[to] = b.items[key], b.want[key]
	delete(b.items, key)
	delete(b.want, key)
}

func (b *bundled) renameSecret(to string) {
	b.t.Helper()
	b.name = to
	if _, err := b.manager.UpdateSecret(b.t.Context(), b.caller, b.id.String(), secretInput(to)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundled) delete(key string) {
	b.t.Helper()
	if err := b.manager.DeleteItem(b.t.Context(), b.caller, b.id.String(), b.items[key].String(), secrets.Deletion{}); err != nil {
		b.t.Fatal(err)
	}
	delete(b.items, key)
	delete(b.want, key)
}

func serviceInput(secret uuid.UUID) secrets.ServiceInput {
	return secrets.ServiceInput{
		Name: secrets.Text("s" + strings.ReplaceAll(uuid.NewString(), "-", "")), Image: secrets.Text("app:1"),
		Port: secrets.Text("80"), Secret: secrets.Text(secret.String()),
	}
}

func (b *bundled) attach() {
	b.t.Helper()
	w, err := b.manager.CreateService(b.t.Context(), b.caller, serviceInput(b.id))
	if err != nil {
		b.t.Fatal(err)
	}
	b.services = append(b.services, w.ID)
}

func (b *bundled) detach() {
	b.t.Helper()
	if err := b.manager.DeleteService(b.t.Context(), b.caller, b.services[0].String(), nil); err != nil {
		b.t.Fatal(err)
	}
	b.services = b.services[1:]
}

// deploy delivers as the stream does.
func (b *bundled) deploy() {
	b.t.Helper()
	if err := b.deliverer.Deliver(b.t.Context(), b.caller.AccountID, b.id); err != nil {
		b.t.Fatal(err)
	}
}

// finishDeliveries delivers after a crash or an outage, when the lease has expired.
func (b *bundled) finishDeliveries(deliverer *delivery.Deliverer) {
	b.t.Helper()
	b.clock.pass(max(paceEvery, 2*leaseTime))
	if _, err := b.sweeper.Sweep(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	if err := deliverer.Deliver(b.t.Context(), b.caller.AccountID, b.id); err != nil {
		b.t.Fatal(err)
	}
}

// bundleName is the bundle's name at the target.
func (b *bundled) bundleName() string {
	return fmt.Sprintf("goblins/local/%s/%s", b.caller.AccountID, b.id)
}

// bundle is the current bundle and its revision.
func (b *bundled) bundle() (revision int64, content map[string]string) {
	revision, text := b.current(b.bundleName())
	if revision > 0 {
		if err := json.Unmarshal([]byte(text), &content); err != nil {
			b.t.Errorf("revision %d is not an object of strings", revision)
		}
	}
	return revision, content
}

// versions is the number of versions at the target.
func (b *bundled) versions() int {
	out, _ := b.ask("ListSecretVersionIds", map[string]any{"SecretId": b.bundleName(), "IncludeDeprecated": true})
	versions, _ := out["Versions"].([]any)
	return len(versions)
}

// deleted reports whether the bundle's deletion is scheduled.
func (b *bundled) deleted() bool {
	out, ok := b.ask("DescribeSecret", map[string]any{"SecretId": b.bundleName()})
	return ok && out["DeletedDate"] != nil
}

func (b *bundled) secret() secrets.Secret {
	b.t.Helper()
	secret, err := b.manager.Secret(b.t.Context(), b.caller, b.id.String())
	if err != nil {
		b.t.Fatal(err)
	}
	return secret
}

// queued reports whether the secret has an entry in the outbox.
func (b *bundled) queued() bool {
	b.t.Helper()
	_, err := b.store.Entry(b.t.Context(), b.caller.AccountID, b.id)
	if err != nil && !errors.Is(err, secrets.ErrNotFound) {
		b.t.Fatal(err)
	}
	return err == nil
}

func (b *bundled) checkStatus(when string, want secrets.Status, successful bool) {
	b.t.Helper()
	if got, did := b.manager.Status(b.secret()); got != want || did != successful {
		b.t.Errorf("%s the status is %s, successful %v, want %s, %v", when, got, did, want, successful)
	}
}

// checkDelivered checks that services read the secret as it is, and that the outbox has no
// entry of it.
func (b *bundled) checkDelivered(when string) {
	b.t.Helper()
	b.checkStatus(when, secrets.StatusReady, true)
	revision, content := b.bundle()
	if diff := cmp.Diff(b.want, content); diff != "" {
		b.t.Errorf("%s services read another bundle (-want +got):\n%s", when, diff)
	}
	// Equal content keeps the version of an earlier revision.
	secret := b.secret()
	if secret.Delivered != secret.Revision || revision > secret.Revision || !strings.HasPrefix(secret.Bundle.Version, fmt.Sprintf("r%019d-", revision)) {
		b.t.Errorf("%s revision %d is current, %d recorded as delivered, in version %s, want %d",
			when, revision, secret.Delivered, secret.Bundle.Version, secret.Revision)
	}
	if b.queued() {
		b.t.Errorf("%s the outbox has an entry", when)
	}
}

// checkRemoved checks that the bundle of an unused secret is removed, and that the outbox
// has no entry.
func (b *bundled) checkRemoved(when string) {
	b.t.Helper()
	b.checkStatus(when, secrets.StatusReady, true)
	if revision, _ := b.bundle(); revision != 0 || !b.deleted() {
		b.t.Errorf("%s services read revision %d, want the bundle deleted", when, revision)
	}
	if got := b.secret().Delivered; got != 0 || b.queued() {
		b.t.Errorf("%s revision %d is recorded as delivered, in the outbox: %v", when, got, b.queued())
	}
}

func secretInput(name string) secrets.SecretInput {
	return secrets.SecretInput{Name: secrets.Text(name)}
}

func itemInput(key, value string) secrets.ItemInput {
	return secrets.ItemInput{Key: secrets.Text(key), Value: secrets.Text(value)}
}

func valueInput(value string) secrets.ItemInput {
	return secrets.ItemInput{Value: secrets.Text(value)}
}

package secrets_test

import (
	"strings"
	"testing"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// Items, the name, the first service and the last service change the bundle of a secret.
// Each such change raises the revision, and puts a used secret into the outbox. Nothing else
// does.
func TestChangesOfUsedSecretsReachTheOutbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m := w.table.Manager(t)
	ctx, c, id := t.Context(), w.caller, w.secret.ID.String()
	var app, worker secrets.Service
	update := func(service *secrets.Service, in secrets.ServiceInput) error {
		_, err := m.UpdateService(ctx, c, service.ID.String(), in)
		return err
	}
	create := func(service *secrets.Service, name string) (err error) {
		*service, err = m.CreateService(ctx, c, serviceInput(name, w.secret.ID))
		return err
	}
	elsewhere, err := m.CreateSecret(ctx, c, secretInput("elsewhere"))
	if err != nil {
		t.Fatal(err)
	}
	there, here := secrets.Text(elsewhere.ID.String()), secrets.Text(id)
	for _, step := range []struct {
		name          string
		do            func() error
		raised, waits bool
	}{
		{"an item of an unused secret", func() error { return errOf(m.CreateItem(ctx, c, id, itemInput("A", "a"))) }, true, false},
		{"the name of an unused secret", func() error { return errOf(m.UpdateSecret(ctx, c, id, secretInput("renamed"))) }, true, false},
		{"the first service", func() error { return create(&app, "app") }, true, true},
		{"the second service", func() error { return create(&worker, "worker") }, false, true}, // the target is looked at
		{"an item", func() error { return errOf(m.CreateItem(ctx, c, id, itemInput("B", "b"))) }, true, true},
		{"a value", func() error { return errOf(m.UpdateItem(ctx, c, id, w.item.ID.String(), valueInput("v"))) }, true, true},
		{"the same value again", func() error { return errOf(m.UpdateItem(ctx, c, id, w.item.ID.String(), valueInput("v"))) }, true, true},
		{"a key", func() error { return errOf(m.UpdateItem(ctx, c, id, w.item.ID.String(), itemInput("KEY", "v"))) }, true, true},
		{"the item deleted", func() error { return m.DeleteItem(ctx, c, id, w.item.ID.String(), secrets.Deletion{}) }, true, true},
		{"the name", func() error { return errOf(m.UpdateSecret(ctx, c, id, secretInput("again"))) }, true, true},
		{"the same name", func() error { return errOf(m.UpdateSecret(ctx, c, id, secretInput("again"))) }, false, false},
		{"a reveal", func() error { return errOf(m.RevealItem(ctx, c, id, w.other.ID.String())) }, false, false},
		{"a service's own fields", func() error {
			return update(&app, secrets.ServiceInput{Name: secrets.Text("app-2"), Port: secrets.Text("81"), Secret: here})
		}, false, false},
		{"one of two leaves", func() error { return update(&app, secrets.ServiceInput{Secret: there}) }, false, false},
		{"and comes back", func() error { return update(&app, secrets.ServiceInput{Secret: here}) }, false, true},
		{"one of two is deleted", func() error { return m.DeleteService(ctx, c, worker.ID.String(), nil) }, false, false},
		{"the last one leaves", func() error { return update(&app, secrets.ServiceInput{Secret: there}) }, true, true},
		{"an item, unused again", func() error { return errOf(m.CreateItem(ctx, c, id, itemInput("C", "c"))) }, true, false},
		{"the first one comes back", func() error { return update(&app, secrets.ServiceInput{Secret: here}) }, true, true},
		{"the last one is deleted", func() error { return m.DeleteService(ctx, c, app.ID.String(), nil) }, true, true},
	} {
		before, err := m.Secret(ctx, c, id)
		if err == nil {
			err = step.do()
		}
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		after, err := m.Secret(ctx, c, id)
		waiting, waitErr := w.table.Store(t).Entry(ctx, c.AccountID, w.secret.ID)
		raised, waits := after.Revision == before.Revision+1, waitErr == nil
		if err != nil || raised != step.raised || !raised && after.Revision != before.Revision || waits != step.waits {
			t.Errorf("%s: revision %d after %d, waits = %v (%v), want it raised = %v, waits = %v",
				step.name, after.Revision, before.Revision, waits, waitErr, step.raised, step.waits)
		}
		w.table.Check(t)
		// It is delivered, or removed.
		switch {
		case waits && after.Services > 0:
			err = w.table.Store(t).MarkDelivered(ctx, c.AccountID, w.secret.ID, after.Revision, secrets.Bundle{Name: "bundle"})
		case waits:
			err = w.table.Store(t).MarkUndelivered(ctx, c.AccountID, w.secret.ID)
		}
		if err == nil && waits {
			err = w.table.Store(t).Acknowledge(ctx, waiting)
		}
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
	}
}

// A deployment that delivers no bundles does not limit the size of used secrets. If it starts
// to deliver, a secret that is too large may shrink or keep its size, but not grow.
func TestTooLargeSecretsMayShrink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m := w.table.Manager(t)
	m.MaxBundleSize = 0
	ctx, c, id := t.Context(), w.caller, w.secret.ID.String()
	attach := func(name string) error { return errOf(m.CreateService(ctx, c, serviceInput(name, w.secret.ID))) }
	write := func(key, value string) error {
		return errOf(m.UpdateItem(ctx, c, id, w.item.ID.String(), itemInput(key, value)))
	}
	large := strings.Repeat("v", 40_000)
	for name, err := range map[string]error{
		"attach":         attach("app"),
		"create":         errOf(m.CreateItem(ctx, c, id, itemInput("LARGE", large))),
		"write":          write("KEY", large),
		"attach another": attach("worker"),
	} {
		if err != nil {
			t.Errorf("%s where nothing is delivered: %v", name, err)
		}
	}
	if waiting, err := w.table.Store(t).Entries(ctx); err != nil || len(waiting) != 0 {
		t.Errorf("where nothing is delivered %v waits, %v", waiting, err)
	}
	m.MaxBundleSize = 65536
	for _, step := range []struct {
		name    string
		err     error
		refused string
	}{
		{"as large as before", write("KEY", strings.ToUpper(large)), ""},
		{"another key", write("YEK", large), ""},
		{"larger", write("YEK", large+"v"), "value"},
		{"a longer key", errOf(m.UpdateItem(ctx, c, id, w.item.ID.String(), secrets.ItemInput{Key: secrets.Text("LONGER")})), "key"},
		{"one more", errOf(m.CreateItem(ctx, c, id, itemInput("MORE", "v"))), "value"},
		{"smaller, and still too large", write("YEK", large[1:]), ""},
		{"deleted, and still too large", m.DeleteItem(ctx, c, id, w.other.ID.String(), secrets.Deletion{}), ""},
		{"another service", attach("third"), ""},
		{"small", write("YEK", "v"), ""},
		{"one more, once there is room", errOf(m.CreateItem(ctx, c, id, itemInput("MORE", "v"))), ""},
	} {
		if step.refused == "" && step.err != nil || step.refused != "" && !refused(step.err, step.refused) {
			t.Errorf("%s: %v, want it refused for %q", step.name, step.err, step.refused)
		}
	}
}

package secrets_test

import (
	"testing"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// world is an account with a secret of two items, on which tests operate.
type world struct {
	table  *secretstest.Table
	caller secrets.Caller
	secret secrets.Secret
	item   secrets.Item
	other  secrets.Item

	service secrets.Service // uses the secret, after attach
	second  secrets.Secret  // without items, made by attach

	team team // made by assemble
}

func newWorld(t testing.TB, table *secretstest.Table) world {
	t.Helper()
	m := table.Manager(t)
	_, c := table.Account(t, uuid.NewString())
	secret, err := m.CreateSecret(t.Context(), c, secretInput("production"))
	if err != nil {
		t.Fatal(err)
	}
	w := world{table: table, caller: c, secret: secret}
	for _, x := range []struct {
		key string
		it  *secrets.Item
	}{{"API_KEY", &w.item}, {"OTHER", &w.other}} {
		if *x.it, err = m.CreateItem(t.Context(), c, secret.ID.String(), itemInput(x.key, "value of "+x.key)); err != nil {
			t.Fatal(err)
		}
	}
	return w
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

// attach creates a service that uses the world's secret, and a second secret.
func attach(t *testing.T, w *world) {
	t.Helper()
	m := w.table.Manager(t)
	var err error
	if w.second, err = m.CreateSecret(t.Context(), w.caller, secretInput("second")); err != nil {
		t.Fatal(err)
	}
	if w.service, err = m.CreateService(t.Context(), w.caller, serviceInput("app", w.secret.ID)); err != nil {
		t.Fatal(err)
	}
}

func serviceInput(name string, secret uuid.UUID) secrets.ServiceInput {
	return secrets.ServiceInput{
		Name: secrets.Text(name), Image: secrets.Text("app:v1"), Port: secrets.Text("80"), Secret: secrets.Text(secret.String()),
	}
}

// users are the names of the services that use a secret, oldest first.
func users(t *testing.T, m *secrets.Manager, w world, secret uuid.UUID) []string {
	t.Helper()
	page, err := m.ListServices(t.Context(), w.caller, secrets.Field{}, secrets.Text(secret.String()), secrets.Cursor{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, x := range page.Results {
		names = append(names, x.Name)
	}
	if page.Count != len(names) {
		t.Errorf("count of users = %d, want %d", page.Count, len(names))
	}
	return names
}

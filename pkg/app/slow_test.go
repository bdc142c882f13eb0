package app_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// The first bundle of an AWS account takes longer than other calls may: AWS makes a key first.
func TestFirstBundleMayTakeLong(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	_, c := table.Account(t, uuid.NewString())
	var created atomic.Int32
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".CreateSecret") {
			created.Add(1)
			time.Sleep(2500 * time.Millisecond)
		}
		table.SecretsManager.ServeHTTP(w, r)
	}))
	t.Cleanup(slow.Close)
	m := table.Manager(t)
	_, err := m.CreateService(t.Context(), c, secrets.ServiceInput{Name: secrets.Text("app"), Image: secrets.Text("app"), Port: secrets.Text("80")})
	if err != nil {
		t.Fatal(err)
	}
	getenv := table.Environment(t, "DeploySecret")
	deliverer, err := app.NewDeliverer(func(name string) string {
		if name == "AWS_ENDPOINT_URL_SECRETS_MANAGER" {
			return slow.URL
		}
		return getenv(name)
	}, awssm.Open)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := table.Store(t).Entries(t.Context())
	if err != nil || len(entries) != 1 {
		t.Fatalf("Entries = %v, %v, want one", entries, err)
	}
	if err := deliverer.Deliver(t.Context(), c.AccountID, entries[0].SecretID); err != nil || created.Load() != 1 {
		t.Errorf("Deliver = %v after %d calls of CreateSecret, want one that is waited for", err, created.Load())
	}
}

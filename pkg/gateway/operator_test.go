package gateway_test

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/uuid"

	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// The response names the objects of the new account, and its key authenticates.
func TestCreateAccountReturnsAWorkingKey(t *testing.T) {
	table := secretstest.NewTable(t)
	manager := table.Manager(t)
	create := lambda.NewHandler(gateway.CreateAccount(manager))
	payload, err := create.Invoke(t.Context(), []byte(`{"name": "my-team"}`))
	if err != nil {
		t.Fatal(err)
	}
	var made gateway.CreateAccountResponse
	if err := json.Unmarshal(payload, &made); err != nil {
		t.Fatal(err)
	}
	c, err := manager.Authenticate(t.Context(), "Bearer "+made.APIKey)
	if err != nil || c.AccountID.String() != made.AccountID || c.UserID.String() != made.UserID || c.KeyID.String() != made.KeyID {
		t.Errorf("Authenticate(new key) = %+v, %v, want the ids of %+v", c, err, made)
	}
	if _, err := manager.Secret(t.Context(), c, made.DefaultSecretID); err != nil {
		t.Errorf("Secret(default) = %v", err)
	}
	for payload, want := range map[string]string{
		`{"name": "my-team"}`: "name: account with this name already exists.",
		`{}`:                  "name: This field may not be blank.",
	} {
		if _, err := create.Invoke(t.Context(), []byte(payload)); err == nil || err.Error() != want {
			t.Errorf("create-account(%s) = %v, want %s", payload, err, want)
		}
	}
}

func TestPurgeSecretsCountsFinishedPurges(t *testing.T) {
	table := secretstest.NewTable(t)
	manager := table.Manager(t)
	_, c := table.Account(t, uuid.NewString())
	purge := lambda.NewHandler(gateway.PurgeSecrets(manager))
	invoke := func(want string) {
		t.Helper()
		payload, err := purge.Invoke(t.Context(), []byte(`{"source": "aws.events"}`))
		if err != nil || string(payload) != want {
			t.Errorf("purge-secrets = %s, %v, want %s", payload, err, want)
		}
	}
	invoke(`{"finished":0}`)
	secret, err := manager.CreateSecret(t.Context(), c, secrets.SecretInput{Name: secrets.Text("deleted")})
	if err != nil {
		t.Fatal(err)
	}
	// The deletion cannot finish its own purge.
	interrupted := table.Manager(t, secretstest.Inject(func(call secretstest.Call) secretstest.Fault {
		if call.What == "DeleteItem PURGE" {
			return secretstest.Before
		}
		return secretstest.None
	}))
	interrupted.Log = slog.New(slog.DiscardHandler)
	if err := interrupted.DeleteSecret(t.Context(), c, secret.ID.String(), secrets.Deletion{Permanent: true}); err != nil {
		t.Fatal(err)
	}
	invoke(`{"finished":1}`)
	invoke(`{"finished":0}`)
	table.Check(t)
}

func TestRedeploySecretsAcceptsScheduledAndManualEvents(t *testing.T) {
	table := secretstest.NewTable(t)
	manager := table.Manager(t)
	_, c := table.Account(t, uuid.NewString())
	redeploy := lambda.NewHandler(gateway.RedeploySecrets(table.Sweeper(t)))
	invoke := func(event, want string) {
		t.Helper()
		if answer, err := redeploy.Invoke(t.Context(), []byte(event)); err != nil || string(answer) != want {
			t.Errorf("redeploy-secrets %s = %s, %v, want %s", event, answer, err, want)
		}
	}
	const scheduled = `{"version":"0","source":"aws.events","detail-type":"Scheduled Event","resources":["x"],"detail":{}}`
	invoke(scheduled, `{"waiting":0}`)
	_, err := manager.CreateService(t.Context(), c, secrets.ServiceInput{Name: secrets.Text("app"), Image: secrets.Text("app"),
		Port: secrets.Text("80")})
	if err != nil {
		t.Fatal(err)
	}
	invoke(scheduled, `{"waiting":1}`)
	entries, err := table.Store(t).Entries(t.Context())
	if err != nil || len(entries) != 1 {
		t.Fatalf("Entries = %v, %v, want one", entries, err)
	}
	if failed := failures(t, table.Deliverer(t), stream(t,
		map[string]string{"account_id": c.AccountID.String(), "secret_id": entries[0].SecretID.String()})); len(failed) != 0 {
		t.Errorf("deploy-secret failed %v, want no record", failed)
	}
	invoke(scheduled, `{"waiting":0}`)
	invoke(`{"all": false}`, `{"waiting":0}`)
	invoke(`{"all": true}`, `{"waiting":1}`)
	away := lambda.NewHandler(gateway.RedeploySecrets(table.Sweeper(t,
		secretstest.Inject(func(secretstest.Call) secretstest.Fault { return secretstest.LostBefore }))))
	if answer, err := away.Invoke(t.Context(), []byte(scheduled)); err == nil {
		t.Errorf("redeploy-secrets without a table = %s, want an error, which the alarm counts", answer)
	}
}

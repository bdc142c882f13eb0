package app_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/dynamo"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// A function with a missing or wrong setting does not start.
func TestMisconfiguredFunctionsDoNotStart(t *testing.T) {
	t.Parallel()
	good := secretstest.NewTable(t).Environment(t, "GetItem")
	if _, err := app.NewManager(good); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, value, want string }{
		{"TABLE_NAME", "", "TABLE_NAME is not set"},
		{"MASTER_KEY_ARN", "", "MASTER_KEY_ARN is not set"},
		{"READ_LIMIT", "", "READ_LIMIT is not set"},
		{"READ_LIMIT", "0", "READ_LIMIT is not a number from 1 to 1000"},
		{"READ_LIMIT", "1001", "READ_LIMIT is not a number from 1 to 1000"},
		{"READ_LIMIT", "many", "READ_LIMIT is not a number from 1 to 1000"},
		{"READ_WINDOW_SECONDS", "86401", "READ_WINDOW_SECONDS is not a number from 1 to 86400"},
		{"KEEP_VERSIONS", "101", "KEEP_VERSIONS is not a number from 0 to 100"},
		{"RECOVERY_DAYS", "-1", "RECOVERY_DAYS is not a number from 0 to 365"},
		{"EVENT_DAYS", "", "EVENT_DAYS is not set"},
		{"EVENT_DAYS", "-1", "EVENT_DAYS is not a number from 0 to 3650"},
		{"EVENT_DAYS", "3651", "EVENT_DAYS is not a number from 0 to 3650"},
		{"DEPLOY_TARGET", "", "DEPLOY_TARGET is not set"},
		{"DEPLOY_TARGET", "secretsmanager", "DEPLOY_TARGET is none of secrets-manager, none"},
		{"AWS_REGION", "", "AWS_REGION is not set"},
		{"AWS_ACCESS_KEY_ID", "", "AWS_ACCESS_KEY_ID is not set"},
	} {
		_, err := app.NewManager(func(name string) string {
			if name == tt.name {
				return tt.value
			}
			return good(name)
		})
		if err == nil || err.Error() != tt.want {
			t.Errorf("New with %s=%s: %v, want %s", tt.name, tt.value, err, tt.want)
		}
	}
}

// A setting turns deliveries on or off.
func TestDeployTargetTurnsDeliveriesOn(t *testing.T) {
	t.Parallel()
	good := secretstest.NewTable(t).Environment(t, "GetItem")
	for target, want := range map[string]bool{"secrets-manager": true, "none": false} {
		svc, err := app.NewManager(func(name string) string {
			if name == "DEPLOY_TARGET" {
				return target
			}
			return good(name)
		})
		if err != nil || (svc.MaxBundleSize > 0) != want {
			t.Errorf("New with DEPLOY_TARGET=%s: MaxBundleSize = %v, %v, want %v", target, svc.MaxBundleSize, err, want)
		}
	}
}

// The days that events are kept reach all that writes events.
func TestEventsAreKeptForTheDaysOfTheSetting(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	for text, want := range map[string]int{"0": 0, "400": 400, "3650": 3650} {
		with := func(function string) func(string) string {
			good := table.Environment(t, function)
			return func(name string) string {
				if name == "EVENT_DAYS" {
					return text
				}
				return good(name)
			}
		}
		m, managerErr := app.NewManager(with("GetItem"))
		d, delivererErr := app.NewDeliverer(with("DeploySecret"), awssm.Open)
		s, sweeperErr := app.NewSweeper(with("RedeploySecrets"))
		if err := errors.Join(managerErr, delivererErr, sweeperErr); err != nil {
			t.Fatal(err)
		}
		for _, store := range []any{m.Store, d.Store, s.Store} {
			if got := store.(*dynamo.Store).EventDays; got != want {
				t.Errorf("with EVENT_DAYS=%s a store keeps events for %d days, want %d", text, got, want)
			}
		}
	}
}

// A table of another format is refused in one sentence. A new table and one of this format
// are accepted.
func TestTableOfAnotherFormatIsRefused(t *testing.T) {
	table := secretstest.NewTable(t)
	getenv := table.Environment(t, "Authorizer")
	if err := app.CheckTable(t.Context(), getenv); err != nil {
		t.Errorf("CheckTable of an empty table: %v", err)
	}
	made, _ := table.Account(t, "first")
	if err := app.CheckTable(t.Context(), getenv); err != nil {
		t.Errorf("CheckTable of a table of this format: %v", err)
	}
	key := map[string]types.AttributeValue{
		"PK": &types.AttributeValueMemberS{Value: "ACCOUNTS"}, "SK": &types.AttributeValueMemberS{Value: made.Account.ID.String()},
	}
	if _, err := table.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table.Name, Item: key}); err != nil {
		t.Fatal(err) // as earlier commits wrote the row
	}
	want := "the table " + table.Name + " was made by another version of Goblins Secrets, " +
		"which this version does not take over: use a new table"
	if err := app.CheckTable(t.Context(), getenv); err == nil || err.Error() != want {
		t.Errorf("CheckTable of a table of an earlier commit = %v, want %q", err, want)
	}
	for _, name := range []string{
		"TABLE_NAME", "MASTER_KEY_ARN", "EVENT_DAYS", "KEEP_VERSIONS", "RECOVERY_DAYS", "READ_LIMIT", "READ_WINDOW_SECONDS", "DEPLOY_TARGET", "AWS_REGION",
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_KMS",
	} {
		t.Setenv(name, getenv(name))
	}
	for name, start := range map[string]func(){
		"MustCheckedManager": func() { app.MustCheckedManager() },
		"MustDeliverer":      func() { app.MustDeliverer(awssm.Open) },
		"MustSweeper":        func() { app.MustSweeper() },
	} {
		func() {
			defer func() {
				if got := recover(); got != "app: "+want {
					t.Errorf("%s on a table of an earlier commit panics with %v, want %q", name, got, want)
				}
			}()
			start()
		}()
	}
	away := func(secretstest.Call) secretstest.Fault { return secretstest.LostBefore }
	if err := app.CheckTable(t.Context(), getenv, secretstest.Inject(away)); !errors.Is(err, secrets.ErrUnavailable) {
		t.Errorf("CheckTable without a table: %v, want ErrUnavailable", err)
	}
}

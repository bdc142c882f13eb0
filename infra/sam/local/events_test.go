package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/stack"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// outcomes has the expected answers to the files in events/: an HTTP status and a part of the body; or
// a part of the function's result or error. Any other event succeeds.
var outcomes = map[string]struct {
	status int
	part   string
	fails  bool
}{
	"authorizer.json":           {part: accountID},
	"batch-items.json":          {status: 200, part: `"version":3,"done":"updated"},{"key":"API_KEY"`},
	"batch-items-dry-run.json":  {status: 200, part: `{"dry_run":true,"results":[{"key":"` + itemKey + `","id":"` + itemID + `"`},
	"check-bundles.json":        {part: "looked"},
	"console.json":              {status: 200, part: `<base href="/prod/console/">`},
	"create-account.json":       {part: "my-team"},
	"create-item.json":          {status: 201, part: `"key":"API_KEY","value":"********"`},
	"create-key.json":           {status: 201, part: `"name":"laptop"`},
	"create-secret.json":        {status: 201, part: `"name":"staging-secrets"`},
	"create-service.json":       {status: 201, part: `"name":"worker"`},
	"create-user.json":          {status: 201, part: `"name":"Ana"`},
	"delete-expired-keys.json":  {part: `"deleted":0`},
	"deploy-secret.json":        {part: "null}"}, // no record failed
	"docs.json":                 {status: 200, part: `"openapi": "3.1`},
	"get-budget.json":           {status: 200, part: `"limit":100`},
	"get-bundle.json":           {status: 200, part: `{"` + itemKey + `":"` + itemValue + `"}`},
	"get-bundle-compare.json":   {status: 200, part: `{"keys":{"` + itemKey + `":"only_a"}}`},
	"get-item.json":             {status: 200, part: `"value":"` + itemValue + `"`},
	"get-item-version.json":     {status: 200, part: `"value":"` + formerValue + `"`},
	"get-key.json":              {status: 200, part: `"made":[]`},
	"get-me.json":               {status: 200, part: `"permissions":["list","reveal","write","audit","admin","export"]`},
	"get-review.json":           {status: 200, part: `"check":"user_with_admin"`},
	"get-secret.json":           {status: 200, part: `"name":"` + secretName + `"`},
	"get-service.json":          {status: 200, part: `"secret":"` + secretID + `"`},
	"get-user.json":             {status: 200, part: `"name":"` + machineName + `"`},
	"issue-key.json":            {part: `"api_key":"gob_`},
	"list-events.json":          {status: 200, part: `"action":"secret.created"`},
	"list-item-events.json":     {status: 200, part: "item.created,allowed"},
	"list-items.json":           {status: 200, part: `"key":"` + itemKey + `","value":"********"`},
	"list-keys.json":            {status: 200, part: `"count":2`},
	"list-people.json":          {part: `"name":"` + machineName + `"`},
	"list-secret-events.json":   {status: 200, part: `"name":"` + secretName + `"`},
	"list-secrets.json":         {status: 200, part: `"count":3`},
	"list-services.json":        {status: 200, part: `"count":1`},
	"list-users.json":           {status: 200, part: `"count":2`},
	"list-versions.json":        {status: 200, part: `"number":2,"value":"********"`},
	"purge-secrets.json":        {part: "finished"},
	"redeploy-secrets.json":     {part: "waiting"},
	"redeploy-secrets-all.json": {part: "waiting"},
	"restore-item.json":         {status: 200, part: `"key":"RESTORED_PASSWORD","value":"********"`},
	"restore-secret.json":       {status: 200, part: `"name":"` + deletedName + `"`},
	"rollback-item.json":        {status: 200, part: `"version":1`},
	"revoke-key.json":           {part: ciKeyID},
	"update-item.json":          {status: 200, part: `"value":"********"`},
	"update-secret.json":        {status: 200, part: `"name":"prod-secrets"`},
	"update-key.json":           {status: 200, part: `"name":"pipeline"`},
	"update-service.json":       {status: 200, part: `"image":"myapp:v1.1.0"`},
	"update-user.json":          {status: 200, part: `"permissions":["write"]`},

	"refused/authorizer-unknown-key.json":         {fails: true, part: "Unauthorized"},
	"refused/batch-items-faults.json":             {status: 400, part: `{"items":[{},{"key":["This key is given twice."],"value":["This field is required."]}]}`},
	"refused/create-account-no-name.json":         {fails: true, part: "This field may not be blank."},
	"refused/create-item-bad-key.json":            {status: 400, part: `{"key":["Enter a valid key`},
	"refused/create-item-no-json.json":            {status: 400, part: "JSON parse error"},
	"refused/create-item-text.json":               {status: 415, part: `Unsupported media type \"text/plain\"`},
	"refused/create-secret-idempotency-key.json":  {status: 400, part: "Idempotency-Key must be given once"},
	"refused/create-secret-limited.json":          {status: 403, part: "Your key is limited to secrets."},
	"refused/create-secret-taken.json":            {status: 400, part: "secret with this name already exists."},
	"refused/create-service-no-secret.json":       {status: 400, part: `{"secret":["Invalid pk`},
	"refused/create-service-taken.json":           {status: 400, part: "service with this name already exists."},
	"refused/create-user-no-permission.json":      {status: 403, part: "You do not have permission"},
	"refused/create-user-unknown-permission.json": {status: 400, part: `{"permissions":["\"read\" is not a valid choice.`},
	"refused/delete-key-last-admin.json":          {status: 409, part: "This is the last key with admin"},
	"refused/delete-secret-default.json":          {status: 409, part: "The default secret cannot be deleted."},
	"refused/delete-secret-in-use.json":           {status: 409, part: serviceName},
	"refused/delete-version-current.json":         {status: 409, part: "The current version cannot be deleted."},
	"refused/deploy-secret-nothing-waits.json":    {part: "null}"},
	"refused/fallback-method.json":                {status: 405, part: `Method \"PUT\" not allowed.`},
	"refused/fallback-path.json":                  {status: 404, part: "Not found."},
	"refused/get-bundle-no-export.json":           {status: 403, part: "You do not have permission"},
	"refused/get-item-missing.json":               {status: 404, part: "Not found."},
	"refused/get-item-no-caller.json":             {status: 401, part: "Invalid or missing API key."},
	"refused/get-item-no-permission.json":         {status: 403, part: "You do not have permission"},
	"refused/get-item-other-account.json":         {status: 401, part: "Invalid or missing API key."},
	"refused/get-item-revoked-key.json":           {status: 401, part: "Invalid or missing API key."},
	"refused/get-secret-limited.json":             {status: 404, part: "Not found."},
	"refused/issue-key-no-account.json":           {fails: true, part: "There is no account"},
	"refused/list-events-no-permission.json":      {status: 403, part: "You do not have permission"},
	"refused/list-events-unknown-action.json":     {status: 400, part: `{"action":["\"secret.revealed\" is not a valid choice. Choose from: account.created`},
	"refused/list-people-no-account.json":         {fails: true, part: "There is no account"},
	"refused/list-secrets-invitation.json":        {status: 403, part: "You do not have permission"},
	"refused/revoke-key-unknown.json":             {fails: true, part: "not found"},
}

// send invokes a function and reports whether it failed.
type send func(t *testing.T, function string, event []byte) (answer []byte, failed bool)

// sendEvents sends all events and tests their outcomes.
func sendEvents(t *testing.T, manager *secrets.Manager, send send) {
	t.Helper()
	dir, err := checkout.Path("events")
	if err != nil {
		t.Fatal(err)
	}
	table := readTable(t)
	for _, name := range eventFiles(t) {
		t.Run(name, func(t *testing.T) {
			event, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			// A file is named after its function, and after the reason of a refusal.
			i := slices.IndexFunc(table, func(f functions.Function) bool {
				rest, ok := strings.CutPrefix(filepath.Base(name), f.Name)
				return ok && (rest == ".json" || rest[0] == '-')
			})
			if err := seed(t.Context(), manager); err != nil {
				t.Fatal(err)
			}
			answer, failed := send(t, table[i].ID(), event)
			var compact bytes.Buffer // SAM CLI's answers have spaces
			if json.Compact(&compact, answer) == nil {
				answer = compact.Bytes()
			}
			want, body := outcomes[name], string(answer)
			var proxy events.APIGatewayProxyResponse
			if err := json.Unmarshal(answer, &proxy); err == nil && proxy.StatusCode != 0 {
				if ok := proxy.StatusCode == want.status || want.status == 0 && proxy.StatusCode/100 == 2; !ok {
					t.Errorf("%s = %s, want status %d, or a success if it is 0", table[i].ID(), answer, want.status)
				}
				body = proxy.Body
			} else if want.status != 0 {
				t.Errorf("%s = %s, %v, want status %d", table[i].ID(), answer, err, want.status)
			}
			if failed != want.fails || !strings.Contains(body, want.part) {
				t.Errorf("%s = %s, failed: %v, want %s", table[i].ID(), answer, failed, want.part)
			}
		})
	}
}

// The functions run in this process.
func TestEventsHaveTheirOutcomes(t *testing.T) {
	table := secretstest.NewTable(t)
	manager := table.Manager(t)
	handlers, err := stack.Functions(readTable(t), table.Template().Timeout, func(function string) (func(string) string, error) {
		return table.Environment(t, function), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sendEvents(t, manager, func(t *testing.T, function string, event []byte) ([]byte, bool) {
		answer, err := handlers[function].Invoke(t.Context(), event)
		if err != nil {
			return []byte(err.Error()), true
		}
		return answer, false
	})
}

// eventFiles returns the files of events/, relative to it.
func eventFiles(t *testing.T) []string {
	t.Helper()
	dir, err := checkout.Path("events")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, pattern := range []string{"*.json", "refused/*.json"} {
		found, err := fs.Glob(os.DirFS(dir), pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	return names
}

// Each function has its own event, each refusal has an outcome, and no event has traces of the
// machine that it was written on.
func TestEveryFunctionHasAnEvent(t *testing.T) {
	root, err := checkout.Path()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range readTable(t) {
		path, err := eventOf(f.ID())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("function %s has no event: %v", f.Name, err)
		}
	}
	for name := range outcomes {
		if !slices.Contains(eventFiles(t), name) {
			t.Errorf("there is no event %s", name)
		}
	}
	for _, name := range eventFiles(t) {
		if _, known := outcomes[name]; !known && strings.HasPrefix(name, "refused/") {
			t.Errorf("outcomes has no entry for %s", name)
		}
		content, err := os.ReadFile(filepath.Join(root, "events", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, own := range []string{root, os.TempDir() + "/", `"` + host, "localhost", "192.168."} {
			if bytes.Contains(content, []byte(own)) {
				t.Errorf("%s contains %s", name, own)
			}
		}
	}
}

func readTable(t *testing.T) []functions.Function {
	t.Helper()
	table, err := functions.Load()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func readTemplate(t *testing.T) *template.Template {
	t.Helper()
	path, err := checkout.Path("template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := template.Read(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

package clients

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
	"go.yaml.in/yaml/v3"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/stack"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/infra/local/tool"
	"goblins-secrets/pkg/gateway"
)

// github stands in for GitHub's command line: `gh secret set NAME` keeps a secret in a file.
const github = `
gh() { cat >"$3.secret"; }
`

// step is a step of a workflow of GitHub Actions.
type step struct {
	Env map[string]string
	Run string
}

// After the commands of docs/teams.md, each person and machine may do what the document says, and no more.
func TestTeamIsSetUpAsDocumented(t *testing.T) {
	r := start(t)
	var steps []step
	if err := yaml.Unmarshal([]byte(fenced(t, "docs/teams.md", "yaml")[0]), &steps); err != nil || len(steps) != 1 {
		t.Fatalf("the step of a workflow = %+v, %v", steps, err)
	}
	var job strings.Builder
	for name, value := range steps[0].Env {
		value = strings.NewReplacer("${{ vars.GOBLINS_URL }}", "$API_URL", "${{ secrets.GOBLINS_KEY }}", "$(cat GOBLINS_KEY.secret)", "${{ vars.SECRET_ID }}", "$SECRET_ID").Replace(value)
		fmt.Fprintf(&job, "export %s=%q\n", name, value)
	}
	env := r.account(t, "team")
	session := strings.Replace(blocks(t, "README.md")[0], ". .local/env", ": "+tool.Quote(env), 1)
	output := r.shell(t, env, session+github+strings.Join(blocks(t, "docs/teams.md"), "\n")+`
printf '#!/bin/sh\nprintf "%%s" "$DATABASE_PASSWORD" >deployed\n' >deploy.sh
chmod +x deploy.sh
(
`+job.String()+steps[0].Run+`
)
echo
is() { printf '== %s: %s\n' "$1" "$2"; }
status() { key=$1; shift; curl -s -o answer -w '%{http_code}' -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$@"; }
value=$(as "$API_KEY" "$API_URL/api/secrets/$SECRET_ID/items/$ITEM_ID/" | jq -r .value)
is deployed "$([ "$(cat deployed)" = "$value" ] && [ "$value" != super-secret-db-password ] && echo what the rotator wrote)"
is 'the invitation again' "$(status "$INVITATION" -d '{"name": "thief"}' "$keys")"
is 'secrets of CI' "$(as "$CI_KEY" "$API_URL/api/secrets/" | jq -c '[.count, .results[].name]')"
is 'CI makes a secret' "$(status "$CI_KEY" -d '{"name": "more"}' "$API_URL/api/secrets/")"
is 'budget of CI' "$(as "$CI_KEY" "$API_URL/api/me/" | jq -c '[.budget.limit, .budget.left]')"
is 'keys of CI' "$(as "$API_KEY" "$keys?user=$CI" | jq -c '[.results[].name]')"
is 'the rotator reads' "$(status "$ROTATOR_KEY" "$API_URL/api/secrets/$SECRET_ID/items/$ITEM_ID/")"
is 'the rotator lists' "$(status "$ROTATOR_KEY" "$API_URL/api/secrets/")"
is 'users' "$(as "$CI_KEY" "$users" | jq -c '[.results[].name]')"
is 'what CI sees of Cy' "$(as "$CI_KEY" "$users$CY/" | jq -c '[.kind, .permissions]')"
is 'permissions' "$(for id in $CY $DI; do as "$API_KEY" "$keys?user=$id" | jq -c '.results[0].permissions'; done | tr '\n' ' ')"
is 'Bo is' "$(status "$API_KEY" "$users$BO/")"
is 'Bo reads' "$(status "$BO_KEY" "$API_URL/api/secrets/$SECRET_ID/items/$ITEM_ID/")"
is 'the last admin leaves' "$(status "$API_KEY" -X DELETE "$users$ME/")"
`)
	for _, want := range []string{
		"Bo\n", `"permissions": [`, "::add-mask::",
		`{"detail":"You do not have permission to perform this action."}`, `{"detail":"Invalid or missing API key."}`,
		"== deployed: what the rotator wrote", "== the invitation again: 401", `== secrets of CI: [1,"shop-secrets"]`, "== CI makes a secret: 403",
		"== budget of CI: [20,19]", `== keys of CI: ["GitHub 2"]`, "== the rotator reads: 403", "== the rotator lists: 403",
		`== users: ["Ana","Cy","Di","CI","rotator"]`, `== what CI sees of Cy: ["person",null]`, `== permissions: ["list"] ["audit"]`,
		"== Bo is: 404", "== Bo reads: 401", "== the last admin leaves: 409",
	} {
		if !strings.Contains(output, want) {
			t.Errorf("the output has no %s", want)
		}
	}
	if t.Failed() {
		t.Log(output)
	}
}

// operator answers what the runbooks of docs/deploy.md ask of AWS: it invokes functions on a running stack, and
// counts the flushes of the gateway's cache.
type operator struct {
	url     string // of its HTTP server
	flushes atomic.Int32
}

func (r running) operator(t *testing.T) *operator {
	t.Helper()
	endpoints, err := stack.Running(r.data)
	if err != nil {
		t.Fatal(err)
	}
	path, err := checkout.Path("template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := template.Read(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := endpoints.Manager(tmpl, "IssueKey")
	if err != nil {
		t.Fatal(err)
	}
	o := &operator{}
	mux := http.NewServeMux()
	for name, function := range map[string]any{"IssueKey": gateway.IssueKey(m), "RevokeKey": gateway.RevokeKey(m), "ListPeople": gateway.ListPeople(m)} {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, req *http.Request) {
			event, err := io.ReadAll(req.Body)
			if err != nil {
				t.Error(err)
			}
			answer, err := lambda.NewHandler(function).Invoke(req.Context(), event)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			if _, err := w.Write(answer); err != nil {
				t.Error(err)
			}
		})
	}
	mux.HandleFunc("DELETE /restapis/a1b2c3d4e5/stages/prod/cache/authorizers", func(w http.ResponseWriter, _ *http.Request) {
		o.flushes.Add(1)
		w.WriteHeader(http.StatusAccepted)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

// staff makes a person, USER_ID, with a key, LEAKED: what the runbooks of docs/deploy.md begin with.
const staff = `
made() { curl -sfS -H "Authorization: Bearer $1" -H 'Content-Type: application/json' -d "$3" "$API_URL/api/$2/" | jq -r "$4"; }
USER_ID=$(made "$API_KEY" users '{"kind": "person", "name": "leaver", "permissions": ["list", "reveal"]}' .id)
LEAKED=$(made "$(made "$API_KEY" keys '{"user": "'$USER_ID'", "name": "invitation", "invitation": true}' .key)" keys '{"name": "leaked"}' .key)
`

// runbook returns the block of commands in docs/deploy.md that has a text, as an operator would complete it.
func runbook(t *testing.T, text string) string {
	t.Helper()
	for _, block := range fenced(t, "docs/deploy.md", "sh") {
		if strings.Contains(block, text) {
			return strings.NewReplacer("<ApiId>", "a1b2c3d4e5", "<TableName>", "goblins-secrets", "my-team", "runbooks").Replace(block)
		}
	}
	t.Fatalf("docs/deploy.md has no block with %q", text)
	return ""
}

// The runbooks lead back into an account whose last admin key is leaked, and out of it again.
func TestRunbooksWork(t *testing.T) {
	r := startWith(t, map[string]string{"KeyCacheSeconds": "0"}) // the flush of the cache is only counted
	o := r.operator(t)
	endpoints, err := stack.Running(r.data)
	if err != nil {
		t.Fatal(err)
	}
	env := r.account(t, "runbooks")
	leakedStep := runbook(t, "LEAKED_ID=$(")
	issueStep, lostStep := runbook(t, "invoke IssueKey"), runbook(t, `"user_id"`)
	revokeStep, byOperator := runbook(t, "?made=true"), runbook(t, "invoke RevokeKey")
	output := r.shell(t, env, fmt.Sprintf(`
export OPERATOR=%s AWS_ENDPOINT_URL_API_GATEWAY=%[1]s AWS_ENDPOINT_URL_DYNAMODB=%s AWS_ACCESS_KEY_ID=%s
sam() { curl -sS --fail-with-body --data-binary "$7" "$OPERATOR/$3"; }
is() { printf '\n== %%s: %%s\n' "$1" "$2"; }
reads() { curl -s -o /dev/null -w '%%{http_code}' -H "Authorization: Bearer $1" "$API_URL/api/secrets/$SECRET_ID/items/$ITEM_ID/"; }
`, o.url, endpoints.DynamoDB, endpoints.AccessKey)+staff+`
STAFF=$USER_ID BEFORE=$LEAKED LEAKED=$API_KEY
SECRET_ID=$(made "$API_KEY" secrets '{"name": "shop"}' .id)
ITEM_ID=$(made "$API_KEY" secrets/$SECRET_ID/items '{"key": "PASSWORD", "value": "a value"}' .id)
MACHINE=$(made "$API_KEY" users '{"kind": "machine", "name": "back door", "permissions": ["list", "reveal"]}' .id)
BACK_DOOR=$(made "$API_KEY" keys '{"user": "'$MACHINE'", "name": "back door"}' .key)
is 'before' "$(reads $LEAKED) $(reads $BEFORE) $(reads $BACK_DOOR)"
`+leakedStep+`
if (`+byOperator+`); then exit 1; fi
is 'after a refusal' "$(reads $LEAKED)"
ISSUED=$(`+issueStep+`)
API_KEY=$(printf %s "$ISSUED" | jq -r .api_key)
`+revokeStep+`
if (`+revokeStep+`); then exit 1; fi
if (`+byOperator+`) >again; then exit 1; fi
is 'nothing is left' "$(cat again)"
is 'after' "$(reads $LEAKED) $(reads $BEFORE) $(reads $BACK_DOOR) $(reads $API_KEY)"
`+runbook(t, "flush-stage-authorizers-cache")+`
{
`+runbook(t, "events() {")+`
} >found
is 'events' "$(cat found)"
USER_ID=$(printf %s "$ISSUED" | jq -r .user_id)
read_twice=$(`+runbook(t, "read_by()")+`)
is 'read' "$read_twice"
read_by() { echo "read by $1"; } # as the step before left it
`+lostStep+`
LEAKED_ID=$(made "$API_KEY" keys '{"name": "by an operator"}' .id)
`+byOperator+`
for i in $(seq 51); do made "$API_KEY" users '{"kind": "machine", "name": "m'$i'", "permissions": ["list"]}' .id >/dev/null; done
is 'people' "$(`+runbook(t, "invoke ListPeople")+`)"
USER_ID=$STAFF
is 'leaves' "$(`+runbook(t, "Set API_URL, API_KEY of an admin, and USER_ID of the person")+`)"
`+runbook(t, "delete_account()")+`
rows() { aws dynamodb scan --table-name goblins-secrets --output json | grep -c "$1"; }
is 'left over' "$(rows "$ACCOUNT_ID") $(reads "$API_KEY") $(delete_account "$ACCOUNT_ID")"
`)
	for _, want := range []string{
		"== before: 200 200 200", "the last key with admin", "== after a refusal: 200", "== nothing is left: not found", "== after: 401 401 401 200",
		"\tallowed\titem.revealed\tshop\tPASSWORD\t", "\tallowed\tuser.created\t\t\tback door\t", "== read: shop\tPASSWORD\t", `"revoked":"`, "\tm51\n", "\tAdmin\t", "== leaves: read by ",
		"== left over: 0 401 \n",
	} {
		if !strings.Contains(output, want) {
			t.Errorf("the output has no %q", want)
		}
	}
	if n := o.flushes.Load(); n != 1 {
		t.Errorf("the gateway's cache was flushed %d times, want once", n)
	}
	if t.Failed() {
		t.Log(output)
	}
}

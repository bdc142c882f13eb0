package clients

import (
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"goblins-secrets/infra/local/tool"
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

// Package clients tests the product with the clients that its users have: curl, jq, requests, fetch and the
// AWS CLI, on the stack of `make run`.
package clients

import (
	"context"
	"embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/stack"
	"goblins-secrets/infra/local/tool"
	"goblins-secrets/pkg/secretstest"
)

//go:embed requirements.txt
var pins embed.FS

// programs returns the folder of the AWS CLI, and of a Python that has requests.
func programs(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"curl", "jq", "node"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is needed: install it", program)
		}
	}
	bin, err := tool.Python(t.Context(), "clients", "the AWS CLI and requests, for tests (20 MB)", pins, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// running is a stack in this process.
type running struct {
	*stack.Stack
	data string
}

func start(t *testing.T) running { return startWith(t, map[string]string{"ReadLimit": "1000"}) }

func startWith(t *testing.T, parameters map[string]string) running {
	t.Helper()
	data := filepath.Join(t.TempDir(), "it's data")
	s, err := stack.Start(t.Context(), stack.Config{Addr: "127.0.0.1:0", Data: data, Progress: io.Discard, Set: parameters})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return running{s, data}
}

// account returns the text of the env file of a new account.
func (r running) account(t *testing.T, name string) string {
	t.Helper()
	env, err := stack.CreateAccount(t.Context(), r.data, name)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// shell runs a script in a shell that has an env file, with the AWS CLI on its PATH, from a folder of its
// own. It returns the standard output.
func (r running) shell(t *testing.T, env, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-euc", env+script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(v, "API_") }),
		"PATH="+programs(t)+":"+os.Getenv("PATH"))
	var failures strings.Builder
	cmd.Stderr = &failures
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, output, &failures)
	}
	return string(output)
}

// Every kind of value comes back equal through each client: written by one, read by all.
func TestValuesComeBackEqual(t *testing.T) {
	r := start(t)
	env := r.account(t, "values")
	files := filepath.Join(t.TempDir(), "values")
	if err := os.Mkdir(files, 0o700); err != nil {
		t.Fatal(err)
	}
	for key, value := range secretstest.Values {
		if err := os.WriteFile(filepath.Join(files, key), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A client is a script that has functions write KEY FILE and read ID FILE, or loops in its own language.
	for client, script := range map[string]string{
		"curl and jq": `
			call() { curl -sfS -H "Authorization: Bearer $API_KEY" -H 'Content-Type: application/json' "$@"; }
			mkdir out
			for file in "$FILES"/*; do
				key=$(basename "$file")
				id=$(jq -n --arg key "$key" --rawfile value "$file" '{key: $key, value: $value}' | call --data-binary @- "$ITEMS" | jq -r .id)
				call "$ITEMS$id/" | jq -j .value >"out/$key"
			done`,
		"requests": `python3 - <<'PYTHON'
import os, pathlib, requests
items, files, out = os.environ["ITEMS"], pathlib.Path(os.environ["FILES"]), pathlib.Path("out")
session = requests.Session()
session.headers["Authorization"] = "Bearer " + os.environ["API_KEY"]
out.mkdir()
for file in files.iterdir():
    made = session.post(items, json={"key": file.name, "value": file.read_bytes().decode()})
    made.raise_for_status()
    read = session.get(items + made.json()["id"] + "/")
    (out / file.name).write_bytes(read.json()["value"].encode())
PYTHON`,
		"fetch": `cat >fetch.mjs <<'NODE'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
const { ITEMS, FILES, API_KEY } = process.env;
const headers = { Authorization: "Bearer " + API_KEY, "Content-Type": "application/json" };
mkdirSync("out");
for (const key of readdirSync(FILES)) {
  const value = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(FILES + "/" + key));
  const made = await fetch(ITEMS, { method: "POST", headers, body: JSON.stringify({ key, value }) });
  if (!made.ok) throw new Error(await made.text());
  const read = await fetch(ITEMS + (await made.json()).id + "/", { headers });
  writeFileSync("out/" + key, (await read.json()).value);
}
NODE
			node fetch.mjs`,
	} {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			output := r.shell(t, env, fmt.Sprintf(`
				FILES=%s
				SECRET_ID=$(curl -sfS -H "Authorization: Bearer $API_KEY" -H 'Content-Type: application/json' -d '{"name": "%s"}' $API_URL/api/secrets/ | jq -r .id)
				export FILES ITEMS=$API_URL/api/secrets/$SECRET_ID/items/
				%s
				for file in "$FILES"/*; do cmp "$file" "out/$(basename "$file")" || exit 1; done
				ls out | wc -l`, tool.Quote(files), client, script))
			if got := strings.TrimSpace(output); got != fmt.Sprint(len(secretstest.Values)) {
				t.Errorf("%s values came back, want %d", got, len(secretstest.Values))
			}
		})
	}
}

// needs marks a block of commands that this test cannot run: its first line.
var needs = []string{"# needs AWS", "# needs Docker", "# needs a module", "# needs npm", "# needs pip", "# takes minutes"}

// fence finds a block: its indentation, its language and its text.
var fence = regexp.MustCompile("(?ms)^( *)```([a-z]*)$(.*?\n) *```$")

// fenced returns the blocks of a document in a language.
func fenced(t *testing.T, name, language string) (found []string) {
	t.Helper()
	path, err := checkout.Path(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range fence.FindAllStringSubmatch(string(text), -1) {
		if block[2] == language {
			text := strings.ReplaceAll(block[3], "\n"+block[1], "\n") // an item of a list is indented
			found = append(found, strings.TrimPrefix(text, "\n"))
		}
	}
	return found
}

// blocks returns the commands of a document that can be pasted here: all but those that say what they need.
func blocks(t *testing.T, name string) (pasted []string) {
	t.Helper()
	for _, block := range fenced(t, name, "sh") {
		first, _, _ := strings.Cut(block, "\n")
		switch {
		case slices.ContainsFunc(needs, func(need string) bool { return strings.HasPrefix(first, need) }):
		case strings.HasPrefix(block, "make run "): // what runs this test, and the stack under it
		default:
			pasted = append(pasted, block)
		}
	}
	return pasted
}

// The commands of the documents work as pasted, one after the other in one shell, and so does the workflow
// of the product's public documentation, before them or after.
func TestDocumentedCommandsWork(t *testing.T) {
	r := start(t)
	documents := map[string]int{"README.md": 2, "docs/services.md": 2, "docs/api.md": 7, "docs/deploy.md": 6, "docs/teams.md": 10}
	root, err := checkout.Path()
	if err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(all) < len(documents)-1 {
		t.Fatalf("documents = %v, %v", all, err)
	}
	var script strings.Builder
	for _, name := range append([]string{"README.md"}, all...) { // the others use what the README's session makes
		name = strings.TrimPrefix(filepath.ToSlash(name), filepath.ToSlash(root)+"/")
		found := blocks(t, name)
		if len(found) != documents[name] {
			t.Errorf("%s has %d blocks of commands that can be pasted, want %d: does one lack %q?", name, len(found), documents[name], needs)
		}
		for i, block := range found {
			fmt.Fprintf(&script, "\necho '== %s %d'\n%s\n", name, i+1, block)
		}
	}
	workflow, err := os.ReadFile("workflow.sh")
	if err != nil {
		t.Fatal(err)
	}
	for order, both := range map[string]string{
		"the documents first": script.String() + string(workflow),
		"the workflow first":  string(workflow) + script.String(),
	} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			env := r.account(t, order)
			other := r.account(t, order+", moved to")
			// README's first line sources the file that make run writes.
			text := strings.Replace(both, ". .local/env", ": "+tool.Quote(env), 1)
			moved := strings.NewReplacer("API_URL=", "TO_URL=", "API_KEY=", "TO_KEY=").Replace(other[:strings.Index(other, "export ACCOUNT_ID")])
			output := r.shell(t, env, moved+"FROM_URL=$API_URL FROM_KEY=$API_KEY\n"+github+staff+text+`
echo '== moved'
moved() { curl -sf -H "Authorization: Bearer $TO_KEY" "$TO_URL/api/secrets/$1" | jq -r "$2"; }
id=$(moved '?name=shop-secrets' '.results[0].id')
moved "$id/items/$(moved "$id/items/?key=DATABASE_PASSWORD" '.results[0].id')/" .value
`)
			for _, want := range []string{
				`"value":"super-secret-db-password"`, "RateLimit: ", `"status":"ready"`, `{\"DATABASE_PASSWORD\":\"super-secret-db-password\"}`, "== moved\nsuper-secret-db-password\n",
			} {
				if !strings.Contains(output, want) {
					t.Errorf("the output has no %s:\n%s", want, output)
				}
			}
			if strings.Contains(output, `already exists`) {
				t.Errorf("a name was taken:\n%s", output)
			}
		})
	}
}

// make smoke prints a line for each check of the stack; a wrong key is one clear line.
func TestMakeSmoke(t *testing.T) {
	r := start(t)
	root, err := checkout.Path()
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{r.APIKey: "ok       delete everything again", r.APIKey + "x": "the key is not a valid key of " + r.URL} {
		cmd := exec.CommandContext(t.Context(), "make", "smoke", "URL="+r.URL, "KEY="+key)
		cmd.Dir = root
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") }) // this test's own make
		output, err := cmd.CombinedOutput()
		if text := string(output); (err == nil) != (key == r.APIKey) || !strings.Contains(text, want) || strings.Contains(text, "FAILED") || strings.Contains(text, key) {
			t.Errorf("make smoke: %v, %s, want %s", err, strings.ReplaceAll(text, key, "<the key>"), want)
		}
	}
}

// Package schemathesis attacks the API with requests that schemathesis makes from the OpenAPI document: valid ones,
// which must succeed, invalid ones, which must not, and sequences that follow the document's links.
package schemathesis

import (
	"context"
	"embed"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"goblins-secrets/infra/local/tool"
	"goblins-secrets/pkg/client/clienttest"
)

//go:embed requirements.txt
var pins embed.FS

// files are those that schemathesis reads. It runs in a folder of its own, because it writes beside them.
var files = []string{"schemathesis.toml", "hooks.py"}

// program returns the path of schemathesis.
func program(t *testing.T) string {
	t.Helper()
	bin, err := tool.Python(t.Context(), "schemathesis", "schemathesis, for tests (90 MB)", pins, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(bin, "schemathesis")
}

// start runs a stack. It returns its URL and the keys of two new accounts, by the names that schemathesis.toml has.
func start(t *testing.T) (url string, keys map[string]string) {
	t.Helper()
	// No hour passes, and a run of 429s would prove nothing.
	s, err := clienttest.Start(t.Context(), map[string]string{"ReadLimit": "1000", "ReadWindowSeconds": "1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	keys = map[string]string{"attacker": "", "neighbour": ""}
	for name := range keys {
		if keys[name], err = s.NewKey(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return s.URL, keys
}

// identities returns the file with keys that schemathesis reads, in the format of Web Fuzzing Commons.
func identities(t *testing.T, keys map[string]string) string {
	t.Helper()
	type header struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	type identity struct {
		Name    string   `json:"name"`
		Headers []header `json:"fixedHeaders"`
	}
	var all struct {
		Auth []identity `json:"auth"`
	}
	for name, key := range keys {
		all.Auth = append(all.Auth, identity{name, []header{{"Authorization", "Bearer " + key}}})
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// attack runs schemathesis. The output is without the keys.
func attack(t *testing.T, args ...string) (output string, err error) {
	t.Helper()
	url, keys := start(t)
	dir := t.TempDir()
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t), slices.Concat([]string{"run", "--no-color", "--url", url}, args, []string{url + "/api/openapi.json"})...)
	cmd.Dir = dir
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SCHEMATHESIS_") }), "KEYS="+identities(t, keys))
	text, err := cmd.CombinedOutput()
	for name, key := range keys {
		text = []byte(strings.ReplaceAll(string(text), key, "<key of "+name+">"))
	}
	return string(text), err
}

// No request finds an answer that the document does not describe, or a rule that it lacks.
func TestSchemathesisFindsNothing(t *testing.T) {
	output, err := attack(t)
	if err != nil {
		t.Fatalf("schemathesis: %v\n%s", err, output)
	}
	for _, phase := range []string{"Examples", "Coverage", "Fuzzing", "Stateful"} {
		if !strings.Contains(output, "✅ "+phase) {
			t.Errorf("the phase %s did not run:\n%s", phase, output)
		}
	}
}

// Each check that is off, and each finding that is excused, has its reason above it. There are at most ten.
func TestWhatIsOffHasItsReason(t *testing.T) {
	const most = 10
	text, err := os.ReadFile("schemathesis.toml")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	off := regexp.MustCompile(`^\[\[checks\.Excused\.entries\]\]|\benabled *= *false|\bexpected-statuses\b|\bexclude-|\bsuppress-|^\[\[operations\]\]`)
	found := 0
	for i, line := range lines {
		if strings.HasPrefix(line, "#") || !off.MatchString(line) {
			continue
		}
		found++
		if i == 0 || !strings.HasPrefix(lines[i-1], "# ") {
			t.Errorf("schemathesis.toml:%d: %s has no comment with its reason", i+1, line)
		}
	}
	if found == 0 || found > most {
		t.Errorf("schemathesis.toml has %d entries, want 1 to %d", found, most)
	}
}

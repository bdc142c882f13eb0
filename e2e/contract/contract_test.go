// Package contract_test holds the OpenAPI document to what others make of it: a linter, the clients of the last
// release, generators of clients, and Postman.
package contract_test

import (
	"context"
	"embed"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/tool"
	"goblins-secrets/infra/openapi"
)

//go:embed pins
var pins embed.FS

// object is a JSON object.
type object = map[string]any

// at is the object at a path of names.
func at(o object, names ...string) object {
	for _, name := range names {
		o, _ = o[name].(object)
	}
	return o
}

// read returns a file of the checkout.
func read(t *testing.T, name string) string {
	t.Helper()
	path, err := checkout.Path(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// document returns the present document.
func document(t *testing.T) (made object) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, openapi.Name)), &made); err != nil {
		t.Fatal(err)
	}
	return made
}

// write writes a document, and returns its path.
func write(t *testing.T, document object) string {
	t.Helper()
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// installed returns the folder of the pinned tools: node_modules, and venv of Python.
func installed(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"curl", "node", "python3"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is needed: install it", program)
		}
	}
	files, err := fs.Sub(pins, "pins")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := tool.Install(t.Context(), tool.Tool{
		Name: "contract", Title: "a linter and generators for OpenAPI, for tests (250 MB)",
		Needs: "npm", Hint: "install Node.js and npm",
		Pins:     files,
		Commands: append([][]string{{"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"}}, tool.Venv...),
	}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// shell runs a script that uses the pinned tools, in a folder. They send no telemetry, and look for no update. It returns
// all that they print.
func shell(t *testing.T, folder, script string, environment ...string) (string, error) {
	t.Helper()
	dir := installed(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-euc", script)
	cmd.Dir = folder
	cmd.Env = slices.Concat(os.Environ(), []string{
		"TOOLS=" + dir, "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true",
		"PATH=" + strings.Join([]string{filepath.Join(dir, "venv", "bin"), filepath.Join(dir, "node_modules", ".bin"), os.Getenv("PATH")}, ":"),
	}, environment)
	output, err := cmd.CombinedOutput()
	return string(output), err
}

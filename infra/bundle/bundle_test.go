package bundle_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/infra/bundle"
	"goblins-secrets/infra/local/checkout"
)

// The committed script is made of the committed modules, and of all of them.
func TestScriptIsCurrent(t *testing.T) {
	folder, err := checkout.Path("pkg", "console")
	if err != nil {
		t.Fatal(err)
	}
	want, sources, err := bundle.Script(folder)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(folder, "console.js"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("console.js is not what its modules say: run go generate ./... (-bundled +committed):\n%s", diff)
	}
	var files []string
	for _, pattern := range []string{"web/*.css", "web/*.js", "web/vendor/*.js"} {
		found, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			files = append(files, strings.TrimPrefix(path, folder+"/"))
		}
	}
	slices.Sort(files)
	if diff := cmp.Diff(files, sources); diff != "" {
		t.Errorf("files of web/ (-) and those that main.js imports (+):\n%s", diff)
	}
}

// A module that imports what does not exist is an error with its place.
func TestMissingImportsAreErrors(t *testing.T) {
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "web"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "web", "main.js"), []byte("import { a } from './b.js';\na();\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := bundle.Script(folder); err == nil || !strings.HasPrefix(err.Error(), "web/main.js:1: ") {
		t.Errorf("Script = %v, want an error at web/main.js:1", err)
	}
}

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

// The committed scripts are made of the committed modules, and of all of them.
func TestScriptsAreCurrent(t *testing.T) {
	folder, err := checkout.Path("pkg", "console")
	if err != nil {
		t.Fatal(err)
	}
	want, sources, err := bundle.Scripts(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(want) != 2 {
		t.Errorf("Scripts = %d scripts, want 2", len(want))
	}
	for name, script := range want {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(script), string(got)); diff != "" {
			t.Errorf("%s is not what its modules say: run go generate ./... (-bundled +committed):\n%s", name, diff)
		}
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
		t.Errorf("files of web/ (-) and those of the scripts (+); each is in one of them:\n%s", diff)
	}
}

// A module that imports what does not exist is an error with its place.
func TestMissingImportsAreErrors(t *testing.T) {
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "web"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"main.js": "import { a } from './b.js';\na();\n", "later.js": "export const b = 1;\n"} {
		if err := os.WriteFile(filepath.Join(folder, "web", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := bundle.Scripts(folder); err == nil || !strings.HasPrefix(err.Error(), "web/main.js:1: ") {
		t.Errorf("Scripts = %v, want an error at web/main.js:1", err)
	}
}

package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestColumnsAlignRightAtAColon(t *testing.T) {
	table := newTable("name | n: | m:")
	table.row("a", "1", "2")
	const want = "| name | n | m |\n| --- | ---: | ---: |\n| a | 1 | 2 |\n"
	if table.String() != want {
		t.Errorf("table = %q, want %q", table.String(), want)
	}
}

// A section is replaced, and the rest of the page stays as it is.
func TestSectionsAreReplaced(t *testing.T) {
	checkout := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(checkout, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module goblins-secrets\n")
	write("docs/benchmarks.md", "# Title\n<!-- a -->\nold\n<!-- /a -->\n<!-- b -->\nother\n<!-- /b -->\nend\n")
	t.Chdir(checkout)
	a, err := findSection("a")
	if a.text != "old\n" || err != nil {
		t.Errorf("section a = %q, %v, want old", a.text, err)
	}
	if err := a.write("new\n"); err != nil {
		t.Error(err)
	}
	got, err := os.ReadFile("docs/benchmarks.md")
	const want = "# Title\n<!-- a -->\nnew\n<!-- /a -->\n<!-- b -->\nother\n<!-- /b -->\nend\n"
	if string(got) != want || err != nil {
		t.Errorf("page = %q, %v, want %q", got, err, want)
	}
	if _, err := findSection("c"); err == nil {
		t.Error("findSection of a missing section = nil, want an error")
	}
}

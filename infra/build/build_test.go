// Package build tests the output of a plain `sam build` with the real SAM CLI.
package build

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"goblins-secrets/infra/local/checkout"
)

// maxZip is the largest allowed package of a function, in bytes.
const maxZip = 6 << 20

// project is a copy of the project, which a test may build and change.
type project struct{ dir, sam string }

func newProject(t *testing.T) project {
	t.Helper()
	root, err := checkout.Path()
	if err != nil {
		t.Fatal(err)
	}
	p := project{dir: t.TempDir(), sam: filepath.Join(root, ".tools", "sam", "bin", "sam")}
	for _, name := range []string{"functions", "pkg", "infra/build"} {
		if err := os.CopyFS(filepath.Join(p.dir, name), os.DirFS(filepath.Join(root, name))); err != nil {
			t.Fatal(err)
		}
	}
	nested, err := fs.Glob(os.DirFS(root), "infra/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(nested, "go.mod", "go.sum", "template.yaml", "samconfig.toml") {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// build runs `sam build` as a user does, in an environment with contrary settings.
func (p project) build(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.sam, append([]string{"build"}, args...)...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "SAM_CLI_TELEMETRY=0", "AWS_DEFAULT_REGION=us-east-1",
		"CGO_ENABLED=1", "GOFLAGS=-tags=none", "GOARCH=386", "GOAMD64=v3", "GOARM64=v9.0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sam build %v: %v\n%s", args, err, out)
	}
}

// binary returns the binary that was built for a function.
func (p project) binary(t *testing.T, function string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(p.dir, ".aws-sam", "build", function, "bootstrap"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// A package is one static, stripped binary for the chosen architecture. The next build has
// the changes, and equal sources give equal bytes. These functions stand for all, one for
// each set of dependencies; the deployment test checks the packages of every function.
func TestBuildsAreReproducibleAndComplete(t *testing.T) {
	p := newProject(t)
	for _, name := range []string{"Console", "DeploySecret", "GetItem"} {
		p.build(t, name)
		folder := filepath.Join(p.dir, ".aws-sam", "build", name)
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) != 1 {
			t.Errorf("%s is packed with %v", name, entries)
		}
		binary := p.binary(t, name)
		checkBinary(t, name, binary, elf.EM_AARCH64)
		if bytes.Contains(binary, []byte(p.dir)) {
			t.Errorf("%s names the folder that it was built in", name)
		}
		if size := zipped(t, binary); size > maxZip {
			t.Errorf("%s is %d bytes zipped, want at most %d", name, size, maxZip)
		}
	}

	// The next build contains a change in any package, also for the other architecture.
	before := p.binary(t, "GetItem")
	value := filepath.Join(p.dir, "pkg", "secrets", "value.go")
	source, err := os.ReadFile(value)
	if err != nil {
		t.Fatal(err)
	}
	const old, changed = `"********"`, `"--changed-mask--"`
	if !bytes.Contains(source, []byte(old)) {
		t.Fatalf("%s has no mask", value)
	}
	if err := os.WriteFile(value, bytes.Replace(source, []byte(old), []byte(changed), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	p.build(t, "GetItem", "--parameter-overrides", "Architecture=x86_64")
	after := p.binary(t, "GetItem")
	checkBinary(t, "GetItem for x86_64", after, elf.EM_X86_64)
	if !bytes.Contains(after, []byte(strings.Trim(changed, `"`))) {
		t.Error("a change in pkg/ is not in the next build")
	}

	// The same sources give the same bytes, in another folder and after other builds.
	if err := os.WriteFile(value, source, 0o600); err != nil {
		t.Fatal(err)
	}
	p.build(t, "GetItem")
	if !bytes.Equal(before, p.binary(t, "GetItem")) {
		t.Error("a second build of the same sources differs")
	}
	other := newProject(t)
	other.build(t, "GetItem")
	if !bytes.Equal(before, other.binary(t, "GetItem")) {
		t.Error("a build in another folder differs")
	}
}

// checkBinary checks that a binary is for the machine, static and stripped.
func checkBinary(t *testing.T, name string, binary []byte, machine elf.Machine) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if f.Machine != machine {
		t.Errorf("%s is for %v, want %v", name, f.Machine, machine)
	}
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC }) {
		t.Errorf("%s is linked dynamically", name)
	}
	if slices.ContainsFunc(f.Sections, func(s *elf.Section) bool {
		return s.Name == ".symtab" || strings.HasPrefix(s.Name, ".debug") || strings.HasPrefix(s.Name, ".zdebug")
	}) {
		t.Errorf("%s is not stripped", name)
	}
}

// zipped returns the size of a package with one file.
func zipped(t *testing.T, content []byte) int64 {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create("bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return int64(out.Len())
}

package goblins_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/checkout"
)

const module = "goblins-secrets/"

// mayImport lists the product packages that each part of the product may import. A new
// part must be added here.
var mayImport = map[string][]string{
	"functions":        {"pkg/app", "pkg/gateway", "pkg/httpapi", "pkg/console", "pkg/docs"},
	"pkg/app":          {"pkg/dynamo", "pkg/awskms", "pkg/awssm/limits", "pkg/envelope", "pkg/metrics", "pkg/delivery", "pkg/secrets"},
	"pkg/gateway":      {"pkg/httpapi", "pkg/delivery", "pkg/secrets"},
	"pkg/httpapi":      {"pkg/secrets"},
	"pkg/console":      {}, // a client of the API
	"pkg/docs":         {"pkg/console"},
	"pkg/client":       {},
	"pkg/dynamo":       {"pkg/awserr", "pkg/delivery", "pkg/secrets"},
	"pkg/delivery":     {"pkg/secrets"},
	"pkg/secrets":      {},
	"pkg/envelope":     {},
	"pkg/awserr":       {},
	"pkg/awskms":       {"pkg/awserr"},
	"pkg/awssm":        {"pkg/awserr", "pkg/delivery", "pkg/secrets"},
	"pkg/awssm/limits": {"pkg/delivery"},
	"pkg/metrics":      {"pkg/delivery", "pkg/secrets"},
}

// delivering are the functions that may also import the target's client.
var delivering = []string{"functions/check-bundles", "functions/deploy-secret"}

// testSupport are imported by tests only, and may import infra.
var testSupport = []string{"pkg/secretstest", "pkg/client/clienttest"}

// importers lists the parts of the product that may import a module.
var importers = map[string][]string{
	"github.com/aws/aws-sdk-go-v2/service/dynamodb":        {"pkg/dynamo", "pkg/app"}, // app makes the clients
	"github.com/aws/aws-sdk-go-v2/service/kms":             {"pkg/awskms", "pkg/app"},
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager":  {"pkg/awssm"},
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb":        {"pkg/dynamo"},
	"github.com/aws/aws-lambda-go":                         {"pkg/gateway"},
	"github.com/awslabs/aws-lambda-go-api-proxy":           {"pkg/gateway"},
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams": {},
	"github.com/evanw/esbuild":                             {}, // it bundles the console beforehand
	"github.com/santhosh-tekuri/jsonschema":                {}, // tests hold exchanges against the OpenAPI document
	"github.com/aws/aws-sdk-go-v2/config":                  {}, // its search of files slows down cold starts
}

type goPackage struct {
	ImportPath string
	Name       string
	Dir        string
	GoFiles    []string
	Imports    []string
	Deps       []string // all packages that it links
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := checkout.Path()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// packages lists all packages of the checkout.
func packages(t *testing.T) []goPackage {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,Dir,GoFiles,Imports,Deps", "./...")
	command.Dir = root(t)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var found []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		found = append(found, p)
	}
	if len(found) < 10 {
		t.Fatalf("go list found %d packages", len(found))
	}
	return found
}

// part is a package's place in the product, such as "pkg/app" or "functions".
func (p goPackage) part() string {
	path := strings.TrimPrefix(p.ImportPath, module)
	if strings.HasPrefix(path, "functions/") {
		return "functions"
	}
	return path
}

// isProduct reports whether a package runs in the deployed product.
func (p goPackage) isProduct() bool {
	path := strings.TrimPrefix(p.ImportPath, module)
	return strings.HasPrefix(path, "functions/") || strings.HasPrefix(path, "pkg/") && !slices.Contains(testSupport, path)
}

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range p.Imports {
			if slices.Contains(testSupport, strings.TrimPrefix(imported, module)) {
				t.Errorf("%s imports %s, which only tests may", p.ImportPath, imported)
			}
		}
		if !p.isProduct() {
			continue
		}
		allowed, known := mayImport[p.part()]
		if !known {
			t.Errorf("package %s is not in mayImport: say what it may import", p.ImportPath)
			continue
		}
		if slices.Contains(delivering, path) {
			allowed = append(slices.Clone(allowed), "pkg/awssm")
		}
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s, may import %v of the product", p.ImportPath, imported, allowed)
			}
			for theirs, by := range importers {
				if (imported == theirs || strings.HasPrefix(imported, theirs+"/")) && !slices.Contains(by, p.part()) {
					t.Errorf("%s imports %s, which only %v may", p.ImportPath, imported, by)
				}
			}
		}
	}
}

// Stand-ins for AWS know its protocols, not the product, not even through another package. The local
// stack wires both.
func TestStandInsImportNothingOfTheProduct(t *testing.T) {
	wiring := []string{"infra/local", "infra/local/stack"}
	checked := 0
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if !strings.HasPrefix(path, "infra/local") && path != "infra/sam/ministack" || slices.Contains(wiring, path) {
			continue
		}
		checked++
		for _, linked := range p.Deps {
			if strings.HasPrefix(linked, module+"pkg/") {
				t.Errorf("%s links %s", p.ImportPath, linked)
			}
		}
	}
	if checked < 9 {
		t.Errorf("%d stand-ins found, want at least 9", checked)
	}
}

// Only functions that deliver link the SDK of Secrets Manager, and only docs the OpenAPI document: they would slow
// down the cold starts of the others.
func TestFunctionsLinkOnlyWhatTheyNeed(t *testing.T) {
	needs := map[string][]string{
		"github.com/aws/aws-sdk-go-v2/service/secretsmanager": delivering,
		module + "pkg/docs": {"functions/docs"},
	}
	found := map[string]bool{}
	for _, p := range packages(t) {
		if p.part() != "functions" {
			continue
		}
		function := strings.TrimPrefix(p.ImportPath, module)
		found[function] = true
		for linked, by := range needs {
			if links := slices.Contains(p.Deps, linked); links != slices.Contains(by, function) {
				t.Errorf("%s links %s = %v, want %v", function, linked, links, !links)
			}
		}
	}
	if !found["functions/get-item"] {
		t.Error("there is no functions/get-item")
	}
}

// A function is a row of the table and a folder, or neither.
func TestEachFunctionHasItsFolder(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join(root(t), "functions"))
	if err != nil {
		t.Fatal(err)
	}
	var folders, rows []string
	for _, e := range entries {
		folders = append(folders, e.Name())
	}
	for _, f := range table(t) {
		rows = append(rows, f.Name)
	}
	slices.Sort(rows)
	if diff := cmp.Diff(folders, rows); diff != "" {
		t.Errorf("folders under functions/ (-) and rows of functions.yaml (+) differ:\n%s", diff)
	}
}

// table returns the table of functions.
func table(t *testing.T) []functions.Function {
	t.Helper()
	table, err := functions.Load()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// Calls enter through the functions without a route. They refuse a table of another format
// at cold start; the functions behind the authorizer make no call there.
func TestOnlyFunctionsThatCallsEnterCheckTheTable(t *testing.T) {
	checks := regexp.MustCompile(`app\.Must(CheckedManager|Checker|Deliverer|Sweeper)\(`)
	for _, f := range table(t) {
		content, err := os.ReadFile(filepath.Join(root(t), "functions", f.Name, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := checks.Match(content), f.Route == ""; got != want {
			t.Errorf("functions/%s checks the table = %v, want %v", f.Name, got, want)
		}
	}
}

func TestMainsOnlyWire(t *testing.T) {
	const most = 25
	mains, err := filepath.Glob(filepath.Join(root(t), "functions", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range mains {
		if filepath.Base(path) != "main.go" {
			t.Errorf("%s: a function's folder holds only its main.go", path)
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(content, []byte("\n")); lines > most {
			t.Errorf("%s has %d lines, want at most %d", path, lines, most)
		}
		// A function is what its folder says: get-item serves GetItem, console that package.
		name := `(?i:` + strings.ReplaceAll(filepath.Base(filepath.Dir(path)), "-", "") + `)`
		constructor := regexp.MustCompile(`(httpapi\.|gateway\.Start)` + name + `\(|` + name + `\.Handler\(`)
		if !constructor.Match(content) {
			t.Errorf("%s has no %s", path, constructor)
		}
	}
	if len(mains) == 0 {
		t.Error("there are no functions")
	}
}

func TestFolderNamesSayWhatTheyProvide(t *testing.T) {
	empty := []string{"util", "utils", "common", "types", "models", "helpers", "misc", "shared"}
	err := filepath.WalkDir(root(t), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if path != root(t) && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if slices.Contains(empty, d.Name()) {
			t.Errorf("folder %s: its name does not say what it provides", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPackagesHaveNoHiddenEffects(t *testing.T) {
	initializer := regexp.MustCompile(`(?m)^func init\(`)
	fatal := regexp.MustCompile(`\blog\.(Fatal|Panic)|\bos\.Exit\(`)
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			path := filepath.Join(p.Dir, name)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if initializer.Match(content) {
				t.Errorf("%s has an init function: move its effect into a constructor", path)
			}
			if found := fatal.Find(content); found != nil && p.Name != "main" {
				t.Errorf("%s calls %s: only a main may end the process", path, found)
			}
		}
	}
}

package contract_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/openapi"
)

// breaks compares two documents. It returns the changes that break clients, each as CHANGELOG.md names it.
func breaks(t *testing.T, base, revision string) (lines []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "tool", "oasdiff", "breaking", base, revision, "--format", "json", "--allow-external-refs=false")
	cmd.Dir = "oasdiff" // its module
	var failures strings.Builder
	cmd.Stderr = &failures
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("oasdiff: %v\n%s", err, &failures)
	}
	var found []struct{ ID, Text, Operation, Path string }
	if err := json.Unmarshal(output, &found); err != nil {
		t.Fatal(err)
	}
	for _, c := range found {
		lines = append(lines, fmt.Sprintf("`%s %s`: %s: %s.", c.Operation, c.Path, c.ID, c.Text))
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// section returns the text below a heading, up to the next heading of its level.
func section(text, heading string) string {
	_, below, _ := strings.Cut("\n"+text, "\n"+heading+"\n")
	level, _, _ := strings.Cut(heading, " ")
	below, _, _ = strings.Cut(below, "\n"+level+" ")
	return below
}

// named returns the items of the list "Breaks clients" among the unreleased changes, each in one line.
func named(changelog string) (items []string) {
	list := "\n" + section(section(changelog, "## Unreleased"), "### Breaks clients")
	for _, item := range strings.Split(list, "\n- ")[1:] {
		item, _, _ = strings.Cut(item, "\n\n")
		items = append(items, strings.Join(strings.Fields(item), " "))
	}
	return items
}

// aboutDocument are the items that name a change of the document, not one that only people can see.
var aboutDocument = regexp.MustCompile("^`[A-Z]+ /[^`]*`: [a-z0-9-]+: ")

// names reports whether an item names a change. It may say more after it.
func names(item, change string) bool { return strings.HasPrefix(item+" ", change+" ") }

// compare returns the changes that no item names, and the items that name no change.
func compare(changes, items []string) (unnamed, untrue []string) {
	for _, change := range changes {
		if !slices.ContainsFunc(items, func(item string) bool { return names(item, change) }) {
			unnamed = append(unnamed, change)
		}
	}
	for _, item := range items {
		if aboutDocument.MatchString(item) && !slices.ContainsFunc(changes, func(change string) bool { return names(item, change) }) {
			untrue = append(untrue, item)
		}
	}
	return unnamed, untrue
}

// item returns a change as an item of CHANGELOG.md, in lines of at most 120 characters.
func item(change string) string {
	text, length := "-", 1
	for _, word := range strings.Split(change, " ") {
		if length += 1 + utf8.RuneCountInString(word); length > 120 {
			text, length = text+"\n ", 2+utf8.RuneCountInString(word)
		}
		text += " " + word
	}
	return text
}

// Each change of the document that breaks clients of the last release is in CHANGELOG.md, and each change there is one
// of the document.
func TestChangesThatBreakClientsAreNamed(t *testing.T) {
	present, err := checkout.Path(filepath.FromSlash(openapi.Name))
	if err != nil {
		t.Fatal(err)
	}
	released, err := filepath.Abs("released.json")
	if err != nil {
		t.Fatal(err)
	}
	unnamed, untrue := compare(breaks(t, released, present), named(read(t, "CHANGELOG.md")))
	for _, change := range unnamed {
		t.Errorf("a change breaks clients of the last release. Take it back, or add to CHANGELOG.md, below \"### Breaks clients\" of Unreleased (before the first release, copy the document instead: see CONTRIBUTING.md):\n%s", item(change))
	}
	for _, change := range untrue {
		t.Errorf("CHANGELOG.md names a change that the document does not have:\n%s", item(change))
	}
}

// Changes that break clients are found, and accepted only if CHANGELOG.md names each. Others are not found.
func TestOnlyChangesThatBreakClientsAreFound(t *testing.T) {
	schema := func(d object, name string) object { return at(d, "components", "schemas", name) }
	without := func(o object, list, name string) {
		o[list] = slices.DeleteFunc(o[list].([]any), func(v any) bool { return v == name })
	}
	for name, c := range map[string]struct {
		change func(document object)
		want   []string
	}{
		"an answer loses a property": {
			func(d object) {
				delete(at(schema(d, "Secret"), "properties"), "status")
				without(schema(d, "Secret"), "required", "status")
			},
			[]string{
				"`GET /api/secrets/`: response-required-property-removed",
				"`GET /api/secrets/{secret_id}/`: response-required-property-removed",
				"`PATCH /api/secrets/{secret_id}/`: response-required-property-removed",
				"`POST /api/secrets/`: response-required-property-removed",
				"`POST /api/secrets/{secret_id}/restore/`: response-required-property-removed",
			},
		},
		"an answer may lack a property": {
			func(d object) { without(schema(d, "Budget"), "required", "reset") },
			[]string{"`GET /api/budget/`: response-property-became-optional", "`GET /api/me/`: response-property-became-optional"},
		},
		"an answer may have another value": {
			func(d object) { at(schema(d, "Budget"), "properties", "limit")["maximum"] = 5000 },
			[]string{"`GET /api/budget/`: response-property-max-increased", "`GET /api/me/`: response-property-max-increased"},
		},
		"a request needs a new property": {
			func(d object) {
				schema(d, "NewSecret")["required"] = []any{"name", "owner"}
				at(schema(d, "NewSecret"), "properties")["owner"] = object{"type": "string"}
			},
			[]string{"`POST /api/secrets/`: new-required-request-property"},
		},
		"a property of a request is of fewer types": {
			func(d object) { without(at(schema(d, "NewItem"), "properties", "key"), "type", "number") },
			[]string{
				"`POST /api/secrets/{secret_id}/items/`: request-property-type-changed",
				"`POST /api/secrets/{secret_id}/items/batch/`: request-property-type-changed",
			},
		},
		"a limit of a request is narrower": {
			func(d object) { at(schema(d, "NewItem"), "properties", "value")["maxLength"] = 100 },
			[]string{
				"`POST /api/secrets/{secret_id}/items/`: request-property-max-length-decreased",
				"`POST /api/secrets/{secret_id}/items/batch/`: request-property-max-length-decreased",
			},
		},
		"a limit of a parameter is narrower": {
			func(d object) { at(d, "components", "parameters", "page_size", "schema")["maximum"] = 500 },
			[]string{
				"`GET /api/events/`: request-parameter-max-decreased",
				"`GET /api/keys/`: request-parameter-max-decreased",
				"`GET /api/secrets/`: request-parameter-max-decreased",
				"`GET /api/secrets/{secret_id}/events/`: request-parameter-max-decreased",
				"`GET /api/secrets/{secret_id}/items/`: request-parameter-max-decreased",
				"`GET /api/secrets/{secret_id}/items/{item_id}/events/`: request-parameter-max-decreased",
				"`GET /api/services/`: request-parameter-max-decreased",
				"`GET /api/users/`: request-parameter-max-decreased",
			},
		},
		"a parameter is gone": {
			func(d object) {
				get := at(d, "paths", "/api/services/", "get")
				get["parameters"] = get["parameters"].([]any)[1:]
			},
			[]string{"`GET /api/services/`: request-parameter-removed"},
		},
		"an operation is gone": {
			func(d object) { delete(at(d, "paths", "/api/services/{service_id}/"), "patch") },
			[]string{"`PATCH /api/services/{service_id}/`: api-removed-without-deprecation"},
		},
		"a path is gone": {
			func(d object) { delete(at(d, "paths"), "/api/budget/") },
			[]string{"`GET /api/budget/`: api-path-removed-without-deprecation"},
		},
		"a limit of a request is wider": {
			func(d object) { at(schema(d, "NewItem"), "properties", "value")["maxLength"] = 100_000 },
			nil,
		},
		"a request may have a new property": {
			func(d object) { at(schema(d, "NewSecret"), "properties")["owner"] = object{"type": "string"} },
			nil,
		},
		"an answer has a new property": {
			func(d object) {
				schema(d, "Secret")["required"] = append(schema(d, "Secret")["required"].([]any), "owner")
				at(schema(d, "Secret"), "properties")["owner"] = object{"type": "string"}
			},
			nil,
		},
		"a route is new": {
			func(d object) {
				get := object{"operationId": "getThing", "responses": object{"200": object{"description": "The thing."}}}
				at(d, "paths")["/api/thing/"] = object{"get": get}
			},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := document(t)
			c.change(changed)
			found := breaks(t, write(t, document(t)), write(t, changed))
			var got []string
			changelog := "## Unreleased\n\n### Breaks clients\n\n"
			for _, change := range found {
				if unnamed, _ := compare(found, named(changelog)); !slices.Contains(unnamed, change) {
					t.Errorf("it is accepted without %s", change)
				}
				changelog += item(change) + " Clients ask elsewhere.\n"
				got = append(got, strings.Join(strings.SplitN(change, ": ", 3)[:2], ": "))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("changes that break clients (-want +found):\n%s", diff)
			}
			changelog += "\n### Added\n\n- Nothing.\n"
			if unnamed, untrue := compare(found, named(changelog)); len(unnamed)+len(untrue) > 0 {
				t.Errorf("with\n%s\nit is not accepted: %q is unnamed, %q untrue", changelog, unnamed, untrue)
			}
			if unnamed, _ := compare(found, named(strings.Replace(changelog, "Unreleased", "1.0.0", 1))); len(unnamed) != len(found) {
				t.Error("the list of another release is accepted")
			}
			if _, untrue := compare(nil, named(changelog)); len(untrue) != len(found) {
				t.Error("names without changes are accepted")
			}
		})
	}
}

// Generated clients have the names of operations and schemas, which oasdiff does not compare.
func TestNamesOfTheReleaseStay(t *testing.T) {
	var released object
	if err := json.Unmarshal([]byte(read(t, "e2e/contract/released.json")), &released); err != nil {
		t.Fatal(err)
	}
	names := func(d object) map[string]bool {
		found := map[string]bool{}
		for name := range at(d, "components", "schemas") {
			found["schema "+name] = true
		}
		for _, item := range at(d, "paths") {
			for _, operation := range item.(object) {
				found["operation "+operation.(object)["operationId"].(string)] = true
			}
		}
		return found
	}
	changelog, present := strings.Join(named(read(t, "CHANGELOG.md")), "\n"), names(document(t))
	for name := range names(released) {
		if !present[name] && !strings.Contains(changelog, name) {
			t.Errorf("the %s is gone. Take it back, or name it in CHANGELOG.md, below \"### Breaks clients\" of Unreleased", name)
		}
	}
}

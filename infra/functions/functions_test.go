package functions_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/openapi"
)

func TestGeneratedFilesAreCurrent(t *testing.T) {
	table := read(t)
	for _, files := range []map[string]func([]functions.Function, []byte) ([]byte, error){functions.Files, openapi.Files} {
		for name, generate := range files {
			path, err := checkout.Path(name)
			if err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, err := generate(table, content)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if diff := cmp.Diff(string(want), string(content)); diff != "" {
				t.Errorf("%s is not what functions.yaml and the fragments of the document say: run go generate ./... (-generated +committed):\n%s", name, diff)
			}
		}
	}
}

// An edited part is replaced. A file without the marks is an error.
func TestOnlyTheMarkedPartIsGenerated(t *testing.T) {
	const head, foot = "# Title\n\n<!-- routes -->\n", "<!-- /routes -->\n\nThe end.\n"
	generate := functions.Files["docs/api.md"]
	table := []functions.Function{{Name: "get-thing", Does: "one thing", Route: "GET /things/{id}, GET /api/things.json"}}
	got, err := generate(table, []byte(head+"edited\n"+foot))
	want := head + "| | |\n|---|---|\n| `GET /things/{id}/`, `GET /api/things.json` | one thing |\n" + foot
	if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
		t.Errorf("generate = %v (-want +got):\n%s", err, diff)
	}
	for _, content := range []string{"", head, strings.ReplaceAll(head+foot, "/routes", "routes/")} {
		if _, err := generate(table, []byte(content)); err == nil {
			t.Errorf("generate(%q) = nil, want an error that names the mark", content)
		}
	}
}

// A row's indexes become one statement of its role, on the indexes of both tables.
func TestIndexesAreAStatementOfTheirOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "functions.yaml")
	row := "- {name: list-things, does: all, by: hand, rows: {Query: [THINGS#*]}, indexes: [by_secret, by_user]}\n"
	if err := os.WriteFile(path, []byte(row), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := functions.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	const head, foot = "\n      # --- Generated from functions.yaml by go generate \n", "  # --- End of the generated part "
	got, err := functions.Files["template.yaml"](table, []byte(head+foot))
	const want = `
              - Effect: Allow
                Action: dynamodb:Query
                Resource: !Split [",", !GetAtt Tables.Value]
                Condition: {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["THINGS#*"]}}
              # The keys of an index begin with an account's id: there is no common pattern to name.
              - Effect: Allow
                Action: dynamodb:Query
                Resource:
                  - !Sub "${Table.Arn}/index/by_secret"
                  - !If [IsRestored, !Sub "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${RestoredTable}/index/by_secret", !Ref AWS::NoValue]
                  - !Sub "${Table.Arn}/index/by_user"
                  - !If [IsRestored, !Sub "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${RestoredTable}/index/by_user", !Ref AWS::NoValue]
              - Effect: Allow
                Action: [logs:CreateLogStream, logs:PutLogEvents]
`
	if err != nil || !strings.Contains(string(got), want) {
		t.Errorf("template of %s = %v, %s\nwant in it%s", row, err, got, want)
	}
}

func TestFaultyRowsAreRefused(t *testing.T) {
	for row, want := range map[string]string{
		"{name: GetThing, does: one, route: GET /things}":                                            "GetThing: a name is words of small letters",
		"{name: get-thing, route: GET /things}":                                                      "get-thing: does is missing",
		"{name: get-thing, does: one}":                                                               "get-thing: nothing invokes it",
		"{name: get-thing, does: one, route: GET /Things}":                                           "GET /Things is not a route",
		"{name: get-thing, does: one, route: FETCH /things}":                                         "FETCH /things is not a route",
		"{name: get-thing, does: one, route: ANY /things}":                                           "only ANY /{proxy+}",
		"{name: get-thing, does: one, route: GET}":                                                   "GET: want METHOD /path",
		"{name: get-thing, does: one, route: GET //x}":                                               "GET //x is not a route",
		"{name: get-thing, does: one, route: 'GET /x/{a}.json'}":                                     "GET /x/{a}.json is not a route",
		"{name: get-thing, does: one, route: 'GET /x{a}{b}'}":                                        "GET /x{a}{b} is not a route",
		"{name: get-thing, does: one, route: 'GET /{proxy+}/y'}":                                     "GET /{proxy+}/y is not a route",
		"{name: get-thing, does: one, route: 'GET /x/{a}, PUT /x/{b}'}":                              "differ only in the names of parameters",
		"{name: get-thing, does: one|two, by: hand}":                                                 "no bar and no line break",
		"{name: get-thing, does: one, by: hand, timeout: -5}":                                        "timeout -5: want 1 to 900 seconds",
		"{name: get-thing, does: one, by: hand, memory: 64}":                                         "memory 64: want 128 to 10240 MB",
		"{name: get-thing, does: one, by: hand, timeout: 901}":                                       "timeout 901: want 1 to 900 seconds",
		"{name: get-thing, does: one, every: 5 minute}":                                              "5 minute is not an interval",
		"{name: get-thing, does: one, every: 1 minutes}":                                             "1 minutes is not an interval",
		"{name: get-thing, does: one, by: hand, rows: GetItem}":                                      "rows: want actions and their keys",
		"{name: get-thing, does: one, by: hand, rows: {GetItem: [A], Query: [A, B], GetItem: [B]}}":  "GetItem is in two grants",
		"{name: get-thing, does: one, every: now and then}":                                          "get-thing: now and then is not an interval",
		"{name: get-thing, does: one, route: GET /things, rows: {GetItem: []}}":                      "[GetItem] has no keys",
		"{name: get-thing, does: one, route: GET /things, row: {GetItem: [A]}}":                      "field row not found",
		"{name: get-thing, does: one, by: hand, indexes: [by_thing]}":                                "by_thing is not an index of the table: want by_secret or by_user",
		"{name: get-thing, does: one, by: hand, indexes: [by_user, by_secret, by_user]}":             "the index by_user is listed twice",
		"{name: get-thing, does: one, by: hand, indexes: by_user}":                                   "cannot unmarshal",
		"{name: a, does: one, by: hand}\n- {name: a, does: one, by: hand}":                           "a: a second row",
		"{name: a, does: one, route: GET /things}\n- {name: b, does: one, route: GET /things}":       "b: GET /things leads to a",
		"{name: a, does: one, by: hand}\n- {name: b, does: one, by: hand, timeout: a long time ago}": "cannot unmarshal",
	} {
		path := filepath.Join(t.TempDir(), "functions.yaml")
		if err := os.WriteFile(path, []byte("- "+row+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := functions.Read(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Read(%s) = %v, want %s", row, err, want)
		}
	}
}

func read(t *testing.T) []functions.Function {
	t.Helper()
	table, err := functions.Load()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

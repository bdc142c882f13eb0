package contract_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"goblins-secrets/infra/local/tool"
	"goblins-secrets/infra/openapi"
)

// problem is what the linter finds.
type problem struct {
	RuleID, Severity, Message string
	Location                  []struct{ Pointer string }
}

// lint returns the problems of a document, warnings too.
func lint(t *testing.T, document string) []problem {
	t.Helper()
	config, err := filepath.Abs("redocly.yaml")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "openapi.json"), []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	// It fails if it finds errors. What it found is then in its report.
	output, err := shell(t, folder, "redocly lint --format json --config "+tool.Quote(config)+" openapi.json >report.json")
	report, missing := os.ReadFile(filepath.Join(folder, "report.json"))
	if missing != nil {
		t.Fatal(missing)
	}
	var found struct {
		Totals   struct{ Errors, Warnings, Ignored int }
		Problems []problem
	}
	if json.Unmarshal(report, &found) != nil || (err == nil) != (found.Totals.Errors == 0) {
		t.Fatalf("%v\n%s%s", err, output, report)
	}
	if total := found.Totals.Errors + found.Totals.Warnings + found.Totals.Ignored; total != len(found.Problems) {
		t.Errorf("%d problems are counted, and %d listed", total, len(found.Problems))
	}
	return found.Problems
}

func TestDocumentIsLintClean(t *testing.T) {
	text := read(t, openapi.Name)
	for _, p := range lint(t, text) {
		t.Errorf("%s: %s: %s, at %v", p.Severity, p.RuleID, p.Message, p.Location)
	}
	if found := lint(t, strings.Replace(text, `"summary": "Get the budget",`, "", 1)); len(found) != 1 || found[0].RuleID != "operation-summary" {
		t.Errorf("without a summary, lint found %v", found)
	}
}

// A rule that is off has its reason above it.
func TestLintRulesThatAreOffHaveReasons(t *testing.T) {
	var config struct{ Rules yaml.Node }
	if err := yaml.Unmarshal([]byte(read(t, "e2e/contract/redocly.yaml")), &config); err != nil {
		t.Fatal(err)
	}
	rules := config.Rules.Content
	for i := 0; i < len(rules); i += 2 {
		if rules[i].HeadComment == "" {
			t.Errorf("the rule %s has no reason", rules[i].Value)
		}
	}
	if len(rules) == 0 {
		t.Error("there are no rules")
	}
}

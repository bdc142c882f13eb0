package clients

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/stack"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/infra/local/tool"
	"goblins-secrets/pkg/secrets"
)

// hostile are names that break careless readers of CSV, or that a spreadsheet would take for formulas.
var hostile = []string{"plain", `=cmd|' /C calc'!A0`, "+1,2", `-"quoted"`, "@sum", "two\r\nlines", "\ttab", `a,"b",c`, "日本 💥"}

// trail appends events of the past to the log of an account on a running stack.
func (r running) trail(t *testing.T, account uuid.UUID, from time.Time, n int) (ids []string) {
	t.Helper()
	endpoints, err := stack.Running(r.data)
	if err != nil {
		t.Fatal(err)
	}
	path, err := checkout.Path("template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := template.Read(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := endpoints.Manager(tmpl, "GetItem")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		name := hostile[i%len(hostile)]
		ev := secrets.Event{
			ID: secrets.NewEventID(from.Add(time.Duration(i)*time.Second), m.NewID()), AccountID: account, Action: secrets.SecretUpdated,
			Outcome: secrets.OutcomeAllowed, User: secrets.Named{ID: m.NewID(), Name: name}, Secret: secrets.Named{ID: m.NewID(), Name: name},
			Changed: []string{"name"}, From: map[string]string{"name": name}, UserAgent: name,
		}
		if err := m.Store.AppendEvent(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, ev.ID.String())
	}
	return ids
}

// recipe returns the block of commands in docs/api.md that has a text, with small pages.
func recipe(t *testing.T, text string) string {
	t.Helper()
	for _, block := range fenced(t, "docs/api.md", "sh") {
		if strings.Contains(block, text) {
			return strings.Replace(block, "page_size=1000", "page_size=7", 1)
		}
	}
	t.Fatalf("docs/api.md has no block with %q", text)
	return ""
}

// The commands of docs/api.md export the log as one table, which other programs read, and poll it without gaps or
// repeats.
func TestLogIsExportedAsDocumented(t *testing.T) {
	r := start(t)
	env := r.account(t, "exported")
	account := uuid.MustParse(regexp.MustCompile(`ACCOUNT_ID='?([0-9a-f-]{36})`).FindStringSubmatch(env)[1])
	folder := t.TempDir()
	shell := func(script string) string {
		return r.shell(t, env, "cd "+tool.Quote(folder)+"\n"+recipe(t, "api() {")[:strings.Index(recipe(t, "api() {"), "\n\n")]+"\n"+script)
	}
	begin := time.Now().UTC().Truncate(time.Minute).Add(-10 * time.Minute)
	ids := r.trail(t, account, begin, 3*len(hostile))

	export := strings.Replace(recipe(t, "events.csv"), "$YEAR\"", "since="+begin.Format(time.RFC3339)+"\"", 1) // also on the first of January
	output := shell(export + `
python3 -c 'import csv, json; print(json.dumps([r["user_name"] for r in csv.DictReader(open("events.csv", newline=""))][::-1]))'`)
	text, err := os.ReadFile(filepath.Join(folder, "events.csv"))
	if err != nil {
		t.Fatal(err)
	}
	// encoding/csv reads a line break in a cell as LF.
	records, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for i := range ids {
		name := hostile[i%len(hostile)]
		if strings.ContainsAny(name[:1], "=+-@\t") {
			name = "'" + name
		}
		want = append(want, ids[i]+" "+strings.ReplaceAll(name, "\r\n", "\n"))
	}
	for i := len(records) - 1; i > 0; i-- {
		if record := records[i]; record[2] == "secret.updated" {
			got = append(got, record[0]+" "+record[5])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || records[0][0] != "id" || records[0][5] != "user_name" {
		t.Errorf("the table as Go reads it, with the header %v (-want +got):\n%s", records[0], diff)
	}
	if n := strings.Count(string(text), "id,at,action"); n != 1 {
		t.Errorf("the table has %d headers, want one", n)
	}
	for _, name := range []string{`"'=cmd|' /C calc'!A0"`, `"two\r\nlines"`, `"'\ttab"`, `"a,\"b\",c"`} {
		if strings.Count(output, name) != 3 {
			t.Errorf("Python reads %s, want %s three times", output, name)
		}
	}

	poll := recipe(t, "poll() {")
	next := strings.Split(recipe(t, "events.csv"), "\n")[0] + "\n"
	shell(next + poll + "poll\n")
	ids = append(ids, r.trail(t, account, begin.Add(5*time.Minute), 9)...)
	polled := shell(next + poll + "poll\njq -r .id events.ndjson")
	if diff := cmp.Diff(ids, sorted(strings.Fields(polled))); diff != "" {
		t.Errorf("a poller's events (-want +got):\n%s", diff)
	}
}

func sorted(texts []string) []string {
	slices.Sort(texts)
	return texts
}

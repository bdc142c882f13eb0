package browser

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/google/go-cmp/cmp"

	"goblins-secrets/infra/local/checkout"
)

const (
	enter  = "\r"
	escape = "\x1b"
)

// An import shows a preview, its progress, and the result of each line.
func TestImportCreatesAndChangesItems(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "s")
	a.item(t, s, "KEY_07", "old")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	tb.see("KEY_07")

	lines := []string{"# settings", ""}
	for i := 1; i <= 50; i++ {
		lines = append(lines, fmt.Sprintf("KEY_%02d=PLANTED %d", i, i))
	}
	lines = append(lines, "NO VALUE", "EMPTY=", "KEY_01=again", "bad key=x", `export CERT="-----BEGIN-----`, `line two\t"  # its end`)
	tb.click("button", "Paste .env")
	tb.fill("Contents of the file", strings.Join(lines, "\n"))
	tb.see("50 to add, 1 to change, 4 to skip", "Line 4 KEY_02 Add (9 characters)", "Line 9 KEY_07 Change (9 characters)",
		"Line 3 KEY_01 Skipped. Line 55 sets it again.", "Line 53 Skipped. This line is not KEY=value.",
		"Line 54 EMPTY Skipped. The value is empty.", "Line 57 CERT Add")
	tb.click("button", "Import 51 items")
	tb.see("51 of 51 done.", "Line 9 KEY_07 Changed", "Line 4 KEY_02 Added")
	tb.click("button", "Close")
	tb.see("51 items")

	got := a.items(t, s)
	if len(got) != 51 {
		t.Errorf("items after the import = %d, want 51", len(got))
	}
	for key, want := range map[string]string{
		"KEY_01": "again", "KEY_07": "PLANTED 7", "KEY_50": "PLANTED 50", "CERT": "-----BEGIN-----\nline two\t",
	} {
		var it itemBody
		a.call(t, "GET", "secrets/"+s.ID+"/items/"+got[key].ID+"/", nil, &it)
		if it.Value != want {
			t.Errorf("%s = %q, want %q", key, it.Value, want)
		}
	}
	if n := shared.reveals(t, got["KEY_02"].ID); n != 0 {
		t.Errorf("reveals after the import = %d, want 0", n)
	}
}

// parseDotenv alone, without the page.
func TestDotenvLinesBecomeEntriesOrProblems(t *testing.T) {
	t.Parallel()
	type entry struct {
		Line       int
		Key, Value string
		Problem    string `json:",omitempty"`
	}
	const (
		badKey   = `A key has 1 to 253 letters, digits, dots, underscores and hyphens. It is not ".", and does not begin with "..".`
		noValue  = "The value is empty."
		noneSuch = "This line is not KEY=value."
	)
	tb := withDotenv(t)
	good := func(key, value string) []entry { return []entry{{1, key, value, ""}} }
	for text, want := range map[string][]entry{
		"":                                     nil,
		"\n  # only a comment\n\t\n":           nil,
		"A=b":                                  good("A", "b"),
		"  A = b c  ":                          good("A", "b c"),
		"export A=b":                           good("A", "b"),
		"export\tA=b":                          good("A", "b"),
		"exported=b":                           good("exported", "b"),
		"A=b=c==":                              good("A", "b=c=="),
		"A=b # c":                              good("A", "b"),
		"A=b#c":                                good("A", "b#c"),
		"A=$B ${C} `d`":                        good("A", "$B ${C} `d`"),
		"A='b # c' # d":                        good("A", "b # c"),
		`A='b\n"c"'`:                           good("A", `b\n"c"`),
		`A="b\n\t\"\\\$\q'c'"`:                 good("A", "b\n\t\"\\$\\q'c'"),
		"A=\"b\nc=d\n\n# e\"":                  good("A", "b\nc=d\n\n# e"),
		"A='b\r\nc'\rD=e":                      {{1, "A", "b\nc", ""}, {3, "D", "e", ""}},
		"A=' '":                                good("A", " "),
		"A=it's":                               good("A", "it's"),
		"A=\u00e9\u2028\U0001F47A":             good("A", "\u00e9\u2028\U0001F47A"),
		"a.b-C_1=x":                            good("a.b-C_1", "x"),
		"A=":                                   {{1, "A", "", noValue}},
		"A=''":                                 {{1, "A", "", noValue}},
		"A= # b":                               {{1, "A", "", noValue}},
		"A":                                    {{1, "", "", noneSuch}},
		"=b":                                   {{1, "", "", noneSuch}},
		"A B=c":                                {{1, "", "", noneSuch}},
		"A\u00e9=b":                            {{1, "A\u00e9", "b", badKey}},
		".=b":                                  {{1, ".", "b", badKey}},
		"..A=b":                                {{1, "..A", "b", badKey}},
		".A..=b":                               good(".A..", "b"),
		"<b>=c":                                {{1, "<b>", "c", badKey}},
		"A='b":                                 {{1, "A", "", "The quote ' is not closed."}},
		"A='b\nC=d":                            {{1, "A", "", "The quote ' is not closed."}, {2, "C", "d", ""}},
		"A='b'c":                               {{1, "A", "", "There is text after the closing quote."}},
		"A=1\nB=2\nA=3":                        {{1, "A", "1", "Line 3 sets it again."}, {2, "B", "2", ""}, {3, "A", "3", ""}},
		"A=1\nA=":                              {{1, "A", "1", ""}, {2, "A", "", noValue}},
		"A=" + strings.Repeat("\u00e9", 32768): good("A", strings.Repeat("\u00e9", 32768)),
		"A=" + strings.Repeat("\u00e9", 32768) + "x": {{1, "A", strings.Repeat("\u00e9", 32768) + "x", "The value is longer than 64 KiB."}},
	} {
		got := eval[[]entry](tb, "dotenv.parseDotenv("+quote(text)+")")
		if len(got) == 0 {
			got = nil
		}
		if diff := cmp.Diff(want, got); diff != "" {
			short, _ := json.Marshal(text[:min(len(text), 60)])
			t.Errorf("parseDotenv(%s) (-want +got):\n%s", short, diff[:min(len(diff), 1000)])
		}
	}
}

// withDotenv opens a page with the functions of dotenv.js.
func withDotenv(t *testing.T) *tab {
	t.Helper()
	tb := open(t, shared, "/console/")
	module, err := checkout.Path("pkg", "console", "web", "dotenv.js")
	if err != nil {
		t.Fatal(err)
	}
	script := api.Build(api.BuildOptions{EntryPoints: []string{module}, Bundle: true, GlobalName: "dotenv"})
	if len(script.Errors) > 0 {
		t.Fatal(script.Errors[0].Text)
	}
	tb.run(string(script.OutputFiles[0].Contents))
	return tb
}

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
	lines = append(lines, "NO VALUE", "EMPTY=", "KEY_01=again", "bad key=x", `export CERT="-----BEGIN-----`, `line two\t"  # its end`, "HASH=a#b", "OPEN='x", "SWALLOWED=y")
	tb.click("button", "Paste .env")
	tb.fill("Contents of the file", strings.Join(lines, "\n"))
	tb.see("51 to add, 1 to change, 6 lines to skip", "Line 4 KEY_02 Add (9 characters)", "Line 9 KEY_07 Change (9 characters)",
		"Line 3 KEY_01 Skipped. Line 55 sets it again.", "Line 53 Skipped. This line is not KEY=value.",
		"Line 54 EMPTY Skipped. The value is empty.", "Lines 57–58 CERT Add",
		"Line 59 HASH Add (3 characters). Parsers differ here: # is taken as part of the value.", "Lines 60–61 OPEN Skipped. The quote ' is not closed.")
	tb.click("button", "Import 52 items")
	tb.see("52 of 52 done.", "Line 9 KEY_07 Changed", "Line 4 KEY_02 Added")
	tb.click("button", "Close")
	tb.see("52 items")

	got := a.items(t, s)
	if len(got) != 52 {
		t.Errorf("items after the import = %d, want 52", len(got))
	}
	for key, want := range map[string]string{
		"KEY_01": "again", "KEY_07": "PLANTED 7", "KEY_50": "PLANTED 50", "CERT": "-----BEGIN-----\nline two\t", "HASH": "a#b",
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

// parseDotenv alone, without the page. e2e/dotenv compares it with other parsers.
func TestDotenvLinesBecomeEntriesOrProblems(t *testing.T) {
	t.Parallel()
	type entry struct {
		Line, Last int
		Key, Value string
		Problem    string `json:",omitempty"`
		Note       string `json:",omitempty"`
	}
	const (
		badKey    = `A key has 1 to 253 letters, digits, dots, underscores and hyphens. It is not ".", and does not begin with "..".`
		noValue   = "The value is empty."
		noneSuch  = "This line is not KEY=value."
		skipsAll  = " All that follows is skipped with it."
		textAfter = "There is text after the closing quote. Put the value in quotes that it does not contain."
		noQuotes  = "This block of several lines is not in quotes. Put a quote before its -----BEGIN and one after its last line."
		ofSeveral = "This line may be the end of a value of several lines. Put that value in quotes."

		shellKey   = "Parsers differ here: a shell refuses this key, or a space beside =."
		shellValue = "Parsers differ here: a shell may need quotes."
		sharp      = "Parsers differ here: # is taken as part of the value."
		backticks  = "Parsers differ here: backticks are taken as quotes."
		escapes    = `Parsers differ here: \n, \r, \t, \", \' and \\ are taken as escapes.`
	)
	tokens := strings.Repeat("Ab1/", 16) // like base64
	open := func(quote string) string { return "The quote " + quote + " is not closed." + skipsAll }
	const straight = ` Curly quotes do not count: write " or '.`
	tb := withDotenv(t)
	good := func(key, value string) []entry { return []entry{{1, 1, key, value, "", ""}} }
	noted := func(key, value, note string) []entry { return []entry{{1, 1, key, value, "", note}} }
	bad := func(last int, key, problem string) []entry { return []entry{{1, last, key, "", problem, ""}} }
	with := func(first []entry, more ...entry) []entry { return append(first, more...) }
	for text, want := range map[string][]entry{
		"":                           nil,
		"\n  # only a comment\n\t\n": nil,
		"A=b":                        good("A", "b"),
		"\ufeffA=b":                  good("A", "b"),
		"export A=b":                 good("A", "b"),
		"export\tA=b":                good("A", "b"),
		"exported=b":                 good("exported", "b"),
		"export=b":                   good("export", "b"),
		"S=" + tokens + "\nQWERTYuiop1234567890ab==": {
			{1, 1, "S", tokens, "This value may go on in the next line. Put it in quotes.", ""}, {2, 2, "", "", ofSeveral, ""},
		},
		"S=" + tokens + "\nFOO=":                {{1, 1, "S", tokens, "", ""}, {2, 2, "FOO", "", noValue, ""}},
		"DB=old\nDB+=new":                       {{1, 1, "DB", "old", "Line 2 sets it again.", ""}, {2, 2, "", "new", badKey, ""}},
		"DB=old\n'DB'=new":                      {{1, 1, "DB", "old", "Line 2 sets it again.", ""}, {2, 2, "", "", noneSuch, ""}},
		"A=b=c==":                               good("A", "b=c=="),
		"A=b # c":                               good("A", "b"),
		"A='b # c' # d":                         good("A", "b # c"),
		`A='b\n"c"'`:                            good("A", `b\n"c"`),
		`A="it's"`:                              good("A", "it's"),
		`A="\$b"`:                               good("A", "$b"),
		"A=$B${C}":                              good("A", "$B${C}"),
		"A=' '":                                 good("A", " "),
		"A=\u00e9\U0001F47A":                    good("A", "\u00e9\U0001F47A"),
		"A='b\r\nc'\rD=e":                       {{1, 2, "A", "b\nc", "", ""}, {3, 3, "D", "e", "", ""}},
		"A=\"b\nc=d\n\n# e\"\nF=g":              {{1, 4, "A", "b\nc=d\n\n# e", "", ""}, {5, 5, "F", "g", "", ""}},
		"A=" + strings.Repeat("é", 32768):       good("A", strings.Repeat("é", 32768)),
		"A=" + strings.Repeat("é", 32768) + "x": {{1, 1, "A", strings.Repeat("é", 32768) + "x", "The value is longer than 64 KiB.", ""}},

		// Parsers differ.
		" A = b":               noted("A", "b", shellKey),
		"a.b-C_1=x":            noted("a.b-C_1", "x", shellKey),
		".A..=b":               noted(".A..", "b", shellKey),
		"A=b c":                noted("A", "b c", shellValue),
		"A=it's":               noted("A", "it's", shellValue),
		"A=b\u2028":            noted("A", "b", ""),
		"A=x `d`":              noted("A", "x `d`", shellValue),
		"A=b#c":                noted("A", "b#c", sharp),
		"A=#b":                 noted("A", "#b", sharp),
		"A=#b #c":              noted("A", "#b", sharp),
		"A=b # c # d":          noted("A", "b", "Parsers differ here: the comment is taken from the first # after a space."),
		"A='b'#c":              noted("A", "b", "Parsers differ here: # is taken as the start of a comment."),
		`A='b\\c'`:             noted("A", `b\\c`, "Parsers differ here: backslashes are taken as they are."),
		`A="b\n\t\"\\\$\q'c'"`: noted("A", "b\n\t\"\\$\\q'c'", escapes),
		"A=`b'\"\\n`":          noted("A", "b'\"\\n", backticks),
		"A=`b\nc=d` # e\nF=g":  {{1, 2, "A", "b\nc=d", "", backticks}, {3, 3, "F", "g", "", ""}},
		"A=\"b`c\"":            noted("A", "b`c", "Parsers differ here: backticks are taken as they are."),
		"A=“b”":                noted("A", "“b”", "The quotes “ and ” are part of the value. Only \", ' and ` enclose a value."),

		// Refused lines. Only those that surely begin with a key show one.
		"A=":             bad(1, "A", noValue),
		"A=''":           bad(1, "A", noValue),
		"A= # b":         bad(1, "A", "The value is empty: # after a space starts a comment. Put a value with # in quotes."),
		"A":              bad(1, "", noneSuch),
		"=b":             bad(1, "", noneSuch),
		"A B=c":          bad(1, "", noneSuch),
		"export =b":      bad(1, "", noneSuch),
		"A: b":           bad(1, "", noneSuch+" Write = instead of the colon."),
		"A\u00e9=b":      {{1, 1, "", "b", badKey, ""}},
		".=b":            {{1, 1, "", "b", badKey, ""}},
		"..A=b":          {{1, 1, "", "b", badKey, ""}},
		"<b>=c":          {{1, 1, "", "c", badKey, ""}},
		"ab/cd==":        {{1, 1, "", "=", badKey, ""}},
		`A="b\fc"`:       bad(1, "A", `Parsers differ about \f in double quotes. Put the value in single quotes.`),
		`A='it\'s'`:      bad(1, "A", `Parsers differ about \' in these quotes. Put the value in other quotes.`),
		"A='b'c\nD=e":    with(bad(1, "A", textAfter), entry{2, 2, "D", "e", "", ""}),
		"A=\"b\"c\"\nD=": bad(2, "A", textAfter+skipsAll),
		// The next quote closes A. All that follows is in quotes for some parsers, not for others.
		"A=\"b\nC=\"d\"\nMII=": bad(3, "A", textAfter+skipsAll),
		"A='b\nC=' d\nMII=":    bad(3, "A", textAfter+skipsAll),
		"A='b":                 bad(1, "A", open("'")),
		"A='b\nC=d\n":          bad(3, "A", open("'")),
		"A=`b\nC=d":            bad(2, "A", open("`")),
		"A=\"b”\nC=d":          bad(2, "A", open(`"`)+straight),
		"A=“b\nMII=\nc”\nC=d":  bad(4, "A", open("“")+straight),
		"\"b\nMII=\n\"\nC=d":   bad(4, "", noneSuch+skipsAll),
		"A: 'b\nMII=\n'\nC=d":  bad(4, "", noneSuch+" Write = instead of the colon."+skipsAll),
		"A=-----BEGIN X-----\nMII=\n-----END X-----\nC=d": with(bad(3, "A", noQuotes), entry{4, 4, "C", "d", "", ""}),
		"-----BEGIN X-----\nMII=\nC=d":                    bad(3, "", noQuotes),
		"A=-----BEGIN X-----\\nMII=\\n-----END X-----\n":  noted("A", `-----BEGIN X-----\nMII=\n-----END X-----`, shellValue),
		"A B\nabcdef==\nC=":                               with(bad(1, "", noneSuch), entry{2, 2, "", "", ofSeveral, ""}, entry{3, 3, "C", "", noValue, ""}),

		// The last line for a key counts, even if it is refused.
		"A=1\nB=2\nA=3":      {{1, 1, "A", "1", "Line 3 sets it again.", ""}, {2, 2, "B", "2", "", ""}, {3, 3, "A", "3", "", ""}},
		"A=1\nA=":            {{1, 1, "A", "1", "Line 2 sets it again.", ""}, {2, 2, "A", "", noValue, ""}},
		"A=1\nA='2":          {{1, 1, "A", "1", "Line 2 sets it again.", ""}, {2, 2, "A", "", open("'"), ""}},
		"A=1\nA: 2":          {{1, 1, "A", "1", "Line 2 sets it again.", ""}, {2, 2, "", "", noneSuch + " Write = instead of the colon.", ""}},
		"A=1\nB='2\nA=3":     {{1, 1, "A", "1", "Line 3 sets it again.", ""}, {2, 3, "B", "", open("'"), ""}},
		"A=1\nB=`2\nA=3`":    {{1, 1, "A", "1", "Line 3 sets it again.", ""}, {2, 3, "B", "2\nA=3", "", backticks}},
		"A=1\nB='2\nA=3'":    {{1, 1, "A", "1", "", ""}, {2, 3, "B", "2\nA=3", "", ""}},
		"A=1\nexport A\nB=2": {{1, 1, "A", "1", "", ""}, {2, 2, "", "", noneSuch, ""}, {3, 3, "B", "2", "", ""}},
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

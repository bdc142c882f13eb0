// Package dotenv compares the console's reading of .env files with the parsers that people use: dotenv of
// Node.js, godotenv, python-dotenv, and bash.
package dotenv

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/joho/godotenv"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/tool"
)

//go:embed pins
var pins embed.FS

// written are the texts that show where the four parsers agree, and where they differ.
var written = []string{
	"A=b", "A=b\nB=c\n", "  A=b", "export A=b", "export\tA=b", "export=b", "exported=b", "A=b=c==", "A=é", "A=b  ", "# A=b\n\nA=c",
	"A=b # c", "A=b #c", "A=b#c", "A=b\t# c", "A=b # c # d", "A=b # it's", "A=#b", "A=#b # c", "A= #b", "A=\t# b", "A=##",
	"A=", "A=\nB=c", "A=''", `A=""`, "A= ", "A=1\nA=2", "A=1\nA=", "A=1\nA='", "A=1\nA=\"x\"y", "A=1\nA=2 3", "A=1\nA 2", "A=1\nA",
	"A=1\nexport A", "A = b", "A= b", "A =b", "A=b c", "A=b;c", "A=b&c", "A=b|c", "A=b<c", "A=b(c)", "A=(b)", "A=~", "A=b:~/c", "A=*",
	"A={b,c}", "export A={b,c}", "A=[b]", "A=!b", "A=b!", "A=%^,@/+-?", `A=b\c`, `A=b\`, `A={"b":1}`, "A=it's", `A=b"c"`, "A=b`c`",
	"A: b", "A: b=c", "A:b", "A:\nB=c", "A : b", "export A: b", "1A=b", "a.b=c", "a-b=c", "A b=c", "=b", "A", "'A'=b", "A+=b", "é=b",
	"A='b'", "A='b # c' # d", "A='b'#c", "A='b' c", "A='b'c", "A='b\nC=d'\nB=e", "A='b", "A='b\nB=c", "A='b\nB='c'", "A='b\nB='",
	`A='b\n"c"'`, `A='b\\c'`, `A='b\c'`, `A='b\'`, `A='b\\'`, `A='it\'s'`, "A='C:\\b\\'\nB='c'", "A='b\\'\nB=c\nC='", "A=' b '", "A='b`c'",
	`A="b"`, `A="b # c" # d`, `A="b"#c`, `A="b" c`, `A="b"c"`, "A=\"b\nC=d\n\n# e\"\nB=f", `A="b`, "A=\"b\nB=c", "A=\"b\nB=\"c\"\nC=d",
	`A="b\nc"`, `A="b\rc"`, `A="b\tc"`, `A="b\"c"`, `A="b\\c"`, `A="b\\nc"`, `A="b\'c"`, `A="b\qc"`, `A="C:\bin"`, `A="b\"`, `A="b\\"`,
	`A="\"b\""`, "A=\"b\\\nc\"", `A="it's"`, "A=\"b`c\"", `A="{"b":1}"`, "A=`b`", "A=`b\nC=d`\nB=e", "A=`b", "A=`b`c", "A=`b\\`", "A=`'\"`",
	"A=“b”", "A=“b c”", "A=b’s", "A=“b", "A=“b\nMIIB=\nc”",
	"A=-----BEGIN X-----\nabc=\n-----END X-----\nB=c", "A=\"-----BEGIN X-----\nabc=\n-----END X-----\"\nB=c",
	"-----BEGIN X-----\nabc=\nB=c", "A=x\na/b\nabcdef==\nB=c", "A:b\nabcdef==",
	"A=-----BEGIN X-----\nB=c\n-----END X-----", "A=b\n'x'\nB=c", "A=b\nif\nB=c", "A=b\r\nB='c\r\nd'\r\n", "\ufeffA=b",
}

// entry is what parseDotenv returns.
type entry struct {
	Line, Last                int
	Key, Value, Problem, Note string
}

// Where all four parsers agree about a key, the console imports the same. Where they differ, it imports the value
// of one of them, and the preview says so there or before; or it refuses the line. No line is missing from the
// preview. Texts with $ are left out: the console substitutes nothing, as its dialog says.
func TestConsoleReadsAsOtherParsersDo(t *testing.T) {
	dir, err := install(t)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI must have the other parsers: %v", err)
		}
		fmt.Fprintln(os.Stderr, "The other parsers of .env files are missing. The comparison with them was NOT run:", err)
		t.SkipNow()
	}
	texts := slices.Concat(written, generated(3000))
	ours, theirs := read(t, dir, texts)
	agreed, differed, notes := 0, 0, 0
	for i, text := range texts {
		agree, differ, note, wrong := compare(text, ours[i], [4]map[string]string{theirs[0][i], theirs[1][i], theirs[2][i], theirs[3][i]})
		agreed, differed, notes = agreed+agree, differed+differ, notes+note
		if wrong != "" {
			t.Errorf("%q: %s\n  the console %+v\n  dotenv %q, godotenv %q, python-dotenv %q, bash %q",
				text, wrong, ours[i], theirs[0][i], theirs[1][i], theirs[2][i], theirs[3][i])
		}
	}
	t.Logf("%d texts: keys that all four read equal: %d, differently: %d of which %d are imported with a note", len(texts), agreed, differed, notes)
	if agreed < 500 || differed < 1000 || notes < 500 {
		t.Errorf("the generated texts are too similar: %d keys agree, %d differ, %d of them imported", agreed, differed, notes)
	}
}

// compare counts the keys about which the four parsers agree, those about which they differ, and those of them that
// are imported. It also returns what is wrong.
func compare(text string, ours []entry, theirs [4]map[string]string) (agreed, differed, imported int, wrong string) {
	lines := strings.Split(normal(text), "\n")
	found := map[string]entry{} // what the console imports, by key
	for _, e := range ours {
		if e.Problem == "" {
			found[e.Key] = e
		}
	}
	keys := map[string]bool{}
	for _, values := range theirs {
		for key := range values {
			keys[key] = true
		}
	}
	for key := range found {
		keys[key] = true
	}
	for key := range keys {
		e, isImported := found[key]
		first, inFirst := theirs[0][key]
		same, known := true, false
		for _, values := range theirs {
			value, in := values[key]
			same = same && in == inFirst && value == first
			known = known || in && value == e.Value
		}
		refused := slices.ContainsFunc(ours, func(o entry) bool { return o.Problem != "" && o.Key == key || isBroken(o) })
		if same {
			agreed++
		} else {
			differed++
		}
		switch {
		case same && first != "" && e.Value != first && (isImported || !refused):
			wrong = fmt.Sprintf("all four read %s=%q", key, first)
		case same && first == "" && (isImported || !refused):
			wrong = fmt.Sprintf("all four read an empty %s, which must be refused", key)
		case isImported && !known:
			wrong = fmt.Sprintf("%s=%q is the reading of none of the four", key, e.Value)
		case isImported && !same:
			imported++
			if !slices.ContainsFunc(ours, func(o entry) bool { return o.Line <= e.Line && o.Problem+o.Note != "" }) {
				wrong = fmt.Sprintf("the four differ about %s, and the preview does not say so", key)
			}
		}
	}
	if len(ours) == 1 && ours[0].Note != "" && differed == 0 && strings.Contains(ours[0].Note, "Parsers differ") && !maybe.MatchString(ours[0].Value) {
		wrong = "the preview says that parsers differ, but they agree"
	}
	for i, line := range lines {
		visible := slices.ContainsFunc(ours, func(e entry) bool { return e.Line <= i+1 && i+1 <= e.Last })
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && !visible {
			wrong = fmt.Sprintf("line %d is missing from the preview", i+1)
		}
	}
	return agreed, differed, imported, wrong
}

// file is what formatDotenv returns.
type file struct {
	Text     string
	Doubtful []string
}

// What the console writes, it reads back, and so do all four parsers, except for the keys that it calls doubtful. Values
// with $ count too: a shell and godotenv must not replace it.
func TestConsoleWritesWhatParsersRead(t *testing.T) {
	dir, err := install(t)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI must have the other parsers: %v", err)
		}
		fmt.Fprintln(os.Stderr, "The other parsers of .env files are missing. The comparison with them was NOT run:", err)
		t.SkipNow()
	}
	random := rand.New(rand.NewPCG(21, 6))
	pieces := []string{"a", "b1", "é", " ", "  ", "\t", "#", " #", "'", `"`, "`", `\`, `\n`, `\\`, "\n", "\r", "\r\n", "$", "${A}", "$(b)", "=", ":", "~", "*", "{c,d}", ";", "&", "!", "-----BEGIN X-----", "export ", "\u2028", "“"}
	values := []string{"a", "it's", `say "b"`, "$HOME", "${HOME}", "a$b'c", "-----BEGIN X-----\nabc=\n-----END X-----\n", `{"a":"b$1"}`, `C:\b\`, "postgres://u:p@h:5432/d?a=b&c=d#e", "~", "a:~/b", " a ", "\n"}
	for range 1000 {
		var s strings.Builder
		for range 1 + random.IntN(6) {
			s.WriteString(pieces[random.IntN(len(pieces))])
		}
		values = append(values, s.String())
	}
	input := make([]map[string]string, len(values))
	for i, value := range values {
		input[i] = map[string]string{"FIRST": "x", "KEY": value, "LAST": "y z"}
	}
	files := write(t, input)
	texts := make([]string, len(files))
	for i, f := range files {
		texts[i] = f.Text
	}
	ours, theirs := read(t, dir, texts)
	sure := 0
	for i, f := range files {
		want := input[i]
		got := map[string]string{}
		for _, e := range ours[i] {
			if e.Problem == "" {
				got[e.Key] = e.Value
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%q: the console reads %q, want %q", f.Text, got, want)
		}
		if len(f.Doubtful) > 0 {
			continue
		}
		sure++
		for parser, name := range []string{"dotenv", "godotenv", "python-dotenv", "bash"} {
			if read := theirs[parser][i]; !maps.Equal(read, want) {
				t.Errorf("%q: %s reads %q, want %q", f.Text, name, read, want)
			}
		}
	}
	t.Logf("%d of %d values are written so that all read them", sure, len(values))
	if sure < len(values)/3 {
		t.Errorf("values that all parsers read = %d of %d, want a third", sure, len(values))
	}
}

// maybe matches values that bash changes, but not always: by a home folder, by alternatives, or by the next line.
var maybe = regexp.MustCompile(`~|\{|\\$`)

// isBroken reports whether an entry is refused because its lines may be those of a secret whose quotes are missing or
// broken. All four parsers may read one of these lines as an assignment; the console must not.
func isBroken(e entry) bool {
	return e.Problem != "" && (e.Last > e.Line || strings.Contains(e.Problem, "Curly quotes") || strings.Contains(e.Problem, "end of a value"))
}

// install returns the folder of the parsers' packages, or why it can't.
func install(t *testing.T) (string, error) {
	t.Helper()
	for _, program := range []string{"node", "python3", "bash"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("%s is not on the PATH", program)
		}
	}
	files, err := fs.Sub(pins, "pins")
	if err != nil {
		return "", err
	}
	return tool.Install(t.Context(), tool.Tool{
		Name: "dotenv", Title: "parsers of .env files, for a test (11 MB)",
		Needs: "npm", Hint: "install Node.js and npm",
		Pins:     files,
		Commands: append([][]string{{"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"}}, tool.Venv...),
	}, os.Stderr)
}

// normal is a text without a byte order mark and without the line ends of Windows. A shell knows neither of them.
func normal(text string) string {
	return strings.NewReplacer("\ufeff", "", "\r\n", "\n").Replace(text)
}

const (
	inNode = `const { parse } = require("dotenv");
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify({ Ours: texts.map(web.parseDotenv), Dotenv: texts.map((text) => parse(text)) }));`

	inPython = `import io, json, sys
from dotenv.main import DotEnv
print(json.dumps([{key: value for key, value in DotEnv(None, io.StringIO(text.replace("\r\n", "\n")), interpolate=False).parse() if value is not None}
                  for text in json.load(sys.stdin)]))`

	// The texts are files in the working folder. No program is on the PATH, and a restricted shell writes no file.
	// A syntax error may end the shell: what it has read by then counts.
	inBash = `show() {
	set +a
	for key in $(compgen -e); do
		[[ ${!key@a} == *a* ]] || printf '%s\0%s\0' "$key" "${!key}"
	done
}
for ((i = 0; i < $1; i++)); do
	(
		trap show EXIT
		set -ar
		. "text-$i"
	)
	printf '\0'
done`
)

// bundled is dotenv.js as a script, which sets web.
func bundled(t *testing.T) string {
	t.Helper()
	module, err := checkout.Path("pkg", "console", "web", "dotenv.js")
	if err != nil {
		t.Fatal(err)
	}
	bundle := api.Build(api.BuildOptions{EntryPoints: []string{module}, Bundle: true, GlobalName: "web"})
	if len(bundle.Errors) > 0 {
		t.Fatal(bundle.Errors[0].Text)
	}
	return string(bundle.OutputFiles[0].Contents)
}

// write returns what the console writes for each set of values.
func write(t *testing.T, values []map[string]string) (files []file) {
	t.Helper()
	input, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	const program = `console.log(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")).map(web.formatDotenv)));`
	cmd := exec.CommandContext(t.Context(), "node", "--eval", bundled(t)+program)
	cmd.Stdin = bytes.NewReader(input)
	output, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(output, &files); err != nil {
		t.Fatal(err)
	}
	return files
}

// read returns what the console and the four parsers read in the texts.
func read(t *testing.T, dir string, texts []string) (ours [][]entry, theirs [4][]map[string]string) {
	t.Helper()
	bundle := bundled(t)
	input, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	run := func(folder string, program ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program[0], program[1:]...)
		cmd.Dir, cmd.Env, cmd.Stdin = folder, []string{"PATH=/nonexistent", "HOME=/home/goblin", "LC_ALL=C.UTF-8"}, bytes.NewReader(input)
		output, err := cmd.Output()
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Fatalf("%s: %v\n%.2000s", program[0], err, failed.Stderr)
		} else if err != nil {
			t.Fatal(err)
		}
		return output
	}
	var node struct {
		Ours   [][]entry
		Dotenv []map[string]string
	}
	if err := json.Unmarshal(run(dir, "node", "--eval", bundle+inNode), &node); err != nil {
		t.Fatal(err)
	}
	ours, theirs[0] = node.Ours, node.Dotenv
	if err := json.Unmarshal(run(dir, filepath.Join(dir, "venv", "bin", "python"), "-c", inPython), &theirs[2]); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for i, text := range texts {
		values, _ := godotenv.Unmarshal(normal(text)) // what it has read before an error
		theirs[1] = append(theirs[1], values)
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint("text-", i)), []byte(normal(text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	input = nil // a shell must not read it
	fields := strings.Split(string(run(folder, "bash", "-c", inBash, "bash", fmt.Sprint(len(texts)))), "\x00")
	for range texts {
		values := map[string]string{}
		for ; fields[0] != ""; fields = fields[2:] {
			if !slices.Contains([]string{"PATH", "HOME", "LC_ALL", "PWD", "OLDPWD", "SHLVL", "_"}, fields[0]) {
				values[fields[0]] = fields[1]
			}
		}
		theirs[3] = append(theirs[3], values)
		fields = fields[1:]
	}
	return ours, theirs
}

// generated returns the same texts in each run: assignments of all forms, sound and broken.
func generated(n int) []string {
	random := rand.New(rand.NewPCG(16, 11))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	plain := func() string { return pick("b", "c", "d1", "é", "/", ":", "=", "-", "x.y", ",", "%") }
	special := func() string {
		return pick(" ", "  ", "\t", "#", " #", " # ", "'", `"`, "`", `\`, `\\`, `\n`, `\t`, `\"`, `\'`, `\q`, ";", "&", "|", "(", ")", "~", "*", "{", "}", "[", "!")
	}
	several := func(parts ...func() string) string {
		var s strings.Builder
		for range random.IntN(6) {
			s.WriteString(parts[random.IntN(len(parts))]())
		}
		return s.String()
	}
	lineBreak := func() string { return pick("\n", "\nB=", "\n# ", "\n\n") }
	value := func() string {
		switch quote := pick("", "", "", "'", `"`, "`"); {
		case random.IntN(3) == 0:
			return quote + several(plain, special, lineBreak) + quote
		case random.IntN(3) == 0:
			return quote + several(plain, special) + pick(quote, quote, "")
		default:
			return quote + several(plain) + quote
		}
	}
	statement := func() string {
		if random.IntN(12) == 0 {
			return pick("", "# c", " # it's", "c", "c d", `"`, "if", "abc==", "B")
		}
		return pick("", "", "", "", "export ", "  ", "export\t") + pick("A", "B", "C_1", "D", "A", "B", "C_1", "D", "a.b", "x-y", "1A") +
			pick("=", "=", "=", "=", "=", "=", "=", " = ", "= ", " =", ": ") + value() + pick("", "", "", "", " ", " # c", "#c", " c")
	}
	texts := make([]string, n)
	for i := range texts {
		if i%8 == 0 { // no form at all
			for range random.IntN(25) {
				texts[i] += pick("A", "B", "=", "=", "\n", "\n", "'", `"`, "`", `\`, " ", "#", ":", "b", "c", "export ")
			}
			continue
		}
		for range 1 + i%2*random.IntN(4) { // every second text has several statements
			texts[i] += statement() + "\n"
		}
	}
	return texts
}

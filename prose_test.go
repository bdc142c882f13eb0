package goblins_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	mostWords      = 25  // of a sentence
	mostCharacters = 120 // of a line
)

// Documents have short sentences and short lines, but for tables and code. Their links to files work.
func TestDocumentsAreReadable(t *testing.T) {
	command := exec.CommandContext(t.Context(), "git", "ls-files", "-co", "--exclude-standard", "*.md")
	command.Dir = root(t)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	read := 0
	for path := range strings.Lines(string(out)) {
		path = strings.TrimSpace(path)
		if strings.Contains(path, "/vendor/") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(root(t), path))
		if os.IsNotExist(err) { // deleted, but not committed yet
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		read++
		for _, to := range linked.FindAllStringSubmatch(string(content), -1) {
			if _, err := os.Stat(filepath.Join(root(t), filepath.Dir(path), to[1])); err != nil && !strings.Contains(to[1], ":") {
				t.Errorf("%s links to %s: %v", path, to[1], err)
			}
		}
		for _, p := range paragraphs(string(content)) {
			for i, line := range p.lines {
				if n := utf8.RuneCountInString(line); n > mostCharacters {
					t.Errorf("%s:%d has %d characters, want at most %d", path, p.line+i, n, mostCharacters)
				}
			}
			for _, sentence := range sentences(strings.Join(p.lines, " ")) {
				if n := len(strings.Fields(sentence)); n > mostWords {
					t.Errorf("%s:%d: a sentence has %d words, want at most %d: %s", path, p.line, n, mostWords, sentence)
				}
			}
		}
	}
	if read < 5 {
		t.Errorf("%d documents read, want at least 5", read)
	}
}

// Each make command that a document or a script names is a target of the Makefile.
func TestNamedTargetsExist(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root(t), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(string(makefile), -1) {
		targets[found[1]] = true
	}
	command := exec.CommandContext(t.Context(), "git", "grep", "-hoE", "(`|^|: +)make [a-z][a-z-]*", "--", "*.md", "*.sh", "*.yml")
	command.Dir = root(t)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("git grep: %v", err)
	}
	named := 0
	for line := range strings.Lines(string(out)) {
		_, target, _ := strings.Cut(strings.TrimSpace(line), "make ")
		named++
		if !targets[target] {
			t.Errorf("%q names no target of the Makefile", strings.TrimSpace(line))
		}
	}
	if named < 10 {
		t.Errorf("%d commands found, want the documents' and scripts'", named)
	}
}

// paragraph is a part of a document that is prose: a paragraph, a heading or an item of a list.
type paragraph struct {
	line  int // of the first line, from 1
	lines []string
}

var (
	startsItem = regexp.MustCompile(`^\s*([-*]|[0-9]+\.)\s`)
	fence      = regexp.MustCompile("^\\s*```")
)

func paragraphs(text string) []paragraph {
	var all []paragraph
	inCode, ended := false, true
	for i, line := range strings.Split(text, "\n") {
		if fence.MatchString(line) {
			inCode, ended = !inCode, true
			continue
		}
		exempt := inCode || strings.HasPrefix(strings.TrimSpace(line), "|") || strings.HasPrefix(line, "<!--")
		if exempt || strings.TrimSpace(line) == "" {
			ended = true
			continue
		}
		if ended || startsItem.MatchString(line) || strings.HasPrefix(line, "#") {
			all = append(all, paragraph{line: i + 1})
		}
		last := &all[len(all)-1]
		last.lines = append(last.lines, line)
		ended = strings.HasPrefix(line, "#")
	}
	return all
}

var (
	codeSpan   = regexp.MustCompile("`[^`]*`")
	linked     = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`) // without the part after #
	link       = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	endOfThese = regexp.MustCompile(`[.!?][)”"*]*(\s|$)`)
)

// sentences splits a paragraph. A code span counts as one word, and a link as its text.
func sentences(text string) []string {
	text = codeSpan.ReplaceAllString(text, "code")
	text = link.ReplaceAllString(text, "$1")
	return endOfThese.Split(startsItem.ReplaceAllString(text, ""), -1)
}

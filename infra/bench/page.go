package main

import (
	"fmt"
	"os"
	"strings"

	"goblins-secrets/infra/local/checkout"
)

// table builds a table of docs/benchmarks.md.
type table struct{ strings.Builder }

// newTable returns a table without rows. The header is as "name | count:", where a colon aligns
// a column to the right.
func newTable(header string) *table {
	var names, rules []string
	for column := range strings.SplitSeq(header, "|") {
		name, right := strings.CutSuffix(strings.TrimSpace(column), ":")
		rule := "---"
		if right {
			rule = "---:"
		}
		names, rules = append(names, name), append(rules, rule)
	}
	t := new(table)
	t.row(names...)
	t.row(rules...)
	return t
}

func (t *table) row(cells ...string) { t.WriteString("| " + strings.Join(cells, " | ") + " |\n") }

// section is a part of docs/benchmarks.md that this command or its tests write. It stands between
// the lines <!-- name --> and <!-- /name -->. People write the text around it.
type section struct {
	path                string // of the page
	before, text, after string
}

// write replaces the section. The text must end with a newline.
func (s section) write(text string) error {
	return os.WriteFile(s.path, []byte(s.before+text+s.after), 0o644)
}

func findSection(name string) (section, error) {
	path, err := checkout.Path("docs", "benchmarks.md")
	if err != nil {
		return section{}, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return section{}, err
	}
	first, last := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
	before, rest, begins := strings.Cut(string(content), first)
	text, after, ends := strings.Cut(rest, last)
	if !begins || !ends {
		return section{}, fmt.Errorf("%s has no section %s", path, name)
	}
	return section{path, before + first, text, last + after}, nil
}

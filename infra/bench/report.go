package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// report has what a run writes into docs/benchmarks.md.
type report struct {
	goals    *table
	sections []struct{ name, text string }
}

func newReport() *report { return &report{goals: newTable("goal | is: | wanted: | met:")} }

// goal adds a goal. Times differ between machines, so a goal that is missed is only reported.
func (r *report) goal(name, is, want string, met bool) {
	r.goals.row(name, is, want, map[bool]string{true: "yes", false: "**no**"}[met])
}

// atMost adds the goal of a ratio.
func (r *report) atMost(name string, is, want float64) {
	r.goal(name, fixed(is), "≤ "+fixed(want), is <= want)
}

func (r *report) section(name, text string) {
	r.sections = append(r.sections, struct{ name, text string }{name, text})
}

// write replaces the report's sections of docs/benchmarks.md.
func (r *report) write() error {
	for _, part := range r.sections {
		s, err := findSection(part.name)
		if err != nil {
			return err
		}
		if err := s.write(part.text); err != nil {
			return err
		}
	}
	return nil
}

func fixed(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) }

func units(n float64) string { return strings.TrimSuffix(fixed(n), ".00") }

func milliseconds(d time.Duration) string { return fixed(float64(d) / float64(time.Millisecond)) }

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/(1<<20)) }

package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// sent are the values that exchanges had for a field or a parameter.
type sent struct {
	accepted []any // the request succeeded
	refused  []any // the request failed for this value, which the document excludes
}

// record keeps the values of a request: accepted ones, or the refused one of each named field.
func (c *Contract) record(op *operation, values map[string]any, success bool, refused []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if success {
		c.succeeded[op.id] = true
	}
	for name, value := range values {
		if c.sent[op.id+" "+name] == nil {
			c.sent[op.id+" "+name] = new(sent)
		}
		s := c.sent[op.id+" "+name]
		switch {
		case success && len(s.accepted) < kept:
			s.accepted = append(s.accepted, value)
		case slices.Contains(refused, name) && len(s.refused) < kept:
			s.refused = append(s.refused, value)
		}
	}
}

// kept limits the values that are kept of each field.
const kept = 1000

// Unheld returns the limits of requests that no exchange has held so far: with another limit in the document, all
// exchanges would have been as they should be.
func (c *Contract) Unheld() (limits []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, op := range c.operations() {
		fields := map[string]schema{}
		for name, parameter := range op.parameters {
			if !slices.Contains(op.names, name) && !parameter.isLenient() { // a malformed id is a 404
				fields[name] = parameter
			}
		}
		if op.body != nil {
			properties, _ := op.body.source["properties"].(map[string]any)
			for name, property := range properties {
				source := maps.Clone(property.(map[string]any))
				if items, _ := source["items"].(map[string]any); items["$ref"] != nil { // which only the whole document resolves
					delete(source, "items")
				}
				fields[name] = schema{source: source}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			values := c.sent[op.id+" "+name]
			if values == nil {
				values = new(sent)
			}
			for _, m := range mutants(fields[name].source) {
				if !values.contradict(m.schema) {
					limits = append(limits, fmt.Sprintf("%s: %s with %s", op.id, name, m.what))
				}
			}
		}
	}
	return limits
}

// contradict reports whether a value was accepted that the schema excludes, or refused although the schema allows it.
func (s *sent) contradict(source map[string]any) bool {
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(resource, source); err != nil {
		return false
	}
	compiled, err := compiler.Compile(resource)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(s.accepted, func(v any) bool { return compiled.Validate(v) != nil }) ||
		slices.ContainsFunc(s.refused, func(v any) bool { return compiled.Validate(v) == nil })
}

type mutant struct {
	what   string
	schema map[string]any
}

// mutants are a schema with each of its limits moved by one, to both sides, or taken away.
func mutants(source map[string]any) (all []mutant) {
	for _, keyword := range slices.Sorted(maps.Keys(source)) {
		change := func(what string, value any) {
			changed := maps.Clone(source)
			if changed[keyword] = value; value == nil {
				delete(changed, keyword)
			}
			all = append(all, mutant{what, changed})
		}
		switch value := source[keyword].(type) {
		case json.Number:
			if n, err := strconv.Atoi(value.String()); err == nil && keyword != "default" {
				change(fmt.Sprintf("%s %d", keyword, n-1), json.Number(strconv.Itoa(n-1)))
				change(fmt.Sprintf("%s %d", keyword, n+1), json.Number(strconv.Itoa(n+1)))
			}
		case []any:
			if keyword == "type" || keyword == "enum" || keyword == "anyOf" {
				for i := range value {
					change(fmt.Sprintf("no %s %v", keyword, value[i]), slices.Delete(slices.Clone(value), i, i+1))
				}
			}
			for i := range value {
				alternative, isSchema := value[i].(map[string]any)
				if keyword != "anyOf" || !isSchema {
					continue
				}
				for _, m := range mutants(alternative) {
					change(fmt.Sprintf("%s in the alternative %d", m.what, i+1), slices.Replace(slices.Clone(value), i, i+1, any(m.schema)))
				}
			}
		}
		switch keyword {
		case "pattern", "not", "const", "format":
			change("no "+keyword, nil)
		}
	}
	return all
}

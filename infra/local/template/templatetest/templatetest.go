// Package templatetest reads CloudFormation templates as plain documents, for tests of
// their content.
package templatetest

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"goblins-secrets/infra/local/checkout"
)

// Value is a part of a template: a map[string]Value, a []Value or a scalar as a string.
// The short form of an intrinsic function includes its tag: "!Ref Table".
type Value any

// Read reads the template at this path in the checkout.
func Read(t *testing.T, path ...string) Value {
	t.Helper()
	file, err := checkout.Path(path...)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var node yaml.Node
	if err := yaml.Unmarshal(raw, &node); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return parse(node.Content[0])
}

func parse(n *yaml.Node) Value {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]Value{}
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = parse(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		s := []Value{}
		for _, c := range n.Content {
			s = append(s, parse(c))
		}
		return s
	}
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return n.Tag + " " + n.Value
	}
	return n.Value
}

// At returns the value at a path of keys below v, or nil if a key is missing.
func At(v Value, keys ...string) Value {
	for _, k := range keys {
		m, ok := v.(map[string]Value)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

// List returns the elements of a list. A scalar counts as a list of one, as in a policy.
func List(v Value) []Value {
	if s, ok := v.([]Value); ok {
		return s
	}
	if v == nil {
		return nil
	}
	return []Value{v}
}

// Resources returns a template's resources of one type, by logical id.
func Resources(doc Value, kind string) map[string]Value {
	found := map[string]Value{}
	for name, r := range At(doc, "Resources").(map[string]Value) {
		if At(r, "Type") == kind {
			found[name] = r
		}
	}
	return found
}

// Check compares the value at a path of keys with a scalar.
func Check(t *testing.T, v Value, want string, keys ...string) {
	t.Helper()
	if got := At(v, keys...); got != want {
		t.Errorf("%s = %v, want %s", strings.Join(keys, "."), got, want)
	}
}

package goblins_test

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"goblins-secrets/infra/local/checkout"
)

// The tests of templates read them as plain documents.
//
// value is a part of a template: a map[string]value, a []value or a scalar as a string.
// The short form of an intrinsic function includes its tag: "!Ref Table".
type value any

// read reads the template at this path in the checkout.
func read(t *testing.T, path ...string) value {
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

func parse(n *yaml.Node) value {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]value{}
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = parse(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		s := []value{}
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

// at returns the value at a path of keys below v, or nil if a key is missing.
func at(v value, keys ...string) value {
	for _, k := range keys {
		m, ok := v.(map[string]value)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

// list returns the elements of a list. A scalar counts as a list of one, as in a policy.
func list(v value) []value {
	if s, ok := v.([]value); ok {
		return s
	}
	if v == nil {
		return nil
	}
	return []value{v}
}

// resources returns a template's resources of one type, by logical id.
func resources(doc value, kind string) map[string]value {
	found := map[string]value{}
	for name, r := range at(doc, "Resources").(map[string]value) {
		if at(r, "Type") == kind {
			found[name] = r
		}
	}
	return found
}

// check compares the value at a path of keys with a scalar.
func check(t *testing.T, v value, want string, keys ...string) {
	t.Helper()
	if got := at(v, keys...); got != want {
		t.Errorf("%s = %v, want %s", strings.Join(keys, "."), got, want)
	}
}

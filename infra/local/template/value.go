package template

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// literal is a scalar that is written out in the template. Decoding one refuses an intrinsic
// function, which yaml would otherwise reduce to its argument: !Ref StageName to "StageName".
type literal string

func (l *literal) UnmarshalYAML(n *yaml.Node) error {
	if !spelledOut(n) {
		return fmt.Errorf("line %d: want a plain string, have %s", n.Line, form(n))
	}
	*l = literal(n.Value)
	return nil
}

// spelledOut reports whether a node is a literal string, number or boolean.
func spelledOut(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode {
		return false
	}
	switch n.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool":
		return true
	}
	return false
}

// form describes a node in an error, by its tag: !If, !!map.
func form(n *yaml.Node) string {
	if n.IsZero() {
		return "nothing"
	}
	return n.ShortTag()
}

// scope maps references to values: a parameter under its name, a resource under its logical id, a
// resource's attribute under Resource.Attribute. Each condition, with a prefix, is "true" or "false".
type scope map[string]string

// text returns the value of a node with its references resolved.
func (s scope) text(n *yaml.Node) (string, error) {
	if spelledOut(n) {
		return n.Value, nil
	}
	if n.Kind == yaml.ScalarNode {
		switch n.Tag {
		case "!Ref", "!GetAtt":
			return s.lookUp(n.Value, n.Line)
		case "!Sub":
			return s.substitute(n.Value, n.Line)
		}
	}
	if n.Tag == "!If" && len(n.Content) == 3 && spelledOut(n.Content[0]) {
		holds, err := s.holds(n.Content[0].Value)
		if err != nil {
			return "", fmt.Errorf("line %d: %w", n.Line, err)
		}
		if holds {
			return s.text(n.Content[1])
		}
		return s.text(n.Content[2])
	}
	if n.IsZero() {
		return "", fmt.Errorf("there is no value")
	}
	return "", fmt.Errorf("line %d: cannot resolve %s", n.Line, form(n))
}

// conditionPrefix separates the names of conditions from other names in a scope.
const conditionPrefix = "condition "

// holds reports whether the condition of this name is true.
func (s scope) holds(name string) (bool, error) {
	text, ok := s[conditionPrefix+name]
	if !ok {
		return false, fmt.Errorf("cannot resolve the condition %s", name)
	}
	return text == "true", nil
}

// condition evaluates the node of a condition: an !Equals, or a !Not of a condition.
func (s scope) condition(n *yaml.Node) (bool, error) {
	switch {
	case n.Tag == "!Equals" && len(n.Content) == 2:
		left, err := s.text(n.Content[0])
		if err != nil {
			return false, err
		}
		right, err := s.text(n.Content[1])
		return left == right, err
	case n.Tag == "!Not" && len(n.Content) == 1:
		holds, err := s.condition(n.Content[0])
		return !holds, err
	}
	return false, fmt.Errorf("line %d: cannot resolve %s", n.Line, form(n))
}

// number returns the value of a node as a whole number.
func (s scope) number(n *yaml.Node) (int, error) {
	text, err := s.text(n)
	if err != nil {
		return 0, err
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("line %d: want a whole number, have %q", n.Line, text)
	}
	return number, nil
}

func (s scope) lookUp(name string, line int) (string, error) {
	value, ok := s[name]
	if !ok {
		return "", fmt.Errorf("line %d: cannot resolve the reference to %s", line, name)
	}
	return value, nil
}

var reference = regexp.MustCompile(`\$\{[^}]*\}`)

// substitute replaces each ${Name} and ${Name.Attribute} of a !Sub; ${!Name} becomes a literal ${Name}.
func (s scope) substitute(text string, line int) (string, error) {
	var failed error
	text = reference.ReplaceAllStringFunc(text, func(r string) string {
		name := r[len("${") : len(r)-len("}")]
		if verbatim, ok := strings.CutPrefix(name, "!"); ok {
			return "${" + verbatim + "}"
		}
		value, err := s.lookUp(name, line)
		if err != nil && failed == nil {
			failed = err
		}
		return value
	})
	return text, failed
}

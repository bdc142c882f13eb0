package template

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// parameter is the declaration of a parameter. It ignores constraints that the template does not use.
type parameter struct {
	Type           literal   `yaml:"Type"`
	Default        *literal  `yaml:"Default"`
	AllowedValues  []literal `yaml:"AllowedValues"`
	AllowedPattern literal   `yaml:"AllowedPattern"`
	MinValue       *float64  `yaml:"MinValue"`
	MaxValue       *float64  `yaml:"MaxValue"`
}

// resolveParameters returns the value of each declared parameter: from set, else its default.
func resolveParameters(declared map[string]parameter, set map[string]string) (map[string]string, error) {
	names := slices.Sorted(maps.Keys(declared))
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if _, ok := declared[name]; !ok {
			return nil, fmt.Errorf("there is no parameter %s: the template has %s", name, strings.Join(names, ", "))
		}
	}
	values := make(map[string]string, len(declared))
	for _, name := range names {
		p := declared[name]
		value, ok := set[name]
		if !ok {
			if p.Default == nil {
				return nil, fmt.Errorf("parameter %s has no default and must be set", name)
			}
			value = string(*p.Default)
		}
		if err := p.check(name, value); err != nil {
			return nil, err
		}
		values[name] = value
	}
	return values, nil
}

// check returns an error unless the declaration allows value.
func (p parameter) check(name, value string) error {
	must := func(what string) error {
		return fmt.Errorf("parameter %s must %s, not %q", name, what, value)
	}
	if p.Type == "Number" {
		number, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil || math.IsNaN(number) || math.IsInf(number, 0):
			return must("be a number")
		case p.MinValue != nil && number < *p.MinValue:
			return must(fmt.Sprintf("be at least %v", *p.MinValue))
		case p.MaxValue != nil && number > *p.MaxValue:
			return must(fmt.Sprintf("be at most %v", *p.MaxValue))
		}
	}
	if p.AllowedValues != nil && !slices.Contains(p.AllowedValues, literal(value)) {
		return must("be one of " + join(p.AllowedValues))
	}
	if p.AllowedPattern != "" {
		// In CloudFormation the pattern must match the whole value.
		pattern, err := regexp.Compile(`^(?:` + string(p.AllowedPattern) + `)$`)
		if err != nil {
			return fmt.Errorf("AllowedPattern of parameter %s: %w", name, err)
		}
		if !pattern.MatchString(value) {
			return must("match " + string(p.AllowedPattern))
		}
	}
	return nil
}

func join(values []literal) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}

// Package functions reads functions.yaml, the table of functions, and generates from it whatever
// repeats for each function: parts of template.yaml, README.md and docs/api.md, and the handlers of
// the local stack. See functions.yaml for the meaning of each field.
package functions

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Function is one row of the table.
type Function struct {
	Name    string   `yaml:"name"`
	Does    string   `yaml:"does"`
	Why     string   `yaml:"why"`
	Route   string   `yaml:"route"`
	Open    bool     `yaml:"open"`
	Every   string   `yaml:"every"`
	Stream  string   `yaml:"stream"`
	By      string   `yaml:"by"`
	Timeout int      `yaml:"timeout"` // in seconds; 0: Globals' timeout
	If      string   `yaml:"if"`
	Rows    rows     `yaml:"rows"`
	KMS     []string `yaml:"kms"`
	Bundles []string `yaml:"bundles"`
}

// Route is a method and a path that lead to a function.
type Route struct{ Method, Path string }

// Routes returns the function's routes, in their order.
func (f Function) Routes() []Route {
	var routes []Route
	for route := range strings.SplitSeq(f.Route, ", ") {
		if method, path, ok := strings.Cut(route, " "); ok {
			routes = append(routes, Route{method, path})
		}
	}
	return routes
}

// IsFallback reports whether the function gets the requests that no other route matches.
func (f Function) IsFallback() bool { return f.Route == "ANY /{proxy+}" }

// ID is the function's logical id in the template, such as GetItem, and its constructor's name.
func (f Function) ID() string {
	var id strings.Builder
	for word := range strings.SplitSeq(f.Name, "-") {
		id.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return id.String()
}

// rows are the DynamoDB actions of a function with the partition keys of each, in the table's order.
type rows []grant

// grant allows actions on rows under the same partition keys.
type grant struct{ Actions, Keys []string }

// UnmarshalYAML groups adjacent actions that have the same keys.
func (r *rows) UnmarshalYAML(node *yaml.Node) error {
	for i := 0; i+1 < len(node.Content); i += 2 {
		var keys []string
		if err := node.Content[i+1].Decode(&keys); err != nil {
			return err
		}
		action := node.Content[i].Value
		if last := len(*r) - 1; last >= 0 && slices.Equal((*r)[last].Keys, keys) {
			(*r)[last].Actions = append((*r)[last].Actions, action)
			continue
		}
		*r = append(*r, grant{[]string{action}, keys})
	}
	return nil
}

// Read reads the table of functions. A row that cannot be deployed is an error.
func Read(path string) ([]Function, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var table []Function
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true)
	if err := decoder.Decode(&table); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := check(table); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return table, nil
}

var (
	namePattern  = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	routePattern = regexp.MustCompile(`^(GET|POST|PUT|PATCH|DELETE|ANY) /([a-z-]+|\{[a-z_]+\+?\}|/)*$`)
)

// check returns the faults of a table.
func check(table []Function) error {
	var errs []error
	names, routes := map[string]bool{}, map[Route]string{}
	for _, f := range table {
		fault := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("%s: "+format, append([]any{f.Name}, args...)...))
		}
		if !namePattern.MatchString(f.Name) {
			fault("a name is words of small letters, joined by hyphens")
		}
		if names[f.Name] {
			fault("a second row")
		}
		names[f.Name] = true
		if f.Does == "" {
			fault("does is missing")
		}
		if f.Route == "" && f.Every == "" && f.Stream == "" && f.By == "" {
			fault("nothing invokes it: want route, every, stream or by")
		}
		for _, route := range f.Routes() {
			if !routePattern.MatchString(route.Method + " " + route.Path) {
				fault("%s %s is not a route", route.Method, route.Path)
			}
			if route.Method == "ANY" && !f.IsFallback() {
				fault("only ANY /{proxy+} is a route of any method")
			}
			if other, taken := routes[route]; taken {
				fault("%s %s leads to %s", route.Method, route.Path, other)
			}
			routes[route] = f.Name
		}
		for _, grant := range f.Rows {
			if len(grant.Keys) == 0 {
				fault("%v has no keys", grant.Actions)
			}
		}
	}
	return errors.Join(errs...)
}

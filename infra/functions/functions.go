// Package functions reads functions.yaml, the table of functions, and generates from it whatever
// repeats for each function: parts of template.yaml, README.md and docs/api.md, and the handlers of
// the local stack. See functions.yaml for the meaning of each field.
package functions

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"goblins-secrets/infra/local/checkout"
)

// Function is one row of the table.
type Function struct {
	Name    string `yaml:"name"`
	Does    string `yaml:"does"`
	Why     string `yaml:"why"`
	Route   string `yaml:"route"`
	Open    bool   `yaml:"open"`
	Every   string `yaml:"every"`
	Stream  string `yaml:"stream"`
	By      string `yaml:"by"`
	Memory  int    `yaml:"memory"`  // in MB; 0: Globals' memory
	Timeout int    `yaml:"timeout"` // in seconds; 0: Globals' timeout
	If      string `yaml:"if"`
	Rows    rows   `yaml:"rows"`

	Indexes []string `yaml:"indexes"`

	Stamps map[string][]string `yaml:"stamps"`

	KMS     []string `yaml:"kms"`
	Bundles []string `yaml:"bundles"`
}

// Route is a method and a path that lead to a function, by its logical id.
type Route struct {
	Method   string // ANY stands for all methods without their own route
	Path     string // with parameters {name} and {name+}
	Function string
	Open     bool // served without the authorizer
}

// Documented is the route's path as the documents write it: with a slash at the end, unless it is that of a file.
func (r Route) Documented() string {
	if r.Path == "/" || strings.HasSuffix(r.Path, "+}") || path.Ext(r.Path) != "" {
		return r.Path
	}
	return r.Path + "/"
}

// Routes returns the function's routes, in their order.
func (f Function) Routes() []Route {
	var routes []Route
	for route := range strings.SplitSeq(f.Route, ", ") {
		if method, path, ok := strings.Cut(route, " "); ok {
			routes = append(routes, Route{method, path, f.ID(), f.Open})
		}
	}
	return routes
}

// Routes returns the routes of all functions. The fallback gets the other methods of each path.
func Routes(table []Function) []Route {
	var routes []Route
	for _, f := range table {
		routes = append(routes, f.Routes()...)
		if f.IsFallback() {
			for _, path := range paths(table) {
				routes = append(routes, Route{Method: "ANY", Path: path.Path, Function: f.ID()})
			}
		}
	}
	return routes
}

// Path is a path with its methods, such as GET,POST.
type Path struct{ Methods, Path string }

// paths returns the paths of all functions but the fallback, in the table's order.
func paths(table []Function) []Path {
	var paths []Path
	at := map[string]int{}
	for _, f := range table {
		if f.IsFallback() {
			continue
		}
		for _, route := range f.Routes() {
			if i, known := at[route.Path]; known {
				paths[i].Methods += "," + route.Method
				continue
			}
			at[route.Path] = len(paths)
			paths = append(paths, Path{route.Method, route.Path})
		}
	}
	return paths
}

// TableIndexes are the indexes of the table that a function may query.
var TableIndexes = []string{"by_secret", "by_user"}

// BatchSize is the most records of the stream that a function gets at once.
const BatchSize = 100

// Filter returns the JSON pattern of the stream's records that invoke the function: new states of the
// rows in its partition.
func (f Function) Filter() string {
	return `{"eventName": ["INSERT", "MODIFY"], "dynamodb": {"Keys": {"PK": {"S": ["` + f.Stream + `"]}}}}`
}

// Interval is the time between scheduled invocations; 0: none.
func (f Function) Interval() time.Duration {
	match := interval.FindStringSubmatch(f.Every)
	if match == nil {
		return 0
	}
	n, _ := strconv.Atoi(cmp.Or(match[2], "1")) // digits
	return time.Duration(n) * map[string]time.Duration{"minute": time.Minute, "hour": time.Hour}[match[1]+match[3]]
}

// TouchesValues reports whether the function writes or reads the values of bundles, which takes their
// key.
func (f Function) TouchesValues() bool {
	return slices.ContainsFunc(f.Bundles, func(action string) bool { return strings.HasSuffix(action, "Value") })
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
	if node.Kind != yaml.MappingNode {
		return errors.New("rows: want actions and their keys")
	}
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

// Load reads the table of functions of the checkout.
func Load() ([]Function, error) {
	path, err := checkout.Path("functions.yaml")
	if err != nil {
		return nil, err
	}
	return Read(path)
}

// Named returns the function of that name in the table, or nil.
func Named(table []Function, name string) *Function {
	i := slices.IndexFunc(table, func(f Function) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &table[i]
}

// Read reads a table of functions. A row that cannot be deployed is an error.
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
	interval     = regexp.MustCompile(`^(?:1 (minute|hour)|([2-9]|[1-9][0-9]{1,3}) (minute|hour)s)$`)
	routePattern = regexp.MustCompile(`^(GET|POST|PUT|PATCH|DELETE|ANY) /(([a-z-]+|\{[a-z_]+\})(/([a-z-]+(\.[a-z]+)?|\{[a-z_]+\}))*(/\{proxy\+\})?|\{proxy\+\})?$`)
	parameter    = regexp.MustCompile(`\{[^}]*\}`)
)

// check returns the faults of a table.
func check(table []Function) error {
	var errs []error
	names, routes, parameters := map[string]bool{}, map[string]string{}, map[string]string{}
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
		if strings.ContainsAny(f.Does, "|\n") {
			fault("does is one cell of a table: no bar and no line break")
		}
		if f.Memory != 0 && (f.Memory < 128 || f.Memory > 10240) {
			fault("memory %d: want 128 to 10240 MB", f.Memory)
		}
		if f.Timeout < 0 || f.Timeout > 900 {
			fault("timeout %d: want 1 to 900 seconds", f.Timeout)
		}
		if f.Route != "" && len(f.Routes()) != strings.Count(f.Route, ",")+1 {
			fault("%s: want METHOD /path, and a comma between two", f.Route)
		}
		if f.Route == "" && f.Every == "" && f.Stream == "" && f.By == "" {
			fault("nothing invokes it: want route, every, stream or by")
		}
		for _, route := range f.Routes() {
			text := route.Method + " " + route.Path
			if !routePattern.MatchString(text) {
				fault("%s is not a route", text)
			}
			if route.Method == "ANY" && !f.IsFallback() {
				fault("only ANY /{proxy+} is a route of any method")
			}
			if other, taken := routes[text]; taken {
				fault("%s leads to %s", text, other)
			}
			routes[text] = f.Name
			shape := parameter.ReplaceAllString(route.Path, "{}")
			if other, known := parameters[shape]; known && other != route.Path {
				fault("%s and %s differ only in the names of parameters", route.Path, other)
			}
			parameters[shape] = route.Path
		}
		if f.Every != "" && f.Interval() == 0 {
			fault("%s is not an interval: want a number of minutes or hours", f.Every)
		}
		granted := map[string]bool{}
		for _, grant := range f.Rows {
			if len(grant.Keys) == 0 {
				fault("%v has no keys", grant.Actions)
			}
			for _, action := range grant.Actions {
				if granted[action] {
					fault("%s is in two grants: a statement has all keys of an action", action)
				}
				granted[action] = true
			}
		}
		for i, name := range f.Indexes {
			if !slices.Contains(TableIndexes, name) {
				fault("%s is not an index of the table: want %s", name, strings.Join(TableIndexes, " or "))
			}
			if slices.Contains(f.Indexes[:i], name) {
				fault("the index %s is listed twice", name)
			}
		}
	}
	return errors.Join(errs...)
}

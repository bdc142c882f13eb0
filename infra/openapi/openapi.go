// Package openapi makes the API's OpenAPI document of the table of functions and of fragments beside the handlers.
//
// A fragment is a YAML file. pkg/httpapi/openapi.yaml has what all operations share. Each of the others describes the
// routes of the Go file beside it: operations, by the name of their function, and the components that they use.
// Everything else follows from rules:
//
//   - The table has paths, methods and path parameters, and says which routes need a key.
//   - An operation is named after its function. A further route of a function has an operation of another name, which
//     names the route.
//   - An operation has the failures of its kind: see failure.
//   - A POST with a key has the parameter of an idempotency key.
//   - Answers to requests with a key have the headers that all of them have.
//   - The example of a body is that of its schema.
//   - An answer with an object that has an etag has it as a header too.
//   - A page of a list has the links and the count of every page.
//   - The answer to a creation links to the operations on the new object, but for those that outlive it.
//
// A route without an operation, an operation without a route, and a component that nothing uses are errors.
package openapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/checkout"
)

// Name is the document's path from the project's root.
const Name = "pkg/docs/openapi.json"

// Files are the generated files, as in package functions.
var Files = map[string]func(table []functions.Function, content []byte) ([]byte, error){
	Name: func(table []functions.Function, _ []byte) ([]byte, error) {
		fragments, err := Fragments()
		if err != nil {
			return nil, err
		}
		return Generate(table, fragments)
	},
	"docs/api.md": func(_ []functions.Function, content []byte) ([]byte, error) {
		fragments, err := Fragments()
		if err != nil {
			return nil, err
		}
		return withFields(content, fragments)
	},
}

// places are the folders of the fragments.
var places = []string{"pkg/httpapi", "pkg/docs"}

// fragment is one file, or all of them together.
type fragment struct {
	Info     object   `yaml:"info"`     // in one file only, as are the next three
	Security object   `yaml:"security"` // how a request shows its key
	Page     object   `yaml:"page"`     // the schema of a page, without its results
	Always   []string `yaml:"always"`   // headers of all answers to requests with a key, and of all failures

	Tag        object             `yaml:"tag"` // of the file's operations
	Operations ordered[operation] `yaml:"operations"`
	Parameters ordered[object]    `yaml:"parameters"` // by a name for the document, beside their name in requests, if that differs
	Headers    ordered[object]    `yaml:"headers"`    // likewise
	Failures   ordered[failure]   `yaml:"failures"`
	Schemas    ordered[object]    `yaml:"schemas"`

	tags    ordered[object] // by name
	grouped []object        // the tags, in the order of their first routes
}

// operation is what a route does.
type operation struct {
	Route       string          `yaml:"route"` // METHOD /path of a further route of a function
	Summary     string          `yaml:"summary"`
	Description string          `yaml:"description"`
	Parameters  []string        `yaml:"parameters"` // beside those of the path
	Request     string          `yaml:"request"`    // the schema of the body
	Answers     ordered[answer] `yaml:"answers"`    // successes, by status
	Failures    []string        `yaml:"failures"`   // those that follow from no kind
	Outlives    bool            `yaml:"outlives"`   // it answers for an object that is deleted, too

	tag string
}

// answer is a success. It has no body if it has neither a schema nor a page.
type answer struct {
	Description string   `yaml:"description"`
	Schema      string   `yaml:"schema"`
	Page        string   `yaml:"page"`  // the schema of the page's objects
	Media       []string `yaml:"media"` // types of other bodies, which are texts
	Headers     []string `yaml:"headers"`
}

// failure is an answer of all operations of a kind, or of those that name it.
type failure struct {
	Status string `yaml:"status"`
	Of     string `yaml:"of"` // all; key: all with a key; body: all with a body; place: all with an id or a cursor;
	// match, known: all with If-Match or If-None-Match; post: all with an Idempotency-Key
	Description string   `yaml:"description"`
	Headers     []string `yaml:"headers"`
	Schemas     []string `yaml:"schemas"` // any of them; none: no body
	Examples    object   `yaml:"examples"`
}

// Fragments returns the files of the checkout, by path.
func Fragments() (map[string][]byte, error) {
	root, err := checkout.Path()
	if err != nil {
		return nil, err
	}
	fragments := map[string][]byte{}
	for _, place := range places {
		files, err := filepath.Glob(filepath.Join(root, place, "*.yaml"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if fragments[file], err = os.ReadFile(file); err != nil {
				return nil, err
			}
		}
	}
	return fragments, nil
}

// Generate returns the document of a table of functions and of fragments by path.
func Generate(table []functions.Function, fragments map[string][]byte) ([]byte, error) {
	f, err := read(fragments)
	if err != nil {
		return nil, err
	}
	paths, err := f.paths(table)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(object{
		{"openapi", "3.1.0"},
		{"info", f.Info},
		{"servers", []object{{{"url", "/"}}}}, // the served document names the deployment
		{"tags", f.grouped},
		{"paths", paths},
		{"components", object{
			{"securitySchemes", f.Security},
			{"parameters", f.parameters()},
			{"headers", f.headerComponents()},
			{"responses", f.responses()},
			{"schemas", f.Schemas},
		}},
	})
	return text.Bytes(), errors.Join(err, f.unused(text.String()))
}

// read reads files as one fragment.
func read(fragments map[string][]byte) (*fragment, error) {
	f := new(fragment)
	for _, path := range slices.Sorted(maps.Keys(fragments)) {
		if err := f.add(fragments[path]); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return f, nil
}

// add adds a file's parts.
func (f *fragment) add(text []byte) error {
	var file fragment
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return err
	}
	tag, _ := file.Tag.get("name").(string)
	if tag != "" {
		f.tags = append(f.tags, entry[object]{tag, file.Tag})
	}
	for i := range file.Operations {
		file.Operations[i].value.tag = tag
	}
	f.Always = append(f.Always, file.Always...)
	return errors.Join(f.Info.add(file.Info), f.Security.add(file.Security), f.Page.add(file.Page), f.Operations.add(file.Operations),
		f.Parameters.add(file.Parameters), f.Headers.add(file.Headers), f.Failures.add(file.Failures), f.Schemas.add(file.Schemas))
}

// unused returns an error for each component without a reference in the document.
func (f *fragment) unused(document string) error {
	var errs []error
	for kind, names := range map[string][]string{
		"parameters": keys(f.Parameters), "headers": keys(f.Headers), "responses": keys(f.Failures), "schemas": keys(f.Schemas),
	} {
		for _, name := range names {
			if !strings.Contains(document, `"`+pointer(kind, name)+`"`) {
				errs = append(errs, fmt.Errorf("nothing uses %s of %s", name, kind))
			}
		}
	}
	return errors.Join(errs...)
}

// Below is the path whose routes the document describes. The others are pages for browsers.
const Below = "/api/"

// paths returns the path items, in the table's order.
func (f *fragment) paths(table []functions.Function) (object, error) {
	var paths object
	var errs []error
	rest := slices.Clone(f.Operations)
	var routes, linked []named // all, and those that creations link to
	for _, route := range functions.Routes(table) {
		if route.Method == "ANY" || !strings.HasPrefix(route.Path, Below) {
			continue
		}
		r := named{route, f.nameOf(route, table)}
		routes = append(routes, r)
		if !f.Operations.get(r.operation).Outlives {
			linked = append(linked, r)
		}
	}
	for _, route := range routes {
		name := route.operation
		if rest.index(name) < 0 {
			errs = append(errs, fmt.Errorf("%s %s: no fragment has the operation %s", route.Method, route.Path, name))
			continue
		}
		op := rest.get(name)
		if i := f.tags.index(op.tag); i >= 0 {
			f.grouped, f.tags = append(f.grouped, f.tags[i].value), f.tags.without(op.tag)
		}
		made, err := f.operation(op, route, linked)
		if err != nil {
			errs = append(errs, fmt.Errorf("operation %s: %w", name, err))
		}
		rest = rest.without(name)
		path := route.Documented()
		at := paths.index(path)
		if at < 0 {
			at = len(paths)
			paths = append(paths, entry[any]{path, object{}})
		}
		paths[at].value = append(paths[at].value.(object), entry[any]{strings.ToLower(route.Method), made})
	}
	for _, name := range keys(rest) {
		errs = append(errs, fmt.Errorf("operation %s: functions.yaml has no route of it below %s", name, Below))
	}
	return paths, errors.Join(errs...)
}

// named is a route with the name of its operation.
type named struct {
	functions.Route
	operation string
}

// nameOf returns the name of a route's operation: that of its function, unless an operation names the route.
func (f *fragment) nameOf(route functions.Route, table []functions.Function) string {
	for _, op := range f.Operations {
		if op.value.Route == route.Method+" "+route.Path {
			return op.key
		}
	}
	return table[slices.IndexFunc(table, func(f functions.Function) bool { return f.ID() == route.Function })].Name
}

// operation completes an operation. The answer to a creation links to those of the other routes.
func (f *fragment) operation(op operation, route named, others []named) (object, error) {
	parameters := append(inPath(route.Path), op.Parameters...)
	isRepeated := route.Method == "POST" && !route.Open
	if isRepeated {
		parameters = append(parameters, "idempotency_key")
	}
	of := map[string]bool{
		"post": isRepeated, "all": true, "key": !route.Open, "body": op.Request != "",
		"match": slices.Contains(op.Parameters, "if_match"), "known": slices.Contains(op.Parameters, "if_none_match"),
		"place": len(inPath(route.Path)) > 0 || slices.Contains(op.Parameters, "cursor"),
	}
	made := object{{"operationId", route.id()}, {"summary", op.Summary}}
	if op.Description != "" {
		made = append(made, entry[any]{"description", op.Description})
	}
	made = append(made, entry[any]{"tags", []string{op.tag}})
	if len(parameters) > 0 {
		made = append(made, entry[any]{"parameters", refs("parameters", parameters)})
	}
	if op.Request != "" {
		body, err := f.content(op.Request)
		if err != nil {
			return nil, err
		}
		required := f.Schemas.get(op.Request).get("required") != nil // an empty body is an object without fields
		made = append(made, entry[any]{"requestBody", object{{"required", required}, {"content", body}}})
	}
	security := []object{}
	if of["key"] {
		for _, scheme := range keys(f.Security) {
			security = append(security, object{{scheme, []string{}}})
		}
	}
	made = append(made, entry[any]{"security", security})
	responses := map[string]any{}
	for _, a := range op.Answers {
		response, err := f.answer(a.value, of["key"])
		if err != nil {
			return nil, err
		}
		if a.key == "201" {
			response = append(response, entry[any]{"links", links(route, others)})
		}
		responses[a.key] = response
	}
	for _, name := range op.Failures {
		if f.Failures.index(name) < 0 {
			return nil, fmt.Errorf("no fragment has the failure %s", name)
		}
		responses[f.Failures.get(name).Status] = ref("responses", name)
	}
	for _, failure := range f.Failures {
		if status := failure.value.Status; of[failure.value.Of] && responses[status] == nil {
			responses[status] = ref("responses", failure.key)
		}
	}
	return append(made, entry[any]{"responses", responses}), nil
}

// id is the operation's name for programs, such as getItem.
func (r named) id() string {
	id := functions.Function{Name: r.operation}.ID()
	return strings.ToLower(id[:1]) + id[1:]
}

func (f *fragment) answer(a answer, keyed bool) (object, error) {
	headers := a.Headers
	if properties, _ := f.Schemas.get(a.Schema).get("properties").(object); properties.get("etag") != nil {
		headers = append(slices.Clone(headers), "ETag")
	}
	if keyed {
		headers = append(slices.Clone(headers), f.Always...)
	}
	made := object{{"description", a.Description}, {"headers", f.headers(headers)}}
	schema := a.Schema
	if a.Page != "" {
		var err error
		if schema, err = f.pageOf(a.Page); err != nil {
			return nil, err
		}
	}
	switch {
	case schema == "" && a.Media != nil:
		return nil, fmt.Errorf("the media %s have no JSON beside them", strings.Join(a.Media, ", "))
	case schema == "":
		return made, nil
	}
	content, err := f.content(schema)
	for _, media := range a.Media {
		content = append(content, entry[any]{media, object{{"schema", object{{"type", "string"}}}}})
	}
	return append(made, entry[any]{"content", content}), err
}

// content is a JSON body of a schema, with the schema's first example.
func (f *fragment) content(schema string) (object, error) {
	examples, ok := f.Schemas.get(schema).get("examples").([]any)
	if !ok {
		return nil, fmt.Errorf("no fragment has the schema %s with its examples", schema)
	}
	return object{{"application/json", object{{"schema", ref("schemas", schema)}, {"example", examples[0]}}}}, nil
}

// pageOf returns the name of the schema of a page of objects. Its first use adds the schema.
func (f *fragment) pageOf(schema string) (name string, err error) {
	name = schema + "Page"
	if f.Schemas.index(name) >= 0 {
		return name, nil
	}
	examples, ok := f.Schemas.get(schema).get("examples").([]any)
	properties, isPage := f.Page.get("properties").(object)
	if !ok || !isPage {
		return "", fmt.Errorf("no fragment has a page, or the schema %s with its examples", schema)
	}
	results := object{{"type", "array"}, {"maxItems", 1000}, {"items", ref("schemas", schema)}, {"description", "The objects of the page."}, {"examples", []any{examples[:1]}}}
	required := append(keys(properties), "results")
	page := append(f.Page.without("properties"),
		entry[any]{"required", required},
		entry[any]{"properties", append(slices.Clone(properties), entry[any]{"results", results})},
		entry[any]{"examples", []any{object{{"count", 1}, {"next", nil}, {"previous", nil}, {"results", examples[:1]}}}},
	)
	f.Schemas = append(f.Schemas, entry[object]{name, page})
	return name, nil
}

// links lead from a new object to the operations on it.
func links(route named, routes []named) (links object) {
	var parents object
	for _, parent := range inPath(route.Path) {
		parents = append(parents, entry[any]{parent, "$request.path." + parent})
	}
	for _, to := range routes {
		rest, isBelow := strings.CutPrefix(to.Path, route.Path+"/")
		if own := inPath(rest); isBelow && len(own) == 1 {
			parameters := append(slices.Clone(parents), entry[any]{own[0], "$response.body#/id"})
			links = append(links, entry[any]{to.id(), object{{"operationId", to.id()}, {"parameters", parameters}}})
		}
	}
	return links
}

var parameter = regexp.MustCompile(`\{([a-z_]+)\}`)

// inPath returns the names of a path's parameters.
func inPath(path string) (names []string) {
	for _, match := range parameter.FindAllStringSubmatch(path, -1) {
		names = append(names, match[1])
	}
	return names
}

// parameters returns the parameters as components. Those of a path are required.
func (f *fragment) parameters() (made object) {
	for _, p := range f.Parameters {
		in, _ := p.value.get("in").(string)
		required := in == "path" || p.value.get("required") == true
		rest := p.value.without("name").without("in").without("required")
		made = append(made, entry[any]{p.key, append(object{{"name", nameIn(p)}, {"in", in}, {"required", required}}, rest...)})
	}
	return made
}

func (f *fragment) headerComponents() (made object) {
	for _, h := range f.Headers {
		made = append(made, entry[any]{h.key, h.value.without("name")})
	}
	return made
}

// headers returns headers by their names in answers.
func (f *fragment) headers(components []string) object {
	made := object{}
	for _, component := range components {
		made = append(made, entry[any]{nameIn(entry[object]{component, f.Headers.get(component)}), ref("headers", component)})
	}
	return made
}

// nameIn is the name of a parameter or header in requests or answers.
func nameIn(component entry[object]) string {
	name, _ := component.value.get("name").(string)
	return cmp.Or(name, component.key)
}

// responses returns the failures as components.
func (f *fragment) responses() (made object) {
	for _, failure := range f.Failures {
		v := failure.value
		response := object{{"description", v.Description}, {"headers", f.headers(append(slices.Clone(v.Headers), f.Always...))}}
		if len(v.Schemas) == 0 {
			made = append(made, entry[any]{failure.key, response})
			continue
		}
		var schema any = object{{"anyOf", refs("schemas", v.Schemas)}}
		if len(v.Schemas) == 1 {
			schema = ref("schemas", v.Schemas[0])
		}
		examples := object{}
		for _, e := range v.Examples {
			examples = append(examples, entry[any]{e.key, object{{"value", e.value}}})
		}
		response = append(response, entry[any]{"content", object{{"application/json", object{{"schema", schema}, {"examples", examples}}}}})
		made = append(made, entry[any]{failure.key, response})
	}
	return made
}

func pointer(kind, name string) string { return "#/components/" + kind + "/" + name }

func ref(kind, name string) object { return object{{"$ref", pointer(kind, name)}} }

func refs(kind string, names []string) (all []object) {
	for _, name := range names {
		all = append(all, ref(kind, name))
	}
	return all
}

func keys[T any](o ordered[T]) (keys []string) {
	for _, e := range o {
		keys = append(keys, e.key)
	}
	return keys
}

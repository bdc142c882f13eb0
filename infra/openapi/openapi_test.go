package openapi_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/openapi"
)

const fragment = `
info: {title: Things}
security: {key: {type: http, scheme: bearer}}
always: [Cache-Control]
page: {type: object, properties: {count: {type: integer}}}
tag: {name: Things}
operations:
  list-things: {summary: List, parameters: [cursor, since], answers: {"200": {page: Thing, media: [text/csv], description: A page.}}}
  create-thing: {summary: Create, request: NewThing, answers: {"201": {schema: Thing, description: The thing., headers: [Location]}}}
  log-in: {summary: Log in, answers: {"201": {schema: Thing, description: The thing.}}}
  list-marks: {summary: Marks, outlives: true, answers: {"200": {schema: Thing, description: The thing.}}}
  change-thing: {summary: Change, parameters: [if_match, if_none_match], answers: {"200": {schema: Tagged, description: The thing.}}}
  get-mark: {route: "GET /api/things/{thing_id}/marks/{mark}", summary: Mark, answers: {"200": {schema: Thing, description: The mark.}}}
  get-thing: {summary: Get, answers: {"200": {schema: Thing, description: The thing.}}, failures: [Gone]}
parameters:
  cursor: {in: query, schema: {type: string}}
  thing_id: {in: path, schema: {type: string}}
  mark: {in: path, schema: {type: string}}
  if_match: {name: If-Match, in: header, schema: {type: string}}
  idempotency_key: {name: Idempotency-Key, in: header, schema: {type: string}}
  since: {in: query, required: true, schema: {type: string}}
  if_none_match: {name: If-None-Match, in: header, schema: {type: string}}
headers:
  Cache-Control: {schema: {type: string}}
  Location: {schema: {type: string}}
  ETag: {schema: {type: string}}
failures:
  Same: {status: "304", of: known, description: Same., headers: [ETag]}
  Changed: {status: "412", of: match, description: Changed., schemas: [Detail], examples: {id: {detail: Changed.}}}
  Repeated: {status: "409", of: post, description: Repeated., schemas: [Detail], examples: {id: {detail: Repeated.}}}
  Missing: {status: "404", of: place, description: Missing., schemas: [Detail], examples: {id: {detail: Not found.}}}
  Gone: {status: "410", description: Gone., schemas: [Detail], examples: {id: {detail: Gone.}}}
  Broken: {status: "500", of: all, description: Broken., schemas: [Detail], examples: {any: {detail: Broken.}}}
schemas:
  Detail: {type: object, properties: {detail: {type: string}}}
  Thing: {type: object, properties: {id: {type: string}}, examples: [{id: a}]}
  Tagged: {type: object, properties: {etag: {type: string}}, examples: [{etag: '"1"'}]}
  NewThing: {type: object, required: [id], properties: {id: {type: string}}, examples: [{id: a}]}
`

// things is a table of functions.
func things() []functions.Function {
	return []functions.Function{
		{Name: "list-things", Route: "GET /api/things"},
		{Name: "create-thing", Route: "POST /api/things"},
		{Name: "get-thing", Route: "GET /api/things/{thing_id}"},
		{Name: "list-marks", Route: "GET /api/things/{thing_id}/marks, GET /api/things/{thing_id}/marks/{mark}"},
		{Name: "change-thing", Route: "PATCH /api/things/{thing_id}"},
		{Name: "log-in", Route: "POST /api/login", Open: true},
		{Name: "page", Route: "GET /page", Open: true},
		{Name: "fallback", Route: "ANY /{proxy+}"},
	}
}

func generate(t *testing.T, table []functions.Function, fragment string) (map[string]any, error) {
	t.Helper()
	text, err := openapi.Generate(table, map[string][]byte{"things.yaml": []byte(fragment)})
	if err != nil {
		return nil, err
	}
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	return document, nil
}

// at returns the part of a document at a path of keys.
func at(part any, keys ...string) any {
	for _, key := range keys {
		object, _ := part.(map[string]any)
		part = object[key]
	}
	return part
}

func names(part any) []string {
	object, _ := part.(map[string]any)
	return slices.Sorted(maps.Keys(object))
}

// A route gets its path, parameters, key, failures and links by rules.
func TestRulesCompleteADocument(t *testing.T) {
	document, err := generate(t, things(), fragment)
	if err != nil {
		t.Fatal(err)
	}
	list := at(document, "paths", "/api/things/", "get")
	create := at(document, "paths", "/api/things/", "post")
	get := at(document, "paths", "/api/things/{thing_id}/", "get")
	change := at(document, "paths", "/api/things/{thing_id}/", "patch")
	mark := at(document, "paths", "/api/things/{thing_id}/marks/{mark}/", "get")
	type part struct{ got, want any }
	ref := func(to string) any { return map[string]any{"$ref": "#/components/" + to} }
	for what, p := range map[string]part{
		"paths":              {names(at(document, "paths")), []string{"/api/login/", "/api/things/", "/api/things/{thing_id}/", "/api/things/{thing_id}/marks/", "/api/things/{thing_id}/marks/{mark}/"}},
		"further route":      {at(mark, "operationId"), "getMark"},
		"answers with tags":  {names(at(change, "responses")), []string{"200", "304", "404", "412", "500"}},
		"tag of an object":   {names(at(change, "responses", "200", "headers")), []string{"Cache-Control", "ETag"}},
		"not modified":       {names(at(document, "components", "responses", "Same")), []string{"description", "headers"}},
		"precondition":       {names(at(document, "components", "responses", "Changed")), []string{"content", "description", "headers"}},
		"name":               {at(get, "operationId"), "getThing"},
		"path's parameter":   {at(get, "parameters"), []any{ref("parameters/thing_id")}},
		"it is required":     {at(document, "components", "parameters", "thing_id", "required"), true},
		"query's parameter":  {at(list, "parameters"), []any{ref("parameters/cursor"), ref("parameters/since")}},
		"key":                {at(get, "security"), []any{map[string]any{"key": []any{}}}},
		"failures of a list": {names(at(list, "responses")), []string{"200", "404", "500"}},
		"of a creation":      {names(at(create, "responses")), []string{"201", "409", "500"}},
		"it is repeated":     {at(create, "parameters"), []any{ref("parameters/idempotency_key")}},
		"without a key":      {names(at(document, "paths", "/api/login/", "post", "responses")), []string{"201", "500"}},
		"no key, no repeat":  {at(document, "paths", "/api/login/", "post", "parameters"), nil},
		"required":           {at(document, "components", "parameters", "since", "required"), true},
		"of an object":       {names(at(get, "responses")), []string{"200", "404", "410", "500"}},
		"headers":            {names(at(create, "responses", "201", "headers")), []string{"Cache-Control", "Location"}},
		"page":               {names(at(document, "components", "schemas", "ThingPage", "properties")), []string{"count", "results"}},
		"example of a page":  {at(list, "responses", "200", "content", "application/json", "example", "results"), []any{map[string]any{"id": "a"}}},
		"other bodies":       {at(list, "responses", "200", "content", "text/csv", "schema"), map[string]any{"type": "string"}},
		"body":               {at(create, "requestBody", "content", "application/json", "schema"), ref("schemas/NewThing")},
		"it is required too": {at(create, "requestBody", "required"), true},
		"links":              {names(at(create, "responses", "201", "links")), []string{"changeThing", "getThing"}},
		"link":               {at(create, "responses", "201", "links", "getThing", "parameters"), map[string]any{"thing_id": "$response.body#/id"}},
	} {
		if diff := cmp.Diff(p.want, p.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}

// An open route needs no key.
func TestOpenRoutesNeedNoKey(t *testing.T) {
	table := things()
	table[2].Open = true
	document, err := generate(t, table, fragment)
	if err != nil {
		t.Fatal(err)
	}
	get := at(document, "paths", "/api/things/{thing_id}/", "get")
	if got := at(get, "security"); !reflect.DeepEqual(got, []any{}) || names(at(get, "responses", "200", "headers")) != nil {
		t.Errorf("security = %v, headers = %v, want none", got, at(get, "responses", "200", "headers"))
	}
}

func TestFaultyFragmentsAreRefused(t *testing.T) {
	more := append(things(), functions.Function{Name: "delete-thing", Route: "DELETE /api/things/{thing_id}"})
	for name, tt := range map[string]struct {
		table    []functions.Function
		old, new string
		want     string
	}{
		"a route without an operation": {more, "", "", "DELETE /api/things/{thing_id}: no fragment has the operation delete-thing"},
		"an operation without a route": {slices.Delete(things(), 2, 3), "", "", "operation get-thing: functions.yaml has no route of it below /api/"},
		"an unused schema":             {things(), "\nschemas:", "\nschemas:\n  Other: {type: object}", "nothing uses Other of schemas"},
		"an unused parameter":          {things(), "parameters: [cursor, since]", "parameters: [since]", "nothing uses cursor of parameters"},
		"an unused failure":            {things(), ", failures: [Gone]", "", "nothing uses Gone of responses"},
		"an unused header":             {things(), ", headers: [Location]", "", "nothing uses Location of headers"},
		"an unknown failure":           {things(), "[Gone]", "[Away]", "operation get-thing: no fragment has the failure Away"},
		"an unknown schema":            {things(), "request: NewThing", "request: Thin", "operation create-thing: no fragment has the schema Thin"},
		"an unknown key":               {things(), "summary: Get", "summery: Get", "field summery not found"},
		"media without JSON":           {things(), "schema: Thing, description: The thing.}}, failures", "media: [text/csv], description: The thing.}}, failures", "operation get-thing: the media text/csv have no JSON beside them"},
		"a schema that is there twice": {things(), "\nschemas:", "\nschemas:\n  Thing: {type: object}", "Thing is there twice"},
	} {
		changed := strings.Replace(fragment, tt.old, tt.new, 1)
		if _, err := generate(t, tt.table, changed); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}

// field is a property as JSON has it.
type field struct {
	Name     string
	Types    []string
	Optional bool // an answer may lack it
}

// The schemas have the fields of the wire types, with their types, and no others.
func TestSchemasAreTheWireTypes(t *testing.T) {
	schemas := at(documentOf(t), "components", "schemas").(map[string]any)
	compared := map[string]bool{}
	compare := func(schema string, want []field, isAnswer bool) {
		t.Helper()
		compared[schema] = true
		source := at(schemas, schema)
		var got []field
		properties, _ := at(source, "properties").(map[string]any)
		for name, property := range properties {
			got = append(got, field{Name: name, Types: types(property)})
		}
		byName := func(a, b field) int { return strings.Compare(a.Name, b.Name) }
		slices.SortFunc(got, byName)
		slices.SortFunc(want, byName)
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(field{}, "Optional")); diff != "" {
			t.Errorf("the fields of schema %s (-Go +document):\n%s", schema, diff)
		}
		var always []string
		for _, f := range want {
			if !f.Optional {
				always = append(always, f.Name)
			}
		}
		listed, _ := at(source, "required").([]any)
		var required []string
		for _, name := range listed {
			required = append(required, name.(string))
		}
		slices.Sort(required)
		if diff := cmp.Diff(always, required); isAnswer && diff != "" {
			t.Errorf("the fields that schema %s requires (-those that an answer always has +document):\n%s", schema, diff)
		}
	}
	for _, file := range parse(t) {
		for name, fields := range bodies(file) {
			switch name {
			case "Page":
				for schema := range schemas {
					if strings.HasSuffix(schema, "Page") && schema != "EventPage" { // which has its own type
						compare(schema, slices.Clone(fields), true)
					}
				}
				continue
			case "Item":
				compare("RevealedItem", without(fields, "last_accessed_at", "last_accessed_by"), true)
			}
			compare(name, fields, true)
		}
		for name, fields := range inputs(file) {
			if schemas["New"+name] == nil {
				compare(name, fields, false)
				continue
			}
			compare("New"+name, slices.Clone(fields), false)
			compare(name+"Change", fields, false)
		}
	}
	for _, schema := range slices.Sorted(maps.Keys(schemas)) {
		if !compared[schema] && !slices.Contains([]string{"Document", "FieldErrors", "Malformed", "Values"}, schema) {
			t.Errorf("schema %s: no type of pkg/httpapi is like it", schema)
		}
	}
}

// without makes fields never null, as a reveal's are.
func without(fields []field, names ...string) []field {
	fields = slices.Clone(fields)
	for i, f := range fields {
		if slices.Contains(names, f.Name) {
			fields[i].Types = []string{"string"}
		}
	}
	return fields
}

// A field has the same limits in answers as in requests, which the end-to-end suite holds.
func TestAnswersHaveTheLimitsOfRequests(t *testing.T) {
	schemas := at(documentOf(t), "components", "schemas").(map[string]any)
	compared := 0
	for name := range schemas {
		object, isNew := strings.CutPrefix(name, "New")
		if !isNew {
			continue
		}
		for field, request := range at(schemas, name, "properties").(map[string]any) {
			answer := at(schemas, object, "properties", field)
			if at(answer, "const") != nil { // the mask
				answer = at(schemas, "Revealed"+object, "properties", field)
			}
			limits := []string{"minLength", "maxLength", "minItems", "maxItems", "pattern", "format", "items"}
			kinds, _ := at(answer, "type").([]any) // or one
			if at(answer, "type") == "integer" || slices.Contains(kinds, any("integer")) {
				limits = []string{"minimum", "maximum"}
			}
			for _, limit := range limits {
				compared++
				if diff := cmp.Diff(at(request, limit), at(answer, limit)); diff != "" {
					t.Errorf("%s of %s in %s and in answers (-request +answer):\n%s", limit, field, name, diff)
				}
			}
		}
	}
	if compared < 20 {
		t.Errorf("%d limits were compared, want at least 20", compared)
	}
}

// The API reads a page's size leniently, so no request can show a limit of it.
func TestPageSizesAreThoseOfTheHandlers(t *testing.T) {
	constants := map[string]string{}
	for _, file := range parse(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
				if value, ok := spec.Values[0].(*ast.BasicLit); ok {
					constants[spec.Names[0].Name] = value.Value
				}
			}
			return true
		})
	}
	size := at(documentOf(t), "components", "parameters", "page_size", "schema")
	got := []any{at(size, "default"), at(size, "maximum"), at(documentOf(t), "components", "schemas", "SecretPage", "properties", "results", "maxItems")}
	for i, name := range []string{"defaultPageSize", "maxPageSize", "maxPageSize"} {
		if want := constants[name]; strconv.FormatFloat(got[i].(float64), 'f', -1, 64) != want {
			t.Errorf("the document has %v, want %s = %s", got[i], name, want)
		}
	}
}

// docs/api.md shows the objects, failures and statuses of the document as the document does.
func TestPageOfTheAPIAgreesWithTheDocument(t *testing.T) {
	path, err := checkout.Path("docs", "api.md")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	document := documentOf(t)
	shown := map[string]bool{}
	for _, text := range regexp.MustCompile(`(?s)\{"\w+":.*?\}($|[\n`+"`"+`])`).FindAllString(string(page), -1) {
		var object map[string]any
		if json.Unmarshal([]byte(strings.TrimRight(text, "`\n")), &object) == nil {
			shown[canonical(object)] = true
		}
	}
	var statuses []string
	for name, response := range at(document, "components", "responses").(map[string]any) {
		examples, _ := at(response, "content", "application/json", "examples").(map[string]any) // a 304 has none
		for example, value := range examples {
			if !shown[canonical(at(value, "value"))] {
				t.Errorf("docs/api.md does not show the example %s of %s: %s", example, name, canonical(at(value, "value")))
			}
		}
	}
	for _, name := range answered(document) {
		if !strings.Contains(string(page), "\n<!-- fields "+name+" -->\n") {
			t.Errorf("docs/api.md has no table of %s: add the lines <!-- fields %s --> and <!-- /fields %s -->", name, name, name)
		}
		if example := at(document, "components", "schemas", name, "examples").([]any)[0]; !shown[canonical(example)] {
			t.Errorf("docs/api.md does not show the example of %s: %s", name, canonical(example))
		}
	}
	for _, item := range at(document, "paths").(map[string]any) {
		for _, operation := range item.(map[string]any) {
			statuses = append(statuses, names(at(operation, "responses"))...)
		}
	}
	answers := string(page[bytes.Index(page, []byte("\n## Answers\n")):])
	answers = answers[:strings.Index(answers[1:], "\n## ")]
	listed := []string{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d{3}) \|`).FindAllStringSubmatch(answers, -1) {
		if row[1] != "405" { // no operation has it
			listed = append(listed, row[1])
		}
	}
	slices.Sort(statuses)
	slices.Sort(listed)
	if diff := cmp.Diff(slices.Compact(statuses), slices.Compact(listed)); diff != "" {
		t.Errorf("the statuses (-document +docs/api.md):\n%s", diff)
	}
	delivered := []string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `(true|false)` \\|").FindAllStringSubmatch(string(page), -1) {
		delivered = append(delivered, row[1])
	}
	states := []string{}
	for _, state := range at(document, "components", "schemas", "Secret", "properties", "status", "enum").([]any) {
		states = append(states, state.(string))
	}
	if diff := cmp.Diff(states, delivered); diff != "" {
		t.Errorf("the states of a delivery (-document +docs/api.md):\n%s", diff)
	}
}

// answered are the schemas of objects that operations answer with: those of the first use of each, without the
// document itself, and without a reveal's, which are an item's.
func answered(document map[string]any) (names []string) {
	names = []string{"BatchChange", "BatchDone", "Budget", "Comparison", "EventItem", "EventPage", "Finding", "Named", "NamedItem", "Progress", "Review"}
	for name := range at(document, "components", "schemas").(map[string]any) {
		if object, isPage := strings.CutSuffix(name, "Page"); isPage {
			names = append(names, object)
		}
	}
	slices.Sort(names)
	return names
}

// canonical is a JSON value as one text, whatever the order of its fields.
func canonical(value any) string {
	text, _ := json.Marshal(value) // of what JSON was read
	return string(text)
}

func documentOf(t *testing.T) map[string]any {
	t.Helper()
	table, err := functions.Load()
	if err != nil {
		t.Fatal(err)
	}
	fragments, err := openapi.Fragments()
	if err != nil {
		t.Fatal(err)
	}
	text, err := openapi.Generate(table, fragments)
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// types are a schema's JSON types. A reference is an object.
func types(schema any) (all []string) {
	switch of := at(schema, "type").(type) {
	case string:
		all = append(all, of)
	case []any:
		for _, one := range of {
			all = append(all, one.(string))
		}
	}
	if at(schema, "$ref") != nil {
		all = append(all, "object")
	}
	alternatives, _ := at(schema, "anyOf").([]any)
	for _, alternative := range alternatives {
		all = append(all, types(alternative)...)
	}
	return alternative(all)
}

// alternative sorts types, any of which a value may have. An integer is then a number.
func alternative(all []string) []string {
	for i, one := range all {
		if one == "integer" && len(all) > 1 {
			all[i] = "number"
		}
	}
	slices.Sort(all)
	return all
}

func parse(t *testing.T) (files []*ast.File) {
	t.Helper()
	folder, err := checkout.Path("pkg", "httpapi")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

var jsonName = regexp.MustCompile(`json:"([^",]+)(,omitempty)?"`)

// bodies returns the fields of a file's structs for answers, by the name of their schema: Secret of secretBody. An
// embedded struct precedes the one that embeds it.
func bodies(file *ast.File) map[string][]field {
	found := map[string][]field{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		of, isStruct := spec.Type.(*ast.StructType)
		if !isStruct || !strings.HasSuffix(spec.Name.Name, "Body") {
			return true
		}
		var fields []field
		for _, f := range of.Fields.List {
			name := "a field without a name"
			if embedded, ok := f.Type.(*ast.Ident); ok && f.Names == nil {
				fields = append(fields, found[schemaOf(embedded.Name)]...)
				continue
			}
			optional := false
			if f.Tag != nil {
				if match := jsonName.FindStringSubmatch(f.Tag.Value); match != nil {
					name, optional = match[1], match[2] != ""
				}
			}
			of := f.Type
			if pointer, isPointer := of.(*ast.StarExpr); isPointer && optional { // missing in place of null
				of = pointer.X
			}
			fields = append(fields, field{name, jsonTypes(of), optional})
		}
		found[schemaOf(spec.Name.Name)] = fields
		return true
	})
	return found
}

// schemaOf is the name of the schema of a struct or an input: Secret of secretBody and secretInput.
func schemaOf(name string) string {
	name = strings.TrimSuffix(strings.TrimSuffix(name, "Body"), "Input")
	return strings.ToUpper(name[:1]) + name[1:]
}

func jsonTypes(of ast.Expr) []string {
	switch of := of.(type) {
	case *ast.StarExpr:
		return alternative(append(jsonTypes(of.X), "null"))
	case *ast.ArrayType:
		return []string{"array"}
	case *ast.MapType: // never an empty one
		return []string{"null", "object"}
	case *ast.Ident:
		if kind := map[string]string{"string": "string", "bool": "boolean", "int": "integer", "int64": "integer"}[of.Name]; kind != "" {
			return []string{kind}
		}
	}
	return []string{"object"}
}

// read are the JSON types that the readers of a body accept.
var read = map[string][]string{
	"text": {"number", "string"}, "opaque": {"string"}, "nullable": {"null", "number", "string"}, "integer": {"number", "string"}, "reference": {"string"},
	"nullableInteger": {"null", "number", "string"}, "nullableOpaque": {"null", "string"},
	"list": {"array"}, "objects": {"array"}, "texts": {"array"}, "nullableList": {"array", "null"}, "boolean": {"boolean"},
}

// inputs returns the fields that a file's functions read of a body, by the name of their object: Secret of
// secretInput, which creations and changes share; or NewKey and KeyChange, if they have other fields.
func inputs(file *ast.File) map[string][]field {
	found := map[string][]field{}
	for _, declared := range file.Decls {
		function, ok := declared.(*ast.FuncDecl)
		if !ok || !strings.HasSuffix(function.Name.Name, "Input") {
			continue
		}
		var fields []field
		ast.Inspect(function, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			selected, isMethod := call.Fun.(*ast.SelectorExpr)
			name, isText := call.Args[0].(*ast.BasicLit)
			if !isMethod {
				return true
			}
			whole, isWhole := selected.X.(*ast.Ident) // and not an element of a list
			isWhole = isWhole && whole.Name == "b"
			if isWhole && isText && read[selected.Sel.Name] != nil {
				text, _ := strconv.Unquote(name.Value)
				fields = append(fields, field{Name: text, Types: read[selected.Sel.Name]})
			}
			return true
		})
		found[schemaOf(function.Name.Name)] = fields
	}
	return found
}

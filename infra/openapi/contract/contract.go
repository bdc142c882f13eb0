// Package contract holds requests and answers against the API's OpenAPI document.
//
// Tests pass it every exchange with the API. An exchange breaks the contract if
//
//   - the answer has a status, a header or a field that the document lacks, or lacks one that the document requires;
//   - a part of the answer has a value that its schema excludes, or the tag of an object is not its header ETag;
//   - the request succeeds, although the document excludes one of its parameters or fields;
//   - the request fails for a field that the document allows, unless the reason is beyond schemas.
//
// The last two hold a limit from both sides: where tests send values at a limit and past it, the document can have no
// other limit than the API. Objects of answers are closed here. In the document they are open, so that new fields
// break no client.
//
// Schemas say nothing of bodies that are not JSON. Each line of NDJSON is held against the schema of a page's objects, and
// the records of CSV need as many cells as its header.
//
// Schemas are those of JSON Schema 2020-12, as in OpenAPI 3.1. Each is compiled once: kin-openapi compiles at each
// use, which takes 34 times as long.
package contract

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/openapi"
)

// Contract is the document, and the operations that were seen to succeed.
type Contract struct {
	document map[string]any
	paths    []path
	detail   *jsonschema.Schema // of answers to requests without an operation

	mu        sync.Mutex       // of what follows
	succeeded map[string]bool  // operations, by id
	sent      map[string]*sent // by operation and name
}

type path struct {
	pattern    *regexp.Regexp
	operations map[string]*operation // by method
}

type operation struct {
	id         string
	open       bool              // it needs no key
	parameters map[string]schema // of the path and the query, by name
	required   []string          // parameters of the query
	names      []string          // of the path's parameters, in their order
	body       *schema
	answers    map[int]answer
}

// schema is that of a parameter or of a request's body.
type schema struct {
	*jsonschema.Schema
	source map[string]any
}

type answer struct {
	body    *jsonschema.Schema // nil: none
	object  *jsonschema.Schema // of a page's objects, if the body is a page
	media   []string           // types of other bodies
	headers map[string]header  // by canonical name
}

type header struct {
	required bool
	schema   schema
}

// Exchange is a request and its answer.
type Exchange struct {
	Method string
	Path   string // escaped, with its query
	Body   []byte
	Status int
	Header http.Header
	Answer []byte
}

// decoded returns the answer's body without its coding.
func (x Exchange) decoded() ([]byte, error) {
	if x.Header.Get("Content-Encoding") != "gzip" {
		return x.Answer, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(x.Answer))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Load reads the document of the checkout.
func Load() (*Contract, error) {
	name, err := checkout.Path(openapi.Name)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parse(text)
}

// parse reads a document.
func parse(text []byte) (*Contract, error) {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	document, ok := parsed.(map[string]any)
	if !ok {
		return nil, errors.New("the document is not an object")
	}
	c := &Contract{document: document, succeeded: map[string]bool{}, sent: map[string]*sent{}}
	l := loader{document: document, compiler: jsonschema.NewCompiler(), err: c.closeAnswers()}
	l.compiler.AssertFormat()
	if err := l.compiler.AddResource(resource, document); err != nil {
		return nil, err
	}
	c.detail = l.schema("/components/schemas/Detail").Schema
	// Static paths precede those with parameters.
	templates := slices.SortedFunc(maps.Keys(l.object("/paths")), func(a, b string) int {
		return strings.Count(a, "{") - strings.Count(b, "{")
	})
	for _, template := range templates {
		at := "/paths/" + escape(template)
		pattern := pathParameter.ReplaceAllString(strings.ReplaceAll(strings.TrimSuffix(template, "/"), ".", `\.`), "([^/]+)")
		p := path{regexp.MustCompile("^" + pattern + "/?$"), map[string]*operation{}}
		for method := range l.object(at) {
			p.operations[strings.ToUpper(method)] = l.operation(at+"/"+method, template)
		}
		c.paths = append(c.paths, p)
	}
	return c, l.err
}

// Choices returns the values that the document has for a parameter of its components.
func (c *Contract) Choices(parameter string) (values []string) {
	l := loader{document: c.document}
	choices, _ := l.object("/components/parameters/" + parameter + "/schema")["enum"].([]any)
	for _, choice := range choices {
		values = append(values, fmt.Sprint(choice))
	}
	return values
}

// Unproven returns the ids of the operations that have not succeeded so far.
func (c *Contract) Unproven() (ids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, op := range c.operations() {
		if !c.succeeded[op.id] {
			ids = append(ids, op.id)
		}
	}
	return ids
}

// operations returns all operations, by their ids.
func (c *Contract) operations() (all []*operation) {
	for _, p := range c.paths {
		all = slices.AppendSeq(all, maps.Values(p.operations))
	}
	slices.SortFunc(all, func(a, b *operation) int { return strings.Compare(a.id, b.id) })
	return all
}

// Check returns how an exchange breaks the contract, or nil.
func (c *Contract) Check(x Exchange) error {
	var err error
	if x.Answer, err = x.decoded(); err != nil {
		return err
	}
	x.Header = canonical(x.Header)
	place, query, _ := strings.Cut(x.Path, "?")
	for _, p := range c.paths {
		match := p.pattern.FindStringSubmatch(place)
		if match == nil {
			continue
		}
		op, found := p.operations[x.Method]
		if !found {
			return c.checkOther(x, slices.Sorted(maps.Keys(p.operations)))
		}
		return errors.Join(op.checkAnswer(x), c.checkRequest(op, x, match[1:], query))
	}
	return c.checkOther(x, nil)
}

// canonical spells the names of headers as net/http does. Handlers may send others, such as RateLimit.
func canonical(sent http.Header) http.Header {
	h := http.Header{}
	for name, values := range sent {
		h[http.CanonicalHeaderKey(name)] = values
	}
	return h
}

// checkOther checks the answer to a request without an operation. methods are those of its path.
func (c *Contract) checkOther(x Exchange, methods []string) error {
	allow := x.Header.Get("Allow")
	switch {
	case x.Status == http.StatusUnauthorized || x.Status == http.StatusBadRequest: // the gateway's, before it looks at the path
	case methods == nil && x.Status == http.StatusNotFound:
	case !strings.HasPrefix(x.Path, openapi.Below): // a page for browsers
	case methods != nil && (x.Status == http.StatusMethodNotAllowed || x.Method == http.MethodOptions && x.Status == http.StatusOK):
		got := strings.Split(strings.TrimSuffix(allow, ", OPTIONS"), ", ")
		if slices.Sort(got); !slices.Equal(got, methods) {
			return fmt.Errorf("the header Allow is %q, and the document has %q", allow, methods)
		}
	default:
		return fmt.Errorf("the document has no such operation, and the status is %d", x.Status)
	}
	for name := range x.Header {
		if strings.HasPrefix(x.Path, openapi.Below) && !common.MatchString(name) && !transport.MatchString(name) {
			return fmt.Errorf("the answer has the header %s, which no answer like it has", name)
		}
	}
	isEmpty := x.Method == http.MethodHead || x.Method == http.MethodOptions && x.Status == http.StatusOK
	if isEmpty && len(x.Answer) == 0 {
		return nil
	}
	return validate(c.detail, x.Answer, "the answer")
}

// transport are headers that HTTP itself or the gateway adds to any answer.
var transport = regexp.MustCompile(`^(Date|Connection|Content-(Type|Length|Encoding)|Server|Via|X-Amz.*|X-Cache|Apigw-Requestid)$`)

// common are the headers of answers to requests without an operation.
var common = regexp.MustCompile(`^(Allow|Cache-Control|Strict-Transport-Security|Www-Authenticate|X-Content-Type-Options)$`)

func (op *operation) checkAnswer(x Exchange) error {
	a, found := op.answers[x.Status]
	if !found {
		return fmt.Errorf("the document lacks the status %d of %s", x.Status, op.id)
	}
	var errs []error
	for name, values := range x.Header {
		h, found := a.headers[name]
		switch {
		case !found && !transport.MatchString(name):
			errs = append(errs, fmt.Errorf("the document lacks the header %s of %d of %s", name, x.Status, op.id))
		case found && len(values) != 1:
			errs = append(errs, fmt.Errorf("the header %s is there %d times", name, len(values)))
		case found:
			errs = append(errs, explain(h.schema.Validate(h.schema.parse(values[0])), "the header "+name))
		}
	}
	for name, h := range a.headers {
		if h.required && x.Header[name] == nil {
			errs = append(errs, fmt.Errorf("the answer lacks the header %s of %d of %s", name, x.Status, op.id))
		}
	}
	switch media := cmp.Or(mediaType(x.Header), "application/json"); {
	case slices.Contains(a.media, media):
		errs = append(errs, a.checkText(media, x.Answer))
	case a.body != nil && media != "application/json":
		errs = append(errs, fmt.Errorf("the document lacks the type %s of %d of %s", media, x.Status, op.id))
	case a.body != nil:
		errs = append(errs, validate(a.body, x.Answer, "the answer"))
	case len(x.Answer) > 0:
		errs = append(errs, fmt.Errorf("the document has no body of %d of %s", x.Status, op.id))
	}
	if a.headers["Etag"].required && x.Status != http.StatusNotModified {
		errs = append(errs, sameTag(x))
	}
	return errors.Join(errs...)
}

// sameTag compares the header ETag with the field etag, if the answer has it.
func sameTag(x Exchange) error {
	var object struct {
		ETag *string `json:"etag"`
	}
	if json.Unmarshal(x.Answer, &object) == nil && object.ETag != nil && *object.ETag != x.Header.Get("Etag") {
		return fmt.Errorf("the header ETag is %s, and the field etag %s", x.Header.Get("Etag"), *object.ETag)
	}
	return nil
}

// mediaType is the type of a body, without its parameters; empty: none is given.
func mediaType(h http.Header) string {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil && h.Get("Content-Type") != "" {
		return "invalid"
	}
	return media
}

// checkText checks a body that is not JSON.
func (a answer) checkText(media string, text []byte) error {
	switch media {
	case "application/x-ndjson":
		var errs []error
		for line := range bytes.Lines(text) {
			errs = append(errs, validate(a.object, line, "a line of the answer"))
		}
		return errors.Join(errs...)
	case "text/csv":
		records, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		if err == nil && len(records) == 0 {
			err = errors.New("the answer has no header")
		}
		return err
	}
	return fmt.Errorf("nothing checks answers of the type %s", media)
}

// checkRequest checks a request by its success or failure.
func (c *Contract) checkRequest(op *operation, x Exchange, places []string, query string) error {
	asked := c.request(op, x, places, query)
	var errs []error
	switch {
	case x.Status < 300:
		for _, name := range slices.Sorted(maps.Keys(asked.excluded)) {
			errs = append(errs, fmt.Errorf("the request succeeded, although the document excludes its %s: %w", name, asked.excluded[name]))
		}
		c.record(op, asked.values, true, nil)
	case x.Status == http.StatusBadRequest:
		var faults map[string]any
		if json.Unmarshal(x.Answer, &faults) != nil {
			return nil
		}
		if _, isDetail := faults["detail"].(string); isDetail { // the body is not JSON
			return nil
		}
		var refused []string
		for name, fault := range faults {
			messages := texts(fault)
			isBeyond := asked.isNumber(name) || slices.ContainsFunc(messages, func(message string) bool { return beyond(message, x) })
			switch {
			case asked.excluded[name] != nil:
				refused = append(refused, name)
			case name == "non_field_errors": // of a number of elements, too
				refused = slices.AppendSeq(refused, maps.Keys(asked.excluded))
			case !isBeyond:
				errs = append(errs, fmt.Errorf("the request failed for its %s (%q), although the document allows it", name, messages))
			}
		}
		c.record(op, asked.values, false, refused)
	case x.Status == http.StatusNotFound: // of a malformed cursor or id
		c.record(op, asked.values, false, slices.Collect(maps.Keys(asked.excluded)))
	}
	return errors.Join(errs...)
}

// texts returns all texts in a JSON value.
func texts(value any) (all []string) {
	switch value := value.(type) {
	case string:
		return []string{value}
	case []any:
		for _, element := range value {
			all = append(all, texts(element)...)
		}
	case map[string]any:
		for _, field := range value {
			all = append(all, texts(field)...)
		}
	}
	return all
}

// beyondSchemas are reasons that depend on what is stored, or that a schema can't express.
var beyondSchemas = regexp.MustCompile(`already exists\.$|object does not exist\.$|too large to be delivered|would take more than|` +
	`^Enter a name with visible|^Surrogate characters|^A cursor does not go with|may be given only once|` +
	`does not become a machine|^You have none of|^The user lacks|^An invitation |made as an invitation|^Your key is limited|` +
	`that expires expires no later|does not go with deleted\.$|^This time is not in the future|^A key only gets narrower|can't be limited to secrets|^A key can't revoke|^This key is given twice|^Give another secret`)

// beyond reports whether a fault's reason is beyond the schemas. Schemas count characters: a limit in bytes is beyond
// them for other texts than ASCII.
func beyond(message string, x Exchange) bool {
	inBytes := strings.HasSuffix(message, " bytes.") && bytes.ContainsFunc(x.Body, func(r rune) bool { return r > 127 })
	return inBytes || beyondSchemas.MatchString(message)
}

// request is what a request says.
type request struct {
	values   map[string]any   // of parameters of the query and of fields, as the API looks at them
	excluded map[string]error // by the document; "non_field_errors": as a whole
}

// exclude notes a fault.
func (r request) exclude(name string, err error) {
	if err != nil {
		r.excluded[name] = err
	}
}

// isNumber reports whether a value is a number. The rules of a text then hold for its digits.
func (r request) isNumber(name string) bool {
	_, is := r.values[name].(json.Number)
	return is
}

// request reads a request. Like the API, it removes space around texts.
func (c *Contract) request(op *operation, x Exchange, places []string, query string) request {
	r := request{map[string]any{}, map[string]error{}}
	for i, place := range places {
		text, err := url.PathUnescape(place)
		if err != nil {
			text = place
		}
		parameter := op.parameters[op.names[i]]
		r.exclude(op.names[i], parameter.Validate(parameter.parse(text)))
	}
	values, _ := url.ParseQuery(query) // faulty parts count as missing
	for _, name := range op.required {
		if !values.Has(name) {
			r.exclude(name, errors.New("it is required"))
		}
	}
	for name, all := range values {
		parameter, known := op.parameters[name]
		if !known {
			if !op.open { // such a route ignores it
				r.exclude(name, errors.New("there is no such parameter"))
			}
			continue
		}
		r.values[name] = parameter.lenient(all[0])
		r.exclude(name, parameter.Validate(r.values[name]))
	}
	if op.body == nil {
		return r
	}
	var body any = map[string]any{} // as which an empty body counts
	if len(x.Body) > 0 {
		var err error
		if body, err = jsonschema.UnmarshalJSON(bytes.NewReader(x.Body)); err != nil {
			r.exclude("non_field_errors", err)
			return r
		}
	}
	fields, ok := body.(map[string]any)
	if !ok {
		r.exclude("non_field_errors", errors.New("not an object"))
		return r
	}
	properties, _ := op.body.source["properties"].(map[string]any)
	for name, property := range properties {
		if value, given := fields[name]; given {
			value = c.trimmed(property, value)
			fields[name], r.values[name] = value, value
		}
	}
	var invalid *jsonschema.ValidationError
	if errors.As(op.body.Validate(body), &invalid) {
		eachCause(invalid, func(cause *jsonschema.ValidationError) {
			if lacks, ok := cause.ErrorKind.(*kind.Required); ok && len(cause.InstanceLocation) == 0 {
				for _, name := range lacks.Missing {
					r.exclude(name, cause)
				}
			}
			if len(cause.InstanceLocation) > 0 {
				r.exclude(cause.InstanceLocation[0], cause)
			}
		})
	}
	return r
}

// eachCause calls do with the innermost causes of an error.
func eachCause(err *jsonschema.ValidationError, do func(*jsonschema.ValidationError)) {
	if len(err.Causes) == 0 {
		do(err)
	}
	for _, cause := range err.Causes {
		eachCause(cause, do)
	}
}

// trimmed is a value of a property as the API reads it: without space around texts, also in a list or in its objects.
func (c *Contract) trimmed(property, value any) any {
	schema, _ := property.(map[string]any)
	if ref, ok := schema["$ref"].(string); ok {
		l := loader{document: c.document}
		schema = l.object(strings.TrimPrefix(ref, "#"))
	}
	switch value := value.(type) {
	case string:
		if convertible(schema) {
			return trim(value)
		}
	case []any:
		for i, element := range value {
			value[i] = c.trimmed(schema["items"], element)
		}
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		for name, property := range properties {
			if field, given := value[name]; given {
				value[name] = c.trimmed(property, field)
			}
		}
	}
	return value
}

// convertible reports whether the API makes a text of other values for a property. It then also trims texts.
func convertible(property map[string]any) bool {
	types, _ := property["type"].([]any)
	return slices.Contains(types, any("string")) && (slices.Contains(types, any("number")) || slices.Contains(types, any("integer")))
}

// parse reads a parameter or a header as the type of its schema.
func (s schema) parse(text string) any {
	if s.source["type"] == "integer" {
		if n, err := strconv.Atoi(text); err == nil {
			return json.Number(strconv.Itoa(n))
		}
	}
	return text
}

// isLenient reports whether the API has a default for any value that the schema excludes.
func (s schema) isLenient() bool { return s.source["type"] == "integer" && s.source["default"] != nil }

// lenient reads a parameter as the API does: it trims texts, and has a default and a maximum for numbers.
func (s schema) lenient(text string) any {
	most, isLimited := s.source["maximum"].(json.Number)
	if !s.isLenient() || !isLimited {
		return trim(text)
	}
	n, err := strconv.Atoi(text)
	limit, _ := strconv.Atoi(most.String())
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n > limit:
		return most
	case err != nil || n < 1:
		return s.source["default"]
	}
	return json.Number(text)
}

// trim removes the spaces that the API removes.
func trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f })
}

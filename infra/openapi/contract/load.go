package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// resource is the document's address for the compiler.
const resource = "openapi.json"

var pathParameter = regexp.MustCompile(`\{[a-z_]+\}`)

// loader reads parts of the document by their JSON pointers. It keeps the first error.
type loader struct {
	document map[string]any
	compiler *jsonschema.Compiler
	err      error
}

// object returns the object at a pointer, or the one that it refers to, and an empty one if there is none.
func (l *loader) object(pointer string) map[string]any {
	var at any = l.document
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch v := at.(type) {
		case map[string]any:
			at = v[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i >= len(v) {
				return nil
			}
			at = v[i]
		}
	}
	found, _ := at.(map[string]any)
	return found
}

// resolve follows a reference at a pointer.
func (l *loader) resolve(pointer string) string {
	if ref, ok := l.object(pointer)["$ref"].(string); ok {
		return strings.TrimPrefix(ref, "#")
	}
	return pointer
}

// schema compiles the schema at a pointer.
func (l *loader) schema(pointer string) schema {
	compiled, err := l.compiler.Compile(resource + "#" + pointer)
	if err != nil && l.err == nil {
		l.err = fmt.Errorf("the schema at %s: %w", pointer, err)
	}
	return schema{compiled, l.object(l.resolve(pointer))}
}

func (l *loader) operation(at, template string) *operation {
	source := l.object(at)
	op := &operation{parameters: map[string]schema{}, answers: map[int]answer{}}
	op.id, _ = source["operationId"].(string)
	for _, name := range pathParameter.FindAllString(template, -1) {
		op.names = append(op.names, strings.Trim(name, "{}"))
	}
	if security, given := source["security"].([]any); given {
		op.open = len(security) == 0
	}
	parameters, _ := source["parameters"].([]any)
	for i := range parameters {
		parameter := l.resolve(fmt.Sprintf("%s/parameters/%d", at, i))
		name, _ := l.object(parameter)["name"].(string)
		if l.object(parameter)["in"] != "header" {
			op.parameters[name] = l.schema(parameter + "/schema")
		}
		if l.object(parameter)["in"] == "query" && l.object(parameter)["required"] == true {
			op.required = append(op.required, name)
		}
	}
	if body := at + "/requestBody" + jsonBody; l.object(body) != nil {
		compiled := l.schema(body)
		op.body = &compiled
	}
	for code := range l.object(at + "/responses") {
		status, err := strconv.Atoi(code)
		if err != nil && l.err == nil {
			l.err = fmt.Errorf("%s: the status %s is not a number", op.id, code)
		}
		op.answers[status] = l.answer(l.resolve(at + "/responses/" + code))
	}
	return op
}

const jsonBody = "/content/application~1json/schema"

func (l *loader) answer(at string) answer {
	a := answer{headers: map[string]header{}}
	if l.object(at+jsonBody) != nil {
		body := at + jsonBody
		a.body = l.schema(body).Schema
		if objects := l.resolve(body) + "/properties/results/items"; l.object(objects) != nil {
			a.object = l.schema(objects).Schema
		}
	}
	for media := range l.object(at + "/content") {
		if media != "application/json" {
			a.media = append(a.media, media)
		}
	}
	for name := range l.object(at + "/headers") {
		place := l.resolve(at + "/headers/" + escape(name))
		required, _ := l.object(place)["required"].(bool)
		a.headers[http.CanonicalHeaderKey(name)] = header{required, l.schema(place + "/schema")}
	}
	return a
}

// escape writes a token of a JSON pointer.
func escape(token string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(token) }

// closeAnswers closes all objects of schemas that no request uses. A schema of both would stay open in answers, so it
// is an error.
func (c *Contract) closeAnswers() error {
	l := loader{document: c.document}
	requests, answers := map[string]bool{}, ""
	for template, item := range l.object("/paths") {
		for method := range item.(map[string]any) {
			at := "/paths/" + escape(template) + "/" + method
			requests[l.resolve(at+"/requestBody"+jsonBody)] = true
			responses, err := json.Marshal(l.object(at)["responses"])
			if err != nil {
				return err
			}
			answers += string(responses)
		}
	}
	for name, s := range l.object("/components/schemas") {
		s, isRequest := s.(map[string]any), requests["/components/schemas/"+name]
		if isRequest && strings.Contains(answers, `"#/components/schemas/`+name+`"`) {
			return fmt.Errorf("schema %s is that of a request and of an answer: each needs its own", name)
		}
		if _, open := s["additionalProperties"]; s["properties"] != nil && !open && !isRequest {
			s["additionalProperties"] = false
		}
	}
	return nil
}

// validate checks a JSON text. what names it in the error, which does not quote it: it may be a value.
func validate(s *jsonschema.Schema, text []byte, what string) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s is not JSON: %w", what, err)
	}
	return explain(s.Validate(value), what)
}

func explain(err error, what string) error {
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	var causes []string
	eachCause(invalid, func(cause *jsonschema.ValidationError) { causes = append(causes, cause.Error()) })
	return fmt.Errorf("%s is not what the document says: %s", what, strings.Join(causes, "; "))
}

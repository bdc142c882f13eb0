package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// methods are the methods that ANY covers.
var methods = []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

type object = map[string]any

// adapt changes the template of built functions in the two places where SAM's gateway
// differs from API Gateway:
//
//   - SAM ignores functions that are referenced by their aliases; without the authorizer it lets
//     every request in. adapt references the function.
//   - SAM lets the definition's ANY handle all methods of a path, even those with events.
//     adapt replaces ANY by the remaining methods.
func adapt(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var doc object
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	taken := map[string][]any{} // path -> methods with an event
	for _, resource := range at(doc, "Resources") {
		for _, authorizer := range at(resource, "Properties", "Auth", "Authorizers") {
			if reference, _ := at(authorizer, "FunctionArn")["Ref"].(string); strings.HasSuffix(reference, ".Alias") {
				authorizer.(object)["FunctionArn"] = object{"Fn::GetAtt": []string{strings.TrimSuffix(reference, ".Alias"), "Arn"}}
			}
		}
		for _, event := range at(resource, "Properties", "Events") {
			if path, ok := at(event, "Properties")["Path"].(string); ok {
				taken[path] = append(taken[path], at(event, "Properties")["Method"])
			}
		}
	}
	for _, resource := range at(doc, "Resources") {
		for path, operations := range at(resource, "Properties", "DefinitionBody", "paths") {
			spellOut(operations.(object), taken[path])
		}
	}
	if raw, err = json.Marshal(doc); err != nil { // JSON is valid YAML
		return err
	}
	return os.WriteFile(path, raw, 0o644)
}

// spellOut replaces a path's ANY by the methods that are not taken, and its function's alias by
// the function.
func spellOut(operations object, taken []any) {
	const anyMethod = "x-amazon-apigateway-any-method"
	operation, found := operations[anyMethod]
	if !found {
		return
	}
	delete(operations, anyMethod)
	uri := at(operation, "x-amazon-apigateway-integration", "uri")
	if text, ok := uri["Fn::Sub"].(string); ok {
		uri["Fn::Sub"] = strings.Replace(text, "Aliaslive}", ".Arn}", 1)
	}
	for _, method := range methods {
		if !slices.Contains(taken, any(method)) {
			operations[strings.ToLower(method)] = operation
		}
	}
}

// at follows keys into a document. A missing key yields an empty object.
func at(v any, keys ...string) object {
	o, _ := v.(object)
	for _, key := range keys {
		o, _ = o[key].(object)
	}
	return o
}

package main

import (
	"encoding/json"
	"fmt"
	"maps"
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
//   - SAM ignores an authorizer that is referenced by its alias, and lets every request
//     in. adapt references its function.
//   - SAM lets ANY handle all methods of a path, even those with their own events. adapt
//     replaces ANY by the remaining methods.
func adapt(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var doc object
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var events []object // of each function
	for _, resource := range at(doc, "Resources") {
		for _, authorizer := range at(resource, "Properties", "Auth", "Authorizers") {
			if reference, _ := at(authorizer, "FunctionArn")["Ref"].(string); strings.HasSuffix(reference, ".Alias") {
				authorizer.(object)["FunctionArn"] = object{"Fn::GetAtt": []string{strings.TrimSuffix(reference, ".Alias"), "Arn"}}
			}
		}
		events = append(events, at(resource, "Properties", "Events"))
	}
	spellOut(events)
	if raw, err = json.Marshal(doc); err != nil { // JSON is valid YAML
		return err
	}
	return os.WriteFile(path, raw, 0o644)
}

// spellOut replaces ANY events on paths that have other events.
func spellOut(events []object) {
	taken := map[any][]any{} // path -> methods
	for _, all := range events {
		for _, event := range all {
			if p := at(event, "Properties"); p["Method"] != nil && p["Method"] != "ANY" {
				taken[p["Path"]] = append(taken[p["Path"]], p["Method"])
			}
		}
	}
	for _, all := range events {
		for name, event := range maps.Clone(all) {
			p := at(event, "Properties")
			if p["Method"] != "ANY" || taken[p["Path"]] == nil {
				continue
			}
			delete(all, name)
			for _, method := range methods {
				if !slices.Contains(taken[p["Path"]], any(method)) {
					one := maps.Clone(p)
					one["Method"] = method
					all[name+method] = object{"Type": "Api", "Properties": one}
				}
			}
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

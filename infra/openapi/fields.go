package openapi

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"goblins-secrets/infra/functions"
)

var fieldsMark = regexp.MustCompile(`(?m)^<!-- fields (\w+) -->$`)

// withFields writes the table of a schema's fields after each mark that names the schema.
func withFields(content []byte, fragments map[string][]byte) ([]byte, error) {
	f, err := read(fragments)
	if err != nil {
		return nil, err
	}
	marks := fieldsMark.FindAllSubmatch(content, -1)
	if marks == nil {
		return nil, errors.New("no line is <!-- fields Schema -->")
	}
	for _, mark := range marks {
		name := string(mark[1])
		properties, ok := f.Schemas.get(name).get("properties").(object)
		if !ok {
			return nil, fmt.Errorf("no fragment has the schema %s with properties", name)
		}
		text := "| | | |\n|---|---|---|\n"
		for _, property := range properties {
			schema := property.value.(object)
			description, _ := schema.get("description").(string)
			text += fmt.Sprintf("| `%s` | %s | %s |\n", property.key, limits(schema), strings.Join(strings.Fields(description), " "))
		}
		if content, err = functions.Between(content, string(mark[0]), "<!-- /fields "+name+" -->", text); err != nil {
			return nil, err
		}
	}
	return content, nil
}

// limits describes the values of a schema.
func limits(schema object) string {
	var kinds []string
	alternatives, _ := schema.get("anyOf").([]any)
	for _, alternative := range append(alternatives, schema) {
		alternative, _ := alternative.(object)
		switch kind := alternative.get("type").(type) {
		case string:
			kinds = append(kinds, kind)
		case []any:
			for _, one := range kind {
				kinds = append(kinds, fmt.Sprint(one))
			}
		}
		if alternative.get("$ref") != nil {
			kinds = append(kinds, "object")
		}
	}
	text := strings.Join(kinds, " or ")
	format, _ := schema.get("format").(string)
	switch format {
	case "uuid":
		text = strings.Replace(text, "string", "UUID", 1)
	case "date-time":
		text = strings.Replace(text, "string", "time", 1)
	}
	for _, limit := range []struct{ least, most, unit string }{{"minLength", "maxLength", " characters"}, {"minItems", "maxItems", " items"}, {"minimum", "maximum", ""}} {
		if most := schema.get(limit.most); most != nil {
			least := schema.get(limit.least)
			if pattern, ok := schema.get("pattern").(string); ok && least == nil {
				if excludes, err := regexp.Compile(pattern); err == nil && !excludes.MatchString("") {
					least = 1
				}
			}
			if least == nil {
				text += fmt.Sprintf(", at most %v%s", most, limit.unit)
			} else {
				text += fmt.Sprintf(", %v–%v%s", least, most, limit.unit)
			}
		}
	}
	if values, ok := schema.get("enum").([]any); ok {
		text = "`" + strings.Trim(strings.ReplaceAll(fmt.Sprint(values), " ", "`, `"), "[]") + "`"
	}
	if value, ok := schema.get("const").(string); ok {
		text = "`" + value + "`"
	}
	if schema.get("readOnly") == true {
		text += ", read-only"
	}
	return text
}

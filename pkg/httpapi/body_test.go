package httpapi_test

import (
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
)

func TestFieldsAreReadByTheirTypes(t *testing.T) {
	const (
		null      = "This field may not be null."
		noString  = "Not a valid string."
		noNumber  = "A valid integer is required."
		noBoolean = "Must be a valid boolean."
		surrogate = "Surrogate characters are not allowed: U+D800."
	)
	noList := func(kind string) secrets.Field {
		return secrets.Malformed(`Expected a list of items but got type "` + kind + `".`)
	}
	for _, tt := range []struct {
		reader, in string
		want       secrets.Field
	}{
		{"list", ``, secrets.Field{}},
		{"list", `null`, secrets.Malformed(null)},
		{"list", `[]`, secrets.Texts()},
		{"list", ` [ "b" , "a","b", "", "\u00e9\n" ] `, secrets.Texts("b", "a", "b", "", "é\n")},
		{"list", `"a"`, noList("str")},
		{"list", `{"0":"a"}`, noList("dict")},
		{"list", `1`, noList("int")},
		{"list", `1.0`, noList("float")},
		{"list", `true`, noList("bool")},
		{"list", `["a",1]`, secrets.Malformed(noString)},
		{"list", `[null]`, secrets.Malformed(noString)},
		{"list", `[true]`, secrets.Malformed(noString)},
		{"list", `[["a"]]`, secrets.Malformed(noString)},
		{"list", `[{}]`, secrets.Malformed(noString)},
		{"list", `["a","\ud800"]`, secrets.Malformed(surrogate)},

		{"nullableList", ``, secrets.Field{}},
		{"nullableList", `null`, secrets.Null()},
		{"nullableList", `["a"]`, secrets.Texts("a")},

		{"nullableOpaque", ``, secrets.Field{}},
		{"nullableOpaque", `null`, secrets.Null()},
		{"nullableOpaque", `"a"`, secrets.Text("a")},
		{"nullableOpaque", `1`, secrets.Malformed(noString)},

		{"nullableInteger", ``, secrets.Field{}},
		{"nullableInteger", `null`, secrets.Null()},
		{"nullableInteger", `"null"`, secrets.Text("null")},
		{"nullableInteger", `30`, secrets.Text("30")},
		{"nullableInteger", `"30"`, secrets.Text("30")},
		{"nullableInteger", `false`, secrets.Malformed(noNumber)},

		{"boolean", ``, secrets.Field{}},
		{"boolean", ` true `, secrets.Bool(true)},
		{"boolean", `false`, secrets.Bool(false)},
		{"boolean", `null`, secrets.Malformed(null)},
		{"boolean", `"true"`, secrets.Malformed(noBoolean)},
		{"boolean", `1`, secrets.Malformed(noBoolean)},
		{"boolean", `[]`, secrets.Malformed(noBoolean)},
	} {
		object := `{"other":1}`
		if tt.in != "" {
			object = `{"field":` + tt.in + `}`
		}
		b, err := httpapi.ReadBody(httptest.NewRequest("POST", "/", strings.NewReader(object)))
		if err != nil {
			t.Fatal(err)
		}
		// A field prints as redacted, so the test does not show what was read.
		if got := httpapi.Reads[tt.reader](b, "field"); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s of %s is another field than wanted", tt.reader, tt.in)
		}
	}
}

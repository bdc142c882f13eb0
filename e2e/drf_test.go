package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// drfCase is a request, and the answer of a Django REST framework application.
type drfCase struct {
	Name    string
	Request struct {
		Method, Path string
		Headers      map[string]string
		Body         string
	}
	Expect struct {
		Status  int
		Headers map[string]string
		Body    string
	}
	Capture map[string]string // names of ids, and their places in the answer
}

// differences are the decisions to answer otherwise, by the name of a case. docs/api.md has them in words.
var differences = map[string]struct {
	status int
	body   string
}{
	"validation.name_zero_width_space_only": {400, `{"name":["` + unseen + `"]}`},
	"validation.name_inner_whitespace_kept": {400, `{"name":["` + control + `"]}`}, // it is a tab
	"validation.name_control_chars":         {400, `{"name":["` + control + `"]}`},
	"items.create_key_256":                  {400, `{"key":["` + longKey + `"]}`},
	"items.get_mask_stored":                 {404, notFound}, // the mask is no value
	"items.head":                            {405, ""},       // nothing is charged by accident
}

// rewritten are texts that differ wherever they are: a stranger does not learn which objects exist.
var rewritten = map[string]string{
	"No Secret matches the given query.":     "Not found.",
	"No SecretItem matches the given query.": "Not found.",
}

// added are the fields that an object has more: in lists, too, objects are whole.
var added = []string{"bundle", "created_at", "deploy_successful", "etag", "last_accessed_by", "secret", "updated_at", "version"}

// prepared are requests that the recording has not, before the case that needs them: a path, a body, and a
// name for the id.
var prepared = map[string][][3]string{
	"items.list_two": {
		{"/api/secrets/{S1}/items/", `{"key":"DATABASE_PASSWORD","value":"super-secret-password"}`, "I1"},
		{"/api/secrets/{S1}/items/", `{"key":"API_KEY","value":"sk_live_1"}`, "I2"},
	},
	"items.list_after_head":            {{"/api/secrets/{S1}/items/{I2}/", "", ""}}, // a reveal, which HEAD is not here
	"items.get_after_patch":            {{"/api/secrets/{S1}/items/{I1}/", `{"value":"new-secret-password"}`, ""}},
	"items.get_number_value":           {{"/api/secrets/{S1}/items/", `{"key":"7","value":"8.5"}`, "I7"}},
	"items.get_value_unicode_newlines": {{"/api/secrets/{S1}/items/", `{"key":"V3","value":"líne1\r\nline2\t\"q\" \\ 🔑 <&>\u2028end"}`, "I9"}},
	"items.get_value_large":            {{"/api/secrets/{S1}/items/", `{"key":"V4","value":"<repeat:v:65536>"}`, "I10"}},
}

// The product answers like a Django REST framework application, but for the decided differences.
func TestAnswersAreThoseOfDRF(t *testing.T) {
	text, err := os.ReadFile("testdata/drf-cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct{ Cases []drfCase }
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	if len(recorded.Cases) != 96 {
		t.Errorf("%d cases, want 96", len(recorded.Cases))
	}
	withTarget(t, func(t *testing.T, tg *target) {
		a, b := tg.client(t), tg.client(t)
		known := vars{"ACCT_A": a.user}
		unused := len(differences)
		for _, tt := range recorded.Cases {
			for _, p := range prepared[tt.Name] {
				method := "POST"
				if p[1] == "" {
					method = "GET"
				} else if p[2] == "" {
					method = "PATCH"
				}
				r := a.do(t, method, known.fill(p[0]), known.fill(p[1]))
				if p[2] != "" {
					known[p[2]] = r.item(t).ID
				}
			}
			c := a
			if strings.Contains(tt.Request.Headers["Authorization"], "KEY_B") {
				c = b
			}
			var headers []string
			for name, value := range tt.Request.Headers {
				if name != "Authorization" {
					headers = append(headers, name+": "+value)
				}
			}
			r := c.do(t, tt.Request.Method, known.fill(tt.Request.Path), known.fill(tt.Request.Body), headers...)
			var answer any
			_ = json.Unmarshal([]byte(r.body), &answer) // nil without a body
			for name, place := range tt.Capture {
				if id, ok := at(answer, place).(string); ok {
					known[name] = id
				}
			}
			if d, ok := differences[tt.Name]; ok {
				unused--
				if _, same := known.match(d.body, strings.TrimSuffix(r.body, "\n")); r.status != d.status || !same {
					t.Errorf("%s: %v = %d %s, want our own %d %s", tt.Name, r, r.status, short(r.body), d.status, d.body)
				}
				if d.status == tt.Expect.Status && known.fill(tt.Expect.Body) == d.body {
					t.Errorf("%s: the difference is none", tt.Name)
				}
				continue
			}
			var want any
			_ = json.Unmarshal([]byte(tt.Expect.Body), &want)
			if problem := compare(known, want, answer); r.status != tt.Expect.Status || problem != "" {
				t.Errorf("%s: %v = %d %s\nDRF: %d %s\n%s", tt.Name, r, r.status, short(r.body), tt.Expect.Status, short(tt.Expect.Body), problem)
			}
			if want := tt.Expect.Headers["Content-Type"]; want != "" && r.header.Get("Content-Type") != want && r.body != "" {
				t.Errorf("%s: Content-Type %q, want %q", tt.Name, r.header.Get("Content-Type"), want)
			}
		}
		if unused != 0 {
			t.Errorf("%d differences are not those of a case", unused)
		}
	})
}

// at is the part of a JSON value at a place such as results.0.id.
func at(value any, place string) any {
	for name := range strings.SplitSeq(place, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		}
	}
	return value
}

// compare says where a JSON value differs from a recorded one, whose texts are patterns.
func compare(known vars, want, got any) string {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("got %v, want an object", got)
		}
		for name, value := range want {
			if problem := compare(known, value, object[name]); problem != "" {
				return name + ": " + problem
			}
		}
		for name := range object {
			if _, ok := want[name]; !ok && !slices.Contains(added, name) {
				return "a further field " + name
			}
		}
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return fmt.Sprintf("got %v, want a list of %d", got, len(want))
		}
		for i := range want {
			if problem := compare(known, want[i], list[i]); problem != "" {
				return fmt.Sprint(i, ": ", problem)
			}
		}
	case string:
		text, ok := got.(string)
		want = cmp.Or(rewritten[want], want)
		if _, same := known.match(want, text); !ok || !same {
			return fmt.Sprintf("got %.200v, want %.200q", got, known.fill(want))
		}
	default:
		if got != want {
			return fmt.Sprintf("got %v, want %v", got, want)
		}
	}
	return ""
}

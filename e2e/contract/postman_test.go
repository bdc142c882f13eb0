package contract_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/infra/local/tool"
)

// imported is a request of a Postman collection: what Postman sends without a change.
type imported struct {
	Name, Method, URL, Auth string
	Body                    any
}

// Postman's converter makes a request of each operation, with its example and the place of the key.
func TestPostmanImportsEachOperation(t *testing.T) {
	d := document(t)
	d["servers"] = []object{{"url": "https://api.example.com"}}
	folder := t.TempDir()
	options := "folderStrategy=Tags,parametersResolution=Example,enableOptionalParameters=false"
	output, err := shell(t, folder, "openapi2postmanv2 --spec "+tool.Quote(write(t, d))+" --output collection.json --options "+options)
	text, missing := os.ReadFile(filepath.Join(folder, "collection.json"))
	if err != nil || missing != nil {
		t.Fatalf("%v, %v\n%s", err, missing, output)
	}
	var collection struct {
		Variable []struct{ Key, Value string }
		Item     []struct {
			Item []struct {
				Request struct {
					Name, Method string
					URL          struct {
						Host, Path []string
						Query      []struct{ Disabled bool }
						Variable   []struct{ Key, Value string }
					}
					Auth struct {
						Type   string
						Bearer []struct{ Key, Value string }
					}
					Body struct{ Raw string }
				}
			}
		}
	}
	if err := json.Unmarshal(text, &collection); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
	for _, v := range collection.Variable {
		variables["{{"+v.Key+"}}"] = v.Value
	}
	var got, want []imported
	for _, tag := range collection.Item {
		for _, i := range tag.Item {
			r := i.Request
			made := imported{Name: r.Name, Method: r.Method, Auth: r.Auth.Type}
			for _, b := range r.Auth.Bearer {
				made.Auth += " " + b.Value
			}
			for _, part := range append(r.URL.Host, r.URL.Path...) {
				for _, v := range r.URL.Variable {
					part = strings.Replace(part, ":"+v.Key, v.Value, 1)
				}
				made.URL += "/" + part
			}
			for variable, value := range variables {
				made.URL = strings.Replace(made.URL, "/"+variable, value, 1)
			}
			for _, q := range r.URL.Query {
				if !q.Disabled {
					made.URL += "?"
				}
			}
			if r.Body.Raw != "" {
				if err := json.Unmarshal([]byte(r.Body.Raw), &made.Body); err != nil {
					t.Errorf("%s: %v", made.Name, err)
				}
			}
			got = append(got, made)
		}
	}
	parameters := at(d, "components", "parameters")
	for path, methods := range at(d, "paths") {
		for name := range parameters {
			path = strings.ReplaceAll(path, "{"+name+"}", fmt.Sprint(at(parameters, name)["example"]))
		}
		for method, operation := range methods.(object) {
			o := operation.(object)
			made := imported{
				Name: o["summary"].(string), Method: strings.ToUpper(method), URL: "https://api.example.com" + path,
				Body: at(o, "requestBody", "content", "application/json")["example"],
			}
			references, _ := o["parameters"].([]any)
			for _, reference := range references {
				_, component, _ := strings.Cut(reference.(object)["$ref"].(string), "/parameters/")
				if p := at(parameters, component); p["in"] == "query" && p["required"] == true {
					made.URL += "?"
				}
			}
			if len(o["security"].([]any)) > 0 {
				made.Auth = "bearer {{bearerToken}}"
			}
			want = append(want, made)
		}
	}
	order := func(a, b imported) int { return strings.Compare(a.URL+a.Method, b.URL+b.Method) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-) and the collection's requests (+) differ:\n%s", diff)
	}
}

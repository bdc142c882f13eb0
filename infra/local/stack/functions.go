package stack

import (
	"fmt"
	"net/http"

	"goblins-secrets/infra/local/template"
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/console"
	"goblins-secrets/pkg/httpapi"
)

// operators are the functions without a route, which the stack calls itself.
var operators = map[string]bool{
	"authorizer": true, "create-account": true, "purge-secrets": true, "deploy-secret": true, "redeploy-secrets": true,
}

// Functions makes every function of the template behind a route, by logical id,
// each with its own environment as Lambda would start it.
func Functions(t *template.Template, environment func(function string) (func(string) string, error)) (map[string]http.Handler, error) {
	functions := make(map[string]http.Handler)
	for _, f := range t.Functions {
		if operators[f.Folder] {
			continue
		}
		getenv, err := environment(f.Name)
		if err != nil {
			return nil, err
		}
		if f.Folder == "console" {
			functions[f.Name] = console.Handler()
			continue
		}
		if f.Folder == "fallback" {
			paths, err := httpapi.ParseRoutes(getenv("ROUTES"))
			if err != nil {
				return nil, err
			}
			functions[f.Name] = httpapi.Fallback(paths)
			continue
		}
		handler, ok := constructors[f.Folder]
		if !ok {
			return nil, fmt.Errorf("the template has a function %s that the local stack does not know", f.Folder)
		}
		m, err := app.NewManager(getenv)
		if err != nil {
			return nil, fmt.Errorf("function %s: %w", f.Name, err)
		}
		functions[f.Name] = handler(m)
	}
	return functions, nil
}

// functionIn is the function in a folder, or nil: the template may leave it out.
func functionIn(t *template.Template, folder string) *template.Function {
	for i := range t.Functions {
		if t.Functions[i].Folder == folder {
			return &t.Functions[i]
		}
	}
	return nil
}

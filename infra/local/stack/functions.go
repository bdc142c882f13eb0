package stack

import (
	"context"
	"fmt"

	"github.com/aws/aws-lambda-go/lambda"

	"goblins-secrets/infra/local/apigw"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/console"
	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/httpapi"
)

// Functions makes the template's functions, by logical id, each with its own environment, as
// Lambda would start it.
func Functions(t *template.Template, environment func(function string) (func(string) string, error)) (map[string]apigw.Function, error) {
	functions := make(map[string]apigw.Function)
	for _, f := range t.Functions {
		getenv, err := environment(f.Name)
		if err != nil {
			return nil, err
		}
		serve, err := function(f.Folder, getenv)
		if err != nil {
			return nil, fmt.Errorf("function %s: %w", f.Name, err)
		}
		functions[f.Name] = instances{serve}
	}
	return functions, nil
}

// instances starts an instance of a function for each event, because an instance serves one event at a
// time: the next one reuses the memory of an answer.
type instances struct{ serve any }

func (i instances) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	return lambda.NewHandler(i.serve).Invoke(ctx, event)
}

// function makes what the main of a function's folder serves.
func function(folder string, getenv func(string) string) (any, error) {
	switch folder {
	case "console":
		return gateway.Proxy(console.Handler()), nil
	case "fallback":
		routes, err := httpapi.ParseRoutes(getenv("ROUTES"))
		return gateway.Proxy(httpapi.Fallback(routes)), err
	case "deploy-secret":
		deliverer, err := app.NewDeliverer(getenv, awssm.Open)
		return gateway.DeploySecret(deliverer), err
	case "redeploy-secrets":
		sweeper, err := app.NewSweeper(getenv)
		return gateway.RedeploySecrets(sweeper), err
	}
	m, err := app.NewManager(getenv)
	switch folder {
	case "authorizer":
		return gateway.Authorizer(m), err
	case "create-account":
		return gateway.CreateAccount(m), err
	case "purge-secrets":
		return gateway.PurgeSecrets(m), err
	}
	return gateway.Proxy(constructors[folder](m)), err
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

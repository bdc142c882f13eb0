package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/apigw"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/console"
	"goblins-secrets/pkg/docs"
	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/httpapi"
)

// Functions makes the functions of a table, by logical id, each with its own environment, as Lambda
// would start it. A row without a timeout has the default one.
func Functions(table []functions.Function, timeout time.Duration, environment func(function string) (func(string) string, error)) (map[string]apigw.Function, error) {
	made := make(map[string]apigw.Function)
	for _, f := range table {
		getenv, err := environment(f.ID())
		if err != nil {
			return nil, err
		}
		serve, err := function(f.Name, getenv)
		if err != nil {
			return nil, fmt.Errorf("function %s: %w", f.Name, err)
		}
		made[f.ID()] = instances{serve, cmp.Or(time.Duration(f.Timeout)*time.Second, timeout)}
	}
	return made, nil
}

// deployed returns the functions of the table whose conditions hold in the template.
func deployed(t *template.Template) ([]functions.Function, error) {
	table, err := functions.Load()
	if err != nil {
		return nil, err
	}
	var kept []functions.Function
	for _, f := range table {
		holds := f.If == ""
		if !holds {
			if holds, err = t.Holds(f.If); err != nil {
				return nil, err
			}
		}
		if holds {
			kept = append(kept, f)
		}
	}
	return kept, nil
}

// instances starts an instance of a function for each event, because an instance serves one event at a
// time: the next one reuses the memory of an answer. The context ends with the timeout.
type instances struct {
	serve   any
	timeout time.Duration
}

func (i instances) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, i.timeout)
	defer cancel()
	return lambda.NewHandler(i.serve).Invoke(ctx, event)
}

// function makes what the main of a function's folder serves.
func function(folder string, getenv func(string) string) (any, error) {
	switch folder {
	case "console":
		return gateway.Proxy(console.Handler()), nil
	case "docs":
		return gateway.Proxy(docs.Handler()), nil
	case "fallback":
		routes, err := httpapi.ParseRoutes(getenv("ROUTES"))
		return gateway.Proxy(httpapi.Fallback(routes)), err
	case "deploy-secret":
		deliverer, err := app.NewDeliverer(getenv, awssm.Open)
		return gateway.DeploySecret(deliverer), err
	case "check-bundles":
		checker, err := app.NewChecker(getenv, awssm.Open)
		return gateway.CheckBundles(checker), err
	case "redeploy-secrets":
		sweeper, err := app.NewSweeper(getenv)
		return gateway.RedeploySecrets(sweeper), err
	}
	m, err := app.NewManager(getenv)
	if err != nil {
		return nil, err
	}
	switch folder {
	case "authorizer":
		return gateway.Authorizer(m), nil
	case "create-account":
		return gateway.CreateAccount(m), nil
	case "purge-secrets":
		return gateway.PurgeSecrets(m), nil
	case "issue-key":
		return gateway.IssueKey(m), nil
	case "revoke-key":
		return gateway.RevokeKey(m), nil
	case "list-people":
		return gateway.ListPeople(m), nil
	case "delete-expired-keys":
		return gateway.DeleteExpiredKeys(m), nil
	}
	construct, ok := constructors[folder]
	if !ok {
		return nil, errors.New("the local stack does not know it: add a case to infra/local/stack/functions.go")
	}
	return gateway.Proxy(construct(m)), nil
}

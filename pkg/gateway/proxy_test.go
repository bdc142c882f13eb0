package gateway_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"

	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secretstest"
)

// The authorizer's context must have all ids. Headers are ignored.
func TestCallerComesFromTheAuthorizerOnly(t *testing.T) {
	table := secretstest.NewTable(t)
	_, c := table.Account(t, uuid.NewString())
	handler := gateway.Proxy(httpapi.ListSecrets(table.Manager(t)))
	whole := map[string]any{"account_id": c.AccountID.String(), "user_id": c.UserID.String(), "key_id": c.KeyID.String()}
	for name, tt := range map[string]struct {
		authorizer map[string]any
		status     int
	}{
		"whole":       {whole, 200},
		"none":        {nil, 401},
		"no user":     {map[string]any{"account_id": c.AccountID.String(), "key_id": c.KeyID.String()}, 401},
		"not a UUID":  {map[string]any{"account_id": "x", "user_id": c.UserID.String(), "key_id": c.KeyID.String()}, 401},
		"not strings": {map[string]any{"account_id": 1, "user_id": 2, "key_id": 3}, 401},
	} {
		answer, err := handler(t.Context(), events.APIGatewayProxyRequest{
			HTTPMethod: "GET", Path: "/api/secrets/100%", Resource: "/api/secrets",
			Headers:        map[string]string{"Account_id": c.AccountID.String(), "X-Forwarded-Proto": "https"},
			RequestContext: events.APIGatewayProxyRequestContext{DomainName: "api.example.com", Authorizer: tt.authorizer},
		})
		if err != nil || answer.StatusCode != tt.status {
			t.Errorf("%s: %d %s, %v, want %d", name, answer.StatusCode, strings.TrimSpace(answer.Body), err, tt.status)
		}
	}
}

// Links include the stage, or the base path of a custom domain, if the context has it.
func TestLinksKeepTheClientsPath(t *testing.T) {
	table := secretstest.NewTable(t)
	_, c := table.Account(t, uuid.NewString())
	handler := gateway.Proxy(httpapi.CreateSecret(table.Manager(t)))
	for path, want := range map[string]string{
		"/prod/api/secrets/":      "https://api.example.com/prod/api/secrets/",
		"/base/path/api/secrets/": "https://api.example.com/base/path/api/secrets/",
		"/api/secrets/":           "https://api.example.com/api/secrets/",
		"/api/{anything}":         "https://api.example.com/api/secrets/", // the SAM CLI: the route
		"":                        "https://api.example.com/api/secrets/",
	} {
		answer, err := handler(t.Context(), events.APIGatewayProxyRequest{
			HTTPMethod: "POST", Path: "/api/secrets/", Resource: "/api/secrets", Body: `{"name": "` + uuid.NewString() + `"}`,
			Headers: map[string]string{"Content-Type": "application/json"},
			RequestContext: events.APIGatewayProxyRequestContext{
				DomainName: "api.example.com", Path: path,
				Authorizer: map[string]any{"account_id": c.AccountID.String(), "user_id": c.UserID.String(), "key_id": c.KeyID.String()},
			},
		})
		location := answer.MultiValueHeaders["Location"]
		if err != nil || answer.StatusCode != 201 || len(location) != 1 || !strings.HasPrefix(location[0], want) ||
			len(location[0]) != len(want)+36+1 {
			t.Errorf("with path %q in the context: %d, Location %v, %v, want %s and the id", path, answer.StatusCode, location, err, want)
		}
	}
}

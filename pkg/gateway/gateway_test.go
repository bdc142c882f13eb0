package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/infra/local/localtest"
	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/httpapi"
)

const stage = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod"

// The authorizer's policy allows the whole stage: its answer is cached, and used
// for every other route too.
func TestAuthorizer(t *testing.T) {
	table := localtest.NewTable(t)
	made, c := table.Account(t, uuid.NewString())
	authorize := gateway.Authorizer(table.Service(t))
	for _, method := range []string{"/GET/api/secrets", "/DELETE/api/secrets/x/items/y", "/GET/"} {
		got, err := authorize(t.Context(), events.APIGatewayCustomAuthorizerRequest{
			Type: "TOKEN", AuthorizationToken: "Bearer " + made.Key, MethodArn: stage + method,
		})
		want := events.APIGatewayCustomAuthorizerResponse{
			PrincipalID: c.UserID.String(),
			PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{
				Version:   "2012-10-17",
				Statement: []events.IAMPolicyStatement{{Effect: "Allow", Action: []string{"execute-api:Invoke"}, Resource: []string{stage + "/*"}}},
			},
			Context: map[string]any{"account_id": c.AccountID.String(), "user_id": c.UserID.String(), "key_id": c.KeyID.String()},
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", method, err, diff)
		}
	}
	_, err := authorize(t.Context(), events.APIGatewayCustomAuthorizerRequest{AuthorizationToken: "Bearer gob_x", MethodArn: stage + "/GET/"})
	if err == nil || err.Error() != "Unauthorized" { // the one text that is a 401
		t.Errorf("a bad key: %v, want Unauthorized", err)
	}
	away := gateway.Authorizer(table.Service(t, localtest.Inject(func(localtest.Call) localtest.Fault { return localtest.LostBefore })))
	got, err := away(t.Context(), events.APIGatewayCustomAuthorizerRequest{AuthorizationToken: "Bearer " + made.Key, MethodArn: stage + "/GET/"})
	if err == nil || err.Error() == "Unauthorized" || len(got.PolicyDocument.Statement) != 0 {
		t.Errorf("without a table: %v, %v, want an error that is no 401, and no policy", got, err)
	}
}

// The functions without a route, as an operator and a schedule invoke them.
func TestOperators(t *testing.T) {
	table := localtest.NewTable(t)
	svc := table.Service(t)
	create := lambda.NewHandler(gateway.CreateAccount(svc))
	payload, err := create.Invoke(t.Context(), []byte(`{"name": "my-team"}`))
	if err != nil {
		t.Fatal(err)
	}
	var made gateway.CreateAccountResponse
	if err := json.Unmarshal(payload, &made); err != nil {
		t.Fatal(err)
	}
	c, err := svc.Authenticate(t.Context(), "Bearer "+made.APIKey)
	if err != nil || c.AccountID.String() != made.AccountID || c.UserID.String() != made.UserID || c.KeyID.String() != made.KeyID {
		t.Errorf("the new key is %+v's, %v, want that of %+v", c, err, made)
	}
	if _, err := svc.Secret(t.Context(), c, made.DefaultSecretID); err != nil {
		t.Errorf("the default secret: %v", err)
	}
	for payload, want := range map[string]string{
		`{"name": "my-team"}`: "name: account with this name already exists.",
		`{}`:                  "name: This field may not be blank.",
	} {
		if _, err := create.Invoke(t.Context(), []byte(payload)); err == nil || err.Error() != want {
			t.Errorf("create-account %s: %v, want %s", payload, err, want)
		}
	}
	payload, err = lambda.NewHandler(gateway.PurgeSecrets(svc)).Invoke(t.Context(), []byte(`{"source": "aws.events"}`))
	if err != nil || string(payload) != `{"finished":0}` {
		t.Errorf("purge-secrets = %s, %v", payload, err)
	}
}

// The caller is who the authorizer says, all of it; a header changes nothing.
func TestCaller(t *testing.T) {
	table := localtest.NewTable(t)
	_, c := table.Account(t, uuid.NewString())
	handler := gateway.Proxy(httpapi.ListSecrets(table.Service(t)))
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

// Links are made of the path that the client sent, with the stage in front as far as the
// context says it.
func TestPathOfLinks(t *testing.T) {
	table := localtest.NewTable(t)
	_, c := table.Account(t, uuid.NewString())
	handler := gateway.Proxy(httpapi.CreateSecret(table.Service(t)))
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
		if err != nil || answer.StatusCode != 201 || len(location) != 1 || !strings.HasPrefix(location[0], want) || len(location[0]) != len(want)+36+1 {
			t.Errorf("with path %q in the context: %d, Location %v, %v, want %s and the id", path, answer.StatusCode, location, err, want)
		}
	}
}

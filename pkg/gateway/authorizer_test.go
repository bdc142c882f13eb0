package gateway_test

import (
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/secretstest"
)

const stage = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod"

// API Gateway caches the policy for all routes. An invalid key is a 401, an outage a 500.
func TestAuthorizerAllowsTheWholeStage(t *testing.T) {
	table := secretstest.NewTable(t)
	made, c := table.Account(t, uuid.NewString())
	authorize := gateway.Authorizer(table.Manager(t))
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
			Context: map[string]any{
				"account_id": c.AccountID.String(), "user_id": c.UserID.String(), "key_id": c.KeyID.String(),
				"kind": "person", "permissions": "list,reveal,write,audit,admin,export", "secrets": "all",
				"user_name": "Admin", "key_name": "First+key",
			},
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", method, err, diff)
		}
	}
	_, err := authorize(t.Context(), events.APIGatewayCustomAuthorizerRequest{AuthorizationToken: "Bearer gob_x",
		MethodArn: stage + "/GET/"})
	if err == nil || err.Error() != "Unauthorized" { // the only text that is a 401
		t.Errorf("authorize(invalid key) = %v, want Unauthorized", err)
	}
	outage := secretstest.Inject(func(secretstest.Call) secretstest.Fault { return secretstest.LostBefore })
	away := gateway.Authorizer(table.Manager(t, outage))
	got, err := away(t.Context(), events.APIGatewayCustomAuthorizerRequest{AuthorizationToken: "Bearer " + made.Key,
		MethodArn: stage + "/GET/"})
	if err == nil || err.Error() == "Unauthorized" || len(got.PolicyDocument.Statement) != 0 {
		t.Errorf("authorize without a table = %v, %v, want an error other than Unauthorized, and no policy", got, err)
	}
}

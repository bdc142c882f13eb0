package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"goblins-secrets/pkg/secrets"
)

// errUnauthorized has the only text that API Gateway answers with 401.
var errUnauthorized = errors.New("Unauthorized")

// StartAuthorizer serves the TOKEN authorizer as a Lambda function. It does not return.
func StartAuthorizer(m *secrets.Manager) { lambda.Start(Authorizer(m)) }

// Authorizer identifies the owner of a request's key, and what the key may do. Its policy allows the whole stage:
// API Gateway caches the answer for all routes, so a policy for one route would refuse
// the others. An invalid key is a 401, an outage a 500.
func Authorizer(m *secrets.Manager) func(context.Context, events.APIGatewayCustomAuthorizerRequest) (events.APIGatewayCustomAuthorizerResponse, error) {
	return func(ctx context.Context, event events.APIGatewayCustomAuthorizerRequest) (events.APIGatewayCustomAuthorizerResponse, error) {
		c, err := m.Authenticate(ctx, event.AuthorizationToken)
		if errors.Is(err, secrets.ErrUnauthenticated) {
			return events.APIGatewayCustomAuthorizerResponse{}, errUnauthorized
		}
		if err != nil {
			return events.APIGatewayCustomAuthorizerResponse{}, fmt.Errorf("authenticate: %w", err)
		}
		return events.APIGatewayCustomAuthorizerResponse{
			PrincipalID: c.UserID.String(),
			PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{
				Version: "2012-10-17",
				Statement: []events.IAMPolicyStatement{{
					Effect: "Allow", Action: []string{"execute-api:Invoke"}, Resource: []string{stageARN(event.MethodArn)},
				}},
			},
			Context: AuthorizerContext(c),
		}, nil
	}
}

// stageARN widens a method's ARN, …:<api>/<stage>/<method>/<path>, to its stage.
func stageARN(methodARN string) string {
	parts := strings.SplitN(methodARN, "/", 3)
	if len(parts) < 3 {
		return methodARN
	}
	return parts[0] + "/" + parts[1] + "/*"
}

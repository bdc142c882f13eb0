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

// errUnauthorized is the one text that API Gateway answers with 401.
var errUnauthorized = errors.New("Unauthorized")

// StartAuthorizer serves the TOKEN authorizer as a Lambda function. It does not return.
func StartAuthorizer(svc *secrets.Service) { lambda.Start(Authorizer(svc)) }

// Authorizer answers whose key a request carries. Its policy allows the whole
// stage: API Gateway caches the answer for all routes, so a policy that named one
// would refuse the others. A key that is nobody's is a 401, an outage a 500.
func Authorizer(svc *secrets.Service) func(context.Context, events.APIGatewayCustomAuthorizerRequest) (events.APIGatewayCustomAuthorizerResponse, error) {
	return func(ctx context.Context, event events.APIGatewayCustomAuthorizerRequest) (events.APIGatewayCustomAuthorizerResponse, error) {
		c, err := svc.Authenticate(ctx, event.AuthorizationToken)
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
			Context: map[string]any{
				accountID: c.AccountID.String(), userID: c.UserID.String(), keyID: c.KeyID.String(),
			},
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

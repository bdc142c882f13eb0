// Command authorizer identifies the owner of a request's key for API Gateway.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.StartAuthorizer(app.MustCheckedManager()) }

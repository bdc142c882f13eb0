// Command authorizer tells API Gateway whose key a request carries.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.StartAuthorizer(app.Must()) }

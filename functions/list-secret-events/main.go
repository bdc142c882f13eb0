// Command list-secret-events serves httpapi.ListSecretEvents behind API Gateway.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/httpapi"
)

func main() { gateway.Start(httpapi.ListSecretEvents(app.MustManager())) }

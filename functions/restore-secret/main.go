// Command restore-secret serves httpapi.RestoreSecret behind API Gateway.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/httpapi"
)

func main() { gateway.Start(httpapi.RestoreSecret(app.MustManager())) }

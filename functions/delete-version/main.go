// Command delete-version serves httpapi.DeleteVersion behind API Gateway.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/httpapi"
)

func main() { gateway.Start(httpapi.DeleteVersion(app.MustManager())) }

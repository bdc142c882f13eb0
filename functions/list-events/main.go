// Command list-events serves httpapi.ListEvents behind API Gateway.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/httpapi"
)

func main() { gateway.Start(httpapi.ListEvents(app.MustManager())) }

// Command list-item-events serves httpapi.ListItemEvents behind API Gateway.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/httpapi"
)

func main() { gateway.Start(httpapi.ListItemEvents(app.MustManager())) }

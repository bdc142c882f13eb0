// Command list-versions serves httpapi.ListVersions behind API Gateway.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/httpapi"
)

func main() { gateway.Start(httpapi.ListVersions(app.MustManager())) }

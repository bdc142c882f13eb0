// Command fallback serves httpapi.Fallback behind API Gateway. ROUTES lists the
// methods of each path.
package main

import (
	"os"

	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/httpapi"
)

func main() {
	routes, err := httpapi.ParseRoutes(os.Getenv("ROUTES"))
	if err != nil {
		panic(err)
	}
	gateway.Start(httpapi.Fallback(routes))
}

// Command deploy-secret delivers, on the table's stream, what services use to where they run.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.StartDeploySecret(app.Must()) }

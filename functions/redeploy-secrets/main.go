// Command redeploy-secrets reminds, on a schedule, of deliveries that still wait.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.StartRedeploySecrets(app.Must()) }

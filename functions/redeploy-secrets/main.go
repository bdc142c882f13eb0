// Command redeploy-secrets requeues the outbox, on a schedule.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.StartRedeploySecrets(app.MustSweeper()) }

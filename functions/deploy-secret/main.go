// Command deploy-secret consumes the table's stream and delivers the bundles of used secrets.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.StartDeploySecret(app.MustDeliverer(awssm.Open)) }

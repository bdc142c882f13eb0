// Command check-bundles looks at what Secrets Manager has of the used secrets, on a schedule.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.StartCheckBundles(app.MustChecker(awssm.Open)) }

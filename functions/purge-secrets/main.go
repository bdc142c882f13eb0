// Command purge-secrets removes the children of deleted secrets, on a schedule.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.StartPurgeSecrets(app.MustCheckedManager()) }

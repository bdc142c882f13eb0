// Command purge-secrets removes, on a schedule, what deleted secrets left behind.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.StartPurgeSecrets(app.Must()) }

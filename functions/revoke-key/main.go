// Command revoke-key deletes a key of any account. Operators invoke it; it has no route.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.StartRevokeKey(app.MustCheckedManager()) }

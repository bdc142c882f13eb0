// Command create-account creates an account. Operators invoke it; it has no route.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.StartCreateAccount(app.MustCheckedManager()) }

// Command create-account makes an account; operators invoke it, no route leads here.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.StartCreateAccount(app.Must()) }

// Command console serves console.Handler, the web console, behind API Gateway.
package main

import (
	"goblins-secrets/pkg/console"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.Start(console.Handler()) }

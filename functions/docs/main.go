// Command docs serves docs.Handler, the OpenAPI document and its viewer, behind API Gateway.
package main

import (
	"goblins-secrets/pkg/docs"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.Start(docs.Handler()) }

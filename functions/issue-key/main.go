// Command issue-key makes a key of an admin. Operators invoke it; it has no route.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.StartIssueKey(app.MustCheckedManager()) }

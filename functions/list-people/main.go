// Command list-people lists an account's users and keys. Operators invoke it; it has no route.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.StartListPeople(app.MustCheckedManager()) }

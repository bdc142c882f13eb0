// Command delete-expired-keys deletes keys that expired long ago, on a schedule.
package main

import (
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/gateway"
)

func main() { gateway.StartDeleteExpiredKeys(app.MustCheckedManager()) }

// Command smoke tries a deployment from outside, as its users do, and prints a line for each check.
//
//	KEY=gob_… go run ./infra/smoke -url https://….execute-api.eu-central-1.amazonaws.com/prod
//
// It creates a secret, an item and a service, and deletes them again. Their events stay, and so does a
// deleted bundle, for 30 days. It reveals one value. It takes less than a minute.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"goblins-secrets/infra/local/tool"
	"goblins-secrets/infra/smoke/checks"
)

func main() {
	url := flag.String("url", "", "the API's `address`, as the stack's output ApiUrl has it")
	version := flag.Bool("version", false, "print the version and exit")
	flag.Parse()
	if *version {
		fmt.Println(tool.Version())
		return
	}
	key := os.Getenv("KEY")
	if *url == "" || key == "" {
		fmt.Fprintln(os.Stderr, "smoke: want an address and a key: make smoke URL=https://… KEY=gob_…")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := checks.Run(ctx, strings.TrimSuffix(*url, "/"), key, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "smoke:", err)
		os.Exit(1)
	}
}

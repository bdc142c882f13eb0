// Command local runs `sam local` on a local stack: the deployed binaries, in Lambda's
// containers, with or without the SAM CLI's own API Gateway.
//
//	go run ./infra/sam/local [-data .local] [-addr 127.0.0.1:3000] start-api
//	go run ./infra/sam/local [-data .local] [-addr 127.0.0.1:3000] start-lambda
//	go run ./infra/sam/local [-data .local] invoke Function [event.json]
//
// The table and the key belong to the stack that `make run` runs on the data folder. If none
// runs, the command runs a stack for as long as it needs one. Docker must answer
// (infra/sam/docker.sh), and the SAM CLI must be in .tools (the Makefile installs it).
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"goblins-secrets/infra/local/tool"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "goblins-secrets:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.Usage = func() {} // an error is one sentence
	flags.SetOutput(io.Discard)
	data := flags.String("data", ".local", "`folder` of the local stack")
	addr := flags.String("addr", "127.0.0.1:3000", "`host:port` of the server")
	version := flags.Bool("version", false, "print the version and exit")
	switch err := flags.Parse(os.Args[1:]); {
	case *version:
		fmt.Println(tool.Version())
		return nil
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(os.Stdout)
		fmt.Println("Usage: local [flags] start-api | start-lambda | invoke Function [event.json]")
		flags.PrintDefaults()
		return nil
	case err != nil:
		return err
	}
	command := flags.Arg(0)
	switch {
	case (command == "start-api" || command == "start-lambda") && flags.NArg() == 1:
		return serve(ctx, *data, *addr, command)
	case command == "invoke" && (flags.NArg() == 2 || flags.NArg() == 3):
		return invoke(ctx, *data, flags.Arg(1), flags.Arg(2))
	default:
		return fmt.Errorf("unknown command %q: use start-api, start-lambda, or invoke Function [event.json]", strings.Join(flags.Args(), " "))
	}
}

// invoke sends an event to a function, by default the function's own one in events/.
func invoke(ctx context.Context, data, function, event string) error {
	own, err := eventOf(function)
	if err != nil {
		return err
	}
	if event, err = filepath.Abs(cmp.Or(event, own)); err != nil {
		return err
	}
	if _, err := os.Stat(event); err != nil {
		return fmt.Errorf("the event: %w", err)
	}
	c, err := prepare(ctx, data, "invoke-"+function, function)
	if err != nil {
		return err
	}
	return errors.Join(c.sam(ctx, "invoke", function, "--event", event), c.Close())
}

// serve runs one of SAM's servers until the context ends.
func serve(ctx context.Context, data, addr, command string) error {
	if l, err := net.Listen("tcp", addr); err != nil { // SAM would report it after the build
		return fmt.Errorf("can't listen on %s (%w): choose another with SAM_ADDR=host:port", addr, err)
	} else if err := l.Close(); err != nil {
		return err
	}
	c, err := prepare(ctx, data, command, "")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go c.announce(ctx, command, addr)
	return errors.Join(c.serve(ctx, command, addr), c.Close())
}

// announce prints a server's address once it listens.
func (c *containers) announce(ctx context.Context, command, addr string) {
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		if err == nil {
			conn.Close()
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	if command == "start-lambda" {
		fmt.Printf("\nLambda's API is ready at http://%s.\n\n", addr)
		return
	}
	fmt.Printf(`
SAM's API Gateway is ready at http://%[1]s (data in %[2]s, Ctrl-C stops it).

Paste this:

  curl -H "Authorization: Bearer %[3]s" http://%[1]s/api/secrets/

`, addr, c.data, c.key)
}

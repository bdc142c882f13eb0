// Command local runs the whole product on one machine, without Docker and without
// an AWS account.
//
//	go run ./infra/local [-addr 127.0.0.1:8080] [-data .local] [-set Parameter=value]…
//	go run ./infra/local [-data .local] account [name]
//
// The first form runs the stack until Ctrl-C, SIGTERM, or the end of the parent
// process. The second creates another account on the running stack and prints its
// env file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/infra/local/stack"
	"goblins-secrets/infra/local/tool"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "goblins-secrets:", err)
		os.Exit(1)
	}
}

func run() error {
	config := stack.Config{Set: make(map[string]string), Progress: os.Stderr}
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.Usage = func() {} // without this, Parse prints the usage after every error
	flags.SetOutput(io.Discard)
	flags.StringVar(&config.Addr, "addr", "127.0.0.1:8080", "`host:port` of the API")
	flags.StringVar(&config.Data, "data", ".local", "`folder` that keeps everything")
	flags.Func("set", "template parameter, as `Name=value`; may be repeated", func(text string) error {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("%q is not Name=value", text)
		}
		config.Set[name] = value
		return nil
	})
	version := flags.Bool("version", false, "print the version and exit")
	switch err := flags.Parse(os.Args[1:]); {
	case *version:
		fmt.Println(tool.Version())
		return nil
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(os.Stdout)
		fmt.Println("Usage: local [flags] [account [name]]")
		flags.PrintDefaults()
		return nil
	case err != nil:
		return err
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch flags.Arg(0) {
	case "":
		return serve(ctx, config)
	case "account":
		if flags.NArg() > 2 {
			return fmt.Errorf("account takes one name, not %q", flags.Args()[1:])
		}
		name := flags.Arg(1)
		if name == "" {
			name = "account-" + uuid.NewString()[:8]
		}
		env, err := stack.CreateAccount(ctx, config.Data, name)
		fmt.Print(env)
		return err
	default:
		return fmt.Errorf("there is no command %s: the only one is account", flags.Arg(0))
	}
}

func serve(ctx context.Context, config stack.Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		awaitOrphaned(ctx)
		cancel()
	}()
	s, err := stack.Start(ctx, config)
	if err != nil {
		return err
	}
	fmt.Printf(`Goblins Secrets is ready at %[1]s (data in %[2]s, Ctrl-C stops it).

The web console is at %[1]s/console/: sign in with the API key

  %[3]s

Or paste this:

  curl -H "Authorization: Bearer %[3]s" %[1]s/api/secrets/

or, for API_URL, API_KEY and the local Secrets Manager in your shell:

  . %[4]s

`, s.URL, config.Data, s.APIKey, shellPath(filepath.Join(config.Data, "env")))
	select {
	case <-ctx.Done():
	case err = <-s.Failed():
	}
	if closeErr := s.Close(); err == nil {
		err = closeErr
	}
	return err
}

// shellPath is a path as it is pasted after a dot: with a slash, without which a shell looks in PATH, and
// quoted where it needs that.
func shellPath(path string) string {
	if !strings.Contains(path, "/") {
		path = "./" + path
	}
	if regexp.MustCompile(`^[A-Za-z0-9./_-]+$`).MatchString(path) {
		return path
	}
	return tool.Quote(path)
}

// awaitOrphaned waits until the parent process ends, so that the stack also ends
// when make is killed by a signal that it cannot forward.
func awaitOrphaned(ctx context.Context) {
	parent := os.Getppid()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for os.Getppid() == parent {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

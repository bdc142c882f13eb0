// Command bench measures the product against its goals and writes the figures to
// docs/benchmarks.md.
//
//	go run ./infra/bench [-quick]
//
// Times depend on the machine, so the report shows ratios of two times of the same run: the
// product to the floor (floor.go), a large account to a small one, get-item's cold start to
// that of a bare function. Calls and units are counted exactly. The exit status is 1 if a
// counted goal is missed. A time that misses its goal is only reported.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"goblins-secrets/infra/local/checkout"
)

// size is the number of measurements in a run.
type size struct {
	rounds     int // of a comparison, at each number of clients
	alone      int // calls in a block of one client
	together   int // calls of each of 16 clients in a block
	largeItems int // of the large account
	starts     int // of each function
	stackRuns  int // of the local stack, on an empty and on a used data folder
	delays     int // changes whose delivery is timed
	streamed   int // rows written before the timed writes
}

var (
	full  = size{rounds: 60, alone: 30, together: 8, largeItems: 100_000, starts: 60, stackRuns: 7, delays: 75, streamed: 20_000}
	quick = size{rounds: 6, alone: 20, together: 5, largeItems: 5_000, starts: 12, stackRuns: 2, delays: 15, streamed: 3_000}
)

func main() {
	short := flag.Bool("quick", false, "run for less than a minute and write no file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *short); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, short bool) error {
	amount := full
	if short {
		amount = quick
	}
	temporary, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)

	var r report
	r.size, r.started = amount, time.Now()
	for _, part := range []struct {
		title   string
		measure func(ctx context.Context, size size, dir string, r *report) error
	}{
		{"AWS calls and units", inWorld("", measureCounts)},
		{"the product against the floor", inWorld("", measureFloor)},
		{"a large account against a small one", inWorld("dynamodb.sqlite", measureLarge)},
		{"cold starts", inWorld("", measureColdStarts)},
		{"the local stack", measureStack},
		{"a table with a long stream", measureStreamed},
		{"delivery", measureDelay},
	} {
		progress("%s …", part.title)
		dir, err := os.MkdirTemp(temporary, "")
		if err != nil {
			return err
		}
		if err := part.measure(ctx, amount, dir, &r); err != nil {
			return fmt.Errorf("%s: %w", part.title, err)
		}
	}
	r.took = time.Since(r.started)

	text := r.markdown()
	fmt.Print(text)
	if !short { // only full runs update the file
		path, err := checkout.Path("docs", "benchmarks.md")
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if r.counts.missed() {
		return errors.New("a counted goal is missed")
	}
	return nil
}

// progress prints a line to standard error.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// build compiles a command of the checkout and returns the path of the binary.
func build(ctx context.Context, dir, name, pkg string, flags ...string) (string, error) {
	root, err := checkout.Path()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build", "-o", binary}, flags...), pkg)...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return binary, nil
}

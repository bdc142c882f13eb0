// Command bench measures what needs whole processes, or a bare function to compare with, and
// writes the figures to docs/benchmarks.md.
//
//	go run ./infra/bench [-quick]
//
// Times depend on the machine, so the report shows ratios of two times of the same run: the
// product to the floor (floor.go), get-item's cold start to that of a bare function. A time
// that misses its goal is only reported. Calls and units are counted by this folder's tests;
// benchmarks beside the code measure single parts.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/tool"
)

// size is the number of measurements in a run.
type size struct {
	rounds    int // of a comparison, at each number of clients
	alone     int // calls in a block of one client
	together  int // calls of each of 16 clients in a block
	starts    int // of each function
	stackRuns int // of the local stack, on an empty and on a used data folder
}

var (
	full  = size{rounds: 60, alone: 30, together: 8, starts: 60, stackRuns: 7}
	quick = size{rounds: 6, alone: 20, together: 5, starts: 12, stackRuns: 2}
)

func main() {
	short := flag.Bool("quick", false, "run for less than a minute and write no file")
	version := flag.Bool("version", false, "print the version and exit")
	flag.Parse()
	if *version {
		fmt.Println(tool.Version())
		return
	}
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

	r, started := newReport(), time.Now()
	for _, part := range []struct {
		title   string
		measure func(ctx context.Context, size size, dir string, r *report) error
	}{
		{"the product against the floor", measureFloor},
		{"cold starts", measureColdStarts},
		{"the local stack", measureStack},
	} {
		progress("%s …", part.title)
		dir, err := os.MkdirTemp(temporary, "")
		if err != nil {
			return err
		}
		if err := part.measure(ctx, amount, dir, r); err != nil {
			return fmt.Errorf("%s: %w", part.title, err)
		}
	}
	r.section("goals", r.goals.String())
	r.section("machine", fmt.Sprintf(
		"`go run ./infra/bench` ran on %s with %d cores (%s/%s), clients and emulators on the same machine, in %s.\n",
		runtime.Version(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, time.Since(started).Round(time.Second),
	))
	for _, part := range r.sections {
		fmt.Println(part.text)
	}
	if short { // only full runs update the page
		return nil
	}
	return r.write()
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

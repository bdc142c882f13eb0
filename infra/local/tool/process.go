package tool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a running server program. It ends when our process ends.
type Process struct {
	title   string
	process *os.Process
	ended   chan struct{} // closed when the process has ended
	output  tail
}

// patience is how long a program may take to answer for the first time.
const patience = 30 * time.Second

// Start runs a program and returns when it answers. The title names it in errors, such
// as "the DynamoDB emulator".
func Start(ctx context.Context, title string, cmd *exec.Cmd, answers func(context.Context) bool) (*Process, error) {
	p := &Process{title: title, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	Leash(cmd, syscall.SIGKILL)
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // see Leash
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the output has the reason
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", title, err)
	}
	p.process = cmd.Process
	if err := p.await(ctx, answers); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Process) await(ctx context.Context, answers func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !answers(ctx) {
		select {
		case <-p.ended:
			return p.Failure()
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer", p.title)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// Ended is closed when the program has ended, whether by Close or not.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Failure returns the last line of output of a program that ended without Close.
func (p *Process) Failure() error {
	lines := strings.Split(p.Output(), "\n")
	return fmt.Errorf("%s has ended (%s)", p.title, cmp.Or(lines[len(lines)-1], "it printed nothing"))
}

// Output returns the end of the program's output, at most 4 KiB.
func (p *Process) Output() string { return p.output.String() }

// Close ends the program and its process group, and waits for the program's end.
func (p *Process) Close() error {
	if err := p.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(3 * time.Second):
	}
	// The group holds the program, if it still runs, and the processes it started.
	if err := syscall.Kill(-p.process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	<-p.ended
	return nil
}

// Loopback returns an address on which only programs of this machine reach a server. On Linux, where all of
// 127.0.0.0/8 is one, it is random. A server that answers every origin or every Host is then out of reach
// for web pages, which cannot guess it.
func Loopback() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	return net.IPv4(127, byte(1+rand.N(254)), byte(rand.N(256)), byte(1+rand.N(254))).String()
}

// FreePort returns a TCP port that is free on every address of this machine: dynoxide refuses one that another
// program has on any.
func FreePort() (string, error) {
	l, err := net.Listen("tcp4", ":0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// tail is a writer that keeps the last 4 KiB.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - 4096; over > 0 {
		t.text = t.text[over:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

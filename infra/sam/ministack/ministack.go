// Package ministack starts ministack, an emulator of AWS that takes a real `sam deploy`:
// CloudFormation, Lambda, API Gateway, DynamoDB, KMS, IAM and more behind one port. It
// runs the functions' binaries as processes of this machine, and holds every call of
// theirs against the role that they have. It is installed, pinned, into .tools/.
package ministack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// The credentials that ministack takes for the account's root, and its region.
const (
	AccessKey = "root"
	SecretKey = "secret"
	Region    = "us-east-1"
)

// Ministack is a running ministack. It keeps everything in memory.
type Ministack struct {
	URL string // of all services, and of the APIs that are deployed

	log     string
	process *os.Process
	ended   chan struct{} // closed when the process has ended
}

// Start runs ministack on a free port of this machine, and returns when it answers. It
// installs it first if need be, and says so on progress. What it unpacks, and its log,
// go into the folder dir.
func Start(ctx context.Context, dir string, progress io.Writer) (*Ministack, error) {
	program, err := install(ctx, progress)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	m := &Ministack{URL: "http://127.0.0.1:" + port, log: filepath.Join(dir, "ministack.log"), ended: make(chan struct{})}
	log, err := os.Create(m.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(program)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = leashed()
	// Nothing of ours: the functions inherit all of it.
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "STATE_DIR=" + dir, "LANG=C.UTF-8",
		"BIND_HOST=127.0.0.1", "GATEWAY_PORT=" + port,
		"AUTH=true",           // signatures and IAM count
		"IOT_MTLS_ENABLED=0",  // which would take a port
		"DOCKER_HOST=unix://", // it would remove containers that it takes for its own
		"LOG_LEVEL=WARNING",
		"AWS_ACCESS_KEY_ID=" + AccessKey, "AWS_SECRET_ACCESS_KEY=" + SecretKey, "AWS_DEFAULT_REGION=" + Region,
		"AWS_ENDPOINT_URL=" + m.URL, // for the functions
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the leash is tied to the thread that starts the process
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // what it says is in the log
			close(m.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start ministack: %w", err)
	}
	m.process = cmd.Process
	if err := m.await(ctx, 30*time.Second); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// freePort finds a port that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// await waits until ministack is well.
func (m *Ministack) await(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL+"/_ministack/health", nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-m.ended:
			return fmt.Errorf("ministack has ended: %s", m.LogEnd())
		case <-ctx.Done():
			return fmt.Errorf("ministack does not answer: %s", m.LogEnd())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Environment are the variables that lead any AWS client to ministack, as its root.
func (m *Ministack) Environment() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + m.URL, "AWS_ACCESS_KEY_ID=" + AccessKey, "AWS_SECRET_ACCESS_KEY=" + SecretKey,
		"AWS_REGION=" + Region, "AWS_DEFAULT_REGION=" + Region, "AWS_EC2_METADATA_DISABLED=true",
	}
}

// LogEnd is the end of what ministack said.
func (m *Ministack) LogEnd() string {
	const most = 4096
	text, err := os.ReadFile(m.log)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-most):]))
}

// Close ends ministack and the functions that it runs, and waits until it has ended.
func (m *Ministack) Close() error {
	if err := m.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-m.ended:
	case <-time.After(3 * time.Second):
	}
	// Its group: itself, if it still runs, and the functions, which it leaves behind.
	if err := syscall.Kill(-m.process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	<-m.ended
	return nil
}

// Package emulator starts a DynamoDB emulator as a process of its own: dynoxide,
// which the local stack and the tests use, or Amazon's DynamoDB Local, which the
// store's tests also run against. Both are installed, pinned, into .tools/.
package emulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"goblins-secrets/infra/local/template"
	"goblins-secrets/pkg/app"
)

// Emulator is a running emulator.
type Emulator struct {
	URL string

	process *os.Process
	ended   chan struct{} // closed when the process has ended
	output  *tail
}

// Dynoxide starts dynoxide, with its data in the SQLite file at path, or in memory
// when path is empty. It installs it first if need be, and says so on progress.
func Dynoxide(ctx context.Context, path string, progress io.Writer) (*Emulator, error) {
	binary, err := installDynoxide(ctx, progress)
	if err != nil {
		return nil, err
	}
	return start(ctx, func(port string) []string {
		command := []string{binary, "serve", "--port", port}
		if path != "" {
			command = append(command, "--db-path", path)
		}
		return command
	})
}

// DynamoDBLocal starts Amazon's DynamoDB Local, in memory.
func DynamoDBLocal(ctx context.Context, progress io.Writer) (*Emulator, error) {
	lib, err := installDynamoDBLocal(ctx, progress)
	if err != nil {
		return nil, err
	}
	return start(ctx, func(port string) []string {
		return []string{
			"java", "-XX:+UseSerialGC", "-Djava.library.path=" + lib, "-cp", lib + "/*",
			"com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
			"-disableTelemetry", "-sharedDb", "-inMemory", "-port", port,
		}
	})
}

// start runs the command, which listens on the port of 127.0.0.1 that it is given,
// and waits until it does.
func start(ctx context.Context, command func(port string) []string) (*Emulator, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := command(port)
	e := &Emulator{URL: "http://127.0.0.1:" + port, ended: make(chan struct{}), output: new(tail)}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = e.output, e.output
	cmd.SysProcAttr = leashed()
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the leash is tied to the thread that starts the process
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // what it says is in the output
			close(e.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the DynamoDB emulator: %w", err)
	}
	e.process = cmd.Process
	if err := e.await(ctx, 30*time.Second); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
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

// await waits until the emulator answers a request.
func (e *Emulator) await(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client := e.Client()
	for {
		_, err := client.ListTables(ctx, &dynamodb.ListTablesInput{})
		if err == nil {
			return nil
		}
		select {
		case <-e.ended:
			return e.Failure()
		case <-ctx.Done():
			return errors.New("the DynamoDB emulator does not answer")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Ended is closed when the emulator has ended, by Close or by itself.
func (e *Emulator) Ended() <-chan struct{} { return e.ended }

// Failure says why an emulator that ended by itself did.
func (e *Emulator) Failure() error {
	return fmt.Errorf("the DynamoDB emulator has ended (%s)", cmp.Or(e.output.lastLine(), "it said nothing"))
}

// Close ends the emulator and waits until it has ended. Each of its writes was
// durable before it was answered.
func (e *Emulator) Close() error {
	if err := e.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-e.ended:
		return nil
	case <-time.After(3 * time.Second):
	}
	if err := e.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-e.ended
	return nil
}

// tail keeps the end of what is written to it.
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

func (t *tail) lastLine() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	return lines[len(lines)-1]
}

// Client calls the emulator.
func (e *Emulator) Client() *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &e.URL, Retryer: aws.NopRetryer{}, HTTPClient: app.HTTPClient(30 * time.Second),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
}

// CreateTable makes the template's table under this name, unless it is there. It
// has no stream: nothing here reads one, and with one dynoxide's writes slow down
// with each write before them (tenfold after 4,000).
func (e *Emulator) CreateTable(ctx context.Context, name string, table template.Table) error {
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	for _, a := range table.Attributes {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: &a.Name, AttributeType: types.ScalarAttributeType(a.Type),
		})
	}
	for _, k := range table.Keys {
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{AttributeName: &k.Name, KeyType: types.KeyType(k.Type)})
	}
	_, err := e.Client().CreateTable(ctx, in)
	var exists *types.ResourceInUseException
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("create table: %w", err)
	}
	return nil
}

// FromEnvironment starts the emulator that tests run against, in memory: dynoxide,
// or the one that DYNAMODB_EMULATOR names.
func FromEnvironment(ctx context.Context) (*Emulator, error) {
	switch name := os.Getenv("DYNAMODB_EMULATOR"); name {
	case "", "dynoxide":
		return Dynoxide(ctx, "", os.Stderr)
	case "dynamodb-local":
		return DynamoDBLocal(ctx, os.Stderr)
	default:
		return nil, fmt.Errorf("DYNAMODB_EMULATOR=%s: want dynoxide or dynamodb-local", name)
	}
}

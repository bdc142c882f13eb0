// Package emulator starts a DynamoDB emulator as a process of its own: dynoxide,
// which the local stack and the tests use, or Amazon's DynamoDB Local, which the
// store's tests also run against. Both are installed, pinned, into .tools/.
package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"goblins-secrets/infra/local/template"
)

// Emulator is a running emulator.
type Emulator struct {
	URL string

	process *exec.Cmd
	leash   io.Closer
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

// leashed runs a command and ends it when standard input closes: when we close
// it, or end ourselves in whatever way, kill -9 included.
const leashed = `"$@" >/dev/null & cat; kill $! 2>/dev/null; wait`

// start runs the command, which listens on the port of 127.0.0.1 that it is given,
// and waits until it does.
func start(ctx context.Context, command func(port string) []string) (*Emulator, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	process := exec.Command("/bin/sh", append([]string{"-c", leashed, "sh"}, command(port)...)...)
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us: the emulator ends after us
	leash, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, fmt.Errorf("start the DynamoDB emulator: %w", err)
	}
	e := &Emulator{URL: "http://127.0.0.1:" + port, process: process, leash: leash}
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
		case <-ctx.Done():
			return fmt.Errorf("the DynamoDB emulator does not answer: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Close ends the emulator and waits until it has ended.
func (e *Emulator) Close() error {
	err := e.leash.Close()
	return errors.Join(err, e.process.Wait())
}

// Client calls the emulator.
func (e *Emulator) Client() *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &e.URL, Retryer: aws.NopRetryer{},
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

// Package emulator starts a DynamoDB emulator as a separate process. The local stack
// and the tests use dynoxide; the store's tests also run against Amazon's DynamoDB
// Local. Both are installed, pinned, into .tools/.
package emulator

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"goblins-secrets/infra/local/durable"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/infra/local/tool"
)

// Emulator is a running emulator. Each write is durable before it is answered, so Close
// is safe at any time.
type Emulator struct {
	URL string

	*tool.Process
}

// emptyDatabase is the empty database of dynoxide 1.2.1 with an additional index. With a
// stream, dynoxide searches the records of all rows ever written for the highest sequence
// number at each write. To make the file, start and stop dynoxide, then run
//
//	sqlite3 file 'PRAGMA journal_mode=delete' 'CREATE INDEX stream_sequence ON
//	_stream_records (table_name, CAST(sequence_number AS INTEGER))' VACUUM; gzip -9n file
//
//go:embed empty.sqlite.gz
var emptyDatabase []byte

// Dynoxide starts dynoxide with its data in the SQLite file at path, or in memory if path
// is empty. It first installs dynoxide if necessary, and reports that on progress.
func Dynoxide(ctx context.Context, path string, progress io.Writer) (*Emulator, error) {
	binary, err := installDynoxide(ctx, progress)
	if err != nil {
		return nil, err
	}
	if path != "" {
		if err := makeDatabase(path); err != nil {
			return nil, fmt.Errorf("make the DynamoDB emulator's file: %w", err)
		}
	}
	return start(ctx, func(port string) []string {
		command := []string{binary, "serve", "--port", port}
		if path != "" {
			command = append(command, "--db-path", path)
		}
		return command
	})
}

// makeDatabase atomically creates the empty database at path, unless a file exists.
func makeDatabase(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(emptyDatabase))
	if err != nil {
		return err
	}
	content, err := io.ReadAll(unpacked)
	if err != nil {
		return err
	}
	return durable.WriteFile(path, content)
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

// start runs the command, which must listen on the given port of 127.0.0.1, and waits
// until it answers.
func start(ctx context.Context, command func(port string) []string) (*Emulator, error) {
	port, err := tool.FreePort()
	if err != nil {
		return nil, err
	}
	e := &Emulator{URL: "http://127.0.0.1:" + port}
	args := command(port)
	client := e.Client()
	e.Process, err = tool.Start(ctx, "the DynamoDB emulator", exec.Command(args[0], args[1:]...), func(ctx context.Context) bool {
		_, err := client.ListTables(ctx, &dynamodb.ListTablesInput{})
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Client returns a client of the emulator, without retries unless an option sets them.
func (e *Emulator) Client(options ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &e.URL, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	}, options...)
}

// CreateTable creates the template's table under this name, unless it exists. The table
// has no stream: see SetStream.
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

// SetStream enables a table's stream with this view type, or disables it if view is
// empty. Dynoxide keeps the stream's records forever. In memory, and in a file older than
// emptyDatabase, each record slows down writes: about 8,000 records cost a millisecond.
func (e *Emulator) SetStream(ctx context.Context, name, view string) error {
	client := e.Client()
	table, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	if err != nil {
		return fmt.Errorf("describe table: %w", err)
	}
	if now := table.Table.StreamSpecification; view != "" == (now != nil && aws.ToBool(now.StreamEnabled)) {
		return nil
	}
	_, err = client.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &name, StreamSpecification: &types.StreamSpecification{
		StreamEnabled: aws.Bool(view != ""), StreamViewType: types.StreamViewType(view),
	}})
	if err != nil {
		return fmt.Errorf("set stream: %w", err)
	}
	return nil
}

// FromEnvironment starts the emulator for tests, in memory: the one that
// DYNAMODB_EMULATOR names, by default dynoxide.
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

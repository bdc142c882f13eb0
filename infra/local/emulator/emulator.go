// Package emulator starts a DynamoDB emulator as a separate process: dynoxide where it has a package, Amazon's
// DynamoDB Local elsewhere. The store's tests run against both. Both are installed, pinned, into .tools/.
//
// Emulators check no signature, so what keeps web pages and other users' programs out is that they find
// nothing. Dynoxide answers every origin: it listens on a random address, see tool.Loopback. DynamoDB Local
// listens on every interface: its tables belong to a random access key, and it names no origin.
package emulator

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

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
	URL       string
	AccessKey string // of the tables' owner

	*tool.Process
}

// anyKey is the access key of clients of dynoxide, which ignores it.
const anyKey = "local"

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
	return start(ctx, tool.Loopback(), anyKey, func(host, port string) []string {
		command := []string{binary, "serve", "--host", host, "--port", port}
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

// DynamoDBLocal starts Amazon's DynamoDB Local with its data in a folder, or in memory if folder is empty. It
// listens on every interface of this machine. A kill can lose its last writes.
func DynamoDBLocal(ctx context.Context, folder string, progress io.Writer) (*Emulator, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return nil, errors.New("java is needed to run Amazon's DynamoDB Local, and is not on the PATH: install Java 17")
	}
	lib, err := installDynamoDBLocal(ctx, progress)
	if err != nil {
		return nil, err
	}
	accessKey, data := rand.Text(), []string{"-inMemory"}
	if folder != "" {
		if accessKey, err = ownerOf(folder, accessKey); err != nil {
			return nil, fmt.Errorf("make the DynamoDB emulator's folder: %w", err)
		}
		data = []string{"-dbPath", folder}
	}
	return start(ctx, "127.0.0.1", accessKey, func(_, port string) []string {
		return append([]string{
			"java", "-XX:+UseSerialGC", "-Djava.library.path=" + lib, "-cp", lib + "/*",
			"com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
			"-disableTelemetry", "-cors", "https://none.invalid", "-port", port,
		}, data...)
	})
}

// ownerOf returns the access key that owns the tables in a folder of DynamoDB Local. A file has it: every
// other key that a client uses gets a database of its own.
func ownerOf(folder, newKey string) (accessKey string, err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(folder, "owner")
	saved, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newKey, durable.WriteFile(path, []byte(newKey+"\n"))
	}
	return strings.TrimSpace(string(saved)), err
}

const region = "us-east-1"

// start runs the command, which must listen on the given host and port, and waits until it answers. Another program
// may take the port just before; then it tries another one.
func start(ctx context.Context, host, accessKey string, command func(host, port string) []string) (e *Emulator, err error) {
	const tries = 3
	for range tries {
		if e, err = startOnce(ctx, host, accessKey, command); err == nil || !strings.Contains(err.Error(), "in use") {
			break
		}
	}
	return e, err
}

func startOnce(ctx context.Context, host, accessKey string, command func(host, port string) []string) (*Emulator, error) {
	port, err := tool.FreePort()
	if err != nil {
		return nil, err
	}
	e := At("http://"+net.JoinHostPort(host, port), accessKey)
	args := command(host, port)
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

// At is an emulator that runs already.
func At(url, accessKey string) *Emulator { return &Emulator{URL: url, AccessKey: accessKey} }

// Client returns a client of the emulator, without retries unless an option sets them.
func (e *Emulator) Client(options ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: region, BaseEndpoint: &e.URL, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: e.AccessKey, SecretAccessKey: "local"}, nil
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
	in.KeySchema = keySchema(table.Keys)
	for _, i := range table.Indexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: &i.Name, KeySchema: keySchema(i.Keys), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		})
	}
	_, err := e.Client().CreateTable(ctx, in)
	var exists *types.ResourceInUseException
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("create table: %w", err)
	}
	return nil
}

func keySchema(keys []template.Key) (schema []types.KeySchemaElement) {
	for _, k := range keys {
		schema = append(schema, types.KeySchemaElement{AttributeName: &k.Name, KeyType: types.KeyType(k.Type)})
	}
	return schema
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

// The emulators' names, in DYNAMODB_EMULATOR.
const (
	dynoxide      = "dynoxide"
	dynamoDBLocal = "dynamodb-local"
)

// FromEnvironment starts the emulator that DYNAMODB_EMULATOR names, by default dynoxide where it has a
// package. It keeps its data in a folder, or in memory if folder is empty. A folder of the other emulator is
// an error.
func FromEnvironment(ctx context.Context, folder string, progress io.Writer) (*Emulator, error) {
	name := dynamoDBLocal
	if hasDynoxide() {
		name = dynoxide
	}
	name = cmp.Or(os.Getenv("DYNAMODB_EMULATOR"), name)
	if name != dynoxide && name != dynamoDBLocal {
		return nil, fmt.Errorf("DYNAMODB_EMULATOR=%s: want %s or %s", name, dynoxide, dynamoDBLocal)
	}
	var places map[string]string // by emulator
	if folder != "" {
		places = map[string]string{dynoxide: filepath.Join(folder, "dynamodb.sqlite"), dynamoDBLocal: filepath.Join(folder, "dynamodb-local")}
		for other, place := range places {
			if _, err := os.Stat(place); err == nil && other != name {
				return nil, fmt.Errorf("the data folder %s was made with %s, not %s: choose another with DATA=folder, or set DYNAMODB_EMULATOR=%s", folder, other, name, other)
			}
		}
	}
	if name == dynoxide {
		return Dynoxide(ctx, places[name], progress)
	}
	e, err := DynamoDBLocal(ctx, places[name], progress)
	if err == nil && folder != "" {
		fmt.Fprintf(progress, "Amazon's DynamoDB Local listens on every interface of this machine, at port %s; its tables belong to a random access key.\n", e.URL[strings.LastIndex(e.URL, ":")+1:])
	}
	return e, err
}

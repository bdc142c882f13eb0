package emulator_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"goblins-secrets/infra/local/emulator"
	"goblins-secrets/infra/local/template"
)

var table = template.Table{
	Attributes: []template.Attribute{{Name: "PK", Type: "S"}, {Name: "SK", Type: "S"}},
	Keys:       []template.Key{{Name: "PK", Type: "HASH"}, {Name: "SK", Type: "RANGE"}},
}

func TestDynoxideKeepsItsTables(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db.sqlite")
	for range 2 { // the second run finds the table of the first
		e, err := emulator.Dynoxide(t.Context(), path, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.CreateTable(t.Context(), "rows", table); err != nil {
			t.Error(err)
		}
		out, err := e.Client().ListTables(t.Context(), &dynamodb.ListTablesInput{})
		if err != nil || len(out.TableNames) != 1 || out.TableNames[0] != "rows" {
			t.Errorf("ListTables = %v, %v, want rows", out, err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		client := http.Client{Timeout: time.Second}
		if response, err := client.Get(e.URL); err == nil {
			response.Body.Close()
			t.Error("the emulator answers after Close")
		}
	}
}

// A table has its template's indexes. Only rows with an index's attribute are in the index, with all their attributes.
func TestTablesHaveTheirIndexes(t *testing.T) {
	indexed := table
	indexed.Attributes = append(slices.Clone(table.Attributes), template.Attribute{Name: "by_user", Type: "S"})
	indexed.Indexes = []template.Index{{Name: "by_user", Keys: []template.Key{{Name: "by_user", Type: "HASH"}, {Name: "SK", Type: "RANGE"}}}}
	e, err := emulator.FromEnvironment(t.Context(), "", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.CreateTable(t.Context(), "rows", indexed); err != nil {
		t.Fatal(err)
	}
	row := func(values ...string) map[string]types.AttributeValue {
		item := map[string]types.AttributeValue{}
		for i := 0; i < len(values); i += 2 {
			item[values[i]] = &types.AttributeValueMemberS{Value: values[i+1]}
		}
		return item
	}
	with := row("PK", "a", "SK", "1", "by_user", "u", "name", "n")
	for _, item := range []map[string]types.AttributeValue{with, row("PK", "a", "SK", "2", "name", "n")} {
		if _, err := e.Client().PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("rows"), Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	out, err := e.Client().Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("rows"), IndexName: aws.String("by_user")})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]map[string]types.AttributeValue{with}, out.Items, cmpopts.IgnoreUnexported(types.AttributeValueMemberS{})); diff != "" {
		t.Errorf("rows of the index (-want +got):\n%s", diff)
	}
}

// SetStream enables and disables a table's stream any number of times. The file has the
// index that keeps writes cheap.
func TestStreamIsEnabledAndDisabled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db.sqlite")
	e, err := emulator.Dynoxide(t.Context(), path, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.CreateTable(t.Context(), "rows", table); err != nil {
		t.Fatal(err)
	}
	for _, view := range []string{"", "NEW_AND_OLD_IMAGES", "NEW_AND_OLD_IMAGES", "", "", "KEYS_ONLY"} {
		if err := e.SetStream(t.Context(), "rows", view); err != nil {
			t.Errorf("SetStream(%q) = %v", view, err)
		}
		out, err := e.Client().DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("rows")})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if has := out.Table.StreamSpecification; has != nil && aws.ToBool(has.StreamEnabled) {
			got = string(has.StreamViewType)
		}
		if got != view {
			t.Errorf("stream view after SetStream(%q) = %q", view, got)
		}
	}
	if err := e.SetStream(t.Context(), "another", ""); err == nil {
		t.Error("SetStream of a missing table = nil, want an error")
	}
	content, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(content, []byte("CREATE INDEX stream_sequence ON _stream_records")) {
		t.Errorf("the file has no index on the stream: %v", err)
	}
}

// Dynoxide on a file that is not a database fails at once, with the emulator's own reason.
func TestCorruptFileIsReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db.sqlite")
	if err := os.WriteFile(path, bytes.Repeat([]byte("garbage "), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := emulator.Dynoxide(t.Context(), path, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "has ended") || !strings.Contains(err.Error(), "not a valid SQLite database") {
		t.Errorf("Dynoxide(corrupt file) = %v, want the reason", err)
	}
}

// Without its package manager, the error names it and says what to do.
func TestMissingPackageManagerIsNamed(t *testing.T) {
	checkout := t.TempDir()
	if err := os.WriteFile(filepath.Join(checkout, "go.mod"), []byte("module goblins-secrets\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(checkout)
	t.Setenv("PATH", "")
	_, err := emulator.Dynoxide(t.Context(), "", io.Discard)
	if err == nil || !strings.Contains(err.Error(), "npm is needed to install the DynamoDB emulator") {
		t.Errorf("Dynoxide without npm = %v, want a hint", err)
	}
	_, err = emulator.DynamoDBLocal(t.Context(), "", io.Discard)
	if err == nil || !strings.Contains(err.Error(), "java is needed to run Amazon's DynamoDB Local") {
		t.Errorf("DynamoDBLocal without Java = %v, want a hint", err)
	}
	t.Setenv("PATH", checkout)
	if err := os.WriteFile(filepath.Join(checkout, "java"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err = emulator.DynamoDBLocal(t.Context(), "", io.Discard)
	if err == nil || !strings.Contains(err.Error(), "mvn is needed to install Amazon's DynamoDB Local") {
		t.Errorf("DynamoDBLocal without Maven = %v, want a hint", err)
	}
}

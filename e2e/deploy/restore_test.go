package deploy

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// restoredName is the name of the table that a table is restored to.
func restoredName(table string) string { return table + "-restored" }

// restore is the drill of docs/deploy.md: it restores the table to a new one and switches the
// stack to that. The returned function switches it back and can change other parameters too.
// Values open in both tables, each table keeps its rows, and the functions have the same
// permissions on both.
func restore(t *testing.T, c cloud, sam samCLI, kept keptData, u *used) (back func(t *testing.T, parameters ...string)) {
	t.Helper()
	own := c.stack(t).outputs["TableName"]
	restored := restoredName(own)
	items := "/api/secrets/" + kept.account.DefaultSecretID + "/items/"
	here := func(t *testing.T) api { return api{url: c.url(c.stack(t)), key: kept.account.APIKey} }

	db := c.dynamodb()
	_, err := db.RestoreTableToPointInTime(t.Context(), &dynamodb.RestoreTableToPointInTimeInput{
		SourceTableName: &own, TargetTableName: &restored, UseLatestRestorableTime: aws.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	exists := dynamodb.NewTableExistsWaiter(db)
	if err := exists.Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &restored}, time.Minute); err != nil {
		t.Fatal(err)
	}
	_, err = db.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{
		TableName: &restored,
		StreamSpecification: &types.StreamSpecification{
			StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeKeysOnly,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	late := items + here(t).create(t, items, `{"key":"LATE","value":"late value"}`) + "/"

	u.setValue(t, "late")
	u.mustHave(t, c, bundle{content: `{"KEY":"late"}`, name: "used"})

	out, err := sam.try(t, sam.deployment([]string{"RestoredTable=" + restored})...)
	if err == nil || !strings.Contains(out, "RestoredTable needs RestoredTableStream") {
		t.Errorf("a deployment without RestoredTableStream = %v, want an error that names it\n%s", err, out)
	}
	update(t, c, sam, "RestoredTable="+restored, "RestoredTableStream="+c.streamOf(t, restored))
	if name := c.stack(t).outputs["TableName"]; name != restored {
		t.Errorf("TableName = %s, want %s", name, restored)
	}
	kept.mustBeThere(t, c)
	if status, body := here(t).call(t, http.MethodGet, late, ""); status != http.StatusNotFound {
		t.Errorf("GET of an item created after the restore = %d %s, want 404", status, body)
	}
	since := items + here(t).create(t, items, `{"key":"SINCE","value":"value since"}`) + "/"
	status, body := here(t).call(t, http.MethodGet, since, "")
	if status != http.StatusOK || !strings.Contains(body, `"value":"value since"`) {
		t.Errorf("GET of an item in the restored table = %d %s, want its value", status, body)
	}
	// The bundle follows, though it is ahead of the restored table.
	redeployAll(t, sam)
	u.mustHave(t, c, bundle{content: `{"KEY":"third"}`, name: "used"})
	u.setValue(t, "since")
	u.mustHave(t, c, bundle{content: `{"KEY":"since"}`, name: "used"})

	return func(t *testing.T, parameters ...string) {
		t.Helper()
		update(t, c, sam, append(parameters, `RestoredTable=""`, `RestoredTableStream=""`)...)
		kept.mustBeThere(t, c)
		redeployAll(t, sam)
		u.mustHave(t, c, bundle{content: `{"KEY":"late"}`, name: "used"})
		if status, body := here(t).call(t, http.MethodGet, late, ""); status != http.StatusOK || !strings.Contains(body, `"value":"late value"`) {
			t.Errorf("GET of an item in the stack's own table = %d %s, want its value", status, body)
		}
		if status, _ := here(t).call(t, http.MethodGet, since, ""); status != http.StatusNotFound {
			t.Errorf("GET of an item only in the restored table = %d, want 404", status)
		}
	}
}

// streamOf returns the ARN of a table's stream.
func (c cloud) streamOf(t *testing.T, table string) string {
	t.Helper()
	out, err := c.dynamodb().DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.Table.LatestStreamArn)
}

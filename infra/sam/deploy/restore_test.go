package deploy

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// restoredName is what the drill calls the table that it restores another to.
func restoredName(table string) string { return table + "-restored" }

// restore is the drill of docs/deploy.md: the table is restored to a new one, and the
// stack is switched over to it; the returned function switches it back, beside changing
// other parameters. Values open in both, each table has what it had, and the functions
// may do there what they may.
func restore(t *testing.T, c cloud, sam samCLI, kept keptData) (back func(t *testing.T, parameters ...string)) {
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
	if err := dynamodb.NewTableExistsWaiter(db).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &restored}, time.Minute); err != nil {
		t.Fatal(err)
	}
	late := items + here(t).create(t, items, `{"key":"LATE","value":"late value"}`) + "/"

	update(t, c, sam, "RestoredTable="+restored)
	if name := c.stack(t).outputs["TableName"]; name != restored {
		t.Errorf("TableName = %s, want %s", name, restored)
	}
	kept.mustBeThere(t, c)
	if status, body := here(t).call(t, http.MethodGet, late, ""); status != http.StatusNotFound {
		t.Errorf("GET what came after the restore = %d %s, want 404", status, body)
	}
	since := items + here(t).create(t, items, `{"key":"SINCE","value":"value since"}`) + "/"
	if status, body := here(t).call(t, http.MethodGet, since, ""); status != http.StatusOK || !strings.Contains(body, `"value":"value since"`) {
		t.Errorf("GET what was written to the restored table = %d %s, want its value", status, body)
	}

	return func(t *testing.T, parameters ...string) {
		t.Helper()
		update(t, c, sam, append(parameters, `RestoredTable=""`)...)
		kept.mustBeThere(t, c)
		if status, body := here(t).call(t, http.MethodGet, late, ""); status != http.StatusOK || !strings.Contains(body, `"value":"late value"`) {
			t.Errorf("GET of the stack's own table = %d %s, want its value", status, body)
		}
		if status, _ := here(t).call(t, http.MethodGet, since, ""); status != http.StatusNotFound {
			t.Errorf("GET what is in the restored table only = %d, want 404", status)
		}
	}
}

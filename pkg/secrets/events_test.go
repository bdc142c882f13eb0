package secrets_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// Each change of a service is an event: by whom, from where, to what, and with its secret at
// that time.
func TestServiceChangesAreRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	attach(t, &w)
	m, id := w.table.Manager(t), w.service.ID.String()
	for _, in := range []secrets.ServiceInput{
		secrets.ServiceInput{Port: secrets.Text("81")},
		serviceInput("moved", w.second.ID),
		serviceInput("moved", w.second.ID), // which changes nothing
	} {
		if _, err := m.UpdateService(t.Context(), w.caller, id, in); err != nil {
			t.Fatal(err)
		}
	}
	var inUse secrets.InUse
	if err := m.DeleteSecret(t.Context(), w.caller, w.second.ID.String(), secrets.Deletion{}); !errors.As(err, &inUse) {
		t.Errorf("delete a used secret: %v, want InUse", err)
	}
	if err := m.DeleteService(t.Context(), w.caller, id, nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range w.table.Rows(t) {
		if row["PK"] == "EVENTS#"+w.caller.AccountID.String() && row["service_id"] == id {
			got = append(got, fmt.Sprint(row["SK"], " ", row["action"], " ", row["service_name"], " ", row["by_secret"], " ", row["secret_name"]))
			who := fmt.Sprintf("%v %v %v %v %v %v", row["by_user"], row["user_name"], row["key_id"], row["key_name"], row["source_ip"], row["request_id"])
			c := w.caller
			want := fmt.Sprintf("%v#%v %v %v %v %v %v", c.AccountID, c.UserID, c.UserName, c.KeyID, c.KeyName, c.SourceIP, c.RequestID)
			if who != want {
				t.Errorf("%v is by %s, want %s", row["action"], who, want)
			}
			got[len(got)-1] += fmt.Sprint(" ", row["changed"], " ", row["from"])
			if row["item_id"] != nil || row["version"] != nil {
				t.Errorf("%v has an item: %v", row["action"], row)
			}
		}
	}
	slices.Sort(got) // by id: by time
	first := w.caller.AccountID.String() + "#" + w.secret.ID.String() + " " + w.secret.Name
	second := w.caller.AccountID.String() + "#" + w.second.ID.String() + " " + w.second.Name
	want := []string{
		"service.created app " + first + " <nil> <nil>",
		"service.updated app " + first + " [port] <nil>",
		"service.updated moved " + second + " [name port secret] map[name:app secret:" + w.secret.ID.String() + "]",
		"service.deleted moved " + second + " <nil> <nil>",
	}
	for i := range got {
		_, got[i], _ = strings.Cut(got[i], " ")
	}
	if !slices.Equal(got, want) {
		t.Errorf("events = %q, want %q", got, want)
	}
	w.table.Check(t)
}

// The event of a rename has the name or key that it replaced. A new value has none.
func TestRenamesRecordWhatTheyReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m, secret, item := w.table.Manager(t), w.secret.ID.String(), w.item.ID.String()
	if _, err := m.UpdateSecret(t.Context(), w.caller, secret, secretInput("renamed")); err != nil {
		t.Fatal(err)
	}
	for _, in := range []secrets.ItemInput{itemInput("NEW_KEY", "value"), valueInput("rotated")} {
		if _, err := m.UpdateItem(t.Context(), w.caller, secret, item, in); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]string{}
	for _, row := range w.table.Rows(t) {
		if kind, _ := row["action"].(string); strings.HasSuffix(kind, ".updated") {
			got[fmt.Sprint(kind, " ", row["secret_name"], " ", row["item_key"], " ", row["version"])] = fmt.Sprint(row["from"], row["to"])
		}
	}
	want := map[string]string{
		"secret.updated renamed <nil> <nil>": fmt.Sprint(map[string]any{"name": w.secret.Name}, map[string]any{"name": "renamed"}),
		"item.updated renamed NEW_KEY 2":     fmt.Sprint(map[string]any{"key": w.item.Key}, map[string]any{"key": "NEW_KEY"}),
		"item.updated renamed NEW_KEY 3":     "<nil> <nil>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("from of the events (-want +got):\n%s", diff)
	}
}

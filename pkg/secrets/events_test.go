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
	if err := m.DeleteSecret(t.Context(), w.caller, w.second.ID.String()); !errors.As(err, &inUse) {
		t.Errorf("delete a used secret: %v, want InUse", err)
	}
	if err := m.DeleteService(t.Context(), w.caller, id); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range w.table.Rows(t) {
		if row["PK"] == "EVENTS#"+w.caller.AccountID.String() && row["service_id"] == id {
			got = append(got, fmt.Sprint(row["SK"], " ", row["type"], " ", row["name"], " ", row["secret_id"]))
			who := fmt.Sprintf("%v %v %v %v", row["user_id"], row["key_id"], row["source_ip"], row["request_id"])
			if want := fmt.Sprintf("%v %v %v %v", w.caller.UserID, w.caller.KeyID, w.caller.SourceIP, w.caller.RequestID); who != want {
				t.Errorf("%v is by %s, want %s", row["type"], who, want)
			}
			got[len(got)-1] += fmt.Sprint(" ", row["changed"], " ", row["from"])
			if row["item_id"] != nil || row["version"] != nil {
				t.Errorf("%v has an item: %v", row["type"], row)
			}
		}
	}
	slices.Sort(got) // by id: by time
	want := []string{
		"service.created app " + w.secret.ID.String() + " <nil> <nil>",
		"service.updated app " + w.secret.ID.String() + " [port] <nil>",
		"service.updated moved " + w.second.ID.String() + " [name port secret] map[name:app secret:" + w.secret.ID.String() + "]",
		"service.deleted moved " + w.second.ID.String() + " <nil> <nil>",
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
		if kind, _ := row["type"].(string); strings.HasSuffix(kind, ".updated") {
			got[fmt.Sprint(kind, " ", row["name"], " ", row["version"])] = fmt.Sprint(row["from"])
		}
	}
	want := map[string]string{
		"secret.updated renamed <nil>": fmt.Sprint(map[string]any{"name": w.secret.Name}),
		"item.updated NEW_KEY 2":       fmt.Sprint(map[string]any{"key": w.item.Key}),
		"item.updated NEW_KEY 3":       "<nil>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("from of the events (-want +got):\n%s", diff)
	}
}

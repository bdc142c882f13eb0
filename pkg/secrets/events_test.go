package secrets_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

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
			if row["item_id"] != nil || row["version"] != nil {
				t.Errorf("%v has an item: %v", row["type"], row)
			}
		}
	}
	slices.Sort(got) // by id: by time
	want := []string{
		"service.created app " + w.secret.ID.String(), "service.updated app " + w.secret.ID.String(),
		"service.updated moved " + w.second.ID.String(), "service.deleted moved " + w.second.ID.String(),
	}
	for i := range got {
		_, got[i], _ = strings.Cut(got[i], " ")
	}
	if !slices.Equal(got, want) {
		t.Errorf("events = %q, want %q", got, want)
	}
	w.table.Check(t)
}

package dynamo_test

import (
	"testing"

	"goblins-secrets/pkg/secrets"
)

func TestEventsAreNeverOverwritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ev := f.event(secrets.ItemRevealed)
	for range 2 { // the second repeats a call whose answer was lost
		if err := f.store.AppendEvent(t.Context(), ev); err != nil {
			t.Errorf("AppendEvent: %v", err)
		}
	}
	other := ev
	other.SourceIP = "198.51.100.1"
	if err := f.store.AppendEvent(t.Context(), other); err != nil {
		t.Errorf("AppendEvent: %v", err)
	}
	for _, row := range f.Rows(t) {
		if row["SK"] == ev.ID.String() && row["source_ip"] != "192.0.2.1" {
			t.Errorf("an event was overwritten: %v", row)
		}
	}
}

package dynamo_test

import (
	"testing"
	"time"

	"goblins-secrets/pkg/dynamo"
	"goblins-secrets/pkg/secrets"
)

// Events and refused tries are kept for EventDays, and 0 keeps them for ever.
func TestEventsExpire(t *testing.T) {
	t.Parallel()
	for _, days := range []int{0, 7} {
		f := newFixture(t)
		store := f.store.(*dynamo.Store)
		store.EventDays = days
		revealed, refused := f.event(secrets.ItemRevealed), f.event(secrets.ItemRevealed)
		refused.Outcome, refused.Last = secrets.OutcomeDenied, now
		if err := store.AppendEvent(t.Context(), revealed); err != nil {
			t.Fatal(err)
		}
		if err := store.CountRefused(t.Context(), refused); err != nil {
			t.Fatal(err)
		}
		var want any
		if days > 0 {
			want = float64(now.Add(time.Duration(days) * 24 * time.Hour).Unix())
		}
		found := 0
		for _, row := range f.Rows(t) {
			if row["SK"] == revealed.ID.String() || row["SK"] == refused.ID.String() {
				found++
				if row["expires_at"] != want {
					t.Errorf("with EventDays = %d, %v expires at %v, want %v", days, row["PK"], row["expires_at"], want)
				}
			}
		}
		if found != 2 {
			t.Errorf("%d rows, want 2", found)
		}
	}
}

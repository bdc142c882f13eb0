package dynamo_test

import (
	"fmt"
	"testing"

	"goblins-secrets/pkg/secrets"
)

// A purge deletes all items of a secret, in several batches.
func TestPurgeDeletesAllBatches(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 60 {
		f.newItem(t, fmt.Sprintf("KEY_%d", i))
	}
	deleted := f.event(secrets.SecretDeleted)
	if err := f.store.DeleteSecret(t.Context(), binned(f.read(t, f.secret.ID)), deleted); err != nil {
		t.Fatal(err)
	}
	f.purge(t, secrets.Purge{AccountID: f.account, SecretID: f.secret.ID, ID: deleted.ID, Due: now})
	f.wantPurged(t)
}

// wantPurged reports rows of the deleted secret, and of its purge.
func (f fixture) wantPurged(t *testing.T) {
	t.Helper()
	for _, row := range f.Rows(t) {
		if row["PK"] == "PURGE" || row["PK"] == "SECRET#"+f.account.String()+"#"+f.secret.ID.String() {
			t.Fatalf("%v is left", row)
		}
	}
	f.Check(t)
}

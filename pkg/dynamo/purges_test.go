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
	if err := f.store.DeleteSecret(t.Context(), f.secret, f.event(secrets.SecretDeleted)); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Purge(t.Context(), secrets.Purge{AccountID: f.account, SecretID: f.secret.ID}); err != nil {
		t.Fatal(err)
	}
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

package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// fixture is a store on a table of its own, with an account and a secret in it.
type fixture struct {
	*secretstest.Table
	store   secretstest.Store
	account uuid.UUID
	user    uuid.UUID
	secret  secrets.Secret
}

var (
	now    = time.Date(2026, 2, 3, 4, 5, 6, 789000, time.UTC)
	sealed = []byte("sealed")
)

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func (f fixture) event(kind string) secrets.Event {
	return secrets.Event{
		ID: newID(), AccountID: f.account, At: now, Type: kind,
		UserID: f.user, KeyID: f.user, SourceIP: "192.0.2.1", RequestID: "request",
	}
}

func newFixture(t *testing.T, options ...func(*aws.Config)) fixture {
	t.Helper()
	f := fixture{Table: secretstest.NewTable(t), account: newID(), user: newID()}
	f.store = f.Store(t, options...)
	def := secrets.Secret{AccountID: f.account, ID: newID(), Name: "Default", IsDefault: true, CreatedAt: now}
	err := f.store.CreateAccount(t.Context(),
		secrets.Account{ID: f.account, Name: "first", DefaultSecretID: def.ID, CreatedAt: now}, def,
		secrets.APIKey{ID: newID(), AccountID: f.account, UserID: f.user, Hash: secrets.KeyHash{1}, CreatedAt: now},
		f.event(secrets.AccountCreated))
	if err != nil {
		t.Fatal(err)
	}
	f.secret = f.newSecret(t, "production")
	return f
}

func (f fixture) newSecret(t *testing.T, name string) secrets.Secret {
	t.Helper()
	s := secrets.Secret{AccountID: f.account, ID: newID(), Name: name, CreatedAt: now}
	if err := f.store.CreateSecret(t.Context(), s, f.event(secrets.SecretCreated)); err != nil {
		t.Fatal(err)
	}
	return s
}

func (f fixture) item(key string) secrets.Item {
	return secrets.Item{
		AccountID: f.account, SecretID: f.secret.ID, ID: newID(), Key: key, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
}

// itemEvent is what the domain sends beside a write of an item.
func (f fixture) itemEvent(kind string, it secrets.Item) secrets.Event {
	ev := f.event(kind)
	ev.SecretID, ev.ItemID, ev.Version, ev.Name = it.SecretID, it.ID, it.Version, it.Key
	return ev
}

// items is a change of the number of the secret's items.
func (f fixture) items(more int) secrets.Change {
	return secrets.Change{Secret: f.secret, Items: more, Revise: true}
}

func (f fixture) newItem(t *testing.T, key string) secrets.Item {
	t.Helper()
	it := f.item(key)
	if err := f.store.CreateItem(t.Context(), f.items(+1), it, sealed, f.itemEvent(secrets.ItemCreated, it)); err != nil {
		t.Fatal(err)
	}
	return it
}

func TestAPIKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, err := f.store.APIKey(t.Context(), secrets.KeyHash{1})
	if err != nil || k.AccountID != f.account || k.UserID != f.user || !k.CreatedAt.Equal(now) || !k.ExpiresAt.IsZero() {
		t.Errorf("APIKey = %+v, %v, want the account's", k, err)
	}
	if _, err := f.store.APIKey(t.Context(), secrets.KeyHash{2}); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("APIKey of an unknown hash: %v, want ErrNotFound", err)
	}
}

func TestCreateAccountOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := secrets.Account{ID: newID(), Name: "first", DefaultSecretID: newID(), CreatedAt: now}
	err := f.store.CreateAccount(t.Context(), other,
		secrets.Secret{AccountID: other.ID, ID: other.DefaultSecretID, Name: "Default", IsDefault: true, CreatedAt: now},
		secrets.APIKey{ID: newID(), AccountID: other.ID, UserID: newID(), Hash: secrets.KeyHash{3}, CreatedAt: now},
		secrets.Event{ID: newID(), AccountID: other.ID, At: now, Type: secrets.AccountCreated})
	if !errors.Is(err, secrets.ErrExists) {
		t.Errorf("CreateAccount with a taken name: %v, want ErrExists", err)
	}
	f.Check(t)
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	got, err := f.store.Secret(ctx, f.account, f.secret.ID)
	if diff := cmp.Diff(f.secret, got); err != nil || diff != "" {
		t.Errorf("Secret: %v (-want +got):\n%s", err, diff)
	}
	if _, err := f.store.Secret(ctx, newID(), f.secret.ID); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("Secret of another account: %v, want ErrNotFound", err)
	}
	again := f.secret
	again.ID = newID()
	if err := f.store.CreateSecret(ctx, again, f.event(secrets.SecretCreated)); !errors.Is(err, secrets.ErrExists) {
		t.Errorf("CreateSecret with a taken name: %v, want ErrExists", err)
	}
	stranger := again
	stranger.AccountID, stranger.Name = newID(), "x"
	if err := f.store.CreateSecret(ctx, stranger, f.event(secrets.SecretCreated)); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("CreateSecret in no account: %v, want ErrNotFound", err)
	}

	renamed := f.secret
	renamed.Name = "staging"
	if err := f.store.RenameSecret(ctx, secrets.Change{Secret: f.secret, Name: "staging", Revise: true}, f.event(secrets.SecretUpdated)); err != nil {
		t.Errorf("RenameSecret: %v", err)
	}
	if err := f.store.RenameSecret(ctx, secrets.Change{Secret: f.secret, Name: "staging", Revise: true}, f.event(secrets.SecretUpdated)); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("RenameSecret from a name that it no longer has: %v, want ErrChanged", err)
	}
	f.newSecret(t, "production") // the name is free again
	if err := f.store.RenameSecret(ctx, secrets.Change{Secret: renamed, Name: "production", Revise: true}, f.event(secrets.SecretUpdated)); !errors.Is(err, secrets.ErrExists) {
		t.Errorf("RenameSecret to a taken name: %v, want ErrExists", err)
	}
	if err := f.store.DeleteSecret(ctx, f.secret, f.event(secrets.SecretDeleted)); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("DeleteSecret with an old name: %v, want ErrChanged", err)
	}
	if err := f.store.DeleteSecret(ctx, renamed, f.event(secrets.SecretDeleted)); err != nil {
		t.Errorf("DeleteSecret: %v", err)
	}
	f.Check(t)
}

func TestItems(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	it := f.newItem(t, "API_KEY")
	parent, got, err := f.store.Item(ctx, f.account, f.secret.ID, it.ID)
	if parent.ID != f.secret.ID || parent.Name != f.secret.Name {
		t.Errorf("Item returns %+v as its secret, want %+v", parent, f.secret)
	}
	if diff := cmp.Diff(it, got); err != nil || diff != "" {
		t.Errorf("Item: %v (-want +got):\n%s", err, diff)
	}
	if v, err := f.store.SealedValue(ctx, f.account, f.secret.ID, it.ID); err != nil || v.Version != 1 || string(v.Blob) != "sealed" {
		t.Errorf("SealedValue = %+v, %v, want version 1 of it", v, err)
	}
	taken := f.item("API_KEY")
	if err := f.store.CreateItem(ctx, f.items(+1), taken, sealed, f.itemEvent(secrets.ItemCreated, taken)); !errors.Is(err, secrets.ErrExists) {
		t.Errorf("CreateItem with a taken key: %v, want ErrExists", err)
	}

	read, err := f.store.StampReveal(ctx, f.account, f.secret.ID, it.ID, now.Add(time.Hour), f.user)
	want := it
	want.LastAccessedAt, want.LastAccessedBy = now.Add(time.Hour), f.user
	if diff := cmp.Diff(want, read); err != nil || diff != "" {
		t.Errorf("StampReveal: %v (-want +got):\n%s", err, diff)
	}
	if _, err := f.store.StampReveal(ctx, f.account, f.secret.ID, newID(), now, f.user); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("StampReveal of no item: %v, want ErrNotFound", err)
	}

	updated := want
	updated.Key, updated.Version, updated.UpdatedAt = "KEY_2", 2, now.Add(2*time.Hour)
	if err := f.store.UpdateItem(ctx, f.items(0), it, updated, []byte("resealed"), f.itemEvent(secrets.ItemUpdated, updated)); err != nil {
		t.Errorf("UpdateItem: %v", err)
	}
	if _, got, err := f.store.Item(ctx, f.account, f.secret.ID, it.ID); err != nil || got != updated {
		t.Errorf("Item after UpdateItem = %+v, %v, want %+v", got, err, updated)
	}
	if err := f.store.UpdateItem(ctx, f.items(0), it, updated, sealed, f.itemEvent(secrets.ItemUpdated, updated)); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("UpdateItem of an old version: %v, want ErrChanged", err)
	}
	if err := f.store.DeleteItem(ctx, f.items(-1), it, f.itemEvent(secrets.ItemDeleted, it)); !errors.Is(err, secrets.ErrChanged) {
		t.Errorf("DeleteItem with an old key: %v, want ErrChanged", err)
	}
	other := f.newItem(t, "API_KEY") // the key is free again
	clash := updated
	clash.Key = "API_KEY"
	if err := f.store.UpdateItem(ctx, f.items(0), updated, clash, nil, f.itemEvent(secrets.ItemUpdated, clash)); !errors.Is(err, secrets.ErrExists) {
		t.Errorf("UpdateItem to a taken key: %v, want ErrExists", err)
	}
	f.Check(t)
	if err := f.store.DeleteItem(ctx, f.items(-1), updated, f.itemEvent(secrets.ItemDeleted, updated)); err != nil {
		t.Errorf("DeleteItem: %v", err)
	}
	for name, err := range map[string]error{
		"Item":        errOfItem(f.store.Item(ctx, f.account, f.secret.ID, updated.ID)),
		"SealedValue": errOf(f.store.SealedValue(ctx, f.account, f.secret.ID, updated.ID)),
	} {
		if !errors.Is(err, secrets.ErrNotFound) {
			t.Errorf("%s of a deleted item: %v, want ErrNotFound", name, err)
		}
	}
	f.Check(t)

	// Once the secret is gone nothing reaches what is left of it, nor adds to it.
	if err := f.store.DeleteSecret(ctx, f.secret, f.event(secrets.SecretDeleted)); err != nil {
		t.Fatal(err)
	}
	late := f.item("LATE")
	changed := other
	changed.Version++
	_, _, listErr := f.store.Items(ctx, f.account, f.secret.ID, secrets.Cursor{}, 10)
	for name, err := range map[string]error{
		"Item":  errOfItem(f.store.Item(ctx, f.account, f.secret.ID, other.ID)),
		"Items": listErr,
	} {
		if !errors.Is(err, secrets.ErrNotFound) {
			t.Errorf("%s in a deleted secret: %v, want ErrNotFound", name, err)
		}
	}
	for name, err := range map[string]error{
		"CreateItem": f.store.CreateItem(ctx, f.items(+1), late, sealed, f.itemEvent(secrets.ItemCreated, late)),
		"UpdateItem": f.store.UpdateItem(ctx, f.items(0), other, changed, sealed, f.itemEvent(secrets.ItemUpdated, changed)),
		"DeleteItem": f.store.DeleteItem(ctx, f.items(-1), other, f.itemEvent(secrets.ItemDeleted, other)),
	} {
		if !errors.Is(err, secrets.ErrChanged) {
			t.Errorf("%s in a deleted secret: %v, want ErrChanged", name, err)
		}
	}
	f.Check(t) // the purge excuses the item
	purges, err := f.store.Purges(ctx)
	if diff := cmp.Diff([]secrets.Purge{{AccountID: f.account, SecretID: f.secret.ID}}, purges); err != nil || diff != "" {
		t.Errorf("Purges: %v (-want +got):\n%s", err, diff)
	}
	for range 2 { // again does no harm
		if err := f.store.Purge(ctx, purges[0]); err != nil {
			t.Errorf("Purge: %v", err)
		}
	}
	f.Check(t)
	for _, row := range f.Rows(t) {
		if row["PK"] == "PURGE" || row["PK"] == "SECRET#"+f.account.String()+"#"+f.secret.ID.String() {
			t.Errorf("%v is left", row)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

func errOfItem(_ secrets.Secret, _ secrets.Item, err error) error { return err }

// A page is the rows next to the cursor, on its side, nearest first, whether or not
// the cursor's own row is there.
func TestPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var ids []uuid.UUID
	for i := range 7 {
		ids = append(ids, f.newItem(t, fmt.Sprintf("KEY_%d", i)).ID)
	}
	gap := newID()
	last := f.newItem(t, "LAST").ID
	ids = append(ids, last)
	reversed := func(from, to int) (out []uuid.UUID) {
		for i := from; i >= to; i-- {
			out = append(out, ids[i])
		}
		return out
	}
	for _, tt := range []struct {
		name  string
		from  secrets.Cursor
		limit int
		want  []uuid.UUID
	}{
		{"start", secrets.Cursor{}, 3, ids[:3]},
		{"all", secrets.Cursor{}, 100, ids},
		{"after", secrets.Cursor{ID: ids[2]}, 2, ids[3:5]},
		{"after a gap", secrets.Cursor{ID: gap}, 5, ids[7:]},
		{"after the last", secrets.Cursor{ID: last}, 5, nil},
		{"before", secrets.Cursor{Backward: true, ID: ids[4]}, 3, reversed(3, 1)},
		{"before a gap", secrets.Cursor{Backward: true, ID: gap}, 2, reversed(6, 5)},
		{"before the first", secrets.Cursor{Backward: true, ID: ids[0]}, 2, nil},
		{"before all", secrets.Cursor{Backward: true}, 2, nil},
	} {
		found, count, err := f.store.Items(t.Context(), f.account, f.secret.ID, tt.from, tt.limit)
		if err != nil || count != len(ids) {
			t.Errorf("%s: count = %d, %v, want %d", tt.name, count, err, len(ids))
		}
		var got []uuid.UUID
		for _, it := range found {
			got = append(got, it.ID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestChargeReveal(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	charge := func(at time.Time) ([]time.Time, bool) {
		t.Helper()
		reads, ok, err := f.store.ChargeReveal(t.Context(), f.account, f.user, at, 2, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return reads, ok
	}
	at := now.Truncate(time.Millisecond)
	second, third := at.Add(10*time.Second), at.Add(time.Minute)
	for _, step := range []struct {
		at    time.Time
		reads []time.Time
		ok    bool
	}{
		{at, []time.Time{at}, true},
		{second, []time.Time{second, at}, true},
		{third.Add(-time.Millisecond), []time.Time{second, at}, false},
		{third, []time.Time{third, second, at}, true},
		{third, []time.Time{third, second, at}, false},
	} {
		reads, ok := charge(step.at)
		if diff := cmp.Diff(step.reads, reads); diff != "" || ok != step.ok {
			t.Errorf("ChargeReveal at %v = %v, want %v (-want +got):\n%s", step.at, ok, step.ok, diff)
		}
	}
	if err := f.store.TrimReveals(t.Context(), f.account, f.user, 1, 3); err != nil {
		t.Fatal(err)
	}
	if reads, _ := charge(third); len(reads) != 2 { // one was kept, one is new
		t.Errorf("after TrimReveals(1, 3): %d reads, want 2", len(reads))
	}
	if err := f.store.TrimReveals(t.Context(), f.account, newID(), 1, 3); err == nil {
		t.Error("TrimReveals of a missing counter: no error, want one and no new row")
	}
	f.Check(t)
}

func TestAppendEvent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ev := f.event(secrets.ItemRevealed)
	for range 2 { // the second is a repetition whose first answer was lost
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

// Nothing is done twice though DynamoDB did it and its answer was lost, and nothing
// trips over what the first attempt left, not even when the second meets a conflict
// and the third is a retry of the store.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	lose := secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if c.What == "TransactWriteItems" {
			return []secretstest.Fault{secretstest.LostAfter, secretstest.Conflict, secretstest.None}[c.Nth%3]
		}
		return secretstest.None
	})
	f := newFixture(t, lose) // makes an account and a secret
	it := f.newItem(t, "API_KEY")
	updated := it
	updated.Key, updated.Version = "KEY_2", 2
	if err := f.store.UpdateItem(t.Context(), f.items(0), it, updated, sealed, f.itemEvent(secrets.ItemUpdated, updated)); err != nil {
		t.Errorf("UpdateItem: %v", err)
	}
	if err := f.store.DeleteItem(t.Context(), f.items(-1), updated, f.itemEvent(secrets.ItemDeleted, updated)); err != nil {
		t.Errorf("DeleteItem: %v", err)
	}
	if err := f.store.DeleteSecret(t.Context(), f.secret, f.event(secrets.SecretDeleted)); err != nil {
		t.Errorf("DeleteSecret: %v", err)
	}
	f.Check(t)
	events := 0
	for _, row := range f.Rows(t) {
		if row["PK"] == "EVENTS#"+f.account.String() {
			events++
		}
	}
	if events != 6 {
		t.Errorf("%d events of 6 writes", events)
	}
}

// A store that stays in conflict, or is away, says so in the domain's word.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	for _, fault := range []secretstest.Fault{secretstest.LostBefore, secretstest.LostAfter} {
		f := newFixture(t)
		away := f.Store(t, secretstest.Inject(func(secretstest.Call) secretstest.Fault { return fault }))
		it, stored := f.item("API_KEY"), f.newItem(t, "STORED")
		_, _, listErr := away.Items(t.Context(), f.account, f.secret.ID, secrets.Cursor{}, 10)
		_, _, chargeErr := away.ChargeReveal(t.Context(), f.account, f.user, now, 100, time.Hour)
		for name, err := range map[string]error{
			"Secret":       errOf(away.Secret(t.Context(), f.account, f.secret.ID)),
			"Items":        listErr,
			"ChargeReveal": chargeErr,
			"StampReveal":  errOf(away.StampReveal(t.Context(), f.account, f.secret.ID, stored.ID, now, f.user)),
			"Purges":       errOf(away.Purges(t.Context())),
			"CreateItem":   away.CreateItem(t.Context(), f.items(+1), it, sealed, f.itemEvent(secrets.ItemCreated, it)),
		} {
			if !errors.Is(err, secrets.ErrUnavailable) {
				t.Errorf("%s under %s: %v, want ErrUnavailable", name, fault, err)
			}
		}
	}
	f := newFixture(t)
	conflicted := f.Store(t, secretstest.Inject(func(secretstest.Call) secretstest.Fault { return secretstest.Conflict }))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // the store's own patience is longer
	defer cancel()
	it := f.item("API_KEY")
	if err := conflicted.CreateItem(ctx, f.items(+1), it, sealed, f.itemEvent(secrets.ItemCreated, it)); !errors.Is(err, secrets.ErrUnavailable) {
		t.Errorf("CreateItem in endless conflict: %v, want ErrUnavailable", err)
	}
}

// A secret with many items is purged whole, over many batches.
func TestPurgeMany(t *testing.T) {
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
	for _, row := range f.Rows(t) {
		if row["PK"] == "SECRET#"+f.account.String()+"#"+f.secret.ID.String() || row["PK"] == "PURGE" {
			t.Fatalf("%v is left", row)
		}
	}
	f.Check(t)
}

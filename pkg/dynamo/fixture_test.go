package dynamo_test

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// fixture is a store on its own table, which has an account and a secret.
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

	everything = secrets.Rights{Permissions: secrets.Every}
)

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func (f fixture) event(action string) secrets.Event {
	return secrets.Event{
		ID: secrets.NewEventID(now, newID()), AccountID: f.account, Action: action,
		User: secrets.Named{ID: f.user, Name: "Ana"}, Key: secrets.Named{ID: f.user, Name: "laptop"}, SourceIP: "192.0.2.1", RequestID: "request",
	}
}

func newFixture(t *testing.T, options ...func(*aws.Config)) fixture {
	t.Helper()
	f := fixture{Table: secretstest.NewTable(t), account: newID(), user: newID()}
	f.store = f.Store(t, options...)
	def := secrets.Secret{AccountID: f.account, ID: newID(), Name: "Default", IsDefault: true, CreatedAt: now}
	ev := f.event(secrets.AccountCreated)
	ev.SubjectUser, ev.SubjectKey = secrets.Named{ID: f.user, Name: "Ana"}, secrets.Named{ID: f.user, Name: "laptop"}
	err := f.store.CreateAccount(t.Context(),
		secrets.Account{ID: f.account, Name: "first", DefaultSecretID: def.ID, CreatedAt: now}, def,
		secrets.User{AccountID: f.account, ID: f.user, Kind: secrets.Person, Rights: everything, Keys: []uuid.UUID{f.user}, CreatedAt: now}, 100,
		secrets.Key{
			ID: f.user, AccountID: f.account, UserID: f.user, Hash: secrets.KeyHash{1}, Rights: everything,
			User: secrets.Holder{Kind: secrets.Person, Rights: everything}, CreatedAt: now,
		},
		ev)
	if err != nil {
		t.Fatal(err)
	}
	f.secret = f.newSecret(t, "production")
	return f
}

func (f fixture) newSecret(t *testing.T, name string) secrets.Secret {
	t.Helper()
	s := secrets.Secret{AccountID: f.account, ID: newID(), Name: name, CreatedAt: now}
	if err := f.store.CreateSecret(t.Context(), s, 0, f.event(secrets.SecretCreated)); err != nil {
		t.Fatal(err)
	}
	return s
}

func (f fixture) item(key string) secrets.Item {
	return secrets.Item{
		AccountID: f.account, SecretID: f.secret.ID, ID: newID(), Key: key, Version: 1, LastVersion: 1, Revision: 1,
		History: history(secrets.Slot{Version: 1}), Since: 1, CreatedAt: now, UpdatedAt: now, ValueAt: now,
	}
}

// history encodes the kept versions of an item, created now.
func history(kept ...secrets.Slot) secrets.History {
	highest := int64(0)
	for _, v := range kept {
		highest = max(highest, v.Version)
	}
	b := binary.AppendUvarint(nil, uint64(highest))
	b = binary.AppendUvarint(b, uint64(now.Unix()/3600))
	for _, v := range kept {
		b = append(binary.AppendUvarint(b, uint64(highest-v.Version)), byte(v.Number), 0)
	}
	return secrets.History(b)
}

// next is an item with a new value, which replaces the former one in the first slot.
func next(it secrets.Item) secrets.Item {
	it.LastVersion++
	it.Version = it.LastVersion
	it.Revision++
	it.History = history(secrets.Slot{Version: it.Version})
	return it
}

// itemEvent is the event of a write of an item.
func (f fixture) itemEvent(kind string, it secrets.Item) secrets.Event {
	ev := f.event(kind)
	ev.Secret, ev.Item, ev.Version = secrets.Named{ID: it.SecretID, Name: f.secret.Name}, secrets.Named{ID: it.ID, Name: it.Key}, it.Version
	return ev
}

// items changes the number of the secret's items.
func (f fixture) items(more int) secrets.Change {
	return secrets.Change{Secret: f.secret, Items: more, Revise: true}
}

func (f fixture) newItem(t *testing.T, key string) secrets.Item {
	t.Helper()
	it := f.item(key)
	if err := createItem(t.Context(), f.store, f.items(+1), it, sealed, f.itemEvent(secrets.ItemCreated, it)); err != nil {
		t.Fatal(err)
	}
	return it
}

func (f fixture) service(name string, secret uuid.UUID) secrets.Service {
	return secrets.Service{
		AccountID: f.account, ID: newID(), Name: name, Image: "registry.example.com/app:v1", Port: 8080, Config: "config",
		SecretID: secret, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
}

// newService creates a service that uses a secret.
func (f fixture) newService(t *testing.T, name string, secret uuid.UUID) secrets.Service {
	t.Helper()
	w := f.service(name, secret)
	if err := f.store.CreateService(t.Context(), use(f.read(t, secret), +1), w, 0, f.event(secrets.ServiceCreated)); err != nil {
		t.Fatal(err)
	}
	return w
}

// use changes the number of services of a secret by one, as the domain does after it read s.
func use(s secrets.Secret, more int) secrets.Change {
	first, last := s.Services == 0, s.Services+more == 0
	return secrets.Change{Secret: s, Services: more, UsedBy: usedBy(s, max(0, -more)), Revise: first || last, Deliver: first || last}
}

// usedBy is the domain's condition after it read a secret: the secret is used, unused, or
// loses its last service.
func usedBy(read secrets.Secret, leaving int) secrets.Range {
	switch read.Services {
	case 0:
		return secrets.Range{}
	case leaving:
		return secrets.Range{Min: leaving, Max: leaving}
	}
	return secrets.Range{Min: leaving + 1, Max: secrets.Unlimited}
}

// read returns the current state of a secret.
func (f fixture) read(t *testing.T, secret uuid.UUID) secrets.Secret {
	t.Helper()
	s, err := f.store.Secret(t.Context(), f.account, secret)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serviceOf returns the current state of a service.
func (f fixture) serviceOf(t *testing.T, id uuid.UUID) secrets.Service {
	t.Helper()
	w, err := f.store.Service(t.Context(), f.account, id)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// put writes rows unchanged, in batches.
func put(t *testing.T, table *secretstest.Table, rows ...map[string]any) {
	t.Helper()
	for batch := range slices.Chunk(rows, 25) {
		var writes []types.WriteRequest
		for _, r := range batch {
			attributes, err := attributevalue.MarshalMap(r)
			if err != nil {
				t.Fatal(err)
			}
			writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: attributes}})
		}
		out, err := table.Client.BatchWriteItem(t.Context(),
			&dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table.Name: writes}})
		if err != nil || len(out.UnprocessedItems) > 0 {
			t.Fatalf("write rows: %v, %d left", err, len(out.UnprocessedItems))
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

func errOfItem(_ secrets.Secret, _ secrets.Item, err error) error { return err }

// binned is a secret that is deleted now, for good.
func binned(s secrets.Secret) secrets.DeletedSecret {
	return secrets.DeletedSecret{Secret: s, Deleted: secrets.Deleted{At: now, Due: now, Claimed: true}}
}

// purge does all steps of the purge of a secret that was deleted now.
func (f fixture) purge(t *testing.T, p secrets.Purge) {
	t.Helper()
	ctx := t.Context()
	if _, _, err := f.store.ClaimPurged(ctx, p, uuid.Nil); err != nil {
		t.Errorf("ClaimPurged = %v", err)
	}
	if err := f.store.RemoveChildren(ctx, p, uuid.Nil); err != nil {
		t.Errorf("RemoveChildren = %v", err)
	}
	if err := f.store.EndPurged(ctx, p, uuid.Nil, f.event(secrets.SecretPurged)); err != nil {
		t.Errorf("EndPurged = %v", err)
	}
	if err := f.store.EndPurge(ctx, p); err != nil {
		t.Errorf("EndPurge = %v", err)
	}
}

// createItem, updateItem and deleteItem are the simplest uses of WriteItems. Each version goes into the item's first slot.

func createItem(ctx context.Context, s secrets.Items, c secrets.Change, it secrets.Item, sealed []byte, ev secrets.Event) error {
	return s.WriteItems(ctx, c, ev, secrets.ItemWrite{New: it, Sealed: sealed, Into: &secrets.Slot{}})
}

func updateItem(ctx context.Context, s secrets.Items, c secrets.Change, old, updated secrets.Item, sealed []byte, ev secrets.Event) error {
	w := secrets.ItemWrite{Old: old, New: updated, Sealed: sealed}
	if updated.Version != old.Version {
		w.Into = &secrets.Slot{Version: old.Version}
	}
	return s.WriteItems(ctx, c, ev, w)
}

func deleteItem(ctx context.Context, s secrets.Items, c secrets.Change, old secrets.Item, ev secrets.Event) error {
	return s.WriteItems(ctx, c, ev, secrets.ItemWrite{Old: old, New: old, Deleted: secrets.Deleted{At: ev.At(), Due: ev.At()}})
}

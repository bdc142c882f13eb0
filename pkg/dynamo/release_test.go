package dynamo_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/infra/local/localtest"
	"goblins-secrets/pkg/secrets"
)

// During a gradual deployment, and after a rollback, two releases use one table: each
// reads what the other wrote. These are the rows of the first release, spelled out,
// with an attribute that only a later one knows. A change that can't read them needs
// a release before it that can read both.
func TestRowsOfOtherReleases(t *testing.T) {
	t.Parallel()
	const (
		account = "01a20000-0000-7000-8000-000000000001"
		secret  = "01a20000-0000-7000-8000-000000000002"
		item    = "01a20000-0000-7000-8000-000000000003"
		user    = "01a20000-0000-7000-8000-000000000004"
		keyID   = "01a20000-0000-7000-8000-000000000005"
		unread  = "01a20000-0000-7000-8000-000000000006"
		made    = "2026-02-03T04:05:06.000789Z"
		read    = "2026-02-03T05:05:06.000789Z"
	)
	hash := func(text string) string { sum := sha256.Sum256([]byte(text)); return hex.EncodeToString(sum[:]) }
	type row = map[string]any
	table := localtest.NewTable(t)
	for _, r := range []row{
		{"PK": "ACCOUNTS", "SK": account},
		{"PK": "ACCOUNT#" + account, "SK": "ACCOUNT", "name": "team", "default_secret_id": secret, "secrets": 1, "created_at": made},
		{"PK": "ACCOUNTNAME#" + hash("team"), "SK": "ACCOUNTNAME", "owner": account},
		{"PK": "ACCOUNT#" + account, "SK": "SECRET#" + secret, "name": "Default", "is_default": true, "items": 2, "created_at": made},
		{"PK": "ACCOUNT#" + account, "SK": "NAME#" + hash("Default"), "owner": secret},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "ITEM#" + item, "key": "API_KEY", "version": 3, "created_at": made, "updated_at": made, "last_accessed_at": read, "last_accessed_by": user},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "KEY#API_KEY", "owner": item},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "VALUE#" + item, "version": 3, "sealed": []byte("sealed")},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "ITEM#" + unread, "key": "OTHER", "version": 1, "created_at": made, "updated_at": made},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "KEY#OTHER", "owner": unread},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "VALUE#" + unread, "version": 1, "sealed": []byte("sealed")},
		{"PK": "APIKEY#" + hash("gob_x"), "SK": "APIKEY", "id": keyID, "account_id": account, "user_id": user, "created_at": made},
		{"PK": "USER#" + account + "#" + user, "SK": "READS", "r": []int64{34401906000, 34401905000}},
	} {
		r["from_a_later_release"] = row{"anything": []string{"at", "all"}}
		put(t, table, r)
	}

	store, ctx, id := table.Service(t).Store, t.Context(), uuid.MustParse
	same := func(what string, want, got any, err error) {
		t.Helper()
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
	def := secrets.Secret{AccountID: id(account), ID: id(secret), Name: "Default", IsDefault: true, CreatedAt: now}
	it := secrets.Item{
		AccountID: id(account), SecretID: id(secret), ID: id(item), Key: "API_KEY", Version: 3, CreatedAt: now, UpdatedAt: now,
		LastAccessedAt: now.Add(time.Hour), LastAccessedBy: id(user),
	}
	other := secrets.Item{AccountID: id(account), SecretID: id(secret), ID: id(unread), Key: "OTHER", Version: 1, CreatedAt: now, UpdatedAt: now}

	key, err := store.APIKey(ctx, sha256.Sum256([]byte("gob_x")))
	same("the key", secrets.APIKey{ID: id(keyID), AccountID: id(account), UserID: id(user), Hash: sha256.Sum256([]byte("gob_x")), CreatedAt: now}, key, err)
	s, err := store.Secret(ctx, id(account), id(secret))
	same("the secret", def, s, err)
	list, n, err := store.Secrets(ctx, id(account), secrets.Cursor{}, 10)
	same("the secrets", []secrets.Secret{def}, list, err)
	same("their number", 1, n, nil)
	items, n, err := store.Items(ctx, id(account), id(secret), secrets.Cursor{}, 10)
	same("the items", []secrets.Item{it, other}, items, err)
	same("their number", 2, n, nil)
	value, err := store.SealedValue(ctx, id(account), id(secret), id(item))
	same("the value", secrets.SealedValue{Version: 3, Blob: []byte("sealed")}, value, err)
	reads, charged, err := store.ChargeRead(ctx, id(account), id(user), now, 2, time.Hour)
	same("a spent budget", false, charged, err)
	same("the reads", []time.Time{now.Add(-789 * time.Microsecond), now.Add(-time.Second - 789*time.Microsecond)}, reads, nil)

	// And it can be changed.
	stamped, err := store.StampRead(ctx, id(account), id(secret), id(unread), now, id(user))
	other.LastAccessedAt, other.LastAccessedBy = now, id(user)
	same("the stamped item", other, stamped, err)
	event := secrets.Event{ID: newID(), AccountID: id(account), At: now, Type: secrets.ItemUpdated, SecretID: id(secret), ItemID: id(item), Version: 4, Name: "RENAMED"}
	updated := it
	updated.Key, updated.Version = "RENAMED", 4
	if err := store.UpdateItem(ctx, secrets.Change{Secret: def, Revise: true}, it, updated, []byte("resealed"), event); err != nil {
		t.Errorf("update: %v", err)
	}
	event.ID, event.Type = newID(), secrets.ItemDeleted
	if err := store.DeleteItem(ctx, secrets.Change{Secret: def, Items: -1, Revise: true}, updated, event); err != nil {
		t.Errorf("delete: %v", err)
	}
}

// put writes rows as they are, in batches.
func put(t *testing.T, table *localtest.Table, rows ...map[string]any) {
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
		out, err := table.Client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table.Name: writes}})
		if err != nil || len(out.UnprocessedItems) > 0 {
			t.Fatalf("write rows: %v, %d left", err, len(out.UnprocessedItems))
		}
	}
}

// Rows of a release that knew no services have no numbers of them, no sizes, revisions
// and deliveries; and rows of services have what a later one adds. Everything that this
// one does, it does with them too.
func TestServicesOnRowsOfOtherReleases(t *testing.T) {
	t.Parallel()
	const made = "2026-02-03T04:05:06.000789Z"
	hash := func(text string) string { sum := sha256.Sum256([]byte(text)); return hex.EncodeToString(sum[:]) }
	type row = map[string]any
	account, user, def, secret, item, other := newID(), newID(), newID(), newID(), newID(), newID()
	children := "SECRET#" + account.String() + "#" + secret.String()
	table := localtest.NewTable(t)
	put(t, table,
		row{"PK": "ACCOUNTS", "SK": account.String()},
		row{"PK": "ACCOUNT#" + account.String(), "SK": "ACCOUNT", "name": "team", "default_secret_id": def.String(), "secrets": 2, "created_at": made},
		row{"PK": "ACCOUNTNAME#" + hash("team"), "SK": "ACCOUNTNAME", "owner": account.String()},
		row{"PK": "ACCOUNT#" + account.String(), "SK": "SECRET#" + def.String(), "name": "Default", "is_default": true, "items": 0, "created_at": made},
		row{"PK": "ACCOUNT#" + account.String(), "SK": "NAME#" + hash("Default"), "owner": def.String()},
		row{"PK": "ACCOUNT#" + account.String(), "SK": "SECRET#" + secret.String(), "name": "old", "is_default": false, "items": 2, "created_at": made},
		row{"PK": "ACCOUNT#" + account.String(), "SK": "NAME#" + hash("old"), "owner": secret.String()},
	)
	for key, id := range map[string]uuid.UUID{"KEY": item, "OTHER": other} {
		ev := newID().String()
		put(t, table,
			row{"PK": children, "SK": "ITEM#" + id.String(), "key": key, "version": 1, "created_at": made, "updated_at": made},
			row{"PK": children, "SK": "KEY#" + key, "owner": id.String()},
			row{"PK": children, "SK": "VALUE#" + id.String(), "version": 1, "sealed": []byte("sealed")},
			row{
				"PK": "EVENTS#" + account.String(), "SK": ev, "at": made, "type": "item.created", "user_id": user.String(), "key_id": user.String(), "source_ip": "192.0.2.1",
				"request_id": "r", "secret_id": secret.String(), "item_id": id.String(), "version": 1, "name": key,
			})
	}
	table.Check(t)

	svc, ctx := table.Service(t), t.Context()
	c := secrets.Caller{AccountID: account, UserID: user, KeyID: user, SourceIP: "192.0.2.1", RequestID: "r"}
	workload := func(name string, secret uuid.UUID) func() (secrets.WorkloadInput, error) {
		return func() (secrets.WorkloadInput, error) {
			in := secrets.WorkloadInput{Name: secrets.Text(name), Image: secrets.Text("app"), Port: secrets.Text("80")}
			if secret != uuid.Nil {
				in.Secret = secrets.Text(secret.String())
			}
			return in, nil
		}
	}
	itemInput := func(in secrets.ItemInput) func() (secrets.ItemInput, error) {
		return func() (secrets.ItemInput, error) { return in, nil }
	}
	done := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		table.Check(t)
	}
	sid, iid := secret.String(), item.String()
	// Unused, and used.
	for _, used := range []bool{false, true} {
		key, value := secrets.Text("KEY"), secrets.Text("value")
		if used {
			app, err := svc.CreateService(ctx, c, workload("app", secret))
			done("attach a service", err)
			_, err = svc.CreateService(ctx, c, workload("of-default", uuid.Nil))
			done("attach a service to the default secret", err)
			_, err = svc.UpdateService(ctx, c, app.ID.String(), workload("app", def))
			done("move it away", err)
			_, err = svc.UpdateService(ctx, c, app.ID.String(), workload("app", secret))
			done("and back", err)
			iid = other.String()
			key, value = secrets.Text("RENAMED"), secrets.Text("longer value")
		}
		for _, key := range []string{"LONGER_KEY", "K"} {
			it, err := svc.UpdateItem(ctx, c, sid, iid, itemInput(secrets.ItemInput{Key: secrets.Text(key)}))
			done("rename an item", err)
			if it.Size != 0 {
				t.Errorf("renamed, an item has the size %d, want it still unknown", it.Size)
			}
		}
		_, err := svc.UpdateItem(ctx, c, sid, iid, itemInput(secrets.ItemInput{Value: value}))
		done("write a value", err)
		_, err = svc.UpdateItem(ctx, c, sid, iid, itemInput(secrets.ItemInput{Key: key, Value: value}))
		done("write both", err)
		it, err := svc.CreateItem(ctx, c, sid, itemInput(secrets.ItemInput{Key: secrets.Text("NEW"), Value: value}))
		done("create an item", err)
		done("delete it", svc.DeleteItem(ctx, c, sid, it.ID.String()))
		_, err = svc.UpdateSecret(ctx, c, sid, func() (secrets.SecretInput, error) {
			return secrets.SecretInput{Name: secrets.Text("renamed " + iid)}, nil
		})
		done("rename the secret", err)
	}
	done("delete an item", svc.DeleteItem(ctx, c, sid, other.String()))
	var inUse secrets.InUse
	if err := svc.DeleteSecret(ctx, c, sid); !errors.As(err, &inUse) || inUse.Services != 1 {
		t.Errorf("delete the used secret: %v, want InUse", err)
	}

	// Rows with more in them than is known.
	for _, r := range table.Rows(t) {
		sk := fmt.Sprint(r["SK"])
		if strings.HasPrefix(sk, "SERVICE#") || strings.HasPrefix(sk, "USE#") || r["PK"] == "UNDELIVERED" {
			r["from_a_later_release"] = row{"anything": []string{"at", "all"}}
			put(t, table, r)
		}
	}
	page, err := svc.ListServices(ctx, c, "", secrets.Cursor{}, 10)
	if err != nil || page.Count != 2 || len(page.Results) != 2 {
		t.Fatalf("the services = %+v, %v, want both", page, err)
	}
	users, err := svc.ListServices(ctx, c, sid, secrets.Cursor{}, 10)
	if diff := cmp.Diff(page.Results[:1], users.Results); err != nil || diff != "" {
		t.Errorf("the users: %v (-want +got):\n%s", err, diff)
	}
	waiting, err := svc.Store.AllUndelivered(ctx)
	if err != nil || len(waiting) != 2 {
		t.Errorf("what waits = %+v, %v, want both secrets", waiting, err)
	}
	for _, w := range page.Results {
		got, err := svc.UpdateService(ctx, c, w.ID.String(), func() (secrets.WorkloadInput, error) {
			return secrets.WorkloadInput{Port: secrets.Text("81"), Secret: secrets.Text(def.String())}, nil
		})
		if err != nil || got.Port != 81 || got.SecretID != def {
			t.Errorf("update a service = %+v, %v", got, err)
		}
		done("delete a service", svc.DeleteService(ctx, c, w.ID.String()))
	}
	done("delete the secret", svc.DeleteSecret(ctx, c, sid))
	for _, r := range table.Rows(t) {
		if r["PK"] == children {
			t.Errorf("%v is left", r["SK"])
		}
	}
}

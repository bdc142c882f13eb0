package dynamo_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// Golden rows of this format, with an attribute that only a later release knows. During a
// gradual deployment, and after a rollback, two releases use one table, and each must read
// the rows of the other. A change that cannot read these rows needs a new format.
func TestGoldenRowsAreReadable(t *testing.T) {
	t.Parallel()
	const (
		account = "01a20000-0000-7000-8000-000000000001"
		secret  = "01a20000-0000-7000-8000-000000000002"
		item    = "01a20000-0000-7000-8000-000000000003"
		user    = "01a20000-0000-7000-8000-000000000004"
		keyID   = "01a20000-0000-7000-8000-000000000005"
		unread  = "01a20000-0000-7000-8000-000000000006"
		binned  = "01a20000-0000-7000-8000-000000000009" // an item in the bin
		former  = "01a20000-0000-7000-8000-00000000000a" // a secret in the bin
		changed = "019c21ac-e950-7315-8000-000000000007" // 789 µs after 04:05:06
		tried   = "019c21ac-d1e0-7000-8000-000000000008" // 04:05
		made    = "2026-02-03T04:05:06.000789Z"
		read    = "2026-02-03T05:05:06.000789Z"
		due     = "2026-03-05T04:05:06.000789Z"
	)
	// The highest number, the newest hour; version 2 in slot 1, an hour older; version 3 in slot 0.
	kept := []byte{3, 0xac, 0x81, 0x1e, 1, 1, 1, 0, 0, 0}
	first := []byte{1, 0xac, 0x81, 0x1e, 0, 0, 0}
	sum := func(text string) []byte { sum := sha256.Sum256([]byte(text)); return sum[:] }
	hash := func(text string) string { return hex.EncodeToString(sum(text)) }
	packed := func(id string) []byte { parsed := uuid.MustParse(id); return parsed[:] }
	type row = map[string]any
	table := secretstest.NewTable(t)
	for _, r := range []row{
		{"PK": "ACCOUNTS", "SK": account, "format": 6},
		{"PK": "ACCOUNT#" + account, "SK": "ACCOUNT", "name": "team", "default_secret_id": secret, "secrets": 1, "created_at": made},
		{"PK": "ACCOUNTNAME#" + hash("team"), "SK": "ACCOUNTNAME", "owner": account},
		{"PK": "ACCOUNT#" + account, "SK": "SECRET#" + secret, "name": "Default", "is_default": true, "items": 2, "size": 20,
			"revision": 5, "checksum": 47, "exported_at": read, "exported_by": user, "exported_revision": 4, "created_at": made},
		{"PK": "ACCOUNT#" + account, "SK": "NAME#" + hash("Default"), "owner": secret},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "ITEM#" + item, "key": "API_KEY", "version": 3, "last_version": 3,
			"revision": 40, "history": kept, "since": 1, "size": 12, "created_at": made, "updated_at": made, "value_at": made,
			"last_accessed_at": read, "last_accessed_by": user},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "KEY#API_KEY", "owner": item},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "VALUE#" + item, "version": 3, "sealed": []byte("sealed")},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "VERSION#" + item + "#0", "version": 3, "sealed": []byte("sealed"), "size": 5,
			"created_at": made, "created_by": user},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "VERSION#" + item + "#1", "version": 2, "sealed": []byte("older"), "size": 4,
			"created_at": made, "created_by": user},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "ITEM#" + unread, "key": "OTHER", "version": 1, "last_version": 1,
			"revision": 7, "history": first, "since": 2, "size": 8, "created_at": made, "updated_at": made, "value_at": made},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "KEY#OTHER", "owner": unread},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "VALUE#" + unread, "version": 1, "sealed": []byte("sealed")},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "BIN#" + binned, "key": "DELETED", "version": 1, "last_version": 1,
			"revision": 9, "history": first, "since": 3, "size": 10, "created_at": made, "updated_at": made, "value_at": made,
			"deleted_at": made, "deleted_by": user, "due": due, "secret_name": "Default"},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "VERSION#" + binned + "#0", "version": 1, "sealed": []byte("sealed"), "size": 3,
			"created_at": made, "created_by": user},
		{"PK": "PURGE", "SK": due + "#" + account + "#" + secret + "#" + changed, "items": []string{binned}},
		{"PK": "BIN#" + account, "SK": "SECRET#" + former, "name": "old", "is_default": false, "items": 0, "revision": 6, "delivered": 2,
			"bundle": row{"name": "goblins/x", "region": "eu-west-1", "arn": "arn:x", "version": "r2"}, "created_at": made,
			"deleted_at": made, "deleted_by": user, "due": due},
		{"PK": "PURGE", "SK": due + "#" + account + "#" + former + "#" + tried},
		{"PK": "PEOPLE#" + account, "SK": "PEOPLE", "users": 1, "keys": 1, "admins": 1},
		{"PK": "PEOPLE#" + account, "SK": "USER#" + user, "kind": "person", "name": "Ana", "permissions": "list,reveal,write,audit,admin,export",
			"secrets": "*", "key_ids": packed(keyID), "revision": 2, "created_at": made},
		{"PK": "PEOPLE#" + account, "SK": "KEY#" + keyID, "user_id": user, "name": "laptop", "prefix": "gob_AbCd", "hash": sum("gob_x"),
			"permissions": "list,reveal", "secrets": packed(secret), "user_kind": "person", "user_name": "Ana",
			"user_permissions": "list,reveal,write,audit,admin,export", "user_secrets": "*", "created_at": made, "valid_until": read,
			"last_used_at": made, "revision": 3},
		{"PK": "APIKEY#" + hash("gob_x"), "SK": "APIKEY", "id": keyID, "account_id": account},
		{"PK": "USER#" + account + "#" + user, "SK": "READS", "l": 2, "w": 2, "b": 2, "o": []int64{34401905000}, "n": []int64{34401906000}, "h": 3, "g": 0, "a": 34401906000},
		{"PK": "EVENTS#" + account, "SK": changed, "action": "item.updated", "by_secret": account + "#" + secret, "by_user": account + "#" + user,
			"user_name": "Ana", "key_id": keyID, "key_name": "laptop", "source_ip": "192.0.2.1", "user_agent": "curl/8", "request_id": "request",
			"secret_name": "Default", "item_id": item, "item_key": "API_KEY", "version": 3, "changed": []string{"key", "value"},
			"from": row{"key": "OLD_KEY"}, "to": row{"key": "API_KEY"}, "expires_at": 1804690706},
		{"PK": "REFUSED#" + account, "SK": tried, "action": "item.revealed", "outcome": "throttled", "user_id": user, "user_name": "Ana",
			"key_id": keyID, "key_name": "laptop", "source_ip": "192.0.2.1", "request_id": "request", "secret_id": secret, "item_id": item,
			"first": made, "last": read, "tries": 3, "expires_at": 1804690706},
	} {
		r["from_a_later_release"] = row{"anything": []string{"at", "all"}}
		put(t, table, r)
	}

	store, ctx, id := table.Store(t), t.Context(), uuid.MustParse
	same := func(what string, want, got any, err error) {
		t.Helper()
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
	def := secrets.Secret{AccountID: id(account), ID: id(secret), Name: "Default", IsDefault: true, CreatedAt: now, Items: 2, Size: 20,
		Revision: 5, Checksum: 47, Exported: secrets.Exported{At: now.Add(time.Hour), By: id(user), Revision: 4}}
	it := secrets.Item{
		AccountID: id(account), SecretID: id(secret), ID: id(item), Key: "API_KEY", Version: 3, LastVersion: 3, Revision: 40,
		History: secrets.History(kept), Since: 1, Size: 12, CreatedAt: now, UpdatedAt: now, ValueAt: now,
		LastAccessedAt: now.Add(time.Hour), LastAccessedBy: id(user),
	}
	other := secrets.Item{AccountID: id(account), SecretID: id(secret), ID: id(unread), Key: "OTHER", Version: 1, LastVersion: 1,
		Revision: 7, History: secrets.History(first), Since: 2, Size: 8, CreatedAt: now, UpdatedAt: now, ValueAt: now}
	deleted := secrets.Deleted{By: id(user), At: now, Due: now.AddDate(0, 0, 30)}
	inBin := secrets.DeletedItem{Item: secrets.Item{AccountID: id(account), SecretID: id(secret), ID: id(binned), Key: "DELETED", Version: 1,
		LastVersion: 1, Revision: 9, History: secrets.History(first), Since: 3, Size: 10, CreatedAt: now, UpdatedAt: now, ValueAt: now},
		Deleted: deleted}
	old := secrets.DeletedSecret{Secret: secrets.Secret{AccountID: id(account), ID: id(former), Name: "old", CreatedAt: now, Revision: 6, Delivered: 2,
		Bundle: bundle(2)}, Deleted: deleted}

	every := secrets.Rights{Permissions: secrets.Every}
	place, err := store.FindKey(ctx, sha256.Sum256([]byte("gob_x")))
	same("place", secrets.KeyPlace{AccountID: id(account), ID: id(keyID)}, place, err)
	u, err := store.User(ctx, id(account), id(user))
	same("user", secrets.User{
		AccountID: id(account), ID: id(user), Kind: secrets.Person, Name: "Ana", Rights: every, Keys: []uuid.UUID{id(keyID)},
		Revision: 2, CreatedAt: now,
	}, u, err)
	key := secrets.Key{
		AccountID: id(account), ID: id(keyID), UserID: id(user), Name: "laptop", Prefix: "gob_AbCd", Hash: sha256.Sum256([]byte("gob_x")),
		Rights:    secrets.Rights{Permissions: secrets.List | secrets.Reveal, Secrets: []uuid.UUID{id(secret)}},
		User:      secrets.Holder{Kind: secrets.Person, Name: "Ana", Rights: every},
		CreatedAt: now, ExpiresAt: now.Add(time.Hour), LastUsedAt: now, Revision: 3,
	}
	s, err := store.Secret(ctx, id(account), id(secret))
	same("secret", def, s, err)
	list, n, err := store.Secrets(ctx, id(account), secrets.Cursor{}, 10)
	same("secrets", []secrets.Secret{def}, list, err)
	same("count", 1, n, nil)
	parent, items, err := store.Items(ctx, id(account), id(secret), secrets.Cursor{}, 10)
	same("items", []secrets.Item{it, other}, items, err)
	same("secret of the items", def, parent, nil)
	same("numbers of the versions", []int64{2, 3}, it.History.Numbers(), nil)
	versions, err := store.Versions(ctx, it)
	same("versions", []secrets.Version{
		{Number: 3, Size: 5, CreatedAt: now, CreatedBy: id(user)}, {Number: 2, Size: 4, CreatedAt: now, CreatedBy: id(user)},
	}, versions, err)
	version, value, err := store.SealedVersion(ctx, it, 1)
	same("version", versions[1], version, err)
	same("its value", secrets.SealedValue{Version: 2, Blob: []byte("older")}, value, nil)
	_, deletedItem, err := store.DeletedItem(ctx, id(account), id(secret), id(binned))
	same("deleted item", inBin, deletedItem, err)
	deletedSecret, err := store.DeletedSecret(ctx, id(account), id(former))
	same("deleted secret", old, deletedSecret, err)
	purges, err := store.Purges(ctx, deleted.Due)
	same("purges", []secrets.Purge{
		{AccountID: id(account), SecretID: id(secret), ID: id(changed), Due: deleted.Due, Items: []uuid.UUID{id(binned)}},
		{AccountID: id(account), SecretID: id(former), ID: id(tried), Due: deleted.Due},
	}, purges, err)
	reading, err := store.ReadValue(ctx, id(account), id(keyID), id(secret), id(item))
	same("reading", secrets.Reading{Key: key, Secret: def, Item: it, Value: secrets.SealedValue{Version: 3, Blob: []byte("sealed")}}, reading, err)
	charge, err := store.ChargeReveal(ctx, id(account), id(user), now, 5, time.Hour)
	same("a spent budget", false, charge.Admitted, err)
	tally, err := charge.Tally(ctx)
	same("a tally", secrets.Tally{Limit: 2, Counting: 2, Oldest: now.Add(-time.Second - 789*time.Microsecond)}, tally, err)

	all := secrets.EventQuery{AccountID: id(account), High: uuid.Max}
	ana, laptop := secrets.Named{ID: id(user), Name: "Ana"}, secrets.Named{ID: id(keyID), Name: "laptop"}
	events, _, err := store.Events(ctx, all)
	same("events", []secrets.Event{{
		ID: id(changed), AccountID: id(account), Action: secrets.ItemUpdated, Outcome: secrets.OutcomeAllowed, User: ana, Key: laptop,
		SourceIP: "192.0.2.1", UserAgent: "curl/8", RequestID: "request",
		Secret: secrets.Named{ID: id(secret), Name: "Default"}, Item: secrets.Named{ID: id(item), Name: "API_KEY"},
		Version: 3, Changed: []string{"key", "value"}, From: map[string]string{"key": "OLD_KEY"}, To: map[string]string{"key": "API_KEY"},
	}}, events, err)
	same("time of an event", now, events[0].At(), nil)
	all.Trail = secrets.RefusedTries
	events, _, err = store.Events(ctx, all)
	same("refused tries", []secrets.Event{{
		ID: id(tried), AccountID: id(account), Action: secrets.ItemRevealed, Outcome: secrets.OutcomeThrottled, User: ana, Key: laptop,
		SourceIP: "192.0.2.1", RequestID: "request", Secret: secrets.Named{ID: id(secret)}, Item: secrets.Named{ID: id(item)},
		Tries: 3, First: now, Last: now.Add(time.Hour),
	}}, events, err)

	// The rows can also be changed.
	stamped, err := store.StampReveal(ctx, id(account), id(secret), id(unread), now, id(user))
	other.LastAccessedAt, other.LastAccessedBy = now, id(user)
	same("stamped item", other, stamped, err)
	event := secrets.Event{ID: secrets.NewEventID(now, newID()), AccountID: id(account), Action: secrets.ItemUpdated,
		Secret: secrets.Named{ID: id(secret)}, Item: secrets.Named{ID: id(item), Name: "RENAMED"}, Version: 4}
	updated := next(it)
	updated.Key = "RENAMED"
	if err := updateItem(ctx, store, secrets.Change{Secret: def, Revise: true}, it, updated, []byte("resealed"), event); err != nil {
		t.Errorf("UpdateItem = %v", err)
	}
	event.ID, event.Action = newID(), secrets.ItemDeleted
	if err := deleteItem(ctx, store, secrets.Change{Secret: def, Items: -1, Revise: true}, updated, event); err != nil {
		t.Errorf("DeleteItem = %v", err)
	}
	event.ID, event.Action = newID(), secrets.ItemRestored
	restored := inBin.Item
	restored.Revision++
	if err := store.WriteItems(ctx, secrets.Change{Secret: def, Items: 1, Revise: true, AtExport: true}, event,
		secrets.ItemWrite{Old: inBin.Item, New: restored, Sealed: []byte("sealed"), Restored: true}); err != nil {
		t.Errorf("WriteItems(restored) = %v", err)
	}
	again := old.Secret
	again.Revision++
	event.ID, event.Action = newID(), secrets.SecretRestored
	if err := store.RestoreSecret(ctx, old, again, 0, event); err != nil {
		t.Errorf("RestoreSecret = %v", err)
	}
}

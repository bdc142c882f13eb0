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
		changed = "019c21ac-e950-7315-8000-000000000007" // 789 µs after 04:05:06
		tried   = "019c21ac-d1e0-7000-8000-000000000008" // 04:05
		made    = "2026-02-03T04:05:06.000789Z"
		read    = "2026-02-03T05:05:06.000789Z"
	)
	sum := func(text string) []byte { sum := sha256.Sum256([]byte(text)); return sum[:] }
	hash := func(text string) string { return hex.EncodeToString(sum(text)) }
	packed := func(id string) []byte { parsed := uuid.MustParse(id); return parsed[:] }
	type row = map[string]any
	table := secretstest.NewTable(t)
	for _, r := range []row{
		{"PK": "ACCOUNTS", "SK": account, "format": 1},
		{"PK": "ACCOUNT#" + account, "SK": "ACCOUNT", "name": "team", "default_secret_id": secret, "secrets": 1, "created_at": made},
		{"PK": "ACCOUNTNAME#" + hash("team"), "SK": "ACCOUNTNAME", "owner": account},
		{"PK": "ACCOUNT#" + account, "SK": "SECRET#" + secret, "name": "Default", "is_default": true, "items": 2, "created_at": made},
		{"PK": "ACCOUNT#" + account, "SK": "NAME#" + hash("Default"), "owner": secret},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "ITEM#" + item, "key": "API_KEY", "version": 3, "created_at": made,
			"updated_at": made, "value_at": made, "last_accessed_at": read, "last_accessed_by": user},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "KEY#API_KEY", "owner": item},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "VALUE#" + item, "version": 3, "sealed": []byte("sealed")},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "ITEM#" + unread, "key": "OTHER", "version": 1, "created_at": made,
			"updated_at": made, "value_at": made},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "KEY#OTHER", "owner": unread},
		{"PK": "SECRET#" + account + "#" + secret, "SK": "VALUE#" + unread, "version": 1, "sealed": []byte("sealed")},
		{"PK": "PEOPLE#" + account, "SK": "PEOPLE", "users": 1, "keys": 1, "admins": 1},
		{"PK": "PEOPLE#" + account, "SK": "USER#" + user, "kind": "person", "name": "Ana", "permissions": "list,reveal,write,audit,admin",
			"secrets": "*", "key_ids": packed(keyID), "revision": 2, "created_at": made},
		{"PK": "PEOPLE#" + account, "SK": "KEY#" + keyID, "user_id": user, "name": "laptop", "prefix": "gob_AbCd", "hash": sum("gob_x"),
			"permissions": "list,reveal", "secrets": packed(secret), "user_kind": "person", "user_name": "Ana",
			"user_permissions": "list,reveal,write,audit,admin", "user_secrets": "*", "created_at": made, "valid_until": read,
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
	def := secrets.Secret{AccountID: id(account), ID: id(secret), Name: "Default", IsDefault: true, CreatedAt: now, Items: 2}
	it := secrets.Item{
		AccountID: id(account), SecretID: id(secret), ID: id(item), Key: "API_KEY", Version: 3, CreatedAt: now, UpdatedAt: now, ValueAt: now,
		LastAccessedAt: now.Add(time.Hour), LastAccessedBy: id(user),
	}
	other := secrets.Item{AccountID: id(account), SecretID: id(secret), ID: id(unread), Key: "OTHER", Version: 1,
		CreatedAt: now, UpdatedAt: now, ValueAt: now}

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
	items, n, err := store.Items(ctx, id(account), id(secret), secrets.Cursor{}, 10)
	same("items", []secrets.Item{it, other}, items, err)
	same("count", 2, n, nil)
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
	updated := it
	updated.Key, updated.Version = "RENAMED", 4
	if err := store.UpdateItem(ctx, secrets.Change{Secret: def, Revise: true}, it, updated, []byte("resealed"), event); err != nil {
		t.Errorf("UpdateItem = %v", err)
	}
	event.ID, event.Action = newID(), secrets.ItemDeleted
	if err := store.DeleteItem(ctx, secrets.Change{Secret: def, Items: -1, Revise: true}, updated, event); err != nil {
		t.Errorf("DeleteItem = %v", err)
	}
}

package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// removed deletes the world's item, or its secret.
func (w world) removed(t testing.TB, m *secrets.Manager, isSecret bool, d secrets.Deletion) {
	t.Helper()
	var err error
	if isSecret {
		err = m.DeleteSecret(t.Context(), w.caller, w.secret.ID.String(), d)
	} else {
		err = m.DeleteItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String(), d)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// contents is all that a caller can see of the world's secret, without the reads that it takes to see it.
type contents struct {
	Secret   secrets.Secret
	Items    []secrets.Item
	Versions [][]secrets.Version
	Bin      []secrets.DeletedItem
}

func (w world) contents(t testing.TB) (x contents) {
	t.Helper()
	m := w.table.Manager(t)
	sid := w.secret.ID.String()
	var err error
	if x.Secret, err = m.Secret(t.Context(), w.caller, sid); err != nil {
		t.Fatal(err)
	}
	items, err := m.ListItems(t.Context(), w.caller, sid, secrets.Field{}, secrets.Cursor{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	x.Items = items.Results
	for _, it := range x.Items {
		versions, err := m.Versions(t.Context(), w.caller, sid, it.ID.String())
		if err != nil {
			t.Fatal(err)
		}
		x.Versions = append(x.Versions, versions)
	}
	bin, err := m.DeletedItems(t.Context(), w.caller, sid, secrets.Cursor{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	x.Bin = bin.Results
	return x
}

// A deleted item comes back as it was, under its key or another one.
func TestItemIsRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	attach(t, &w)
	m, used := w.counted(t)
	clock(m)
	sid, iid := w.secret.ID.String(), w.item.ID.String()
	w.write(t, m, "second")
	w.write(t, m, "third")
	revealed(t, m, w)
	if _, err := m.RollBackItem(t.Context(), w.caller, sid, iid, rollback("2")); err != nil {
		t.Fatal(err)
	}
	before, waiting := w.contents(t), w.outbox(t)
	w.removed(t, m, false, secrets.Deletion{})
	ev := w.lastEvent(t)
	page, err := m.DeletedItems(t.Context(), w.caller, sid, secrets.Cursor{}, 10)
	if err != nil || page.Count != 1 || len(page.Results) != 1 {
		t.Fatalf("the bin has %+v, %v", page, err)
	}
	bin := page.Results[0]
	want := secrets.Deleted{By: w.caller.UserID, At: ev.At(), Due: ev.At().Add(m.Recovery)}
	if diff := cmp.Diff(secrets.DeletedItem{Item: before.Items[0], Deleted: want}, bin, equalTimes); diff != "" {
		t.Errorf("the bin has the item (-before +after):\n%s", diff)
	}
	if until := ev.To["restorable_until"]; ev.Action != secrets.ItemDeleted || until != want.Due.Format(time.RFC3339) || m.Recovery != 30*24*time.Hour {
		t.Errorf("the event is %+v, want it to say %v", ev, want.Due)
	}
	if entry := w.outbox(t); entry == waiting || entry != ev.ID {
		t.Errorf("the deletion is not delivered: %v waits", entry)
	}
	if keys := itemKeys(t, m, w); !slices.Equal(keys, []string{"OTHER"}) {
		t.Errorf("the items are %v", keys)
	}

	// Its key is free, and who takes it keeps it.
	taker, err := m.CreateItem(t.Context(), w.caller, sid, itemInput("API_KEY", "another"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.RestoreItem(t.Context(), w.caller, sid, iid, secrets.ItemInput{}); !refused(err, "key") || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("restore to a taken key = %v", err)
	}
	for _, key := range []string{"API_KEY", "OTHER", "", "not a key"} {
		if _, err := m.RestoreItem(t.Context(), w.caller, sid, iid, secrets.ItemInput{Key: secrets.Text(key)}); !refused(err, "key") {
			t.Errorf("restore as %q = %v", key, err)
		}
	}
	m.Quotas.Items = 2
	if _, err := m.RestoreItem(t.Context(), w.caller, sid, iid, secrets.ItemInput{Key: secrets.Text("BACK")}); !refused(err, "non_field_errors") {
		t.Errorf("restore into a full secret = %v", err)
	}
	m.Quotas.Items = 3
	largest := m.MaxBundleSize
	m.MaxBundleSize = 60
	if _, err := m.RestoreItem(t.Context(), w.caller, sid, iid, secrets.ItemInput{Key: secrets.Text("BACK")}); !refused(err, "key") {
		t.Errorf("restore into a bundle that has no room = %v", err)
	}
	m.MaxBundleSize = largest
	used.Take()
	back, err := m.RestoreItem(t.Context(), w.caller, sid, iid, secrets.ItemInput{Key: secrets.Text("BACK")})
	if err != nil {
		t.Fatal(err)
	}
	if calls := used.Take(); calls.Of("KMS") > 0 {
		t.Errorf("a restore calls KMS: %v", calls)
	}
	after := w.contents(t)
	was, is := before.Items[0], after.Items[0]
	if was.Key, was.Size = "BACK", was.Size-len("API_KEY")+len("BACK"); is.Revision <= bin.Item.Revision || is.Since <= after.Secret.Revision-1 {
		t.Errorf("the item is %+v, and was %+v", is, bin.Item)
	}
	if !is.UpdatedAt.After(was.UpdatedAt) {
		t.Errorf("with another key it was updated at %v, as before", is.UpdatedAt)
	}
	was.Revision, was.Since, was.UpdatedAt = is.Revision, is.Since, is.UpdatedAt
	if diff := cmp.Diff(was, is, equalTimes); diff != "" || !cmp.Equal(is, back, equalTimes) {
		t.Errorf("the answer is %+v, the item (-before +after):\n%s", back, diff)
	}
	if diff := cmp.Diff(before.Versions[0], after.Versions[0], equalTimes); diff != "" || len(after.Bin) > 0 {
		t.Errorf("%d are in the bin, the versions (-before +after):\n%s", len(after.Bin), diff)
	}
	ev = w.lastEvent(t)
	if ev.Action != secrets.ItemRestored || ev.Version != 2 || ev.From["key"] != "API_KEY" || ev.To["key"] != "BACK" || w.outbox(t) != ev.ID {
		t.Errorf("the event is %+v", ev)
	}
	if value := revealed(t, m, w); value != "second" {
		t.Errorf("the value is %q", value)
	}
	if it := w.write(t, m, "fourth"); it.Version != 4 {
		t.Errorf("the next version is %d, want 4", it.Version)
	}

	// To its own key, when that is free again.
	w.removed(t, m, false, secrets.Deletion{})
	if err := m.DeleteItem(t.Context(), w.caller, sid, taker.ID.String(), secrets.Deletion{}); err != nil {
		t.Fatal(err)
	}
	if back, err = m.RestoreItem(t.Context(), w.caller, sid, iid, secrets.ItemInput{}); err != nil || back.Key != "BACK" {
		t.Errorf("restore = %+v, %v", back, err)
	}
	for _, id := range []string{iid, uuid.NewString(), "x"} {
		expect(t, "restore what is not in the bin", errOf(m.RestoreItem(t.Context(), w.caller, sid, id, secrets.ItemInput{})), secrets.ErrNotFound)
	}
	w.table.Check(t)
	checkReplay(t, w.table, w.caller)
}

// A deleted secret comes back with all its items, versions and times, and its own bin.
func TestSecretIsRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m, used := w.counted(t)
	clock(m)
	sid := w.secret.ID.String()
	w.write(t, m, "second")
	revealed(t, m, w)
	if _, err := m.ExportSecret(t.Context(), w.caller, sid, nil); err != nil {
		t.Fatal(err)
	}
	w.removed(t, m, false, secrets.Deletion{})
	before := w.contents(t)
	w.removed(t, m, true, secrets.Deletion{})
	ev := w.lastEvent(t)
	page, err := m.DeletedSecrets(t.Context(), w.caller, secrets.Cursor{}, 10)
	if err != nil || page.Count != 1 || len(page.Results) != 1 {
		t.Fatalf("the bin has %+v, %v", page, err)
	}
	want := secrets.Deleted{By: w.caller.UserID, At: ev.At(), Due: ev.At().Add(m.Recovery)}
	if diff := cmp.Diff(secrets.DeletedSecret{Secret: before.Secret, Deleted: want}, page.Results[0], equalTimes); diff != "" {
		t.Errorf("the bin has the secret (-before +after):\n%s", diff)
	}
	if ev.Action != secrets.SecretDeleted || ev.To["restorable_until"] != want.Due.Format(time.RFC3339) {
		t.Errorf("the event is %+v", ev)
	}

	taker, err := m.CreateSecret(t.Context(), w.caller, secretInput("production"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.RestoreSecret(t.Context(), w.caller, sid, secrets.SecretInput{}); !refused(err, "name") || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("restore to a taken name = %v", err)
	}
	for _, name := range []string{"production", "Default", ""} {
		if _, err := m.RestoreSecret(t.Context(), w.caller, sid, secretInput(name)); !refused(err, "name") {
			t.Errorf("restore as %q = %v", name, err)
		}
	}
	m.Quotas.Secrets = 2
	if _, err := m.RestoreSecret(t.Context(), w.caller, sid, secretInput("back")); !refused(err, "non_field_errors") {
		t.Errorf("restore into a full account = %v", err)
	}
	m.Quotas.Secrets = 3
	used.Take()
	back, err := m.RestoreSecret(t.Context(), w.caller, sid, secretInput("back"))
	if err != nil {
		t.Fatal(err)
	}
	if calls := used.Take(); calls.Of("KMS") > 0 {
		t.Errorf("a restore calls KMS: %v", calls)
	}
	after := w.contents(t)
	if diff := cmp.Diff(after.Secret, back, equalTimes); diff != "" || back.Revision != before.Secret.Revision+1 || back.Name != "back" {
		t.Errorf("the answer is %+v, it differs from the secret (-secret +answer):\n%s", back, diff)
	}
	ignored := cmpopts.IgnoreFields(secrets.Secret{}, "Name", "Revision")
	if diff := cmp.Diff(before, after, equalTimes, ignored); diff != "" || len(after.Bin) != 1 || len(after.Items) != 1 {
		t.Errorf("%d items and %d in the bin, (-before +after):\n%s", len(after.Items), len(after.Bin), diff)
	}
	ev = w.lastEvent(t)
	if ev.Action != secrets.SecretRestored || ev.From["name"] != "production" || ev.To["name"] != "back" {
		t.Errorf("the event is %+v", ev)
	}
	if _, err := m.RestoreItem(t.Context(), w.caller, sid, w.item.ID.String(), secrets.ItemInput{}); err != nil {
		t.Errorf("restore from its bin = %v", err)
	}
	if value := revealed(t, m, w); value != "second" {
		t.Errorf("the value is %q", value)
	}
	for _, id := range []string{sid, taker.ID.String(), uuid.NewString(), "x"} {
		expect(t, "restore what is not in the bin", errOf(m.RestoreSecret(t.Context(), w.caller, id, secrets.SecretInput{})), secrets.ErrNotFound)
	}

	// What services use, and the default secret, do not go into the bin.
	if _, err := m.CreateService(t.Context(), w.caller, serviceInput("app", w.secret.ID)); err != nil {
		t.Fatal(err)
	}
	for _, d := range []secrets.Deletion{{}, {Permanent: true}} {
		var inUse secrets.InUse
		if err := m.DeleteSecret(t.Context(), w.caller, sid, d); !errors.As(err, &inUse) {
			t.Errorf("delete a used secret = %v", err)
		}
		all, err := m.ListSecrets(t.Context(), w.caller, secrets.Text("Default"), secrets.Cursor{}, 1)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "delete the default secret", m.DeleteSecret(t.Context(), w.caller, all.Results[0].ID.String(), d), secrets.ErrDefaultSecret)
	}
	w.table.Check(t)
	checkReplay(t, w.table, w.caller)
}

// The bin needs list and write, a deletion for good write and admin. Limited callers see, delete and restore what is
// theirs, but a secret's name is not theirs to give.
func TestWhoMayUseTheBin(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	m := table.Manager(t)
	foreign, err := m.CreateSecret(t.Context(), w.caller, secretInput("foreign"))
	if err != nil {
		t.Fatal(err)
	}
	sid, iid, other := w.secret.ID.String(), w.item.ID.String(), foreign.ID.String()
	for _, tt := range []struct {
		permissions                 secrets.Permissions
		lists, restores, isPermanet error
	}{
		{secrets.Every &^ secrets.Write, secrets.ErrDenied, secrets.ErrDenied, secrets.ErrDenied},
		{secrets.Every &^ secrets.List, secrets.ErrDenied, secrets.ErrNotFound, secrets.ErrNotFound},
		{secrets.Every &^ secrets.Admin, nil, secrets.ErrNotFound, secrets.ErrDenied},
		{secrets.List | secrets.Write, nil, secrets.ErrNotFound, secrets.ErrDenied},
		{secrets.Write | secrets.Admin, secrets.ErrDenied, secrets.ErrNotFound, secrets.ErrNotFound},
	} {
		c := w.caller
		c.Rights.Permissions = tt.permissions
		ctx, none := t.Context(), uuid.NewString()
		for what, got := range map[string][2]error{
			"list secrets":                {errOf(m.DeletedSecrets(ctx, c, secrets.Cursor{}, 1)), tt.lists},
			"list items":                  {errOf(m.DeletedItems(ctx, c, sid, secrets.Cursor{}, 1)), tt.lists},
			"restore a secret":            {errOf(m.RestoreSecret(ctx, c, none, secrets.SecretInput{})), tt.restores},
			"restore an item":             {errOf(m.RestoreItem(ctx, c, sid, none, secrets.ItemInput{})), tt.restores},
			"delete a secret permanently": {m.DeleteSecret(ctx, c, none, secrets.Deletion{Permanent: true}), tt.isPermanet},
			"delete an item permanently":  {m.DeleteItem(ctx, c, sid, none, secrets.Deletion{Permanent: true}), tt.isPermanet},
		} {
			expect(t, fmt.Sprintf("with %v: %s", tt.permissions, what), got[0], got[1])
		}
	}

	limited := join(t, table, w.caller, userInput(secrets.Machine, secrets.List|secrets.Write, w.secret.ID)).Caller
	if err := m.DeleteSecret(t.Context(), w.caller, other, secrets.Deletion{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.DeleteItem(t.Context(), limited, sid, iid, secrets.Deletion{}); err != nil {
			t.Errorf("a limited caller deletes an item: %v", err)
		}
		if _, err := m.RestoreItem(t.Context(), limited, sid, iid, secrets.ItemInput{}); err != nil {
			t.Errorf("a limited caller restores an item: %v", err)
		}
	}
	if err := m.DeleteSecret(t.Context(), limited, sid, secrets.Deletion{}); err != nil {
		t.Errorf("a limited caller deletes a secret: %v", err)
	}
	page, err := m.DeletedSecrets(t.Context(), limited, secrets.Cursor{}, 10)
	if err != nil || page.Count != 1 || len(page.Results) != 1 || page.Results[0].Secret.ID != w.secret.ID {
		t.Errorf("a limited caller sees %+v, %v", page, err)
	}
	expect(t, "restore a secret", errOf(m.RestoreSecret(t.Context(), limited, sid, secretInput("x"))), secrets.ErrLimited)
	expect(t, "restore a foreign one", errOf(m.RestoreSecret(t.Context(), limited, other, secrets.SecretInput{})), secrets.ErrNotFound)
	expect(t, "list in a foreign one", errOf(m.DeletedItems(t.Context(), limited, other, secrets.Cursor{}, 1)), secrets.ErrNotFound)
	if names := deletedSecrets(t, m, w); !slices.Equal(names, []string{"production", "foreign"}) {
		t.Errorf("in the bin are %v", names)
	}
	table.Check(t)
}

// What is deleted is invisible to every operation but those of the bin: no value is opened, and no read recorded.
func TestDeletedIsInvisible(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, isSecret := range []bool{false, true} {
		w := newWorld(t, secretstest.NewTable(t))
		attach(t, &w)
		if err := w.table.Manager(t).DeleteService(ctx, w.caller, w.service.ID.String(), nil); err != nil {
			t.Fatal(err)
		}
		m, used := w.counted(t)
		w.write(t, m, "second")
		_, it := w.now(t)
		c, sid, iid := w.caller, w.secret.ID.String(), w.item.ID.String()
		w.removed(t, m, isSecret, secrets.Deletion{})
		tried := map[string]func() error{
			"reveal":             func() error { return errOf(m.RevealItem(ctx, c, sid, iid)) },
			"reveal if changed":  func() error { return errOf(m.RevealChangedItem(ctx, c, sid, iid, secrets.Match{it.Revision})) },
			"reveal version":     func() error { return errOf(m.RevealVersion(ctx, c, sid, iid, "1")) },
			"reveal the current": func() error { return errOf(m.RevealVersion(ctx, c, sid, iid, "2")) },
			"versions":           func() error { return errOf(m.Versions(ctx, c, sid, iid)) },
			"rollback":           func() error { return errOf(m.RollBackItem(ctx, c, sid, iid, rollback("1"))) },
			"delete version":     func() error { return m.DeleteVersion(ctx, c, sid, iid, "1", secrets.Deletion{}) },
			"update":             func() error { return errOf(m.UpdateItem(ctx, c, sid, iid, valueInput("x"))) },
			"rename":             func() error { return errOf(m.UpdateItem(ctx, c, sid, iid, itemInput("NEW", "x"))) },
			"delete":             func() error { return m.DeleteItem(ctx, c, sid, iid, secrets.Deletion{}) },
		}
		if isSecret {
			other := w.second.ID.String()
			for name, do := range map[string]func() error{
				"secret":        func() error { return errOf(m.Secret(ctx, c, sid)) },
				"rename secret": func() error { return errOf(m.UpdateSecret(ctx, c, sid, secretInput("new"))) },
				"delete secret": func() error { return m.DeleteSecret(ctx, c, sid, secrets.Deletion{}) },
				"items":         func() error { return errOf(m.ListItems(ctx, c, sid, secrets.Field{}, secrets.Cursor{}, 9)) },
				"items by key":  func() error { return errOf(m.ListItems(ctx, c, sid, secrets.Text("OTHER"), secrets.Cursor{}, 9)) },
				"deleted items": func() error { return errOf(m.DeletedItems(ctx, c, sid, secrets.Cursor{}, 9)) },
				"create item":   func() error { return errOf(m.CreateItem(ctx, c, sid, itemInput("NEW", "x"))) },
				"restore item":  func() error { return errOf(m.RestoreItem(ctx, c, sid, iid, secrets.ItemInput{})) },
				"for good":      func() error { return m.DeleteItem(ctx, c, sid, iid, secrets.Deletion{Permanent: true}) },
				"batch": func() error {
					return errOf(m.BatchItems(ctx, c, sid, secrets.BatchInput{Items: []secrets.ItemInput{itemInput("NEW", "x")}}))
				},
				"export":         func() error { return errOf(m.ExportSecret(ctx, c, sid, nil)) },
				"export changed": func() error { return errOf(m.ExportSecret(ctx, c, sid, secrets.Match{1, 2, 3, 4, 5, 6, 7})) },
				"compare": func() error {
					return errOf(m.CompareSecrets(ctx, c, secrets.CompareInput{A: secrets.Text(sid), B: secrets.Text(other)}))
				},
				"compare with": func() error {
					return errOf(m.CompareSecrets(ctx, c, secrets.CompareInput{A: secrets.Text(other), B: secrets.Text(sid)}))
				},
			} {
				tried[name] = do
			}
		}
		used.Take()
		events := len(recordedEvents(t, w))
		for name, do := range tried {
			expect(t, name, do(), secrets.ErrNotFound)
		}
		if isSecret {
			if err := errOf(m.CreateService(ctx, c, serviceInput("app", w.secret.ID))); !refused(err, "secret") {
				t.Errorf("a service for it = %v", err)
			}
			if names := secretNames(t, m, w); slices.Contains(names, "production") {
				t.Errorf("the secrets are %v", names)
			}
		} else if keys := itemKeys(t, m, w); !slices.Equal(keys, []string{"OTHER"}) {
			t.Errorf("the items are %v", keys)
		}
		if calls := used.Take(); calls.Of("KMS") > 0 || len(recordedEvents(t, w)) != events {
			t.Errorf("what is deleted is opened, or its reads recorded: %v, %v", calls, recordedEvents(t, w)[events:])
		}
		if !isSecret {
			b, err := m.ExportSecret(ctx, c, sid, nil)
			if err != nil || b.Object.Reveal() != `{"OTHER":"value of OTHER"}` || len(w.lastEvent(t).Items) != 1 {
				t.Errorf("the bundle is %v, %v", b.Object.Reveal(), err)
			}
		}
		w.table.Check(t)
	}
}

// What nothing keeps, or is deleted for good, is gone at once, with its rows.
func TestDeletionForGood(t *testing.T) {
	t.Parallel()
	for _, isSecret := range []bool{false, true} {
		for name, remove := range map[string]func(m *secrets.Manager, w world){
			"for good": func(m *secrets.Manager, w world) { w.removed(t, m, isSecret, secrets.Deletion{Permanent: true}) },
			"without a bin": func(m *secrets.Manager, w world) {
				m.Recovery = 0
				w.removed(t, m, isSecret, secrets.Deletion{})
			},
			"from the bin": func(m *secrets.Manager, w world) {
				w.removed(t, m, isSecret, secrets.Deletion{})
				w.removed(t, m, isSecret, secrets.Deletion{Permanent: true})
			},
		} {
			w := newWorld(t, secretstest.NewTable(t))
			m := w.table.Manager(t)
			w.write(t, m, "second")
			remove(m, w)
			for _, row := range w.table.Rows(t) {
				at := fmt.Sprintf("%v %v", row["PK"], row["SK"])
				isOf := strings.Contains(at, w.item.ID.String()) || isSecret && strings.Contains(at, w.secret.ID.String())
				if isOf && !strings.HasPrefix(at, "PURGE") {
					t.Errorf("%s: %s is left", name, at)
				}
			}
			last := w.lastEvent(t)
			if want := map[bool]string{false: secrets.ItemPurged, true: secrets.SecretPurged}[isSecret]; last.Action != want || last.Secret.Name != "production" ||
				!isSecret && last.Item != (secrets.Named{ID: w.item.ID, Name: "API_KEY"}) || last.User.ID != uuid.Nil {
				t.Errorf("%s: the last event is %+v, want %s", name, last, want)
			}
			if isSecret {
				expect(t, name+": restore", errOf(m.RestoreSecret(t.Context(), w.caller, w.secret.ID.String(), secrets.SecretInput{})), secrets.ErrNotFound)
				expect(t, name+": again", m.DeleteSecret(t.Context(), w.caller, w.secret.ID.String(), secrets.Deletion{Permanent: true}), secrets.ErrNotFound)
				if names := deletedSecrets(t, m, w); names != nil {
					t.Errorf("%s: in the bin are %v", name, names)
				}
			} else {
				expect(t, name+": restore", errOf(m.RestoreItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String(), secrets.ItemInput{})), secrets.ErrNotFound)
				if keys := deletedKeys(t, m, w); keys != nil {
					t.Errorf("%s: in the bin are %v", name, keys)
				}
			}
			m.Now = func() time.Time { return time.Now().Add(1000 * 24 * time.Hour) }
			if _, err := m.PurgeSecrets(t.Context()); err != nil || w.lastEvent(t).ID != last.ID {
				t.Errorf("%s: purge-secrets later: %v, %+v", name, err, w.lastEvent(t))
			}
			w.table.Check(t)
		}
	}
}

// What is claimed and not removed yet is in no list, and can neither be restored nor deleted again. The purge goes on.
func TestClaimedIsGone(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	for _, isSecret := range []bool{false, true} {
		forGood := secrets.Deletion{Permanent: true}
		for name, tt := range map[string]struct {
			broken   string
			deletion secrets.Deletion
		}{
			"before the claim": {"UpdateItem", forGood}, "before the rows go": {"DeleteItem", forGood}, "before the event": {"TransactWriteItems", forGood},
			"before the purge's end": {"DeleteItem PURGE", forGood}, "before the claim, without a bin": {"UpdateItem", secrets.Deletion{}},
		} {
			w := newWorld(t, table)
			w.write(t, table.Manager(t), "second")
			limited := join(t, table, w.caller, userInput(secrets.Machine, secrets.List|secrets.Write, w.secret.ID)).Caller
			m := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
				if strings.HasPrefix(c.What, tt.broken) && c != (secretstest.Call{What: "TransactWriteItems"}) {
					return secretstest.Before
				}
				return secretstest.None
			}))
			if !tt.deletion.Permanent {
				m.Recovery = 0
			}
			w.removed(t, m, isSecret, tt.deletion)
			m = table.Manager(t)
			ctx, c, sid, iid := t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String()
			for what, err := range map[string]error{
				"restore the secret": errOf(m.RestoreSecret(ctx, c, sid, secrets.SecretInput{})),
				"restore the item":   errOf(m.RestoreItem(ctx, c, sid, iid, secrets.ItemInput{})),
				"delete the item":    m.DeleteItem(ctx, c, sid, iid, secrets.Deletion{Permanent: true}),
				"reveal":             errOf(m.RevealVersion(ctx, c, sid, iid, "1")),
			} {
				expect(t, name+": "+what, err, secrets.ErrNotFound)
			}
			page, err := m.DeletedSecrets(ctx, limited, secrets.Cursor{}, 10)
			if err != nil || page.Count != 0 || len(page.Results) > 0 || len(deletedSecrets(t, m, w)) > 0 {
				t.Errorf("%s: in the bin is %+v, %v", name, page, err)
			}
			if isSecret {
				expect(t, name+": delete the secret", m.DeleteSecret(ctx, c, sid, secrets.Deletion{Permanent: true}), secrets.ErrNotFound)
			} else if keys := deletedKeys(t, m, w); keys != nil {
				t.Errorf("%s: in the bin are %v", name, keys)
			}
			table.Check(t)
			if _, err := m.PurgeSecrets(ctx); err != nil {
				t.Error(err)
			}
			purged := eventsOf(t, table, c.AccountID, secrets.ItemPurged, secrets.SecretPurged)
			for _, row := range table.Rows(t) {
				if at := fmt.Sprintf("%v %v", row["PK"], row["SK"]); strings.Contains(at, iid) || strings.HasPrefix(at, "PURGE") {
					t.Errorf("%s: %s is left", name, at)
				}
			}
			if len(purged) != 1 {
				t.Errorf("%s: %d purges are recorded, want 1", name, len(purged))
			}
			table.Check(t)
		}
	}
}

// The purge waits for the time that was due at the deletion, and leaves what was restored, or deleted again since.
func TestPurgeIsDue(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	begin := time.Now().Truncate(time.Second).Add(time.Hour)
	for _, isSecret := range []bool{false, true} {
		w := newWorld(t, secretstest.NewTable(t))
		m := w.table.Manager(t)
		at := func(days int, less time.Duration) {
			m.Now = func() time.Time { return begin.Add(time.Duration(days)*day - less) }
		}
		restore := func() error {
			if isSecret {
				return errOf(m.RestoreSecret(t.Context(), w.caller, w.secret.ID.String(), secrets.SecretInput{}))
			}
			return errOf(m.RestoreItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String(), secrets.ItemInput{}))
		}
		purge := func(finished int) {
			t.Helper()
			if n, err := m.PurgeSecrets(t.Context()); err != nil || n != finished {
				t.Errorf("%d purges are finished, %v, want %d", n, err, finished)
			}
		}
		at(0, 0)
		w.removed(t, m, isSecret, secrets.Deletion{}) // due after 30 days
		m.Recovery = 0                                // which counts for later deletions
		at(1, 0)
		purge(0)
		expect(t, "restore after a day", restore(), nil)
		m.Recovery = 60 * day
		at(2, 0)
		w.removed(t, m, isSecret, secrets.Deletion{}) // due after 62
		m.Recovery = day
		at(30, 0)
		purge(1) // of the first deletion: it finds nothing
		expect(t, "restore after the first purge", restore(), nil)
		m.Recovery = 60 * day
		at(31, 0)
		w.removed(t, m, isSecret, secrets.Deletion{}) // due after 91
		at(62, 0)
		purge(1) // of the second
		at(91, time.Microsecond)
		purge(0)
		w.table.Check(t)
		at(91, 0)
		purge(1)
		purge(0)
		expect(t, "restore what was due", restore(), secrets.ErrNotFound)
		purged := 0
		for _, ev := range recordedEvents(t, w) {
			if strings.HasSuffix(ev, ".purged") {
				purged++
			}
		}
		if purged != 1 {
			t.Errorf("%d purges are recorded, want 1", purged)
		}
		w.table.Check(t)
		checkReplay(t, w.table, w.caller)
	}
}

// Of a purge and a restore at the same time one wins: all is back, or nothing is left.
func TestPurgeAndRestoreRace(t *testing.T) {
	t.Parallel()
	for _, isSecret := range []bool{false, true} {
		w := newWorld(t, secretstest.NewTable(t))
		for round := range 8 {
			m := w.table.Manager(t)
			it, err := m.CreateItem(t.Context(), w.caller, w.secret.ID.String(), itemInput(fmt.Sprint("ROUND_", round), "first"))
			if err != nil {
				t.Fatal(err)
			}
			w.item = it
			w.write(t, m, "second")
			was := w.contents(t)
			purges := func() int {
				return len(eventsOf(t, w.table, w.caller.AccountID, secrets.ItemPurged, secrets.SecretPurged))
			}
			before := purges()
			w.removed(t, m, isSecret, secrets.Deletion{})
			purger, restorer := w.table.Manager(t, secretstest.Inject(secretstest.Conflicts)), w.table.Manager(t, secretstest.Inject(secretstest.Conflicts))
			purger.Now = func() time.Time { return time.Now().Add(31 * 24 * time.Hour) }
			var wg sync.WaitGroup
			var purgeErr, restoreErr error
			wg.Go(func() { _, purgeErr = purger.PurgeSecrets(context.WithoutCancel(t.Context())) })
			wg.Go(func() {
				time.Sleep(time.Duration(round) * time.Millisecond)
				if isSecret {
					_, restoreErr = restorer.RestoreSecret(t.Context(), w.caller, w.secret.ID.String(), secrets.SecretInput{})
				} else {
					_, restoreErr = restorer.RestoreItem(t.Context(), w.caller, w.secret.ID.String(), it.ID.String(), secrets.ItemInput{})
				}
			})
			wg.Wait()
			isPurged := purges() > before
			if purgeErr != nil || isPurged != errors.Is(restoreErr, secrets.ErrNotFound) || !isPurged && restoreErr != nil {
				t.Errorf("purge: %v, purged %v, restore: %v", purgeErr, isPurged, restoreErr)
			}
			w.table.Check(t)
			switch {
			case !isPurged:
				after := w.contents(t)
				if diff := cmp.Diff(was, after, equalTimes, cmpopts.IgnoreFields(secrets.Secret{}, "Revision", "Checksum"),
					cmpopts.IgnoreFields(secrets.Item{}, "Revision", "Since")); diff != "" {
					t.Errorf("restored (-before +after):\n%s", diff)
				}
			case isSecret:
				w = newWorld(t, w.table)
			}
		}
	}
}

// The bin is a list like others, without what is claimed: pages forth and back, and a count.
func TestBinHasPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m := w.table.Manager(t)
	stuck := w.table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if strings.HasPrefix(c.What, "UpdateItem") { // the claim by the purge
			return secretstest.Before
		}
		return secretstest.None
	}))
	var items, all []uuid.UUID
	for n := range 7 {
		it, err := m.CreateItem(t.Context(), w.caller, w.secret.ID.String(), itemInput(fmt.Sprint("BIN_", n), "x"))
		if err != nil {
			t.Fatal(err)
		}
		secret, err := m.CreateSecret(t.Context(), w.caller, secretInput(fmt.Sprint("bin ", n)))
		if err != nil {
			t.Fatal(err)
		}
		of, d := m, secrets.Deletion{}
		if n%3 == 1 {
			of, d.Permanent = stuck, true
		} else {
			items, all = append(items, it.ID), append(all, secret.ID)
		}
		if err := of.DeleteItem(t.Context(), w.caller, w.secret.ID.String(), it.ID.String(), d); err != nil {
			t.Fatal(err)
		}
		if err := of.DeleteSecret(t.Context(), w.caller, secret.ID.String(), d); err != nil {
			t.Fatal(err)
		}
	}
	limited := w.caller
	limited.Rights = secrets.Rights{Permissions: secrets.List | secrets.Write, Secrets: append([]uuid.UUID{w.secret.ID, uuid.New()}, all[1:]...)}
	type page struct {
		ids            []uuid.UUID
		count          int
		next, previous *secrets.Cursor
	}
	ofSecrets := func(c secrets.Caller) func(secrets.Cursor) (page, error) {
		return func(from secrets.Cursor) (x page, err error) {
			p, err := m.DeletedSecrets(t.Context(), c, from, 2)
			for _, d := range p.Results {
				x.ids = append(x.ids, d.Secret.ID)
			}
			x.count, x.next, x.previous = p.Count, p.Next, p.Previous
			return x, err
		}
	}
	for name, list := range map[string]struct {
		want []uuid.UUID
		page func(secrets.Cursor) (page, error)
	}{
		"items": {items, func(from secrets.Cursor) (x page, err error) {
			p, err := m.DeletedItems(t.Context(), w.caller, w.secret.ID.String(), from, 2)
			for _, d := range p.Results {
				x.ids = append(x.ids, d.Item.ID)
			}
			x.count, x.next, x.previous = p.Count, p.Next, p.Previous
			return x, err
		}},
		"secrets":                     {all, ofSecrets(w.caller)},
		"secrets of a limited caller": {all[1:], ofSecrets(limited)},
	} {
		var forth, back []uuid.UUID
		var last page
		for from := new(secrets.Cursor); from != nil; from = last.next {
			var err error
			if last, err = list.page(*from); err != nil || last.count != len(list.want) || len(last.ids) > 2 {
				t.Fatalf("%s: %+v, %v, want a count of %d", name, last, err, len(list.want))
			}
			forth = append(forth, last.ids...)
		}
		for at := last; ; {
			back = append(slices.Clone(at.ids), back...)
			if at.previous == nil {
				break
			}
			var err error
			if at, err = list.page(*at.previous); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(forth, list.want) || !slices.Equal(back, list.want) {
			t.Errorf("%s: %v forth and %v back, want %v", name, forth, back, list.want)
		}
	}
	w.table.Check(t)
}

package secrets_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// conditional is a write that rests on the revision of what it changes.
type conditional struct {
	name     string
	at       func(t *testing.T, w world) int64 // its revision
	do       func(m *secrets.Manager, w world, match secrets.Match) error
	nothing  func(m *secrets.Manager, w world, match secrets.Match) error // of the same object, without a change; nil: there is none
	invalid  func(m *secrets.Manager, w world, match secrets.Match) error
	missing  func(m *secrets.Manager, w world, match secrets.Match) error
	isDelete bool
}

func conditionals(ctx context.Context) []conditional {
	item := func(t *testing.T, w world) int64 { _, it := w.now(t); return it.Revision }
	secret := func(t *testing.T, w world) int64 { s, _ := w.now(t); return s.Revision }
	second := func(t *testing.T, w world) int64 {
		s, err := w.table.Manager(t).Secret(t.Context(), w.caller, w.second.ID.String())
		if err != nil {
			t.Fatal(err)
		}
		return s.Revision
	}
	service := func(t *testing.T, w world) int64 {
		s, err := w.table.Manager(t).Service(t.Context(), w.caller, w.service.ID.String())
		if err != nil {
			t.Fatal(err)
		}
		return s.Version
	}
	updateItem := func(in secrets.ItemInput) func(*secrets.Manager, world, secrets.Match) error {
		return func(m *secrets.Manager, w world, match secrets.Match) error {
			in.IfMatch = match
			return errOf(m.UpdateItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), in))
		}
	}
	rollBack := func(to string) func(*secrets.Manager, world, secrets.Match) error {
		return func(m *secrets.Manager, w world, match secrets.Match) error {
			in := rollback(to)
			in.IfMatch = match
			return errOf(m.RollBackItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), in))
		}
	}
	rename := func(name string) func(*secrets.Manager, world, secrets.Match) error {
		return func(m *secrets.Manager, w world, match secrets.Match) error {
			return errOf(m.UpdateSecret(ctx, w.caller, w.secret.ID.String(), secrets.SecretInput{Name: secrets.Text(name), IfMatch: match}))
		}
	}
	updateService := func(in secrets.ServiceInput) func(*secrets.Manager, world, secrets.Match) error {
		return func(m *secrets.Manager, w world, match secrets.Match) error {
			in.IfMatch = match
			return errOf(m.UpdateService(ctx, w.caller, w.service.ID.String(), in))
		}
	}
	change := func(in secrets.BatchInput) func(*secrets.Manager, world, secrets.Match) error {
		return func(m *secrets.Manager, w world, match secrets.Match) error {
			in.IfMatch = match
			return errOf(m.BatchItems(ctx, w.caller, w.secret.ID.String(), in))
		}
	}
	// elsewhere does the same in a world without any of the objects.
	elsewhere := func(do func(*secrets.Manager, world, secrets.Match) error) func(*secrets.Manager, world, secrets.Match) error {
		return func(m *secrets.Manager, w world, match secrets.Match) error {
			w.secret.ID, w.second.ID, w.item.ID, w.service.ID = uuid.New(), uuid.New(), uuid.New(), uuid.New()
			return do(m, w, match)
		}
	}
	deleteItem := func(d secrets.Deletion) func(*secrets.Manager, world, secrets.Match) error {
		return func(m *secrets.Manager, w world, match secrets.Match) error {
			d.IfMatch = match
			return m.DeleteItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), d)
		}
	}
	deleteSecond := func(d secrets.Deletion) func(*secrets.Manager, world, secrets.Match) error {
		return func(m *secrets.Manager, w world, match secrets.Match) error {
			d.IfMatch = match
			return m.DeleteSecret(ctx, w.caller, w.second.ID.String(), d)
		}
	}
	deleteVersion := func(m *secrets.Manager, w world, match secrets.Match) error {
		return m.DeleteVersion(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), "1", secrets.Deletion{IfMatch: match})
	}
	deleteService := func(m *secrets.Manager, w world, match secrets.Match) error {
		return m.DeleteService(ctx, w.caller, w.service.ID.String(), match)
	}
	values := secrets.BatchInput{Items: []secrets.ItemInput{itemInput("NEW", "x")}}
	list := []conditional{
		{"value", item, updateItem(valueInput("x")), updateItem(secrets.ItemInput{}), updateItem(valueInput("")), nil, false},
		{"key", item, updateItem(secrets.ItemInput{Key: secrets.Text("NEW")}), updateItem(secrets.ItemInput{Key: secrets.Text("API_KEY")}),
			updateItem(secrets.ItemInput{Key: secrets.Text("not a key")}), nil, false},
		{"key among others", item, updateItem(secrets.ItemInput{Key: secrets.Text("NEW")}), nil,
			updateItem(secrets.ItemInput{Key: secrets.Text("OTHER")}), nil, false},
		{"name among others", secret, rename("new"), nil, rename("second"), nil, false},
		{"rollback", item, rollBack("1"), rollBack("2"), rollBack("9"), nil, false},
		{"delete version", item, deleteVersion, nil, nil, nil, true},
		{"delete item", item, deleteItem(secrets.Deletion{}), nil, nil, nil, true},
		{"delete item for good", item, deleteItem(secrets.Deletion{Permanent: true}), nil, nil, nil, true},
		{"rename", secret, rename("new"), rename("production"), rename(""), nil, false},
		{"batch", secret, change(values), change(secrets.BatchInput{Delete: []secrets.Field{secrets.Text("NONE")}}), change(secrets.BatchInput{}), nil, false},
		{"dry run", secret, change(secrets.BatchInput{Items: values.Items, DryRun: true}), nil, nil, nil, false},
		{"delete secret", second, deleteSecond(secrets.Deletion{}), nil, nil, nil, true},
		{"delete secret for good", second, deleteSecond(secrets.Deletion{Permanent: true}), nil, nil, nil, true},
		{"service", service, updateService(secrets.ServiceInput{Port: secrets.Text("81")}), updateService(secrets.ServiceInput{}),
			updateService(secrets.ServiceInput{Port: secrets.Text("x")}), nil, false},
		{"delete service", service, deleteService, nil, nil, nil, true},
	}
	for i := range list {
		list[i].missing = elsewhere(list[i].do)
	}
	return list
}

// A write with a revision that is not the object's changes nothing: ErrPrecondition, after ErrNotFound and Invalid, and
// before it is seen that there is nothing to do.
func TestWritesRestOnTheRevision(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	m := table.Manager(t)
	for _, tt := range conditionals(t.Context()) {
		w := newWorld(t, table)
		attach(t, &w)
		w.write(t, m, "second")
		at := tt.at(t, w)
		for _, wrong := range []secrets.Match{{}, {at + 1}, {at - 1, at + 1, 1 << 40}} {
			changed := w.changes(t, func() {
				expect(t, tt.name+" at another revision", tt.do(m, w, wrong), secrets.ErrPrecondition)
				if tt.nothing != nil {
					expect(t, tt.name+" without a change", tt.nothing(m, w, wrong), secrets.ErrPrecondition)
				}
			})
			if changed != nil {
				t.Errorf("%s at another revision changes %v", tt.name, changed)
			}
			expect(t, tt.name+" of what does not exist", tt.missing(m, w, wrong), secrets.ErrNotFound)
			if tt.invalid != nil {
				var invalid secrets.Invalid
				if err := tt.invalid(m, w, wrong); !errors.As(err, &invalid) {
					t.Errorf("%s with invalid input = %v, want Invalid", tt.name, err)
				}
			}
		}
		if tt.nothing != nil {
			expect(t, tt.name+" without a change", tt.nothing(m, w, secrets.Match{7, at}), nil)
		}
		if now := tt.at(t, w); now != at {
			t.Errorf("%s: the revision was %d, and is %d, though nothing was done", tt.name, at, now)
		}
		expect(t, tt.name+" at its revision", tt.do(m, w, secrets.Match{7, at}), nil)
		if !tt.isDelete && tt.name != "dry run" {
			if now := tt.at(t, w); now <= at {
				t.Errorf("%s: the revision was %d, and is %d", tt.name, at, now)
			}
			expect(t, tt.name+" at the former revision", tt.do(m, w, secrets.Match{at}), secrets.ErrPrecondition)
		}
	}
	table.Check(t)
}

// A change between the read of an object and the write is a failed precondition, not a lost update.
func TestPreconditionHoldsInTheTransaction(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	for _, tt := range conditionals(t.Context()) {
		if tt.name == "dry run" { // there is no write
			continue
		}
		w := newWorld(t, table)
		attach(t, &w)
		rival := table.Manager(t)
		w.write(t, rival, "second")
		at, done := tt.at(t, w), false
		meanwhile := func() error {
			ctx := context.Background()
			switch tt.name {
			case "service", "delete service":
				return errOf(rival.UpdateService(ctx, w.caller, w.service.ID.String(), secrets.ServiceInput{Port: secrets.Text("82")}))
			case "delete secret", "delete secret for good":
				return errOf(rival.CreateItem(ctx, w.caller, w.second.ID.String(), itemInput("MEANWHILE", "x")))
			}
			return errOf(rival.UpdateItem(ctx, w.caller, w.secret.ID.String(), w.item.ID.String(), valueInput("meanwhile")))
		}
		m := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
			if c.What == "TransactWriteItems" && !done {
				done = true
				if err := meanwhile(); err != nil {
					t.Errorf("%s: meanwhile: %v", tt.name, err)
				}
			}
			return secretstest.None
		}))
		expect(t, tt.name+" of what has changed meanwhile", tt.do(m, w, secrets.Match{at}), secrets.ErrPrecondition)
		if !done {
			t.Errorf("%s writes nothing", tt.name)
		}
	}
	table.Check(t)
}

// An item never has a revision twice, and its secret's moves with each change of its items and its name. Reads move none.
func TestRevisionsNeverReturn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m := w.table.Manager(t)
	ctx, c, sid, iid := t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String()
	had := map[int64]bool{}
	restore := func() error { return errOf(m.RestoreItem(ctx, c, sid, iid, secrets.ItemInput{})) }
	rename := func(key string) func() error {
		return func() error { return errOf(m.UpdateItem(ctx, c, sid, iid, secrets.ItemInput{Key: secrets.Text(key)})) }
	}
	replace := func(value string) func() error {
		return func() error {
			return errOf(m.BatchItems(ctx, c, sid, secrets.BatchInput{Items: []secrets.ItemInput{itemInput("API_KEY", value)}}))
		}
	}
	last, _ := w.now(t)
	for i, do := range []func() error{
		rename("RENAMED"), rename("API_KEY"), replace("second"), replace("second"),
		func() error { return errOf(m.RollBackItem(ctx, c, sid, iid, rollback("1"))) },
		func() error { return errOf(m.RollBackItem(ctx, c, sid, iid, rollback("3"))) },
		func() error { return errors.Join(m.DeleteItem(ctx, c, sid, iid, secrets.Deletion{}), restore()) },
		func() error {
			_, err := m.BatchItems(ctx, c, sid, secrets.BatchInput{Delete: []secrets.Field{secrets.Text("API_KEY")}})
			return errors.Join(err, restore())
		},
		func() error {
			return errors.Join(m.DeleteSecret(ctx, c, sid, secrets.Deletion{}), errOf(m.RestoreSecret(ctx, c, sid, secrets.SecretInput{})))
		},
		func() error { return errOf(m.UpdateSecret(ctx, c, sid, secretInput("renamed"))) },
		func() error { return errOf(m.CreateItem(ctx, c, sid, itemInput("NEW", "x"))) },
		func() error { return m.DeleteItem(ctx, c, sid, w.other.ID.String(), secrets.Deletion{}) },
	} {
		if err := do(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		secret, it := w.now(t)
		if i < 8 && had[it.Revision] || secret.Revision <= last.Revision {
			t.Errorf("step %d: revision %d of the item, %d of the secret after %d", i, it.Revision, secret.Revision, last.Revision)
		}
		had[it.Revision], last = true, secret
	}
	secret, it := w.now(t)
	for name, read := range map[string]func() error{
		"reveal":         func() error { return errOf(m.RevealItem(ctx, c, sid, iid)) },
		"reveal version": func() error { return errOf(m.RevealVersion(ctx, c, sid, iid, "1")) },
		"export":         func() error { return errOf(m.ExportSecret(ctx, c, sid, nil)) },
		"versions":       func() error { return errOf(m.Versions(ctx, c, sid, iid)) },
	} {
		expect(t, name, read(), nil)
		if s, x := w.now(t); s.Revision != secret.Revision || x.Revision != it.Revision {
			t.Errorf("%s moves the revisions", name)
		}
	}
	w.table.Check(t)
}

// A reveal of a revision that the caller knows is free, for a caller that still may have it. Any other is a reveal.
func TestRevealOfAKnownRevisionIsFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m, used := w.counted(t)
	_, it := w.now(t)
	ctx, sid, iid := t.Context(), w.secret.ID.String(), w.item.ID.String()
	reader := join(t, w.table, w.caller, userInput(secrets.Machine, secrets.Reveal|secrets.List))
	known := secrets.Match{1, it.Revision}
	used.Take()
	changed := w.changes(t, func() {
		for range 3 {
			r, err := m.RevealChangedItem(ctx, reader.Caller, sid, iid, known)
			if err != nil || !r.Same || r.Value.Reveal() != "" || r.Item.Revision != it.Revision || r.Budget != (secrets.Budget{}) {
				t.Errorf("a reveal of a known revision = %+v, %v", r, err)
			}
		}
	})
	if calls := used.Take(); calls.String() != "3 BatchGetItem" || changed != nil {
		t.Errorf("it calls %v, and changes %v", calls, changed)
	}

	// Anything else is charged.
	left := -1
	for what, do := range map[string]func() (secrets.Revealed, error){
		"another revision": func() (secrets.Revealed, error) {
			return m.RevealChangedItem(ctx, reader.Caller, sid, iid, secrets.Match{it.Revision + 1})
		},
		"none": func() (secrets.Revealed, error) {
			return m.RevealChangedItem(ctx, reader.Caller, sid, iid, secrets.Match{})
		},
		"revision 0, no item": func() (secrets.Revealed, error) {
			return m.RevealChangedItem(ctx, reader.Caller, sid, uuid.NewString(), secrets.Match{0})
		},
		"no secret": func() (secrets.Revealed, error) {
			return m.RevealChangedItem(ctx, reader.Caller, uuid.NewString(), iid, known)
		},
		"a malformed id": func() (secrets.Revealed, error) {
			return m.RevealChangedItem(ctx, reader.Caller, sid, "x", secrets.Match{0})
		},
	} {
		r, err := do()
		isThere := what == "another revision" || what == "none"
		if isThere && (err != nil || r.Value.Reveal() != "value of API_KEY") || !isThere && !errors.Is(err, secrets.ErrNotFound) || r.Same {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
		if left >= 0 && r.Budget.Left != left-1 {
			t.Errorf("%s: %d reveals are left, want %d", what, r.Budget.Left, left-1)
		}
		left = r.Budget.Left
	}
	if calls := used.Take(); calls.Calls["KMS Decrypt"] != 2 {
		t.Errorf("they call %v, want two values opened", calls)
	}

	// What the key lost counts at once, also for what it knows.
	narrowed := join(t, w.table, w.caller, userInput(secrets.Machine, secrets.Reveal|secrets.List))
	in := secrets.KeyInput{Permissions: secrets.Texts("list")}
	if _, err := m.UpdateKey(ctx, w.caller, narrowed.key.ID.String(), in); err != nil {
		t.Fatal(err)
	}
	limited := join(t, w.table, w.caller, userInput(secrets.Machine, secrets.Reveal|secrets.List))
	if _, err := m.UpdateKey(ctx, w.caller, limited.key.ID.String(), secrets.KeyInput{Secrets: idsField(uuid.New())}); err == nil {
		t.Fatal("a key was limited to a secret that does not exist")
	}
	other, err := m.CreateSecret(ctx, w.caller, secretInput("other"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.UpdateKey(ctx, w.caller, limited.key.ID.String(), secrets.KeyInput{Secrets: idsField(other.ID)}); err != nil {
		t.Fatal(err)
	}
	if err := m.DeleteKey(ctx, w.caller, reader.key.ID.String(), false); err != nil {
		t.Fatal(err)
	}
	used.Take()
	for _, tt := range []struct {
		c    secrets.Caller
		want error
	}{{reader.Caller, secrets.ErrUnauthenticated}, {narrowed.Caller, secrets.ErrDenied}, {limited.Caller, secrets.ErrNotFound}} {
		expect(t, "a known revision without the right", errOf(m.RevealChangedItem(ctx, tt.c, sid, iid, known)), tt.want)
	}
	if calls := used.Take(); calls.String() != "3 BatchGetItem" {
		t.Errorf("they call %v", calls)
	}
	w.table.Check(t)
}

// The answer of a rename has the revision that the secret really has.
func TestRenameAnswersWithItsRevision(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	other := w.table.Manager(t)
	ctx, sid := t.Context(), w.secret.ID.String()
	m := w.table.Manager(t, secretstest.Inject(before(t, "TransactWriteItems", 0, func() {
		if _, err := other.CreateItem(ctx, w.caller, sid, itemInput("NEW", "x")); err != nil {
			t.Error(err)
		}
	})))
	renamed, err := m.UpdateSecret(ctx, w.caller, sid, secretInput("renamed"))
	if err != nil {
		t.Fatal(err)
	}
	now, err := other.Secret(ctx, w.caller, sid)
	if err != nil || now.Revision != renamed.Revision {
		t.Errorf("the answer has revision %d, the secret %d, %v: If-Match with the answer's ETag is a 412, though there was no other write", renamed.Revision, now.Revision, err)
	}
}

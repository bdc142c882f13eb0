package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// posting is an operation that makes something. do returns the ids and what else its answer says.
type posting struct {
	name    string
	prepare func(t *testing.T, w *world)
	do      func(ctx context.Context, m *secrets.Manager, w world, c secrets.Caller) (answer string, err error)
	change  func(ctx context.Context, m *secrets.Manager, w world, answer string) error // changes what was made
	remove  func(ctx context.Context, m *secrets.Manager, w world, answer string) error
}

func postings() []posting {
	told := func(id uuid.UUID, more ...any) string { return fmt.Sprint(append([]any{id, " "}, more...)...) }
	made := func(answer string) string { id, _, _ := strings.Cut(answer, " "); return id }
	updateItem := func(ctx context.Context, m *secrets.Manager, w world, answer string) error {
		return errOf(m.UpdateItem(ctx, w.caller, w.secret.ID.String(), made(answer), valueInput("changed")))
	}
	deleteItem := func(ctx context.Context, m *secrets.Manager, w world, answer string) error {
		return m.DeleteItem(ctx, w.caller, w.secret.ID.String(), made(answer), secrets.Deletion{})
	}
	rename := func(ctx context.Context, m *secrets.Manager, w world, answer string) error {
		return errOf(m.UpdateSecret(ctx, w.caller, made(answer), secretInput("changed")))
	}
	deleteSecret := func(ctx context.Context, m *secrets.Manager, w world, answer string) error {
		return m.DeleteSecret(ctx, w.caller, made(answer), secrets.Deletion{})
	}
	return []posting{
		{"secret", nil,
			func(ctx context.Context, m *secrets.Manager, _ world, c secrets.Caller) (string, error) {
				x, err := m.CreateSecret(ctx, c, secretInput("made"))
				return told(x.ID, x.Name, x.Revision, x.CreatedAt), err
			}, rename, deleteSecret},
		{"restored secret", binSecret,
			func(ctx context.Context, m *secrets.Manager, w world, c secrets.Caller) (string, error) {
				x, err := m.RestoreSecret(ctx, c, w.secret.ID.String(), secretInput("back"))
				return told(x.ID, x.Name, x.Revision, x.CreatedAt), err
			}, rename, deleteSecret},
		{"item", nil,
			func(ctx context.Context, m *secrets.Manager, w world, c secrets.Caller) (string, error) {
				x, err := m.CreateItem(ctx, c, w.secret.ID.String(), itemInput("MADE", "value"))
				return told(x.ID, x.Key, x.Revision, x.UpdatedAt), err
			}, updateItem, deleteItem},
		{"restored item", binItem,
			func(ctx context.Context, m *secrets.Manager, w world, c secrets.Caller) (string, error) {
				x, err := m.RestoreItem(ctx, c, w.secret.ID.String(), w.item.ID.String(), secrets.ItemInput{Key: secrets.Text("BACK")})
				return told(x.ID, x.Key, x.Revision, x.UpdatedAt), err
			}, updateItem, deleteItem},
		{"rollback", rotate,
			func(ctx context.Context, m *secrets.Manager, w world, c secrets.Caller) (string, error) {
				x, err := m.RollBackItem(ctx, c, w.secret.ID.String(), w.item.ID.String(), rollback("1"))
				return told(x.ID, x.Version, x.Revision, x.UpdatedAt), err
			}, updateItem, deleteItem},
		{"batch", nil,
			func(ctx context.Context, m *secrets.Manager, w world, c secrets.Caller) (string, error) {
				done, err := m.BatchItems(ctx, c, w.secret.ID.String(), secrets.BatchInput{
					Items:  []secrets.ItemInput{itemInput("MADE", "value"), itemInput("API_KEY", "value")},
					Delete: []secrets.Field{secrets.Text("NONE"), secrets.Text("OTHER")},
				})
				return fmt.Sprint(done), err
			}, nil, nil},
		{"service", nil,
			func(ctx context.Context, m *secrets.Manager, w world, c secrets.Caller) (string, error) {
				x, err := m.CreateService(ctx, c, serviceInput("app", w.secret.ID))
				return told(x.ID, x.Name, x.Version, x.UpdatedAt), err
			},
			func(ctx context.Context, m *secrets.Manager, w world, answer string) error {
				return errOf(m.UpdateService(ctx, w.caller, made(answer), secrets.ServiceInput{Port: secrets.Text("99")}))
			},
			func(ctx context.Context, m *secrets.Manager, w world, answer string) error {
				return m.DeleteService(ctx, w.caller, made(answer), nil)
			}},
		{"user", nil,
			func(ctx context.Context, m *secrets.Manager, _ world, c secrets.Caller) (string, error) {
				x, err := m.CreateUser(ctx, c, userInput(secrets.Machine, secrets.List))
				return told(x.ID, x.Name, x.CreatedAt), err
			}, nil,
			func(ctx context.Context, m *secrets.Manager, w world, answer string) error {
				return m.DeleteUser(ctx, w.caller, made(answer))
			}},
	}
}

// tokens are the rows of tokens in a table.
func tokens(t testing.TB, table *secretstest.Table) (rows []secretstest.Row) {
	t.Helper()
	for _, row := range table.Rows(t) {
		if strings.HasPrefix(fmt.Sprint(row["PK"]), "IDEMPOTENCY#") {
			rows = append(rows, row)
		}
	}
	return rows
}

// The same request under the same token is done once for a day, and gets the same answer. Another one is refused.
func TestTokenMakesOnce(t *testing.T) {
	t.Parallel()
	const key = "a key of the client, which it keeps"
	for _, op := range postings() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, secretstest.NewTable(t))
			m := w.table.Manager(t)
			ctx := t.Context()
			rival := join(t, w.table, w.caller, userInput(secrets.Machine, secrets.Every)).Caller
			if op.prepare != nil {
				op.prepare(t, &w)
			}
			c := w.caller
			c.Token = secrets.NewToken(key, "POST", op.name)
			first, err := op.do(ctx, m, w, c)
			if err != nil {
				t.Fatal(err)
			}
			repeat := func(what string, wantErr error) {
				t.Helper()
				var got string
				changed := w.changes(t, func() { got, err = op.do(ctx, m, w, c) })
				if !errors.Is(err, wantErr) || wantErr == nil && (err != nil || got != first) || changed != nil {
					t.Errorf("%s = %s, %v, changes %v, want %s, %v", what, got, err, changed, first, wantErr)
				}
			}
			repeat("again", nil)
			m.Now = func() time.Time { return time.Now().Add(24*time.Hour - time.Minute) }
			repeat("again after almost a day", nil)
			c.Token = secrets.NewToken(key, "POST", op.name+" of something else")
			repeat("another request", secrets.ErrTokenReused)
			c.Token = secrets.NewToken(key, "POST", op.name)

			// A caller without list gets the answer of the first time, if that is how it is now.
			blind := c
			blind.Rights.Permissions &^= secrets.List
			if got, err := op.do(ctx, m, w, blind); err != nil || got != first {
				t.Errorf("again, without list = %s, %v, want %s", got, err, first)
			}

			// The token is its user's.
			other := rival
			other.Token = c.Token
			_, err = op.do(ctx, m, w, other)
			for _, kept := range []error{secrets.ErrTokenReused, secrets.ErrAnswered} {
				if errors.Is(err, kept) {
					t.Errorf("another user's request = %v", err)
				}
			}
			rows := tokens(t, w.table)
			if want := map[bool]int{true: 2, false: 1}[err == nil]; len(rows) != want {
				t.Errorf("%d tokens are kept, want %d", len(rows), want)
			}
			for _, row := range w.table.Rows(t) {
				if strings.Contains(fmt.Sprint(row), key) {
					t.Errorf("%v has the token's key", row)
				}
			}

			if op.change != nil {
				if err := op.change(ctx, m, w, first); err != nil {
					t.Fatal(err)
				}
				if got, err := op.do(ctx, m, w, c); err != nil || got[:36] != first[:36] || got == first {
					t.Errorf("again, after a change = %s, %v, want it as it is now", got, err)
				}
				_, err := op.do(ctx, m, w, blind)
				expect(t, "again, after a change, without list", err, secrets.ErrAnswered)
			}
			if op.remove != nil {
				if err := op.remove(ctx, m, w, first); err != nil {
					t.Fatal(err)
				}
				repeat("again, after a deletion", secrets.ErrAnswered)
			}
			// After a day it is a new request, whether or not the row is gone.
			m.Now = func() time.Time { return time.Now().Add(24*time.Hour + time.Minute) }
			got, err := op.do(ctx, m, w, c)
			var invalid secrets.Invalid
			if got == first || err != nil && !errors.As(err, &invalid) && !errors.Is(err, secrets.ErrNotFound) {
				t.Errorf("after a day = %s, %v, want another try", got, err)
			}
			w.table.Check(t)
			checkReplay(t, w.table, w.caller)
		})
	}
}

// Of requests with one token at the same time, one is done, and all are answered.
func TestTokenMakesOnceUnderRivals(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	for _, op := range postings() {
		w := newWorld(t, table)
		if op.prepare != nil {
			op.prepare(t, &w)
		}
		c := w.caller
		c.Token = secrets.NewToken("key", op.name)
		events := len(recordedEvents(t, w))
		answers, failed := make([]string, 4), make([]error, 4)
		var wg sync.WaitGroup
		for i := range answers {
			m := table.Manager(t)
			wg.Go(func() { answers[i], failed[i] = op.do(context.WithoutCancel(t.Context()), m, w, c) })
		}
		wg.Wait()
		for i, err := range failed {
			if err != nil || answers[i] != answers[0] {
				t.Errorf("%s: %s, %v, and %s", op.name, answers[i], err, answers[0])
			}
		}
		if n := len(recordedEvents(t, w)) - events; n != 1 {
			t.Errorf("%s: done %d times", op.name, n)
		}
	}
	table.Check(t)
}

// What failed is not kept, and what finds nothing to do is.
func TestTokenOfWhatIsNotDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m := w.table.Manager(t)
	ctx, sid, iid := t.Context(), w.secret.ID.String(), w.item.ID.String()
	c, blind := w.caller, w.caller
	blind.Rights.Permissions &^= secrets.List
	c.Token = secrets.NewToken("one", "request")
	blind.Token = c.Token
	keeps := func(what string, want int, do func()) {
		t.Helper()
		if do(); len(tokens(t, w.table)) != want {
			t.Errorf("%s: %d tokens are kept, want %d", what, len(tokens(t, w.table)), want)
		}
	}
	toBatch := secrets.BatchInput{Delete: []secrets.Field{secrets.Text("NONE")}}
	for range 2 {
		keeps("a failure", 0, func() {
			if err := errOf(m.CreateSecret(ctx, c, secretInput("production"))); !refused(err, "name") {
				t.Errorf("a taken name = %v", err)
			}
			expect(t, "a missing secret", errOf(m.CreateItem(ctx, c, uuid.NewString(), itemInput("NEW", "x"))), secrets.ErrNotFound)
			if err := errOf(m.CreateItem(ctx, c, sid, itemInput("OTHER", "x"))); !refused(err, "key") {
				t.Errorf("a taken key = %v", err)
			}
			// Without list, what finds nothing to do only reads.
			expect(t, "a rollback to the current version", errOf(m.RollBackItem(ctx, blind, sid, iid, rollback("1"))), secrets.ErrDenied)
			expect(t, "a batch of nothing", errOf(m.BatchItems(ctx, blind, sid, toBatch)), secrets.ErrDenied)
			dry := toBatch
			dry.DryRun = true
			expect(t, "a dry run", errOf(m.BatchItems(ctx, c, sid, dry)), nil)
		})
	}
	keeps("a batch of nothing", 1, func() {
		for range 2 {
			done, err := m.BatchItems(ctx, c, sid, toBatch)
			if err != nil || len(done) != 1 || done[0].Done != secrets.DoneNothing {
				t.Errorf("a batch of nothing = %v, %v", done, err)
			}
		}
	})
	c.Token = secrets.NewToken("two", "request")
	keeps("a rollback to the current version", 2, func() {
		for range 2 {
			it, err := m.RollBackItem(ctx, c, sid, iid, rollback("1"))
			if err != nil || it.Revision != w.item.Revision {
				t.Errorf("a rollback to the current version = %v, %v", it, err)
			}
		}
		c.Token = secrets.NewToken("two", "another request")
		expect(t, "another request", errOf(m.RollBackItem(ctx, c, sid, iid, rollback("1"))), secrets.ErrTokenReused)
	})
	// A repetition asks the gate first.
	c.Token = secrets.NewToken("one", "request")
	c.Rights.Permissions &^= secrets.Write
	expect(t, "again, without write", errOf(m.BatchItems(ctx, c, sid, toBatch)), secrets.ErrDenied)
	w.table.Check(t)
}

// A key's text is shown once: the second answer names the key.
func TestTokenOfAKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m := w.table.Manager(t)
	c := w.caller
	c.Token = secrets.NewToken("token's key", "request")
	in := secrets.KeyInput{Name: secrets.Text("made")}
	var wg sync.WaitGroup
	var lock sync.Mutex
	var made []secrets.NewKey
	var again []uuid.UUID
	for range 4 {
		wg.Go(func() {
			k, err := m.CreateKey(context.WithoutCancel(t.Context()), c, in)
			var known secrets.KeyMade
			lock.Lock()
			defer lock.Unlock()
			switch {
			case err == nil:
				made = append(made, k)
			case errors.As(err, &known) && k.Text == "":
				again = append(again, known.ID)
			default:
				t.Errorf("%v, %v", k, err)
			}
		})
	}
	wg.Wait()
	if len(made) != 1 || len(again) != 3 {
		t.Fatalf("%d keys are made, and %d named, want 1 and 3", len(made), len(again))
	}
	for _, id := range again {
		if id != made[0].ID {
			t.Errorf("key %s is named, want %s", id, made[0].ID)
		}
	}
	for _, row := range w.table.Rows(t) {
		if text := fmt.Sprint(row); strings.Contains(text, made[0].Text) || strings.Contains(text, "token's key") {
			t.Errorf("%v has a key's text", row)
		}
	}
	c.Token = secrets.NewToken("token's key", "another request")
	expect(t, "another request", errOf(m.CreateKey(t.Context(), c, in)), secrets.ErrTokenReused)
	// As it says: deleted, and made again with another token.
	if err := m.DeleteKey(t.Context(), w.caller, made[0].ID.String(), false); err != nil {
		t.Fatal(err)
	}
	c.Token = secrets.NewToken("next", "request")
	if k, err := m.CreateKey(t.Context(), c, in); err != nil || k.ID == made[0].ID {
		t.Errorf("with another token: %v, %v", k.ID, err)
	}
	w.table.Check(t)
}

// A request without a token makes no call for one, and one with a token makes one more.
func TestTokenCostsOneRead(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	for _, op := range postings() {
		var made [2][]secretstest.Call
		for i, token := range []secrets.Token{{}, secrets.NewToken("key", "request")} {
			w := newWorld(t, table)
			if op.prepare != nil {
				op.prepare(t, &w)
			}
			made[i], _ = calls(t, w, func(ctx context.Context, m *secrets.Manager, w world) error {
				c := w.caller
				c.Token = token
				return errOf(op.do(ctx, m, w, c))
			})
		}
		var reads int
		for _, call := range made[0] {
			if strings.Contains(call.What, "IDEMPOTENCY") {
				t.Errorf("%s without a token: %v", op.name, call)
			}
		}
		for _, call := range made[1] {
			if call.What == "GetItem IDEMPOTENCY" {
				reads++
			}
		}
		if reads != 1 || len(made[1]) != len(made[0])+1 {
			t.Errorf("%s: %v, with a token %v", op.name, made[0], made[1])
		}
	}
	table.Check(t)
}

// All parts of a request count for its MAC, whatever their limits, and nothing of the key is in it.
func TestTokenKnowsItsRequest(t *testing.T) {
	t.Parallel()
	seen := map[secrets.Token]string{}
	for _, parts := range [][]string{{}, {""}, {"a"}, {"a", ""}, {"", "a"}, {"ab"}, {"a", "b"}, {"1:a"}, {"a1:b"}} {
		for _, key := range []string{"", "k", "K"} {
			token, what := secrets.NewToken(key, parts...), fmt.Sprintf("%q %q", key, parts)
			if other, exists := seen[token]; exists {
				t.Errorf("%s has the token of %s", what, other)
			}
			if token != secrets.NewToken(key, parts...) || token == (secrets.Token{}) {
				t.Errorf("%s: %v, and then another", what, token)
			}
			seen[token] = what
		}
	}
}

package secrets_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/infra/functions"
	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// tries are the rows of refused tries of an account, by action and minute, in short.
func tries(t *testing.T, table *secretstest.Table, account uuid.UUID) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, row := range table.Rows(t) {
		if row["PK"] == "REFUSED#"+account.String() {
			at := secrets.Event{ID: uuid.MustParse(fmt.Sprint(row["SK"]))}.At()
			name := fmt.Sprint(at.Format("15:04:05.000000"), " ", row["outcome"], " ", row["action"], " ", row["user_id"])
			if _, exists := found[name]; exists {
				t.Errorf("two rows of %s", name)
			}
			found[name] = fmt.Sprint(row["tries"], " ", row["first"], " ", row["last"])
			if text := fmt.Sprint(row); strings.Contains(text, "gob_") || strings.Contains(text, "plain value") {
				t.Errorf("a row with a key or a value: %s", text)
			}
		}
	}
	return found
}

// What is refused to a known caller is counted, by user, outcome, action and minute. All else is not.
func TestRefusedTriesAreCounted(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	attach(t, &w)
	const list, reveal, write = secrets.List, secrets.Reveal, secrets.Write
	reader := join(t, table, w.caller, userInput(secrets.Person, list))
	limited := join(t, table, w.caller, userInput(secrets.Person, list|reveal|write, w.secret.ID))
	lacking := join(t, table, w.caller, userInput(secrets.Person, list|secrets.Admin))
	gone := join(t, table, w.caller, userInput(secrets.Person, list|reveal))
	var usage secretstest.Usage
	m := table.Manager(t, usage.Count)
	m.Log, m.RevealLimit, m.RevealWindow = slog.New(slog.DiscardHandler), 2, time.Hour
	if err := m.DeleteUser(t.Context(), w.caller, gone.UserID.String()); err != nil {
		t.Fatal(err)
	}
	minute := time.Now().UTC().Truncate(time.Minute).Add(time.Minute)
	now := minute
	m.Now = func() time.Time { return now }
	secret, item, second := w.secret.ID.String(), w.item.ID.String(), w.second.ID.String()
	const ofItem, ofItems, ofSecret = "/api/secrets/{secret_id}/items/{item_id}", "/api/secrets/{secret_id}/items", "/api/secrets/{secret_id}"
	for range m.RevealLimit {
		if _, err := m.RevealItem(t.Context(), w.caller, secret, item); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{}
	counts := map[string]int{}
	firsts := map[string]string{}
	for i, try := range []struct {
		by             secrets.Caller
		serve          func(*secrets.Manager) http.Handler
		path, q, body  string
		ids            []string
		status         int
		outcome, asked string // empty: not counted
	}{
		{reader.Caller, httpapi.GetItem, ofItem, "", "", []string{secret, item}, 403, "denied", secrets.ItemRevealed},
		{reader.Caller, httpapi.GetItem, ofItem, "", "", []string{secret, "none"}, 403, "denied", secrets.ItemRevealed},
		{reader.Caller, httpapi.CreateItem, ofItems, "", `{"key":"K","value":"plain value"}`, []string{secret}, 403, "denied", secrets.ItemCreated},
		{limited.Caller, httpapi.GetSecret, ofSecret, "", "", []string{second}, 404, "denied", secrets.SecretRead},
		{limited.Caller, httpapi.GetItem, ofItem, "", "", []string{second, item}, 404, "denied", secrets.ItemRevealed},
		{limited.Caller, httpapi.GetSecret, ofSecret, "", "", []string{uuid.NewString()}, 404, "denied", secrets.SecretRead},
		{limited.Caller, httpapi.CreateSecret, "/api/secrets", "", `{"name":"x"}`, nil, 403, "denied", secrets.SecretCreated},
		{lacking.Caller, httpapi.CreateUser, "/api/users", "", `{"kind":"machine","name":"m","permissions":["reveal"]}`, nil, 403, "denied", secrets.UserCreated},
		{w.caller, httpapi.GetItem, ofItem, "", "", []string{secret, item}, 429, "throttled", secrets.ItemRevealed},
		{w.caller, httpapi.GetItem, ofItem, "", "", []string{secret, item}, 429, "throttled", secrets.ItemRevealed},
		{reader.Caller, httpapi.ListEvents, "/api/events", "?user=" + w.caller.UserID.String(), "", nil, 403, "denied", secrets.EventRead},

		{gone.Caller, httpapi.GetItem, ofItem, "", "", []string{secret, item}, 401, "", ""},
		{reader.Caller, httpapi.GetSecret, ofSecret, "?x=1", "", []string{secret}, 400, "", ""},
		{limited.Caller, httpapi.CreateItem, ofItems, "", `{"key":"gob_/","value":"plain value"}`, []string{secret}, 400, "", ""},
		{reader.Caller, httpapi.GetSecret, ofSecret, "", "", []string{uuid.NewString()}, 404, "", ""},
		{reader.Caller, httpapi.GetSecret, ofSecret, "", "", []string{"none"}, 404, "", ""},
		{limited.Caller, httpapi.GetItem, ofItem, "", "", []string{secret, uuid.NewString()}, 404, "", ""},
		{limited.Caller, httpapi.GetItem, ofItem, "", "", []string{secret, item}, 429, "throttled", secrets.ItemRevealed}, // charged above
		{w.caller, httpapi.DeleteSecret, ofSecret, "", "", []string{secret}, 409, "", ""},                                 // services use it
		{reader.Caller, httpapi.ListSecrets, "/api/secrets", "?cursor=x", "", nil, 404, "", ""},
	} {
		for range 2 { // in two minutes
			now = minute.Add(time.Duration(i) * 2 * time.Second)
			usage.Take()
			rec := exchange(t, try.serve(m), try.by, "GET", try.path, try.q, try.body, try.ids...)
			used := usage.Take()
			if rec.Code != try.status {
				t.Errorf("%d: %s by %s = %d, want %d: %s", i, try.path, try.by.UserName, rec.Code, try.status, rec.Body)
			}
			n := 0
			if try.outcome != "" {
				n = 1
				name := fmt.Sprint(now.Truncate(time.Minute).Format("15:04:05.000000"), " ", try.outcome, " ", try.asked, " ", try.by.UserID)
				at := now.Format("2006-01-02T15:04:05.000000Z")
				if counts[name]++; counts[name] == 1 {
					firsts[name] = at
				}
				want[name] = fmt.Sprint(counts[name], " ", firsts[name], " ", at)
			}
			if used.Calls[secretstest.CountRefused] != n || used.IndexWrites != 0 || try.status == 403 && used.Writes != 1 {
				t.Errorf("%d: %s by %s used %v, %v units, want %d count of one unit", i, try.path, try.by.UserName, used, used.Writes, n)
			}
			minute = minute.Add(time.Minute)
		}
		minute = minute.Add(-2 * time.Minute)
	}
	// Without a caller there is no one to count for.
	rec := exchange(t, httpapi.ListSecrets(m), secrets.Caller{}, "GET", "/api/secrets", "", "")
	if rec.Code != 401 {
		t.Errorf("no caller = %d", rec.Code)
	}
	if diff := cmp.Diff(want, tries(t, table, w.caller.AccountID)); diff != "" {
		t.Errorf("refused tries (-want +got):\n%s", diff)
	}
	table.Check(t)
}

// Every route counts under its own action, for one unit. A failure to count changes no answer.
func TestEveryRouteCountsItsRefusals(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	u, err := table.Manager(t).CreateUser(t.Context(), w.caller, userInput(secrets.Person, secrets.Every))
	if err != nil {
		t.Fatal(err)
	}
	invited := invite(t, table, w.caller, u) // who may do almost nothing
	all, err := functions.Load()
	if err != nil {
		t.Fatal(err)
	}
	var usage secretstest.Usage
	m := table.Manager(t, usage.Count)
	failing := table.Manager(t, secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if c.What == "UpdateItem REFUSED" {
			return secretstest.Before
		}
		return secretstest.None
	}))
	m.Log, failing.Log = slog.New(slog.DiscardHandler), slog.New(slog.DiscardHandler)
	actions := map[string]string{
		"get-bundle": secrets.SecretExported, "batch-items": secrets.ItemsChanged, "list-versions": secrets.ItemRead, "rollback-item": secrets.ItemRolledBack,
		"restore-item": secrets.ItemRestored, "restore-secret": secrets.SecretRestored,
		"get-item": secrets.ItemRevealed, "get-budget": secrets.AccountRead, "get-review": secrets.EventRead}
	want := map[string]int{}
	for _, fn := range all {
		entry, known := matrix[fn.Name]
		for _, r := range fn.Routes() {
			if !known || fn.Name == "get-me" || fn.Name == "create-key" { // which are for the invited
				continue
			}
			verb, object, _ := strings.Cut(fn.Name, "-")
			action, special := actions[fn.Name]
			if strings.HasSuffix(r.Path, "/compare") { // a second route of get-bundle
				action = secrets.SecretCompared
			}
			switch {
			case special:
			case strings.HasSuffix(object, "events"):
				action = secrets.EventRead
			case verb == "get" || verb == "list":
				action = strings.TrimSuffix(object, "s") + ".read"
			default:
				action = object + map[string]string{"create": ".created", "update": ".updated", "delete": ".deleted"}[verb]
			}
			want[action]++
			ids := make([]string, strings.Count(r.Path, "{"))
			for i := range ids {
				ids[i] = uuid.NewString()
			}
			usage.Take()
			rec := exchange(t, entry.serve(m), invited.Caller, r.Method, r.Path, "", "", ids...)
			if used := usage.Take(); rec.Code != 403 || used.String() != "1 "+secretstest.CountRefused || used.Writes != 1 || used.IndexWrites != 0 {
				t.Errorf("%s = %d with %s, %v units, want 403 with one", fn.Name, rec.Code, used, used.Writes)
			}
			uncounted := exchange(t, entry.serve(failing), invited.Caller, r.Method, r.Path, "", "", ids...)
			if uncounted.Code != rec.Code || uncounted.Body.String() != rec.Body.String() || fmt.Sprint(uncounted.Header()) != fmt.Sprint(rec.Header()) {
				t.Errorf("%s, when it can't be counted = %d %s, want %d %s", fn.Name, uncounted.Code, uncounted.Body, rec.Code, rec.Body)
			}
		}
	}
	got := map[string]int{}
	for _, row := range table.Rows(t) {
		if row["PK"] == "REFUSED#"+w.caller.AccountID.String() {
			got[fmt.Sprint(row["action"])] += int(row["tries"].(float64)) // of two minutes, if one ended meanwhile
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tries by action (-want +got):\n%s", diff)
	}
}

// Tries at the same time are all counted.
func TestConcurrentTriesAreAllCounted(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	m := table.Manager(t)
	at := time.Now().Truncate(time.Minute)
	m.Now = func() time.Time { return at }
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 5 {
				m.Refused(t.Context(), w.caller, secrets.Try{Action: secrets.ItemRevealed}, secrets.ErrDenied)
			}
		})
	}
	wg.Wait()
	for name, row := range tries(t, table, w.caller.AccountID) {
		if !strings.HasPrefix(row, "80 ") {
			t.Errorf("%s: %s, want 80 tries", name, row)
		}
	}
	if n := len(tries(t, table, w.caller.AccountID)); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// Another key of the same user can't hide what a stolen one tried, nor change whose it was.
func TestOtherKeysHideNoRefusedTries(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	stolen := makeKey(t, table, w.caller, secrets.KeyInput{Name: secrets.Text("stolen")}).Caller
	m := table.Manager(t)
	try := secrets.Try{Action: secrets.ItemRevealed, SecretID: w.secret.ID.String()}
	for range 3 {
		m.Refused(t.Context(), stolen, try, secrets.ErrDenied)
	}
	m.Refused(t.Context(), w.caller, secrets.Try{Action: secrets.ItemRevealed, SecretID: uuid.NewString()}, secrets.ErrDenied)
	page, err := m.ListEvents(t.Context(), w.caller, secrets.EventsInput{
		Key: secrets.Text(stolen.KeyID.String()), Secret: secrets.Text(w.secret.ID.String()), Outcome: secrets.Text("denied"),
	}, secrets.Cursor{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	for _, ev := range page.Results {
		tries += ev.Tries
	}
	if tries != 3 { // in one minute or two
		t.Errorf("tries of the stolen key = %+v, want 3", page.Results)
	}
}

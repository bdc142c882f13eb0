package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

type userBody struct {
	ID, Name, Kind string
	Permissions    []string
}

type keyBody struct {
	ID, Name, Key, User string
	Permissions         []string
	ExpiresAt           *string `json:"expires_at"`
}

// everything is the set of all permissions.
var everything = strings.Fields("list reveal write audit admin export")

// status returns the status of a request.
func (a account) status(t *testing.T, method, path string, body any) int {
	t.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, a.stack.url+"/api/"+path, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+a.key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// user makes a user, limited to secrets if there are any.
func (a account) user(t *testing.T, kind, name string, permissions []string, secrets ...string) (made userBody) {
	t.Helper()
	body := map[string]any{"kind": kind, "name": name, "permissions": permissions}
	if len(secrets) > 0 {
		body["secrets"] = secrets
	}
	a.call(t, "POST", "users/", body, &made)
	return made
}

// invite makes a person with an invitation.
func (a account) invite(t *testing.T, name string, permissions []string, secrets ...string) (person userBody, invitation account) {
	t.Helper()
	person = a.user(t, "person", name, permissions, secrets...)
	var key keyBody
	a.call(t, "POST", "keys/", map[string]any{"user": person.ID, "name": "Invitation", "invitation": true}, &key)
	return person, account{a.stack, key.Key}
}

// person makes a person with a key.
func (a account) person(t *testing.T, name string, permissions []string, secrets ...string) (userBody, account) {
	t.Helper()
	made, invitation := a.invite(t, name, permissions, secrets...)
	var key keyBody
	invitation.call(t, "POST", "keys/", map[string]any{"name": "laptop"}, &key)
	return made, account{a.stack, key.Key}
}

func (a account) keysOf(t *testing.T, user string) map[string]keyBody {
	t.Helper()
	var all list[keyBody]
	a.call(t, "GET", "keys/?user="+user, nil, &all)
	found := map[string]keyBody{}
	for _, key := range all.Results {
		found[key.Name] = key
	}
	return found
}

func (a account) users(t *testing.T) map[string]userBody {
	t.Helper()
	var all list[userBody]
	a.call(t, "GET", "users/", nil, &all)
	found := map[string]userBody{}
	for _, user := range all.Results {
		found[user.Name] = user
	}
	return found
}

// shownKey returns the key that the page shows once.
func (tb *tab) shownKey() string {
	tb.t.Helper()
	const shown = `document.querySelector("pre[aria-label='Shown once']")`
	tb.await("a new key", shown)
	return eval[string](tb, shown+".textContent")
}

// choose selects an option by its text.
func (tb *tab) choose(label, option string) {
	tb.t.Helper()
	tb.run(`(e => { e.value = [...e.options].find(o => o.textContent === ` + quote(option) + `).value; e.dispatchEvent(new Event("change", { bubbles: true })); })(
		[...document.querySelectorAll("select")].find(e => e.labels[0].textContent.trim() === ` + quote(label) + `))`)
}

// counted is a tab that counts clicks and typed fields.
type counted struct {
	*tab
	n *int
}

func (c counted) click(kind, name string) { c.t.Helper(); *c.n++; c.tab.click(kind, name) }
func (c counted) fill(label, text string) { c.t.Helper(); *c.n++; c.tab.fill(label, text) }

const mostSteps = 60

// An admin onboards three people and two machines. Each of them then does what they may, and no more.
func TestTeamIsOnboarded(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	shop, mail := a.secret(t, "shop"), a.secret(t, "mail")
	database := a.item(t, shop, "DATABASE_URL", "PLANTED database")
	smtp := a.item(t, mail, "SMTP_PASSWORD", "PLANTED smtp")
	path := func(s secretBody, it itemBody) string { return "secrets/" + s.ID + "/items/" + it.ID + "/" }

	steps := 0
	admin := counted{open(t, shared, "/console/"), &steps}
	admin.grantClipboard()
	admin.fill("API key", a.key)
	admin.click("button", "Sign in")
	admin.click("link", "People")
	add := func(button, name, submit, take string, choices ...string) account {
		t.Helper()
		admin.click("button", button)
		admin.fill("Name", name)
		for _, choice := range choices {
			admin.click("field", choice)
		}
		admin.click("button", submit)
		key := admin.shownKey()
		admin.click("button", take)
		admin.await("a copy", "navigator.clipboard.readText().then(text => text === "+quote(key)+")")
		admin.click("button", "Done")
		admin.see(name)
		return account{shared, key}
	}
	invite := func(name string, choices ...string) account {
		t.Helper()
		return add("Invite a person", name, "Invite", "Copy invitation", choices...)
	}
	machine := func(name string, choices ...string) account {
		t.Helper()
		return add("Add a machine", name, "Add", "Copy key", choices...)
	}
	invitations := map[string]account{
		"Ada": invite("Ada", "Editor"), "Bob": invite("Bob", "Only some", "shop"), "Cleo": invite("Cleo", "Auditor"),
	}
	ci, rotator := machine("ci", "shop"), machine("rotator", "Write only", "mail")
	admin.see("Reader for 1 secret", "Machine for 1 secret", "Write only for 1 secret", "6 users")

	people := map[string]*tab{}
	keys := map[string]account{}
	for name, invitation := range invitations {
		tb := counted{open(t, shared, "/console/"), &steps}
		tb.fill("API key", invitation.key)
		tb.click("button", "Sign in")
		tb.see("Welcome, " + name)
		tb.click("button", "Make my key")
		keys[name] = account{shared, tb.shownKey()}
		tb.tab.click("button", "Go on") // not counted: in place of a copy to the one clipboard
		tb.click("button", "Go on")
		steps++ // the copy
		tb.see("Sign out")
		people[name] = tb.tab
		if got := invitation.status(t, "GET", "me/", nil); got != 401 {
			t.Errorf("status of an invitation that was exchanged = %d, want 401", got)
		}
	}
	t.Logf("%d clicks and typed fields", steps)
	if steps > mostSteps {
		t.Errorf("%d clicks and typed fields, want at most %d", steps, mostSteps)
	}

	// Ada edits all secrets, and manages no rights.
	ada := people["Ada"]
	ada.see("3 secrets")
	ada.click("link", "mail")
	ada.click("button", "Show value of SMTP_PASSWORD")
	ada.see("PLANTED smtp", "Last revealed just now by you")
	ada.click("button", "Add item")
	ada.fill("Key", "SMTP_HOST")
	ada.fill("Value", "mail.example.com")
	ada.click("button", "Add")
	ada.see("Item added")
	ada.miss("People")
	// Bob reads one secret.
	bob := people["Bob"]
	bob.see("1 secret")
	bob.miss("mail", "Default", "New secret", "People")
	bob.click("link", "shop")
	bob.click("button", "Show value of DATABASE_URL")
	bob.see("PLANTED database")
	bob.miss("Add item", "Paste .env")
	// Cleo sees names only.
	cleo := people["Cleo"]
	cleo.see("3 secrets")
	cleo.click("link", "shop")
	cleo.see("DATABASE_URL", "Your key may not reveal values.", "by Bob")
	cleo.miss("Show", "Copy", "Reveals:")

	value, item := map[string]any{"value": "PLANTED rotated"}, map[string]any{"key": "K", "value": "v"}
	user := map[string]any{"kind": "person", "name": "Eve", "permissions": []string{"list"}}
	for _, tt := range []struct {
		who          string
		by           account
		method, path string
		body         any
		want         int
	}{
		{"Ada", keys["Ada"], "POST", "users/", user, 403},
		{"Bob", keys["Bob"], "GET", "secrets/" + mail.ID + "/", nil, 404},
		{"Bob", keys["Bob"], "GET", path(mail, smtp), nil, 404},
		{"Bob", keys["Bob"], "PATCH", path(shop, database), value, 403},
		{"Cleo", keys["Cleo"], "GET", path(shop, database), nil, 403},
		{"Cleo", keys["Cleo"], "POST", "secrets/" + shop.ID + "/items/", item, 403},
		{"ci", ci, "GET", path(shop, database), nil, 200},
		{"ci", ci, "GET", "secrets/", nil, 200},
		{"ci", ci, "GET", "secrets/" + shop.ID + "/bundle/", nil, 200},
		{"ci", ci, "GET", "secrets/" + mail.ID + "/bundle/", nil, 404},
		{"ci", ci, "GET", path(mail, smtp), nil, 404},
		{"ci", ci, "PATCH", path(shop, database), value, 403},
		{"rotator", rotator, "PATCH", path(mail, smtp), value, 200},
		{"rotator", rotator, "GET", path(mail, smtp), nil, 403},
		{"rotator", rotator, "PATCH", path(shop, database), value, 404},
		{"rotator", rotator, "POST", "secrets/", map[string]any{"name": "another"}, 403},
	} {
		if got := tt.by.status(t, tt.method, tt.path, tt.body); got != tt.want {
			t.Errorf("%s: %s %s = %d, want %d", tt.who, tt.method, tt.path, got, tt.want)
		}
	}
}

// The page offers what the signed-in key may do, and nothing else.
func TestRightsDecideWhatIsOffered(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "shop")
	a.item(t, s, "KEY", "PLANTED")
	a.call(t, "POST", "services/", map[string]any{"name": "app", "image": "app:1", "port": 80, "secret": s.ID}, nil)
	const (
		reveal   = "Compare, Copy value of KEY, Show value of KEY"
		write    = "Add item, Bin, Delete item KEY, Delete secret shop, Edit value of KEY, Move service app, Paste .env, Remove service app, Rename item KEY"
		names    = "Attach a service, Rename secret shop"
		log      = "Activity, Who read this: KEY"
		unlisted = "Ask your administrator for the permission “list”."
	)
	for _, tt := range []struct {
		permissions string
		limited     bool
		list        string // the header and the list of secrets
		secret      []string
		says        string
	}{
		{"list reveal write audit admin export", false, "Bin, Delete secret shop, New secret, People, Rename secret Default, Rename secret shop", []string{reveal, write, names, log, "Download .env"}, "Reveals: "},
		{"list reveal write", false, "Bin, Delete secret shop, New secret, Rename secret Default, Rename secret shop", []string{reveal, write, names}, "Reveals: "},
		{"list reveal write", true, "Bin, Delete secret shop", []string{reveal, write}, "Reveals: "},
		{"list reveal", false, "", []string{reveal}, "Reveals: "},
		{"list write", true, "Bin, Delete secret shop", []string{write}, "Your key may not reveal values."},
		{"list", false, "", nil, "Your key may not reveal values."},
		{"list audit", false, "", []string{log}, "Your key may not reveal values."},
		{"list admin", false, "People", nil, "Your key may not reveal values."},
		{"reveal", true, "", nil, unlisted},
		{"write", false, "", nil, unlisted},
		{"reveal write admin", false, "People", nil, unlisted},
	} {
		var to []string
		if tt.limited {
			to = []string{s.ID}
		}
		_, key := a.person(t, "P", strings.Fields(tt.permissions), to...)
		tb := signedIn(t, key, "/console/")
		offered := func(where, want string) {
			t.Helper()
			const all = `[...document.querySelectorAll("header a, button, a.name, .bar > a, .item a")]
				.filter((e) => !(e.closest("header") && e.textContent === "Activity")) // for all keys, of one's own
				.filter((e) => e.checkVisibility() || e.closest(".menu")).map((e) => (e.getAttribute("aria-label") ?? e.textContent).trim())
				.filter((text) => !["Goblins Secrets", "You", "API", "Sign out", "shop", "Default", "Copy Name", "Copy ARN", "Copy Region"].includes(text)).sort().join(", ")`
			if got := eval[string](tb, all); got != want {
				t.Errorf("%s, limited: %v: %s offers %s; want %s", tt.permissions, tt.limited, where, got, want)
			}
		}
		if tt.says == unlisted {
			tb.see(unlisted)
			offered("the list", tt.list)
			continue
		}
		tb.click("link", "shop")
		tb.see("KEY", "app:1", tt.says)
		actions := []string{"History of KEY"}
		for _, some := range append(tt.secret, tt.list) {
			for action := range strings.SplitSeq(some, ", ") {
				if action == "People" || action != "" && some != tt.list {
					actions = append(actions, action)
				}
			}
		}
		slices.Sort(actions)
		offered("the secret", strings.Join(actions, ", "))
		tb.click("link", "← All secrets")
		tb.see("shop")
		offered("the list", tt.list)
		if !strings.Contains(tt.permissions, "admin") {
			tb.click("link", "You")
			tb.see("Signed in with")
			tb.run(`history.pushState(null, "", "people"); dispatchEvent(new PopStateEvent("popstate"))`)
			tb.see("Your key may not manage people and machines.")
		}
	}
}

// Ids of users are shown as names: one's own at once, and those of deleted users as such.
func TestNamesAreShownForIDs(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "shop")
	it := a.item(t, s, "KEY", "PLANTED")
	reveal := func(by account) { t.Helper(); by.call(t, "GET", "secrets/"+s.ID+"/items/"+it.ID+"/", nil, nil) }
	ada, key := a.person(t, "Ada", []string{"list", "reveal"})
	reveal(a)
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	tb.see("Last revealed just now by you")
	reveal(key)
	tb.comeBack()
	tb.see("Last revealed just now by Ada")
	_, other := a.person(t, "Bob\u202e", []string{"list", "reveal"})
	reveal(other) // after the names were read
	tb.comeBack()
	tb.see("by BobU+202E")
	reader := signedIn(t, key, "/console/secrets/"+s.ID)
	reader.see("by BobU+202E") // without admin
	reveal(key)
	a.call(t, "DELETE", "users/"+ada.ID+"/", nil, nil)
	late := signedIn(t, a, "/console/secrets/"+s.ID)
	late.see("Last revealed just now by deleted user")
}

// An invitation becomes a key, once. The session goes on with the key, and the tab remembers it if it was to
// remember the invitation.
func TestInvitationIsExchanged(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	_, invitation := a.invite(t, "Ada", []string{"list"})
	tb := open(t, shared, "/console/people")
	tb.fill("API key", invitation.key)
	tb.click("field", "Remember the key until this tab is closed, even if the page is reloaded")
	tb.press(enter)
	tb.see("Welcome, Ada", "as Names only")
	tb.miss("People", "Reveals:")
	tb.do(chromedp.Reload())
	tb.see("Welcome, Ada")
	tb.fill("Name of your key", "x")
	tb.press("\b")
	tb.click("button", "Make my key")
	tb.see("This field may not be blank.")
	tb.fill("Name of your key", "laptop")
	tb.press(enter)
	key := account{shared, tb.shownKey()}
	if key.key == invitation.key {
		t.Error("the key is the invitation, want another")
	}
	tb.click("button", "Go on")
	tb.see("You have not copied your key. Go on anyway?")
	tb.click("button", "Go back")
	tb.grantClipboard()
	tb.click("button", "Copy key")
	tb.see("Copied.")
	tb.click("button", "Go on")
	tb.see("Your key may not manage people and machines.")
	if html := eval[string](tb, "document.documentElement.outerHTML"); strings.Contains(html, key.key) {
		t.Error("the page contains the key after it was shown")
	}
	tb.do(chromedp.Reload())
	tb.see("Your key may not manage people and machines.")
	tb.click("link", "You")
	tb.see("the key laptop", "Signed in with it", "Names only")
	if got := eval[string](tb, kept); strings.Contains(got, "gob_") {
		t.Errorf("storage that outlives the tab = %s, want no key", got)
	}
	again := open(t, shared, "/console/")
	again.fill("API key", invitation.key)
	again.press(enter)
	again.see("The API does not accept this key.")

	// The answer is lost: the invitation is used up.
	_, invitation = a.invite(t, "Bob", []string{"list"})
	again.fill("API key", invitation.key)
	again.press(enter)
	again.see("Welcome, Bob")
	again.loseAnswer("POST")
	again.click("button", "Make my key")
	again.see("can't be reached")
	again.click("button", "Make my key")
	again.see("This invitation is no longer valid", "Ask your administrator for another one.")
}

// A person makes, narrows and revokes keys of their own, without admin.
func TestOwnKeys(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	shop := a.secret(t, "shop")
	a.secret(t, "mail")
	ada, key := a.person(t, "Ada", []string{"list", "reveal", "write"})
	tb := signedIn(t, key, "/console/you")
	tb.see("Ada", "List: see the names", "Write: create", "For all secrets", "100 of 100 left, in any 60 min", "never expires", "Made just now by you")
	tb.click("button", "New key")
	tb.press(enter)
	tb.see("This field may not be blank.")
	tb.fill("Name", "job")
	tb.click("field", "Write")
	tb.click("field", "Only some")
	tb.click("field", "shop")
	tb.choose("Expires", "In 30 days")
	tb.click("button", "Make the key")
	job := account{shared, tb.shownKey()}
	tb.press(escape)
	tb.see("You have not copied it. Close it anyway?")
	tb.click("button", "Close")
	tb.miss(job.key)
	tb.see("Reader for 1 secret · never used · expires in 30 days")
	if got := job.status(t, "POST", "secrets/"+shop.ID+"/items/", map[string]any{"key": "K", "value": "v"}); got != 403 {
		t.Errorf("status of a write with a key without write = %d, want 403", got)
	}
	var all list[secretBody]
	job.call(t, "GET", "secrets/", nil, &all)
	if all.Count != 1 {
		t.Errorf("a key for one secret lists %d", all.Count)
	}

	// A key that expires makes keys that expire no later.
	narrow := signedIn(t, job, "/console/you")
	narrow.see("This key may", "Only for 1 secret: shop", "You may", "For all secrets")
	narrow.click("button", "New key")
	narrow.fill("Name", "short")
	narrow.choose("Expires", "After a day …")
	narrow.run(`(e => { e.value = new Date(Date.now() + 3600_000 * 24 * 400).toISOString().slice(0, 10); e.dispatchEvent(new Event("input", { bubbles: true })); })(document.querySelector("input[type=date]"))`)
	narrow.click("button", "Make the key")
	narrow.await("an error at the date", `document.querySelector("dialog .field .wrong")`)
	narrow.choose("Expires", "In 7 days")
	narrow.click("button", "Make the key")
	narrow.shownKey()
	narrow.press(escape)
	narrow.click("button", "Close")
	narrow.see("expires in 7 days")

	tb.click("button", "Edit key job")
	tb.fill("Name", "nightly job")
	tb.click("field", "Reveal")
	tb.click("button", "Save")
	tb.see("Key changed", "nightly job", "Names only for 1 secret")
	if got := a.keysOf(t, ada.ID)["nightly job"].Permissions; !slices.Equal(got, []string{"list"}) {
		t.Errorf("permissions after narrowing = %v, want list", got)
	}
	tb.click("button", "Revoke key nightly job")
	tb.see("What uses this key of Ada stops working:", "last used just now", "Also revoke the 1 key that it made")
	tb.click("button", "Revoke")
	tb.see("Key revoked")
	tb.miss("nightly job")
	narrow.click("link", "Goblins Secrets")
	narrow.see("The API no longer accepts this key.")

	tb.click("button", "Revoke key laptop")
	tb.see("You are signed in with this key.", "which stay. To revoke them with it, sign in with another key.")
	tb.click("button", "Revoke")
	tb.see("You have revoked the key that you were signed in with.", "Sign in")
	if got := key.status(t, "GET", "me/", nil); got != 401 {
		t.Errorf("status of a revoked key = %d, want 401", got)
	}
	// A machine has no keys of its own to make.
	machine := a.user(t, "machine", "ci", []string{"list"})
	var first keyBody
	a.call(t, "POST", "keys/", map[string]any{"user": machine.ID, "name": "First key"}, &first)
	other := signedIn(t, account{shared, first.Key}, "/console/you")
	other.see("ci", "First key")
	other.miss("New key", "Revoke")
}

// What a stolen key has made is revoked with it, but for the key that asks.
func TestKeyIsRevokedWithWhatItMade(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	admin, stolen := a.person(t, "Mallory", everything)
	ci := stolen.user(t, "machine", "ci", []string{"reveal"})
	var made, through keyBody
	stolen.call(t, "POST", "keys/", map[string]any{"name": "made"}, &made)
	account{shared, made.Key}.call(t, "POST", "keys/", map[string]any{"user": ci.ID, "name": "through"}, &through)
	tb := signedIn(t, a, "/console/people/"+admin.ID)
	tb.click("button", "Revoke key laptop")
	tb.see("Also revoke the 2 keys that it made", "through", "never used")
	tb.click("field", "Also revoke the 2 keys that it made")
	tb.click("button", "Revoke")
	tb.see("Key revoked", "There are no keys.")
	for name, key := range map[string]string{"stolen": stolen.key, "made": made.Key, "through": through.Key} {
		if got := (account{shared, key}).status(t, "GET", "me/", nil); got != 401 {
			t.Errorf("status of the key %s = %d, want 401", name, got)
		}
	}
	tb.see("New invitation")
	tb.click("button", "New invitation")
	tb.click("button", "Make the invitation")
	tb.see("Mallory")
	if got := (account{shared, tb.shownKey()}).status(t, "GET", "me/", nil); got != 200 {
		t.Errorf("status of an invitation = %d, want 200", got)
	}
}

// Users are changed and deleted, and the page shows what the API refuses at its field. The last admin stays.
func TestUsersAreChangedAndDeleted(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	shop := a.secret(t, "shop")
	a.item(t, shop, "KEY", "PLANTED")
	ada, key := a.person(t, "Ada", []string{"list", "reveal", "write"})
	person := signedIn(t, key, "/console/secrets/"+shop.ID)
	person.see("shop", "Add item", "Attach a service")
	tb := signedIn(t, a, "/console/people")
	tb.click("button", "Invite a person")
	tb.click("button", "Invite")
	tb.see("This field may not be blank.")
	tb.fill("Name", strings.Repeat("x", 65))
	tb.click("summary", "More")
	tb.fill("Reveal limit", "many")
	tb.click("button", "Invite")
	tb.await("errors at two fields", `document.querySelectorAll("dialog .field .wrong").length === 2`)
	tb.press(escape)
	tb.click("button", "Discard")
	tb.click("button", "Add a machine")
	tb.fill("Name", "ci")
	tb.click("button", "Add")
	tb.await("an error at the secrets", `document.querySelector("dialog fieldset .wrong")`)
	tb.click("field", "All secrets")
	tb.click("summary", "Choose single permissions")
	for _, permission := range []string{"List", "Reveal", "Export"} {
		tb.click("field", permission)
	}
	tb.click("button", "Add")
	tb.await("an error at the permissions", `document.querySelector("dialog fieldset .wrong")`)
	tb.press(escape)
	tb.click("button", "Discard")

	tb.click("button", "Edit Ada")
	tb.fill("Name", "Ada L.")
	tb.click("field", "Reader")
	tb.click("field", "Only some")
	tb.click("field", "shop")
	tb.click("button", "Save")
	tb.see("Person changed", "Ada L.", "Reader for 1 secret")
	// Rights are read again when the tab is used again, and after a refusal.
	person.comeBack()
	person.miss("Add item", "Attach a service")
	person.see("KEY")
	a.call(t, "PATCH", "users/"+ada.ID+"/", map[string]any{"permissions": []string{"list"}}, nil)
	person.click("button", "Show value of KEY")
	person.see("You do not have permission to perform this action.", "Your key may not reveal values.")
	person.miss("Show")

	tb.click("link", "Ada L.")
	tb.see("Only for 1 secret: shop", "just now by you", "laptop", "Made just now by Ada L.")
	tb.click("button", "Delete Ada L.")
	tb.see("These keys stop working:", "laptop", "last used")
	tb.click("button", "Delete permanently")
	tb.see("Person deleted", "People and machines")
	tb.miss("Ada L.")
	person.click("link", "← All secrets")
	person.see("The API no longer accepts this key. Sign in again.")

	// The last admin.
	own := eval[string](tb, `document.querySelector("li[data-user] a").textContent`)
	tb.click("button", "Delete "+own)
	tb.see("This is you.")
	tb.click("button", "Delete permanently")
	tb.see("This is the last key with admin that does not expire.")
	tb.press(escape)
	tb.click("button", "Edit "+own)
	tb.click("field", "Reader")
	tb.click("button", "Save")
	tb.see("This is the last key with admin that does not expire.")
}

// After a lost answer, a second try makes no second user, and leaves no key that was never shown.
func TestOnboardingSurvivesLostAnswers(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	tb := signedIn(t, a, "/console/people")
	tb.see("1 user")
	tb.click("button", "Invite a person")
	tb.fill("Name", "Ada")
	tb.loseAnswer("POST")
	tb.click("button", "Invite")
	tb.see("can't be reached")
	tb.click("button", "Invite")
	first := tb.shownKey()
	tb.press(escape)
	tb.click("button", "Close")
	tb.see("2 users")
	if got := (account{shared, first}).status(t, "GET", "me/", nil); got != 200 {
		t.Errorf("status of the invitation = %d, want 200", got)
	}
	// The user is there, and the answer with the key is lost.
	tb.click("button", "Add a machine")
	tb.fill("Name", "ci")
	tb.click("field", "All secrets")
	tb.run(`(() => {
		const real = window.fetch;
		window.fetch = async (address, options) => {
			if (options.method !== "POST" || !String(address).includes("/keys/")) return real(address, options);
			window.fetch = real;
			await real(address, options);
			throw new TypeError("the connection broke");
		};
	})()`)
	tb.click("button", "Add")
	tb.see("ci was added, but the key could not be made.")
	tb.click("button", "Make the key")
	key := tb.shownKey()
	tb.press(escape)
	tb.click("button", "Close")
	tb.see("3 users")
	users := a.users(t)
	if len(users) != 3 {
		t.Errorf("users = %v, want three", users)
	}
	var keys list[keyBody]
	a.call(t, "GET", "keys/?user="+users["ci"].ID, nil, &keys)
	if keys.Count != 1 || (account{shared, key}).status(t, "GET", "me/", nil) != 200 {
		t.Errorf("the machine has %d keys, want the one that was shown", keys.Count)
	}
}

// A new key is not shown to the user who signs in after a revocation.
func TestShownKeyIsForgotten(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	_, admin := a.person(t, "Ada", everything)
	tb := signedIn(t, admin, "/console/people")
	tb.click("button", "Add a machine")
	tb.fill("Name", "ci")
	tb.click("field", "All secrets")
	tb.click("button", "Add")
	key := tb.shownKey()
	shared.revoke(t, admin.key)
	tb.comeBack()
	tb.see("The API no longer accepts this key.")
	tb.await("forgotten the key", `!document.documentElement.outerHTML.includes(`+quote(key)+`)`)
	tb.signIn(a)
	tb.see("People and machines")
	tb.miss("Shown once", key)
}

// Many secrets can be chosen from, by their names.
func TestSecretsAreChosenByName(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	for i := range 60 {
		a.secret(t, fmt.Sprintf("app %02d", i))
	}
	tb := signedIn(t, a, "/console/people")
	tb.click("button", "Add a machine")
	tb.fill("Name", "ci")
	tb.see("11 more: find them by name.")
	tb.fill("Find a secret", "59")
	tb.press(enter) // it does not submit
	tb.click("field", "app 59")
	tb.fill("Find a secret", "58")
	tb.click("field", "app 58")
	tb.see("2 secrets chosen")
	tb.click("button", "Add")
	tb.shownKey()
	tb.press(escape)
	tb.click("button", "Close")
	tb.click("link", "ci")
	tb.see("Only for 2 secrets: app 58, app 59")
	tb.click("button", "Edit ci")
	tb.await("the chosen ones first", `(b => b.length === 50 && b[0].checked && b[1].checked && !b[2].checked)([...document.querySelectorAll("dialog .list input")])`)
	tb.press(escape)
	var shown []string
	for _, user := range a.users(t) {
		shown = append(shown, user.Kind)
	}
	slices.Sort(shown)
	if diff := cmp.Diff([]string{"machine", "person"}, shown); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

// An expired key is listed as such, and lands on the sign-in page.
func TestExpiredKeyLandsOnSignIn(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	_, key := a.person(t, "Ada", []string{"list"})
	var short keyBody
	ends := time.Now().Add(4 * time.Second).UTC().Format(time.RFC3339)
	key.call(t, "POST", "keys/", map[string]any{"name": "short", "expires_at": ends}, &short)
	tb := signedIn(t, account{shared, short.Key}, "/console/")
	tb.see("1 secret")
	time.Sleep(5 * time.Second)
	tb.click("link", "Default")
	tb.see("The API no longer accepts this key. Sign in again.")
	other := signedIn(t, key, "/console/you")
	other.see("short", "Expired", "expired just now")
}

// An admin invites a person with the keyboard alone, and the focus returns to where it was.
func TestInviteWithTheKeyboard(t *testing.T) {
	t.Parallel()
	tb := signedIn(t, shared.account(t), "/console/people")
	tb.see("1 user")
	tb.grantClipboard()
	focus := func(what, expression string) { t.Helper(); tb.await("the focus on "+what, expression) }
	tb.tabTo("Invite a person")
	tb.press(enter)
	focus("the name", `document.activeElement.name === "name"`)
	tb.press("Ada\t")
	focus("the preset", `document.activeElement.labels[0].textContent === "Reader"`)
	tb.press(" ")
	tb.press(enter)
	tb.shownKey()
	focus("the dialog", `document.activeElement.closest("dialog")`)
	tb.tabTo("Copy invitation")
	tb.press(enter)
	tb.see("Copied.")
	tb.press(escape)
	tb.miss("It is shown only now.")
	focus("the button that opened the dialog", `document.activeElement.textContent === "Invite a person"`)
	tb.tabTo("Ada")
	tb.press(enter)
	focus("the heading", `document.activeElement.matches("h1") && document.activeElement.textContent === "Ada"`)
	tb.see("Reveal: see values")
}

// Names of users and keys never become markup, and never change the layout.
func TestHostileNamesOfPeople(t *testing.T) {
	t.Parallel()
	const markup = `<img src=x onerror="document.title='owned'"><b>${1+1}`
	a := shared.account(t)
	wide := a.user(t, "machine", strings.Repeat("W", 64), []string{"reveal"})
	a.call(t, "PATCH", "users/"+wide.ID+"/", map[string]any{"email": strings.Repeat("w", 50) + "@example.com"}, nil)
	_, key := a.person(t, markup, everything)
	for _, name := range []string{markup, strings.Repeat("W", 64), "abc\u202etxt"} {
		key.call(t, "POST", "keys/", map[string]any{"name": name}, nil)
	}
	tb := signedIn(t, key, "/console/people")
	tb.phone()
	sane := func() {
		t.Helper()
		if n := eval[int](tb, `document.querySelectorAll("#app img, #app b").length`); n != 0 {
			t.Errorf("elements made of names = %d, want 0", n)
		}
		if wide := eval[[]int](tb, "[document.documentElement.scrollWidth, innerWidth]"); wide[0] > wide[1] {
			t.Errorf("width of the page = %d pixels, want at most the window's %d:\n%s", wide[0], wide[1], tb.text())
		}
	}
	tb.see(markup, wide.Name, "3 users")
	sane()
	tb.click("link", wide.Name)
	tb.see("There are no keys.")
	sane()
	tb.click("link", "You")
	tb.see(markup, "abc", "U+202E")
	sane()
	tb.click("button", "Revoke key "+wide.Name)
	tb.see("stops working:")
	sane()
	if got := eval[string](tb, "document.title"); !strings.HasPrefix(got, "You") {
		t.Errorf("document.title = %q", got)
	}
}

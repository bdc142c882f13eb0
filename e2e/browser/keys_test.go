package browser

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/chromedp/chromedp"
)

// stranger is a well-formed key that no user has.
const stranger = "gob_0000000000000000000000000000000000000000000000000"

// kept is all the data that outlives the tab: it must not contain a key.
const kept = `JSON.stringify([location.href, document.cookie, {...localStorage}, history.state])`

// The page asks for a key until the API accepts one, and keeps it in the tab only.
func TestKeyStaysInTheTab(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	tb := open(t, shared, "/console/")
	for key, says := range map[string]string{
		"":                   "This is not an API key",
		"secret":             "This is not an API key",
		"gob_\u00fc":         "This is not an API key",
		a.key + " " + a.key:  "This is not an API key",
		stranger:             "The API does not accept this key.",
		a.key[:len(a.key)-1]: "The API does not accept this key.",
	} {
		tb.fill("API key", "x")
		tb.fill("API key", key)
		if key == "" {
			tb.press("\b")
		}
		tb.press(enter)
		tb.see(says)
		if got := tb.value("API key"); got != key {
			t.Errorf("field after a refusal = %q, want %q", got, key)
		}
	}
	tb.fill("API key", "  "+a.key+"\n") // as copied, with white space
	tb.press(enter)
	tb.see("1 secret")

	session := "JSON.stringify({...sessionStorage})"
	if got := eval[string](tb, session) + eval[string](tb, kept); strings.Contains(got, a.key[4:]) {
		t.Errorf("storage of the browser = %s, want no key", got)
	}
	tb.do(chromedp.Reload())
	tb.see("Sign in") // the user did not ask to remember the key

	tb.fill("API key", a.key)
	tb.click("field", "Remember the key until this tab is closed, even if the page is reloaded")
	tb.click("button", "Sign in")
	tb.see("1 secret")
	tb.do(chromedp.Reload())
	tb.see("1 secret", "100 of 100 left")
	if got := eval[string](tb, kept); strings.Contains(got, a.key[4:]) {
		t.Errorf("storage that outlives the tab = %s, want no key", got)
	}
	tb.click("link", "Default")
	tb.see("This secret has no items yet")
	tb.click("button", "Sign out")
	tb.see("Sign in")
	tb.miss("Default")
	if got := eval[string](tb, session); strings.Contains(got, "gob_") {
		t.Errorf("session storage after signing out = %s, want no key", got)
	}
	tb.do(chromedp.Reload())
	tb.see("Sign in")
}

// revoke deletes a key from the table. The API has no operation for it.
func (s *running) revoke(t *testing.T, key string) {
	t.Helper()
	client, table := s.table(t)
	sum := sha256.Sum256([]byte(key))
	out, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
		TableName: &table, ReturnValues: types.ReturnValueAllOld,
		Key: map[string]types.AttributeValue{
			"PK": &types.AttributeValueMemberS{Value: "APIKEY#" + hex.EncodeToString(sum[:])},
			"SK": &types.AttributeValueMemberS{Value: "APIKEY"},
		},
	})
	if err != nil || out.Attributes == nil {
		t.Fatalf("revoke a key: %v, existed: %t", err, out.Attributes != nil)
	}
}

// When the key is revoked, the page asks for another one and keeps the input.
func TestRevokedKeyKeepsTheInput(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "s")
	a.item(t, s, "KEY", "PLANTED value")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	tb.click("button", "Show value of KEY")
	tb.see("PLANTED value")
	tb.click("button", "Add item")
	tb.fill("Key", "NEW")
	tb.fill("Value", "typed with care")
	shared.revoke(t, a.key)
	tb.click("button", "Add")
	tb.see("The API no longer accepts this key. Sign in again. Your input is kept.")
	tb.miss("PLANTED", "KEY")
	tb.await("forgotten the value that was shown", `!document.documentElement.outerHTML.includes("PLANTED")`)

	// With another account's key the secret is missing, but the input is still there.
	other := shared.account(t)
	tb.fill("API key", other.key)
	tb.press(enter)
	tb.see("Secret not found")
	tb.await("the text that was typed", tb.element("field", "Value"))
	if key, value := tb.value("Key"), tb.value("Value"); key != "NEW" || value != "typed with care" {
		t.Errorf("form after signing in again = %q and %q, want the input", key, value)
	}
	tb.miss("PLANTED")
	tb.click("button", "Cancel")
	tb.click("button", "Discard")

	// The user can discard the input instead.
	shared.revoke(t, other.key)
	tb.click("link", "All secrets")
	tb.see("Sign in again")
	tb.click("button", "Discard changes and sign out")
	tb.miss("Sign in again")
	tb.see("Sign in")
}

// The page reports that the API can't be reached, and continues where it was.
func TestOfflinePageKeepsTheInput(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	a := s.account(t)
	secret := a.secret(t, "s")
	a.item(t, secret, "KEY", "PLANTED value")
	tb := signedIn(t, a, "/console/secrets/"+secret.ID)
	tb.see("KEY")
	tb.click("button", "Add item")
	tb.fill("Key", "NEW")
	tb.fill("Value", "typed with care")
	s.stop()
	const says = "The API can't be reached. Check the connection, then try again. Your input is kept."
	tb.click("button", "Add")
	tb.see(says)
	if got := tb.value("Value"); got != "typed with care" {
		t.Errorf("value after a failure = %q, want the input", got)
	}
	again, err := startStack(s.data, strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(again.stop)
	tb.click("button", "Add")
	tb.see("Item added", "NEW")

	again.stop()
	tb.click("button", "Show value of KEY")
	tb.see(says)
	tb.click("link", "← All secrets")
	tb.see(says)
	if again, err = startStack(s.data, strings.TrimPrefix(s.url, "http://")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.stop() })
	tb.click("button", "Try again")
	tb.see("2 secrets")
}

// When the budget is spent, the page counts down to the next reveal.
func TestSpentBudgetCountsDown(t *testing.T) {
	t.Parallel()
	s := newStack(t, "-set", "ReadLimit=2", "-set", "ReadWindowSeconds=3600")
	a := s.account(t)
	secret := a.secret(t, "s")
	items := []itemBody{a.item(t, secret, "A", "PLANTED a"), a.item(t, secret, "B", "PLANTED b"), a.item(t, secret, "C", "PLANTED c")}
	tb := signedIn(t, a, "/console/secrets/"+secret.ID)
	tb.see("2 of 2 left")
	tb.click("button", "Show value of A")
	tb.see("PLANTED a", "1 of 2 left")
	// Another client uses the last reveal. The page learns of it from the next refusal.
	a.call(t, "GET", "secrets/"+secret.ID+"/items/"+items[1].ID+"/", nil, nil)
	tb.click("button", "Show value of C")
	tb.see("The value was not revealed: your budget is spent. The next reveal is possible in 59:", "0 of 2 left; next in 59:")
	tb.miss("PLANTED c")
	tb.await("buttons that wait", "document.querySelectorAll('.item > .buttons > button:disabled').length === 4")
	if n := s.reveals(t, items[2].ID); n != 0 {
		t.Errorf("events of a refused reveal = %d, want 0", n)
	}
	// Other operations still work.
	tb.click("button", "Rename item C")
	tb.fill("Key", "D")
	tb.click("button", "Rename")
	tb.see("Item renamed")
	// The API decides when the wait is over.
	client, table := s.table(t)
	counters, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range counters.Items {
		if row["SK"].(*types.AttributeValueMemberS).Value == "READS" {
			for _, times := range []string{"o", "n"} {
				for _, at := range row[times].(*types.AttributeValueMemberL).Value {
					at.(*types.AttributeValueMemberN).Value = "0" // it left the window long ago
				}
			}
			if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: row}); err != nil {
				t.Fatal(err)
			}
		}
	}
	tb.advance(time.Hour)
	tb.see("2 of 2 left")
	tb.miss("your budget is spent")
	tb.click("button", "Show value of D")
	tb.see("PLANTED c", "1 of 2 left")
}

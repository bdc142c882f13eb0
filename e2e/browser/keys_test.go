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

// kept is all that the page has left with the browser: it must not hold a key.
const kept = `JSON.stringify([location.href, document.cookie, {...localStorage}, history.state])`

// A key is asked for until one is accepted, and is nowhere but in the tab.
func TestSignIn(t *testing.T) {
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
			t.Errorf("after a refusal the field has %q, want %q", got, key)
		}
	}
	tb.fill("API key", "  "+a.key+"\n") // as it is copied
	tb.press(enter)
	tb.see("1 secret")

	session := "JSON.stringify({...sessionStorage})"
	if got := eval[string](tb, session) + eval[string](tb, kept); strings.Contains(got, a.key[4:]) {
		t.Errorf("the browser keeps the key: %s", got)
	}
	tb.do(chromedp.Reload())
	tb.see("Sign in") // it was not to be remembered

	tb.fill("API key", a.key)
	tb.click("field", "Remember the key until this tab is closed, even if the page is reloaded")
	tb.click("button", "Sign in")
	tb.see("1 secret")
	tb.do(chromedp.Reload())
	tb.see("1 secret", "100 of 100 left")
	if got := eval[string](tb, kept); strings.Contains(got, a.key[4:]) {
		t.Errorf("the browser keeps the key beyond the tab: %s", got)
	}
	tb.click("link", "Default")
	tb.see("This secret has no items yet")
	tb.click("button", "Sign out")
	tb.see("Sign in")
	tb.miss("Default")
	if got := eval[string](tb, session); strings.Contains(got, "gob_") {
		t.Errorf("after signing out the tab keeps %s", got)
	}
	tb.do(chromedp.Reload())
	tb.see("Sign in")
}

// revoke takes a key from the table, as nothing of the API can.
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
		t.Fatalf("revoke a key: %v, was there: %t", err, out.Attributes != nil)
	}
}

// A key that is revoked meanwhile is asked for again, and what was typed waits.
func TestRevokedKey(t *testing.T) {
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

	// With another account's key the secret is not there, and the text is.
	other := shared.account(t)
	tb.fill("API key", other.key)
	tb.press(enter)
	tb.see("Secret not found")
	tb.await("the text that was typed", tb.element("field", "Value"))
	if key, value := tb.value("Key"), tb.value("Value"); key != "NEW" || value != "typed with care" {
		t.Errorf("after signing in again the form has %q and %q", key, value)
	}
	tb.miss("PLANTED")
	tb.click("button", "Cancel")

	// Or everything is dropped.
	shared.revoke(t, other.key)
	tb.click("link", "All secrets")
	tb.see("Sign in again")
	tb.click("button", "Discard changes and sign out")
	tb.miss("Sign in again")
	tb.see("Sign in")
}

// While the API can't be reached the page says so, and goes on where it was.
func TestOffline(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	a := s.account(t)
	made := a.secret(t, "s")
	a.item(t, made, "KEY", "PLANTED value")
	tb := signedIn(t, a, "/console/secrets/"+made.ID)
	tb.see("KEY")
	tb.click("button", "Add item")
	tb.fill("Key", "NEW")
	tb.fill("Value", "typed with care")
	s.stop()
	const says = "The API can't be reached. Check the connection, then try again. Your input is kept."
	tb.click("button", "Add")
	tb.see(says)
	if got := tb.value("Value"); got != "typed with care" {
		t.Errorf("after a failure the value is %q, want what was typed", got)
	}
	again, err := startStack(s.data, strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(again.stop)
	tb.click("button", "Add")
	tb.see("The item was added.", "NEW")

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

// When the budget is spent the page counts down to the next reveal.
func TestThrottled(t *testing.T) {
	t.Parallel()
	s := newStack(t, "-set", "ReadLimit=2", "-set", "ReadWindowSeconds=3600")
	a := s.account(t)
	made := a.secret(t, "s")
	items := []itemBody{a.item(t, made, "A", "PLANTED a"), a.item(t, made, "B", "PLANTED b"), a.item(t, made, "C", "PLANTED c")}
	tb := signedIn(t, a, "/console/secrets/"+made.ID)
	tb.see("2 of 2 left")
	tb.click("button", "Show value of A")
	tb.see("PLANTED a", "1 of 2 left")
	// Another tab or program takes the last one: the page finds out when it is refused.
	a.call(t, "GET", "secrets/"+made.ID+"/items/"+items[1].ID+"/", nil, nil)
	tb.click("button", "Show value of C")
	tb.see("The value was not revealed: your budget is spent. The next reveal is possible in 59:", "0 of 2 left; next in 59:")
	tb.miss("PLANTED c")
	tb.await("buttons that wait", "document.querySelectorAll('.masked button:disabled').length === 2")
	if n := s.reveals(t, items[2].ID); n != 0 {
		t.Errorf("a refused reveal was recorded %d times", n)
	}
	// All else goes on.
	tb.click("button", "Rename item C")
	tb.fill("Key", "D")
	tb.click("button", "Rename")
	tb.see("The item was renamed.")
	// The end of the wait is the API's to tell.
	client, table := s.table(t)
	counters, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range counters.Items {
		if row["SK"].(*types.AttributeValueMemberS).Value == "READS" {
			if _, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: map[string]types.AttributeValue{"PK": row["PK"], "SK": row["SK"]}}); err != nil {
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

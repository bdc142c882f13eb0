package browser

import (
	"fmt"
	"testing"
	"time"
)

// sleep lets the machine of the page sleep: the clock goes on, and timers do not.
func (tb *tab) sleep(d time.Duration) {
	tb.t.Helper()
	tb.run(fmt.Sprintf("test.sleep(%d)", d.Milliseconds()))
}

// After a sleep, values are hidden, and the next reveal is possible when it is. The page compares clocks.
func TestSleepEndsDeadlines(t *testing.T) {
	t.Parallel()
	s := newStack(t, "-set", "ReadLimit=2", "-set", "ReadWindowSeconds=3")
	a := s.account(t)
	secret := a.secret(t, "s")
	a.item(t, secret, "KEY", "PLANTED value")
	tb := signedIn(t, a, "/console/secrets/"+secret.ID)
	tb.click("button", "Show value of KEY")
	tb.see("PLANTED value")
	tb.sleep(time.Hour)
	tb.miss("PLANTED", "next in")
	tb.click("button", "Show value of KEY")
	tb.see("PLANTED value")
	tb.click("button", "Hide value of KEY")
	tb.click("button", "Show value of KEY")
	if eval[bool](tb, `document.body.innerText.includes("your budget is spent")`) {
		tb.sleep(time.Hour)
	}
	tb.miss("your budget is spent")
}

// The clipboard is emptied once, 30 s after the last copy, unless the user keeps it.
func TestClipboardHasOneDeadline(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "s")
	a.item(t, s, "A", "PLANTED a")
	a.item(t, s, "B", "PLANTED b")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	tb.grantClipboard()
	clipboard := func() string { return eval[string](tb, "navigator.clipboard.readText()") }
	// Copy reveals without showing.
	tb.click("button", "Copy value of A")
	tb.see("Copied. The clipboard is emptied in ", "99 of 100 left")
	tb.miss("PLANTED")
	if it := a.items(t, s)["A"]; shared.reveals(t, it.ID) != 1 {
		t.Errorf("a copy without showing is %d reveals, want 1", shared.reveals(t, it.ID))
	}
	tb.advance(20 * time.Second)
	tb.click("button", "Copy value of B")
	tb.see("98 of 100 left")
	tb.advance(15 * time.Second) // past the deadline of the first copy
	if got := clipboard(); got != "PLANTED b" {
		t.Errorf("clipboard = %q 15 s after the second copy, want that value", got)
	}
	tb.sleep(time.Hour)
	tb.see("Clipboard emptied")
	if got := clipboard(); got != "" {
		t.Errorf("clipboard after a sleep = %q, want it empty", got)
	}
	tb.click("button", "Copy value of B")
	tb.see("97 of 100 left")
	tb.click("button", "Sign out") // which leaves the clipboard to its deadline
	tb.advance(30 * time.Second)
	tb.await("an empty clipboard", `navigator.clipboard.readText().then(text => text === "")`)
	tb.signIn(a)
	tb.click("button", "Copy value of B")
	tb.click("button", "Keep it")
	tb.advance(time.Minute)
	tb.miss("The clipboard is emptied")
	if got := clipboard(); got != "PLANTED b" {
		t.Errorf("clipboard that the user keeps = %q, want the value", got)
	}
}

// A value that was shown is gone from its editor with the page, unless the user has changed it.
func TestEditorForgetsTheValue(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "s")
	a.item(t, s, "KEY", "PLANTED value")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	for how, leave := range map[string]func(){
		"30 s":    func() { tb.advance(30 * time.Second) },
		"leaving": func() { tb.leave(); tb.comeBack() },
	} {
		tb.click("button", "Show value of KEY")
		tb.see("PLANTED value")
		tb.click("button", "Edit value of KEY")
		leave()
		tb.see("The current value is hidden again.")
		if got := tb.value("Value"); got != "" {
			t.Errorf("the editor after %s has %q, want nothing", how, got)
		}
		tb.press(escape) // nothing was entered, so nothing is asked
		tb.miss("Enter a new value")
	}
	tb.click("button", "Show value of KEY")
	tb.see("PLANTED value")
	tb.click("button", "Edit value of KEY")
	tb.fill("Value", "PLANTED value, changed")
	tb.advance(30 * time.Second)
	tb.await("hidden the value in the list", `!document.querySelector("pre.value")`)
	if got := tb.value("Value"); got != "PLANTED value, changed" {
		t.Errorf("the editor has %q, want what the user has entered", got)
	}
}

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
	tb.await("the second copy", `navigator.clipboard.readText().then(text => text === "PLANTED b")`)
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
	tb.await("the third copy", `navigator.clipboard.readText().then(text => text === "PLANTED b")`)
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

// A user who comes back late has time to keep what was copied elsewhere, where the page can't see it.
func TestLateUserCanKeepTheClipboard(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "s")
	a.item(t, s, "A", "PLANTED a")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	tb.grantClipboard()
	tb.click("button", "Copy value of A")
	tb.see("The clipboard is emptied in ")
	tb.run(`(() => {
		navigator.permissions.query = async () => ({ state: "prompt" });
		document.hasFocus = () => false;
	})()`)
	tb.advance(time.Minute)
	tb.see("The clipboard is emptied when you return to this page.")
	tb.run(`(() => { document.hasFocus = () => true; window.dispatchEvent(new Event("focus")); })()`)
	tb.see("The clipboard is emptied in ")
	tb.click("button", "Keep it")
	tb.advance(time.Minute)
	if got := eval[string](tb, "navigator.clipboard.readText()"); got != "PLANTED a" {
		t.Errorf("clipboard = %q, want what the user keeps", got)
	}
}

// A value that is revealed after the user has gone elsewhere is not shown, and brings no deleted row back.
func TestLateRevealShowsNothing(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "s")
	it := a.item(t, s, "KEY", "PLANTED value")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	held := func() {
		t.Helper()
		tb.run(`(() => {
			const real = window.fetch;
			window.fetch = (address, options) => {
				if (!/items\/.+/.test(new URL(address).pathname)) return real(address, options);
				window.fetch = real;
				return new Promise((resolve) => { window.release = () => resolve(real(address, options)); });
			};
		})()`)
		tb.click("button", "Show value of KEY")
		tb.await("a held request", "window.release")
	}
	held()
	tb.click("link", "← All secrets")
	tb.see("2 secrets")
	tb.run("window.release()")
	tb.see("99 of 100 left")
	tb.click("link", "s")
	tb.see("KEY")
	if eval[bool](tb, `document.documentElement.outerHTML.includes("PLANTED")`) {
		t.Error("the value is shown to a user who did not ask for it here")
	}
	held()
	a.call(t, "PATCH", "secrets/"+s.ID+"/items/"+it.ID+"/", map[string]string{"key": "RENAMED"}, nil)
	tb.leave()
	tb.comeBack()
	tb.see("RENAMED")
	tb.run("window.release()")
	tb.see("98 of 100 left", "RENAMED")
	tb.await("the new key", `![...document.querySelectorAll(".key")].some(e => e.textContent === "KEY")`)
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

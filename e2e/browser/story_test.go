package browser

import (
	"strings"
	"testing"
	"time"
)

// A secret is created, filled, shown, changed and deleted.
func TestSecretFromCreationToDeletion(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	tb := signedIn(t, a, "/console/")
	tb.see("Default", "1 secret", "100 of 100 left")

	tb.click("button", "New secret")
	tb.fill("Name", "Default")
	tb.click("button", "Create")
	tb.see("secret with this name already exists.")
	if got := tb.value("Name"); got != "Default" {
		t.Errorf("field after a refusal = %q, want the input", got)
	}
	tb.fill("Name", "shop")
	tb.click("button", "Create")
	tb.see("Secret created", "This secret has no items yet", "No service uses this secret")

	tb.click("button", "Add item")
	tb.fill("Key", "not a key")
	tb.fill("Value", "first line\n second ")
	tb.click("button", "Add")
	tb.see("Enter a valid key")
	if got := tb.value("Value"); got != "first line\n second " {
		t.Errorf("value after a refusal = %q, want the input", got)
	}
	tb.fill("Key", "PASSWORD")
	tb.click("button", "Add")
	tb.see("Item added", "PASSWORD", "Last revealed: never", "••••••••")
	tb.miss("first line")

	var secrets list[secretBody]
	a.call(t, "GET", "secrets/", nil, &secrets)
	shop := secrets.Results[1]
	it := a.items(t, shop)["PASSWORD"]
	if it.LastAccessedAt != nil || shared.reveals(t, it.ID) != 0 {
		t.Errorf("item before the first reveal = %+v with %d reveals, want no access and 0", it, shared.reveals(t, it.ID))
	}
	tb.click("button", "Show value of PASSWORD")
	tb.see("first line\n second", "This was logged as your reveal; 99 of 100 are left",
		"Last revealed just now by you", "99 of 100 left; next in 60 min")
	if it = a.items(t, shop)["PASSWORD"]; it.LastAccessedAt == nil || it.LastAccessedBy == nil || shared.reveals(t, it.ID) != 1 {
		t.Errorf("item after a reveal = %+v with %d reveals, want its access and 1", it, shared.reveals(t, it.ID))
	}

	tb.click("button", "Edit value of PASSWORD")
	if got := tb.value("Value"); got != "first line\n second " {
		t.Errorf("value in the editor = %q, want the shown value", got)
	}
	tb.fill("Value", "rotated")
	tb.click("button", "Save")
	tb.see("Value changed")
	tb.miss("first line", "rotated")
	tb.click("button", "Show value of PASSWORD")
	tb.see("rotated", "98 of 100 left")
	tb.click("button", "Hide value of PASSWORD")
	tb.miss("rotated")

	tb.click("button", "Rename item PASSWORD")
	tb.fill("Key", "DB_PASSWORD")
	tb.click("button", "Rename")
	tb.see("Item renamed", "DB_PASSWORD")
	tb.click("button", "Delete item DB_PASSWORD")
	tb.click("button", "Delete")
	tb.see("Item deleted", "This secret has no items yet")
	if left := a.items(t, shop); len(left) != 0 {
		t.Errorf("items after the deletion = %v, want none", left)
	}

	tb.click("button", "Rename secret shop")
	tb.fill("Name", "store")
	tb.click("button", "Rename")
	tb.see("Secret renamed", "store")
	tb.click("button", "Delete secret store")
	tb.fill("Type the secret’s name to confirm", "store")
	tb.click("button", "Delete")
	tb.see("Secret deleted", "1 secret")
	tb.miss("store")
}

// A value is hidden after 30 s, on Esc, and when the user leaves the tab or the page.
func TestValuesAreHiddenAgain(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "s")
	a.item(t, s, "KEY", "PLANTED value")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	hidden := func(how string) {
		t.Helper()
		tb.miss("PLANTED")
		if html := eval[string](tb, "document.documentElement.outerHTML"); strings.Contains(html, "PLANTED") {
			t.Errorf("the page after %s contains the value", how)
		}
	}
	show := func() { t.Helper(); tb.click("button", "Show value of KEY"); tb.see("PLANTED value") }

	show()
	tb.advance(20 * time.Second)
	tb.see("PLANTED value", "Hidden again in ")
	tb.advance(10 * time.Second)
	hidden("30 s")
	show()
	tb.leave()
	hidden("leaving the tab")
	tb.comeBack()
	tb.see("KEY")
	hidden("coming back")
	show()
	tb.press(escape)
	hidden("Esc")
	show()
	tb.click("link", "← All secrets")
	hidden("going elsewhere")

	// The clipboard is cleared after 30 s, too.
	tb.grantClipboard()
	tb.click("link", "s")
	show()
	tb.click("button", "Copy value of KEY")
	tb.see("Copied. The clipboard is emptied in 30 s")
	clipboard := func() string { return eval[string](tb, "navigator.clipboard.readText()") }
	if got := clipboard(); got != "PLANTED value" {
		t.Errorf("clipboard = %q, want the value", got)
	}
	tb.advance(30 * time.Second)
	tb.see("Clipboard emptied")
	if got := clipboard(); got != "" {
		t.Errorf("clipboard after 30 s = %q, want it empty", got)
	}
	// Text that was copied later stays.
	show()
	tb.click("button", "Copy value of KEY")
	tb.see("Copied.")
	tb.run("navigator.clipboard.writeText('another')")
	tb.advance(30 * time.Second)
	hidden("30 s")
	if got := clipboard(); got != "another" {
		t.Errorf("clipboard = %q, want the text that was copied last", got)
	}
}

// A tab shows the changes of other clients when it becomes visible, and reports deletions.
func TestTabShowsChangesOfAnother(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	first := signedIn(t, a, "/console/")
	second := first.another("/console/")
	second.see("Sign in") // the key stays in the first tab
	second.signIn(a)
	first.leave()
	second.click("button", "New secret")
	second.fill("Name", "from the second")
	second.press(enter)
	second.see("Secret created")
	second.click("link", "← All secrets")
	first.comeBack()
	first.see("from the second")

	first.click("button", "Delete secret from the second")
	first.fill("Type the secret’s name to confirm", "from the second")
	first.press(enter)
	first.see("Secret deleted")
	second.click("link", "from the second") // the second tab shows a stale list
	second.see("Secret not found", "It was deleted, or your key may not see it.")
	second.click("link", "All secrets")
	second.see("1 secret")
	second.miss("from the second")

	// Signing out affects one tab only.
	first.click("button", "Sign out")
	first.see("Sign in")
	second.click("link", "Default")
	second.see("This secret has no items yet")
}

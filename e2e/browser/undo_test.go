package browser

import (
	"testing"
	"time"
)

// Undo in a notice takes back a deletion, a new value and a new name, and never what another client did since.
func TestUndo(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "shop")
	it := a.item(t, s, "KEY", "PLANTED first")
	_, bo := a.person(t, "Bo", []string{"list", "reveal", "write"})
	path := "secrets/" + s.ID + "/items/" + it.ID + "/"
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	undone := func() { t.Helper(); tb.click("button", "Undo"); tb.see("Undone") }
	edit := func(value string) {
		t.Helper()
		tb.click("button", "Edit value of KEY")
		tb.fill("Value", value)
		tb.click("button", "Save")
		tb.see("Value changed")
	}

	edit("PLANTED second")
	undone()
	tb.await("the focus on the heading", `document.activeElement.matches("h1")`)
	if got := a.value(t, s, it.ID); got != "PLANTED first" {
		t.Errorf("the value is %q after Undo, want the one before", got)
	}
	tb.click("button", "Rename item KEY")
	tb.fill("Key", "OTHER")
	tb.press(enter)
	tb.see("Item renamed", "OTHER")
	undone()
	tb.await("the old key", `document.querySelector(".item .key").textContent === "KEY"`)
	tb.click("button", "Delete item KEY")
	tb.click("button", "Delete")
	tb.see("Item deleted", "no items yet")
	undone()
	tb.see("1 item.")
	if got := a.value(t, s, it.ID); got != "PLANTED first" {
		t.Errorf("the value is %q after the deletion was undone, want its own", got)
	}

	edit("PLANTED third")
	bo.call(t, "PATCH", path, map[string]any{"key": "THEIRS", "value": "PLANTED theirs"}, nil)
	tb.click("button", "Undo")
	tb.see("Not undone: Bo changed it meanwhile.")
	if got := a.value(t, s, it.ID); got != "PLANTED theirs" {
		t.Errorf("the value is %q after Undo, want the other client's", got)
	}
	tb.comeBack()
	tb.click("button", "Delete item THEIRS")
	tb.click("button", "Delete")
	tb.see("Item deleted")
	bo.item(t, s, "THEIRS", "PLANTED too")
	tb.click("button", "Undo")
	tb.see("Not undone. secret item with this key already exists.")

	tb.click("button", "Rename secret shop")
	tb.fill("Name", "store")
	tb.press(enter)
	tb.see("Secret renamed")
	bo.item(t, s, "MORE", "PLANTED") // which is not what is undone
	undone()
	tb.await("the old name", `document.querySelector("h1").textContent === "shop"`)
	tb.see("2 items.")
	tb.click("button", "Delete secret shop")
	tb.fill("Type the secret’s name to confirm", "shop")
	tb.press(enter)
	tb.see("Secret deleted", "1 secret")
	tb.advance(10 * time.Second)
	tb.see("Secret deleted")
	undone()
	tb.see("2 secrets", "shop")
	tb.advance(10 * time.Second)
	tb.miss("Undone")
}

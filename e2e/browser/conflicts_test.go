package browser

import (
	"testing"
)

// value reveals the value of an item.
func (a account) value(t *testing.T, s secretBody, id string) string {
	t.Helper()
	var read itemBody
	a.call(t, "GET", "secrets/"+s.ID+"/items/"+id+"/", nil, &read)
	return read.Value
}

// Nothing that another client has changed is overwritten or deleted before the user has seen who changed what, and
// has decided.
func TestChangesOfOthersAreShownAndKept(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "shop")
	it := a.item(t, s, "KEY", "PLANTED first")
	other := a.item(t, s, "OTHER", "PLANTED")
	_, bo := a.person(t, "Bo", []string{"list", "reveal", "write"})
	change := func(by account, path string, body map[string]any) { t.Helper(); by.call(t, "PATCH", path, body, nil) }
	item := "secrets/" + s.ID + "/items/" + it.ID + "/"
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	tb.see("2 items")

	tb.click("button", "Edit value of KEY")
	tb.fill("Value", "PLANTED mine")
	change(bo, item, map[string]any{"value": "PLANTED theirs"})
	tb.save()
	tb.see("Bo changed this item meanwhile, just now. Your change was not made.", "Its value is now version 2. It was version 1.",
		"Log: Bo changed the value of KEY in shop.")
	tb.await("the focus on the conflict", `document.activeElement.getAttribute("aria-label") === "Changed meanwhile"`)
	tb.save() // nothing is sent again unless the user says so
	tb.press(escape)
	tb.see("Discard what you have entered?")
	tb.click("button", "Keep editing")
	if got := a.value(t, s, it.ID); got != "PLANTED theirs" {
		t.Errorf("the value is %q before the user has decided, want the other client's", got)
	}
	tb.click("button", "Take the new state")
	tb.miss("Take the new state")

	tb.click("button", "Edit value of KEY")
	tb.fill("Value", "PLANTED mine")
	change(bo, item, map[string]any{"key": "KEY_2"})
	tb.click("button", "Save")
	tb.see("Its key is now KEY_2.")
	tb.miss("Its value is now")
	tb.click("button", "Keep mine")
	tb.see("Value changed", "KEY_2")
	if got := a.value(t, s, it.ID); got != "PLANTED mine" {
		t.Errorf("the value is %q after “Keep mine”, want the user's", got)
	}

	tb.click("button", "Delete item OTHER")
	change(bo, "secrets/"+s.ID+"/items/"+other.ID+"/", map[string]any{"value": "PLANTED too"})
	tb.click("button", "Delete")
	tb.see("Bo changed this item meanwhile")
	tb.click("button", "Delete anyway")
	tb.see("Item deleted", "1 item.")

	// A new name overwrites no item.
	tb.click("button", "Rename secret shop")
	a.item(t, s, "MORE", "PLANTED")
	tb.fill("Name", "store")
	tb.click("button", "Rename")
	tb.see("Secret renamed")
	tb.click("button", "Rename secret store")
	tb.fill("Name", "mine")
	change(bo, "secrets/"+s.ID+"/", map[string]any{"name": "theirs"})
	tb.click("button", "Rename")
	tb.see("Bo changed this secret meanwhile", "Its name is now theirs.")
	tb.click("button", "Keep mine")
	tb.see("Secret renamed", "mine")

	tb.comeBack()
	tb.see("2 items.")
	tb.click("button", "Delete secret mine")
	bo.item(t, s, "NEW", "PLANTED")
	change(a, item, map[string]any{"value": "PLANTED again"})
	tb.fill("Type the secret’s name to confirm", "mine")
	tb.click("button", "Delete")
	tb.see("You, or another client with your rights, changed this secret meanwhile", "1 item added: NEW", "1 item changed: KEY_2")
	tb.click("button", "Take the new state")
	tb.see("3 items.")

	var service struct{ ID string }
	a.call(t, "POST", "services/", map[string]any{"name": "app", "image": "app:1", "port": 80, "secret": s.ID}, &service)
	tb.comeBack()
	tb.click("button", "Remove service app")
	change(bo, "services/"+service.ID+"/", map[string]any{"image": "app:2"})
	tb.click("button", "Remove")
	tb.see("Bo changed this service meanwhile", "Its image is now app:2.")
	tb.click("button", "Remove anyway")
	tb.see("Service removed")

	// Who changed it, only those may know who may read the log.
	second := signedIn(t, bo, "/console/secrets/"+s.ID)
	second.click("button", "Rename item KEY_2")
	change(a, item, map[string]any{"value": "PLANTED last"})
	second.fill("Key", "KEY_3")
	second.click("button", "Rename")
	second.see("Another client changed this item meanwhile.", "Its value is now version 5.")
	change(a, item, map[string]any{"value": "PLANTED really last"})
	second.click("button", "Keep mine") // it changed again
	second.see("Its value is now version 6. It was version 5.")
	a.call(t, "DELETE", item, nil, nil)
	second.click("button", "Keep mine")
	second.see("Not found. It was deleted, or your key may not see it.")
}

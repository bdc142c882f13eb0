package browser

import (
	"testing"
)

type versionBody struct {
	Number  int
	Current bool
}

func (a account) versions(t *testing.T, s secretBody, id string) (numbers []int) {
	t.Helper()
	var all list[versionBody]
	a.call(t, "GET", "secrets/"+s.ID+"/items/"+id+"/versions/", nil, &all)
	for _, v := range all.Results {
		numbers = append(numbers, v.Number)
	}
	return numbers
}

// The history of an item shows its versions, reveals one at the usual price, and makes one current again or deletes
// it.
func TestHistoryOfAnItem(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "shop")
	it := a.item(t, s, "KEY", "PLANTED first")
	_, bo := a.person(t, "Bo", []string{"list", "reveal", "write"})
	path := "secrets/" + s.ID + "/items/" + it.ID + "/"
	bo.call(t, "PATCH", path, map[string]any{"value": "PLANTED second"}, nil)
	a.call(t, "PATCH", path, map[string]any{"value": "PLANTED third"}, nil)
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	tb.click("button", "History of KEY")
	tb.see("Version 3 Current", "Version 2", "by Bo", "Version 1", "3 versions. Each “Show” and “Copy” is logged and charged")
	if n := eval[int](tb, `document.querySelectorAll("dialog [data-version='3'] button").length`); n != 2 {
		t.Errorf("buttons of the current version = %d, want 2: it can't be restored or deleted", n)
	}
	tb.click("button", "Show value of KEY, version 1")
	tb.see("PLANTED first", "This was logged as your reveal; 99 of 100 are left")
	if n := shared.reveals(t, it.ID); n != 1 {
		t.Errorf("reveals of the item = %d, want 1", n)
	}

	tb.click("button", "Restore version 1 of KEY")
	tb.see("becomes the current value")
	tb.miss("PLANTED first")
	tb.click("button", "Cancel")
	tb.click("button", "Restore version 1 of KEY")
	tb.click("button", "Restore")
	tb.see("Version 1 is current again")
	tb.await("the end of the dialogs", `!document.querySelector("dialog")`)
	tb.click("button", "Show value of KEY")
	tb.see("PLANTED first")

	tb.click("button", "History of KEY")
	tb.click("button", "Delete version 2 of KEY")
	tb.see("at once and for good")
	tb.click("button", "Delete for good")
	tb.see("Version deleted")
	if got := a.versions(t, s, it.ID); len(got) != 2 || got[0] != 3 || got[1] != 1 {
		t.Errorf("versions = %v, want 3 and 1", got)
	}

	tb.click("button", "History of KEY")
	tb.click("button", "Restore version 3 of KEY")
	bo.call(t, "PATCH", path, map[string]any{"value": "PLANTED fourth"}, nil)
	tb.click("button", "Restore")
	tb.see("Bo changed this item meanwhile", "Its value is now version 4. It was version 1.")
	tb.click("button", "Take the new state")
	tb.see("Version 4 Current")
	tb.press(escape)
	tb.await("the focus on the menu", `document.activeElement?.getAttribute("aria-label") === "More actions for KEY"`)

	// A key that may only list sees when, and who.
	_, reader := a.person(t, "Cy", []string{"list"})
	second := signedIn(t, reader, "/console/secrets/"+s.ID)
	second.click("button", "History of KEY")
	second.see("Version 4 Current", "3 versions.")
	if n := eval[int](second, `document.querySelectorAll("dialog .row button").length`); n != 0 {
		t.Errorf("buttons of the versions for a key that may only list = %d, want 0", n)
	}
}

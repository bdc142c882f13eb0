package browser

import (
	"testing"
)

// What was deleted is in the bin, from where it is restored, under another name if its own is taken, or deleted for
// good.
func TestBin(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	shop, mail := a.secret(t, "shop"), a.secret(t, "mail")
	old := a.item(t, shop, "KEY", "PLANTED old")
	gone := a.item(t, shop, "GONE", "PLANTED")
	a.item(t, mail, "SMTP", "PLANTED")
	_, bo := a.person(t, "Bo", []string{"list", "reveal", "write"})
	remove := func(by account, path string) { t.Helper(); by.call(t, "DELETE", path, nil, nil) }
	items := "secrets/" + shop.ID + "/items/"
	remove(bo, items+old.ID+"/")
	remove(a, items+gone.ID+"/")
	remove(bo, "secrets/"+mail.ID+"/")
	a.item(t, shop, "KEY", "PLANTED new")
	tb := signedIn(t, a, "/console/")
	tb.click("link", "Bin")
	tb.see("Deleted secrets", "mail", "Deleted just now by Bo. It can be restored until it is removed, in 30 days.", "1 secret.")
	tb.click("button", "Restore mail")
	tb.see("mail is restored", "The bin is empty.")
	tb.await("the focus on the heading", `document.activeElement.matches("h1")`)
	if got := a.items(t, mail); len(got) != 1 {
		t.Errorf("items of the restored secret = %v, want 1", got)
	}
	tb.click("link", "← All secrets")
	tb.click("link", "shop")
	tb.see("1 item.")
	tb.click("link", "Bin")
	tb.see("Deleted items", "2 items.", "KEY", "GONE")
	tb.click("button", "Restore KEY")
	tb.see("The key is taken by now. Give another one.", "secret item with this key already exists.")
	tb.fill("Key", "KEY_OLD")
	tb.press(enter)
	tb.see("KEY_OLD is restored", "1 item.")
	if got := a.value(t, shop, old.ID); got != "PLANTED old" {
		t.Errorf("value of the restored item = %q, want its own", got)
	}
	tb.click("button", "Delete for good: GONE")
	tb.see("You can’t undo this.")
	tb.click("button", "Delete for good")
	tb.see("GONE is deleted for good", "The bin is empty.")
	if status := a.status(t, "POST", items+gone.ID+"/restore/", map[string]any{}); status != 404 {
		t.Errorf("restore of what was deleted for good = %d, want 404", status)
	}

	// What was restored meanwhile is not deleted. A key without admin deletes nothing for good.
	remove(a, "secrets/"+mail.ID+"/")
	tb.click("link", "← shop")
	tb.click("link", "← All secrets")
	tb.click("link", "Bin")
	tb.click("button", "Delete for good: mail")
	tb.fill("Type the secret’s name to confirm", "mail")
	bo.call(t, "POST", "secrets/"+mail.ID+"/restore/", map[string]any{}, nil)
	tb.click("button", "Delete for good")
	tb.see("This secret was restored or changed meanwhile. It was not deleted.")
	remove(a, "secrets/"+mail.ID+"/")
	second := signedIn(t, bo, "/console/bin")
	second.see("mail", "by Admin")
	if n := eval[int](second, `document.querySelectorAll("main .danger").length`); n != 0 {
		t.Errorf("buttons to delete for good, without admin = %d, want 0", n)
	}
	_, reader := a.person(t, "Cy", []string{"list", "reveal"})
	signedIn(t, reader, "/console/bin").see("Your key may not change secrets.")
}

// Without a bin, nothing offers to undo a deletion.
func TestDeletionForGood(t *testing.T) {
	t.Parallel()
	a := newStack(t, "-set", "RecoveryDays=0").account(t)
	s := a.secret(t, "shop")
	a.item(t, s, "KEY", "PLANTED")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	noUndo := func() { // at once: the notice goes by itself
		t.Helper()
		if eval[bool](tb, `document.body.innerText.includes("Undo")`) {
			t.Error("the notice offers Undo, which must fail")
		}
	}
	tb.click("button", "Delete item KEY")
	tb.see("with all versions of its value. You can’t undo this.")
	tb.click("button", "Delete")
	tb.see("Item deleted", "no items yet")
	noUndo()
	tb.click("button", "Delete secret shop")
	tb.see("and all its items. You can’t undo this.")
	tb.fill("Type the secret’s name to confirm", "shop")
	tb.press(enter)
	tb.see("Secret deleted", "1 secret")
	noUndo()
}

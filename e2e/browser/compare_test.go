package browser

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Two secrets stand side by side, without values. Chosen keys are copied, and nothing is replaced unseen.
func TestCompareAndCopy(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	shop, mail := a.secret(t, "shop"), a.secret(t, "mail")
	for key, value := range map[string]string{"SAME": "PLANTED", "DIFFERENT": "PLANTED of shop", "SHOP": "PLANTED shop"} {
		a.item(t, shop, key, value)
	}
	for key, value := range map[string]string{"SAME": "PLANTED", "DIFFERENT": "PLANTED of mail", "MAIL": "PLANTED mail", "MAIL_2": "PLANTED too"} {
		a.item(t, mail, key, value)
	}
	_, bo := a.person(t, "Bo", []string{"list", "reveal", "write"})
	tb := signedIn(t, a, "/console/secrets/"+shop.ID)
	tb.click("link", "Compare")
	tb.await("the choice", `document.querySelectorAll("select[name=b] option").length === 3`) // not the first one
	tb.choose("Second", "mail")
	tb.see("It counts as 2 reveals, and is logged for both secrets.")
	tb.click("button", "Compare")
	tb.see("5 keys: 1 the same, 1 different, 1 only in the first, 2 only in the second.", "98 of 100 left", "Compare again")
	rows := func(of *tab) []string {
		of.t.Helper()
		return eval[[]string](of, `[...document.querySelectorAll("tr[data-key]")].map((row) => row.innerText.trim().replace(/\s+/g, " "))`)
	}
	want := []string{"DIFFERENT Different Different", "MAIL Missing Only here", "MAIL_2 Missing Only here", "SAME Same Same", "SHOP Only here Missing"}
	if diff := cmp.Diff(want, rows(tb)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	choose := func(of *tab, key string) {
		of.t.Helper()
		of.run(`document.querySelector("[aria-label='Choose ` + key + `']").click()`)
	}
	choose(tb, "DIFFERENT")
	choose(tb, "SHOP")
	tb.click("button", "Copy 2 to mail")
	tb.see("This copies 2 items from shop to mail.", "1 value of mail is replaced: DIFFERENT.", "takes 1 reveal of your budget, which has 98 left")
	path := "secrets/" + mail.ID + "/items/" + a.items(t, mail)["DIFFERENT"].ID + "/"
	bo.call(t, "PATCH", path, map[string]any{"value": "PLANTED by Bo"}, nil)
	tb.click("button", "Copy, and replace 1")
	tb.see("DIFFERENT: Another client has changed this item meanwhile. Close this, and compare again.")
	if got := a.items(t, mail); len(got) != 4 {
		t.Errorf("items of mail = %d, want 4: nothing is copied", len(got))
	}
	tb.click("button", "Cancel")
	tb.click("button", "Compare again")
	tb.see("95 of 100 left")
	tb.miss("Comparing …") // which ends with an empty choice
	choose(tb, "DIFFERENT")
	choose(tb, "SHOP")
	tb.click("button", "Copy 2 to mail")
	tb.click("button", "Copy, and replace 1")
	tb.see("2 items copied", "5 keys: 3 the same, 0 different, 0 only in the first, 2 only in the second.", "94 of 100 left")
	got := a.items(t, mail)
	for key, want := range map[string]string{"DIFFERENT": "PLANTED of shop", "SHOP": "PLANTED shop"} {
		if value := a.value(t, mail, got[key].ID); value != want {
			t.Errorf("%s = %q after the copy, want %q", key, value, want)
		}
	}
	if html := eval[string](tb, "document.documentElement.outerHTML"); strings.Contains(html, "PLANTED") {
		t.Error("the page shows a value")
	}

	// Without export, each value is a reveal.
	second := signedIn(t, bo, "/console/compare?a="+mail.ID+"&b="+shop.ID)
	second.click("button", "Compare")
	second.see("5 keys: 3 the same", "Compare again")
	second.run(`document.querySelector("[aria-label='Choose all that differ']").click()`)
	second.click("button", "Copy 2 to shop")
	second.see("takes 2 reveals of your budget, which has 98 left")
	second.click("button", "Copy")
	second.see("2 items copied", "5 keys: 5 the same", "96 of 100 left")
	if value := a.value(t, shop, a.items(t, shop)["MAIL_2"].ID); value != "PLANTED too" {
		t.Errorf("MAIL_2 = %q after the copy, want its value", value)
	}
}

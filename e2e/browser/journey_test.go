package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// tabTo moves the focus with Tab until an element with this name has it.
func (tb *tab) tabTo(name string) {
	tb.t.Helper()
	focused := `(e => e && (e.getAttribute("aria-label") ?? (e.labels?.length ? e.labels[0].textContent : e.textContent)).trim() === ` + quote(name) + `)(document.activeElement)`
	for range 80 {
		if eval[bool](tb, focused) {
			return
		}
		tb.press("\t")
	}
	tb.t.Fatalf("Tab does not lead to %s; the page shows:\n%s", name, tb.text())
}

// save presses Ctrl+Enter.
func (tb *tab) save() {
	tb.t.Helper()
	tb.do(chromedp.KeyEvent(enter, chromedp.KeyModifiers(chromedp.ModifierCtrl)))
}

// A user goes from the first sign-in to a secret that is delivered and rotated, with the keyboard alone.
func TestJourneyWithTheKeyboard(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	tb := open(t, shared, "/console/")
	tb.await("a field with the focus", `document.activeElement?.name === "api_key"`)
	tb.press(a.key + enter)
	tb.see("1 secret")
	tb.tabTo("New secret")
	tb.press(enter)
	tb.await("the name", `document.activeElement.name === "name"`)
	tb.press("shop" + enter)
	tb.see("Secret created", "This secret has no items yet")

	tb.tabTo("Add item")
	tb.press(enter)
	tb.await("the key", `document.activeElement.name === "key"`)
	tb.press("DATABASE_PASSWORD\tfirst password")
	tb.save()
	tb.see("Item added", "1 item")
	tb.await("the focus on the new item", `!!document.activeElement.closest("[data-item]")`) // not only after the next Tab

	tb.tabTo("Attach a service")
	tb.press(enter)
	tb.await("the name", `document.activeElement.name === "name"`)
	tb.press("shop-api\tshop:v1\t8080" + enter)
	tb.see("Service attached", "Ready", "Read it in AWS Secrets Manager")

	tb.tabTo("Show value of DATABASE_PASSWORD")
	tb.press(enter)
	tb.see("first password")
	tb.tabTo("More actions for DATABASE_PASSWORD")
	tb.press(enter)
	tb.tabTo("Edit value of DATABASE_PASSWORD")
	tb.press(enter)
	tb.await("the value", `document.activeElement.name === "value" && document.activeElement.value === "first password"`)
	tb.do(chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	tb.press("second password")
	tb.save()
	tb.see("Value changed")
	tb.miss("first password", "second password")
	tb.see("Ready")

	var secrets list[secretBody]
	a.call(t, "GET", "secrets/?name=shop", nil, &secrets)
	shop := secrets.Results[0]
	var read itemBody
	a.call(t, "GET", "secrets/"+shop.ID+"/items/"+a.items(t, shop)["DATABASE_PASSWORD"].ID+"/", nil, &read)
	if read.Value != "second password" {
		t.Errorf("the value is %q, want the second one", read.Value)
	}
}

package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
)

// loseAnswer has the page lose the answer to its next request of a method, which is done; refuse has that request
// fail before it is sent. Dry runs do not count.
func (tb *tab) loseAnswer(method string) { tb.t.Helper(); tb.breakNext(method, true) }
func (tb *tab) refuse(method string)     { tb.t.Helper(); tb.breakNext(method, false) }

func (tb *tab) breakNext(method string, sent bool) {
	tb.t.Helper()
	tb.run(fmt.Sprintf(`(() => {
		const real = window.fetch;
		window.fetch = async (address, options) => {
			if (options.method !== %q || String(address).includes("dry_run")) return real(address, options);
			window.fetch = real;
			if (%t) await real(address, options);
			throw new TypeError("the connection broke");
		};
	})()`, method, sent))
}

// After a lost answer the list is loaded again, and a second try finds what the first has done.
func TestRetriesFindWhatWasDone(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	tb := signedIn(t, a, "/console/")
	const lost = "The API can't be reached."
	tb.click("button", "New secret")
	tb.fill("Name", "shop")
	tb.loseAnswer("POST")
	tb.click("button", "Create")
	tb.see(lost, "2 secrets") // behind the dialog
	tb.click("button", "Create")
	tb.see("Secret created", "This secret has no items yet")

	tb.click("button", "Add item")
	tb.fill("Key", "KEY")
	tb.fill("Value", "PLANTED")
	tb.loseAnswer("POST")
	tb.click("button", "Add")
	tb.see(lost, "1 item")
	tb.click("button", "Add")
	tb.see("Item added")

	tb.click("button", "Delete item KEY")
	tb.loseAnswer("DELETE")
	tb.click("button", "Delete")
	tb.see(lost)
	tb.click("button", "Delete")
	tb.see("Item deleted", "This secret has no items yet")

	tb.click("button", "Attach a service")
	tb.fill("Name", "app")
	tb.fill("Image", "app:1")
	tb.fill("Port", "80")
	tb.loseAnswer("POST")
	tb.click("button", "Attach")
	tb.see(lost)
	tb.click("button", "Attach")
	tb.see("Service attached")
}

// An import writes whole batches. It goes on after a lost answer, and after another client has created one of its
// items, and says which lines were not imported.
func TestImportWritesWholeBatches(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "s")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	tb.see("no items yet")
	var lines strings.Builder
	for i := range 25 {
		fmt.Fprintf(&lines, "KEY_%02d=PLANTED %d\n", i+1, i+1)
	}
	// The other script is loaded now.
	block := []*network.BlockPattern{{URLPattern: "*://*:*/*/later.js", Block: true}}
	tb.do(send(network.Enable, network.EnableParams{}), send(network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: block}))
	tb.click("button", "Paste .env")
	tb.see("This part of the page could not be loaded.")
	block[0].Block = false
	tb.do(send(network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: block}))
	tb.click("button", "Try again")
	tb.fill("Contents of the file", lines.String())
	tb.see("25 to add")
	b := a.item(t, s, "KEY_02", "of another client")
	tb.click("button", "Import 25 items")
	tb.see("Line 2 KEY_02 Not imported. Another client has created this item meanwhile. Another try replaces its value.",
		"0 of 25 done. Not imported: lines 1–25.")
	if got := a.items(t, s); len(got) != 1 {
		t.Errorf("items after an import that found another client's = %d, want only that", len(got))
	}
	tb.loseAnswer("POST")
	tb.click("button", "Retry 25 items")
	tb.see("can't be reached", "0 of 25 done. Not imported: lines 1–25.")
	tb.run(`(() => {
		const real = window.fetch;
		let posts = 0;
		window.fetch = async (address, options) => {
			if (options.method === "POST" && !String(address).includes("dry_run") && ++posts === 2) {
				window.fetch = real;
				throw new TypeError("the connection broke");
			}
			return real(address, options);
		};
	})()`)
	tb.click("button", "Retry 25 items") // it finds the first batch, and loses the second
	tb.see("20 of 25 done. Not imported: lines 21–25.", "Line 20 KEY_20 Added", "Line 2 KEY_02 Changed")
	tb.click("button", "Retry 5 items")
	tb.see("25 of 25 done.")
	tb.click("button", "Close")
	tb.see("25 items.")
	got := a.items(t, s)
	if first, replaced := a.versions(t, s, got["KEY_01"].ID), a.versions(t, s, b.ID); len(first) != 1 || len(replaced) != 2 {
		t.Errorf("versions of KEY_01 = %v and of KEY_02 = %v, want 1 and 2: nothing is written twice", first, replaced)
	}
	if value := a.value(t, s, got["KEY_25"].ID); value != "PLANTED 25" {
		t.Errorf("KEY_25 = %q, want its value of the file", value)
	}

	tb.click("button", "Paste .env")
	tb.fill("Contents of the file", "KEY_01=PLANTED new\nNEW=PLANTED\nMASK=********\n")
	tb.see("2 to add, 1 to change")
	tb.run(`document.querySelector("dialog input[type=checkbox]").click()`)
	tb.see("2 to add, 1 to keep", "Line 1 KEY_01 Keep", "Import 2 items")
	tb.click("button", "Import 2 items")
	tb.see("Line 3 MASK Not imported.", "0 of 2 done. Not imported: lines 2–3.")
	tb.click("button", "Retry 1 item")
	tb.see("1 of 2 done. Not imported: line 3.", "Line 2 NEW Added")
	if value := a.value(t, s, got["KEY_01"].ID); value != "PLANTED 1" {
		t.Errorf("KEY_01 = %q, want the value that it was to keep", value)
	}

	tb.fill("Contents of the file", "KEY_01=PLANTED new\n")
	tb.run(`document.querySelector("dialog input[type=checkbox]").click()`)
	tb.see("1 to change")
	a.call(t, "DELETE", "secrets/"+s.ID+"/items/"+got["KEY_01"].ID+"/", nil, nil)
	tb.click("button", "Import 1 item")
	tb.see("Another client has deleted this item meanwhile. Another try adds it.")
	tb.click("button", "Retry 1 item")
	tb.see("1 of 1 done.", "Added")
}

// The work of an import grows with its lines, not with their square: each line is drawn twice.
func TestImportDrawsEachLineTwice(t *testing.T) {
	t.Parallel()
	const lines = 300
	a := shared.account(t)
	s := a.secret(t, "s")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	tb.click("button", "Paste .env")
	var text strings.Builder
	for i := range lines {
		fmt.Fprintf(&text, "KEY_%d=value %d\n", i, i)
	}
	tb.fill("Contents of the file", text.String())
	tb.see(fmt.Sprintf("%d to add", lines))
	tb.run(`(() => {
		window.drawn = 0;
		new MutationObserver((all) => (window.drawn += all.length)).observe(document.querySelector(".entries"), { childList: true, characterData: true, attributes: true, subtree: true });
	})()`)
	tb.click("button", fmt.Sprintf("Import %d items", lines))
	tb.see(fmt.Sprintf("%d of %d done.", lines, lines))
	if drawn := eval[int](tb, "window.drawn"); drawn < lines || drawn > 6*lines {
		t.Errorf("%d changes of the preview for %d lines, want a few for each line", drawn, lines)
	}
}

// A retry replaces nothing that the first try has not made: what existed before, or what another client made.
func TestRetriesReplaceNothingOfOthers(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "s")
	old := a.item(t, s, "OLD", "the real one")
	a.secret(t, "production")
	time.Sleep(6 * time.Second) // longer than the page allows clocks and functions
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	const lost = "The API can't be reached."
	tb.click("button", "Add item")
	tb.fill("Key", "NEW")
	tb.fill("Value", "typed")
	tb.refuse("POST")
	tb.click("button", "Add")
	tb.see(lost)
	tb.fill("Key", "OLD")
	tb.click("button", "Add")
	tb.see("secret item with this key already exists.")
	tb.refuse("POST")
	tb.click("button", "Add")
	tb.see(lost)
	tb.click("button", "Add") // the same again: the item is older than the first try
	tb.see("secret item with this key already exists.")
	var read itemBody
	a.call(t, "GET", "secrets/"+s.ID+"/items/"+old.ID+"/", nil, &read)
	if read.Value != "the real one" {
		t.Errorf("the value is %q after the retries, want the one of the other client", read.Value)
	}
	tb.click("button", "Cancel")
	tb.click("button", "Discard")
	tb.click("link", "← All secrets")
	tb.click("button", "New secret")
	tb.fill("Name", "production")
	tb.refuse("POST")
	tb.click("button", "Create")
	tb.see(lost)
	tb.click("button", "Create")
	tb.see("secret with this name already exists.")
}

// While a request is under way, its dialog stays. Typed text is asked for before the page is left, and a choice
// from a menu returns the focus to it.
func TestDialogsLoseNothing(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "s")
	a.item(t, s, "KEY", "value")
	tb := signedIn(t, a, "/console/")
	tb.click("link", "s")
	tb.see("1 item")
	tb.run(`(() => {
		const real = window.fetch;
		window.fetch = (address, options) => {
			if (options.method !== "DELETE") return real(address, options);
			return new Promise((resolve) => { window.release = () => resolve(real(address, options)); });
		};
	})()`)
	tb.click("button", "Delete item KEY")
	tb.click("button", "Delete")
	tb.await("a held request", "window.release")
	tb.press(escape)
	tb.see("Working …")
	tb.run("window.release()")
	tb.see("Item deleted")

	tb.click("button", "Add item")
	tb.fill("Key", "TYPED")
	tb.do(back())
	tb.see("Discard what you have entered?")
	if got := tb.value("Key"); got != "TYPED" {
		t.Errorf("the field has %q after the browser's back button, want the input", got)
	}
	tb.click("button", "Keep editing")
	tb.fill("Value", "value")
	tb.click("button", "Add")
	tb.see("Item added")
	tb.await("the focus on the new item", `document.activeElement?.getAttribute("aria-label") === "Show value of TYPED"`)

	tb.click("button", "Edit value of TYPED")
	tb.press(escape)
	tb.await("the focus on the menu", `document.activeElement?.getAttribute("aria-label") === "More actions for TYPED"`)
}

package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// loseAnswer has the page lose the answer to its next request of a method, which is done.
func (tb *tab) loseAnswer(method string) {
	tb.t.Helper()
	tb.run(`(() => {
		const real = window.fetch;
		window.fetch = async (address, options) => {
			if (options.method !== ` + quote(method) + `) return real(address, options);
			window.fetch = real;
			await real(address, options);
			throw new TypeError("the connection broke");
		};
	})()`)
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
	tb.click("button", "Delete permanently")
	tb.see(lost)
	tb.click("button", "Delete permanently")
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

// An import goes on after a lost answer, and after another client has created one of its items.
func TestImportFindsWhatWasDone(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "s")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	tb.see("no items yet")
	tb.click("button", "Paste .env")
	tb.fill("Contents of the file", "A=1\nB=2\nC=3\n")
	tb.see("3 to add")
	a.item(t, s, "B", "of another client")
	tb.loseAnswer("POST")
	tb.click("button", "Import 3 items")
	tb.see("1 of 3 done, 2 failed.", "already exists", "can't be reached") // some at the same time
	tb.click("button", "Retry 2 items")
	tb.see("3 of 3 done.")
	tb.click("button", "Close")
	tb.see("3 items")
	got := map[string]string{}
	for key, it := range a.items(t, s) {
		var read itemBody
		a.call(t, "GET", "secrets/"+s.ID+"/items/"+it.ID+"/", nil, &read)
		got[key] = read.Value
	}
	if diff := cmp.Diff(map[string]string{"A": "1", "B": "2", "C": "3"}, got); diff != "" {
		t.Errorf("items after the retries (-want +got):\n%s", diff)
	}
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

package browser

import (
	"testing"
)

// saves has the page keep the text of the next file that it saves, in window.saved.
func (tb *tab) saves() {
	tb.t.Helper()
	tb.run(`URL.createObjectURL = (blob) => (blob.text().then((text) => (window.saved = text)), "#"), HTMLAnchorElement.prototype.click = () => {}`)
}

// A whole secret is saved as a .env file for one reveal, and the page says which lines parsers read differently.
func TestDownloadAsDotenv(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "shop: prod")
	a.item(t, s, "A", "PLANTED")
	a.item(t, s, "B", "it's $5")
	a.item(t, s, "C", "PLANTED\nlines\n")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	tb.see("3 items.")
	tb.saves()
	tb.click("button", "Download .env")
	tb.see("in clear text, in the file shop-prod.env", "It is one reveal of your budget, and is logged with every item.")
	tb.click("button", "Download")
	tb.see("Programs that read .env files differ about 1 line: B.")
	tb.await("the file", "window.saved")
	const want = "A=PLANTED\n# Parsers differ here: \\$ is taken as an escape.\nB=\"it's \\$5\"\nC='PLANTED\nlines\n'\n"
	if got := eval[string](tb, "window.saved"); got != want {
		t.Errorf("the file has %q, want %q", got, want)
	}
	tb.click("button", "Close")
	tb.see("3 items saved in shop-prod.env", "99 of 100 left", "Last revealed just now by you")
	tb.miss("PLANTED")
}

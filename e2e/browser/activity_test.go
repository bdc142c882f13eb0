package browser

import (
	"strings"
	"testing"
)

// pick selects an option of a filter by its text.
func (tb *tab) pick(name, option string) {
	tb.t.Helper()
	tb.await("the option "+option, `[...(document.querySelector("select[name=`+name+`]")?.options ?? [])].some(o => o.textContent === `+quote(option)+`)`)
	tb.run(`(e => { e.value = [...e.options].find(o => o.textContent === ` + quote(option) + `).value; e.dispatchEvent(new Event("change", { bubbles: true })); })(
		document.querySelector("select[name=` + name + `]"))`)
}

// An auditor reads who did what, filters it, watches it and saves it; others read what they did themselves.
func TestActivityTellsWhoDidWhat(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	shop := a.secret(t, "shop <b>")
	database, smtp := a.item(t, shop, "DATABASE_URL", "PLANTED database"), a.item(t, shop, "SMTP_PASSWORD", "PLANTED smtp")
	_, bob := a.person(t, "Bob", strings.Fields("list reveal"))
	path := func(it itemBody) string { return "secrets/" + shop.ID + "/items/" + it.ID + "/" }
	bob.call(t, "GET", path(database), nil, nil)
	for range 2 {
		if got := bob.status(t, "DELETE", path(database), nil); got != 403 {
			t.Fatalf("status of a deletion by Bob = %d, want 403", got)
		}
	}

	tb := signedIn(t, a, "/console/")
	tb.click("link", "Activity")
	tb.see("Bob revealed DATABASE_URL in shop <b>, just now, from 127.0.0.1", "Bob was refused 2 times: delete an item",
		"An operator created the account", "Admin added the person Bob", "1 reveal in 30 days", "Live")
	tb.miss("PLANTED")

	// Filters are chips, and in the address.
	tb.pick("action", "Reveals")
	tb.await("the filter in the address", `location.search === "?action=item.revealed"`)
	tb.see("Bob revealed DATABASE_URL")
	tb.miss("was refused", "created the account")
	tb.pick("user", "Admin")
	tb.see("Nothing was done that matches.", "By: Admin", "What: Reveals")
	tb.click("button", "Remove the filter By: Admin")
	tb.see("Bob revealed DATABASE_URL")

	// New events appear without a reload, unless the user points at the list.
	bob.call(t, "GET", path(smtp), nil, nil)
	tb.see("Bob revealed SMTP_PASSWORD") // within ten seconds
	tb.run(`document.querySelector(".events summary").focus()`)
	a.call(t, "GET", path(smtp), nil, nil)
	tb.comeBack() // as after ten seconds
	tb.see("Show 1 new event")
	tb.miss("Admin revealed")
	tb.click("button", "Show 1 new event")
	tb.see("Admin revealed SMTP_PASSWORD")
	tb.run(`(real => { window.restore = () => (window.fetch = real); window.fetch = (address, options) =>
		String(address).includes("events/") ? Promise.reject(new TypeError("the connection broke")) : real(address, options); })(window.fetch)`)
	tb.comeBack() // as after ten seconds
	tb.see("Not live")
	tb.run(`window.restore()`)
	tb.comeBack() // as after ten seconds
	tb.see("Live: new events appear here.")

	// The file has all events that match, and one header.
	tb.run(`URL.createObjectURL = (blob) => (blob.text().then((text) => (window.saved = text)), "#"), HTMLAnchorElement.prototype.click = () => {}`)
	tb.click("button", "Download CSV")
	tb.see("3 lines saved")
	tb.await("the file", "window.saved") // which the test reads later than the page
	lines := strings.Split(eval[string](tb, "window.saved"), "\r\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[0], "id,at,action,") || !strings.Contains(lines[1], ",item.revealed,allowed,") {
		t.Errorf("the file has %d lines: %q", len(lines), lines)
	}

	// One click on an item: who read it.
	tb.click("link", "Goblins Secrets")
	tb.click("link", "shop <b>")
	tb.click("link", "Who read this: DATABASE_URL")
	tb.see("Bob revealed DATABASE_URL", "Item: DATABASE_URL", "1 event. There is nothing older.")
	tb.miss("SMTP_PASSWORD")

	own := signedIn(t, bob, "/console/activity")
	own.see("Your activity", "Bob revealed DATABASE_URL", "Bob was refused 2 times")
	own.miss("Admin", "Review")
}

// A review says what to look at, and leads there.
func TestReviewLeadsToWhatToDo(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	unused := a.secret(t, "unused")
	_, bob := a.person(t, "Bob", strings.Fields("list reveal"))
	for range 3 {
		bob.status(t, "DELETE", "secrets/"+unused.ID+"/", nil)
	}
	tb := signedIn(t, a, "/console/")
	tb.click("link", "Activity")
	tb.click("link", "Review")
	tb.see("Everything was looked at.", "Users with admin (1)", "Keys that never expire (2)", "Secrets that no service uses (2)",
		"Bob: refused 3 times")
	tb.miss("Values that are not read")
	tb.click("link", "See what they tried")
	tb.see("Bob was refused 3 times: delete a secret", "When: Last 7 days")
	tb.run(`history.back()`)
	tb.click("link", "Change their rights")
	tb.see("All people and machines")
}

// An address may come from anyone. What is no id leads nowhere: as a part of a path, it could be another request.
func TestAddressesOfActivityAskForNothingElse(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	shop := a.secret(t, "shop")
	item := a.item(t, shop, "DATABASE_URL", "PLANTED")
	tb := signedIn(t, a, "/console/activity?secret="+shop.ID+"&item="+item.ID+"%2F%23&user=..%2F..%2Fme")
	tb.see("Live", "Secret: shop", "Admin added DATABASE_URL to shop")
	tb.miss("Item:", "By:")
	if n := shared.reveals(t, item.ID); n > 0 {
		t.Errorf("opening the address is %d reveals", n)
	}
}

// What was read for one key is not shown or saved for another.
func TestActivityEndsWithItsKey(t *testing.T) {
	t.Parallel()
	a, b := shared.account(t), shared.account(t)
	shop := a.secret(t, "shop")
	item := a.item(t, shop, "DATABASE_URL", "PLANTED")
	for range 7 {
		a.call(t, "GET", "secrets/"+shop.ID+"/items/"+item.ID+"/", nil, nil)
	}
	tb := signedIn(t, a, "/console/activity")
	tb.see("7 reveals in 30 days", "Live")
	tb.run(`URL.createObjectURL = () => { window.saved = true; return "#"; }, HTMLAnchorElement.prototype.click = () => {}`)
	tb.run(`(real => { window.fetch = async (address, options) => {
		const answer = await real(address, options);
		if (String(address).includes("csv")) await new Promise((resolve) => (window.arrive = resolve));
		return answer;
	}; })(window.fetch)`)
	tb.click("button", "Download CSV")
	tb.await("the file", "window.arrive")
	shared.revoke(t, a.key)
	tb.comeBack()
	tb.see("The API no longer accepts this key.")
	tb.fill("API key", b.key)
	tb.press(enter)
	tb.see("An operator created the account")
	tb.run(`window.arrive()`)
	tb.miss("7 reveals", "saved", "DATABASE_URL")
	if eval[bool](tb, `window.saved === true`) {
		t.Error("the log of the former key was saved")
	}
}

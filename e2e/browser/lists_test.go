package browser

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A list of many secrets can be sorted, and searched by name and, on request, by the keys inside.
func TestManySecretsCanBeFound(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	const n = 30
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			s := a.secret(t, fmt.Sprintf("app %d", i))
			a.item(t, s, fmt.Sprintf("DATABASE_URL_%d", i), "PLANTED")
			a.item(t, s, "PORT", "PLANTED")
		})
	}
	wg.Wait()
	tb := signedIn(t, a, "/console/")
	tb.see(fmt.Sprintf("%d secrets", n+1))
	names := func() []string {
		return eval[[]string](tb, `[...document.querySelectorAll(".rows a.name")].map(e => e.textContent)`)
	}
	want := []string{}
	for i := range n {
		want = append(want, fmt.Sprintf("app %d", i))
	}
	want = append(want, "Default") // 2 before 10
	if diff := cmp.Diff(want, names()); diff != "" {
		t.Errorf("secrets by name (-want +got):\n%s", diff)
	}
	order := func(value string) {
		t.Helper()
		tb.run(`(e => { e.value = ` + quote(value) + `; e.dispatchEvent(new Event("change", { bubbles: true })); })(document.querySelector(".order select"))`)
	}
	order("oldest")
	tb.await("the oldest first", `document.querySelector(".rows a.name").textContent === "Default"`)
	oldest := names()
	order("newest")
	tb.await("the newest first", `document.querySelector(".rows a.name").textContent !== "Default"`)
	newest := names()
	slices.Reverse(newest)
	if diff := cmp.Diff(oldest, newest); diff != "" {
		t.Errorf("newest first is not oldest first backwards:\n%s", diff)
	}
	tb.fill("Search secrets by name", "url_17 database")
	tb.see("No name contains")
	tb.click("button", "Search keys, too")
	tb.see("1 of 31 secrets", "app 17", "DATABASE_URL_17", "Keys of 31 secrets, as of ")
	tb.fill("Search secrets by name", "port")
	tb.see("30 of 31 secrets")
	tb.click("link", "app 3")
	tb.see("2 items")
	tb.click("link", "← All secrets")
	tb.see("30 of 31 secrets") // kept in memory
	tb.click("button", "Sign out")
	tb.signIn(a)
	tb.fill("Search secrets by name", "port")
	tb.see("No name contains") // until sign-out
}

// Titles name what is shown. Columns line up, and rows have few actions.
func TestRowsAndTitles(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "a rather long name of a secret that is used")
	for _, key := range []string{"A", "A_MUCH_LONGER_KEY_THAN_THE_OTHER_ONES"} {
		a.item(t, s, key, "PLANTED")
	}
	tb := signedIn(t, a, "/console/")
	tb.see("2 secrets")
	title := func(want string) {
		t.Helper()
		tb.await("the title "+want, "document.title === "+quote(want+" · Goblins Secrets"))
	}
	title("Secrets")
	right := func(what, selector string) {
		t.Helper()
		edges := eval[[]float64](tb, `[...document.querySelectorAll(`+quote(selector)+`)].map(e => Math.round(e.getBoundingClientRect().right))`)
		if len(edges) < 2 || slices.Min(edges) != slices.Max(edges) {
			t.Errorf("%s end at %v, want one column", what, edges)
		}
	}
	right("menus of secrets", ".rows > .row > .menu")
	tb.click("link", s.Name)
	title(s.Name)
	tb.see("2 items")
	right("menus of items", ".rows > .item > .menu")
	right("actions of items", ".rows > .item > .buttons")
	visible := eval[[]string](tb, `[...document.querySelector(".rows > .item").querySelectorAll("button")].filter(e => e.checkVisibility()).map(e => e.textContent)`)
	if got := strings.Join(visible, " "); got != "Show Copy" {
		t.Errorf("actions of a row = %s, want two", got)
	}
	tb.click("button", "Sign out")
	title("Sign in")
}

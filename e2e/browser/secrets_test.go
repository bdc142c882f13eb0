package browser

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDeletionNeedsConfirmation(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "in use")
	a.call(t, "POST", "services/", map[string]any{"name": "my-app", "image": "myapp:v1", "port": 8080, "secret": s.ID}, nil)
	tb := signedIn(t, a, "/console/")
	tb.see("2 secrets")
	if n := eval[int](tb, `document.querySelectorAll("button.danger").length`); n != 1 {
		t.Errorf("delete buttons = %d, want 1: the default secret has none", n)
	}
	tb.click("button", "Delete secret in use")
	enabled := `(e => e && !e.disabled)(` + tb.element("button", "Delete") + `)`
	for _, typed := range []string{"", "in us", "In use", "inuse", "Default"} {
		tb.fill("Type the secret’s name to confirm", "x")
		tb.fill("Type the secret’s name to confirm", typed)
		if typed == "" {
			tb.press("\b")
		}
		tb.press(enter)
		if eval[bool](tb, enabled) {
			t.Errorf("%q confirms the deletion of %q", typed, "in use")
		}
	}
	tb.fill("Type the secret’s name to confirm", " in\u00a0 use") // it looks the same
	tb.click("button", "Delete")
	tb.see("This secret is used by 1 service: my-app. Remove the secret from all services first.")
	tb.press(escape)
	tb.miss("Type the secret’s name")
	tb.see("2 secrets")

	it := a.item(t, s, "KEY", "PLANTED")
	tb.click("link", "in use")
	tb.click("button", "Delete item KEY")
	tb.see("with all versions of its value")
	tb.click("button", "Cancel")
	tb.miss("with all versions of its value")
	if _, ok := a.items(t, s)["KEY"]; !ok {
		t.Errorf("%s was deleted after Cancel", it.Key)
	}
}

// The page names the services of a secret, and its status follows the delivery
// automatically.
func TestStatusFollowsTheDelivery(t *testing.T) {
	t.Parallel()
	stack := newStack(t, "-set", "DeployBatchSeconds=5") // so that the status before a delivery is visible
	a := stack.account(t)
	s := a.secret(t, "delivered")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	status := func(want string) {
		t.Helper()
		tb.await("the status "+want, `document.querySelector("h1 ~ .badges .badge")?.textContent === `+quote(want))
	}
	tb.see("No service uses this secret, so it is not delivered.")
	tb.await("no status", `document.querySelector("h1") && !document.querySelector("h1 ~ .badges .badge")`)
	a.call(t, "POST", "services/", map[string]any{"name": "my-app", "image": "registry.example/myapp:v1", "port": 8080, "secret": s.ID}, nil)
	tb.comeBack()
	tb.see("my-app registry.example/myapp:v1, port 8080")
	status("Pending")
	status("Ready")
	tb.click("button", "Add item")
	tb.fill("Key", "KEY")
	tb.fill("Value", "PLANTED")
	tb.click("button", "Add")
	status("Deploying")
	tb.see("Services still use this secret as it was before the last changes.")
	tb.click("link", "← All secrets")
	tb.await("a status in the list", `document.querySelector(".badge.deploying")`)
	tb.await("a settled list", `document.querySelectorAll(".badge.ready").length === 1`)
}

// The page reads lists page by page to their end.
func TestLongListsLoadCompletely(t *testing.T) {
	t.Parallel()
	const n = 230 // more than one page of the API
	a := shared.account(t)
	s := a.secret(t, "long")
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < n; i += 4 {
				a.secret(t, fmt.Sprintf("secret %03d", i))
				a.item(t, s, fmt.Sprintf("KEY_%03d", i), "PLANTED")
			}
		})
	}
	wg.Wait()
	tb := signedIn(t, a, "/console/")
	tb.see("232 secrets")
	tb.await("all rows", "document.querySelectorAll('.rows > li').length === 232")
	tb.slash()
	tb.fill("Search secrets by name", "22 RET")
	tb.see("12 of 232 secrets", "secret 229", "secret 022")
	tb.fill("Search secrets by name", "long")
	tb.press(enter)
	tb.see("230 items")
	tb.await("all rows", "document.querySelectorAll('.rows > li').length === 230")
}

// The console can be used without a mouse.
func TestKeyboardIsEnough(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	a.secret(t, "alpha")
	a.secret(t, "beta")
	tb := open(t, shared, "/console/")
	tb.await("a field with the focus", `document.activeElement?.name === "api_key"`)
	tb.press(a.key + enter)
	tb.see("3 secrets")
	focus := func(what, expression string) { t.Helper(); tb.await("the focus on "+what, expression) }
	tb.slash()
	focus("the search", `document.activeElement.matches("[data-search]")`)
	tb.press("et")
	tb.see("1 of 3 secrets")
	tb.slash() // in a field it is a letter
	tb.see("No name contains “et/”.")
	tb.press(escape)
	tb.see("3 secrets")
	focus("nothing", `document.activeElement === document.body`)
	tb.slash()
	tb.press("bet" + enter)
	focus("the heading", `document.activeElement.matches("h1") && document.activeElement.textContent === "beta"`)
	tb.click("button", "Add item")
	focus("the first field", `document.activeElement.name === "key"`)
	tb.press("KEY\tvalue" + escape)
	tb.see("Discard what you have entered?")
	focus("the question", `document.activeElement.textContent === "Keep editing"`)
	tb.press("\t" + enter)
	tb.miss("Up to 64 KiB")
	focus("the button that opened the dialog", `document.activeElement.textContent === "Add item"`)
	tb.press(enter)
	focus("the first field", `document.activeElement.name === "key"`)
	tb.press("KEY\tvalue\t\t\t\t" + enter)
	tb.see("Item added")
	tb.do(back())
	tb.see("1 of 3 secrets") // the search is kept
}

// Text that users wrote never becomes markup, and never changes the layout.
func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	const (
		markup = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>&lt;b&gt;${1+1}`
		turned = "abc\u202e\u2066txt.exe\u200b"
	)
	long := strings.Repeat("x", 65536)
	odd := a.secret(t, markup)
	turnedName := a.secret(t, turned)
	a.item(t, turnedName, "LONG", long)
	a.secret(t, strings.Repeat("\u05d0", 255))
	a.secret(t, `"'/\ `+"`"+`</title></style>`)
	a.secret(t, strings.Repeat("W", 255))
	for key, value := range map[string]string{"MARKUP": markup, "TURNED": turned, "LINES": "a\n\n  b\r\n\tc\n", strings.Repeat("K", 253): "x"} {
		a.item(t, odd, key, value)
	}
	image := strings.Repeat("a", 100) + "/" + strings.Repeat("b", 300)
	a.call(t, "POST", "services/", map[string]any{"name": "s", "image": image, "port": 1, "secret": odd.ID}, nil)
	tb := signedIn(t, a, "/console/")
	tb.see(markup, "6 secrets")
	sane := func() {
		t.Helper()
		if got := eval[string](tb, "document.title"); got == "owned" {
			t.Errorf("document.title = %q: a text ran as a script", got)
		}
		if n := eval[int](tb, `document.querySelectorAll("#app img, #app script, #app b, #app style").length`); n != 0 {
			t.Errorf("elements made of texts = %d, want 0", n)
		}
		if wide := eval[[]int](tb, "[document.documentElement.scrollWidth, innerWidth]"); wide[0] > wide[1] {
			t.Errorf("width of the page = %d pixels, want at most the window's %d", wide[0], wide[1])
		}
	}
	sane()
	tb.phone()
	sane()
	tb.click("link", markup)
	tb.see("4 items")
	sane()
	show := func(key, value string) {
		t.Helper()
		tb.click("button", "Show value of "+key)
		shown := `document.querySelector("pre[aria-label='Value of ` + key + `']")`
		tb.await("shown "+key, shown)
		if got := eval[string](tb, shown+".textContent"); got != value {
			t.Errorf("shown value of %s = %.100q, want %.100q", key, got, value)
		}
		sane()
	}
	for key, value := range map[string]string{"MARKUP": markup, "TURNED": turned, "LINES": "a\n\n  b\r\n\tc\n"} {
		show(key, value)
	}
	tb.see("This value has invisible characters: U+202E, U+2066, U+200B.", "This value has invisible characters: U+000D.")
	// Each text is isolated from the direction of the others.
	got := eval[[]string](tb, `[...document.querySelectorAll(".name, .key, .value, bdi")].map(e => getComputedStyle(e).unicodeBidi)`)
	if len(got) == 0 || cmp.Diff(got, slicesOf("isolate", len(got))) != "" {
		t.Errorf("unicode-bidi of the texts = %v, want isolate for each", got)
	}
	tb.click("button", "Edit value of LINES")
	tb.see("carriage returns, which can’t be edited here")
	tb.press(escape)
	tb.click("button", "Delete secret "+markup)
	tb.fill("Type the secret’s name to confirm", markup)
	tb.click("button", "Delete")
	tb.see("This secret is used by 1 service: s.")
	tb.press(escape)

	tb.click("link", "← All secrets")
	tb.click("link", turned)
	show("LONG", long)
	tb.click("button", "Edit value of LONG")
	tb.fill("Value", long+"y")
	tb.click("button", "Save")
	tb.see("Ensure this field has no more than 65536 bytes.")
	if got := tb.value("Value"); got != long+"y" {
		t.Errorf("characters in the field after a refusal = %d, want %d", len(got), len(long)+1)
	}
}

func slicesOf(text string, n int) (texts []string) {
	for range n {
		texts = append(texts, text)
	}
	return texts
}

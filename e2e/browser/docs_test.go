package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

// operations returns the operations of the stack's document by method and path, each with the names of its
// parameters.
func operations(t *testing.T, s *running) map[string][]string {
	t.Helper()
	r, err := http.Get(s.url + "/api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	type parameter struct {
		Ref  string `json:"$ref"`
		Name string
	}
	var document struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct{ Parameters map[string]parameter }
	}
	if err := json.NewDecoder(r.Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for path, item := range document.Paths {
		for _, method := range []string{"get", "post", "put", "patch", "delete"} {
			if item[method] == nil {
				continue
			}
			var own struct{ Parameters []parameter }
			var all []parameter
			if item["parameters"] != nil {
				if err := json.Unmarshal(item["parameters"], &all); err != nil {
					t.Fatal(err)
				}
			}
			if err := json.Unmarshal(item[method], &own); err != nil {
				t.Fatal(err)
			}
			names := []string{}
			for _, p := range append(all, own.Parameters...) {
				if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
					p = document.Components.Parameters[name]
				}
				names = append(names, p.Name)
			}
			slices.Sort(names)
			found[strings.ToUpper(method)+" "+path] = names
		}
	}
	return found
}

// The page works under a prefix, with and without a trailing slash, and so do the links between it and the console.
func TestReferenceWorksUnderAPrefix(t *testing.T) {
	t.Parallel()
	at := &running{url: prefixed(t, shared, "/prod"), data: shared.data}
	for _, path := range []string{"/docs", "/docs/"} {
		tb := open(t, at, path)
		tb.see("/api/budget/", at.url)
		tb.run(tb.element("link", "Console") + ".click()")
		tb.see("Sign in")
	}
	tb := open(t, at, "/console/")
	tb.signIn(shared.account(t))
	if got, want := eval[string](tb, tb.element("link", "API")+".href"), at.url+"/docs/"; got != want {
		t.Errorf("link to the reference = %s, want %s", got, want)
	}
}

// The page shows each operation, its parameters and examples, in both themes and widths, without a request to
// another origin. It takes no input, and its script can't read what the console keeps in the tab.
func TestReferenceShowsEveryOperation(t *testing.T) {
	t.Parallel()
	tb := open(t, shared, "/console/")
	tb.see("Sign in")
	tb.run("sessionStorage.setItem('goblins-secrets.key', 'gob_')")
	tb.do(send(network.Enable, network.EnableParams{}))
	requests := tb.watch()
	err := chromedp.Listen(tb.ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventConsoleAPICalled:
			tb.fault(fmt.Sprint("console.", e.Type, " ", e.Args))
		case *cdplog.EventEntryAdded:
			tb.fault(e.Entry.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	tb.do(chromedp.Navigate(shared.url + "/docs/"))
	want := operations(t, shared)
	tb.await("the document", fmt.Sprintf("document.querySelectorAll('.opblock').length === %d", len(want)))
	got := map[string][]string{}
	for i := range len(want) {
		// One is open at a time: all of them together take the page a minute. The elements are swagger-ui's.
		shown := eval[struct {
			Operation  string
			Parameters []string
		}](tb, fmt.Sprintf(`(async (e) => {
			const button = e.querySelector(".opblock-summary-control");
			button.click();
			while (!e.querySelector(".highlight-code")?.checkVisibility()) await new Promise((next) => setTimeout(next, 5));
			const parameters = [...e.querySelectorAll("[data-param-name]")].filter((p) => p.checkVisibility());
			if (%[1]d < %[2]d) button.click(); // the last two are for the checks below
			return {
				Operation: e.querySelector(".opblock-summary-method").innerText + " " + e.querySelector("[data-path]").dataset.path,
				Parameters: parameters.map((p) => p.dataset.paramName).sort(),
			};
		})(document.querySelectorAll(".opblock")[%[1]d])`, i, len(want)-2))
		got[shown.Operation] = shown.Parameters
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("operations (-document +page):\n%s", diff)
	}
	tb.run(`document.querySelector(".models .models-control, .models button").click()`)
	tb.await("the schemas", `document.querySelector(".models [data-json-schema-level], .models .json-schema-2020-12")`)
	tb.miss("Authorize", "Try it out", "Execute")
	if fields := eval[int](tb, `[...document.querySelectorAll("input, textarea")].filter((e) => e.checkVisibility()).length`); fields > 0 {
		t.Errorf("the page has %d fields, want none", fields)
	}
	if kept := eval[string](tb, `(() => { try { return JSON.stringify(sessionStorage); } catch (e) { return e.name; } })()`); kept != "SecurityError" {
		t.Errorf("the session storage = %s, want SecurityError", kept)
	}
	checkAccess(t, "the reference", tb, "heading-order", "landmark-unique", "nested-interactive", "region", "select-name")

	requests.mu.Lock()
	defer requests.mu.Unlock()
	if len(requests.urls) != 3 { // the page, its script, the document
		t.Errorf("requests = %v, want three", requests.urls)
	}
	for _, to := range requests.urls {
		if !strings.HasPrefix(to, shared.url+"/") {
			t.Errorf("request to %s, want this origin only", to)
		}
	}
}

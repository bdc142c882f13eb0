package console_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"goblins-secrets/pkg/console"
)

// get serves a path below a prefix as a gateway does, with the route and its parameter.
func get(prefix, pattern, place string) *httptest.ResponseRecorder {
	path := prefix + strings.Replace(pattern, "{proxy+}", place, 1)
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Pattern = pattern
	r.SetPathValue("proxy", place)
	w := httptest.NewRecorder()
	console.Handler().ServeHTTP(w, r)
	return w
}

func TestBaseIsThePathOfTheConsole(t *testing.T) {
	for _, tt := range []struct{ prefix, pattern, place, want string }{
		{"", "/", "", "/console/"},
		{"", "/console", "", "/console/"},
		{"", "/console/", "", "/console/"},
		{"", "/console/{proxy+}", "secrets/1-a", "/console/"},
		{"", "/console/{proxy+}", "secrets/1-a/", "/console/"},
		{"", "/console/{proxy+}", "people", "/console/"},
		{"", "/console/{proxy+}", "bin", "/console/"},
		{"", "/console/{proxy+}", "compare", "/console/"},
		{"", "/console/{proxy+}", "people/1-a", "/console/"},
		{"/prod", "/console/{proxy+}", "you", "/prod/console/"},
		{"/prod", "/", "", "/prod/console/"},
		{"/prod", "/console", "", "/prod/console/"},
		{"/prod", "/console/{proxy+}", "secrets/1-a", "/prod/console/"},
		{"/a/b", "/console", "", "/a/b/console/"},
		{"/console", "/", "", "/console/console/"},
		{"/console", "/console", "", "/console/console/"},
		{"/secrets/1-a", "/console/{proxy+}", "secrets/1-a", "/secrets/1-a/console/"},
		{"//elsewhere.example", "/console", "", "/elsewhere.example/console/"}, // and not another host
		{`/"><script>`, "/console", "", "/&#34;&gt;&lt;script&gt;/console/"},
	} {
		w := get(tt.prefix, tt.pattern, tt.place)
		body, want := w.Body.String(), `<base href="`+tt.want+`">`
		if w.Code != http.StatusOK || strings.Count(body, "<base ") != 1 || !strings.Contains(body, want) {
			t.Errorf("get(%q, %q, %q) = %d %s, want %s", tt.prefix, tt.pattern, tt.place, w.Code, body, want)
		}
	}
}

// The page loads nothing from another origin, and contains nothing that its policy forbids.
func TestPageLoadsItsOwnScriptOnly(t *testing.T) {
	page := get("", "/console", "").Body.String()
	for _, forbidden := range []string{"http:", "https:", "<style", " style=", " on", "javascript:"} {
		if strings.Contains(strings.ReplaceAll(page, "http://www.w3.org/2000/svg", ""), forbidden) { // the icon's format
			t.Errorf("the page contains %q", forbidden)
		}
	}
	scripts := regexp.MustCompile(`<script[^>]*>[^<]*`).FindAllString(page, -1)
	if len(scripts) != 1 || !strings.HasSuffix(scripts[0], ` type="module">`) {
		t.Errorf("scripts of the page = %q, want one module, which is deferred", scripts)
	}
}

// No module uses storage that outlives the tab, or turns text into HTML or code. Sources stay
// readable: at most 120 characters a line.
func TestSourcesUseNoForbiddenAPI(t *testing.T) {
	names, err := filepath.Glob("web/*.*")
	if err != nil || len(names) < 10 {
		t.Fatalf("Glob = %v, %v, want the sources", names, err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{
			"localStorage", "indexedDB", "document.cookie", "innerHTML", "outerHTML", "insertAdjacentHTML", "dangerouslySetInnerHTML",
			"document.write", "eval(", "new Function", "console.log",
		} {
			if strings.Contains(string(content), word) {
				t.Errorf("%s contains %s", name, word)
			}
		}
		n := 0
		for line := range strings.Lines(string(content)) {
			n++
			if length := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); length > 120 {
				t.Errorf("%s:%d has %d characters, want at most 120", name, n, length)
			}
		}
	}
}

func TestScriptIsCachedOnlyUnderItsHash(t *testing.T) {
	page := get("", "/console", "").Body.String()
	address := regexp.MustCompile(`assets/[0-9A-Za-z_-]+/console\.js`).FindString(page)
	w := get("", "/console/{proxy+}", address)
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("GET %s = %d, Cache-Control %s, want 200, immutable", address, w.Code, w.Header().Get("Cache-Control"))
	}
	other := get("", "/console/{proxy+}", "assets/other/console.js")
	if other.Code != http.StatusOK || other.Header().Get("Cache-Control") != "no-store" || other.Body.String() != w.Body.String() {
		t.Errorf("GET assets/other/console.js = %d, Cache-Control %s, want the same script with no-store",
			other.Code, other.Header().Get("Cache-Control"))
	}
	later := get("", "/console/{proxy+}", strings.Replace(address, "console.js", "later.js", 1))
	if later.Code != http.StatusOK || later.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" || later.Body.String() == w.Body.String() {
		t.Errorf("GET later.js = %d, Cache-Control %s, want another script, immutable", later.Code, later.Header().Get("Cache-Control"))
	}
	for _, place := range []string{
		"assets/other/later.js", "assets/later.js", "assets", "assets/console.js", "assets/a/b/console.js", "assets/../console.js", "secrets", "secrets/", "secrets/a/b", "secrets/a b",
		"people/a/b", "you/a", "peopleyou",
		"web/style.css", "style.css",
	} {
		w := get("", "/console/{proxy+}", strings.ReplaceAll(place, " ", "%20"))
		if w.Code != http.StatusNotFound || w.Body.String() != `{"detail":"Not found."}`+"\n" {
			t.Errorf("GET %s = %d %s, want 404", place, w.Code, w.Body)
		}
	}
}

func TestAnswersHaveStrictPolicies(t *testing.T) {
	page := get("", "/console", "").Header()
	policy := strings.Split(page.Get("Content-Security-Policy"), "; ")
	want := []string{
		"base-uri 'self'", "connect-src 'self'", "default-src 'none'", "form-action 'none'", "frame-ancestors 'none'", "img-src data:",
		"require-trusted-types-for 'script'", "script-src 'self'", "trusted-types 'none'",
	}
	if slices.Sort(policy); !slices.Equal(policy, want) {
		t.Errorf("Content-Security-Policy = %q, want %q", policy, want)
	}
	if got := page.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control of the page = %s, want no-store", got)
	}
	for _, h := range []http.Header{
		page, get("", "/console/{proxy+}", "assets/x/console.js").Header(), get("", "/console/{proxy+}", "nothing").Header(),
	} {
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("headers = %v, want nosniff and no-referrer", h)
		}
	}
}

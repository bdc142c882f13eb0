package docs_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"goblins-secrets/pkg/docs"
)

// ask requests a URL as a gateway passes it on, with its route.
func ask(url, pattern string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, url, nil)
	r.Pattern = pattern
	if _, place, ok := strings.Cut(url, "/docs/"); ok {
		r.SetPathValue("proxy", place)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	docs.Handler().ServeHTTP(w, r)
	return w
}

// Programs that import the document call the API at the address where they got it.
func TestServerIsTheAddressThatWasAsked(t *testing.T) {
	tags := map[string]bool{}
	for url, want := range map[string]string{
		"http://127.0.0.1:8080/api/openapi.json":           "http://127.0.0.1:8080",
		"https://secrets.example.com/api/openapi.json":     "https://secrets.example.com",
		"https://a1.example.com/prod/api/openapi.json":     "https://a1.example.com/prod",
		"https://a1.example.com/prod/api/openapi.json/":    "https://a1.example.com/prod",
		"https://a1.example.com/prod/api/openapi.json?x=y": "https://a1.example.com/prod",
		"https://a1.example.com/a/b/api/openapi.json":      "https://a1.example.com/a/b",
		`https://a1.example.com/%22%20/api/openapi.json`:   "https://a1.example.com/%22%20",
	} {
		w := ask(url, "/api/openapi.json")
		var document struct {
			Servers []struct{ URL string }
			Paths   map[string]any
		}
		if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil || len(document.Paths) == 0 {
			t.Fatalf("GET %s = %d %s: %v", url, w.Code, w.Body, err)
		}
		if len(document.Servers) != 1 || document.Servers[0].URL != want {
			t.Errorf("servers of %s = %v, want %s", url, document.Servers, want)
		}
		tags[w.Header().Get("ETag")] = true
	}
	if len(tags) != 5 { // one for each server
		t.Errorf("tags = %v, want one for each of 5 servers", tags)
	}
}

// A client that has the document gets no second copy. Tags are compared weakly.
func TestKnownDocumentIsNotSentAgain(t *testing.T) {
	const url = "https://secrets.example.com/api/openapi.json"
	tag := ask(url, "/api/openapi.json").Header().Get("ETag")
	if !regexp.MustCompile(`^W/"[0-9A-Za-z_-]+"$`).MatchString(tag) {
		t.Fatalf("ETag = %s, want a weak one", tag)
	}
	for _, tt := range []struct {
		known []string
		want  int
	}{
		{[]string{tag}, 304}, {[]string{strings.TrimPrefix(tag, "W/")}, 304}, {[]string{"*"}, 304}, {[]string{`"a", ` + tag + ` ,"b"`}, 304},
		{[]string{`"a"`, tag}, 304}, {[]string{""}, 200}, {[]string{`"a"`}, 200}, {[]string{strings.Trim(tag, `W/"`)}, 200}, {nil, 200},
	} {
		var headers []string
		for _, known := range tt.known {
			headers = append(headers, "If-None-Match", known)
		}
		w := ask(url, "/api/openapi.json", headers...)
		if w.Code != tt.want || (w.Body.Len() == 0) != (tt.want == 304) || w.Header().Get("ETag") != tag || w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("with If-None-Match %q = %d, %d bytes, %v, want %d", tt.known, w.Code, w.Body.Len(), w.Header(), tt.want)
		}
	}
}

// The page's script runs in an opaque origin, which may load the script and the document.
func TestPageIsSandboxed(t *testing.T) {
	page := ask("https://a1.example.com/prod/docs", "/docs")
	policy := page.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'; script-src 'self'; ", "trusted-types 'none'; sandbox allow-scripts"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy = %s, want %s in it", policy, want)
		}
	}
	if body := page.Body.String(); page.Code != 200 || !strings.Contains(body, `<base href="/prod/docs/">`) {
		t.Fatalf("page = %d %s, want the base /prod/docs/", page.Code, body)
	}
	script := regexp.MustCompile(`src="(assets/[0-9A-Za-z_-]+/docs\.js)" crossorigin`).FindStringSubmatch(page.Body.String())
	if script == nil {
		t.Fatalf("page = %s, want a script with crossorigin", page.Body)
	}
	for url, pattern := range map[string]string{
		"https://a1.example.com/prod/docs/" + script[1]: "/docs/{proxy+}", "https://a1.example.com/prod/api/openapi.json": "/api/openapi.json",
	} {
		if w := ask(url, pattern); w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("GET %s = %d, %v, want 200 for any origin", url, w.Code, w.Header())
		}
	}
}

// Each vendored file has the hash that its table says.
func TestVendoredFilesAreUnchanged(t *testing.T) {
	table, err := os.ReadFile("web/vendor/README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| [^|]+ \\| `([0-9a-f]{64})` \\|").FindAllStringSubmatch(string(table), -1)
	if len(rows) != 2 {
		t.Fatalf("the table has %d rows, want 2", len(rows))
	}
	for _, row := range rows {
		content, err := os.ReadFile(filepath.Join("web/vendor", row[1]))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(content)); got != row[2] {
			t.Errorf("%s has the SHA-256 %s, the table says %s", row[1], got, row[2])
		}
	}
}

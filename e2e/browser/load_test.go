package browser

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/pkg/console"
	"goblins-secrets/pkg/docs"
	"goblins-secrets/pkg/gateway"
)

// traffic records the requests of a page.
type traffic struct {
	mu    sync.Mutex
	urls  []string // in the order of the requests
	list  int      // number of requests when the answer with the list of secrets arrived
	bytes float64
}

func (tb *tab) watch() *traffic {
	tb.t.Helper()
	tr := new(traffic)
	err := chromedp.Listen(tb.ctx, func(event any) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, "data:") {
				tr.urls = append(tr.urls, e.Request.URL)
			}
		case *network.EventResponseReceived:
			if strings.Contains(e.Response.URL, "/api/secrets/") {
				tr.list = len(tr.urls)
			}
		case *network.EventLoadingFinished:
			tr.bytes += e.EncodedDataLength
		}
	})
	if err != nil {
		tb.t.Fatal(err)
	}
	return tr
}

const (
	mostRequests = 4 // the page, its script, the list, and whose key it is
	mostBytes    = 56_000
)

// The list shows after four requests and 56 kB, and no other follows.
func TestFirstLoadIsSmall(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	tb := signedIn(t, a, "/console/")
	tb.see("1 secret") // no earlier request is in flight
	tb.do(send(network.Enable, network.EnableParams{}))
	// As in a browser with an empty cache, with a key that the tab remembers.
	tb.run("sessionStorage.setItem('goblins-secrets.key', " + quote(a.key) + ")")
	tb.do(send(network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true}))
	first := tb.watch()
	tb.do(chromedp.Reload())
	tb.see("1 secret")
	first.mu.Lock()
	defer first.mu.Unlock()
	t.Logf("first load: %d requests, %.0f bytes: %v", first.list, first.bytes, first.urls)
	if first.list < 1 || first.list > mostRequests || first.bytes > mostBytes || first.bytes < 1000 {
		t.Errorf("first load = %d requests and %.0f bytes, want at most %d and %d: %v",
			first.list, first.bytes, mostRequests, mostBytes, first.urls)
	}
	for _, later := range first.urls[first.list:] {
		if later != shared.url+"/api/me/" {
			t.Errorf("request after the list = %s, want none", later)
		}
	}
}

// prefixed serves the console and the docs under a stage's name. The Lambda adapter serves them, with
// the events that API Gateway would send. The stack serves everything else.
func prefixed(t *testing.T, s *running, prefix string) string {
	t.Helper()
	to, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	api := httputil.NewSingleHostReverseProxy(to)
	console, docs := gateway.Proxy(console.Handler()), gateway.Proxy(docs.Handler())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := strings.CutPrefix(r.URL.Path, prefix)
		if !ok {
			t.Errorf("request = %s, want a path under %s", r.URL.Path, prefix)
		}
		page := console
		if path == "/api/openapi.json" || strings.HasPrefix(path, "/docs") {
			page = docs
		} else if strings.HasPrefix(path, "/api/") {
			r.URL.Path = path
			api.ServeHTTP(w, r)
			return
		}
		event := events.APIGatewayProxyRequest{
			HTTPMethod: r.Method, Path: path, Resource: strings.TrimSuffix(path, "/"),
			Headers:        map[string]string{"Host": r.Host, "X-Forwarded-Proto": "http"},
			RequestContext: events.APIGatewayProxyRequestContext{Path: r.URL.Path},
		}
		if found := below.FindStringSubmatch(path); found != nil {
			event.Resource, event.PathParameters = found[1]+"{proxy+}", map[string]string{"proxy": found[2]}
		} else if event.Resource == "" {
			event.Resource = "/"
		}
		answer, err := page(context.Background(), event)
		if err != nil {
			t.Error(err)
		}
		for name, values := range answer.MultiValueHeaders {
			w.Header()[name] = values
		}
		body := []byte(answer.Body)
		if answer.IsBase64Encoded {
			if body, err = base64.StdEncoding.DecodeString(answer.Body); err != nil {
				t.Error(err)
			}
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	return server.URL + prefix
}

var below = regexp.MustCompile(`^(/console/|/docs/)(.+)`)

// The page works under a prefix, with and without a trailing slash.
func TestConsoleWorksUnderAPrefix(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "under a stage")
	a.item(t, s, "KEY", "PLANTED")
	at := &running{url: prefixed(t, shared, "/prod"), data: shared.data}
	for _, path := range []string{"", "/", "/console", "/console/"} {
		tb := open(t, at, path)
		tb.signIn(a)
		tb.click("link", "under a stage")
		tb.see("KEY")
		if got, want := eval[string](tb, "location.pathname"), "/prod/console/secrets/"+s.ID; got != want {
			t.Errorf("path of the secret from %q = %s, want %s", path, got, want)
		}
		tb.do(chromedp.Reload())
		tb.signIn(a)
		tb.see("under a stage", "KEY")
	}
}

// Vendored files equal the published ones, except for the names of source maps.
func TestVendoredFilesAreAsPublished(t *testing.T) {
	packages := npm(t)
	sourceMap := regexp.MustCompile(`/[/*]# sourceMappingURL.*`)
	for file, published := range map[string]string{
		"pkg/console/web/vendor/preact.module.js":       "preact/dist/preact.module.js",
		"pkg/console/web/vendor/preact-hooks.module.js": "preact/hooks/dist/hooks.module.js",
		"pkg/console/web/vendor/htm.module.js":          "htm/dist/htm.module.js",
		"pkg/console/web/vendor/LICENSE-preact":         "preact/LICENSE",
		"pkg/console/web/vendor/LICENSE-htm":            "htm/LICENSE",
		"pkg/docs/web/vendor/swagger-ui-bundle.js":      "swagger-ui-dist/swagger-ui-bundle.js",
		"pkg/docs/web/vendor/swagger-ui.css":            "swagger-ui-dist/swagger-ui.css",
		"pkg/docs/web/vendor/LICENSE":                   "swagger-ui-dist/LICENSE",
		"pkg/docs/web/vendor/LICENSE-bundle":            "swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt",
		"pkg/docs/web/vendor/NOTICE":                    "swagger-ui-dist/NOTICE",
	} {
		path, err := checkout.Path(strings.Split(file, "/")...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(packages, published))
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(string(got)) != strings.TrimSpace(sourceMap.ReplaceAllString(string(want), "")) {
			t.Errorf("%s differs from the published %s", file, published)
		}
	}
}

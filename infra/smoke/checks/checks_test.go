package checks_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"goblins-secrets/infra/local/stack"
	"goblins-secrets/infra/smoke/checks"
)

// The checks pass on the local stack, with none skipped. A deployment that is broken in one way fails one
// of them; each way is a proxy that changes the answers. Nothing that was created stays.
func TestChecksSeeWhatIsBroken(t *testing.T) {
	local, err := stack.Start(t.Context(), stack.Config{Addr: "127.0.0.1:0", Data: t.TempDir(), Progress: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := local.Close(); err != nil {
			t.Error(err)
		}
	})
	target, err := url.Parse(local.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		break_ func(*http.Response)
		failed string // the check that fails
	}{
		"nothing":                {func(*http.Response) {}, ""},
		"errors without a shape": {func(r *http.Response) { onStatus(r, 405, `{"message":"no"}`) }, "405 for another method"},
		"no Location":            {func(r *http.Response) { r.Header.Del("Location") }, "create a secret"},
		"a cached error":         {func(r *http.Response) { r.Header.Set("Cache-Control", "max-age=60") }, "401 without a key"},
		"no budget":              {func(r *http.Response) { r.Header.Del("Ratelimit"); delete(r.Header, "RateLimit") }, "reveal it"},
		"no access log":          {func(r *http.Response) { onPath(r, "/events/", 500) }, "the access log has the reveal"},
		"no way to delete":       {func(r *http.Response) { onMethod(r, "DELETE", 500) }, "delete everything"},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := httptest.NewServer(&httputil.ReverseProxy{
				Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }, // for links
				ModifyResponse: func(r *http.Response) error { tt.break_(r); return nil },
			})
			defer proxy.Close()
			var out strings.Builder
			err := checks.Run(t.Context(), proxy.URL, local.APIKey, &out)
			if (err == nil) != (tt.failed == "") || tt.failed != "" && !strings.Contains(out.String(), "FAILED   "+tt.failed) {
				t.Errorf("Run = %v, want %q to fail:\n%s", err, tt.failed, &out)
			}
			if tt.failed == "" && strings.Contains(out.String(), "skipped") || strings.Contains(out.String(), local.APIKey) {
				t.Errorf("a check was skipped, or the key is shown:\n%s", &out)
			}
		})
	}
	for name, tt := range map[string]struct{ address, key, want string }{
		"a wrong key":     {local.URL, "gob_" + strings.Repeat("0", len(local.APIKey)-4), "the key is not a valid key of"},
		"a wrong address": {"http://127.0.0.1:1", local.APIKey, "does not answer"},
		"another page":    {local.URL + "/console", local.APIKey, "is it the API's address"},
	} {
		if err := checks.Run(t.Context(), tt.address, tt.key, io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), tt.key) {
			t.Errorf("%s: Run = %v, want %s", name, err, tt.want)
		}
	}
}

func onStatus(r *http.Response, status int, body string) {
	if r.StatusCode == status {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		r.Header.Del("Content-Length")
	}
}

func onPath(r *http.Response, end string, status int) {
	if strings.HasSuffix(r.Request.URL.Path, end) {
		r.StatusCode = status
	}
}

func onMethod(r *http.Response, method string, status int) {
	if r.Request.Method == method {
		r.StatusCode = status
	}
}

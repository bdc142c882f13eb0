package apigw_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"goblins-secrets/infra/local/apigw"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/pkg/secrets"
)

// The gateway reuses the authorizer's answer per key, for the time that the template
// sets. It never reuses a refusal.
func TestAuthorizerAnswersAreCachedPerKey(t *testing.T) {
	for _, seconds := range []int{0, 1} {
		asked := map[string]int{}
		tmpl := &template.Template{
			Functions:  []template.Function{{Name: "F", Timeout: time.Second}},
			Routes:     []template.Route{{Method: "GET", Path: "/x", Function: "F"}},
			Authorizer: template.Authorizer{Header: "Authorization", Validation: regexp.MustCompile("^k"), CacheSeconds: seconds},
			GatewayResponses: map[string]template.GatewayResponse{
				"UNAUTHORIZED": {Body: "refused"},
			},
		}
		ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
		g := apigw.New(tmpl, map[string]http.Handler{"F": ok}, func(_ context.Context, header string) (secrets.Caller, error) {
			asked[header]++
			if header == "k-bad" {
				return secrets.Caller{}, secrets.ErrUnauthenticated
			}
			return secrets.Caller{}, nil
		}, slog.Default())
		call := func(key string) int {
			r := httptest.NewRequest(http.MethodGet, "/x/", nil)
			r.Header.Set("Authorization", key)
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			return w.Code
		}
		for range 3 {
			if a, b, bad, none := call("k-1"), call("k-2"), call("k-bad"), call("no key"); a != 200 || b != 200 || bad != 401 || none != 401 {
				t.Errorf("cache of %d s: %d %d %d %d, want 200 200 401 401", seconds, a, b, bad, none)
			}
		}
		want := map[int]int{0: 3, 1: 1}[seconds]
		if asked["k-1"] != want || asked["k-2"] != want || asked["k-bad"] != 3 || asked["no key"] != 0 {
			t.Errorf("cache of %d s: calls of the authorizer = %v, want %d for a valid key, 3 for a bad one, 0 without", seconds, asked, want)
		}
		time.Sleep(time.Duration(seconds) * 1100 * time.Millisecond)
		call("k-1")
		if asked["k-1"] != want+1 {
			t.Errorf("cache of %d s: an answer was reused after it expired", seconds)
		}
	}
}

package apigw_test

import (
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"goblins-secrets/infra/local/apigw"
)

// Answers of at least the configured size are compressed for clients that accept gzip.
func TestLargeAnswersAreCompressed(t *testing.T) {
	for _, tt := range []struct {
		accept     string
		from, size int
		want       bool
	}{
		{"gzip", 10, 10, true},
		{"gzip", 10, 9, false},
		{"deflate, GZIP;q=0.5", 10, 11, true},
		{"gzip;q=0", 10, 11, false},
		{"br, deflate", 10, 11, false},
		{"", 10, 11, false},
		{"gzip", 0, 0, false},
		{"gzip", -1, 1000, false},
	} {
		body := strings.Repeat("x", tt.size)
		tmpl := configured()
		tmpl.CompressFrom = tt.from
		// An open route never calls the authorizer, of which there is none.
		g := apigw.New(tmpl, table, map[string]apigw.Function{"Open": answers(http.StatusAccepted, body)}, slog.Default())
		r := httptest.NewRequest(http.MethodGet, "/open", nil)
		r.Header.Set("Accept-Encoding", tt.accept)
		r.Header.Set("Authorization", "Bearer x")
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		var got io.Reader = w.Body
		if coding := w.Header().Get("Content-Encoding"); (coding == "gzip") != tt.want {
			t.Errorf("%d bytes for %q: Content-Encoding %q, want compressed: %t", tt.size, tt.accept, coding, tt.want)
		} else if tt.want {
			var err error
			if got, err = gzip.NewReader(w.Body); err != nil {
				t.Fatal(err)
			}
		}
		if content, err := io.ReadAll(got); err != nil || string(content) != body || w.Code != http.StatusAccepted {
			t.Errorf("%d bytes for %q: %d %q, %v", tt.size, tt.accept, w.Code, content, err)
		}
	}
}

package apigw_test

import (
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"goblins-secrets/infra/local/apigw"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/pkg/secrets"
)

// Answers of at least the configured size are compressed for clients that accept gzip. An
// open route never calls the authorizer.
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
		g := apigw.New(&template.Template{
			Functions:    []template.Function{{Name: "F", Timeout: time.Second}},
			Routes:       []template.Route{{Method: "GET", Path: "/x", Function: "F", Open: true}},
			CompressFrom: tt.from,
		}, map[string]http.Handler{"F": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, body)
		})}, func(context.Context, string) (secrets.Caller, error) {
			t.Error("an open route called the authorizer")
			return secrets.Caller{}, nil
		}, slog.Default())
		r := httptest.NewRequest(http.MethodGet, "/x", nil)
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

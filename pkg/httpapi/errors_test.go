package httpapi_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"

	"goblins-secrets/infra/openapi/contract"
	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

const value = "canary-value"

// failing reveals an item while the AWS calls have the faults of plan.
func failing(t *testing.T, plan func(secretstest.Call) secretstest.Fault) (answer *http.Response, body, logged string) {
	t.Helper()
	table := secretstest.NewTable(t)
	made, c := table.Account(t, uuid.NewString())
	c.RequestID = "the-request"
	def := made.Account.DefaultSecretID.String()
	it, err := table.Manager(t).CreateItem(t.Context(), c, def, secrets.ItemInput{Key: secrets.Text("KEY"), Value: secrets.Text(value)})
	if err != nil {
		t.Fatal(err)
	}
	manager := table.Manager(t, secretstest.Inject(plan))
	var log bytes.Buffer
	manager.Log = slog.New(slog.NewJSONHandler(&log, nil))
	return serve(t, httpapi.GetItem(manager), c, map[string]string{"secret_id": def, "item_id": it.ID.String()}, &log)
}

func serve(t *testing.T, h http.Handler, c secrets.Caller, path map[string]string, log *bytes.Buffer) (*http.Response, string, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://api.example.com/x", nil)
	for name, value := range path {
		r.SetPathValue(name, value)
	}
	r.Pattern = "/the/{route}"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(httpapi.WithCaller(r.Context(), c)))
	return w.Result(), w.Body.String(), log.String()
}

// A failure behind the API is a 503 or a 500 without details. It is logged once, with the route
// and the request.
func TestFailuresAreLoggedAndHidden(t *testing.T) {
	document, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		fault  secretstest.Fault
		what   string
		status int
		body   string
		retry  string
	}{
		{"KMS is away", secretstest.LostBefore, "Decrypt", 503, `{"detail":"Service temporarily unavailable, try again later."}`, "1"},
		{"the table is away", secretstest.LostBefore, "PutItem EVENTS", 503,
			`{"detail":"Service temporarily unavailable, try again later."}`, "1"},
		{"the charge is ambiguous", secretstest.LostAfter, "UpdateItem READS", 503,
			`{"detail":"Service temporarily unavailable, try again later."}`, "1"},
		{"KMS refuses", secretstest.Before, "Decrypt", 500, `{"detail":"A server error occurred."}`, ""},
		{"the table refuses", secretstest.Before, "BatchGetItem", 500, `{"detail":"A server error occurred."}`, ""},
	} {
		answer, body, logged := failing(t, func(c secretstest.Call) secretstest.Fault {
			if c.What == tt.what {
				return tt.fault
			}
			return secretstest.None
		})
		if answer.StatusCode != tt.status || body != tt.body+"\n" || answer.Header.Get("Retry-After") != tt.retry {
			t.Errorf("%s: %d %s, Retry-After %q, want %d %s, %q", tt.name,
				answer.StatusCode, body, answer.Header.Get("Retry-After"), tt.status, tt.body, tt.retry)
		}
		if err := document.Check(contract.Exchange{
			Method: http.MethodGet, Path: "/api/secrets/01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60/items/01936e1d-0c11-7d02-9b7e-6f0a4d3c2b18/",
			Status: answer.StatusCode, Header: answer.Header, Answer: []byte(body),
		}); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if answer.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control = %q, want no-store", tt.name, answer.Header.Get("Cache-Control"))
		}
		if strings.Count(logged, "\n") != 1 || !strings.Contains(logged, `"route":"/the/{route}"`) ||
			!strings.Contains(logged, `"request_id":"the-request"`) {
			t.Errorf("%s: logged %q, want one line with the route and the request", tt.name, logged)
		}
		if strings.Contains(logged, value) || strings.Contains(body, "injected") {
			t.Errorf("%s: the response or the log has the value or the cause: %s, %s", tt.name, body, logged)
		}
	}
}

// broken is a store that panics with a value.
type broken struct{ secrets.Store }

func (broken) Secret(context.Context, uuid.UUID, uuid.UUID) (secrets.Secret, error) { panic(value) }

// The value of a panic is neither logged nor answered.
func TestPanicIsA500(t *testing.T) {
	var log bytes.Buffer
	caller := secretstest.Admin()
	manager := &secrets.Manager{Store: broken{}, Log: slog.New(slog.NewJSONHandler(&log, nil))}
	answer, body, logged := serve(t, httpapi.GetSecret(manager), caller, map[string]string{"secret_id": uuid.NewString()}, &log)
	if answer.StatusCode != 500 || body != `{"detail":"A server error occurred."}`+"\n" {
		t.Errorf("GetSecret with a panic = %d %s, want 500", answer.StatusCode, body)
	}
	if !strings.Contains(logged, "panic with string at") || strings.Contains(logged, value) {
		t.Errorf("log of a panic = %s, want its type and place only", logged)
	}
}

// Headers do not authenticate a request: only the gateway does.
func TestRequestWithoutACallerIsA401(t *testing.T) {
	manager := &secrets.Manager{Store: broken{}}
	r := httptest.NewRequest(http.MethodGet, "https://api.example.com/x", nil)
	r.Header.Set("Authorization", "Bearer gob_owIh2bmFwatYwvaM3Yv0hckz0oGRQofQtwTlpnBUIJY2ONhvh")
	r.SetPathValue("secret_id", uuid.NewString())
	w := httptest.NewRecorder()
	httpapi.GetSecret(manager).ServeHTTP(w, r)
	if w.Code != 401 || w.Body.String() != `{"detail":"Invalid or missing API key."}`+"\n" || w.Header().Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("GetSecret without a caller = %d %s, want 401", w.Code, w.Body)
	}
}

package gateway_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// The authorizer's context must have all ids. Headers are ignored.
func TestCallerComesFromTheAuthorizerOnly(t *testing.T) {
	table := secretstest.NewTable(t)
	_, c := table.Account(t, uuid.NewString())
	handler := gateway.Proxy(httpapi.ListSecrets(table.Manager(t)))
	whole := gateway.AuthorizerContext(c)
	other := func(name string, value any) map[string]any {
		changed := maps.Clone(whole)
		if changed[name] = value; value == nil {
			delete(changed, name)
		}
		return changed
	}
	for name, tt := range map[string]struct {
		authorizer map[string]any
		status     int
	}{
		"whole":       {whole, 200},
		"nothing":     {nil, 401},
		"no user":     {other("user_id", nil), 401},
		"not a UUID":  {other("account_id", "x"), 401},
		"not strings": {map[string]any{"account_id": 1, "user_id": 2, "key_id": 3}, 401},

		"no kind":            {other("kind", nil), 401},
		"an unknown kind":    {other("kind", "god"), 401},
		"no permissions":     {other("permissions", nil), 401},
		"empty permissions":  {other("permissions", ""), 401},
		"unknown permission": {other("permissions", "list,everything"), 401},
		"none":               {other("permissions", "none"), 403},
		"only another one":   {other("permissions", "reveal"), 403},
		"no limit":           {other("secrets", nil), 401},
		"an empty limit":     {other("secrets", ""), 401},
		"a malformed limit":  {other("secrets", "all,all"), 401},
		"limited to none":    {other("secrets", "none"), 200},
		"limited to one":     {other("secrets", c.KeyID.String()), 200},
	} {
		answer, err := handler(t.Context(), events.APIGatewayProxyRequest{
			HTTPMethod: "GET", Path: "/api/secrets/100%", Resource: "/api/secrets",
			Headers:        map[string]string{"Account_id": c.AccountID.String(), "X-Forwarded-Proto": "https"},
			RequestContext: events.APIGatewayProxyRequestContext{DomainName: "api.example.com", Authorizer: tt.authorizer},
		})
		if err != nil || answer.StatusCode != tt.status {
			t.Errorf("%s: %d %s, %v, want %d", name, answer.StatusCode, strings.TrimSpace(answer.Body), err, tt.status)
		}
	}
}

// Links include the stage, or the base path of a custom domain, if the context has it.
func TestLinksKeepTheClientsPath(t *testing.T) {
	table := secretstest.NewTable(t)
	_, c := table.Account(t, uuid.NewString())
	handler := gateway.Proxy(httpapi.CreateSecret(table.Manager(t)))
	for path, want := range map[string]string{
		"/prod/api/secrets/":      "https://api.example.com/prod/api/secrets/",
		"/base/path/api/secrets/": "https://api.example.com/base/path/api/secrets/",
		"/api/secrets/":           "https://api.example.com/api/secrets/",
		"/api/{anything}":         "https://api.example.com/api/secrets/", // the SAM CLI: the route
		"":                        "https://api.example.com/api/secrets/",
	} {
		answer, err := handler(t.Context(), events.APIGatewayProxyRequest{
			HTTPMethod: "POST", Path: "/api/secrets/", Resource: "/api/secrets", Body: `{"name": "` + uuid.NewString() + `"}`,
			Headers: map[string]string{"Content-Type": "application/json"},
			RequestContext: events.APIGatewayProxyRequestContext{
				DomainName: "api.example.com", Path: path,
				Authorizer: gateway.AuthorizerContext(c),
			},
		})
		location := answer.MultiValueHeaders["Location"]
		if err != nil || answer.StatusCode != 201 || len(location) != 1 || !strings.HasPrefix(location[0], want) ||
			len(location[0]) != len(want)+36+1 {
			t.Errorf("with path %q in the context: %d, Location %v, %v, want %s and the id", path, answer.StatusCode, location, err, want)
		}
	}
}

// What a handler sees of an event, and a client of the handler's answer. In AWS every body arrives as
// base64 and the stage is part of the context's path; the SAM CLI sends text bodies.
func TestHandlersSeeTheWholeEvent(t *testing.T) {
	type request struct {
		Method, URL, Pattern, Secret, Body string
		Header                             http.Header
	}
	event := func(change func(*events.APIGatewayProxyRequest)) events.APIGatewayProxyRequest {
		e := events.APIGatewayProxyRequest{
			HTTPMethod: "GET", Path: "/api/secrets/x/", Resource: "/api/secrets/{secret_id}", PathParameters: map[string]string{"secret_id": "x"},
			RequestContext: events.APIGatewayProxyRequestContext{DomainName: "api.example.com", Path: "/prod/api/secrets/x/"},
		}
		change(&e)
		return e
	}
	seen := func(change func(*request)) request {
		r := request{
			Method: "GET", URL: "https://api.example.com/prod/api/secrets/x/", Pattern: "/api/secrets/{secret_id}", Secret: "x", Header: http.Header{},
		}
		change(&r)
		return r
	}
	for name, tt := range map[string]struct {
		event events.APIGatewayProxyRequest
		want  request
	}{
		"a read": {event(func(*events.APIGatewayProxyRequest) {}), seen(func(*request) {})},
		"bytes": {
			event(func(e *events.APIGatewayProxyRequest) { e.HTTPMethod, e.Body, e.IsBase64Encoded = "POST", "e/8A", true }),
			seen(func(r *request) { r.Method, r.Body = "POST", "{\xff\x00" }),
		},
		"text": {
			event(func(e *events.APIGatewayProxyRequest) { e.HTTPMethod, e.Body = "PATCH", `{"key": "ä"}` }),
			seen(func(r *request) { r.Method, r.Body = "PATCH", `{"key": "ä"}` }),
		},
		"repeated headers and parameters": {
			event(func(e *events.APIGatewayProxyRequest) {
				e.Headers, e.MultiValueHeaders = map[string]string{"X-Many": "2"}, map[string][]string{"X-Many": {"1", "2"}}
				e.QueryStringParameters = map[string]string{"cursor": "b"}
				e.MultiValueQueryStringParameters = map[string][]string{"cursor": {"a b&", "b"}}
			}),
			seen(func(r *request) { r.URL += "?cursor=a+b%26&cursor=b"; r.Header["X-Many"] = []string{"1", "2"} }),
		},
		"a slash and a percent sign in a parameter": {
			event(func(e *events.APIGatewayProxyRequest) {
				e.Path, e.RequestContext.Path = "/api/secrets/a/%/", "/prod/api/secrets/a/%/"
				e.PathParameters["secret_id"] = "a/%"
			}),
			seen(func(r *request) { r.URL, r.Secret = "https://api.example.com/prod/api/secrets/a/%25/", "a/%" }),
		},
		"a local gateway": {
			event(func(e *events.APIGatewayProxyRequest) {
				e.RequestContext.DomainName, e.RequestContext.Path = "", e.Path
				e.Headers = map[string]string{"Host": "127.0.0.1:8080", "X-Forwarded-Proto": "http"}
			}),
			seen(func(r *request) {
				r.URL = "http://127.0.0.1:8080/api/secrets/x/"
				r.Header = http.Header{"Host": {"127.0.0.1:8080"}, "X-Forwarded-Proto": {"http"}}
			}),
		},
	} {
		var got request
		handler := gateway.Proxy(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			r.Header.Del("X-Golambdaproxy-Apigw-Context") // the adapter's own
			r.Header.Del("X-Golambdaproxy-Apigw-Stagevars")
			got = request{r.Method, r.URL.String(), r.Pattern, r.PathValue("secret_id"), string(body), r.Header}
			w.Header()["Warning"] = []string{"1", "2"}
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, "ö\n") // it writes to memory
		}))
		answer, err := handler(t.Context(), tt.event)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
		want := events.APIGatewayProxyResponse{
			StatusCode: http.StatusAccepted, Body: "ö\n",
			MultiValueHeaders: map[string][]string{"Warning": {"1", "2"}, "Content-Type": {"text/plain; charset=utf-8"}},
		}
		if diff := cmp.Diff(want, answer); diff != "" {
			t.Errorf("%s: answer (-want +got):\n%s", name, diff)
		}
	}
}

// An answer without a body has no content type, and keeps its status.
// Browsers must not use plain HTTP again where the API has answered by HTTPS. A local gateway has no TLS.
func TestHTTPSAnswersForbidHTTP(t *testing.T) {
	serve := gateway.Proxy(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for proto, want := range map[string]string{"https": "max-age=31536000", "http": ""} {
		answer, err := serve(t.Context(), events.APIGatewayProxyRequest{
			HTTPMethod: "GET", Path: "/", MultiValueHeaders: map[string][]string{"X-Forwarded-Proto": {proto}},
		})
		if got := http.Header(answer.MultiValueHeaders).Get("Strict-Transport-Security"); err != nil || got != want {
			t.Errorf("by %s: Strict-Transport-Security = %q, %v, want %q", proto, got, err, want)
		}
	}
}

func TestAnswersMayHaveNoBody(t *testing.T) {
	handler := gateway.Proxy(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	answer, err := handler(t.Context(), events.APIGatewayProxyRequest{HTTPMethod: "DELETE", Path: "/"})
	if err != nil || answer.StatusCode != http.StatusNoContent || answer.Body != "" || len(answer.MultiValueHeaders) != 0 {
		t.Errorf("answer = %+v, %v, want 204 alone", answer, err)
	}
}

// The largest bundle fits into Lambda's answer, whatever its values are, and arrives unchanged.
func TestLargeAnswersFit(t *testing.T) {
	for _, text := range []string{"a", "<", "\\\"", "é", "\u2028"} {
		for _, size := range []int{999_990, 2_000_000, secrets.MaxExportSize} {
			body := strings.Repeat(text, size/len(text))
			handler := gateway.Proxy(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, body) // it writes to memory
			}))
			answer, err := handler(t.Context(), events.APIGatewayProxyRequest{HTTPMethod: "GET", Path: "/"})
			if err != nil {
				t.Fatal(err)
			}
			encoded, err := json.Marshal(answer) // as Lambda's runtime does
			if err != nil || len(encoded) > 6<<20 {
				t.Errorf("%d bytes of %q take %d of JSON, %v, want at most 6 MiB", size, text, len(encoded), err)
			}
			got := []byte(answer.Body)
			if answer.IsBase64Encoded {
				if got, err = base64.StdEncoding.DecodeString(answer.Body); err != nil {
					t.Error(err)
				}
			}
			if string(got) != body {
				t.Errorf("%d bytes of %q arrive as %d others", size, text, len(got))
			}
		}
	}
}

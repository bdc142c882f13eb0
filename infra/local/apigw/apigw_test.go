package apigw_test

import (
	"bufio"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/apigw"
	"goblins-secrets/infra/local/template"
)

// function is a Lambda function in Go.
type function func(event []byte) (any, error)

func (f function) Invoke(_ context.Context, event []byte) ([]byte, error) {
	answer, err := f(event)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// answers is a function that always gives one answer.
func answers(status int, body string) function {
	return func([]byte) (any, error) { return events.APIGatewayProxyResponse{StatusCode: status, Body: body}, nil }
}

// allow is an authorizer's answer for a resource.
func allow(resource string) events.APIGatewayCustomAuthorizerResponse {
	return events.APIGatewayCustomAuthorizerResponse{
		PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{Statement: []events.IAMPolicyStatement{
			{Effect: "Allow", Action: []string{"execute-api:Invoke"}, Resource: []string{resource}},
		}},
		Context: map[string]any{"user_id": "user"},
	}
}

const everything = "arn:aws:execute-api:*/*"

// table has a route to F behind Auth, and an open one.
var table = []functions.Function{
	{Name: "f", Route: "GET /x/{id}, POST /x/{id}, PUT /x/{id}"}, {Name: "open", Route: "GET /open", Open: true}, {Name: "auth", By: "the gateway"},
}

// configured is a template for table.
func configured() *template.Template {
	return &template.Template{
		Authorizer: template.Authorizer{Function: "Auth", Header: "Authorization", Validation: regexp.MustCompile("^k")},
		GatewayResponses: map[string]template.GatewayResponse{
			"UNAUTHORIZED":      {Body: "unauthorized", Status: 401},
			"ACCESS_DENIED":     {Body: "denied"},
			"REQUEST_TOO_LARGE": {Body: "too large"},
			"DEFAULT_4XX":       {Body: "4xx"},
			"DEFAULT_5XX":       {Body: "5xx"},
		},
		CompressFrom: -1,
	}
}

func serve(g *apigw.Gateway, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// The gateway reuses the authorizer's answer per key, for the time that the template
// sets. It never reuses a refusal.
func TestAuthorizerAnswersAreCachedPerKey(t *testing.T) {
	for _, seconds := range []int{0, 1} {
		asked := map[string]int{}
		tmpl := configured()
		tmpl.Authorizer.CacheSeconds = seconds
		g := apigw.New(tmpl, table, map[string]apigw.Function{"F": answers(200, "ok"), "Auth": function(func(event []byte) (any, error) {
			var in events.APIGatewayCustomAuthorizerRequest
			if err := json.Unmarshal(event, &in); err != nil {
				return nil, err
			}
			asked[in.AuthorizationToken]++
			if in.AuthorizationToken == "k-bad" {
				return nil, errors.New("Unauthorized")
			}
			return allow(everything), nil
		})}, slog.New(slog.DiscardHandler))
		call := func(key string) int { return serve(g, "GET", "/x/1/", "", "Authorization: "+key).Code }
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

// Concurrent requests with one key share no answer that one of them still writes.
func TestConcurrentRequestsAreIndependent(t *testing.T) {
	g := apigw.New(configured(), table, map[string]apigw.Function{
		"F": answers(200, "ok"), "Auth": function(func([]byte) (any, error) { return allow(everything), nil }),
	}, slog.New(slog.DiscardHandler))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 50 {
				if w := serve(g, "GET", "/x/1", "", "Authorization: k"); w.Code != 200 {
					t.Errorf("status %d, want 200", w.Code)
				}
			}
		})
	}
	wg.Wait()
}

// What API Gateway answers itself, when a function or the authorizer refuses or fails. Neither the
// answer nor the log has the key or the body.
func TestRefusalsAndFailuresAreGatewayResponses(t *testing.T) {
	fails := function(func([]byte) (any, error) { return nil, errors.New("a secret text") })
	authorizes := func(resource string) function { return func([]byte) (any, error) { return allow(resource), nil } }
	states := func(effect, action string) function {
		answer := allow(everything)
		answer.PolicyDocument.Statement[0].Effect, answer.PolicyDocument.Statement[0].Action = effect, []string{action}
		return func([]byte) (any, error) { return answer, nil }
	}
	const key, body = "k-canary-of-a-key", "canary-of-a-body"
	for name, tt := range map[string]struct {
		f, auth apigw.Function
		path    string
		body    string
		status  int
		want    string
	}{
		"allowed":                 {answers(200, "ok"), authorizes(everything), "/x/1", "", 200, "ok"},
		"allowed on the method":   {answers(200, "ok"), authorizes("arn:aws:execute-api:us-east-1:000000000000:local/local/POST/x/1"), "/x/1/", "", 200, "ok"},
		"allowed on another path": {answers(200, "ok"), authorizes("arn:aws:execute-api:us-east-1:000000000000:local/local/POST/x/2"), "/x/1", "", 403, "denied"},
		"a line break":            {answers(200, "ok"), authorizes(everything), "/x/a%0Ab", "", 200, "ok"},
		"no such route":           {answers(200, "ok"), authorizes(everything), "/y", "", 403, "4xx"},
		"the function fails":      {fails, authorizes(everything), "/x/1", "", 502, "5xx"},
		"the authorizer fails":    {answers(200, "ok"), fails, "/x/1", "", 500, "5xx"},
		"denied":                  {answers(200, "ok"), states("Deny", "execute-api:Invoke"), "/x/1", "", 403, "denied"},
		"another action":          {answers(200, "ok"), states("Allow", "execute-api:ManageConnections"), "/x/1", "", 403, "denied"},
		"another text":            {answers(200, "ok"), function(func([]byte) (any, error) { return nil, errors.New("Unauthorized: x") }), "/x/1", "", 500, "5xx"},
		"a large body":            {answers(200, "ok"), authorizes(everything), "/x/1", strings.Repeat("x", 10<<20+1), 413, "too large"},
		"a large event":           {answers(200, "ok"), authorizes(everything), "/x/1", strings.Repeat("x", 5<<20), 413, "too large"},
	} {
		var log strings.Builder
		g := apigw.New(configured(), table, map[string]apigw.Function{"F": tt.f, "Auth": tt.auth}, slog.New(slog.NewTextHandler(&log, nil)))
		w := serve(g, "POST", tt.path, body+tt.body, "Authorization: "+key)
		if strings.Contains(log.String(), key) || strings.Contains(log.String(), body) || strings.Contains(log.String(), base64.StdEncoding.EncodeToString([]byte(body))) {
			t.Errorf("%s: the log has the key or the body: %s", name, log.String())
		}
		if w.Code != tt.status || w.Body.String() != tt.want {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, w.Body, tt.status, tt.want)
		}
	}
}

// A function sees all of a request, and the client all of its answer.
func TestEventsAndAnswersAreThoseOfAProxyIntegration(t *testing.T) {
	var got events.APIGatewayProxyRequest
	g := apigw.New(configured(), table, map[string]apigw.Function{
		"Auth": function(func([]byte) (any, error) { return allow(everything), nil }),
		"F": function(func(event []byte) (any, error) {
			return events.APIGatewayProxyResponse{
				StatusCode: http.StatusAccepted, Body: "/w==", IsBase64Encoded: true,
				Headers: map[string]string{"Location": "/there"}, MultiValueHeaders: map[string][]string{"RateLimit": {"a", "b"}},
			}, json.Unmarshal(event, &got)
		}),
	}, slog.New(slog.DiscardHandler))
	w := serve(g, "PUT", "/x/a%2Fb/?q=1&q=%20&r", "\xff", "Authorization: k", "X-Many: 1", "X-Many: 2", "User-Agent: curl", "Cookie: a=b")
	sent := map[string][]string(w.Header()) // with names as they are written
	if w.Code != http.StatusAccepted || w.Body.String() != "\xff" || w.Header().Get("Location") != "/there" || len(sent["RateLimit"]) != 2 {
		t.Errorf("answer = %d %q %v, want 202, the byte ff, a Location and two of RateLimit", w.Code, w.Body, w.Header())
	}
	if got.RequestContext.RequestID == "" {
		t.Error("the event has no request id")
	}
	got.RequestContext.RequestID = ""
	want := events.APIGatewayProxyRequest{
		Resource: "/x/{id}", Path: "/x/a/b/", HTTPMethod: "PUT", Body: "/w==", IsBase64Encoded: true,
		PathParameters:                  map[string]string{"id": "a/b"},
		QueryStringParameters:           map[string]string{"q": " ", "r": ""},
		MultiValueQueryStringParameters: map[string][]string{"q": {"1", " "}, "r": {""}},
		Headers: map[string]string{
			"Authorization": "k", "X-Many": "2", "User-Agent": "curl", "Cookie": "a=b", "Host": "example.com", "X-Forwarded-Proto": "http",
		},
		MultiValueHeaders: map[string][]string{
			"Authorization": {"k"}, "User-Agent": {"curl"}, "Cookie": {"a=b"}, "X-Many": {"1", "2"}, "Host": {"example.com"}, "X-Forwarded-Proto": {"http"},
		},
		RequestContext: events.APIGatewayProxyRequestContext{
			ResourcePath: "/x/{id}", Path: "/x/a/b/", HTTPMethod: "PUT", Protocol: "HTTP/1.1", DomainName: "example.com",
			Authorizer: map[string]any{"user_id": "user"}, Identity: events.APIGatewayRequestIdentity{SourceIP: "192.0.2.1", UserAgent: "curl"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

// A coding that API Gateway knows is undone, where it compresses answers; another one is a 415.
func TestCodedRequests(t *testing.T) {
	var got string
	tmpl := configured()
	tmpl.GatewayResponses["UNSUPPORTED_MEDIA_TYPE"] = template.GatewayResponse{Body: "media type", Status: 415}
	g := apigw.New(tmpl, table, map[string]apigw.Function{
		"Auth": function(func([]byte) (any, error) { return allow(everything), nil }),
		"F": function(func(event []byte) (any, error) {
			var in events.APIGatewayProxyRequest
			if err := json.Unmarshal(event, &in); err != nil {
				return nil, err
			}
			body, err := base64.StdEncoding.DecodeString(in.Body)
			got = in.Headers["Content-Encoding"] + ":" + string(body)
			return events.APIGatewayProxyResponse{StatusCode: 200}, err
		}),
	}, slog.New(slog.DiscardHandler))
	const text = `{"name": "coded"}`
	var zipped, deflated, bomb strings.Builder
	for w, content := range map[io.WriteCloser]string{
		gzip.NewWriter(&zipped): text, zlib.NewWriter(&deflated): text, gzip.NewWriter(&bomb): strings.Repeat("x", 10<<20+1),
	} {
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		from              int
		coding, body, got string
		want              int
	}{
		{0, "gzip", zipped.String(), ":" + text, 200},
		{0, "GZIP ", zipped.String(), ":" + text, 200},
		{0, "deflate", deflated.String(), ":" + text, 200},
		{0, "identity", text, ":" + text, 200},
		{0, "gzip", text, "", 400},
		{0, "gzip", zipped.String()[:20], "", 400},
		{0, "gzip", bomb.String(), "", 413},
		{0, "br", text, "", 415},
		{0, "gzip, gzip", text, "", 415},
		{-1, "br", text, "br:" + text, 200},
	} {
		got, tmpl.CompressFrom = "", tt.from
		r := serve(g, "POST", "/x/1", tt.body, "Authorization: k-1", "Content-Encoding: "+tt.coding)
		if r.Code != tt.want || got != tt.got {
			t.Errorf("%s of %.20q, compressing from %d = %d, the function got %.40q; want %d and %q", tt.coding, tt.body, tt.from, r.Code, got, tt.want, tt.got)
		}
		if r := serve(g, "POST", "/x/1", tt.body, "Content-Encoding: "+tt.coding); r.Code != 401 {
			t.Errorf("%s without a key = %d, want 401", tt.coding, r.Code)
		}
	}
}

// A malformed path or query is a 400 in the gateway's shape. A semicolon is text.
func TestMalformedAddresses(t *testing.T) {
	var query map[string][]string
	g := apigw.New(configured(), table, map[string]apigw.Function{
		"Auth": function(func([]byte) (any, error) { return allow(everything), nil }),
		"F": function(func(event []byte) (any, error) {
			var in events.APIGatewayProxyRequest
			err := json.Unmarshal(event, &in)
			query = in.MultiValueQueryStringParameters
			return events.APIGatewayProxyResponse{StatusCode: 200}, err
		}),
	}, slog.New(slog.DiscardHandler))
	server := httptest.NewUnstartedServer(g)
	server.Listener = g.Listener(server.Listener)
	server.Start()
	defer server.Close()
	for target, want := range map[string]string{
		"/x/1": "200 ", "/x/1?a=b;c&a=%3B": "200 ", "/x/%zz": "400 4xx", "/x/%": "400 4xx", "/x/1?a=%zz": "400 4xx", "/x/1?a=%": "400 4xx", "x y": "400 4xx",
	} {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: k-1\r\nConnection: close\r\n\r\n", target)
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		body, err := io.ReadAll(r.Body)
		if got := fmt.Sprint(r.StatusCode, " ", string(body)); err != nil || got != want {
			t.Errorf("GET %s = %q, %v, want %q", target, got, err, want)
		}
		if want := []string{"b;c", ";"}; strings.Contains(target, ";") && !slices.Equal(query["a"], want) {
			t.Errorf("GET %s: the function got %q, want %q", target, query, want)
		}
		c.Close()
	}
}

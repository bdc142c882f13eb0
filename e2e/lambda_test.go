package e2e

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/uuid"
	"go.yaml.in/yaml/v3"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/secrets"
)

const (
	lambdaDomain = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
	lambdaStage  = "prod"

	maxPayload = 10 << 20 // API Gateway's limit for a body
	maxEvent   = 6 << 20  // Lambda's limit for an event
)

// lambdaGateway emulates API Gateway in front of the Lambda functions. It converts each
// request to the JSON event that a function would receive, and the function's JSON result
// to the answer. It shares no code with the local gateway.
type lambdaGateway struct {
	template  *template.Template
	functions map[string]http.Handler
	timeouts  map[string]time.Duration
	svc       *secrets.Manager
	binary    []string // media types whose bodies reach the functions as bytes, not as text
	t         *testing.T
}

func newLambdaGateway(t *testing.T, tmpl *template.Template, functions map[string]http.Handler, svc *secrets.Manager) *lambdaGateway {
	t.Helper()
	g := &lambdaGateway{
		template: tmpl, functions: functions, timeouts: map[string]time.Duration{}, svc: svc, binary: binaryMediaTypes(t), t: t,
	}
	for _, f := range tmpl.Functions {
		g.timeouts[f.Name] = f.Timeout
	}
	return g
}

// binaryMediaTypes returns the template's BinaryMediaTypes.
func binaryMediaTypes(t *testing.T) []string {
	t.Helper()
	path, err := checkout.Path("template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Resources struct {
			API struct {
				Properties struct {
					BinaryMediaTypes []string `yaml:"BinaryMediaTypes"`
				} `yaml:"Properties"`
			} `yaml:"Api"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	types := doc.Resources.API.Properties.BinaryMediaTypes
	for i, text := range types {
		types[i] = strings.ReplaceAll(text, "~1", "/")
	}
	return types
}

// isBinary reports whether API Gateway passes a body of this type as bytes. It ignores
// parameters, and treats a body without a type as JSON.
func (g *lambdaGateway) isBinary(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = cmp.Or(strings.ToLower(strings.TrimSpace(media)), "application/json")
	return slices.Contains(g.binary, media) || slices.Contains(g.binary, "*/*")
}

func (g *lambdaGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	if len(body) > maxPayload {
		g.respond(w, "REQUEST_TOO_LARGE", http.StatusRequestEntityTooLarge)
		return
	}
	route, params := g.route(r.Method, r.URL.EscapedPath())
	if route.Function == "" {
		g.respond(w, "MISSING_AUTHENTICATION_TOKEN", http.StatusForbidden)
		return
	}
	var identity map[string]any
	var failure string
	if !route.Open {
		identity, failure = g.authorize(r.Context(), r.Method, r.URL.Path, r.Header.Get(g.template.Authorizer.Header))
	}
	if failure != "" {
		status := http.StatusInternalServerError
		if failure == "UNAUTHORIZED" {
			status = http.StatusUnauthorized
		}
		g.respond(w, failure, status)
		return
	}
	event, err := json.Marshal(g.event(r, route.Path, params, identity, body))
	if err != nil {
		g.t.Errorf("event of %s %s: %v", r.Method, r.URL.Path, err)
		return
	}
	if len(event) > maxEvent {
		g.respond(w, "REQUEST_TOO_LARGE", http.StatusRequestEntityTooLarge)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.timeouts[route.Function])
	defer cancel()
	// A new handler for each request acts as a fresh instance, which serves one event at a time.
	out, err := lambda.NewHandler(gateway.Proxy(g.functions[route.Function])).Invoke(ctx, event)
	if err != nil {
		g.t.Errorf("%s %s: function %s failed: %v", r.Method, r.URL.Path, route.Function, err)
		g.respond(w, "INTEGRATION_FAILURE", http.StatusBadGateway)
		return
	}
	g.answer(w, out)
}

// route finds the route of a request. Routes are sorted by path, and a parameter's brace
// sorts after every letter, so the first match is the most specific one.
func (g *lambdaGateway) route(method, escaped string) (to template.Route, params map[string]string) {
	var resource string
	for _, route := range g.template.Routes {
		found, ok := fits(route.Path, escaped)
		if !ok || resource != "" && route.Path != resource {
			continue
		}
		resource = route.Path
		if route.Method == method || route.Method == "ANY" && to.Function == "" {
			to, params = route, found
		}
	}
	return to, params
}

// fits matches a path, with or without a trailing slash, against a route's path.
func fits(route, escaped string) (params map[string]string, ok bool) {
	want := strings.Split(strings.Trim(route, "/"), "/")
	have := strings.Split(strings.TrimSuffix(strings.TrimPrefix(escaped, "/"), "/"), "/")
	params = map[string]string{}
	if route == "/" {
		return params, escaped == "/"
	}
	for i, part := range want {
		if i >= len(have) || have[i] == "" {
			return nil, false
		}
		text, err := url.PathUnescape(have[i])
		if err != nil {
			text = have[i]
		}
		switch {
		case strings.HasSuffix(part, "+}"):
			params[strings.Trim(part, "{+}")] = strings.Join(have[i:], "/")
			return params, true
		case strings.HasPrefix(part, "{"):
			params[strings.Trim(part, "{}")] = text
		case part != text:
			return nil, false
		}
	}
	return params, len(have) == len(want)
}

// authorize calls the authorizer and evaluates its policy for the method. It returns the
// authorizer's context, or the type of the gateway response.
func (g *lambdaGateway) authorize(ctx context.Context, method, path, token string) (map[string]any, string) {
	if !g.template.Authorizer.Validation.MatchString(token) {
		return nil, "UNAUTHORIZED"
	}
	arn := "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/" + lambdaStage + "/" + method + strings.TrimSuffix(path, "/")
	event, err := json.Marshal(events.APIGatewayCustomAuthorizerRequest{Type: "TOKEN", AuthorizationToken: token, MethodArn: arn})
	if err != nil {
		g.t.Error(err)
		return nil, "AUTHORIZER_FAILURE"
	}
	out, err := lambda.NewHandler(gateway.Authorizer(g.svc)).Invoke(ctx, event)
	if err != nil && err.Error() == "Unauthorized" {
		return nil, "UNAUTHORIZED"
	}
	var answer events.APIGatewayCustomAuthorizerResponse
	if err == nil {
		err = json.Unmarshal(out, &answer)
	}
	if err != nil {
		g.t.Errorf("authorizer: %v", err)
		return nil, "AUTHORIZER_FAILURE"
	}
	for _, statement := range answer.PolicyDocument.Statement {
		for _, resource := range statement.Resource {
			pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(resource), `\*`, ".*") + "$"
			allows := statement.Effect == "Allow" && slices.Contains(statement.Action, "execute-api:Invoke")
			if allows && regexp.MustCompile(pattern).MatchString(arn) {
				return answer.Context, ""
			}
		}
	}
	return nil, "ACCESS_DENIED"
}

func (g *lambdaGateway) event(
	r *http.Request, resource string, params map[string]string, identity map[string]any, body []byte,
) events.APIGatewayProxyRequest {
	header := r.Header.Clone()
	header.Set("Host", lambdaDomain)
	header.Set("X-Forwarded-Proto", "https")
	header.Set("X-Forwarded-Port", "443")
	header.Set("X-Forwarded-For", "203.0.113.7")
	event := events.APIGatewayProxyRequest{
		Resource: resource, Path: r.URL.Path, HTTPMethod: r.Method,
		Headers: last(header), MultiValueHeaders: header,
		QueryStringParameters: last(r.URL.Query()), MultiValueQueryStringParameters: r.URL.Query(),
		PathParameters: params,
		RequestContext: events.APIGatewayProxyRequestContext{
			AccountID: "123456789012", APIID: "a1b2c3d4e5", Stage: lambdaStage, ResourcePath: resource,
			Path: "/" + lambdaStage + r.URL.Path, HTTPMethod: r.Method, Protocol: "HTTP/1.1",
			DomainName: lambdaDomain, DomainPrefix: "a1b2c3d4e5",
			RequestID: uuid.NewString(), ExtendedRequestID: uuid.NewString(),
			Identity:   events.APIGatewayRequestIdentity{SourceIP: "203.0.113.7", UserAgent: r.UserAgent()},
			Authorizer: identity,
		},
	}
	if len(body) > 0 && g.isBinary(r.Header.Get("Content-Type")) {
		event.Body, event.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	} else {
		event.Body = strings.ToValidUTF8(string(body), "\ufffd") // as API Gateway does with text
	}
	return event
}

func last(values map[string][]string) map[string]string {
	one := make(map[string]string, len(values))
	for name, all := range values {
		one[name] = all[len(all)-1]
	}
	return one
}

// answer writes a function's result as an HTTP answer.
func (g *lambdaGateway) answer(w http.ResponseWriter, out []byte) {
	var answer events.APIGatewayProxyResponse
	if err := json.Unmarshal(out, &answer); err != nil {
		g.t.Errorf("decode a function's answer: %v", err)
		return
	}
	body := []byte(answer.Body)
	if answer.IsBase64Encoded {
		g.t.Error("a function's answer is binary, want text")
	}
	for name, values := range answer.MultiValueHeaders {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	for name, value := range answer.Headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = w.Write(body) // a failure: the client is gone
}

// respond writes a gateway response of the template. Status is API Gateway's default.
func (g *lambdaGateway) respond(w http.ResponseWriter, kind string, status int) {
	response, ok := g.template.GatewayResponses[kind]
	if !ok {
		response = g.template.GatewayResponses[fmt.Sprintf("DEFAULT_%dXX", status/100)]
	}
	if response.Status != 0 {
		status = response.Status
	}
	w.Header().Set("Content-Type", "application/json")
	for name, value := range response.Headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, response.Body) // a failure: the client is gone
}

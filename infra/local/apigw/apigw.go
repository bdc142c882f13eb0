// Package apigw is API Gateway (REST, proxy integrations) for the local stack, configured by the same
// template and the same table of functions as the deployed one. It matches routes, calls the
// authorizer and caches its answers, turns requests into the events of Lambda functions and the
// functions' answers into responses, and sends the gateway responses.
package apigw

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/template"
)

const (
	maxPayload = 10 << 20 // API Gateway's limit for a request's body, in bytes
	maxEvent   = 6 << 20  // Lambda's limit for an event, in bytes
)

// Function is a Lambda function, such as lambda.NewHandler returns it: JSON in, JSON out.
type Function interface {
	Invoke(ctx context.Context, event []byte) ([]byte, error)
}

// Gateway is an http.Handler that serves a template's routes.
type Gateway struct {
	template  *template.Template
	routes    *router
	functions map[string]Function // by logical id
	cache     cache
	log       *slog.Logger
}

// New returns a gateway, which t configures, for the routes of a table. The functions, which include the
// authorizer, are keyed by logical id.
func New(t *template.Template, table []functions.Function, by map[string]Function, log *slog.Logger) *Gateway {
	return &Gateway{
		template: t, routes: newRouter(functions.Routes(table)), functions: by,
		cache: cache{ttl: time.Duration(t.Authorizer.CacheSeconds) * time.Second, answers: make(map[string]cached)},
		log:   log,
	}
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if from := g.template.CompressFrom; from >= 0 && acceptsGzip(r.Header) {
		c := &compressor{ResponseWriter: w, from: from}
		defer c.close()
		w = c
	}
	// API Gateway reads the whole request before it does anything else.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		g.respond(w, "REQUEST_TOO_LARGE", http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		return // the client is gone
	}
	match, ok := g.routes.match(r.Method, r.URL.EscapedPath())
	if !ok {
		g.respond(w, "MISSING_AUTHENTICATION_TOKEN", http.StatusForbidden)
		return
	}
	var identity map[string]any
	if !match.route.Open {
		var refusal string
		var status int
		if identity, refusal, status = g.authorize(r); refusal != "" {
			g.respond(w, refusal, status)
			return
		}
	}
	query, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		g.respond(w, "BAD_REQUEST_PARAMETERS", http.StatusBadRequest)
		return
	}
	// API Gateway decodes requests where it compresses answers.
	if coding := r.Header.Get("Content-Encoding"); coding != "" && g.template.CompressFrom >= 0 {
		var refusal string
		var status int
		if body, refusal, status = decoded(body, coding); refusal != "" {
			g.respond(w, refusal, status)
			return
		}
		r.Header.Del("Content-Encoding")
	}
	var answer events.APIGatewayProxyResponse
	err = g.invoke(r.Context(), match.route.Function, proxyEvent(r, match, query, identity, body), &answer)
	switch {
	case errors.Is(err, errEventTooLarge):
		g.respond(w, "REQUEST_TOO_LARGE", http.StatusRequestEntityTooLarge)
	case err != nil:
		g.log.ErrorContext(r.Context(), "function failed", "function", match.route.Function, "error", err)
		g.respond(w, "DEFAULT_5XX", http.StatusBadGateway)
	default:
		send(w, answer)
	}
}

// errEventTooLarge reports an event beyond Lambda's limit.
var errEventTooLarge = errors.New("the event is too large")

// invoke calls a function with an event, and decodes its answer into answer.
func (g *Gateway) invoke(ctx context.Context, function string, event, answer any) error {
	payload, err := json.Marshal(event)
	if err != nil {
		return err
	}
	if len(payload) > maxEvent {
		return errEventTooLarge
	}
	out, err := g.functions[function].Invoke(ctx, payload)
	if err != nil {
		return err
	}
	return json.Unmarshal(out, answer)
}

// proxyEvent is the event of a proxy integration. A body reaches the function as base64, because the
// template makes every media type binary.
func proxyEvent(r *http.Request, m match, query url.Values, identity map[string]any, body []byte) events.APIGatewayProxyRequest {
	header := r.Header.Clone()
	header.Set("Host", r.Host)
	header.Set("X-Forwarded-Proto", "http")
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	return events.APIGatewayProxyRequest{
		Resource: m.route.Path, Path: r.URL.Path, HTTPMethod: r.Method,
		Headers: last(header), MultiValueHeaders: header,
		QueryStringParameters: last(query), MultiValueQueryStringParameters: query,
		PathParameters: m.params,
		Body:           base64.StdEncoding.EncodeToString(body), IsBase64Encoded: len(body) > 0,
		RequestContext: events.APIGatewayProxyRequestContext{
			ResourcePath: m.route.Path, Path: r.URL.Path, HTTPMethod: r.Method, Protocol: r.Proto,
			DomainName: r.Host, RequestID: uuid.NewString(), Authorizer: identity,
			Identity: events.APIGatewayRequestIdentity{SourceIP: address, UserAgent: r.UserAgent()},
		},
	}
}

func last(values map[string][]string) map[string]string {
	one := make(map[string]string, len(values))
	for name, all := range values {
		one[name] = all[len(all)-1]
	}
	return one
}

// send writes a function's answer as a response.
func send(w http.ResponseWriter, answer events.APIGatewayProxyResponse) {
	for name, values := range answer.MultiValueHeaders {
		w.Header()[name] = values // as the function writes the name
	}
	for name, value := range answer.Headers {
		w.Header()[name] = []string{value}
	}
	w.WriteHeader(answer.StatusCode)
	body := []byte(answer.Body)
	if answer.IsBase64Encoded {
		body, _ = base64.StdEncoding.DecodeString(answer.Body) // the adapter encoded it
	}
	_, _ = w.Write(body) // fails only if the client is gone
}

// authorize returns the context of the authorizer's answer, or the type and status of the gateway
// response that refuses the request.
func (g *Gateway) authorize(r *http.Request) (identity map[string]any, refusal string, status int) {
	token := r.Header.Get(g.template.Authorizer.Header)
	if !g.template.Authorizer.Validation.MatchString(token) {
		return nil, "UNAUTHORIZED", http.StatusUnauthorized
	}
	method := "arn:aws:execute-api:us-east-1:000000000000:local/local/" + r.Method + strings.TrimSuffix(r.URL.Path, "/")
	answer, known := g.cache.get(token)
	if !known {
		event := events.APIGatewayCustomAuthorizerRequest{Type: "TOKEN", AuthorizationToken: token, MethodArn: method}
		err := g.invoke(r.Context(), g.template.Authorizer.Function, event, &answer)
		if err != nil && err.Error() == "Unauthorized" { // the text that API Gateway knows
			return nil, "UNAUTHORIZED", http.StatusUnauthorized
		}
		if err != nil {
			g.log.ErrorContext(r.Context(), "authorizer failed", "error", err)
			return nil, "AUTHORIZER_FAILURE", http.StatusInternalServerError
		}
		g.cache.put(token, answer)
	}
	if !slices.ContainsFunc(answer.PolicyDocument.Statement, func(s events.IAMPolicyStatement) bool { return allows(s, method) }) {
		return nil, "ACCESS_DENIED", http.StatusForbidden
	}
	return answer.Context, "", 0
}

// allows reports whether a statement lets a caller invoke a method.
func allows(s events.IAMPolicyStatement, method string) bool {
	return s.Effect == "Allow" && slices.Contains(s.Action, "execute-api:Invoke") && slices.ContainsFunc(s.Resource, func(resource string) bool {
		pattern := "(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(resource), `\*`, ".*") + "$"
		return regexp.MustCompile(pattern).MatchString(method)
	})
}

// respond sends a gateway response of the template. API Gateway's status applies if the
// template sets none.
func (g *Gateway) respond(w http.ResponseWriter, kind string, status int) {
	response, ok := g.template.GatewayResponses[kind]
	if !ok && status < 500 {
		response = g.template.GatewayResponses["DEFAULT_4XX"]
	} else if !ok {
		response = g.template.GatewayResponses["DEFAULT_5XX"]
	}
	for name, value := range response.Headers {
		if name != "Strict-Transport-Security" { // this gateway has no TLS
			w.Header().Set(name, value)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(cmp.Or(response.Status, status))
	_, _ = io.WriteString(w, response.Body) // fails only if the client is gone
}

// cache keeps the authorizer's answers for its ttl, as API Gateway does. Refusals are
// never cached.
type cache struct {
	ttl     time.Duration
	mu      sync.Mutex
	answers map[string]cached // by token
}

type cached struct {
	answer  events.APIGatewayCustomAuthorizerResponse
	expires time.Time
}

func (c *cache) get(token string) (events.APIGatewayCustomAuthorizerResponse, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.answers[token]
	if !time.Now().Before(entry.expires) {
		return events.APIGatewayCustomAuthorizerResponse{}, false
	}
	return entry.answer, true
}

func (c *cache) put(token string, answer events.APIGatewayCustomAuthorizerResponse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(c.answers, func(_ string, entry cached) bool { return !now.Before(entry.expires) })
	c.answers[token] = cached{answer, now.Add(c.ttl)}
}

// parseQuery parses a query as API Gateway does: unlike url.ParseQuery, it takes a semicolon for text.
func parseQuery(raw string) (url.Values, error) {
	return url.ParseQuery(strings.ReplaceAll(raw, ";", "%3B"))
}

// Package apigw is API Gateway for the local stack, configured by the same template as
// the deployed one. It matches routes, calls the authorizer and caches its answers,
// sends the gateway responses, and calls the functions in process.
package apigw

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/infra/local/template"
	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
)

// maxPayload is API Gateway's limit for a request's body, in bytes.
const maxPayload = 10 << 20

// Authorize returns the caller behind an Authorization header, as
// secrets.Service.Authenticate does.
type Authorize func(ctx context.Context, header string) (secrets.Caller, error)

// Gateway is an http.Handler that serves a template's routes.
type Gateway struct {
	template  *template.Template
	routes    *router
	functions map[string]http.Handler // by logical id
	timeouts  map[string]time.Duration
	authorize Authorize
	cache     cache
	log       *slog.Logger
}

// New returns a gateway for the routes of t. The functions are keyed by logical id.
func New(t *template.Template, functions map[string]http.Handler, authorize Authorize, log *slog.Logger) *Gateway {
	timeouts := make(map[string]time.Duration)
	for _, f := range t.Functions {
		timeouts[f.Name] = f.Timeout
	}
	return &Gateway{
		template: t, routes: newRouter(t.Routes), functions: maps.Clone(functions), timeouts: timeouts, authorize: authorize,
		cache: cache{ttl: time.Duration(t.Authorizer.CacheSeconds) * time.Second, callers: make(map[string]cached)},
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
	ctx := r.Context()
	if !match.route.Open {
		caller, err := g.caller(r)
		switch {
		case errors.Is(err, secrets.ErrUnauthenticated):
			g.respond(w, "UNAUTHORIZED", http.StatusUnauthorized)
			return
		case err != nil:
			g.log.ErrorContext(ctx, "authorizer failed", "error", err)
			g.respond(w, "AUTHORIZER_FAILURE", http.StatusInternalServerError)
			return
		}
		caller.RequestID = uuid.NewString()
		caller.SourceIP, _, _ = net.SplitHostPort(r.RemoteAddr)
		ctx = httpapi.WithCaller(ctx, caller)
	}
	ctx, cancel := context.WithTimeout(ctx, g.timeouts[match.route.Function])
	defer cancel()
	r = r.WithContext(ctx)
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.Pattern = match.route.Path
	for name, value := range match.params {
		r.SetPathValue(name, value)
	}
	r.URL.Scheme, r.URL.Host = "http", r.Host
	g.functions[match.route.Function].ServeHTTP(w, r)
}

// caller returns the caller from the cache, else from the authorizer.
func (g *Gateway) caller(r *http.Request) (secrets.Caller, error) {
	header := r.Header.Get(g.template.Authorizer.Header)
	if !g.template.Authorizer.Validation.MatchString(header) {
		return secrets.Caller{}, secrets.ErrUnauthenticated
	}
	if c, ok := g.cache.get(header); ok {
		return c, nil
	}
	c, err := g.authorize(r.Context(), header)
	if err == nil {
		g.cache.put(header, c)
	}
	return c, err
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
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Type", "application/json")
	if response.Status != 0 {
		status = response.Status
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, response.Body) // fails only if the client is gone
}

// cache keeps the authorizer's answers for its ttl, as API Gateway does. Refusals are
// never cached.
type cache struct {
	ttl     time.Duration
	mu      sync.Mutex
	callers map[string]cached // by header
}

type cached struct {
	caller  secrets.Caller
	expires time.Time
}

func (c *cache) get(header string) (secrets.Caller, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.callers[header]
	return entry.caller, time.Now().Before(entry.expires)
}

func (c *cache) put(header string, caller secrets.Caller) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(c.callers, func(_ string, entry cached) bool { return !now.Before(entry.expires) })
	c.callers[header] = cached{caller, now.Add(c.ttl)}
}

// Package gateway runs the product's handlers as Lambda functions: HTTP handlers behind
// API Gateway, its authorizer, and functions without a route. It is the only importer of
// aws-lambda-go and of the API proxy.
package gateway

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"goblins-secrets/pkg/httpapi"
)

// Start serves h as a Lambda function behind API Gateway (REST, proxy
// integration). It does not return.
func Start(h http.Handler) { lambda.Start(Proxy(h)) }

// Proxy adapts h to a Lambda handler. In addition to the adapter's conversion, it sets
// what package httpapi expects from its gateway: the path parameters, the route, the URL
// as the client sees it, and the caller from the authorizer's context.
func Proxy(h http.Handler) func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	return func(ctx context.Context, event events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		adapter := httpadapter.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = complete(r, event)
			if r.Header.Get("X-Forwarded-Proto") == "https" {
				w.Header().Set("Strict-Transport-Security", "max-age=31536000")
			}
			h.ServeHTTP(w, r)
		}))
		// Links need the context's path, which includes the stage or a custom domain's base
		// path. The SAM CLI's gateway puts the route there instead. The path arrives
		// decoded, but the adapter expects it encoded: a lone "%" would be its 504.
		if path := event.RequestContext.Path; strings.HasSuffix(path, event.Path) {
			event.Path = path
		}
		event.Path = (&url.URL{Path: event.Path}).EscapedPath()
		answer, err := adapter.ProxyWithContext(ctx, event)
		return encodeLarge(answer), err
	}
}

// maxPlainBody is the largest body that is sent as text, in bytes. Lambda accepts an answer of at most 6 MiB of JSON. In
// it, a byte of a body can take six, such as "<", and one of base64 takes four thirds.
const maxPlainBody = 1_000_000

// encodeLarge encodes a large body in base64. API Gateway decodes it, because all media types are binary for it.
func encodeLarge(a events.APIGatewayProxyResponse) events.APIGatewayProxyResponse {
	if len(a.Body) > maxPlainBody && !a.IsBase64Encoded {
		a.Body, a.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(a.Body)), true
	}
	return a
}

// complete adds to a request what the adapter omits.
func complete(r *http.Request, event events.APIGatewayProxyRequest) *http.Request {
	for name, value := range event.PathParameters {
		r.SetPathValue(name, value)
	}
	r.Pattern = event.Resource
	if r.URL.Host == "" {
		r.URL.Host = r.Header.Get("Host")
	}
	if r.Header.Get("X-Forwarded-Proto") == "http" { // only a local gateway sends that
		r.URL.Scheme = "http"
	}
	c, ok := caller(event.RequestContext)
	if !ok {
		return r
	}
	return r.WithContext(httpapi.WithCaller(r.Context(), c))
}

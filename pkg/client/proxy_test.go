package client_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"
)

// fault is what a proxy does to a request.
type fault struct {
	forward bool // the server gets the request, before the client sees the fault
	status  int  // sent in place of the server's
	page    bool // sent with the status, in place of JSON
	partial bool // half of the server's answer is sent
	slow    time.Duration
}

var (
	cutBefore = fault{}
	cutAfter  = fault{forward: true}
)

// proxy passes requests to the product, injects faults, and records what the server really did.
type proxy struct {
	URL string

	mu   sync.Mutex
	hit  func(r *http.Request) (f fault, isHit bool) // nil: none
	did  map[string]int                              // the server's successes by method
	seen []string                                    // all requests, method and path
}

func newProxy(t *testing.T, hit func(r *http.Request) (fault, bool)) *proxy {
	t.Helper()
	p := &proxy{hit: hit, did: map[string]int{}}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

// once injects a fault into the first request with this method.
func once(method string, f fault) func(*http.Request) (fault, bool) {
	hits := 0
	return func(r *http.Request) (fault, bool) {
		if r.Method != method {
			return fault{}, false
		}
		hits++
		return f, hits == 1
	}
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	p.mu.Lock()
	p.seen = append(p.seen, r.Method+" "+r.URL.Path)
	f, isHit := fault{}, false
	if p.hit != nil {
		f, isHit = p.hit(r)
	}
	p.mu.Unlock()
	var answer *http.Response
	var answered []byte
	if f.forward || !isHit {
		answer, answered = p.send(r, body)
	}
	switch {
	case !isHit:
		relay(w, answer, answered)
	case f.slow > 0:
		if len(answered) > 0 { // the header is fast, the body is slow
			w.Header().Set("Content-Length", strconv.Itoa(len(answered)))
			w.WriteHeader(answer.StatusCode)
			_ = http.NewResponseController(w).Flush()
		}
		time.Sleep(f.slow)
		panic(http.ErrAbortHandler)
	case f.status != 0:
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(f.status)
		body := `{"detail":"Injected."}`
		if f.page {
			body = "<html>"
		}
		_, _ = io.WriteString(w, body)
	case f.partial:
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		raw := answerBytes(answer, answered)
		_, _ = conn.Write(raw[:len(raw)-len(answered)/2-1])
	default:
		panic(http.ErrAbortHandler) // closes the connection
	}
}

// send passes a request to the product, and counts its success.
func (p *proxy) send(r *http.Request, body []byte) (*http.Response, []byte) {
	req, err := http.NewRequest(r.Method, product.URL+r.URL.String(), bytes.NewReader(body)) // not cancelled with the client's
	if err != nil {
		panic(err)
	}
	req.Header = r.Header.Clone()
	req.Header.Del("Accept-Encoding")
	answer, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	answered, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(err)
	}
	if answer.StatusCode < 300 {
		p.mu.Lock()
		p.did[r.Method]++
		p.mu.Unlock()
	}
	return answer, answered
}

func relay(w http.ResponseWriter, answer *http.Response, body []byte) {
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = w.Write(body)
}

func answerBytes(answer *http.Response, body []byte) []byte {
	var raw bytes.Buffer
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if err := answer.Write(&raw); err != nil {
		panic(err)
	}
	return raw.Bytes()
}

// count is how often the server did what a method asks for.
func (p *proxy) count(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.did[method]
}

func (p *proxy) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.seen...)
}

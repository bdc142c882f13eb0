package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"goblins-secrets/pkg/client"
)

// keptOnce is a server that answers the first request of its first connection, keeps the connection, and closes
// it after it has read the next request. It closes further connections after one request. net/http repeats
// requests on kept connections that end so.
type keptOnce struct {
	URL string

	mu       sync.Mutex
	requests []string // after the first
	headers  []http.Header
}

func newKeptOnce(t *testing.T) *keptOnce {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &keptOnce{URL: "http://" + l.Addr().String()}
	go func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn, n == 0)
		}
	}()
	return s
}

func (s *keptOnce) serve(conn net.Conn, isFirst bool) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	if isFirst {
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		const budget = `{"limit":1,"window":1,"left":1,"reset":0}`
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(budget), budget)
	}
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.Method)
	header := r.Header.Clone()
	if r.ContentLength != 0 {
		header.Set("Content-Length", fmt.Sprint(r.ContentLength))
	}
	if len(r.TransferEncoding) > 0 {
		header["Transfer-Encoding"] = r.TransferEncoding
	}
	s.headers = append(s.headers, header)
}

// countOf returns how many requests with a method were read.
func (s *keptOnce) countOf(method string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.requests {
		if m == method {
			n++
		}
	}
	return n
}

// net/http repeats neither a reveal nor a write behind the client.
func TestTransportDoesNotRepeat(t *testing.T) {
	key := newKey(t)
	ctx := t.Context()
	secret := client.Secret{ID: "s", Name: "n"}
	for name, call := range map[string]struct {
		method string
		run    func(c *client.Client) error
	}{
		"reveal": {http.MethodGet, func(c *client.Client) error { _, err := c.Reveal(ctx, "s", "i"); return err }},
		"create": {http.MethodPost, func(c *client.Client) error { _, err := c.CreateSecret(ctx, "n"); return err }},
		"update": {http.MethodPatch, func(c *client.Client) error { _, err := c.RenameSecret(ctx, secret, "m"); return err }},
		"delete": {http.MethodDelete, func(c *client.Client) error { return c.DeleteSecret(ctx, "s") }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newKeptOnce(t)
			c := newClient(t, s.URL, key, client.WithTries(1))
			must(c.Budget(ctx))(t) // keeps the connection
			if err := call.run(c); !client.IsUncertain(err) {
				t.Errorf("error = %v, want an uncertain one", err)
			}
			if got := s.countOf(call.method); got != 1 {
				t.Errorf("the server has read %d requests, want 1: %v", got, s.requests)
			}
			if h := s.headers[0]; call.method == http.MethodGet && (h.Get("Content-Length") != "" || h.Get("Transfer-Encoding") != "") {
				t.Errorf("the reveal announces a body: %v", h)
			}
		})
	}
	// The server of this test is one whose requests net/http does repeat.
	s := newKeptOnce(t)
	c := newClient(t, s.URL, key, client.WithTries(1))
	must(c.Budget(ctx))(t)
	if _, err := c.Budget(ctx); err == nil || s.countOf(http.MethodGet) != 2 {
		t.Errorf("a read: error = %v, %v: net/http did not repeat it", err, s.requests)
	}
}

// No request but a read has a body that net/http could send again.
func TestRequestsCannotBeRewound(t *testing.T) {
	for _, op := range operations {
		w := &world{t: t}
		c := newClient(t, "https://host", newKey(t), client.WithTries(1), client.WithBackoff(time.Millisecond), client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			if canRewind := r.Body == nil || r.GetBody != nil; canRewind != (r.Method == http.MethodGet && op.kind != aReveal) {
				t.Errorf("%s: %s %s can be rewound: %v", op.name, r.Method, r.URL, canRewind)
			}
			return nil, errors.New("cut")
		})))
		w.secret.ID, w.used.ID, w.item.ID, w.item.SecretID, w.service.ID = "s", "s", "i", "s", "v"
		if err := op.run(t.Context(), w, c); err == nil {
			t.Errorf("%s: no error", op.name)
		}
	}
}

// A request goes to the base URL only, whatever the server answers.
func TestKeyStaysAtTheBaseURL(t *testing.T) {
	key := newKey(t)
	var elsewhere []string
	stranger := newServer(t, func(w http.ResponseWriter, r *http.Request) { elsewhere = append(elsewhere, r.URL.String()) })
	pages := 0
	home := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/services/"):
			http.Redirect(w, r, stranger, http.StatusTemporaryRedirect)
		case r.URL.Query().Get("cursor") == "":
			pages++
			fmt.Fprintf(w, `{"count":2,"next":"%s/?cursor=abc","previous":null,"results":[{"id":"1","name":"a"}]}`, stranger)
		default:
			pages++
			fmt.Fprint(w, `{"count":2,"next":null,"previous":null,"results":[{"id":"2","name":"b"}]}`)
		}
	})
	c := newClient(t, home, key)
	if err := wantNames(c.Secrets(t.Context()), func(s client.Secret) string { return s.Name }, "a", "b"); err != nil || pages != 2 {
		t.Errorf("Secrets: %v after %d pages", err, pages)
	}
	_, err := c.CreateService(context.Background(), client.Service{Name: "n", Image: "i", Port: 1})
	if e, ok := err.(*client.Error); !ok || e.Status != http.StatusTemporaryRedirect || client.IsUncertain(err) {
		t.Errorf("a redirect: error = %v, want a certain 307", err)
	}
	_, err = c.ServiceNamed(t.Context(), "n")
	if e, ok := err.(*client.Error); !ok || e.Status != http.StatusTemporaryRedirect {
		t.Errorf("a redirect of a read: error = %v, want a 307", err)
	}
	if elsewhere != nil {
		t.Errorf("requests have gone elsewhere: %v", elsewhere)
	}
}

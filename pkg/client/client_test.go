package client_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"goblins-secrets/pkg/client"
	"goblins-secrets/pkg/client/clienttest"
	"goblins-secrets/pkg/secretstest"
)

func TestNewRefuses(t *testing.T) {
	key := newKey(t)
	last := map[bool]string{true: "1", false: "0"}[strings.HasSuffix(key, "0")]
	for name, tt := range map[string]struct {
		url, key  string
		isRefused bool
	}{
		"https":                  {"https://host.example", key, false},
		"a stage and a slash":    {"https://host.example/prod/", key, false},
		"localhost":              {"http://localhost:8080", key, false},
		"127.0.0.2":              {"http://127.0.0.2", key, false},
		"::1":                    {"http://[::1]:80", key, false},
		"http":                   {"http://host.example", key, true},
		"a name with localhost":  {"http://localhost.example", key, true},
		"an address on the net":  {"http://10.0.0.1", key, true},
		"another scheme":         {"ftp://host", key, true},
		"no scheme":              {"host.example", key, true},
		"no host":                {"https:///prod", key, true},
		"api":                    {"https://host/api", key, true},
		"api and a slash":        {"https://host/prod/%61pi/", key, true},
		"an api of another name": {"https://host/my-api", key, false},
		"userinfo":               {"https://user:pass@host", key, true},
		"a query":                {"https://host?a=b", key, true},
		"a fragment":             {"https://host#a", key, true},
		"control characters":     {"https://host\n", key, true},
		"the arguments swapped":  {key, "https://host", true},
		"no key":                 {"https://host", "", true},
		"a key with a space":     {"https://host", key + " ", true},
		"a key with a line":      {"https://host", key + "\n", true},
		"a key that is cut":      {"https://host", key[:len(key)-1], true},
		"a key with a wrong end": {"https://host", key[:len(key)-1] + last, true},
		"another prefix":         {"https://host", "gab_" + key[4:], true},
	} {
		_, err := client.New(tt.url, tt.key)
		if (err != nil) != tt.isRefused {
			t.Errorf("%s: New = %v, want an error: %v", name, err, tt.isRefused)
		}
		if err != nil && (strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "pass")) {
			t.Errorf("%s: the error shows its argument: %v", name, err)
		}
	}
}

// holder keeps a value where fmt cannot ask its type.
type holder struct {
	Value  client.Value
	hidden client.Value
}

// Neither a value nor a client's key is shown by what shows other data.
func TestNothingShowsSecrets(t *testing.T) {
	const secret = "s3cret"
	key := newKey(t)
	c := newClient(t, "https://host", key)
	v := client.NewValue(secret)
	var shown bytes.Buffer
	for _, x := range []any{v, &v, holder{v, v}, &holder{v, v}, []client.Value{v}, map[string]client.Value{"a": v}, client.ItemChange{Key: "K", Value: v}, c, *c} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%t", "%T", "%w"} {
			fmt.Fprintf(&shown, verb+"\n", x) //nolint:all // wrong verbs are the point
		}
		fmt.Fprintln(&shown, x)
		slog.New(slog.NewTextHandler(&shown, nil)).Info("m", "x", x)
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("m", "x", x)
		if encoded, err := json.Marshal(x); err == nil {
			shown.Write(encoded)
		}
		if encoded, err := xml.Marshal(x); err == nil {
			shown.Write(encoded)
		}
		_ = gob.NewEncoder(&shown).Encode(x)
		walk(&shown, reflect.ValueOf(x), 0)
	}
	for _, hidden := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), key, key[4:]} {
		if strings.Contains(shown.String(), hidden) {
			t.Errorf("%q is shown: %s", hidden, &shown)
		}
	}
	if got := fmt.Sprint(v, holder{Value: v}.Value); got != "[redacted] [redacted]" {
		t.Errorf("a value prints as %s", got)
	}
	for name, err := range map[string]error{
		"json": second(json.Marshal(v)), "json of a struct": second(json.Marshal(holder{Value: v})), "xml": second(xml.Marshal(v)),
		"text": second(v.MarshalText()), "gob": gob.NewEncoder(new(bytes.Buffer)).Encode(v), "gob of a struct": gob.NewEncoder(new(bytes.Buffer)).Encode(holder{Value: v}),
	} {
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: error = %v, want one", name, err)
		}
	}
	if v.Reveal() != secret || v.IsZero() || client.NewValue("").IsZero() || !(client.Value{}).IsZero() || (client.Value{}).Reveal() != "" {
		t.Error("Reveal or IsZero is wrong")
	}
}

func second[T any](_ T, err error) error { return err }

// walk prints all strings that reflection reaches, as dumpers do.
func walk(out *bytes.Buffer, v reflect.Value, depth int) {
	if depth > 20 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		out.WriteString(v.String())
	case reflect.Pointer, reflect.Interface:
		walk(out, v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			walk(out, v.Field(i), depth+1)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			walk(out, v.Index(i), depth+1)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			walk(out, v.MapIndex(k), depth+1)
		}
	}
}

func TestValuesComeBackEqual(t *testing.T) {
	c := clienttest.New(t)
	s := must(c.SecretNamed(t.Context(), "Default"))(t)
	for key, value := range secretstest.Values {
		it := must(c.CreateItem(t.Context(), s.ID, key, client.NewValue(value)))(t)
		if got := must(c.Reveal(t.Context(), s.ID, it.ID))(t); got.Reveal() != value {
			t.Errorf("%s comes back as %q, want %q", key, got.Reveal(), value)
		}
	}
}

// paged makes pages of two.
func paged(then http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		query := r.URL.Query()
		if query.Has("page_size") {
			query.Set("page_size", "2")
		}
		r.URL.RawQuery = query.Encode()
		return then.RoundTrip(r)
	})
}

func TestPages(t *testing.T) {
	sent := 0
	var refused bool
	key := newKey(t)
	c := newClient(t, product.URL, key, client.WithTransport(paged(roundTripper(func(r *http.Request) (*http.Response, error) {
		if sent++; refused && sent == 2 {
			return answerOf(http.StatusUnauthorized, `{"detail":"Invalid or missing API key."}`), nil
		}
		return http.DefaultTransport.RoundTrip(r)
	}))))
	secret := must(c.SecretNamed(t.Context(), "Default"))(t)
	want := []string{"A", "B", "C", "D", "E"}
	for _, k := range want {
		must(c.CreateItem(t.Context(), secret.ID, k, client.NewValue("v")))(t)
	}
	byKey := func(it client.Item) string { return it.Key }

	sent = 0
	if err := wantNames(c.Items(t.Context(), secret.ID), byKey, want...); err != nil || sent != 3 {
		t.Errorf("Items: %v in %d requests, want 3", err, sent)
	}
	sent = 0
	for range c.Items(t.Context(), secret.ID) {
		break
	}
	if sent != 1 {
		t.Errorf("the first element took %d requests, want 1", sent)
	}
	sent = 0
	refused = true
	var got []string
	var failed error
	for it, err := range c.Items(t.Context(), secret.ID) {
		if failed != nil {
			t.Error("an element follows the error")
		}
		if failed = err; err == nil {
			got = append(got, it.Key)
		}
	}
	if !client.IsUnauthenticated(failed) || fmt.Sprint(got) != "[A B]" || sent != 2 {
		t.Errorf("a 401 in the middle: %v, %v in %d requests, want A and B, then the error", got, failed, sent)
	}
}

// A list whose cursors come again ends with an error.
func TestEndlessLists(t *testing.T) {
	for name, cursors := range map[string][]string{"one": {"a"}, "two": {"a", "b"}} {
		sent := 0
		c := newClient(t, "https://host", newKey(t), client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			sent++
			return answerOf(http.StatusOK, `{"next":"https://host/?cursor=`+cursors[sent%len(cursors)]+`","results":[{"id":"s"}]}`), nil
		})))
		n := 0
		var last error
		for _, err := range c.Secrets(t.Context()) {
			if last = err; err == nil {
				n++
			}
			if sent > 10 {
				break
			}
		}
		want := len(cursors) + 1
		if e, ok := errors.AsType[*client.Error](last); !ok || client.IsNotFound(e) || sent != want || n != len(cursors) {
			t.Errorf("%s: %v after %d requests and %d secrets, want an error after %d requests", name, last, sent, n, want)
		}
	}
}

// A look finds an item on a later page.
func TestLooksReadAllPages(t *testing.T) {
	key := newKey(t)
	direct := newClient(t, product.URL, key)
	secret := must(direct.SecretNamed(t.Context(), "Default"))(t)
	var last client.Item
	for _, k := range []string{"A", "B", "C", "D", "E"} {
		last = must(direct.CreateItem(t.Context(), secret.ID, k, client.NewValue("v")))(t)
	}
	p := newProxy(t, once(http.MethodPatch, cutBefore))
	c := newClient(t, p.URL, key, client.WithBackoff(time.Millisecond), client.WithTransport(paged(http.DefaultTransport)))
	it, err := c.UpdateItem(t.Context(), last, client.ItemChange{Value: client.NewValue("w")})
	if err != nil || it.ID != last.ID || p.count(http.MethodPatch) != 1 {
		t.Errorf("UpdateItem = %v, %v, want one update: %v", it, err, p.requests())
	}
}

func TestThrottledReveals(t *testing.T) {
	s, err := clienttest.Start(t.Context(), map[string]string{"ReadLimit": "1"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := must(s.NewClient(t.Context()))(t)
	secret := must(c.SecretNamed(t.Context(), "Default"))(t)
	it := must(c.CreateItem(t.Context(), secret.ID, "K", client.NewValue("v")))(t)
	must(c.Reveal(t.Context(), secret.ID, it.ID))(t)
	_, err = c.Reveal(t.Context(), secret.ID, it.ID)
	wait, ok := client.Throttled(err)
	if !ok || wait < 59*60e9 || wait > 3600e9 || client.IsUncertain(err) {
		t.Errorf("Reveal: error = %v, Throttled = %v, %v, want about an hour", err, wait, ok)
	}
	if wait, ok := client.Throttled(errors.New("another")); ok || wait != 0 || client.IsNotFound(nil) || client.FieldErrors(nil) != nil {
		t.Error("another error counts as one of the client")
	}
}

// HTTP/2 has its own retries, and sends the empty body of a reveal.
func TestHTTP2(t *testing.T) {
	w := newWorld(t)
	p := &proxy{did: map[string]int{}, hit: func(r *http.Request) (fault, bool) {
		if r.ProtoMajor != 2 {
			t.Errorf("%s %s comes by %s", r.Method, r.URL, r.Proto)
		}
		return fault{}, false
	}}
	server := httptest.NewUnstartedServer(p)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	c := newClient(t, server.URL, w.key, client.WithTransport(server.Client().Transport))
	if v := must(c.Reveal(t.Context(), w.used.ID, w.item.ID))(t); v.Reveal() != plaintext {
		t.Error("Reveal returns another value")
	}
	must(c.CreateSecret(t.Context(), "new"))(t)
	if err := c.DeleteSecret(t.Context(), w.secret.ID); err != nil {
		t.Error(err)
	}
	if p.count(http.MethodGet) != 1 {
		t.Errorf("%d reveals, want 1", p.count(http.MethodGet))
	}
}

// The Go code of docs/clients.md is that of the example.
func TestDocumentedCodeIsTheExample(t *testing.T) {
	document, err := os.ReadFile("../../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(document), "```go\n")[1:]
	if len(blocks) != 1 {
		t.Errorf("%d blocks of Go, want 1", len(blocks))
	}
	for _, block := range blocks {
		code, _, _ := strings.Cut(block, "```")
		if indented := "\t\t" + strings.ReplaceAll(strings.TrimSpace(code), "\n", "\n\t\t"); !strings.Contains(string(example), indented) {
			t.Errorf("the example lacks this code:\n%s", code)
		}
	}
}

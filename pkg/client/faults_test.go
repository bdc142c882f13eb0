package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"goblins-secrets/pkg/client"
)

// world is an account with one object of each kind, as they were last read.
type world struct {
	t       *testing.T
	key     string
	direct  *client.Client // without faults
	secret  client.Secret  // no service uses it
	used    client.Secret
	item    client.Item // of used
	service client.Service
}

const plaintext = "a value that nothing may show"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, key: newKey(t)}
	w.direct = newClient(t, product.URL, w.key)
	w.secret = must(w.direct.CreateSecret(t.Context(), "unused"))(t)
	w.used = must(w.direct.CreateSecret(t.Context(), "used"))(t)
	w.item = must(w.direct.CreateItem(t.Context(), w.used.ID, "KEY", client.NewValue(plaintext)))(t)
	w.service = must(w.direct.CreateService(t.Context(), client.Service{Name: "app", Image: "app:1", Port: 80, SecretID: w.used.ID}))(t)
	return w
}

func must[T any](x T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
}

// kind is what a lost answer means for an operation.
type kind int

const (
	aRead kind = iota
	aReveal
	aCreate
	aVisibleUpdate
	aHiddenUpdate // of a value
	aDelete
)

// operations are all operations of the client. Each returns an error if it reports something that is not so.
var operations = []struct {
	name   string
	kind   kind
	method string
	run    func(ctx context.Context, w *world, c *client.Client) error
}{
	{"Secrets", aRead, http.MethodGet, func(ctx context.Context, w *world, c *client.Client) error {
		return wantNames(c.Secrets(ctx), func(s client.Secret) string { return s.Name }, "Default", "unused", "used")
	}},
	{"SecretNamed", aRead, http.MethodGet, func(ctx context.Context, w *world, c *client.Client) error {
		s, err := c.SecretNamed(ctx, "unused")
		return want(err, s.ID == w.secret.ID)
	}},
	{"Secret", aRead, http.MethodGet, func(ctx context.Context, w *world, c *client.Client) error {
		s, err := c.Secret(ctx, w.secret.ID)
		return want(err, s == w.secret)
	}},
	{"CreateSecret", aCreate, http.MethodPost, func(ctx context.Context, w *world, c *client.Client) error {
		s, err := c.CreateSecret(ctx, "new")
		return want(err, s.Name == "new")
	}},
	{"RenameSecret", aVisibleUpdate, http.MethodPatch, func(ctx context.Context, w *world, c *client.Client) error {
		s, err := c.RenameSecret(ctx, w.secret, " renamed ")
		return want(err, s.Name == "renamed" && s.ID == w.secret.ID)
	}},
	{"DeleteSecret", aDelete, http.MethodDelete, func(ctx context.Context, w *world, c *client.Client) error {
		return c.DeleteSecret(ctx, w.secret.ID)
	}},
	{"Items", aRead, http.MethodGet, func(ctx context.Context, w *world, c *client.Client) error {
		return wantNames(c.Items(ctx, w.used.ID), func(it client.Item) string { return it.Key }, "KEY")
	}},
	{"ItemWithKey", aRead, http.MethodGet, func(ctx context.Context, w *world, c *client.Client) error {
		it, err := c.ItemWithKey(ctx, w.used.ID, "KEY")
		return want(err, it == w.item)
	}},
	{"Reveal", aReveal, http.MethodGet, func(ctx context.Context, w *world, c *client.Client) error {
		v, err := c.Reveal(ctx, w.used.ID, w.item.ID)
		return want(err, v.Reveal() == plaintext)
	}},
	{"CreateItem", aCreate, http.MethodPost, func(ctx context.Context, w *world, c *client.Client) error {
		it, err := c.CreateItem(ctx, w.used.ID, "NEW", client.NewValue(plaintext))
		return want(err, it.Key == "NEW")
	}},
	{"UpdateItem, its key", aVisibleUpdate, http.MethodPatch, func(ctx context.Context, w *world, c *client.Client) error {
		it, err := c.UpdateItem(ctx, w.item, client.ItemChange{Key: "OTHER"})
		return want(err, it.Key == "OTHER" && it.ID == w.item.ID)
	}},
	{"UpdateItem, its value", aHiddenUpdate, http.MethodPatch, func(ctx context.Context, w *world, c *client.Client) error {
		it, err := c.UpdateItem(ctx, w.item, client.ItemChange{Value: client.NewValue(plaintext + "!")})
		return want(err, it.ID == w.item.ID && it.UpdatedAt.After(w.item.UpdatedAt))
	}},
	{"UpdateItem, both", aHiddenUpdate, http.MethodPatch, func(ctx context.Context, w *world, c *client.Client) error {
		it, err := c.UpdateItem(ctx, w.item, client.ItemChange{Key: "OTHER", Value: client.NewValue(plaintext + "!")})
		return want(err, it.Key == "OTHER" && it.ID == w.item.ID)
	}},
	{"DeleteItem", aDelete, http.MethodDelete, func(ctx context.Context, w *world, c *client.Client) error {
		return c.DeleteItem(ctx, w.used.ID, w.item.ID)
	}},
	{"Services", aRead, http.MethodGet, func(ctx context.Context, w *world, c *client.Client) error {
		return wantNames(c.Services(ctx), func(s client.Service) string { return s.Name }, "app")
	}},
	{"ServicesOf", aRead, http.MethodGet, func(ctx context.Context, w *world, c *client.Client) error {
		return wantNames(c.ServicesOf(ctx, w.secret.ID), func(s client.Service) string { return s.Name })
	}},
	{"ServiceNamed", aRead, http.MethodGet, func(ctx context.Context, w *world, c *client.Client) error {
		s, err := c.ServiceNamed(ctx, "app")
		return want(err, s == w.service)
	}},
	{"Service", aRead, http.MethodGet, func(ctx context.Context, w *world, c *client.Client) error {
		s, err := c.Service(ctx, w.service.ID)
		return want(err, s == w.service)
	}},
	{"CreateService", aCreate, http.MethodPost, func(ctx context.Context, w *world, c *client.Client) error {
		s, err := c.CreateService(ctx, client.Service{Name: "new", Image: "new:1", Port: 81, Config: "c"})
		return want(err, s.Name == "new" && s.Config == "c" && s.SecretID != "")
	}},
	{"UpdateService", aVisibleUpdate, http.MethodPatch, func(ctx context.Context, w *world, c *client.Client) error {
		wanted := w.service
		wanted.Port, wanted.Config, wanted.SecretID = 81, "c", w.secret.ID
		s, err := c.UpdateService(ctx, w.service, wanted)
		return want(err, s.ID == wanted.ID && s.Image == "app:1" && s.Port == 81 && s.Config == "c" && s.SecretID == wanted.SecretID)
	}},
	{"DeleteService", aDelete, http.MethodDelete, func(ctx context.Context, w *world, c *client.Client) error {
		return c.DeleteService(ctx, w.service.ID)
	}},
	{"Budget", aRead, http.MethodGet, func(ctx context.Context, w *world, c *client.Client) error {
		b, err := c.Budget(ctx)
		return want(err, b.Limit == 20 && b.Window == time.Hour)
	}},
}

// errFalse is a report that is not so.
var errFalse = errors.New("the client reported what is not so")

func want(err error, isSo bool) error {
	if err == nil && !isSo {
		return errFalse
	}
	return err
}

func wantNames[T any](all func(func(T, error) bool), name func(T) string, names ...string) error {
	var got []string
	for x, err := range all {
		if err != nil {
			return err
		}
		got = append(got, name(x))
	}
	return want(nil, slices.Equal(got, names))
}

// tryTimeout is a limit that only the injected delay exceeds.
const tryTimeout = time.Second

// faults are what can happen to one try. isKnown: the client can know that the server did nothing.
var faults = []struct {
	name    string
	fault   fault
	isKnown bool
}{
	{"no connection", fault{}, true}, // by the transport
	{"429", fault{status: http.StatusTooManyRequests}, true},
	{"cut before the server", cutBefore, false},
	{"cut after the server", cutAfter, false},
	{"cut in the answer", fault{forward: true, partial: true}, false},
	{"slow answer", fault{forward: true, slow: tryTimeout + 200*time.Millisecond}, false},
	{"200 of a stranger", fault{status: http.StatusOK}, false},
	{"500 before", fault{status: http.StatusInternalServerError}, false},
	{"502 after", fault{forward: true, status: http.StatusBadGateway}, false},
	{"503 before", fault{status: http.StatusServiceUnavailable}, false},
	{"503 after", fault{forward: true, status: http.StatusServiceUnavailable}, false},
	{"504 after", fault{forward: true, status: http.StatusGatewayTimeout}, false},
}

// One fault in the first try of each operation: nothing is done twice, nothing is reported that did not happen,
// and the outcome is the documented one.
func TestOneFault(t *testing.T) {
	slow := map[kind]bool{} // once for each kind, because it takes a second
	for _, op := range operations {
		for _, f := range faults {
			if f.fault.slow > 0 {
				if slow[op.kind] {
					continue
				}
				slow[op.kind] = true
			}
			t.Run(op.name+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				p := newProxy(t, nil)
				options := []client.Option{client.WithTryTimeout(tryTimeout), client.WithBackoff(time.Millisecond)}
				if f.name == "no connection" {
					options = append(options, client.WithTransport(refusing(1)))
				} else {
					p.hit = once(op.method, f.fault)
				}
				err := op.run(t.Context(), w, newClient(t, p.URL, w.key, options...))
				checkOutcome(t, w, op.kind, f.isKnown, f.fault.forward, err)
				if got := p.count(op.method); op.kind != aRead {
					// A look is a GET, as a reveal is.
					once := 1
					if op.kind == aReveal && !f.isKnown && !f.fault.forward {
						once = 0
					}
					if got != once {
						t.Errorf("the server did it %d times, want %d: %v", got, once, p.requests())
					}
				}
				if op.kind == aReveal {
					b := must(w.direct.Budget(t.Context()))(t)
					if got := b.Limit - b.Left; got != p.count(op.method) {
						t.Errorf("%d reveals are charged, %d were made", got, p.count(op.method))
					}
				}
			})
		}
	}
}

// checkOutcome compares an error with the documented outcome of a single fault.
func checkOutcome(t *testing.T, w *world, k kind, isKnown, isDone bool, err error) {
	t.Helper()
	if errors.Is(err, errFalse) {
		t.Fatal(err)
	}
	if err != nil && (strings.Contains(err.Error(), w.key) || strings.Contains(err.Error(), plaintext)) {
		t.Errorf("the error shows a secret: %v", err)
	}
	isUncertain, isNotFound, isFound := false, false, false
	switch {
	case isKnown || k == aRead:
	case k == aReveal:
		isUncertain = true
	case isDone && (k == aCreate || k == aHiddenUpdate):
		isUncertain, isFound = true, true
	case isDone && k == aDelete:
		isUncertain, isNotFound = true, true
	}
	if isUncertain != (err != nil) || isUncertain != client.IsUncertain(err) || isNotFound != client.IsNotFound(err) {
		t.Errorf("error = %v; uncertain %v, want %v; not found %v, want %v",
			err, client.IsUncertain(err), isUncertain, client.IsNotFound(err), isNotFound)
	}
	if e, _ := errors.AsType[*client.Error](err); e != nil && isFound != (e.Found != nil) {
		t.Errorf("Found = %v, want one: %v", e.Found, isFound)
	}
}

// refusing makes no connection at first.
func refusing(times int32) http.RoundTripper {
	var dials atomic.Int32
	return &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials.Add(1) <= times {
			return nil, errors.New("injected: no connection")
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
}

// Every try and every look of each operation is cut: it ends with an error, and nothing was done twice.
func TestOnlyFaults(t *testing.T) {
	for _, op := range operations {
		for name, f := range map[string]fault{"before": cutBefore, "after": cutAfter} {
			t.Run(op.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				p := newProxy(t, func(*http.Request) (fault, bool) { return f, true })
				err := op.run(t.Context(), w, newClient(t, p.URL, w.key, client.WithTries(2), client.WithBackoff(time.Millisecond)))
				if err == nil || errors.Is(err, errFalse) || client.IsUncertain(err) != (op.kind != aRead) {
					t.Errorf("error = %v; uncertain %v, want %v", err, client.IsUncertain(err), op.kind != aRead)
				}
				most := 0
				if f.forward {
					most = 1
				}
				if got := p.count(op.method); got != most && op.kind != aRead {
					t.Errorf("the server did it %d times, want %d: %v", got, most, p.requests())
				}
			})
		}
	}
}

// Every answer to a write is cut, and every look passes.
func TestWritesEndWithTheirTries(t *testing.T) {
	for _, op := range operations {
		if op.kind == aRead || op.kind == aReveal {
			continue
		}
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := newProxy(t, func(r *http.Request) (fault, bool) { return cutBefore, r.Method == op.method })
			err := op.run(t.Context(), w, newClient(t, p.URL, w.key, client.WithTries(3), client.WithBackoff(time.Millisecond)))
			if !client.IsUncertain(err) || client.IsNotFound(err) {
				t.Errorf("error = %v, want an uncertain one", err)
			}
			tries := 0
			for _, r := range p.requests() {
				if strings.HasPrefix(r, op.method) {
					tries++
				}
			}
			if tries != 3 {
				t.Errorf("%d tries, want 3: %v", tries, p.requests())
			}
		})
	}
}

// Without a connection nothing was done, and nothing is uncertain.
func TestNoConnection(t *testing.T) {
	for _, op := range operations {
		w := &world{t: t}
		w.secret.ID, w.used.ID, w.item.ID, w.item.SecretID, w.service.ID = "s", "s", "i", "s", "v"
		c := newClient(t, "https://host", newKey(t), client.WithTransport(refusing(100)), client.WithBackoff(time.Millisecond))
		if err := op.run(t.Context(), w, c); err == nil || errors.Is(err, errFalse) || client.IsUncertain(err) {
			t.Errorf("%s: error = %v, want a certain one", op.name, err)
		}
	}
}

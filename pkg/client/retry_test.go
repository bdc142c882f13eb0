package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"goblins-secrets/pkg/client"
)

func newServer(t *testing.T, h http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// roundTripper answers without a network, so that time can be the bubble's.
type roundTripper func(r *http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answerOf(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

const budgetBody = `{"limit":1,"window":1,"left":1,"reset":0}`

// Each call is throttled at first. The waits are at least what the server asks for.
func TestRetryAfterIsObeyed(t *testing.T) {
	key := newKey(t)
	for name, tt := range map[string]struct {
		after    func() string
		min, max time.Duration
	}{
		"seconds":  {func() string { return "7" }, 7 * time.Second, 7200 * time.Millisecond},
		"a time":   {func() string { return time.Now().Add(9 * time.Second).UTC().Format(http.TimeFormat) }, 8 * time.Second, 9200 * time.Millisecond},
		"the past": {func() string { return time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat) }, 0, 200 * time.Millisecond},
		"none":     {func() string { return "" }, 0, 200 * time.Millisecond},
		"garbage":  {func() string { return "-5" }, 0, 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				c := newClient(t, "https://host", key, client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
					if sent++; sent == 1 {
						return answerOf(http.StatusTooManyRequests, "", "Retry-After", tt.after()), nil
					}
					return answerOf(http.StatusOK, budgetBody), nil
				})))
				start := time.Now()
				_, err := c.Budget(t.Context())
				if waited := time.Since(start); err != nil || waited < tt.min || waited > tt.max {
					t.Errorf("Budget = %v after %v, want success after %v to %v", err, waited, tt.min, tt.max)
				}
			})
		})
	}
}

// A wait that is too long for the client or for the context is not slept.
func TestLongWaitsAreErrorsAtOnce(t *testing.T) {
	key := newKey(t)
	for name, tt := range map[string]struct {
		maxWait, deadline time.Duration
	}{
		"MaxWait":  {59 * time.Second, time.Hour},
		"deadline": {time.Hour, time.Minute},
	} {
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			t.Run(fmt.Sprint(name, " ", status), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sent := 0
					c := newClient(t, "https://host", key, client.WithMaxWait(tt.maxWait), client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
						sent++
						return answerOf(status, "", "Retry-After", "60"), nil
					})))
					ctx, cancel := context.WithTimeout(t.Context(), tt.deadline)
					defer cancel()
					start := time.Now()
					_, err := c.CreateSecret(ctx, "n")
					e, _ := errors.AsType[*client.Error](err)
					wait, isThrottled := client.Throttled(err)
					if e == nil || e.Wait != time.Minute || isThrottled != (status == http.StatusTooManyRequests) || isThrottled && wait != time.Minute {
						t.Errorf("error = %v, Throttled = %v, %v, want a wait of a minute", err, wait, isThrottled)
					}
					if time.Since(start) != 0 || sent != 1 {
						t.Errorf("%d requests in %v, want one at once", sent, time.Since(start))
					}
				})
			})
		}
	}
}

// The error has both the last answer and the end of the context if that ends while the client waits.
func TestCancelledWaits(t *testing.T) {
	key := newKey(t)
	for name, status := range map[string]int{"throttled": http.StatusTooManyRequests, "lost": http.StatusServiceUnavailable} {
		for _, op := range operations {
			t.Run(name+"/"+op.name, func(t *testing.T) {
				if op.kind == aReveal && name == "lost" {
					t.Skip("it does not wait")
				}
				synctest.Test(t, func(t *testing.T) {
					w := &world{t: t}
					w.secret.ID, w.used.ID, w.item.ID, w.item.SecretID, w.service.ID = "s", "s", "i", "s", "v"
					sent := 0
					c := newClient(t, "https://host", key, client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
						sent++
						return answerOf(status, `{"detail":"Later."}`, "Retry-After", "7"), nil
					})))
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(3*time.Second, cancel)
					begin := time.Now()
					err := op.run(ctx, w, c)
					e, _ := errors.AsType[*client.Error](err)
					if e == nil || e.Status != status || !errors.Is(err, context.Canceled) || sent != 1 || time.Since(begin) != 3*time.Second {
						t.Errorf("error = %v after %d requests and %v, want a cancelled %d after one", err, sent, time.Since(begin), status)
					}
				})
			})
		}
	}
}

// The end of the context is named once, and is not lost if a short value is a part of its text.
func TestCancelledTries(t *testing.T) {
	for value, want := range map[string]string{
		"v": "client: create item: context canceled: it may have been done",
		"c": "client: create item: [redacted]\ncontext canceled: it may have been done",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		c := newClient(t, "https://host", newKey(t), client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			cancel()
			return nil, r.Context().Err()
		})))
		if _, err := c.CreateItem(ctx, "s", "K", client.NewValue(value)); !errors.Is(err, context.Canceled) || err.Error() != want {
			t.Errorf("error = %v, want %s", err, want)
		}
	}
}

// A try without a limit takes as long as the context allows.
func TestNoTryTimeout(t *testing.T) {
	key := newKey(t)
	for _, limit := range []time.Duration{0, -1} {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, "https://host", key, client.WithTryTimeout(limit), client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
				select {
				case <-r.Context().Done():
					return nil, context.Cause(r.Context())
				case <-time.After(time.Hour):
					return answerOf(http.StatusOK, budgetBody), nil
				}
			})))
			if _, err := c.Budget(t.Context()); err != nil {
				t.Errorf("Budget with a limit of %v: %v", limit, err)
			}
		})
	}
}

// A Retry-After that is out of range is a long one.
func TestExtremeWaits(t *testing.T) {
	key := newKey(t)
	const years = 290 * 365 * 24 * time.Hour
	for after, tt := range map[string]struct{ min, max time.Duration }{
		"4294967295":                    {4294967295 * time.Second, 4294967295 * time.Second},
		"4294967296":                    {4294967296 * time.Second, 4294967296 * time.Second},
		"31536000000":                   {years, math.MaxInt64},
		"99999999999999999999":          {years, math.MaxInt64},
		"Fri, 31 Dec 9999 23:59:59 GMT": {years, math.MaxInt64},
		"9x":                            {0, 0},
		"99999999999999999999x":         {0, 0},
		"-99999999999999999999":         {0, 0},
	} {
		for name, maxWait := range map[string]time.Duration{"default": 30 * time.Second, "largest": math.MaxInt64} {
			t.Run(after+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sent := 0
					c := newClient(t, "https://host", key, client.WithTries(2), client.WithMaxWait(maxWait), client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
						sent++
						return answerOf(http.StatusTooManyRequests, "", "Retry-After", after), nil
					})))
					ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
					defer cancel()
					_, err := c.Budget(ctx)
					want := 1
					if tt.max == 0 {
						want = 2
					}
					if wait, ok := client.Throttled(err); !ok || wait < tt.min || wait > tt.max || sent != want {
						t.Errorf("error = %v, Throttled = %v after %d requests, want %d", err, wait, sent, want)
					}
				})
			})
		}
	}
}

// Backoffs grow, have jitter, and end with the tries.
func TestBackoff(t *testing.T) {
	key := newKey(t)
	synctest.Test(t, func(t *testing.T) {
		waits := make([]map[time.Duration]bool, 9)
		for range 50 {
			var last time.Time
			n := 0
			c := newClient(t, "https://host", key, client.WithTries(len(waits)+1), client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
				if n > 0 {
					if waits[n-1] == nil {
						waits[n-1] = map[time.Duration]bool{}
					}
					waits[n-1][time.Since(last)] = true
				}
				n, last = n+1, time.Now()
				return nil, errors.New("cut")
			})))
			if _, err := c.Budget(t.Context()); err == nil || client.IsUncertain(err) {
				t.Fatalf("Budget: error = %v, want a certain one", err)
			}
			if n != len(waits)+1 {
				t.Fatalf("%d tries, want %d", n, len(waits)+1)
			}
		}
		for n, seen := range waits {
			most := min(200*time.Millisecond<<n, 5*time.Second)
			var longest time.Duration
			for wait := range seen {
				longest = max(longest, wait)
			}
			if longest > most || longest < most/2 || len(seen) < 40 {
				t.Errorf("wait %d is at most %v of %v, with %d different ones of 50", n+1, longest, most, len(seen))
			}
		}
	})
}

// A RoundTripper that does not report its connections may have sent the request.
func TestUnknownTransportsAreUncertain(t *testing.T) {
	sent := 0
	c := newClient(t, "https://host", newKey(t), client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
		sent++
		return nil, errors.New("dial failed, it says: " + r.Header.Get("Authorization"))
	})))
	_, err := c.Reveal(t.Context(), "s", "i")
	if !client.IsUncertain(err) || sent != 1 {
		t.Errorf("error = %v after %d requests, want an uncertain one after one", err, sent)
	}
	if strings.Contains(err.Error(), "gob_") {
		t.Errorf("the error shows the key: %v", err)
	}
}

// Answers that are too large, or not the documented ones, are lost. Their errors show nothing of them.
func TestForeignAnswers(t *testing.T) {
	key := newKey(t)
	for name, body := range map[string]string{
		"too large": `{"value":"` + strings.Repeat("s3cret ", 2<<20) + `"}`,
		"cut":       `{"value":"s3cret`,
		"no value":  `{"id":"s3cret"}`,
		"null":      `null`,
		"a number":  `{"value":123456}`,
		"a page":    `<html>s3cret</html>`,
		"empty":     ``,
	} {
		c := newClient(t, "https://host", key, client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			return answerOf(http.StatusOK, body), nil
		})))
		v, err := c.Reveal(t.Context(), "s", "i")
		if !client.IsUncertain(err) || !v.IsZero() || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "123456") {
			t.Errorf("%s: Reveal = %v, %v, want an uncertain error", name, v, err)
		}
	}
}

func TestErrors(t *testing.T) {
	key := newKey(t)
	for name, tt := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"detail":        {http.StatusNotFound, `{"detail":"Not found."}`, "client: get secret: 404 Not Found: Not found."},
		"fields":        {http.StatusBadRequest, `{"name":["A.","B."],"key":["C."]}`, "client: get secret: 400 Bad Request: key: C.: name: A. B."},
		"echo":          {http.StatusForbidden, `{"detail":"'Bearer ` + key + `' is not a signature"}`, "client: get secret: 403 Forbidden: 'Bearer [redacted]' is not a signature"},
		"page":          {http.StatusForbidden, `<html>` + key, "client: get secret: 403 Forbidden"},
		"missing page":  {http.StatusNotFound, `default backend - 404`, "client: get secret: 404 Not Found"},
		"missing route": {http.StatusNotFound, `{"message":"no Route matched"}`, "client: get secret: 404 Not Found"},
		"list":          {http.StatusConflict, `["a"]`, "client: get secret: 409 Conflict"},
	} {
		c := newClient(t, "https://host", key, client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			return answerOf(tt.status, tt.body), nil
		})))
		_, err := c.Secret(t.Context(), "s")
		if err == nil || err.Error() != tt.want || client.IsNotFound(err) != (name == "detail") || client.IsConflict(err) != (tt.status == 409) {
			t.Errorf("%s: error = %v, want %s", name, err, tt.want)
		}
		if (client.FieldErrors(err) != nil) != (name == "fields") || client.IsUnauthenticated(err) || client.IsUncertain(err) {
			t.Errorf("%s: error = %#v has another kind", name, err)
		}
	}
}

// A proxy may echo what was sent, as it was encoded or decoded, or send a long text.
func TestErrorsShowNoValue(t *testing.T) {
	key := newKey(t)
	for name, tt := range map[string]struct {
		value  string
		answer func(sent []byte) (*http.Response, error)
		want   string
	}{
		"detail": {"s3cret", func(sent []byte) (*http.Response, error) {
			return answerOf(http.StatusForbidden, encoded(t, map[string]any{"detail": "blocked: " + string(sent)})), nil
		}, "client: create item: 403 Forbidden: [redacted]"},
		"encoded": {"s3cret \"<\n", func(sent []byte) (*http.Response, error) {
			return answerOf(http.StatusForbidden, encoded(t, map[string]any{"detail": "blocked: " + string(sent)})), nil
		}, "client: create item: 403 Forbidden: [redacted]"},
		"fields": {"s3cret \"<\n", func([]byte) (*http.Response, error) {
			return answerOf(http.StatusForbidden, encoded(t, map[string]any{"value": []string{"bad: s3cret \"<\n", "too long"}, "is s3cret \"<\n": []string{}})), nil
		}, "client: create item: 403 Forbidden: [redacted]: : value: [redacted] too long"},
		"escaped key": {"s3cret", func([]byte) (*http.Response, error) {
			return answerOf(http.StatusForbidden, `{"detail":"of \u0067`+key[1:]+`"}`), nil
		}, "client: create item: 403 Forbidden: of [redacted]"},
		"a value in the name of its field": {"e", func([]byte) (*http.Response, error) {
			return answerOf(http.StatusBadRequest, `{"key":["taken"],"value":["no"]}`), nil
		}, "client: create item: 400 Bad Request: key: [redacted]: value: no"},
		"an empty value": {"", func([]byte) (*http.Response, error) {
			return answerOf(http.StatusForbidden, `{"detail":"No."}`), nil
		}, "client: create item: 403 Forbidden: No."},
		"transport": {"s3cret", func(sent []byte) (*http.Response, error) {
			return nil, fmt.Errorf("malformed HTTP response %s", sent)
		}, "client: create item: [redacted]\nclient: find item: no look: it may have been done"},
		"long": {"s3cret", func([]byte) (*http.Response, error) {
			return answerOf(http.StatusForbidden, encoded(t, map[string]any{"detail": strings.Repeat("é", 999) + "s", "a": []string{strings.Repeat("x", 999) + "yz"}})), nil
		}, "client: create item: 403 Forbidden: " + strings.Repeat("é", 500) + ": a: " + strings.Repeat("x", 999) + "y"},
		"cut in the value": {"s3cret", func([]byte) (*http.Response, error) {
			return answerOf(http.StatusForbidden, encoded(t, map[string]any{"detail": strings.Repeat("x", 997) + "s3cret"})), nil
		}, "client: create item: 403 Forbidden: [redacted]"},
		"very long": {"s3cret", func([]byte) (*http.Response, error) {
			return answerOf(http.StatusForbidden, encoded(t, map[string]any{"detail": strings.Repeat("x", 64<<10)})), nil
		}, "client: create item: 403 Forbidden"},
	} {
		c := newClient(t, "https://host", key, client.WithTries(1), client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodPost {
				return nil, errors.New("no look")
			}
			return tt.answer(must(io.ReadAll(r.Body))(t))
		})))
		_, err := c.CreateItem(t.Context(), "s", "K", client.NewValue(tt.value))
		if fmt.Sprint(err) != tt.want {
			t.Errorf("%s: error = %v, want %s", name, err, tt.want)
		}
	}
}

func encoded(t *testing.T, x any) string {
	t.Helper()
	return string(must(json.Marshal(x))(t))
}

// Input that would change on its way is refused before it is sent.
func TestRefusedInput(t *testing.T) {
	c := newClient(t, "https://host", newKey(t), client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
		t.Errorf("sent: %s %s", r.Method, r.URL)
		return nil, errors.New("sent")
	})))
	_, notUTF8 := c.CreateItem(t.Context(), "s", "K", client.NewValue("s3cret\xff"))
	_, noID := c.Reveal(t.Context(), "s", "")
	for name, err := range map[string]error{
		"value": notUTF8, "no id": noID, "dots": c.DeleteSecret(t.Context(), ".."), "no secret": c.DeleteItem(t.Context(), "", "i"),
	} {
		if err == nil || client.IsUncertain(err) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: error = %v, want a certain one", name, err)
		}
	}
}

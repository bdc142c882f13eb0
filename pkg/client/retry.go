package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

const (
	maxAnswer    = 8 << 20                // bytes; an answer of Lambda has at most 6 MB
	firstBackoff = 200 * time.Millisecond // doubled for each further try
	maxBackoff   = 5 * time.Second
)

var errTryTimeout = errors.New("the answer took too long")

// request is a call of the API.
type request struct {
	op     string
	method string
	path   []string       // segments below /api/
	query  url.Values     // nil: none
	fields map[string]any // of the JSON body; nil: no body
	want   int            // the status of success
	isRead bool           // repeated after a lost answer
}

// answer is what a body is decoded into.
type answer interface {
	// complete reports whether the body had what the API documents. A proxy's page lacks it.
	complete() bool
}

// do sends a request until its outcome is known or the tries are spent. It counts in *try, from 1.
func do[T answer](ctx context.Context, c *Client, r request, try *int) (T, error) {
	for ; ; *try++ {
		decoded, failed := send[T](ctx, c, r)
		if failed == nil {
			return decoded, nil
		}
		failed.uncertain = failed.outcome == lost && !r.isRead
		repeat := failed.outcome == notDone || failed.outcome == lost && r.isRead
		if !repeat || *try >= c.tries {
			return decoded, failed
		}
		if !c.pause(ctx, *try, failed.Wait) {
			return decoded, failed.endedBy(ctx)
		}
	}
}

// pause waits before the request after this try: for as long as the server asks, plus a random part of a growing
// backoff. It returns false at once if the wait is too long for the client or for the context.
func (c *Client) pause(ctx context.Context, try int, asked time.Duration) bool {
	if asked > c.maxWait || ctx.Err() != nil {
		return false
	}
	random := rand.N(min(c.backoff<<min(try-1, 10), maxBackoff))
	return c.sleep(ctx, asked+min(random, math.MaxInt64-asked)) // without an overflow
}

// sleep waits. It returns false at once if the context ends before.
func (c *Client) sleep(ctx context.Context, wait time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

// send sends a request once.
func send[T answer](ctx context.Context, c *Client, r request) (decoded T, failed *Error) {
	failed = &Error{Op: r.op}
	ctx, cancel := context.WithTimeoutCause(ctx, c.tryTimeout, errTryTimeout)
	defer cancel()
	var asked, connected atomic.Bool // for a connection
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := c.newRequest(ctx, r)
	if err != nil {
		failed.cause = err
		return decoded, failed
	}
	if ctx.Err() != nil { // a transport may look only after it has sent the request
		failed.outcome, failed.cause = notDone, context.Cause(ctx)
		return decoded, failed
	}
	// Not through an http.Client, which follows redirects.
	got, err := c.transport.RoundTrip(req)
	if err != nil {
		failed.outcome, failed.cause = lost, c.cleanError(ctx, r, err)
		if asked.Load() && !connected.Load() {
			failed.outcome = notDone
		}
		return decoded, failed
	}
	defer got.Body.Close()
	body, err := io.ReadAll(io.LimitReader(got.Body, maxAnswer))
	failed.Status, failed.Wait = got.StatusCode, retryAfter(got.Header)
	switch {
	case got.StatusCode == r.want && err != nil:
		failed.outcome, failed.cause = lost, fmt.Errorf("the answer ended early: %w", c.cleanError(ctx, r, err))
	case got.StatusCode == r.want:
		if r.want == http.StatusNoContent || json.Unmarshal(body, &decoded) == nil && decoded.complete() {
			return decoded, nil
		}
		// The decoder's error may quote a value.
		failed.outcome, failed.cause = lost, errors.New("the answer is not what the API documents")
	default:
		failed.read(body, func(text string) string { return c.clean(r, text) })
		switch status := got.StatusCode; {
		case status == http.StatusTooManyRequests:
			failed.outcome = notDone
		case status >= 500 || status < 300:
			failed.outcome = lost
		}
	}
	var none T
	return none, failed
}

// newRequest builds the request of one try. Its errors say what is wrong with the caller's input.
func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	address := c.base + "/api"
	for _, segment := range r.path {
		if strings.Trim(segment, ".") == "" { // would name another path
			return nil, errors.New("malformed id")
		}
		address += "/" + url.PathEscape(segment)
	}
	address += "/"
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.fields != nil {
		encoded, err := encode(r.fields)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	} else if !r.isRead {
		body = onceEmpty{}
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return nil, errors.New("malformed request")
	}
	// net/http sends a GET again, and with GetBody any request that HTTP/2 resets, if a kept connection ends
	// before the answer. Without GetBody it cannot.
	req.GetBody = nil
	req.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	req.Header.Set("User-Agent", "goblins-secrets-go")
	if r.fields != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// onceEmpty is an empty body that net/http does not know to be empty, and therefore does not send twice.
type onceEmpty struct{}

func (onceEmpty) Read([]byte) (int, error) { return 0, io.EOF }

// encode encodes a body. JSON would replace invalid UTF-8 silently.
func encode(fields map[string]any) ([]byte, error) {
	plain := make(map[string]any, len(fields))
	for name, x := range fields {
		if v, ok := x.(Value); ok {
			x = v.Reveal()
		}
		if text, ok := x.(string); ok && !utf8.ValidString(text) {
			return nil, fmt.Errorf("%s is not valid UTF-8", name)
		}
		plain[name] = x
	}
	return json.Marshal(plain)
}

// clean returns a text without the key, or "[redacted]" if it contains a value of the request, plain or encoded:
// a proxy may echo the request. The names of fields are constants, and remain also if a short value is a part of them.
func (c *Client) clean(r request, text string) string {
	if _, isName := r.fields[text]; isName {
		return text
	}
	for _, x := range r.fields {
		if v, ok := x.(Value); ok && v.Reveal() != "" {
			encoded, err := json.Marshal(v.Reveal())
			if err != nil || strings.Contains(text, v.Reveal()) || strings.Contains(text, string(encoded[1:len(encoded)-1])) {
				return redacted
			}
		}
	}
	return strings.ReplaceAll(text, c.key.Reveal(), redacted)
}

// cleanError returns err if its text is clean. Otherwise it returns the clean text, and the end of the context.
func (c *Client) cleanError(ctx context.Context, r request, err error) error {
	if text := c.clean(r, err.Error()); text != err.Error() {
		return errors.Join(errors.New(text), context.Cause(ctx))
	}
	return err
}

// retryAfter reads the header of that name: seconds, or a time. It returns 0 if there is none, and the longest
// duration for a longer one.
func retryAfter(h http.Header) time.Duration {
	const longest = int64(math.MaxInt64 / time.Second)
	text := h.Get("Retry-After")
	if text != "" && strings.Trim(text, "0123456789") == "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil { // out of range
			seconds = longest
		}
		return time.Duration(min(seconds, longest)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

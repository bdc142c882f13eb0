package apigw

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

// acceptsGzip reports whether a client accepts gzip.
func acceptsGzip(h http.Header) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(h.Values("Accept-Encoding"), ","), ","), func(coding string) bool {
		name, parameter, _ := strings.Cut(coding, ";")
		return strings.EqualFold(strings.TrimSpace(name), "gzip") && strings.ReplaceAll(parameter, " ", "") != "q=0"
	})
}

// decompressed returns a request's body that was sent as gzip. API Gateway decompresses requests when it
// compresses answers.
func decompressed(body []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(z, maxPayload+1))
	if err == nil && len(plain) > maxPayload {
		err = errors.New("the body is too large")
	}
	return plain, err
}

// compressor buffers a whole answer, then compresses it if it is large enough, as API
// Gateway does. Buffering loses nothing: a function returns its answer as a whole.
type compressor struct {
	http.ResponseWriter
	from   int // bytes
	status int
	body   bytes.Buffer
}

func (c *compressor) WriteHeader(status int) { c.status = status }

func (c *compressor) Write(p []byte) (int, error) { return c.body.Write(p) }

// close sends the answer, if there is one.
func (c *compressor) close() {
	if c.status == 0 && c.body.Len() == 0 {
		return
	}
	if h := c.Header(); c.body.Len() >= c.from && c.body.Len() > 0 && h.Get("Content-Encoding") == "" {
		var small bytes.Buffer
		z := gzip.NewWriter(&small)
		_, _ = z.Write(c.body.Bytes()) // cannot fail: it writes to memory
		_ = z.Close()
		c.body = small
		h.Set("Content-Encoding", "gzip")
		h.Del("Content-Length")
	}
	if c.status != 0 {
		c.ResponseWriter.WriteHeader(c.status)
	}
	_, _ = c.ResponseWriter.Write(c.body.Bytes()) // fails only if the client is gone
}

package apigw

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
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

// decoded returns a request's body without its coding, or a gateway response and its status.
func decoded(body []byte, coding string) (plain []byte, refusal string, status int) {
	var r io.ReadCloser
	var err error
	switch strings.ToLower(strings.TrimSpace(coding)) {
	case "identity":
		return body, "", 0
	case "gzip":
		r, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate":
		r, err = zlib.NewReader(bytes.NewReader(body))
	default:
		return nil, "UNSUPPORTED_MEDIA_TYPE", http.StatusUnsupportedMediaType
	}
	if err == nil {
		plain, err = io.ReadAll(io.LimitReader(r, maxPayload+1))
	}
	switch {
	case err != nil:
		return nil, "BAD_REQUEST_BODY", http.StatusBadRequest
	case len(plain) > maxPayload:
		return nil, "REQUEST_TOO_LARGE", http.StatusRequestEntityTooLarge
	}
	return plain, "", 0
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

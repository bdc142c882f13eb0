package apigw

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"slices"
	"strings"
)

// acceptsGzip reports whether a client says that it takes gzip.
func acceptsGzip(h http.Header) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(h.Values("Accept-Encoding"), ","), ","), func(coding string) bool {
		name, parameter, _ := strings.Cut(coding, ";")
		return strings.EqualFold(strings.TrimSpace(name), "gzip") && strings.ReplaceAll(parameter, " ", "") != "q=0"
	})
}

// compressor keeps an answer until it is whole, and compresses it then if it is large
// enough, as API Gateway does. Answers are whole anyway: a function returns one.
type compressor struct {
	http.ResponseWriter
	from   int // bytes
	status int
	body   bytes.Buffer
}

func (c *compressor) WriteHeader(status int) { c.status = status }

func (c *compressor) Write(p []byte) (int, error) { return c.body.Write(p) }

// close sends the answer.
func (c *compressor) close() {
	if c.status == 0 && c.body.Len() == 0 {
		return // there is none
	}
	if h := c.Header(); c.body.Len() >= c.from && c.body.Len() > 0 && h.Get("Content-Encoding") == "" {
		var small bytes.Buffer
		z := gzip.NewWriter(&small)
		_, _ = z.Write(c.body.Bytes()) // into memory: can't fail
		_ = z.Close()
		c.body = small
		h.Set("Content-Encoding", "gzip")
		h.Del("Content-Length")
	}
	if c.status != 0 {
		c.ResponseWriter.WriteHeader(c.status)
	}
	_, _ = c.ResponseWriter.Write(c.body.Bytes()) // a failure: the client is gone
}

package apigw

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
)

// Listener is a listener whose server answers requests that it cannot parse, such as one with a malformed
// path, as API Gateway does. Package net/http has its own answer for these, and no hook.
func (g *Gateway) Listener(l net.Listener) net.Listener {
	recorded := httptest.NewRecorder()
	g.respond(recorded, "BAD_REQUEST_PARAMETERS", http.StatusBadRequest)
	var answer bytes.Buffer
	fmt.Fprintf(&answer, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: %d\r\n", recorded.Code, http.StatusText(recorded.Code), recorded.Body.Len())
	_ = recorded.Header().Write(&answer) // memory
	answer.WriteString("\r\n" + recorded.Body.String())
	return listener{l, answer.Bytes()}
}

type listener struct {
	net.Listener
	malformed []byte
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{c, l.malformed}, nil
}

type conn struct {
	net.Conn
	malformed []byte
}

// Write replaces the answer of net/http, which it writes at once. It has no date, which answers of handlers
// have.
func (c *conn) Write(p []byte) (int, error) {
	head, _, _ := bytes.Cut(p, []byte("\r\n\r\n"))
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 400 Bad Request")) || bytes.Contains(head, []byte("\r\nDate: ")) {
		return c.Conn.Write(p)
	}
	if _, err := c.Conn.Write(c.malformed); err != nil {
		return 0, err
	}
	return len(p), nil
}

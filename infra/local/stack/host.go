package stack

import (
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"

	"goblins-secrets/infra/local/durable"
	"goblins-secrets/infra/local/tool"
)

// local passes on requests for a Host that is an address or localhost, and answers all others with 421. A web
// page can have its own name resolve to an address of this machine (DNS rebinding), and then reaches a
// server here as its own origin, but under that name.
func local(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.ToLower(strings.Trim(host, "[]"))
		if net.ParseIP(host) == nil && host != "localhost" && !strings.HasSuffix(host, ".localhost") {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusMisdirectedRequest)
			_, _ = w.Write([]byte(`{"detail":"This stack answers to localhost and to IP addresses only."}` + "\n")) // fails only if the client is gone
			return
		}
		h.ServeHTTP(w, r)
	})
}

// listen listens on a loopback address. The file at path keeps the address, which a later call takes again if
// it is free.
func listen(path string) (net.Listener, error) {
	saved, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if address := strings.TrimSpace(string(saved)); address != "" {
		if l, err := net.Listen("tcp", address); err == nil {
			return l, nil
		}
	}
	l, err := net.Listen("tcp", net.JoinHostPort(tool.Loopback(), "0"))
	if err != nil {
		return nil, err
	}
	return l, durable.WriteFile(path, []byte(l.Addr().String()+"\n"))
}

package httpapi

import (
	"fmt"
	"net/http"
	"strings"
)

// Routes maps each path to its methods, in the form of an Allow header.
type Routes map[string]string

// ParseRoutes parses lines such as "GET,POST /api/secrets".
func ParseRoutes(lines string) (Routes, error) {
	routes := make(Routes)
	for line := range strings.Lines(lines) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return nil, fmt.Errorf("route %q: want methods and a path", line)
		}
		routes[fields[1]] = strings.ReplaceAll(fields[0], ",", ", ") + ", OPTIONS"
	}
	return routes, nil
}

// Fallback answers requests without a route: OPTIONS, a method that the path does not
// have, and unknown paths. It needs no caller and touches no data.
func Fallback(routes Routes) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allow, exists := routes[r.Pattern]
		switch {
		case !exists:
			write(w, http.StatusNotFound, detailBody{"Not found."})
		case r.Method == http.MethodOptions:
			w.Header().Set("Allow", allow)
			write(w, http.StatusOK, nil)
		default:
			w.Header().Set("Allow", allow)
			write(w, http.StatusMethodNotAllowed, detailBody{fmt.Sprintf("Method %q not allowed.", r.Method)})
		}
	})
}

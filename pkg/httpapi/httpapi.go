// Package httpapi is the documented HTTP API: one constructor per route, the shapes of
// requests and responses, and the mapping of errors to statuses.
//
// A handler does only HTTP; the domain makes every decision. A handler contains no path
// and no identity. The gateway that serves it (the Lambda adapter or the local gateway)
// routes the request, proves its caller, and sets
//
//   - the path parameters by r.SetPathValue and the route by r.Pattern;
//   - the absolute URL as the client sees it in r.URL, from which links are built;
//   - the caller by [WithCaller]. Without a caller every route answers 401.
//
// The API follows the conventions of Django REST framework, which its clients know: list
// pages {count, next, previous, results}, field errors {"name": ["…"]}, and
// {"detail": "…"} for everything else.
package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"goblins-secrets/pkg/secrets"
)

type callerKey struct{}

// WithCaller adds the proven caller of a request to its context. Only code behind an
// authorizer may call it.
func WithCaller(ctx context.Context, c secrets.Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// answer is the response of a route. Its header is sent with an error too.
type answer struct {
	status int
	header http.Header
	body   any // nil: none; raw: with its Content-Type in header; else JSON
}

// raw is a body that is no JSON object.
type raw []byte

// handle adapts an operation to a handler. It is the only place that finds the caller, checks the query,
// and encodes responses and errors, and counts refused tries of an action. parameters are the query's that the
// operation reads, sorted.
func handle(m *secrets.Manager, action string, operation func(r *http.Request, c secrets.Caller) (answer, error), parameters ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				// The panic value may hold a secret value: log only its type and the stack.
				fail(m, w, r, fmt.Errorf("panic with %T at %s", p, debug.Stack()))
			}
		}()
		c, ok := r.Context().Value(callerKey{}).(secrets.Caller)
		if !ok {
			fail(m, w, r, secrets.ErrUnauthenticated)
			return
		}
		if err := checkQuery(r.URL.Query(), parameters); err != nil {
			fail(m, w, r, err)
			return
		}
		var err error
		if c.Token, err = token(r); err != nil {
			fail(m, w, r, err)
			return
		}
		a, err := operation(r, c)
		for name, values := range a.header {
			w.Header()[name] = values
		}
		if err != nil {
			m.Refused(r.Context(), c, secrets.Try{Action: action, SecretID: r.PathValue("secret_id"), ItemID: r.PathValue("item_id")}, err)
			fail(m, w, r, err)
			return
		}
		write(w, a.status, a.body)
	})
}

// write sends a response. The body is compact JSON that leaves <, > and & as they are.
func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Cache-Control", "no-store")
	if body == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if text, isRaw := body.(raw); isRaw {
		w.WriteHeader(status)
		_, _ = w.Write(text)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w) // which ends the body with a newline, so that pasted commands do not run together
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body) // bodies are plain structs: only writing can fail, when the client has gone
}

// created is the response to a POST, with the address of the new object.
func created(r *http.Request, id fmt.Stringer, body any) answer {
	u := *r.URL
	u.Path, u.RawPath, u.RawQuery = strings.TrimSuffix(u.Path, "/")+"/"+id.String()+"/", "", ""
	return answer{status: http.StatusCreated, header: http.Header{"Location": {u.String()}}, body: body}
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

func noContent() answer { return answer{status: http.StatusNoContent} }

// checkQuery refuses parameters that are unknown or repeated. With a filter that is ignored, a script would
// take the first object of a list for the one that it asked for.
func checkQuery(query url.Values, known []string) error {
	unknown := "Unknown parameter. This route has none."
	if len(known) > 0 {
		unknown = "Unknown parameter. Known: " + strings.Join(known, ", ") + "."
	}
	var faults secrets.Invalid
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch {
		case !slices.Contains(known, name):
			faults = append(faults, secrets.Fault{Field: name, Messages: []string{unknown}})
		case len(query[name]) > 1:
			faults = append(faults, secrets.Fault{Field: name, Messages: []string{"This parameter may be given only once."}})
		}
	}
	if faults == nil {
		return nil
	}
	return faults
}

const (
	defaultPageSize = 100
	maxPageSize     = 1000
)

// pageBody is a page of a list.
type pageBody[T any] struct {
	Count    int     `json:"count"`
	Next     *string `json:"next"`
	Previous *string `json:"previous"`
	Results  []T     `json:"results"`
}

// listing is a GET of a list, a page at a time. The parameter one selects at most one object, by its name or
// key, unless it is empty; filters are further parameters.
func listing[T, B any](
	m *secrets.Manager, action string, list func(r *http.Request, c secrets.Caller, one secrets.Field, from secrets.Cursor, size int) (secrets.Page[T], error),
	body func(T) B, one string, filters ...string,
) http.Handler {
	parameters := append([]string{"cursor", "page_size"}, filters...)
	if one != "" {
		parameters = append(parameters, one)
	}
	return handle(m, action, func(r *http.Request, c secrets.Caller) (answer, error) {
		query := r.URL.Query()
		if query.Has(one) && query.Has("cursor") {
			return answer{}, secrets.Invalid{{Field: "cursor", Messages: []string{"A cursor does not go with " + one + "."}}}
		}
		from, err := cursor(query)
		if err != nil {
			return answer{}, err
		}
		page, err := list(r, c, parameter(query, one), from, pageSize(query.Get("page_size")))
		if err != nil {
			return answer{}, err
		}
		b := pageBody[B]{
			Count: page.Count, Next: link(r, page.Next), Previous: link(r, page.Previous), Results: make([]B, len(page.Results)),
		}
		for i, x := range page.Results {
			b.Results[i] = body(x)
		}
		return ok(b), nil
	}, sorted(parameters)...)
}

// convert returns a page of other objects.
func convert[T, U any](p secrets.Page[T], to func(T) U) secrets.Page[U] {
	converted := secrets.Page[U]{Count: p.Count, Next: p.Next, Previous: p.Previous, Results: make([]U, len(p.Results))}
	for i, x := range p.Results {
		converted.Results[i] = to(x)
	}
	return converted
}

func sorted(texts []string) []string {
	slices.Sort(texts)
	return texts
}

// cursor reads ?cursor=. Without one it is the start of the list.
func cursor(query url.Values) (secrets.Cursor, error) {
	if text := query.Get("cursor"); text != "" {
		return secrets.ParseCursor(text)
	}
	return secrets.Cursor{}, nil
}

// parameter is a query parameter as a field.
func parameter(query url.Values, name string) secrets.Field {
	if !query.Has(name) {
		return secrets.Field{}
	}
	return secrets.Text(query.Get(name))
}

// flag reads a parameter that is true or false. Without it, or empty, it is false.
func flag(r *http.Request, name string) (bool, error) {
	text := r.URL.Query().Get(name)
	if text != "" && text != "true" && text != "false" {
		return false, secrets.Invalid{{Field: name, Messages: []string{"Must be true or false."}}}
	}
	return text == "true", nil
}

// inBin reads ?deleted=. The bin is not searched by name or key.
func inBin(r *http.Request, one string) (bool, error) {
	deleted, err := flag(r, "deleted")
	if err == nil && deleted && r.URL.Query().Has(one) {
		err = secrets.Invalid{{Field: one, Messages: []string{"This parameter does not go with deleted."}}}
	}
	return deleted, err
}

// deletion reads how to delete an object.
func deletion(r *http.Request, revision func(tag string) (int64, bool)) (secrets.Deletion, error) {
	permanent, err := flag(r, "permanent")
	return secrets.Deletion{Permanent: permanent, IfMatch: ifMatch(r, revision)}, err
}

// pageSize reads ?page_size=. A value that is not a positive number falls back to the
// default.
func pageSize(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil && n < maxPageSize || n < 1 { // out of range, Atoi returns the nearest int
		return defaultPageSize
	}
	return min(n, maxPageSize)
}

// link is the request's URL with another cursor.
func link(r *http.Request, to *secrets.Cursor) *string {
	if to == nil {
		return nil
	}
	return linkTo(r, to.String())
}

func linkTo(r *http.Request, cursor string) *string {
	u := *r.URL
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/")+"/", ""
	query := u.Query()
	query.Set("cursor", cursor)
	u.RawQuery = query.Encode()
	text := u.String()
	return &text
}

// timeText formats a time with exactly six digits of a fraction. Lists are full of times,
// and RFC3339Nano formats 1.5 times as fast as a custom layout. It drops trailing zeros;
// one added nanosecond keeps them.
func timeText(t time.Time) string {
	text := t.UTC().Truncate(time.Microsecond).Add(time.Nanosecond).Format(time.RFC3339Nano)
	return text[:len("2006-01-02T15:04:05.000000")] + "Z"
}

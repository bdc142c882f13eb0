package client

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"slices"
)

// page is a page of a list.
type page[T answer] struct {
	Next    *string `json:"next"`
	Results []T     `json:"results"`
}

func (p page[T]) complete() bool {
	return p.Results != nil && (p.Next == nil || p.cursor() != "") &&
		!slices.ContainsFunc(p.Results, func(x T) bool { return !x.complete() })
}

// cursor is where the next page begins, or "". The rest of the URL is not used: the key goes to the client's base
// URL only.
func (p page[T]) cursor() string {
	if p.Next == nil {
		return ""
	}
	next, err := url.Parse(*p.Next)
	if err != nil {
		return ""
	}
	return next.Query().Get("cursor")
}

// list reads a list with a filter, in the order of creation. After an error there are no more elements. A cursor
// that comes twice is an error: the list would not end.
func list[T answer](ctx context.Context, c *Client, op string, path []string, filter url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		query := url.Values{"page_size": {"1000"}} // the most
		for name, values := range filter {
			query[name] = values
		}
		for seen := map[string]bool{}; ; {
			p, err := read[page[T]](ctx, c, op, path, query)
			if err == nil && seen[p.cursor()] {
				err = &Error{Op: op, Status: http.StatusOK, cause: errors.New("the list does not end: its cursor repeats")}
			}
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, x := range p.Results {
				if !yield(x, nil) {
					return
				}
			}
			if p.Next == nil {
				return
			}
			seen[p.cursor()] = true
			query.Set("cursor", p.cursor())
		}
	}
}

// named returns the only element of a list with a filter that selects at most one.
func named[T answer](ctx context.Context, c *Client, op string, path []string, by, name string) (T, error) {
	return first(op, list[T](ctx, c, op, path, url.Values{by: {name}}), func(T) bool { return true })
}

// first returns the first element that matches.
func first[T answer](op string, all iter.Seq2[T, error], matches func(T) bool) (T, error) {
	var none T
	for x, err := range all {
		if err != nil {
			return none, err
		}
		if matches(x) {
			return x, nil
		}
	}
	return none, &Error{Op: op, Status: http.StatusNotFound, Detail: "none is found", isAPI: true}
}

func read[T answer](ctx context.Context, c *Client, op string, path []string, query url.Values) (T, error) {
	try := 1
	return do[T](ctx, c, request{op: op, method: http.MethodGet, path: path, query: query, want: http.StatusOK, isRead: true}, &try)
}

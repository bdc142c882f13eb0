package apigw

import (
	"net/url"
	"strings"

	"goblins-secrets/infra/functions"
)

// router is a tree of path segments. A static segment takes precedence over a
// {parameter}, and a {parameter} over a greedy {parameter+}.
type router struct {
	static  map[string]*router
	param   *router
	name    string // of param, or of greedy
	greedy  *router
	methods map[string]functions.Route // of the path that ends here, by method
}

// match is the route of a request and its path parameters.
type match struct {
	route  functions.Route
	params map[string]string
}

func newRouter(routes []functions.Route) *router {
	root := new(router)
	for _, route := range routes {
		node := root
		for segment := range strings.SplitSeq(strings.Trim(route.Path, "/"), "/") {
			node = node.child(segment)
		}
		if node.methods == nil {
			node.methods = make(map[string]functions.Route)
		}
		node.methods[route.Method] = route
	}
	return root
}

func (n *router) child(segment string) *router {
	name, isParam := strings.CutPrefix(segment, "{")
	switch {
	case !isParam:
		if n.static == nil {
			n.static = make(map[string]*router)
		}
		if n.static[segment] == nil {
			n.static[segment] = new(router)
		}
		return n.static[segment]
	case strings.HasSuffix(name, "+}"):
		if n.greedy == nil {
			n.greedy = &router{name: strings.TrimSuffix(name, "+}")}
		}
		return n.greedy
	default:
		if n.param == nil {
			n.param = &router{name: strings.TrimSuffix(name, "}")}
		}
		return n.param
	}
}

// match finds the function for a method and an escaped path, with or without a
// slash at its end.
func (n *router) match(method, escapedPath string) (match, bool) {
	path := strings.TrimPrefix(escapedPath, "/")
	if path != "/" { // "//" has an empty segment, so it is not the root
		path = strings.TrimSuffix(path, "/")
	}
	params := make(map[string]string)
	node := n.find(strings.Split(path, "/"), params)
	if node == nil {
		return match{}, false
	}
	route, ok := node.methods[method]
	if !ok {
		route, ok = node.methods["ANY"]
	}
	return match{route, params}, ok
}

// find searches the tree with backtracking and returns the node where a route ends.
func (n *router) find(segments []string, params map[string]string) *router {
	if len(segments) == 0 {
		if n.methods == nil {
			return nil
		}
		return n
	}
	text, err := url.PathUnescape(segments[0])
	if err != nil || segments[0] == "" {
		text = segments[0]
	}
	if child := n.static[text]; child != nil {
		if found := child.find(segments[1:], params); found != nil {
			return found
		}
	}
	if n.param != nil && text != "" {
		if found := n.param.find(segments[1:], params); found != nil {
			params[n.param.name] = text
			return found
		}
	}
	if n.greedy != nil && text != "" {
		params[n.greedy.name] = strings.Join(segments, "/")
		return n.greedy
	}
	return nil
}

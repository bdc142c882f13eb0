// Package console is the web console: a page for users without curl. It is an ordinary
// client of the API, so its function needs no data and no permission. The API decides
// access.
//
// Its sources are the modules in web/. go generate bundles them, with the stylesheet, into console.js,
// which is committed. A browser requests two things:
//
//	GET /, /console, /console/secrets/<id>    the page, the same for every user
//	GET /console/assets/<hash>/console.js     the script, with the stylesheet in it
//
// The page works under any prefix, such as a stage's name. The handler derives the base
// of all URLs from the path of the request.
package console

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"
)

//go:embed console.js
var script string

//go:embed web/page.html
var page string

// policy lets the page load its own script and call its own API, and nothing else: no
// inline code or style, no other origin, no frame around it, no text that becomes HTML.
// The script contains the stylesheet, and the page contains the icon.
var policy = strings.Join([]string{
	"default-src 'none'", "script-src 'self'", "connect-src 'self'", "img-src data:",
	"base-uri 'self'", "form-action 'none'", "frame-ancestors 'none'",
	"require-trusted-types-for 'script'", "trusted-types 'none'",
}, "; ")

var (
	pagePath  = regexp.MustCompile(`^(secrets/[0-9A-Za-z-]+)?$`)
	assetPath = regexp.MustCompile(`^assets/([0-9A-Za-z_-]+)/console\.js$`)
)

// Handler serves the console. It reads the request's route, the path as the client sees
// it, and the parameter proxy: the part of the path after /console/.
func Handler() http.Handler {
	sum := sha256.Sum256([]byte(script))
	hash := base64.RawURLEncoding.EncodeToString(sum[:12])
	page := strings.Replace(page, "{hash}", hash, 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place := strings.TrimSuffix(r.PathValue("proxy"), "/")
		asset := assetPath.FindStringSubmatch(place)
		switch {
		case asset != nil:
			// During a rollout, a page of one version can request its script from the
			// other version. It gets the present script, without caching.
			lifetime := "no-store"
			if asset[1] == hash {
				lifetime = "public, max-age=31536000, immutable"
			}
			write(w, http.StatusOK, "text/javascript; charset=utf-8", lifetime, script)
		case pagePath.MatchString(place):
			w.Header().Set("Content-Security-Policy", policy)
			w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
			route := strings.Trim(strings.Replace(r.Pattern, "{proxy+}", place, 1), "/")
			write(w, http.StatusOK, "text/html; charset=utf-8", "no-store",
				strings.Replace(page, "{base}", html.EscapeString(base(r.URL.Path, route)), 1))
		default:
			write(w, http.StatusNotFound, "application/json", "no-store", `{"detail":"Not found."}`+"\n")
		}
	})
}

// base is the path of the console, with a slash at both ends: the part of the request's
// path before its route, and console.
func base(path, route string) string {
	prefix := strings.Trim(strings.TrimSuffix(strings.Trim(path, "/"), route), "/")
	if prefix == "" {
		return "/console/"
	}
	return "/" + prefix + "/console/"
}

func write(w http.ResponseWriter, status int, contentType, lifetime, body string) {
	h := w.Header()
	h.Set("Cache-Control", lifetime)
	h.Set("Content-Type", contentType)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // on failure the client is gone
}

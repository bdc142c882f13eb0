// Package console is the web console: a page for users without curl. It is an ordinary
// client of the API, so its function needs no data and no permission. The API decides
// access.
//
// Its sources are the modules in web/. go generate bundles them into two scripts, which are committed: console.js,
// with the stylesheet, and later.js, with what few visits need. A browser requests:
//
//	GET /, /console, /console/secrets/<id>    the page, the same for every user; also people, people/<id>, you, activity, review, bin and compare
//	GET /console/assets/<hash>/console.js     the script, with the stylesheet in it
//	GET /console/assets/<hash>/later.js       the other script, when the user first opens a part that is in it
//
// The page works under any prefix, such as a stage's name. The handler derives the base
// of all URLs from the path of the request. Package docs serves its page by the same Page.
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

var (
	//go:embed console.js
	script string
	//go:embed later.js
	later string
)

//go:embed web/body.html
var body string

// Theme is the stylesheet with the console's colours and its header.
//
//go:embed web/theme.css
var Theme string

// Handler serves the console.
func Handler() http.Handler {
	return Page{
		Name: "console", Title: "Goblins Secrets", Body: body, Script: script, Later: later,
		Places: regexp.MustCompile(`^(secrets/[0-9A-Za-z-]+|people(/[0-9A-Za-z-]+)?|you|activity|review|bin|compare)?$`),
	}.Handler()
}

// policy lets a page load its own script and call its own API, and nothing else: no
// inline code or style, no other origin, no frame around it, no text that becomes HTML.
// The script contains the stylesheet, and the page contains the icon.
var policy = strings.Join([]string{
	"default-src 'none'", "script-src 'self'", "connect-src 'self'", "img-src data:",
	"base-uri 'self'", "form-action 'none'", "frame-ancestors 'none'",
	"require-trusted-types-for 'script'", "trusted-types 'none'",
}, "; ")

//go:embed web/page.html
var page string

// Page is a page for browsers with one script, assets/<hash>/<name>.js, and maybe a later one beside it.
type Page struct {
	Name   string         // the first segment of its path
	Title  string         // HTML, as Body
	Body   string         // its links are relative to the path /<name>/
	Script string         // with the stylesheet in it
	Later  string         // a script that Script loads; then both are JavaScript modules
	Places *regexp.Regexp // the paths after the name that also show the page

	// Sandbox gives the page an opaque origin: its script can't read what other pages keep in the browser.
	Sandbox bool
}

// forever is the lifetime of what is at an address with its hash.
const forever = "public, max-age=31536000, immutable"

// Handler serves the page and its scripts. It reads the request's route, the path as the client sees
// it, and the parameter proxy: the part of the path after the name.
func (p Page) Handler() http.Handler {
	sum := sha256.Sum256([]byte(p.Script + p.Later))
	hash := base64.RawURLEncoding.EncodeToString(sum[:12])
	how := "defer"
	if p.Later != "" {
		how = `type="module"` // which is deferred, too
	}
	page := strings.NewReplacer("{title}", p.Title, "{hash}", hash, "{name}", p.Name, "{how}", how, "{body}", p.Body).Replace(page)
	assetPath := regexp.MustCompile(`^assets/([0-9A-Za-z_-]+)/` + p.Name + `\.js$`)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place := strings.TrimSuffix(r.PathValue("proxy"), "/")
		asset := assetPath.FindStringSubmatch(place)
		switch {
		case p.Later != "" && place == "assets/"+hash+"/later.js":
			// A page of another version gets a 404, which asks its user to reload it: the two scripts belong together.
			write(w, http.StatusOK, "text/javascript; charset=utf-8", forever, p.Later)
		case asset != nil:
			// During a rollout, a page of one version can request its script from the
			// other version. It gets the present script, without caching.
			lifetime := "no-store"
			if asset[1] == hash {
				lifetime = forever
			}
			write(w, http.StatusOK, "text/javascript; charset=utf-8", lifetime, p.Script)
		case p.Places.MatchString(place):
			if p.Sandbox { // browsers refuse a sandboxed page that also has an opener policy
				w.Header().Set("Content-Security-Policy", policy+"; sandbox allow-scripts")
			} else {
				w.Header().Set("Content-Security-Policy", policy)
				w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
			}
			route := strings.Trim(strings.Replace(r.Pattern, "{proxy+}", place, 1), "/")
			write(w, http.StatusOK, "text/html; charset=utf-8", "no-store",
				strings.Replace(page, "{base}", html.EscapeString(p.base(r.URL.Path, route)), 1))
		default:
			write(w, http.StatusNotFound, "application/json", "no-store", `{"detail":"Not found."}`+"\n")
		}
	})
}

// base is the path of the page, with a slash at both ends: the part of the request's
// path before its route, and the page's name.
func (p Page) base(path, route string) string {
	prefix := strings.Trim(strings.TrimSuffix(strings.Trim(path, "/"), route), "/")
	if prefix == "" {
		return "/" + p.Name + "/"
	}
	return "/" + prefix + "/" + p.Name + "/"
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

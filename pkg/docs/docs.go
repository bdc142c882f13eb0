// Package docs serves the description of the API: an OpenAPI document, and a page that
// shows it. Both need no key, and contain nothing of a deployment but its address.
//
//	GET /api/openapi.json                 the document, which names the address that it was asked at
//	GET /docs                             the page, the same for every user
//	GET /docs/assets/<hash>/docs.js       swagger-ui, with the stylesheets and web/main.js
//
// The page shows the document with code of another project. It is therefore sandboxed: its
// origin is opaque, so that the code can't read the key that the console may remember in
// the tab. It takes no input and sends no request but for the document.
package docs

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"goblins-secrets/pkg/console"
)

//go:embed openapi.json
var document string

var (
	//go:embed web/body.html
	body string
	//go:embed web/main.js
	script string
	//go:embed web/style.css
	style string
	//go:embed web/vendor/swagger-ui-bundle.js
	viewerScript string
	//go:embed web/vendor/swagger-ui.css
	viewerStyle string
)

// path is the document's, after the prefix that the deployment may have.
const path = "/api/openapi.json"

// Handler serves the document and the page. It reads the request's route, its URL as the
// client sees it, and the parameter proxy: the part of the path after /docs/.
func Handler() http.Handler {
	viewer := console.Page{
		Name: "docs", Title: "API · Goblins Secrets", Body: body, Script: bundle(),
		Places: regexp.MustCompile(`^$`), Sandbox: true,
	}.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// All of this is public. The page's opaque origin is not this one, so it needs the permission, too.
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if r.Pattern == path {
			serveDocument(w, r)
			return
		}
		viewer.ServeHTTP(w, r)
	})
}

// bundle is the page's script. main.js finds the stylesheets in styles.
func bundle() string {
	styles, err := json.Marshal([]string{console.Theme, viewerStyle, style})
	if err != nil {
		panic(err) // strings can always be encoded
	}
	return viewerScript + "\nconst styles = " + string(styles) + ";\n" + script
}

// serveDocument sends the document, or 304 to a client that has it.
func serveDocument(w http.ResponseWriter, r *http.Request) {
	document := at(r.URL)
	sum := sha256.Sum256([]byte(document))
	// The tag is weak: API Gateway compresses the answer for some clients, and a strong tag would claim that all
	// get the same bytes.
	tag := `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	h := w.Header()
	h.Set("Cache-Control", "no-cache") // a client may keep it, and asks whether it is still current
	h.Set("ETag", tag)
	h.Set("X-Content-Type-Options", "nosniff")
	if has(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, document) // on failure the client is gone
}

// server is the part of the document that stands for the address of the API.
const server = `"url": "/"`

// at returns the document for a client that asked at u: its server is the API there, so that programs that
// import the document call it.
func at(u *url.URL) string {
	to := *u
	to.Path, to.RawPath, to.RawQuery = strings.TrimSuffix(strings.TrimSuffix(to.Path, "/"), path), "", ""
	address, err := json.Marshal(to.String())
	if err != nil {
		panic(err) // a string can always be encoded
	}
	return strings.Replace(document, server, `"url": `+string(address), 1)
}

// has reports whether a tag is in the lists of If-None-Match, by the weak comparison.
func has(lists []string, tag string) bool {
	opaque := strings.TrimPrefix(tag, "W/")
	for known := range strings.SplitSeq(strings.Join(lists, ","), ",") {
		if known = strings.TrimSpace(known); known == "*" || strings.TrimPrefix(known, "W/") == opaque {
			return true
		}
	}
	return false
}

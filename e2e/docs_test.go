package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
)

// openAPI is what the test reads of the document.
type openAPI struct {
	OpenAPI string
	Servers []struct{ URL string }
}

// The document needs no key, names the address that it was asked at, and is sent to a client only once. So is the
// page that shows it.
func TestDocsNeedNoKey(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		c.key = strangerKey() // no other route accepts it
		ask := func(headers ...string) response {
			return c.do(t, "GET", "/api/openapi.json", "", append(headers, "Authorization:")...)
		}
		r := ask()
		var document openAPI
		if err := json.Unmarshal([]byte(r.body), &document); err != nil || r.status != 200 {
			t.Fatalf("%v = %d %s, %v", r, r.status, short(r.body), err)
		}
		if len(document.Servers) != 1 || document.Servers[0].URL != tg.public || !strings.HasPrefix(document.OpenAPI, "3.1") {
			t.Errorf("%v = %+v, want OpenAPI 3.1 with the server %s", r, document, tg.public)
		}
		r.wantHeader(t, "Content-Type: application/json", "Cache-Control: no-cache", "X-Content-Type-Options: nosniff", "Access-Control-Allow-Origin: *")
		tag := r.header.Get("ETag")
		if !strings.HasPrefix(tag, `W/"`) {
			t.Errorf("%v = ETag %q, want a weak one", r, tag)
		}
		for _, slash := range []string{"/", "?x=y"} {
			if same := c.get(t, "/api/openapi.json"+slash); same.status != 200 || same.body != r.body {
				t.Errorf("%v = %d %s, want the document", same, same.status, short(same.body))
			}
		}

		for known, status := range map[string]int{
			tag: 304, strings.TrimPrefix(tag, "W/"): 304, `"other", ` + tag: 304, "*": 304, `W/"other"`: 200,
		} {
			again := ask("If-None-Match: " + known)
			again.wantHeader(t, "ETag: "+tag, "Cache-Control: no-cache")
			if again.status != status || (again.body == "") != (status == 304) {
				t.Errorf("%v with If-None-Match %s = %d with %d bytes, want %d", again, known, again.status, len(again.body), status)
			}
		}

		// A gateway compresses what is long enough. The emulators of API Gateway do not.
		zipped := ask("Accept-Encoding: gzip")
		zipped.wantHeader(t, "ETag: "+tag)
		if zipped.header.Get("Content-Encoding") == "gzip" {
			reader, err := gzip.NewReader(bytes.NewReader([]byte(zipped.body)))
			if err != nil {
				t.Fatal(err)
			}
			if content, err := io.ReadAll(reader); err != nil || strings.TrimSpace(string(content)) != r.body {
				t.Errorf("%v with gzip = %s, %v, want the document", zipped, short(string(content)), err)
			}
		} else if !tg.apigw {
			t.Errorf("%v is not compressed", zipped)
		}

		var page string
		_, address, _ := strings.Cut(tg.public, "://")
		_, prefix, _ := strings.Cut(address+"/", "/")
		for _, path := range []string{"/docs", "/docs/"} {
			r := c.do(t, "GET", path, "", "Authorization:")
			if r.status != 200 || !strings.Contains(r.body, `<base href="/`+prefix+`docs/">`) {
				t.Fatalf("%v = %d %s, want a page with base /%sdocs/", r, r.status, short(r.body), prefix)
			}
			page = r.body
		}
		script := regexp.MustCompile(`assets/[0-9A-Za-z_-]+/docs\.js`).FindString(page)
		c.get(t, "/docs/"+script).wantHeader(t, "Cache-Control: public, max-age=31536000, immutable", "Access-Control-Allow-Origin: *")
		for _, path := range []string{"/docs/x", "/docs/openapi.json", "/docs/assets/x/console.js", "/docs/web/vendor/README.md", "/docs/index.html"} {
			c.get(t, path).want(t, 404, notFound)
		}
		tg.client(t).wantOnlyGet(t, "/api/openapi.json", "/docs", "/docs/"+script)
	})
}

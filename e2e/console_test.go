package e2e

import (
	"regexp"
	"strings"
	"testing"
)

var scriptAddress = regexp.MustCompile(`<script src="(assets/[0-9A-Za-z_-]+/console\.js)" crossorigin type="module"></script>`)

// The console needs no key, answers under each of its addresses, and names its own address.
func TestConsoleNeedsNoKey(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		c.key = strangerKey() // no other route accepts it
		prefix := tg.public[strings.Index(tg.public, "://")+3:]
		prefix = strings.TrimPrefix(prefix, strings.Split(prefix, "/")[0])
		var script string
		for _, path := range []string{"/", "/console", "/console/", "/console/secrets/" + unknownID, "/console/secrets/" + unknownID + "/", "/console/people", "/console/people/" + unknownID, "/console/you", "/console/bin", "/console/compare"} {
			for _, key := range []string{"Authorization:", "Authorization: Bearer " + c.key, "Authorization: nonsense"} {
				r := c.do(t, "GET", path, "", key)
				if r.status != 200 || !strings.Contains(r.body, `<base href="`+prefix+`/console/">`) {
					t.Fatalf("%v = %d %s, want a page with base %s/console/", r, r.status, short(r.body), prefix)
				}
				r.wantHeader(t, "Cache-Control: no-store", "Content-Type: text/html; charset=utf-8", "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer")
				for _, directive := range []string{"default-src 'none'; script-src 'self'; connect-src 'self'; ", "frame-ancestors 'none'; "} {
					if policy := r.header.Get("Content-Security-Policy"); !strings.Contains(policy, directive) || strings.Contains(policy, "unsafe") {
						t.Errorf("%v = policy %s, want it with %s", r, policy, directive)
					}
				}
				script = scriptAddress.FindStringSubmatch(r.body)[1]
			}
		}
		r := c.get(t, "/console/"+script)
		r.wantHeader(t, "Cache-Control: public, max-age=31536000, immutable", "Content-Type: text/javascript; charset=utf-8", "X-Content-Type-Options: nosniff")
		of := c.get(t, "/console/assets/another-version/console.js")
		of.wantHeader(t, "Cache-Control: no-store", "Content-Type: text/javascript; charset=utf-8")
		if r.status != 200 || of.status != 200 || r.body != of.body {
			t.Errorf("GET the script = %d, of another version = %d, want the same script", r.status, of.status)
		}
		later := strings.Replace(script, "console.js", "later.js", 1)
		r = c.get(t, "/console/"+later)
		r.want(t, 200, r.body)
		r.wantHeader(t, "Cache-Control: public, max-age=31536000, immutable", "Content-Type: text/javascript; charset=utf-8", "X-Content-Type-Options: nosniff")
		for _, path := range []string{
			"/console/assets/another-version/later.js", "/console/nothing", "/console/assets/", "/console/assets/x/style.css", "/console/console.go", "/console/secrets/a/b", "/console/secrets/%22%3E%3Cscript%3E",
			"/console/" + script + ".map", "/console/web/vendor/README.md",
		} {
			c.get(t, path).want(t, 404, notFound)
		}
		tg.client(t).wantOnlyGet(t, "/", "/console/", "/console/"+script)
	})
}

// wantOnlyGet requires that these paths refuse other methods, as every path does.
func (c *client) wantOnlyGet(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		r := c.do(t, "POST", path, "{}")
		r.want(t, 405, `{"detail":"Method \"POST\" not allowed."}`)
		r.wantHeader(t, "Allow: GET, OPTIONS")
		c.do(t, "HEAD", path, "").want(t, 405, "")
	}
}

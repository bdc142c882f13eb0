package e2e

import (
	"strings"
	"testing"
)

const changed = `{"detail":"The object has changed since: its ETag is not in If-Match."}`

// tag is the ETag of an answer.
func (r response) tag(t *testing.T) string {
	t.Helper()
	tag := r.header.Get("ETag")
	if tag == "" {
		t.Fatalf("%v = %d without an ETag", r, r.status)
	}
	return tag
}

// A write with If-Match is done only if the object has not changed since. What is missing or invalid is said first.
func TestWritesRestOnTheirETag(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		for _, tt := range []struct{ path, change, invalid, other string }{
			{"/api/secrets/{S}/", `{"name":"renamed"}`, `{"name":""}`, `{"name":"renamed again"}`},
			{"/api/secrets/{S}/items/{I}/", `{"value":"PLANTED 2"}`, `{"key":""}`, `{"key":"RENAMED"}`},
			{"/api/services/{V}/", `{"port":81}`, `{"port":0}`, `{"image":"other"}`},
		} {
			path := known.fill(tt.path)
			patch := func(body, match string) response { return c.do(t, "PATCH", path, body, "If-Match: "+match) }
			first := c.do(t, "PATCH", path, `{}`).tag(t)
			second := patch(tt.change, first)
			second.want(t, 200, `{<...>`)
			if second.tag(t) == first {
				t.Errorf("%v = the tag %s of before", second, first)
			}
			for _, stale := range []string{first, `"x"`, `W/` + second.tag(t), strings.Trim(second.tag(t), `"`), `""`, `"0` + second.tag(t)[1:], first + `, "x"`} {
				patch(tt.other, stale).want(t, 412, changed)
				c.do(t, "DELETE", path, "", "If-Match: "+stale).want(t, 412, changed)
			}
			patch(tt.invalid, first).want(t, 400, `{<...>`)
			c.do(t, "PATCH", path+"x", `{}`, "If-Match: "+first).want(t, 404, notFound)
			patch(`{}`, "*").want(t, 200, `{<...>`)
			patch(`{}`, `"x",`+second.tag(t)).want(t, 200, second.body)
			third := patch(tt.other, first+" , "+second.tag(t))
			third.want(t, 200, `{<...>`)
			patch(`{}`, third.tag(t)).want(t, 200, third.body)
		}

		// Of a secret's tag only the revision counts.
		secret := known.fill("/api/secrets/{S}/")
		tag := c.get(t, secret).tag(t)
		c.do(t, "PATCH", secret, `{}`, "If-Match: "+strings.Replace(tag, "ready", "failed", 1)).want(t, 200, `{<...>`)
		item := known.fill("/api/secrets/{S}/items/{I}/")
		c.get(t, item)
		if now := c.get(t, secret).tag(t); now != tag {
			t.Errorf("the tag of a secret is %s after a reveal, want %s as before", now, tag)
		}
		current := c.do(t, "PATCH", item, `{"value":"PLANTED 3"}`).tag(t)
		if now := c.get(t, secret).tag(t); now == tag {
			t.Errorf("the tag of a secret is %s as before a change of its item", now)
		}

		for _, stale := range []string{`"1"`, tag} {
			c.do(t, "POST", item+"rollback/", `{"version":1}`, "If-Match: "+stale).want(t, 412, changed)
			c.do(t, "DELETE", item+"versions/1/", "", "If-Match: "+stale).want(t, 412, changed)
		}
		c.do(t, "POST", item+"rollback/", `{"version":9}`, `If-Match: "1"`).want(t, 400, `{"version":[<...>]}`)
		c.do(t, "DELETE", item+"versions/9/", "", `If-Match: "1"`).want(t, 404, notFound)
		next := c.do(t, "POST", item+"rollback/", `{"version":1}`, "If-Match: "+current).tag(t)
		c.do(t, "DELETE", item+"versions/2/", "", "If-Match: "+current).want(t, 412, changed)
		c.do(t, "DELETE", item+"versions/2/", "", "If-Match: "+next).want(t, 204, "")
		c.do(t, "DELETE", item, "", "If-Match: "+next).want(t, 412, changed) // the deletion was a change
		c.do(t, "DELETE", item, "", "If-Match: "+c.get(t, item).tag(t)).want(t, 204, "")
		c.do(t, "DELETE", known.fill("/api/services/{V}/"), "", "If-Match: *").want(t, 204, "")
		c.do(t, "DELETE", secret, "", "If-Match: "+tag).want(t, 412, changed)
		c.do(t, "DELETE", secret, "", "If-Match: "+c.get(t, secret).tag(t)).want(t, 204, "")
	})
}

// With the tag that it has, a client gets no object again. A reveal then is none: it charges and records nothing.
func TestKnownObjectsAreNotSentAgain(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		ask := func(path, none string) response { return c.do(t, "GET", path, "", "If-None-Match: "+none) }
		paths := []string{known.fill("/api/secrets/{S}/"), known.fill("/api/services/{V}/"), known.fill("/api/secrets/{S}/items/{I}/")}
		for _, path := range paths {
			tag := c.get(t, path).tag(t)
			for _, same := range []string{tag, `"x", ` + tag, tag + `,"x"`, "W/" + tag} { // If-None-Match compares weakly
				r := ask(path, same)
				r.want(t, 304, "")
				r.wantHeader(t, "ETag: "+tag, "RateLimit:", "RateLimit-Policy:")
			}
			for _, other := range []string{`"x"`, "*", strings.Trim(tag, `"`), `"1-pending"`} {
				ask(path, other).want(t, 200, `{<...>`)
			}
		}
		secret, item := paths[0], paths[2]
		c.get(t, "/api/budget/").want(t, 200, `{<...>"left":95,<...>`) // one without the header, four with another tag
		tag := c.get(t, item).tag(t)
		c.do(t, "PATCH", item, `{"value":"PLANTED 2"}`).want(t, 200, `{<...>`)
		ask(item, tag).want(t, 200, `{<...>"value":"PLANTED 2",<...>`)
		ask(item+"versions/1/", c.get(t, item).tag(t)).want(t, 200, `{<...>"value":"PLANTED",<...>`) // a version is always revealed
		ask(known.fill("/api/secrets/{S}/items/")+unknownID+"/", tag).want(t, 404, notFound)
		ask(secret+"items/", tag).want(t, 200, `{<...>`)
		c.machine(t, `"permissions":["list"]`).do(t, "GET", item, "", "If-None-Match: "+c.get(t, item).tag(t)).want(t, 403, denied)
	})
}

// Authority comes first: a tag tells an unknown key nothing.
func TestUnknownKeysLearnNothingOfTags(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		item := known.fill("/api/secrets/{S}/items/{I}/")
		c.do(t, "GET", item, "", "If-None-Match: "+c.get(t, item).tag(t), "Authorization: Bearer "+strangerKey()).want(t, 401, unauthenticated)
	})
}

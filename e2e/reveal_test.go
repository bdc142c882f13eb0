package e2e

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const policy = `RateLimit-Policy: "reveals";q=%d;w=%d`

// left is the header with the rest of a budget.
func left(n, t int) string { return fmt.Sprintf(`RateLimit: "reveals";r=%d;t=%d`, n, t) }

var throttledText = regexp.MustCompile(`^\{"detail":"Request was throttled\. Expected available in ([0-9]+) (seconds?)\."\}$`)

// wantThrottled tests a refusal, and returns its wait in seconds.
func (r response) wantThrottled(t *testing.T, window int) int {
	t.Helper()
	groups := throttledText.FindStringSubmatch(r.body)
	if r.status != 429 || groups == nil {
		t.Fatalf("%v = %d %s, want 429 with a wait", r, r.status, short(r.body))
	}
	wait, err := strconv.Atoi(groups[1])
	if err != nil || wait < 1 || wait > window {
		t.Errorf("%v = %s, want a wait from 1 to %d", r, r.body, window)
	}
	if (groups[2] == "second") != (wait == 1) {
		t.Errorf("%v = %s, want the singular for 1 only", r, r.body)
	}
	r.wantHeader(t, "Retry-After: "+groups[1])
	return wait
}

// A reveal updates last_accessed_at and last_accessed_by. Other requests do not.
func TestOnlyRevealsUpdateTheLastAccess(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		path, list := known.fill("/api/secrets/{S}/items/{I}/"), known.fill("/api/secrets/{S}/items/")
		fresh := known.fill(itemObject("{I}", "{S}", "KEY"))
		initial := c.get(t, list).page(t)
		for range 3 { // none of these requests is a reveal
			c.get(t, list).want(t, 200, page("1", fresh))
			c.do(t, "HEAD", path, "").want(t, 405, "")
			c.do(t, "OPTIONS", path, "").want(t, 200, "")
			c.do(t, "PATCH", path, "{}").want(t, 200, fresh)
			c.get(t, known.fill("/api/secrets/{S}/"))
		}
		before := time.Now().UTC()
		var last itemBody
		for i := range 3 {
			r := c.get(t, path)
			r.want(t, 200, known.fill(readItemObject("{I}", "{S}", "KEY", `"PLANTED"`, "{USER}")))
			r.wantHeader(t, fmt.Sprintf(policy, 100, 3600))
			it := r.item(t)
			at, err := time.Parse(time.RFC3339Nano, *it.LastAccessedAt)
			if err != nil || at.Before(before.Truncate(time.Microsecond)) || at.After(time.Now()) {
				t.Errorf("%v = last_accessed_at %s, want the time of this reveal, after %s", r, *it.LastAccessedAt, before)
			}
			if it.UpdatedAt != it.CreatedAt {
				t.Errorf("%v = updated_at %s, want it unchanged at %s", r, it.UpdatedAt, it.CreatedAt)
			}
			if i > 0 && *it.LastAccessedAt <= *last.LastAccessedAt {
				t.Errorf("%v = last_accessed_at %s, want it later than %s", r, *it.LastAccessedAt, *last.LastAccessedAt)
			}
			last = it
			masked := strings.Replace(r.body, `"PLANTED"`, `"********"`, 1)
			c.get(t, list).want(t, 200, page("1", masked))
			c.do(t, "PATCH", path, "{}").want(t, 200, masked)
		}
		if got := c.get(t, list).page(t); got.Count != initial.Count {
			t.Errorf("GET %s = count %d, want %d", list, got.Count, initial.Count)
		}
	})
}

// Only GETs of items are charged. A spent budget comes before a missing item.
func TestBudgetChargesRevealsOnly(t *testing.T) {
	withTargetOf(t, settings{"READ_LIMIT": "6", "READ_WINDOW_SECONDS": "3600"}, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		other, theirs := withItem(t, tg)
		path, list := known.fill("/api/secrets/{S}/items/{I}/"), known.fill("/api/secrets/{S}/items/")
		free := func() {
			c.get(t, list).want(t, 200, `{"count":1,<...>`)
			c.get(t, "/api/secrets/").want(t, 200, `{"count":2,<...>`)
			c.get(t, list+"?cursor=x").want(t, 404, `{"detail":"Invalid cursor."}`)
			c.do(t, "PATCH", path, `{"value":"PLANTED"}`).want(t, 200, `{<...>`)
			c.do(t, "PATCH", list+unknownID+"/", `{}`).want(t, 404, notFound)
			c.do(t, "DELETE", list+unknownID+"/", "").want(t, 404, notFound)
			for _, method := range []string{"PUT", "POST"} {
				c.do(t, method, path, "").want(t, 405, `{<...>`)
			}
			c.do(t, "HEAD", path, "").want(t, 405, "")
			c.do(t, "OPTIONS", path, "").want(t, 200, "")
			c.do(t, "GET", path, "", "Authorization: Bearer "+strangerKey()).want(t, 401, unauthenticated)
			c.do(t, "GET", path+"more/", "").want(t, 404, notFound)
		}
		policy := fmt.Sprintf(policy, 6, 3600)
		free()
		r := c.get(t, path)
		r.want(t, 200, known.fill(readItemObject("{I}", "{S}", "KEY", `"PLANTED"`, "{USER}")))
		r.wantHeader(t, policy, left(5, 3600))
		free()
		for i, missing := range []string{
			list + unknownID + "/", list + "x/", "/api/secrets/" + unknownID + "/items/" + unknownID + "/",
			theirs.fill("/api/secrets/{S}/items/{I}/"),
		} {
			r := c.get(t, missing)
			r.want(t, 404, notFound)
			r.wantHeader(t, policy, "Retry-After:")
			if got, want := r.header.Get("RateLimit"), fmt.Sprintf(`"reveals";r=%d;t=`, 4-i); !strings.HasPrefix(got, want) {
				t.Errorf("%v = RateLimit %s, want %s…", r, got, want)
			}
		}
		r = c.get(t, path)
		r.want(t, 200, known.fill(readItemObject("{I}", "{S}", "KEY", `"PLANTED"`, "{USER}")))
		if got := r.header.Get("RateLimit"); !strings.HasPrefix(got, `"reveals";r=0;t=`) {
			t.Errorf("%v = RateLimit %s, want nothing left", r, got)
		}
		lastRead := *r.item(t).LastAccessedAt

		if r := c.get(t, "/api/budget/"); !strings.HasPrefix(r.body, `{"limit":6,"window":3600,"left":0,"reset":3`) {
			t.Errorf("%v = %s, want nothing left", r, r.body)
		}

		// Spent: 429 comes before 404 for every item. Other requests still work.
		first := 0
		for i, refused := range []string{
			path, list + unknownID + "/", list + "x/", "/api/secrets/x/items/y/", theirs.fill("/api/secrets/{S}/items/{I}/"), path, path,
		} {
			wait := c.get(t, refused).wantThrottled(t, 3600)
			if wait < 3500 {
				t.Errorf("GET %s = wait %d, want the rest of the first reveal's hour", refused, wait)
			}
			if i == 0 {
				first = wait
			}
			if wait > first { // a refusal does not extend the wait
				t.Errorf("GET %s = wait %d, want at most %d", refused, wait, first)
			}
		}
		free()
		if got := c.get(t, list).body; !strings.Contains(got, lastRead) {
			t.Errorf("GET %s = %s, want last_accessed_at still %s: a refusal is not a reveal", list, got, lastRead)
		}
		// Other users have their own budgets.
		r = other.get(t, theirs.fill("/api/secrets/{S}/items/{I}/"))
		r.want(t, 200, theirs.fill(readItemObject("{I}", "{S}", "KEY", `"PLANTED"`, "{USER}")))
		r.wantHeader(t, policy, left(5, 3600))
	})
}

func TestBudgetCanBeReadForFree(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		other := tg.client(t)
		path := known.fill("/api/secrets/{S}/items/{I}/")
		for range 3 {
			c.get(t, "/api/budget/").want(t, 200, `{"limit":100,"window":3600,"left":100,"reset":0}`)
		}
		for _, asked := range []string{path, known.fill("/api/secrets/{S}/items/" + unknownID + "/")} {
			c.get(t, asked)
		}
		reset := regexp.MustCompile(`^\{"limit":100,"window":3600,"left":98,"reset":(3600|35[0-9]{2})\}$`)
		for _, form := range []string{"/api/budget/", "/api/budget"} {
			r := c.get(t, form)
			if r.status != 200 || !reset.MatchString(r.body) {
				t.Errorf("%v = %d %s, want 98 left for about an hour", r, r.status, r.body)
			}
			r.wantHeader(t, "Content-Type: application/json", "Cache-Control: no-store")
		}
		// Each user has a separate budget.
		other.get(t, "/api/budget/").want(t, 200, `{"limit":100,"window":3600,"left":100,"reset":0}`)
	})
}

func TestRevealSucceedsAfterTheWait(t *testing.T) {
	withTargetOf(t, settings{"READ_LIMIT": "1", "READ_WINDOW_SECONDS": "1"}, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		path := known.fill("/api/secrets/{S}/items/{I}/")
		for range 2 {
			var refused response
			eventually(t, 20*time.Second, "refused", func() bool {
				refused = c.get(t, path)
				return refused.status == 429
			})
			refused.want(t, 429, `{"detail":"Request was throttled. Expected available in 1 second."}`)
			refused.wantHeader(t, "Retry-After: 1")
			time.Sleep(time.Second)
			r := c.get(t, path)
			r.want(t, 200, known.fill(readItemObject("{I}", "{S}", "KEY", `"PLANTED"`, "{USER}")))
			r.wantHeader(t, fmt.Sprintf(policy, 1, 1), left(0, 1))
		}
	})
}

// The documented budget of 100 reveals an hour also holds for concurrent requests.
func TestBudgetIs100ConcurrentReveals(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		path := known.fill("/api/secrets/{S}/items/{I}/")
		got := concurrently(110, func(int) response { return c.get(t, path) })
		if len(got[200]) != 100 || len(got[429]) != 10 {
			t.Errorf("110 × GET %s = %d × 200 and %d × 429, want 100 and 10", path, len(got[200]), len(got[429]))
		}
		c.get(t, path).wantThrottled(t, 3600)
	})
}

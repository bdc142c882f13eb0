package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// versionObject is a kept version in an answer.
func versionObject(number int, user string, current bool) string {
	return fmt.Sprintf(`{"number":%d,"value":"********","created_at":"<datetime>","created_by":"%s","current":%t}`, number, user, current)
}

// A new value keeps those before. Each of them can be revealed, made current again, or deleted.
func TestVersionsFromCreationToDeletion(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		item := known.fill("/api/secrets/{S}/items/{I}/")
		version := func(n string) string { return item + "versions/" + n + "/" }
		versions := func(current int, numbers ...int) {
			t.Helper()
			var objects []string
			for _, n := range numbers {
				objects = append(objects, versionObject(n, c.user, n == current))
			}
			c.get(t, item+"versions/").want(t, 200, page(fmt.Sprint(len(numbers)), strings.Join(objects, ",")))
		}
		reveals := func(path string, number int, value string) {
			t.Helper()
			c.get(t, path).want(t, 200, fmt.Sprintf(`{<...>"value":"%s","version":%d,<...>}`, value, number))
		}
		rollback := func(version string) response { return c.post(t, item+"rollback/", `{"version":`+version+`}`) }

		versions(1, 1)
		c.do(t, "PATCH", item, `{"key":"RENAMED"}`).want(t, 200, `{<...>"version":1,<...>`)
		versions(1, 1) // a new key is no new value
		for n := 2; n <= 3; n++ {
			c.do(t, "PATCH", item, fmt.Sprintf(`{"value":"PLANTED %d"}`, n)).want(t, 200, fmt.Sprintf(`{<...>"value":"********","version":%d,<...>`, n))
		}
		versions(3, 3, 2, 1)
		reveals(item, 3, "PLANTED 3")
		reveals(version("3"), 3, "PLANTED 3")
		reveals(version("1"), 1, "PLANTED")
		r := c.get(t, version("1"))
		r.wantHeader(t, fmt.Sprintf(policy, 100, 3600))
		if left := r.header.Get("RateLimit"); !strings.HasPrefix(left, `"reveals";r=96;`) {
			t.Errorf("%v leaves %s, want 96 reveals", r, left)
		}
		for _, missing := range []string{"4", "0", "-1", "01", "+1", "1.0", "x", "9223372036854775808", "%20"} {
			r := c.get(t, version(missing))
			r.want(t, 404, notFound)
			if r.header.Get("RateLimit") == "" {
				t.Errorf("%v is not charged", r)
			}
			c.do(t, "DELETE", version(missing), "").want(t, 404, notFound)
		}

		// A rollback gives no new number, and charges nothing.
		rolledBack := rollback("1")
		rolledBack.want(t, 200, `{<...>"value":"********","version":1,<...>`)
		rollback(`"1"`).want(t, 200, rolledBack.body) // changes nothing
		reveals(item, 1, "PLANTED")
		versions(1, 3, 2, 1)
		c.do(t, "PATCH", item, `{"value":"PLANTED 4"}`).want(t, 200, `{<...>"version":4,<...>`)
		for in, fault := range map[string]string{
			"5": `Invalid pk "5" - object does not exist.`, "0": "Ensure this value is greater than or equal to 1.", "-7": "Ensure this value is greater than or equal to 1.",
			`"x"`: noInteger, `""`: noInteger, "1.5": noInteger, "null": null, "[1]": noInteger, "true": noInteger, "1e400": noInteger,
			"9223372036854775808": `Invalid pk "9223372036854775808" - object does not exist.`,
		} {
			rollback(in).want(t, 400, `{"version":[`+quote(fault)+`]}`)
		}
		c.post(t, item+"rollback/", "").want(t, 400, `{"version":["This field is required."]}`)
		versions(4, 4, 3, 2, 1)

		// The current version stays.
		c.do(t, "DELETE", version("4"), "").want(t, 409, `{"detail":"The current version cannot be deleted. Make another version current first."}`)
		c.do(t, "DELETE", version("3"), "").want(t, 204, "")
		c.do(t, "DELETE", version("3"), "").want(t, 404, notFound)
		c.get(t, version("3")).want(t, 404, notFound)
		rollback("3").want(t, 400, `{"version":["Invalid pk \"3\" - object does not exist."]}`)
		versions(4, 4, 2, 1)
		rollback(" 2 ").want(t, 200, `{<...>"version":2,<...>`)
		c.do(t, "DELETE", version("4"), "").want(t, 204, "")
		c.do(t, "PATCH", item, `{"value":"PLANTED 5"}`).want(t, 200, `{<...>"version":5,<...>`) // not 4 again
		versions(5, 5, 2, 1)
		c.get(t, "/api/secrets/?name=mine").want(t, 200, page("1", known.fill(secretObject("{S}", `"mine"`, "false"))))

		// The log has the version, and what a rollback replaced.
		var actions string
		eventually(t, 10*time.Second, "the newest events of the item", func() bool {
			actions = ""
			for _, ev := range c.allEvents(t, item+"events/?outcome=allowed") {
				actions += " " + ev.Action
			}
			return strings.HasPrefix(actions, " item.updated version.deleted item.rolled_back version.deleted item.updated item.revealed item.rolled_back")
		})
	})
}

// Another account, and a key without the secret, find no versions.
func TestForeignVersionsLookMissing(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		other := c.secret(t, "other")
		limited := c.machine(t, `"permissions":["list","reveal","write"],"secrets":["`+strings.Split(other, "/")[3]+`"]`)
		item := known.fill("/api/secrets/{S}/items/{I}/")
		for _, stranger := range []*client{tg.client(t), limited} {
			stranger.get(t, item+"versions/").want(t, 404, notFound)
			stranger.get(t, item+"versions/1/").want(t, 404, notFound)
			stranger.do(t, "DELETE", item+"versions/1/", "").want(t, 404, notFound)
			stranger.post(t, item+"rollback/", `{"version":1}`).want(t, 404, notFound)
			stranger.post(t, item+"restore/", "").want(t, 404, notFound)
			stranger.get(t, known.fill("/api/secrets/{S}/items/?deleted=true")).want(t, 404, notFound)
		}
		limited.post(t, known.fill("/api/secrets/{S}/restore/"), "").want(t, 404, notFound)
		limited.post(t, other+"restore/", "").want(t, 403, limitedKey)
	})
}

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// inTheBin is an object of a list of the bin.
func inTheBin(object, by string) string {
	return strings.TrimSuffix(object, "}") + `,"deleted_at":"<datetime>","deleted_by":"` + by + `","restorable_until":"<datetime>"}`
}

// A deleted item is gone for everything but its bin, where it keeps its versions and times.
func TestDeletedItemsCanBeRestored(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		items := known.fill("/api/secrets/{S}/items/")
		item := items + known["I"] + "/"
		c.do(t, "PATCH", item, `{"value":"PLANTED 2"}`).want(t, 200, `{<...>`)
		read := c.get(t, item)
		masked := strings.Replace(read.body, `"PLANTED 2"`, `"********"`, 1)
		c.get(t, items+"?deleted=true").want(t, 200, emptyPage)
		c.post(t, item+"restore/", "").want(t, 404, notFound) // it is not in the bin

		c.do(t, "DELETE", item, "").want(t, 204, "")
		for method, path := range map[string]string{
			"GET": item, "PATCH": item, "DELETE": item, "GET versions": item + "versions/", "GET version": item + "versions/1/",
			"DELETE version": item + "versions/1/", "POST": item + "rollback/",
		} {
			method, _, _ = strings.Cut(method, " ")
			body := ""
			if method == "POST" {
				body = `{"version":1}`
			}
			c.do(t, method, path, body).want(t, 404, notFound)
		}
		for _, query := range []string{"", "?deleted=false", "?deleted=", "?deleted=false&key=KEY", "?key=KEY"} {
			c.get(t, items+query).want(t, 200, emptyPage)
		}
		c.get(t, items+"?deleted=true").want(t, 200, page("1", inTheBin(masked, c.user)))
		c.get(t, items+"?deleted=true&page_size=1").want(t, 200, page("1", inTheBin(masked, c.user)))
		for query, fault := range map[string]string{
			"?deleted=yes": `{"deleted":["Must be true or false."]}`, "?deleted=True": `{"deleted":["Must be true or false."]}`,
			"?deleted=true&key=KEY": `{"key":["This parameter does not go with deleted."]}`,
		} {
			c.get(t, items+query).want(t, 400, fault)
		}

		// Its key is free, and a key that is taken has to change.
		taken := c.item(t, known.fill("/api/secrets/{S}/"), "KEY", "PLANTED")
		c.post(t, item+"restore/", "").want(t, 400, `{"key":["secret item with this key already exists."]}`)
		c.post(t, item+"restore/", `{"key":" RESTORED\n","value":"PLANTED lost"}`).want(t, 200, `{<...>"key":"RESTORED","value":"********","version":2,<...>`)
		c.do(t, "DELETE", taken, "").want(t, 204, "")
		c.get(t, item).want(t, 200, `{<...>"key":"RESTORED","value":"PLANTED 2","version":2,<...>`)
		c.get(t, item+"versions/").want(t, 200, `{"count":2,<...>`)
		c.get(t, item+"versions/1/").want(t, 200, `{<...>"value":"PLANTED","version":1,<...>`)
		c.do(t, "PATCH", item, `{"key":"KEY"}`).want(t, 200, `{<...>`)
		for _, f := range append(texts, keys...) {
			c.do(t, "DELETE", item, "").want(t, 204, "")
			body := known.fill(`{"key":` + f.in + `}`)
			if f.faults == nil && !strings.Contains(f.out, "+") {
				c.post(t, item+"restore/", body).want(t, 200, known.fill(`{<...>"key":`+f.out+`,<...>`))
				continue
			}
			if r := c.post(t, item+"restore/", body); r.status != 400 {
				t.Errorf("%s: %v = %d, want 400", f.name, r, r.status)
			}
			c.post(t, item+"restore/", `{}`).want(t, 200, `{<...>`)
		}

		// For good.
		c.do(t, "DELETE", item+"?permanent=yes", "").want(t, 400, `{"permanent":["Must be true or false."]}`)
		c.do(t, "DELETE", item+"?permanent=false", "").want(t, 204, "")
		writer := c.machine(t, `"permissions":["list","write"]`)
		writer.do(t, "DELETE", item+"?permanent=true", "").want(t, 403, denied)
		c.do(t, "DELETE", item+"?permanent=true", "").want(t, 204, "") // out of the bin
		c.do(t, "DELETE", item+"?permanent=true", "").want(t, 404, notFound)
		c.post(t, item+"restore/", "").want(t, 404, notFound)
		another := c.item(t, known.fill("/api/secrets/{S}/"), "ANOTHER", "PLANTED")
		c.do(t, "DELETE", another+"?permanent=", "").want(t, 204, "")
		c.post(t, another+"restore/", "").want(t, 200, `{<...>`)
		c.do(t, "DELETE", another+"?permanent=true", "").want(t, 204, "")
		c.get(t, items+"?deleted=true").want(t, 200, page("1", inTheBin("{<...>}", c.user))) // what had its key
	})
}

// A deleted secret takes all that is in it along, and brings it back.
func TestDeletedSecretsCanBeRestored(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		secret := known.fill("/api/secrets/{S}/")
		item := known.fill("/api/secrets/{S}/items/{I}/")
		binned := c.item(t, secret, "BINNED", "PLANTED")
		c.do(t, "DELETE", binned, "").want(t, 204, "")
		c.do(t, "PATCH", item, `{"value":"PLANTED 2"}`).want(t, 200, `{<...>`)
		before := c.get(t, secret)
		c.get(t, "/api/secrets/?deleted=true").want(t, 200, emptyPage)
		c.post(t, secret+"restore/", "").want(t, 404, notFound)

		c.do(t, "DELETE", secret, "").want(t, 204, "")
		for _, gone := range []string{secret, item, item + "versions/", item + "versions/1/", secret + "items/", secret + "items/?deleted=true"} {
			c.get(t, gone).want(t, 404, notFound)
		}
		c.post(t, binned+"restore/", "").want(t, 404, notFound)
		c.get(t, "/api/secrets/?deleted=true").want(t, 200, page("1", inTheBin(before.body, c.user)))
		c.get(t, "/api/secrets/?deleted=no").want(t, 400, `{"deleted":["Must be true or false."]}`)
		c.get(t, "/api/secrets/?deleted=true&name=mine").want(t, 400, `{"name":["This parameter does not go with deleted."]}`)
		c.get(t, "/api/secrets/?deleted=false&name=mine").want(t, 200, emptyPage)
		c.get(t, "/api/secrets/?deleted=").want(t, 200, `{"count":1,<...>`)
		c.get(t, "/api/services/?secret="+known["S"]).want(t, 400, noSecret(known["S"]))

		taken := c.secret(t, "mine")
		c.post(t, secret+"restore/", "").want(t, 400, `{"name":["secret with this name already exists."]}`)
		c.post(t, secret+"restore/", `{"name":"restored"}`).want(t, 200, known.fill(secretObject("{S}", `"restored"`, "false")))
		c.get(t, item).want(t, 200, `{<...>"value":"PLANTED 2","version":2,<...>`)
		c.get(t, item+"versions/1/").want(t, 200, `{<...>"value":"PLANTED","version":1,<...>`)
		c.post(t, binned+"restore/", "").want(t, 200, `{<...>"key":"BINNED",<...>`)
		c.do(t, "DELETE", taken, "").want(t, 204, "")
		c.service(t, "uses-it", secret)
		c.do(t, "DELETE", secret, "").want(t, 409, inUse("1 service: uses-it"))
		c.do(t, "DELETE", secret+"?permanent=true", "").want(t, 409, inUse("1 service: uses-it"))

		other := c.secret(t, "other")
		for _, f := range append(texts, names...) {
			c.do(t, "DELETE", other, "").want(t, 204, "")
			body := known.fill(`{"name":` + f.in + `}`)
			if f.faults == nil {
				c.post(t, other+"restore/", body).want(t, 200, known.fill(`{<...>"name":`+f.out+`,<...>`))
				continue
			}
			if r := c.post(t, other+"restore/", body); r.status != 400 {
				t.Errorf("%s: %v = %d, want 400", f.name, r, r.status)
			}
			c.post(t, other+"restore/", `{}`).want(t, 200, `{<...>`)
		}
		c.do(t, "DELETE", other+"?permanent=1", "").want(t, 400, `{"permanent":["Must be true or false."]}`)
		c.do(t, "DELETE", other+"?permanent=false", "").want(t, 204, "")
		writer := c.machine(t, `"permissions":["list","write"]`)
		writer.do(t, "DELETE", other+"?permanent=true", "").want(t, 403, denied)
		writer.get(t, "/api/secrets/?deleted=true").want(t, 200, `{"count":2,<...>`)
		c.machine(t, `"permissions":["list"]`).get(t, "/api/secrets/?deleted=true").want(t, 403, denied)
		c.do(t, "DELETE", other+"?permanent=true", "").want(t, 204, "")
		c.post(t, other+"restore/", "").want(t, 404, notFound)
		more := c.secret(t, "more")
		c.do(t, "DELETE", more+"?permanent=", "").want(t, 204, "")
		c.post(t, more+"restore/", "").want(t, 200, `{<...>`)
		c.do(t, "DELETE", more+"?permanent=true", "").want(t, 204, "")
		c.get(t, "/api/secrets/?deleted=true").want(t, 200, `{"count":1,<...>`)
	})
}

// The bin has pages too.
func TestBinHasPages(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		var deleted []string
		for i := range 5 {
			path := c.secret(t, fmt.Sprint("s", i))
			c.do(t, "DELETE", path, "").want(t, 204, "")
			deleted = append(deleted, strings.Split(path, "/")[3])
		}
		c.walkBothWays(t, "/api/secrets/?deleted=true", 2, deleted)
	})
}

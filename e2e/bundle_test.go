package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A bundle is a whole secret, for keys with export. It counts as one reveal, and a known one as none.
func TestBundlesHaveAllValues(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		secret := known.fill("/api/secrets/{S}/")
		c.post(t, secret+"items/batch/", `{"items":[{"key":"A.b","value":"PLANTED\n<&>\"é"},{"key":"Z","value":"PLANTED 9007199254740993"}]}`).
			wantVars(t, 200, batchDone(false, did("A.b", `"{A}"`, "1", "created"), did("Z", `"{Z}"`, "1", "created")), known)
		ask := func(c *client, none string) response {
			return c.do(t, "GET", secret+"bundle/", "", "If-None-Match: "+none)
		}
		all := c.get(t, secret+"bundle/")
		all.want(t, 200, `{"A.b":"PLANTED\n<&>\"é","KEY":"PLANTED","Z":"PLANTED 9007199254740993"}`)
		all.wantHeader(t, fmt.Sprintf(policy, 100, 3600), left(99, 3600))

		// The stamp of an export is the last access of every item.
		c.get(t, known.fill("/api/secrets/{S}/items/?key=Z")).want(t, 200, known.fill(page("1", readItemObject("{Z}", "{S}", "Z", `"********"`, "{USER}"))))

		// Its tag is the revision, with or without the status that the secret's has.
		tag, ofSecret := all.tag(t), c.get(t, secret).tag(t)
		if !strings.HasPrefix(ofSecret, strings.TrimSuffix(tag, `"`)+"-") {
			t.Errorf("the tag of the bundle is %s, and that of the secret %s", tag, ofSecret)
		}
		for _, same := range []string{tag, "W/" + tag, ofSecret, strings.Replace(ofSecret, "ready", "pending", 1), `"x", ` + tag} {
			r := ask(c, same)
			r.want(t, 304, "")
			r.wantHeader(t, "ETag: "+tag, "RateLimit:", "RateLimit-Policy:")
		}
		c.get(t, "/api/budget/").want(t, 200, `{<...>"left":99,<...>`)
		for _, other := range []string{"*", `"0"`, strings.Trim(tag, `"`)} {
			ask(c, other).want(t, 200, all.body)
		}
		c.item(t, secret, "NEW", "PLANTED new")
		c.get(t, secret+"items/?key=NEW").want(t, 200, `{<...>"last_accessed_at":null,<...>`) // it came after
		ask(c, tag).want(t, 200, `{<...>"NEW":"PLANTED new",<...>`)
		c.get(t, "/api/budget/").want(t, 200, `{<...>"left":95,<...>`)
		empty := c.secret(t, "empty")
		c.get(t, empty+"bundle/").want(t, 200, `{}`)

		// Neither reveal nor any other permission gives export.
		for _, permissions := range []string{`["list","reveal","write","audit","admin"]`, `["list"]`} {
			ask(c.machine(t, `"permissions":`+permissions), tag).want(t, 403, denied)
		}
		shipper := c.machine(t, `"permissions":["export"],"secrets":["`+known["S"]+`"]`)
		shipper.get(t, secret+"bundle/").want(t, 200, `{<...>}`)
		shipper.get(t, empty+"bundle/").want(t, 404, notFound)
		shipper.get(t, known.fill("/api/secrets/{S}/items/{I}/")).want(t, 403, denied)
		foreign := tg.client(t).get(t, secret+"bundle/")
		foreign.want(t, 404, notFound)
		foreign.wantHeader(t, left(99, 3600)) // as for a reveal: ids that do not exist cost, too

		// One event has every item with its version, and no keys.
		newestEvent := c.events(t, secret+"events/?action=secret.exported&outcome=allowed", 6)[0]
		if len(newestEvent.Items) != 4 || newestEvent.Items[0].Key != nil || newestEvent.Items[0].Version != 1 || newestEvent.Item != nil {
			t.Errorf("the event of an export has %+v, want four items without keys", newestEvent.Items)
		}
		eventually(t, 10*time.Second, "the exports in the list of an item", func() bool {
			all := c.allEvents(t, known.fill("/api/secrets/{S}/items/{Z}/events/?action=secret.exported"))
			return len(all) == 6 && all[0].Action == "secret.exported"
		})
	})
}

// A throttled export says when to try again.
func TestBundlesAreThrottled(t *testing.T) {
	withTargetOf(t, settings{"READ_LIMIT": "2", "READ_WINDOW_SECONDS": "3600"}, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		bundle := known.fill("/api/secrets/{S}/bundle/")
		tag := c.get(t, bundle).tag(t)
		c.get(t, bundle).want(t, 200, `{<...>`)
		c.get(t, bundle).wantThrottled(t, 3600)
		c.do(t, "GET", bundle, "", "If-None-Match: "+tag).want(t, 304, "")
		other := c.secret(t, "other")
		c.get(t, "/api/secrets/compare/?a="+known["S"]+"&b="+strings.Split(other, "/")[3]).wantThrottled(t, 3600)
	})
}

// A comparison says where values differ, releases none, and costs two reveals.
func TestSecretsAreCompared(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		a, b := known.fill("/api/secrets/{S}/"), c.secret(t, "other")
		c.post(t, a+"items/batch/", `{"items":[{"key":"SAME","value":"PLANTED"},{"key":"HERE","value":"PLANTED"}]}`).want(t, 200, `{<...>`)
		c.post(t, b+"items/batch/", `{"items":[{"key":"SAME","value":"PLANTED"},{"key":"KEY","value":"PLANTED other"},{"key":"THERE","value":"PLANTED"}]}`).want(t, 200, `{<...>`)
		known["B"] = strings.Split(b, "/")[3]
		ask := func(c *client, query string) response { return c.get(t, "/api/secrets/compare/"+known.fill(query)) }
		r := ask(c, "?a={S}&b={B}")
		r.want(t, 200, `{"keys":{"HERE":"only_a","KEY":"different","SAME":"same","THERE":"only_b"}}`)
		r.wantHeader(t, fmt.Sprintf(policy, 100, 3600), left(98, 3600), "ETag:")
		ask(c, "?b={S:upper}&a={B}").want(t, 200, `{"keys":{"HERE":"only_b","KEY":"different","SAME":"same","THERE":"only_a"}}`)
		for query, want := range map[string]string{
			"":                 `{"a":["This field is required."],"b":["This field is required."]}`,
			"?a={S}":           `{"b":["This field is required."]}`,
			"?b={S}":           `{"a":["This field is required."]}`,
			"?a={S}&b={S}":     `{"b":["Give another secret than a."]}`,
			"?a={S}&b={S}&c=x": `{"c":["Unknown parameter. Known: a, b."]}`,
		} {
			ask(c, query).want(t, 400, want)
		}
		c.get(t, "/api/budget/").want(t, 200, `{<...>"left":96,<...>`)
		for _, missing := range []string{"?a={S}&b=" + unknownID, "?a=" + unknownID + "&b={S}", "?a={S}&b=x", "?a=x&b={S}"} {
			ask(c, missing).want(t, 404, notFound)
		}
		ask(c.machine(t, `"permissions":["list","export"]`), "?a={S}&b={B}").want(t, 403, denied)
		ask(c.machine(t, `"permissions":["reveal"]`), "?a={S}&b={B}").want(t, 200, `{"keys":{<...>}}`)
		ask(c.machine(t, `"permissions":["reveal"],"secrets":["`+known["S"]+`"]`), "?a={S}&b={B}").want(t, 404, notFound)

		// Each side has an event that names the other, and the items that were opened.
		for side, other := range map[string]string{a: known["B"], b: known["S"]} {
			ev := c.events(t, side+"events/?action=secret.compared&outcome=allowed", 3)[0]
			if ev.To["secret"] != other || len(ev.Items) != 2 || ev.Items[0].Key != nil {
				t.Errorf("the event of %s has %v and %v, want the other secret and two items", side, ev.To, ev.Items)
			}
		}
		// No item was read.
		c.get(t, a+"items/?key=SAME").want(t, 200, `{<...>"last_accessed_at":null,<...>`)
	})
}

package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
)

const (
	otherRequest = `{"detail":"This Idempotency-Key belongs to another request."}`
	badToken     = `{"detail":"Idempotency-Key must be given once, with 1 to 255 characters."}`
)

// A POST that is sent again with its Idempotency-Key does nothing twice, and has the first answer.
func TestRepeatedRequestsHaveTheFirstAnswer(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		item := known.fill("/api/secrets/{S}/items/{I}/")
		c.do(t, "PATCH", item, `{"value":"PLANTED 2"}`).want(t, 200, `{<...>`)
		gone, binned := c.item(t, known.fill("/api/secrets/{S}/"), "GONE", "PLANTED"), c.secret(t, "binned")
		c.do(t, "DELETE", gone, "").want(t, 204, "")
		c.do(t, "DELETE", binned, "").want(t, 204, "")
		for _, tt := range []struct {
			path, body, other string
			status            int
		}{
			{"/api/secrets/", `{"name":"new"}`, `{"name":"newer"}`, 201},
			{known.fill("/api/secrets/{S}/items/"), `{"key":"NEW","value":"PLANTED"}`, `{"key":"NEW","value":"PLANTED other"}`, 201},
			{known.fill("/api/secrets/{S}/items/batch/"), `{"items":[{"key":"KEY","value":"PLANTED 3"},{"key":"B","value":"PLANTED"}],"delete":["NONE"]}`,
				`{"items":[{"key":"KEY","value":"PLANTED 4"},{"key":"B","value":"PLANTED"}],"delete":["NONE"]}`, 200},
			{known.fill("/api/secrets/{S}/items/batch/"), `{"delete":["NONE"]}`, `{"delete":["B"]}`, 200}, // which does nothing
			{item + "rollback/", `{"version":1}`, `{"version":2}`, 200},
			{gone + "restore/", ``, `{"key":"BACK"}`, 200},
			{binned + "restore/", `{}`, `{"name":"back"}`, 200},
			{"/api/services/", `{"name":"new","image":"app","port":80}`, `{"name":"new","image":"app","port":81}`, 201},
			{"/api/users/", `{"kind":"machine","name":"new","permissions":["list"]}`, `{"kind":"machine","name":"new","permissions":["reveal"]}`, 201},
		} {
			header := "Idempotency-Key: " + uuid.NewString()
			send := func(body string) response { return c.do(t, "POST", tt.path, body, header) }
			first := send(tt.body)
			first.want(t, tt.status, `{<...>`)
			events := len(c.allEvents(t, "/api/events/?outcome=allowed"))
			again := send(tt.body)
			again.want(t, tt.status, first.body)
			for _, name := range []string{"Location", "ETag"} {
				if again.header.Get(name) != first.header.Get(name) {
					t.Errorf("%v has the %s %s, and at first %s", again, name, again.header.Get(name), first.header.Get(name))
				}
			}
			send(tt.other).want(t, 409, otherRequest)
			send(tt.body+" ").want(t, 409, otherRequest)
			c.do(t, "POST", "/api/secrets/", `{"name":"elsewhere"}`, header).want(t, 409, otherRequest)
			if now := len(c.allEvents(t, "/api/events/?outcome=allowed")); now != events {
				t.Errorf("%v was done again: %d events, and %d before", again, now, events)
			}
		}

		// What a first request made, and is gone, has no answer.
		header := "Idempotency-Key: " + uuid.NewString()
		id := c.do(t, "POST", "/api/secrets/", `{"name":"short"}`, header).want(t, 201, `{"id":"{ID}",<...>`)["ID"]
		c.do(t, "DELETE", "/api/secrets/"+id+"/", "").want(t, 204, "")
		c.do(t, "POST", "/api/secrets/", `{"name":"short"}`, header).want(t, 409, `{"detail":"This request was done before, and what it made is gone or has changed since."}`)

		// The text of a key is shown once.
		header = "Idempotency-Key: " + uuid.NewString()
		key := c.do(t, "POST", "/api/keys/", `{"name":"k"}`, header).want(t, 201, `{"id":"{ID}",<...>`)["ID"]
		c.do(t, "POST", "/api/keys/", `{"name":"k"}`, header).want(t, 409,
			`{"detail":"This request made the key `+key+` before. Its text is shown only once: delete this key and make another one."}`)
		c.get(t, "/api/keys/").want(t, 200, `{"count":3,<...>`)
	})
}

// A token belongs to a user. What failed is tried again.
func TestTokensAreOfAUserAndOfWhatWasDone(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		items, header := known.fill("/api/secrets/{S}/items/"), "Idempotency-Key: "+uuid.NewString()
		c.do(t, "POST", items, `{"key":"KEY","value":"PLANTED"}`, header).want(t, 400, `{<...>`)
		c.do(t, "POST", items, `{bad`, header).want(t, 400, `{<...>`)
		first := c.do(t, "POST", items, `{"key":"NEW","value":"PLANTED"}`, header)
		first.want(t, 201, `{<...>`)
		c.do(t, "POST", items, `{"key":"KEY","value":"PLANTED"}`, header).want(t, 409, otherRequest)
		c.do(t, "POST", items, `{"key":"NEW","value":"PLANTED"}`, "Idempotency-Key: "+uuid.NewString()).want(t, 400, `{"key":["secret item with this key already exists."]}`)
		other := c.machine(t, `"permissions":["list","write"]`)
		other.do(t, "POST", items, `{"key":"OTHER","value":"PLANTED"}`, header).want(t, 201, `{<...>`)
		c.do(t, "POST", items, `{"key":"NEW","value":"PLANTED"}`, header).want(t, 201, first.body)

		// A dry run leaves none, and other methods have none.
		c.do(t, "POST", items+"batch/?dry_run=true", `{"delete":["KEY"]}`, header).want(t, 200, `{<...>"dry_run":true<...>`)
		c.do(t, "PATCH", known.fill("/api/secrets/{S}/"), `{"name":"renamed"}`, header).want(t, 200, `{<...>`)
		c.do(t, "GET", items, "", header).want(t, 200, `{<...>`)
	})
}

func TestTokensHaveALength(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		c.do(t, "POST", "/api/secrets/", `{"name":"longest"}`, "Idempotency-Key: "+strings.Repeat("k", 255)).want(t, 201, `{<...>`)
		c.do(t, "POST", "/api/secrets/", `{"name":"too long"}`, "Idempotency-Key: "+strings.Repeat("k", 256)).want(t, 400, badToken)
		for _, values := range [][]string{{""}, {"a", "b"}, {"a", "a"}} {
			header := http.Header{"Authorization": {"Bearer " + c.key}, "Content-Type": {"application/json"}, "Idempotency-Key": values}
			c.send(t, "POST", "/api/secrets/", `{"name":"faulty"}`, header).want(t, 400, badToken)
		}
		c.get(t, "/api/secrets/").want(t, 200, `{"count":2,<...>`)
	})
}

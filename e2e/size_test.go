package e2e

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

const (
	maxBundle  = 65536
	tooLarge   = `{"secret":["The items of this secret are too large to be delivered to a service: as a JSON object they take more than 65536 bytes."]}`
	bundleFull = `"With this, the items of the secret, which services use, would take more than 65536 bytes as a JSON object."`
)

// bundleSize is the size of items as one JSON object, in bytes.
func bundleSize(t *testing.T, items map[string]string) int {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(items); err != nil {
		t.Fatal(err)
	}
	return b.Len() - len("\n")
}

// TestBundleSize: what services use is as large as a bundle may be, to the byte, and not
// larger: that is refused before anything is written.
func TestUsedSecretsFitABundle(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		for _, tt := range []struct{ name, unit string }{
			{"plain", "PLANTED"}, {"quotes", `"`}, {"control characters", "\x01"}, {"line separators", "\u2028"}, {"HTML", "<&>"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				// The filler is three fifths of a bundle. The rest fills it up exactly.
				filler := strings.Repeat(tt.unit, maxBundle*3/5/(bundleSize(t, map[string]string{"": tt.unit})-len(`{"":""}`)))
				rest := strings.Repeat("r", maxBundle-bundleSize(t, map[string]string{"FILLER": filler, "REST": ""}))
				if size := bundleSize(t, map[string]string{"FILLER": filler, "REST": rest}); size != maxBundle {
					t.Fatalf("bundleSize = %d, want %d", size, maxBundle)
				}
				secret := c.secret(t, tt.name)
				items, id := secret+"items/", strings.Split(secret, "/")[3]
				name := strings.ReplaceAll(strings.ToLower(tt.name), " ", "-")
				elsewhere := c.service(t, name+"-elsewhere", "")
				attach := func() response { return c.post(t, "/api/services/", with(name, "secret", quote(id))) }
				move := func() response { return c.do(t, "PATCH", elsewhere, `{"secret":"`+id+`"}`) }
				value := func(text string) string { return `{"value":` + quote(text) + `}` }

				// An unused secret may be larger, but then no service can use it.
				filled := c.item(t, secret, "FILLER", filler)
				last := c.item(t, secret, "REST", rest+"r")
				attach().want(t, 400, tooLarge)
				move().want(t, 400, tooLarge)
				c.do(t, "PATCH", last, value(rest)).want(t, 200, `{<...>`)
				c.do(t, "PATCH", last, `{"key":"REST_"}`).want(t, 200, `{<...>`)
				attach().want(t, 400, tooLarge)
				c.do(t, "PATCH", last, `{"key":"REST"}`).want(t, 200, `{<...>`)
				extra := c.item(t, secret, "E", "e")
				move().want(t, 400, tooLarge)
				c.do(t, "DELETE", extra, "").want(t, 204, "")

				// Exactly full, one or more services can use it.
				service := "/api/services/" + attach().want(t, 201, `{"id":"{ID}",<...>`)["ID"] + "/"
				move().want(t, 200, `{<...>`)

				// A used secret can't grow by a byte, on any route.
				list := c.get(t, items).body
				c.post(t, items, `{"key":"E","value":"e"}`).want(t, 400, `{"value":[`+bundleFull+`]}`)
				c.do(t, "PATCH", last, value(rest+"r")).want(t, 400, `{"value":[`+bundleFull+`]}`)
				c.do(t, "PATCH", last, value(rest[1:]+`"`)).want(t, 400, `{"value":[`+bundleFull+`]}`)
				c.do(t, "PATCH", filled, value(filler+tt.unit)).want(t, 400, `{"value":[`+bundleFull+`]}`)
				c.do(t, "PATCH", last, `{"key":"REST_"}`).want(t, 400, `{"key":[`+bundleFull+`]}`)
				c.do(t, "PATCH", last, `{"key":"REST_","value":`+quote(rest)+`}`).want(t, 400, `{"value":[`+bundleFull+`]}`)
				c.get(t, items).want(t, 200, list)

				// Changes that do not grow it succeed, and can make room for others.
				c.do(t, "PATCH", last, value(strings.ToUpper(rest))).want(t, 200, `{<...>`)
				c.do(t, "PATCH", last, `{"key":"TSER"}`).want(t, 200, `{<...>`)
				c.do(t, "PATCH", last, `{"key":"REST_","value":`+quote(rest[1:])+`}`).want(t, 200, `{<...>`)
				c.do(t, "PATCH", last, `{"key":"R"}`).want(t, 200, `{<...>`)
				c.do(t, "PATCH", last, `{"key":"REST"}`).want(t, 200, `{<...>`)
				c.do(t, "PATCH", last, value(rest)).want(t, 200, `{<...>`)
				c.do(t, "PATCH", last, value(rest+"r")).want(t, 400, `{"value":[`+bundleFull+`]}`)
				room := len(`,"E":"e"`)
				c.do(t, "PATCH", last, value(rest[room-1:])).want(t, 200, `{<...>`)
				c.post(t, items, `{"key":"E","value":"e"}`).want(t, 400, `{"value":[`+bundleFull+`]}`)
				c.do(t, "PATCH", last, value(rest[room:])).want(t, 200, `{<...>`)
				c.post(t, items, `{"key":"E","value":"e"}`).want(t, 201, `{<...>`)
				c.do(t, "DELETE", filled, "").want(t, 204, "")
				c.post(t, items, `{"key":"FILLER","value":`+quote(filler)+`}`).want(t, 201, `{<...>`)
				c.post(t, items, `{"key":"F","value":"f"}`).want(t, 400, `{"value":[`+bundleFull+`]}`)

				// Without services, the limit no longer applies.
				for _, path := range []string{service, elsewhere} {
					c.do(t, "DELETE", path, "").want(t, 204, "")
				}
				c.do(t, "PATCH", last, value(rest+rest)).want(t, 200, `{<...>`)
				attach().want(t, 400, tooLarge)
			})
		}
	})
}

// The JSON object around the largest value makes it too large for a bundle.
func TestLargestValueDoesNotFitABundle(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		secret := c.secret(t, "s")
		id := strings.Split(secret, "/")[3]
		item := c.item(t, secret, "K", strings.Repeat("v", maxBundle))
		c.post(t, "/api/services/", with("app", "secret", quote(id))).want(t, 400, tooLarge)
		// Every fault is reported, including this one.
		c.post(t, "/api/services/", `{"port":0,"secret":"`+id+`"}`).
			want(t, 400, `{"name":["This field is required."],"image":["This field is required."],"port":["`+portTooSmall+`"],`+tooLarge[1:])
		c.do(t, "PATCH", item, `{"value":"`+strings.Repeat("v", maxBundle-len(`{"K":""}`))+`"}`).want(t, 200, `{<...>`)
		c.post(t, "/api/services/", with("app", "secret", quote(id))).want(t, 201, `{<...>`)
		c.do(t, "PATCH", item, `{"value":"`+strings.Repeat("v", maxBundle)+`"}`).want(t, 400, `{"value":[`+bundleFull+`]}`)
		// The errors of the value itself come first.
		c.do(t, "PATCH", item, `{"value":"`+strings.Repeat("v", maxBundle+1)+`"}`).want(t, 400, `{"value":["Ensure this field has no more than 65536 bytes."]}`)
		c.post(t, secret+"items/", `{"key":"a b","value":"`+strings.Repeat("v", 1000)+`"}`).want(t, 400, `{"key":["`+badKey+`"]}`)
		c.get(t, secret).want(t, 200, usedSecretObject("<uuid>", `"s"`, "false"))
	})
}

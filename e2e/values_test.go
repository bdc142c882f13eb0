package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// itemBody is a decoded item.
type itemBody struct {
	ID             string  `json:"id"`
	Key            string  `json:"key"`
	Value          string  `json:"value"`
	LastAccessedAt *string `json:"last_accessed_at"`
	LastAccessedBy *string `json:"last_accessed_by"`
	CreatedAt      string  `json:"created_at"`
	UpdatedAt      string  `json:"updated_at"`
}

func (r response) item(t *testing.T) itemBody {
	t.Helper()
	var it itemBody
	if err := json.Unmarshal([]byte(r.body), &it); err != nil {
		t.Fatalf("%v = %s: %v", r, short(r.body), err)
	}
	return it
}

func characters(from, to rune) string {
	var b strings.Builder
	for r := from; r <= to; r++ {
		b.WriteRune(r)
	}
	return b.String()
}

const pem = "-----BEGIN PRIVATE KEY-----\n" +
	"MC4CAQAwBQYDK2VwBCIEIPLANTEDPLANTEDPLANTEDPLANTEDPLANTEDPLANTED\n" +
	"-----END PRIVATE KEY-----\n"

func TestValuesAreKeptByteForByte(t *testing.T) {
	cases := []struct {
		name, value string
		json        string // the encoding in the request; by default quote's
	}{
		{name: "one byte", value: "x"},
		{name: "one space", value: " "},
		{name: "one newline", value: "\n"},
		{name: "white space around", value: " \t PLANTED \r\n"},
		{name: "no-break spaces around", value: "\u00a0PLANTED\u3000\u2028"},
		{name: "newlines", value: "PLANTED\r\nline\n\nline\r"},
		{name: "quotes and backslashes", value: `PLANTED "double" 'single' \ \\ \n / \u0041`},
		{name: "HTML", value: "PLANTED<script>&amp;</script>"},
		{name: "emoji", value: "PLANTED 🔑👩‍👩‍👧‍👦🏳️‍🌈"},
		{name: "line separators", value: "PLANTED\u2028\u2029"},
		{name: "PEM", value: pem},
		{name: "PEM with CRLF", value: strings.ReplaceAll(pem, "\n", "\r\n")},
		{name: "every control character but NUL", value: "PLANTED" + characters(0x01, 0x1f) + characters(0x7f, 0x9f)},
		{name: "every ASCII character", value: "PLANTED" + characters(0x20, 0x7e)},
		{name: "every escape", value: "PLANTED\"\\/\b\f\n\r\tA\u00e9\u20ac😀\x7f", json: `"PLANTED\"\\\/\b\f\n\r\t\u0041\u00E9\u20ac\uD83D\uDE00\u007F"`},
		{name: "all of it escaped", value: "PLANTED", json: `"\u0050\u004c\u0041\u004e\u0054\u0045\u0044"`},
		{name: "composed", value: "PLANTED \u00e9 \ufb01 \u212b"},
		{name: "decomposed", value: "PLANTED e\u0301 A\u030a"},
		{name: "byte order mark", value: "\ufeffPLANTED"},
		{name: "not characters", value: "PLANTED\ufffd\ufffe\uffff\U0010ffff\U0001fffe"},
		{name: "looks like JSON", value: `{"value":"PLANTED","value":null}`},
		{name: "looks like a number", value: "0012.50e3"},
		{name: "looks like null", value: "null"},
		{name: "seven stars", value: "*******"},
		{name: "nine stars", value: "*********"},
		{name: "the mask and a space", value: "******** "},
		{name: "64 KiB", value: "PLANTED" + strings.Repeat("v", 64*1024-7)},
		{name: "64 KiB of emoji", value: strings.Repeat("🔑", 16*1024)},
		{name: "64 KiB of newlines", value: strings.Repeat("\n", 64*1024)},
		{name: "64 KiB, all escaped", value: strings.Repeat("\x01", 64*1024), json: `"` + strings.Repeat(`\u0001`, 64*1024) + `"`},
	}
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		items := c.secret(t, "values") + "items/"
		kept := c.item(t, strings.TrimSuffix(items, "items/"), "updated", "PLANTED")
		for i, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				sent := tc.json
				if sent == "" {
					sent = quote(tc.value)
				}
				created := c.post(t, items, fmt.Sprintf(`{"key":"k%d","value":%s}`, i, sent))
				created.want(t, 201, itemObject("<uuid>", "<uuid>", fmt.Sprintf("k%d", i)))
				c.do(t, "PATCH", kept, `{"value":`+sent+`}`)
				for _, path := range []string{items + created.item(t).ID + "/", kept} {
					r := c.get(t, path)
					if r.status != 200 {
						t.Fatalf("%v = %d %s, want 200", r, r.status, short(r.body))
					}
					if got := r.item(t).Value; got != tc.value {
						t.Errorf("%v = value %q, want %q", r, short(got), short(tc.value))
					}
				}
			})
		}
	})
}

func TestInvalidValuesAreRefused(t *testing.T) {
	const noString = "Not a valid string."
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		items := known.fill("/api/secrets/{S}/items/")
		for _, tc := range []struct{ value, fault string }{
			{`""`, blank},
			{`null`, null},
			{`8`, noString}, {`8.5`, noString}, {`1e3`, noString}, {`true`, noString}, {`false`, noString}, {`["PLANTED"]`, noString}, {`{"PLANTED":"PLANTED"}`, noString}, {`[]`, noString}, {`{}`, noString},
			{`"\u0000"`, hasNUL}, {`"PLANTED\u0000"`, hasNUL},
			{`"********"`, "This is the mask, not a value."}, {`"\u002a*******"`, "This is the mask, not a value."},
			{`"<repeat:v:65537>"`, "<reason>"}, {`"<repeat:🔑:16385>"`, "<reason>"}, {`"x<repeat:🔑:16384>"`, "<reason>"}, {`"<repeat:\n:65537>"`, "<reason>"},
		} {
			value := vars{}.fill(tc.value)
			want := `{"value":["` + tc.fault + `"]}`
			c.post(t, items, `{"key":"NEW","value":`+value+`}`).want(t, 400, want)
			c.do(t, "PATCH", items+known["I"]+"/", `{"value":`+value+`}`).want(t, 400, want)
			c.do(t, "PATCH", items+known["I"]+"/", `{"key":"NEW","value":`+value+`}`).want(t, 400, want)
		}
		c.get(t, items).want(t, 200, known.fill(page("1", itemObject("{I}", "{S}", "KEY"))))
		c.get(t, items+known["I"]+"/").want(t, 200, known.fill(readItemObject("{I}", "{S}", "KEY", `"PLANTED"`, "{USER}")))
	})
}

// An update without changes does not move updated_at.
func TestUpdateKeepsOmittedFields(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		path := known.fill("/api/secrets/{S}/items/{I}/")
		list := known.fill("/api/secrets/{S}/items/")
		read := c.get(t, path)
		masked := strings.Replace(read.body, `"PLANTED"`, `"********"`, 1)
		for _, body := range []string{`{}`, ``, `{"key":"KEY"}`, `{"key":" KEY\n"}`, `{"unknown":1}`, `{"updated_at":null,"id":null}`} {
			c.do(t, "PATCH", path, body).want(t, 200, masked)
			c.get(t, list).want(t, 200, page("1", masked))
		}
		before := read.item(t)

		renamed := c.do(t, "PATCH", path, `{"key":"RENAMED"}`)
		renamed.want(t, 200, known.fill(readItemObject("{I}", "{S}", "RENAMED", `"********"`, "{USER}")))
		after := renamed.item(t)
		if after.UpdatedAt <= before.UpdatedAt || after.CreatedAt != before.CreatedAt || *after.LastAccessedAt != *before.LastAccessedAt {
			t.Errorf("%v = %+v after %+v, want a later updated_at and nothing else", renamed, after, before)
		}
		again := c.get(t, path)
		again.want(t, 200, known.fill(readItemObject("{I}", "{S}", "RENAMED", `"PLANTED"`, "{USER}")))
		if got := again.item(t); got.UpdatedAt != after.UpdatedAt || *got.LastAccessedAt <= *after.LastAccessedAt {
			t.Errorf("%v = %+v after %+v, want a later last_accessed_at and the same updated_at", again, got, after)
		}
		// The old key is free, and the new one is in use.
		c.post(t, list, `{"key":"RENAMED","value":"PLANTED"}`).want(t, 400, `{"key":["secret item with this key already exists."]}`)
		c.post(t, list, `{"key":"KEY","value":"PLANTED 2"}`).want(t, 201, known.fill(itemObject("<uuid>", "{S}", "KEY")))
		c.do(t, "PATCH", path, `{"key":"KEY","value":"PLANTED lost"}`).want(t, 400, `{"key":["secret item with this key already exists."]}`)
		c.get(t, path).want(t, 200, known.fill(readItemObject("{I}", "{S}", "RENAMED", `"PLANTED"`, "{USER}")))
		// An update can change both.
		c.do(t, "PATCH", path, `{"key":"BOTH","value":"PLANTED both"}`).want(t, 200, known.fill(readItemObject("{I}", "{S}", "BOTH", `"********"`, "{USER}")))
		c.get(t, path).want(t, 200, known.fill(readItemObject("{I}", "{S}", "BOTH", `"PLANTED both"`, "{USER}")))
		// An equal value counts as a new value, so answers do not reveal that it is equal.
		before = c.do(t, "PATCH", path, `{"value":"PLANTED both"}`).item(t)
		after = c.do(t, "PATCH", path, `{"value":"PLANTED both"}`).item(t)
		if after.UpdatedAt <= before.UpdatedAt {
			t.Errorf("PATCH %s with the same value = updated_at %s, want it later than %s", path, after.UpdatedAt, before.UpdatedAt)
		}
	})
}

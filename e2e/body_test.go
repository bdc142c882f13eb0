package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// writes are the routes that read a body, each with a valid one.
var writes = []struct{ method, path, good string }{
	{"POST", "/api/secrets/", `{"name":"good"}`},
	{"PATCH", "/api/secrets/{S}/", `{"name":"good"}`},
	{"POST", "/api/secrets/{S}/items/", `{"key":"good","value":"PLANTED"}`},
	{"PATCH", "/api/secrets/{S}/items/{I}/", `{"key":"good","value":"PLANTED"}`},
	{"POST", "/api/services/", `{"name":"good","image":"app","port":80}`},
	{"PATCH", "/api/services/{V}/", `{"name":"good"}`},
}

// refused is a body that every writing route refuses with the same answer.
type refused struct {
	name, body string
	header     []string
	status     int
	want       string
}

func TestInvalidBodiesAreRefused(t *testing.T) {
	const parseError = `{"detail":"JSON parse error - <reason>"}`
	notObject := func(kind string) string {
		return `{"non_field_errors":["Invalid data. Expected a dictionary, but got ` + kind + `."]}`
	}
	cases := []refused{
		{name: "text/plain", body: `{"name":"PLANTED"}`, header: []string{"Content-Type: text/plain"}, status: 415, want: `{"detail":"Unsupported media type \"text/plain\" in request."}`},
		{name: "xml", body: `<a/>`, header: []string{"Content-Type: application/xml"}, status: 415, want: `{"detail":"Unsupported media type \"application/xml\" in request."}`},
		{name: "vendor's JSON", body: `{"name":"x"}`, header: []string{"Content-Type: application/vnd.api+json"}, status: 415, want: `{"detail":"Unsupported media type \"application/vnd.api+json\" in request."}`},
		{name: "form", body: `name=x&value=PLANTED`, header: []string{"Content-Type: application/x-www-form-urlencoded"}, status: 415, want: `{"detail":"Unsupported media type \"application/x-www-form-urlencoded\" in request."}`},
		{name: "multipart", body: `--x`, header: []string{"Content-Type: multipart/form-data; boundary=x"}, status: 415, want: `{"detail":"Unsupported media type \"multipart/form-data; boundary=x\" in request."}`},
		{name: "no media type", body: `{"name":"x"}`, header: []string{"Content-Type: json"}, status: 415, want: `{"detail":"Unsupported media type \"json\" in request."}`},
		{name: "type before syntax", body: `{bad`, header: []string{"Content-Type: text/plain"}, status: 415, want: `{"detail":"Unsupported media type \"text/plain\" in request."}`},

		{name: "bad", body: `{bad`, status: 400, want: parseError},
		{name: "not JSON at all", body: `name=PLANTED`, status: 400, want: parseError},
		{name: "truncated object", body: `{"name":"x","key":"x","value":"PLANTED"`, status: 400, want: parseError},
		{name: "truncated string", body: `{"name":"PLANTED`, status: 400, want: parseError},
		{name: "truncated escape", body: `{"name":"\u12"}`, status: 400, want: parseError},
		{name: "unknown escape", body: `{"name":"\x41"}`, status: 400, want: parseError},
		{name: "raw newline in a string", body: "{\"value\":\"PLANTED\n\"}", status: 400, want: parseError},
		{name: "raw control character in a string", body: "{\"value\":\"PLANTED\x01\"}", status: 400, want: parseError},
		{name: "trailing data", body: `{"name":"x"} PLANTED`, status: 400, want: parseError},
		{name: "two objects", body: `{"name":"x"}{"name":"y"}`, status: 400, want: parseError},
		{name: "trailing comma", body: `{"name":"x",}`, status: 400, want: parseError},
		{name: "single quotes", body: `{'name':'x'}`, status: 400, want: parseError},
		{name: "comment", body: `{"name":"x"/**/}`, status: 400, want: parseError},
		{name: "NaN", body: `{"name":NaN}`, status: 400, want: parseError},
		{name: "Infinity", body: `{"name":-Infinity}`, status: 400, want: parseError},
		{name: "leading zero", body: `{"name":01}`, status: 400, want: parseError},
		{name: "plus sign", body: `{"name":+1}`, status: 400, want: parseError},
		{name: "white space only", body: " \n", status: 400, want: parseError},
		{name: "NUL byte", body: "\x00", status: 400, want: parseError},
		{name: "bad UTF-8 in a string", body: "{\"name\":\"a\xff\",\"key\":\"k\",\"value\":\"PLANTED\xff\"}", status: 400, want: parseError},
		{name: "bad UTF-8 in an unknown field", body: "{\"name\":\"a\",\"key\":\"k\",\"value\":\"PLANTED\",\"\xc3\x28\":1}", status: 400, want: parseError},
		{name: "Latin-1", body: "{\"name\":\"caf\xe9\",\"key\":\"k\",\"value\":\"PLANTED\xe9\"}", header: []string{"Content-Type: application/json; charset=latin1"}, status: 400, want: parseError},
		{name: "surrogate in UTF-8", body: "{\"name\":\"\xed\xa0\x80\",\"key\":\"k\",\"value\":\"\xed\xa0\x80\"}", status: 400, want: parseError},
		{name: "UTF-16", body: "\xff\xfe{\x00}\x00", status: 400, want: parseError},
		{name: "byte order mark", body: "\ufeff{\"name\":\"x\"}", status: 400, want: parseError},
		{name: "deep nesting", body: strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), status: 400, want: parseError},
		{name: "deep nesting in an unknown field", body: `{"x":` + strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000) + "}", status: 400, want: parseError},
		{name: "open nesting", body: strings.Repeat("[", 5000), status: 400, want: parseError},

		{name: "list", body: `[]`, status: 400, want: notObject("list")},
		{name: "list of objects", body: `[{"name":"PLANTED"}]`, status: 400, want: notObject("list")},
		{name: "string", body: ` "PLANTED" `, status: 400, want: notObject("str")},
		{name: "integer", body: `5`, status: 400, want: notObject("int")},
		{name: "negative integer", body: `-5`, status: 400, want: notObject("int")},
		{name: "float", body: `5.5`, status: 400, want: notObject("float")},
		{name: "float by exponent", body: `5e5`, status: 400, want: notObject("float")},
		{name: "true", body: `true`, status: 400, want: notObject("bool")},
		{name: "false", body: "\r\n\tfalse", status: 400, want: notObject("bool")},
		{name: "null", body: ` null `, status: 400, want: `{"non_field_errors":["No data provided"]}`},

		{name: "larger than 512 KiB", body: `{"name":"x","key":"x","value":"` + strings.Repeat("x", 512*1024) + `"}`, status: 413, want: `{"detail":"Request body too large."}`},
		{name: "too large, of an unsupported type", body: strings.Repeat("x", 600_000), header: []string{"Content-Type: text/plain"}, status: 413, want: `{"detail":"Request body too large."}`},
	}
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		service := c.get(t, known.fill("/api/services/{V}/")).body
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				for _, w := range writes {
					c.do(t, w.method, known.fill(w.path), tc.body, tc.header...).want(t, tc.status, tc.want)
				}
			})
		}
		// A body may have exactly 512 KiB.
		for more, status := range map[int]int{0: 200, 1: 413} {
			body := `{"name":"mine"}` + strings.Repeat(" ", 512*1024+more-len(`{"name":"mine"}`))
			if r := c.do(t, "PATCH", known.fill("/api/secrets/{S}/"), body); r.status != status {
				t.Errorf("%v with %d bytes = %d %s, want %d", r, len(body), r.status, r.body, status)
			}
		}
		// None of these requests had an effect.
		c.get(t, "/api/secrets/").want(t, 200, known.fill(page("2", usedSecretObject("<uuid>", `"Default"`, "true")+","+secretObject("{S}", `"mine"`, "false"))))
		c.get(t, "/api/services/").want(t, 200, page("1", service))
		c.get(t, known.fill("/api/secrets/{S}/items/")).want(t, 200, known.fill(page("1", itemObject("{I}", "{S}", "KEY"))))
		c.get(t, known.fill("/api/secrets/{S}/items/{I}/")).want(t, 200, known.fill(readItemObject("{I}", "{S}", "KEY", `"PLANTED"`, "{USER}")))
	})
}

// API Gateway itself refuses a body of more than 10 MB, its own limit, and one of more than
// 6 MB, Lambda's limit.
func TestGatewayRefusesLargeBodies(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		for _, size := range []int{7 << 20, 10<<20 + 1} {
			c.post(t, "/api/secrets/", strings.Repeat("x", size)).want(t, 413, `{"detail":"Request body too large."}`)
		}
	})
}

// A missing object is reported before a body that cannot be read.
func TestMissingObjectsAreReportedBeforeBodies(t *testing.T) {
	bodies := []refused{
		{name: "type", body: `x`, header: []string{"Content-Type: text/plain"}},
		{name: "syntax", body: `{bad`},
		{name: "size", body: strings.Repeat("x", 600_000)},
		{name: "fields", body: `{"name":"","key":"","value":""}`},
		{name: "null", body: `null`},
	}
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		for _, tc := range bodies {
			for _, path := range []string{
				"/api/secrets/" + unknownID + "/", "/api/secrets/{S}/items/" + unknownID + "/", "/api/secrets/" + unknownID + "/items/{I}/",
				"/api/secrets/x/", "/api/services/" + unknownID + "/", "/api/services/x/",
			} {
				c.do(t, "PATCH", known.fill(path), tc.body, tc.header...).want(t, 404, notFound)
			}
			for _, path := range []string{"/api/secrets/" + unknownID + "/items/", "/api/secrets/x/items/"} {
				c.do(t, "POST", path, tc.body, tc.header...).want(t, 404, notFound)
			}
			c.do(t, "PUT", "/api/services/"+unknownID+"/", tc.body, tc.header...).want(t, 405, `{"detail":"Method \"PUT\" not allowed."}`)
			c.do(t, "PUT", known.fill("/api/secrets/{S}/"), tc.body, tc.header...).want(t, 405, `{"detail":"Method \"PUT\" not allowed."}`)
			c.do(t, "POST", "/api/nothing/", tc.body, tc.header...).want(t, 404, notFound)
		}
	})
}

func TestUnusualValidBodiesAreAccepted(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		service := c.get(t, known.fill("/api/services/{V}/")).body
		for i, contentType := range []string{
			"application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON", "application/json; profile=\"x\"", "",
		} {
			name := fmt.Sprintf("type %d", i)
			c.do(t, "POST", "/api/secrets/", `{"name":"`+name+`"}`, "Content-Type: "+contentType).want(t, 201, secretObject("<uuid>", `"`+name+`"`, "false"))
		}
		// An empty body is an empty object, whatever its type.
		for _, contentType := range []string{"", "application/json", "text/plain", "application/x-www-form-urlencoded", "nonsense"} {
			c.do(t, "POST", "/api/secrets/", "", "Content-Type: "+contentType).want(t, 400, `{"name":["This field is required."]}`)
			c.do(t, "POST", known.fill("/api/secrets/{S}/items/"), "", "Content-Type: "+contentType).
				want(t, 400, `{"key":["This field is required."],"value":["This field is required."]}`)
			c.do(t, "POST", "/api/services/", "", "Content-Type: "+contentType).
				want(t, 400, `{"name":["This field is required."],"image":["This field is required."],"port":["This field is required."]}`)
			c.do(t, "PATCH", known.fill("/api/services/{V}/"), "", "Content-Type: "+contentType).want(t, 200, service)
			c.do(t, "PATCH", known.fill("/api/secrets/{S}/"), "", "Content-Type: "+contentType).want(t, 200, known.fill(secretObject("{S}", `"mine"`, "false")))
			c.do(t, "PATCH", known.fill("/api/secrets/{S}/items/{I}/"), "", "Content-Type: "+contentType).want(t, 200, known.fill(itemObject("{I}", "{S}", "KEY")))
		}
		// GET and DELETE ignore a body.
		c.do(t, "GET", known.fill("/api/secrets/{S}/"), "{bad", "Content-Type: text/plain").want(t, 200, known.fill(secretObject("{S}", `"mine"`, "false")))
		c.do(t, "GET", known.fill("/api/services/{V}/"), "{bad", "Content-Type: text/plain").want(t, 200, service)
		c.do(t, "DELETE", known.fill("/api/services/{V}/"), "{bad", "Content-Type: text/plain").want(t, 204, "")
		c.do(t, "DELETE", known.fill("/api/secrets/{S}/items/{I}/"), "{bad", "Content-Type: text/plain").want(t, 204, "")
	})
}

package e2e

import (
	"strings"
	"testing"
)

// parameters are those of some routes. No other route has any.
var parameters = map[string]string{
	"GET /api/secrets/":                      "cursor, deleted, name, page_size",
	"DELETE /api/secrets/{S}/":               "permanent",
	"GET /api/secrets/{S}/items/":            "cursor, deleted, key, page_size",
	"DELETE /api/secrets/{S}/items/{I}/":     "permanent",
	"POST /api/secrets/{S}/items/batch/":     "dry_run",
	"GET /api/secrets/compare/":              "a, b",
	"GET /api/services/":                     "cursor, name, page_size, secret",
	"GET /api/users/":                        "cursor, page_size",
	"GET /api/keys/":                         "cursor, page_size, user",
	"DELETE /api/keys/{K}/":                  "made",
	"GET /api/review/":                       "cursor",
	"GET /api/events/":                       "action, cursor, format, key, outcome, page_size, secret, since, until, user",
	"GET /api/secrets/{S}/events/":           "action, cursor, format, key, outcome, page_size, since, until, user",
	"GET /api/secrets/{S}/items/{I}/events/": "action, cursor, format, key, outcome, page_size, since, until, user",
}

// A filter that was ignored would make a script take the first object of a list for the one that it asked
// for. A request with an unknown parameter does nothing, and charges nothing.
func TestUnknownParametersAreRefused(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		for path, methods := range paths {
			for _, method := range methods {
				want := "Unknown parameter. This route has none."
				if all := parameters[method+" "+path]; all != "" {
					want = "Unknown parameter. Known: " + all + "."
				}
				body := ""
				if method == "POST" || method == "PATCH" {
					body = `{"name":"n","key":"k","value":"PLANTED"}`
				}
				c.do(t, method, known.fill(path)+"?search=a&%3F=%E2%82%AC&Cursor=", body).want(t, 400,
					`{"?":["`+want+`"],"Cursor":["`+want+`"],"search":["`+want+`"]}`)
			}
		}
		c.get(t, "/api/secrets/?").want(t, 200, `{"count":2,<...>`) // nothing was created or deleted
		c.get(t, "/api/services/").want(t, 200, `{"count":1,<...>`)
		c.get(t, "/api/users/").want(t, 200, `{"count":2,<...>`)
		c.get(t, "/api/keys/").want(t, 200, `{"count":2,<...>`)
		c.get(t, "/api/budget/").want(t, 200, `{<...>"left":100,<...>`)
		c.get(t, "/api/secrets/?name=mine&name=other").want(t, 400, `{"name":["This parameter may be given only once."]}`)
	})
}

// ?name= and ?key= find the one object with exactly that name, which is trimmed like a stored one.
func TestListsFindOneObjectByName(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		secret := secretObject("{S}", `"mine"`, "false")
		item := itemObject("{I}", "{S}", "KEY")
		known["D"] = c.get(t, "/api/secrets/?name=Default").page(t).Results[0].ID
		service := serviceObject("{V}", `"mine"`, `"app"`, "80", "null", "{D}")
		known["O"] = strings.Split(c.secret(t, `tést & "more" +%?;`), "/")[3]
		for _, tt := range []struct{ query, want string }{
			{"/api/secrets/?name=mine", secret},
			{"/api/secrets/?name=%20mine%0A&page_size=1", secret},
			{"/api/secrets/?name=t%C3%A9st+%26+%22more%22+%2B%25%3F%3B", secretObject("{O}", `"tést & \"more\" +%?;"`, "false")},
			{"/api/secrets/?name=Mine", ""},
			{"/api/secrets/?name=min", ""},
			{"/api/secrets/?name=te%CC%81st+%26+%22more%22+%2B%25%3F%3B", ""}, // the same letter, decomposed
			{"/api/secrets/{S}/items/?key=KEY", item},
			{"/api/secrets/{S}/items/?key=key", ""},
			{"/api/secrets/{O}/items/?key=KEY", ""},
			{"/api/services/?name=mine", service},
			{"/api/services/?name=mine&secret={D}", service},
			{"/api/services/?name=mine&secret={S}", ""},
			{"/api/services/?name=min", ""},
		} {
			count := "1"
			if tt.want == "" {
				count = "0"
			}
			c.get(t, known.fill(tt.query)).want(t, 200, known.fill(page(count, tt.want)))
		}
		for query, want := range map[string]string{
			"/api/secrets/?name=":                                      `{"name":["` + blank + `"]}`,
			"/api/secrets/?name=%20":                                   `{"name":["` + blank + `"]}`,
			"/api/secrets/{S}/items/?key=a%20b":                        `{"key":["` + badKey + `"]}`,
			"/api/secrets/{S}/items/?key=" + strings.Repeat("k", 2000): `{"key":["Ensure this field has no more than 253 characters."]}`,
			"/api/services/?name=A":                                    `{"name":["` + badLabel + `"]}`,
			"/api/services/?secret=":                                   `{"secret":["Invalid pk \"\" - object does not exist."]}`,
			"/api/services/?name=mine&secret=" + unknownID:             `{"secret":["Invalid pk \"` + unknownID + `\" - object does not exist."]}`,
			"/api/secrets/?name=mine&cursor=":                          `{"cursor":["A cursor does not go with name."]}`,
			"/api/secrets/{S}/items/?key=KEY&cursor=x":                 `{"cursor":["A cursor does not go with key."]}`,
		} {
			c.get(t, known.fill(query)).want(t, 400, want)
		}
		c.get(t, "/api/secrets/"+unknownID+"/items/?key=KEY").want(t, 404, notFound)
		// What is renamed or deleted is found by its new name, or not at all.
		c.do(t, "PATCH", known.fill("/api/secrets/{S}/"), `{"name":"renamed"}`)
		c.get(t, "/api/secrets/?name=mine").want(t, 200, page("0", ""))
		c.get(t, "/api/secrets/?name=renamed").want(t, 200, known.fill(page("1", secretObject("{S}", `"renamed"`, "false"))))
		c.do(t, "DELETE", known.fill("/api/secrets/{S}/items/{I}/"), "")
		c.get(t, known.fill("/api/secrets/{S}/items/?key=KEY")).want(t, 200, page("0", ""))
		// Another account finds nothing of it.
		stranger := tg.client(t)
		stranger.get(t, "/api/secrets/?name=renamed").want(t, 200, page("0", ""))
		stranger.get(t, known.fill("/api/secrets/{S}/items/?key=KEY")).want(t, 404, notFound)
	})
}

// A filter has the limits of the name or key that it finds.
func TestFiltersHaveTheLimitsOfNames(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		for filter, most := range map[string]int{
			"/api/secrets/?name=": 255, "/api/secrets/{S}/items/?key=": 253, "/api/services/?name=": 63,
		} {
			for length, status := range map[int]int{0: 400, 1: 200, most: 200, most + 1: 400} {
				if r := c.get(t, known.fill(filter)+strings.Repeat("a", length)); r.status != status {
					t.Errorf("%v = %d %s, want %d for %d characters", r, r.status, short(r.body), status, length)
				}
			}
		}
	})
}

// The answer names a taken name together with the faults of the other fields.
func TestDuplicatesAreNamedWithOtherFaults(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		items := known.fill("/api/secrets/{S}/items/")
		other := c.item(t, known.fill("/api/secrets/{S}/"), "OTHER", "value")
		service := c.service(t, "other", "")
		const (
			keyTaken  = `"key":["secret item with this key already exists."]`
			nameTaken = `"name":["service with this name already exists."]`
		)
		noValue := `"value":["` + blank + `"]`
		badPort := `"port":["` + portTooSmall + `"]`
		for _, tt := range []struct{ request, body, want string }{
			{"POST " + items, `{"key":" KEY","value":""}`, keyTaken + "," + noValue},
			{"POST " + items, `{"key":"NEW","value":""}`, noValue},
			{"PATCH " + other, `{"key":"KEY","value":""}`, keyTaken + "," + noValue},
			{"PATCH " + other, `{"key":"OTHER","value":""}`, noValue},
			{"POST /api/services/", `{"name":"mine","image":"a","port":0}`, nameTaken + "," + badPort},
			{"POST /api/services/", `{"name":"mine","image":"a","port":1,"secret":"x"}`, nameTaken + `,"secret":["Invalid pk \"x\" - object does not exist."]`},
			{"POST /api/services/", `{"name":"new","image":"a","port":0}`, badPort},
			{"PATCH " + service, `{"name":"mine","port":0}`, nameTaken + "," + badPort},
			{"PATCH " + service, `{"name":"other","port":0}`, badPort},
		} {
			method, path, _ := strings.Cut(tt.request, " ")
			c.do(t, method, path, tt.body).want(t, 400, "{"+tt.want+"}")
		}
	})
}

// A PATCH of an unchanged name or key, also one with spaces around it, changes nothing: no time moves.
func TestUnchangedNamesMoveNothing(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		for path, body := range map[string]string{
			"/api/secrets/{S}/":           `{"name":" mine "}`,
			"/api/secrets/{S}/items/{I}/": `{"key":"KEY\n"}`,
			"/api/services/{V}/":          `{"name":" mine"}`,
		} {
			path = known.fill(path)
			list := path[:strings.LastIndex(strings.TrimSuffix(path, "/"), "/")+1]
			before := c.get(t, list).body
			r := c.do(t, "PATCH", path, body)
			// The default secret may be delivered meanwhile, and change.
			after, same := c.get(t, list).body, strings.TrimSpace(r.body)
			if r.status != 200 || !strings.Contains(before, same) || !strings.Contains(after, same) {
				t.Errorf("%v = %d %s, and the list became\n%s, want it unchanged there:\n%s", r, r.status, r.body, after, before)
			}
		}
	})
}

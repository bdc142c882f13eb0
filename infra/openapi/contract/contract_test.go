package contract_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"goblins-secrets/infra/openapi/contract"
)

const (
	item = "/api/secrets/01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60/items/01936e1d-0c11-7d02-9b7e-6f0a4d3c2b18/"
	list = "/api/secrets/"
	row  = `{"id":"01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60","name":"s","is_default":false,"status":"ready","deploy_successful":true,` +
		`"created_at":"2026-03-01T10:00:00.000000Z","bundle":null}`
	masked = `{"id":"01936e1d-0c11-7d02-9b7e-6f0a4d3c2b18","secret":"01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60","key":"K","value":"********",` +
		`"last_accessed_at":null,"last_accessed_by":null,"created_at":"2026-03-01T10:00:05.000000Z","updated_at":"2026-03-01T10:00:05.000000Z"}`
)

func load(t *testing.T) *contract.Contract {
	t.Helper()
	c, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// exchange is a correct one, with headers of all answers, before change breaks it.
func exchange(method, path, body string, status int, answer string, change func(*contract.Exchange)) contract.Exchange {
	x := contract.Exchange{Method: method, Path: path, Body: []byte(body), Status: status, Answer: []byte(answer), Header: http.Header{
		"Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"}, "Content-Type": {"application/json"}, "Date": {"now"},
	}}
	if change != nil {
		change(&x)
	}
	return x
}

func TestCorrectExchangesPass(t *testing.T) {
	c := load(t)
	located := func(x *contract.Exchange) { x.Header["Location"] = []string{"https://api.example.com" + list + "1/"} }
	for name, x := range map[string]contract.Exchange{
		"page":                  exchange("GET", list, "", 200, `{"count":1,"next":null,"previous":null,"results":[`+row+`]}`, nil),
		"without its slash":     exchange("GET", "/api/secrets?page_size=0&name=%20s%20", "", 200, `{"count":0,"next":null,"previous":null,"results":[]}`, nil),
		"creation":              exchange("POST", list, `{"name":" s ","id":7,"more":[]}`, 201, row, located),
		"number as a name":      exchange("POST", list, `{"name":1e400}`, 201, row, located),
		"longest padded name":   exchange("POST", list, `{"name":"\u2003`+strings.Repeat("é", 255)+`\n"}`, 201, row, located),
		"empty change":          exchange("PATCH", item, ``, 200, masked, nil),
		"deletion":              exchange("DELETE", item, ``, 204, ``, nil),
		"refused field":         exchange("POST", list, `{"name":""}`, 400, `{"name":["This field may not be blank."]}`, nil),
		"taken name":            exchange("POST", list, `{"name":"s"}`, 400, `{"name":["secret with this name already exists."]}`, nil),
		"no JSON":               exchange("POST", list, `{`, 400, `{"detail":"JSON parse error - malformed at byte 1."}`, nil),
		"other method":          exchange("PUT", list, ``, 405, `{"detail":"Method \"PUT\" not allowed."}`, func(x *contract.Exchange) { x.Header["Allow"] = []string{"GET, POST, OPTIONS"} }),
		"unknown path":          exchange("GET", "/api/x/", ``, 404, `{"detail":"Not found."}`, nil),
		"unauthorized anywhere": exchange("GET", "/api/x/", ``, 401, `{"detail":"Invalid or missing API key."}`, nil),
	} {
		if err := c.Check(x); err != nil {
			t.Errorf("%s: Check = %v, want nil", name, err)
		}
	}
}

// Each exchange differs in one point from a correct one.
func TestBrokenExchangesAreFound(t *testing.T) {
	c := load(t)
	page := `{"count":1,"next":null,"previous":null,"results":[` + row + `]}`
	for name, x := range map[string]contract.Exchange{
		"a field is missing":                           exchange("GET", list, "", 200, strings.Replace(page, `"is_default":false,`, "", 1), nil),
		"a field more":                                 exchange("GET", list, "", 200, strings.Replace(page, `"is_default"`, `"is_hidden":true,"is_default"`, 1), nil),
		"a field more in a page":                       exchange("GET", list, "", 200, strings.Replace(page, `"count"`, `"total":1,"count"`, 1), nil),
		"another type":                                 exchange("GET", list, "", 200, strings.Replace(page, "false", `"no"`, 1), nil),
		"another status of a secret":                   exchange("GET", list, "", 200, strings.Replace(page, "ready", "fine", 1), nil),
		"a value in the clear":                         exchange("PATCH", item, `{}`, 200, strings.Replace(masked, "********", "PLANTED", 1), nil),
		"another status":                               exchange("GET", list, "", 202, page, nil),
		"a documented failure that is none of its own": exchange("GET", list, "", 409, `{"detail":"Conflict."}`, nil),
		"another shape of a failure":                   exchange("GET", item, "", 404, `{"error":"Not found."}`, nil),
		"a body where none is":                         exchange("DELETE", item, ``, 204, `{}`, nil),
		"no body":                                      exchange("GET", list, "", 200, ``, nil),
		"a header more":                                exchange("GET", list, "", 200, page, func(x *contract.Exchange) { x.Header["X-Powered-By"] = []string{"us"} }),
		"a header is missing":                          exchange("GET", list, "", 200, page, func(x *contract.Exchange) { delete(x.Header, "Cache-Control") }),
		"another value of a header":                    exchange("GET", list, "", 200, page, func(x *contract.Exchange) { x.Header["Cache-Control"] = []string{"public"} }),
		"a creation without address":                   exchange("POST", list, `{"name":"s"}`, 201, row, nil),
		"too long, and accepted":                       exchange("PATCH", list+"01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60/", `{"name":"`+strings.Repeat("a", 256)+`"}`, 200, row, nil),
		"a boolean, and accepted":                      exchange("PATCH", list+"01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60/", `{"name":true}`, 200, row, nil),
		"unknown, and accepted":                        exchange("GET", list+"?search=x", "", 200, page, nil),
		"right, and refused":                           exchange("POST", list, `{"name":"s"}`, 400, `{"name":["Ensure this field has no more than 0 characters."]}`, nil),
		"known, and refused":                           exchange("GET", list+"?name=s", "", 400, `{"name":["Unknown parameter. Known: cursor."]}`, nil),
		"another Allow":                                exchange("PUT", list, ``, 405, `{"detail":"No."}`, func(x *contract.Exchange) { x.Header["Allow"] = []string{"GET, OPTIONS"} }),
		"a refusal with a header more": exchange("PUT", list, ``, 405, `{"detail":"No."}`, func(x *contract.Exchange) {
			x.Header["Allow"], x.Header["X-Powered-By"] = []string{"GET, POST, OPTIONS"}, []string{"us"}
		}),
		"a refusal without a body":     exchange("GET", "/api/x/", ``, 404, ``, nil),
		"an unknown path that answers": exchange("GET", "/api/x/", ``, 200, `{"detail":"Not found."}`, nil),
	} {
		if c.Check(x) == nil {
			t.Errorf("%s: Check = nil, want an error", name)
		}
	}
}

// A limit is held by an accepted value at it and a refused one past it; an operation by a success.
func TestUnheldLimitsAreNamed(t *testing.T) {
	c := load(t)
	unheld := func() map[string]bool {
		found := map[string]bool{}
		for _, limit := range c.Unheld() {
			if strings.HasPrefix(limit, "updateSecret: name with maxLength") {
				found[strings.TrimPrefix(limit, "updateSecret: name with ")] = true
			}
		}
		return found
	}
	try := func(characters, status int, answer string) {
		t.Helper()
		body := `{"name":"` + strings.Repeat("a", characters) + `"}`
		if err := c.Check(exchange("PATCH", list+"01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60/", body, status, answer, nil)); err != nil {
			t.Fatal(err)
		}
	}
	before := len(c.Unproven())
	for _, step := range []struct {
		characters, status int
		answer             string
		want               map[string]bool
	}{
		{254, 200, row, map[string]bool{"maxLength 254": true, "maxLength 256": true}},
		{255, 200, row, map[string]bool{"maxLength 256": true}},
		{257, 400, `{"name":["too long"]}`, map[string]bool{"maxLength 256": true}},
		{256, 400, `{"name":["too long"]}`, map[string]bool{}},
	} {
		try(step.characters, step.status, step.answer)
		if got := unheld(); !maps.Equal(got, step.want) {
			t.Errorf("after %d characters, Unheld = %v, want %v", step.characters, got, step.want)
		}
	}
	if after := len(c.Unproven()); after != before-1 {
		t.Errorf("Unproven has %d operations, want %d", after, before-1)
	}
}

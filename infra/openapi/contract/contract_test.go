package contract_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"goblins-secrets/infra/openapi/contract"
)

const (
	item   = "/api/secrets/01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60/items/01936e1d-0c11-7d02-9b7e-6f0a4d3c2b18/"
	list   = "/api/secrets/"
	events = "/api/events/"
	batch  = "/api/secrets/01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60/items/batch/"
	bundle = "/api/secrets/01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60/bundle/"

	compare = "/api/secrets/compare/?a=01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60&b=01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a61"

	row = `{"id":"01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60","name":"s","is_default":false,"status":"ready","deploy_successful":true,` +
		`"created_at":"2026-03-01T10:00:00.000000Z","bundle":null,"etag":"\"7-ready\""}`
	masked = `{"id":"01936e1d-0c11-7d02-9b7e-6f0a4d3c2b18","secret":"01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60","key":"K","value":"********","version":1,` +
		`"last_accessed_at":null,"last_accessed_by":null,"created_at":"2026-03-01T10:00:05.000000Z","updated_at":"2026-03-01T10:00:05.000000Z","etag":"\"4711\""}`
)

// event is one as an answer has it.
var event = `{"id":"01936e24-5a70-7315-8b1c-0a1b2c3d4e5f","at":"2026-03-01T10:00:00.000789Z","action":"user.updated","outcome":"allowed",` +
	`"user":{"id":"01936e1b-0000-7000-8000-000000000001","name":null},"key":null,"secret":null,"item":null,"service":null,"subject_user":null,` +
	`"subject_key":null,"version":null,"items":[],"changed":["name"],"from":{"name":"a"},"to":{"name":"b"},"source_ip":null,"user_agent":null,"request_id":null,` +
	`"tries":null,"first_at":null,"last_at":null}`

// as gives the answer of an exchange another type.
func as(media string) func(*contract.Exchange) {
	return func(x *contract.Exchange) { x.Header["Content-Type"] = []string{media} }
}

// tagged gives the answer of an exchange a tag.
func tagged(tag string) func(*contract.Exchange) {
	return func(x *contract.Exchange) { x.Header["ETag"] = []string{tag} }
}

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
	located := func(x *contract.Exchange) {
		x.Header["Location"], x.Header["ETag"] = []string{"https://api.example.com" + list + "1/"}, []string{`"7-ready"`}
	}
	deleted := strings.TrimSuffix(row, "}") + `,"deleted_at":"2026-03-02T10:00:00.000000Z","deleted_by":"01936e1b-0000-7000-8000-000000000001",` +
		`"restorable_until":"2026-04-01T10:00:00.000000Z"}`
	done := `{"dry_run":false,"results":[{"key":"K","id":null,"version":null,"done":"missing"}]}`
	counted := func(x *contract.Exchange) {
		x.Header["RateLimit"], x.Header["RateLimit-Policy"] = []string{`"reveals";r=98;t=3599`}, []string{`"reveals";q=100;w=3600`}
	}
	budgeted := func(x *contract.Exchange) { counted(x); tagged(`"7"`)(x) }
	for name, x := range map[string]contract.Exchange{
		"page":                  exchange("GET", list, "", 200, `{"count":1,"next":null,"previous":null,"results":[`+row+`]}`, nil),
		"without its slash":     exchange("GET", "/api/secrets?page_size=0&name=%20s%20", "", 200, `{"count":0,"next":null,"previous":null,"results":[]}`, nil),
		"creation":              exchange("POST", list, `{"name":" s ","id":7,"more":[]}`, 201, row, located),
		"number as a name":      exchange("POST", list, `{"name":1e400}`, 201, row, located),
		"longest padded name":   exchange("POST", list, `{"name":"\u2003`+strings.Repeat("é", 255)+`\n"}`, 201, row, located),
		"empty change":          exchange("PATCH", item, ``, 200, masked, tagged(`"4711"`)),
		"not modified":          exchange("GET", item, ``, 304, ``, tagged(`"4711"`)),
		"changed meanwhile":     exchange("PATCH", item, ``, 412, `{"detail":"The object has changed since: its ETag is not in If-Match."}`, nil),
		"the bin":               exchange("GET", list+"?deleted=true", ``, 200, `{"count":1,"next":null,"previous":null,"results":[`+deleted+`]}`, nil),
		"not in the bin":        exchange("GET", list+"?deleted=true&name=s", ``, 400, `{"name":["This parameter does not go with deleted."]}`, nil),
		"deletion of a version": exchange("DELETE", item+"versions/1/", ``, 204, ``, nil),
		"events":                exchange("GET", events, ``, 200, `{"next":null,"previous":null,"results":[`+event+`]}`, nil),
		"events as CSV":         exchange("GET", events+"?format=csv", ``, 200, "id,at\r\na,\"b\n\"\r\n", as("text/csv; charset=utf-8")),
		"events as lines":       exchange("GET", events+"?format=ndjson&since=2026-03-01T10:00:00Z&user=me", ``, 200, event+"\n"+event+"\n", as("application/x-ndjson")),
		"no events as lines":    exchange("GET", events+"?format=ndjson", ``, 200, "", as("application/x-ndjson")),
		"batch":                 exchange("POST", batch, `{"items":[{"key":" K\n","value":"v"}],"delete":[7," L "]}`, 200, done, nil),
		"fault of a change":     exchange("POST", batch, `{"items":[{"key":"K","value":"v"},{"key":"L"}]}`, 400, `{"items":[{},{"value":["This field is required."]}]}`, nil),
		"a key twice":           exchange("POST", batch, `{"delete":["K","K"]}`, 400, `{"delete":{"1":["This key is given twice."]}}`, nil),
		"too many changes":      exchange("POST", batch, `{"delete":[`+strings.Repeat(`"K",`, 20)+`"K"]}`, 400, `{"non_field_errors":["Give 1 to 20 changes: items, delete, or both."]}`, nil),
		"no changes":            exchange("POST", batch, ``, 400, `{"non_field_errors":["Give 1 to 20 changes: items, delete, or both."]}`, nil),
		"idempotency key":       exchange("POST", batch, `{"delete":["K"]}`, 400, `{"detail":"Idempotency-Key must be given once, with 1 to 255 characters."}`, nil),
		"bundle":                exchange("GET", bundle, ``, 200, `{"K":"v"}`, budgeted),
		"empty bundle":          exchange("GET", bundle, ``, 200, `{}`, budgeted),
		"known bundle":          exchange("GET", bundle, ``, 304, ``, tagged(`"7"`)),
		"comparison":            exchange("GET", compare, ``, 200, `{"keys":{"K":"same","L":"only_a"}}`, counted),
		"of one secret":         exchange("GET", compare, ``, 400, `{"b":["Give another secret than a."]}`, nil),
		"of none":               exchange("GET", list+"compare/", ``, 400, `{"a":["This field is required."],"b":["This field is required."]}`, nil),
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
		"a value in the clear":                         exchange("PATCH", item, `{}`, 200, strings.Replace(masked, "********", "PLANTED", 1), tagged(`"4711"`)),
		"another status":                               exchange("GET", list, "", 202, page, nil),
		"a documented failure that is none of its own": exchange("GET", list, "", 409, `{"detail":"Conflict."}`, nil),
		"another shape of a failure":                   exchange("GET", item, "", 404, `{"error":"Not found."}`, nil),
		"no tag":                                       exchange("PATCH", item, ``, 200, masked, nil),
		"another tag":                                  exchange("PATCH", item, ``, 200, masked, tagged(`"4712"`)),
		"no tag of what is not modified":               exchange("GET", item, ``, 304, ``, nil),
		"not modified, with a body":                    exchange("GET", item, ``, 304, masked, tagged(`"4711"`)),
		"no condition, and changed":                    exchange("POST", list, `{"name":"s"}`, 412, `{"detail":"Changed."}`, nil),
		"no number, and accepted":                      exchange("DELETE", item+"versions/x/", ``, 204, ``, nil),
		"neither true nor false, and accepted":         exchange("GET", list+"?deleted=yes", "", 200, page, nil),
		"a body where none is":                         exchange("DELETE", item, ``, 204, `{}`, nil),
		"no body":                                      exchange("GET", list, "", 200, ``, nil),
		"no header of CSV":                             exchange("GET", events+"?format=csv", "", 200, "", as("text/csv")),
		"a cell more":                                  exchange("GET", events+"?format=csv", "", 200, "id,at\r\na,b,c\r\n", as("text/csv")),
		"a line that is no event":                      exchange("GET", events+"?format=ndjson", "", 200, event+"\n{}\n", as("application/x-ndjson")),
		"a field more in a line":                       exchange("GET", events+"?format=ndjson", "", 200, strings.Replace(event, `"id"`, `"x":1,"id"`, 1), as("application/x-ndjson")),
		"another type of a body":                       exchange("GET", events, "", 200, "<html>", as("text/html")),
		"CSV where none is":                            exchange("GET", list, "", 200, "id\r\n", as("text/csv")),
		"a change that is not one":                     exchange("POST", batch, `{"items":[{"key":"K"}]}`, 200, `{"dry_run":false,"results":[]}`, nil),
		"a sound change, and refused":                  exchange("POST", batch, `{"items":[{"key":"K","value":"v"}]}`, 400, `{"items":[{"key":["Too short."]}]}`, nil),
		"a field more in a result":                     exchange("POST", batch, `{"delete":["K"]}`, 200, `{"dry_run":false,"results":[{"key":"K","id":null,"version":null,"done":"missing","value":"v"}]}`, nil),
		"a digest in a comparison":                     exchange("GET", compare, ``, 200, `{"keys":{"K":"9f86d081"}}`, nil),
		"a side is missing, and accepted":              exchange("GET", list+"compare/?a=01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60", ``, 200, `{"keys":{}}`, nil),
		"another link":                                 exchange("GET", events, "", 200, `{"next":null,"previous":null,"results":[]}`, func(x *contract.Exchange) { x.Header["Link"] = []string{"/"} }),
		"neither a time nor an id, and accepted":       exchange("GET", events+"?since=yesterday", "", 200, `{"next":null,"previous":null,"results":[]}`, nil),
		"a time, and refused":                          exchange("GET", events+"?since=2026-03-01T10:00:00Z", "", 400, `{"since":["Must be a time with an offset, or the id of an event."]}`, nil),
		"a header more":                                exchange("GET", list, "", 200, page, func(x *contract.Exchange) { x.Header["X-Powered-By"] = []string{"us"} }),
		"a header is missing":                          exchange("GET", list, "", 200, page, func(x *contract.Exchange) { delete(x.Header, "Cache-Control") }),
		"another value of a header":                    exchange("GET", list, "", 200, page, func(x *contract.Exchange) { x.Header["Cache-Control"] = []string{"public"} }),
		"a creation without address":                   exchange("POST", list, `{"name":"s"}`, 201, row, tagged(`"7-ready"`)),
		"too long, and accepted":                       exchange("PATCH", list+"01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60/", `{"name":"`+strings.Repeat("a", 256)+`"}`, 200, row, tagged(`"7-ready"`)),
		"a boolean, and accepted":                      exchange("PATCH", list+"01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60/", `{"name":true}`, 200, row, tagged(`"7-ready"`)),
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
		var change func(*contract.Exchange)
		if status == http.StatusOK {
			change = tagged(`"7-ready"`)
		}
		if err := c.Check(exchange("PATCH", list+"01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60/", body, status, answer, change)); err != nil {
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

// Each alternative of a parameter is a limit, and so is what it says.
func TestUnheldAlternativesAreNamed(t *testing.T) {
	c := load(t)
	unheld := func() (n int) {
		for _, limit := range c.Unheld() {
			if strings.HasPrefix(limit, "listEvents: since with") {
				n++
			}
		}
		return n
	}
	empty := `{"next":null,"previous":null,"results":[]}`
	for _, step := range []struct {
		since  string
		status int
		answer string
		want   int // limits that are not held then
	}{
		{"01936e24-5a70-7315-8b1c-0a1b2c3d4e5f", 200, empty, 3},
		{"2026-03-01T10:00:00Z", 200, empty, 2},
		{"yesterday", 400, `{"since":["Must be a time with an offset, or the id of an event."]}`, 0},
	} {
		if err := c.Check(exchange("GET", events+"?since="+step.since, "", step.status, step.answer, nil)); err != nil {
			t.Fatal(err)
		}
		if got := unheld(); got != step.want {
			t.Errorf("after %s, %d limits of since are not held, want %d: %v", step.since, got, step.want, c.Unheld())
		}
	}
}

package e2e

import (
	"fmt"
	"hash/crc32"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// strangerKey is a well-formed key of no user.
func strangerKey() string {
	key := "gob_" + strings.Repeat("0", 43-len("stranger")) + "stranger"
	check := new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(key)))).Text(62)
	return key + strings.Repeat("0", 6-len(check)) + check
}

// broken is a key with its nth character changed.
func broken(key string, n int) string {
	other := "a"
	if key[n] == 'a' {
		other = "b"
	}
	return key[:n] + other + key[n+1:]
}

// Without a valid key every route answers the same,
// before anything else is looked at.
func TestEveryRouteNeedsAKey(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		headers := []string{
			"", // no header
			"Bearer", c.key, "Token " + c.key, "Basic " + c.key, "ApiKey " + c.key, "Bearer: " + c.key, "Bearer=" + c.key, "Bearer\t" + c.key,
			"Bearer " + strangerKey(), "Bearer " + broken(c.key, 10), "Bearer " + broken(c.key, len(c.key)-1), "Bearer " + c.key[:len(c.key)-1],
			"Bearer " + c.key + "0", "Bearer " + c.key + " " + c.key, "Bearer " + c.key + ",", "Bearer \"" + c.key + "\"", "Bearer gob_", "Bearer gob_x",
			"Bearer " + strings.TrimPrefix(c.key, "gob_"), "Bearer GOB_" + strings.TrimPrefix(c.key, "gob_"), "Bearer gob-" + strings.TrimPrefix(c.key, "gob_"),
			"Bearer gob_" + strings.Repeat("0", 49), "Bearer gob_" + strings.Repeat("A", 5000), "Bearer gob_ключ", "Bearer null", "Bearer Bearer " + c.key,
		}
		all := make(map[string][]string, len(paths)+2)
		for path := range paths {
			all[path] = methods
		}
		all["/api/unknown/"], all["/favicon.ico"] = methods, methods
		for _, open := range []string{"/", "/console/", "/console/x", "/api/openapi.json", "/docs/", "/docs/x"} { // only GET is open
			all[open] = slices.DeleteFunc(slices.Clone(methods), func(m string) bool { return m == "GET" })
		}
		for i, header := range headers {
			for _, path := range sorted(all) {
				for _, method := range all[path] {
					if i > 1 && method != "GET" && i%len(methods) != strings.Index("GHOPUTDX", method[:1])%len(methods) {
						continue // the first two headers with all methods, the others with some
					}
					r := c.do(t, method, known.fill(path), "", "Authorization: "+header)
					body := unauthenticated
					if method == "HEAD" {
						body = ""
					}
					r.want(t, 401, body)
					r.wantHeader(t, "WWW-Authenticate: Bearer", "Allow:", "RateLimit:", "RateLimit-Policy:", "Retry-After:")
				}
			}
		}
		// The key is checked before the method, the type and the body.
		for _, method := range []string{"POST", "PUT", "PATCH"} {
			r := c.do(t, method, known.fill("/api/secrets/{S}/items/{I}/"), "{bad", "Authorization: Bearer "+strangerKey(), "Content-Type: text/plain")
			r.want(t, 401, unauthenticated)
		}
		// A key in the query or in a cookie does not count.
		r := c.do(t, "GET", "/api/secrets/?api_key="+c.key+"&access_token="+c.key, "", "Authorization:", "Cookie: Authorization=Bearer "+c.key, "X-Api-Key: "+c.key)
		r.want(t, 401, unauthenticated)
		// Headers with a claimed identity do not count.
		c.do(t, "GET", "/api/secrets/", "", append(claims(c.user), "Authorization:")...).want(t, 401, unauthenticated)
		// None of these requests was charged.
		c.get(t, known.fill("/api/secrets/{S}/items/{I}/")).wantHeader(t, `RateLimit: "reveals";r=99;t=3600`)
	})
}

func TestBearerSchemeIgnoresCaseAndSpaces(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		want := known.fill(secretObject("{S}", `"mine"`, "false"))
		for range 2 { // the second answer may come from a cache
			for _, header := range []string{
				"Bearer " + c.key, "bearer " + c.key, "BEARER " + c.key, "bEaReR " + c.key, "Bearer    " + c.key, "Bearer " + c.key + "   ",
			} {
				c.do(t, "GET", known.fill("/api/secrets/{S}/"), "", "Authorization: "+header).want(t, 200, want)
			}
		}
	})
}

// claims are headers that claim an identity and prove nothing.
func claims(user string) []string {
	return []string{
		"account_id: " + unknownID, "Account-Id: " + unknownID, "X-Account-Id: " + unknownID, "X-User-Id: " + user, "user_id: " + user,
		"X-Key-Id: " + unknownID, "X-Forwarded-User: " + user, "X-Remote-User: " + user, "X-Amzn-Principal-Id: " + user,
		"X-Golambdaproxy-Apigw-Context: {\"authorizer\":{\"user_id\":\"" + user + "\"}}", "X-Http-Method-Override: DELETE",
	}
}

// The caller's identity comes from the key alone.
func TestHeadersCannotClaimAnIdentity(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		other, theirs := withItem(t, tg)
		claims := claims(other.user)
		r := c.do(t, "GET", known.fill("/api/secrets/{S}/items/{I}/"), "", claims...)
		r.want(t, 200, known.fill(readItemObject("{I}", "{S}", "KEY", `"PLANTED"`, "{USER}")))
		r.wantHeader(t, `RateLimit: "reveals";r=99;t=3600`)
		c.do(t, "GET", theirs.fill("/api/secrets/{S}/"), "", claims...).want(t, 404, notFound)
		c.do(t, "GET", "/api/secrets/", "", claims...).want(t, 200, known.fill(page("2",
			secretObject("<uuid>", `"Default"`, "true")+","+secretObject("{S}", `"mine"`, "false"))))
	})
}

// Objects of another account cannot be distinguished from missing objects, on
// any route, with any body.
func TestOtherAccountsLookMissing(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, mine := withAll(t, tg)
		other, theirs := withAll(t, tg)
		before := other.get(t, theirs.fill("/api/secrets/{S}/items/")).body
		service := other.get(t, theirs.fill("/api/services/{V}/")).body

		foreign := map[string][]string{} // pattern of a path -> its methods
		for path, known := range paths {
			if strings.Contains(path, "{") {
				foreign[path] = known
			}
		}
		bodies := map[string][]string{
			"POST":  {`{"key":"KEY","value":"PLANTED"}`, `{"key":"NEW","value":"PLANTED"}`, `{}`, `{bad`, `null`, `[]`, ""},
			"PATCH": {`{"name":"taken"}`, `{"key":"NEW","value":"PLANTED"}`, `{"name":""}`, `{"port":1}`, `{}`, `{bad`, `null`, ""},
			"GET":   {""}, "DELETE": {"", "{bad"},
		}
		for _, path := range sorted(foreign) {
			for _, method := range foreign[path] {
				for i, body := range bodies[method] {
					for _, contentType := range []string{"application/json", "text/plain"} {
						if i > 0 && contentType == "text/plain" {
							continue
						}
						ask := func(s, i string) response {
							at := vars{"S": s, "I": i, "V": s, "U": s, "K": s}.fill(path)
							return c.do(t, method, at, body, "Content-Type: "+contentType)
						}
						missing := ask(unknownID, unknownID)
						isTrail := strings.HasSuffix(path, "/events/") // which answers for what was deleted, too
						if isTrail {
							missing.want(t, 200, emptyTrail)
						} else {
							missing.want(t, 404, notFound)
						}
						// Their ids; their secret with my item and an unknown one; my secret with their item; malformed ids.
						ids := [][2]string{{theirs["S"], theirs["I"]}, {theirs["S"], mine["I"]}, {theirs["S"], unknownID}, {"x", "y"}}
						if strings.Contains(path, "{V}") {
							ids = [][2]string{{theirs["V"], ""}, {theirs["S"], ""}, {mine["S"], ""}, {"x", ""}}
						}
						if strings.Contains(path, "{U}") || strings.Contains(path, "{K}") {
							ids = [][2]string{{theirs["U"], ""}, {theirs["K"], ""}, {other.user, ""}, {mine["S"], ""}, {"x", ""}}
						}
						if strings.Contains(path, "{I}") {
							ids = append(ids, [2]string{mine["S"], theirs["I"]}, [2]string{mine["S"], "y"}, [2]string{mine["S"], unknownID})
						}
						for _, id := range ids {
							r := ask(id[0], id[1])
							if isTrail && (id[0] == "x" || id[1] == "y") {
								r.want(t, 404, notFound)
								continue
							}
							if got, want := seen(r), seen(missing); got != want {
								t.Fatalf("%v = %s, want %s as for a missing object", r, got, want)
							}
						}
					}
				}
			}
		}
		other.get(t, theirs.fill("/api/secrets/{S}/items/")).want(t, 200, before)
		other.get(t, theirs.fill("/api/services/{V}/")).want(t, 200, service)
		other.get(t, theirs.fill("/api/secrets/{S}/items/{I}/")).wantHeader(t, `RateLimit: "reveals";r=99;t=3600`)
	})
}

var (
	idText    = regexp.MustCompile(`(?i)` + uuidPattern)
	remaining = regexp.MustCompile(`(\b[rt]=|Retry-After \[|available in )[0-9]+( seconds?)?`)
)

// seen returns an answer without ids and without the parts that depend on the time and the budget.
func seen(r response) string {
	text := fmt.Sprintln(r.status)
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		if name != "Date" && name != "Content-Length" && !strings.HasPrefix(name, "X-Amz") { // API Gateway's ids of the request
			text += fmt.Sprintln(name, r.header[name])
		}
	}
	return remaining.ReplaceAllString(idText.ReplaceAllString(text+r.body, "<id>"), "$1<left>")
}

package e2e

import (
	"slices"
	"strings"
	"testing"

	"goblins-secrets/infra/functions"
)

// paths maps the API's paths to their methods, as functions.yaml has them, but for those that need no key.
// {S} is a secret, {I} its item, {N} a version of it, {V} a service, {U} a machine, {K} its key.
var paths = func() map[string][]string {
	table, err := functions.Load()
	if err != nil {
		panic(err)
	}
	short := strings.NewReplacer("{secret_id}", "{S}", "{item_id}", "{I}", "{version}", "{N}", "{service_id}", "{V}", "{user_id}", "{U}", "{key_id}", "{K}")
	paths := map[string][]string{}
	for _, f := range table {
		for _, route := range f.Routes() {
			if strings.HasPrefix(route.Path, "/api/") && !route.Open {
				path := short.Replace(route.Path) + "/"
				paths[path] = append(paths[path], route.Method)
			}
		}
	}
	return paths
}()

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// withItem returns a client with a secret and an item of it.
func withItem(t *testing.T, tg *target) (*client, vars) {
	t.Helper()
	c := tg.client(t)
	secret := c.secret(t, "mine")
	item := c.item(t, secret, "KEY", "PLANTED")
	ids := strings.Split(strings.Trim(item, "/"), "/")
	return c, vars{"S": ids[2], "I": ids[4], "N": "1", "USER": c.user}
}

// withAll is withItem with a service that uses another secret, and a machine with a key: everything that paths need.
func withAll(t *testing.T, tg *target) (*client, vars) {
	t.Helper()
	c, known := withItem(t, tg)
	known["V"] = strings.Split(c.service(t, "mine", ""), "/")[3]
	known["U"] = c.newUser(t, "machine", "mine", `["list"]`)
	_, known["K"] = c.newKey(t, `{"name":"mine","user":"`+known["U"]+`"}`)
	return c, known
}

func TestOtherMethodsAreNotAllowed(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		for _, path := range sorted(paths) {
			allow := strings.Join(paths[path], ", ") + ", OPTIONS"
			for _, form := range []string{path, strings.TrimSuffix(path, "/")} {
				for _, method := range methods {
					if slices.Contains(paths[path], method) {
						continue
					}
					r := c.do(t, method, known.fill(form), "")
					switch method {
					case "OPTIONS":
						r.want(t, 200, "")
					case "HEAD":
						r.want(t, 405, "")
					default:
						r.want(t, 405, `{"detail":"Method \"`+method+`\" not allowed."}`)
					}
					r.wantHeader(t, "Allow: "+allow, "Location:", "RateLimit:")
				}
			}
		}
		// The method is checked before the object and the body.
		for _, path := range []string{"/api/secrets/" + unknownID + "/", "/api/secrets/x/items/y/", "/api/services/x/"} {
			r := c.do(t, "PUT", path, "{bad", "Content-Type: text/plain")
			r.want(t, 405, `{"detail":"Method \"PUT\" not allowed."}`)
		}
		c.get(t, known.fill("/api/secrets/{S}/items/{I}/")).wantHeader(t, `RateLimit: "reveals";r=99;t=3600`) // none of it was charged
	})
}

func TestUnknownPathsAreNotFound(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		for _, path := range []string{
			"/api", "/api/", "/favicon.ico", "/api/secret/", "/API/SECRETS/", "/api/secrets.json",
			"/api/secrets/{S}/values/", "/api/secrets/{S}/items/{I}/value/", "/api/secrets/{S}/items/{I}/x/y",
			"/api/service/", "/api/services.json", "/api/services/{V}/secret/", "/api/secrets/{S}/services/",
			"/v1/api/secrets/", "/prod/api/secrets/",
		} {
			for _, method := range methods {
				r := c.do(t, method, known.fill(path), "")
				body := notFound
				if method == "HEAD" {
					body = ""
				}
				r.want(t, 404, body)
				r.wantHeader(t, "Allow:", "WWW-Authenticate:")
			}
		}
	})
}

// Gateways read an empty segment of a path differently, but never find anything there.
func TestEmptySegmentsFindNothing(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		for _, path := range []string{"/api/secrets/{S}/items//", "/api/secrets//items/", "/api/services//", "//"} {
			for _, method := range methods {
				r := c.do(t, method, known.fill(path), "")
				if r.status != 404 && r.status != 405 && method != "OPTIONS" {
					t.Errorf("%v = %d %s, want 404 or 405", r, r.status, r.body)
				}
			}
		}
	})
}

// Every route works with and without the trailing slash.
func TestTrailingSlashIsOptional(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		for _, form := range []struct{ name, slash string }{{"with", "/"}, {"without", ""}} {
			t.Run(form.name, func(t *testing.T) {
				c := tg.client(t)
				known := vars{"USER": c.user}
				c.get(t, "/api/secrets"+form.slash).wantVars(t, 200, page("1", secretObject("{DEF}", `"Default"`, "true")), known)

				created := c.post(t, "/api/secrets"+form.slash, `{"name":"a"}`)
				created.wantVars(t, 201, secretObject("{S}", `"a"`, "false"), known)
				secret := known.fill("/api/secrets/{S}")
				created.wantHeader(t, "Location: "+tg.public+secret+"/")
				c.follow(t, created.header.Get("Location")).want(t, 200, created.body)
				c.get(t, secret+form.slash).want(t, 200, created.body)
				c.do(t, "PATCH", secret+form.slash, `{"name":"b"}`).wantVars(t, 200, secretObject("{S}", `"b"`, "false"), known)

				created = c.post(t, secret+"/items"+form.slash, `{"key":"K","value":"PLANTED"}`)
				created.wantVars(t, 201, itemObject("{I}", "{S}", "K"), known)
				item := secret + known.fill("/items/{I}")
				created.wantHeader(t, "Location: "+tg.public+item+"/")
				c.get(t, secret+"/items"+form.slash).want(t, 200, page("1", created.body))
				c.follow(t, created.header.Get("Location")).wantVars(t, 200, readItemObject("{I}", "{S}", "K", `"PLANTED"`, "{USER}"), known)
				c.get(t, item+form.slash).wantVars(t, 200, readItemObject("{I}", "{S}", "K", `"PLANTED"`, "{USER}"), known)
				c.do(t, "PATCH", item+form.slash, `{"key":"L"}`).wantVars(t, 200, readItemObject("{I}", "{S}", "L", `"********"`, "{USER}"), known)
				c.do(t, "DELETE", item+form.slash, "").want(t, 204, "")

				object := func(name, secret string) string {
					return serviceObject("{V}", name, `"app"`, "80", "null", secret)
				}
				created = c.post(t, "/api/services"+form.slash, known.fill(`{"name":"a","image":"app","port":80,"secret":"{S}"}`))
				created.wantVars(t, 201, object(`"a"`, "{S}"), known)
				service := known.fill("/api/services/{V}")
				created.wantHeader(t, "Location: "+tg.public+service+"/")
				c.follow(t, created.header.Get("Location")).want(t, 200, created.body)
				c.get(t, service+form.slash).want(t, 200, created.body)
				c.get(t, "/api/services"+form.slash).want(t, 200, page("1", created.body))
				c.get(t, known.fill("/api/services"+form.slash+"?secret={S}")).want(t, 200, page("1", created.body))
				c.do(t, "DELETE", secret+form.slash, "").want(t, 409, `{<...>`)
				c.do(t, "PATCH", service+form.slash, known.fill(`{"name":"b","secret":"{DEF}"}`)).want(t, 200, known.fill(object(`"b"`, "{DEF}")))
				c.do(t, "DELETE", service+form.slash, "").want(t, 204, "")
				c.get(t, "/api/services"+form.slash).want(t, 200, emptyPage)
				c.do(t, "DELETE", secret+form.slash, "").want(t, 204, "")
				c.get(t, "/api/secrets"+form.slash).wantVars(t, 200, page("1", secretObject("{DEF}", `"Default"`, "true")), known)
			})
		}
	})
}

// Location has no query, and ids in lower case, whatever the request's form.
func TestLocationIsCanonical(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		r := c.post(t, "/api/secrets", `{"name":"q"}`)
		r.wantVars(t, 201, secretObject("{Q}", `"q"`, "false"), known)
		r.wantHeader(t, "Location: "+tg.public+known.fill("/api/secrets/{Q}/"))
		r = c.post(t, known.fill("/api/secrets/{S:upper}/items"), `{"key":"q","value":"PLANTED"}`)
		r.wantVars(t, 201, itemObject("{J}", "{S}", "q"), known)
		c.follow(t, r.header.Get("Location")).want(t, 200, known.fill(readItemObject("{J}", "{S}", "q", `"PLANTED"`, "{USER}")))
	})
}

func TestAcceptIsIgnored(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		want := secretObject("{S}", `"mine"`, "false")
		for _, accept := range []string{"text/html", "application/xml;q=1, */*;q=0", "image/png", "nonsense"} {
			c.do(t, "GET", known.fill("/api/secrets/{S}/"), "", "Accept: "+accept).want(t, 200, known.fill(want))
		}
	})
}

func TestMalformedIDsAreNotFound(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		s := known["S"]
		c.noSuch(t, known,
			"{"+s+"}", strings.ReplaceAll(s, "-", ""), "urn:uuid:"+s, "100%25", s+"%20", "%20"+s[1:],
			"%00", "%FF%FE", "%E2%98%83", "null", "undefined", "-1", "0", ".", "*", "default", s[:35], s+"0", s[:35]+"g",
			strings.Repeat("x", 4000), strings.Repeat("%25", 500), "SECRET%23"+s, s[:8]+"_"+s[9:])
	})
}

func TestEncodedSlashIsPartOfTheID(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		c.noSuch(t, known, "a%2Fb", known["S"]+"%2Fitems")
	})
}

// noSuch sends every request with malformed ids.
func (c *client) noSuch(t *testing.T, known vars, ids ...string) {
	t.Helper()
	for _, id := range ids {
		another := c.machine(t, `"permissions":["list","reveal","write","export"]`) // as what does not exist is charged too
		for _, path := range sorted(paths) {
			for _, method := range paths[path] {
				for _, name := range []string{"{S}", "{I}", "{V}", "{N}"} {
					if !strings.Contains(path, name) || name == "{I}" && len(id) > 100 {
						continue
					}
					c := c
					if strings.Contains(path, "{N}") || strings.HasSuffix(path, "/bundle/") {
						c = another
					}
					body := ""
					if method == "POST" || method == "PATCH" {
						body = `{"name":"n","key":"k","value":"PLANTED"}`
					}
					at := known.fill(strings.Replace(path, name, id, 1))
					c.do(t, method, at, body).want(t, 404, notFound)
					if method == "GET" {
						c.do(t, method, strings.TrimSuffix(at, "/"), "").want(t, 404, notFound)
					}
				}
			}
		}
	}
	c.get(t, "/api/secrets/").want(t, 200, `{"count":2,<...>`) // nothing was created or deleted
	c.get(t, "/api/services/").want(t, 200, `{"count":1,<...>`)
}

func TestLinksIgnoreTheClientsHeaders(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		c.secret(t, "a")
		r := c.do(t, "GET", "/api/secrets/?page_size=1", "", "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example",
			"X-Original-URL: /evil", "X-Forwarded-Prefix: /evil", "Origin: https://evil.example", "Referer: https://evil.example/")
		r.want(t, 200, `{"count":2,"next":"`+tg.public+`/api/secrets/?cursor=<...>","previous":null,"results":[<...>]}`)
		if strings.Contains(r.body, "evil") {
			t.Errorf("%v = %s, want it without the client's headers", r, r.body)
		}
	})
}

func sorted(m map[string][]string) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Texts of refusals.
const (
	denied     = `{"detail":"You do not have permission to perform this action."}`
	lastAdmin  = `{"detail":"This is the last key with admin that does not expire. Make another one first."}`
	limitedKey = `{"detail":"Your key is limited to secrets. Names are unique in the account, so only unlimited keys give them."}`
	everything = `["list","reveal","write","audit","admin","export"]`
)

// newUser creates a user and returns its id. Permissions are JSON.
func (c *client) newUser(t *testing.T, kind, name, permissions string) string {
	t.Helper()
	return c.post(t, "/api/users/", fmt.Sprintf(`{"kind":%q,"name":%q,"permissions":%s}`, kind, name, permissions)).
		want(t, 201, `{"id":"{ID}",<...>`)["ID"]
}

// newKey makes a key, and returns a client of it and its id.
func (c *client) newKey(t *testing.T, body string) (*client, string) {
	t.Helper()
	r := c.post(t, "/api/keys/", body)
	var made struct{ ID, User, Key string }
	if err := json.Unmarshal([]byte(r.body), &made); r.status != 201 || err != nil {
		t.Fatalf("%v = %d %s, want a key", r, r.status, r.body)
	}
	return &client{target: c.target, account: account{id: c.id, user: made.User, key: made.Key}}, made.ID
}

// machine creates a machine and returns a client of its key. Rights are fields of JSON, without a brace.
func (c *client) machine(t *testing.T, rights string) *client {
	t.Helper()
	u := c.post(t, "/api/users/", `{"kind":"machine","name":"machine",`+rights+`}`).want(t, 201, `{"id":"{ID}",<...>`)["ID"]
	made, _ := c.newKey(t, `{"name":"key","user":"`+u+`"}`)
	return made
}

// person creates a person, invites it, and returns a client of the key that the invitation is exchanged for.
func (c *client) person(t *testing.T, rights string) *client {
	t.Helper()
	u := c.post(t, "/api/users/", `{"kind":"person","name":"person",`+rights+`}`).want(t, 201, `{"id":"{ID}",<...>`)["ID"]
	invitation, _ := c.newKey(t, `{"name":"invitation","invitation":true,"user":"`+u+`"}`)
	made, _ := invitation.newKey(t, `{"name":"laptop"}`)
	return made
}

// userObject is a user in an answer. All arguments but the id are JSON.
func userObject(id, name, kind, email, permissions, secrets, limit, keys, by string) string {
	return `{"id":"` + id + `","name":` + name + `,"kind":` + kind + `,"email":` + email + `,"permissions":` + permissions + `,"secrets":` + secrets +
		`,"reveal_limit":` + limit + `,"keys":` + keys + `,"created_at":"<datetime>","created_by":` + by + `}`
}

// keyObject is a key in an answer, without a last brace. All arguments but the ids are JSON.
func keyObject(id, name, user, invitation, permissions, secrets, expires, used, by, maker string) string {
	return `{"id":"` + id + `","name":` + name + `,"prefix":"gob_<...>","user":"` + user + `","invitation":` + invitation + `,"permissions":` + permissions +
		`,"secrets":` + secrets + `,"expires_at":` + expires + `,"last_used_at":` + used + `,"created_at":"<datetime>","created_by":` + by + `,"made_by":` + maker
}

// refusesBecause tests that an answer is a 400 for one field, with a part of its message.
func (r response) refusesBecause(t *testing.T, field, part string) {
	t.Helper()
	if r.status != 400 || !strings.HasPrefix(r.body, `{"`+field+`":["`) || !strings.Contains(r.body, part) {
		t.Errorf("%v = %d %s, want 400 for %s: %s", r, r.status, short(r.body), field, part)
	}
}

func later(d time.Duration) string {
	return time.Now().UTC().Add(d).Format("2006-01-02T15:04:05.000000Z")
}

func TestUsersFromCreationToDeletion(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, b := tg.client(t), tg.client(t)
		first := userObject("{USER_A}", `"Admin"`, `"person"`, "null", everything, "null", "null", "1", "null")
		ana := userObject("{ANA}", `"Ana"`, `"person"`, `"ana@example.com"`, `["list","reveal"]`, "null", "5", "0", `"{USER_A}"`)
		narrowed := userObject("{ANA}", `"Ana M."`, `"person"`, "null", `["list"]`, `["{S}"]`, "null", "0", `"{USER_A}"`)
		story(t, map[string]*client{"A": a, "B": b}, vars{"USER_A": a.user, "USER_B": b.user}, []step{
			{name: "list fresh", request: "GET /api/users/", status: 200, want: page("1", first)},
			{name: "get oneself", request: "GET /api/users/{USER_A}/", status: 200, want: first},
			{name: "create", request: "POST /api/users/",
				body:   `{"kind":"person","name":" Ana ","email":"ana@example.com","permissions":["reveal","list","list"],"reveal_limit":"5","secrets":null,"id":"x"}`,
				status: 201, want: ana, answers: []string{"RateLimit:"}},
			{name: "get", request: "GET /api/users/{ANA}/", status: 200, want: ana},
			{name: "list", request: "GET /api/users/", status: 200, want: page("2", first+","+ana)},
			{name: "get, other account", as: "B", request: "GET /api/users/{ANA}/", status: 404, want: notFound},
			{name: "update, other account", as: "B", request: "PATCH /api/users/{ANA}/", body: `{"name":"x"}`, status: 404, want: notFound},
			{name: "delete, other account", as: "B", request: "DELETE /api/users/{ANA}/", status: 404, want: notFound},
			{name: "update nothing", request: "PATCH /api/users/{ANA}/", body: `{}`, status: 200, want: ana},
			{name: "update with the same", request: "PATCH /api/users/{ANA}/", body: `{"name":"Ana","kind":"person","permissions":["list","reveal"]}`, status: 200, want: ana},
			{name: "another kind", request: "PATCH /api/users/{ANA}/", body: `{"kind":"machine"}`, status: 400,
				want: `{"kind":["A person does not become a machine, nor a machine a person."]}`},
			{name: "a secret", request: "POST /api/secrets/", body: `{"name":"s"}`, status: 201, want: secretObject("{S}", `"s"`, "false")},
			{name: "narrow", request: "PATCH /api/users/{ANA}/", body: `{"name":"Ana M.","email":null,"permissions":["list"],"secrets":["{S}"],"reveal_limit":null}`,
				status: 200, want: narrowed},
			{name: "get narrowed", request: "GET /api/users/{ANA}/", status: 200, want: narrowed},
			{name: "a secret of another account", as: "B", request: "POST /api/users/", body: `{"kind":"machine","name":"m","permissions":["list"],"secrets":["{S}"]}`,
				status: 400, want: `{"secrets":["Invalid pk \"{S}\" - object does not exist."]}`},
			{name: "limited audit", request: "PATCH /api/users/{ANA}/", body: `{"permissions":["audit","list"]}`,
				status: 400, want: `{"secrets":["Rights with audit can't be limited to secrets."]}`},
			{name: "delete", request: "DELETE /api/users/{ANA}/", status: 204},
			{name: "delete again", request: "DELETE /api/users/{ANA}/", status: 404, want: notFound},
			{name: "get deleted", request: "GET /api/users/{ANA}/", status: 404, want: notFound},
			{name: "list at the end", request: "GET /api/users/", status: 200, want: page("1", first)},
		})
	})
}

func TestKeysFromCreationToDeletion(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, b := tg.client(t), tg.client(t)
		machine := a.newUser(t, "machine", "CI", `["list","write"]`)
		firstKey := a.get(t, "/api/keys/").want(t, 200, page("1",
			keyObject("{FIRST}", `"First key"`, a.user, "false", everything, "null", "null", `"<datetime>"`, "null", "null")+"}"))["FIRST"]
		known := vars{"M": machine, "A": a.user, "FIRST": firstKey}
		object := func(name, permissions, expires string) string {
			return keyObject("{K}", name, "{M}", "false", permissions, "null", expires, "null", `"{A}"`, `"{FIRST}"`)
		}
		r := a.post(t, "/api/keys/", known.fill(`{"user":"{M}","name":" deploy "}`))
		r.wantVars(t, 201, object(`"deploy"`, `["list","write"]`, "null")+`,"key":"gob_<...>"}`, known)
		r.wantHeader(t, "Location: "+tg.public+known.fill("/api/keys/{K}/"))
		key := known.fill("/api/keys/{K}/")
		text := r.body[strings.Index(r.body, `"key":"gob_`)+len(`"key":"`):]
		text = text[:strings.Index(text, `"`)]
		// No other answer has the text.
		for _, path := range []string{key, "/api/keys/", "/api/keys/?user=" + machine, "/api/me/", "/api/users/" + machine + "/"} {
			if r := a.get(t, path); r.status != 200 || strings.Contains(r.body, text) {
				t.Errorf("%v = %d %s, want 200 without a key's text", r, r.status, r.body)
			}
		}
		a.get(t, key).want(t, 200, known.fill(object(`"deploy"`, `["list","write"]`, "null"))+`,"made":[]}`)
		a.get(t, "/api/keys/?user="+machine).want(t, 200, page("1", known.fill(object(`"deploy"`, `["list","write"]`, "null"))+"}"))
		a.get(t, "/api/keys/").want(t, 200, `{"count":2,<...>`)
		for _, r := range []response{b.get(t, key), b.do(t, "PATCH", key, `{"name":"x"}`), b.do(t, "DELETE", key, ""), b.do(t, "DELETE", key+"?made=true", "")} {
			r.want(t, 404, notFound)
		}
		expires := later(time.Hour)
		a.do(t, "PATCH", key, `{"name":"narrow","permissions":["list"],"expires_at":"`+expires+`"}`).
			want(t, 200, known.fill(object(`"narrow"`, `["list"]`, `"`+expires+`"`))+"}")
		for body, field := range map[string]string{
			`{"permissions":["list","write"]}`: "permissions", `{"expires_at":null}`: "expires_at", `{"expires_at":"` + later(2*time.Hour) + `"}`: "expires_at",
		} {
			a.do(t, "PATCH", key, body).refusesBecause(t, field, "A key only gets narrower.")
		}
		a.do(t, "PATCH", key, `{"user":"`+a.user+`","invitation":true,"key":"gob_x","made_by":null}`). // ignored
														want(t, 200, known.fill(object(`"narrow"`, `["list"]`, `"`+expires+`"`))+"}")
		used := &client{target: tg, account: account{key: text}}
		used.get(t, "/api/secrets/").want(t, 200, `{"count":1,<...>`)
		a.get(t, key).want(t, 200, `{<...>"last_used_at":"<datetime>"<...>`)
		a.do(t, "DELETE", key, "").want(t, 204, "")
		a.do(t, "DELETE", key, "").want(t, 404, notFound)
		a.get(t, key).want(t, 404, notFound)
		a.get(t, "/api/keys/?user="+machine).want(t, 200, emptyPage)
		for _, unknown := range []string{unknownID, "x"} {
			a.get(t, "/api/keys/?user="+unknown).want(t, 400, `{"user":["Invalid pk \"`+unknown+`\" - object does not exist."]}`)
			a.post(t, "/api/keys/", `{"name":"k","user":"`+unknown+`"}`).want(t, 400, `{"user":["Invalid pk \"`+unknown+`\" - object does not exist."]}`)
		}
		a.get(t, "/api/keys/?user="+b.user).want(t, 400, `{"user":["Invalid pk \"`+b.user+`\" - object does not exist."]}`)
		a.post(t, "/api/keys/", `{"name":"k","user":"`+b.user+`"}`).want(t, 400, `{"user":["Invalid pk \"`+b.user+`\" - object does not exist."]}`)
	})
}

// An invitation can do nothing but show itself and be exchanged, once, by its own user.
func TestInvitationIsExchangedOnce(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, known := withAll(t, tg)
		ana := a.newUser(t, "person", "Ana", `["list","reveal"]`)
		a.post(t, "/api/keys/", `{"name":"k","user":"`+ana+`"}`).refusesBecause(t, "invitation", "made as an invitation")
		a.post(t, "/api/keys/", `{"name":"k","invitation":true}`).refusesBecause(t, "invitation", "for another person")
		a.post(t, "/api/keys/", `{"name":"k","invitation":true,"user":"`+known["U"]+`"}`).refusesBecause(t, "invitation", "for another person")
		a.post(t, "/api/keys/", `{"name":"k","invitation":true,"user":"`+ana+`","expires_at":"`+later(8*24*time.Hour)+`"}`).
			refusesBecause(t, "expires_at", "An invitation expires within 7 days.")
		invitation, id := a.newKey(t, `{"name":"invitation","invitation":true,"user":"`+ana+`"}`)
		for _, path := range sorted(paths) {
			for _, method := range paths[path] {
				if r := invitation.do(t, method, known.fill(path), ""); path != "/api/me/" && (path != "/api/keys/" || method != "POST") {
					r.want(t, 403, denied)
				}
			}
		}
		invitation.get(t, "/api/me/").want(t, 200, `{<...>"invitation":true,"permissions":["list","reveal"]<...>,"permissions":[],"secrets":[],"budget":{<...>"left":100,<...>`)
		invitation.post(t, "/api/keys/", `{"name":"k","user":"`+a.user+`"}`).want(t, 403, denied)
		laptop, made := invitation.newKey(t, `{"name":"laptop"}`)
		invitation.post(t, "/api/keys/", `{"name":"again"}`).want(t, 401, unauthenticated)
		a.get(t, "/api/keys/"+id+"/").want(t, 404, notFound)
		a.get(t, "/api/keys/"+made+"/").want(t, 200, `{<...>"expires_at":null,<...>"made_by":"`+id+`",<...>`)
		laptop.get(t, known.fill("/api/secrets/{S}/items/{I}/")).want(t, 200, `{<...>"value":"PLANTED",<...>`)
		laptop.get(t, "/api/me/").want(t, 200, `{<...>"permissions":["list","reveal"],"secrets":null,"budget":{"limit":100,"window":3600,"left":99,<...>`)
	})
}

// Each permission alone allows its routes, and no other. A refusal has no effect.
func TestEachPermissionAllowsItsRoutesOnly(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, known := withAll(t, tg)
		known["U"], known["K"] = unknownID, unknownID
		needs := func(method, path string) string {
			switch {
			case path == "/api/budget/", path == "/api/me/", path == "/api/keys/", path == "/api/keys/{K}/", strings.HasPrefix(path, "/api/users/") && method == "GET":
				return "" // any key, or what the domain decides by the key's user
			case strings.HasPrefix(path, "/api/users/"):
				return "admin"
			case strings.HasSuffix(path, "/events/"), path == "/api/review/":
				return "audit"
			case (path == "/api/secrets/{S}/items/{I}/" || path == "/api/secrets/{S}/items/{I}/versions/{N}/") && method == "GET":
				return "reveal"
			case path == "/api/secrets/compare/":
				return "reveal"
			case path == "/api/secrets/{S}/bundle/":
				return "export"
			case method == "GET":
				return "list"
			}
			return "write"
		}
		for _, permission := range []string{"list", "reveal", "write", "audit", "admin", "export"} {
			c := a.person(t, `"permissions":["`+permission+`"]`)
			for _, path := range sorted(paths) {
				for _, method := range paths[path] {
					at := known.fill(path)
					if path == "/api/secrets/compare/" {
						at += known.fill("?a={S}&b={S}") // refused, and so not charged
					}
					if method == "DELETE" || method == "PATCH" { // which would end the test
						at = vars{"S": unknownID, "I": unknownID, "V": unknownID, "U": unknownID, "K": unknownID, "N": "1"}.fill(path)
					}
					r := c.do(t, method, at, "")
					if needed := needs(method, path); needed != "" && needed != permission {
						r.want(t, 403, denied)
					} else if r.status == 403 {
						t.Errorf("%v with %s = 403 %s, want it allowed", r, permission, r.body)
					}
				}
			}
			left := map[string]string{"reveal": "98", "export": "99"}[permission]
			if left == "" {
				left = "100"
			}
			c.get(t, "/api/budget/").want(t, 200, `{<...>"left":`+left+`,<...>`)
		}
	})
}

// A secret outside of the limit does not exist, on any route.
func TestLimitedKeysSeeTheirSecretsOnly(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, known := withAll(t, tg)
		mine, other := known.fill("/api/secrets/{S}/"), a.secret(t, "other")
		hidden := a.item(t, other, "KEY", "PLANTED hidden")
		a.service(t, "within", mine)
		lone := a.secret(t, "lone")
		c := a.machine(t, `"permissions":["list","reveal","write"],"secrets":["`+known["S"]+`"]`)
		c.get(t, "/api/secrets/").want(t, 200, known.fill(page("1", usedSecretObject("{S}", `"mine"`, "false"))))
		c.get(t, "/api/secrets/?name=other").want(t, 200, emptyPage)
		c.get(t, "/api/services/").want(t, 200, `{"count":1,<...>"name":"within"<...>`)
		c.get(t, "/api/services/?name=mine").want(t, 200, emptyPage)
		c.get(t, mine+"items/").want(t, 200, `{"count":1,<...>`)
		c.item(t, mine, "NEW", "PLANTED")
		for _, r := range []response{
			c.get(t, other), c.do(t, "PATCH", other, `{"name":"x"}`), c.do(t, "DELETE", lone, ""), c.get(t, other+"items/"),
			c.post(t, other+"items/", `{"key":"K","value":"v"}`), c.get(t, hidden), c.do(t, "PATCH", hidden, `{"key":"K"}`), c.do(t, "DELETE", hidden, ""),
			c.get(t, known.fill("/api/services/{V}/")), c.do(t, "DELETE", known.fill("/api/services/{V}/"), ""),
			c.get(t, "/api/secrets/"+unknownID+"/"), c.get(t, "/api/secrets/"+unknownID+"/items/"+unknownID+"/"),
		} {
			r.want(t, 404, notFound)
			r.wantHeader(t, "RateLimit:")
		}
		c.post(t, "/api/secrets/", `{"name":"x"}`).want(t, 403, limitedKey)
		c.do(t, "PATCH", mine, `{"name":"x"}`).want(t, 403, limitedKey)
		c.post(t, "/api/services/", `{"name":"x","image":"a","port":1}`).want(t, 403, limitedKey)
		c.get(t, known.fill("/api/secrets/{S}/items/{I}/")).wantHeader(t, `RateLimit: "reveals";r=99;t=3600`)
		// A key narrows further.
		secrets := fmt.Sprintf("[%q,%q]", known["S"], strings.Split(other, "/")[3])
		both := a.newUser(t, "machine", "both", `["list","reveal"],"secrets":`+secrets)
		one, _ := a.newKey(t, `{"name":"one","user":"`+both+`","permissions":["list"],"secrets":["`+known["S"]+`"]}`)
		one.get(t, "/api/secrets/").want(t, 200, `{"count":1,<...>`)
		one.get(t, known.fill("/api/secrets/{S}/items/{I}/")).want(t, 403, denied)
		one.get(t, "/api/me/").want(t, 200, `{<...>,"permissions":["list"],"secrets":["`+known["S"]+`"],"budget":<...>`)
	})
}

// No request gives more than the key that asks has, and no one acts as another person.
func TestNoOneGivesWhatTheyLack(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, known := withAll(t, tg)
		hr := a.person(t, `"permissions":["list","admin"]`)
		beyond := func(names string) string { return `{"detail":"You can't give what you lack: ` + names + `."}` }
		hr.post(t, "/api/users/", `{"kind":"machine","name":"m","permissions":["list","reveal"]}`).want(t, 403, beyond("reveal"))
		hr.do(t, "PATCH", "/api/users/"+hr.user+"/", `{"permissions":["list","write","audit","admin"]}`).want(t, 403, beyond("write, audit"))
		reader := a.newUser(t, "machine", "reader", `["list","reveal"]`)
		hr.post(t, "/api/keys/", `{"name":"k","user":"`+reader+`","permissions":["list","reveal"]}`).want(t, 403, beyond("reveal"))
		_, id := hr.newKey(t, `{"name":"k","user":"`+reader+`"}`) // what both have
		hr.get(t, "/api/keys/"+id+"/").want(t, 200, `{<...>"permissions":["list"],<...>`)
		hr.post(t, "/api/keys/", `{"name":"k","user":"`+reader+`","permissions":["list","write"]}`).refusesBecause(t, "permissions", "The user lacks: write.")
		revealer := a.newUser(t, "machine", "revealer", `["reveal"]`)
		hr.post(t, "/api/keys/", `{"name":"k","user":"`+revealer+`"}`).refusesBecause(t, "permissions", "none of the user's permissions")

		// Without admin: keys of one's own, and names of others.
		ana, machine := a.person(t, `"permissions":["list","reveal"]`), a.machine(t, `"permissions":["list"]`)
		own, ownID := ana.newKey(t, `{"name":"own"}`)
		own.get(t, known.fill("/api/secrets/{S}/items/{I}/")).want(t, 200, `{<...>"PLANTED"<...>`)
		ana.get(t, "/api/keys/").want(t, 200, `{"count":2,<...>`)
		ana.get(t, "/api/users/"+a.user+"/").want(t, 200, userObject(a.user, `"Admin"`, `"person"`, "null", "null", "null", "null", "null", "null")[:len(`{"id":"`)+36]+`","name":"Admin","kind":"person","email":null,"permissions":null,"secrets":null,"reveal_limit":null,"keys":null,"created_at":null,"created_by":null}`)
		ana.get(t, "/api/users/").want(t, 200, `{<...>`)
		ana.get(t, "/api/keys/?user="+a.user).want(t, 403, denied)
		ana.get(t, "/api/keys/?user="+unknownID).want(t, 403, denied)
		ana.post(t, "/api/keys/", `{"name":"k","user":"`+machine.user+`"}`).want(t, 403, denied)
		ana.post(t, "/api/keys/", `{"name":"k","user":"x"}`).want(t, 403, denied)
		for _, r := range []response{
			ana.get(t, known.fill("/api/keys/{K}/")), ana.do(t, "PATCH", known.fill("/api/keys/{K}/"), `{"name":"x"}`), ana.do(t, "DELETE", known.fill("/api/keys/{K}/"), ""),
		} {
			r.want(t, 404, notFound)
		}
		ana.do(t, "PATCH", "/api/keys/"+ownID+"/", `{"permissions":["list"]}`).want(t, 200, `{<...>`)
		own.get(t, known.fill("/api/secrets/{S}/items/{I}/")).want(t, 403, denied)
		ana.do(t, "DELETE", "/api/keys/"+ownID+"/", "").want(t, 204, "")
		machine.post(t, "/api/keys/", `{"name":"k"}`).want(t, 403, denied)
		// A key that expires makes one's own keys no longer.
		soon := later(time.Hour)
		short, _ := ana.newKey(t, `{"name":"short","expires_at":"`+soon+`"}`)
		_, heir := short.newKey(t, `{"name":"heir"}`)
		ana.get(t, "/api/keys/"+heir+"/").want(t, 200, `{<...>"expires_at":"`+soon+`",<...>`)
		short.post(t, "/api/keys/", `{"name":"k","expires_at":null}`).refusesBecause(t, "expires_at", "expires no later")
	})
}

// What opens values reads the key afresh, whatever the gateway remembers. The last admin stays.
func TestRevocationCountsForValuesAtOnce(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, known := withAll(t, tg)
		reveal := known.fill("/api/secrets/{S}/items/{I}/")
		for what, tt := range map[string]struct {
			request, body, want string
			status              int
		}{
			"revoked":           {"DELETE /api/keys/{X}/", "", unauthenticated, 401},
			"narrowed":          {"PATCH /api/keys/{X}/", `{"permissions":["list"]}`, denied, 403},
			"limited":           {"PATCH /api/keys/{X}/", `{"secrets":["{D}"]}`, notFound, 404},
			"of a narrowed one": {"PATCH /api/users/{Y}/", `{"permissions":["list"]}`, denied, 403},
			"of a limited one":  {"PATCH /api/users/{Y}/", `{"secrets":["{D}"]}`, notFound, 404},
			"of a deleted one":  {"DELETE /api/users/{Y}/", "", unauthenticated, 401},
		} {
			t.Run(what, func(t *testing.T) {
				user := a.newUser(t, "machine", what, `["list","reveal"]`)
				c, key := a.newKey(t, `{"name":"k","user":"`+user+`"}`)
				c.get(t, reveal).wantHeader(t, `RateLimit: "reveals";r=99;t=3600`) // and the gateway remembers the key
				at := vars{"X": key, "Y": user, "D": a.get(t, "/api/secrets/?name=Default").page(t).Results[0].ID}
				method, path, _ := strings.Cut(tt.request, " ")
				if r := a.do(t, method, at.fill(path), at.fill(tt.body)); r.status > 299 {
					t.Fatalf("%v = %d %s", r, r.status, r.body)
				}
				c.get(t, reveal).want(t, tt.status, tt.want)
			})
		}
	})
}

func TestLastAdminStays(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a := tg.client(t)
		id := a.get(t, "/api/keys/").page(t).Results[0].ID
		key, user := "/api/keys/"+id+"/", "/api/users/"+a.user+"/"
		refusals := func(by *client) {
			t.Helper()
			by.do(t, "DELETE", key, "").want(t, 409, lastAdmin)
			by.do(t, "PATCH", key, `{"permissions":["list"]}`).want(t, 409, lastAdmin)
			by.do(t, "PATCH", key, `{"expires_at":"`+later(time.Hour)+`"}`).want(t, 409, lastAdmin)
			by.do(t, "PATCH", user, `{"permissions":["list"]}`).want(t, 409, lastAdmin)
			by.do(t, "DELETE", user, "").want(t, 409, lastAdmin)
		}
		refusals(a)
		expiring, _ := a.newKey(t, `{"name":"expires","expires_at":"`+later(time.Hour)+`"}`)
		refusals(expiring)
		a.do(t, "PATCH", key, `{"name":"renamed"}`).want(t, 200, `{<...>"name":"renamed",<...>`)
		other := a.machine(t, `"permissions":["admin"]`)
		other.do(t, "DELETE", user, "").want(t, 204, "")
		other.get(t, "/api/users/").want(t, 200, `{"count":1,<...>`)
	})
}

func TestKeysThatAKeyMadeAreRevokedWithIt(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a := tg.client(t)
		stolen, id := a.newKey(t, `{"name":"stolen"}`)
		child, childID := stolen.newKey(t, `{"name":"child"}`)
		_, grandchildID := child.newKey(t, `{"name":"grandchild"}`)
		a.get(t, "/api/keys/"+id+"/").want(t, 200, `{<...>"made":["`+childID+`","`+grandchildID+`"]}`)
		stolen.do(t, "DELETE", "/api/keys/"+id+"/?made=true", "").refusesBecause(t, "made", "Use another key.")
		a.do(t, "DELETE", "/api/keys/"+id+"/?made=yes", "").want(t, 400, `{"made":["Must be true or false."]}`)
		a.do(t, "DELETE", "/api/keys/"+childID+"/?made=", "").want(t, 204, "")
		a.do(t, "DELETE", "/api/keys/"+id+"/?made=true", "").want(t, 204, "")
		a.get(t, "/api/keys/").want(t, 200, `{"count":1,<...>`)
		a.do(t, "DELETE", "/api/keys/"+grandchildID+"/?made=false", "").want(t, 404, notFound)
		for _, made := range []string{"true", "false"} {
			_, id := a.newKey(t, `{"name":"k"}`)
			a.do(t, "DELETE", "/api/keys/"+id+"/?made="+made, "").want(t, 204, "")
		}
	})
}

func TestMeShowsWhatTheKeyIs(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, known := withAll(t, tg)
		known["A"] = a.id
		a.get(t, "/api/me/").want(t, 200, known.fill(`{"account":{"id":"{A}","name":"<...>"},"user":`+
			userObject("{USER}", `"Admin"`, `"person"`, "null", everything, "null", "null", "1", "null")+`,"key":`+
			keyObject("{FIRST}", `"First key"`, "{USER}", "false", everything, "null", "null", `"<datetime>"`, "null", "null")+`},"permissions":`+everything+
			`,"secrets":null,"budget":{"limit":100,"window":3600,"left":100,"reset":0},"recovery_days":30}`))
		c := a.machine(t, `"permissions":["reveal"],"reveal_limit":3`)
		c.get(t, known.fill("/api/secrets/{S}/items/{I}/")).wantHeader(t, `RateLimit: "reveals";r=2;t=3600`, `RateLimit-Policy: "reveals";q=3;w=3600`)
		c.get(t, "/api/me/").want(t, 200, `{<...>"reveal_limit":3,"keys":1,<...>"permissions":["reveal"],"secrets":null,"budget":{"limit":3,"window":3600,"left":2,"reset":<number>},"recovery_days":30}`)
		// A lower limit counts at once, over all keys of the user.
		a.do(t, "PATCH", "/api/users/"+c.user+"/", `{"reveal_limit":1}`).want(t, 200, `{<...>"reveal_limit":1,<...>`)
		second, _ := a.newKey(t, `{"name":"second","user":"`+c.user+`"}`)
		second.get(t, known.fill("/api/secrets/{S}/items/{I}/")).want(t, 429, `{"detail":"Request was throttled. Expected available in <number> seconds."}`)
	})
}

func TestExpiredKeysAreRefusedAndListed(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a := tg.client(t)
		expires := time.Now().Add(2500 * time.Millisecond)
		c, id := a.newKey(t, `{"name":"k","expires_at":"`+expires.UTC().Format("2006-01-02T15:04:05.000000Z")+`"}`)
		time.Sleep(time.Until(expires.Add(10 * time.Millisecond)))
		for _, path := range []string{"/api/secrets/", "/api/me/", "/api/keys/" + id + "/"} {
			c.get(t, path).want(t, 401, unauthenticated)
		}
		a.get(t, "/api/keys/"+id+"/").want(t, 200, `{<...>`)
		// Letters of another case are another key, with another checksum.
		swapped := strings.Map(func(r rune) rune {
			switch {
			case 'a' <= r && r <= 'z':
				return r - 'a' + 'A'
			case 'A' <= r && r <= 'Z':
				return r - 'A' + 'a'
			}
			return r
		}, strings.TrimPrefix(a.key, "gob_"))
		for _, key := range []string{"gob_" + swapped, "gob_" + strings.ToLower(a.key[4:]), strings.ToUpper(a.key)} {
			a.do(t, "GET", "/api/me/", "", "Authorization: Bearer "+key).want(t, 401, unauthenticated)
		}
	})
}

func TestListsOfPeopleHavePages(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a := tg.client(t)
		machine := a.newUser(t, "machine", "m", `["list"]`)
		users, all, machines := []string{a.user, machine}, a.get(t, "/api/keys/").page(t).ids(), []string{}
		for i := range 4 {
			users = append(users, a.newUser(t, "person", fmt.Sprint("p", i), `["list"]`))
			_, id := a.newKey(t, `{"name":"k","user":"`+machine+`"}`)
			all, machines = append(all, id), append(machines, id)
		}
		for _, size := range []int{1, 2, 10} {
			a.walkBothWays(t, "/api/users/", size, users)
			a.walkBothWays(t, "/api/keys/", size, all)
			a.walkBothWays(t, "/api/keys/?user="+machine, size, machines)
		}
		for _, list := range []string{"/api/users/", "/api/keys/", "/api/keys/?user=" + machine} {
			a.get(t, and(list, "cursor=x")).want(t, 404, `{"detail":"Invalid cursor."}`)
			a.get(t, and(list, "cursor=")).want(t, 200, `{<...>`)
		}
	})
}

// A user has at most 20 keys.
func TestUsersHaveTwentyKeys(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a := tg.client(t)
		for range 19 {
			a.newKey(t, `{"name":"k"}`)
		}
		if r := a.post(t, "/api/keys/", `{"name":"k"}`); r.status != 400 || !strings.HasPrefix(r.body, `{"non_field_errors":["`) {
			t.Errorf("%v = %d %s, want 400 for the 21st key", r, r.status, r.body)
		}
	})
}

// The fields of users and keys have their limits, on creation and change.
func TestFieldsOfPeopleAreChecked(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a := tg.client(t)
		ids := make([]string, 51)
		for i := range ids {
			ids[i] = quote(strings.Split(a.secret(t, fmt.Sprint("s", i)), "/")[3])
		}
		slices.Sort(ids)
		fifty, tooMany := "["+strings.Join(ids[:50], ",")+"]", "["+strings.Join(ids, ",")+"]"
		address := func(n int) string { return quote(strings.Repeat("a", n-len("@example.com")) + "@example.com") }
		const (
			badEmail = "Enter a valid email address."
			noItems  = "This list may not be empty."
			noList   = `Expected a list of items`
			badUUID  = "Must be a valid UUID."
			badTime  = "Datetime has wrong format."
			noNumber = "A valid integer is required."
		)
		type value struct{ in, fault string } // none: it is valid
		name := []value{
			{`"<repeat:n:64>"`, ""}, {`"<repeat:n:65>"`, "no more than 64 bytes"}, {`"<repeat:é:32>"`, ""}, {`"<repeat:é:33>"`, "no more than 64 bytes"}, {`7`, ""},
			{`""`, blank}, {`"a\u0001"`, control}, {`null`, null}, {`true`, noString}, {`["a"]`, noString}, {`{}`, noString}, {`"é"`, ""},
		}
		permissions := []value{
			{`["list"]`, ""}, {`["list","reveal","write"]`, ""}, {`[]`, noItems}, {`["read"]`, "is not a valid choice"}, {`["List"]`, "is not a valid choice"},
			{`null`, null}, {`"list"`, noList}, {`[1]`, noString}, {`{}`, noList}, {`true`, noList},
		}
		secrets := []value{
			{`[` + ids[0] + `]`, ""}, {fifty, ""}, {tooMany, "no more than 50 elements"}, {`[]`, noItems}, {`["x"]`, badUUID}, {`[1]`, noString}, {`"x"`, noList},
			{`["` + unknownID + `"]`, "object does not exist"},
		}
		for field, values := range map[string][]value{
			"name": name, "permissions": permissions, "secrets": append(secrets, value{`null`, ""}),
			"email": {
				{`"a@example.com"`, ""}, {`null`, ""}, {`""`, ""}, {address(254), ""}, {address(255), "no more than 254 characters"}, {`"a"`, badEmail},
				{`"a b@example.com"`, badEmail}, {`"a@b"`, badEmail}, {`7`, noString}, {`true`, noString}, {`[]`, noString},
			},
			"reveal_limit": {
				{`1`, ""}, {`1000`, ""}, {`"7"`, ""}, {`null`, ""}, {`0`, "greater than or equal to 1"}, {`1001`, "less than or equal to 1000"}, {`"x"`, noNumber}, {`true`, noNumber}, {`[]`, noNumber},
			},
			"kind": {{`"person"`, ""}, {`"robot"`, "is not a valid choice"}, {`null`, null}, {`7`, noString}},
		} {
			t.Run("users/"+field, func(t *testing.T) {
				c := "/api/users/" + a.newUser(t, "person", "n", `["list"]`) + "/"
				for _, v := range values {
					body := `{"kind":"person","name":"n","permissions":["list"],"` + field + `":` + vars{}.fill(v.in) + `}`
					created, updated := a.post(t, "/api/users/", body), a.do(t, "PATCH", c, `{"`+field+`":`+vars{}.fill(v.in)+`}`)
					if v.fault == "" {
						created.want(t, 201, `{<...>`)
						updated.want(t, 200, `{<...>`)
						continue
					}
					created.refusesBecause(t, field, v.fault)
					updated.refusesBecause(t, field, v.fault)
				}
			})
		}
		robot := a.newUser(t, "machine", "n", `["list"]`)
		a.do(t, "PATCH", "/api/users/"+robot+"/", `{"kind":"machine"}`).want(t, 200, `{<...>`)
		future := later(time.Hour)
		for field, values := range map[string][]value{
			"name": name, "permissions": permissions, "secrets": secrets,
			"expires_at": {
				{`"` + future + `"`, ""}, {`"x"`, badTime}, {`""`, badTime}, {`"2026-01-01"`, badTime}, {`"` + later(-time.Hour) + `"`, "not in the future"}, {`7`, noString}, {`true`, noString}, {`[]`, noString},
			},
		} {
			t.Run("keys/"+field, func(t *testing.T) {
				user := a.newUser(t, "machine", "n", `["list","reveal","write"]`)
				for _, v := range values {
					in := vars{}.fill(v.in)
					r := a.post(t, "/api/keys/", `{"name":"k","user":"`+user+`","`+field+`":`+in+`}`)
					_, id := a.newKey(t, `{"name":"k","user":"`+user+`"}`)
					updated := a.do(t, "PATCH", "/api/keys/"+id+"/", `{"`+field+`":`+in+`}`)
					if v.fault == "" {
						made := r.want(t, 201, `{"id":"{K}",<...>`)["K"]
						updated.want(t, 200, `{<...>`)
						a.do(t, "DELETE", "/api/keys/"+made+"/", "")
					} else {
						r.refusesBecause(t, field, v.fault)
						updated.refusesBecause(t, field, v.fault)
					}
					a.do(t, "DELETE", "/api/keys/"+id+"/", "")
				}
				// null is what a key without a limit or an expiry has.
				_, id := a.newKey(t, `{"name":"k","user":"`+user+`","secrets":null,"expires_at":null}`)
				a.do(t, "PATCH", "/api/keys/"+id+"/", `{"secrets":null,"expires_at":null}`).want(t, 200, `{<...>`)
			})
		}
		for in, fault := range map[string]string{`7`: "Invalid pk", `true`: "Incorrect type.", `[]`: "Incorrect type.", `null`: null, `""`: null, `"x"`: "Invalid pk"} {
			a.post(t, "/api/keys/", `{"name":"k","user":`+in+`}`).refusesBecause(t, "user", fault)
		}
		for _, in := range []string{`1`, `"true"`, `[]`} {
			a.post(t, "/api/keys/", `{"name":"k","invitation":`+in+`}`).refusesBecause(t, "invitation", "Must be a valid boolean.")
		}
		a.post(t, "/api/keys/", `{"name":"k","invitation":null}`).refusesBecause(t, "invitation", null)
		a.newKey(t, `{"name":"k","invitation":false}`)
		a.post(t, "/api/users/", `{}`).want(t, 400, `{"kind":["This field is required."],"name":["This field is required."],"permissions":["This field is required."]}`)
		a.post(t, "/api/keys/", ``).want(t, 400, `{"name":["This field is required."]}`)
	})
}

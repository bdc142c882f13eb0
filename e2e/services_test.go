package e2e

import (
	"fmt"
	"strings"
	"testing"
)

const (
	serviceTaken = `{"name":["service with this name already exists."]}`
	badLabel     = "Enter a valid name: lowercase letters, digits and hyphens only, with a letter or digit at both ends."
	badImage     = "Enter a valid image reference."
	noInteger    = "A valid integer is required."
	portTooSmall = "Ensure this value is greater than or equal to 1."
	portTooLarge = "Ensure this value is less than or equal to 65535."
)

// noSecret is the error for an id that is not one of the caller's secrets.
func noSecret(id string) string {
	return `{"secret":[` + quote(`Invalid pk "`+id+`" - object does not exist.`) + `]}`
}

// The steps are the life of services: each field, and the secrets they use.
func TestServicesFromCreationToDeletion(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, b := tg.client(t), tg.client(t)
		known := vars{}
		a.get(t, "/api/secrets/").wantVars(t, 200, page("1", secretObject("{DEF}", `"Default"`, "true")), known)
		story(t, map[string]*client{"A": a, "B": b}, known, []step{
			{name: "list none", request: "GET /api/services/", status: 200, want: emptyPage},
			{name: "a secret", request: "POST /api/secrets/", body: `{"name":"s"}`, status: 201, want: secretObject("{S}", `"s"`, "false")},
			{name: "another", request: "POST /api/secrets/", body: `{"name":"r"}`, status: 201, want: secretObject("{R}", `"r"`, "false")},
			{name: "create", request: "POST /api/services/", body: `{"name":"my-app","image":"myapp:v1.0.0","port":8080,"config":"c-1","secret":"{S}"}`,
				status: 201, want: serviceObject("{V}", `"my-app"`, `"myapp:v1.0.0"`, "8080", `"c-1"`, "{S}")},
			{name: "get", request: "GET /api/services/{V}/", status: 200, want: serviceObject("{V}", `"my-app"`, `"myapp:v1.0.0"`, "8080", `"c-1"`, "{S}")},
			{name: "get upper-case id", request: "GET /api/services/{V:upper}/", status: 200, want: serviceObject("{V}", `"my-app"`, `"myapp:v1.0.0"`, "8080", `"c-1"`, "{S}")},
			{name: "create without secret: the default one", request: "POST /api/services/", body: `{"name":"worker","image":"worker","port":1}`,
				status: 201, want: serviceObject("{W}", `"worker"`, `"worker"`, "1", "null", "{DEF}")},
			{name: "create with null for config", request: "POST /api/services/", body: `{"name":"cron","image":"cron","port":65535,"config":null,"secret":"{S:upper}"}`,
				status: 201, want: serviceObject("{X}", `"cron"`, `"cron"`, "65535", "null", "{S}")},
			{name: "list, oldest first", request: "GET /api/services/",
				status: 200, want: page("3", serviceObject("{V}", `"my-app"`, `"myapp:v1.0.0"`, "8080", `"c-1"`, "{S}")+","+
					serviceObject("{W}", `"worker"`, `"worker"`, "1", "null", "{DEF}")+","+serviceObject("{X}", `"cron"`, `"cron"`, "65535", "null", "{S}"))},
			{name: "list of a secret", request: "GET /api/services/?secret={S}",
				status: 200, want: page("2", serviceObject("{V}", `"my-app"`, `"myapp:v1.0.0"`, "8080", `"c-1"`, "{S}")+","+
					serviceObject("{X}", `"cron"`, `"cron"`, "65535", "null", "{S}"))},
			{name: "list of the default secret, by upper-case id", request: "GET /api/services/?secret={DEF:upper}",
				status: 200, want: page("1", serviceObject("{W}", `"worker"`, `"worker"`, "1", "null", "{DEF}"))},
			{name: "list of an unused secret", request: "GET /api/services/?secret={R}", status: 200, want: emptyPage},
			{name: "list of an unknown secret", request: "GET /api/services/?secret=" + unknownID, status: 400, want: noSecret(unknownID)},
			{name: "list of a malformed id", request: "GET /api/services/?secret=x", status: 400, want: noSecret("x")},
			{name: "list of an item", request: "GET /api/services/?secret={V}", status: 400, want: noSecret("{V}")},
			{name: "list of another account", as: "B", request: "GET /api/services/", status: 200, want: emptyPage},

			{name: "update with empty object", request: "PATCH /api/services/{V}/", body: `{}`,
				status: 200, want: serviceObject("{V}", `"my-app"`, `"myapp:v1.0.0"`, "8080", `"c-1"`, "{S}")},
			{name: "update name", request: "PATCH /api/services/{V}/", body: `{"name":" app \n"}`,
				status: 200, want: serviceObject("{V}", `"app"`, `"myapp:v1.0.0"`, "8080", `"c-1"`, "{S}")},
			{name: "update image", request: "PATCH /api/services/{V}/", body: `{"image":"myapp:v1.1.0"}`,
				status: 200, want: serviceObject("{V}", `"app"`, `"myapp:v1.1.0"`, "8080", `"c-1"`, "{S}")},
			{name: "update port", request: "PATCH /api/services/{V}/", body: `{"port":"9090"}`,
				status: 200, want: serviceObject("{V}", `"app"`, `"myapp:v1.1.0"`, "9090", `"c-1"`, "{S}")},
			{name: "update config", request: "PATCH /api/services/{V}/", body: `{"config":"c-2"}`,
				status: 200, want: serviceObject("{V}", `"app"`, `"myapp:v1.1.0"`, "9090", `"c-2"`, "{S}")},
			{name: "update config to none", request: "PATCH /api/services/{V}/", body: `{"config":null}`,
				status: 200, want: serviceObject("{V}", `"app"`, `"myapp:v1.1.0"`, "9090", "null", "{S}")},
			{name: "update config to none again", request: "PATCH /api/services/{V}/", body: `{"config":null}`,
				status: 200, want: serviceObject("{V}", `"app"`, `"myapp:v1.1.0"`, "9090", "null", "{S}")},
			{name: "update config from none", request: "PATCH /api/services/{V}/", body: `{"config":7}`,
				status: 200, want: serviceObject("{V}", `"app"`, `"myapp:v1.1.0"`, "9090", `"7"`, "{S}")},
			{name: "move", request: "PATCH /api/services/{V}/", body: `{"secret":"{R:upper}"}`,
				status: 200, want: serviceObject("{V}", `"app"`, `"myapp:v1.1.0"`, "9090", `"7"`, "{R}")},
			{name: "list of its new secret", request: "GET /api/services/?secret={R}",
				status: 200, want: page("1", serviceObject("{V}", `"app"`, `"myapp:v1.1.0"`, "9090", `"7"`, "{R}"))},
			{name: "list of its old secret", request: "GET /api/services/?secret={S}",
				status: 200, want: page("1", serviceObject("{X}", `"cron"`, `"cron"`, "65535", "null", "{S}"))},
			{name: "update after the move", request: "PATCH /api/services/{V}/", body: `{"port":8081}`,
				status: 200, want: serviceObject("{V}", `"app"`, `"myapp:v1.1.0"`, "8081", `"7"`, "{R}")},
			{name: "list of its secret after the update", request: "GET /api/services/?secret={R}",
				status: 200, want: page("1", serviceObject("{V}", `"app"`, `"myapp:v1.1.0"`, "8081", `"7"`, "{R}"))},
			{name: "update all and move at once", request: "PATCH /api/services/{V}/", body: `{"name":"all","image":"all:1","port":5,"config":"all","secret":"{DEF}"}`,
				status: 200, want: serviceObject("{V}", `"all"`, `"all:1"`, "5", `"all"`, "{DEF}")},
			{name: "update read-only and unknown fields", request: "PATCH /api/services/{V}/",
				body:   `{"id":"{W}","account_id":"x","version":9,"created_at":"2020-01-01T00:00:00Z","updated_at":null,"status":"x","Name":"x","PORT":1,"secret_id":"{R}"}`,
				status: 200, want: serviceObject("{V}", `"all"`, `"all:1"`, "5", `"all"`, "{DEF}")},
			{name: "create with read-only and unknown fields", request: "POST /api/services/",
				body:   `{"id":"{W}","name":"own","image":"own","port":6,"account_id":"x","version":9,"created_at":"2020-01-01T00:00:00Z","updated_at":1,"secret_id":"{R}","Secret":"x"}`,
				status: 201, want: serviceObject("{OWN}", `"own"`, `"own"`, "6", "null", "{DEF}")},

			{name: "create with taken name", request: "POST /api/services/", body: `{"name":"worker","image":"x","port":1}`, status: 400, want: serviceTaken},
			{name: "create with taken name, not trimmed", request: "POST /api/services/", body: `{"name":"\tworker ","image":"x","port":1}`, status: 400, want: serviceTaken},
			{name: "rename to taken name", request: "PATCH /api/services/{V}/", body: `{"name":"worker","port":1}`, status: 400, want: serviceTaken},
			{name: "get after the refusals", request: "GET /api/services/{V}/", status: 200, want: serviceObject("{V}", `"all"`, `"all:1"`, "5", `"all"`, "{DEF}")},
			{name: "rename to its own name", request: "PATCH /api/services/{V}/", body: `{"name":"all"}`,
				status: 200, want: serviceObject("{V}", `"all"`, `"all:1"`, "5", `"all"`, "{DEF}")},
			{name: "create with its old name", request: "POST /api/services/", body: `{"name":"my-app","image":"x","port":1,"secret":"{S}"}`,
				status: 201, want: serviceObject("{Y}", `"my-app"`, `"x"`, "1", "null", "{S}")},
			{name: "create with name of another account's", as: "B", request: "POST /api/services/", body: `{"name":"worker","image":"x","port":1}`,
				status: 201, want: serviceObject("{B}", `"worker"`, `"x"`, "1", "null", "{DEF_B}")},
			{name: "delete", request: "DELETE /api/services/{W}/", status: 204},
			{name: "get deleted", request: "GET /api/services/{W}/", status: 404, want: notFound},
			{name: "update deleted", request: "PATCH /api/services/{W}/", body: `{bad`, status: 404, want: notFound},
			{name: "delete again", request: "DELETE /api/services/{W}/", status: 404, want: notFound},
			{name: "create with deleted name", request: "POST /api/services/", body: `{"name":"worker","image":"x","port":1,"secret":"{R}"}`,
				status: 201, want: serviceObject("{Z}", `"worker"`, `"x"`, "1", "null", "{R}")},
			{name: "list after all that", request: "GET /api/services/",
				status: 200, want: page("5", serviceObject("{V}", `"all"`, `"all:1"`, "5", `"all"`, "{DEF}")+","+serviceObject("{X}", `"cron"`, `"cron"`, "65535", "null", "{S}")+","+
					serviceObject("{OWN}", `"own"`, `"own"`, "6", "null", "{DEF}")+","+serviceObject("{Y}", `"my-app"`, `"x"`, "1", "null", "{S}")+","+
					serviceObject("{Z}", `"worker"`, `"x"`, "1", "null", "{R}"))},
			{name: "the other account's is untouched", as: "B", request: "GET /api/services/",
				status: 200, want: page("1", serviceObject("{B}", `"worker"`, `"x"`, "1", "null", "{DEF_B}"))},
		})
	})
}

func TestOnlyChangesOfAServiceUpdateItsTime(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		secret := c.secret(t, "s")
		id := strings.Split(secret, "/")[3]
		created := c.post(t, "/api/services/", `{"name":"app","image":"app:1","port":80,"config":"c","secret":"`+id+`"}`)
		created.want(t, 201, serviceObject("<uuid>", `"app"`, `"app:1"`, "80", `"c"`, id))
		last := created.item(t)
		if last.UpdatedAt != last.CreatedAt {
			t.Errorf("%v = updated_at %s, want created_at %s", created, last.UpdatedAt, last.CreatedAt)
		}
		path := "/api/services/" + last.ID + "/"
		for _, body := range []string{
			`{}`, ``, `{"name":"app"}`, `{"name":" app "}`, `{"image":"app:1"}`, `{"port":80}`, `{"port":"80"}`, `{"port":80.0}`, `{"config":"c"}`, `{"config":" c\n"}`,
			`{"secret":"` + id + `"}`, `{"secret":"` + strings.ToUpper(id) + `"}`, `{"unknown":1,"id":null}`,
			`{"name":"app","image":"app:1","port":80,"config":"c","secret":"` + id + `"}`,
		} {
			c.do(t, "PATCH", path, body).want(t, 200, created.body)
			c.get(t, path).want(t, 200, created.body)
			c.get(t, "/api/services/?secret="+id).want(t, 200, page("1", created.body))
		}
		other := c.secret(t, "other")
		for _, body := range []string{
			`{"name":"app-2"}`, `{"image":"app:2"}`, `{"port":81}`, `{"config":null}`, `{"secret":"` + strings.Split(other, "/")[3] + `"}`,
		} {
			r := c.do(t, "PATCH", path, body)
			now := r.item(t)
			if r.status != 200 || now.CreatedAt != last.CreatedAt || now.UpdatedAt <= last.UpdatedAt {
				t.Errorf("%v %s = %d %s, want updated_at later than %s and created_at as it was", r, body, r.status, r.body, last.UpdatedAt)
			}
			last = now
			c.get(t, path).want(t, 200, r.body)
		}
	})
}

// The same holds for the list of a secret's services.
func TestServicePagesCoverTheListInBothDirections(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		secrets := []string{c.secret(t, "a"), c.secret(t, "b")}
		users := make([][]string, len(secrets))
		var all []string
		c.walkBothWays(t, "/api/services/", 2, nil)
		for i := range 7 {
			n := i % 3 / 2 // two of the first to one of the second
			id := strings.Split(c.service(t, fmt.Sprint("app-", i), secrets[n]), "/")[3]
			users[n], all = append(users[n], id), append(all, id)
		}
		for _, size := range []int{1, 2, 3, 5, 7, 1000} {
			c.walkBothWays(t, "/api/services/", size, all)
			for i, secret := range secrets {
				id := strings.Split(secret, "/")[3]
				c.walkBothWays(t, "/api/services/?secret="+id, size, users[i])
				c.walkBothWays(t, "/api/services?secret="+strings.ToUpper(id), size, users[i])
			}
		}
		// The list of a secret reflects added and removed services, in the order of their creation.
		first := strings.Split(secrets[0], "/")[3]
		link := c.get(t, "/api/services/?page_size=2&secret="+first).page(t).Next
		c.do(t, "DELETE", "/api/services/"+users[0][1]+"/", "").want(t, 204, "")
		c.do(t, "PATCH", "/api/services/"+users[1][0]+"/", `{"secret":"`+first+`"}`).want(t, 200, `{<...>`)
		// users[1][0] was created third, between users[0][1] and users[0][2].
		p := c.follow(t, *link).page(t)
		if p.Count != len(users[0]) || len(p.Results) != 2 || p.Results[0].ID != users[1][0] || p.Results[1].ID != users[0][2] {
			t.Errorf("GET %s = %+v, want %d services, here %s and %s", *link, p, len(users[0]), users[1][0], users[0][2])
		}
		c.get(t, "/api/services/?secret="+strings.Split(secrets[1], "/")[3]).want(t, 200, `{"count":1,<...>`)
		c.do(t, "DELETE", secrets[1], "").want(t, 409, `{<...>`)
	})
}

// with is a body that creates a service of this name, with another value of one field. An
// empty value omits the field.
func with(name, field, value string) string {
	fields := map[string]string{"name": quote(name), "image": `"app"`, "port": "80"}
	fields[field] = value
	var said []string
	for _, name := range []string{"name", "image", "port", "config", "secret"} {
		if fields[name] != "" {
			said = append(said, quote(name)+":"+fields[name])
		}
	}
	return "{" + strings.Join(said, ",") + "}"
}

// wrongTypes are the rules for non-strings in every field that accepts strings.
var wrongTypes = []field{
	{name: "true", in: `true`, faults: []string{noString}},
	{name: "false", in: `false`, faults: []string{noString}},
	{name: "list", in: `["a"]`, faults: []string{noString}},
	{name: "empty list", in: `[]`, faults: []string{noString}},
	{name: "object", in: `{"a":"b"}`, faults: []string{noString}},
}

var nulls = []field{{name: "null", in: `null`, faults: []string{null}}}

var blanks = []field{
	{name: "blank", in: `""`, faults: []string{blank}},
	{name: "spaces only", in: `" \t\n\r\u000b\f\u001c\u001f\u00a0\u2003\u0085"`, faults: []string{blank}},
}

var labels = []field{
	{name: "one letter", in: `"a"`, out: `"a"`},
	{name: "one digit", in: `"7"`, out: `"7"`},
	{name: "hyphens within", in: `"a-b--c"`, out: `"a-b--c"`},
	{name: "digits around", in: `"1-a-2"`, out: `"1-a-2"`},
	{name: "63", in: `"<repeat:l:63>"`, out: `"<repeat:l:63>"`},
	{name: "64", in: `"<repeat:l:64>"`, faults: []string{"Ensure this field has no more than 63 characters."}},
	{name: "63 after trimming", in: `" <repeat:m:63>\n"`, out: `"<repeat:m:63>"`},
	{name: "trimmed", in: `"\u001f trim-me\u00a0\n"`, out: `"trim-me"`},
	{name: "integer", in: `123`, out: `"123"`},
	{name: "large integer", in: `12345678901234567890123`, out: `"12345678901234567890123"`},
	{name: "minus zero", in: `-0`, out: `"0"`},
	{name: "negative integer", in: `-45`, faults: []string{badLabel}},
	{name: "minus one", in: `-1`, faults: []string{badLabel}},
	{name: "float", in: `1.5`, faults: []string{badLabel}},
	{name: "large float", in: `1e16`, faults: []string{badLabel}},
	{name: "hyphen", in: `"-"`, faults: []string{badLabel}},
	{name: "hyphen first", in: `"-a"`, faults: []string{badLabel}},
	{name: "hyphen last", in: `"a-"`, faults: []string{badLabel}},
	{name: "upper case", in: `"My-App"`, faults: []string{badLabel}},
	{name: "underscore", in: `"a_b"`, faults: []string{badLabel}},
	{name: "dot", in: `"a.b"`, faults: []string{badLabel}},
	{name: "space within", in: `"a b"`, faults: []string{badLabel}},
	{name: "newline within", in: `"a\nb"`, faults: []string{badLabel}},
	{name: "hash", in: `"a#b"`, faults: []string{badLabel}},
	{name: "slash", in: `"a/b"`, faults: []string{badLabel}},
	{name: "letter beyond ASCII", in: `"é"`, faults: []string{badLabel}},
	{name: "digit beyond ASCII", in: `"٣"`, faults: []string{badLabel}},
	{name: "letter by folding", in: `"\u212a\u017f"`, faults: []string{badLabel}},
	{name: "zero-width space", in: `"\u200b"`, faults: []string{badLabel}},
	{name: "NUL within", in: `"a\u0000b"`, faults: []string{badLabel, hasNUL}},
	{name: "64 of something else, and NUL", in: `"<repeat:é:64>\u0000"`, faults: []string{"Ensure this field has no more than 63 characters.", badLabel, hasNUL}},
}

const hexDigest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

var images = []field{
	{name: "one letter", in: `"a"`, out: `"a"`},
	{name: "with a tag", in: `"myapp:v1.0.0"`, out: `"myapp:v1.0.0"`},
	{name: "tag of everything", in: `"app:_Tag.1-x_Y"`, out: `"app:_Tag.1-x_Y"`},
	{name: "tag of 128", in: `"app:<repeat:t:128>"`, out: `"app:<repeat:t:128>"`},
	{name: "folders", in: `"team/group/app"`, out: `"team/group/app"`},
	{name: "separators", in: `"a.b_c__d-e--f/g"`, out: `"a.b_c__d-e--f/g"`},
	{name: "registry", in: `"docker.io/library/app:latest"`, out: `"docker.io/library/app:latest"`},
	{name: "registry in upper case", in: `"REGISTRY.example.com/app"`, out: `"REGISTRY.example.com/app"`},
	{name: "registry with a port", in: `"registry.example.com:5000/team/app:1.2"`, out: `"registry.example.com:5000/team/app:1.2"`},
	{name: "localhost", in: `"localhost:5000/app"`, out: `"localhost:5000/app"`},
	{name: "IPv4", in: `"192.0.2.1:5000/app"`, out: `"192.0.2.1:5000/app"`},
	{name: "IPv6", in: `"[2001:db8::1]:5000/app"`, out: `"[2001:db8::1]:5000/app"`},
	{name: "ECR", in: `"123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:sha-0a1b2c3"`, out: `"123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:sha-0a1b2c3"`},
	{name: "digest", in: `"app@sha256:` + hexDigest + `"`, out: `"app@sha256:` + hexDigest + `"`},
	{name: "tag and digest", in: `"r.example/app:v1@sha256:` + hexDigest + `"`, out: `"r.example/app:v1@sha256:` + hexDigest + `"`},
	{name: "trimmed", in: `" \u001capp:v2\u2003\n"`, out: `"app:v2"`},
	{name: "512", in: `"<repeat:i:512>"`, out: `"<repeat:i:512>"`},
	{name: "513", in: `"<repeat:i:513>"`, faults: []string{"Ensure this field has no more than 512 characters."}},
	{name: "513 of something else, and NUL", in: `"<repeat:É:513>\u0000"`, faults: []string{"Ensure this field has no more than 512 characters.", badImage, hasNUL}},
	{name: "integer", in: `123`, out: `"123"`},
	{name: "float", in: `1.50`, out: `"1.5"`},
	{name: "negative integer", in: `-1`, faults: []string{badImage}},
	{name: "upper case", in: `"MyApp"`, faults: []string{badImage}},
	{name: "no tag", in: `"app:"`, faults: []string{badImage}},
	{name: "tag only", in: `":v1"`, faults: []string{badImage}},
	{name: "two tags", in: `"app:v1:v2"`, faults: []string{badImage}},
	{name: "tag of 129", in: `"app:<repeat:t:129>"`, faults: []string{badImage}},
	{name: "tag begins with a hyphen", in: `"app:-v1"`, faults: []string{badImage}},
	{name: "no digest", in: `"app@"`, faults: []string{badImage}},
	{name: "shortest digest", in: `"app@sha256:` + hexDigest[:32] + `"`, out: `"app@sha256:` + hexDigest[:32] + `"`},
	{name: "digest of a digit less", in: `"app@sha256:` + hexDigest[:31] + `"`, faults: []string{badImage}},
	{name: "short digest", in: `"app@sha256:abc"`, faults: []string{badImage}},
	{name: "digest before the tag", in: `"app@sha256:` + hexDigest + `:v1"`, faults: []string{badImage}},
	{name: "slash first", in: `"/app"`, faults: []string{badImage}},
	{name: "slash last", in: `"team/"`, faults: []string{badImage}},
	{name: "two slashes", in: `"team//app"`, faults: []string{badImage}},
	{name: "three underscores", in: `"a___b"`, faults: []string{badImage}},
	{name: "two dots", in: `"a..b"`, faults: []string{badImage}},
	{name: "hyphen first", in: `"-a"`, faults: []string{badImage}},
	{name: "hyphen last", in: `"a-"`, faults: []string{badImage}},
	{name: "port without a number", in: `"registry:port/app"`, faults: []string{badImage}},
	{name: "URL", in: `"https://registry.example.com/app"`, faults: []string{badImage}},
	{name: "space within", in: `"my app"`, faults: []string{badImage}},
	{name: "newline within", in: `"app\nv1"`, faults: []string{badImage}},
	{name: "shell", in: `"app;$(id)"`, faults: []string{badImage}},
	{name: "letter beyond ASCII", in: `"é"`, faults: []string{badImage}},
	{name: "NUL within", in: `"a\u0000b"`, faults: []string{badImage, hasNUL}},
}

var ports = []field{
	{name: "1", in: `1`, out: `1`},
	{name: "65535", in: `65535`, out: `65535`},
	{name: "text", in: `"8080"`, out: `8080`},
	{name: "text with space around", in: `" \u001f8080\n"`, out: `8080`},
	{name: "text with a plus", in: `"+81"`, out: `81`},
	{name: "text with zeros", in: `"0082"`, out: `82`},
	{name: "text with a fraction of zeros", in: `"8083.00"`, out: `8083`},
	{name: "text with a point", in: `"8084."`, out: `8084`},
	{name: "float", in: `8085.0`, out: `8085`},
	{name: "float by exponent", in: `8.086e3`, out: `8086`},
	{name: "null", in: `null`, faults: []string{null}},
	{name: "true", in: `true`, faults: []string{noInteger}},
	{name: "false", in: `false`, faults: []string{noInteger}},
	{name: "list", in: `[80]`, faults: []string{noInteger}},
	{name: "object", in: `{"port":80}`, faults: []string{noInteger}},
	{name: "blank", in: `""`, faults: []string{noInteger}},
	{name: "spaces", in: `" \t"`, faults: []string{noInteger}},
	{name: "letter", in: `"x"`, faults: []string{noInteger}},
	{name: "number and letter", in: `"80x"`, faults: []string{noInteger}},
	{name: "hexadecimal", in: `"0x50"`, faults: []string{noInteger}},
	{name: "two numbers", in: `"80 81"`, faults: []string{noInteger}},
	{name: "NUL", in: `"80\u0000"`, faults: []string{noInteger}},
	{name: "fraction", in: `80.5`, faults: []string{noInteger}},
	{name: "fraction as text", in: `"80.5"`, faults: []string{noInteger}},
	{name: "fraction only", in: `".0"`, faults: []string{noInteger}},
	{name: "two points", in: `"80.0.0"`, faults: []string{noInteger}},
	{name: "exponent as text", in: `"8e3"`, faults: []string{noInteger}},
	{name: "large float", in: `1e16`, faults: []string{noInteger}},
	{name: "infinite float", in: `1e400`, faults: []string{noInteger}},
	{name: "small float", in: `1e-5`, faults: []string{noInteger}},
	{name: "fraction of a huge number", in: `"99999999999999999999.5"`, faults: []string{noInteger}},
	{name: "0", in: `0`, faults: []string{portTooSmall}},
	{name: "minus zero", in: `-0`, faults: []string{portTooSmall}},
	{name: "0.0", in: `0.0`, faults: []string{portTooSmall}},
	{name: "-1", in: `-1`, faults: []string{portTooSmall}},
	{name: "minus one as text", in: `"-1"`, faults: []string{portTooSmall}},
	{name: "huge negative", in: `-99999999999999999999`, faults: []string{portTooSmall}},
	{name: "65536", in: `65536`, faults: []string{portTooLarge}},
	{name: "65536 as text", in: `"65536"`, faults: []string{portTooLarge}},
	{name: "65536.0", in: `65536.0`, faults: []string{portTooLarge}},
	{name: "beyond 32 bits", in: `4294967376`, faults: []string{portTooLarge}},
	{name: "beyond 64 bits", in: `18446744073709551696`, faults: []string{portTooLarge}},
	{name: "huge", in: `99999999999999999999999999`, faults: []string{portTooLarge}},
}

// configs are the rules for a config: those for a name, except that null is valid.
func configs() []field {
	rules := []field{{name: "no config", in: `null`, out: `null`}}
	for _, f := range append(append([]field{}, texts...), names...) {
		if f.name != "null" {
			rules = append(rules, f)
		}
	}
	return rules
}

func TestServiceFieldsAreChecked(t *testing.T) {
	join := func(lists ...[]field) (all []field) {
		for _, list := range lists {
			all = append(all, list...)
		}
		return all
	}
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		path := c.service(t, "patched", "")
		created := 0
		for _, tt := range []struct {
			name, aside string
			rules       []field
			object      func(value string) string
		}{
			{"name", `"aside"`, join(wrongTypes, nulls, blanks, labels), func(v string) string { return serviceObject("<uuid>", v, `"<reason>"`, "<number>", "<...>", "<uuid>") }},
			{"image", `"aside"`, join(wrongTypes, nulls, blanks, images), func(v string) string { return serviceObject("<uuid>", `"<reason>"`, v, "<number>", "<...>", "<uuid>") }},
			{"port", `5`, ports, func(v string) string {
				return serviceObject("<uuid>", `"<reason>"`, `"<reason>"`, v, "<...>", "<uuid>")
			}},
			{"config", `"aside"`, configs(), func(v string) string {
				return serviceObject("<uuid>", `"<reason>"`, `"<reason>"`, "<number>", v, "<uuid>")
			}},
		} {
			for _, f := range tt.rules {
				t.Run(tt.name+"/"+f.name, func(t *testing.T) {
					f.check(t, tt.name, tt.aside, tt.object,
						func(value string) response {
							created++
							return c.post(t, "/api/services/", with(fmt.Sprint("created-", created), tt.name, value))
						},
						func(value string) response { return c.do(t, "PATCH", path, `{"`+tt.name+`":`+value+`}`) })
				})
			}
		}

		// The answer reports all errors of all fields, in their order.
		const required = `["This field is required."]`
		c.post(t, "/api/services/", `{}`).want(t, 400, `{"name":`+required+`,"image":`+required+`,"port":`+required+`}`)
		c.post(t, "/api/services/", `{"secret":"x","port":80}`).want(t, 400, `{"name":`+required+`,"image":`+required+`,"secret":[<...>]}`)
		wrong := `{"secret":"x","config":"","port":0,"image":"A B","name":"-"}`
		faults := `{"name":["` + badLabel + `"],"image":["` + badImage + `"],"port":["` + portTooSmall + `"],"config":["` + blank + `"],"secret":["Invalid pk \"x\" - object does not exist."]}`
		c.post(t, "/api/services/", wrong).want(t, 400, faults)
		c.do(t, "PATCH", path, wrong).want(t, 400, faults)
		wrong = `{"secret":[],"config":[],"port":[],"image":[],"name":[]}`
		faults = `{"name":["` + noString + `"],"image":["` + noString + `"],"port":["` + noInteger + `"],"config":["` + noString + `"],"secret":["Incorrect type. Expected pk value, received list."]}`
		c.post(t, "/api/services/", wrong).want(t, 400, faults)
		c.do(t, "PATCH", path, wrong).want(t, 400, faults)
		// The last of duplicate fields counts, and field names are case-sensitive.
		c.post(t, "/api/services/", `{"name":"A","image":"app","port":0,"port":7,"name":"last","Name":"other","Port":9}`).
			want(t, 201, serviceObject("<uuid>", `"last"`, `"app"`, "7", "null", "<uuid>"))
	})
}

func TestSecretOfAServiceMustExist(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withAll(t, tg)
		_, theirs := withAll(t, tg)
		gone := c.secret(t, "gone")
		c.do(t, "DELETE", gone, "").want(t, 204, "")
		path := known.fill("/api/services/{V}/")
		before := c.get(t, path)
		incorrect := func(kind string) string {
			return `{"secret":["Incorrect type. Expected pk value, received ` + kind + `."]}`
		}
		invalid := func(text string) [2]string { return [2]string{quote(text), noSecret(text)} }
		s := known["S"]
		for _, tt := range [][2]string{
			invalid(unknownID), invalid(strings.Split(gone, "/")[3]), invalid(theirs["S"]), invalid(theirs["V"]), invalid(known["I"]), invalid(known["V"]),
			invalid("x"), invalid("mine"), invalid("{" + s + "}"), invalid(strings.ReplaceAll(s, "-", "")), invalid("urn:uuid:" + s), invalid(s + " "), invalid(s + "0"), invalid(s[:35]),
			invalid("null"), invalid(" "), invalid("é🔑"), invalid(`<a href="x">&'</a>`), invalid("a\nb\x01"), invalid("SECRET#" + s),
			{`5`, noSecret("5")}, {`-0`, noSecret("0")}, {`5.50`, noSecret("5.5")}, {`1e400`, noSecret("inf")}, {`12345678901234567890`, noSecret("12345678901234567890")},
			{`true`, incorrect("bool")}, {`false`, incorrect("bool")}, {`[]`, incorrect("list")}, {`["` + s + `"]`, incorrect("list")}, {`{"id":"` + s + `"}`, incorrect("dict")},
			{`null`, `{"secret":["` + null + `"]}`}, {`""`, `{"secret":["` + null + `"]}`},
		} {
			c.post(t, "/api/services/", with("new", "secret", tt[0])).want(t, 400, tt[1])
			c.do(t, "PATCH", path, `{"secret":`+tt[0]+`}`).want(t, 400, tt[1])
			c.do(t, "PATCH", path, `{"name":"new","secret":`+tt[0]+`}`).want(t, 400, tt[1])
		}
		c.get(t, path).want(t, 200, before.body)
		c.get(t, "/api/services/").want(t, 200, page("1", before.body))
		// The filter of the list gives the same error.
		for query, text := range map[string]string{
			"secret=x": "x", "secret=%20": " ", "secret=x%00": "x\x00", "secret=%C3%A9%F0%9F%94%91": "é🔑", "secret=%3Ca%3E%26": "<a>&", "secret=" + s + "%0A": s + "\n",
			"page_size=1&secret=" + theirs["S"]: theirs["S"], "secret=" + strings.Repeat("x", 1000): strings.Repeat("x", 1000),
		} {
			c.get(t, "/api/services/?"+query).want(t, 400, noSecret(text))
		}
		// None of that was a use: an unused secret can be deleted.
		c.do(t, "DELETE", known.fill("/api/secrets/{S}/"), "").want(t, 204, "")
	})
}

// TestForeignServices: of another account's services and secrets nothing can be seen,
// addressed or named, and nothing distinguishes them from missing objects.
func TestForeignServicesLookMissing(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, mine := withAll(t, tg)
		other, theirs := withAll(t, tg)
		theirs["T"] = strings.Split(other.service(t, "theirs", theirs.fill("/api/secrets/{S}/")), "/")[3]
		before := other.get(t, "/api/services/").body
		same := func(method, path, body string) {
			t.Helper()
			ask := func(id string) response {
				at := vars{"ID": id}
				return c.do(t, method, at.fill(path), at.fill(body))
			}
			got, want := ask(theirs["S"]), ask(unknownID)
			if seen(got) != seen(want) || want.status < 400 {
				t.Errorf("%v %s = %s, want %s as for a missing object", got, body, seen(got), seen(want))
			}
		}
		same("GET", "/api/services/?secret={ID}", "")
		same("GET", "/api/services/?secret={ID}&page_size=1", "")
		same("POST", "/api/services/", `{"name":"new","image":"app","port":80,"secret":"{ID}"}`)
		same("POST", "/api/services/", `{"name":"","secret":"{ID}"}`)
		same("PATCH", mine.fill("/api/services/{V}/"), `{"secret":"{ID}"}`)
		same("DELETE", "/api/secrets/{ID}/", "")
		for _, id := range []string{theirs["T"], theirs["V"]} {
			for _, method := range []string{"GET", "PATCH", "DELETE"} {
				c.do(t, method, "/api/services/"+id+"/", "").want(t, 404, notFound)
			}
		}
		other.get(t, "/api/services/").want(t, 200, before)
		other.do(t, "DELETE", theirs.fill("/api/secrets/{S}/"), "").want(t, 409, inUse("1 service: theirs"))
		c.get(t, "/api/services/").want(t, 200, mine.fill(page("1", serviceObject("{V}", `"mine"`, `"app"`, "80", "null", "<uuid>"))))
	})
}

// inUse is the refusal to delete a used secret.
func inUse(services string) string {
	return `{"detail":"This secret is used by ` + services + `. Remove the secret from all services first."}`
}

// A used secret can't be deleted, and a deleted secret can't be used.
func TestUsedSecretCannotBeDeleted(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		path, list := known.fill("/api/secrets/{S}/"), known.fill("/api/services/?secret={S}")
		refused := func(services string) {
			t.Helper()
			for range 2 { // a refusal changes nothing
				c.do(t, "DELETE", path, "").want(t, 409, inUse(services))
			}
			c.get(t, path).want(t, 200, known.fill(usedSecretObject("{S}", `"mine"`, "false")))
			c.get(t, path+"items/").want(t, 200, known.fill(page("1", itemObject("{I}", "{S}", "KEY"))))
		}
		app := c.service(t, "my-app", path)
		refused("1 service: my-app")
		worker := c.service(t, "worker", path)
		refused("2 services: my-app, worker")
		c.do(t, "DELETE", strings.TrimSuffix(path, "/"), "").want(t, 409, inUse("2 services: my-app, worker"))
		c.do(t, "DELETE", path, "{bad", "Content-Type: text/plain").want(t, 409, inUse("2 services: my-app, worker"))
		more := make([]string, 6)
		for i := range more {
			more[i] = c.service(t, fmt.Sprint("more-", i+1), path)
			switch i {
			case 2:
				refused("5 services: my-app, worker, more-1, more-2, more-3")
			case 3:
				refused("6 services: my-app, worker, more-1, more-2, more-3 and 1 more")
			}
		}
		refused("8 services: my-app, worker, more-1, more-2, more-3 and 3 more")
		// The names are the current ones, in the order of creation.
		c.do(t, "PATCH", app, `{"name":"z-app"}`).want(t, 200, `{<...>`)
		c.do(t, "DELETE", more[0], "").want(t, 204, "")
		refused("7 services: z-app, worker, more-2, more-3, more-4 and 2 more")
		c.get(t, list).want(t, 200, `{"count":7,<...>`)

		// A used secret can be renamed, and its items changed. It remains in use.
		c.do(t, "PATCH", path, `{"name":"renamed"}`).want(t, 200, known.fill(usedSecretObject("{S}", `"renamed"`, "false")))
		c.do(t, "PATCH", path, `{"name":"mine"}`).want(t, 200, known.fill(usedSecretObject("{S}", `"mine"`, "false")))
		second := c.item(t, path, "SECOND", "PLANTED")
		c.do(t, "PATCH", second, `{"value":"PLANTED 2"}`).want(t, 200, `{<...>`)
		c.do(t, "DELETE", second, "").want(t, 204, "")
		refused("7 services: z-app, worker, more-2, more-3, more-4 and 2 more")

		// A service that is moved or deleted no longer uses it.
		other := c.secret(t, "other")
		for _, service := range more[1:] {
			c.do(t, "DELETE", service, "").want(t, 204, "")
		}
		refused("2 services: z-app, worker")
		c.do(t, "PATCH", worker, `{"secret":"`+strings.Split(other, "/")[3]+`"}`).want(t, 200, `{<...>`)
		refused("1 service: z-app")
		c.do(t, "DELETE", other, "").want(t, 409, inUse("1 service: worker"))
		c.do(t, "DELETE", app, "").want(t, 204, "")
		c.get(t, path).want(t, 200, known.fill(secretObject("{S}", `"mine"`, "false"))) // at once, as no service uses it
		c.get(t, list).want(t, 200, emptyPage)
		c.do(t, "DELETE", path, "").want(t, 204, "")

		// A deleted secret can't be used.
		c.post(t, "/api/services/", with("late", "secret", quote(known["S"]))).want(t, 400, noSecret(known["S"]))
		c.do(t, "PATCH", worker, known.fill(`{"secret":"{S}"}`)).want(t, 400, noSecret(known["S"]))
		c.get(t, list).want(t, 400, noSecret(known["S"]))
		c.do(t, "DELETE", path, "").want(t, 404, notFound)

		// For the default secret, the default comes before the use.
		c.service(t, "of-default", "")
		def := "/api/secrets/" + c.get(t, "/api/secrets/").page(t).ids()[0] + "/"
		c.do(t, "DELETE", def, "").want(t, 409, `{"detail":"The default secret cannot be deleted."}`)
	})
}

package e2e

import (
	"strings"
	"testing"
)

// Answers that many routes share.
const (
	notFound        = `{"detail":"Not found."}`
	unauthenticated = `{"detail":"Invalid or missing API key."}`
	emptyPage       = `{"count":0,"next":null,"previous":null,"results":[]}`

	unknownID = "00000000-0000-4000-8000-000000000000"
)

// secretObject is a secret in an answer.
func secretObject(id, name, isDefault string) string {
	return `{"id":"` + id + `","name":` + name + `,"is_default":` + isDefault +
		`,"status":"ready","deploy_successful":true,"created_at":"<datetime>","bundle":null,"etag":"\"<number>-ready\""}`
}

// usedSecretObject is a secret that services use.
func usedSecretObject(id, name, isDefault string) string {
	return strings.NewReplacer(`"status":"ready","deploy_successful":true`, "<delivery>", `"bundle":null`, `"bundle":<bundle>`, "-ready", "-<reason>").
		Replace(secretObject(id, name, isDefault))
}

// serviceObject is a service in an answer. All arguments but the ids are JSON.
func serviceObject(id, name, image, port, config, secret string) string {
	return `{"id":"` + id + `","name":` + name + `,"image":` + image + `,"port":` + port + `,"config":` + config +
		`,"secret":"` + secret + `","created_at":"<datetime>","updated_at":"<datetime>","etag":"\"<number>\""}`
}

// itemObject is a never revealed item in an answer.
func itemObject(id, secret, key string) string {
	return `{"id":"` + id + `","secret":"` + secret + `","key":"` + key +
		`","value":"********","version":<number>,"last_accessed_at":null,"last_accessed_by":null,"created_at":"<datetime>","updated_at":"<datetime>","etag":"\"<number>\""}`
}

// readItemObject is a revealed item in an answer. Value is JSON.
func readItemObject(id, secret, key, value, user string) string {
	return `{"id":"` + id + `","secret":"` + secret + `","key":"` + key + `","value":` + value +
		`,"version":<number>,"last_accessed_at":"<datetime>","last_accessed_by":"` + user + `","created_at":"<datetime>","updated_at":"<datetime>","etag":"\"<number>\""}`
}

// page is a whole list on one page.
func page(count string, results string) string {
	return `{"count":` + count + `,"next":null,"previous":null,"results":[` + results + `]}`
}

// The steps are the life of two accounts, A and B.
func TestSecretsAndItemsFromCreationToDeletion(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, b := tg.client(t), tg.client(t)
		story(t, map[string]*client{"A": a, "B": b}, vars{"USER_A": a.user, "USER_B": b.user}, []step{
			// Secrets.
			{name: "secrets/list fresh", request: "GET /api/secrets/",
				status: 200, want: page("1", secretObject("{DEF_A}", `"Default"`, "true"))},
			{name: "secrets/list fresh, other account", as: "B", request: "GET /api/secrets/",
				status: 200, want: page("1", secretObject("{DEF_B}", `"Default"`, "true"))},
			{name: "secrets/get default", request: "GET /api/secrets/{DEF_A}/",
				status: 200, want: secretObject("{DEF_A}", `"Default"`, "true")},
			{name: "secrets/create", request: "POST /api/secrets/", body: `{"name":"production-secrets"}`,
				status: 201, want: secretObject("{S1}", `"production-secrets"`, "false")},
			{name: "secrets/get", request: "GET /api/secrets/{S1}/",
				status: 200, want: secretObject("{S1}", `"production-secrets"`, "false")},
			{name: "secrets/list two, oldest first", request: "GET /api/secrets/",
				status: 200, want: page("2", secretObject("{DEF_A}", `"Default"`, "true")+","+secretObject("{S1}", `"production-secrets"`, "false"))},
			{name: "secrets/get upper-case id", request: "GET /api/secrets/{S1:upper}/",
				status: 200, want: secretObject("{S1}", `"production-secrets"`, "false")},
			{name: "secrets/get unknown", request: "GET /api/secrets/" + unknownID + "/", status: 404, want: notFound},
			{name: "secrets/get malformed id", request: "GET /api/secrets/not-a-uuid/", status: 404, want: notFound},
			{name: "secrets/get other account's", request: "GET /api/secrets/{DEF_B}/", status: 404, want: notFound},
			{name: "secrets/update other account's", request: "PATCH /api/secrets/{DEF_B}/", body: `{"name":"x"}`,
				status: 404, want: notFound},
			{name: "secrets/delete other account's", as: "B", request: "DELETE /api/secrets/{S1}/", status: 404, want: notFound},
			{name: "secrets/update unknown with malformed JSON", request: "PATCH /api/secrets/" + unknownID + "/", body: `{bad`,
				status: 404, want: notFound},
			{name: "secrets/rename", request: "PATCH /api/secrets/{S1}/", body: `{"name":"prod"}`,
				status: 200, want: secretObject("{S1}", `"prod"`, "false")},
			{name: "secrets/update with empty object", request: "PATCH /api/secrets/{S1}/", body: `{}`,
				status: 200, want: secretObject("{S1}", `"prod"`, "false")},
			{name: "secrets/update with empty body", request: "PATCH /api/secrets/{S1}/", header: []string{"Content-Type: application/json"},
				status: 200, want: secretObject("{S1}", `"prod"`, "false")},
			{name: "secrets/rename to the same", request: "PATCH /api/secrets/{S1}/", body: `{"name":"prod"}`,
				status: 200, want: secretObject("{S1}", `"prod"`, "false")},
			{name: "secrets/rename to blank", request: "PATCH /api/secrets/{S1}/", body: `{"name":""}`,
				status: 400, want: `{"name":["This field may not be blank."]}`},
			{name: "secrets/rename to null", request: "PATCH /api/secrets/{S1}/", body: `{"name":null}`,
				status: 400, want: `{"name":["This field may not be null."]}`},
			{name: "secrets/update read-only fields", request: "PATCH /api/secrets/{S1}/",
				body:   `{"id":"` + unknownID + `","is_default":true,"status":"x","deploy_successful":false,"created_at":"2020-01-01T00:00:00Z","account":"x"}`,
				status: 200, want: secretObject("{S1}", `"prod"`, "false")},
			{name: "secrets/create with name in other case", request: "POST /api/secrets/", body: `{"name":"PRODUCTION-secrets"}`,
				status: 201, want: secretObject("{S2}", `"PRODUCTION-secrets"`, "false")},
			{name: "secrets/create with name of other account's", as: "B", request: "POST /api/secrets/", body: `{"name":"production-secrets"}`,
				status: 201, want: secretObject("{SB}", `"production-secrets"`, "false")},
			{name: "secrets/create duplicate", request: "POST /api/secrets/", body: `{"name":"prod"}`,
				status: 400, want: `{"name":["secret with this name already exists."]}`},
			{name: "secrets/create duplicate after trimming", request: "POST /api/secrets/", body: `{"name":" prod\n"}`,
				status: 400, want: `{"name":["secret with this name already exists."]}`},
			{name: "secrets/create duplicate of the default", request: "POST /api/secrets/", body: `{"name":"Default"}`,
				status: 400, want: `{"name":["secret with this name already exists."]}`},
			{name: "secrets/rename to duplicate", request: "PATCH /api/secrets/{S2}/", body: `{"name":"prod"}`,
				status: 400, want: `{"name":["secret with this name already exists."]}`},
			{name: "secrets/create with an old name", request: "POST /api/secrets/", body: `{"name":"production-secrets"}`,
				status: 201, want: secretObject("{S4}", `"production-secrets"`, "false")},
			{name: "secrets/delete the one with the old name", request: "DELETE /api/secrets/{S4}/", status: 204},
			{name: "secrets/delete", request: "DELETE /api/secrets/{S2}/", status: 204},
			{name: "secrets/delete again", request: "DELETE /api/secrets/{S2}/", status: 404, want: notFound},
			{name: "secrets/get deleted", request: "GET /api/secrets/{S2}/", status: 404, want: notFound},
			{name: "secrets/update deleted", request: "PATCH /api/secrets/{S2}/", body: `{"name":"x"}`, status: 404, want: notFound},
			{name: "secrets/delete other account's default", request: "DELETE /api/secrets/{DEF_B}/", status: 404, want: notFound},
			{name: "secrets/delete unknown with a body", request: "DELETE /api/secrets/" + unknownID + "/", body: `{bad`,
				status: 404, want: notFound},
			{name: "secrets/delete default", request: "DELETE /api/secrets/{DEF_A}/",
				status: 409, want: `{"detail":"The default secret cannot be deleted."}`},
			{name: "secrets/rename default", request: "PATCH /api/secrets/{DEF_A}/", body: `{"name":"main"}`,
				status: 200, want: secretObject("{DEF_A}", `"main"`, "true")},
			{name: "secrets/delete renamed default", request: "DELETE /api/secrets/{DEF_A}/",
				status: 409, want: `{"detail":"The default secret cannot be deleted."}`},
			{name: "secrets/create with deleted name", request: "POST /api/secrets/", body: `{"name":"PRODUCTION-secrets"}`,
				status: 201, want: secretObject("{S3}", `"PRODUCTION-secrets"`, "false")},
			{name: "secrets/list after all that", request: "GET /api/secrets/",
				status: 200, want: page("3", secretObject("{DEF_A}", `"main"`, "true")+","+secretObject("{S1}", `"prod"`, "false")+","+
					secretObject("{S3}", `"PRODUCTION-secrets"`, "false"))},

			// Items.
			{name: "items/list none", request: "GET /api/secrets/{S1}/items/", status: 200, want: emptyPage},
			{name: "items/create", request: "POST /api/secrets/{S1}/items/", body: `{"key":"DATABASE_PASSWORD","value":"super-secret-password"}`,
				status: 201, want: itemObject("{I1}", "{S1}", "DATABASE_PASSWORD")},
			{name: "items/create another", request: "POST /api/secrets/{S1}/items/", body: `{"key":"API_KEY","value":"sk_live_abc123"}`,
				status: 201, want: itemObject("{I2}", "{S1}", "API_KEY")},
			{name: "items/list two, oldest first", request: "GET /api/secrets/{S1}/items/",
				status: 200, want: page("2", itemObject("{I1}", "{S1}", "DATABASE_PASSWORD")+","+itemObject("{I2}", "{S1}", "API_KEY"))},
			{name: "items/get", request: "GET /api/secrets/{S1}/items/{I1}/",
				status: 200, want: readItemObject("{I1}", "{S1}", "DATABASE_PASSWORD", `"super-secret-password"`, "{USER_A}")},
			{name: "items/list shows the read", request: "GET /api/secrets/{S1}/items/",
				status: 200, want: page("2", readItemObject("{I1}", "{S1}", "DATABASE_PASSWORD", `"********"`, "{USER_A}")+","+itemObject("{I2}", "{S1}", "API_KEY"))},
			{name: "items/HEAD", request: "HEAD /api/secrets/{S1}/items/{I2}/",
				status: 405, answers: []string{"Allow: GET, PATCH, DELETE, OPTIONS", "RateLimit:"}},
			{name: "items/list shows no read by HEAD", request: "GET /api/secrets/{S1}/items/",
				status: 200, want: page("2", readItemObject("{I1}", "{S1}", "DATABASE_PASSWORD", `"********"`, "{USER_A}")+","+itemObject("{I2}", "{S1}", "API_KEY"))},
			{name: "items/update value", request: "PATCH /api/secrets/{S1}/items/{I1}/", body: `{"value":"new-secret-password"}`,
				status: 200, want: readItemObject("{I1}", "{S1}", "DATABASE_PASSWORD", `"********"`, "{USER_A}")},
			{name: "items/get updated", request: "GET /api/secrets/{S1}/items/{I1}/",
				status: 200, want: readItemObject("{I1}", "{S1}", "DATABASE_PASSWORD", `"new-secret-password"`, "{USER_A}")},
			{name: "items/update key to null", request: "PATCH /api/secrets/{S1}/items/{I1}/", body: `{"key":null}`,
				status: 400, want: `{"key":["This field may not be null."]}`},
			{name: "items/update key to blank", request: "PATCH /api/secrets/{S1}/items/{I1}/", body: `{"key":""}`,
				status: 400, want: `{"key":["This field may not be blank."]}`},
			{name: "items/update value to null", request: "PATCH /api/secrets/{S1}/items/{I1}/", body: `{"value":null}`,
				status: 400, want: `{"value":["This field may not be null."]}`},
			{name: "items/update with two faults", request: "PATCH /api/secrets/{S1}/items/{I1}/", body: `{"key":"","value":null}`,
				status: 400, want: `{"key":["This field may not be blank."],"value":["This field may not be null."]}`},
			{name: "items/update key to duplicate", request: "PATCH /api/secrets/{S1}/items/{I1}/", body: `{"key":"API_KEY"}`,
				status: 400, want: `{"key":["secret item with this key already exists."]}`},
			{name: "items/update read-only fields", request: "PATCH /api/secrets/{S1}/items/{I2}/",
				body:   `{"id":"` + unknownID + `","secret":"{S3}","last_accessed_at":"2020-01-01T00:00:00Z","last_accessed_by":"` + unknownID + `","created_at":"2020-01-01T00:00:00Z"}`,
				status: 200, want: itemObject("{I2}", "{S1}", "API_KEY")},
			{name: "items/get after the refused updates", request: "GET /api/secrets/{S1}/items/{I1}/",
				status: 200, want: readItemObject("{I1}", "{S1}", "DATABASE_PASSWORD", `"new-secret-password"`, "{USER_A}")},
			{name: "items/create empty", request: "POST /api/secrets/{S1}/items/", body: `{}`,
				status: 400, want: `{"key":["This field is required."],"value":["This field is required."]}`},
			{name: "items/create without value", request: "POST /api/secrets/{S1}/items/", body: `{"key":"X"}`,
				status: 400, want: `{"value":["This field is required."]}`},
			{name: "items/create without key", request: "POST /api/secrets/{S1}/items/", body: `{"value":"X"}`,
				status: 400, want: `{"key":["This field is required."]}`},
			{name: "items/create duplicate", request: "POST /api/secrets/{S1}/items/", body: `{"key":"API_KEY","value":"other"}`,
				status: 400, want: `{"key":["secret item with this key already exists."]}`},
			{name: "items/create with key in other case", request: "POST /api/secrets/{S1}/items/", body: `{"key":"api_key","value":"other"}`,
				status: 201, want: itemObject("{I3}", "{S1}", "api_key")},
			{name: "items/create with key of another secret's", request: "POST /api/secrets/{S3}/items/", body: `{"key":"API_KEY","value":"other"}`,
				status: 201, want: itemObject("{J1}", "{S3}", "API_KEY")},
			{name: "items/create with key of 256", request: "POST /api/secrets/{S1}/items/", body: `{"key":"<repeat:k:256>","value":"x"}`,
				status: 400, want: `{"key":["Ensure this field has no more than 253 characters."]}`},
			{name: "items/create with number as key", request: "POST /api/secrets/{S1}/items/", body: `{"key":7,"value":"8.5"}`,
				status: 201, want: itemObject("{I7}", "{S1}", "7")},
			{name: "items/get with number as key", request: "GET /api/secrets/{S1}/items/{I7}/",
				status: 200, want: readItemObject("{I7}", "{S1}", "7", `"8.5"`, "{USER_A}")},
			{name: "items/create with bool as key", request: "POST /api/secrets/{S1}/items/", body: `{"key":false,"value":true}`,
				status: 400, want: `{"key":["Not a valid string."],"value":["Not a valid string."]}`},
			{name: "items/create with null as value", request: "POST /api/secrets/{S1}/items/", body: `{"key":"VD","value":null}`,
				status: 400, want: `{"value":["This field may not be null."]}`},
			{name: "items/create with object as value", request: "POST /api/secrets/{S1}/items/", body: `{"key":"VE","value":{"a":1}}`,
				status: 400, want: `{"value":["Not a valid string."]}`},
			{name: "items/create with number as value", request: "POST /api/secrets/{S1}/items/", body: `{"key":"VE","value":8.5}`,
				status: 400, want: `{"value":["Not a valid string."]}`},
			{name: "items/create with NUL in value", request: "POST /api/secrets/{S1}/items/", body: `{"key":"VF","value":"a\u0000b"}`,
				status: 400, want: `{"value":["Null characters are not allowed."]}`},
			{name: "items/create with the mask as value", request: "POST /api/secrets/{S1}/items/", body: `{"key":"VG","value":"********"}`,
				status: 400, want: `{"value":["This is the mask, not a value."]}`},
			{name: "items/update value to the mask", request: "PATCH /api/secrets/{S1}/items/{I3}/", body: `{"key":"api_key","value":"********"}`,
				status: 400, want: `{"value":["This is the mask, not a value."]}`},
			{name: "items/get is not the mask", request: "GET /api/secrets/{S1}/items/{I3}/",
				status: 200, want: readItemObject("{I3}", "{S1}", "api_key", `"other"`, "{USER_A}")},
			{name: "items/create with newlines and quotes", request: "POST /api/secrets/{S1}/items/",
				body:   `{"key":"V3","value":"l\u00edne1\r\nline2\t\"q\" \\ 🔑 <&>\u2028end"}`,
				status: 201, want: itemObject("{I9}", "{S1}", "V3")},
			{name: "items/get with newlines and quotes", request: "GET /api/secrets/{S1}/items/{I9}/",
				status: 200, want: readItemObject("{I9}", "{S1}", "V3", `"líne1\r\nline2\t\"q\" \\ 🔑 <&>\u2028end"`, "{USER_A}")},
			{name: "items/create of 64 KiB", request: "POST /api/secrets/{S1}/items/", body: `{"key":"V4","value":"<repeat:v:65536>"}`,
				status: 201, want: itemObject("{I10}", "{S1}", "V4")},
			{name: "items/get of 64 KiB", request: "GET /api/secrets/{S1}/items/{I10}/",
				status: 200, want: readItemObject("{I10}", "{S1}", "V4", `"<repeat:v:65536>"`, "{USER_A}")},
			{name: "items/get unknown", request: "GET /api/secrets/{S1}/items/" + unknownID + "/", status: 404, want: notFound},
			{name: "items/get malformed id", request: "GET /api/secrets/{S1}/items/abc/", status: 404, want: notFound},
			{name: "items/get upper-case ids", request: "GET /api/secrets/{S1:upper}/items/{I1:upper}/",
				status: 200, want: readItemObject("{I1}", "{S1}", "DATABASE_PASSWORD", `"new-secret-password"`, "{USER_A}")},
			{name: "items/get under the wrong secret", request: "GET /api/secrets/{S3}/items/{I1}/", status: 404, want: notFound},
			{name: "items/update under the wrong secret", request: "PATCH /api/secrets/{S3}/items/{I1}/", body: `{"value":"x"}`,
				status: 404, want: notFound},
			{name: "items/delete under the wrong secret", request: "DELETE /api/secrets/{S3}/items/{I1}/", status: 404, want: notFound},
			{name: "items/list of unknown secret", request: "GET /api/secrets/" + unknownID + "/items/", status: 404, want: notFound},
			{name: "items/list of malformed id", request: "GET /api/secrets/abc/items/", status: 404, want: notFound},
			{name: "items/list of other account's", request: "GET /api/secrets/{SB}/items/", status: 404, want: notFound},
			{name: "items/create in other account's", request: "POST /api/secrets/{SB}/items/", body: `{"key":"a","value":"b"}`,
				status: 404, want: notFound},
			{name: "items/create in unknown secret, invalid", request: "POST /api/secrets/" + unknownID + "/items/", body: `{}`,
				status: 404, want: notFound},
			{name: "items/get other account's", as: "B", request: "GET /api/secrets/{S1}/items/{I1}/", status: 404, want: notFound},
			{name: "items/update unknown with malformed JSON", request: "PATCH /api/secrets/{S1}/items/" + unknownID + "/", body: `{bad`,
				status: 404, want: notFound},
			{name: "items/list of other account's own secret", as: "B", request: "GET /api/secrets/{SB}/items/", status: 200, want: emptyPage},
			{name: "items/delete", request: "DELETE /api/secrets/{S1}/items/{I7}/", status: 204},
			{name: "items/delete again", request: "DELETE /api/secrets/{S1}/items/{I7}/", status: 404, want: notFound},
			{name: "items/get deleted", request: "GET /api/secrets/{S1}/items/{I7}/", status: 404, want: notFound},
			{name: "items/create with deleted key", request: "POST /api/secrets/{S1}/items/", body: `{"key":"7","value":"again"}`,
				status: 201, want: itemObject("{I11}", "{S1}", "7")},
			{name: "items/list after all that", request: "GET /api/secrets/{S1}/items/",
				status: 200, want: `{"count":6,"next":null,"previous":null,"results":[<...>]}`},
			{name: "items/delete secret with items", request: "DELETE /api/secrets/{S3}/", status: 204},
			{name: "items/get of deleted secret", request: "GET /api/secrets/{S3}/items/{J1}/", status: 404, want: notFound},
			{name: "items/list of deleted secret", request: "GET /api/secrets/{S3}/items/", status: 404, want: notFound},
			{name: "items/create in deleted secret", request: "POST /api/secrets/{S3}/items/", body: `{"key":"a","value":"b"}`,
				status: 404, want: notFound},
			{name: "items/update of deleted secret", request: "PATCH /api/secrets/{S3}/items/{J1}/", body: `{"value":"b"}`,
				status: 404, want: notFound},
			{name: "items/delete of deleted secret", request: "DELETE /api/secrets/{S3}/items/{J1}/", status: 404, want: notFound},
		})
	})
}

// The requests are those of the documentation, as printed.
func TestDocumentedExamplesWork(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a := tg.client(t)
		story(t, map[string]*client{"A": a}, vars{"USER": a.user}, []step{
			{name: "create secret", request: "POST /api/secrets/", body: `{"name": "production-secrets"}`,
				status: 201, want: secretObject("{S}", `"production-secrets"`, "false")},
			{name: "list secrets", request: "GET /api/secrets/",
				status: 200, want: page("2", secretObject("{DEF}", `"Default"`, "true")+","+secretObject("{S}", `"production-secrets"`, "false"))},
			{name: "add database password", request: "POST /api/secrets/{S}/items/", body: "{\n  \"key\": \"DATABASE_PASSWORD\",\n  \"value\": \"super-secret-password\"\n}",
				status: 201, want: itemObject("{I1}", "{S}", "DATABASE_PASSWORD")},
			{name: "add API key", request: "POST /api/secrets/{S}/items/", body: "{\n    \"key\": \"API_KEY\",\n    \"value\": \"sk_live_abc123xyz789\"\n  }",
				status: 201, want: itemObject("{I2}", "{S}", "API_KEY")},
			{name: "read one", request: "GET /api/secrets/{S}/items/{I1}/",
				status: 200, want: readItemObject("{I1}", "{S}", "DATABASE_PASSWORD", `"super-secret-password"`, "{USER}")},
			{name: "list items", request: "GET /api/secrets/{S}/items/",
				status: 200, want: page("2", readItemObject("{I1}", "{S}", "DATABASE_PASSWORD", `"********"`, "{USER}")+","+itemObject("{I2}", "{S}", "API_KEY"))},
			{name: "update item", request: "PATCH /api/secrets/{S}/items/{I1}/", body: `{"value": "new-secret-password"}`,
				status: 200, want: readItemObject("{I1}", "{S}", "DATABASE_PASSWORD", `"********"`, "{USER}")},
			{name: "rotate item", request: "PATCH /api/secrets/{S}/items/{I1}/", body: `{"value": "new-rotated-password"}`,
				status: 200, want: readItemObject("{I1}", "{S}", "DATABASE_PASSWORD", `"********"`, "{USER}")},
			{name: "read the rotated one", request: "GET /api/secrets/{S}/items/{I1}/",
				status: 200, want: readItemObject("{I1}", "{S}", "DATABASE_PASSWORD", `"new-rotated-password"`, "{USER}")},
			{name: "delete item", request: "DELETE /api/secrets/{S}/items/{I1}/", status: 204},
			{name: "delete secret", request: "DELETE /api/secrets/{S}/", status: 204},
			{name: "separate secrets: production", request: "POST /api/secrets/", body: `{"name": "prod-secrets"}`,
				status: 201, want: secretObject("{PROD}", `"prod-secrets"`, "false")},
			{name: "separate secrets: staging", request: "POST /api/secrets/", body: `{"name": "staging-secrets"}`,
				status: 201, want: secretObject("{STAGING}", `"staging-secrets"`, "false")},
			{name: "workflow: create secret", request: "POST /api/secrets/", body: `{"name": "my-app-secrets"}`,
				status: 201, want: secretObject("{APP}", `"my-app-secrets"`, "false")},
			{name: "workflow: add database password", request: "POST /api/secrets/{APP}/items/", body: `{"key": "DATABASE_PASSWORD", "value": "super-secret-db-password"}`,
				status: 201, want: itemObject("{DB}", "{APP}", "DATABASE_PASSWORD")},
			{name: "workflow: add API key", request: "POST /api/secrets/{APP}/items/", body: `{"key": "STRIPE_SECRET_KEY", "value": "sk_live_..."}`,
				status: 201, want: itemObject("{STRIPE}", "{APP}", "STRIPE_SECRET_KEY")},
			{name: "workflow: use in service", request: "POST /api/services/",
				body:   "{\n    \"name\": \"my-app\",\n    \"image\": \"myapp:v1.0.0\",\n    \"port\": 8080,\n    \"config\": \"your-config-id\",\n    \"secret\": \"{APP}\"\n  }",
				status: 201, want: serviceObject("{SERVICE}", `"my-app"`, `"myapp:v1.0.0"`, "8080", `"your-config-id"`, "{APP}")},
			{name: "the service", request: "GET /api/services/{SERVICE}/",
				status: 200, want: serviceObject("{SERVICE}", `"my-app"`, `"myapp:v1.0.0"`, "8080", `"your-config-id"`, "{APP}")},
			{name: "the secret is used", request: "GET /api/secrets/{APP}/", status: 200, want: usedSecretObject("{APP}", `"my-app-secrets"`, "false")},
			{name: "delete it while it is used", request: "DELETE /api/secrets/{APP}/",
				status: 409, want: `{"detail":"This secret is used by 1 service: my-app. Remove the secret from all services first."}`},
			{name: "remove it from all services", request: "DELETE /api/services/{SERVICE}/", status: 204},
			{name: "delete it then", request: "DELETE /api/secrets/{APP}/", status: 204},
		})
	})
}

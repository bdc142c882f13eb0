package deploy

import (
	"fmt"
	"testing"
)

// bin changes an item, deletes, restores and purges it, and does the same with its secret. It returns a request that
// fails, or the rows that are left.
func (p permitted) bin(t *testing.T) (failure string) {
	t.Helper()
	made := p.account(t)
	c := p.calls(t, made.APIKey)
	id := c.do("POST", "/api/secrets/", `{"name":"s"}`, 201).ID
	secret := "/api/secrets/" + id + "/"
	item := secret + "items/" + c.do("POST", secret+"items/", `{"key":"KEY","value":"value"}`, 201).ID + "/"
	for _, r := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", secret + "items/", `{"key":"KEY","value":""}`, 400}, // looks for the key
		{"PATCH", item, `{"key":"OTHER","value":""}`, 400},           // likewise
		{"GET", secret + "items/?key=KEY", "", 200},
		{"PATCH", item, `{"value":"second"}`, 200},
		{"PATCH", item, `{"value":"third"}`, 200},
		{"GET", item + "versions/", "", 200},
		{"GET", item + "versions/1/", "", 200},
		{"POST", item + "rollback/", `{"version":2}`, 200},
		{"DELETE", item + "versions/1/", "", 204},
		{"DELETE", item, "", 204},
		{"GET", secret + "items/?deleted=true", "", 200},
		{"POST", item + "restore/", `{"key":"RESTORED"}`, 200},
		{"DELETE", item, "", 204},
		{"DELETE", item + "?permanent=true", "", 204}, // needs the secret to exist
		{"DELETE", secret, "", 204},
		{"GET", "/api/secrets/?deleted=true", "", 200},
		{"POST", secret + "restore/", "", 200},
		{"DELETE", secret, "", 204},
		{"DELETE", secret + "?permanent=true", "", 204},
	} {
		if status, text := c.call(t, r.method, r.path, r.body); status != r.status {
			return fmt.Sprintf("%s %s = %d %s, want %d", r.method, r.path, status, text, r.status)
		}
		// What a deletion for good left to purge-secrets is a 204 too.
		if left := p.dueOf(t, id); left != nil {
			return fmt.Sprintf("%s %s leaves %q", r.method, r.path, left)
		}
	}
	return p.leftOf(t, made.AccountID, id)
}

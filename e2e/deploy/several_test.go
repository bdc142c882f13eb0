package deploy

import (
	"testing"

	"github.com/google/uuid"
)

// several changes items in a batch, reads them as a bundle and compares them. It repeats what it can.
func (p permitted) several(t *testing.T) (failure string) {
	t.Helper()
	c := p.calls(t, p.account(t).APIKey)
	twice := func(path, body string, status int) string {
		c.token = uuid.NewString()
		first, again := c.do("POST", path, body, status), c.do("POST", path, body, status)
		c.token = ""
		if again.ID != first.ID && *c.failure == "" {
			*c.failure = "POST " + path + " was done twice"
		}
		return first.ID
	}
	a, b := twice("/api/secrets/", `{"name":"a"}`, 201), twice("/api/secrets/", `{"name":"b"}`, 201)
	secret := "/api/secrets/" + a + "/"
	twice(secret+"items/batch/", `{"items":[{"key":"KEY","value":"value"},{"key":"OLD","value":"value"}]}`, 200)
	twice(secret+"items/batch/", `{"items":[{"key":"KEY","value":"second"}],"delete":["OLD"]}`, 200)
	c.do("GET", secret+"bundle/", "", 200)
	c.do("GET", "/api/secrets/compare/?a="+a+"&b="+b, "", 200)
	return *c.failure
}

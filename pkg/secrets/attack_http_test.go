package secrets_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// No input is a 500.
func TestAttackInputs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m := w.table.Manager(t)
	m.RevealLimit = 1000
	sid, iid := w.secret.ID.String(), w.item.ID.String()
	do := func(h http.Handler, method, url, body string, version string, header map[string]string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "https://x"+url, strings.NewReader(body))
		r.SetPathValue("secret_id", sid)
		if strings.Contains(url, "compare") {
			r.SetPathValue("secret_id", "")
		}
		r.SetPathValue("item_id", iid)
		r.SetPathValue("version", version)
		r.Header.Set("Content-Type", "application/json")
		for k, v := range header {
			r.Header.Set(k, v)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r.WithContext(httpapi.WithCaller(r.Context(), w.caller)))
		if rec.Code >= 500 {
			t.Errorf("%s %s %q %s %v = %d %s", method, url, body, version, header, rec.Code, rec.Body)
		}
		t.Logf("%s %s %.60q %s %v = %d %.120s", method, url, body, version, header, rec.Code, rec.Body)
		return rec
	}
	for _, v := range []string{"9223372036854775807", "9223372036854775808", "-1", "0", "1.0", "1e0", "true", "null", `"1"`, `" 1 "`, `"٣"`, "[]", `"\u0000"`, "1e999"} {
		do(httpapi.RollbackItem(m), "POST", "/r/", `{"version": `+v+`}`, "", nil)
	}
	for _, v := range []string{"0", "-1", "01", "+1", "9223372036854775807", "9223372036854775808", "abc", "1 ", "1\x00"} {
		do(httpapi.GetItem(m), "GET", "/v/", "", v, nil)
		do(httpapi.DeleteVersion(m), "DELETE", "/v/", "", v, nil)
	}
	for _, b := range []string{
		`{"items": {}}`, `{"items": [null]}`, `{"items": [[]], "delete": [{}]}`, `{"delete": "A"}`, `{"delete": [null]}`, `{"delete": [1, 1.0, "1"]}`, `{"items": null}`,
		`{}`, ``, `[]`, `null`, `{"items": [{"key": "A"}, {"value": "x"}]}`, `{"items": [{"key": "A", "value": null}]}`, `{"items": [{"key": " A", "value": "x"}], "delete": ["A "]}`,
		`{"items": [{"key": "A", "value": "\ud800"}]}`, `{"delete": ["\ud800"]}`, `{"items": [{"key": "A", "value": ""}]}`, `{"items":[{"key":"` + strings.Repeat("k", 300) + `","value":"x"}]}`,
		`{"delete":["` + strings.Repeat("k", 3000) + `"]}`, `{"items": [], "delete": []}`, `{"delete": [""]}`, `{"items":[{"key":"A","value":"x"}],"items":[{"key":"B","value":"x"}]}`,
	} {
		do(httpapi.BatchItems(m), "POST", "/b/", b, "", nil)
		do(httpapi.BatchItems(m), "POST", "/b/?dry_run=true", b, "", nil)
		do(httpapi.BatchItems(m), "POST", "/b/", b, "", map[string]string{"Idempotency-Key": "k", "If-Match": `"1-ready"`})
		do(httpapi.RestoreItem(m), "POST", "/b/", b, "", nil)
	}
	for _, q := range []string{"", "?a=" + sid, "?a=&b=", "?a=" + sid + "&b=" + sid, "?a=" + sid + "&b=" + strings.ToUpper(sid), "?a=x&b=y", "?a=" + sid + "&b=" + iid, "?a=" + sid + "&a=" + sid} {
		do(httpapi.GetBundle(m), "GET", "/compare/"+q, "", "", nil)
	}
	for _, tag := range []string{`*`, `""`, `"`, `W/`, `W/"1"`, `"1","2"`, `"999999999999999999999"`, `"-1"`, `"1-"`, `"-"`, `"-ready"`, `,`, `"2-ready"`} {
		do(httpapi.GetBundle(m), "GET", "/bundle/", "", "", map[string]string{"If-None-Match": tag})
		do(httpapi.GetItem(m), "GET", "/i/", "", "", map[string]string{"If-None-Match": tag})
		do(httpapi.UpdateSecret(m), "PATCH", "/s/", `{"name":"production"}`, "", map[string]string{"If-Match": tag})
	}
	for _, k := range []string{"", strings.Repeat("x", 255), strings.Repeat("é", 200), "\x01"} {
		do(httpapi.CreateItem(m), "POST", "/i/", `{"key":"`+"Q"+`","value":"x"}`, "", map[string]string{"Idempotency-Key": k})
	}
	_ = secrets.Every
}

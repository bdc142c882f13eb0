package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// did is what a batch did with a key. Id and version are JSON.
func did(key, id, version, done string) string {
	return `{"key":"` + key + `","id":` + id + `,"version":` + version + `,"done":"` + done + `"}`
}

// batchDone is the answer to a batch.
func batchDone(dryRun bool, results ...string) string {
	return fmt.Sprintf(`{"dry_run":%t,"results":[%s]}`, dryRun, strings.Join(results, ","))
}

const (
	noChanges = `{"non_field_errors":["Give 1 to 20 changes: items, delete, or both."]}`
	required  = "This field is required."
	twice     = "This key is given twice."
)

// A batch creates, replaces and deletes by key, all or none.
func TestBatchesChangeItemsByKey(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		secret := known.fill("/api/secrets/{S}/")
		batch := func(body string, headers ...string) response {
			return c.do(t, "POST", secret+"items/batch/", body, headers...)
		}
		dry := func(body string) response { return c.post(t, secret+"items/batch/?dry_run=true", body) }
		const first = `{"items":[{"key":"KEY","value":"PLANTED 2"},{"key":" NEW ","value":"PLANTED"},{"key":7,"value":"PLANTED"}],"delete":["NONE"]}`
		before := c.get(t, secret).tag(t)
		dry(first).want(t, 200, known.fill(batchDone(true, did("KEY", `"{I}"`, "2", "updated"), did("NEW", "null", "1", "created"),
			did("7", "null", "1", "created"), did("NONE", "null", "null", "missing"))))
		if now := c.get(t, secret).tag(t); now != before {
			t.Errorf("the tag of the secret is %s after a dry run, want %s as before", now, before)
		}
		done := batch(first)
		done.wantVars(t, 200, batchDone(false, did("KEY", `"{I}"`, "2", "updated"), did("NEW", `"{N1}"`, "1", "created"),
			did("7", `"{N2}"`, "1", "created"), did("NONE", "null", "null", "missing")), known)
		if now := c.get(t, secret).tag(t); now == before {
			t.Errorf("the tag of the secret is %s as before the batch", now)
		}
		c.get(t, known.fill("/api/secrets/{S}/items/{I}/")).want(t, 200, `{<...>"value":"PLANTED 2","version":2,<...>}`)
		c.get(t, known.fill("/api/secrets/{S}/items/{N1}/")).want(t, 200, `{<...>"key":"NEW","value":"PLANTED","version":1,<...>}`)
		batch(`{"delete":["NEW",7],"items":[{"key":"KEY","value":"PLANTED 2"}]}`).want(t, 200, known.fill(batchDone(false,
			did("KEY", `"{I}"`, "3", "updated"), did("NEW", `"{N1}"`, "1", "deleted"), did("7", `"{N2}"`, "1", "deleted"))))
		c.get(t, known.fill("/api/secrets/{S}/items/{N1}/")).want(t, 404, notFound)
		c.get(t, secret+"items/").want(t, 200, `{"count":1,<...>`)
		c.get(t, secret+"items/?deleted=true").want(t, 200, `{"count":2,<...>`)
		unchanged := c.get(t, secret).tag(t)
		batch(`{"delete":["NEW"]}`).want(t, 200, batchDone(false, did("NEW", "null", "null", "missing")))

		// What it may rest on is the secret.
		batch(`{"items":[{"key":"KEY","value":"PLANTED 3"}]}`, "If-Match: "+before).want(t, 412, changed)
		batch(`{"items":[{"key":"KEY"}]}`, "If-Match: "+before).want(t, 400, `{"items":[{"value":["`+required+`"]}]}`)
		if now := c.get(t, secret).tag(t); now != unchanged {
			t.Errorf("the tag of the secret is %s, want %s: nothing was done", now, unchanged)
		}
		batch(`{"items":[{"key":"KEY","value":"PLANTED 4"}]}`, "If-Match: "+unchanged).want(t, 200, `{<...>"version":4,<...>`)

		// The log has one event, in the list of each item, too.
		newest := c.events(t, secret+"events/?action=items.changed", 3)
		if got := fmt.Sprintf("%d %s %s of %d", newest[1].Items[0].Version, *newest[1].Items[0].Key, *newest[1].Items[0].Done, len(newest[1].Items)); got != "3 KEY updated of 3" {
			t.Errorf("the event of the second batch has %s, want 3 KEY updated of 3", got)
		}
		eventually(t, 10*time.Second, "the batches in the list of an item", func() bool {
			all := c.allEvents(t, known.fill("/api/secrets/{S}/items/{N1}/events/?outcome=allowed"))
			return len(all) > 1 && all[0].Action == "items.changed" && *all[0].Items[1].Done == "deleted"
		})
	})
}

func TestFaultsOfABatchHaveTheirPlace(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		secret := known.fill("/api/secrets/{S}/")
		one := func(key string) string { return `{"key":"` + key + `","value":"PLANTED"}` }
		many := func(n int, text func(i int) string) string {
			texts := make([]string, n)
			for i := range texts {
				texts[i] = text(i)
			}
			return "[" + strings.Join(texts, ",") + "]"
		}
		items := func(n int) string { return many(n, func(i int) string { return one(fmt.Sprint("K", i)) }) }
		keys := func(n int) string { return many(n, func(i int) string { return fmt.Sprint(i) }) }
		value := quote(strings.Repeat("v", 65536))
		list := func(kind string) string { return `["Expected a list of items but got type \"` + kind + `\"."]` }
		for body, want := range map[string]string{
			"":                            noChanges,
			`{}`:                          noChanges,
			`{"items":[],"delete":[]}`:    noChanges,
			`{"items":` + items(21) + `}`: noChanges,
			`{"delete":` + keys(21) + `}`: noChanges,
			`{"items":` + items(11) + `,"delete":` + keys(10) + `}`: noChanges,
			`{"items":null}`:   `{"items":["` + null + `"]}`,
			`{"items":{}}`:     `{"items":` + list("dict") + `}`,
			`{"items":"KEY"}`:  `{"items":` + list("str") + `}`,
			`{"delete":null}`:  `{"delete":["` + null + `"]}`,
			`{"delete":"KEY"}`: `{"delete":` + list("str") + `}`,
			`{"items":[` + one("A") + `,{},{"key":"B!","value":""}]}`:                                                 `{"items":[{},{"key":["` + required + `"],"value":["` + required + `"]},{"key":["` + badKey + `"],"value":["` + blank + `"]}]}`,
			`{"items":[7,` + one("A") + `,null]}`:                                                                     `{"items":[{"non_field_errors":["Invalid data. Expected a dictionary, but got int."]},{},{"non_field_errors":["Invalid data. Expected a dictionary, but got NoneType."]}]}`,
			`{"items":[` + one("A") + `,` + one("A") + `]}`:                                                           `{"items":[{},{"key":["` + twice + `"]}]}`,
			`{"items":[` + one("A") + `],"delete":["B","A","B"]}`:                                                     `{"delete":{"1":["` + twice + `"],"2":["` + twice + `"]}}`,
			`{"items":[{"key":"A"}],"delete":["",null,true,["A"]]}`:                                                   `{"items":[{"value":["` + required + `"]}],"delete":{"0":["` + blank + `"],"1":["` + null + `"],"2":["` + noString + `"],"3":["` + noString + `"]}}`,
			`{"items":[{"key":"A","value":` + value + `},{"key":"B","value":` + value + `},{"key":"C","value":"v"}]}`: `{"non_field_errors":["All values together may have at most 131072 bytes."]}`,
			`[]`:   `{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}`,
			`null`: `{"non_field_errors":["No data provided"]}`,
		} {
			c.post(t, secret+"items/batch/", body).want(t, 400, want)
			c.post(t, secret+"items/batch/?dry_run=true", body).want(t, 400, want)
		}
		for _, wrong := range []string{"yes", "True", "1"} {
			c.post(t, secret+"items/batch/?dry_run="+wrong, `{"delete":["A"]}`).want(t, 400, `{"dry_run":["Must be true or false."]}`)
		}
		c.post(t, secret+"items/batch/", `{"items":`+strings.Repeat(" ", 1<<20)+`[]}`).want(t, 413, `{"detail":"Request body too large."}`)
		c.get(t, secret+"items/").want(t, 200, `{"count":1,<...>`) // nothing was done
		c.post(t, secret+"items/batch/?dry_run=", `{"items":`+items(20)+`}`).want(t, 200, `{"dry_run":false,"results":[<...>`)
		c.post(t, secret+"items/batch/?dry_run=false", `{"delete":`+keys(20)+`}`).want(t, 200, `{"dry_run":false,"results":[<...>`)
		c.post(t, secret+"items/batch/", `{"items":[{"key":"A","value":`+value+`},{"key":"B","value":`+value+`}]}`).want(t, 200, `{<...>`)

		c.get(t, secret+"items/").want(t, 200, `{"count":23,<...>`)

		// A dry run shows what is there, so it takes list. A batch that finds nothing to do would only show that.
		writer := c.machine(t, `"permissions":["write"]`)
		writer.post(t, secret+"items/batch/?dry_run=true", `{"delete":["A"]}`).want(t, 403, denied)
		writer.post(t, secret+"items/batch/", `{"delete":["NONE"]}`).want(t, 403, denied)
		writer.post(t, secret+"items/batch/", `{"delete":["A"]}`).want(t, 200, `{<...>"done":"deleted"<...>`)
	})
}

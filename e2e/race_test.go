package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// Of concurrent rivals exactly one wins. The others are refused as if they had come later.
func TestOneOfRivalRequestsWins(t *testing.T) {
	const rivals = 16
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		secret := known.fill("/api/secrets/{S}/")
		items := secret + "items/"
		type race struct {
			name    string
			call    func(i int) response
			won     int
			lost    int
			refusal string
		}
		taken, keyTaken := `{"name":["secret with this name already exists."]}`, `{"key":["secret item with this key already exists."]}`
		run := func(r race) {
			t.Helper()
			got := concurrently(rivals, r.call)
			if len(got[r.won]) != 1 || len(got[r.lost]) != rivals-1 {
				for status, answers := range got {
					t.Errorf("%d rivals, %s = %d × %d %s", rivals, r.name, len(answers), status, short(answers[0].body))
				}
				t.Fatalf("want 1 × %d and %d × %d", r.won, rivals-1, r.lost)
			}
			for _, lost := range got[r.lost] {
				lost.want(t, r.lost, r.refusal)
			}
		}
		run(race{"create a secret", func(int) response { return c.post(t, "/api/secrets/", `{"name":"raced"}`) }, 201, 400, taken})
		run(race{"create an item", func(int) response { return c.post(t, items, `{"key":"RACED","value":"PLANTED"}`) }, 201, 400, keyTaken})

		var secrets, keys []string
		for i := range rivals {
			secrets = append(secrets, c.secret(t, fmt.Sprint("rival ", i)))
			keys = append(keys, c.item(t, secret, fmt.Sprint("rival", i), "PLANTED"))
		}
		run(race{"rename to one name", func(i int) response { return c.do(t, "PATCH", secrets[i], `{"name":"one name"}`) }, 200, 400, taken})
		run(race{"rename to one key", func(i int) response { return c.do(t, "PATCH", keys[i], `{"key":"ONE"}`) }, 200, 400, keyTaken})
		run(race{"delete an item", func(int) response { return c.do(t, "DELETE", keys[0], "") }, 204, 404, notFound})
		run(race{"delete a secret", func(int) response { return c.do(t, "DELETE", secrets[0], "") }, 204, 404, notFound})

		var services []string
		run(race{"create a service", func(int) response { return c.post(t, "/api/services/", with("raced", "", "")) }, 201, 400, serviceTaken})
		for i := range rivals {
			services = append(services, c.service(t, fmt.Sprint("rival-", i), ""))
		}
		run(race{"rename to one name", func(i int) response { return c.do(t, "PATCH", services[i], `{"name":"one"}`) }, 200, 400, serviceTaken})
		run(race{"delete a service", func(int) response { return c.do(t, "DELETE", services[0], "") }, 204, 404, notFound})

		// Requests that are not rivals all succeed, and each counts once.
		got := concurrently(32, func(i int) response {
			return c.post(t, items, fmt.Sprintf(`{"key":"OTHER%d","value":"PLANTED"}`, i))
		})
		if len(got[201]) != 32 {
			t.Errorf("32 × POST %s = %d × 201, want 32", items, len(got[201]))
		}
		list := c.get(t, items).page(t)
		if want := 1 + 1 + rivals - 1 + 32; list.Count != want || len(list.Results) != want {
			t.Errorf("GET %s = count %d and %d items, want %d", items, list.Count, len(list.Results), want)
		}
		all := c.get(t, "/api/secrets/").page(t)
		if want := 2 + 1 + rivals - 1; all.Count != want || len(all.Results) != want {
			t.Errorf("GET /api/secrets/ = count %d and %d secrets, want %d", all.Count, len(all.Results), want)
		}

		// Concurrent updates of one item all succeed, and one of their values remains.
		got = concurrently(rivals, func(i int) response { return c.do(t, "PATCH", keys[1], fmt.Sprintf(`{"value":"PLANTED %d"}`, i)) })
		if len(got[200]) != rivals {
			t.Errorf("%d × PATCH %s = %d × 200, want all", rivals, keys[1], len(got[200]))
		}
		if value := c.get(t, keys[1]).item(t).Value; !strings.HasPrefix(value, "PLANTED ") {
			t.Errorf("GET %s = value %q, want one of the written values", keys[1], value)
		}

		// A reveal during a change gives the whole old value or the whole new one.
		value := "PLANTED " + strings.Repeat("new", 1000)
		got = concurrently(rivals, func(i int) response {
			if i == rivals/2 {
				return c.do(t, "PATCH", keys[2], `{"value":"`+value+`"}`)
			}
			return c.get(t, keys[2])
		})
		if len(got[200]) != rivals {
			t.Errorf("PATCH among %d × GET %s = %d × 200, want all", rivals-1, keys[2], len(got[200]))
		}
		for _, r := range got[200] {
			if it := r.item(t); r.method == "GET" && it.Value != "PLANTED" && it.Value != value {
				t.Errorf("%v = value %s, want the old one or the new one", r, short(it.Value))
			}
		}
		if got := c.get(t, keys[2]).item(t).Value; got != value {
			t.Errorf("GET %s = value %s, want the new one", keys[2], short(got))
		}
	})
}

// An item that is created while its secret is deleted is refused, or deleted with it.
func TestDeletionLeavesNoRacingItemBehind(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		secret := c.secret(t, "doomed")
		got := concurrently(16, func(i int) response {
			if i == 8 {
				return c.do(t, "DELETE", secret, "")
			}
			return c.post(t, secret+"items/", fmt.Sprintf(`{"key":"K%d","value":"PLANTED"}`, i))
		})
		if len(got[204]) != 1 || len(got[201])+len(got[404]) != 15 {
			t.Errorf("DELETE among 15 × POST items = %d × 204, %d × 201, %d × 404, want 1 and 15 together",
				len(got[204]), len(got[201]), len(got[404]))
		}
		for _, r := range got[201] {
			c.get(t, secret+"items/"+r.item(t).ID+"/").want(t, 404, notFound)
		}
		c.get(t, secret+"items/").want(t, 404, notFound)
		c.get(t, "/api/secrets/").want(t, 200, `{"count":1,<...>`)
		again := c.secret(t, "doomed") // the name is free again
		c.get(t, again+"items/").want(t, 200, emptyPage)
	})
}

// A secret is deleted and no service uses it, or services use it and it is not deleted.
func TestDeletionAndUseExcludeEachOther(t *testing.T) {
	const rivals, rounds = 6, 8
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		var movers []string
		for i := range rivals / 2 {
			movers = append(movers, c.service(t, fmt.Sprint("mover-", i), ""))
		}
		for round := range rounds {
			secret := c.secret(t, fmt.Sprint("secret ", round))
			id := strings.Split(secret, "/")[3]
			got := concurrently(rivals+1, func(i int) response {
				switch {
				case i == rivals:
					return c.do(t, "DELETE", secret, "")
				case i < len(movers):
					return c.do(t, "PATCH", movers[i], `{"secret":"`+id+`"}`)
				}
				return c.post(t, "/api/services/", with(fmt.Sprintf("new-%d-%d", round, i), "secret", quote(id)))
			})
			users := len(got[200]) + len(got[201])
			if deleted := len(got[204]) == 1; deleted {
				if users > 0 || len(got[400]) != rivals {
					t.Errorf("round %d: deleted with %d of %d users, want 0", round, users, rivals)
				}
				c.get(t, secret).want(t, 404, notFound)
				c.get(t, "/api/services/?secret="+id).want(t, 400, noSecret(id))
				for _, r := range got[400] {
					r.want(t, 400, noSecret(id))
				}
			} else {
				if len(got[409]) != 1 || users != rivals {
					t.Errorf("round %d: not deleted with %d of %d users, want all", round, users, rivals)
				}
				c.get(t, "/api/services/?secret="+id).want(t, 200, fmt.Sprintf(`{"count":%d,<...>`, rivals))
				c.do(t, "DELETE", secret, "").want(t, 409, inUse("6 services: <reason> and 1 more"))
			}
		}
	})
}

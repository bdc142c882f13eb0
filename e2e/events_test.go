package e2e

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// emptyTrail is a page of no events.
const emptyTrail = `{"next":null,"previous":null,"results":[]}`

// named is an object of an event.
type named struct{ ID, Name, Key string }

// event is an event in an answer.
type event struct {
	ID, At, Action, Outcome        string
	User, Key, Secret, Item        *named
	Service                        *named
	SubjectUser                    *named `json:"subject_user"`
	SubjectKey                     *named `json:"subject_key"`
	Version                        *int
	Changed                        []string
	From, To                       map[string]string
	SourceIP, UserAgent, RequestID *string
	Tries                          *int
	FirstAt                        *string `json:"first_at"`
	LastAt                         *string `json:"last_at"`
	Items                          []change
}

// change is an item of an event about several.
type change struct {
	ID      string  `json:"id"`
	Key     *string `json:"key"`
	Version int     `json:"version"`
	Done    *string `json:"done"`
}

// UnmarshalJSON reads an event. The names of fields differ by more than case.
func (ev *event) UnmarshalJSON(text []byte) error {
	type plain event
	more := struct {
		*plain
		SourceIP  *string `json:"source_ip"`
		UserAgent *string `json:"user_agent"`
		RequestID *string `json:"request_id"`
	}{plain: (*plain)(ev)}
	err := json.Unmarshal(text, &more)
	ev.SourceIP, ev.UserAgent, ev.RequestID = more.SourceIP, more.UserAgent, more.RequestID
	return err
}

// String is what happened, without ids.
func (ev event) String() string {
	text := ev.Outcome + " " + ev.Action
	for _, x := range []*named{ev.User, ev.Secret, ev.Item, ev.Service, ev.SubjectUser, ev.SubjectKey} {
		if x != nil {
			text += " " + x.Name + x.Key
		}
	}
	return text
}

type trailPage struct {
	Next, Previous *string
	Results        []event
}

func (r response) trail(t *testing.T) (p trailPage) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), &p); r.status != 200 || err != nil {
		t.Fatalf("%v = %d %s, want a page of events (%v)", r, r.status, short(r.body), err)
	}
	return p
}

// allEvents follows the pages of a list.
func (c *client) allEvents(t *testing.T, list string) (all []event) {
	t.Helper()
	for p := c.get(t, list).trail(t); ; p = c.follow(t, *p.Next).trail(t) {
		if all = append(all, p.Results...); p.Next == nil {
			return all
		}
	}
}

// events returns a list once it has n events: the list of one secret or user may lag by a second.
func (c *client) events(t *testing.T, list string, n int) (all []event) {
	t.Helper()
	eventually(t, 10*time.Second, fmt.Sprintf("%d events of %s", n, list), func() bool {
		all = c.allEvents(t, list)
		return len(all) >= n
	})
	if len(all) != n {
		t.Fatalf("GET %s has %d events, want %d: %v", list, len(all), n, all)
	}
	return all
}

func told(events []event) (all []string) {
	for _, ev := range events {
		all = append(all, ev.String())
	}
	return all
}

func wantEvents(t *testing.T, list string, got []event, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, told(got)); diff != "" {
		t.Errorf("GET %s (-want +got):\n%s", list, diff)
	}
}

// What happened is listed under the names of that time, by account, secret, item and user, also when it is gone.
func TestEventsTellWhatHappened(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, b := tg.client(t), tg.client(t)
		secret := a.secret(t, "prod")
		item := a.item(t, secret, "OLD", "PLANTED 1")
		a.get(t, item).want(t, 200, `{<...>"PLANTED 1"<...>`)
		a.do(t, "PATCH", item, `{"key":"NEW","value":"PLANTED 2"}`).want(t, 200, `{<...>`)
		a.do(t, "PATCH", item, `{"key":"NEW"}`).want(t, 200, `{<...>`) // changes nothing
		a.do(t, "PATCH", secret, `{"name":"live"}`).want(t, 200, `{<...>`)
		lone := a.item(t, secret, "LONE", "PLANTED")
		ana := a.person(t, `"permissions":["list","reveal"]`)
		ana.get(t, item).want(t, 200, `{<...>"PLANTED 2"<...>`)
		a.do(t, "DELETE", item, "").want(t, 204, "")
		a.do(t, "DELETE", secret, "").want(t, 204, "")

		of := func(id string) string { return strings.Split(id, "/")[3] }
		itemID := strings.Split(item, "/")[5]
		ofItem := []string{
			"allowed item.deleted Admin live NEW", "allowed item.revealed person live NEW", "allowed item.updated Admin prod NEW",
			"allowed item.revealed Admin prod OLD", "allowed item.created Admin prod OLD",
		}
		ofSecret := append(append([]string{"allowed secret.deleted Admin live"}, ofItem[:2]...),
			append([]string{"allowed item.created Admin live LONE", "allowed secret.updated Admin live"}, append(slices.Clone(ofItem[2:]), "allowed secret.created Admin prod")...)...)
		wantEvents(t, secret+"events/", a.events(t, secret+"events/", 9), ofSecret...)
		wantEvents(t, item+"events/", a.events(t, item+"events/", 5), ofItem...)
		a.events(t, lone+"events/", 1)
		wantEvents(t, "of the account", a.allEvents(t, "/api/events/"), append(append([]string{},
			ofSecret[:3]...), append([]string{
			"allowed key.created person person laptop", "allowed key.created Admin person invitation", "allowed user.created Admin person"}, append(slices.Clone(ofSecret[3:]),
			"allowed account.created Default Admin First key")...)...)...)

		revealed := a.events(t, item+"events/?action=item.revealed&user=me", 1)[0]
		if ev := revealed; ev.User.ID != a.user || ev.Key == nil || ev.Key.Name != "First key" || ev.Secret.ID != of(secret) || ev.Item.ID != itemID ||
			ev.Version == nil || *ev.Version != 1 || ev.UserAgent == nil || ev.RequestID == nil ||
			ev.From != nil || ev.To != nil || len(ev.Changed) != 0 || ev.Tries != nil || ev.FirstAt != nil || ev.LastAt != nil {
			t.Errorf("the reveal = %+v", ev)
		}
		if _, err := netip.ParseAddr(*revealed.SourceIP); err != nil {
			t.Errorf("the reveal has the address %q: %v", *revealed.SourceIP, err)
		}
		renamed := a.events(t, secret+"events/?action=secret.updated", 1)[0]
		if diff := cmp.Diff([]any{[]string{"name"}, map[string]string{"name": "prod"}}, []any{renamed.Changed, renamed.From}); diff != "" {
			t.Errorf("the new name of the secret (-want +got):\n%s", diff)
		}
		changed := a.events(t, item+"events/?action=item.updated", 1)[0]
		if diff := cmp.Diff([]any{[]string{"key", "value"}, map[string]string{"key": "OLD"}}, []any{changed.Changed, changed.From}); diff != "" || *changed.Version != 2 {
			t.Errorf("the new key and value (-want +got):\n%s", diff)
		}

		// Filters combine. Times are exact: since includes, until does not.
		moment := url.QueryEscape(revealed.At)
		for query, n := range map[string]int{
			"?user=" + ana.user: 2, "?user=" + ana.user + "&action=item.revealed": 1, "?secret=" + of(secret) + "&user=" + ana.user: 1,
			"?key=" + revealed.Key.ID + "&secret=" + of(secret) + "&action=item.revealed&outcome=allowed&user=me": 1,
			"?key=" + revealed.Key.ID + "&action=item.revealed&user=" + ana.user:                                  0,
			"?secret=" + of(secret) + "&since=" + moment:                                                          7, "?secret=" + of(secret) + "&until=" + moment: 2,
			"?secret=" + of(secret) + "&since=" + moment + "&until=" + moment: 0, "?outcome=denied": 0, "?outcome=throttled": 0,
			"?action=key.created": 2, "?action=key.deleted": 0, "?action=account.created&user=me": 0, "?secret=" + unknownID: 0,
			"?since=" + unknownID: 0, "?since=00000000-0000-0000-0000-000000000000": 0, // not settled yet
		} {
			a.events(t, "/api/events/"+query, n)
		}
		// No other account sees it.
		for _, list := range []string{"/api/events/?secret=" + of(secret), secret + "events/", item + "events/", "/api/events/?user=" + a.user} {
			b.get(t, list).want(t, 200, emptyTrail)
		}
		wantEvents(t, "another account's", b.allEvents(t, "/api/events/"), "allowed account.created Default Admin First key")
		a.get(t, "/api/secrets/"+unknownID+"/events/").want(t, 200, emptyTrail)
		a.get(t, "/api/secrets/x/events/").want(t, 404, notFound)
		a.get(t, "/api/secrets/"+of(secret)+"/items/x/events/").want(t, 404, notFound)
	})
}

// Of long names, an event of a reveal keeps what fits; those of changes have them whole.
func TestEventsOfRevealsShortenNames(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a := tg.client(t)
		long := strings.Repeat("é", 120)
		secret := a.secret(t, long)
		item := a.item(t, secret, strings.Repeat("K", 253), "PLANTED")
		a.get(t, item).want(t, 200, `{<...>`)
		reveal := a.events(t, item+"events/?action=item.revealed", 1)[0]
		for what, text := range map[string]string{"secret": reveal.Secret.Name, "item": reveal.Item.Key} {
			if len(text) > 100 || len(text) < 90 || !strings.HasSuffix(text, "…") {
				t.Errorf("of the %s the reveal has %q, want at most 100 bytes that end with …", what, text)
			}
		}
		if ev := a.events(t, item+"events/?action=item.created", 1)[0]; ev.Secret.Name != long || ev.Item.Key != strings.Repeat("K", 253) {
			t.Errorf("the creation has %q and %q, want whole names", ev.Secret.Name, ev.Item.Key)
		}
	})
}

// Events and refused tries have what the client calls itself, or the beginning of it.
func TestEventsNameTheClient(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, known := withItem(t, tg)
		reader := a.machine(t, `"permissions":["list"]`)
		reveal := known.fill("/api/secrets/{S}/items/{I}/")
		long := strings.Repeat("a", 2000)
		for _, c := range []*client{a, reader} {
			for _, agent := range []string{`e2e/1.0 (events, "quoted")`, long} {
				c.do(t, "GET", reveal, "", "User-Agent: "+agent)
			}
		}
		for i, ev := range a.events(t, reveal+"events/?action=item.revealed&outcome=allowed", 2) { // the newest first
			if want := []string{long[:97] + "…", `e2e/1.0 (events, "quoted")`}[i]; *ev.UserAgent != want {
				t.Errorf("a reveal by the client %q, want %q", *ev.UserAgent, want)
			}
		}
		if refused := a.allEvents(t, "/api/events/?outcome=denied"); *refused[0].UserAgent != long[:97]+"…" {
			t.Errorf("the last refused try is by the client %q", *refused[0].UserAgent)
		}
	})
}

// Refused tries are counted by key, action and minute. What has no user, or is only a mistake, is no event.
func TestRefusedTriesAreListed(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, known := withItem(t, tg)
		reveal, other := known.fill("/api/secrets/{S}/items/{I}/"), a.secret(t, "other")
		reader := a.machine(t, `"permissions":["list"]`)
		limited := a.machine(t, `"permissions":["list"],"secrets":["`+known["S"]+`"]`)
		spent := a.machine(t, `"permissions":["reveal"],"reveal_limit":1`)
		for range 3 {
			reader.get(t, reveal).want(t, 403, denied)
		}
		reader.post(t, "/api/secrets/", `{"name":"PLANTED"}`).want(t, 403, denied)
		reader.get(t, "/api/events/").want(t, 403, denied)
		limited.get(t, other).want(t, 404, notFound)
		spent.get(t, reveal).want(t, 200, `{<...>`)
		for range 2 {
			spent.get(t, reveal).want(t, 429, `{<...>`)
		}
		// None of these is a refusal.
		reader.get(t, "/api/secrets/"+unknownID+"/").want(t, 404, notFound)
		reader.get(t, "/api/secrets/?x=y").want(t, 400, `{<...>`)

		type kind struct{ user, outcome, action string }
		tries, last := map[kind]int{}, map[kind]event{}
		for _, ev := range append(a.allEvents(t, "/api/events/?outcome=denied"), a.allEvents(t, "/api/events/?outcome=throttled")...) {
			k := kind{ev.User.ID, ev.Outcome, ev.Action}
			tries[k] += *ev.Tries // a minute can end between two tries
			if last[k].ID == "" {
				last[k] = ev
			}
			at, err := time.Parse(time.RFC3339Nano, ev.At)
			if err != nil || !at.Equal(at.Truncate(time.Minute)) || ev.At > *ev.FirstAt || *ev.FirstAt > *ev.LastAt || ev.Version != nil || ev.Key == nil {
				t.Errorf("a refused try = %+v (%v), want the minute's first moment, and first_at before last_at", ev, err)
			}
		}
		want := map[kind]int{
			{reader.user, "denied", "item.revealed"}: 3, {reader.user, "denied", "secret.created"}: 1, {reader.user, "denied", "event.read"}: 1,
			{limited.user, "denied", "secret.read"}: 1, {spent.user, "throttled", "item.revealed"}: 2,
		}
		if diff := cmp.Diff(want, tries); diff != "" {
			t.Errorf("refused tries (-want +got):\n%s", diff)
		}
		ev := last[kind{reader.user, "denied", "item.revealed"}]
		if ev.Secret.ID != known["S"] || ev.Secret.Name != "" || ev.Item.ID != known["I"] || ev.Item.Key != "" || ev.User.Name != "machine" ||
			ev.UserAgent == nil || ev.SourceIP == nil || ev.RequestID == nil {
			t.Errorf("the refused reveal = %+v", ev)
		}
		if ev := last[kind{limited.user, "denied", "secret.read"}]; ev.Secret.ID != strings.Split(other, "/")[3] {
			t.Errorf("the try beyond the limit = %+v, want the other secret", ev)
		}
		// They are merged with the events, by time.
		all := a.events(t, "/api/events/?user="+spent.user, 1+len(a.allEvents(t, "/api/events/?outcome=throttled")))
		if !slices.IsSortedFunc(all, func(a, b event) int { return strings.Compare(b.ID, a.ID) }) {
			t.Errorf("the events of a user = %v, want the newest first", all)
		}
		if got := a.allEvents(t, "/api/events/?since="+url.QueryEscape(later(-time.Hour))+"&outcome=throttled&key="+last[kind{spent.user, "throttled", "item.revealed"}].Key.ID); len(got) == 0 {
			t.Error("no refused tries of a key since an hour ago")
		}
	})
}

// What has no user is in no account's log.
func TestUnknownKeysLeaveNoEvents(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, known := withItem(t, tg)
		revoked, id := a.newKey(t, `{"name":"revoked"}`)
		a.do(t, "DELETE", "/api/keys/"+id+"/", "").want(t, 204, "")
		revoked.get(t, known.fill("/api/secrets/{S}/items/{I}/")).want(t, 401, unauthenticated)
		a.do(t, "GET", "/api/events/", "", "Authorization: Bearer gob_x").want(t, 401, unauthenticated)
		a.get(t, "/api/events/?outcome=denied").want(t, 200, emptyTrail)
	})
}

// Without audit a user sees what it did itself, and a narrowed key what was done with it.
func TestOwnEventsNeedNoAudit(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, known := withItem(t, tg)
		reveal := known.fill("/api/secrets/{S}/items/{I}/")
		auditor := a.person(t, `"permissions":["audit"]`)
		ana := a.person(t, `"permissions":["list","reveal"]`)
		narrow, narrowID := ana.newKey(t, `{"name":"narrow","permissions":["list"]}`)
		ana.get(t, reveal).want(t, 200, `{<...>`)
		lists := []string{"/api/events/", known.fill("/api/secrets/{S}/events/"), reveal + "events/"}
		for i, list := range lists {
			ana.get(t, list).want(t, 403, denied)
			ana.get(t, list+"?user="+a.user).want(t, 403, denied)
			ana.get(t, list+"?user=x").want(t, 403, denied)
			n := []int{3, 1, 1}[i] // the laptop's creation, the narrow key's, the reveal
			ana.events(t, list+"?user=me&outcome=allowed", n)
			ana.events(t, list+"?user="+strings.ToUpper(ana.user)+"&outcome=allowed", n)
			auditor.events(t, list+"?outcome=allowed&user="+ana.user, n)
			narrow.get(t, list+"?user=me").want(t, 200, emptyTrail)
		}
		ana.get(t, "/api/review/").want(t, 403, denied)
		narrow.get(t, reveal).want(t, 403, denied)
		if got := narrow.events(t, "/api/events/?user=me", 1)[0]; got.Key.ID != narrowID || got.Outcome != "denied" {
			t.Errorf("the narrow key sees %v, want its refused reveal", got)
		}
		ana.events(t, "/api/events/?user=me&action=item.revealed&outcome=denied", 1)
		narrow.get(t, "/api/events/?user=me&key="+unknownID).want(t, 200, emptyTrail)
		limited := a.machine(t, `"permissions":["list"],"secrets":["`+known["S"]+`"]`)
		limited.get(t, lists[1]+"?user=me").want(t, 200, emptyTrail)
		limited.get(t, "/api/secrets/"+unknownID+"/events/?user=me").want(t, 404, notFound) // outside of its limit
	})
}

// Each filter names what there is, on each route.
func TestFiltersOfEventsAreChecked(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a, known := withItem(t, tg)
		const badSince = "Must be a time with an offset, or the id of an event."
		const badTime = "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
		actions := enumOf(t, "event_action")
		for _, list := range []string{"/api/events/", known.fill("/api/secrets/{S}/events/"), known.fill("/api/secrets/{S}/items/{I}/events/")} {
			for _, action := range actions {
				a.get(t, list+"?page_size=1&action="+action).trail(t)
			}
			for _, query := range []string{
				"outcome=allowed", "outcome=denied", "outcome=throttled", "format=json", "format=csv", "format=ndjson", "user=me", "user=" + a.user, "key=" + strings.ToUpper(unknownID),
				"since=" + unknownID, "since=2026-03-01T10:00:00Z", "since=2026-03-01T10:00:00.123456%2B01:00", "until=2026-03-01T10:00:00.5-01:00", "page_size=0", "cursor=",
			} {
				if r := a.get(t, list+"?"+query); r.status != 200 {
					t.Errorf("%v = %d %s, want 200", r, r.status, short(r.body))
				}
			}
			for query, want := range map[string]string{
				"action=x":         `{"action":["\"x\" is not a valid choice. Choose from: ` + strings.Join(actions, ", ") + `."]}`,
				"outcome=refused":  `{"outcome":["\"refused\" is not a valid choice. Choose from: allowed, denied, throttled."]}`,
				"format=xml":       `{"format":["Choose from: csv, json, ndjson."]}`,
				"format=":          `{"format":["Choose from: csv, json, ndjson."]}`,
				"user=you":         `{"user":["Must be a valid UUID, or me."]}`,
				"key=x":            `{"key":["Must be a valid UUID."]}`,
				"since=yesterday":  `{"since":["` + badSince + `"]}`,
				"since=2026-03-01": `{"since":["` + badSince + `"]}`,
				"until=" + a.user:  `{"until":["` + badTime + `"]}`,
				"until=x&since=y":  `{"since":["` + badSince + `"],"until":["` + badTime + `"]}`,
				"user=me&user=me":  `{"user":["This parameter may be given only once."]}`,
				"users=me":         `{"users":["Unknown parameter. Known: ` + parameters["GET "+strings.NewReplacer(known["S"], "{S}", known["I"], "{I}").Replace(list)] + `."]}`,
				"since=&until=":    `{"since":["` + badSince + `"],"until":["` + badTime + `"]}`,
				"action=":          `{"action":["\"\" is not a valid choice. Choose from: ` + strings.Join(actions, ", ") + `."]}`,
			} {
				a.get(t, list+"?"+query).want(t, 400, want)
			}
			a.get(t, list+"?cursor=x").want(t, 404, `{"detail":"Invalid cursor."}`)
		}
		a.get(t, "/api/events/?secret="+known["S"]).trail(t)
		a.get(t, "/api/events/?secret=x").want(t, 400, `{"secret":["Must be a valid UUID."]}`)
		a.get(t, known.fill("/api/secrets/{S}/events/?secret={S}")).refusesBecause(t, "secret", "Unknown parameter.")
	})
}

// enumOf are the values of a parameter in the document.
func enumOf(t *testing.T, parameter string) (values []string) {
	t.Helper()
	held, err := document()
	if err != nil {
		t.Fatal(err)
	}
	return held.Choices(parameter)
}

// Pages of any size, in both directions and in each format, have the same events. None has a count.
func TestEventsHavePages(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a := tg.client(t)
		secret := a.secret(t, `=1+1,"quoted"`)
		item := a.item(t, secret, "-KEY", "PLANTED")
		reader := a.machine(t, `"permissions":["list"]`)
		a.do(t, "GET", item, "", "User-Agent: @client, \"e2e\"").want(t, 200, `{<...>`)
		reader.get(t, item).want(t, 403, denied)
		reader.post(t, "/api/secrets/", `{}`).want(t, 403, denied)
		for _, list := range []struct {
			path    string
			n, size int // events, and those of a page
		}{{"/api/events/", 8, 3}, {secret + "events/", 4, 2}, {item + "events/", 3, 1}} {
			all := a.events(t, list.path, list.n)
			at := and(list.path, fmt.Sprint("page_size=", list.size))
			var forward, backward []event
			p := a.get(t, at).trail(t)
			if p.Previous != nil {
				t.Errorf("GET %s = previous %s, want null", at, *p.Previous)
			}
			for forward = p.Results; p.Next != nil; forward = append(forward, p.Results...) {
				p = a.follow(t, *p.Next).trail(t)
			}
			for backward = p.Results; p.Previous != nil; backward = append(slices.Clone(p.Results), backward...) {
				p = a.follow(t, *p.Previous).trail(t)
			}
			for way, got := range map[string][]event{"forward": forward, "backward": backward} {
				if diff := cmp.Diff(all, got); diff != "" {
					t.Errorf("GET %s and on, %s (-want +got):\n%s", at, way, diff)
				}
			}
			a.exports(t, at, all)
			a.exports(t, and(at, "outcome=allowed"), slices.DeleteFunc(slices.Clone(all), func(ev event) bool { return ev.Outcome != "allowed" }))
		}
	})
}

var nextLink = regexp.MustCompile(`^<([^>]+)>; rel="next"$`)

// exports reads a list as CSV and as lines, and compares it with the events.
func (c *client) exports(t *testing.T, list string, want []event) {
	t.Helper()
	var lines []event
	var records [][]string
	for format, read := range map[string]func(r response){
		"ndjson": func(r response) {
			for line := range strings.Lines(r.body) {
				var ev event
				if err := json.Unmarshal([]byte(line), &ev); err != nil {
					t.Fatal(err)
				}
				lines = append(lines, ev)
			}
		},
		"csv": func(r response) {
			page, err := csv.NewReader(strings.NewReader(r.body)).ReadAll()
			if err != nil || !slices.Equal(page[0], columns) || strings.Count(r.body+"\n", "\r\n") != len(page) {
				t.Fatalf("%v = %s: %v, want a header, and lines that end with CR and LF", r, short(r.body), err)
			}
			records = append(records, page[1:]...)
		},
	} {
		r := c.get(t, and(list, "format="+format))
		for {
			if r.status != 200 {
				t.Fatalf("%v = %d %s", r, r.status, short(r.body))
			}
			read(r)
			link := nextLink.FindStringSubmatch(r.header.Get("Link"))
			if link == nil {
				break
			}
			r = c.follow(t, link[1])
		}
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("GET %s as lines (-want +got):\n%s", list, diff)
	}
	var cells [][]string
	for _, ev := range want {
		cells = append(cells, ev.record())
	}
	if diff := cmp.Diff(cells, records); diff != "" {
		t.Errorf("GET %s as CSV (-want +got):\n%s", list, diff)
	}
}

var columns = strings.Split("id,at,action,outcome,user_id,user_name,key_id,key_name,secret_id,secret_name,item_id,item_key,service_id,service_name,"+
	"subject_user_id,subject_user_name,subject_key_id,subject_key_name,version,changed,from,to,source_ip,user_agent,request_id,tries,first_at,last_at,items", ",")

// record is an event in CSV. What begins like a formula has an apostrophe before it.
func (ev event) record() []string {
	cells := []string{ev.ID, ev.At, ev.Action, ev.Outcome}
	for _, x := range []*named{ev.User, ev.Key, ev.Secret, ev.Item, ev.Service, ev.SubjectUser, ev.SubjectKey} {
		if x == nil {
			x = &named{}
		}
		cells = append(cells, x.ID, x.Name+x.Key)
	}
	number := func(n *int) string {
		if n == nil {
			return ""
		}
		return strconv.Itoa(*n)
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	object := func(fields map[string]string) string {
		if fields == nil {
			return ""
		}
		text, _ := json.Marshal(fields)
		return string(text)
	}
	items := ""
	if len(ev.Items) > 0 {
		text, _ := json.Marshal(ev.Items)
		items = string(text)
	}
	cells = append(cells, number(ev.Version), strings.Join(ev.Changed, ","), object(ev.From), object(ev.To), text(ev.SourceIP), text(ev.UserAgent),
		text(ev.RequestID), number(ev.Tries), text(ev.FirstAt), text(ev.LastAt), items)
	for i, cell := range cells {
		if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "-") || strings.HasPrefix(cell, "@") {
			cells[i] = "'" + cell
		}
	}
	return cells
}

// The review finds what a fresh account has to look at, in pages that say how far they came.
func TestReviewFindsWhatToLookAt(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		a := tg.client(t)
		var unused []string
		for i := range 11 {
			unused = append(unused, a.secret(t, fmt.Sprint("s", i)))
		}
		a.service(t, "app", unused[0])
		reader := a.machine(t, `"permissions":["list"]`)
		for range 2 {
			reader.post(t, "/api/secrets/", `{}`).want(t, 403, denied)
		}
		type finding struct {
			Check                   string
			User, Key, Secret, Item *named
			At                      *string
			Tries                   *int
		}
		type review struct {
			Next     *string
			Progress struct {
				List     string
				Done, Of int
			}
			Results []finding
		}
		var pages []review
		var found []string
		for r := a.get(t, "/api/review/"); ; r = a.follow(t, *pages[len(pages)-1].Next) {
			var p review
			if err := json.Unmarshal([]byte(r.body), &p); r.status != 200 || err != nil {
				t.Fatalf("%v = %d %s, want a review (%v)", r, r.status, short(r.body), err)
			}
			pages = append(pages, p)
			for _, f := range p.Results {
				text := f.Check
				for _, x := range []*named{f.User, f.Key, f.Secret} {
					if x != nil {
						text += " " + x.Name
					}
				}
				if f.At == nil && f.Check != "key_never_expires" || (f.Tries != nil) != (f.Check == "refused_most") {
					t.Errorf("%s at %v with %v tries", text, f.At, f.Tries)
				}
				if f.Tries != nil {
					text += fmt.Sprint(" ", *f.Tries)
				}
				found = append(found, text)
			}
			if p.Next == nil {
				break
			}
		}
		want := []string{"refused_most machine 2", "user_with_admin Admin", "key_never_expires Admin First key", "key_never_expires machine key", "secret_unused Default"}
		for i := 1; i < 11; i++ {
			want = append(want, fmt.Sprint("secret_unused s", i))
		}
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("the review (-want +got):\n%s", diff)
		}
		if end := pages[len(pages)-1].Progress; len(pages) < 2 || end.List != "secrets" || end.Done != 12 || end.Of != 12 {
			t.Errorf("the review has %d pages and ends with %+v, want several, and 12 of 12 secrets", len(pages), end)
		}
		a.get(t, "/api/review/?cursor=x").want(t, 404, `{"detail":"Invalid cursor."}`)
		a.get(t, "/api/review/?cursor=").want(t, 200, `{"next":"<...>`)
	})
}

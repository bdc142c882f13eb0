package httpapi

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"goblins-secrets/pkg/secrets"
)

// namedBody is an object of an event, with the name that it had then.
type namedBody struct {
	ID   string  `json:"id"`
	Name *string `json:"name"` // null: not known
}

// namedItemBody is the item of an event, with the key that it had then.
type namedItemBody struct {
	ID  string  `json:"id"`
	Key *string `json:"key"` // null: not known
}

// eventBody is an event, or a minute's refused tries of a key.
type eventBody struct {
	ID          string            `json:"id"`
	At          string            `json:"at"`
	Action      string            `json:"action"`
	Outcome     string            `json:"outcome"`
	User        *namedBody        `json:"user"` // null: an operator or the system
	Key         *namedBody        `json:"key"`
	Secret      *namedBody        `json:"secret"`
	Item        *namedItemBody    `json:"item"`
	Service     *namedBody        `json:"service"`
	SubjectUser *namedBody        `json:"subject_user"`
	SubjectKey  *namedBody        `json:"subject_key"`
	Version     *int              `json:"version"`
	Changed     []string          `json:"changed"`
	From        map[string]string `json:"from"`
	To          map[string]string `json:"to"`
	SourceIP    *string           `json:"source_ip"`
	UserAgent   *string           `json:"user_agent"`
	RequestID   *string           `json:"request_id"`
	Items       []eventItemBody   `json:"items"` // of an event about several
	Tries       *int              `json:"tries"` // null: it is no refused try, nor are the next two
	FirstAt     *string           `json:"first_at"`
	LastAt      *string           `json:"last_at"`
}

// eventItemBody is one of the items of an event.
type eventItemBody struct {
	ID      string  `json:"id"`
	Key     *string `json:"key"`
	Version int64   `json:"version"`
	Done    *string `json:"done"` // null: it was read
}

func newEventBody(ev secrets.Event) eventBody {
	b := eventBody{
		ID: ev.ID.String(), At: timeText(ev.At()), Action: ev.Action, Outcome: string(ev.Outcome),
		User: optionalNamed(ev.User), Key: optionalNamed(ev.Key), Secret: optionalNamed(ev.Secret), Service: optionalNamed(ev.Service),
		SubjectUser: optionalNamed(ev.SubjectUser), SubjectKey: optionalNamed(ev.SubjectKey),
		Changed: append([]string{}, ev.Changed...), From: ev.From, To: ev.To,
		SourceIP: optionalText(ev.SourceIP), UserAgent: optionalText(ev.UserAgent), RequestID: optionalText(ev.RequestID),
		Item: namedItem(ev.Item), FirstAt: optionalTime(ev.First), LastAt: optionalTime(ev.Last),
	}
	b.Version, b.Tries = optionalNumber(int(ev.Version)), optionalNumber(ev.Tries)
	b.Items = make([]eventItemBody, len(ev.Items))
	for i, x := range ev.Items {
		b.Items[i] = eventItemBody{x.Item.ID.String(), optionalText(x.Item.Name), x.Version, optionalText(string(x.Done))}
	}
	return b
}

func optionalNamed(x secrets.Named) *namedBody {
	if id := optionalID(x.ID); id != nil {
		return &namedBody{*id, optionalText(x.Name)}
	}
	return nil
}

func namedItem(x secrets.Named) *namedItemBody {
	if item := optionalNamed(x); item != nil {
		return &namedItemBody{item.ID, item.Name}
	}
	return nil
}

func optionalNumber(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

func optionalText(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// eventPageBody is a page of events, which has no count.
type eventPageBody struct {
	Next     *string     `json:"next"`
	Previous *string     `json:"previous"`
	Results  []eventBody `json:"results"`
}

// ListEvents is GET /api/events/.
func ListEvents(m *secrets.Manager) http.Handler { return listEvents(m, "secret") }

// ListSecretEvents is GET /api/secrets/{secret_id}/events/.
func ListSecretEvents(m *secrets.Manager) http.Handler { return listEvents(m) }

// ListItemEvents is GET /api/secrets/{secret_id}/items/{item_id}/events/.
func ListItemEvents(m *secrets.Manager) http.Handler { return listEvents(m) }

func listEvents(m *secrets.Manager, more ...string) http.Handler {
	parameters := sorted(append(more, "action", "cursor", "format", "key", "outcome", "page_size", "since", "until", "user"))
	return handle(m, secrets.EventRead, func(r *http.Request, c secrets.Caller) (answer, error) {
		query := r.URL.Query()
		format := "json"
		if query.Has("format") {
			format = query.Get("format")
		}
		encode := eventEncoder(format)
		if encode == nil {
			return answer{}, secrets.Invalid{{Field: "format", Messages: []string{"Choose from: csv, json, ndjson."}}}
		}
		from, err := cursor(query)
		if err != nil {
			return answer{}, err
		}
		page, err := m.ListEvents(r.Context(), c, secrets.EventsInput{
			SecretID: r.PathValue("secret_id"), ItemID: r.PathValue("item_id"),
			Action: parameter(query, "action"), User: parameter(query, "user"), Key: parameter(query, "key"),
			Secret: parameter(query, "secret"), Outcome: parameter(query, "outcome"),
			Since: parameter(query, "since"), Until: parameter(query, "until"),
		}, from, pageSize(query.Get("page_size")))
		if err != nil {
			return answer{}, err
		}
		return encode(r, cut(page, from)), nil
	}, parameters...)
}

// Lambda's answers have at most 6 MB. An event has about 1 KB, and what it replaced and gave, of which each byte can
// become two.
const (
	maxPageBytes = 2 << 20
	eventBytes   = 1 << 10
	memberBytes  = 400 // one of an event's items, with the longest key
)

// cut ends a page early that would be too large for an answer, at the end that is far from its cursor.
func cut(page secrets.Page[secrets.Event], from secrets.Cursor) secrets.Page[secrets.Event] {
	isForward := from != secrets.Cursor{} && !from.Backward
	near := func(i int) int { // the i-th result as seen from the cursor
		if isForward {
			return len(page.Results) - 1 - i
		}
		return i
	}
	size := 0
	for i := range page.Results {
		ev := page.Results[near(i)]
		size += eventBytes + memberBytes*len(ev.Items)
		for _, fields := range []map[string]string{ev.From, ev.To} {
			for _, text := range fields {
				size += len(text)
			}
		}
		if size <= maxPageBytes || i == 0 {
			continue
		}
		last := page.Results[near(i-1)].ID
		if isForward {
			page.Results, page.Previous = page.Results[near(i-1):], &secrets.Cursor{ID: last}
		} else {
			page.Results, page.Next = page.Results[:i], &secrets.Cursor{Backward: true, ID: last}
		}
		break
	}
	return page
}

// eventEncoder encodes a page of events, by ?format=; nil: there is no such format. It is no map, which would link the
// encoders into all functions.
func eventEncoder(format string) func(*http.Request, secrets.Page[secrets.Event]) answer {
	switch format {
	case "json":
		return jsonEvents
	case "csv":
		return csvEvents
	case "ndjson":
		return ndjsonEvents
	}
	return nil
}

func jsonEvents(r *http.Request, page secrets.Page[secrets.Event]) answer {
	b := eventPageBody{Next: link(r, page.Next), Previous: link(r, page.Previous), Results: make([]eventBody, len(page.Results))}
	for i, ev := range page.Results {
		b.Results[i] = newEventBody(ev)
	}
	return ok(b)
}

func ndjsonEvents(r *http.Request, page secrets.Page[secrets.Event]) answer {
	return export(r, page, "application/x-ndjson", nil, func(b *bytes.Buffer, ev eventBody) {
		enc := json.NewEncoder(b)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(ev) // a plain struct, into memory
	})
}

// eventColumns are the header of an export as CSV. Programs know them by name: new ones go to the end.
var eventColumns = []string{
	"id", "at", "action", "outcome", "user_id", "user_name", "key_id", "key_name", "secret_id", "secret_name", "item_id", "item_key",
	"service_id", "service_name", "subject_user_id", "subject_user_name", "subject_key_id", "subject_key_name", "version", "changed",
	"from", "to", "source_ip", "user_agent", "request_id", "tries", "first_at", "last_at", "items",
}

// csvEvents writes RFC 4180, with a header on each page.
func csvEvents(r *http.Request, page secrets.Page[secrets.Event]) answer {
	return export(r, page, "text/csv; charset=utf-8", eventColumns, func(b *bytes.Buffer, ev eventBody) {
		item := &namedBody{}
		if ev.Item != nil {
			item = &namedBody{ev.Item.ID, ev.Item.Key}
		}
		cells := []string{ev.ID, ev.At, ev.Action, ev.Outcome}
		for _, x := range []*namedBody{ev.User, ev.Key, ev.Secret, item, ev.Service, ev.SubjectUser, ev.SubjectKey} {
			if x == nil {
				x = &namedBody{}
			}
			cells = append(cells, x.ID, plain(x.Name))
		}
		var version, tries string
		if ev.Version != nil {
			version = strconv.Itoa(*ev.Version)
		}
		if ev.Tries != nil {
			tries = strconv.Itoa(*ev.Tries)
		}
		writeCSV(b, append(cells, version, strings.Join(ev.Changed, ","), objectText(ev.From), objectText(ev.To),
			plain(ev.SourceIP), plain(ev.UserAgent), plain(ev.RequestID), tries, plain(ev.FirstAt), plain(ev.LastAt), itemsText(ev.Items)))
	})
}

func plain(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// objectText is JSON in a cell.
func objectText(fields map[string]string) string {
	if fields == nil {
		return ""
	}
	text, _ := json.Marshal(fields) // strings only
	return string(text)
}

// itemsText is JSON in a cell.
func itemsText(items []eventItemBody) string {
	if len(items) == 0 {
		return ""
	}
	text, _ := json.Marshal(items) // plain structs
	return string(text)
}

// formula finds a cell that begins like a formula, also where a spreadsheet splits it at another separator. No other
// function compiles it at cold start.
var formula = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?:^|[;\t\r\n])\s*[=+\-@＝＋－＠]|^[\t\r]`)
})

// writeCSV writes a record. A cell that a spreadsheet would take for a formula becomes a text.
func writeCSV(b *bytes.Buffer, cells []string) {
	for i, cell := range cells {
		if formula().MatchString(cell) {
			cells[i] = "'" + cell
		}
	}
	w := csv.NewWriter(b)
	w.UseCRLF = true
	_ = w.Write(cells) // into memory
	w.Flush()
}

// export is an answer with one record for each event, whose next page is in a Link.
func export(r *http.Request, page secrets.Page[secrets.Event], contentType string, header []string, encode func(*bytes.Buffer, eventBody)) answer {
	var b bytes.Buffer
	if header != nil {
		writeCSV(&b, append([]string{}, header...))
	}
	for _, ev := range page.Results {
		encode(&b, newEventBody(ev))
	}
	a := answer{status: http.StatusOK, header: http.Header{"Content-Type": {contentType}}, body: raw(b.Bytes())}
	if next := link(r, page.Next); next != nil {
		a.header.Set("Link", "<"+*next+`>; rel="next"`)
	}
	return a
}

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
)

// logged is the number of events. make bench documents what 100,000 cost, which take a minute to write.
var logged = flag.Int("events", 10_000, "events of the log that is read; 100000 are documented")

const (
	documentedEvents = 100_000
	loggedDays       = 90 * 24 * time.Hour
)

// What reading a large log costs, in queries and units. A tenth of its events are of one secret with 10 items, and half of
// one user.
func TestLargeLogsAreReadInFewQueries(t *testing.T) {
	c := newCounter(t)
	start := time.Now().Add(-loggedDays)
	other := c.caller
	other.UserID, other.KeyID = uuid.New(), uuid.New()
	secret := named{uuid.NewString(), "production-database"}
	items := make([]named, 10)
	for i := range items {
		items[i] = named{uuid.NewString(), fmt.Sprint("DATABASE_PASSWORD_", i)}
	}
	var writes []types.WriteRequest
	recent := 0 // events of the first item within 30 days
	for i := range *logged {
		by, at, in, it := c.caller, start.Add(loggedDays/time.Duration(*logged)*time.Duration(i)), named{uuid.NewString(), "another secret"}, named{uuid.NewString(), "ANOTHER_KEY"}
		if i%2 == 1 {
			by = other
		}
		if i%10 == 3 {
			in, it = secret, items[i/10%10]
			if it == items[0] && time.Since(at) < 30*24*time.Hour {
				recent++
			}
		}
		r := event(by, secrets.ItemRevealed, in, it, "7")
		r["SK"] = text(secrets.NewEventID(at, uuid.New()).String())
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: r}})
	}
	var g errgroup.Group
	g.SetLimit(4)
	for some := range slices.Chunk(writes, 25) {
		g.Go(func() error {
			_, err := c.table.Client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{c.table.Name: some}})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	c.rows = newTable("reading | calls | read units: | events:")
	read := func(name string, most int, h http.Handler, q url.Values, of ...string) {
		t.Helper()
		found := 0
		used := c.count(name, func() error {
			for more := true; more; {
				r := httptest.NewRequestWithContext(httpapi.WithCaller(t.Context(), c.caller), "GET", "https://api.example.com/api/events/?"+q.Encode(), nil)
				for i, parameter := range []string{"secret_id", "item_id"}[:len(of)] {
					r.SetPathValue(parameter, of[i])
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				var page struct {
					Next    *string
					Results []struct{ ID string }
				}
				if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != http.StatusOK {
					return fmt.Errorf("status %d: %v", w.Code, err)
				}
				found += len(page.Results)
				if more = page.Next != nil && q.Get("since") != ""; more { // else one page
					next, err := url.Parse(*page.Next)
					if err != nil {
						return err
					}
					q.Set("cursor", next.Query().Get("cursor"))
				}
			}
			return nil
		})
		// One of the queries is for refused tries, at the same time.
		if n := used.Calls["Query"] - 1; n > most {
			t.Errorf("%s: %d queries, want at most %d", name, n, most)
		}
		c.rows.row(name, used.String(), withIndexes(used.Reads, used.IndexReads), fmt.Sprint(found))
		if q.Get("since") != "" && (found != recent || found == 0) {
			t.Errorf("%s: %d events, want %d", name, found, recent)
		}
	}
	month := url.Values{"since": {time.Now().Add(-30 * 24 * time.Hour).Format(time.RFC3339)}, "page_size": {"1000"}}
	read("a page of 100 of the account", 1, httpapi.ListEvents(c.manager), url.Values{})
	read("a page of 100 of the user", 1, httpapi.ListEvents(c.manager), url.Values{"user": {c.caller.UserID.String()}})
	read("a page of 100 of the secret", 1, httpapi.ListSecretEvents(c.manager), url.Values{}, secret.id)
	read("a page of 100 of the item", 5, httpapi.ListItemEvents(c.manager), url.Values{}, secret.id, items[0].id)
	read("the last 30 days of the item", 4, httpapi.ListItemEvents(c.manager), month, secret.id, items[0].id)
	read("a page of 1,000 of the account, as for an export", 1, httpapi.ListEvents(c.manager), url.Values{"page_size": {"1000"}})
	if *logged == documentedEvents {
		documented(t, "log", c.rows)
	}
}

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// pageBody is a decoded page of a list.
type pageBody struct {
	Count    int     `json:"count"`
	Next     *string `json:"next"`
	Previous *string `json:"previous"`
	Results  []struct {
		ID   string `json:"id"`
		Key  string `json:"key"`
		Name string `json:"name"`
	} `json:"results"`
}

func (p pageBody) ids() []string {
	ids := make([]string, len(p.Results))
	for i, x := range p.Results {
		ids[i] = x.ID
	}
	return ids
}

func (r response) page(t *testing.T) pageBody {
	t.Helper()
	var p pageBody
	if r.status != 200 {
		t.Fatalf("%v = %d %s, want 200", r, r.status, short(r.body))
	}
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		t.Fatalf("%v = %s: %v", r, short(r.body), err)
	}
	return p
}

// walk follows the links of a list from one page to the end in one direction, and returns
// all pages. Every page must have the same count.
func (c *client) walk(t *testing.T, first pageBody, direction func(pageBody) *string) []pageBody {
	t.Helper()
	pages := []pageBody{first}
	for p := first; direction(p) != nil; {
		p = c.follow(t, *direction(p)).page(t)
		if p.Count != first.Count {
			t.Errorf("GET %s = count %d, want %d", short(*direction(pages[len(pages)-1])), p.Count, first.Count)
		}
		if pages = append(pages, p); len(pages) > 100 {
			t.Fatalf("pages of the list = more than %d, want an end", len(pages))
		}
	}
	return pages
}

// and appends parameters to the query of an address.
func and(address, query string) string {
	if strings.Contains(address, "?") {
		return address + "&" + query
	}
	return address + "?" + query
}

func next(p pageBody) *string     { return p.Next }
func previous(p pageBody) *string { return p.Previous }

func allIDs(pages []pageBody) []string {
	var ids []string
	for _, p := range pages {
		ids = append(ids, p.ids()...)
	}
	return ids
}

// walkBothWays reads a list forwards and backwards in pages of one size, and compares the
// ids with those of the whole list.
func (c *client) walkBothWays(t *testing.T, list string, size int, want []string) {
	t.Helper()
	at := and(list, fmt.Sprintf("page_size=%d", size))
	first := c.get(t, at).page(t)
	if first.Previous != nil {
		t.Errorf("GET %s = previous %s, want null", at, *first.Previous)
	}
	forward := c.walk(t, first, next)
	if diff := cmp.Diff(want, allIDs(forward)); diff != "" {
		t.Errorf("GET %s and on = other ids (-want +got):\n%s", at, short(diff))
	}
	if got, want := len(forward), max(1, (len(want)+size-1)/size); got != want {
		t.Errorf("GET %s and on = %d pages, want %d", at, got, want)
	}
	if first.Count != len(want) {
		t.Errorf("GET %s = count %d, want %d", at, first.Count, len(want))
	}
	backward := c.walk(t, forward[len(forward)-1], previous)
	slices.Reverse(backward)
	if diff := cmp.Diff(want, allIDs(backward)); diff != "" {
		t.Errorf("back to GET %s = other ids (-want +got):\n%s", at, short(diff))
	}
	// Both directions see the same pages, with links at the same places.
	for i := range min(len(forward), len(backward)) {
		if diff := cmp.Diff(forward[i].ids(), backward[i].ids()); diff != "" {
			t.Errorf("page %d of GET %s differs on the way back (-forwards +backwards):\n%s", i+1, at, short(diff))
		}
		if (forward[i].Next == nil) != (backward[i].Next == nil) || (forward[i].Previous == nil) != (backward[i].Previous == nil) {
			t.Errorf("page %d of GET %s has other links on the way back", i+1, at)
		}
	}
}

func TestPagesCoverTheListInBothDirections(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		secretIDs := c.get(t, "/api/secrets/").page(t).ids()
		for i := range 6 {
			secretIDs = append(secretIDs, strings.Split(c.secret(t, fmt.Sprint("s", i)), "/")[3])
		}
		items := "/api/secrets/" + secretIDs[0] + "/items/"
		c.walkBothWays(t, items, 3, nil)
		var itemIDs []string
		for i := range 7 {
			path := c.item(t, "/api/secrets/"+secretIDs[0]+"/", fmt.Sprint("k", 9-i), "PLANTED")
			itemIDs = append(itemIDs, strings.Split(path, "/")[5])
		}
		for _, size := range []int{1, 2, 3, 6, 7, 8, 1000} {
			c.walkBothWays(t, "/api/secrets/", size, secretIDs)
			c.walkBothWays(t, items, size, itemIDs)
			c.walkBothWays(t, strings.TrimSuffix(items, "/"), size, itemIDs)
		}
		// A link can be followed repeatedly.
		link := c.get(t, items+"?page_size=3").page(t).Next
		if a, b := c.follow(t, *link), c.follow(t, *link); a.body != b.body {
			t.Errorf("%v = %s, then %s", a, a.body, b.body)
		}
		// Links keep the requested page size.
		p := c.get(t, items+"?page_size=2").page(t)
		u, err := url.Parse(*p.Next)
		if err != nil {
			t.Fatal(err)
		}
		if got := u.Query(); got.Get("page_size") != "2" || got.Get("cursor") == "" {
			t.Errorf("next = %s, want it with cursor and page_size", *p.Next)
		}
		if got, want := strings.Split(*p.Next, "?")[0], tg.public+items; got != want {
			t.Errorf("next = %s, want %s", got, want)
		}
		// The next page may have another size.
		rest := c.follow(t, strings.Replace(*p.Next, "page_size=2", "page_size=4", 1)).page(t)
		if diff := cmp.Diff(itemIDs[2:6], rest.ids()); diff != "" {
			t.Errorf("GET next with page_size=4 = other ids (-want +got):\n%s", diff)
		}
	})
}

// Objects that are deleted or created between two pages neither hide nor repeat others.
func TestChangesBetweenPagesHideAndRepeatNothing(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c := tg.client(t)
		secret := c.secret(t, "list")
		items := secret + "items/"
		var ids []string
		for i := range 6 {
			ids = append(ids, strings.Split(c.item(t, secret, fmt.Sprint("k", i), "PLANTED"), "/")[5])
		}
		remove := func(gone ...string) {
			for _, id := range gone {
				c.do(t, "DELETE", items+id+"/", "").want(t, 204, "")
			}
		}
		wantPage := func(r response, count int, want ...string) pageBody {
			t.Helper()
			p := r.page(t)
			if diff := cmp.Diff(want, p.ids()); p.Count != count || len(want)+len(p.ids()) > 0 && diff != "" {
				t.Errorf("%v = count %d, want %d, and other ids (-want +got):\n%s", r, p.Count, count, diff)
			}
			return p
		}
		first := wantPage(c.get(t, items+"?page_size=2"), 6, ids[0], ids[1])
		remove(ids[1], ids[2]) // the cursor's own item, and the next page's first
		second := wantPage(c.follow(t, *first.Next), 4, ids[3], ids[4])
		added := strings.Split(c.item(t, secret, "new", "PLANTED"), "/")[5]
		third := wantPage(c.follow(t, *second.Next), 5, ids[5], added)
		if third.Next != nil {
			t.Errorf("next of the last page = %s, want null", *third.Next)
		}
		wantPage(c.follow(t, *second.Previous), 5, ids[0])
		remove(ids[0])
		if p := wantPage(c.follow(t, *second.Previous), 4); p.Previous != nil {
			t.Errorf("previous of an empty first page = %s, want null", *p.Previous)
		} else if p.Next != nil { // the next link must not skip anything
			wantPage(c.follow(t, *p.Next), 4, ids[3], ids[4])
		}
		remove(ids[5], added)
		p := wantPage(c.follow(t, *second.Next), 2)
		if p.Next != nil || p.Previous == nil {
			t.Fatalf("page after the end = %+v, want previous and no next", p)
		}
		wantPage(c.follow(t, *p.Previous), 2, ids[3], ids[4])
		remove(ids[3], ids[4])
		for _, link := range []*string{first.Next, second.Next, second.Previous, p.Previous} {
			wantPage(c.follow(t, *link), 0)
		}
		c.get(t, items).want(t, 200, emptyPage)
		c.do(t, "DELETE", secret, "").want(t, 204, "")
		c.follow(t, *first.Next).want(t, 404, notFound) // the list is gone
	})
}

func TestCursorsOnlyLeadToTheCallersObjects(t *testing.T) {
	const invalid = `{"detail":"Invalid cursor."}`
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		other := tg.client(t)
		for i := range 3 {
			other.secret(t, fmt.Sprint("theirs", i))
		}
		lists := []string{"/api/secrets/", known.fill("/api/secrets/{S}/items/"), "/api/services/", known.fill("/api/services/?secret={S}")}
		encode := base64.RawURLEncoding.EncodeToString
		good := append([]byte{0}, make([]byte, 16)...)
		for _, cursor := range []string{
			"x", "garbage", "null", "0", "1", "-1", " ", "%00", "%25", "é", unknownID, strings.Repeat("A", 22), strings.Repeat("A", 24), strings.Repeat("A", 5000),
			encode(good[:16]), encode(append(good, 0)), encode(append([]byte{2}, good[1:]...)), encode(append([]byte{255}, good[1:]...)),
			encode(good) + "=", base64.StdEncoding.EncodeToString(append(good[:16:16], 0xff)) + "/", strings.Repeat("A", 22) + "B", "a b", "A\nB", "cD0yMDI0", "'; DROP TABLE", "../..",
		} {
			for _, list := range lists {
				r := c.get(t, and(list, "page_size=5&cursor="+url.QueryEscape(cursor)))
				r.want(t, 404, invalid)
			}
			c.get(t, "/api/secrets/"+unknownID+"/items/?cursor="+url.QueryEscape(cursor)).wantOneOf(t, 404, notFound, invalid)
		}
		c.get(t, "/api/secrets/?cursor=").want(t, 200, `{"count":2,<...>`)

		// A cursor names no account and no list, so another account's cursor shows the caller's objects.
		mine := []string{c.get(t, "/api/secrets/").page(t).ids()[0], known["S"]}
		for _, link := range []*string{
			other.get(t, "/api/secrets/?page_size=1").page(t).Next, other.get(t, "/api/secrets/?page_size=3").page(t).Next,
		} {
			p := c.follow(t, *link).page(t)
			if p.Count != 2 {
				t.Errorf("GET with another account's cursor = count %d, want 2", p.Count)
			}
			for _, pages := range [][]pageBody{c.walk(t, p, next), c.walk(t, p, previous)} {
				for _, id := range allIDs(pages) {
					if !slices.Contains(mine, id) {
						t.Errorf("GET with another account's cursor = %s, which is not the caller's", id)
					}
				}
			}
		}
		fromSecrets, err := url.Parse(*c.get(t, "/api/secrets/?page_size=1").page(t).Next)
		if err != nil {
			t.Fatal(err)
		}
		c.get(t, lists[1]+"?"+fromSecrets.RawQuery).want(t, 200, `{"count":1,"next":null,"previous":<...>,"results":[`+known.fill(itemObject("{I}", "{S}", "KEY"))+`]}`)
		// A cursor may point at an item that does not exist.
		low := encode(append([]byte{0}, slices.Repeat([]byte{0}, 16)...))
		high := encode(append([]byte{0}, slices.Repeat([]byte{0xff}, 16)...))
		c.get(t, "/api/secrets/?cursor="+low).want(t, 200, `{"count":2,"next":null,"previous":<...>,"results":[{<...>},{<...>}]}`)
		c.get(t, "/api/secrets/?cursor="+high).want(t, 200, `{"count":2,"next":null,"previous":"<...>","results":[]}`)
	})
}

func (r response) wantOneOf(t *testing.T, status int, bodies ...string) {
	t.Helper()
	if r.status != status || !slices.Contains(bodies, r.body) {
		t.Errorf("%v = %d %s, want %d %s", r, r.status, short(r.body), status, strings.Join(bodies, " or "))
	}
}

const longList = 10_000

func TestLongListsPageInBothDirections(t *testing.T) {
	t.Parallel()
	p := newParts(t, nil)
	if p.table == nil {
		t.Fatalf("%s has no table: add it, as this test writes rows directly", deploymentVariable)
	}
	c := p.target.client(t)
	secret := "/api/secrets/" + c.get(t, "/api/secrets/").page(t).ids()[0] + "/"
	ids := p.multiply(t, c.id, c.item(t, secret, "k", "PLANTED"), p.rows)

	items := secret + "items/"
	c.walkBothWays(t, items, 1000, ids)

	for size, want := range map[string]int{
		"": 100, "abc": 100, "0": 100, "-1": 100, "1.5": 100, "1e3": 100, "0x10": 100, "-99999999999999999999": 100,
		"1": 1, "007": 7, "1001": 1000, "99999999999999999999": 1000,
	} {
		got := c.get(t, items+"?page_size="+url.QueryEscape(size)).page(t)
		if len(got.Results) != want || got.Count != p.rows {
			t.Errorf("GET %s?page_size=%s = %d of %d, want %d of %d", items, size, len(got.Results), got.Count, want, p.rows)
		}
	}
	got := c.get(t, items).page(t)
	if diff := cmp.Diff(ids[:100], got.ids()); diff != "" {
		t.Errorf("GET %s = other ids (-want +got):\n%s", items, short(diff))
	}
	// Pages deep in the list work like the first ones.
	deep := p.rows * 7 / 9
	cursor := base64.RawURLEncoding.EncodeToString(append([]byte{0}, uuidBytes(t, ids[deep])...))
	got = c.get(t, items+"?page_size=3&cursor="+cursor).page(t)
	if diff := cmp.Diff(ids[deep+1:deep+4], got.ids()); diff != "" {
		t.Errorf("GET deep in %s = other ids (-want +got):\n%s", items, diff)
	}
	got = c.follow(t, *got.Previous).page(t)
	if diff := cmp.Diff(ids[deep-2:deep+1], got.ids()); diff != "" {
		t.Errorf("GET back deep in %s = other ids (-want +got):\n%s", items, diff)
	}
}

func uuidBytes(t *testing.T, text string) []byte {
	t.Helper()
	id, err := uuid.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return id[:]
}

// multiply copies the row of the item at this path under new ids and keys, until its secret
// has many items, and returns their ids. It copies only the data that a list reads: creating
// the items takes minutes, and an emulator's writes slow down as a partition grows.
func (p parts) multiply(t *testing.T, owner, path string, many int) []string {
	t.Helper()
	type row = map[string]types.AttributeValue
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	segments := strings.Split(path, "/")
	secret, first := segments[3], segments[5]
	out, err := p.table.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: &p.tableName, Key: row{"PK": text("SECRET#" + owner + "#" + secret), "SK": text("ITEM#" + first)},
	})
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{first}
	var writes []types.WriteRequest
	for i := 1; i < many; i++ {
		id := uuid.Must(uuid.NewV7()).String()
		ids = append(ids, id)
		replica := maps.Clone(out.Item)
		replica["SK"], replica["key"] = text("ITEM#"+id), text(fmt.Sprint("k", i))
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: replica}})
	}
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(2)
	for batch := range slices.Chunk(writes, 25) {
		g.Go(func() error {
			out, err := p.table.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
				RequestItems: map[string][]types.WriteRequest{p.tableName: batch},
			})
			if err == nil && len(out.UnprocessedItems) > 0 {
				return fmt.Errorf("%d rows were not written", len(out.UnprocessedItems[p.tableName]))
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	_, err = p.table.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: &p.tableName, Key: row{"PK": text("ACCOUNT#" + owner), "SK": text("SECRET#" + secret)},
		UpdateExpression:         aws.String("ADD #items :more"),
		ConditionExpression:      aws.String("#items = :one"),
		ExpressionAttributeNames: map[string]string{"#items": "items"},
		ExpressionAttributeValues: row{
			":more": &types.AttributeValueMemberN{Value: fmt.Sprint(many - 1)},
			":one":  &types.AttributeValueMemberN{Value: "1"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

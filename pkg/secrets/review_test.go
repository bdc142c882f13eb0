package secrets_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// review reads all pages, and holds each against its limits.
func review(t *testing.T, table *secretstest.Table, c secrets.Caller, now time.Time) (found []secrets.Finding) {
	t.Helper()
	var usage secretstest.Usage
	m := table.Manager(t, usage.Count)
	m.Now = func() time.Time { return now }
	for from := new(secrets.ReviewCursor); from != nil; {
		usage.Take()
		page, err := m.Review(t.Context(), c, *from)
		if err != nil {
			t.Fatal(err)
		}
		if n := usage.Take().Calls["Query"]; n > 10 {
			t.Errorf("a page makes %d queries, want at most 10", n)
		}
		if page.Done > page.Of || page.Next == nil && (page.List != "secrets" || page.Done != page.Of) {
			t.Errorf("a page looked at %d of %d %s; the last one: %v", page.Done, page.Of, page.List, page.Next == nil)
		}
		found = append(found, page.Findings...)
		if from = page.Next; from != nil { // as a client sends it
			sent, err := secrets.ParseReviewCursor(from.String())
			if err != nil || sent != *from {
				t.Fatalf("cursor %s = %v, %v", from, sent, err)
			}
		}
	}
	return found
}

// What a review finds, a minute before and after each limit.
func TestReviewFindsWhatIsDue(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	table := secretstest.NewTable(t)
	w := newWorld(t, table)
	attach(t, &w)
	m, start := table.Manager(t), time.Now()
	read, err := m.CreateItem(t.Context(), w.caller, w.second.ID.String(), itemInput("READ", "value"))
	if err != nil {
		t.Fatal(err)
	}
	machine, err := m.CreateUser(t.Context(), w.caller, userInput(secrets.Machine, secrets.Reveal))
	if err != nil {
		t.Fatal(err)
	}
	keyOf(t, table, w.caller, machine, secrets.KeyInput{Name: secrets.Text("expired by then"), ExpiresAt: later(day)})
	person, err := m.CreateUser(t.Context(), w.caller, userInput(secrets.Person, secrets.List))
	if err != nil {
		t.Fatal(err)
	}
	invite(t, table, w.caller, person)
	// The first key and one value are used on day 60; a value is renamed then, which is no rotation.
	m.Now = func() time.Time { return start.Add(60 * day) }
	reading := w.caller
	if _, err := m.RevealItem(t.Context(), reading, w.second.ID.String(), read.ID.String()); err != nil {
		t.Fatal(err)
	}
	if err := m.Store.StampKey(t.Context(), w.caller.AccountID, w.caller.KeyID, start.Add(60*day), start.Add(60*day)); err != nil {
		t.Fatal(err)
	}
	if _, err := m.UpdateItem(t.Context(), w.caller, w.second.ID.String(), read.ID.String(), secrets.ItemInput{Key: secrets.Text("RENAMED")}); err != nil {
		t.Fatal(err)
	}
	always := []string{
		"key_never_expires First key", "secret_unused Default", "secret_unused second", "user_with_admin Admin",
	}
	for _, tt := range []struct {
		after time.Duration
		more  []string
	}{
		{90*day - time.Minute, nil},
		{90*day + time.Minute, []string{"value_not_read API_KEY", "value_not_read OTHER"}},
		{150*day - time.Minute, []string{"value_not_read API_KEY", "value_not_read OTHER"}},
		{150*day + time.Minute, []string{"key_unused First key", "value_not_read API_KEY", "value_not_read OTHER", "value_not_read RENAMED"}},
		{180*day + time.Minute, []string{
			"key_unused First key", "refused_most Admin 3", "value_not_read API_KEY", "value_not_read OTHER", "value_not_read RENAMED",
			"value_not_rotated API_KEY", "value_not_rotated OTHER", "value_not_rotated RENAMED",
		}},
		{183 * day, []string{
			"key_unused First key", "value_not_read API_KEY", "value_not_read OTHER", "value_not_read RENAMED", "value_not_rotated API_KEY",
			"value_not_rotated OTHER", "value_not_rotated RENAMED",
		}},
	} {
		if tt.after > 180*day && tt.after < 181*day {
			m.Now = func() time.Time { return start.Add(175 * day) }
			for range 3 {
				m.Refused(t.Context(), w.caller, secrets.Try{Action: secrets.ItemRevealed}, secrets.ErrDenied)
			}
		}
		var got []string
		for _, f := range review(t, table, w.caller, start.Add(tt.after)) {
			name := f.User.Name
			for _, x := range []secrets.Named{f.Key, f.Secret, f.Item} {
				if x.ID != uuid.Nil {
					name = x.Name
				}
			}
			text := f.Check + " " + name
			if f.Tries > 0 {
				text += fmt.Sprint(" ", f.Tries)
			}
			got = append(got, text)
		}
		slices.Sort(got)
		want := slices.Sorted(slices.Values(append(slices.Clone(tt.more), always...)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", tt.after, diff)
		}
	}
}

// A large account takes several pages, and each object is found once.
func TestReviewOfManyFindsEachOnce(t *testing.T) {
	t.Parallel()
	const manySecrets, manyItems = 13, 130
	table := secretstest.NewTable(t)
	_, c := table.Account(t, "team")
	old := "2020-01-01T00:00:00.000000Z"
	var writes []types.WriteRequest
	put := func(row map[string]any) {
		t.Helper()
		attributes, err := attributevalue.MarshalMap(row)
		if err != nil {
			t.Fatal(err)
		}
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: attributes}})
	}
	for range manySecrets {
		secret := uuid.Must(uuid.NewV7()).String()
		put(map[string]any{"PK": "ACCOUNT#" + c.AccountID.String(), "SK": "SECRET#" + secret, "name": secret, "items": manyItems, "created_at": old})
		for i := range manyItems {
			put(map[string]any{
				"PK": "SECRET#" + c.AccountID.String() + "#" + secret, "SK": "ITEM#" + uuid.Must(uuid.NewV7()).String(), "key": fmt.Sprint("KEY_", i),
				"version": 1, "created_at": old, "updated_at": old, "value_at": old,
			})
		}
	}
	for some := range slices.Chunk(writes, 25) {
		if _, err := table.Client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table.Name: some}}); err != nil {
			t.Fatal(err)
		}
	}
	setAttribute(t, table, "ACCOUNT#"+c.AccountID.String(), "ACCOUNT", "secrets", &types.AttributeValueMemberN{Value: fmt.Sprint(manySecrets + 1)})
	counted := map[string]int{}
	for _, f := range review(t, table, c, time.Now()) {
		counted[strings.Join([]string{f.Check, f.Secret.ID.String(), f.Item.ID.String()}, " ")]++
	}
	n := map[string]int{}
	for finding, times := range counted {
		if check, _, _ := strings.Cut(finding, " "); times != 1 && !strings.HasPrefix(check, "key") {
			t.Errorf("%s was found %d times", finding, times)
		} else {
			n[check]++
		}
	}
	want := map[string]int{
		"value_not_read": manySecrets * manyItems, "value_not_rotated": manySecrets * manyItems, "secret_unused": manySecrets + 1,
		"user_with_admin": 1, "key_never_expires": 1,
	}
	if diff := cmp.Diff(want, n); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// A review ends, also where its lists end with a page.
func TestReviewEnds(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	_, c := table.Account(t, "team")
	m := table.Manager(t)
	for n := 1; n <= 19; n++ { // secrets, with the default one
		pages, unused := 0, 0
		for from := new(secrets.ReviewCursor); from != nil && pages < 10; pages++ {
			page, err := m.Review(t.Context(), c, *from)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range page.Findings {
				if f.Check == secrets.SecretUnused {
					unused++
				}
			}
			if from = page.Next; from == nil && (page.Done != n || page.Of != n) {
				t.Errorf("of %d secrets, %d of %d were looked at", n, page.Done, page.Of)
			}
		}
		if pages == 10 || unused != n {
			t.Errorf("with %d secrets, %d pages found %d", n, pages, unused)
		}
		if _, err := m.CreateSecret(t.Context(), c, secretInput(fmt.Sprint("secret ", n))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestForgedReviewCursorsAreRefused(t *testing.T) {
	for _, text := range []string{"x", "AA", strings.Repeat("A", 49), strings.Repeat("A", 51), "BA" + strings.Repeat("A", 48), strings.Repeat("/", 50)} {
		if c, err := secrets.ParseReviewCursor(text); err == nil {
			t.Errorf("ParseReviewCursor(%q) = %v", text, c)
		}
	}
}

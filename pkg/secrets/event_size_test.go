package secrets_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// sizes are the sizes of an account's rows whose keys begin with these, by DynamoDB's rules.
func sizes(t *testing.T, table *secretstest.Table, pk, sk string) (all []int, rows []map[string]types.AttributeValue) {
	t.Helper()
	out, err := table.Client.Query(t.Context(), &dynamodb.QueryInput{
		TableName: &table.Name, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("PK = :pk AND begins_with(SK, :sk)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pk": &types.AttributeValueMemberS{Value: pk}, ":sk": &types.AttributeValueMemberS{Value: sk},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range out.Items {
		all = append(all, secretstest.RowSize(row))
	}
	return all, out.Items
}

// A reveal's event fits into one unit of the table and of each index with the longest of everything, and so do a row of
// refused tries and the item's row that the reveal stamps.
func TestEventsOfRevealsFitIntoOneUnit(t *testing.T) {
	t.Parallel()
	const unit = 1024
	table := secretstest.NewTable(t)
	setup := table.Manager(t)
	_, first := table.Account(t, "account")
	in := userInput(secrets.Person, secrets.Every)
	in.Name = secrets.Text(strings.Repeat("🔑", 16))
	u, err := setup.CreateUser(t.Context(), first, in)
	if err != nil {
		t.Fatal(err)
	}
	c := keyOf(t, table, first, u, secrets.KeyInput{Name: secrets.Text(strings.Repeat("ключ", 8))}).Caller
	c.SourceIP = "2001:0db8:ffff:ffff:ffff:ffff:255.255.255.255%eth0" // longer than any that a gateway has
	c.RequestID = uuid.NewString()
	c.UserAgent = strings.Repeat("агент ", 100_000)
	secret, err := setup.CreateSecret(t.Context(), c, secretInput(strings.Repeat("🔐", 255)))
	if err != nil {
		t.Fatal(err)
	}
	item, err := setup.CreateItem(t.Context(), c, secret.ID.String(), itemInput(strings.Repeat("K", 253), "value"))
	if err != nil {
		t.Fatal(err)
	}
	// The largest version whose number is exact in JSON.
	item.Version = 1<<53 - 1
	sealed, err := setup.Sealer.Seal(t.Context(), item.AssociatedData(), []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	pk := fmt.Sprintf("SECRET#%s#%s", c.AccountID, secret.ID)
	version := &types.AttributeValueMemberN{Value: fmt.Sprint(item.Version)}
	setAttribute(t, table, pk, "ITEM#"+item.ID.String(), "version", version)
	setAttribute(t, table, pk, "ITEM#"+item.ID.String(), "size", &types.AttributeValueMemberN{Value: "393231"})
	setAttribute(t, table, pk, "VALUE#"+item.ID.String(), "version", version)
	setAttribute(t, table, pk, "VALUE#"+item.ID.String(), "sealed", &types.AttributeValueMemberB{Value: sealed})

	var usage secretstest.Usage
	m := table.Manager(t, usage.Count)
	r, err := m.RevealItem(t.Context(), c, secret.ID.String(), item.ID.String())
	if err != nil || r.Item.Version != item.Version {
		t.Fatalf("reveal = version %d, %v", r.Item.Version, err)
	}
	if used := usage.Take(); used.Writes != 3 || used.IndexWrites != 2 { // the charge, the item, the event
		t.Errorf("a reveal used %v, %v + %v units, want 3 + 2", used, used.Writes, used.IndexWrites)
	}
	m.Refused(t.Context(), c, secrets.Try{Action: secrets.ItemRevealed, SecretID: secret.ID.String(), ItemID: item.ID.String()}, secrets.Throttled{})
	if used := usage.Take(); used.Writes != 1 || used.IndexWrites != 0 {
		t.Errorf("a refused try used %v + %v units, want 1", used.Writes, used.IndexWrites)
	}
	events, rows := sizes(t, table, "EVENTS#"+c.AccountID.String(), "0")
	for i, row := range rows {
		if row["action"].(*types.AttributeValueMemberS).Value != secrets.ItemRevealed {
			continue
		}
		for _, name := range []string{
			"by_secret", "by_user", "user_name", "key_id", "key_name", "secret_name", "item_id", "item_key", "version", "source_ip",
			"user_agent", "request_id", "expires_at",
		} {
			if row[name] == nil {
				t.Errorf("the event has no %s", name)
			}
			if text, isText := row[name].(*types.AttributeValueMemberS); isText && !utf8.ValidString(text.Value) {
				t.Errorf("the event's %s is cut within a character: %q", name, text.Value)
			}
		}
		t.Logf("an event of %d bytes", events[i])
		if events[i] > unit {
			t.Errorf("the event has %d bytes, want at most %d: %v", events[i], unit, row)
		}
	}
	for name, prefix := range map[string][2]string{"a row of refused tries": {"REFUSED#" + c.AccountID.String(), "0"}, "an item": {pk, "ITEM#"}} {
		found, _ := sizes(t, table, prefix[0], prefix[1])
		if len(found) != 1 || found[0] > unit {
			t.Errorf("%s has %v bytes, want at most %d", name, found, unit)
		}
		t.Logf("%s of %d bytes", name, found)
	}
}

// A client may call itself what it likes.
func TestUserAgentsAreMadeText(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m := w.table.Manager(t)
	for sent, want := range map[string]string{
		"curl/8":                    "curl/8",
		"\xff\xfe":                  "\ufffd",
		strings.Repeat("\x80", 300): "\ufffd",
		strings.Repeat("a", 100):    strings.Repeat("a", 100),
		strings.Repeat("a", 101):    strings.Repeat("a", 97) + "…",
		strings.Repeat("é", 60):     strings.Repeat("é", 48) + "…",
		"a\x00\r\n\"":               "a\ufffd\ufffd\ufffd\"",
		"a\u202e\u009b":             "a\ufffd\ufffd",
	} {
		c := w.caller
		c.UserAgent = sent
		if _, err := m.RevealItem(t.Context(), c, w.secret.ID.String(), w.item.ID.String()); err != nil {
			t.Errorf("%.10q: %v", sent, err)
			continue
		}
		page, err := m.ListEvents(t.Context(), w.caller, secrets.EventsInput{}, secrets.Cursor{}, 1)
		if err != nil || page.Results[0].UserAgent != want {
			t.Errorf("%.10q is kept as %q, %v, want %q", sent, page.Results[0].UserAgent, err, want)
		}
	}
}

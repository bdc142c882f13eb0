package secrets_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// member is a user with a key, as the authorizer finds it.
type member struct {
	secrets.Caller
	key  secrets.Key
	text string
}

func userInput(kind secrets.Kind, permissions secrets.Permissions, limitedTo ...uuid.UUID) secrets.UserInput {
	in := secrets.UserInput{
		Kind: secrets.Text(string(kind)), Name: secrets.Text(string(kind)), Permissions: secrets.Texts(permissions.Names()...),
	}
	if limitedTo != nil {
		in.Secrets = idsField(limitedTo...)
	}
	return in
}

func idsField(ids ...uuid.UUID) secrets.Field {
	var texts []string
	for _, id := range ids {
		texts = append(texts, id.String())
	}
	return secrets.Texts(texts...)
}

// join adds a user to the account of an admin, with a key.
func join(t testing.TB, table *secretstest.Table, admin secrets.Caller, in secrets.UserInput) member {
	t.Helper()
	u, err := table.Manager(t).CreateUser(t.Context(), admin, in)
	if err != nil {
		t.Fatal(err)
	}
	return keyOf(t, table, admin, u, secrets.KeyInput{Name: secrets.Text("key")})
}

// keyOf makes a key of a user: of a person, in exchange for an invitation.
func keyOf(t testing.TB, table *secretstest.Table, admin secrets.Caller, u secrets.User, in secrets.KeyInput) member {
	t.Helper()
	maker := admin
	if u.Kind == secrets.Person {
		maker = invite(t, table, admin, u).Caller
	} else {
		in.User = secrets.Text(u.ID.String())
	}
	return makeKey(t, table, maker, in)
}

// invite makes an invitation.
func invite(t testing.TB, table *secretstest.Table, admin secrets.Caller, u secrets.User) member {
	t.Helper()
	return makeKey(t, table, admin, secrets.KeyInput{
		User: secrets.Text(u.ID.String()), Name: secrets.Text("invitation"), Invitation: secrets.Bool(true),
	})
}

func makeKey(t testing.TB, table *secretstest.Table, maker secrets.Caller, in secrets.KeyInput) member {
	t.Helper()
	k, err := table.Manager(t).CreateKey(t.Context(), maker, in)
	if err != nil {
		t.Fatal(err)
	}
	return member{table.Caller(t, k.Text), k.Key, k.Text}
}

// setAttribute changes an attribute of a row behind the product's back.
func setAttribute(t testing.TB, table *secretstest.Table, pk, sk, name string, value types.AttributeValue) {
	t.Helper()
	_, err := table.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: &table.Name, Key: map[string]types.AttributeValue{
			"PK": &types.AttributeValueMemberS{Value: pk}, "SK": &types.AttributeValueMemberS{Value: sk},
		},
		UpdateExpression: aws.String("SET #name = :value"), ConditionExpression: aws.String("attribute_exists(PK)"),
		ExpressionAttributeNames:  map[string]string{"#name": name},
		ExpressionAttributeValues: map[string]types.AttributeValue{":value": value},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// expire moves the expiry of a key that has one into the past.
func expire(t testing.TB, table *secretstest.Table, k secrets.Key, at time.Time) {
	t.Helper()
	if k.ExpiresAt.IsZero() {
		t.Fatal("expire only a key that expires: the others are counted")
	}
	setAttribute(t, table, "PEOPLE#"+k.AccountID.String(), "KEY#"+k.ID.String(), "valid_until",
		&types.AttributeValueMemberS{Value: at.UTC().Format("2006-01-02T15:04:05.000000Z")})
}

// later is a field with a time after now.
func later(d time.Duration) secrets.Field {
	return secrets.Text(time.Now().Add(d).UTC().Format(time.RFC3339))
}

// exchange serves a request of a caller by a route's handler. ids replace the route's parameters, in their order.
func exchange(t testing.TB, h http.Handler, c secrets.Caller, method, path, query, body string, ids ...string) *httptest.ResponseRecorder {
	t.Helper()
	parameters := map[string]string{}
	var parts []string
	for part := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(part, "{") {
			parameters[strings.Trim(part, "{}")], part, ids = ids[0], ids[0], ids[1:]
		}
		parts = append(parts, part)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, "https://api.test"+strings.Join(parts, "/")+"/"+query, strings.NewReader(body))
	for name, value := range parameters {
		r.SetPathValue(name, value)
	}
	w := httptest.NewRecorder()
	w.Body = new(bytes.Buffer)
	h.ServeHTTP(w, r.WithContext(httpapi.WithCaller(context.WithoutCancel(r.Context()), c)))
	return w
}

// eventsOf are the events of an account of some kinds, oldest first: their actions, subjects and what they say.
func eventsOf(t testing.TB, table *secretstest.Table, account uuid.UUID, kinds ...string) (found []secretstest.Row) {
	t.Helper()
	for _, row := range table.Rows(t) {
		kind, _ := row["action"].(string)
		if row["PK"] == "EVENTS#"+account.String() && (len(kinds) == 0 || slices.Contains(kinds, kind)) {
			found = append(found, row)
		}
	}
	slices.SortFunc(found, func(a, b secretstest.Row) int { return strings.Compare(fmt.Sprint(a["SK"]), fmt.Sprint(b["SK"])) })
	return found
}

package deploy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"goblins-secrets/pkg/gateway"
)

// calls are requests of one key, until one has another status than it should have.
type calls struct {
	*testing.T
	api
	failure *string
}

func (p permitted) calls(t *testing.T, key string) calls {
	t.Helper()
	return calls{t, api{url: p.cloud.url(p.stack), key: key}, new(string)}
}

// with is calls of another key, which share the failure.
func (c calls) with(key string) calls {
	c.key = key
	return c
}

// answer is what an answer may have of a user or a key.
type answer struct {
	ID, Key    string
	LastUsedAt *string `json:"last_used_at"`
}

func (c calls) do(method, path, body string, status int) (a answer) {
	c.Helper()
	if *c.failure != "" {
		return answer{}
	}
	got, text := c.call(c.T, method, path, body)
	if got != status {
		*c.failure = fmt.Sprintf("%s %s = %d %s, want %d", method, path, got, text, status)
		return answer{}
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			c.Fatalf("%s %s = %s: %v", method, path, text, err)
		}
	}
	return a
}

// limited creates a machine that is limited to the account's default secret.
func (c calls) limited(made gateway.CreateAccountResponse) (id string) {
	c.Helper()
	return c.do("POST", "/api/users/", `{"kind":"machine","name":"m","permissions":["list"],"secrets":["`+made.DefaultSecretID+`"]}`, 201).ID
}

// users creates, reads, narrows and deletes users.
func (p permitted) users(t *testing.T) (failure string) {
	t.Helper()
	made := p.account(t)
	c := p.calls(t, made.APIKey)
	user := "/api/users/" + c.limited(made) + "/"
	c.do("GET", "/api/users/", "", 200)
	c.do("GET", user, "", 200)
	own := c.do("POST", "/api/users/", `{"kind":"machine","name":"n","permissions":["list","admin"]}`, 201).ID
	c.do("POST", "/api/keys/", `{"name":"k","user":"`+own+`"}`, 201)
	c.do("PATCH", "/api/users/"+own+"/", `{"permissions":["list"],"secrets":["`+made.DefaultSecretID+`"],"reveal_limit":7}`, 200)
	c.do("DELETE", "/api/users/"+own+"/", "", 204)
	c.do("DELETE", user, "", 204)
	return *c.failure
}

// keys makes, exchanges, reads, narrows and revokes keys.
func (p permitted) keys(t *testing.T) (failure string) {
	t.Helper()
	made := p.account(t)
	c := p.calls(t, made.APIKey)
	key := c.do("POST", "/api/keys/", `{"name":"k","permissions":["list"],"secrets":["`+made.DefaultSecretID+`"]}`, 201)
	c.do("GET", "/api/keys/", "", 200)
	c.do("GET", "/api/keys/?user="+made.UserID, "", 200)
	admin := c.do("POST", "/api/keys/", `{"name":"admin"}`, 201)
	other := c.with(admin.Key).do("POST", "/api/keys/", `{"name":"made"}`, 201)
	c.do("GET", "/api/keys/"+admin.ID+"/", "", 200)
	c.do("PATCH", "/api/keys/"+other.ID+"/", `{"permissions":["list"],"secrets":["`+made.DefaultSecretID+`"]}`, 200)
	c.do("DELETE", "/api/keys/"+admin.ID+"/?made=true", "", 204)
	c.do("GET", "/api/keys/"+other.ID+"/", "", 404)
	c.do("DELETE", "/api/keys/"+key.ID+"/", "", 204)
	ana := c.do("POST", "/api/users/", `{"kind":"person","name":"Ana","permissions":["list"]}`, 201).ID
	invitation := c.do("POST", "/api/keys/", `{"name":"i","invitation":true,"user":"`+ana+`"}`, 201)
	exchanged := c.with(invitation.Key).do("POST", "/api/keys/", `{"name":"laptop"}`, 201)
	c.with(exchanged.Key).do("GET", "/api/secrets/", "", 200)
	return *c.failure
}

func (p permitted) me(t *testing.T) (failure string) {
	t.Helper()
	c := p.calls(t, p.account(t).APIKey)
	if status, text := c.call(t, "GET", "/api/me/", ""); status != 200 {
		return fmt.Sprintf("GET /api/me/ = %d %s, want 200", status, text)
	}
	return ""
}

// use waits until the use of a key is recorded. The authorizer has 100 ms for that, which this machine may need for
// something else.
func (p permitted) use(t *testing.T) (failure string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		made := p.account(t)
		c := p.calls(t, made.APIKey)
		if used := c.do("GET", "/api/keys/"+made.KeyID+"/", "", 200).LastUsedAt; used != nil {
			return ""
		}
		if *c.failure != "" {
			return *c.failure
		}
		if time.Now().After(deadline) {
			return "no use of a key is recorded"
		}
	}
}

// limitedLists lists what a limited key may see.
func (p permitted) limitedLists(t *testing.T) (failure string) {
	t.Helper()
	made := p.account(t)
	c := p.calls(t, made.APIKey)
	key := c.do("POST", "/api/keys/", `{"name":"k","user":"`+c.limited(made)+`"}`, 201)
	c.with(key.Key).do("GET", "/api/secrets/", "", 200)
	c.with(key.Key).do("GET", "/api/services/", "", 200)
	return *c.failure
}

// operators lose the key of an account, issue another one, list it and revoke it with what it made.
func (p permitted) operators(t *testing.T) (failure string) {
	t.Helper()
	made := p.account(t)
	var issued gateway.IssueKeyResponse
	if failure := p.ask(t, "IssueKey", gateway.IssueKeyRequest{Account: made.Name}, &issued); failure != "" {
		return failure
	}
	c := p.calls(t, issued.APIKey)
	child := c.do("POST", "/api/keys/", `{"name":"made"}`, 201)
	var people gateway.ListPeopleResponse
	if failure := p.ask(t, "ListPeople", gateway.ListPeopleRequest{Account: made.AccountID}, &people); failure != "" {
		return failure
	}
	if len(people.Users) != 1 || len(people.Users[0].Keys) != 3 {
		return fmt.Sprintf("list-people = %+v, want one user with three keys", people)
	}
	var revoked gateway.RevokeKeyResponse
	if failure := p.ask(t, "RevokeKey", gateway.RevokeKeyRequest{KeyID: issued.KeyID, Made: true}, &revoked); failure != "" {
		return failure
	}
	first := c.with(made.APIKey)
	first.do("GET", "/api/keys/"+issued.KeyID+"/", "", 404)
	first.do("GET", "/api/keys/"+child.ID+"/", "", 404)
	first.do("GET", "/api/keys/"+made.KeyID+"/", "", 200)
	c.do("POST", "/api/keys/", `{"name":"k"}`, 401)
	return *c.failure
}

// expiry has delete-expired-keys delete a key that expired long ago.
func (p permitted) expiry(t *testing.T) (failure string) {
	t.Helper()
	made := p.account(t)
	c := p.calls(t, made.APIKey)
	key := c.do("POST", "/api/keys/", `{"name":"k","expires_at":"`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`"}`, 201).ID
	if *c.failure != "" {
		return *c.failure
	}
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	_, err := p.cloud.dynamodb().UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: aws.String(p.stack.outputs["TableName"]), Key: map[string]types.AttributeValue{"PK": text("PEOPLE#" + made.AccountID), "SK": text("KEY#" + key)},
		UpdateExpression:          aws.String("SET valid_until = :long_ago"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":long_ago": text("2020-01-01T00:00:00.000000Z")},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.invoke(t, "DeleteExpiredKeys", "{}")
	c.do("GET", "/api/keys/"+key+"/", "", 404)
	return *c.failure
}

// events reads the lists of events, with audit and one's own without, and the review.
func (p permitted) events(t *testing.T) (failure string) {
	t.Helper()
	made := p.account(t)
	c := p.calls(t, made.APIKey)
	user := c.do("POST", "/api/users/", `{"kind":"machine","name":"m","permissions":["list"]}`, 201).ID
	own := c.with(c.do("POST", "/api/keys/", `{"name":"k","user":"`+user+`"}`, 201).Key)
	secret := "/api/secrets/" + made.DefaultSecretID + "/"
	for _, list := range []string{"/api/events/", secret + "events/", secret + "items/" + made.DefaultSecretID + "/events/"} {
		c.do("GET", list, "", 200)
		own.do("GET", list+"?user=me", "", 200)
	}
	c.do("GET", "/api/review/", "", 200)
	return *c.failure
}

// refusals tries, with an invitation, all that has no other need to write. Each try is counted.
func (p permitted) refusals(t *testing.T) (failure string) {
	t.Helper()
	made := p.account(t)
	c := p.calls(t, made.APIKey)
	user := c.do("POST", "/api/users/", `{"kind":"person","name":"n","permissions":["list"]}`, 201).ID
	invitation := c.with(c.do("POST", "/api/keys/", `{"name":"i","invitation":true,"user":"`+user+`"}`, 201).Key)
	secret := "/api/secrets/" + made.DefaultSecretID + "/"
	refused := []string{
		"/api/secrets/", secret, secret + "items/", "/api/services/", "/api/services/x/", "/api/budget/", "/api/users/", "/api/users/" + user + "/",
		"/api/keys/", "/api/keys/" + made.KeyID + "/", "/api/events/", secret + "events/", secret + "items/x/events/", secret + "items/x/versions/", "/api/review/",
	}
	for _, path := range refused {
		invitation.do("GET", path, "", 403)
	}
	if *c.failure != "" {
		return *c.failure
	}
	status, text := c.call(t, "GET", "/api/events/?outcome=denied", "")
	var listed struct{ Results []struct{ Tries int } }
	if err := json.Unmarshal([]byte(text), &listed); err != nil || status != 200 {
		t.Fatalf("GET /api/events/ = %d %s, %v", status, text, err)
	}
	counted := 0
	for _, ev := range listed.Results {
		counted += ev.Tries
	}
	if counted != len(refused) {
		return fmt.Sprintf("%d refused tries are counted, want %d: %s", counted, len(refused), text)
	}
	return ""
}

// ask invokes a function as an operator, and decodes its answer.
func (p permitted) ask(t *testing.T, function string, in, out any) (failure string) {
	t.Helper()
	event, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	path := "/2015-03-31/functions/" + p.stack.resources[function].Physical + ":live/invocations"
	answer, err := p.cloud.try(t, "lambda", http.MethodPost, path, http.Header{}, event)
	if err != nil {
		t.Fatal(err)
	}
	var failed struct {
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(answer, &failed); err != nil || failed.Message != "" {
		return fmt.Sprintf("%s = %s, %v", function, answer, err)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		t.Fatal(err)
	}
	return ""
}

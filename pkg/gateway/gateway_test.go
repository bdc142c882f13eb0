package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

const stage = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod"

// The authorizer's policy allows the whole stage: its answer is cached, and used
// for every other route too.
func TestAuthorizer(t *testing.T) {
	table := secretstest.NewTable(t)
	made, c := table.Account(t, uuid.NewString())
	authorize := gateway.Authorizer(table.Manager(t))
	for _, method := range []string{"/GET/api/secrets", "/DELETE/api/secrets/x/items/y", "/GET/"} {
		got, err := authorize(t.Context(), events.APIGatewayCustomAuthorizerRequest{
			Type: "TOKEN", AuthorizationToken: "Bearer " + made.Key, MethodArn: stage + method,
		})
		want := events.APIGatewayCustomAuthorizerResponse{
			PrincipalID: c.UserID.String(),
			PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{
				Version:   "2012-10-17",
				Statement: []events.IAMPolicyStatement{{Effect: "Allow", Action: []string{"execute-api:Invoke"}, Resource: []string{stage + "/*"}}},
			},
			Context: map[string]any{"account_id": c.AccountID.String(), "user_id": c.UserID.String(), "key_id": c.KeyID.String()},
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", method, err, diff)
		}
	}
	_, err := authorize(t.Context(), events.APIGatewayCustomAuthorizerRequest{AuthorizationToken: "Bearer gob_x", MethodArn: stage + "/GET/"})
	if err == nil || err.Error() != "Unauthorized" { // the one text that is a 401
		t.Errorf("a bad key: %v, want Unauthorized", err)
	}
	away := gateway.Authorizer(table.Manager(t, secretstest.Inject(func(secretstest.Call) secretstest.Fault { return secretstest.LostBefore })))
	got, err := away(t.Context(), events.APIGatewayCustomAuthorizerRequest{AuthorizationToken: "Bearer " + made.Key, MethodArn: stage + "/GET/"})
	if err == nil || err.Error() == "Unauthorized" || len(got.PolicyDocument.Statement) != 0 {
		t.Errorf("without a table: %v, %v, want an error that is no 401, and no policy", got, err)
	}
}

// The functions without a route, as an operator and a schedule invoke them.
func TestOperators(t *testing.T) {
	table := secretstest.NewTable(t)
	svc := table.Manager(t)
	create := lambda.NewHandler(gateway.CreateAccount(svc))
	payload, err := create.Invoke(t.Context(), []byte(`{"name": "my-team"}`))
	if err != nil {
		t.Fatal(err)
	}
	var made gateway.CreateAccountResponse
	if err := json.Unmarshal(payload, &made); err != nil {
		t.Fatal(err)
	}
	c, err := svc.Authenticate(t.Context(), "Bearer "+made.APIKey)
	if err != nil || c.AccountID.String() != made.AccountID || c.UserID.String() != made.UserID || c.KeyID.String() != made.KeyID {
		t.Errorf("the new key is %+v's, %v, want that of %+v", c, err, made)
	}
	if _, err := svc.Secret(t.Context(), c, made.DefaultSecretID); err != nil {
		t.Errorf("the default secret: %v", err)
	}
	for payload, want := range map[string]string{
		`{"name": "my-team"}`: "name: account with this name already exists.",
		`{}`:                  "name: This field may not be blank.",
	} {
		if _, err := create.Invoke(t.Context(), []byte(payload)); err == nil || err.Error() != want {
			t.Errorf("create-account %s: %v, want %s", payload, err, want)
		}
	}
	payload, err = lambda.NewHandler(gateway.PurgeSecrets(svc)).Invoke(t.Context(), []byte(`{"source": "aws.events"}`))
	if err != nil || string(payload) != `{"finished":0}` {
		t.Errorf("purge-secrets = %s, %v", payload, err)
	}
}

// The caller is who the authorizer says, all of it; a header changes nothing.
func TestCaller(t *testing.T) {
	table := secretstest.NewTable(t)
	_, c := table.Account(t, uuid.NewString())
	handler := gateway.Proxy(httpapi.ListSecrets(table.Manager(t)))
	whole := map[string]any{"account_id": c.AccountID.String(), "user_id": c.UserID.String(), "key_id": c.KeyID.String()}
	for name, tt := range map[string]struct {
		authorizer map[string]any
		status     int
	}{
		"whole":       {whole, 200},
		"none":        {nil, 401},
		"no user":     {map[string]any{"account_id": c.AccountID.String(), "key_id": c.KeyID.String()}, 401},
		"not a UUID":  {map[string]any{"account_id": "x", "user_id": c.UserID.String(), "key_id": c.KeyID.String()}, 401},
		"not strings": {map[string]any{"account_id": 1, "user_id": 2, "key_id": 3}, 401},
	} {
		answer, err := handler(t.Context(), events.APIGatewayProxyRequest{
			HTTPMethod: "GET", Path: "/api/secrets/100%", Resource: "/api/secrets",
			Headers:        map[string]string{"Account_id": c.AccountID.String(), "X-Forwarded-Proto": "https"},
			RequestContext: events.APIGatewayProxyRequestContext{DomainName: "api.example.com", Authorizer: tt.authorizer},
		})
		if err != nil || answer.StatusCode != tt.status {
			t.Errorf("%s: %d %s, %v, want %d", name, answer.StatusCode, strings.TrimSpace(answer.Body), err, tt.status)
		}
	}
}

// Links are made of the path that the client sent, with the stage in front as far as the
// context says it.
func TestPathOfLinks(t *testing.T) {
	table := secretstest.NewTable(t)
	_, c := table.Account(t, uuid.NewString())
	handler := gateway.Proxy(httpapi.CreateSecret(table.Manager(t)))
	for path, want := range map[string]string{
		"/prod/api/secrets/":      "https://api.example.com/prod/api/secrets/",
		"/base/path/api/secrets/": "https://api.example.com/base/path/api/secrets/",
		"/api/secrets/":           "https://api.example.com/api/secrets/",
		"/api/{anything}":         "https://api.example.com/api/secrets/", // the SAM CLI: the route
		"":                        "https://api.example.com/api/secrets/",
	} {
		answer, err := handler(t.Context(), events.APIGatewayProxyRequest{
			HTTPMethod: "POST", Path: "/api/secrets/", Resource: "/api/secrets", Body: `{"name": "` + uuid.NewString() + `"}`,
			Headers: map[string]string{"Content-Type": "application/json"},
			RequestContext: events.APIGatewayProxyRequestContext{
				DomainName: "api.example.com", Path: path,
				Authorizer: map[string]any{"account_id": c.AccountID.String(), "user_id": c.UserID.String(), "key_id": c.KeyID.String()},
			},
		})
		location := answer.MultiValueHeaders["Location"]
		if err != nil || answer.StatusCode != 201 || len(location) != 1 || !strings.HasPrefix(location[0], want) || len(location[0]) != len(want)+36+1 {
			t.Errorf("with path %q in the context: %d, Location %v, %v, want %s and the id", path, answer.StatusCode, location, err, want)
		}
	}
}

// stream makes events as Lambda sends them, of changes of the list of what waits.
func stream(t *testing.T, rows ...map[string]string) []byte {
	t.Helper()
	type value map[string]any
	type record map[string]any
	var records []record
	for i, row := range rows {
		image := value{}
		for name, text := range row {
			image[name] = value{"S": text}
		}
		change := record{"SequenceNumber": fmt.Sprint("number-", i), "Keys": value{"PK": value{"S": "OUTBOX"}}, "NewImage": image, "StreamViewType": "NEW_AND_OLD_IMAGES"}
		if row == nil { // a row that was removed has no new image
			delete(change, "NewImage")
		}
		records = append(records, record{"eventID": fmt.Sprint("event-", i), "eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": change})
	}
	event, err := json.Marshal(record{"Records": records})
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// failures are the numbers of the records that deploy-secret answers as failed.
func failures(t *testing.T, d *delivery.Deliverer, event []byte) []string {
	t.Helper()
	answer, err := lambda.NewHandler(gateway.DeploySecret(d)).Invoke(t.Context(), event)
	if err != nil {
		t.Fatalf("deploy-secret: %v", err)
	}
	var response struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	dec := json.NewDecoder(bytes.NewReader(answer))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&response); err != nil {
		t.Fatalf("deploy-secret = %s: %v", answer, err)
	}
	numbers := []string{}
	for _, f := range response.BatchItemFailures {
		numbers = append(numbers, f.ItemIdentifier)
	}
	slices.Sort(numbers)
	return numbers
}

// A batch of the stream is delivered secret by secret, each of them once. Failures are
// reported by their sequence numbers.
func TestDeploySecret(t *testing.T) {
	table := secretstest.NewTable(t)
	svc := table.Manager(t)
	_, c := table.Account(t, uuid.NewString())
	used := func(name string) secrets.Secret {
		t.Helper()
		secret, err := svc.CreateSecret(t.Context(), c, secrets.SecretInput{Name: secrets.Text(name)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = svc.CreateItem(t.Context(), c, secret.ID.String(), secrets.ItemInput{Key: secrets.Text("KEY"), Value: secrets.Text("value")})
		if err != nil {
			t.Fatal(err)
		}
		_, err = svc.CreateService(t.Context(), c, secrets.ServiceInput{Name: secrets.Text(name), Image: secrets.Text("app"), Port: secrets.Text("80"), Secret: secrets.Text(secret.ID.String())})
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	of := func(s secrets.Secret) map[string]string {
		return map[string]string{"account_id": s.AccountID.String(), "secret_id": s.ID.String()}
	}
	status := func(s secrets.Secret) secrets.Status {
		t.Helper()
		s, err := svc.Secret(t.Context(), c, s.ID.String())
		if err != nil {
			t.Fatal(err)
		}
		status, _ := svc.Status(s)
		return status
	}
	var mu sync.Mutex
	bundles := 0 // that were made
	watched := func(plan func(secretstest.Call) secretstest.Fault) *delivery.Deliverer {
		d := table.Deliverer(t, secretstest.Inject(func(call secretstest.Call) secretstest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if call.What == "CreateSecret" || call.What == "PutSecretValue" {
				bundles++
			}
			return plan(call)
		}))
		d.Log = slog.New(slog.DiscardHandler)
		return d
	}
	well := func(secretstest.Call) secretstest.Fault { return secretstest.None }

	a, b := used("a"), used("b")
	unknown := map[string]string{"account_id": uuid.NewString(), "secret_id": uuid.NewString()}
	event := stream(t, of(a), unknown, of(b), of(a), of(a))
	if failed := failures(t, watched(well), event); len(failed) != 0 || bundles != 2 || status(a) != secrets.StatusReady || status(b) != secrets.StatusReady {
		t.Errorf("five records of two secrets: failed %v, %d bundles, %s and %s, want two bundles and both ready", failed, bundles, status(a), status(b))
	}
	if failed := failures(t, watched(well), event); len(failed) != 0 || bundles != 2 {
		t.Errorf("the same records again: failed %v, %d bundles, want none more", failed, bundles)
	}
	if failed := failures(t, watched(well), []byte(`{"Records": []}`)); len(failed) != 0 {
		t.Errorf("no records: failed %v", failed)
	}

	// Records that tell no secret fail, and keep nothing from the others.
	d := used("d")
	failed := failures(t, watched(well), stream(t,
		nil, map[string]string{}, map[string]string{"account_id": d.AccountID.String()}, map[string]string{"secret_id": d.ID.String()},
		map[string]string{"account_id": "x", "secret_id": d.ID.String()}, of(d), map[string]string{"account_id": d.AccountID.String(), "secret_id": ""}))
	want := []string{"number-0", "number-1", "number-2", "number-3", "number-4", "number-6"}
	if diff := cmp.Diff(want, failed); diff != "" || status(d) != secrets.StatusReady {
		t.Errorf("records that tell no secret: %s, want ready, and those failed (-want +got):\n%s", status(d), diff)
	}
	numbers := bytes.Replace(stream(t, of(d)), []byte(`{"S":"`+d.ID.String()+`"}`), []byte(`{"N":"1"}`), 1)
	if failed := failures(t, watched(well), numbers); !slices.Equal(failed, []string{"number-0"}) {
		t.Errorf("a record with a number for an id: failed %v, want it", failed)
	}

	// All records of a secret that fails have failed, and none of another.
	e, f := used("e"), used("f")
	plan := func(call secretstest.Call) secretstest.Fault {
		if call.What == "Decrypt" && call.Nth == 0 {
			return secretstest.Before
		}
		return secretstest.None
	}
	event = stream(t, of(e), of(f), of(e), of(f))
	failed = failures(t, watched(plan), event)
	ready, other := e, f
	want = []string{"number-1", "number-3"}
	if status(f) == secrets.StatusReady {
		ready, other, want = f, e, []string{"number-0", "number-2"}
	}
	if diff := cmp.Diff(want, failed); diff != "" || status(ready) != secrets.StatusReady || status(other) != secrets.StatusFailed {
		t.Errorf("one of two can't be opened: %s and %s, want one ready, and failed (-want +got):\n%s", status(ready), status(other), diff)
	}
	if failed := failures(t, watched(well), event); len(failed) != 0 || status(other) != secrets.StatusReady {
		t.Errorf("again: failed %v, %s, want none, and it ready", failed, status(other))
	}
	table.Check(t)
}

// Near the end of the function's time nothing is begun that would be cut off.
func TestDeploySecretInTime(t *testing.T) {
	table := secretstest.NewTable(t)
	d := table.Deliverer(t)
	d.Log = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // less than it keeps for its last notes
	defer cancel()
	var event events.DynamoDBEvent
	if err := json.Unmarshal(stream(t, map[string]string{"account_id": uuid.NewString(), "secret_id": uuid.NewString()}), &event); err != nil {
		t.Fatal(err)
	}
	answer, err := gateway.DeploySecret(d)(ctx, event)
	if err != nil || len(answer.BatchItemFailures) != 1 || ctx.Err() != nil {
		t.Errorf("deploy-secret without time = %v, %v, want the record failed at once", answer, err)
	}
}

// Redeploy-secrets takes a schedule's event and an operator's.
func TestRedeploySecrets(t *testing.T) {
	table := secretstest.NewTable(t)
	svc := table.Manager(t)
	_, c := table.Account(t, uuid.NewString())
	redeploy := lambda.NewHandler(gateway.RedeploySecrets(table.Sweeper(t)))
	invoke := func(event, want string) {
		t.Helper()
		if answer, err := redeploy.Invoke(t.Context(), []byte(event)); err != nil || string(answer) != want {
			t.Errorf("redeploy-secrets %s = %s, %v, want %s", event, answer, err, want)
		}
	}
	const scheduled = `{"version":"0","source":"aws.events","detail-type":"Scheduled Event","resources":["x"],"detail":{}}`
	invoke(scheduled, `{"waiting":0}`)
	_, err := svc.CreateService(t.Context(), c, secrets.ServiceInput{Name: secrets.Text("app"), Image: secrets.Text("app"), Port: secrets.Text("80")})
	if err != nil {
		t.Fatal(err)
	}
	invoke(scheduled, `{"waiting":1}`)
	waiting, err := table.Store(t).Entries(t.Context())
	if err != nil || len(waiting) != 1 {
		t.Fatalf("what waits = %v, %v, want one", waiting, err)
	}
	if failed := failures(t, table.Deliverer(t), stream(t, map[string]string{"account_id": c.AccountID.String(), "secret_id": waiting[0].SecretID.String()})); len(failed) != 0 {
		t.Errorf("deploy-secret: failed %v", failed)
	}
	invoke(scheduled, `{"waiting":0}`)
	invoke(`{"all": false}`, `{"waiting":0}`)
	invoke(`{"all": true}`, `{"waiting":1}`)
	away := lambda.NewHandler(gateway.RedeploySecrets(table.Sweeper(t, secretstest.Inject(func(secretstest.Call) secretstest.Fault { return secretstest.LostBefore }))))
	if answer, err := away.Invoke(t.Context(), []byte(scheduled)); err == nil {
		t.Errorf("redeploy-secrets without a table = %s, want an error: its alarm counts those", answer)
	}
}

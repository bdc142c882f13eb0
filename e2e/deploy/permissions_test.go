package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/sam/ministack"
	"goblins-secrets/pkg/gateway"
)

// unused lists the actions that a function needs only for a user with a long queue of reveals, or only without a bin.
// policies_test.go shows their need.
var unused = map[string]string{"GetBundle": "dynamodb:GetItem", "BatchItems": "dynamodb:Query"}

// permissions plays the stories of this package, after the suite. IAM must have refused no call of a function, and
// allowed each action of its role at least once. So the deployed roles suffice, and none has an action that its function
// does not use. policies_test.go compares them by rows, too. A few actions are then withheld, to see IAM at work behind
// the authorizer, a route, the stream and a schedule.
func permissions(t *testing.T, c cloud) {
	p := permitted{cloud: c, stack: c.stack(t), withheld: map[ministack.Decision]bool{}}
	for name, play := range map[string]func(*testing.T) (failure string){
		"bin": p.bin, "several": p.several, "deletion": p.deletion, "purge": p.purge, "delivery": p.delivery, "redelivery": p.redelivery,
		"check": p.check, "users": p.users, "keys": p.keys, "me": p.me, "use": p.use, "limited lists": p.limitedLists,
		"operators": p.operators, "expiry": p.expiry, "events": p.events, "refusals": p.refusals,
	} {
		t.Run(name, func(t *testing.T) {
			if failure := play(t); failure != "" {
				t.Error(failure)
			}
		})
	}
	for _, w := range []struct {
		function, action string
		play             func(*testing.T) (failure string)
	}{
		{"Authorizer", "dynamodb:GetItem", p.me},
		{"GetItem", "kms:Decrypt", p.bin},
		{"GetBudget", "dynamodb:UpdateItem", p.refusals}, // no answer shows that a try is not counted
		{"PurgeSecrets", "dynamodb:DeleteItem", p.purge},
	} {
		t.Run(w.function+" without "+w.action, func(t *testing.T) {
			p.withhold(t, w.function, w.action, func() {
				if w.play(t) == "" {
					t.Error("its story ends as with the action")
				}
			})
		})
	}

	allowed, used := rights(t), map[string]map[string]bool{}
	function := map[string]string{} // by role
	for id := range allowed {
		function[p.stack.resources[id+"Role"].Physical] = id
		used[id] = map[string]bool{}
	}
	decisions, err := c.Decisions()
	if err != nil {
		t.Fatal(err)
	}
	refused := map[ministack.Decision]bool{}
	for _, d := range decisions {
		id := function[d.Role]
		switch {
		case id == "":
		case d.Allowed:
			used[id][d.Action] = true
		default:
			refused[d] = true
		}
	}
	if diff := cmp.Diff(allowed, used); diff != "" {
		t.Errorf("actions of functions.yaml (-) and those that were used (+):\n%s", diff)
	}
	if diff := cmp.Diff(p.withheld, refused); diff != "" {
		t.Errorf("withheld actions (-) and refused ones (+):\n%s", diff)
	}
}

// rights returns the actions of functions.yaml, by function. ministack checks none on logs, on the stream and on its
// queue: see deviations.
func rights(t *testing.T) map[string]map[string]bool {
	t.Helper()
	table, err := functions.Load()
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]map[string]bool{}
	for _, f := range table {
		actions := map[string]bool{}
		add := func(service string, names ...string) {
			for _, name := range names {
				actions[service+":"+name] = true
			}
		}
		for _, grant := range f.Rows {
			add("dynamodb", grant.Actions...)
		}
		if len(f.Indexes) > 0 {
			add("dynamodb", "Query")
		}
		if len(f.Stamps) > 0 {
			add("dynamodb", "UpdateItem")
		}
		add("kms", f.KMS...)
		add("secretsmanager", f.Bundles...)
		delete(actions, unused[f.ID()])
		allowed[f.ID()] = actions
	}
	return allowed
}

// permitted is the deployed stack with the roles of its functions.
type permitted struct {
	cloud    cloud
	stack    stack
	withheld map[ministack.Decision]bool // the refusals that IAM must have made
}

// deletion deletes a secret with an item and returns the rows that are left.
func (p permitted) deletion(t *testing.T) (failure string) {
	t.Helper()
	account, secret := p.deleted(t)
	return p.leftOf(t, account, secret)
}

// purge leaves a deletion to purge-secrets, invokes it and returns the rows that are left.
func (p permitted) purge(t *testing.T) (failure string) {
	t.Helper()
	var account, secret string
	p.withhold(t, "DeleteSecret", "dynamodb:Query", func() { account, secret = p.deleted(t) })
	if p.leftOf(t, account, secret) == "" {
		t.Fatal("the deletion has left nothing to purge")
	}
	p.invoke(t, "PurgeSecrets", "{}")
	return p.leftOf(t, account, secret)
}

// delivery has a secret delivered, renamed, left by its service and used again. It returns
// what is wrong with its bundle.
func (p permitted) delivery(t *testing.T) (failure string) {
	t.Helper()
	u := p.newUsed(t)
	want := bundle{content: `{"KEY":"first <value>"}`, name: "used"}
	for _, step := range []struct {
		do   func(*testing.T)
		want bundle
	}{
		{func(*testing.T) {}, want},
		{func(t *testing.T) { u.rename(t, "renamed") }, bundle{content: want.content, name: "renamed"}},
		{u.detach, bundle{doomed: true, name: "renamed"}},
		{u.attach, bundle{content: want.content, name: "renamed"}},
	} {
		step.do(t)
		if failure := u.awaitBundle(t, p.cloud, step.want); failure != "" {
			return failure
		}
	}
	return ""
}

// redelivery retries a failed delivery, then delivers a lost bundle again. It returns what
// is wrong with the bundle.
func (p permitted) redelivery(t *testing.T) (failure string) {
	t.Helper()
	var u *used
	p.withhold(t, "DeploySecret", "kms:Decrypt", func() {
		u = p.newUsed(t)
		for deadline := time.Now().Add(10 * time.Second); u.status(t) != "failed"; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("a delivery without kms:Decrypt is %s", u.status(t))
			}
		}
	})
	want := bundle{content: `{"KEY":"first <value>"}`, name: "used"}
	p.invoke(t, "RedeploySecrets", "{}")
	if failure := u.awaitBundle(t, p.cloud, want); failure != "" {
		return failure
	}
	lost := map[string]any{"SecretId": bundleName(u.account, u.secret), "ForceDeleteWithoutRecovery": true}
	if err := p.cloud.secretsManager(t, root, "DeleteSecret", lost, &struct{}{}); err != nil {
		t.Fatal(err)
	}
	p.invoke(t, "RedeploySecrets", `{"all": true}`)
	return u.awaitBundle(t, p.cloud, want)
}

// check has check-bundles find a lost bundle, in a round whose time is up. It returns what is wrong with
// the bundle.
func (p permitted) check(t *testing.T) (failure string) {
	t.Helper()
	u := p.newUsed(t)
	want := bundle{content: `{"KEY":"first <value>"}`, name: "used"}
	u.mustHave(t, p.cloud, want)
	lost := map[string]any{"SecretId": bundleName(u.account, u.secret), "ForceDeleteWithoutRecovery": true}
	if err := p.cloud.secretsManager(t, root, "DeleteSecret", lost, &struct{}{}); err != nil {
		t.Fatal(err)
	}
	table := p.stack.outputs["TableName"]
	_, err := p.cloud.dynamodb().PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
		"PK": &types.AttributeValueMemberS{Value: "ROUND"}, "SK": &types.AttributeValueMemberS{Value: "looking"},
		"started": &types.AttributeValueMemberS{Value: time.Now().UTC().Add(-3 * time.Hour).Format("2006-01-02T15:04:05.000000Z")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	p.invoke(t, "CheckBundles", "{}")
	return u.awaitBundle(t, p.cloud, want)
}

// newUsed creates a used secret in a new account.
func (p permitted) newUsed(t *testing.T) *used {
	t.Helper()
	made := p.account(t)
	return newUsed(t, api{url: p.cloud.url(p.stack), key: made.APIKey}, made.AccountID, "used")
}

// invoke calls a function and ignores its answer, which may be a failure.
func (p permitted) invoke(t *testing.T, function, event string) {
	t.Helper()
	path := "/2015-03-31/functions/" + p.stack.resources[function].Physical + ":live/invocations"
	_, err := p.cloud.try(t, "lambda", http.MethodPost, path, http.Header{}, []byte(event))
	if err != nil {
		t.Fatal(err)
	}
}

func (p permitted) account(t *testing.T) (made gateway.CreateAccountResponse) {
	t.Helper()
	p.cloud.rest(t, "lambda", http.MethodPost, "/2015-03-31/functions/"+p.stack.outputs["CreateAccountFunction"]+":live/invocations",
		gateway.CreateAccountRequest{Name: uuid.NewString()}, &made)
	return made
}

// deleted creates an account and a secret with an item, and deletes the secret.
func (p permitted) deleted(t *testing.T) (account, secret string) {
	t.Helper()
	made := p.account(t)
	a := api{url: p.cloud.url(p.stack), key: made.APIKey}
	secret = a.create(t, "/api/secrets/", `{"name":"doomed"}`)
	a.create(t, "/api/secrets/"+secret+"/items/", `{"key":"KEY","value":"value"}`)
	if status, body := a.call(t, http.MethodDelete, "/api/secrets/"+secret+"/?permanent=true", ""); status != http.StatusNoContent {
		t.Fatalf("DELETE of a secret = %d %s, want 204", status, body)
	}
	return made.AccountID, secret
}

// leftOf returns the rows that are left of a deleted secret, or of its purge.
func (p permitted) leftOf(t *testing.T, account, secret string) string {
	t.Helper()
	table := p.stack.outputs["TableName"]
	left := append(p.cloud.rows(t, table, itemsPartition(account, secret)), p.dueOf(t, secret)...)
	left = append(left, p.cloud.rows(t, table, "BIN#"+account)...)
	if len(left) == 0 {
		return ""
	}
	return fmt.Sprintf("left in the table: %q", left)
}

// dueOf returns the purges of a secret, or of items in it, that are due.
func (p permitted) dueOf(t *testing.T, secret string) (due []string) {
	t.Helper()
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	for _, purge := range p.cloud.rows(t, p.stack.outputs["TableName"], "PURGE") {
		if strings.Contains(purge, secret) && purge < now {
			due = append(due, purge)
		}
	}
	return due
}

// role is a function's role with its one policy.
type role struct {
	name, policyName string
	policy           policy
}

type policy struct {
	Version   string
	Statement []map[string]any
}

// list reads a string or a list of strings.
func list(value any) (texts []string) {
	if text, ok := value.(string); ok {
		return []string{text}
	}
	for _, text := range value.([]any) {
		texts = append(texts, text.(string))
	}
	return texts
}

// without returns the policy without an action.
func (p policy) without(action string) policy {
	q := policy{Version: p.Version}
	for _, s := range p.Statement {
		rest := slices.DeleteFunc(list(s["Action"]), func(a string) bool { return a == action })
		if len(rest) > 0 {
			s = maps.Clone(s)
			s["Action"] = rest
			q.Statement = append(q.Statement, s)
		}
	}
	return q
}

func (p permitted) role(t *testing.T, function string) role {
	t.Helper()
	r := role{name: p.stack.resources[function+"Role"].Physical}
	var names struct {
		Names []string `xml:"ListRolePoliciesResult>PolicyNames>member"`
	}
	p.cloud.query(t, "iam", "ListRolePolicies", map[string]string{"RoleName": r.name}, &names)
	if len(names.Names) != 1 {
		t.Fatalf("the role of %s has the policies %v, want one", function, names.Names)
	}
	r.policyName = names.Names[0]
	var got struct {
		Document string `xml:"GetRolePolicyResult>PolicyDocument"`
	}
	p.cloud.query(t, "iam", "GetRolePolicy", map[string]string{"RoleName": r.name, "PolicyName": r.policyName}, &got)
	document, err := url.QueryUnescape(got.Document)
	if err == nil {
		err = json.Unmarshal([]byte(document), &r.policy)
	}
	if err != nil {
		t.Fatalf("policy of %s: %v", function, err)
	}
	return r
}

// withhold calls do while a function may not perform an action.
func (p permitted) withhold(t *testing.T, function, action string, do func()) {
	t.Helper()
	r := p.role(t, function)
	p.withheld[ministack.Decision{Role: r.name, Action: action}] = true
	defer p.put(t, r, r.policy)
	p.put(t, r, r.policy.without(action))
	do()
}

func (p permitted) put(t *testing.T, r role, content policy) {
	t.Helper()
	document, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	p.cloud.query(t, "iam", "PutRolePolicy", map[string]string{
		"RoleName": r.name, "PolicyName": r.policyName, "PolicyDocument": string(document),
	}, nil)
}

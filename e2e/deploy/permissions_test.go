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
	"goblins-secrets/pkg/gateway"
)

// slash is the scenario that covers all routes, in one of its two forms. The others are the
// fewest steps of stories that suffice, because each of them runs often.
const (
	slash          = "TestTrailingSlashIsOptional$/^with$"
	deletedSecret  = "TestDocumentedExamplesWork$/^(create secret|delete secret)$"
	readItem       = "TestDocumentedExamplesWork$/^(create secret|add database password|read one)$"
	updatedItem    = "TestDocumentedExamplesWork$/^(create secret|add database password|read one|update item)$"
	deletedItem    = "TestDocumentedExamplesWork$/^(create secret|add database password|delete item)$"
	listedServices = "TestServicesFromCreationToDeletion$/^list none$"
	gottenService  = "TestServicesFromCreationToDeletion$/^(a secret|create|get)$"
	movedService   = "TestServicesFromCreationToDeletion$/^(a secret|create|update all and move at once)$"
	deletedService = "TestServicesFromCreationToDeletion$/^(create without secret.*|delete)$"
)

// without lists, for each function and each of its allowed actions, the test of e2e that
// fails without the action. A name in brackets is a test of this package, for failures that
// no answer shows: a deletion that is left to purge-secrets is a 204 too.
var without = map[string]map[string]string{
	"Authorizer":    {"dynamodb:GetItem": "TestLinksIgnoreTheClientsHeaders", "dynamodb:UpdateItem": "(use)"},
	"CreateAccount": {"dynamodb:PutItem": "TestLinksIgnoreTheClientsHeaders"},
	"CreateItem": {
		"dynamodb:GetItem": "TestInvalidValuesAreRefused", "dynamodb:UpdateItem": "TestBearerSchemeIgnoresCaseAndSpaces",
		"dynamodb:BatchGetItem": "(bin)",
		"dynamodb:PutItem":      "TestBearerSchemeIgnoresCaseAndSpaces", "kms:GenerateDataKey": "TestBearerSchemeIgnoresCaseAndSpaces",
	},
	"BatchItems": {
		"dynamodb:BatchGetItem": "(several)", "dynamodb:GetItem": "(several)", "dynamodb:UpdateItem": "(several)", "dynamodb:DeleteItem": "(several)",
		"dynamodb:PutItem": "(several)", "kms:GenerateDataKey": "(several)",
	},
	"CreateSecret": {
		"dynamodb:GetItem": "(several)", "dynamodb:PutItem": "TestLinksIgnoreTheClientsHeaders", "dynamodb:UpdateItem": "TestLinksIgnoreTheClientsHeaders",
	},
	"DeleteItem": {
		"dynamodb:GetItem": deletedItem, "dynamodb:UpdateItem": deletedItem, "dynamodb:DeleteItem": deletedItem, "dynamodb:PutItem": deletedItem,
		"dynamodb:ConditionCheckItem": "(bin)", "dynamodb:Query": "(bin)",
	},
	"DeleteSecret": {
		"dynamodb:GetItem": deletedSecret, "dynamodb:UpdateItem": deletedSecret,
		"dynamodb:DeleteItem": deletedSecret, "dynamodb:PutItem": deletedSecret,
		"dynamodb:Query": "(deletion)",
	},
	"DeleteVersion": {"dynamodb:GetItem": "(bin)", "dynamodb:UpdateItem": "(bin)", "dynamodb:DeleteItem": "(bin)", "dynamodb:PutItem": "(bin)"},
	"ListVersions":  {"dynamodb:GetItem": "(bin)", "dynamodb:Query": "(bin)", "dynamodb:UpdateItem": "(refusals)"},
	"RestoreItem":   {"dynamodb:GetItem": "(bin)", "dynamodb:UpdateItem": "(bin)", "dynamodb:DeleteItem": "(bin)", "dynamodb:PutItem": "(bin)"},
	"RestoreSecret": {"dynamodb:GetItem": "(bin)", "dynamodb:UpdateItem": "(bin)", "dynamodb:DeleteItem": "(bin)", "dynamodb:PutItem": "(bin)"},
	"RollbackItem":  {"dynamodb:GetItem": "(bin)", "dynamodb:UpdateItem": "(bin)", "dynamodb:PutItem": "(bin)"},
	"CreateService": {"dynamodb:GetItem": gottenService, "dynamodb:UpdateItem": gottenService, "dynamodb:PutItem": gottenService},
	"DeleteService": {
		"dynamodb:GetItem": deletedService, "dynamodb:UpdateItem": deletedService,
		"dynamodb:DeleteItem": deletedService, "dynamodb:PutItem": deletedService,
	},
	"DeploySecret": {
		"dynamodb:GetItem": "(delivery)", "dynamodb:Query": "(delivery)", "dynamodb:UpdateItem": "(delivery)",
		"dynamodb:ConditionCheckItem": "(delivery)",
		"dynamodb:DeleteItem":         "(delivery)", "dynamodb:PutItem": "(delivery)", "kms:Decrypt": "(delivery)",
		"secretsmanager:CreateSecret": "(delivery)", "secretsmanager:DescribeSecret": "(delivery)", "secretsmanager:PutSecretValue": "(delivery)",
		"secretsmanager:GetSecretValue":           "(delivery)",
		"secretsmanager:UpdateSecretVersionStage": "(delivery)", "secretsmanager:TagResource": "(delivery)",
		"secretsmanager:DeleteSecret": "(delivery)", "secretsmanager:RestoreSecret": "(delivery)",
	},
	"CheckBundles": {
		"dynamodb:Query": "(check)", "dynamodb:GetItem": "(check)", "dynamodb:PutItem": "(check)", "secretsmanager:DescribeSecret": "(check)",
	},
	"GetBudget": {"dynamodb:GetItem": "TestBudgetCanBeReadForFree", "dynamodb:UpdateItem": "(refusals)"},
	"GetBundle": {
		"dynamodb:BatchGetItem": "(several)", "dynamodb:Query": "(several)", "dynamodb:UpdateItem": "(several)", "dynamodb:PutItem": "(several)",
		"kms:Decrypt": "(several)",
	},
	"GetItem": {
		"dynamodb:BatchGetItem": readItem, "dynamodb:UpdateItem": readItem, "dynamodb:PutItem": readItem, "kms:Decrypt": readItem,
		"dynamodb:GetItem": "(bin)",
	},
	"GetSecret":  {"dynamodb:GetItem": "TestBearerSchemeIgnoresCaseAndSpaces", "dynamodb:UpdateItem": "(refusals)"},
	"GetService": {"dynamodb:GetItem": gottenService, "dynamodb:UpdateItem": "(refusals)"},
	"ListItems": {
		"dynamodb:GetItem": slash, "dynamodb:Query": slash, "dynamodb:BatchGetItem": "(bin)", "dynamodb:UpdateItem": "(refusals)",
	},
	"ListSecrets": {
		"dynamodb:GetItem": "TestLinksIgnoreTheClientsHeaders", "dynamodb:Query": "TestLinksIgnoreTheClientsHeaders",
		"dynamodb:BatchGetItem": "(limited)", "dynamodb:UpdateItem": "(refusals)",
	},
	"ListServices": {
		"dynamodb:GetItem": listedServices, "dynamodb:Query": listedServices, "dynamodb:BatchGetItem": "(limited)", "dynamodb:UpdateItem": "(refusals)",
	},
	"GetMe":     {"dynamodb:GetItem": "(me)"},
	"ListUsers": {"dynamodb:GetItem": "(users)", "dynamodb:Query": "(users)", "dynamodb:UpdateItem": "(refusals)"},
	"CreateUser": {
		"dynamodb:GetItem": "(users)", "dynamodb:BatchGetItem": "(users)", "dynamodb:ConditionCheckItem": "(users)",
		"dynamodb:UpdateItem": "(users)", "dynamodb:PutItem": "(users)",
	},
	"GetUser": {"dynamodb:GetItem": "(users)", "dynamodb:UpdateItem": "(refusals)"},
	"UpdateUser": {
		"dynamodb:GetItem": "(users)", "dynamodb:BatchGetItem": "(users)", "dynamodb:ConditionCheckItem": "(users)",
		"dynamodb:UpdateItem": "(users)", "dynamodb:PutItem": "(users)",
	},
	"DeleteUser": {
		"dynamodb:GetItem": "(users)", "dynamodb:BatchGetItem": "(users)", "dynamodb:ConditionCheckItem": "(users)",
		"dynamodb:UpdateItem": "(users)", "dynamodb:DeleteItem": "(users)", "dynamodb:PutItem": "(users)",
	},
	"ListKeys": {
		"dynamodb:GetItem": "(keys)", "dynamodb:BatchGetItem": "(keys)", "dynamodb:Query": "(keys)", "dynamodb:UpdateItem": "(refusals)",
	},
	"CreateKey": {
		"dynamodb:GetItem": "(keys)", "dynamodb:BatchGetItem": "(keys)", "dynamodb:ConditionCheckItem": "(keys)",
		"dynamodb:UpdateItem": "(keys)", "dynamodb:DeleteItem": "(keys)", "dynamodb:PutItem": "(keys)",
	},
	"GetKey": {
		"dynamodb:GetItem": "(keys)", "dynamodb:BatchGetItem": "(keys)", "dynamodb:Query": "(keys)", "dynamodb:UpdateItem": "(refusals)",
	},
	"UpdateKey": {
		"dynamodb:GetItem": "(keys)", "dynamodb:BatchGetItem": "(keys)", "dynamodb:ConditionCheckItem": "(keys)",
		"dynamodb:UpdateItem": "(keys)", "dynamodb:PutItem": "(keys)",
	},
	"DeleteKey": {
		"dynamodb:GetItem": "(keys)", "dynamodb:BatchGetItem": "(keys)", "dynamodb:Query": "(keys)", "dynamodb:ConditionCheckItem": "(keys)",
		"dynamodb:UpdateItem": "(keys)", "dynamodb:DeleteItem": "(keys)", "dynamodb:PutItem": "(keys)",
	},
	"ListEvents":       {"dynamodb:Query": "(events)", "dynamodb:GetItem": "(events)", "dynamodb:UpdateItem": "(refusals)"},
	"ListSecretEvents": {"dynamodb:Query": "(events)", "dynamodb:GetItem": "(events)", "dynamodb:UpdateItem": "(refusals)"},
	"ListItemEvents":   {"dynamodb:Query": "(events)", "dynamodb:GetItem": "(events)", "dynamodb:UpdateItem": "(refusals)"},
	"GetReview":        {"dynamodb:Query": "(events)", "dynamodb:GetItem": "(events)", "dynamodb:UpdateItem": "(refusals)"},
	"IssueKey": {
		"dynamodb:GetItem": "(operators)", "dynamodb:Query": "(operators)", "dynamodb:UpdateItem": "(operators)", "dynamodb:PutItem": "(operators)",
	},
	"RevokeKey": {
		"dynamodb:Query": "(operators)", "dynamodb:GetItem": "(operators)", "dynamodb:BatchGetItem": "(operators)",
		"dynamodb:UpdateItem": "(operators)", "dynamodb:DeleteItem": "(operators)", "dynamodb:PutItem": "(operators)",
	},
	"ListPeople": {"dynamodb:Query": "(operators)", "dynamodb:GetItem": "(operators)", "dynamodb:BatchGetItem": "(operators)"},
	"DeleteExpiredKeys": {
		"dynamodb:Query": "(expiry)", "dynamodb:GetItem": "(expiry)",
		"dynamodb:UpdateItem": "(expiry)", "dynamodb:DeleteItem": "(expiry)", "dynamodb:PutItem": "(expiry)",
	},
	"PurgeSecrets": {
		"dynamodb:Query": "(purge)", "dynamodb:DeleteItem": "(purge)", "dynamodb:UpdateItem": "(purge)", "dynamodb:PutItem": "(purge)",
	},
	"RedeploySecrets": {
		"dynamodb:Query": "(redelivery)", "dynamodb:GetItem": "(redelivery)",
		"dynamodb:UpdateItem": "(redelivery)", "dynamodb:PutItem": "(redelivery)",
	},
	"UpdateItem": {
		"dynamodb:GetItem": updatedItem, "dynamodb:UpdateItem": updatedItem, "dynamodb:PutItem": updatedItem, "kms:GenerateDataKey": updatedItem,
		"dynamodb:DeleteItem":   "TestUpdateKeepsOmittedFields", // a new key
		"dynamodb:BatchGetItem": "(bin)",
	},
	"UpdateSecret": {
		"dynamodb:GetItem": slash, "dynamodb:UpdateItem": slash, "dynamodb:DeleteItem": slash, "dynamodb:PutItem": slash,
	},
	"UpdateService": {
		"dynamodb:GetItem": movedService, "dynamodb:UpdateItem": movedService,
		"dynamodb:DeleteItem": movedService, "dynamodb:PutItem": movedService,
	},
}

// seldom lists the actions that a function uses only at its cold start, to check the
// table's format, or only for a user with a long queue
// of reveals, or only without a bin. policies_test.go shows their need.
var seldom = map[string]string{"Authorizer": "dynamodb:Query", "CreateAccount": "dynamodb:Query", "GetBundle": "dynamodb:GetItem", "BatchItems": "dynamodb:Query"}

// Each action of functions.yaml has a test that fails without it, and no other has one. ministack
// checks no action on logs, on the stream and on its queue: see deviations.
func TestEachPermissionHasATest(t *testing.T) {
	table, err := functions.Load()
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]map[string]string{}
	for _, f := range table {
		actions := map[string]string{}
		add := func(service string, names []string) {
			for _, name := range names {
				if action := service + ":" + name; seldom[f.ID()] != action {
					actions[action] = without[f.ID()][action]
				}
			}
		}
		for _, grant := range f.Rows {
			add("dynamodb", grant.Actions)
		}
		if len(f.Indexes) > 0 {
			add("dynamodb", []string{"Query"})
		}
		if len(f.Stamps) > 0 {
			add("dynamodb", []string{"UpdateItem"})
		}
		add("kms", f.KMS)
		add("secretsmanager", f.Bundles)
		if len(actions) > 0 {
			allowed[f.ID()] = actions
		}
	}
	if diff := cmp.Diff(allowed, without); diff != "" {
		t.Errorf("allowed actions (-) and those with a test (+):\n%s", diff)
	}
}

// permissions withholds each action from each function's role, once. A test must then fail,
// and IAM must have refused that very action. So no function may do more than it needs,
// through gateway, function and role.
func permissions(t *testing.T, c cloud, tests suite) {
	p := permitted{cloud: c, stack: c.stack(t), suite: tests}
	for name, test := range p.tests() {
		began := time.Now()
		if failure := test(t, func() bool { return false }); failure != "" {
			t.Fatalf("%s fails with all permissions: %s\n%s", name, failure, p.log(t, "DeploySecret", began))
		}
	}
	t.Run("with all", func(t *testing.T) {
		all := map[string]bool{}
		for _, tests := range without {
			for _, test := range tests {
				all[test] = strings.Contains(test, "/") // a part of a test: whole tests have run already
			}
		}
		for test := range all {
			if all[test] {
				t.Run(test, func(t *testing.T) { t.Parallel(); tests.mustPass(t, p.stack, "^"+test, "") })
			}
		}
	})
	for _, function := range slices.Sorted(maps.Keys(without)) {
		for _, action := range slices.Sorted(maps.Keys(without[function])) {
			t.Run(function+" without "+action, func(t *testing.T) { p.mustNeed(t, function, action, without[function][action]) })
		}
	}
}

// permitted is the deployed stack with the roles of its functions.
type permitted struct {
	cloud cloud
	stack stack
	suite suite
}

// tests returns the tests of this package by name. Each returns what is wrong, and stops
// waiting once giveUp reports true.
func (p permitted) tests() map[string]func(t *testing.T, giveUp func() bool) (failure string) {
	return map[string]func(*testing.T, func() bool) string{
		"(bin)": p.bin, "(several)": p.several, "(deletion)": p.deletion, "(purge)": p.purge, "(delivery)": p.delivery, "(redelivery)": p.redelivery,
		"(check)": p.check, "(users)": p.users, "(keys)": p.keys, "(me)": p.me, "(use)": p.use, "(limited)": p.limitedLists,
		"(operators)": p.operators, "(expiry)": p.expiry, "(events)": p.events, "(refusals)": p.refusals,
	}
}

func (p permitted) mustNeed(t *testing.T, function, action, test string) {
	t.Helper()
	began := time.Now()
	var failure string
	refused := func() bool {
		// The log has the function's message or IAM's.
		log := p.log(t, function, began)
		return strings.Contains(log, "is not authorized to perform: "+action+" ") ||
			strings.Contains(log, strings.TrimPrefix(action, "secretsmanager:")+": AccessDeniedException")
	}
	p.withhold(t, function, action, func() {
		// One try, unless this machine is so busy that ministack misses the function's log.
		for tries := 0; tries < 3 && (tries == 0 || !soon(refused)); tries++ {
			failure = ""
			if own := p.tests()[test]; own != nil {
				failure = own(t, refused)
			} else if out, err := p.suite.play(t, p.stack, "^"+test, ""); err != nil {
				failure = out
			}
			if failure == "" {
				t.Fatalf("%s passes without %s", test, action)
			}
		}
	})
	if !soon(refused) {
		t.Fatalf("the function's log has no refusal of %s\n%s", action, failure)
	}
}

// soon reports whether a condition becomes true within two seconds.
func soon(is func() bool) bool {
	for deadline := time.Now().Add(2 * time.Second); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// deletion deletes a secret with an item and returns the rows that are left.
func (p permitted) deletion(t *testing.T, _ func() bool) (failure string) {
	t.Helper()
	account, secret := p.deleted(t)
	return p.leftOf(t, account, secret)
}

// purge leaves a deletion to purge-secrets, invokes it and returns the rows that are left.
func (p permitted) purge(t *testing.T, _ func() bool) (failure string) {
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
func (p permitted) delivery(t *testing.T, giveUp func() bool) (failure string) {
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
		if failure := u.awaitBundle(t, p.cloud, step.want, giveUp); failure != "" {
			return failure
		}
	}
	return ""
}

// redelivery retries a failed delivery, then delivers a lost bundle again. It returns what
// is wrong with the bundle.
func (p permitted) redelivery(t *testing.T, giveUp func() bool) (failure string) {
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
	if failure := u.awaitBundle(t, p.cloud, want, giveUp); failure != "" {
		return failure
	}
	lost := map[string]any{"SecretId": bundleName(u.account, u.secret), "ForceDeleteWithoutRecovery": true}
	if err := p.cloud.secretsManager(t, root, "DeleteSecret", lost, &struct{}{}); err != nil {
		t.Fatal(err)
	}
	p.invoke(t, "RedeploySecrets", `{"all": true}`)
	return u.awaitBundle(t, p.cloud, want, giveUp)
}

// check has check-bundles find a lost bundle, in a round whose time is up. It returns what is wrong with
// the bundle.
func (p permitted) check(t *testing.T, giveUp func() bool) (failure string) {
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
	return u.awaitBundle(t, p.cloud, want, giveUp)
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

// log returns a function's log since a time.
func (p permitted) log(t *testing.T, function string, since time.Time) string {
	t.Helper()
	var got struct {
		Events []struct{ Message string } `json:"events"`
	}
	p.cloud.target(t, "logs", "Logs_20140328.FilterLogEvents", map[string]any{
		"logGroupName": p.stack.resources[function+"Logs"].Physical, "startTime": since.UnixMilli(),
	}, &got)
	var b strings.Builder
	for _, e := range got.Events {
		b.WriteString(e.Message + "\n")
	}
	return b.String()
}

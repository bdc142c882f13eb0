package deploy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/sam/ministack"
)

// bundle is the relevant part of a bundle in Secrets Manager.
type bundle struct {
	arn     string
	content string // "": there is none, or it is scheduled for deletion
	name    string // of the secret; a tag
	doomed  bool   // scheduled for deletion
}

func bundleName(account, secret string) string {
	return "goblins/" + stackName + "/" + account + "/" + secret
}

func (c cloud) bundle(t *testing.T, account, secret string) (found bundle) {
	t.Helper()
	id := map[string]string{"SecretId": bundleName(account, secret)}
	var described struct {
		ARN         string
		DeletedDate float64
		Tags        []struct{ Key, Value string }
	}
	if err := c.secretsManager(t, root, "DescribeSecret", id, &described); err != nil {
		if strings.Contains(err.Error(), "ResourceNotFoundException") {
			return bundle{}
		}
		t.Fatal(err)
	}
	found = bundle{arn: described.ARN, doomed: described.DeletedDate != 0}
	for _, tag := range described.Tags {
		if tag.Key == "goblins:name" {
			found.name = tag.Value
		}
	}
	if !found.doomed {
		var value struct{ SecretString string }
		err := c.secretsManager(t, root, "GetSecretValue", id, &value)
		found.doomed = err != nil && strings.Contains(err.Error(), "marked for deletion") // just now
		if err != nil && !found.doomed {
			t.Fatal(err)
		}
		found.content = value.SecretString
	}
	return found
}

// secretsManager calls Secrets Manager with credentials.
func (c cloud) secretsManager(t *testing.T, who aws.Credentials, operation string, in, out any) error {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"secretsmanager." + operation}}
	answer, err := c.as(t, who, "secretsmanager", http.MethodPost, "/", header, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// used is a secret with an item, and a service of the same name that uses the secret.
type used struct {
	api             api
	account         string
	name            string
	secret, service string
	path            string // of the item
}

func newUsed(t *testing.T, a api, account, name string) *used {
	t.Helper()
	u := &used{api: a, account: account, name: name}
	u.secret = a.create(t, "/api/secrets/", fmt.Sprintf(`{"name":%q}`, name))
	items := "/api/secrets/" + u.secret + "/items/"
	u.path = items + a.create(t, items, `{"key":"KEY","value":"first <value>"}`) + "/"
	u.attach(t)
	return u
}

func (u *used) attach(t *testing.T) {
	t.Helper()
	u.service = u.api.create(t, "/api/services/", fmt.Sprintf(`{"name":%q,"image":"myapp:v1","port":8080,"secret":%q}`, u.name, u.secret))
}

func (u *used) detach(t *testing.T) {
	t.Helper()
	u.mustCall(t, http.MethodDelete, "/api/services/"+u.service+"/", "", http.StatusNoContent)
}

func (u *used) rename(t *testing.T, name string) {
	t.Helper()
	u.mustCall(t, http.MethodPatch, "/api/secrets/"+u.secret+"/", fmt.Sprintf(`{"name":%q}`, name), http.StatusOK)
}

func (u *used) setValue(t *testing.T, value string) {
	t.Helper()
	u.mustCall(t, http.MethodPatch, u.path, fmt.Sprintf(`{"value":%q}`, value), http.StatusOK)
}

func (u *used) mustCall(t *testing.T, method, path, body string, want int) {
	t.Helper()
	if status, answer := u.api.call(t, method, path, body); status != want {
		t.Fatalf("%s %s = %d %s, want %d", method, path, status, answer, want)
	}
}

func (u *used) status(t *testing.T) string {
	t.Helper()
	_, answer := u.api.call(t, http.MethodGet, "/api/secrets/"+u.secret+"/", "")
	var shown struct{ Status string }
	if err := json.Unmarshal([]byte(answer), &shown); err != nil {
		t.Fatalf("GET of a secret = %s, %v", answer, err)
	}
	return shown.Status
}

// awaitBundle waits until the secret is ready, its bundle is the wanted one and its outbox
// entry is gone. It returns the difference when time is up.
func (u *used) awaitBundle(t *testing.T, c cloud, want bundle) (failure string) {
	t.Helper()
	table := c.stack(t).outputs["TableName"]
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		got := c.bundle(t, u.account, u.secret)
		got.arn = ""
		status := u.status(t)
		waits := slices.ContainsFunc(c.rows(t, table, "OUTBOX"), func(key string) bool { return strings.HasSuffix(key, u.secret) })
		if got == want && status == "ready" && !waits {
			return ""
		}
		if time.Now().After(deadline) {
			return fmt.Sprintf("bundle %+v, status %s, outbox entry %v, want %+v, ready, false", got, status, waits, want)
		}
	}
}

func (u *used) mustHave(t *testing.T, c cloud, want bundle) {
	t.Helper()
	if failure := u.awaitBundle(t, c, want); failure != "" {
		t.Fatal(failure)
	}
}

// delivery is the story of a secret that a service uses, through the deployed stream and
// functions. Each change is delivered. A principal with the policy of docs/services.md reads
// that bundle and nothing else. Without a target nothing is delivered and every secret is
// ready. Changes from that time are delivered afterwards, when an operator requests it.
func delivery(t *testing.T, c cloud, sam samCLI, kept keptData) *used {
	t.Helper()
	u := newUsed(t, api{url: c.url(c.stack(t)), key: kept.account.APIKey}, kept.account.AccountID, "used")
	u.mustHave(t, c, bundle{content: `{"KEY":"first <value>"}`, name: "used"})
	if _, answer := u.api.call(t, http.MethodGet, "/api/secrets/"+u.secret+"/", ""); !strings.Contains(answer, `"arn":"`+c.bundle(t, u.account, u.secret).arn+`"`) {
		t.Errorf("GET of a delivered secret = %s, want its bundle's ARN", answer)
	}
	u.setValue(t, "second")
	u.mustHave(t, c, bundle{content: `{"KEY":"second"}`, name: "used"})
	reads(t, c, u)

	with := c.stack(t)
	retarget(t, c, sam, "none")
	without := c.stack(t)
	gone := map[string]string{}
	for name, r := range with.resources {
		if without.resources[name].Physical == "" && !strings.Contains(name, "Version") {
			gone[name] = r.Type
		}
	}
	if diff := cmp.Diff(map[string]string{
		"DeploySecret": "AWS::Lambda::Function", "DeploySecretAliaslive": "AWS::Lambda::Alias",
		"DeploySecretRole": "AWS::IAM::Role", "DeploySecretLogs": "AWS::Logs::LogGroup",
		"DeploySecretChanges": "AWS::Lambda::EventSourceMapping", "DeployFailures": "AWS::SQS::Queue",
		"RedeploySecrets": "AWS::Lambda::Function", "RedeploySecretsAliaslive": "AWS::Lambda::Alias",
		"RedeploySecretsRole": "AWS::IAM::Role", "RedeploySecretsLogs": "AWS::Logs::LogGroup",
		"RedeploySecretsSweep": "AWS::Events::Rule", "RedeploySecretsSweepPermission": "AWS::Lambda::Permission",
		"CheckBundles": "AWS::Lambda::Function", "CheckBundlesAliaslive": "AWS::Lambda::Alias",
		"CheckBundlesRole": "AWS::IAM::Role", "CheckBundlesLogs": "AWS::Logs::LogGroup",
		"CheckBundlesSweep": "AWS::Events::Rule", "CheckBundlesSweepPermission": "AWS::Lambda::Permission",
	}, gone); diff != "" {
		t.Errorf("resources removed with DeployTarget=none (-want +got):\n%s", diff)
	}
	u.setValue(t, "third")
	if status := u.status(t); status != "ready" {
		t.Errorf("without a target the status is %s, want ready", status)
	}
	if got := c.bundle(t, u.account, u.secret); got.content != `{"KEY":"second"}` {
		t.Errorf("without a target the bundle is %+v, want it as it was", got)
	}

	retarget(t, c, sam, "secrets-manager")
	if got := c.bundle(t, u.account, u.secret); got.content != `{"KEY":"second"}` {
		t.Errorf("before RedeploySecrets the bundle is %+v, want it as it was", got)
	}
	redeployAll(t, sam)
	u.mustHave(t, c, bundle{content: `{"KEY":"third"}`, name: "used"})
	return u
}

// redeployAll runs the command of docs/deploy.md.
func redeployAll(t *testing.T, sam samCLI) {
	t.Helper()
	out := sam.run(t, "remote", "invoke", "RedeploySecrets", "--stack-name", stackName, "--event", `{"all": true}`)
	if !strings.Contains(out, `"waiting"`) {
		t.Errorf("RedeploySecrets answers %s", out)
	}
}

// retarget updates the stack to another DeployTarget.
func retarget(t *testing.T, c cloud, sam samCLI, target string) {
	t.Helper()
	before := c.live(t)
	sam.deploy(t, []string{"DeployTarget=" + target})
	c.completeAPI(t)
	s := c.stack(t)
	if s.parameters["DeployTarget"] != target {
		t.Fatalf("DeployTarget is %s, want %s", s.parameters["DeployTarget"], target)
	}
	for function, version := range c.live(t) {
		if version == before[function] {
			t.Errorf("alias live of %s points to version %s, as with the previous target", function, version)
		}
	}
}

// reads tests a principal that has only the policy of docs/services.md for one bundle.
func reads(t *testing.T, c cloud, u *used) {
	t.Helper()
	own := c.bundle(t, u.account, u.secret)
	who := c.user(t, "service", u.policy(t, own))
	var value struct{ SecretString string }
	for _, id := range []string{bundleName(u.account, u.secret), own.arn} {
		err := c.secretsManager(t, who, "GetSecretValue", map[string]string{"SecretId": id}, &value)
		if err != nil || value.SecretString != own.content {
			t.Errorf("a service reads %s: %q, %v, want %q", id, value.SecretString, err, own.content)
		}
	}
	other := newUsed(t, u.api, u.account, "other")
	other.mustHave(t, c, bundle{content: `{"KEY":"first <value>"}`, name: "other"})
	for operation, in := range map[string]map[string]string{
		"GetSecretValue": {"SecretId": bundleName(other.account, other.secret)},
		"DescribeSecret": {"SecretId": own.arn},
		"PutSecretValue": {"SecretId": own.arn, "SecretString": "{}"},
		"ListSecrets":    {},
	} {
		if err := c.secretsManager(t, who, operation, in, &value); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("a service may %s %v: %v", operation, in, err)
		}
	}
}

// policy returns the policy that docs/services.md shows, for a bundle.
func (u *used) policy(t *testing.T, b bundle) string {
	t.Helper()
	path, err := checkout.Path("docs", "services.md")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)## The policy\n.*?```json\n(.*?)```").FindSubmatch(page)
	if shown == nil {
		t.Fatalf("%s has no policy", path)
	}
	return strings.NewReplacer("<region>", ministack.Region, "<aws account>", strings.Split(b.arn, ":")[4],
		"<prefix>", stackName, "<account>", u.account, "<secret>", u.secret).Replace(string(shown[1]))
}

// user creates an IAM user with a policy.
func (c cloud) user(t *testing.T, name, policy string) aws.Credentials {
	t.Helper()
	c.query(t, "iam", "CreateUser", map[string]string{"UserName": name}, nil)
	c.query(t, "iam", "PutUserPolicy", map[string]string{"UserName": name, "PolicyName": name, "PolicyDocument": policy}, nil)
	var made struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	c.query(t, "iam", "CreateAccessKey", map[string]string{"UserName": name}, &made)
	return aws.Credentials{AccessKeyID: made.ID, SecretAccessKey: made.Secret}
}

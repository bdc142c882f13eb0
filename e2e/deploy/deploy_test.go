// Package deploy tests the deployment itself. The SAM CLI builds template.yaml and deploys
// it, unchanged, to ministack, an emulator of AWS. The end-to-end suite then runs against
// the deployment through HTTP. The tests change parameters, compare the permissions of each
// function with those that it used, and delete the stack. See deviations for the limits of this proof.
package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/google/go-cmp/cmp"

	"goblins-secrets/infra/sam/ministack"
	"goblins-secrets/infra/smoke/checks"
	"goblins-secrets/pkg/gateway"
)

// It is one story: each part continues with the state that the previous one left.
func TestTemplateDeploysAndUpdates(t *testing.T) {
	m, err := ministack.Start(t.Context(), t.TempDir(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("ministack's last output:\n%s", m.Output())
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	c := cloud{m}
	sam := newSAM(t, c)
	began := time.Now()
	part := func(name string, play func(t *testing.T)) {
		t.Helper()
		fmt.Fprintf(os.Stderr, "deploy, %3.0f s: %s …\n", time.Since(began).Seconds(), name)
		if !t.Run(name, play) {
			t.FailNow() // the next part needs this one's state
		}
	}

	part("build", sam.buildAll)
	part("packages", sam.checkPackages)
	part("deploy", func(t *testing.T) {
		sam.deploy(t, nil)
		c.completeAPI(t)
	})
	var kept keptData
	part("first account", func(t *testing.T) { kept = firstAccount(t, c, sam) })
	tests := newSuite(t, c)
	part("end-to-end suite", func(t *testing.T) { tests.mustPass(t, c.stack(t), ".", skipped()) })
	part("smoke", func(t *testing.T) {
		var out strings.Builder
		err := checks.Run(t.Context(), c.url(c.stack(t)), kept.account.APIKey, &out)
		if err != nil || strings.Contains(out.String(), kept.account.APIKey) {
			t.Errorf("make smoke = %v\n%s", err, &out)
		}
		t.Log(out.String())
	})
	sam = sam.packed(t, c)
	part("deploy again, nothing changed", func(t *testing.T) { deployAgain(t, c, sam) })
	part("a release", func(t *testing.T) { release(t, c, sam) })
	part("permissions", func(t *testing.T) { permissions(t, c) })
	var u *used
	part("delivery", func(t *testing.T) { u = delivery(t, c, sam, kept) })
	var back func(*testing.T, ...string)
	part("restore", func(t *testing.T) { back = restore(t, c, sam, kept, u) })
	part("back, and ReadLimit=6", func(t *testing.T) {
		back(t, "ReadLimit=6")
		tests.mustPass(t, c.stack(t), "^TestBudgetChargesRevealsOnly$", "")
		kept.mustBeThere(t, c)
	})
	part("ReadLimit=1 ReadWindowSeconds=1", func(t *testing.T) {
		update(t, c, sam, "ReadLimit=1", "ReadWindowSeconds=1")
		tests.mustPass(t, c.stack(t), "^TestRevealSucceedsAfterTheWait$", "")
		kept.mustBeThere(t, c)
	})
	var table, key string
	part("delete", func(t *testing.T) { table, key = deleteStack(t, c, kept) })
	part("a new stack takes over", func(t *testing.T) {
		// The restored table, not the first one: see deviations.
		restored := restoredName(table)
		sam.deploy(t, []string{"RestoredTable=" + restored, "RestoredTableStream=" + c.streamOf(t, restored), "RetainedKey=" + key})
		c.completeAPI(t)
		if got := c.stack(t); got.outputs["MasterKeyArn"] != key || got.resources["MasterKey"].Physical != "" {
			t.Errorf("the new stack uses key %s and has created %q, want %s and none",
				got.outputs["MasterKeyArn"], got.resources["MasterKey"].Physical, key)
		}
		kept.mustBeThere(t, c)
	})
	fmt.Fprintf(os.Stderr, "deploy, %3.0f s: done\n", time.Since(began).Seconds())
}

// release deploys the same code as another release, which makes a version of each function, and again, which
// changes nothing. Nothing is deployed that was built for another architecture.
func release(t *testing.T, c cloud, sam samCLI) {
	t.Helper()
	before := c.live(t)
	parameters := []string{"Release=0123456789ab-dirty-0a1b2c", "BuiltFor=" + architecture}
	sam.deploy(t, parameters)
	c.completeAPI(t)
	after := c.live(t)
	for function, version := range after {
		if version == before[function] {
			t.Errorf("alias live of %s still points to version %s after a release", function, version)
		}
	}
	if out := sam.deploy(t, parameters); !strings.Contains(out, "No changes to deploy") {
		t.Errorf("the same release again: %s", out)
	}
	other := map[string]string{"arm64": "x86_64", "x86_64": "arm64"}[architecture]
	if out, err := sam.try(t, sam.deployment([]string{"BuiltFor=" + other})...); err == nil || !strings.Contains(out, "built for another Architecture") {
		t.Errorf("functions for %s deployed as %s = %v, want a refusal\n%s", other, architecture, err, out)
	}
}

// keptData is written first, and must exist until the end.
type keptData struct {
	account gateway.CreateAccountResponse
	item    string // its path
}

// firstAccount follows a new operator's steps: it creates an account with the command in the
// stack's outputs, and uses its key.
func firstAccount(t *testing.T, c cloud, sam samCLI) keptData {
	t.Helper()
	s := c.stack(t)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", s.outputs["FirstAccount"])
	cmd.Env = append(sam.env, "PATH="+filepath.Dir(sam.program)+":"+os.Getenv("PATH"))
	cmd.Dir = t.TempDir() // the command needs no checkout
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", s.outputs["FirstAccount"], err, &stderr)
	}
	var kept keptData
	if err := json.Unmarshal(out, &kept.account); err != nil || kept.account.Name != "my-team" || kept.account.APIKey == "" {
		t.Fatalf("%s = %s, %v, want the account my-team and its key", s.outputs["FirstAccount"], out, err)
	}
	a := api{url: c.url(s), key: kept.account.APIKey}
	items := "/api/secrets/" + kept.account.DefaultSecretID + "/items/"
	kept.item = items + a.create(t, items, `{"key":"KEPT","value":"kept value"}`) + "/"
	kept.mustBeThere(t, c)
	return kept
}

func (k keptData) mustBeThere(t *testing.T, c cloud) {
	t.Helper()
	a := api{url: c.url(c.stack(t)), key: k.account.APIKey}
	if status, body := a.call(t, http.MethodGet, k.item, ""); status != http.StatusOK || !strings.Contains(body, `"value":"kept value"`) {
		t.Errorf("GET %s = %d %s, want the first value", k.item, status, body)
	}
}

// deployAgain deploys the same template again.
func deployAgain(t *testing.T, c cloud, sam samCLI) {
	t.Helper()
	before, versions := c.stack(t), c.live(t)
	out := sam.deploy(t, nil)
	if !strings.Contains(out, "No changes to deploy") {
		t.Errorf("sam deploy = %s, want No changes to deploy", out)
	}
	if diff := cmp.Diff(before, c.stack(t), cmp.AllowUnexported(stack{})); diff != "" {
		t.Errorf("the stack has changed (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(versions, c.live(t)); diff != "" {
		t.Errorf("other versions are live (-before +after):\n%s", diff)
	}
}

// update sets parameters of the stack and changes nothing else. It first inspects the change
// set: table and master key must not be replaced. Afterwards every function must have a new
// version, and alias live must point to it, because the old version keeps the old setting.
func update(t *testing.T, c cloud, sam samCLI, parameters ...string) {
	t.Helper()
	before := c.live(t)
	changeSet := changeSetARN.FindString(sam.deploy(t, parameters, "--no-execute-changeset"))
	changes := c.changes(t, changeSet)
	if len(changes) == 0 {
		t.Fatal("the change set is empty")
	}
	for _, change := range changes {
		keeps := slices.Contains([]string{"Table", "MasterKey", "MasterKeyAlias"}, change.Logical)
		if change.Action != "Modify" || keeps && change.Replacement != "False" {
			t.Errorf("%+v: want only modifications, which keep table and key", change)
		}
	}
	if t.Failed() {
		return
	}
	c.query(t, "cloudformation", "ExecuteChangeSet", map[string]string{"ChangeSetName": changeSet}, nil)
	c.await(t, "UPDATE_COMPLETE")
	c.completeAPI(t)

	s, after := c.stack(t), c.live(t)
	for _, parameter := range parameters {
		name, want, _ := strings.Cut(parameter, "=")
		if got := s.parameters[name]; got != strings.Trim(want, `"`) { // SAM needs "" for an empty value
			t.Errorf("parameter %s = %s, want %s", name, got, want)
		}
	}
	for function, version := range after {
		if version == before[function] || version != c.newestVersion(t, s.resources[function].Physical) {
			t.Errorf("alias live of %s points to version %s, want a new and the newest one", function, version)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after))); diff != "" || len(after) == 0 {
		t.Errorf("functions with an alias live (-before +after):\n%s", diff)
	}
}

// deleteStack deletes the stack. Table and master key stay, with all their data.
func deleteStack(t *testing.T, c cloud, kept keptData) (table, key string) {
	t.Helper()
	s := c.stack(t)
	table, key = s.outputs["TableName"], s.outputs["MasterKeyArn"]
	items := itemsPartition(kept.account.AccountID, kept.account.DefaultSecretID)
	before := c.rows(t, table, items)
	// It does not use sam delete: see deviations.
	c.query(t, "cloudformation", "DeleteStack", map[string]string{"StackName": stackName}, nil)
	c.awaitGone(t)
	if status, body := (api{url: c.url(s)}).call(t, http.MethodGet, "/api/secrets/", ""); status == http.StatusOK {
		t.Errorf("GET after the stack's deletion = %d %s, want a failure", status, body)
	}
	if after := c.rows(t, table, items); len(after) == 0 || !slices.Equal(after, before) {
		t.Errorf("item rows after the stack's deletion = %q, want %q", after, before)
	}
	out, err := c.kms().DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key})
	if err != nil || !out.KeyMetadata.Enabled {
		t.Errorf("the master key after the stack's deletion = %+v, %v, want it enabled", out, err)
	}
	return table, key
}

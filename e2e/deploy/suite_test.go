package deploy

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"goblins-secrets/infra/local/checkout"
)

// suite is the tests of e2e, compiled.
type suite struct {
	cloud   cloud
	program string
	dir     string
	env     []string
}

func newSuite(t *testing.T, c cloud) suite {
	t.Helper()
	dir, err := checkout.Path("e2e")
	if err != nil {
		t.Fatal(err)
	}
	s := suite{cloud: c, program: filepath.Join(t.TempDir(), "e2e.test"), dir: dir, env: append(withoutAWS(os.Environ()), c.Environment()...)}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", s.program, ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go test -c: %v\n%s", err, out)
	}
	return s
}

// mustPass runs the tests that match run and not skip, against the deployed stack. At least one must match, and all must
// pass.
func (s suite) mustPass(t *testing.T, deployed stack, run, skip string) {
	t.Helper()
	// The value of E2E_TARGET; see e2e/deployment_test.go.
	description, err := json.Marshal(map[string]any{
		"name": "ministack", "url": s.cloud.url(deployed),
		"public": "https://" + strings.TrimPrefix(s.cloud.URL, "http://") + "/" + deployed.parameters["StageName"],
		"settings": map[string]string{
			"READ_LIMIT": deployed.parameters["ReadLimit"], "READ_WINDOW_SECONDS": deployed.parameters["ReadWindowSeconds"],
		},
		"concurrency":    8,
		"create_account": map[string]string{"endpoint": s.cloud.URL, "function": deployed.outputs["CreateAccountFunction"] + ":live"},
		"table":          map[string]any{"endpoint": s.cloud.URL, "name": deployed.outputs["TableName"], "rows": 2500},
	})
	if err != nil {
		t.Fatal(err)
	}
	// More tests run in parallel than there are processors, because ministack waits 50 ms for a
	// function's log after each of its answers.
	cmd := exec.CommandContext(t.Context(), s.program, "-test.run", run, "-test.skip", skip,
		"-test.parallel", "12", "-test.timeout", "8m", "-test.v")
	cmd.Dir, cmd.Env = s.dir, append(s.env, "E2E_TARGET="+string(description))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("e2e: %v\n%s", err, out)
	}
	if passed := strings.Count(string(out), "\n--- PASS: "); passed == 0 {
		t.Errorf("no test of e2e that matches %s has passed", run)
	}
}

// url is the URL of the stack's API.
func (c cloud) url(s stack) string {
	return c.URL + "/restapis/" + s.outputs["ApiId"] + "/" + s.parameters["StageName"] + "/_user_request_"
}

// api is a client of the deployed API, for requests that are not part of e2e.
type api struct{ url, key, token string } // token is an idempotency key, if it is not empty

func (a api) call(t *testing.T, method, path, body string) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+a.key)
	request.Header.Set("Content-Type", "application/json")
	if a.token != "" {
		request.Header.Set("Idempotency-Key", a.token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// create creates a secret, an item or a service and returns its id.
func (a api) create(t *testing.T, path, body string) (id string) {
	t.Helper()
	status, answer := a.call(t, http.MethodPost, path, body)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &made); err != nil || status != http.StatusCreated {
		t.Fatalf("POST %s = %d %s, %v, want 201", path, status, answer, err)
	}
	return made.ID
}

// itemsPartition is the table's partition of a secret's items; see pkg/dynamo/keys.go.
func itemsPartition(account, secret string) string {
	return fmt.Sprintf("SECRET#%s#%s", account, secret)
}

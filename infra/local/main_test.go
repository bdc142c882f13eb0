package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/emulator"
	"goblins-secrets/infra/local/stack"
)

var build = sync.OnceValues(func() (binary string, err error) {
	dir, err := os.MkdirTemp("", "goblins-secrets-local")
	if err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "local")
	if output, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, output)
	}
	return binary, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if binary, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(code)
}

// command returns the program with these arguments, not yet started.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, binary, args...)
}

// running is a stack in a separate process.
type running struct {
	t    *testing.T
	data string
	cmd  *exec.Cmd
	log  string // path of the file with its output
	url  string
	key  string

	target string // URL of the Secrets Manager; empty if nothing is delivered
}

func start(t *testing.T, data string, args ...string) *running {
	t.Helper()
	// After kill -9 the old env file remains until the next stack removes it.
	if err := os.Remove(filepath.Join(data, "env")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	r := &running{t: t, data: data, log: log.Name()}
	r.cmd = command(t, append([]string{"-addr", "127.0.0.1:0", "-data", data}, args...)...)
	r.begin(log)
	return r
}

// begin starts the command and waits until its stack is ready.
func (r *running) begin(log *os.File) {
	r.t.Helper()
	r.cmd.Stdout, r.cmd.Stderr = log, log
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.cmd.Wait() }()
	r.t.Cleanup(func() {
		_ = r.cmd.Process.Kill() // fails if the process has ended
		<-ended
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		env, err := os.ReadFile(filepath.Join(r.data, "env"))
		if err == nil {
			seen := parseEnv(r.t, string(env))
			r.url, r.key, r.target = seen["API_URL"], seen["API_KEY"], seen["AWS_ENDPOINT_URL_SECRETS_MANAGER"]
			return
		}
		select {
		case err := <-ended:
			ended <- err
			r.t.Fatalf("the stack ended: %v\n%s", err, r.output())
		default:
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the stack is not ready\n%s", r.output())
		}
	}
}

// output returns the stack's output so far.
func (r *running) output() string {
	r.t.Helper()
	text, err := os.ReadFile(r.log)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// signal ends the stack and waits until it and all its descendants have ended.
func (r *running) signal(s os.Signal) {
	r.t.Helper()
	children := childrenOf(r.t, r.cmd.Process.Pid)
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
	r.awaitEnd(append(children, r.cmd.Process.Pid)...)
}

// awaitEnd waits until these processes have ended.
func (r *running) awaitEnd(pids ...int) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); slices.ContainsFunc(pids, alive); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("some of the processes %v still run\n%s", pids, r.output())
		}
	}
}

// childrenOf lists the descendants of a process.
func childrenOf(t *testing.T, pid int) (found []int) {
	t.Helper()
	output, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		t.Fatal(err)
	}
	parents := make(map[int]int)
	for line := range strings.Lines(string(output)) {
		var child, parent int
		if _, err := fmt.Sscan(line, &child, &parent); err != nil {
			t.Fatal(err)
		}
		parents[child] = parent
	}
	for child := range parents {
		for p := parents[child]; p > 1; p = parents[p] {
			if p == pid {
				found = append(found, child)
				break
			}
		}
	}
	return found
}

// awaitStopped waits until all threads of a process are stopped. Kill returns before that, and a
// thread that still runs would answer.
func awaitStopped(t *testing.T, pid int) {
	t.Helper()
	running := func() bool {
		stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		return len(stats) == 0 || slices.ContainsFunc(stats, func(path string) bool {
			stat, err := os.ReadFile(path)
			// The state follows the name, which is in parentheses.
			_, state, _ := strings.Cut(string(stat), ") ")
			return err == nil && !strings.HasPrefix(state, "T")
		})
	}
	for deadline := time.Now().Add(10 * time.Second); running(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d does not stop", pid)
		}
	}
}

// alive reports whether a process runs. A zombie does not count.
func alive(pid int) bool {
	output, err := exec.Command("ps", "-o", "stat=", "-p", fmt.Sprint(pid)).Output()
	return err == nil && !strings.HasPrefix(string(output), "Z")
}

// parseEnv reads an env file as a shell does, and returns what a program that the shell starts sees.
func parseEnv(t *testing.T, env string) map[string]string {
	t.Helper()
	cmd := exec.Command("sh", "-euc", env+`printf '%s\n' "$API_URL" "$API_KEY"; exec env -0`)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("env = %q: %v", env, err)
	}
	seen := map[string]string{}
	_, after, _ := strings.Cut(string(output), "\n")
	_, after, _ = strings.Cut(after, "\n")
	for variable := range strings.SplitSeq(strings.TrimSuffix(after, "\x00"), "\x00") {
		name, value, _ := strings.Cut(variable, "=")
		seen[name] = value
	}
	if !regexp.MustCompile(`^http://\S+[^/\s]$`).MatchString(seen["API_URL"]) || !regexp.MustCompile(`^gob_[0-9A-Za-z]{49}$`).MatchString(seen["API_KEY"]) {
		t.Fatalf("env = %q, want API_URL and API_KEY", env)
	}
	return seen
}

// call sends a request, checks the status and decodes the answer.
func (r *running) call(key, method, path, body string, status int) map[string]any {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatalf("%v\n%s", err, r.output())
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if response.StatusCode != status {
		r.t.Errorf("%s %s = %d %s, want %d", method, path, response.StatusCode, raw, status)
	}
	var answer map[string]any
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &answer); err != nil {
			r.t.Errorf("%s %s = %s: %v", method, path, raw, err)
		}
	}
	return answer
}

// purge is the rows that an interrupted deletion leaves: a purge and a child.
var purge = []map[string]dynamodbtypes.AttributeValue{
	keyOf("PURGE", due+"#"+deleted+"#01936e1e-0c11-7d02-9b7e-6f0a4d3c2b18"),
	keyOf("BIN#"+deletedAccount, "SECRET#"+deletedSecret),
	keyOf("SECRET#"+deleted, "KEY#X"),
}

const (
	deletedAccount = "01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60"
	deletedSecret  = "01936e1d-0c11-7d02-9b7e-6f0a4d3c2b18"
	deleted        = deletedAccount + "#" + deletedSecret
	due            = "2026-03-01T10:00:00.000000Z"
)

func keyOf(pk, sk string) map[string]dynamodbtypes.AttributeValue {
	return map[string]dynamodbtypes.AttributeValue{
		"PK": &dynamodbtypes.AttributeValueMemberS{Value: pk}, "SK": &dynamodbtypes.AttributeValueMemberS{Value: sk},
	}
}

// table returns a client and the name of the running stack's table.
func (r *running) table() (*dynamodb.Client, string) {
	r.t.Helper()
	state, err := os.ReadFile(filepath.Join(r.data, "stack.json"))
	if err != nil {
		r.t.Fatal(err)
	}
	var endpoints stack.Endpoints
	if err := json.Unmarshal(state, &endpoints); err != nil {
		r.t.Fatal(err)
	}
	return emulator.At(endpoints.DynamoDB, endpoints.AccessKey).Client(), endpoints.Table
}

func (r *running) leavePurge() {
	r.t.Helper()
	client, name := r.table()
	for _, k := range purge {
		row := maps.Clone(k)
		row["due"], row["name"] = &dynamodbtypes.AttributeValueMemberS{Value: due}, &dynamodbtypes.AttributeValueMemberS{Value: "deleted"}
		if _, err := client.PutItem(r.t.Context(), &dynamodb.PutItemInput{TableName: &name, Item: row}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *running) awaitPurged() {
	r.t.Helper()
	client, name := r.table()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		left := 0
		for _, row := range purge {
			out, err := client.GetItem(r.t.Context(), &dynamodb.GetItemInput{TableName: &name, Key: row})
			if err != nil {
				r.t.Fatal(err)
			}
			left += min(len(out.Item), 1)
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal("purge-secrets does not run")
		}
	}
}

// use creates a service that uses a secret.
func (r *running) use(key, name string, secret any) {
	r.t.Helper()
	r.call(key, "POST", "/api/services/", fmt.Sprintf(`{"name": %q, "image": "app:1", "port": 80, "secret": %q}`, name, secret), 201)
}

// awaitStatus waits until a secret has this status, and deploy_successful agrees with it.
func (r *running) awaitStatus(key string, secret any, want string) {
	r.t.Helper()
	// After a killed delivery, its lease expires within a minute; only then the next one begins.
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := r.call(key, "GET", fmt.Sprintf("/api/secrets/%s/", secret), "", 200)
		if got["status"] == want && got["deploy_successful"] == (want == "ready") {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the secret is %v, want it %s\n%s", got, want, r.output())
		}
	}
}

// bundle returns the bundle that a service reads: the SecretString that the AWS CLI prints.
func (r *running) bundle(secret any) map[string]string {
	r.t.Helper()
	client := secretsmanager.New(secretsmanager.Options{
		Region: "us-east-1", BaseEndpoint: &r.target,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "any", SecretAccessKey: "any"}, nil
		}),
	})
	list, err := client.ListSecrets(r.t.Context(), &secretsmanager.ListSecretsInput{})
	if err != nil {
		r.t.Fatal(err)
	}
	name := regexp.MustCompile(fmt.Sprintf("^goblins/local/[0-9a-f-]{36}/%s$", secret))
	i := slices.IndexFunc(list.SecretList, func(s types.SecretListEntry) bool { return name.MatchString(*s.Name) })
	if i < 0 {
		r.t.Fatalf("the Secrets Manager has %d secrets, and none called %s", len(list.SecretList), name)
	}
	got, err := client.GetSecretValue(r.t.Context(), &secretsmanager.GetSecretValueInput{SecretId: list.SecretList[i].Name})
	if err != nil {
		r.t.Fatal(err)
	}
	var content map[string]string
	if err := json.Unmarshal([]byte(*got.SecretString), &content); err != nil {
		r.t.Fatal(err)
	}
	return content
}

// hasStream reports whether the table's stream is enabled.
func (r *running) hasStream() bool {
	r.t.Helper()
	client, name := r.table()
	out, err := client.DescribeTable(r.t.Context(), &dynamodb.DescribeTableInput{TableName: &name})
	if err != nil {
		r.t.Fatal(err)
	}
	stream := out.Table.StreamSpecification
	return stream != nil && aws.ToBool(stream.StreamEnabled)
}

// Secrets that services use are delivered to a place where the AWS CLI can read them.
// After a kill at any time, the restarted stack delivers every acknowledged write.
func TestDeliveriesSurviveKills(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	r := start(t, data)
	key := r.key
	secret := r.call(key, "POST", "/api/secrets/", `{"name": "my-app-secrets"}`, 201)["id"]
	items := fmt.Sprintf("/api/secrets/%s/items/", secret)
	want := map[string]string{"DATABASE_PASSWORD": "super-secret-db-password", "QUOTED": `"\<é>`}
	ids := make(map[string]string)
	for name, value := range want {
		body, err := json.Marshal(map[string]string{"key": name, "value": value})
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = r.call(key, "POST", items, string(body), 201)["id"].(string)
	}
	r.use(key, "my-app", secret)
	r.awaitStatus(key, secret, "ready")
	if got := r.bundle(secret); !maps.Equal(got, want) {
		t.Errorf("bundle = %q, want %q", got, want)
	}
	for round := range 3 {
		for i := range 5 {
			want["DATABASE_PASSWORD"] = fmt.Sprintf("rotated %d.%d", round, i)
			r.call(key, "PATCH", items+ids["DATABASE_PASSWORD"]+"/", fmt.Sprintf(`{"value": %q}`, want["DATABASE_PASSWORD"]), 200)
		}
		time.Sleep(rand.N(1500 * time.Millisecond)) // before, during or after the delivery
		r.signal(syscall.SIGKILL)
		r = start(t, data)
		r.awaitStatus(key, secret, "ready")
		if got := r.bundle(secret); !maps.Equal(got, want) {
			t.Errorf("bundle after kill -9 = %q, want %q", got, want)
		}
	}
	r.call(key, "DELETE", fmt.Sprintf("/api/secrets/%s/", secret), "", 409)
}

// Without a target the stack has no Secrets Manager and no stream, and every secret is
// ready. With a target, a table without a stream gets one, and later changes are
// delivered.
func TestNothingIsDeliveredWithoutATarget(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	r := start(t, data, "-set", "DeployTarget=none")
	if r.target != "" || r.hasStream() {
		t.Errorf("the Secrets Manager is at %q, the table has a stream: %v; want neither", r.target, r.hasStream())
	}
	key := r.key
	secret := r.call(key, "POST", "/api/secrets/", `{"name": "my-app-secrets"}`, 201)["id"]
	items := fmt.Sprintf("/api/secrets/%s/items/", secret)
	item := items + r.call(key, "POST", items, `{"key": "KEY", "value": "first"}`, 201)["id"].(string) + "/"
	r.use(key, "my-app", secret)
	if got := r.call(key, "GET", fmt.Sprintf("/api/secrets/%s/", secret), "", 200); got["status"] != "ready" || got["deploy_successful"] != true {
		t.Errorf("the secret is %v, want it ready", got)
	}
	if _, err := os.Stat(filepath.Join(data, "secretsmanager.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("secretsmanager.json: %v, want none", err)
	}
	r.signal(syscall.SIGTERM)

	r = start(t, data)
	if r.target == "" || !r.hasStream() {
		t.Errorf("the Secrets Manager is at %q, the table has a stream: %v; want both", r.target, r.hasStream())
	}
	r.awaitStatus(key, secret, "pending")
	r.call(key, "PATCH", item, `{"value": "second"}`, 200)
	r.awaitStatus(key, secret, "ready")
	r.signal(syscall.SIGTERM)

	// Remove the target, then set it again.
	r = start(t, data, "-set", "DeployTarget=none")
	if r.target != "" || r.hasStream() {
		t.Errorf("without a target again: the Secrets Manager is at %q, the table has a stream: %v", r.target, r.hasStream())
	}
	r.signal(syscall.SIGTERM)
	r = start(t, data)
	r.call(key, "PATCH", item, `{"value": "third"}`, 200)
	r.awaitStatus(key, secret, "ready")
	if got := r.bundle(secret); !maps.Equal(got, map[string]string{"KEY": "third"}) {
		t.Errorf("bundle = %q, want the third value", got)
	}
}

// Over its whole life, a stack keeps every write and the API key after any kind of end.
// It leaves no process running, and no plaintext in a file or a log.
func TestStackKeepsWritesAndLeaksNoPlaintext(t *testing.T) {
	t.Parallel()
	const canary, rotated = "canary-in-the-coal-mine", "canary-the-second"
	data := filepath.Join(t.TempDir(), "data")

	r := start(t, data)
	key := r.key
	secret := r.call(key, "POST", "/api/secrets/", `{"name": "my-app-secrets"}`, 201)
	items := fmt.Sprintf("/api/secrets/%s/items/", secret["id"])
	item := items + r.call(key, "POST", items, `{"key": "DATABASE_PASSWORD", "value": "`+canary+`"}`, 201)["id"].(string) + "/"
	r.use(key, "my-app", secret["id"])
	r.awaitStatus(key, secret["id"], "ready")
	r.leavePurge()
	r.signal(syscall.SIGKILL)
	if !strings.Contains(r.output(), fmt.Sprintf(`curl -H "Authorization: Bearer %s" %s/api/secrets/`, key, r.url)) {
		t.Errorf("the output has no working curl command:\n%s", r.output())
	}
	if !strings.Contains(r.output(), "The web console is at "+r.url+"/console/") {
		t.Errorf("the output does not name the console's URL:\n%s", r.output())
	}
	logs := r.output()

	r = start(t, data, "-set", "ReadLimit=2")
	if r.key != key {
		t.Errorf("the API key changed with a restart")
	}
	r.awaitPurged()
	if got := r.call(key, "GET", item, "", 200); got["value"] != canary {
		t.Errorf("value = %v, want the one written before kill -9", got["value"])
	}
	r.call(key, "PATCH", item, `{"value": "`+rotated+`"}`, 200)
	r.awaitStatus(key, secret["id"], "ready")
	if got := r.call(key, "GET", item, "", 200); got["value"] != rotated {
		t.Errorf("value = %v, want the last one written", got["value"])
	}
	r.call(key, "GET", item, "", 429)
	r.call(key, "POST", items, `{"key": "DATABASE_PASSWORD", "value": "`+canary+`"}`, 400)
	r.call(key, "POST", items, `{"key": "X", "value": "`+canary+`"`, 400)

	// A second account sees nothing of the first.
	output, err := command(t, "-data", data, "account").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := parseEnv(t, string(output))
	other := seen["API_KEY"]
	if seen["API_URL"] != r.url || seen["AWS_ENDPOINT_URL_SECRETS_MANAGER"] != r.target || other == key {
		t.Errorf("account printed %s", output)
	}
	r.call(other, "GET", item, "", 404)

	// A second stack on the same data folder is refused.
	second, err := command(t, "-addr", "127.0.0.1:0", "-data", data).CombinedOutput()
	if err == nil || !strings.Contains(string(second), "another stack is running on the data folder") {
		t.Errorf("a second stack on the folder: %v, %s", err, second)
	}
	r.call(key, "GET", "/api/secrets/", "", 200)

	// While the emulator is stopped, requests fail and the failures are logged.
	emulator := 0
	for _, pid := range childrenOf(t, r.cmd.Process.Pid) {
		if name, _ := exec.Command("ps", "-o", "comm=", "-p", fmt.Sprint(pid)).Output(); strings.HasPrefix(string(name), "dynoxide") {
			emulator = pid
		}
	}
	if err := syscall.Kill(emulator, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awaitStopped(t, emulator)
	r.call(key, "GET", item, "", 503)
	r.call(key, "POST", items, `{"key": "NEW", "value": "`+canary+`"}`, 503)

	// When the emulator ends, the stack reports that and ends too.
	if err := syscall.Kill(emulator, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.awaitEnd(r.cmd.Process.Pid)
	if _, err := os.Stat(filepath.Join(data, "env")); err == nil {
		t.Error("env exists after the stack has ended")
	}
	if !strings.Contains(r.output(), "goblins-secrets: the DynamoDB emulator has ended") {
		t.Errorf("the output does not say why the stack ended:\n%s", r.output())
	}
	if !strings.Contains(r.output(), "request failed") {
		t.Errorf("the failures were not logged:\n%s", r.output())
	}
	logs += r.output()

	files := map[string][]byte{"the logs": []byte(logs)}
	err = filepath.WalkDir(data, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(slices.Collect(maps.Values(files)), func(content []byte) bool {
		return bytes.Contains(content, []byte("DATABASE_PASSWORD"))
	}) {
		t.Error("no file contains the item's key: the search for plaintext below proves nothing")
	}
	for name, content := range files {
		for _, value := range []string{canary, rotated} {
			if bytes.Contains(content, []byte(value)) {
				t.Errorf("%s holds a plaintext value", name)
			}
		}
		if name != filepath.Join(data, "key") && name != "the logs" && bytes.Contains(content, []byte(key)) {
			t.Errorf("%s holds the API key", name)
		}
	}

	output, err = command(t, "-data", data, "account").CombinedOutput()
	if err == nil || !strings.Contains(string(output), "no stack is running on the data folder") {
		t.Errorf("account without a stack: %v, %s", err, output)
	}
}

// A stack that cannot start says why in one sentence and leaves no process running.
func TestFailedStartIsOneSentence(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() }) // runs after the parallel cases
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	notADatabase := t.TempDir()
	if err := os.WriteFile(filepath.Join(notADatabase, "dynamodb.sqlite"), bytes.Repeat([]byte("x"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	corrupt := t.TempDir()
	if err := os.WriteFile(filepath.Join(corrupt, "kms.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"port in use", []string{"-addr", taken.Addr().String()}, "the address " + taken.Addr().String() + " is in use: choose another with ADDR=host:port"},
		{"no address", []string{"-addr", "nonsense"}, "can't listen on nonsense"},
		{"data is a file", []string{"-data", file}, "the data folder " + file + " cannot be written (not a directory): choose another with DATA=folder"},
		{"data below a file", []string{"-data", file + "/x"}, "cannot be written (not a directory)"},
		{"keys are corrupt", []string{"-data", corrupt}, "kms.json"},
		{"table is corrupt", []string{"-data", notADatabase}, "the DynamoDB emulator has ended"},
		{"two names", []string{"account", "my", "team"}, "account takes one name"},
		{"unknown parameter", []string{"-set", "Nonsense=1"}, "there is no parameter Nonsense"},
		{"parameter out of range", []string{"-set", "ReadLimit=1001"}, "parameter ReadLimit must be at most 1000"},
		{"parameter without value", []string{"-set", "ReadLimit"}, `"ReadLimit" is not Name=value`},
		{"unknown command", []string{"serve"}, "there is no command serve"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"-addr", "127.0.0.1:0", "-data", filepath.Join(t.TempDir(), "data")}, tt.args...)
			output, err := command(t, args...).CombinedOutput()
			if err == nil || !strings.Contains(string(output), tt.want) {
				t.Errorf("%v = %v, %s, want a failure with %q", args, err, output, tt.want)
			}
			if text := strings.TrimSpace(string(output)); strings.Contains(text, "\n") {
				t.Errorf("%v printed more than one sentence:\n%s", args, text)
			}
		})
	}
}

// make run and make account work with a folder and a name of any characters; what they print can be pasted.
// A killed make leaves no process running. (e2e/clients pastes the README's session.)
func TestMakeRunAndAccount(t *testing.T) {
	t.Parallel()
	root, err := checkout.Path()
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "it's $HOME's data")
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// The test may itself run under make, which passes its flags on in the environment.
	shell := slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "MAKE") })
	assigned := func(name, value string) string { return name + "=" + strings.ReplaceAll(value, "$", "$$") }
	r := &running{t: t, data: data, log: log.Name(), cmd: exec.Command("make", "run", "ADDR=127.0.0.1:0", assigned("DATA", data), "ARGS=-set ReadLimit=7")}
	r.cmd.Dir, r.cmd.Env = root, shell
	r.begin(log)
	if got := r.call(r.key, "GET", "/api/budget/", "", 200); got["limit"] != 7.0 {
		t.Errorf("budget = %v, want the limit that ARGS set", got)
	}
	for first, want := range map[string]string{"curl -H ": `"name":"Default"`, ". ": r.key} {
		begins := "\n  " + first
		for deadline := time.Now().Add(10 * time.Second); !strings.Contains(r.output(), begins) && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		_, rest, _ := strings.Cut(r.output(), begins)
		line, _, _ := strings.Cut(rest, "\n")
		paste := exec.Command("sh", "-euc", first+line+"; echo $API_KEY")
		paste.Dir, paste.Env = root, append(shell, "API_KEY=")
		if output, err := paste.Output(); err != nil || !strings.Contains(string(output), want) {
			t.Errorf("%s%s: %v\n%s", first, line, err, output)
		}
	}
	const name = `it's "our" $HOME \ team`
	account := exec.Command("make", "account", assigned("DATA", data), assigned("NAME", name))
	account.Dir, account.Env = root, shell
	output, err := account.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := parseEnv(t, string(output))
	if seen["API_URL"] != r.url || seen["AWS_ENDPOINT_URL_SECRETS_MANAGER"] != r.target || seen["ACCOUNT_NAME"] != name || len(seen["ACCOUNT_ID"]) != 36 {
		t.Errorf("make account printed %s", output)
	}
	r.signal(syscall.SIGKILL)
}

// A web page reaches nothing of the stack: servers refuse the Host that a page's own name would be, and only
// the gateway listens on an address that a page can guess.
func TestWebPagesReachNothing(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	r := start(t, data)
	state, err := os.ReadFile(filepath.Join(data, "stack.json"))
	if err != nil {
		t.Fatal(err)
	}
	var endpoints stack.Endpoints
	if err := json.Unmarshal(state, &endpoints); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{endpoints.APIURL, endpoints.KMS, endpoints.SecretsManager} {
		own := strings.TrimPrefix(url, "http://")
		for host, foreign := range map[string]bool{
			"evil.example": true, "evil.example:" + port: true, "localhost.evil.example": true, "127.0.0.1.evil.example:80": true, "local": true,
			own: false, "localhost": false, "LOCALHOST:" + port: false, "[::1]:" + port: false, "172.17.0.1:80": false, "app.localhost": false,
		} {
			request, err := http.NewRequestWithContext(t.Context(), "POST", url+"/", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			request.Host = host
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if (response.StatusCode == http.StatusMisdirectedRequest) != foreign {
				t.Errorf("POST %s with the Host %s = %d, want 421: %v", url, host, response.StatusCode, foreign)
			}
		}
	}
	for _, address := range listening(t, append(childrenOf(t, r.cmd.Process.Pid), r.cmd.Process.Pid)...) {
		if own := strings.TrimPrefix(r.url, "http://"); address != own && (!strings.HasPrefix(address, "127.") || strings.HasPrefix(address, "127.0.0.")) {
			t.Errorf("the stack listens on %s, which a page can guess", address)
		}
	}
	// The Secrets Manager keeps its address.
	r.signal(syscall.SIGTERM)
	if again := start(t, data); again.target != r.target {
		t.Errorf("Secrets Manager is at %s, and was at %s", again.target, r.target)
	}
}

// listening lists the addresses on which processes accept TCP connections.
func listening(t *testing.T, pids ...int) (addresses []string) {
	t.Helper()
	inodes := map[string]bool{}
	for _, pid := range pids {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil || len(files) == 0 {
			t.Fatalf("files of process %d: %v", pid, err)
		}
		for _, file := range files {
			if target, err := os.Readlink(file); err == nil && strings.HasPrefix(target, "socket:[") {
				inodes[strings.Trim(target[len("socket:"):], "[]")] = true
			}
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		content, err := os.ReadFile("/proc/net/" + table)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			fields := strings.Fields(line)
			const listen = "0A"
			if len(fields) < 10 || fields[3] != listen || !inodes[fields[9]] {
				continue
			}
			if table == "tcp6" {
				addresses = append(addresses, "tcp6 "+fields[1])
				continue
			}
			var a, b, c, d, port int
			if _, err := fmt.Sscanf(fields[1], "%02X%02X%02X%02X:%04X", &d, &c, &b, &a, &port); err != nil {
				t.Fatal(err)
			}
			addresses = append(addresses, fmt.Sprintf("%d.%d.%d.%d:%d", a, b, c, d, port))
		}
	}
	if len(addresses) < 4 {
		t.Fatalf("the stack listens on %v, want the gateway, KMS, Secrets Manager and the emulator", addresses)
	}
	return addresses
}

// Where dynoxide has no package, the stack runs on Amazon's DynamoDB Local. It listens on every interface and
// answers every Host, so its tables belong to a random key, and no page is a known origin. A folder is used
// with the emulator that made it. (make test-dynamodb-local runs this test.)
func TestStackRunsOnDynamoDBLocal(t *testing.T) {
	t.Setenv("DYNAMODB_EMULATOR", "dynamodb-local")
	data := filepath.Join(t.TempDir(), "data")
	r := start(t, data)
	if !strings.Contains(r.output(), "listens on every interface of this machine") {
		t.Errorf("the stack does not say where its emulator listens:\n%s", r.output())
	}
	secret := r.call(r.key, "POST", "/api/secrets/", `{"name": "kept"}`, 201)["id"]
	r.call(r.key, "POST", fmt.Sprintf("/api/secrets/%s/items/", secret), `{"key": "KEY", "value": "value"}`, 201)
	r.use(r.key, "app", secret)
	r.awaitStatus(r.key, secret, "ready")
	client, _ := r.table()
	if own, err := client.ListTables(t.Context(), &dynamodb.ListTablesInput{}); err != nil || len(own.TableNames) != 1 {
		t.Errorf("ListTables with the stack's key = %v, %v, want its table", own, err)
	}
	url := *client.Options().BaseEndpoint
	for _, key := range []string{"local", "any", "AKIAIOSFODNN7EXAMPLE"} {
		got, err := emulator.At(url, key).Client().ListTables(t.Context(), &dynamodb.ListTablesInput{})
		if err != nil || len(got.TableNames) != 0 {
			t.Errorf("ListTables with the key %s = %v, %v, want no tables", key, got, err)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), "OPTIONS", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "https://evil.example")
	request.Header.Set("Access-Control-Request-Method", "POST")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if origin := response.Header.Get("Access-Control-Allow-Origin"); origin == "*" || strings.Contains(origin, "evil") {
		t.Errorf("Access-Control-Allow-Origin = %q for a page", origin)
	}
	r.signal(syscall.SIGTERM)

	r = start(t, data)
	r.awaitStatus(r.key, secret, "ready")
	r.call(r.key, "GET", fmt.Sprintf("/api/secrets/%s/", secret), "", 200)
	r.signal(syscall.SIGTERM)
	for _, tt := range []struct{ data, by, other string }{{data, "dynamodb-local", "dynoxide"}, {t.TempDir(), "dynoxide", "dynamodb-local"}} {
		if tt.by == "dynoxide" {
			if err := os.WriteFile(filepath.Join(tt.data, "dynamodb.sqlite"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("DYNAMODB_EMULATOR", tt.other)
		output, err := command(t, "-addr", "127.0.0.1:0", "-data", tt.data).CombinedOutput()
		if err == nil || !strings.Contains(string(output), "was made with "+tt.by+", not "+tt.other+": choose another with DATA=folder, or set DYNAMODB_EMULATOR="+tt.by) {
			t.Errorf("a folder of %s with %s: %v, %s", tt.by, tt.other, err, output)
		}
	}
}

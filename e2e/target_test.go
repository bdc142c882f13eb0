// Package e2e tests the product through its HTTP API.
//
// Scenarios run against a target, a way to run the product behind a URL. It is the local gateway with
// the functions in this process, unless the environment names a deployment: see deployment.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/uuid"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/apigw"
	"goblins-secrets/infra/local/stack"
	"goblins-secrets/infra/openapi"
	"goblins-secrets/infra/openapi/contract"
	"goblins-secrets/pkg/secretstest"
)

// target is one way to run the product.
type target struct {
	url     string // where requests go; no slash at the end
	public  string // the prefix of links in answers: url as the API sees it
	account func(t *testing.T) account
	apigw   bool          // behind API Gateway, or an emulator of it, and not the local gateway
	turns   chan struct{} // a semaphore of concurrent requests; nil: no limit
}

// account is a fresh account of a scenario.
type account struct {
	id   string
	key  string
	user string
}

// settings override the template's environment variables of functions.
type settings map[string]string

// parts are the target of one scenario, and the table behind it.
type parts struct {
	target    *target
	table     *dynamodb.Client
	tableName string
	rows      int // the number of rows that TestLongListsPageInBothDirections writes
}

// newParts returns parts with these settings: in this process, or from the deployment.
func newParts(t *testing.T, override settings) parts {
	t.Helper()
	d, err := deployed()
	if err != nil {
		t.Fatal(err)
	}
	if d != nil {
		return d.parts(t, override)
	}
	return inProcess(t, override)
}

// inProcess starts the local gateway on a new table.
func inProcess(t *testing.T, override settings) parts {
	t.Helper()
	rows := secretstest.NewTable(t)
	table, err := functions.Load()
	if err != nil {
		t.Fatal(err)
	}
	made, err := stack.Functions(table, rows.Template().Timeout, func(function string) (func(string) string, error) {
		getenv := rows.Environment(t, function)
		return func(name string) string {
			if value, ok := override[name]; ok {
				return value
			}
			return getenv(name)
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range made {
		made[name] = counted{name, f}
	}
	local := httptest.NewServer(apigw.New(rows.Template(), table, made, slog.Default()))
	t.Cleanup(local.Close)
	fresh := func(t *testing.T) account {
		created, _ := rows.Account(t, uuid.NewString())
		return account{id: created.Account.ID.String(), key: created.Key, user: created.UserID.String()}
	}
	return parts{
		target: &target{url: local.URL, public: local.URL, account: fresh},
		table:  rows.Client, tableName: rows.Name, rows: longList,
	}
}

// called holds the functions that scenarios have called, by logical id.
var called sync.Map

// counted is a function that notes its calls.
type counted struct {
	name string
	apigw.Function
}

func (c counted) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	called.Store(c.name, true)
	return c.Function.Invoke(ctx, event)
}

// TestMain requires that the whole suite calls every function that has a route, succeeds with every operation of
// the OpenAPI document, and holds its limits.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	whole := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.list").Value.String() == ""
	if code == 0 && whole && os.Getenv(deploymentVariable) == "" {
		if err := checkCalled(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func checkCalled() error {
	table, err := functions.Load()
	for _, f := range table {
		if _, ok := called.Load(f.ID()); f.Route != "" && !ok {
			err = errors.Join(err, fmt.Errorf("no scenario calls %s", f.Name))
		}
	}
	held, failed := document()
	if failed != nil {
		return errors.Join(err, failed)
	}
	for _, operation := range held.Unproven() {
		err = errors.Join(err, fmt.Errorf("no scenario succeeds with %s, an operation of the OpenAPI document", operation))
	}
	for _, limit := range held.Unheld() {
		err = errors.Join(err, fmt.Errorf("no scenario fails if the OpenAPI document has %s", limit))
	}
	return err
}

// withTarget runs a scenario.
func withTarget(t *testing.T, scenario func(t *testing.T, tg *target)) {
	t.Helper()
	withTargetOf(t, nil, scenario)
}

// withTargetOf runs a scenario with these settings.
func withTargetOf(t *testing.T, override settings, scenario func(t *testing.T, tg *target)) {
	t.Helper()
	t.Parallel()
	scenario(t, newParts(t, override).target)
}

// client is an account's client of a target.
type client struct {
	target *target
	account
}

func (tg *target) client(t *testing.T) *client {
	t.Helper()
	return &client{target: tg, account: tg.account(t)}
}

// response is an answer with its request.
type response struct {
	method, path string

	status int
	header http.Header
	body   string
}

func (r response) String() string { return r.method + " " + short(r.path) }

// A minute is enough for every answer: API Gateway itself gives up after 29 seconds.
var transport = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64, ResponseHeaderTimeout: time.Minute}

// do sends a request with the client's key, and JSON as the type of a body. Headers are
// lines such as "Content-Type: text/plain"; a line without a value removes the header.
func (c *client) do(t *testing.T, method, path, body string, headers ...string) response {
	t.Helper()
	header := http.Header{"Authorization": {"Bearer " + c.key}}
	if body != "" {
		header.Set("Content-Type", "application/json")
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ":")
		if value = strings.TrimPrefix(value, " "); value == "" {
			header.Del(name)
		} else {
			header.Set(name, value)
		}
	}
	return c.send(t, method, path, body, header)
}

// send sends a request with a header.
func (c *client) send(t *testing.T, method, path, body string, header http.Header) response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, c.target.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	if turns := c.target.turns; turns != nil {
		turns <- struct{}{}
		defer func() { <-turns }()
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, short(path), err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, short(path), err)
	}
	r := response{method, path, answer.StatusCode, answer.Header, string(content)}
	r.check(t, c.target)
	r.checkContract(t, body)
	r.body = strings.TrimSuffix(r.body, "\n")
	return r
}

func (c *client) get(t *testing.T, path string) response { return c.do(t, "GET", path, "") }

func (c *client) post(t *testing.T, path, body string) response { return c.do(t, "POST", path, body) }

// follow requests the target of a link in an answer.
func (c *client) follow(t *testing.T, link string) response {
	t.Helper()
	path, ok := strings.CutPrefix(link, c.target.public)
	if !ok || !strings.HasPrefix(path, "/api/") {
		t.Fatalf("link = %s, want the prefix %s/api/", link, c.target.public)
	}
	return c.get(t, path)
}

// secret creates a secret and returns its path.
func (c *client) secret(t *testing.T, name string) string {
	t.Helper()
	r := c.post(t, "/api/secrets/", fmt.Sprintf(`{"name":%q}`, name))
	return "/api/secrets/" + r.want(t, 201, `{"id":"{ID}",<...>`)["ID"] + "/"
}

// item creates an item of the secret at this path, and returns its path.
func (c *client) item(t *testing.T, secret, key, value string) string {
	t.Helper()
	r := c.post(t, secret+"items/", fmt.Sprintf(`{"key":%q,"value":%s}`, key, quote(value)))
	return secret + "items/" + r.want(t, 201, `{"id":"{ID}",<...>`)["ID"] + "/"
}

// service creates a service that uses the secret at this path, or the default secret if
// the path is empty, and returns its path.
func (c *client) service(t *testing.T, name, secret string) string {
	t.Helper()
	uses := ""
	if secret != "" {
		uses = `,"secret":"` + strings.Split(secret, "/")[3] + `"`
	}
	r := c.post(t, "/api/services/", fmt.Sprintf(`{"name":%q,"image":"app","port":80%s}`, name, uses))
	return "/api/services/" + r.want(t, 201, `{"id":"{ID}",<...>`)["ID"] + "/"
}

// planted are canaries, one of them in every stored value. They may appear in reveals only.
var planted = []string{"PLANTED", "super-secret", "sk_live_", "new-secret-password", "new-rotated-password"}

var revealPath = regexp.MustCompile(`^/api/secrets/[^/]+/items/[^/?]+(/versions/[^/?]+)?/?(\?|$)|^/api/secrets/[^/]+/bundle/?$`)

// isReveal reports whether the answer may hold a value.
func (r response) isReveal() bool {
	return r.method == "GET" && r.status == http.StatusOK && revealPath.MatchString(r.path)
}

// isExport reports whether the answer has events in a format.
func (r response) isExport(format string) bool {
	return r.status == http.StatusOK && strings.Contains(r.path, "/events/?") && regexp.MustCompile(`[?&]format=`+format+`(&|$)`).MatchString(r.path)
}

var openPath = regexp.MustCompile(`^/($|console|docs|api/openapi\.json)`)

// isOpen reports whether the answer comes from a route without a key: the web console, or the API's description.
func (r response) isOpen() bool {
	return r.method == "GET" && (r.status == http.StatusOK || r.status == http.StatusNotModified) && openPath.MatchString(r.path)
}

// check tests the rules for every answer of the API.
func (r response) check(t *testing.T, from *target) {
	t.Helper()
	if r.status >= 500 {
		t.Errorf("%v = %d %s, want a status below 500", r, r.status, short(r.body))
	}
	if r.isOpen() {
		return // which holds no data; see TestConsoleNeedsNoKey and TestDocsNeedNoKey
	}
	if got := r.header.Values("Cache-Control"); !slices.Equal(got, []string{"no-store"}) {
		t.Errorf("%v = %d with Cache-Control %q, want no-store", r, r.status, got)
	}
	// API Gateway adds a type to answers without one.
	if bodiless := r.body == "" && r.method != http.MethodHead; !bodiless || !from.apigw {
		want := []string{"application/json"}
		switch {
		case r.isExport("csv"):
			want = []string{"text/csv; charset=utf-8"}
		case r.isExport("ndjson"):
			want = []string{"application/x-ndjson"}
		case bodiless:
			want = nil
		}
		if got := r.header.Get("X-Content-Type-Options"); !bodiless && got != "nosniff" {
			t.Errorf("%v = %d with X-Content-Type-Options %q, want nosniff", r, r.status, got)
		}
		if got := r.header.Values("Content-Type"); !slices.Equal(got, want) {
			t.Errorf("%v = %d with Content-Type %q, want %q", r, r.status, got, want)
		}
	}
	if r.body != "" && !r.isExport("csv") && !r.isExport("ndjson") && (!strings.HasSuffix(r.body, "}\n") || strings.Count(r.body, "\n") != 1) {
		t.Errorf("%v = %d %q, want one line of JSON", r, r.status, short(r.body))
	}
	if r.isReveal() {
		return
	}
	for _, canary := range planted {
		if strings.Contains(r.body, canary) || strings.Contains(fmt.Sprint(r.header), canary) {
			t.Errorf("%v = %d with a value in it: %s", r, r.status, short(r.body))
		}
	}
}

// document is the contract that holds for every exchange with the API.
var document = sync.OnceValues(contract.Load)

// checkContract tests an answer, and the request if it succeeded, against the OpenAPI document.
func (r response) checkContract(t *testing.T, body string) {
	t.Helper()
	if r.isOpen() && !strings.HasPrefix(r.path, openapi.Below) {
		return
	}
	held, err := document()
	if err != nil {
		t.Fatal(err)
	}
	err = held.Check(contract.Exchange{Method: r.method, Path: r.path, Body: []byte(body), Status: r.status, Header: r.header, Answer: []byte(r.body)})
	if err != nil {
		t.Errorf("%v = %d %s\nbreaks the contract: %v", r, r.status, short(r.body), err)
	}
}

// want tests an answer against a status and a pattern of the body, and returns the values
// of the pattern's {NAMES}. See vars.
func (r response) want(t *testing.T, status int, body string) vars {
	t.Helper()
	found := vars{}
	r.wantVars(t, status, body, found)
	return found
}

// wantVars is want with known names. It adds the new ones.
func (r response) wantVars(t *testing.T, status int, body string, known vars) {
	t.Helper()
	if r.status != status {
		t.Fatalf("%v = %d %s, want %d %s", r, r.status, short(r.body), status, short(body))
	}
	found, ok := known.match(body, r.body)
	if !ok {
		t.Fatalf("%v = %d %s, want %s", r, r.status, short(r.body), short(known.fill(body)))
	}
	maps.Copy(known, found)
}

// wantHeader tests headers against lines such as "Allow: GET, OPTIONS". A line without a
// value requires that the header is missing.
func (r response) wantHeader(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		name, want, _ := strings.Cut(line, ":")
		if got := strings.Join(r.header.Values(name), "|"); got != strings.TrimSpace(want) {
			t.Errorf("%v = %d with %s %q, want %q", r, r.status, name, got, strings.TrimSpace(want))
		}
	}
}

// concurrently runs n calls at once and returns their answers by status. The Makefile names its tests, in RIVALS.
func concurrently(n int, call func(i int) response) map[int][]response {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		found = make(map[int][]response)
		start = make(chan struct{})
	)
	for i := range n {
		wg.Go(func() {
			<-start
			r := call(i)
			mu.Lock()
			defer mu.Unlock()
			found[r.status] = append(found[r.status], r)
		})
	}
	close(start)
	wg.Wait()
	return found
}

// short truncates a text for a failure message.
func short(text string) string {
	const most = 400
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s … (%d bytes)", bytes.ToValidUTF8([]byte(text[:most]), nil), len(text))
}

// eventually calls try until it returns true.
func eventually(t *testing.T, patience time.Duration, what string, try func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !try(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v not yet: %s", patience, what)
		}
	}
}

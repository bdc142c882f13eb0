package delivery_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/metrics"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

const (
	leaseTime  = time.Minute      // after which a lease expires
	paceBurst  = 20               // deliveries of a secret in a day without a pause,
	paceEvery  = 15 * time.Minute // then one in this time,
	paceLimit  = 90               // and never more
	day        = 24 * time.Hour
	maxBundle  = 65536
	maxVersion = 100 // versions that Secrets Manager keeps of a day
)

// clock stands still until it is moved, or runs at its own speed.
type clock struct {
	Start time.Time
	Speed int64
	ahead atomic.Int64
}

func (c *clock) now() time.Time {
	return c.Start.Add(time.Since(c.Start)*time.Duration(c.Speed) + time.Duration(c.ahead.Load()))
}

func (c *clock) pass(d time.Duration) { c.ahead.Add(int64(d)) }

// lines is a log for concurrent writers.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// harness is an account and the Secrets Manager that its secrets are delivered to.
// It checks the invariants of each request, and can break requests.
type harness struct {
	t         *testing.T
	table     *secretstest.Table
	url       string // of the Secrets Manager
	clock     *clock // of both
	manager   *secrets.Manager
	deliverer *delivery.Deliverer
	sweeper   *delivery.Sweeper
	checker   *delivery.Checker
	store     secretstest.Store
	caller    secrets.Caller
	mark      string // in every value, and nowhere else
	prefix    string // of bundles; empty: the local stack's
	log       lines

	interceptor atomic.Pointer[interceptor] // if set, it answers the requests

	mu       sync.Mutex
	requests []request
	seen     map[string]int64 // the highest revision that was current, by the name of the bundle's secret
}

// interceptor answers a request, itself or through serve.
type interceptor func(operation string, w http.ResponseWriter, r *http.Request, serve http.Handler)

// request is one that the Secrets Manager received.
type request struct {
	operation string
	at        time.Time
	status    int
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	d := &harness{
		t: t, table: secretstest.NewTable(t), clock: &clock{Start: time.Now()},
		mark: "mark-" + uuid.NewString(), seen: make(map[string]int64),
	}
	d.table.SecretsManager.Now = d.clock.now
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	d.url = server.URL
	d.manager, d.deliverer, d.store = d.newManager(), d.newDeliverer(), d.table.Store(t)
	d.sweeper = d.table.Sweeper(t)
	d.sweeper.Now = d.clock.now
	d.checker = d.table.Checker(t)
	d.checker.Now, d.checker.Target = d.clock.now, d.deliverer.Target
	_, d.caller = d.table.Account(t, uuid.NewString())
	return d
}

// environment is that of deploy-secret, with the harness as its Secrets Manager.
func (d *harness) environment() func(string) string {
	d.t.Helper()
	getenv := d.table.Environment(d.t, "DeploySecret")
	return func(name string) string {
		switch {
		case name == "AWS_ENDPOINT_URL_SECRETS_MANAGER":
			return d.url
		case name == "BUNDLE_PREFIX" && d.prefix != "":
			return d.prefix
		}
		return getenv(name)
	}
}

// patient makes the SDK retry without pauses.
var patient = secretstest.Inject(func(secretstest.Call) secretstest.Fault { return secretstest.None })

// newDeliverer is the product's deliverer on the harness's clock and log. Without options
// the SDK retries without pauses.
func (d *harness) newDeliverer(options ...func(*aws.Config)) *delivery.Deliverer {
	d.t.Helper()
	if len(options) == 0 {
		options = append(options, patient)
	}
	deliverer, err := app.NewDeliverer(d.environment(), awssm.Open, options...)
	if err != nil {
		d.t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(&d.log, nil))
	deliverer.Now, deliverer.Monitor = d.clock.now, metrics.New(log, "test")
	return deliverer
}

// newManager is the product's manager on the harness's clock and log.
func (d *harness) newManager(options ...func(*aws.Config)) *secrets.Manager {
	d.t.Helper()
	if len(options) == 0 {
		options = append(options, patient)
	}
	manager, err := app.NewManager(d.environment(), options...)
	if err != nil {
		d.t.Fatal(err)
	}
	manager.Now, manager.Log = d.clock.now, slog.New(slog.NewJSONHandler(&d.log, nil))
	manager.Monitor = metrics.New(manager.Log, "test")
	return manager
}

// ServeHTTP is the Secrets Manager as the product meets it.
func (d *harness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		d.table.SecretsManager.ServeHTTP(answer, r)
		d.mu.Lock()
		d.requests = append(d.requests, request{operation, d.clock.now(), answer.Code})
		d.mu.Unlock()
		switch operation {
		case "CreateSecret", "PutSecretValue", "UpdateSecretVersionStage", "RestoreSecret":
			var in struct{ Name, SecretId string }
			if err := json.Unmarshal(body, &in); err != nil {
				d.t.Errorf("%s: %v", operation, err)
			}
			d.watch(in.SecretId + in.Name) // it has one of them
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // fails only when the client has gone
	})
	if answer := d.interceptor.Load(); answer != nil {
		(*answer)(operation, w, r, serve)
		return
	}
	serve(w, r)
}

// watch checks that the current bundle was recorded before, and never goes back.
func (d *harness) watch(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	revision, _ := d.current(name)
	before := d.seen[name]
	switch {
	case revision == before || revision == 0:
		return
	case revision < before:
		d.t.Errorf("%s: revision %d is current after %d", name, revision, before)
	case !d.recorded(name, revision):
		d.t.Errorf("%s: revision %d is current, without an event", name, revision)
	}
	d.seen[name] = revision
}

// recorded reports whether a revision has its event.
func (d *harness) recorded(name string, revision int64) bool {
	secret, err := uuid.Parse(name[strings.LastIndex(name, "/")+1:])
	if err != nil {
		d.t.Errorf("a bundle has the name %s: %v", name, err)
	}
	return slices.ContainsFunc(d.events(secret, secrets.SecretDeployed), func(ev event) bool { return ev.Version == revision })
}

// event is a row of the audit trail.
type event struct {
	Action    string `dynamodbav:"action"`
	Version   int64  `dynamodbav:"version"`
	Name      string `dynamodbav:"secret_name"`
	User      string `dynamodbav:"by_user"`
	Key       string `dynamodbav:"key_id"`
	SourceIP  string `dynamodbav:"source_ip"`
	RequestID string `dynamodbav:"request_id"`

	Changed []string `dynamodbav:"changed"`
}

// events are those of a secret of one action, newest first.
func (d *harness) events(secret uuid.UUID, action string) (found []event) {
	pages := dynamodb.NewQueryPaginator(d.table.Client, &dynamodb.QueryInput{
		TableName: &d.table.Name, KeyConditionExpression: aws.String("PK = :pk"),
		FilterExpression:         aws.String("by_secret = :secret AND #action = :action"),
		ExpressionAttributeNames: map[string]string{"#action": "action"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pk":     &types.AttributeValueMemberS{Value: "EVENTS#" + d.caller.AccountID.String()},
			":secret": &types.AttributeValueMemberS{Value: d.caller.AccountID.String() + "#" + secret.String()},
			":action": &types.AttributeValueMemberS{Value: action},
		},
		ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(false),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			d.t.Errorf("read events: %v", err)
			return nil
		}
		var rows []event
		if err := attributevalue.UnmarshalListOfMaps(page.Items, &rows); err != nil {
			d.t.Errorf("read events: %v", err)
		}
		found = append(found, rows...)
	}
	return found
}

// ask makes a request of the Secrets Manager that is neither watched nor broken.
func (d *harness) ask(operation string, in map[string]any) (out map[string]any, ok bool) {
	body, err := json.Marshal(in)
	if err != nil {
		d.t.Error(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "secretsmanager."+operation)
	w := httptest.NewRecorder()
	d.table.SecretsManager.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		d.t.Errorf("%s answers %s", operation, w.Body)
	}
	return out, w.Code == http.StatusOK
}

// current is the current bundle of a name and its revision; 0: none, or another hand's.
func (d *harness) current(name string) (revision int64, content string) {
	out, ok := d.ask("GetSecretValue", map[string]any{"SecretId": name})
	if !ok {
		return 0, ""
	}
	id := out["VersionId"].(string)
	if !strings.HasPrefix(id, "r") {
		return 0, out["SecretString"].(string)
	}
	number, _, _ := strings.Cut(strings.TrimPrefix(id, "r"), "-")
	revision, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		d.t.Errorf("a version has the id %s", id)
	}
	return revision, out["SecretString"].(string)
}

// count is the number of requests of an operation.
func (d *harness) count(operation string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.requests {
		if r.operation == operation {
			n++
		}
	}
	return n
}

// intercept has f answer all requests from now on; nil: the Secrets Manager does.
func (d *harness) intercept(f interceptor) {
	if f == nil {
		d.interceptor.Store(nil)
		return
	}
	d.interceptor.Store(&f)
}

// finish checks the table's invariants, and searches for values where none may be. Each
// value contains the mark.
func (d *harness) finish() {
	d.t.Helper()
	d.table.Check(d.t)
	places := map[string]string{"the log": d.log.String()}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(d.t.TempDir()), "*", "secretsmanager.json"))
	if err != nil || len(files) != 1 {
		d.t.Errorf("the Secrets Manager's files are %v, %v, want one", files, err)
	}
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(content), d.caller.AccountID.String()) {
			d.t.Errorf("%s does not mention the account, %v: the search for values would prove nothing", path, err)
		}
		places[path] = string(content)
	}
	for _, row := range d.table.Rows(d.t) {
		for name, value := range row {
			text := fmt.Sprint(value)
			if sealed, ok := value.([]byte); ok {
				text = string(sealed)
			}
			places[fmt.Sprintf("%s of %v | %v", name, row["PK"], row["SK"])] = text
		}
	}
	for place, text := range places {
		if strings.Contains(text, d.mark) {
			d.t.Errorf("%s holds a value", place)
		}
	}
}

// requeueAll enqueues all used secrets, as an operator does.
func (d *harness) requeueAll() {
	d.t.Helper()
	if next, _, err := d.sweeper.RequeueAll(d.t.Context(), delivery.Place{}); err != nil || next != (delivery.Place{}) {
		d.t.Fatalf("RequeueAll = %v, %v, want all", next, err)
	}
}

// value returns a new value.
func (d *harness) value() string { return d.mark + "-" + uuid.NewString() }

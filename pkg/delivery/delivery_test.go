package delivery_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
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
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/emulator"
	"goblins-secrets/infra/local/stack"
	"goblins-secrets/infra/local/stream"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/metrics"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

const (
	turn       = time.Minute      // that a delivery may take
	paceBurst  = 20               // deliveries of a secret in a day at once,
	paceEvery  = 15 * time.Minute // then one in this time,
	paceLimit  = 90               // and never more
	day        = 24 * time.Hour
	maxBundle  = 65536
	maxVersion = 100 // versions that Secrets Manager keeps of a day
)

// TestMain is also the main of the process that delivers in TestDeliveryEndToEnd.
func TestMain(m *testing.M) {
	if settings := os.Getenv(consumerVariable); settings != "" {
		fmt.Fprintln(os.Stderr, consume(settings))
		os.Exit(1)
	}
	m.Run()
}

// clock stands still until it is moved, or runs, at another speed than time does.
type clock struct {
	Start time.Time
	Speed int64
	ahead atomic.Int64
}

func (c *clock) now() time.Time {
	return c.Start.Add(time.Since(c.Start)*time.Duration(c.Speed) + time.Duration(c.ahead.Load()))
}

func (c *clock) pass(d time.Duration) { c.ahead.Add(int64(d)) }

// lines are a log that many may write to.
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
// Between the two it watches what must always hold, and can break what passes.
type harness struct {
	t         *testing.T
	table     *secretstest.Table
	url       string // of the Secrets Manager
	clock     *clock // of both
	svc       *secrets.Manager
	deliverer *delivery.Deliverer
	sweeper   *delivery.Sweeper
	store     secretstest.Store
	caller    secrets.Caller
	mark      string // in every value, and nowhere else
	log       lines

	// intercept, if set, may answer a request itself.
	intercept atomic.Pointer[func(operation string, w http.ResponseWriter, r *http.Request, serve http.Handler)]

	mu       sync.Mutex
	requests []request
	seen     map[string]int64 // the highest revision that was current, by the name of the bundle's secret
}

// request is one that the Secrets Manager got.
type request struct {
	operation string
	at        time.Time
	status    int
}

func newDelivery(t *testing.T) *harness {
	t.Helper()
	d := &harness{
		t: t, table: secretstest.NewTable(t), clock: &clock{Start: time.Now()},
		mark: "mark-" + uuid.NewString(), seen: make(map[string]int64),
	}
	d.table.SecretsManager.Now = d.clock.now
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	d.url = server.URL
	d.svc, d.deliverer, d.store = d.manager(), d.newDeliverer(), d.table.Store(t)
	d.sweeper = d.table.Sweeper(t)
	d.sweeper.Now = d.clock.now
	_, d.caller = d.table.Account(t, uuid.NewString())
	return d
}

// environment is that of deploy-secret, with the harness as its Secrets Manager.
func (d *harness) environment() func(string) string {
	d.t.Helper()
	getenv := d.table.Environment(d.t, "DeploySecret")
	return func(name string) string {
		if name == "AWS_ENDPOINT_URL_SECRETS_MANAGER" {
			return d.url
		}
		return getenv(name)
	}
}

// patient has the SDK retry without pauses.
var patient = secretstest.Inject(func(secretstest.Call) secretstest.Fault { return secretstest.None })

// newDeliverer is the product's deliverer on the harness's clock and log. Without options
// the SDK retries without pauses.
func (d *harness) newDeliverer(options ...func(*aws.Config)) *delivery.Deliverer {
	d.t.Helper()
	if len(options) == 0 {
		options = append(options, patient)
	}
	made, err := app.NewDeliverer(d.environment(), awssm.Open, options...)
	if err != nil {
		d.t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(&d.log, nil))
	made.Now, made.Monitor = d.clock.now, metrics.New(log, "test")
	return made
}

// manager is the product's manager on the harness's clock and log.
func (d *harness) manager(options ...func(*aws.Config)) *secrets.Manager {
	d.t.Helper()
	if len(options) == 0 {
		options = append(options, patient)
	}
	made, err := app.NewManager(d.environment(), options...)
	if err != nil {
		d.t.Fatal(err)
	}
	made.Now, made.Log = d.clock.now, slog.New(slog.NewJSONHandler(&d.log, nil))
	made.Monitor = metrics.New(made.Log, "test")
	return made
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
	if intercept := d.intercept.Load(); intercept != nil {
		(*intercept)(operation, w, r, serve)
		return
	}
	serve(w, r)
}

// watch sees to it that what services take was recorded before, and never goes back.
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
		d.t.Errorf("%s: revision %d is current, and no event tells of it", name, revision)
	}
	d.seen[name] = revision
}

// recorded reports whether an event by the system tells of the delivery of a revision.
func (d *harness) recorded(name string, revision int64) bool {
	secret, err := uuid.Parse(name[strings.LastIndex(name, "/")+1:])
	if err != nil {
		d.t.Errorf("a bundle is called %s: %v", name, err)
	}
	return slices.ContainsFunc(d.events(secret, secrets.SecretDeployed), func(ev event) bool { return ev.Version == revision })
}

// event is what the table has of one.
type event struct {
	Type      string `dynamodbav:"type"`
	Version   int64  `dynamodbav:"version"`
	Name      string `dynamodbav:"name"`
	User      string `dynamodbav:"user_id"`
	Key       string `dynamodbav:"key_id"`
	SourceIP  string `dynamodbav:"source_ip"`
	RequestID string `dynamodbav:"request_id"`
}

// events are those of a secret of one kind, newest first.
func (d *harness) events(secret uuid.UUID, kind string) (found []event) {
	pages := dynamodb.NewQueryPaginator(d.table.Client, &dynamodb.QueryInput{
		TableName: &d.table.Name, KeyConditionExpression: aws.String("PK = :pk"),
		FilterExpression:         aws.String("secret_id = :secret AND #type = :type"),
		ExpressionAttributeNames: map[string]string{"#type": "type"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pk":     &types.AttributeValueMemberS{Value: "EVENTS#" + d.caller.AccountID.String()},
			":secret": &types.AttributeValueMemberS{Value: secret.String()},
			":type":   &types.AttributeValueMemberS{Value: kind},
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

// current is what services take under a name, and its revision: 0 for nothing.
func (d *harness) current(name string) (revision int64, content string) {
	out, ok := d.ask("GetSecretValue", map[string]any{"SecretId": name})
	if !ok {
		return 0, ""
	}
	id := out["VersionId"].(string)
	number, _, _ := strings.Cut(strings.TrimPrefix(id, "r"), "-")
	revision, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		d.t.Errorf("a version is called %s", id)
	}
	return revision, out["SecretString"].(string)
}

// count is how many requests of an operation there were.
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

// away has all requests answered by f instead.
func (d *harness) away(f func(operation string, w http.ResponseWriter, r *http.Request, serve http.Handler)) {
	if f == nil {
		d.intercept.Store(nil)
		return
	}
	d.intercept.Store(&f)
}

// finish holds the table against its invariants, and looks for values where none
// may be. Each value has the mark in it.
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
			d.t.Errorf("%s holds nothing of the account, %v: the search below would find nothing anyway", path, err)
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

// value is a new one.
func (d *harness) value() string { return d.mark + "-" + uuid.NewString() }

// bundled is a secret with what services should take of it.
type bundled struct {
	*harness
	id       uuid.UUID
	name     string
	items    map[string]uuid.UUID // by key
	want     map[string]string
	services []uuid.UUID
}

func (d *harness) newSecret(keys ...string) *bundled {
	d.t.Helper()
	made, err := d.svc.CreateSecret(d.t.Context(), d.caller, secretInput("secret "+uuid.NewString()))
	if err != nil {
		d.t.Fatal(err)
	}
	b := &bundled{harness: d, id: made.ID, name: made.Name, items: map[string]uuid.UUID{}, want: map[string]string{}}
	for _, key := range keys {
		b.create(key, d.value())
	}
	return b
}

func (b *bundled) create(key, value string) {
	b.t.Helper()
	it, err := b.svc.CreateItem(b.t.Context(), b.caller, b.id.String(), itemInput(key, value))
	if err != nil {
		b.t.Fatal(err)
	}
	b.items[key], b.want[key] = it.ID, value
}

// write gives an item a new value.
func (b *bundled) write(key string) {
	b.t.Helper()
	value := b.value()
	if _, err := b.svc.UpdateItem(b.t.Context(), b.caller, b.id.String(), b.items[key].String(), valueInput(value)); err != nil {
		b.t.Fatal(err)
	}
	b.want[key] = value
}

func (b *bundled) rename(key, to string) {
	b.t.Helper()
	_, err := b.svc.UpdateItem(b.t.Context(), b.caller, b.id.String(), b.items[key].String(), secrets.ItemInput{Key: secrets.Text(to)})
	if err != nil {
		b.t.Fatal(err)
	}
	b.items[to], b.want[to] = b.items[key], b.want[key]
	delete(b.items, key)
	delete(b.want, key)
}

func (b *bundled) delete(key string) {
	b.t.Helper()
	if err := b.svc.DeleteItem(b.t.Context(), b.caller, b.id.String(), b.items[key].String()); err != nil {
		b.t.Fatal(err)
	}
	delete(b.items, key)
	delete(b.want, key)
}

func serviceInput(secret uuid.UUID) secrets.ServiceInput {
	return secrets.ServiceInput{
		Name: secrets.Text("s" + strings.ReplaceAll(uuid.NewString(), "-", "")), Image: secrets.Text("app:1"),
		Port: secrets.Text("80"), Secret: secrets.Text(secret.String()),
	}
}

func (b *bundled) attach() {
	b.t.Helper()
	w, err := b.svc.CreateService(b.t.Context(), b.caller, serviceInput(b.id))
	if err != nil {
		b.t.Fatal(err)
	}
	b.services = append(b.services, w.ID)
}

func (b *bundled) detach() {
	b.t.Helper()
	if err := b.svc.DeleteService(b.t.Context(), b.caller, b.services[0].String()); err != nil {
		b.t.Fatal(err)
	}
	b.services = b.services[1:]
}

// deploy does what the stream has done.
func (b *bundled) deploy() {
	b.t.Helper()
	if err := b.deliverer.Deliver(b.t.Context(), b.caller.AccountID, b.id); err != nil {
		b.t.Fatal(err)
	}
}

// finishDeliveries is what follows a crash or an outage, when a while has passed.
func (b *bundled) finishDeliveries(deliverer *delivery.Deliverer) {
	b.t.Helper()
	b.clock.pass(max(paceEvery, 2*turn))
	if _, err := b.sweeper.Sweep(b.t.Context(), false); err != nil {
		b.t.Fatal(err)
	}
	if err := deliverer.Deliver(b.t.Context(), b.caller.AccountID, b.id); err != nil {
		b.t.Fatal(err)
	}
}

// bundleName is what the product calls the bundle.
func (b *bundled) bundleName() string {
	return fmt.Sprintf("goblins/%s/%s", b.caller.AccountID, b.id)
}

// bundle is what services take now, and its revision.
func (b *bundled) bundle() (revision int64, content map[string]string) {
	revision, text := b.current(b.bundleName())
	if revision > 0 {
		if err := json.Unmarshal([]byte(text), &content); err != nil {
			b.t.Errorf("revision %d is no object of texts", revision)
		}
	}
	return revision, content
}

// versions is how many the Secrets Manager has.
func (b *bundled) versions() int {
	out, _ := b.ask("ListSecretVersionIds", map[string]any{"SecretId": b.bundleName(), "IncludeDeprecated": true})
	versions, _ := out["Versions"].([]any)
	return len(versions)
}

// deleted reports whether the bundle's deletion is scheduled.
func (b *bundled) deleted() bool {
	out, ok := b.ask("DescribeSecret", map[string]any{"SecretId": b.bundleName()})
	return ok && out["DeletedDate"] != nil
}

func (b *bundled) secret() secrets.Secret {
	b.t.Helper()
	secret, err := b.svc.Secret(b.t.Context(), b.caller, b.id.String())
	if err != nil {
		b.t.Fatal(err)
	}
	return secret
}

func (b *bundled) waits() bool {
	b.t.Helper()
	_, err := b.store.Entry(b.t.Context(), b.caller.AccountID, b.id)
	if err != nil && !errors.Is(err, secrets.ErrNotFound) {
		b.t.Fatal(err)
	}
	return err == nil
}

func (b *bundled) checkStatus(when string, want secrets.Status, successful bool) {
	b.t.Helper()
	if got, did := b.svc.Status(b.secret()); got != want || did != successful {
		b.t.Errorf("%s the status is %s, successful %v, want %s, %v", when, got, did, want, successful)
	}
}

// checkDelivered: services take the secret as it is, and nothing waits.
func (b *bundled) checkDelivered(when string) {
	b.t.Helper()
	b.checkStatus(when, secrets.StatusReady, true)
	revision, content := b.bundle()
	if diff := cmp.Diff(b.want, content); diff != "" {
		b.t.Errorf("%s services take another bundle (-want +got):\n%s", when, diff)
	}
	if secret := b.secret(); revision != secret.Revision || secret.Delivered != revision {
		b.t.Errorf("%s revision %d is current, %d noted as delivered, want %d", when, revision, secret.Delivered, secret.Revision)
	}
	if b.waits() {
		b.t.Errorf("%s something waits", when)
	}
}

// checkRemoved: nobody uses the secret, services take nothing, and nothing waits.
func (b *bundled) checkRemoved(when string) {
	b.t.Helper()
	b.checkStatus(when, secrets.StatusReady, true)
	if revision, _ := b.bundle(); revision != 0 || !b.deleted() {
		b.t.Errorf("%s services take revision %d, want the bundle deleted", when, revision)
	}
	if got := b.secret().Delivered; got != 0 || b.waits() {
		b.t.Errorf("%s revision %d is noted as delivered, something waits: %v", when, got, b.waits())
	}
}

// From the first service to the last one: each change of a secret that is used comes
// to be what services take, exactly, and nothing else moves.
func TestDelivery(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
	defer d.finish()
	b := d.newSecret("PASSWORD", "doomed")
	b.create("awkward", d.value()+" \x01\x7f\t\r\n\"\\/</script>&\u2028\u2029é日本💥")
	b.create("LARGE", d.value()+strings.Repeat("ü\"", 10_000))
	b.checkStatus("unused", secrets.StatusReady, true)
	if b.waits() {
		t.Error("a secret that nobody uses waits for its delivery")
	}

	b.attach()
	b.checkStatus("attached", secrets.StatusPending, false)
	if _, ok := d.ask("DescribeSecret", map[string]any{"SecretId": b.bundleName()}); ok {
		t.Error("something is delivered before its delivery")
	}
	b.deploy()
	b.checkDelivered("delivered")
	first := b.secret().Revision

	for i, change := range []struct {
		name string
		do   func()
	}{
		{"an item more", func() { b.create("NEW", d.value()) }},
		{"a new value", func() { b.write("PASSWORD") }},
		{"a new key", func() { b.rename("PASSWORD", "pass.word-2") }},
		{"an item less", func() { b.delete("doomed") }},
		{"another name", func() {
			b.name = "rénamed"
			if _, err := d.svc.UpdateSecret(t.Context(), d.caller, b.id.String(), secretInput(b.name)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		before := maps.Clone(b.want)
		change.do()
		b.checkStatus(change.name, secrets.StatusDeploying, true)
		revision, content := b.bundle()
		if revision != first+int64(i) || !maps.Equal(content, before) {
			t.Errorf("%s: services take revision %d before its delivery, want the one before", change.name, revision)
		}
		b.deploy()
		b.checkDelivered(change.name)
		if got := b.secret().Revision; got != first+int64(i)+1 {
			t.Errorf("%s: revision %d, want %d", change.name, got, first+int64(i)+1)
		}
	}
	out, _ := d.ask("DescribeSecret", map[string]any{"SecretId": b.bundleName()})
	if got := fmt.Sprint(out["Tags"]); !strings.Contains(got, "map[Key:goblins:name Value:rénamed]") {
		t.Errorf("the tags are %s, want the new name", got)
	}

	// More services change nothing, as long as one is left.
	versions, revision := b.versions(), b.secret().Revision
	b.attach()
	b.checkDelivered("with a second service")
	b.detach()
	b.checkDelivered("with one service again")
	b.deploy()
	if b.versions() != versions || b.secret().Revision != revision {
		t.Errorf("%d versions, revision %d, after a second service, want %d and %d", b.versions(), b.secret().Revision, versions, revision)
	}

	// Each delivery is an event, by nobody.
	for kind, want := range map[string]int{secrets.SecretDeployed: versions, secrets.SecretUndeployed: 0} {
		events := d.events(b.id, kind)
		for i, ev := range events {
			if diff := cmp.Diff(event{Type: kind, Version: revision - int64(i), Name: ev.Name}, ev); diff != "" {
				t.Errorf("event of a delivery (-want +got):\n%s", diff)
			}
		}
		if len(events) != want || want > 0 && events[0].Name != b.name {
			t.Errorf("%d events %s, want %d, the last one of %s", len(events), kind, want, b.name)
		}
	}

	b.detach()
	if !b.waits() {
		t.Error("nothing waits after the last service left")
	}
	b.deploy()
	b.checkRemoved("unused again")
	if events := d.events(b.id, secrets.SecretUndeployed); len(events) != 1 ||
		events[0] != (event{Type: secrets.SecretUndeployed, Version: revision, Name: b.name}) {
		t.Errorf("events of a removal: %+v, want one by nobody", events)
	}
	b.write("NEW") // which nobody is told of
	if b.waits() {
		t.Error("a change of a secret that nobody uses waits")
	}
	b.attach()
	b.checkStatus("attached again", secrets.StatusPending, false)
	b.deploy()
	b.checkDelivered("attached again")

	// None of this was a reveal.
	page, err := d.svc.ListItems(t.Context(), d.caller, b.id.String(), secrets.Cursor{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range page.Results {
		if !it.LastAccessedAt.IsZero() || it.LastAccessedBy != uuid.Nil {
			t.Errorf("item %s was last accessed at %v by %s", it.Key, it.LastAccessedAt, it.LastAccessedBy)
		}
	}
	for _, row := range d.table.Rows(t) {
		if strings.HasPrefix(row["PK"].(string), "USER#") {
			t.Errorf("a delivery was charged: %v", row)
		}
	}
}

// A secret that is deleted takes its bundle along, even if nobody came to remove that
// before. It waits for as long as a delivery from before may still be under way.
func TestDeliveryOfDeletedSecret(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
	defer d.finish()
	for _, removed := range []bool{true, false} {
		b := d.newSecret("KEY")
		b.attach()
		b.deploy()
		b.checkDelivered("delivered")
		b.detach()
		if removed {
			b.deploy()
		}
		if err := d.svc.DeleteSecret(t.Context(), d.caller, b.id.String()); err != nil {
			t.Fatal(err)
		}
		b.deploy()
		if b.deleted() != removed || b.waits() == removed {
			t.Errorf("removed before = %v: deleted %v, something waits %v", removed, b.deleted(), b.waits())
		}
		b.finishDeliveries(d.deliverer)
		if !b.deleted() || b.waits() {
			t.Errorf("removed before = %v, after a while: deleted %v, something waits %v", removed, b.deleted(), b.waits())
		}
	}
}

// Where nothing is delivered, everything is ready, and nothing waits. What is used by
// then is delivered once deliveries are set up, by hand.
func TestDeliveryNowhere(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
	defer d.finish()
	delivering := d.svc
	getenv := d.table.Environment(t, "GetItem")
	nowhere, err := app.NewManager(func(name string) string {
		switch name {
		case "DEPLOY_TARGET":
			return "none"
		case "AWS_ENDPOINT_URL_SECRETS_MANAGER":
			return d.url
		}
		return getenv(name)
	})
	if err != nil {
		t.Fatal(err)
	}
	d.svc = nowhere
	b := d.newSecret("KEY")
	for name, do := range map[string]func(){"attached": b.attach, "changed": func() { b.write("KEY") }} {
		do()
		b.checkStatus(name, secrets.StatusReady, true)
		if b.waits() {
			t.Errorf("%s: something waits", name)
		}
	}
	b.deploy()
	if n := len(d.requests); n != 0 {
		t.Errorf("%d requests of a Secrets Manager, want none", n)
	}

	d.svc = delivering
	b.checkStatus("with deliveries", secrets.StatusPending, false)
	if n, err := d.sweeper.Sweep(t.Context(), true); err != nil || n != 1 {
		t.Errorf("RedeploySecrets = %d, %v, want 1", n, err)
	}
	b.deploy()
	b.checkDelivered("with deliveries")
}

// Deliverers that know nothing of each other, each of which finds all turns expired,
// deliver late, twice, at once and out of order, while the secret changes. What services
// take never goes back, and is always the whole secret as it was at one revision.
func TestDeliveriesInAnyOrder(t *testing.T) {
	t.Parallel()
	const deliverers, changes, seen = 8, 60, 5 // or more changes, until so many are seen
	d := newDelivery(t)
	defer d.finish()
	b := d.newSecret("A", "B")
	b.attach()

	stop := make(chan struct{})
	stopped := func() bool {
		select {
		case <-stop:
			return true
		default:
			return false
		}
	}
	var wg sync.WaitGroup
	for range deliverers {
		deliverer := d.newDeliverer(secretstest.Inject(func(secretstest.Call) secretstest.Fault {
			time.Sleep(rand.N(4 * time.Millisecond)) // some are overtaken anywhere
			return secretstest.None
		}))
		deliverer.Now = func() time.Time {
			d.clock.pass(paceEvery + 2*time.Minute) // nobody has to wait, for a turn or for the pace
			return d.clock.now()
		}
		wg.Go(func() {
			for !stopped() {
				if err := deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err != nil {
					t.Errorf("deliver: %v", err)
				}
			}
		})
	}
	type sight struct {
		revision int64
		content  map[string]string
	}
	var sights []sight
	var seenNow atomic.Int64
	wg.Go(func() {
		for last := int64(0); !stopped(); {
			revision, content := b.bundle()
			if revision < last {
				t.Errorf("services take revision %d after %d", revision, last)
			}
			if revision > last {
				sights = append(sights, sight{revision, content})
				seenNow.Add(1)
			}
			last = revision
		}
	})
	states := map[int64]map[string]string{b.secret().Revision: maps.Clone(b.want)}
	for i := 0; i < changes || seenNow.Load() < seen && i < 100*changes; i++ {
		switch i % 6 {
		case 0:
			b.create("C", d.value())
		case 1, 4:
			b.write("A")
		case 2:
			b.rename("B", "B2")
		case 3:
			b.delete("C")
		case 5:
			b.rename("B2", "B")
		}
		states[b.secret().Revision] = maps.Clone(b.want)
	}
	close(stop)
	wg.Wait()
	b.finishDeliveries(d.deliverer)
	b.checkDelivered("at the end")
	for _, s := range sights {
		if want, ok := states[s.revision]; !ok || !maps.Equal(want, s.content) {
			t.Errorf("services took as revision %d what was never the secret, or not then", s.revision)
		}
	}
	if len(sights) < seen {
		t.Errorf("services saw %d revisions, want %d at least", len(sights), seen)
	}
	t.Logf("%d of %d revisions seen, %d versions staged", len(sights), len(states), d.count("PutSecretValue"))
}

// restore makes the table one that was restored, in which the secret is some revisions
// behind what was delivered.
func (b *bundled) restore(by int64) {
	b.t.Helper()
	revision := &types.AttributeValueMemberN{Value: fmt.Sprint(b.secret().Revision - by)}
	_, err := b.table.Client.UpdateItem(b.t.Context(), &dynamodb.UpdateItemInput{
		TableName: &b.table.Name, Key: map[string]types.AttributeValue{
			"PK": &types.AttributeValueMemberS{Value: "ACCOUNT#" + b.caller.AccountID.String()},
			"SK": &types.AttributeValueMemberS{Value: "SECRET#" + b.id.String()},
		},
		UpdateExpression:          aws.String("SET revision = :revision, delivered = :revision"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":revision": revision},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// reads reports whether a call changes nothing.
func reads(c secretstest.Call) bool {
	operation, _, _ := strings.Cut(c.What, " ")
	return slices.Contains([]string{"GetItem", "Query", "Decrypt", "DescribeSecret"}, operation)
}

// Each call of each delivery fails, before or after it was done, with or without the
// end of the process: what services take then was recorded, and was the secret at that
// revision. Once the next delivery has its turn, services take what the table says.
func TestDeliveryUnderFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fresh bool   // each time with a secret of its own
		from  string // the first call that counts
		begin func(b *bundled)
		check func(b *bundled, when string)
		end   func(b *bundled) // makes it what it was
	}{
		{
			name: "first", fresh: true, check: (*bundled).checkDelivered,
			begin: (*bundled).attach,
		},
		{
			name: "change", check: (*bundled).checkDelivered,
			begin: func(b *bundled) { b.write("KEY") },
		},
		{
			name: "removal", check: (*bundled).checkRemoved,
			begin: (*bundled).detach,
			end:   func(b *bundled) { b.attach(); b.deploy() },
		},
		{
			name: "return", check: (*bundled).checkDelivered,
			begin: func(b *bundled) { b.detach(); b.deploy(); b.write("KEY"); b.attach() },
		},
		{
			name: "target ahead", from: "UpdateItem SECRET", check: (*bundled).checkDelivered,
			begin: func(b *bundled) { b.restore(1); b.write("KEY") },
		},
		{
			name: "deletion", fresh: true,
			begin: func(b *bundled) {
				b.attach()
				b.deploy()
				b.detach()
				if err := b.svc.DeleteSecret(b.t.Context(), b.caller, b.id.String()); err != nil {
					b.t.Fatal(err)
				}
			},
			check: func(b *bundled, when string) {
				if !b.deleted() || b.waits() {
					b.t.Errorf("%s: deleted %v, something waits %v", when, b.deleted(), b.waits())
				}
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newDelivery(t)
			defer d.finish()
			var one *bundled
			prepare := func() (b *bundled, taken map[string]string) {
				t.Helper()
				switch {
				case tt.fresh:
					one = d.newSecret("KEY")
				case one == nil:
					one = d.newSecret("KEY", "OTHER")
					one.attach()
					one.deploy()
				default:
					if tt.end != nil {
						tt.end(one)
					}
					d.clock.pass(day) // for the pace
				}
				taken = maps.Clone(one.want)
				tt.begin(one)
				d.clock.pass(2 * turn)
				return one, taken
			}
			var plan func(secretstest.Call) secretstest.Fault
			var calls map[string]int // of one deploy
			deliverer := d.newDeliverer(secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
				c.Nth = calls[c.What]
				calls[c.What]++
				return plan(c)
			}))
			deploy := func(b *bundled, to func(secretstest.Call) secretstest.Fault) error {
				plan, calls = to, make(map[string]int)
				return deliverer.Deliver(t.Context(), d.caller.AccountID, b.id)
			}

			var made []secretstest.Call
			b, _ := prepare()
			if err := deploy(b, func(c secretstest.Call) secretstest.Fault {
				made = append(made, c)
				return secretstest.None
			}); err != nil {
				t.Fatal(err)
			}
			tt.check(b, "without a fault")
			made = made[max(0, slices.IndexFunc(made, func(c secretstest.Call) bool { return c.What == tt.from })):]
			for _, call := range made {
				for _, variant := range []struct {
					fault secretstest.Fault
					crash bool // a crash before a call is one after the call before it
				}{{secretstest.Before, false}, {secretstest.After, true}, {secretstest.After, false}, {secretstest.LostAfter, false}} {
					if variant.fault != secretstest.Before && reads(call) {
						continue // as good as the other: nothing was done
					}
					when := fmt.Sprintf("%s/%s/crash=%v", call, variant.fault, variant.crash)
					b, taken := prepare() // what is restored is what was taken before
					_, before := b.bundle()
					err := deploy(b, secretstest.At(call, variant.fault, variant.crash))
					if variant.fault.Retried() && err != nil {
						t.Errorf("%s: %v, want the SDK's retry to succeed", when, err)
					}
					if revision, now := b.bundle(); revision > 0 && !maps.Equal(now, before) && !maps.Equal(now, taken) && !maps.Equal(now, b.want) {
						t.Errorf("%s: services take what was never the secret", when)
					}
					if !variant.fault.Retried() {
						b.finishDeliveries(d.deliverer)
					}
					tt.check(b, when)
				}
			}
			t.Logf("%d calls", len(made))
		})
	}
}

// answer is how the Secrets Manager refuses.
func answer(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": kind, "Message": message}) // fails only when the client has gone
}

// deliveryRow is what the table has of a secret's deliveries.
func (b *bundled) deliveryRow() secretstest.Row {
	b.t.Helper()
	for _, row := range b.table.Rows(b.t) {
		if row["PK"] == fmt.Sprintf("DELIVERY#%s#%s", b.caller.AccountID, b.id) && row["SK"] == "DELIVERY" {
			return row
		}
	}
	b.t.Fatal("the table has nothing of the secret's deliveries")
	return nil
}

// However the target fails, the secret says so, and operators find why, which tells no
// value: not even where AWS quotes it. When the target is back, the secret is ready.
func TestDeliveryFails(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
	defer d.finish()
	for name, fail := range map[string]func(w http.ResponseWriter, r *http.Request){
		"failing":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"breaking": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"throttling": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
		},
		"refusing": func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			answer(w, http.StatusBadRequest, "AccessDeniedException", "You may not do this: "+string(body))
		},
	} {
		for _, first := range []bool{true, false} {
			b := d.newSecret("KEY")
			b.attach()
			if !first {
				b.deploy()
				b.write("KEY")
			}
			var quoted atomic.Bool
			d.away(func(operation string, w http.ResponseWriter, r *http.Request, serve http.Handler) {
				if operation == "DescribeSecret" {
					serve.ServeHTTP(w, r)
					return
				}
				body, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(body))
				if strings.Contains(string(body), d.mark) {
					quoted.Store(true)
				}
				fail(w, r)
			})
			for range 2 { // it stays so
				if err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil || strings.Contains(err.Error(), d.mark) {
					t.Errorf("%s, first = %v: DeploySecret = %v, want an error without a value", name, first, err)
				}
				b.checkStatus(name, secrets.StatusFailed, false)
				if text, _ := b.deliveryRow()["error"].(string); !strings.Contains(text, "stage bundle") || strings.Contains(text, d.mark) {
					t.Errorf("%s, first = %v: the error that is kept is %q", name, first, text)
				}
				if !b.waits() {
					t.Errorf("%s, first = %v: nothing waits", name, first)
				}
				d.clock.pass(turn)
			}
			if !quoted.Load() {
				t.Errorf("%s, first = %v: no request had a value to be quoted", name, first)
			}
			d.away(nil)
			b.finishDeliveries(d.deliverer)
			b.checkDelivered(name + ", and back")
			if text, ok := b.deliveryRow()["error"]; ok {
				t.Errorf("%s, and back: the error that is kept is %q", name, text)
			}
		}
	}
	if logged := d.log.String(); !strings.Contains(logged, `"DeliveryFailures":1`) {
		t.Error("the failures were not counted")
	}
}

// Items from a release that knew no sizes can be too many for a bundle. A service may
// come to use them; it is told that they can't be delivered, until there are fewer.
func TestDeliveryTooLarge(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
	defer d.finish()
	b := d.newSecret()
	b.create("ONE", d.value()+strings.Repeat("x", maxBundle/2))
	b.create("TWO", d.value()+strings.Repeat("x", maxBundle/2))
	for _, row := range d.table.Rows(t) {
		if _, ok := row["size"]; !ok {
			continue
		}
		_, err := d.table.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: &d.table.Name, Key: map[string]types.AttributeValue{
				"PK": &types.AttributeValueMemberS{Value: row["PK"].(string)}, "SK": &types.AttributeValueMemberS{Value: row["SK"].(string)},
			},
			UpdateExpression: aws.String("REMOVE #size"), ExpressionAttributeNames: map[string]string{"#size": "size"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	b.attach()
	if err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil {
		t.Error("a bundle that is too large was delivered")
	}
	b.checkStatus("too large", secrets.StatusFailed, false)
	if text, _ := b.deliveryRow()["error"].(string); !strings.Contains(text, "more bytes than a bundle may have") {
		t.Errorf("the error that is kept is %q", text)
	}
	if revision, _ := b.bundle(); revision != 0 || !b.waits() {
		t.Errorf("revision %d is delivered, something waits: %v", revision, b.waits())
	}
	b.delete("TWO")
	b.deploy()
	b.checkDelivered("with fewer items")
}

// Two hundred changes in about a day, each delivered at once if it may be, stay within
// the quota of Secrets Manager: twenty at once, then one in a quarter of an hour, never more
// than ninety in any day. The newest state is delivered in the end.
func TestDeliveryPace(t *testing.T) {
	t.Parallel()
	const changes = 200
	d := newDelivery(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	for i := range changes {
		b.deploy()
		if i < paceBurst {
			b.checkDelivered(fmt.Sprintf("after %d changes", i))
		}
		d.clock.pass(paceEvery / 2)
		b.write("KEY")
	}
	b.deploy()
	for tries := 0; b.waits(); tries++ {
		if tries > int(day/paceEvery) {
			t.Fatal("a day later something still waits")
		}
		b.finishDeliveries(d.deliverer)
	}
	b.checkDelivered("in the end")

	var puts []time.Time
	for _, r := range d.requests {
		if r.operation == "CreateSecret" || r.operation == "PutSecretValue" {
			puts = append(puts, r.at)
			if r.status != http.StatusOK {
				t.Errorf("bundle %d was refused: %d", len(puts), r.status)
			}
		}
	}
	for i := range puts {
		if i >= paceBurst && i < paceLimit && puts[i].Sub(puts[i-1]) < paceEvery {
			t.Errorf("bundle %d came %v after the one before", i, puts[i].Sub(puts[i-1]))
		}
		if i >= paceLimit && puts[i].Sub(puts[i-paceLimit]) < day {
			t.Errorf("%d bundles within %v", paceLimit+1, puts[i].Sub(puts[i-paceLimit]))
		}
	}
	if len(puts) <= paceLimit {
		t.Errorf("%d bundles, want more than %d: the limit was not met", len(puts), paceLimit)
	}
	t.Logf("%d changes, %d bundles", changes, len(puts))
}

// What failed has made no version, so it counts for no pace: after a long outage the
// next try is not a long time away. And services that have nothing at all wait for no
// pace either.
func TestDeliveryAfterOutage(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	b.write("KEY")
	d.away(func(_ string, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		answer(w, http.StatusBadRequest, "AccessDeniedException", "No.")
	})
	for i := range paceLimit {
		if err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil {
			t.Fatalf("try %d: no error", i)
		}
	}
	d.away(nil)
	b.deploy()
	b.checkDelivered("after the outage")

	for range paceBurst {
		b.write("KEY")
		b.deploy()
	}
	b.checkStatus("after a burst", secrets.StatusDeploying, true)
	b.detach()
	b.deploy()
	b.checkRemoved("after a burst")
	b.attach()
	b.deploy()
	b.checkDelivered("attached again after a burst")
}

// What was delivered before there was no target any more is removed when there is one.
func TestLeftWithoutTarget(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	size := d.svc.MaxBundleSize
	d.svc.MaxBundleSize = 0
	b.detach()
	b.checkStatus("left", secrets.StatusReady, true)
	d.svc.MaxBundleSize = size
	b.deploy()
	b.checkRemoved("with a target again")
}

// A Secrets Manager that has too many versions, which somebody else made, is not asked
// again before a while has passed. Until it takes one, the secret says that it failed.
func TestDeliveryQuota(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	b.checkDelivered("delivered")
	for i := b.versions(); i < maxVersion; i++ {
		if _, ok := d.ask("PutSecretValue", map[string]any{
			"SecretId": b.bundleName(), "ClientRequestToken": uuid.NewString(), "SecretString": "foreign", "VersionStages": []string{"FOREIGN"},
		}); !ok {
			t.Fatalf("version %d was refused", i)
		}
	}
	before := b.want
	b.want = maps.Clone(before)
	b.write("KEY")

	puts := d.count("PutSecretValue")
	try := func(want int) {
		t.Helper()
		err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id)
		if want > 0 && !errors.Is(err, delivery.ErrQuota) || want == 0 && err != nil {
			t.Errorf("DeploySecret = %v", err)
		}
		if got := d.count("PutSecretValue") - puts; got != want {
			t.Errorf("%d requests to store a bundle, want %d", got, want)
		}
		puts += want
		b.checkStatus("without room", secrets.StatusFailed, false)
		if _, content := b.bundle(); !maps.Equal(content, before) || !b.waits() {
			t.Errorf("services don't take what they took before, or nothing waits: %v", b.waits())
		}
	}
	try(1)
	try(0)
	d.clock.pass(2 * turn)
	try(0)
	d.clock.pass(paceEvery)
	try(1)
	d.clock.pass(day)
	b.finishDeliveries(d.deliverer)
	b.checkDelivered("a day later")
}

// snapshot reads the whole table; the function that it returns makes the table that again.
func (d *harness) snapshot() (restore func()) {
	d.t.Helper()
	scan := func() (rows []map[string]types.AttributeValue) {
		pages := dynamodb.NewScanPaginator(d.table.Client, &dynamodb.ScanInput{TableName: &d.table.Name, ConsistentRead: aws.Bool(true)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(d.t.Context())
			if err != nil {
				d.t.Fatal(err)
			}
			rows = append(rows, page.Items...)
		}
		return rows
	}
	kept := scan()
	return func() {
		d.t.Helper()
		for _, row := range scan() {
			key := map[string]types.AttributeValue{"PK": row["PK"], "SK": row["SK"]}
			if _, err := d.table.Client.DeleteItem(d.t.Context(), &dynamodb.DeleteItemInput{TableName: &d.table.Name, Key: key}); err != nil {
				d.t.Fatal(err)
			}
		}
		for _, row := range kept {
			if _, err := d.table.Client.PutItem(d.t.Context(), &dynamodb.PutItemInput{TableName: &d.table.Name, Item: row}); err != nil {
				d.t.Fatal(err)
			}
		}
	}
}

// After the table was restored, what services take is what it says: all secrets as soon
// as somebody asks for it, a secret that is changed by itself. Its revisions come once
// more then, and even the versions of its items.
func TestDeliveryOfRestoredTable(t *testing.T) {
	t.Parallel()
	rename := func(to string) func(*bundled) { return func(b *bundled) { b.rename("OTHER", to) } }
	write := func(b *bundled) { b.write("KEY") }
	create := func(b *bundled) { b.create("NEW", b.value()) }
	for _, tt := range []struct {
		name string
		lost []func(*bundled)
		then []func(*bundled)
		all  bool // by redeploy-secrets
	}{
		{"nothing happened since", []func(*bundled){write, rename("OTHER_2"), write}, nil, true},
		{"nothing was lost", nil, nil, true},
		{"another value in place of the lost one", []func(*bundled){write}, []func(*bundled){write}, false},
		{"another value, and all", []func(*bundled){write}, []func(*bundled){write}, true},
		{"another key in place of the lost one", []func(*bundled){rename("A")}, []func(*bundled){rename("B")}, false},
		{"another item in place of the lost one", []func(*bundled){create}, []func(*bundled){create}, false},
		{"fewer changes than were lost", []func(*bundled){write, write, create}, []func(*bundled){write}, false},
		{"as many changes as were lost", []func(*bundled){write, create, write}, []func(*bundled){create, write, write}, false},
		{"more changes than were lost", []func(*bundled){write}, []func(*bundled){write, create}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDelivery(t)
			defer d.finish()
			b := d.newSecret("KEY", "OTHER")
			b.attach()
			b.deploy()
			items, want := maps.Clone(b.items), maps.Clone(b.want)
			restore := d.snapshot()
			for _, change := range tt.lost {
				change(b)
				b.deploy()
			}
			last, _ := b.bundle()
			restore()
			d.clock.pass(time.Second)
			b.items, b.want = items, want
			for _, change := range tt.then {
				change(b)
			}
			if tt.all {
				if n, err := d.sweeper.Sweep(t.Context(), true); err != nil || n != 1 {
					t.Errorf("RedeploySecrets = %d, %v, want 1", n, err)
				}
			}
			b.deploy()
			b.checkDelivered("after the restore")
			if revision, _ := b.bundle(); revision <= last && len(tt.lost) > 0 {
				t.Errorf("revision %d is current after %d", revision, last)
			}
		})
	}
}

// Services come and go while several deliver, with pauses anywhere. A removal that was
// begun before a service came never takes its bundle away.
func TestRemovalNeverOvertakes(t *testing.T) {
	t.Parallel()
	const rounds, deliverers = 25, 3
	d := newDelivery(t)
	defer d.finish()
	for round := range rounds {
		b := d.newSecret("KEY")
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range deliverers {
			deliverer := d.newDeliverer(secretstest.Inject(func(secretstest.Call) secretstest.Fault {
				if rand.IntN(4) == 0 {
					time.Sleep(rand.N(12 * time.Millisecond))
				}
				return secretstest.None
			}))
			wg.Go(func() {
				for {
					if err := deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err != nil {
						t.Errorf("round %d: deliver: %v", round, err)
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		for range 2 + rand.IntN(5) {
			if len(b.services) == 0 {
				b.attach()
			} else {
				b.detach()
			}
			time.Sleep(rand.N(20 * time.Millisecond))
		}
		close(stop)
		wg.Wait()
		b.finishDeliveries(d.deliverer)
		if len(b.services) > 0 {
			b.checkDelivered(fmt.Sprintf("round %d", round))
		} else if b.deleted() {
			b.checkRemoved(fmt.Sprintf("round %d", round))
		} else if revision, _ := b.bundle(); revision != 0 || b.waits() { // nothing was ever delivered
			t.Errorf("round %d: services take revision %d of an unused secret, something waits: %v", round, revision, b.waits())
		}
	}
}

// consumerVariable is the environment variable that makes the test binary deliver.
const consumerVariable = "DELIVERY_TEST_CONSUMER"

// consumer is what the process that delivers is told.
type consumer struct {
	Endpoints stack.Endpoints
	Clock     *clock
}

// consume delivers, as the local stack does, until it is killed or its parent is gone.
func consume(settings string) error {
	parent := os.Getppid()
	var c consumer
	if err := json.Unmarshal([]byte(settings), &c); err != nil {
		return err
	}
	path, err := checkout.Path("template.yaml")
	if err != nil {
		return err
	}
	tmpl, err := template.Read(path, nil)
	if err != nil {
		return err
	}
	function := tmpl.Functions[slices.IndexFunc(tmpl.Functions, func(f template.Function) bool { return f.Folder == "deploy-secret" })]
	deliverer, err := c.Endpoints.Deliverer(tmpl, function.Name, patient)
	if err != nil {
		return err
	}
	sweeper, err := c.Endpoints.Sweeper(tmpl, function.Name)
	if err != nil {
		return err
	}
	sweeper.Now = c.Clock.now
	deliverer.Now, deliverer.Monitor = c.Clock.now, metrics.New(deliverer.Log, "test")
	source := stream.Source{Endpoint: c.Endpoints.DynamoDB, Table: c.Endpoints.Table, Mapping: *function.Stream, Retries: 1}
	source.Mapping.Window = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := source.Open(ctx); err != nil {
		return err
	}
	go source.Run(ctx, gateway.DeploySecret(deliverer), deliverer.Log)
	for os.Getppid() == parent {
		if _, err := sweeper.Sweep(ctx, false); err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("the parent is gone")
}

// writer changes a part of a secret, one thing after the other. What the part is tells
// how many changes that were.
type writer struct {
	*harness
	secret     string
	prefix     string // of its keys
	one, other uuid.UUID
	oneKey     string // of the item that is always there
	otherKey   string // of the one that comes and goes
	changes    int
	part       map[string]string
	states     sync.Map // after how many changes the part was what
}

// partOf is the writer's part of a bundle, as one text.
func (w *writer) partOf(content map[string]string) string {
	var entries []string
	for key, value := range content {
		if strings.HasPrefix(key, w.prefix) {
			entries = append(entries, key+"="+value)
		}
	}
	slices.Sort(entries)
	return strings.Join(entries, "\n")
}

// change makes the writer's nth change; the 0th is its first item.
func (w *writer) change(n int) error {
	key, value := fmt.Sprint(w.prefix, n), w.value()
	next := maps.Clone(w.part)
	var do func() error
	create := func(id *uuid.UUID) func() error {
		return func() error {
			it, err := w.svc.CreateItem(w.t.Context(), w.caller, w.secret, itemInput(key, value))
			*id = it.ID
			return err
		}
	}
	update := func(id uuid.UUID, in secrets.ItemInput) func() error {
		return func() error {
			_, err := w.svc.UpdateItem(w.t.Context(), w.caller, w.secret, id.String(), in)
			return err
		}
	}
	switch {
	case n == 0:
		w.oneKey, next[key], do = key, value, create(&w.one)
	case n%5 == 1:
		w.otherKey, next[key], do = key, value, create(&w.other)
	case n%5 == 2:
		next[w.oneKey], do = value, update(w.one, secrets.ItemInput{Value: secrets.Text(value)})
	case n%5 == 3:
		next[key], do = next[w.oneKey], update(w.one, secrets.ItemInput{Key: secrets.Text(key)})
		delete(next, w.oneKey)
		w.oneKey = key
	case n%5 == 4:
		delete(next, w.otherKey)
		w.otherKey, next[key], do = key, value, update(w.other, secrets.ItemInput{Key: secrets.Text(key), Value: secrets.Text(value)})
	default:
		delete(next, w.otherKey)
		do = func() error { return w.svc.DeleteItem(w.t.Context(), w.caller, w.secret, w.other.String()) }
	}
	w.changes, w.part = n, next
	w.states.Store(w.partOf(next), n)
	return do()
}

// breakSometimes lets every fourth request of the target fail, in all ways there are.
// It counts all, and those.
func breakSometimes(all, broken *atomic.Int64) func(string, http.ResponseWriter, *http.Request, http.Handler) {
	return func(_ string, w http.ResponseWriter, r *http.Request, serve http.Handler) {
		all.Add(1)
		if rand.IntN(4) > 0 {
			serve.ServeHTTP(w, r)
			return
		}
		broken.Add(1)
		switch rand.IntN(5) {
		case 0:
			w.WriteHeader(http.StatusInternalServerError)
		case 1:
			serve.ServeHTTP(httptest.NewRecorder(), r)
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			panic(http.ErrAbortHandler)
		case 3:
			serve.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case 4:
			answer(w, http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
		}
	}
}

// The whole of it: several write without a pause, the process that delivers on the
// table's stream is killed and started again at random, and the target fails at random.
// What services take never goes back, and is always the whole secret as it was at one
// revision; in the end it is what the table says. No value is in a log of either process.
func TestDeliveryEndToEnd(t *testing.T) {
	t.Parallel()
	const writers, kills = 2, 12 // writers of each of two secrets
	d := newDelivery(t)
	defer d.finish()
	// Both clocks run, and so fast that neither turns nor the pace take long. A day is 14 s.
	d.clock.Speed = 6000
	endpoints := d.table.Endpoints()
	err := (&emulator.Emulator{URL: endpoints.DynamoDB}).SetStream(t.Context(), d.table.Name, d.table.Template().Table.StreamView)
	if err != nil {
		t.Fatal(err)
	}
	endpoints.SecretsManager = d.url
	settings, err := json.Marshal(consumer{endpoints, d.clock})
	if err != nil {
		t.Fatal(err)
	}
	var requests, broken atomic.Int64
	d.away(breakSometimes(&requests, &broken))

	var writing, watching sync.WaitGroup
	bundles := []*bundled{d.newSecret(), d.newSecret()}
	var all []*writer
	killed, done := make(chan struct{}), make(chan struct{})
	for i, b := range bundles {
		var team []*writer
		for j := range writers {
			w := &writer{harness: d, secret: b.id.String(), prefix: fmt.Sprintf("W%d.", j), part: map[string]string{}}
			if err := w.change(0); err != nil {
				t.Fatal(err)
			}
			team, all = append(team, w), append(all, w)
		}
		b.attach()
		base := b.secret().Revision
		for _, w := range team {
			writing.Go(func() {
				for {
					select {
					case <-killed:
						return
					case <-time.After(rand.N(40 * time.Millisecond)):
					}
					if err := w.change(w.changes + 1); err != nil {
						t.Errorf("secret %d, change %d of %s: %v", i, w.changes, w.prefix, err)
						return
					}
				}
			})
		}
		watching.Go(func() {
			sights := 0
			for last := int64(0); ; {
				select {
				case <-done:
					t.Logf("secret %d: %d revisions seen", i, sights)
					return
				default:
				}
				revision, content := b.bundle()
				if revision < last {
					t.Errorf("secret %d: services take revision %d after %d", i, revision, last)
				}
				if revision > last {
					sights++
					sum := base // each change is one revision
					for _, w := range team {
						n, ok := w.states.Load(w.partOf(content))
						if !ok {
							t.Errorf("secret %d: the part %s of revision %d was never that", i, w.prefix, revision)
							n = 0
						}
						sum += int64(n.(int))
					}
					if revision != sum {
						t.Errorf("secret %d: services take as revision %d what was %d", i, revision, sum)
					}
				}
				last = revision
			}
		})
	}

	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	start := func() *exec.Cmd {
		child := exec.CommandContext(t.Context(), binary)
		child.Env = append(os.Environ(), consumerVariable+"="+string(settings))
		child.Stdout, child.Stderr = &d.log, &d.log
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		return child
	}
	kill := func(child *exec.Cmd) {
		if err := child.Process.Kill(); err != nil {
			t.Errorf("it ended before it was killed: %v", err)
		}
		_ = child.Wait() // killed
	}
	for range kills {
		child := start()
		// While it starts, or anywhere in its first deliveries, if there are any.
		until := requests.Load() + rand.Int64N(30)
		for deadline := time.Now().Add(2 * time.Second); requests.Load() < until && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		kill(child)
	}
	close(killed)
	writing.Wait()
	// Of the last changes nobody hears. The one that comes then finishes all, with the
	// target back.
	for _, w := range all {
		if err := w.change(w.changes + 1); err != nil {
			t.Fatal(err)
		}
	}
	d.away(nil)
	last := start()
	for deadline := time.Now().Add(30 * time.Second); slices.ContainsFunc(bundles, (*bundled).waits); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("something still waits, with the target back")
			break
		}
	}
	kill(last)
	close(done)
	watching.Wait()

	for _, b := range bundles {
		page, err := d.svc.ListItems(t.Context(), d.caller, b.id.String(), secrets.Cursor{}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range page.Results {
			r, err := d.svc.RevealItem(t.Context(), d.caller, b.id.String(), it.ID.String())
			if err != nil {
				t.Fatal(err)
			}
			b.want[it.Key] = r.Value.Reveal()
		}
		if len(b.want) < writers {
			t.Errorf("the table has %d items, want %d at least", len(b.want), writers)
		}
		b.checkDelivered("at the end")
	}
	logged := d.log.String()
	for _, bad := range []string{"DATA RACE", "panic:"} {
		if strings.Contains(logged, bad) {
			t.Errorf("the process that delivers said %s:\n%s", bad, logged)
		}
	}
	failed, delivered, revision := strings.Count(logged, `"DeliveryFailures":1`), strings.Count(logged, `"Deliveries":1`), bundles[0].secret().Revision
	t.Logf("%d and more revisions, %d requests broken, %d deliveries, %d failures", revision, broken.Load(), delivered, failed)
	if broken.Load() == 0 || delivered == 0 {
		t.Error("nothing was tried")
	}
}

// A secret that is written without a pause can't be read at one revision. That is no
// failure: each of those writes is told of, too, and the last one is delivered.
func TestDeliveryOfRestlessSecret(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	b.deploy()
	b.write("KEY")
	deliverer := d.newDeliverer(secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		if c.What == "Query SECRET" && c.Nth%2 == 0 {
			b.write("KEY")
		}
		return secretstest.None
	}))
	for range paceBurst + 1 { // which don't count for the pace
		if err := deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err != nil {
			t.Errorf("DeploySecret of a secret that is being written: %v", err)
		}
	}
	b.checkStatus("while it is written", secrets.StatusDeploying, true)
	if !b.waits() {
		t.Error("nothing waits")
	}
	b.deploy() // at once: the turns were given back
	b.checkDelivered("at rest")
}

// An item whose value is another version's can't be delivered, however often it is
// read. That is a failure.
func TestDeliveryOfTornItem(t *testing.T) {
	t.Parallel()
	d := newDelivery(t)
	defer d.finish()
	b := d.newSecret("KEY")
	b.attach()
	setVersion := func(version string) {
		t.Helper()
		_, err := d.table.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: &d.table.Name, Key: map[string]types.AttributeValue{
				"PK": &types.AttributeValueMemberS{Value: fmt.Sprintf("SECRET#%s#%s", d.caller.AccountID, b.id)},
				"SK": &types.AttributeValueMemberS{Value: "VALUE#" + b.items["KEY"].String()},
			},
			UpdateExpression:          aws.String("SET version = :version"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":version": &types.AttributeValueMemberN{Value: version}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	setVersion("2")
	if err := d.deliverer.Deliver(t.Context(), d.caller.AccountID, b.id); err == nil {
		t.Error("an item without its value was delivered")
	}
	b.checkStatus("torn", secrets.StatusFailed, false)
	setVersion("1")
	b.deploy()
	b.checkDelivered("mended")
}

func secretInput(name string) secrets.SecretInput {
	return secrets.SecretInput{Name: secrets.Text(name)}
}

func itemInput(key, value string) secrets.ItemInput {
	return secrets.ItemInput{Key: secrets.Text(key), Value: secrets.Text(value)}
}

func valueInput(value string) secrets.ItemInput {
	return secrets.ItemInput{Value: secrets.Text(value)}
}

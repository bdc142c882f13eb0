package delivery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/emulator"
	"goblins-secrets/infra/local/stack"
	"goblins-secrets/infra/local/stream"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/metrics"
	"goblins-secrets/pkg/secrets"
)

// TestMain is also the main of the process that delivers in TestKilledDelivererLosesNothing.
func TestMain(m *testing.M) {
	if settings := os.Getenv(consumerVariable); settings != "" {
		fmt.Fprintln(os.Stderr, consume(settings))
		os.Exit(1)
	}
	m.Run()
}

// consumerVariable is the environment variable that makes the test binary deliver.
const consumerVariable = "DELIVERY_TEST_CONSUMER"

// consumer is the configuration of the process that delivers.
type consumer struct {
	Endpoints stack.Endpoints
	Clock     *clock
}

// consume delivers as the local stack does, until it is killed or its parent has ended.
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
	table, err := functions.Load()
	if err != nil {
		return err
	}
	function := functions.Named(table, "deploy-secret")
	getenv, err := c.Endpoints.Environment(tmpl, function.ID())
	if err != nil {
		return err
	}
	deliverer, err := app.NewDeliverer(getenv, awssm.Open, patient)
	if err != nil {
		return err
	}
	sweeper, err := app.NewSweeper(getenv)
	if err != nil {
		return err
	}
	sweeper.Now = c.Clock.now
	deliverer.Now, deliverer.Monitor = c.Clock.now, metrics.New(deliverer.Log, "test")
	source := stream.Source{Endpoint: c.Endpoints.DynamoDB, AccessKey: c.Endpoints.AccessKey, Table: c.Endpoints.Table, Filter: function.Filter(), Batch: functions.BatchSize, Window: 20 * time.Millisecond, Retries: 1}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := source.Open(ctx); err != nil {
		return err
	}
	go source.Run(ctx, gateway.DeploySecret(deliverer), deliverer.Log)
	for os.Getppid() == parent {
		if _, err := sweeper.Sweep(ctx); err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("the parent is gone")
}

// writer changes a part of a secret, one change after the other. The part identifies the
// number of changes.
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
			it, err := w.manager.CreateItem(w.t.Context(), w.caller, w.secret, itemInput(key, value))
			*id = it.ID
			return err
		}
	}
	update := func(id uuid.UUID, in secrets.ItemInput) func() error {
		return func() error {
			_, err := w.manager.UpdateItem(w.t.Context(), w.caller, w.secret, id.String(), in)
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
		do = func() error {
			return w.manager.DeleteItem(w.t.Context(), w.caller, w.secret, w.other.String(), secrets.Deletion{})
		}
	}
	w.changes, w.part = n, next
	w.states.Store(w.partOf(next), n)
	return do()
}

// breakSometimes lets every fourth request of the target fail, in every possible way. It
// counts all requests and the broken ones.
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

// Writers change secrets without a pause, the process that delivers on the table's stream is
// killed and restarted at random, and the target fails at random. The current bundle never
// goes back, and is always the whole secret at one revision. In the end it is what the
// table says. No log of either process holds a value.
func TestKilledDelivererLosesNothing(t *testing.T) {
	t.Parallel()
	const writers, kills = 2, 6 // writers of each of two secrets
	d := newHarness(t)
	defer d.finish()
	// Both clocks run, and so fast that neither leases nor the pace last long. A day is 14 s.
	d.clock.Speed = 6000
	endpoints := d.table.Endpoints()
	err := emulator.At(endpoints.DynamoDB, endpoints.AccessKey).SetStream(t.Context(), d.table.Name, d.table.Template().Table.StreamView)
	if err != nil {
		t.Fatal(err)
	}
	endpoints.SecretsManager = d.url
	settings, err := json.Marshal(consumer{endpoints, d.clock})
	if err != nil {
		t.Fatal(err)
	}
	var requests, broken atomic.Int64
	d.intercept(breakSometimes(&requests, &broken))

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
					t.Errorf("secret %d: services read revision %d after %d", i, revision, last)
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
						t.Errorf("secret %d: services read as revision %d the state of revision %d", i, revision, sum)
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
	// No deliverer sees the last changes. The one that comes then finishes all, with the
	// target back.
	for _, w := range all {
		if err := w.change(w.changes + 1); err != nil {
			t.Fatal(err)
		}
	}
	d.intercept(nil)
	last := start()
	for deadline := time.Now().Add(30 * time.Second); slices.ContainsFunc(bundles, (*bundled).queued); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("the outbox still has an entry, with the target back")
			break
		}
	}
	kill(last)
	close(done)
	watching.Wait()

	for _, b := range bundles {
		page, err := d.manager.ListItems(t.Context(), d.caller, b.id.String(), secrets.Field{}, secrets.Cursor{}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range page.Results {
			r, err := d.manager.RevealItem(t.Context(), d.caller, b.id.String(), it.ID.String())
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
			t.Errorf("the process that delivers logged %s:\n%s", bad, logged)
		}
	}
	failed, delivered := strings.Count(logged, `"DeliveryFailures":1`), strings.Count(logged, `"Deliveries":1`)
	revision := bundles[0].secret().Revision
	t.Logf("%d and more revisions, %d requests broken, %d deliveries, %d failures", revision, broken.Load(), delivered, failed)
	if broken.Load() == 0 || delivered == 0 {
		t.Error("no request was broken, or no bundle was delivered")
	}
}

package goblins_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/uuid"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// A poller of the log relies on it: an event is written within ten seconds of the time that its id has. Functions behind
// routes end by then. The others may take longer, but the call that follows the time is the one that writes the event,
// and ends in time. See settling in pkg/secrets/trail.go.
func TestEventsAreWrittenSoonAfterTheirTime(t *testing.T) {
	const most = 10              // seconds
	writers := map[string]bool{} // with a longer timeout
	timeouts := map[string]int{}
	for _, f := range table(t) {
		timeouts[f.ID()] = f.Timeout
	}
	for _, s := range statements(t) {
		for _, key := range s.keys {
			isWriter := strings.HasPrefix(key, "EVENTS#") || strings.HasPrefix(key, "REFUSED#")
			if isWriter && timeouts[s.function] > most {
				writers[s.function] = true
			}
		}
	}

	table := secretstest.NewTable(t)
	_, c := table.Account(t, "first")
	setup := table.Manager(t)
	ctx := t.Context()
	newKey := func(by secrets.Caller) secrets.NewKey {
		t.Helper()
		k, err := setup.CreateKey(ctx, by, secrets.KeyInput{
			Name: secrets.Text("key"), ExpiresAt: secrets.Text(time.Now().Add(time.Hour).Format(time.RFC3339)),
		})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	named := func(name string) secrets.SecretInput { return secrets.SecretInput{Name: secrets.Text(name)} }
	item := func(key, value string) secrets.ItemInput {
		return secrets.ItemInput{Key: secrets.Text(key), Value: secrets.Text(value)}
	}
	using := func(name, secret string) secrets.ServiceInput {
		return secrets.ServiceInput{Name: secrets.Text(name), Image: secrets.Text("app"), Port: secrets.Text("80"), Secret: secrets.Text(secret)}
	}
	if _, err := setup.CreateService(ctx, c, secrets.ServiceInput{Name: secrets.Text("app"), Image: secrets.Text("app"), Port: secrets.Text("80")}); err != nil {
		t.Fatal(err)
	}
	operations := map[string]func(now func() time.Time, plan func(*aws.Config)) error{
		"RevokeKey": func(now func() time.Time, plan func(*aws.Config)) error {
			maker := newKey(c)
			newKey(table.Caller(t, maker.Text))
			m := table.Manager(t, plan)
			m.Now = now
			return m.RevokeKey(ctx, maker.ID.String(), true)
		},
		"DeleteExpiredKeys": func(now func() time.Time, plan func(*aws.Config)) error {
			newKey(c)
			newKey(c)
			m := table.Manager(t, plan)
			m.Now = now
			_, err := m.DeleteExpiredKeys(ctx)
			return err
		},
		"DeploySecret": func(now func() time.Time, plan func(*aws.Config)) error {
			d := table.Deliverer(t, plan)
			d.Now = now
			return deliverAllWays(ctx, setup, d, table.Sweeper(t), c, using, named, item)
		},
		"RedeploySecrets": func(now func() time.Time, plan func(*aws.Config)) error {
			s := table.Sweeper(t, plan)
			s.Now = now
			_, _, err := s.RequeueAll(ctx, delivery.Place{})
			_, sweepErr := s.Sweep(ctx)
			return errors.Join(err, sweepErr)
		},
		"PurgeSecrets": func(now func() time.Time, plan func(*aws.Config)) error {
			secret, err := setup.CreateSecret(ctx, c, named("due"))
			if err != nil {
				return err
			}
			if err := setup.DeleteSecret(ctx, c, secret.ID.String(), secrets.Deletion{}); err != nil {
				return err
			}
			m := table.Manager(t, plan)
			m.Now = now
			_, err = m.PurgeSecrets(ctx)
			return err
		},
	}
	for name := range writers {
		if operations[name] == nil {
			t.Errorf("%s writes events, and may take %d s: show that it writes them at once", name, timeouts[name])
		}
	}
	day := 0
	for name, do := range operations {
		if !writers[name] {
			t.Errorf("%s is no writer of events that may take long", name)
		}
		// A day for each, after all keys that expire here can be deleted.
		w := &watch{began: time.Now().Add(time.Duration(100+day) * 24 * time.Hour), calls: map[int64]int{}, writes: map[int]time.Duration{}}
		day++
		if err := do(w.now, w.watch); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		events := 0
		for _, row := range table.Rows(t) {
			if row["PK"] != "EVENTS#"+c.AccountID.String() {
				continue
			}
			at := secrets.Event{ID: uuid.MustParse(fmt.Sprint(row["SK"]))}.At()
			calls, ours := w.calls[at.UnixMicro()]
			if !ours {
				continue
			}
			if within := w.writes[calls+1]; within <= 0 || within > most*time.Second {
				t.Errorf("%s: %v has its time before a call that does not write it, or may take %v", name, row["action"], within)
			}
			events++
		}
		if events == 0 {
			t.Errorf("%s left no events", name)
		}
	}
}

// watch is a clock, and knows which AWS call follows each of its times.
type watch struct {
	began time.Time

	mu     sync.Mutex
	ticks  int
	made   int                   // calls
	calls  map[int64]int         // that were made before a time
	writes map[int]time.Duration // how long each call that writes events may take, counted from 1; -1: for ever
}

func (w *watch) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ticks++
	at := w.began.Add(time.Duration(w.ticks) * time.Microsecond)
	w.calls[at.UnixMicro()] = w.made
	return at
}

// watch is an option of a client.
func (w *watch) watch(cfg *aws.Config) {
	secretstest.Inject(func(c secretstest.Call) secretstest.Fault {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.made++; c.What == "TransactWriteItems" || c.What == "PutItem EVENTS" {
			w.writes[w.made] = -1
		}
		return secretstest.None
	})(cfg)
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("Deadline", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			w.mu.Lock()
			if deadline, ends := ctx.Deadline(); ends && w.writes[w.made] < 0 {
				w.writes[w.made] = time.Until(deadline)
			}
			w.mu.Unlock()
			return next.HandleFinalize(ctx, in)
		}), "Inject", middleware.After)
	})
}

// A poller of the log relies on it: what a route does is written within ten seconds, or not at all. See settling in
// pkg/secrets/trail.go.
func TestFunctionsBehindRoutesEndInTime(t *testing.T) {
	if text, err := os.ReadFile("template.yaml"); err != nil || !strings.Contains(string(text), "\n    Timeout: 10\n") {
		t.Errorf("the timeout of all functions is not 10 seconds (%v)", err)
	}
	for _, f := range table(t) {
		if f.Route != "" && f.Timeout > 10 {
			t.Errorf("%s may take %d seconds", f.Name, f.Timeout)
		}
	}
}

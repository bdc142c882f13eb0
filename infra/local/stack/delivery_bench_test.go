package stack_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"goblins-secrets/infra/bench/compare"
	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/stack"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/secrets"
)

// running is the local stack with the parameters' defaults, and an account on it.
type running struct {
	*testing.B
	data    string // folder
	manager *secrets.Manager
	caller  secrets.Caller
}

func start(b *testing.B) *running {
	b.Helper()
	s := &running{B: b, data: b.TempDir()}
	local, err := stack.Start(b.Context(), stack.Config{Addr: "127.0.0.1:0", Data: s.data, Progress: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := local.Close(); err != nil {
			b.Error(err)
		}
	})
	endpoints, err := stack.Running(s.data)
	if err != nil {
		b.Fatal(err)
	}
	path, err := checkout.Path("template.yaml")
	if err != nil {
		b.Fatal(err)
	}
	tmpl, err := template.Read(path, nil)
	if err != nil {
		b.Fatal(err)
	}
	getenv, err := endpoints.Environment(tmpl, "UpdateItem")
	if err != nil {
		b.Fatal(err)
	}
	if s.manager, err = app.NewManager(getenv); err != nil {
		b.Fatal(err)
	}
	made, err := s.manager.CreateAccount(b.Context(), secrets.Text("bench"))
	if err != nil {
		b.Fatal(err)
	}
	s.caller = made.Caller()
	s.caller.SourceIP, s.caller.RequestID = "127.0.0.1", "bench"
	return s
}

// item is an item of a secret that a service uses.
type item struct{ secret, id string }

// used creates a secret with ten items and a service, and waits until the secret is ready.
func (s *running) used(name string) (items []item) {
	s.Helper()
	secret, err := s.manager.CreateSecret(s.Context(), s.caller, secrets.SecretInput{Name: secrets.Text(name)})
	if err != nil {
		s.Fatal(err)
	}
	id := secret.ID.String()
	for i := range 10 {
		it, err := s.manager.CreateItem(s.Context(), s.caller, id, secrets.ItemInput{
			Key: secrets.Text(fmt.Sprint("KEY_", i)), Value: value,
		})
		if err != nil {
			s.Fatal(err)
		}
		items = append(items, item{id, it.ID.String()})
	}
	_, err = s.manager.CreateService(s.Context(), s.caller, secrets.ServiceInput{
		Name: secrets.Text(name), Image: secrets.Text("app:1"), Port: secrets.Text("80"), Secret: secrets.Text(id),
	})
	if err != nil {
		s.Fatal(err)
	}
	s.awaitReady(id)
	return items
}

// value is a long token of 256 bytes.
var value = secrets.Text(strings.Repeat("0123456789abcdef", 16))

func (s *running) change(it item) error {
	_, err := s.manager.UpdateItem(s.Context(), s.caller, it.secret, it.id, secrets.ItemInput{Value: value})
	return err
}

// awaitReady waits until a secret is ready, and returns the waiting time.
func (s *running) awaitReady(secret string) time.Duration {
	s.Helper()
	for start := time.Now(); time.Since(start) < time.Minute; time.Sleep(5 * time.Millisecond) {
		read, err := s.manager.Secret(s.Context(), s.caller, secret)
		if err != nil {
			s.Fatal(err)
		}
		if status, _ := s.manager.Status(read); status == secrets.StatusReady {
			return time.Since(start)
		}
	}
	s.Fatal("the secret is not ready after a minute")
	return 0
}

// Each iteration is the time from the answer to a write until the secret is ready.
func BenchmarkWriteToReady(b *testing.B) {
	s := start(b)
	const atOnce = 15 // deliveries of a secret: the pace delays more than 20 in a day
	var items []item
	var delays []time.Duration
	for b.Loop() {
		b.StopTimer()
		n := len(delays)
		if n%atOnce == 0 {
			items = s.used(fmt.Sprint("used-", n/atOnce))
		}
		time.Sleep(rand.N(200 * time.Millisecond)) // so that writes are not in phase with the polling
		it := items[n%len(items)]
		if err := s.change(it); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		delays = append(delays, s.awaitReady(it.secret))
	}
	b.ReportMetric(compare.P50(delays).Seconds(), "p50-s")
	b.ReportMetric(compare.P99(delays).Seconds(), "p99-s")
}

// Each iteration changes a secret 1,000 times, by 4 clients without a pause, and waits until it
// is ready.
func BenchmarkBurst(b *testing.B) {
	s := start(b)
	const clients, changes = 4, 1000
	deliveries := 0
	var settled time.Duration // from the end of the burst
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		items := s.used(fmt.Sprint("burst-", n))
		before := s.versions()
		b.StartTimer()
		var wg sync.WaitGroup
		failures := make([]error, clients)
		for client := range clients {
			wg.Go(func() {
				for range changes / clients {
					if failures[client] = s.change(items[client]); failures[client] != nil {
						return
					}
				}
			})
		}
		wg.Wait()
		if err := errors.Join(failures...); err != nil {
			b.Fatal(err)
		}
		settled += s.awaitReady(items[0].secret)
		deliveries += s.versions() - before
	}
	b.ReportMetric(float64(deliveries)/float64(b.N), "deliveries/op")
	b.ReportMetric(settled.Seconds()/float64(b.N), "settled-s/op")
}

// versions returns the number of versions in the stack's Secrets Manager, of all secrets.
func (s *running) versions() (n int) {
	s.Helper()
	content, err := os.ReadFile(filepath.Join(s.data, "secretsmanager.json"))
	if err != nil {
		s.Fatal(err)
	}
	var kept struct {
		Secrets map[string]struct{ Versions map[string]struct{} }
	}
	if err := json.Unmarshal(content, &kept); err != nil {
		s.Fatal(err)
	}
	for _, secret := range kept.Secrets {
		n += len(secret.Versions)
	}
	return n
}

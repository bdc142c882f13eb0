package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
)

// measureDeliveries counts the calls to attach services, to change used secrets, and to
// deliver them.
func (counts *counts) measureDeliveries(ctx context.Context, manager *secrets.Manager, deliverer *delivery.Deliverer, sweeper *delivery.Sweeper, t *tally, c secrets.Caller) error {
	record := func(name, note string, call func() error) (count, error) {
		t.take()
		if err := call(); err != nil {
			return count{}, fmt.Errorf("%s: %w", name, err)
		}
		made := t.take()
		counts.routes = append(counts.routes, routeCount{name, note, made})
		return made, nil
	}
	for i, items := range []int{1, 10, 100} {
		secret, err := createSecret(ctx, manager, c, fmt.Sprintf("delivered-%d", items))
		if err != nil {
			return err
		}
		var item string
		for i := range items {
			if item, err = createItem(ctx, manager, c, secret, fmt.Sprintf("KEY_%03d", i)); err != nil {
				return err
			}
		}
		id, err := uuid.Parse(secret)
		if err != nil {
			return err
		}
		attach := func(name string) func() error {
			body := fmt.Sprintf(`{"name":%q,"image":"app:1","port":80,"secret":%q}`, name, secret)
			return request{method: "POST", body: body, want: 201}.ready(ctx, httpapi.CreateService(manager), c)
		}
		deploy := func() error { return deliverer.Deliver(ctx, c.AccountID, id) }
		update := func() error {
			body := fmt.Sprintf(`{"value":%q}`, plaintext)
			return request{method: "PATCH", secret: secret, item: item, body: body, want: 200}.ready(ctx, httpapi.UpdateItem(manager), c)()
		}
		if i > 0 {
			if err := errors.Join(attach(fmt.Sprintf("of-%d", items))(), deploy(), update()); err != nil {
				return err
			}
			made, err := record("deploy-secret", fmt.Sprintf("%d items", items), deploy)
			if err != nil {
				return err
			}
			counts.deliveries = append(counts.deliveries, delivered{items, made})
			continue
		}
		if counts.attach[0], err = record("create-service", "the first of its secret", attach("one")); err != nil {
			return err
		}
		if _, err := record("deploy-secret", "the first bundle, 1 item", deploy); err != nil {
			return err
		}
		if counts.attach[1], err = record("create-service", "another one", attach("other")); err != nil {
			return err
		}
		if counts.used, err = record("update-item", "a new value, in a used secret", update); err != nil {
			return err
		}
		made, err := record("deploy-secret", "1 item", deploy)
		if err != nil {
			return err
		}
		counts.deliveries = append(counts.deliveries, delivered{1, made})
		page, err := manager.ListServices(ctx, c, "", secrets.Cursor{}, 10)
		if err != nil {
			return err
		}
		one, other := page.Results[0].ID.String(), page.Results[1].ID.String()
		for _, step := range []struct {
			name, note string
			call       func() error
		}{
			{"list-services", "2 services", request{method: "GET", want: 200}.ready(ctx, httpapi.ListServices(manager), c)},
			{"get-service", "", request{method: "GET", service: one, want: 200}.ready(ctx, httpapi.GetService(manager), c)},
			{"update-service", "a new image", request{method: "PATCH", service: one, body: `{"image":"app:2"}`, want: 200}.ready(ctx, httpapi.UpdateService(manager), c)},
			{"delete-service", "", request{method: "DELETE", service: other, want: 204}.ready(ctx, httpapi.DeleteService(manager), c)},
			{"delete-service", "the last of its secret", request{method: "DELETE", service: one, want: 204}.ready(ctx, httpapi.DeleteService(manager), c)},
			{"deploy-secret", "a removal", deploy},
			{"redeploy-secrets", "nothing waits", func() error { _, err := sweeper.Sweep(ctx, false); return err }},
		} {
			if _, err := record(step.name, step.note, step.call); err != nil {
				return err
			}
		}
	}
	return nil
}

// delay has the times from a write to the delivered bundle, and the outcome of a burst of
// writes.
type delay struct {
	ready      []time.Duration // from an acknowledged write until the secret is ready; sorted
	items      int             // of the secret
	changes    int             // in a burst
	took       time.Duration   // duration of the burst
	deliveries int             // of the burst
	settled    time.Duration   // from the burst's end until the secret was ready
}

// Each secret gets atOnce changes: the pace limit delays more of them in a day.
const (
	atOnce     = 15
	inBundle   = 10
	burstSize  = 1000
	burstUsers = 4
)

// measureDelay measures the delay on the local stack, with the parameters' defaults.
func measureDelay(ctx context.Context, size size, dir string, r *report) error {
	binary, err := build(ctx, dir, "local", "./infra/local")
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	s, _, err := startStack(ctx, binary, data)
	if err != nil {
		return err
	}
	return errors.Join(s.measureDelay(data, size, &r.delay), s.stop())
}

func (s *runningStack) measureDelay(data string, size size, d *delay) error {
	d.items, d.changes = inBundle, burstSize
	for n := range size.delays/atOnce + 1 {
		secret, items, err := s.usedSecret(fmt.Sprintf("used-%d", n))
		if err != nil {
			return err
		}
		if n == size.delays/atOnce {
			return s.burst(data, secret, items, d)
		}
		for i := range atOnce {
			// A random pause, so that writes are not in phase with the polling.
			time.Sleep(rand.N(200 * time.Millisecond))
			if err := s.do("PATCH", items[i%len(items)], fmt.Sprintf(`{"value":%q}`, plaintext), nil); err != nil {
				return err
			}
			took, err := s.awaitReady(secret)
			if err != nil {
				return err
			}
			d.ready = append(d.ready, took)
		}
		slices.Sort(d.ready)
	}
	return nil
}

// usedSecret creates a secret, its items and a service, and waits until the secret is ready.
// It returns the paths of the secret and of the items.
func (s *runningStack) usedSecret(name string) (secret string, items []string, err error) {
	var made struct{ ID string }
	if err := s.do("POST", "/api/secrets/", fmt.Sprintf(`{"name":%q}`, name), &made); err != nil {
		return "", nil, err
	}
	id := made.ID
	secret = "/api/secrets/" + id + "/"
	for i := range inBundle {
		if err := s.do("POST", secret+"items/", fmt.Sprintf(`{"key":"KEY_%d","value":%q}`, i, plaintext), &made); err != nil {
			return "", nil, err
		}
		items = append(items, secret+"items/"+made.ID+"/")
	}
	if err := s.do("POST", "/api/services/", fmt.Sprintf(`{"name":%q,"image":"app:1","port":80,"secret":%q}`, name, id), nil); err != nil {
		return "", nil, err
	}
	_, err = s.awaitReady(secret)
	return secret, items, err
}

// awaitReady waits until a secret is ready, and returns the waiting time.
func (s *runningStack) awaitReady(secret string) (time.Duration, error) {
	start := time.Now()
	for time.Since(start) < time.Minute {
		var answer struct{ Status string }
		if err := s.do("GET", secret, "", &answer); err != nil {
			return 0, err
		}
		if answer.Status == string(secrets.StatusReady) {
			return time.Since(start), nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, errors.New("the secret is not ready after a minute")
}

// burst changes a secret many times, by several concurrent clients without a pause.
func (s *runningStack) burst(data, secret string, items []string, d *delay) error {
	before, err := versions(data)
	if err != nil {
		return err
	}
	start := time.Now()
	failures := make([]error, burstUsers)
	var wg sync.WaitGroup
	for user := range burstUsers {
		wg.Go(func() {
			for range burstSize / burstUsers {
				if err := s.do("PATCH", items[user], fmt.Sprintf(`{"value":%q}`, plaintext), nil); err != nil {
					failures[user] = err
					return
				}
			}
		})
	}
	wg.Wait()
	d.took = time.Since(start)
	if err := errors.Join(failures...); err != nil {
		return err
	}
	if d.settled, err = s.awaitReady(secret); err != nil {
		return err
	}
	after, err := versions(data)
	d.deliveries = after - before
	return err
}

// versions returns the number of versions in the stack's Secrets Manager, of all secrets.
func versions(data string) (n int, err error) {
	content, err := os.ReadFile(filepath.Join(data, "secretsmanager.json"))
	if err != nil {
		return 0, err
	}
	var kept struct {
		Secrets map[string]struct{ Versions map[string]struct{} }
	}
	if err := json.Unmarshal(content, &kept); err != nil {
		return 0, err
	}
	for _, secret := range kept.Secrets {
		n += len(secret.Versions)
	}
	return n, nil
}

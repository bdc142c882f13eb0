package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/google/uuid"

	"goblins-secrets/infra/bench/compare"
	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
)

// operations are the operations compared with the floor.
var operations = []string{"reveal", "list", "create", "update"}

// listed is the number of items in a list.
const listed = 100

// seat is the data of one client: a separate user, with a separate budget, and a separate
// item.
type seat struct {
	caller       secrets.Caller
	secret, item string
	list         string // a secret with a page of items
}

// calls has the calls of each operation.
type calls map[string]compare.Side

// productCalls returns calls of the whole HTTP handlers: input, domain, store, sealing, answer.
func productCalls(ctx context.Context, manager *secrets.Manager, keys string, at func(client int) seat) calls {
	reveal, list := httpapi.GetItem(manager), httpapi.ListItems(manager)
	create, update := httpapi.CreateItem(manager), httpapi.UpdateItem(manager)
	var made atomic.Int64
	return calls{
		"reveal": func(client int) func() error {
			s := at(client)
			return request{method: "GET", secret: s.secret, item: s.item, want: 200}.ready(ctx, reveal, s.caller)
		},
		"list": func(client int) func() error {
			s := at(client)
			return request{method: "GET", secret: s.list, want: 200}.ready(ctx, list, s.caller)
		},
		"create": func(client int) func() error {
			s := at(client)
			body := fmt.Sprintf(`{"key":"%s%08d","value":%q}`, keys, made.Add(1), plaintext)
			return request{method: "POST", secret: s.secret, body: body, want: 201}.ready(ctx, create, s.caller)
		},
		"update": func(client int) func() error {
			s := at(client)
			body := fmt.Sprintf(`{"value":%q}`, plaintext)
			return request{method: "PATCH", secret: s.secret, item: s.item, body: body, want: 200}.ready(ctx, update, s.caller)
		},
	}
}

// floorCalls returns the same calls on the floor.
func floorCalls(ctx context.Context, f *floor, keys string, at func(client int) seat) calls {
	var made atomic.Int64
	return calls{
		"reveal": func(client int) func() error {
			s := at(client)
			return func() error {
				value, err := f.reveal(ctx, s.caller, s.secret, s.item)
				if err == nil && string(value) != plaintext {
					err = errors.New("the floor reveals another value")
				}
				return err
			}
		},
		"list": func(client int) func() error {
			s := at(client)
			return func() error {
				rows, err := f.list(ctx, s.caller, s.list)
				if err == nil && len(rows) < listed {
					err = fmt.Errorf("the floor lists %d items", len(rows))
				}
				return err
			}
		},
		"create": func(client int) func() error {
			s := at(client)
			key := fmt.Sprintf("%s%08d", keys, made.Add(1))
			return func() error {
				_, err := f.create(ctx, s.caller, s.secret, key, plaintext)
				return err
			}
		},
		"update": func(client int) func() error {
			s := at(client)
			return func() error { return f.update(ctx, s.caller, s.secret, s.item, plaintext) }
		},
	}
}

const (
	manyClients = 16
	maxOverhead = 1.10
)

// measureFloor compares the product with the floor.
func measureFloor(ctx context.Context, size size, dir string, r *report) (err error) {
	w, err := newWorld(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	f := newFloor(w.config, w.endpoints)
	page, owner, err := account(ctx, w.manager)
	if err != nil {
		return err
	}
	if _, err := createItems(ctx, w.manager, owner, page, listed); err != nil {
		return err
	}
	// Each side has a separate secret and separate seats.
	var seats [2][]seat
	for side, create := range []func(secret, key string) (string, error){
		func(secret, key string) (string, error) { return createItem(ctx, w.manager, owner, secret, key) },
		func(secret, key string) (string, error) { return f.create(ctx, owner, secret, key, plaintext) },
	} {
		secret, err := createSecret(ctx, w.manager, owner, fmt.Sprintf("side-%d", side))
		if err != nil {
			return err
		}
		for client := range manyClients {
			s := seat{owner, secret, "", page}
			s.caller.UserID = uuid.New() // its counter is filled before each block
			if s.item, err = create(secret, fmt.Sprintf("SEAT_%02d", client)); err != nil {
				return err
			}
			seats[side] = append(seats[side], s)
		}
	}
	product := productCalls(ctx, w.manager, "KEY_", func(client int) seat { return seats[0][client] })
	bare := floorCalls(ctx, f, "KEY_", func(client int) seat { return seats[1][client] })
	measured := newTable("operation | clients: | p50: | floor: | ratio: | its middle half: | p99: | floor: | ratio: | calls failed:")
	for _, clients := range []int{1, manyClients} {
		each, counted := size.alone, "1 client"
		if clients > 1 {
			each, counted = size.together, fmt.Sprint(clients, " clients")
		}
		for _, name := range operations {
			pair := compare.Pair{Clients: clients, Calls: each, Sides: [2]compare.Side{product[name], bare[name]}}
			if name == "reveal" {
				// Every block begins with full counters, so both sides trim equally often.
				pair.Reset = func() error {
					for client := range clients {
						if err := errors.Join(f.fillCounter(ctx, seats[0][client].caller), f.fillCounter(ctx, seats[1][client].caller)); err != nil {
							return err
						}
					}
					return nil
				}
			}
			if err := pair.Warm(); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			for range size.rounds {
				if err := pair.Round(); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			progress("  %s, %s: %.2f", name, counted, pair.Ratio())
			r.atMost(fmt.Sprintf("%s / floor, p50, %s", name, counted), pair.Ratio(), maxOverhead)
			a, b := pair.Times[0], pair.Times[1]
			measured.row(name, fmt.Sprint(clients), milliseconds(compare.P50(a)), milliseconds(compare.P50(b)), fixed(pair.Ratio()),
				fmt.Sprintf("%.2f–%.2f", compare.Quantile(pair.Ratios, 0.25), compare.Quantile(pair.Ratios, 0.75)),
				milliseconds(compare.P99(a)), milliseconds(compare.P99(b)), fixed(compare.Ratio(compare.P99(a), compare.P99(b))),
				fmt.Sprintf("%d + %d", pair.Failed[0], pair.Failed[1]))
		}
	}
	r.section("floor", measured.String())
	return nil
}

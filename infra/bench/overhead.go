package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/google/uuid"

	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
)

// operations are the operations compared with the floor.
var operations = []string{"reveal", "list", "create", "update"}

// seat is the data of one client: a separate user, with a separate budget, and a separate
// item.
type seat struct {
	caller       secrets.Caller
	secret, item string
	list         string // a secret with a page of items
}

// calls has the caller of each operation.
type calls map[string]caller

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

const manyClients = 16

// measureFloor compares the product with the floor.
func measureFloor(ctx context.Context, size size, w *world, r *report) error {
	manager, err := w.service()
	if err != nil {
		return err
	}
	f, err := w.newFloor()
	if err != nil {
		return err
	}
	made, owner, err := account(ctx, manager, "floor")
	if err != nil {
		return err
	}
	page := made.Account.DefaultSecretID.String()
	for i := range listed {
		if _, err := createItem(ctx, manager, owner, page, fmt.Sprintf("KEY_%03d", i)); err != nil {
			return err
		}
	}
	// Each side has a separate secret and separate seats.
	var seats [2][]seat
	for side, create := range []func(secret, key string) (string, error){
		func(secret, key string) (string, error) { return createItem(ctx, manager, owner, secret, key) },
		func(secret, key string) (string, error) { return f.create(ctx, owner, secret, key, plaintext) },
	} {
		secret, err := createSecret(ctx, manager, owner, fmt.Sprintf("side-%d", side))
		if err != nil {
			return err
		}
		for client := range manyClients {
			s := seat{owner, secret, "", page}
			s.caller.UserID = uuid.New()
			if s.item, err = create(secret, fmt.Sprintf("SEAT_%02d", client)); err != nil {
				return err
			}
			seats[side] = append(seats[side], s)
		}
	}
	product := productCalls(ctx, manager, "KEY_", func(client int) seat { return seats[0][client] })
	bare := floorCalls(ctx, f, "KEY_", func(client int) seat { return seats[1][client] })
	for _, clients := range []int{1, manyClients} {
		each := size.alone
		if clients > 1 {
			each = size.together
		}
		for _, name := range operations {
			reset := func() error { return nil }
			if name == "reveal" {
				// Every block begins with full counters, so both sides trim equally often.
				reset = func() error {
					for client := range clients {
						for _, s := range []seat{seats[0][client], seats[1][client]} {
							if err := w.fillCounter(ctx, s.caller, readLimit); err != nil {
								return err
							}
						}
					}
					return nil
				}
			}
			c, err := compare(name, clients, size.rounds, each, reset, product[name], bare[name])
			if err != nil {
				return err
			}
			progress("  %s, %s: %.2f", name, clientsText(clients), c.ratio())
			r.overheads = append(r.overheads, c)
		}
	}
	return nil
}

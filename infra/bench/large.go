package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
)

// smallItems is the size of the small account.
const smallItems = 10

// measureLarge compares reveals in an account with many items and in an account with few, in
// one table on disk.
func measureLarge(ctx context.Context, size size, w *world, r *report) error {
	manager, err := w.service()
	if err != nil {
		return err
	}
	handler := httpapi.GetItem(manager)
	var sides [2]caller
	var callers [2]secrets.Caller
	for i, items := range []int{size.largeItems, smallItems} {
		made, c, err := account(ctx, manager, fmt.Sprintf("items-%d", items))
		if err != nil {
			return err
		}
		secret := made.Account.DefaultSecretID.String()
		known, err := w.seed(ctx, manager, c, secret, items)
		if err != nil {
			return err
		}
		callers[i] = c
		sides[i] = func(int) func() error {
			item := known[rand.N(len(known))]
			return request{method: "GET", secret: secret, item: item, want: 200}.ready(ctx, handler, c)
		}
	}
	reset := func() error {
		return errors.Join(w.fillCounter(ctx, callers[0], readLimit), w.fillCounter(ctx, callers[1], readLimit))
	}
	r.large, err = compare("reveal", 1, size.rounds, size.alone, reset, sides[0], sides[1])
	return err
}

// seed adds n items to a secret and returns the ids of ten of them, spread evenly. The product
// creates these ten, so they can be revealed. The rest are rows of the same shape, written in
// bulk. The secret's counter of items is not updated: a reveal does not read it.
func (w *world) seed(ctx context.Context, manager *secrets.Manager, c secrets.Caller, secret string, n int) (known []string, err error) {
	const knownItems, writers, perBatch = 10, 4, 8 // 8 items are 24 rows; a batch holds 25
	for part := range knownItems {
		item, err := createItem(ctx, manager, c, secret, fmt.Sprintf("KEY_%d", part))
		if err != nil {
			return nil, err
		}
		known = append(known, item)
		var g errgroup.Group
		g.SetLimit(writers)
		for left := n/knownItems - 1; left > 0; left -= perBatch {
			var batch []types.WriteRequest
			for range min(left, perBatch) {
				for _, r := range itemRows(c, secret) {
					batch = append(batch, types.WriteRequest{PutRequest: &types.PutRequest{Item: r}})
				}
			}
			g.Go(func() error {
				out, err := w.admin.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
					RequestItems: map[string][]types.WriteRequest{w.endpoints.Table: batch},
				})
				if err == nil && len(out.UnprocessedItems) > 0 {
					err = errors.New("the emulator left rows of a batch out")
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return nil, err
		}
		if n > 1000 {
			progress("  %d of %d items", (part+1)*n/knownItems, n)
		}
	}
	return known, nil
}

// itemRows returns the rows of an item with a dummy ciphertext, which does not open.
func itemRows(c secrets.Caller, secret string) []row {
	item, key, now := uuid.Must(uuid.NewV7()).String(), uuid.NewString(), timestamp()
	const envelope = 150 // bytes around a value, approximately
	return []row{
		{
			"PK": text(secretPK(c, secret)), "SK": text("ITEM#" + item), "key": text(key), "version": number(1),
			"size": number(entrySize(key, plaintext)), "created_at": text(now), "updated_at": text(now),
		},
		{"PK": text(secretPK(c, secret)), "SK": text("KEY#" + key), "owner": text(item)},
		valueRow(c, secret, item, "1", make([]byte, len(plaintext)+envelope)),
	}
}

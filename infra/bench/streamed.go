package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"
)

// measureStreamed compares writes to two tables on disk: one whose stream has many records,
// and one whose stream has few. The emulator keeps all records.
func measureStreamed(ctx context.Context, size size, dir string, r *report) error {
	var worlds [2]*world
	for i := range worlds {
		own := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(own, 0o700); err != nil {
			return err
		}
		w, err := newWorld(ctx, own, "dynamodb.sqlite")
		if err != nil {
			return err
		}
		defer w.close() // its error is ignored: any fault shows earlier
		if err := w.db.SetStream(ctx, w.endpoints.Table, w.template.Table.StreamView); err != nil {
			return err
		}
		worlds[i] = w
	}
	if err := worlds[0].fill(ctx, size.streamed); err != nil {
		return err
	}
	write := func(w *world) caller {
		return func(int) func() error {
			row := streamedRow()
			return func() error {
				_, err := w.admin.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.endpoints.Table, Item: row})
				return err
			}
		}
	}
	var err error
	r.streamed, err = compare("write", 1, size.rounds, size.alone, func() error { return nil }, write(worlds[0]), write(worlds[1]))
	return err
}

// fill writes n rows, in bulk.
func (w *world) fill(ctx context.Context, n int) error {
	const perBatch = 25
	for ; n > 0; n -= perBatch {
		var batch []types.WriteRequest
		for range min(n, perBatch) {
			batch = append(batch, types.WriteRequest{PutRequest: &types.PutRequest{Item: streamedRow()}})
		}
		out, err := w.admin.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{w.endpoints.Table: batch},
		})
		if err == nil && len(out.UnprocessedItems) > 0 {
			err = errors.New("the emulator left rows of a batch out")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func streamedRow() row {
	return row{"PK": text("ROWS"), "SK": text(uuid.NewString()), "value": text(plaintext)}
}

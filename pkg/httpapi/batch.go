package httpapi

import (
	"net/http"

	"goblins-secrets/pkg/secrets"
)

// batchDoneBody is what a batch did, or would do, with each key, in the order of the request.
type batchDoneBody struct {
	DryRun  bool              `json:"dry_run"`
	Results []batchChangeBody `json:"results"`
}

type batchChangeBody struct {
	Key     string  `json:"key"`
	ID      *string `json:"id"`
	Version *int64  `json:"version"`
	Done    string  `json:"done"`
}

func newBatchDoneBody(done []secrets.BatchChange, dryRun bool) batchDoneBody {
	b := batchDoneBody{DryRun: dryRun, Results: make([]batchChangeBody, len(done))}
	for i, x := range done {
		b.Results[i] = batchChangeBody{Key: x.Item.Name, ID: optionalID(x.Item.ID), Done: string(x.Done)}
		if x.Version > 0 {
			b.Results[i].Version = &x.Version
		}
	}
	return b
}

// batchInput reads the body of a batch.
func batchInput(r *http.Request) (in secrets.BatchInput) {
	b, err := readBodyUpTo(r, maxBatchBody)
	items, faults, itemsErr := b.objects("items")
	keys, keysErr := b.texts("delete")
	for _, failure := range []error{keysErr, itemsErr, err} {
		if failure != nil {
			in.Err = failure
		}
	}
	for i, it := range items {
		input := secrets.ItemInput{Key: it.text("key"), Value: it.opaque("value")}
		if faults[i] != nil {
			input.Err = faults[i]
		}
		in.Items = append(in.Items, input)
	}
	in.Delete, in.IfMatch = keys, ifMatch(r, secretRevision)
	return in
}

// BatchItems is POST /api/secrets/{secret_id}/items/batch/: several items are created, replaced and deleted by their
// keys, all or none; with ?dry_run=true, it only says what would happen.
func BatchItems(m *secrets.Manager) http.Handler {
	return handle(m, secrets.ItemsChanged, func(r *http.Request, c secrets.Caller) (answer, error) {
		in := batchInput(r)
		var err error
		if in.DryRun, err = flag(r, "dry_run"); err != nil {
			return answer{}, err
		}
		done, err := m.BatchItems(r.Context(), c, r.PathValue("secret_id"), in)
		if err != nil {
			return answer{}, err
		}
		return ok(newBatchDoneBody(done, in.DryRun)), nil
	}, "dry_run")
}

package httpapi

import (
	"fmt"
	"net/http"
	"time"

	"goblins-secrets/pkg/secrets"
)

// itemBody is an item in the API.
type itemBody struct {
	ID             string  `json:"id"`
	Secret         string  `json:"secret"`
	Key            string  `json:"key"`
	Value          string  `json:"value"`
	Version        int64   `json:"version"`
	LastAccessedAt *string `json:"last_accessed_at"`
	LastAccessedBy *string `json:"last_accessed_by"`
	CreatedAt      string  `json:"created_at"`
	UpdatedAt      string  `json:"updated_at"`
	ETag           string  `json:"etag"`

	// Of an item in the bin.
	DeletedAt       *string `json:"deleted_at,omitempty"`
	DeletedBy       *string `json:"deleted_by,omitempty"`
	RestorableUntil *string `json:"restorable_until,omitempty"`
}

// newItemBody returns an item with its value masked.
func newItemBody(it secrets.Item) itemBody {
	b := itemBody{
		ID: it.ID.String(), Secret: it.SecretID.String(), Key: it.Key, Value: secrets.Mask, Version: it.Version,
		CreatedAt: timeText(it.CreatedAt), UpdatedAt: timeText(it.UpdatedAt), ETag: itemTag(it),
	}
	if !it.LastAccessedAt.IsZero() {
		b.LastAccessedAt, b.LastAccessedBy = new(timeText(it.LastAccessedAt)), new(it.LastAccessedBy.String())
	}
	return b
}

// newListedItemBody returns an item of a list, which may be in the bin.
func newListedItemBody(it secrets.DeletedItem) itemBody {
	b := newItemBody(it.Item)
	b.DeletedAt, b.DeletedBy, b.RestorableUntil = deletedTexts(it.Deleted)
	return b
}

// itemInput reads the body of a request about an item.
func itemInput(r *http.Request) secrets.ItemInput {
	b, err := readBody(r)
	return secrets.ItemInput{Key: b.text("key"), Value: b.opaque("value"), IfMatch: ifMatch(r, revisionTag), Err: err}
}

// itemRestoreInput reads the body of the restore of an item.
func itemRestoreInput(r *http.Request) secrets.ItemInput {
	b, err := readBody(r)
	return secrets.ItemInput{Key: b.text("key"), Err: err}
}

// ListItems is GET /api/secrets/{secret_id}/items/; with ?key=, only the one with that key; with ?deleted=true, those
// in the bin. Values are masked.
func ListItems(m *secrets.Manager) http.Handler {
	return listing(m, secrets.ItemRead, func(r *http.Request, c secrets.Caller, key secrets.Field, from secrets.Cursor, size int) (secrets.Page[secrets.DeletedItem], error) {
		deleted, err := inBin(r, "key")
		if err != nil {
			return secrets.Page[secrets.DeletedItem]{}, err
		}
		if deleted {
			return m.DeletedItems(r.Context(), c, r.PathValue("secret_id"), from, size)
		}
		page, err := m.ListItems(r.Context(), c, r.PathValue("secret_id"), key, from, size)
		return convert(page, func(it secrets.Item) secrets.DeletedItem { return secrets.DeletedItem{Item: it} }), err
	}, newListedItemBody, "key", "deleted")
}

// CreateItem is POST /api/secrets/{secret_id}/items/.
func CreateItem(m *secrets.Manager) http.Handler {
	return handle(m, secrets.ItemCreated, func(r *http.Request, c secrets.Caller) (answer, error) {
		it, err := m.CreateItem(r.Context(), c, r.PathValue("secret_id"), itemInput(r))
		if err != nil {
			return answer{}, err
		}
		return created(r, it.ID, newItemBody(it)).tagged(itemTag(it)), nil
	})
}

// GetItem is GET /api/secrets/{secret_id}/items/{item_id}/: the reveal, the only
// response with a value. It carries the budget if the budget was charged. A client that has the item already, by
// If-None-Match, gets a 304, and nothing is revealed.
//
// It is also GET /api/secrets/{secret_id}/items/{item_id}/versions/{version}/, the reveal of a kept version.
func GetItem(m *secrets.Manager) http.Handler {
	return handle(m, secrets.ItemRevealed, func(r *http.Request, c secrets.Caller) (answer, error) {
		var revealed secrets.Revealed
		var err error
		if version := r.PathValue("version"); version != "" {
			revealed, err = m.RevealVersion(r.Context(), c, r.PathValue("secret_id"), r.PathValue("item_id"), version)
		} else {
			revealed, err = m.RevealChangedItem(r.Context(), c, r.PathValue("secret_id"), r.PathValue("item_id"), revisions(r, revisionTag))
		}
		a := answer{status: http.StatusOK, header: budgetHeader(revealed.Budget)}
		if err != nil {
			return a, err
		}
		if revealed.Same {
			return notModified(itemTag(revealed.Item)), nil
		}
		b := newItemBody(revealed.Item)
		b.Value = revealed.Value.Reveal()
		a.body = b
		return a.tagged(b.ETag), nil
	})
}

// budgetHeader is the budget in the fields of draft-ietf-httpapi-ratelimit-headers-10.
func budgetHeader(b secrets.Budget) http.Header {
	if b.Limit == 0 { // nothing was charged
		return nil
	}
	return http.Header{ // spelled as in the draft, not as net/http would
		"RateLimit-Policy": {fmt.Sprintf(`"reveals";q=%d;w=%d`, b.Limit, b.Window/time.Second)},
		"RateLimit":        {fmt.Sprintf(`"reveals";r=%d;t=%d`, b.Left, b.Reset/time.Second)},
	}
}

// UpdateItem is PATCH /api/secrets/{secret_id}/items/{item_id}/.
func UpdateItem(m *secrets.Manager) http.Handler {
	return handle(m, secrets.ItemUpdated, func(r *http.Request, c secrets.Caller) (answer, error) {
		it, err := m.UpdateItem(r.Context(), c, r.PathValue("secret_id"), r.PathValue("item_id"), itemInput(r))
		if err != nil {
			return answer{}, err
		}
		return ok(newItemBody(it)).tagged(itemTag(it)), nil
	})
}

// DeleteItem is DELETE /api/secrets/{secret_id}/items/{item_id}/; with ?permanent=true, it does not go into the bin, or
// leaves it.
func DeleteItem(m *secrets.Manager) http.Handler {
	return handle(m, secrets.ItemDeleted, func(r *http.Request, c secrets.Caller) (answer, error) {
		d, err := deletion(r, revisionTag)
		if err != nil {
			return answer{}, err
		}
		if err := m.DeleteItem(r.Context(), c, r.PathValue("secret_id"), r.PathValue("item_id"), d); err != nil {
			return answer{}, err
		}
		return noContent(), nil
	}, "permanent")
}

// RestoreItem is POST /api/secrets/{secret_id}/items/{item_id}/restore/. Without a key it gets its old one.
func RestoreItem(m *secrets.Manager) http.Handler {
	return handle(m, secrets.ItemRestored, func(r *http.Request, c secrets.Caller) (answer, error) {
		it, err := m.RestoreItem(r.Context(), c, r.PathValue("secret_id"), r.PathValue("item_id"), itemRestoreInput(r))
		if err != nil {
			return answer{}, err
		}
		return ok(newItemBody(it)).tagged(itemTag(it)), nil
	})
}

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
	LastAccessedAt *string `json:"last_accessed_at"`
	LastAccessedBy *string `json:"last_accessed_by"`
	CreatedAt      string  `json:"created_at"`
	UpdatedAt      string  `json:"updated_at"`
}

// newItemBody returns an item with its value masked.
func newItemBody(it secrets.Item) itemBody {
	b := itemBody{
		ID: it.ID.String(), Secret: it.SecretID.String(), Key: it.Key, Value: secrets.Mask,
		CreatedAt: timeText(it.CreatedAt), UpdatedAt: timeText(it.UpdatedAt),
	}
	if !it.LastAccessedAt.IsZero() {
		b.LastAccessedAt, b.LastAccessedBy = new(timeText(it.LastAccessedAt)), new(it.LastAccessedBy.String())
	}
	return b
}

// itemInput reads the body of a request about an item.
func itemInput(r *http.Request) secrets.ItemInput {
	b, err := readBody(r)
	return secrets.ItemInput{Key: b.text("key"), Value: b.opaque("value"), Err: err}
}

// ListItems is GET /api/secrets/{secret_id}/items/; with ?key=, only the one with that key. Values are
// masked.
func ListItems(m *secrets.Manager) http.Handler {
	return listing(m, secrets.ItemRead, func(r *http.Request, c secrets.Caller, key secrets.Field, from secrets.Cursor, size int) (secrets.Page[secrets.Item], error) {
		return m.ListItems(r.Context(), c, r.PathValue("secret_id"), key, from, size)
	}, newItemBody, "key")
}

// CreateItem is POST /api/secrets/{secret_id}/items/.
func CreateItem(m *secrets.Manager) http.Handler {
	return handle(m, secrets.ItemCreated, func(r *http.Request, c secrets.Caller) (answer, error) {
		it, err := m.CreateItem(r.Context(), c, r.PathValue("secret_id"), itemInput(r))
		if err != nil {
			return answer{}, err
		}
		return created(r, it.ID, newItemBody(it)), nil
	})
}

// GetItem is GET /api/secrets/{secret_id}/items/{item_id}/: the reveal, the only
// response with a value. It carries the budget if the budget was charged.
func GetItem(m *secrets.Manager) http.Handler {
	return handle(m, secrets.ItemRevealed, func(r *http.Request, c secrets.Caller) (answer, error) {
		revealed, err := m.RevealItem(r.Context(), c, r.PathValue("secret_id"), r.PathValue("item_id"))
		a := answer{status: http.StatusOK, header: budgetHeader(revealed.Budget)}
		if err != nil {
			return a, err
		}
		b := newItemBody(revealed.Item)
		b.Value = revealed.Value.Reveal()
		a.body = b
		return a, nil
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
		return ok(newItemBody(it)), nil
	})
}

// DeleteItem is DELETE /api/secrets/{secret_id}/items/{item_id}/.
func DeleteItem(m *secrets.Manager) http.Handler {
	return handle(m, secrets.ItemDeleted, func(r *http.Request, c secrets.Caller) (answer, error) {
		if err := m.DeleteItem(r.Context(), c, r.PathValue("secret_id"), r.PathValue("item_id")); err != nil {
			return answer{}, err
		}
		return noContent(), nil
	})
}

package httpapi

import (
	"net/http"
	"time"

	"goblins-secrets/pkg/secrets"
)

// keyBody is a key in the API, without its text.
type keyBody struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Prefix      string    `json:"prefix"`
	User        string    `json:"user"`
	Invitation  bool      `json:"invitation"`
	Permissions []string  `json:"permissions"`
	Secrets     *[]string `json:"secrets"` // null: those of its user
	ExpiresAt   *string   `json:"expires_at"`
	LastUsedAt  *string   `json:"last_used_at"`
	CreatedAt   string    `json:"created_at"`
	CreatedBy   *string   `json:"created_by"`
	MadeBy      *string   `json:"made_by"`
}

// createdKeyBody is a key with its text, which no other answer has.
type createdKeyBody struct {
	keyBody
	Key string `json:"key"`
}

// keyDetailsBody is a key with the ids of the keys that it made.
type keyDetailsBody struct {
	keyBody
	Made []string `json:"made"`
}

func newKeyBody(k secrets.Key) keyBody {
	return keyBody{
		ID: k.ID.String(), Name: k.Name, Prefix: k.Prefix, User: k.UserID.String(), Invitation: k.Invitation,
		Permissions: k.Rights.Permissions.Names(), Secrets: optionalIDs(k.Rights.Secrets),
		ExpiresAt: optionalTime(k.ExpiresAt), LastUsedAt: optionalTime(k.LastUsedAt), CreatedAt: timeText(k.CreatedAt),
		CreatedBy: optionalID(k.CreatedBy), MadeBy: optionalID(k.MadeBy),
	}
}

func optionalTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return new(timeText(t))
}

// newKeyInput reads the body of a request for a key.
func newKeyInput(r *http.Request) secrets.KeyInput {
	b, err := readBody(r)
	return secrets.KeyInput{
		User: b.reference("user"), Name: b.text("name"), Permissions: b.list("permissions"), Secrets: b.nullableList("secrets"),
		ExpiresAt: b.nullableOpaque("expires_at"), Invitation: b.boolean("invitation"), Err: err,
	}
}

// keyChangeInput reads the body of a change of a key, which keeps its user.
func keyChangeInput(r *http.Request) secrets.KeyInput {
	b, err := readBody(r)
	return secrets.KeyInput{
		Name: b.text("name"), Permissions: b.list("permissions"), Secrets: b.nullableList("secrets"),
		ExpiresAt: b.nullableOpaque("expires_at"), Err: err,
	}
}

// ListKeys is GET /api/keys/; with ?user=, only that user's.
func ListKeys(m *secrets.Manager) http.Handler {
	return listing(m, secrets.KeyRead, func(r *http.Request, c secrets.Caller, _ secrets.Field, from secrets.Cursor, size int) (secrets.Page[secrets.Key], error) {
		return m.ListKeys(r.Context(), c, parameter(r.URL.Query(), "user"), from, size)
	}, newKeyBody, "", "user")
}

// CreateKey is POST /api/keys/, the only answer with a key's text.
func CreateKey(m *secrets.Manager) http.Handler {
	return handle(m, secrets.KeyCreated, func(r *http.Request, c secrets.Caller) (answer, error) {
		k, err := m.CreateKey(r.Context(), c, newKeyInput(r))
		if err != nil {
			return answer{}, err
		}
		return created(r, k.ID, createdKeyBody{newKeyBody(k.Key), k.Text}), nil
	})
}

// GetKey is GET /api/keys/{key_id}/.
func GetKey(m *secrets.Manager) http.Handler {
	return handle(m, secrets.KeyRead, func(r *http.Request, c secrets.Caller) (answer, error) {
		k, made, err := m.Key(r.Context(), c, r.PathValue("key_id"))
		if err != nil {
			return answer{}, err
		}
		return ok(keyDetailsBody{newKeyBody(k), idTexts(made)}), nil
	})
}

// UpdateKey is PATCH /api/keys/{key_id}/.
func UpdateKey(m *secrets.Manager) http.Handler {
	return handle(m, secrets.KeyUpdated, func(r *http.Request, c secrets.Caller) (answer, error) {
		k, err := m.UpdateKey(r.Context(), c, r.PathValue("key_id"), keyChangeInput(r))
		if err != nil {
			return answer{}, err
		}
		return ok(newKeyBody(k)), nil
	})
}

// DeleteKey is DELETE /api/keys/{key_id}/; with ?made=true, also the keys that it made.
func DeleteKey(m *secrets.Manager) http.Handler {
	return handle(m, secrets.KeyDeleted, func(r *http.Request, c secrets.Caller) (answer, error) {
		made, err := flag(r, "made")
		if err != nil {
			return answer{}, err
		}
		if err := m.DeleteKey(r.Context(), c, r.PathValue("key_id"), made); err != nil {
			return answer{}, err
		}
		return noContent(), nil
	}, "made")
}

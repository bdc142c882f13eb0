package httpapi

import (
	"net/http"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// userBody is a user in the API. Fields that the caller may not see are null. Of a user whose details the caller may
// see, permissions are not null.
type userBody struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Kind        string    `json:"kind"`
	Email       *string   `json:"email"`
	Permissions *[]string `json:"permissions"`
	Secrets     *[]string `json:"secrets"` // null: all
	RevealLimit *int      `json:"reveal_limit"`
	Keys        *int      `json:"keys"`
	CreatedAt   *string   `json:"created_at"`
	CreatedBy   *string   `json:"created_by"`
}

func newUserBody(u secrets.User) userBody {
	b := userBody{ID: u.ID.String(), Name: u.Name, Kind: string(u.Kind)}
	if !u.Detailed() {
		return b
	}
	b.Permissions, b.Secrets = new(u.Rights.Permissions.Names()), optionalIDs(u.Rights.Secrets)
	b.Keys, b.CreatedAt, b.CreatedBy = new(len(u.Keys)), new(timeText(u.CreatedAt)), optionalID(u.CreatedBy)
	if u.Email != "" {
		b.Email = &u.Email
	}
	if u.RevealLimit != 0 {
		b.RevealLimit = &u.RevealLimit
	}
	return b
}

// optionalIDs are ids, or null.
func optionalIDs(ids []uuid.UUID) *[]string {
	if ids == nil {
		return nil
	}
	return new(idTexts(ids))
}

func idTexts(ids []uuid.UUID) []string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return texts
}

func optionalID(id uuid.UUID) *string {
	if id == uuid.Nil {
		return nil
	}
	return new(id.String())
}

// userInput reads the body of a request about a user.
func userInput(r *http.Request) secrets.UserInput {
	b, err := readBody(r)
	return secrets.UserInput{
		Kind: b.opaque("kind"), Name: b.text("name"), Email: b.nullableOpaque("email"), Permissions: b.list("permissions"),
		Secrets: b.nullableList("secrets"), RevealLimit: b.nullableInteger("reveal_limit"), Err: err,
	}
}

// ListUsers is GET /api/users/.
func ListUsers(m *secrets.Manager) http.Handler {
	return listing(m, secrets.UserRead, func(r *http.Request, c secrets.Caller, _ secrets.Field, from secrets.Cursor, size int) (secrets.Page[secrets.User], error) {
		return m.ListUsers(r.Context(), c, from, size)
	}, newUserBody, "")
}

// CreateUser is POST /api/users/.
func CreateUser(m *secrets.Manager) http.Handler {
	return handle(m, secrets.UserCreated, func(r *http.Request, c secrets.Caller) (answer, error) {
		u, err := m.CreateUser(r.Context(), c, userInput(r))
		if err != nil {
			return answer{}, err
		}
		return created(r, u.ID, newUserBody(u)), nil
	})
}

// GetUser is GET /api/users/{user_id}/.
func GetUser(m *secrets.Manager) http.Handler {
	return handle(m, secrets.UserRead, func(r *http.Request, c secrets.Caller) (answer, error) {
		u, err := m.User(r.Context(), c, r.PathValue("user_id"))
		if err != nil {
			return answer{}, err
		}
		return ok(newUserBody(u)), nil
	})
}

// UpdateUser is PATCH /api/users/{user_id}/.
func UpdateUser(m *secrets.Manager) http.Handler {
	return handle(m, secrets.UserUpdated, func(r *http.Request, c secrets.Caller) (answer, error) {
		u, err := m.UpdateUser(r.Context(), c, r.PathValue("user_id"), userInput(r))
		if err != nil {
			return answer{}, err
		}
		return ok(newUserBody(u)), nil
	})
}

// DeleteUser is DELETE /api/users/{user_id}/.
func DeleteUser(m *secrets.Manager) http.Handler {
	return handle(m, secrets.UserDeleted, func(r *http.Request, c secrets.Caller) (answer, error) {
		if err := m.DeleteUser(r.Context(), c, r.PathValue("user_id")); err != nil {
			return answer{}, err
		}
		return noContent(), nil
	})
}

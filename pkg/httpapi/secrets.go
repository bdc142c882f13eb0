package httpapi

import (
	"net/http"

	"goblins-secrets/pkg/secrets"
)

// secretBody is a secret in the API. Bodies hold plain fields only: lists are long, and
// types with their own MarshalJSON double the time of encoding/json.
type secretBody struct {
	ID               string `json:"id"`
	Name             string `json:"name"`
	IsDefault        bool   `json:"is_default"`
	Status           string `json:"status"`
	DeploySuccessful bool   `json:"deploy_successful"`
	CreatedAt        string `json:"created_at"`

	Bundle *bundleBody `json:"bundle"`
	ETag   string      `json:"etag"`

	// Of a secret in the bin.
	DeletedAt       *string `json:"deleted_at,omitempty"`
	DeletedBy       *string `json:"deleted_by,omitempty"`
	RestorableUntil *string `json:"restorable_until,omitempty"`
}

// bundleBody is where services read a secret.
type bundleBody struct {
	Name   string `json:"name"`
	Region string `json:"region"`
	ARN    string `json:"arn"`
}

func newSecretBody(m *secrets.Manager) func(secrets.Secret) secretBody {
	return func(s secrets.Secret) secretBody {
		status, successful := m.Status(s)
		body := secretBody{
			ID: s.ID.String(), Name: s.Name, IsDefault: s.IsDefault,
			Status: string(status), DeploySuccessful: successful, CreatedAt: timeText(s.CreatedAt), ETag: secretTag(s, status),
		}
		if b, ok := m.BundleOf(s); ok {
			body.Bundle = &bundleBody{b.Name, b.Region, b.ARN}
		}
		return body
	}
}

// newListedSecretBody returns a secret of a list, which may be in the bin.
func newListedSecretBody(m *secrets.Manager) func(secrets.DeletedSecret) secretBody {
	return func(s secrets.DeletedSecret) secretBody {
		body := newSecretBody(m)(s.Secret)
		body.DeletedAt, body.DeletedBy, body.RestorableUntil = deletedTexts(s.Deleted)
		return body
	}
}

// deletedTexts says when and by whom what is in the bin was deleted, and until when it can be restored.
func deletedTexts(d secrets.Deleted) (at, by, until *string) {
	if d == (secrets.Deleted{}) {
		return nil, nil, nil
	}
	return new(timeText(d.At)), new(d.By.String()), new(timeText(d.Due))
}

// secretInput reads the body of a request about a secret.
func secretInput(r *http.Request) secrets.SecretInput {
	b, err := readBody(r)
	return secrets.SecretInput{Name: b.text("name"), IfMatch: ifMatch(r, secretRevision), Err: err}
}

// secretRestoreInput reads the body of the restore of a secret.
func secretRestoreInput(r *http.Request) secrets.SecretInput {
	b, err := readBody(r)
	return secrets.SecretInput{Name: b.text("name"), Err: err}
}

// ListSecrets is GET /api/secrets/; with ?name=, only the one with that name; with ?deleted=true, those in the bin.
func ListSecrets(m *secrets.Manager) http.Handler {
	return listing(m, secrets.SecretRead, func(r *http.Request, c secrets.Caller, name secrets.Field, from secrets.Cursor, size int) (secrets.Page[secrets.DeletedSecret], error) {
		deleted, err := inBin(r, "name")
		if err != nil {
			return secrets.Page[secrets.DeletedSecret]{}, err
		}
		if deleted {
			return m.DeletedSecrets(r.Context(), c, from, size)
		}
		page, err := m.ListSecrets(r.Context(), c, name, from, size)
		return convert(page, func(s secrets.Secret) secrets.DeletedSecret { return secrets.DeletedSecret{Secret: s} }), err
	}, newListedSecretBody(m), "name", "deleted")
}

// CreateSecret is POST /api/secrets/.
func CreateSecret(m *secrets.Manager) http.Handler {
	return handle(m, secrets.SecretCreated, func(r *http.Request, c secrets.Caller) (answer, error) {
		s, err := m.CreateSecret(r.Context(), c, secretInput(r))
		if err != nil {
			return answer{}, err
		}
		body := newSecretBody(m)(s)
		return created(r, s.ID, body).tagged(body.ETag), nil
	})
}

// GetSecret is GET /api/secrets/{secret_id}/.
func GetSecret(m *secrets.Manager) http.Handler {
	return handle(m, secrets.SecretRead, func(r *http.Request, c secrets.Caller) (answer, error) {
		s, err := m.Secret(r.Context(), c, r.PathValue("secret_id"))
		if err != nil {
			return answer{}, err
		}
		body := newSecretBody(m)(s)
		return ok(body).unlessKnown(r, body.ETag), nil
	})
}

// UpdateSecret is PATCH /api/secrets/{secret_id}/.
func UpdateSecret(m *secrets.Manager) http.Handler {
	return handle(m, secrets.SecretUpdated, func(r *http.Request, c secrets.Caller) (answer, error) {
		s, err := m.UpdateSecret(r.Context(), c, r.PathValue("secret_id"), secretInput(r))
		if err != nil {
			return answer{}, err
		}
		body := newSecretBody(m)(s)
		return ok(body).tagged(body.ETag), nil
	})
}

// DeleteSecret is DELETE /api/secrets/{secret_id}/; with ?permanent=true, it does not go into the bin, or leaves it.
func DeleteSecret(m *secrets.Manager) http.Handler {
	return handle(m, secrets.SecretDeleted, func(r *http.Request, c secrets.Caller) (answer, error) {
		d, err := deletion(r, secretRevision)
		if err != nil {
			return answer{}, err
		}
		if err := m.DeleteSecret(r.Context(), c, r.PathValue("secret_id"), d); err != nil {
			return answer{}, err
		}
		return noContent(), nil
	}, "permanent")
}

// RestoreSecret is POST /api/secrets/{secret_id}/restore/. Without a name it gets its old one.
func RestoreSecret(m *secrets.Manager) http.Handler {
	return handle(m, secrets.SecretRestored, func(r *http.Request, c secrets.Caller) (answer, error) {
		s, err := m.RestoreSecret(r.Context(), c, r.PathValue("secret_id"), secretRestoreInput(r))
		if err != nil {
			return answer{}, err
		}
		body := newSecretBody(m)(s)
		return ok(body).tagged(body.ETag), nil
	})
}

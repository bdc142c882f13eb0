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
			Status: string(status), DeploySuccessful: successful, CreatedAt: timeText(s.CreatedAt),
		}
		if b, ok := m.BundleOf(s); ok {
			body.Bundle = &bundleBody{b.Name, b.Region, b.ARN}
		}
		return body
	}
}

// secretInput reads the body of a request about a secret.
func secretInput(r *http.Request) secrets.SecretInput {
	b, err := readBody(r)
	return secrets.SecretInput{Name: b.text("name"), Err: err}
}

// ListSecrets is GET /api/secrets/; with ?name=, only the one with that name.
func ListSecrets(m *secrets.Manager) http.Handler {
	return listing(m, secrets.SecretRead, func(r *http.Request, c secrets.Caller, name secrets.Field, from secrets.Cursor, size int) (secrets.Page[secrets.Secret], error) {
		return m.ListSecrets(r.Context(), c, name, from, size)
	}, newSecretBody(m), "name")
}

// CreateSecret is POST /api/secrets/.
func CreateSecret(m *secrets.Manager) http.Handler {
	return handle(m, secrets.SecretCreated, func(r *http.Request, c secrets.Caller) (answer, error) {
		s, err := m.CreateSecret(r.Context(), c, secretInput(r))
		if err != nil {
			return answer{}, err
		}
		return created(r, s.ID, newSecretBody(m)(s)), nil
	})
}

// GetSecret is GET /api/secrets/{secret_id}/.
func GetSecret(m *secrets.Manager) http.Handler {
	return handle(m, secrets.SecretRead, func(r *http.Request, c secrets.Caller) (answer, error) {
		s, err := m.Secret(r.Context(), c, r.PathValue("secret_id"))
		if err != nil {
			return answer{}, err
		}
		return ok(newSecretBody(m)(s)), nil
	})
}

// UpdateSecret is PATCH /api/secrets/{secret_id}/.
func UpdateSecret(m *secrets.Manager) http.Handler {
	return handle(m, secrets.SecretUpdated, func(r *http.Request, c secrets.Caller) (answer, error) {
		s, err := m.UpdateSecret(r.Context(), c, r.PathValue("secret_id"), secretInput(r))
		if err != nil {
			return answer{}, err
		}
		return ok(newSecretBody(m)(s)), nil
	})
}

// DeleteSecret is DELETE /api/secrets/{secret_id}/.
func DeleteSecret(m *secrets.Manager) http.Handler {
	return handle(m, secrets.SecretDeleted, func(r *http.Request, c secrets.Caller) (answer, error) {
		if err := m.DeleteSecret(r.Context(), c, r.PathValue("secret_id")); err != nil {
			return answer{}, err
		}
		return noContent(), nil
	})
}

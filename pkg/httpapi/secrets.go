package httpapi

import (
	"net/http"
	"sync"

	"goblins-secrets/pkg/secrets"
)

// secretBody is a secret as the API shows it. Bodies hold plain fields only: lists
// are long, and what marshals itself costs encoding/json twice the time.
type secretBody struct {
	ID               string `json:"id"`
	Name             string `json:"name"`
	IsDefault        bool   `json:"is_default"`
	Status           string `json:"status"`
	DeploySuccessful bool   `json:"deploy_successful"`
	CreatedAt        string `json:"created_at"`
}

func newSecretBody(svc *secrets.Service) func(secrets.Secret) secretBody {
	return func(s secrets.Secret) secretBody {
		status, successful := svc.Status(s)
		return secretBody{
			ID: s.ID.String(), Name: s.Name, IsDefault: s.IsDefault,
			Status: string(status), DeploySuccessful: successful, CreatedAt: timeText(s.CreatedAt),
		}
	}
}

// secretInput reads what a request says of a secret, when first asked.
func secretInput(r *http.Request) func() (secrets.SecretInput, error) {
	return sync.OnceValues(func() (secrets.SecretInput, error) {
		b, err := readBody(r)
		return secrets.SecretInput{Name: b.text("name")}, err
	})
}

// ListSecrets is GET /api/secrets/.
func ListSecrets(svc *secrets.Service) http.Handler {
	return handle(svc, func(r *http.Request, c secrets.Caller) (answer, error) {
		return listPage(r, func(from secrets.Cursor, size int) (secrets.Page[secrets.Secret], error) {
			return svc.ListSecrets(r.Context(), c, from, size)
		}, newSecretBody(svc))
	})
}

// CreateSecret is POST /api/secrets/.
func CreateSecret(svc *secrets.Service) http.Handler {
	return handle(svc, func(r *http.Request, c secrets.Caller) (answer, error) {
		s, err := svc.CreateSecret(r.Context(), c, secretInput(r))
		if err != nil {
			return answer{}, err
		}
		return created(r, s.ID, newSecretBody(svc)(s)), nil
	})
}

// GetSecret is GET /api/secrets/{secret_id}/.
func GetSecret(svc *secrets.Service) http.Handler {
	return handle(svc, func(r *http.Request, c secrets.Caller) (answer, error) {
		s, err := svc.Secret(r.Context(), c, r.PathValue("secret_id"))
		if err != nil {
			return answer{}, err
		}
		return ok(newSecretBody(svc)(s)), nil
	})
}

// UpdateSecret is PATCH /api/secrets/{secret_id}/.
func UpdateSecret(svc *secrets.Service) http.Handler {
	return handle(svc, func(r *http.Request, c secrets.Caller) (answer, error) {
		s, err := svc.UpdateSecret(r.Context(), c, r.PathValue("secret_id"), secretInput(r))
		if err != nil {
			return answer{}, err
		}
		return ok(newSecretBody(svc)(s)), nil
	})
}

// DeleteSecret is DELETE /api/secrets/{secret_id}/.
func DeleteSecret(svc *secrets.Service) http.Handler {
	return handle(svc, func(r *http.Request, c secrets.Caller) (answer, error) {
		if err := svc.DeleteSecret(r.Context(), c, r.PathValue("secret_id")); err != nil {
			return answer{}, err
		}
		return noContent(), nil
	})
}

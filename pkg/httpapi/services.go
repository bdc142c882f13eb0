package httpapi

import (
	"net/http"
	"sync"

	"goblins-secrets/pkg/secrets"
)

// serviceBody is a service as the API shows it.
type serviceBody struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	Image     string  `json:"image"`
	Port      int     `json:"port"`
	Config    *string `json:"config"`
	Secret    string  `json:"secret"`
	CreatedAt string  `json:"created_at"`
	UpdatedAt string  `json:"updated_at"`
}

func newServiceBody(w secrets.Workload) serviceBody {
	b := serviceBody{
		ID: w.ID.String(), Name: w.Name, Image: w.Image, Port: w.Port, Secret: w.SecretID.String(),
		CreatedAt: timeText(w.CreatedAt), UpdatedAt: timeText(w.UpdatedAt),
	}
	if w.Config != "" {
		b.Config = &w.Config
	}
	return b
}

// serviceInput reads what a request says of a service, when first asked.
func serviceInput(r *http.Request) func() (secrets.WorkloadInput, error) {
	return sync.OnceValues(func() (secrets.WorkloadInput, error) {
		b, err := readBody(r)
		return secrets.WorkloadInput{
			Name: b.text("name"), Image: b.text("image"), Port: b.integer("port"),
			Config: b.nullable("config"), Secret: b.reference("secret"),
		}, err
	})
}

// ListServices is GET /api/services/; with ?secret=, of those that use that secret.
func ListServices(svc *secrets.Service) http.Handler {
	return handle(svc, func(r *http.Request, c secrets.Caller) (answer, error) {
		secret := r.URL.Query().Get("secret")
		return listPage(r, func(from secrets.Cursor, size int) (secrets.Page[secrets.Workload], error) {
			return svc.ListServices(r.Context(), c, secret, from, size)
		}, newServiceBody)
	})
}

// CreateService is POST /api/services/.
func CreateService(svc *secrets.Service) http.Handler {
	return handle(svc, func(r *http.Request, c secrets.Caller) (answer, error) {
		w, err := svc.CreateService(r.Context(), c, serviceInput(r))
		if err != nil {
			return answer{}, err
		}
		return created(r, w.ID, newServiceBody(w)), nil
	})
}

// GetService is GET /api/services/{service_id}/.
func GetService(svc *secrets.Service) http.Handler {
	return handle(svc, func(r *http.Request, c secrets.Caller) (answer, error) {
		w, err := svc.Service(r.Context(), c, r.PathValue("service_id"))
		if err != nil {
			return answer{}, err
		}
		return ok(newServiceBody(w)), nil
	})
}

// UpdateService is PATCH /api/services/{service_id}/.
func UpdateService(svc *secrets.Service) http.Handler {
	return handle(svc, func(r *http.Request, c secrets.Caller) (answer, error) {
		w, err := svc.UpdateService(r.Context(), c, r.PathValue("service_id"), serviceInput(r))
		if err != nil {
			return answer{}, err
		}
		return ok(newServiceBody(w)), nil
	})
}

// DeleteService is DELETE /api/services/{service_id}/.
func DeleteService(svc *secrets.Service) http.Handler {
	return handle(svc, func(r *http.Request, c secrets.Caller) (answer, error) {
		if err := svc.DeleteService(r.Context(), c, r.PathValue("service_id")); err != nil {
			return answer{}, err
		}
		return noContent(), nil
	})
}

package httpapi

import (
	"net/http"

	"goblins-secrets/pkg/secrets"
)

// serviceBody is a service in the API.
type serviceBody struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	Image     string  `json:"image"`
	Port      int     `json:"port"`
	Config    *string `json:"config"`
	Secret    string  `json:"secret"`
	CreatedAt string  `json:"created_at"`
	UpdatedAt string  `json:"updated_at"`
	ETag      string  `json:"etag"`
}

func newServiceBody(s secrets.Service) serviceBody {
	b := serviceBody{
		ID: s.ID.String(), Name: s.Name, Image: s.Image, Port: s.Port, Secret: s.SecretID.String(),
		CreatedAt: timeText(s.CreatedAt), UpdatedAt: timeText(s.UpdatedAt), ETag: serviceTag(s),
	}
	if s.Config != "" {
		b.Config = &s.Config
	}
	return b
}

// serviceInput reads the body of a request about a service.
func serviceInput(r *http.Request) secrets.ServiceInput {
	b, err := readBody(r)
	return secrets.ServiceInput{
		Name: b.text("name"), Image: b.text("image"), Port: b.integer("port"),
		Config: b.nullable("config"), Secret: b.reference("secret"),
		IfMatch: ifMatch(r, revisionTag), Err: err,
	}
}

// ListServices is GET /api/services/; with ?name=, only the one with that name; with ?secret=, only those that
// use that secret.
func ListServices(m *secrets.Manager) http.Handler {
	return listing(m, secrets.ServiceRead, func(r *http.Request, c secrets.Caller, name secrets.Field, from secrets.Cursor, size int) (secrets.Page[secrets.Service], error) {
		return m.ListServices(r.Context(), c, name, parameter(r.URL.Query(), "secret"), from, size)
	}, newServiceBody, "name", "secret")
}

// CreateService is POST /api/services/.
func CreateService(m *secrets.Manager) http.Handler {
	return handle(m, secrets.ServiceCreated, func(r *http.Request, c secrets.Caller) (answer, error) {
		s, err := m.CreateService(r.Context(), c, serviceInput(r))
		if err != nil {
			return answer{}, err
		}
		return created(r, s.ID, newServiceBody(s)).tagged(serviceTag(s)), nil
	})
}

// GetService is GET /api/services/{service_id}/.
func GetService(m *secrets.Manager) http.Handler {
	return handle(m, secrets.ServiceRead, func(r *http.Request, c secrets.Caller) (answer, error) {
		s, err := m.Service(r.Context(), c, r.PathValue("service_id"))
		if err != nil {
			return answer{}, err
		}
		return ok(newServiceBody(s)).unlessKnown(r, serviceTag(s)), nil
	})
}

// UpdateService is PATCH /api/services/{service_id}/.
func UpdateService(m *secrets.Manager) http.Handler {
	return handle(m, secrets.ServiceUpdated, func(r *http.Request, c secrets.Caller) (answer, error) {
		s, err := m.UpdateService(r.Context(), c, r.PathValue("service_id"), serviceInput(r))
		if err != nil {
			return answer{}, err
		}
		return ok(newServiceBody(s)).tagged(serviceTag(s)), nil
	})
}

// DeleteService is DELETE /api/services/{service_id}/.
func DeleteService(m *secrets.Manager) http.Handler {
	return handle(m, secrets.ServiceDeleted, func(r *http.Request, c secrets.Caller) (answer, error) {
		if err := m.DeleteService(r.Context(), c, r.PathValue("service_id"), ifMatch(r, revisionTag)); err != nil {
			return answer{}, err
		}
		return noContent(), nil
	})
}

package client

import (
	"context"
	"iter"
	"net/url"
	"time"
)

// Service is a workload that uses a secret.
type Service struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"` // a DNS label
	Image     string    `json:"image"`
	Port      int       `json:"port"`
	Config    string    `json:"config"` // an opaque id; empty: none
	SecretID  string    `json:"secret"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func (s Service) complete() bool { return s.ID != "" }

// fields are those that a client may set.
func (s Service) fields() map[string]any {
	fields := map[string]any{"name": s.Name, "image": s.Image, "port": s.Port, "config": nil, "secret": s.SecretID}
	if s.Config != "" {
		fields["config"] = s.Config
	}
	return fields
}

// Services reads the account's services in the order of creation.
func (c *Client) Services(ctx context.Context) iter.Seq2[Service, error] {
	return list[Service](ctx, c, "list services", []string{"services"}, nil)
}

// ServicesOf reads the services that use a secret, in the order of creation.
func (c *Client) ServicesOf(ctx context.Context, secretID string) iter.Seq2[Service, error] {
	return list[Service](ctx, c, "list services", []string{"services"}, url.Values{"secret": {secretID}})
}

// ServiceNamed returns the service with this name. [IsNotFound]: there is none.
func (c *Client) ServiceNamed(ctx context.Context, name string) (Service, error) {
	return named[Service](ctx, c, "find service", []string{"services"}, "name", name)
}

// Service returns a service.
func (c *Client) Service(ctx context.Context, id string) (Service, error) {
	return read[Service](ctx, c, "get service", []string{"services", id}, nil)
}

// CreateService creates a service. Its name must be free in the account. An empty SecretID is the default secret.
// The id and the times are not read.
func (c *Client) CreateService(ctx context.Context, s Service) (Service, error) {
	fields := s.fields()
	if s.SecretID == "" {
		delete(fields, "secret")
	}
	return create(ctx, c, "create service", []string{"services"}, fields,
		func(ctx context.Context) (Service, error) { return c.ServiceNamed(ctx, s.Name) })
}

// UpdateService changes a service, given as it was last read, to the wanted one. Only the fields that differ are
// sent. The id and the times of wanted are not read.
func (c *Client) UpdateService(ctx context.Context, read, wanted Service) (Service, error) {
	changed, before := wanted.fields(), read.fields()
	for name, x := range before {
		if changed[name] == x {
			delete(changed, name)
		}
	}
	return update(ctx, c, "update service", []string{"services", read.ID}, changed, look[Service]{
		find: func(ctx context.Context) (Service, error) { return c.Service(ctx, read.ID) },
		judge: func(now Service) verdict {
			isWanted, has := true, now.fields()
			for name, x := range changed {
				isWanted = isWanted && has[name] == x
			}
			return judge(isWanted, now.UpdatedAt.Equal(read.UpdatedAt))
		},
	})
}

// DeleteService deletes a service, and its use of its secret.
func (c *Client) DeleteService(ctx context.Context, id string) error {
	return remove(ctx, c, "delete service", []string{"services", id},
		func(ctx context.Context) (Service, error) { return c.Service(ctx, id) })
}

package secrets

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Service is a workload that uses a secret. It is a record: the product runs nothing.
type Service struct {
	AccountID uuid.UUID
	ID        uuid.UUID
	Name      string // a DNS label
	Image     string // reference of a container image
	Port      int
	Config    string // an opaque id; empty: none
	SecretID  uuid.UUID
	Version   int64 // of this record; the first is 1
	CreatedAt time.Time
	UpdatedAt time.Time
}

// ServiceInput is what a caller may say about a service. Err is set when the input
// could not be read; an operation reports it after a missing object.
type ServiceInput struct {
	Name, Image, Port, Config, Secret Field
	IfMatch                           Match
	Err                               error
}

// Services is the part of a [Store] that keeps services.
type Services interface {
	Service(ctx context.Context, account, service uuid.UUID) (Service, error)
	// Services reads a page like Secrets.
	Services(ctx context.Context, account uuid.UUID, from Cursor, limit int) (found []Service, count int, err error)
	// ServicesUsing reads a page of the services that use a secret. ErrNotFound: the
	// secret does not exist.
	ServicesUsing(ctx context.Context, account, secret uuid.UUID, from Cursor, limit int) (found []Service, count int, err error)
	// ServicesNamed reads the service of the account with this name, if there is one.
	ServicesNamed(ctx context.Context, account uuid.UUID, name string) (found []Service, err error)
	// CreateService: ErrExists when the name is taken.
	// ErrFull when the account has most services; 0: no limit.
	CreateService(ctx context.Context, attach Change, s Service, most int, ev Event) error
	// UpdateService replaces old by updated. changes are those of the secrets that the
	// service leaves and joins, if it moves. ErrExists: the name is taken.
	UpdateService(ctx context.Context, changes []Change, old, updated Service, ev Event) error
	DeleteService(ctx context.Context, detach Change, old Service, ev Event) error
}

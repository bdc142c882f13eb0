package secrets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

const (
	msgServiceExists = "service with this name already exists."
	msgTooLarge      = "The items of this secret are too large to be delivered to a service: as a JSON object they take more than 65536 bytes."
	msgBundleFull    = "With this, the items of the secret, which services use, would take more than 65536 bytes as a JSON object."
)

// Workload is what the API calls a service: something that runs, and uses a secret.
type Workload struct {
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

// WorkloadInput is what a caller may say of a service.
type WorkloadInput struct{ Name, Image, Port, Config, Secret Field }

// ListServices returns a page of the caller's services, oldest first; of those that
// use a secret if one is named.
func (s *Service) ListServices(ctx context.Context, c Caller, secretID string, from Cursor, size int) (Page[Workload], error) {
	list := s.Store.Workloads
	if secretID != "" {
		id, err := parseID(secretID)
		if err != nil {
			return Page[Workload]{}, fault("secret", msgNoSecret(secretID))
		}
		list = func(ctx context.Context, account uuid.UUID, from Cursor, limit int) ([]Workload, int, error) {
			return s.Store.Users(ctx, account, id, from, limit)
		}
	}
	found, count, err := list(ctx, c.AccountID, from, size+1)
	if errors.Is(err, ErrNotFound) && secretID != "" {
		return Page[Workload]{}, fault("secret", msgNoSecret(secretID))
	}
	if err != nil {
		return Page[Workload]{}, fmt.Errorf("list services: %w", err)
	}
	return newPage(found, count, from, size, func(x Workload) uuid.UUID { return x.ID }), nil
}

// Service returns one service of the caller's.
func (s *Service) Service(ctx context.Context, c Caller, serviceID string) (Workload, error) {
	id, err := parseID(serviceID)
	if err != nil {
		return Workload{}, err
	}
	w, err := s.Store.Workload(ctx, c.AccountID, id)
	if err != nil {
		return Workload{}, fmt.Errorf("read service: %w", err)
	}
	return w, nil
}

// CreateService adds a service, and with it a use of its secret: the account's
// default one if none is named. Its name is unique in the account.
func (s *Service) CreateService(ctx context.Context, c Caller, input func() (WorkloadInput, error)) (created Workload, err error) {
	in, err := input()
	if err != nil {
		return Workload{}, err
	}
	err = untilUnchanged(ctx, func() error {
		now := s.now()
		created = Workload{AccountID: c.AccountID, ID: s.NewID(), Version: 1, CreatedAt: now, UpdatedAt: now}
		in := in
		if !in.Secret.given {
			account, err := s.Store.Account(ctx, c.AccountID)
			if err != nil {
				return fmt.Errorf("read account: %w", err)
			}
			in.Secret = Text(account.DefaultSecretID.String())
		}
		attach, err := s.apply(ctx, in, &created)
		if err != nil {
			return err
		}
		err = s.Store.CreateWorkload(ctx, attach, created, s.workloadEvent(c, now, ServiceCreated, created))
		if errors.Is(err, ErrExists) {
			return fault("name", msgServiceExists)
		}
		if err != nil {
			return fmt.Errorf("create service: %w", err)
		}
		return nil
	})
	return created, err
}

// UpdateService changes a service, and moves it to another secret if one is named.
// A missing service is told before a faulty input. What is not given stays; when
// nothing changes nothing is written.
func (s *Service) UpdateService(ctx context.Context, c Caller, serviceID string, input func() (WorkloadInput, error)) (updated Workload, err error) {
	err = untilUnchanged(ctx, func() error {
		old, err := s.Service(ctx, c, serviceID)
		if err != nil {
			return err
		}
		in, err := input()
		if err != nil {
			return err
		}
		updated = old
		attach, err := s.apply(ctx, in.or(old), &updated)
		if err != nil {
			return err
		}
		if updated == old {
			return nil
		}
		var changes []Change
		if updated.SecretID != old.SecretID {
			left, err := s.Store.Secret(ctx, c.AccountID, old.SecretID)
			if errors.Is(err, ErrNotFound) {
				return ErrChanged // it can't be gone before the service has left it
			}
			if err != nil {
				return fmt.Errorf("read secret: %w", err)
			}
			changes = []Change{s.detach(left), attach}
		}
		updated.Version++
		updated.UpdatedAt = s.now()
		err = s.Store.UpdateWorkload(ctx, changes, old, updated, s.workloadEvent(c, updated.UpdatedAt, ServiceUpdated, updated))
		if errors.Is(err, ErrExists) {
			return fault("name", msgServiceExists)
		}
		if err != nil {
			return fmt.Errorf("update service: %w", err)
		}
		return nil
	})
	return updated, err
}

// DeleteService removes a service, and its use of its secret.
func (s *Service) DeleteService(ctx context.Context, c Caller, serviceID string) error {
	return untilUnchanged(ctx, func() error {
		old, err := s.Service(ctx, c, serviceID)
		if err != nil {
			return err
		}
		secret, err := s.Store.Secret(ctx, c.AccountID, old.SecretID)
		if errors.Is(err, ErrNotFound) {
			return ErrChanged // it can't be gone before the service has left it
		}
		if err != nil {
			return fmt.Errorf("read secret: %w", err)
		}
		if err := s.Store.DeleteWorkload(ctx, s.detach(secret), old, s.workloadEvent(c, s.now(), ServiceDeleted, old)); err != nil {
			return fmt.Errorf("delete service: %w", err)
		}
		return nil
	})
}

// or completes an input by what a service has already.
func (in WorkloadInput) or(w Workload) WorkloadInput {
	for field, has := range map[*Field]Field{
		&in.Name: Text(w.Name), &in.Image: Text(w.Image), &in.Port: Text(fmt.Sprint(w.Port)), &in.Secret: Text(w.SecretID.String()),
	} {
		if !field.given {
			*field = has
		}
	}
	if !in.Config.given && w.Config != "" {
		in.Config = Text(w.Config)
	}
	return in
}

// apply checks a complete input and sets it in a service. It returns what comes to
// the secret that it names, unless that is the service's already.
func (s *Service) apply(ctx context.Context, in WorkloadInput, w *Workload) (attach Change, err error) {
	var f faults
	var messages []string
	w.Name, messages = in.Name.label()
	f.add("name", messages)
	w.Image, messages = in.Image.image()
	f.add("image", messages)
	w.Port, messages = in.Port.port()
	f.add("port", messages)
	w.Config, messages = in.Config.optional()
	f.add("config", messages)

	had := w.SecretID
	if in.Secret.fault != "" {
		f.add("secret", []string{in.Secret.fault})
		return Change{}, f.err()
	}
	if w.SecretID, err = parseID(in.Secret.text); err == nil && w.SecretID != had {
		var secret Secret
		if secret, err = s.Store.Secret(ctx, w.AccountID, w.SecretID); err == nil {
			if attach = s.attach(secret); !attach.fits() {
				f.add("secret", []string{msgTooLarge})
			}
		}
	}
	switch {
	case errors.Is(err, ErrNotFound):
		f.add("secret", []string{msgNoSecret(in.Secret.text)})
	case err != nil:
		return Change{}, fmt.Errorf("read secret: %w", err)
	}
	return attach, f.err()
}

func msgNoSecret(id string) string { return `Invalid pk "` + id + `" - object does not exist.` }

package secrets

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

const msgServiceExists = "service with this name already exists."

// ListServices returns a page of the caller's services, oldest first. If a name is given, the page holds
// only the service with that name. If a secret is given, the page holds only services that use it.
func (m *Manager) ListServices(ctx context.Context, c Caller, name, secret Field, from Cursor, size int) (Page[Service], error) {
	about := ofAccount()
	if secret.given {
		about = ofSecret(secret.text)
	}
	on, err := m.gate(ctx, c, List, about)
	var found []Service
	var count int
	switch {
	case err != nil:
	case name.given:
		text, messages := name.label()
		if len(messages) > 0 {
			return Page[Service]{}, Invalid{{"name", messages}}
		}
		if secret.given {
			_, err = m.Store.Secret(ctx, c.AccountID, on.secret)
		}
		if err == nil {
			found, err = m.Store.ServicesNamed(ctx, c.AccountID, text)
			found = slices.DeleteFunc(found, func(s Service) bool {
				return secret.given && s.SecretID != on.secret || !c.Rights.Reaches(s.SecretID)
			})
			count = len(found)
		}
	case secret.given:
		found, count, err = m.Store.ServicesUsing(ctx, c.AccountID, on.secret, from, size+1)
	case c.Rights.Limited():
		found, count, err = m.servicesWithin(ctx, c, from, size+1)
	default:
		found, count, err = m.Store.Services(ctx, c.AccountID, from, size+1)
	}
	if errors.Is(err, ErrNotFound) && secret.given {
		return Page[Service]{}, fault("secret", msgNoObject(secret.text))
	}
	if err != nil {
		return Page[Service]{}, fmt.Errorf("list services: %w", err)
	}
	return newPage(found, count, from, size, func(x Service) uuid.UUID { return x.ID }), nil
}

// servicesWithin reads up to limit services of a limited caller's secrets, nearest first, and the number of all.
func (m *Manager) servicesWithin(ctx context.Context, c Caller, from Cursor, limit int) (found []Service, count int, err error) {
	within, err := m.Store.SecretsWithIDs(ctx, c.AccountID, c.Rights.Secrets)
	if err != nil {
		return nil, 0, fmt.Errorf("read secrets: %w", err)
	}
	pages := make([][]Service, len(within))
	var g errgroup.Group
	for i, secret := range within {
		count += secret.Services
		g.Go(func() error {
			var err error
			pages[i], _, err = m.Store.ServicesUsing(ctx, c.AccountID, secret.ID, from, limit)
			if isNotFound(err) { // deleted meanwhile
				err = nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, 0, err
	}
	found = slices.Concat(pages...)
	slices.SortFunc(found, func(a, b Service) int { return from.compare(a.ID, b.ID) })
	found = slices.CompactFunc(found, func(a, b Service) bool { return a.ID == b.ID }) // one that moved meanwhile
	return found[:min(len(found), limit)], count, nil
}

// Service returns one of the caller's services.
func (m *Manager) Service(ctx context.Context, c Caller, serviceID string) (Service, error) {
	on, err := m.gate(ctx, c, List, ofService(serviceID))
	if err != nil {
		return Service{}, err
	}
	return m.readService(ctx, c, on.service)
}

func (m *Manager) readService(ctx context.Context, c Caller, id uuid.UUID) (Service, error) {
	s, err := m.Store.Service(ctx, c.AccountID, id)
	if c.Rights.Limited() && (isNotFound(err) || err == nil && !c.Rights.Reaches(s.SecretID)) {
		err = errOutside // for both alike: what is counted does not say whether it exists
	}
	if err != nil {
		return Service{}, fmt.Errorf("read service: %w", err)
	}
	return s, nil
}

// CreateService adds a service that uses a secret. The default is the account's
// default secret. Its name is unique in the account.
func (m *Manager) CreateService(ctx context.Context, c Caller, in ServiceInput) (created Service, err error) {
	if _, err := m.gate(ctx, c, Write, ofNames(ofAccount())); err != nil {
		return Service{}, err
	}
	return once(ctx, m, c, m.serviceAgain(ctx, c), func() (created Service, err error) {
		if in.Err != nil {
			return Service{}, in.Err
		}
		err = retryChanged(ctx, func() error {
			now := m.now()
			created = Service{AccountID: c.AccountID, ID: m.NewID(), Version: 1, CreatedAt: now, UpdatedAt: now}
			in := in
			if !in.Secret.given {
				account, err := m.Store.Account(ctx, c.AccountID)
				if err != nil {
					return fmt.Errorf("read account: %w", err)
				}
				in.Secret = Text(account.DefaultSecretID.String())
			}
			attach, err := m.apply(ctx, c, in, &created)
			if err != nil {
				return err
			}
			err = m.Store.CreateService(ctx, attach, created, m.Quotas.Services, m.serviceEvent(c, now, ServiceCreated, attach.Secret, created))
			if errors.Is(err, ErrExists) {
				return fault("name", msgServiceExists)
			}
			if errors.Is(err, ErrFull) {
				return full("account", m.Quotas.Services, "services")
			}
			if err != nil {
				return fmt.Errorf("create service: %w", err)
			}
			return nil
		})
		return created, err
	})
}

// UpdateService changes a service, and moves it to another secret if one is named. A
// missing service is reported before invalid input. Fields that are not given keep
// their values, and an update that changes nothing writes nothing.
func (m *Manager) UpdateService(ctx context.Context, c Caller, serviceID string, in ServiceInput) (updated Service, err error) {
	about := ofService(serviceID)
	if in.Name.given {
		about = ofNames(about)
	}
	on, err := m.gate(ctx, c, Write, about)
	if err != nil {
		return Service{}, err
	}
	err = retryChanged(ctx, func() error {
		old, err := m.readService(ctx, c, on.service)
		if err != nil {
			return err
		}
		if in.Err != nil {
			return in.Err
		}
		updated = old
		attach, err := m.apply(ctx, c, in.or(old), &updated)
		if err != nil {
			return err
		}
		err = takenBefore(in.IfMatch.check(old.Version), updated.Name != old.Name, "name", msgServiceExists, func() ([]Service, error) {
			return m.Store.ServicesNamed(ctx, c.AccountID, updated.Name)
		})
		if err != nil {
			return err
		}
		if updated == old {
			return c.permits(List) // the answer would only read
		}
		used, err := m.used(ctx, old)
		if err != nil {
			return err
		}
		var changes []Change
		if updated.SecretID != old.SecretID {
			changes, used = []Change{m.detach(used), attach}, attach.Secret
		}
		updated.Version++
		updated.UpdatedAt = m.now()
		ev := old.changed(updated, m.serviceEvent(c, updated.UpdatedAt, ServiceUpdated, used, updated))
		err = m.Store.UpdateService(ctx, changes, old, updated, ev)
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

// DeleteService deletes a service, which no longer uses its secret.
func (m *Manager) DeleteService(ctx context.Context, c Caller, serviceID string, ifMatch Match) error {
	on, err := m.gate(ctx, c, Write, ofService(serviceID))
	if err != nil {
		return err
	}
	return retryChanged(ctx, func() error {
		old, err := m.readService(ctx, c, on.service)
		if err != nil {
			return err
		}
		if err := ifMatch.check(old.Version); err != nil {
			return err
		}
		secret, err := m.used(ctx, old)
		if err != nil {
			return err
		}
		ev := m.serviceEvent(c, m.now(), ServiceDeleted, secret, old)
		if err := m.Store.DeleteService(ctx, m.detach(secret), old, ev); err != nil {
			return fmt.Errorf("delete service: %w", err)
		}
		return nil
	})
}

// used reads the secret that a service uses. ErrChanged: a secret can't be deleted before its services leave it, so the
// service has left it.
func (m *Manager) used(ctx context.Context, s Service) (Secret, error) {
	secret, err := m.Store.Secret(ctx, s.AccountID, s.SecretID)
	if isNotFound(err) {
		return Secret{}, ErrChanged
	}
	if err != nil {
		return Secret{}, fmt.Errorf("read secret: %w", err)
	}
	return secret, nil
}

// changed records what a change of a service changed, and what a new name or secret replaces.
func (s Service) changed(next Service, ev Event) Event {
	fields := func(s Service) map[string]string {
		return map[string]string{
			"config": s.Config, "image": s.Image, "name": s.Name, "port": strconv.Itoa(s.Port), "secret": s.SecretID.String(),
		}
	}
	ev = ev.changes(fields(s), fields(next))
	for _, values := range []map[string]string{ev.From, ev.To} {
		maps.DeleteFunc(values, func(field, _ string) bool { return field != "name" && field != "secret" })
	}
	return ev
}

// or fills the fields that an input lacks with those of a service.
func (in ServiceInput) or(s Service) ServiceInput {
	for field, has := range map[*Field]Field{
		&in.Name: Text(s.Name), &in.Image: Text(s.Image), &in.Port: Text(fmt.Sprint(s.Port)), &in.Secret: Text(s.SecretID.String()),
	} {
		if !field.given {
			*field = has
		}
	}
	if !in.Config.given && s.Config != "" {
		in.Config = Text(s.Config)
	}
	return in
}

// apply checks a complete input and sets its fields in s. If the input names another
// secret than the one that s uses, apply returns the change that attaches s to it.
func (m *Manager) apply(ctx context.Context, c Caller, in ServiceInput, s *Service) (attach Change, err error) {
	old := *s
	var f faults
	var messages []string
	s.Name, messages = in.Name.label()
	f.add("name", messages)
	s.Image, messages = in.Image.image()
	f.add("image", messages)
	s.Port, messages = in.Port.port()
	f.add("port", messages)
	s.Config, messages = in.Config.optional()
	f.add("config", messages)
	if in.Secret.fault != "" {
		f.add("secret", []string{in.Secret.fault})
	} else if attach, messages, err = m.attachTo(ctx, c, in.Secret.text, s); err != nil {
		return Change{}, err
	} else {
		f.add("secret", messages)
	}
	if s.Name != old.Name {
		err = addTaken(&f, "name", msgServiceExists, func() ([]Service, error) {
			return m.Store.ServicesNamed(ctx, s.AccountID, s.Name)
		})
		if err != nil {
			return Change{}, err
		}
	}
	return attach, f.err()
}

// attachTo sets the secret of s. It returns the change that attaches s to it, if s did not use it before, or
// why it cannot.
func (m *Manager) attachTo(ctx context.Context, c Caller, secretID string, s *Service) (attach Change, messages []string, err error) {
	id, err := parseID(secretID)
	if err == nil && !c.Rights.Reaches(id) {
		err = ErrNotFound
	}
	var secret Secret
	if err == nil && id != s.SecretID {
		secret, err = m.Store.Secret(ctx, s.AccountID, id)
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return Change{}, []string{msgNoObject(secretID)}, nil
	case err != nil:
		return Change{}, nil, fmt.Errorf("read secret: %w", err)
	case id == s.SecretID:
		return Change{}, nil, nil
	}
	s.SecretID = id
	if attach = m.attach(secret); !attach.fits() {
		messages = []string{m.bundleTooLarge()}
	}
	return attach, messages, nil
}

// msgNoObject refuses the id of another object in a field.
func msgNoObject(id string) string { return `Invalid pk "` + id + `" - object does not exist.` }

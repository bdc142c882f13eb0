package dynamo

import (
	"context"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// Service implements secrets.Services.
func (s *Store) Service(ctx context.Context, account, workload uuid.UUID) (secrets.Service, error) {
	row, err := get[serviceRow](ctx, s, serviceKey(account, workload))
	if err != nil {
		return secrets.Service{}, err
	}
	return row.service()
}

// Services implements secrets.Services.
func (s *Store) Services(ctx context.Context, account uuid.UUID, from secrets.Cursor, limit int) ([]secrets.Service, int, error) {
	return list(ctx,
		func(ctx context.Context) (int, error) {
			row, err := get[accountRow](ctx, s, accountKey(account))
			return row.Services, err
		},
		func(ctx context.Context) ([]serviceRow, error) {
			return page[serviceRow](ctx, s, accountPK(account), servicePrefix, from, limit)
		},
		serviceRow.service)
}

// ServicesNamed implements secrets.Services.
func (s *Store) ServicesNamed(ctx context.Context, account uuid.UUID, name string) ([]secrets.Service, error) {
	return owned(ctx, s, serviceNameKey(account, name),
		func(id uuid.UUID) key { return serviceKey(account, id) },
		serviceRow.service, func(x secrets.Service) bool { return x.Name == name })
}

// ServicesUsing implements secrets.Services.
func (s *Store) ServicesUsing(ctx context.Context, account, secret uuid.UUID, from secrets.Cursor, limit int) ([]secrets.Service, int, error) {
	return list(ctx,
		func(ctx context.Context) (int, error) {
			row, err := get[secretRow](ctx, s, secretKey(account, secret))
			return row.Services, err
		},
		func(ctx context.Context) ([]serviceRow, error) {
			return page[serviceRow](ctx, s, secretPK(account, secret), usePrefix, from, limit)
		},
		serviceRow.service)
}

// CreateService implements secrets.Services.
func (s *Store) CreateService(ctx context.Context, attach secrets.Change, w secrets.Service, most int, ev secrets.Event) error {
	return s.transact(ctx, ev, append(s.change(attach, ev),
		s.put(markerRow{serviceNameKey(w.AccountID, w.Name), w.ID.String()}, secrets.ErrExists),
		s.put(newServiceRow(serviceKey(w.AccountID, w.ID), w), secrets.ErrChanged),
		s.put(newServiceRow(useKey(w.AccountID, w.SecretID, w.ID), w), secrets.ErrChanged),
		s.countUpTo(most, accountKey(w.AccountID), "services"),
	)...)
}

// UpdateService implements secrets.Services.
func (s *Store) UpdateService(ctx context.Context, changes []secrets.Change, old, updated secrets.Service, ev secrets.Event) error {
	writes := []write{s.replaceService(serviceKey(old.AccountID, old.ID), old, updated)}
	for _, c := range changes {
		writes = append(writes, s.change(c, ev)...)
	}
	use := useKey(old.AccountID, old.SecretID, old.ID)
	if updated.SecretID == old.SecretID {
		writes = append(writes, s.replaceService(use, old, updated))
	} else {
		writes = append(writes, s.removeService(use, old),
			s.put(newServiceRow(useKey(old.AccountID, updated.SecretID, old.ID), updated), secrets.ErrChanged))
	}
	if updated.Name != old.Name {
		writes = append(writes,
			s.removeOwned(serviceNameKey(old.AccountID, old.Name), old.ID),
			s.put(markerRow{serviceNameKey(old.AccountID, updated.Name), old.ID.String()}, secrets.ErrExists))
	}
	return s.transact(ctx, ev, writes...)
}

// DeleteService implements secrets.Services.
func (s *Store) DeleteService(ctx context.Context, detach secrets.Change, old secrets.Service, ev secrets.Event) error {
	return s.transact(ctx, ev, append(s.change(detach, ev),
		s.removeService(serviceKey(old.AccountID, old.ID), old),
		s.removeService(useKey(old.AccountID, old.SecretID, old.ID), old),
		s.removeOwned(serviceNameKey(old.AccountID, old.Name), old.ID),
		s.count(accountKey(old.AccountID), "services", -1, secrets.ErrChanged),
	)...)
}

func (s *Store) replaceService(k key, old, updated secrets.Service) write {
	return s.replace(newServiceRow(k, updated), "version = :read", attributes{":read": number(old.Version)}, secrets.ErrChanged)
}

func (s *Store) removeService(k key, old secrets.Service) write {
	return s.remove(k, "version = :read", nil, attributes{":read": number(old.Version)}, secrets.ErrChanged)
}

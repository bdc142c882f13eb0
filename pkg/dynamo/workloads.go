package dynamo

import (
	"context"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// Workload implements secrets.Workloads.
func (s *Store) Workload(ctx context.Context, account, workload uuid.UUID) (secrets.Workload, error) {
	row, err := get[workloadRow](ctx, s, serviceKey(account, workload))
	if err != nil {
		return secrets.Workload{}, err
	}
	return row.workload()
}

// Workloads implements secrets.Workloads.
func (s *Store) Workloads(ctx context.Context, account uuid.UUID, from secrets.Cursor, limit int) ([]secrets.Workload, int, error) {
	return list(ctx,
		func(ctx context.Context) (int, error) {
			row, err := get[accountRow](ctx, s, accountKey(account))
			return row.Services, err
		},
		func(ctx context.Context) ([]workloadRow, error) {
			return page[workloadRow](ctx, s, accountPK(account), servicePrefix, from, limit)
		},
		workloadRow.workload)
}

// Users implements secrets.Workloads.
func (s *Store) Users(ctx context.Context, account, secret uuid.UUID, from secrets.Cursor, limit int) ([]secrets.Workload, int, error) {
	return list(ctx,
		func(ctx context.Context) (int, error) {
			row, err := get[secretRow](ctx, s, secretKey(account, secret))
			return row.Services, err
		},
		func(ctx context.Context) ([]workloadRow, error) {
			return page[workloadRow](ctx, s, secretPK(account, secret), usePrefix, from, limit)
		},
		workloadRow.workload)
}

// CreateWorkload implements secrets.Workloads.
func (s *Store) CreateWorkload(ctx context.Context, attach secrets.Change, w secrets.Workload, ev secrets.Event) error {
	return s.transact(ctx, ev, append(s.change(attach, ev),
		s.put(markerRow{serviceNameKey(w.AccountID, w.Name), w.ID.String()}, secrets.ErrExists),
		s.put(newWorkloadRow(serviceKey(w.AccountID, w.ID), w), secrets.ErrChanged),
		s.put(newWorkloadRow(useKey(w.AccountID, w.SecretID, w.ID), w), secrets.ErrChanged),
		s.count(accountKey(w.AccountID), "services", +1, secrets.ErrChanged),
	)...)
}

// UpdateWorkload implements secrets.Workloads.
func (s *Store) UpdateWorkload(ctx context.Context, changes []secrets.Change, old, updated secrets.Workload, ev secrets.Event) error {
	writes := []write{s.replaceWorkload(serviceKey(old.AccountID, old.ID), old, updated)}
	for _, c := range changes {
		writes = append(writes, s.change(c, ev)...)
	}
	use := useKey(old.AccountID, old.SecretID, old.ID)
	if updated.SecretID == old.SecretID {
		writes = append(writes, s.replaceWorkload(use, old, updated))
	} else {
		writes = append(writes, s.removeWorkload(use, old),
			s.put(newWorkloadRow(useKey(old.AccountID, updated.SecretID, old.ID), updated), secrets.ErrChanged))
	}
	if updated.Name != old.Name {
		writes = append(writes,
			s.removeOwned(serviceNameKey(old.AccountID, old.Name), old.ID),
			s.put(markerRow{serviceNameKey(old.AccountID, updated.Name), old.ID.String()}, secrets.ErrExists))
	}
	return s.transact(ctx, ev, writes...)
}

// DeleteWorkload implements secrets.Workloads.
func (s *Store) DeleteWorkload(ctx context.Context, detach secrets.Change, old secrets.Workload, ev secrets.Event) error {
	return s.transact(ctx, ev, append(s.change(detach, ev),
		s.removeWorkload(serviceKey(old.AccountID, old.ID), old),
		s.removeWorkload(useKey(old.AccountID, old.SecretID, old.ID), old),
		s.removeOwned(serviceNameKey(old.AccountID, old.Name), old.ID),
		s.count(accountKey(old.AccountID), "services", -1, secrets.ErrChanged),
	)...)
}

func (s *Store) replaceWorkload(k key, old, updated secrets.Workload) write {
	return s.replace(newWorkloadRow(k, updated), "version = :read", attributes{":read": number(old.Version)}, secrets.ErrChanged)
}

func (s *Store) removeWorkload(k key, old secrets.Workload) write {
	return s.remove(k, "version = :read", nil, attributes{":read": number(old.Version)}, secrets.ErrChanged)
}

package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

// Secret implements secrets.Secrets.
func (s *Store) Secret(ctx context.Context, account, secret uuid.UUID) (secrets.Secret, error) {
	row, err := get[secretRow](ctx, s, secretKey(account, secret))
	if err != nil {
		return secrets.Secret{}, err
	}
	return row.secret()
}

// Secrets implements secrets.Secrets.
func (s *Store) Secrets(ctx context.Context, account uuid.UUID, from secrets.Cursor, limit int) ([]secrets.Secret, int, error) {
	return list(ctx,
		func(ctx context.Context) (int, error) {
			row, err := get[accountRow](ctx, s, accountKey(account))
			return row.Secrets, err
		},
		func(ctx context.Context) ([]secretRow, error) {
			return page[secretRow](ctx, s, accountPK(account), secretPrefix, from, limit)
		},
		secretRow.secret)
}

// SecretsWithIDs implements secrets.Secrets.
func (s *Store) SecretsWithIDs(ctx context.Context, account uuid.UUID, ids []uuid.UUID) ([]secrets.Secret, error) {
	return withIDs(ctx, s, ids, func(id uuid.UUID) key { return secretKey(account, id) }, secretRow.secret)
}

// SecretsNamed implements secrets.Secrets.
func (s *Store) SecretsNamed(ctx context.Context, account uuid.UUID, name string) ([]secrets.Secret, error) {
	return owned(ctx, s, secretNameKey(account, name),
		func(id uuid.UUID) key { return secretKey(account, id) },
		secretRow.secret, func(x secrets.Secret) bool { return x.Name == name })
}

// owned reads the row whose id a marker of a name or key has, if both exist: two reads. Between them the row
// can get another name, and then has is false.
func owned[R, T any](ctx context.Context, s *Store, marker key, at func(id uuid.UUID) key, convert func(R) (T, error), has func(T) bool) ([]T, error) {
	taken, err := get[markerRow](ctx, s, marker)
	var id uuid.UUID
	switch {
	case errors.Is(err, secrets.ErrNotFound): // read as much as for a name that is taken but hidden from the caller
	case err != nil:
		return nil, err
	default:
		if id, err = uuid.Parse(taken.Owner); err != nil {
			return nil, fmt.Errorf("owner of a marker: %w", err)
		}
	}
	row, err := get[R](ctx, s, at(id))
	if errors.Is(err, secrets.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	x, err := convert(row)
	if err != nil || !has(x) {
		return nil, err
	}
	return []T{x}, nil
}

// list reads rows and what they belong to, such as their number, in parallel, and converts the rows.
func list[O, R, T any](ctx context.Context, owner func(context.Context) (O, error), read func(context.Context) ([]R, error), convert func(R) (T, error)) (found []T, of O, err error) {
	var rows []R
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { of, err = owner(ctx); return err })
	g.Go(func() (err error) { rows, err = read(ctx); return err })
	if err := g.Wait(); err != nil {
		return nil, of, err
	}
	found = make([]T, len(rows))
	for i, row := range rows {
		if found[i], err = convert(row); err != nil {
			return nil, of, err
		}
	}
	return found, of, nil
}

// CreateSecret implements secrets.Secrets.
func (s *Store) CreateSecret(ctx context.Context, x secrets.Secret, most int, ev secrets.Event) error {
	return s.transact(ctx, ev,
		s.put(markerRow{secretNameKey(x.AccountID, x.Name), x.ID.String()}, secrets.ErrExists),
		s.put(newSecretRow(x), secrets.ErrChanged),
		s.countUpTo(most, accountKey(x.AccountID), "secrets"),
	)
}

// RenameSecret implements secrets.Secrets.
func (s *Store) RenameSecret(ctx context.Context, c secrets.Change, ev secrets.Event) error {
	old := c.Secret
	return s.transact(ctx, ev, append(s.change(c, ev),
		s.removeOwned(secretNameKey(old.AccountID, old.Name), old.ID),
		s.put(markerRow{secretNameKey(old.AccountID, c.Name), old.ID.String()}, secrets.ErrExists),
	)...)
}

// change translates a Change into the update of its secret's row and, if it is to be
// delivered, the outbox entry.
func (s *Store) change(c secrets.Change, ev secrets.Event) []write {
	names, values := map[string]string{}, attributes{}
	var sums []string
	add := func(name string, n int) {
		if n != 0 {
			names["#"+name], values[":"+name] = name, number(int64(n))
			sums = append(sums, "#"+name+" :"+name)
		}
	}
	add("items", c.Items)
	add("size", c.Size)
	add("services", c.Services)
	add("checksum", int(c.Checksum))
	if c.Revise {
		add("revision", 1)
	}
	k := secretKey(c.Secret.AccountID, c.Secret.ID)
	if len(sums) == 0 {
		return []write{s.check(k, secrets.ErrNotFound)}
	}
	update := "ADD " + strings.Join(sums, ", ")
	conditions := []string{"attribute_exists(PK)", within(c.UsedBy, names, values)}
	if c.Name != "" {
		names["#name"], values[":old"], values[":new"] = "name", text(c.Secret.Name), text(c.Name)
		update += " SET #name = :new"
		conditions = append(conditions, "#name = :old")
	}
	if c.MaxItems > 0 {
		values[":rest"] = number(int64(c.MaxItems - c.Items))
		conditions = append(conditions, "#items <= :rest")
	}
	if c.MaxSize > 0 {
		names["#size"], values[":room"] = "size", number(int64(c.MaxSize-c.Size))
		conditions = append(conditions, "(attribute_not_exists(#size) OR #size <= :room)")
	}
	if c.AtRevision {
		conditions = append(conditions, atRevision(c.Secret, values))
	}
	if c.AtExport {
		conditions = append(conditions, atExport(c.Secret, values))
	}
	writes := []write{s.update(k, update, strings.Join(conditions, " AND "), names, values, secrets.ErrChanged)}
	if c.Deliver {
		writes = append(writes, s.enqueue(c.Secret, ev))
	}
	if c.Begins() {
		writes = append(writes, s.put(usedKey(c.Secret.AccountID, c.Secret.ID), secrets.ErrChanged))
	}
	if c.Ends() {
		writes = append(writes, s.remove(usedKey(c.Secret.AccountID, c.Secret.ID), "attribute_exists(PK)", nil, nil, secrets.ErrChanged))
	}
	return writes
}

// enqueue puts a secret into the outbox.
func (s *Store) enqueue(secret secrets.Secret, ev secrets.Event) write {
	return s.set(newEntryRow(delivery.Entry{
		AccountID: secret.AccountID, SecretID: secret.ID, Change: ev.ID, At: ev.At(), Bundle: secret.Bundle.Name,
	}))
}

// within is the condition that a secret's number of services is in a range. A row without
// the attribute has none.
func within(r secrets.Range, names map[string]string, values attributes) string {
	names["#services"] = "services"
	var conditions []string
	if r.Min > 0 {
		values[":least"] = number(int64(r.Min))
		conditions = append(conditions, "#services >= :least")
	}
	if r.Max < secrets.Unlimited {
		values[":most"] = number(int64(r.Max))
		conditions = append(conditions, "(attribute_not_exists(#services) OR #services <= :most)")
	}
	return strings.Join(conditions, " AND ")
}

// atRevision is the condition that a secret has the revision that was read. A row without the attribute has none.
func atRevision(read secrets.Secret, values attributes) string {
	if read.Revision == 0 {
		return "attribute_not_exists(revision)"
	}
	values[":at_revision"] = number(read.Revision)
	return "revision = :at_revision"
}

// atExport is the condition that a secret's items were not read at once since it was read.
func atExport(read secrets.Secret, values attributes) string {
	if read.Exported.At.IsZero() {
		return "attribute_not_exists(exported_at)"
	}
	values[":at_export"] = text(timeText(read.Exported.At))
	return "exported_at = :at_export"
}

// atChecksum is the condition that a secret has the checksum that was read. A row without the attribute has none.
func atChecksum(read secrets.Secret, values attributes) string {
	if read.Checksum == 0 {
		values[":none"] = number(0)
		return "(attribute_not_exists(checksum) OR checksum = :none)"
	}
	values[":at_checksum"] = number(read.Checksum)
	return "checksum = :at_checksum"
}

package secrets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

const msgSecretExists = "secret with this name already exists."

// Status reports how far the delivery of a secret is, and whether the last delivery
// succeeded. Before the first delivery it reports false.
func (m *Manager) Status(secret Secret) (status Status, successful bool) {
	switch {
	case !m.delivers() || secret.Services == 0:
		return StatusReady, true
	case secret.DeployFailed:
		return StatusFailed, false
	case secret.Delivered == 0:
		return StatusPending, false
	case secret.Delivered < secret.Revision || secret.Drifted:
		return StatusDeploying, true
	}
	return StatusReady, true
}

// BundleOf returns where services read a secret. It reports false before the first delivery, without a
// target, and if no service uses the secret.
func (m *Manager) BundleOf(secret Secret) (b Bundle, ok bool) {
	return secret.Bundle, m.delivers() && secret.Services > 0 && secret.Bundle != (Bundle{})
}

// change begins a change of a secret's bundle. It rests on whether services use the
// secret, because that decides whether the bundle is delivered.
func (m *Manager) change(secret Secret) Change {
	return Change{Secret: secret, UsedBy: sameUse(secret, 0), Revise: true, Deliver: m.delivers() && secret.Services > 0}
}

// resize begins a change that adds bytes to a secret's bundle. The bundle of a used
// secret must not outgrow what the target accepts.
func (m *Manager) resize(secret Secret, size int) Change {
	c := m.change(secret)
	c.Size = size
	if c.Deliver && size > 0 {
		c.MaxSize = m.maxEntries()
	}
	return c
}

// attach adds a service to a secret. The first service has the bundle delivered, each further
// one has the target looked at.
func (m *Manager) attach(secret Secret) Change {
	c := Change{Secret: secret, Services: +1, UsedBy: sameUse(secret, 0), Revise: secret.Services == 0, Deliver: m.delivers()}
	if c.Revise && m.delivers() {
		c.MaxSize = m.maxEntries()
	}
	return c
}

// detach removes a service from a secret. After the last service the bundle is removed,
// even when this deployment no longer delivers: the entry then waits for a target.
func (m *Manager) detach(secret Secret) Change {
	last := secret.Services == 1
	return Change{
		Secret: secret, Services: -1, UsedBy: sameUse(secret, 1),
		Revise: last, Deliver: last && (m.delivers() || secret.Delivered > 0),
	}
}

// sameUse is the premise that a secret is used, unused, or about to lose its last
// service exactly as it was when it was read. leaving is the number of services that
// the write removes.
func sameUse(secret Secret, leaving int) Range {
	switch {
	case secret.Services == 0:
		return Range{0, 0}
	case secret.Services == leaving:
		return Range{leaving, leaving}
	}
	return Range{leaving + 1, Unlimited}
}

// ListSecrets returns a page of the caller's secrets, oldest first. If a name is given, the page holds only
// the secret with that name. A limited caller's list is read by ids, so that it costs and tells nothing of others.
func (m *Manager) ListSecrets(ctx context.Context, c Caller, name Field, from Cursor, size int) (Page[Secret], error) {
	if _, err := m.gate(ctx, c, List, ofAccount()); err != nil {
		return Page[Secret]{}, err
	}
	if name.given {
		text, messages := name.name()
		if len(messages) > 0 {
			return Page[Secret]{}, Invalid{{"name", messages}}
		}
		found, err := m.Store.SecretsNamed(ctx, c.AccountID, text)
		return only(slices.DeleteFunc(found, func(s Secret) bool { return !c.Rights.Reaches(s.ID) }), err)
	}
	byID := func(x Secret) uuid.UUID { return x.ID }
	if c.Rights.Limited() {
		found, err := m.Store.SecretsWithIDs(ctx, c.AccountID, c.Rights.Secrets)
		if err != nil {
			return Page[Secret]{}, fmt.Errorf("list secrets: %w", err)
		}
		return pageOf(found, from, size, byID), nil
	}
	found, count, err := m.Store.Secrets(ctx, c.AccountID, from, size+1)
	if err != nil {
		return Page[Secret]{}, fmt.Errorf("list secrets: %w", err)
	}
	return newPage(found, count, from, size, byID), nil
}

// Secret returns one of the caller's secrets.
func (m *Manager) Secret(ctx context.Context, c Caller, secretID string) (Secret, error) {
	on, err := m.gate(ctx, c, List, ofSecret(secretID))
	if err != nil {
		return Secret{}, err
	}
	return m.readSecret(ctx, c, on.secret)
}

func (m *Manager) readSecret(ctx context.Context, c Caller, id uuid.UUID) (Secret, error) {
	secret, err := m.Store.Secret(ctx, c.AccountID, id)
	if err != nil {
		return Secret{}, fmt.Errorf("read secret: %w", err)
	}
	return secret, nil
}

// CreateSecret adds a secret. Its name is unique in the account.
func (m *Manager) CreateSecret(ctx context.Context, c Caller, in SecretInput) (Secret, error) {
	if _, err := m.gate(ctx, c, Write, ofNames(ofAccount())); err != nil {
		return Secret{}, err
	}
	return once(ctx, m, c, m.secretAgain(ctx, c), func() (x Secret, err error) {
		if in.Err != nil {
			return Secret{}, in.Err
		}
		name, messages := in.Name.name()
		if len(messages) > 0 {
			return Secret{}, Invalid{{"name", messages}}
		}
		x = Secret{AccountID: c.AccountID, ID: m.NewID(), Name: name, CreatedAt: m.now()}
		err = m.Store.CreateSecret(ctx, x, m.Quotas.Secrets, m.event(c, x.CreatedAt, SecretCreated, x.named()))
		if errors.Is(err, ErrExists) {
			return Secret{}, fault("name", msgSecretExists)
		}
		if errors.Is(err, ErrFull) {
			return Secret{}, full("account", m.Quotas.Secrets, "secrets")
		}
		if err != nil {
			return Secret{}, fmt.Errorf("create secret: %w", err)
		}
		return x, nil
	})
}

// UpdateSecret renames a secret; the default secret may be renamed too. A missing
// secret is reported before invalid input. Fields that are not given keep their
// values, and an update that changes nothing writes nothing.
func (m *Manager) UpdateSecret(ctx context.Context, c Caller, secretID string, in SecretInput) (updated Secret, err error) {
	on, err := m.gate(ctx, c, Write, ofNames(ofSecret(secretID)))
	if err != nil {
		return Secret{}, err
	}
	err = retryChanged(ctx, func() error {
		old, err := m.readSecret(ctx, c, on.secret)
		if err != nil {
			return err
		}
		if in.Err != nil {
			return in.Err
		}
		updated = old
		if in.Name.given {
			name, messages := in.Name.name()
			if len(messages) > 0 {
				return Invalid{{"name", messages}}
			}
			updated.Name = name
		}
		err = takenBefore(in.IfMatch.check(old.Revision), updated.Name != old.Name, "name", msgSecretExists, func() ([]Secret, error) {
			return m.Store.SecretsNamed(ctx, c.AccountID, updated.Name)
		})
		if err != nil {
			return err
		}
		if updated == old {
			return c.permits(List) // the answer would only read
		}
		ev := m.event(c, m.now(), SecretUpdated, updated.named()).
			changes(map[string]string{"name": old.Name}, map[string]string{"name": updated.Name})
		change := m.change(old)
		change.Name, change.AtRevision = updated.Name, true // the answer has the next one
		updated.Revision++
		err = m.Store.RenameSecret(ctx, change, ev)
		if errors.Is(err, ErrExists) {
			return fault("name", msgSecretExists)
		}
		if err != nil {
			return fmt.Errorf("rename secret: %w", err)
		}
		return nil
	})
	return updated, err
}

// namedServices limits how many services an InUse names.
const namedServices = 5

// DeleteSecret deletes a secret and everything in it. It stays in the bin, unless the deletion is permanent or nothing
// is kept there. ErrDefaultSecret: it is the default secret. InUse: services use it.
func (m *Manager) DeleteSecret(ctx context.Context, c Caller, secretID string, d Deletion) error {
	on, err := m.gate(ctx, c, d.needs(), ofSecret(secretID))
	if err != nil {
		return err
	}
	var p Purge
	err = retryChanged(ctx, func() error {
		secret, err := m.readSecret(ctx, c, on.secret)
		remove := m.Store.DeleteSecret
		if d.Permanent && isNotFound(err) {
			var binned DeletedSecret
			binned, err = m.Store.DeletedSecret(ctx, c.AccountID, on.secret)
			secret, remove = binned.Secret, m.Store.ClaimSecret
		}
		if err != nil {
			return err
		}
		if err := d.IfMatch.check(secret.Revision); err != nil {
			return err
		}
		if secret.IsDefault {
			return ErrDefaultSecret
		}
		if secret.Services > 0 {
			return m.inUse(ctx, c, secret)
		}
		deleted := DeletedSecret{secret, m.deleted(c, d, m.now())}
		ev := m.event(c, deleted.Deleted.At, SecretDeleted, secret.named()).until(deleted.Deleted)
		if err := remove(ctx, deleted, ev); err != nil {
			return fmt.Errorf("delete secret: %w", err)
		}
		p = Purge{AccountID: c.AccountID, SecretID: on.secret, ID: ev.ID, Due: deleted.Deleted.Due}
		return nil
	})
	if err == nil {
		m.beginPurge(ctx, p)
	}
	return err
}

// needs are the permissions for a deletion.
func (d Deletion) needs() Permissions {
	if d.Permanent {
		return Write | Admin
	}
	return Write
}

// deleted begins a deletion.
func (m *Manager) deleted(c Caller, d Deletion, now time.Time) Deleted {
	if d.Permanent || m.Recovery == 0 {
		return Deleted{By: c.UserID, At: now, Due: now, Claimed: true}
	}
	return Deleted{By: c.UserID, At: now, Due: now.Add(m.Recovery)}
}

// DeletedSecrets returns a page of the secrets in the bin, in the order of their creation.
func (m *Manager) DeletedSecrets(ctx context.Context, c Caller, from Cursor, size int) (Page[DeletedSecret], error) {
	if _, err := m.gate(ctx, c, List|Write, ofAccount()); err != nil {
		return Page[DeletedSecret]{}, err
	}
	byID := func(x DeletedSecret) uuid.UUID { return x.Secret.ID }
	if c.Rights.Limited() {
		found, err := m.Store.DeletedSecretsWithIDs(ctx, c.AccountID, c.Rights.Secrets)
		if err != nil {
			return Page[DeletedSecret]{}, fmt.Errorf("list deleted secrets: %w", err)
		}
		return pageOf(found, from, size, byID), nil
	}
	found, count, err := m.Store.DeletedSecrets(ctx, c.AccountID, from, size+1)
	if err != nil {
		return Page[DeletedSecret]{}, fmt.Errorf("list deleted secrets: %w", err)
	}
	return newPage(found, count, from, size, byID), nil
}

// RestoreSecret takes a secret out of the bin, with its items and their versions, under its name or another one.
func (m *Manager) RestoreSecret(ctx context.Context, c Caller, secretID string, in SecretInput) (restored Secret, err error) {
	on, err := m.gate(ctx, c, Write, ofNames(ofSecret(secretID)))
	if err != nil {
		return Secret{}, err
	}
	return once(ctx, m, c, m.secretAgain(ctx, c), func() (restored Secret, err error) {
		err = retryChanged(ctx, func() error {
			old, err := m.Store.DeletedSecret(ctx, c.AccountID, on.secret)
			if err != nil {
				return fmt.Errorf("read deleted secret: %w", err)
			}
			if in.Err != nil {
				return in.Err
			}
			restored = old.Secret
			if in.Name.given {
				name, messages := in.Name.name()
				if len(messages) > 0 {
					return Invalid{{"name", messages}}
				}
				restored.Name = name
			}
			restored.Revision++
			restored.Drifted = false
			ev := m.event(c, m.now(), SecretRestored, restored.named()).
				changes(map[string]string{"name": old.Secret.Name}, map[string]string{"name": restored.Name})
			ev.Revision = restored.Revision
			err = m.Store.RestoreSecret(ctx, old, restored, m.Quotas.Secrets, ev)
			if errors.Is(err, ErrExists) {
				return fault("name", msgSecretExists)
			}
			if errors.Is(err, ErrFull) {
				return full("account", m.Quotas.Secrets, "secrets")
			}
			if err != nil {
				return fmt.Errorf("restore secret: %w", err)
			}
			return nil
		})
		return restored, err
	})
}

// inUse names the services that use a secret, to a caller that may list them. ErrChanged: no service uses it any more.
func (m *Manager) inUse(ctx context.Context, c Caller, secret Secret) error {
	services, count, err := m.Store.ServicesUsing(ctx, secret.AccountID, secret.ID, Cursor{}, namedServices)
	if err != nil {
		return fmt.Errorf("list services: %w", err)
	}
	if len(services) == 0 {
		return ErrChanged
	}
	e := InUse{Services: max(count, len(services))} // the two reads are not one snapshot
	if c.permits(List) != nil {
		return e
	}
	for _, x := range services {
		e.Names = append(e.Names, x.Name)
	}
	return e
}

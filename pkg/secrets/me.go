package secrets

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Me is what a caller learns of itself.
type Me struct {
	Account Account
	User    User
	Key     Key
	Budget  Budget
}

// Me returns the caller's account, user and key as they are now, and its budget. It charges nothing.
func (m *Manager) Me(ctx context.Context, c Caller) (me Me, err error) {
	if _, err := m.gate(ctx, c, anyone, ofAccount()); err != nil {
		return Me{}, err
	}
	now := m.now()
	var tally Tally
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { me.Account, err = m.Store.Account(ctx, c.AccountID); return err })
	g.Go(func() (err error) { me.User, err = m.Store.User(ctx, c.AccountID, c.UserID); return err })
	g.Go(func() (err error) { me.Key, _, err = m.authority(ctx, c, anyone); return err })
	g.Go(func() (err error) {
		tally, err = m.Store.Tally(ctx, c.AccountID, c.UserID, now, m.RevealLimit, m.RevealWindow)
		return err
	})
	err = g.Wait()
	if isNotFound(err) {
		return Me{}, ErrUnauthenticated // the user is gone, and so is the key
	}
	if err != nil {
		return Me{}, fmt.Errorf("read caller: %w", err)
	}
	me.Budget = m.budget(tally, now)
	return me, nil
}

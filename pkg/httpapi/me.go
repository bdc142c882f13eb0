package httpapi

import (
	"net/http"
	"time"

	"goblins-secrets/pkg/secrets"
)

// meBody is what a caller is and may do.
type meBody struct {
	Account      accountBody `json:"account"`
	User         userBody    `json:"user"`
	Key          keyBody     `json:"key"`
	Permissions  []string    `json:"permissions"` // effective
	Secrets      *[]string   `json:"secrets"`     // effective; null: all
	Budget       budgetBody  `json:"budget"`
	RecoveryDays int         `json:"recovery_days"` // 0: deleted is gone at once
}

// accountBody is an account in the API.
type accountBody struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// GetMe is GET /api/me/. It charges nothing.
func GetMe(m *secrets.Manager) http.Handler {
	return handle(m, secrets.AccountRead, func(r *http.Request, c secrets.Caller) (answer, error) {
		me, err := m.Me(r.Context(), c)
		if err != nil {
			return answer{}, err
		}
		rights := me.Key.Effective()
		return ok(meBody{
			Account: accountBody{me.Account.ID.String(), me.Account.Name}, User: newUserBody(me.User), Key: newKeyBody(me.Key),
			Permissions: rights.Permissions.Names(), Secrets: optionalIDs(rights.Secrets), Budget: newBudgetBody(me.Budget),
			RecoveryDays: int(m.Recovery / (24 * time.Hour)),
		}), nil
	})
}

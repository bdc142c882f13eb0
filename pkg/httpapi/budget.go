package httpapi

import (
	"net/http"
	"time"

	"goblins-secrets/pkg/secrets"
)

// budgetBody is a user's budget in the API. Times are in seconds.
type budgetBody struct {
	Limit  int `json:"limit"`
	Window int `json:"window"`
	Left   int `json:"left"`
	Reset  int `json:"reset"` // until the oldest counted reveal leaves the window; 0: none is counted
}

// GetBudget is GET /api/budget/. It charges nothing.
func GetBudget(m *secrets.Manager) http.Handler {
	return handle(m, secrets.AccountRead, func(r *http.Request, c secrets.Caller) (answer, error) {
		b, err := m.Budget(r.Context(), c)
		if err != nil {
			return answer{}, err
		}
		return ok(newBudgetBody(b)), nil
	})
}

func newBudgetBody(b secrets.Budget) budgetBody {
	return budgetBody{b.Limit, int(b.Window / time.Second), b.Left, int(b.Reset / time.Second)}
}

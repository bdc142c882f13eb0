package client

import (
	"context"
	"time"
)

// Budget is how many reveals the user of the key may make.
type Budget struct {
	Limit  int           // in a window
	Window time.Duration // in whole seconds
	Left   int
	Reset  time.Duration // until the oldest counted reveal leaves the window; 0: none is counted
}

type budgetAnswer struct {
	Limit  int           `json:"limit"`
	Window time.Duration `json:"window"` // seconds, as Reset
	Left   int           `json:"left"`
	Reset  time.Duration `json:"reset"`
}

func (b budgetAnswer) complete() bool { return b.Limit > 0 && b.Window > 0 }

// Budget returns the budget, and charges nothing.
func (c *Client) Budget(ctx context.Context) (Budget, error) {
	b, err := read[budgetAnswer](ctx, c, "get budget", []string{"budget"}, nil)
	return Budget{b.Limit, b.Window * time.Second, b.Left, b.Reset * time.Second}, err
}

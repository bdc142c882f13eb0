package client

import "time"

// WithBackoff is for tests of many faults.
// Requests settle as fast.
func WithBackoff(first time.Duration) Option {
	return func(c *Client) { c.backoff, c.settling = first, first }
}

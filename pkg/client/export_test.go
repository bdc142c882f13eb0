package client

import "time"

// WithBackoff is for tests of many faults.
func WithBackoff(first time.Duration) Option { return func(c *Client) { c.backoff = first } }

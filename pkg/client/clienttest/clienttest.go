// Package clienttest runs the product for tests of programs that use [client].
//
// It is not a fake. It is the product on the local stack of make run: its functions, a gateway, a DynamoDB emulator,
// a KMS and a Secrets Manager, in a temporary folder. A fake in memory would be a second implementation of all
// transactions, and would be wrong where it matters: names that are taken, the budget, deletions, deliveries. The
// stack starts in about 50 milliseconds, so each test can have its own.
//
// It needs a checkout of the project, and what make run needs; docs/clients.md says how other modules import it. Its
// logs go to slog's default logger.
package clienttest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"goblins-secrets/infra/local/stack"
	"goblins-secrets/pkg/client"
)

// New returns a client of a fresh account, on a stack that ends with the test.
func New(t testing.TB, options ...client.Option) *client.Client {
	t.Helper()
	s, err := Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := s.NewClient(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Stack is a running product. For tests that share one, that need parameters, and for examples.
type Stack struct {
	URL string // for client.New

	running *stack.Stack
	dir     string
}

// Start starts a stack. parameters are those of template.yaml, such as ReadLimit, the number of reveals in a
// window; nil is the defaults. Close ends the stack, also after ctx is cancelled.
func Start(ctx context.Context, parameters map[string]string) (*Stack, error) {
	dir, err := os.MkdirTemp("", "clienttest")
	if err != nil {
		return nil, err
	}
	s := &Stack{dir: dir}
	s.running, err = stack.Start(ctx, stack.Config{Addr: "127.0.0.1:0", Data: filepath.Join(dir, "data"), Progress: os.Stderr, Set: parameters})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.URL = s.running.URL
	return s, nil
}

// NewKey creates an account, and returns a key of its first user.
func (s *Stack) NewKey(ctx context.Context) (string, error) {
	made, err := s.running.NewAccount(ctx, uuid.NewString())
	return made.Key, err
}

// NewClient returns a client of a fresh account.
func (s *Stack) NewClient(ctx context.Context, options ...client.Option) (*client.Client, error) {
	key, err := s.NewKey(ctx)
	if err != nil {
		return nil, err
	}
	return client.New(s.URL, key, options...)
}

// Close ends the stack and removes its data.
func (s *Stack) Close() error { return errors.Join(s.running.Close(), os.RemoveAll(s.dir)) }

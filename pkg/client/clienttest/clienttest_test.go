package clienttest_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"goblins-secrets/pkg/client"
	"goblins-secrets/pkg/client/clienttest"
)

// Each client has an account of its own, and a stack that ends with the test.
func TestNew(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Run("inner", func(t *testing.T) {
		for range 2 {
			c := clienttest.New(t)
			if _, err := c.CreateSecret(t.Context(), "mine"); err != nil {
				t.Error(err)
			}
			if _, err := c.CreateService(t.Context(), client.Service{Name: "app", Image: "app:1", Port: 80}); err != nil {
				t.Error(err)
			}
		}
	})
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) > 0 {
		t.Errorf("the tests left %v, %v", left, err)
	}
}

func TestUnknownParametersAreErrors(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	if s, err := clienttest.Start(t.Context(), map[string]string{"NoSuchParameter": "1"}); err == nil {
		t.Errorf("Start succeeds: %v", s.Close())
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

func ExampleStart() {
	ctx := context.Background()
	stack, err := clienttest.Start(ctx, map[string]string{"ReadLimit": "2"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stack.Close()
	c, err := stack.NewClient(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	budget, err := c.Budget(ctx)
	fmt.Println(budget.Left, err)
	// Output: 2 <nil>
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := clienttest.Start(b.Context(), nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.NewClient(b.Context()); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

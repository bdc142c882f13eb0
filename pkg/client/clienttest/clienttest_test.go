package clienttest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/pkg/client"
	"goblins-secrets/pkg/client/clienttest"
)

// Each client has its own account, and a stack that ends with the test.
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

// Programs of other modules use the client, and their tests this package, with a checkout beside them.
func TestOtherModulesUseIt(t *testing.T) {
	root, err := checkout.Path()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := map[string]string{"app_test.go": `package app

import (
	"testing"

	"goblins-secrets/pkg/client"
	"goblins-secrets/pkg/client/clienttest"
)

func TestApp(t *testing.T) {
	var c *client.Client = clienttest.New(t)
	if _, err := c.CreateSecret(t.Context(), "mine"); err != nil {
		t.Error(err)
	}
}
`}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = strings.Replace(string(text), "module goblins-secrets\n", "module example.com/app\n", 1)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range []string{"go mod edit -require goblins-secrets@v0.0.0 -replace goblins-secrets=" + root, "go test -mod=mod ."} {
		cmd := exec.CommandContext(t.Context(), "go", strings.Fields(command)[1:]...)
		cmd.Dir = dir
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, output)
		}
	}
}

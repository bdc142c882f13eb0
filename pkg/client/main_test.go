package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"goblins-secrets/pkg/client"
	"goblins-secrets/pkg/client/clienttest"
)

// product is the stack of this package's tests and examples.
var product *clienttest.Stack

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if product, err = clienttest.Start(context.Background(), map[string]string{"ReadLimit": "20", "DeployTarget": "none"}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer product.Close()
		if err := exportAccount(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// exportAccount sets API_URL and API_KEY for the example of the package.
func exportAccount(ctx context.Context) error {
	key, err := product.NewKey(ctx)
	if err != nil {
		return err
	}
	c, err := client.New(product.URL, key)
	if err != nil {
		return err
	}
	secret, err := c.CreateSecret(ctx, "shop-secrets")
	if err != nil {
		return err
	}
	if _, err := c.CreateItem(ctx, secret.ID, "DATABASE_PASSWORD", client.NewValue("super-secret-db-password")); err != nil {
		return err
	}
	return errors.Join(os.Setenv("API_URL", product.URL), os.Setenv("API_KEY", key))
}

func newKey(t testing.TB) string {
	t.Helper()
	key, err := product.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newClient(t testing.TB, url, key string, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(url, key, options...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"goblins-secrets/pkg/client"
)

// newAccount returns the URL of a running product and the key of a fresh account. A program has them from its
// environment.
func newAccount(ctx context.Context) (url, key string) {
	key, err := product.NewKey(ctx)
	if err != nil {
		panic(err)
	}
	return product.URL, key
}

// API_URL and API_KEY are those of an account whose shop-secrets hold a DATABASE_PASSWORD.
func Example() {
	connect := func(password string) { fmt.Println("a password of", len(password), "bytes") }
	err := func(ctx context.Context) error {
		c, err := client.New(os.Getenv("API_URL"), os.Getenv("API_KEY"))
		if err != nil {
			return err
		}
		secret, err := c.SecretNamed(ctx, "shop-secrets")
		if err != nil {
			return err
		}
		item, err := c.ItemWithKey(ctx, secret.ID, "DATABASE_PASSWORD")
		if err != nil {
			return err
		}
		value, err := c.Reveal(ctx, secret.ID, item.ID) // charged and recorded
		if err != nil {
			return err
		}
		fmt.Println(value) // [redacted]
		connect(value.Reveal())
		return nil
	}(context.Background())
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// [redacted]
	// a password of 24 bytes
}

func ExampleClient_Secrets() {
	ctx := context.Background()
	c, err := client.New(newAccount(ctx))
	if err != nil {
		fmt.Println(err)
		return
	}
	for secret, err := range c.Secrets(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(secret.Name, secret.Status)
	}
	// Output: Default ready
}

// Finds an item by its key, and creates or updates it.
func ExampleClient_UpdateItem() {
	ctx := context.Background()
	c, err := client.New(newAccount(ctx))
	if err != nil {
		fmt.Println(err)
		return
	}
	set := func(secretID, key string, value client.Value) (client.Item, error) {
		item, err := c.ItemWithKey(ctx, secretID, key)
		if client.IsNotFound(err) {
			return c.CreateItem(ctx, secretID, key, value)
		}
		if err != nil {
			return client.Item{}, err
		}
		return c.UpdateItem(ctx, item, client.ItemChange{Value: value})
	}
	secret, err := c.SecretNamed(ctx, "Default")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, value := range []string{"first", "second"} {
		item, err := set(secret.ID, "TOKEN", client.NewValue(value))
		fmt.Println(item.Key, item.UpdatedAt.After(item.CreatedAt), err)
	}
	// Output:
	// TOKEN false <nil>
	// TOKEN true <nil>
}

func ExampleFieldErrors() {
	ctx := context.Background()
	c, err := client.New(newAccount(ctx))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.CreateSecret(ctx, "Default")
	fmt.Println(client.FieldErrors(err)["name"])
	// Output: [secret with this name already exists.]
}

// The budget is spent, and the client does not wait for that long.
func ExampleThrottled() {
	ctx := context.Background()
	url, key := newAccount(ctx)
	c, err := client.New(url, key, client.WithMaxWait(time.Minute), client.WithTransport(spent{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Reveal(ctx, "a secret's id", "an item's id")
	if wait, ok := client.Throttled(err); ok {
		fmt.Println("again in", wait)
	}
	// Output: again in 12m20s
}

// spent answers as the API does when the budget is spent.
type spent struct{}

func (spent) RoundTrip(*http.Request) (*http.Response, error) {
	return answerOf(http.StatusTooManyRequests, `{"detail":"Request was throttled. Expected available in 740 seconds."}`, "Retry-After", "740"), nil
}

// The answer to a create is lost, after the server has created the secret.
func ExampleIsUncertain() {
	ctx := context.Background()
	url, key := newAccount(ctx)
	c, err := client.New(url, key, client.WithTransport(&losesOne{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.CreateSecret(ctx, "shop-secrets")
	if failed, ok := errors.AsType[*client.Error](err); ok && client.IsUncertain(err) {
		found := failed.Found.(client.Secret) // this call's, or another client's
		fmt.Println(found.Name, "exists")
	}
	// Output: shop-secrets exists
}

// losesOne loses the answer to the first request.
type losesOne struct{ lost bool }

func (l *losesOne) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && !l.lost {
		l.lost = true
		answer.Body.Close()
		return nil, errors.New("the connection was cut")
	}
	return answer, err
}

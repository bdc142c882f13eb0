package client

import (
	"context"
	"iter"
	"strings"
	"time"
)

// Secret is a named bundle of items.
type Secret struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	IsDefault bool   `json:"is_default"`

	// Status is ready, pending, deploying or failed; docs/api.md says what each means.
	Status           string    `json:"status"`
	DeploySuccessful bool      `json:"deploy_successful"`
	CreatedAt        time.Time `json:"created_at"`
	Bundle           *Bundle   `json:"bundle"` // nil while services read nothing
}

// Bundle is where services read a secret, in Secrets Manager.
type Bundle struct {
	Name   string `json:"name"`
	Region string `json:"region"`
	ARN    string `json:"arn"`
}

func (s Secret) complete() bool { return s.ID != "" }

// Secrets reads the account's secrets in the order of creation.
func (c *Client) Secrets(ctx context.Context) iter.Seq2[Secret, error] {
	return list[Secret](ctx, c, "list secrets", []string{"secrets"}, nil)
}

// SecretNamed returns the secret with this name. [IsNotFound]: there is none.
func (c *Client) SecretNamed(ctx context.Context, name string) (Secret, error) {
	return named[Secret](ctx, c, "find secret", []string{"secrets"}, "name", name)
}

// Secret returns a secret.
func (c *Client) Secret(ctx context.Context, id string) (Secret, error) {
	return read[Secret](ctx, c, "get secret", []string{"secrets", id}, nil)
}

// CreateSecret creates a secret. Its name must be free in the account.
func (c *Client) CreateSecret(ctx context.Context, name string) (Secret, error) {
	return create(ctx, c, "create secret", []string{"secrets"}, map[string]any{"name": name},
		func(ctx context.Context) (Secret, error) { return c.SecretNamed(ctx, name) })
}

// RenameSecret renames a secret, given as it was last read.
func (c *Client) RenameSecret(ctx context.Context, read Secret, name string) (Secret, error) {
	return update(ctx, c, "rename secret", []string{"secrets", read.ID}, map[string]any{"name": name}, look[Secret]{
		find: func(ctx context.Context) (Secret, error) { return c.Secret(ctx, read.ID) },
		judge: func(now Secret) verdict {
			return judge(isSame(now.Name, name), now.Name == read.Name)
		},
	})
}

// DeleteSecret deletes a secret and everything in it. [IsConflict]: services use it, or it is the default secret.
func (c *Client) DeleteSecret(ctx context.Context, id string) error {
	return remove(ctx, c, "delete secret", []string{"secrets", id},
		func(ctx context.Context) (Secret, error) { return c.Secret(ctx, id) })
}

// isSame compares a name or key as it is stored with one that was sent. The API removes surrounding space.
func isSame(stored, sent string) bool { return stored == strings.TrimSpace(sent) }

package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// Item is a key of a secret. It does not contain the value; see [Client.Reveal].
type Item struct {
	ID             string    `json:"id"`
	SecretID       string    `json:"secret"`
	Key            string    `json:"key"`
	LastAccessedAt time.Time `json:"last_accessed_at,omitzero"` // of the last reveal; zero: never
	LastAccessedBy string    `json:"last_accessed_by"`          // id of the user of the last reveal
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`
}

func (it Item) complete() bool { return it.ID != "" }

// ItemChange is what an update changes. A zero field keeps what is there.
type ItemChange struct {
	Key   string
	Value Value
}

func itemsOf(secretID string, more ...string) []string {
	return append([]string{"secrets", secretID, "items"}, more...)
}

// Items reads the items of a secret in the order of creation.
func (c *Client) Items(ctx context.Context, secretID string) iter.Seq2[Item, error] {
	return list[Item](ctx, c, "list items", itemsOf(secretID), nil)
}

// ItemWithKey returns the item of a secret with this key. [IsNotFound]: there is none, or no such secret.
func (c *Client) ItemWithKey(ctx context.Context, secretID, key string) (Item, error) {
	return named[Item](ctx, c, "find item", itemsOf(secretID), "key", key)
}

// Reveal returns the value of an item. The reveal is charged to the user's budget and recorded, also that of a
// missing item. [Throttled]: the budget is spent. [IsUncertain]: it may have been charged, and is not repeated.
func (c *Client) Reveal(ctx context.Context, secretID, itemID string) (Value, error) {
	try := 1
	r := request{op: "reveal item", method: http.MethodGet, path: itemsOf(secretID, itemID), want: http.StatusOK}
	answered, err := do[revealed](ctx, c, r, &try)
	if err != nil {
		return Value{}, err
	}
	return NewValue(*answered.Value), nil
}

type revealed struct {
	Value *string `json:"value"`
}

func (r revealed) complete() bool { return r.Value != nil }

// CreateItem creates an item. Its key must be free in the secret.
func (c *Client) CreateItem(ctx context.Context, secretID, key string, value Value) (Item, error) {
	return create(ctx, c, "create item", itemsOf(secretID), map[string]any{"key": key, "value": value},
		func(ctx context.Context) (Item, error) { return c.ItemWithKey(ctx, secretID, key) })
}

// UpdateItem changes an item, given as it was last read.
func (c *Client) UpdateItem(ctx context.Context, read Item, change ItemChange) (Item, error) {
	fields := map[string]any{}
	if change.Key != "" {
		fields["key"] = change.Key
	}
	if !change.Value.IsZero() {
		fields["value"] = change.Value
	}
	return update(ctx, c, "update item", itemsOf(read.SecretID, read.ID), fields, look[Item]{
		find: func(ctx context.Context) (Item, error) { return c.item(ctx, read.SecretID, read.ID) },
		judge: func(now Item) verdict {
			isWanted := change.Value.IsZero() && (change.Key == "" || isSame(now.Key, change.Key))
			return judge(isWanted, now.UpdatedAt.Equal(read.UpdatedAt))
		},
		repeats: !change.Value.IsZero(),
	})
}

// DeleteItem deletes an item and its value.
func (c *Client) DeleteItem(ctx context.Context, secretID, itemID string) error {
	return remove(ctx, c, "delete item", itemsOf(secretID, itemID),
		func(ctx context.Context) (Item, error) { return c.item(ctx, secretID, itemID) })
}

// item finds an item in the list of its secret. A GET of the item would be a reveal.
func (c *Client) item(ctx context.Context, secretID, itemID string) (Item, error) {
	return first("find item", c.Items(ctx, secretID), func(it Item) bool { return it.ID == itemID })
}

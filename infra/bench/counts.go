package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/dynamo"
	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
)

// counts has the counted values, which are the same on every machine.
type counts struct {
	routes []routeCount
	reveal count // of a reveal that does not trim
	list   count

	counterBytes int     // of a full read counter, by DynamoDB's rules
	counterUnits float64 // of charging it
	trims        float64 // per reveal of a user with a full counter
	writes       float64 // units per reveal of such a user, trims included
	floorEqual   bool    // the floor makes the same calls as the product

	unused, used count    // of a new value, in a secret without services and in one with some
	attach       [2]count // of a secret's first service, and of another one
	deliveries   []delivered
}

// delivered is a delivery of a secret with this number of items.
type delivered struct {
	items int
	count count
}

type routeCount struct {
	name, note string
	count      count
}

// listed is the number of items in a list.
const listed = 100

// measureCounts calls every route once and counts its AWS calls.
func measureCounts(ctx context.Context, _ size, w *world, r *report) error {
	var t tally
	manager, err := w.service(t.attach)
	if err != nil {
		return err
	}
	made, c, err := account(ctx, manager, "counts")
	if err != nil {
		return err
	}
	secret := made.Account.DefaultSecretID.String()
	var item string
	for i := range listed {
		if item, err = createItem(ctx, manager, c, secret, fmt.Sprintf("KEY_%03d", i)); err != nil {
			return err
		}
	}
	doomed, err := createSecret(ctx, manager, c, "doomed")
	if err != nil {
		return err
	}
	const children = 10
	for i := range children {
		if _, err = createItem(ctx, manager, c, doomed, fmt.Sprintf("KEY_%03d", i)); err != nil {
			return err
		}
	}
	empty, err := createSecret(ctx, manager, c, "empty")
	if err != nil {
		return err
	}

	counts := &r.counts
	record := func(name, note string, call func() error) error {
		t.take()
		if err := call(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		counts.routes = append(counts.routes, routeCount{name, note, t.take()})
		return nil
	}
	if err := record("authorizer", "when its answer is not cached", func() error {
		_, err := manager.Authenticate(ctx, "Bearer "+made.Key)
		return err
	}); err != nil {
		return err
	}
	value := fmt.Sprintf(`{"value":%q}`, plaintext)
	for _, route := range []struct {
		name, note string
		handler    func(*secrets.Manager) http.Handler
		request    request
	}{
		{"list-secrets", "3 secrets", httpapi.ListSecrets, request{method: "GET", want: 200}},
		{"create-secret", "", httpapi.CreateSecret, request{method: "POST", body: `{"name":"new"}`, want: 201}},
		{"get-secret", "", httpapi.GetSecret, request{method: "GET", secret: secret, want: 200}},
		{"update-secret", "", httpapi.UpdateSecret, request{method: "PATCH", secret: empty, body: `{"name":"renamed"}`, want: 200}},
		{"delete-secret", "empty", httpapi.DeleteSecret, request{method: "DELETE", secret: empty, want: 204}},
		{"delete-secret", fmt.Sprintf("with %d items", children), httpapi.DeleteSecret, request{method: "DELETE", secret: doomed, want: 204}},
		{"list-items", fmt.Sprintf("%d items", listed), httpapi.ListItems, request{method: "GET", secret: secret, want: 200}},
		{"create-item", "", httpapi.CreateItem, request{method: "POST", secret: secret, body: `{"key":"KEY_NEW",` + value[1:], want: 201}},
		{"get-item", "the reveal", httpapi.GetItem, request{method: "GET", secret: secret, item: item, want: 200}},
		{"update-item", "a new value", httpapi.UpdateItem, request{method: "PATCH", secret: secret, item: item, body: value, want: 200}},
		{"update-item", "a new key", httpapi.UpdateItem, request{method: "PATCH", secret: secret, item: item, body: `{"key":"RENAMED"}`, want: 200}},
		{"delete-item", "", httpapi.DeleteItem, request{method: "DELETE", secret: secret, item: item, want: 204}},
	} {
		if err := record(route.name, route.note, route.request.ready(ctx, route.handler(manager), c)); err != nil {
			return err
		}
		switch last := counts.routes[len(counts.routes)-1].count; route.name {
		case "get-item":
			counts.reveal = last
		case "list-items":
			counts.list = last
		case "update-item":
			if counts.unused.calls == nil {
				counts.unused = last
			}
		}
	}
	if item, err = createItem(ctx, manager, c, secret, "KEY_AGAIN"); err != nil {
		return err
	}
	if err := counts.measureCounter(ctx, w, manager, &t, c, secret, item); err != nil {
		return err
	}
	deliverer, err := w.endpoints.Deliverer(w.template, "DeploySecret", t.attach)
	if err != nil {
		return err
	}
	sweeper, err := w.endpoints.Sweeper(w.template, "RedeploySecrets", t.attach)
	if err != nil {
		return err
	}
	if err := counts.measureDeliveries(ctx, manager, deliverer, sweeper, &t, c); err != nil {
		return err
	}
	return counts.compareFloor(ctx, w, manager, &t, c, secret)
}

// measureCounter measures the reveals of a user who has made many: the read counter is at
// its longest, and is trimmed now and then.
func (counts *counts) measureCounter(ctx context.Context, w *world, manager *secrets.Manager, t *tally, c secrets.Caller, secret, item string) error {
	const longest = readLimit + trimAfter
	counts.counterBytes = rowSize(counterRow(c, longest))
	if err := w.fillCounter(ctx, c, longest); err != nil {
		return err
	}
	client, err := w.newFloor(t.attach) // for its client
	if err != nil {
		return err
	}
	t.take()
	store := dynamo.New(client.db, w.endpoints.Table)
	if _, charged, err := store.ChargeReveal(ctx, c.AccountID, c.UserID, time.Now(), readLimit, readWindow); err != nil || !charged {
		return fmt.Errorf("charge a full counter: charged %t, error %w", charged, err)
	}
	counts.counterUnits = t.take().writes

	if err := w.fillCounter(ctx, c, readLimit); err != nil {
		return err
	}
	t.take()
	const reveals = 9 * (trimAfter + 1) // starts just after a trim and ends with one
	q := request{method: "GET", secret: secret, item: item, want: 200}
	for range reveals {
		if err := q.ready(ctx, httpapi.GetItem(manager), c)(); err != nil {
			return err
		}
	}
	sum := t.take()
	counts.trims = float64(sum.calls["UpdateItem"]-2*reveals) / reveals
	counts.writes = sum.writes / reveals

	// Use the last reveal of the budget.
	if err := q.ready(ctx, httpapi.GetItem(manager), c)(); err != nil {
		return err
	}
	q.want = http.StatusTooManyRequests
	t.take()
	if err := q.ready(ctx, httpapi.GetItem(manager), c)(); err != nil {
		return err
	}
	refused := t.take()
	refused.writes++ // AWS bills a failed condition on up to 1 KB, but does not report it
	counts.routes = append(counts.routes, routeCount{"get-item", "refused: no budget left", refused})
	return nil
}

// compareFloor checks that the floor is fair: it makes the same calls as the product, with
// the same units and, within 2 %, the same number of bytes sent.
func (counts *counts) compareFloor(ctx context.Context, w *world, manager *secrets.Manager, t *tally, c secrets.Caller, secret string) error {
	f, err := w.newFloor(t.attach)
	if err != nil {
		return err
	}
	c.UserID = uuid.New() // a user with a full budget
	productItem, err := createItem(ctx, manager, c, secret, "KEY_PRODUCT_1")
	if err != nil {
		return err
	}
	floorItem, err := f.create(ctx, c, secret, "KEY_FLOOR___1", plaintext)
	if err != nil {
		return err
	}
	product := productCalls(ctx, manager, "KEY_PRODUCT_2", func(int) seat { return seat{c, secret, productItem, secret} })
	bare := floorCalls(ctx, f, "KEY_FLOOR___2", func(int) seat { return seat{c, secret, floorItem, secret} })
	counts.floorEqual = true
	for _, name := range operations {
		var both [2]count
		for i, call := range []func() error{product[name](0), bare[name](0)} {
			t.take()
			if err := call(); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			both[i] = t.take()
		}
		a, b := both[0], both[1]
		same := maps.Equal(a.calls, b.calls) && a.reads == b.reads && a.writes == b.writes &&
			max(a.bytes, b.bytes)*100 <= min(a.bytes, b.bytes)*102
		if !same {
			progress("%s: the product makes %s (%g read and %g write units, %d bytes), the floor %s (%g, %g, %d)",
				name, a, a.reads, a.writes, a.bytes, b, b.reads, b.writes, b.bytes)
		}
		counts.floorEqual = counts.floorEqual && same
	}
	return nil
}

// rowSize returns the size of a row by DynamoDB's rules. Names and strings count their bytes in
// UTF-8. A number counts one byte for two digits and one more. A list counts 3 bytes and one for
// each element.
func rowSize(r row) int {
	size := 0
	for name, value := range r {
		size += len(name) + valueSize(value)
	}
	return size
}

func valueSize(value types.AttributeValue) int {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return (len(strings.Trim(v.Value, "-0"))+1)/2 + 1
	case *types.AttributeValueMemberL:
		size := 3
		for _, element := range v.Value {
			size += 1 + valueSize(element)
		}
		return size
	}
	panic(fmt.Sprintf("bench: the size of a %T is not known", value))
}

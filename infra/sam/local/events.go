package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/pkg/secrets"
)

// The objects that the files in events/ name. The ids are fixed, because an event is a
// static file. The key is public.
const (
	accountID     = "01900000-0000-7000-8000-000000000001"
	defaultID     = "01900000-0000-7000-8000-000000000002"
	keyID         = "01900000-0000-7000-8000-000000000003"
	userID        = "01900000-0000-7000-8000-000000000004"
	secretID      = "01900000-0000-7000-8000-000000000005"
	itemID        = "01900000-0000-7000-8000-000000000006"
	serviceID     = "01900000-0000-7000-8000-000000000007"
	unusedID      = "01900000-0000-7000-8000-000000000008" // a secret
	machineID     = "01900000-0000-7000-8000-000000000009" // a user
	ciKeyID       = "01900000-0000-7000-8000-00000000000a" // its key
	deletedID     = "01900000-0000-7000-8000-00000000000b" // a secret in the bin
	deletedItemID = "01900000-0000-7000-8000-00000000000c" // an item in the bin

	accountName = "the account of events/"
	secretName  = "production-secrets"
	unusedName  = "old-secrets"
	itemKey     = "DATABASE_PASSWORD"
	itemValue   = "super-secret-password"
	formerValue = "previous-password"
	deletedName = "deleted-secrets"
	deletedKey  = "DELETED_PASSWORD"
	serviceName = "my-app"
	machineName = "pipeline"
	apiKey      = "gob_00000000000000000000000000000000000000000001n7ttC"
)

// eventOf returns the file with a function's own event.
func eventOf(function string) (string, error) {
	table, err := functions.Load()
	if err != nil {
		return "", err
	}
	var names []string
	for _, f := range table {
		if f.ID() == function {
			return checkout.Path("events", f.Name+".json")
		}
		names = append(names, f.ID())
	}
	return "", fmt.Errorf("there is no function %s: the table has %s", function, strings.Join(names, ", "))
}

// seed resets the account of the events to the state that they expect: two secrets beside
// the default one, and a machine with a key beside the first user. One secret has an item with two versions and is used
// by a service. A secret and an item are in the bin.
func seed(ctx context.Context, manager *secrets.Manager) error {
	c, err := manager.Authenticate(ctx, "Bearer "+apiKey)
	if errors.Is(err, secrets.ErrUnauthenticated) {
		fresh := giving(manager, accountID, defaultID, userID, keyID)
		fresh.Rand = bytes.NewReader(make([]byte, 32)) // all zero: apiKey
		if _, err := fresh.CreateAccount(ctx, secrets.Text(accountName)); err != nil {
			return fmt.Errorf("make the account of the events: %w", err)
		}
		c, err = manager.Authenticate(ctx, "Bearer "+apiKey)
	}
	if err != nil {
		return fmt.Errorf("find the account of the events: %w", err)
	}
	return errors.Join(dismiss(ctx, manager, c), empty(ctx, manager, c), fill(ctx, manager, c))
}

// dismiss deletes the account's users and keys, but for the first ones.
func dismiss(ctx context.Context, manager *secrets.Manager, c secrets.Caller) error {
	users, err := manager.ListUsers(ctx, c, secrets.Cursor{}, secrets.MaxUsers)
	for _, u := range users.Results {
		if u.ID != c.UserID {
			err = errors.Join(err, manager.DeleteUser(ctx, c, u.ID.String()))
		}
	}
	keys, listErr := manager.ListKeys(ctx, c, secrets.Field{}, secrets.Cursor{}, secrets.MaxKeys)
	for _, k := range keys.Results {
		if k.ID != c.KeyID {
			err = errors.Join(err, manager.DeleteKey(ctx, c, k.ID.String(), false))
		}
	}
	return errors.Join(err, listErr)
}

// forGood is how what has an id is deleted that is given again.
var forGood = secrets.Deletion{Permanent: true}

// empty deletes the account's services, secrets and items, also those in the bin.
func empty(ctx context.Context, manager *secrets.Manager, c secrets.Caller) error {
	const all = 1000
	services, err := manager.ListServices(ctx, c, secrets.Field{}, secrets.Field{}, secrets.Cursor{}, all)
	if err != nil {
		return err
	}
	for _, service := range services.Results {
		err = errors.Join(err, manager.DeleteService(ctx, c, service.ID.String(), nil))
	}
	found, listErr := manager.ListSecrets(ctx, c, secrets.Field{}, secrets.Cursor{}, all)
	if err := errors.Join(err, listErr); err != nil {
		return err
	}
	for _, secret := range found.Results {
		if !secret.IsDefault {
			err = errors.Join(err, manager.DeleteSecret(ctx, c, secret.ID.String(), forGood))
		}
	}
	deleted, listErr := manager.DeletedSecrets(ctx, c, secrets.Cursor{}, all)
	for _, secret := range deleted.Results {
		err = errors.Join(err, manager.DeleteSecret(ctx, c, secret.Secret.ID.String(), forGood))
	}
	items, itemsErr := manager.ListItems(ctx, c, defaultID, secrets.Field{}, secrets.Cursor{}, all)
	for _, item := range items.Results {
		err = errors.Join(err, manager.DeleteItem(ctx, c, defaultID, item.ID.String(), forGood))
	}
	return errors.Join(err, listErr, itemsErr)
}

func fill(ctx context.Context, manager *secrets.Manager, c secrets.Caller) error {
	machine, err := giving(manager, machineID).CreateUser(ctx, c, secrets.UserInput{
		Kind: secrets.Text(string(secrets.Machine)), Name: secrets.Text(machineName), Permissions: secrets.Texts("list", "write"),
	})
	if err != nil {
		return err
	}
	// It has no maker: what a key made stays recorded, so no other key would get this id from the same one.
	key := secrets.Key{
		AccountID: c.AccountID, ID: uuid.MustParse(ciKeyID), UserID: machine.ID, Name: "CI", Prefix: "gob_0000", Rights: machine.Rights,
		User:      secrets.Holder{Kind: machine.Kind, Name: machine.Name, Rights: machine.Rights},
		CreatedAt: machine.CreatedAt,
	}
	err = manager.Store.CreateKey(ctx, nil, machine, key, nil, secrets.People{Keys: 1}, secrets.Event{
		ID: secrets.NewEventID(machine.CreatedAt, manager.NewID()), AccountID: c.AccountID, Action: secrets.KeyCreated,
		SubjectUser: secrets.Named{ID: machine.ID, Name: machine.Name}, SubjectKey: secrets.Named{ID: key.ID, Name: key.Name},
	})
	if err != nil {
		return err
	}
	for _, secret := range []struct{ id, name string }{{secretID, secretName}, {unusedID, unusedName}, {deletedID, deletedName}} {
		_, err := giving(manager, secret.id).CreateSecret(ctx, c, secrets.SecretInput{Name: secrets.Text(secret.name)})
		if err != nil {
			return err
		}
	}
	for _, item := range []struct{ id, key, value string }{{itemID, itemKey, formerValue}, {deletedItemID, deletedKey, formerValue}} {
		_, err := giving(manager, item.id).CreateItem(ctx, c, secretID, secrets.ItemInput{Key: secrets.Text(item.key), Value: secrets.Text(item.value)})
		if err != nil {
			return err
		}
	}
	_, err = manager.UpdateItem(ctx, c, secretID, itemID, secrets.ItemInput{Value: secrets.Text(itemValue)})
	err = errors.Join(err,
		manager.DeleteItem(ctx, c, secretID, deletedItemID, secrets.Deletion{}), manager.DeleteSecret(ctx, c, deletedID, secrets.Deletion{}))
	if err != nil {
		return err
	}
	_, err = giving(manager, serviceID).CreateService(ctx, c, secrets.ServiceInput{
		Name: secrets.Text(serviceName), Image: secrets.Text("myapp:v1.0.0"), Port: secrets.Text("8080"),
		Config: secrets.Text("your-config-id"), Secret: secrets.Text(secretID),
	})
	return err
}

// giving returns a copy of the manager whose next objects get these ids.
func giving(manager *secrets.Manager, ids ...string) *secrets.Manager {
	given := *manager
	given.NewID = func() uuid.UUID {
		if len(ids) == 0 {
			return manager.NewID()
		}
		next := uuid.MustParse(ids[0])
		ids = ids[1:]
		return next
	}
	return &given
}

package goblins_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// byAWS are actions that Lambda calls in the function's name; each stands in a statement
// of its kind. Secrets Manager does the same with the key of bundles.
var byAWS = map[string]bool{
	"logs:CreateLogStream": true, "dynamodb:GetRecords": true, "dynamodb:DescribeStream": true, "sqs:SendMessage": true,
}

// A function has exactly the permissions that it needs: its policy allows every call that
// its operation makes on any path, and no other.
func TestPoliciesAllowExactlyWhatFunctionsDo(t *testing.T) {
	allowed := map[string]map[string]bool{}
	stamped := map[string]map[string][]string{} // attributes, by function and prefix
	for _, s := range statements(t) {
		if byAWS[s.actions[0]] || s.resource == "!Ref BundleKeyArn" {
			continue
		}
		if allowed[s.function] == nil {
			allowed[s.function] = map[string]bool{}
		}
		for _, action := range s.actions {
			if len(s.keys)+len(s.indexes) == 0 {
				allowed[s.function][action] = true
			}
			for _, index := range s.indexes {
				allowed[s.function][action+" index/"+index] = true
			}
			for _, key := range s.keys {
				allowed[s.function][action+" "+strings.TrimSuffix(key, "#*")] = true
				for _, name := range list(at(s.value, "Condition", "ForAllValues:StringEquals", "dynamodb:Attributes")) {
					if stamped[s.function] == nil {
						stamped[s.function] = map[string][]string{}
					}
					prefix := strings.TrimSuffix(key, "#*")
					stamped[s.function][prefix] = append(stamped[s.function][prefix], name.(string))
				}
			}
		}
	}

	routes := table(t)
	table := secretstest.NewTable(t)
	made, c := table.Account(t, "first")
	def := made.Account.DefaultSecretID.String()
	ctx := t.Context()
	named := func(name string) secrets.SecretInput { return secrets.SecretInput{Name: secrets.Text(name)} }
	item := func(key, value string) secrets.ItemInput {
		return secrets.ItemInput{Key: secrets.Text(key), Value: secrets.Text(value)}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	using := func(name, secret string) secrets.ServiceInput {
		return secrets.ServiceInput{
			Name: secrets.Text(name), Image: secrets.Text("app"), Port: secrets.Text("80"), Secret: secrets.Text(secret),
		}
	}
	setup := table.Manager(t)
	secret, err := setup.CreateSecret(ctx, c, named("secret"))
	must(err)
	it, err := setup.CreateItem(ctx, c, def, item("KEY", "value"))
	must(err)
	doomed, err := setup.CreateItem(ctx, c, def, item("DOOMED", "value"))
	must(err)
	_, err = setup.CreateItem(ctx, c, secret.ID.String(), item("KEY", "value"))
	must(err)
	left, err := setup.CreateSecret(ctx, c, named("left"))
	must(err)
	_, err = setup.CreateItem(ctx, c, left.ID.String(), item("KEY", "value"))
	must(err)
	canceled, cancel := context.WithCancel(ctx)
	leave := table.Manager(t, secretstest.Inject(func(call secretstest.Call) secretstest.Fault {
		if strings.HasPrefix(call.What, "Query") {
			cancel() // before the purge
		}
		return secretstest.None
	}))
	forGood := secrets.Deletion{Permanent: true}
	must(leave.DeleteSecret(canceled, c, left.ID.String(), forGood))

	// The bin has secrets and items to restore, to delete for good, and some that are due.
	due := table.Manager(t)
	due.Recovery = time.Hour
	due.Now = func() time.Time { return time.Now().Add(-2 * time.Hour) }
	newItem := func(key string, versions int) string {
		it, err := setup.CreateItem(ctx, c, def, item(key, "value"))
		must(err)
		for range versions - 1 {
			_, err := setup.UpdateItem(ctx, c, def, it.ID.String(), secrets.ItemInput{Value: secrets.Text("value")})
			must(err)
		}
		return it.ID.String()
	}
	deletedItem := func(by *secrets.Manager, key string) string {
		id := newItem(key, 2)
		must(by.DeleteItem(ctx, c, def, id, secrets.Deletion{}))
		return id
	}
	newSecret := func(name string) string {
		s, err := setup.CreateSecret(ctx, c, named(name))
		must(err)
		_, err = setup.CreateItem(ctx, c, s.ID.String(), item("KEY", "value"))
		must(err)
		return s.ID.String()
	}
	deletedSecret := func(by *secrets.Manager, name string) string {
		id := newSecret(name)
		must(by.DeleteSecret(ctx, c, id, secrets.Deletion{}))
		return id
	}
	versioned, itemForGood, secretForGood := newItem("VERSIONED", 3), newItem("FOR_GOOD", 2), newSecret("for good")
	binnedItem, restoredItem := deletedItem(setup, "BINNED"), deletedItem(setup, "RESTORED")
	binnedSecret := deletedSecret(setup, "binned")
	newItem("BATCH_OLD", 2)
	newItem("BATCH_DELETED", 1)
	deletedItem(due, "DUE")
	deletedSecret(due, "due")

	// Services use the default secret and two others; one of these stays in use.
	other, err := setup.CreateSecret(ctx, c, named("other"))
	must(err)
	_, err = setup.CreateItem(ctx, c, other.ID.String(), item("KEY", "value"))
	must(err)
	_, err = setup.CreateService(ctx, c, using("service", def))
	must(err)
	_, err = setup.CreateService(ctx, c, using("staying", other.ID.String()))
	must(err)
	moving, err := setup.CreateService(ctx, c, using("moving", other.ID.String()))
	must(err)
	lone, err := setup.CreateSecret(ctx, c, named("lone"))
	must(err)
	leaving, err := setup.CreateService(ctx, c, using("leaving", lone.ID.String()))
	must(err)
	restored, err := setup.CreateSecret(ctx, c, named("restored")) // its bundle is still at the target
	must(err)
	former, err := setup.CreateService(ctx, c, using("former", restored.ID.String()))
	must(err)
	must(table.Deliverer(t).Deliver(ctx, c.AccountID, restored.ID))
	must(setup.DeleteService(ctx, c, former.ID.String(), nil))
	must(setup.DeleteSecret(ctx, c, restored.ID.String(), secrets.Deletion{}))

	// People and machines with keys. Each function that deletes has its own.
	user := func(kind, permissions string) string {
		u, err := setup.CreateUser(ctx, c, secrets.UserInput{
			Kind: secrets.Text(kind), Name: secrets.Text(kind), Permissions: secrets.Texts(strings.Split(permissions, ",")...),
		})
		must(err)
		return u.ID.String()
	}
	key := func(c secrets.Caller, in secrets.KeyInput) secrets.NewKey {
		in.Name = secrets.Text("key")
		k, err := setup.CreateKey(ctx, c, in)
		must(err)
		return k
	}
	keyOf := func(user string) secrets.NewKey { return key(c, secrets.KeyInput{User: secrets.Text(user)}) }
	machine, leaver, colleague := user("machine", "list,reveal,admin"), user("machine", "admin"), user("person", "list,admin")
	machineKey := keyOf(machine)
	keyOf(leaver)
	invitation := func() secrets.Caller {
		return table.Caller(t, key(c, secrets.KeyInput{User: secrets.Text(colleague), Invitation: secrets.Bool(true)}).Text)
	}
	// maker is a key that made another one.
	maker := func() string {
		k := keyOf(machine)
		key(table.Caller(t, k.Text), secrets.KeyInput{User: secrets.Text(machine)})
		return k.ID.String()
	}
	limited := c
	limited.Rights = secrets.Rights{Permissions: secrets.List, Secrets: []uuid.UUID{made.Account.DefaultSecretID}}

	// twice does what a POST asks for, and repeats it with the same idempotency key.
	twice := func(c secrets.Caller, do func(c secrets.Caller) error) error {
		c.Token = secrets.NewToken(uuid.NewString())
		first, again := do(c), do(c)
		var made secrets.KeyMade // whose text is not kept
		if errors.As(again, &made) {
			again = nil
		}
		return errors.Join(first, again)
	}
	ship := user("machine", "list,reveal,export")
	shipKey := table.Caller(t, keyOf(ship).Text)
	shipped, err := setup.CreateSecret(ctx, c, named("shipped"))
	must(err)
	_, err = setup.CreateItem(ctx, c, shipped.ID.String(), item("FIRST", "value"))
	must(err)

	own := c // without audit, its key is read
	own.Rights.Permissions = secrets.List
	eventsIn := func(item string) func(m *secrets.Manager) error {
		return func(m *secrets.Manager) error {
			_, err := m.ListEvents(ctx, c, secrets.EventsInput{SecretID: def, ItemID: item}, secrets.Cursor{}, 10)
			_, ownErr := m.ListEvents(ctx, own, secrets.EventsInput{SecretID: def, ItemID: item, User: secrets.Text("me")}, secrets.Cursor{}, 10)
			return errors.Join(err, ownErr)
		}
	}
	counts := map[string]bool{} // functions that count refused tries
	for _, f := range routes {
		counts[f.ID()] = f.Route != "" && !f.Open && !f.IsFallback() && f.Name != "get-me" // which refuses no key
	}

	type calls func(option func(*aws.Config)) error
	check := func(option func(*aws.Config)) error {
		return app.CheckTable(ctx, table.Environment(t, "Authorizer"), option)
	}
	managed := func(do func(*secrets.Manager) error) calls {
		return func(option func(*aws.Config)) error { return do(table.Manager(t, option)) }
	}
	checked := func(do calls) calls {
		return func(option func(*aws.Config)) error { return errors.Join(check(option), do(option)) }
	}
	for function, do := range map[string]calls{
		"Authorizer":    checked(managed(func(m *secrets.Manager) error { _, err := m.Authenticate(ctx, "Bearer "+made.Key); return err })),
		"CreateAccount": checked(managed(func(m *secrets.Manager) error { _, err := m.CreateAccount(ctx, secrets.Text("second")); return err })),
		"CreateItem": managed(func(m *secrets.Manager) error {
			if _, err := m.CreateItem(ctx, c, def, item("NEWER", "")); err == nil { // looks for the key
				t.Error("a blank value was accepted")
			}
			return twice(c, func(c secrets.Caller) error { _, err := m.CreateItem(ctx, c, def, item("NEW", "value")); return err })
		}),
		"BatchItems": managed(func(m *secrets.Manager) error {
			m.KeepVersions, m.Recovery = 0, 0 // the former version goes, and what is deleted
			return twice(c, func(c secrets.Caller) error {
				_, err := m.BatchItems(ctx, c, def, secrets.BatchInput{
					Items: []secrets.ItemInput{item("BATCH_NEW", "value"), item("BATCH_OLD", "value")}, Delete: []secrets.Field{secrets.Text("BATCH_DELETED")},
				})
				return err
			})
		}),
		"GetBundle": func(option func(*aws.Config)) error {
			// A change between the reads of the secret and of its items has the secret read again.
			changed := false
			m := table.Manager(t, option, secretstest.Inject(func(call secretstest.Call) secretstest.Fault {
				if strings.HasPrefix(call.What, "Query") && !changed {
					changed = true
					if _, err := setup.CreateItem(ctx, c, shipped.ID.String(), item("SECOND", "value")); err != nil {
						t.Error(err)
					}
				}
				return secretstest.None
			}))
			m.RevealLimit = 130 // as in GetItem
			for range 127 {
				if _, err := m.ExportSecret(ctx, shipKey, shipped.ID.String(), nil); err != nil {
					return err
				}
			}
			bundled, err := m.ExportSecret(ctx, shipKey, shipped.ID.String(), secrets.Match{0})
			if err != nil {
				return err
			}
			if bundled, err = m.ExportSecret(ctx, shipKey, shipped.ID.String(), secrets.Match{bundled.Secret.Revision}); err == nil && !bundled.Same {
				t.Error("a known revision was opened")
			}
			_, compareErr := m.CompareSecrets(ctx, shipKey, secrets.CompareInput{A: secrets.Text(shipped.ID.String()), B: secrets.Text(def)})
			return errors.Join(err, compareErr)
		},
		"CreateSecret": managed(func(m *secrets.Manager) error {
			return twice(c, func(c secrets.Caller) error { _, err := m.CreateSecret(ctx, c, named("new")); return err })
		}),
		"DeleteItem": managed(func(m *secrets.Manager) error {
			return errors.Join(m.DeleteItem(ctx, c, def, doomed.ID.String(), secrets.Deletion{}),
				m.DeleteItem(ctx, c, def, itemForGood, forGood), m.DeleteItem(ctx, c, def, binnedItem, forGood))
		}),
		"RestoreItem": managed(func(m *secrets.Manager) error {
			return twice(c, func(c secrets.Caller) error {
				_, err := m.RestoreItem(ctx, c, def, restoredItem, secrets.ItemInput{Key: secrets.Text("RESTORED_AS")})
				return err
			})
		}),
		"ListVersions": managed(func(m *secrets.Manager) error { _, err := m.Versions(ctx, c, def, versioned); return err }),
		"RollbackItem": managed(func(m *secrets.Manager) error {
			return twice(c, func(c secrets.Caller) error {
				_, err := m.RollBackItem(ctx, c, def, versioned, secrets.RollbackInput{Version: secrets.Text("2")})
				return err
			})
		}),
		"DeleteVersion": managed(func(m *secrets.Manager) error {
			return m.DeleteVersion(ctx, c, def, versioned, "1", secrets.Deletion{})
		}),
		"RestoreSecret": managed(func(m *secrets.Manager) error {
			return twice(c, func(c secrets.Caller) error {
				_, err := m.RestoreSecret(ctx, c, restored.ID.String(), secrets.SecretInput{})
				return err
			})
		}),
		"DeleteSecret": managed(func(m *secrets.Manager) error {
			var used secrets.InUse
			if err := m.DeleteSecret(ctx, c, other.ID.String(), secrets.Deletion{}); !errors.As(err, &used) {
				t.Errorf("delete a used secret: %v, want InUse", err)
			}
			return errors.Join(m.DeleteSecret(ctx, c, secret.ID.String(), secrets.Deletion{}),
				m.DeleteSecret(ctx, c, secretForGood, forGood), m.DeleteSecret(ctx, c, binnedSecret, forGood))
		}),
		"CreateService": managed(func(m *secrets.Manager) error {
			_, err := m.CreateService(ctx, c, secrets.ServiceInput{ // of the default secret
				Name: secrets.Text("new"), Image: secrets.Text("app"), Port: secrets.Text("80"),
			})
			if err != nil {
				return err
			}
			unused, err := setup.CreateSecret(ctx, c, named("unused"))
			if err != nil {
				return err
			}
			return twice(c, func(c secrets.Caller) error {
				_, err := m.CreateService(ctx, c, using("newer", unused.ID.String()))
				return err
			})
		}),
		"DeleteService": managed(func(m *secrets.Manager) error { return m.DeleteService(ctx, c, leaving.ID.String(), nil) }),
		"GetService":    managed(func(m *secrets.Manager) error { _, err := m.Service(ctx, c, moving.ID.String()); return err }),
		"ListServices": managed(func(m *secrets.Manager) error {
			for _, c := range []secrets.Caller{c, limited} {
				if _, err := m.ListServices(ctx, c, secrets.Field{}, secrets.Field{}, secrets.Cursor{}, 10); err != nil {
					return err
				}
			}
			_, err := m.ListServices(ctx, c, secrets.Field{}, secrets.Text(def), secrets.Cursor{}, 10)
			return err
		}),
		"UpdateService": managed(func(m *secrets.Manager) error {
			unused, err := setup.CreateSecret(ctx, c, named("goal"))
			if err != nil {
				return err
			}
			if _, err := m.UpdateService(ctx, c, moving.ID.String(), using("moved", unused.ID.String())); err != nil {
				return err
			}
			if _, err := m.UpdateService(ctx, c, moving.ID.String(), using("stayed", unused.ID.String())); err != nil {
				return err
			}
			_, err = m.UpdateService(ctx, c, moving.ID.String(), using("stayed", other.ID.String())) // the last one leaves
			return err
		}),
		"DeploySecret": checked(func(option func(*aws.Config)) error {
			return deliverAllWays(ctx, setup, table.Deliverer(t, option), table.Sweeper(t), c, using, named, item)
		}),
		"RedeploySecrets": checked(func(option func(*aws.Config)) error {
			sweeper := table.Sweeper(t, option)
			_, _, err := sweeper.RequeueAll(ctx, delivery.Place{})
			_, sweepErr := sweeper.Sweep(ctx)
			return errors.Join(err, sweepErr)
		}),
		"CheckBundles": checked(func(option func(*aws.Config)) error {
			// Nothing is delivered of a secret that the table calls delivered.
			lost, err := setup.CreateSecret(ctx, c, named("lost"))
			if err == nil {
				_, err = setup.CreateService(ctx, c, using("of-lost", lost.ID.String()))
			}
			if err == nil {
				err = table.Store(t).MarkDelivered(ctx, c.AccountID, lost.ID, 1, secrets.Bundle{Name: "goblins/lost", Version: "r1"})
			}
			checker := table.Checker(t, option)
			checker.Now = func() time.Time { return time.Now().Add(time.Hour) }
			_, _, checkErr := checker.Check(ctx)
			checker.Now = func() time.Time { return time.Now().Add(5 * time.Hour) }
			_, differ, again := checker.Check(ctx)
			if differ == 0 {
				t.Error("CheckBundles does not see a lost bundle")
			}
			return errors.Join(err, checkErr, again)
		}),
		"GetItem": managed(func(m *secrets.Manager) error {
			m.RevealLimit = 130 // so that the counter has a block, which a reveal writes and another one reads
			for range 129 {
				if _, err := m.RevealItem(ctx, c, def, it.ID.String()); err != nil {
					return err
				}
			}
			_, err := m.RevealVersion(ctx, c, def, versioned, "3")
			return err
		}),
		"GetBudget": managed(func(m *secrets.Manager) error { _, err := m.Budget(ctx, c); return err }),
		"GetSecret": managed(func(m *secrets.Manager) error { _, err := m.Secret(ctx, c, def); return err }),
		"ListItems": managed(func(m *secrets.Manager) error {
			_, err := m.ListItems(ctx, c, def, secrets.Field{}, secrets.Cursor{}, 10)
			_, oneErr := m.ListItems(ctx, c, def, secrets.Text("KEY"), secrets.Cursor{}, 10)
			_, deletedErr := m.DeletedItems(ctx, c, def, secrets.Cursor{}, 10)
			return errors.Join(err, oneErr, deletedErr)
		}),
		"ListSecrets": managed(func(m *secrets.Manager) error {
			_, err := m.ListSecrets(ctx, c, secrets.Field{}, secrets.Cursor{}, 10)
			limited := limited
			_, limitedErr := m.ListSecrets(ctx, limited, secrets.Field{}, secrets.Cursor{}, 10)
			limited.Rights.Permissions |= secrets.Write
			_, deletedErr := m.DeletedSecrets(ctx, c, secrets.Cursor{}, 10)
			_, limitedDeletedErr := m.DeletedSecrets(ctx, limited, secrets.Cursor{}, 10)
			return errors.Join(err, limitedErr, deletedErr, limitedDeletedErr)
		}),
		"PurgeSecrets": checked(managed(func(m *secrets.Manager) error { _, err := m.PurgeSecrets(ctx); return err })),
		"UpdateItem": managed(func(m *secrets.Manager) error {
			if _, err := m.UpdateItem(ctx, c, def, it.ID.String(), item("RENAMED", "")); err == nil { // looks for the key
				t.Error("a blank value was accepted")
			}
			m.KeepVersions = 0 // the former version goes
			_, err := m.UpdateItem(ctx, c, def, it.ID.String(), item("RENAMED", "rotated"))
			return err
		}),
		"GetMe":     managed(func(m *secrets.Manager) error { _, err := m.Me(ctx, c); return err }),
		"ListUsers": managed(func(m *secrets.Manager) error { _, err := m.ListUsers(ctx, c, secrets.Cursor{}, 10); return err }),
		"CreateUser": managed(func(m *secrets.Manager) error {
			return twice(c, func(c secrets.Caller) error {
				_, err := m.CreateUser(ctx, c, secrets.UserInput{
					Kind: secrets.Text("person"), Name: secrets.Text("new"), Permissions: secrets.Texts("list"), Secrets: secrets.Texts(def),
				})
				return err
			})
		}),
		"GetUser": managed(func(m *secrets.Manager) error { _, err := m.User(ctx, c, machine); return err }),
		"UpdateUser": managed(func(m *secrets.Manager) error {
			_, err := m.UpdateUser(ctx, c, machine, secrets.UserInput{
				Permissions: secrets.Texts("list"), Secrets: secrets.Texts(def), RevealLimit: secrets.Text("7"),
			})
			_, backErr := m.UpdateUser(ctx, c, machine, secrets.UserInput{
				Permissions: secrets.Texts("list", "reveal", "admin"), Secrets: secrets.Null(), RevealLimit: secrets.Null(),
			})
			return errors.Join(err, backErr)
		}),
		"DeleteUser": managed(func(m *secrets.Manager) error { return m.DeleteUser(ctx, c, leaver) }),
		"ListKeys": managed(func(m *secrets.Manager) error {
			_, err := m.ListKeys(ctx, c, secrets.Field{}, secrets.Cursor{}, 10)
			_, oneErr := m.ListKeys(ctx, c, secrets.Text(machine), secrets.Cursor{}, 10)
			return errors.Join(err, oneErr)
		}),
		"CreateKey": managed(func(m *secrets.Manager) error {
			err := twice(c, func(c secrets.Caller) error {
				_, err := m.CreateKey(ctx, c, secrets.KeyInput{Name: secrets.Text("own"), Secrets: secrets.Texts(def)})
				return err
			})
			_, exchangeErr := m.CreateKey(ctx, invitation(), secrets.KeyInput{Name: secrets.Text("exchanged")})
			return errors.Join(err, exchangeErr)
		}),
		"GetKey": managed(func(m *secrets.Manager) error { _, _, err := m.Key(ctx, c, maker()); return err }),
		"UpdateKey": managed(func(m *secrets.Manager) error {
			_, err := m.UpdateKey(ctx, c, machineKey.ID.String(), secrets.KeyInput{Permissions: secrets.Texts("list"), Secrets: secrets.Texts(def)})
			return err
		}),
		"DeleteKey": managed(func(m *secrets.Manager) error { return m.DeleteKey(ctx, c, maker(), true) }),
		"IssueKey": checked(managed(func(m *secrets.Manager) error {
			_, err := m.IssueKey(ctx, "first", "")
			_, idErr := m.IssueKey(ctx, c.AccountID.String(), machine)
			return errors.Join(err, idErr)
		})),
		"RevokeKey": checked(managed(func(m *secrets.Manager) error { return m.RevokeKey(ctx, maker(), true) })),
		"ListPeople": checked(managed(func(m *secrets.Manager) error {
			_, err := m.ListPeople(ctx, "first", secrets.Cursor{}, 10)
			_, idErr := m.ListPeople(ctx, c.AccountID.String(), secrets.Cursor{}, 10)
			return errors.Join(err, idErr)
		})),
		"DeleteExpiredKeys": checked(managed(func(m *secrets.Manager) error {
			key(c, secrets.KeyInput{ExpiresAt: secrets.Text(time.Now().Add(time.Hour).Format(time.RFC3339))})
			m.Now = func() time.Time { return time.Now().Add(91 * 24 * time.Hour) }
			deleted, err := m.DeleteExpiredKeys(ctx)
			if deleted == 0 {
				t.Error("DeleteExpiredKeys deletes no expired key")
			}
			return err
		})),
		"ListEvents": managed(func(m *secrets.Manager) error {
			_, err := m.ListEvents(ctx, c, secrets.EventsInput{}, secrets.Cursor{}, 10)
			_, ofSecretErr := m.ListEvents(ctx, c, secrets.EventsInput{Secret: secrets.Text(def)}, secrets.Cursor{}, 10)
			_, ownErr := m.ListEvents(ctx, own, secrets.EventsInput{User: secrets.Text("me")}, secrets.Cursor{}, 10)
			return errors.Join(err, ofSecretErr, ownErr)
		}),
		"ListSecretEvents": managed(eventsIn("")),
		"ListItemEvents":   managed(eventsIn(it.ID.String())),
		"GetReview":        managed(func(m *secrets.Manager) error { _, err := m.Review(ctx, c, secrets.ReviewCursor{}); return err }),
		"UpdateSecret":     managed(func(m *secrets.Manager) error { _, err := m.UpdateSecret(ctx, c, def, named("renamed")); return err }),
	} {
		var p secretstest.Permissions
		must(do(p.Record))
		if counts[function] {
			table.Manager(t, p.Record).Refused(ctx, c, secrets.Try{Action: secrets.SecretRead}, secrets.ErrDenied)
		}
		if diff := cmp.Diff(allowed[function], p.Needed()); diff != "" {
			t.Errorf("%s (-allowed +needed):\n%s", function, diff)
		}
		for prefix, attributes := range stamped[function] {
			if diff := cmp.Diff(attributes, p.Updated(prefix)); diff != "" {
				t.Errorf("attributes that %s may change in %s (-allowed +needed):\n%s", function, prefix, diff)
			}
		}
		delete(allowed, function)
	}
	if len(stamped["GetItem"]["SECRET"]) == 0 || len(stamped["GetBundle"]["ACCOUNT"]) == 0 || len(stamped["Authorizer"]["PEOPLE"]) == 0 {
		t.Error("get-item may change any attribute of an item, get-bundle any of a secret, or the authorizer any of a key")
	}
	if rest := slices.Collect(maps.Keys(allowed)); len(rest) > 0 {
		t.Errorf("policies of %v are not tested", rest)
	}
}

// A function that puts events can neither update, delete nor find one, and neither can who steals its role. A put
// replaces an event whose id it knows, but 62 bits of an id are random, and those that read events put none. The one
// exception is the stream of deploy-secret, which has the keys of a day's events. Refused tries are counted in their
// rows, so these are updated.
func TestWritersOfEventsCannotFindThem(t *testing.T) {
	put := map[string]bool{} // functions that put events
	read := map[string][]string{}
	for _, s := range statements(t) {
		for _, index := range s.indexes {
			read[s.function] = append(read[s.function], "the index "+index)
		}
		for _, key := range s.keys {
			write := map[string]string{"EVENTS#*": "dynamodb:PutItem", "REFUSED#*": "dynamodb:UpdateItem"}[key]
			if write == "" {
				continue
			}
			for _, action := range s.actions {
				switch action {
				case write:
					put[s.function] = put[s.function] || key == "EVENTS#*"
				case "dynamodb:Query":
					read[s.function] = append(read[s.function], key)
				default:
					t.Errorf("%s has %s on %s, want only %s, or dynamodb:Query", s.function, action, key, write)
				}
			}
		}
	}
	for function, what := range read {
		if put[function] {
			t.Errorf("%s puts events and reads %v", function, what)
		}
	}
	if !put["GetItem"] {
		t.Error("GetItem puts no events")
	}
}

// deliverAllWays delivers a secret for the first time, again, renamed, removed, restored,
// and when the target is ahead.
func deliverAllWays(
	ctx context.Context, m *secrets.Manager, deliverer *delivery.Deliverer, sweeper *delivery.Sweeper, c secrets.Caller,
	using func(name, secret string) secrets.ServiceInput,
	named func(string) secrets.SecretInput, item func(key, value string) secrets.ItemInput,
) error {
	secret, err := m.CreateSecret(ctx, c, named("delivered"))
	if err != nil {
		return err
	}
	id := secret.ID.String()
	deploy := func() error { return deliverer.Deliver(ctx, c.AccountID, secret.ID) }
	attach := func() error { _, err := m.CreateService(ctx, c, using("user", id)); return err }
	var used secrets.Page[secrets.Service]
	detach := func() error {
		if used, err = m.ListServices(ctx, c, secrets.Field{}, secrets.Text(id), secrets.Cursor{}, 10); err != nil {
			return err
		}
		return m.DeleteService(ctx, c, used.Results[0].ID.String(), nil)
	}
	add := func(key string) func() error {
		return func() error { _, err := m.CreateItem(ctx, c, id, item(key, "value")); return err }
	}
	rename := func() error { _, err := m.UpdateSecret(ctx, c, id, named("delivered again")); return err }
	again := func() error { _, _, err := sweeper.RequeueAll(ctx, delivery.Place{}); return err }
	// As after a restore of the table, before the first delivery.
	remove := func() error { return m.DeleteSecret(ctx, c, id, secrets.Deletion{}) }
	back := func() error {
		now, err := m.Store.Secret(ctx, c.AccountID, secret.ID)
		if err != nil {
			return err
		}
		return errors.Join(deliverer.Store.RaiseRevision(ctx, now, 1), deliverer.Store.MarkUndelivered(ctx, c.AccountID, secret.ID))
	}
	for _, step := range []func() error{
		add("FIRST"), attach, deploy, add("SECOND"), deploy, rename, deploy, detach, deploy, attach, deploy, back, again, deploy,
		detach, remove, deploy,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

package secrets_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// refused tells whether an error says that a field was not accepted.
func refused(err error, field string) bool {
	var invalid secrets.Invalid
	return errors.As(err, &invalid) && len(invalid) == 1 && invalid[0].Field == field
}

// A secret is deleted and a service comes to use it, at the same time, thousands of
// times: one of them wins, and the other is told as if it had come later.
func TestRaceForSecret(t *testing.T) {
	t.Parallel()
	const racers, rounds = 10, 300
	table := secretstest.NewTable(t)
	var deleted, used [2]atomic.Int64 // by new services, and by those that move
	var wg sync.WaitGroup
	for i := range racers {
		_, c := table.Account(t, uuid.NewString())
		secretIDs := plant(t, table, c.AccountID, rounds)
		owner, rival := table.Manager(t), table.Manager(t)
		if i%4 == 0 { // their transactions meet others, too
			owner, rival = table.Manager(t, secretstest.Inject(secretstest.Conflicts)), table.Manager(t, secretstest.Inject(secretstest.Conflicts))
		}
		wg.Go(func() {
			mover, err := owner.CreateService(t.Context(), c, secrets.ServiceInput{Name: secrets.Text("mover"), Image: secrets.Text("app"), Port: secrets.Text("80")})
			if err != nil {
				t.Error(err)
				return
			}
			for round := range rounds {
				name := fmt.Sprint("app-", round)
				id := secretIDs[round]
				head := time.Duration(rand.IntN(4)-2) * time.Millisecond // of the deletion
				var deletion error
				var both sync.WaitGroup
				both.Go(func() {
					time.Sleep(-head)
					deletion = owner.DeleteSecret(t.Context(), c, id.String())
				})
				time.Sleep(head)
				how := round % 2
				var use error
				if how == 0 {
					_, use = rival.CreateService(t.Context(), c, workloadInput(name, id))
				} else {
					_, use = rival.UpdateService(t.Context(), c, mover.ID.String(), workloadInput("mover", id))
				}
				both.Wait()
				var inUse secrets.InUse
				switch {
				case deletion == nil && refused(use, "secret"):
					deleted[how].Add(1)
				case use == nil && errors.As(deletion, &inUse) && inUse.Services == 1 && len(inUse.Names) == 1:
					used[how].Add(1)
				default:
					t.Errorf("deletion: %v, use: %v, want one of them done, and the other refused for it", deletion, use)
				}
			}
		})
	}
	wg.Wait()
	for how, name := range []string{"create", "move"} {
		if deleted[how].Load() == 0 || used[how].Load() == 0 {
			t.Errorf("%s: deleted %d times, used %d times, want each of them to win sometimes", name, deleted[how].Load(), used[how].Load())
		}
		t.Logf("%s: deleted %d times, used %d times", name, deleted[how].Load(), used[how].Load())
	}
	table.Check(t)
}

// plant writes the rows of so many secrets without items: creating them would take
// longer than what is tested.
func plant(t *testing.T, table *secretstest.Table, account uuid.UUID, secrets int) (ids []uuid.UUID) {
	t.Helper()
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	pk := text("ACCOUNT#" + account.String())
	var rows []map[string]types.AttributeValue
	for i := range secrets {
		id, name := uuid.Must(uuid.NewV7()), fmt.Sprint("planted ", i)
		hash := sha256.Sum256([]byte(name))
		ids = append(ids, id)
		rows = append(rows,
			map[string]types.AttributeValue{"PK": pk, "SK": text("SECRET#" + id.String()), "name": text(name), "items": &types.AttributeValueMemberN{Value: "0"}, "created_at": text("2026-02-03T04:05:06.000789Z")},
			map[string]types.AttributeValue{"PK": pk, "SK": text("NAME#" + hex.EncodeToString(hash[:])), "owner": text(id.String())},
		)
	}
	putRows(t, table, rows)
	_, err := table.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: &table.Name, Key: map[string]types.AttributeValue{"PK": pk, "SK": text("ACCOUNT")}, UpdateExpression: aws.String("ADD secrets :n"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":n": &types.AttributeValueMemberN{Value: fmt.Sprint(secrets)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// putRows writes rows as they are.
func putRows(t *testing.T, table *secretstest.Table, rows []map[string]types.AttributeValue) {
	t.Helper()
	for batch := range slices.Chunk(rows, 25) {
		var writes []types.WriteRequest
		for _, row := range batch {
			writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: row}})
		}
		out, err := table.Client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table.Name: writes}})
		if err != nil || len(out.UnprocessedItems) > 0 {
			t.Fatalf("write rows: %v, %d left", err, len(out.UnprocessedItems))
		}
	}
}

// Services come to a few secrets, move between them and go, while their items change
// and they are renamed, all at once: each secret counts those that use it, and its size
// is that of its items.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	const clients, rounds = 16, 25
	w := newWorld(t, secretstest.NewTable(t))
	attach(t, &w)
	bundles := []uuid.UUID{w.secret.ID, w.second.ID}
	third, err := w.table.Manager(t).CreateSecret(t.Context(), w.caller, secretInput("third"))
	if err != nil {
		t.Fatal(err)
	}
	bundles = append(bundles, third.ID)
	var made, gone atomic.Int64
	var wg sync.WaitGroup
	for i := range clients {
		svc := w.table.Manager(t, secretstest.Inject(secretstest.Conflicts))
		wg.Go(func() {
			ctx, c := t.Context(), w.caller
			some := func() uuid.UUID { return bundles[rand.IntN(len(bundles))] }
			var own []uuid.UUID // services of this client's
			var items [][2]string
			for round := range rounds {
				var err error
				switch n := rand.IntN(10); {
				case n < 2 || len(own) == 0:
					var x secrets.Service
					if x, err = svc.CreateService(ctx, c, workloadInput(fmt.Sprintf("app-%d-%d", i, round), some())); err == nil {
						own = append(own, x.ID)
						made.Add(1)
					}
				case n < 5:
					_, err = svc.UpdateService(ctx, c, own[rand.IntN(len(own))].String(), secrets.ServiceInput{Secret: secrets.Text(some().String())})
				case n < 6:
					err = svc.DeleteService(ctx, c, own[0].String())
					own = own[1:]
					gone.Add(1)
				case n < 8 || len(items) == 0:
					id := some().String()
					var it secrets.Item
					if it, err = svc.CreateItem(ctx, c, id, itemInput(fmt.Sprintf("KEY_%d_%d", i, round), uuid.NewString())); err == nil {
						items = append(items, [2]string{id, it.ID.String()})
					}
				case n < 9:
					at := items[rand.IntN(len(items))]
					_, err = svc.UpdateItem(ctx, c, at[0], at[1], itemInput(fmt.Sprintf("RENAMED_%d_%d", i, round), strings.Repeat("x", rand.IntN(100)+1)))
				default:
					err = svc.DeleteItem(ctx, c, items[0][0], items[0][1])
					items = items[1:]
				}
				if err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			}
		})
	}
	for n := range 20 { // one more renames, and tries to delete
		id := bundles[n%len(bundles)].String()
		svc := w.table.Manager(t, secretstest.Inject(secretstest.Conflicts))
		if _, err := svc.UpdateSecret(t.Context(), w.caller, id, secretInput(fmt.Sprint("name ", n))); err != nil {
			t.Errorf("rename: %v", err)
		}
		var inUse secrets.InUse
		if err := svc.DeleteSecret(t.Context(), w.caller, w.secret.ID.String()); !errors.As(err, &inUse) || inUse.Services < 1 || len(inUse.Names) < 1 {
			t.Errorf("delete a used secret: %v, want InUse", err) // the first service never leaves it
		}
	}
	wg.Wait()
	svc := w.table.Manager(t)
	count := 0
	for _, id := range bundles {
		count += len(users(t, svc, w, id))
	}
	page, err := svc.ListServices(t.Context(), w.caller, "", secrets.Cursor{}, 1000)
	if want := int(1 + made.Load() - gone.Load()); err != nil || page.Count != want || count != want {
		t.Errorf("%d services, %v, and %d uses, want %d of each", page.Count, err, count, want)
	}
	w.table.Check(t)
}

// The last service leaves and another comes, or an item changes, at the same moment:
// whatever the order, what is used in the end waits for its delivery, and what is not
// for its removal.
func TestLastUseAtOnce(t *testing.T) {
	t.Parallel()
	const rounds = 60
	w := newWorld(t, secretstest.NewTable(t))
	attach(t, &w)
	a, b := w.table.Manager(t, secretstest.Inject(secretstest.Conflicts)), w.table.Manager(t, secretstest.Inject(secretstest.Conflicts))
	last := w.workload.ID
	for round := range rounds {
		var wg sync.WaitGroup
		var next secrets.Service
		wg.Go(func() {
			if err := a.DeleteService(t.Context(), w.caller, last.String()); err != nil {
				t.Errorf("delete: %v", err)
			}
		})
		wg.Go(func() {
			var err error
			if next, err = b.CreateService(t.Context(), w.caller, workloadInput(fmt.Sprint("app-", round), w.secret.ID)); err != nil {
				t.Errorf("create: %v", err)
			}
		})
		wg.Go(func() {
			if _, err := b.UpdateItem(t.Context(), w.caller, w.secret.ID.String(), w.item.ID.String(), valueInput(uuid.NewString())); err != nil {
				t.Errorf("update: %v", err)
			}
		})
		wg.Wait()
		last = next.ID
	}
	secret, err := a.Secret(t.Context(), w.caller, w.secret.ID.String())
	if err != nil || secret.Services != 1 {
		t.Errorf("the secret = %+v, %v, want one service", secret, err)
	}
	w.table.Check(t)
}

// A write that would make a used secret too large, and the first service that comes to
// one that is large, at once: never are both done.
func TestRaceForRoom(t *testing.T) {
	t.Parallel()
	const rounds = 40
	table := secretstest.NewTable(t)
	_, c := table.Account(t, uuid.NewString())
	a, b := table.Manager(t, secretstest.Inject(secretstest.Conflicts)), table.Manager(t, secretstest.Inject(secretstest.Conflicts))
	won := map[string]int{}
	for round := range rounds {
		name := fmt.Sprint("app-", round)
		secret, err := a.CreateSecret(t.Context(), c, secretInput(name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.CreateItem(t.Context(), c, secret.ID.String(), itemInput("A", strings.Repeat("a", 40_000))); err != nil {
			t.Fatal(err)
		}
		var write, use error
		var wg sync.WaitGroup
		wg.Go(func() {
			_, write = a.CreateItem(t.Context(), c, secret.ID.String(), itemInput("B", strings.Repeat("b", 40_000)))
		})
		wg.Go(func() { _, use = b.CreateService(t.Context(), c, workloadInput(name, secret.ID)) })
		wg.Wait()
		switch {
		case write == nil && refused(use, "secret"):
			won["write"]++
		case use == nil && refused(write, "value"):
			won["use"]++
		default:
			t.Errorf("write: %v, use: %v, want one of them done, and the other refused for it", write, use)
		}
	}
	t.Logf("won: %v", won)
	table.Check(t)
}

// What is done to services is told: by whom, from where, to what, and with which secret
// it was then.
func TestServiceEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	attach(t, &w)
	svc, id := w.table.Manager(t), w.workload.ID.String()
	for _, in := range []secrets.ServiceInput{
		secrets.ServiceInput{Port: secrets.Text("81")},
		workloadInput("moved", w.second.ID),
		workloadInput("moved", w.second.ID), // which changes nothing
	} {
		if _, err := svc.UpdateService(t.Context(), w.caller, id, in); err != nil {
			t.Fatal(err)
		}
	}
	var inUse secrets.InUse
	if err := svc.DeleteSecret(t.Context(), w.caller, w.second.ID.String()); !errors.As(err, &inUse) {
		t.Errorf("delete a used secret: %v, want InUse", err)
	}
	if err := svc.DeleteService(t.Context(), w.caller, id); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range w.table.Rows(t) {
		if row["PK"] == "EVENTS#"+w.caller.AccountID.String() && row["service_id"] == id {
			got = append(got, fmt.Sprint(row["SK"], " ", row["type"], " ", row["name"], " ", row["secret_id"]))
			who := fmt.Sprintf("%v %v %v %v", row["user_id"], row["key_id"], row["source_ip"], row["request_id"])
			if want := fmt.Sprintf("%v %v %v %v", w.caller.UserID, w.caller.KeyID, w.caller.SourceIP, w.caller.RequestID); who != want {
				t.Errorf("%v is by %s, want %s", row["type"], who, want)
			}
			if row["item_id"] != nil || row["version"] != nil {
				t.Errorf("%v tells of an item: %v", row["type"], row)
			}
		}
	}
	slices.Sort(got) // by id: by time
	want := []string{
		"service.created app " + w.secret.ID.String(), "service.updated app " + w.secret.ID.String(),
		"service.updated moved " + w.second.ID.String(), "service.deleted moved " + w.second.ID.String(),
	}
	for i := range got {
		_, got[i], _ = strings.Cut(got[i], " ")
	}
	if !slices.Equal(got, want) {
		t.Errorf("events = %q, want %q", got, want)
	}
	w.table.Check(t)
}

// What services take of a secret changes with its items, its name, the first of them
// and the last one: then its revision is raised, and the change waits for its delivery.
// With nothing else.
func TestWhatWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	svc := w.table.Manager(t)
	ctx, c, id := t.Context(), w.caller, w.secret.ID.String()
	var app, worker secrets.Service
	update := func(service *secrets.Service, in secrets.ServiceInput) error {
		_, err := svc.UpdateService(ctx, c, service.ID.String(), in)
		return err
	}
	create := func(service *secrets.Service, name string) (err error) {
		*service, err = svc.CreateService(ctx, c, workloadInput(name, w.secret.ID))
		return err
	}
	elsewhere, err := svc.CreateSecret(ctx, c, secretInput("elsewhere"))
	if err != nil {
		t.Fatal(err)
	}
	there, here := secrets.Text(elsewhere.ID.String()), secrets.Text(id)
	for _, step := range []struct {
		name          string
		do            func() error
		raised, waits bool
	}{
		{"an item of an unused secret", func() error { return errOf(svc.CreateItem(ctx, c, id, itemInput("A", "a"))) }, true, false},
		{"the name of an unused secret", func() error { return errOf(svc.UpdateSecret(ctx, c, id, secretInput("renamed"))) }, true, false},
		{"the first service", func() error { return create(&app, "app") }, true, true},
		{"the second service", func() error { return create(&worker, "worker") }, false, false},
		{"an item", func() error { return errOf(svc.CreateItem(ctx, c, id, itemInput("B", "b"))) }, true, true},
		{"a value", func() error { return errOf(svc.UpdateItem(ctx, c, id, w.item.ID.String(), valueInput("v"))) }, true, true},
		{"the same value again", func() error { return errOf(svc.UpdateItem(ctx, c, id, w.item.ID.String(), valueInput("v"))) }, true, true},
		{"a key", func() error { return errOf(svc.UpdateItem(ctx, c, id, w.item.ID.String(), itemInput("KEY", "v"))) }, true, true},
		{"the item deleted", func() error { return svc.DeleteItem(ctx, c, id, w.item.ID.String()) }, true, true},
		{"the name", func() error { return errOf(svc.UpdateSecret(ctx, c, id, secretInput("again"))) }, true, true},
		{"the same name", func() error { return errOf(svc.UpdateSecret(ctx, c, id, secretInput("again"))) }, false, false},
		{"a reveal", func() error { return errOf(svc.RevealItem(ctx, c, id, w.other.ID.String())) }, false, false},
		{"a service's own fields", func() error {
			return update(&app, secrets.ServiceInput{Name: secrets.Text("app-2"), Port: secrets.Text("81"), Secret: here})
		}, false, false},
		{"one of two leaves", func() error { return update(&app, secrets.ServiceInput{Secret: there}) }, false, false},
		{"and comes back", func() error { return update(&app, secrets.ServiceInput{Secret: here}) }, false, false},
		{"one of two is deleted", func() error { return svc.DeleteService(ctx, c, worker.ID.String()) }, false, false},
		{"the last one leaves", func() error { return update(&app, secrets.ServiceInput{Secret: there}) }, true, true},
		{"an item, unused again", func() error { return errOf(svc.CreateItem(ctx, c, id, itemInput("C", "c"))) }, true, false},
		{"the first one comes back", func() error { return update(&app, secrets.ServiceInput{Secret: here}) }, true, true},
		{"the last one is deleted", func() error { return svc.DeleteService(ctx, c, app.ID.String()) }, true, true},
	} {
		before, err := svc.Secret(ctx, c, id)
		if err == nil {
			err = step.do()
		}
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		after, err := svc.Secret(ctx, c, id)
		waiting, waitErr := w.table.Store(t).Entry(ctx, c.AccountID, w.secret.ID)
		raised, waits := after.Revision == before.Revision+1, waitErr == nil
		if err != nil || raised != step.raised || !raised && after.Revision != before.Revision || waits != step.waits {
			t.Errorf("%s: revision %d after %d, waits = %v (%v), want it raised = %v, waits = %v", step.name, after.Revision, before.Revision, waits, waitErr, step.raised, step.waits)
		}
		w.table.Check(t)
		// It is delivered, or removed.
		switch {
		case waits && after.Services > 0:
			err = w.table.Store(t).MarkDelivered(ctx, c.AccountID, w.secret.ID, after.Revision)
		case waits:
			err = w.table.Store(t).MarkUndelivered(ctx, c.AccountID, w.secret.ID)
		}
		if err == nil && waits {
			err = w.table.Store(t).Acknowledge(ctx, waiting)
		}
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
	}
}

// Where nothing is delivered, secrets that services use have no limit. Once something
// is, what is too large can shrink, and what does not grow is no worse than before.
func TestTooLargeFromBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	svc := w.table.Manager(t)
	svc.MaxBundleSize = 0
	ctx, c, id := t.Context(), w.caller, w.secret.ID.String()
	attach := func(name string) error { return errOf(svc.CreateService(ctx, c, workloadInput(name, w.secret.ID))) }
	write := func(key, value string) error {
		return errOf(svc.UpdateItem(ctx, c, id, w.item.ID.String(), itemInput(key, value)))
	}
	large := strings.Repeat("v", 40_000)
	for name, err := range map[string]error{
		"attach": attach("app"), "create": errOf(svc.CreateItem(ctx, c, id, itemInput("LARGE", large))), "write": write("KEY", large), "attach another": attach("worker"),
	} {
		if err != nil {
			t.Errorf("%s where nothing is delivered: %v", name, err)
		}
	}
	if waiting, err := w.table.Store(t).Entries(ctx); err != nil || len(waiting) != 0 {
		t.Errorf("where nothing is delivered %v waits, %v", waiting, err)
	}
	svc.MaxBundleSize = 65536
	for _, step := range []struct {
		name    string
		err     error
		refused string
	}{
		{"as large as before", write("KEY", strings.ToUpper(large)), ""},
		{"another key", write("YEK", large), ""},
		{"larger", write("YEK", large+"v"), "value"},
		{"a longer key", errOf(svc.UpdateItem(ctx, c, id, w.item.ID.String(), secrets.ItemInput{Key: secrets.Text("LONGER")})), "key"},
		{"one more", errOf(svc.CreateItem(ctx, c, id, itemInput("MORE", "v"))), "value"},
		{"smaller, and still too large", write("YEK", large[1:]), ""},
		{"deleted, and still too large", svc.DeleteItem(ctx, c, id, w.other.ID.String()), ""},
		{"another service", attach("third"), ""},
		{"small", write("YEK", "v"), ""},
		{"one more, once there is room", errOf(svc.CreateItem(ctx, c, id, itemInput("MORE", "v"))), ""},
	} {
		if step.refused == "" && step.err != nil || step.refused != "" && !refused(step.err, step.refused) {
			t.Errorf("%s: %v, want it refused for %q", step.name, step.err, step.refused)
		}
	}
}

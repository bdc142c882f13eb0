// Package secretstest gives tests the real parts that the product runs on: a DynamoDB
// emulator and a KMS per test process, and a table and a Secrets Manager per test. It
// injects faults into AWS calls, checks the invariants of a table, records the permissions
// that calls need, and counts calls and units. Only tests import it.
package secretstest

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/uuid"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/emulator"
	"goblins-secrets/infra/local/kms"
	"goblins-secrets/infra/local/secretsmanager"
	"goblins-secrets/infra/local/stack"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

// parts are shared by all tests of a process. The emulator ends with the process.
type parts struct {
	db        *emulator.Emulator
	template  *template.Template
	endpoints stack.Endpoints
	sealer    kms.Sealer // of bundles
}

var shared = sync.OnceValues(func() (p parts, err error) {
	path, err := checkout.Path("template.yaml")
	if err != nil {
		return p, err
	}
	if p.template, err = template.Read(path, nil); err != nil {
		return p, err
	}
	if p.db, err = emulator.FromEnvironment(context.Background(), "", os.Stderr); err != nil {
		return p, err
	}
	p.endpoints.DynamoDB, p.endpoints.AccessKey = p.db.URL, p.db.AccessKey
	dir, err := os.MkdirTemp("", "goblins-secrets-kms")
	if err != nil {
		return p, err
	}
	defer os.RemoveAll(dir) // the keys are in memory then, and no key is added
	keys, err := kms.Open(filepath.Join(dir, "kms.json"))
	if err != nil {
		return p, err
	}
	p.endpoints.KMS = httptest.NewServer(keys).URL
	if p.endpoints.MasterKey, err = keys.EnsureKey("alias/test"); err != nil {
		return p, err
	}
	p.sealer, err = keys.Sealer("alias/bundles")
	return p, err
})

// Table is a table of one test.
type Table struct {
	Name           string
	Client         *dynamodb.Client       // without retries
	SecretsManager *secretsmanager.Server // the target of its deliveries

	parts parts
}

// httpClient is the product's, of all tables and managers: a test with faults makes hundreds of managers, and each
// would keep its connections.
var httpClient = sync.OnceValue(func() aws.HTTPClient { return app.HTTPClient(30 * time.Second) })

func asTheProduct(o *dynamodb.Options) { o.HTTPClient = httpClient() }

// sharing are options with the shared connections first.
func sharing(options []func(*aws.Config)) []func(*aws.Config) {
	share := func(cfg *aws.Config) { cfg.HTTPClient = httpClient() }
	return append([]func(*aws.Config){share}, options...)
}

// NewTable makes an empty table, without a stream.
func NewTable(t testing.TB) *Table {
	t.Helper()
	p, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	table := &Table{Name: "test-" + uuid.NewString(), Client: p.db.Client(asTheProduct), parts: p}
	table.SecretsManager, err = secretsmanager.Open(filepath.Join(t.TempDir(), "secretsmanager.json"), p.sealer)
	if err != nil {
		t.Fatal(err)
	}
	target := httptest.NewServer(table.SecretsManager)
	t.Cleanup(target.Close)
	table.parts.endpoints.SecretsManager = target.URL
	if err := p.db.CreateTable(t.Context(), table.Name, p.template.Table); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := table.Client.DeleteTable(context.WithoutCancel(t.Context()), &dynamodb.DeleteTableInput{TableName: &table.Name})
		if err != nil {
			t.Error(err)
		}
	})
	return table
}

// Template is the product's template, with its parameters' defaults.
func (tb *Table) Template() *template.Template { return tb.parts.template }

// Endpoints are the addresses that the table's functions use.
func (tb *Table) Endpoints() stack.Endpoints {
	endpoints := tb.parts.endpoints
	endpoints.Table = tb.Name
	return endpoints
}

// Environment is what Lambda gives a function that uses the table.
func (tb *Table) Environment(t testing.TB, function string) func(string) string {
	t.Helper()
	getenv, err := tb.Endpoints().Environment(tb.parts.template, function)
	if err != nil {
		t.Fatal(err)
	}
	return getenv
}

// Manager is the product's manager on the table, as a function has it.
func (tb *Table) Manager(t testing.TB, options ...func(*aws.Config)) *secrets.Manager {
	t.Helper()
	m, err := app.NewManager(tb.Environment(t, "GetItem"), sharing(options)...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Deliverer is the product's deliverer on the table and its Secrets Manager, as
// deploy-secret has it.
func (tb *Table) Deliverer(t testing.TB, options ...func(*aws.Config)) *delivery.Deliverer {
	t.Helper()
	d, err := app.NewDeliverer(tb.Environment(t, "DeploySecret"), awssm.Open, sharing(options)...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Checker is the product's checker on the table, as check-bundles has it.
func (tb *Table) Checker(t testing.TB, options ...func(*aws.Config)) *delivery.Checker {
	t.Helper()
	checker, err := app.NewChecker(tb.Environment(t, "CheckBundles"), awssm.Open, sharing(options)...)
	if err != nil {
		t.Fatal(err)
	}
	return checker
}

// Sweeper is the product's sweeper on the table, as redeploy-secrets has it.
func (tb *Table) Sweeper(t testing.TB, options ...func(*aws.Config)) *delivery.Sweeper {
	t.Helper()
	s, err := app.NewSweeper(tb.Environment(t, "RedeploySecrets"), sharing(options)...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Account creates an account and returns it with its first caller.
func (tb *Table) Account(t testing.TB, name string) (secrets.NewAccount, secrets.Caller) {
	t.Helper()
	made, err := tb.Manager(t).CreateAccount(t.Context(), secrets.Text(name))
	if err != nil {
		t.Fatal(err)
	}
	c := made.Caller()
	c.SourceIP, c.RequestID = "127.0.0.1", "test"
	return made, c
}

// Caller is who calls with a key now.
func (tb *Table) Caller(t testing.TB, key string) secrets.Caller {
	t.Helper()
	c, err := tb.Manager(t).Authenticate(t.Context(), "Bearer "+key)
	if err != nil {
		t.Fatal(err)
	}
	c.SourceIP, c.RequestID = "127.0.0.1", "test"
	return c
}

// Admin is a caller of no account that may do everything.
func Admin() secrets.Caller {
	return secrets.Caller{
		AccountID: uuid.New(), UserID: uuid.New(), KeyID: uuid.New(), Kind: secrets.Person, Rights: secrets.Rights{Permissions: secrets.Every},
	}
}

// Store is the store of managers, deliverers and sweepers.
type Store interface {
	secrets.Store
	delivery.Store
	delivery.SweepStore
	delivery.CheckStore
}

// Store is the product's store on the table.
func (tb *Table) Store(t testing.TB, options ...func(*aws.Config)) Store {
	t.Helper()
	return tb.Manager(t, options...).Store.(Store)
}

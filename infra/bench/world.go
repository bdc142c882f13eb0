package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/emulator"
	"goblins-secrets/infra/local/kms"
	"goblins-secrets/infra/local/stack"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
)

// plaintext is the value of every item: a long token of 256 bytes.
var plaintext = strings.Repeat("0123456789abcdef", 16)

// world is the local stack's AWS: DynamoDB with a table, KMS and Secrets Manager.
type world struct {
	dir       string // for temporary files
	db        *emulator.Emulator
	kms       *httptest.Server
	target    *httptest.Server // the Secrets Manager
	admin     *dynamodb.Client // for calls that are not measured
	template  *template.Template
	endpoints stack.Endpoints
}

// inWorld runs a measurement in a new world.
func inWorld(file string, measure func(context.Context, size, *world, *report) error) func(context.Context, size, string, *report) error {
	return func(ctx context.Context, size size, dir string, r *report) error {
		w, err := newWorld(ctx, dir, file)
		if err != nil {
			return err
		}
		return errors.Join(measure(ctx, size, w, r), w.close())
	}
}

// newWorld starts a world. If file is empty, the table is in memory: the fastest AWS
// available here, where an overhead shows most.
func newWorld(ctx context.Context, dir, file string) (*world, error) {
	path, err := checkout.Path("template.yaml")
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir}
	if w.template, err = template.Read(path, nil); err != nil {
		return nil, err
	}
	keys, err := kms.Open(filepath.Join(dir, "kms.json"))
	if err != nil {
		return nil, err
	}
	if w.endpoints.MasterKey, err = keys.EnsureKey("alias/bench"); err != nil {
		return nil, err
	}
	if file != "" {
		file = filepath.Join(dir, file)
	}
	if w.db, err = emulator.Dynoxide(ctx, file, progressWriter{}); err != nil {
		return nil, err
	}
	w.kms, w.admin = httptest.NewServer(keys), w.db.Client()
	w.endpoints.DynamoDB, w.endpoints.KMS, w.endpoints.Table = w.db.URL, w.kms.URL, "bench"
	bundles, err := stack.OpenSecretsManager(filepath.Join(dir, "secretsmanager.json"), w.kms.URL, w.endpoints.MasterKey)
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.target = httptest.NewServer(bundles)
	w.endpoints.SecretsManager = w.target.URL
	if err := w.db.CreateTable(ctx, w.endpoints.Table, w.template.Table); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) close() error {
	w.kms.Close()
	if w.target != nil {
		w.target.Close()
	}
	return w.db.Close()
}

// service returns the product's manager with the configuration of a function. All functions
// have the same settings, so one stands for all.
func (w *world) service(options ...func(*aws.Config)) (*secrets.Manager, error) {
	return w.endpoints.Manager(w.template, "GetItem", options...)
}

// account creates an account and returns it with a caller.
func account(ctx context.Context, manager *secrets.Manager, name string) (secrets.NewAccount, secrets.Caller, error) {
	made, err := manager.CreateAccount(ctx, secrets.Text(name))
	return made, secrets.Caller{
		AccountID: made.Account.ID, UserID: made.UserID, KeyID: made.KeyID,
		SourceIP: "203.0.113.7", RequestID: uuid.NewString(),
	}, err
}

// createSecret creates a secret and returns its id.
func createSecret(ctx context.Context, manager *secrets.Manager, c secrets.Caller, name string) (string, error) {
	made, err := manager.CreateSecret(ctx, c, secrets.SecretInput{Name: secrets.Text(name)})
	return made.ID.String(), err
}

// createItem creates an item with the plaintext as its value and returns its id.
func createItem(ctx context.Context, manager *secrets.Manager, c secrets.Caller, secret, key string) (string, error) {
	made, err := manager.CreateItem(ctx, c, secret, secrets.ItemInput{Key: secrets.Text(key), Value: secrets.Text(plaintext)})
	return made.ID.String(), err
}

// request is a call of a route. Method ready adds everything that a gateway adds, so that the
// timed call is only the handler's work.
type request struct {
	method       string
	secret, item string
	service      string
	body         string
	want         int
}

// ready prepares the request and returns the call.
func (q request) ready(ctx context.Context, h http.Handler, c secrets.Caller) (call func() error) {
	r := httptest.NewRequestWithContext(httpapi.WithCaller(ctx, c), q.method,
		"https://api.example.com/prod/api/secrets/", strings.NewReader(q.body))
	r.Header.Set("Content-Type", "application/json")
	r.SetPathValue("secret_id", q.secret)
	r.SetPathValue("item_id", q.item)
	r.SetPathValue("service_id", q.service)
	w := httptest.NewRecorder()
	return func() error {
		if h.ServeHTTP(w, r); w.Code != q.want {
			return fmt.Errorf("%s answers %d, not %d: %s", q.method, w.Code, q.want, w.Body)
		}
		return nil
	}
}

// counterEpoch is the epoch of the times in the read counter; see pkg/dynamo.
var counterEpoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// fillCounter writes a user's read counter with n reveals that have all left the window. It is
// as long as that of a user who reveals every day, but the whole budget is left.
func (w *world) fillCounter(ctx context.Context, c secrets.Caller, n int) error {
	_, err := w.admin.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.endpoints.Table, Item: counterRow(c, n)})
	return err
}

func counterRow(c secrets.Caller, n int) row {
	before := time.Now().Add(-24 * time.Hour).Sub(counterEpoch).Milliseconds()
	times := make([]types.AttributeValue, n)
	for i := range times {
		// Odd, because DynamoDB does not store trailing zeros: every number has its full size.
		times[i] = number(before - int64(i)*1000 | 1)
	}
	return row{"PK": text(readsPK(c)), "SK": text("READS"), "r": &types.AttributeValueMemberL{Value: times}}
}

// progressWriter shows the progress lines of other parts.
type progressWriter struct{}

func (progressWriter) Write(p []byte) (int, error) {
	progress("%s", strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

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

// plaintext is every value that is written: a longish token.
var plaintext = strings.Repeat("0123456789abcdef", 16)

// world is a DynamoDB with a table, a KMS and a Secrets Manager, as the local stack has
// them.
type world struct {
	dir       string // for files that are made on the way
	db        *emulator.Emulator
	kms       *httptest.Server
	target    *httptest.Server // the Secrets Manager
	admin     *dynamodb.Client // for what is not measured
	template  *template.Template
	endpoints stack.Endpoints
}

// inWorld measures something in a world of its own.
func inWorld(file string, measure func(context.Context, size, *world, *report) error) func(context.Context, size, string, *report) error {
	return func(ctx context.Context, size size, dir string, r *report) error {
		w, err := newWorld(ctx, dir, file)
		if err != nil {
			return err
		}
		return errors.Join(measure(ctx, size, w, r), w.close())
	}
}

// newWorld starts one. The table is in memory when there is no file for it: the
// fastest AWS that can be had here, against which an overhead shows most.
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

// service is the product as a function has it. All functions have the same
// settings, so one stands for all.
func (w *world) service(options ...func(*aws.Config)) (*secrets.Manager, error) {
	return w.endpoints.Manager(w.template, "GetItem", options...)
}

// account makes an account and a caller of it.
func account(ctx context.Context, manager *secrets.Manager, name string) (secrets.NewAccount, secrets.Caller, error) {
	made, err := manager.CreateAccount(ctx, secrets.Text(name))
	return made, secrets.Caller{
		AccountID: made.Account.ID, UserID: made.UserID, KeyID: made.KeyID,
		SourceIP: "203.0.113.7", RequestID: uuid.NewString(),
	}, err
}

// createSecret makes a secret and returns its id.
func createSecret(ctx context.Context, manager *secrets.Manager, c secrets.Caller, name string) (string, error) {
	made, err := manager.CreateSecret(ctx, c, secrets.SecretInput{Name: secrets.Text(name)})
	return made.ID.String(), err
}

// createItem makes an item with the plaintext in it and returns its id.
func createItem(ctx context.Context, manager *secrets.Manager, c secrets.Caller, secret, key string) (string, error) {
	made, err := manager.CreateItem(ctx, c, secret, secrets.ItemInput{Key: secrets.Text(key), Value: secrets.Text(plaintext)})
	return made.ID.String(), err
}

// request is a call of a route. It is made ready with everything that a gateway
// adds, so that serving it is the handler's work alone.
type request struct {
	method       string
	secret, item string
	service      string
	body         string
	want         int
}

// ready returns the call.
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

// counterEpoch is that of the read counter's times; see pkg/dynamo.
var counterEpoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// fillCounter gives a user a read counter with n reads that all have left the
// window: as long as that of a user who reveals every day, and nothing is refused
// until as many new ones as the limit are in it.
func (w *world) fillCounter(ctx context.Context, c secrets.Caller, n int) error {
	_, err := w.admin.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.endpoints.Table, Item: counterRow(c, n)})
	return err
}

func counterRow(c secrets.Caller, n int) row {
	before := time.Now().Add(-24 * time.Hour).Sub(counterEpoch).Milliseconds()
	times := make([]types.AttributeValue, n)
	for i := range times {
		// Odd, as trailing zeros are not stored: no number is shorter than it could be.
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

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/uuid"

	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/emulator"
	"goblins-secrets/infra/local/kms"
	"goblins-secrets/infra/local/stack"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/httpapi"
	"goblins-secrets/pkg/secrets"
)

// plaintext is the value of every item: a long token of 256 bytes.
var plaintext = strings.Repeat("0123456789abcdef", 16)

// userAgent is what clients call themselves.
const userAgent = "curl/8.5.0"

// world is a DynamoDB with a table in memory, the fastest AWS available here, where an overhead
// shows most. It has a KMS, and the product on both.
type world struct {
	endpoints stack.Endpoints
	getenv    func(string) string // of get-item: the values' functions have the same settings
	manager   *secrets.Manager
	config    aws.Config // of the manager's clients

	db  *emulator.Emulator
	kms *httptest.Server
}

// newWorld starts a world. Its files are in a folder.
func newWorld(ctx context.Context, dir string) (w *world, err error) {
	path, err := checkout.Path("template.yaml")
	if err != nil {
		return nil, err
	}
	tmpl, err := template.Read(path, nil)
	if err != nil {
		return nil, err
	}
	keys, err := kms.Open(filepath.Join(dir, "kms.json"))
	if err != nil {
		return nil, err
	}
	w = &world{endpoints: stack.Endpoints{Table: "bench"}}
	if w.endpoints.MasterKey, err = keys.EnsureKey("alias/bench"); err != nil {
		return nil, err
	}
	if w.db, err = emulator.Dynoxide(ctx, "", os.Stderr); err != nil {
		return nil, err
	}
	w.kms = httptest.NewServer(keys)
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	w.endpoints.DynamoDB, w.endpoints.AccessKey, w.endpoints.KMS = w.db.URL, w.db.AccessKey, w.kms.URL
	if err := w.db.CreateTable(ctx, w.endpoints.Table, tmpl.Table); err != nil {
		return nil, err
	}
	if w.getenv, err = w.endpoints.Environment(tmpl, "GetItem"); err != nil {
		return nil, err
	}
	w.manager, err = app.NewManager(w.getenv, func(c *aws.Config) { w.config = *c })
	return w, err
}

func (w *world) close() error {
	w.kms.Close()
	return w.db.Close()
}

// account creates an account and returns its default secret and a caller.
func account(ctx context.Context, m *secrets.Manager) (secret string, c secrets.Caller, err error) {
	made, err := m.CreateAccount(ctx, secrets.Text("bench"))
	c = made.Caller()
	c.SourceIP, c.UserAgent, c.RequestID = "203.0.113.7", userAgent, uuid.NewString()
	return made.Account.DefaultSecretID.String(), c, err
}

// createSecret creates a secret and returns its id.
func createSecret(ctx context.Context, m *secrets.Manager, c secrets.Caller, name string) (string, error) {
	made, err := m.CreateSecret(ctx, c, secrets.SecretInput{Name: secrets.Text(name)})
	return made.ID.String(), err
}

// createItem creates an item with the plaintext as its value and returns its id.
func createItem(ctx context.Context, m *secrets.Manager, c secrets.Caller, secret, key string) (string, error) {
	made, err := m.CreateItem(ctx, c, secret, secrets.ItemInput{Key: secrets.Text(key), Value: secrets.Text(plaintext)})
	return made.ID.String(), err
}

// createItems creates n items and returns the id of the last one.
func createItems(ctx context.Context, m *secrets.Manager, c secrets.Caller, secret string, n int) (item string, err error) {
	for i := range n {
		if item, err = createItem(ctx, m, c, secret, fmt.Sprintf("KEY_%03d", i)); err != nil {
			return "", err
		}
	}
	return item, nil
}

// request is a call of a route. Method ready adds everything that a gateway adds, so that the
// timed call is only the handler's work.
type request struct {
	method       string
	secret, item string
	service      string
	user, key    string
	version      string
	header       map[string]string
	query        string
	body         string
	want         int
}

// ready prepares the request and returns the call.
func (q request) ready(ctx context.Context, h http.Handler, c secrets.Caller) (call func() error) {
	r := httptest.NewRequestWithContext(httpapi.WithCaller(ctx, c), q.method,
		"https://api.example.com/prod/api/secrets/?"+q.query, strings.NewReader(q.body))
	r.Header.Set("Content-Type", "application/json")
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	r.SetPathValue("secret_id", q.secret)
	r.SetPathValue("item_id", q.item)
	r.SetPathValue("service_id", q.service)
	r.SetPathValue("user_id", q.user)
	r.SetPathValue("version", q.version)
	r.SetPathValue("key_id", q.key)
	w := httptest.NewRecorder()
	return func() error {
		if h.ServeHTTP(w, r); w.Code != q.want {
			return fmt.Errorf("%s answers %d, not %d: %s", q.method, w.Code, q.want, w.Body)
		}
		return nil
	}
}

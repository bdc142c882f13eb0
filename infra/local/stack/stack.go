// Package stack runs the whole product on one machine: a DynamoDB emulator, a KMS, a
// Secrets Manager and a gateway with the functions in process, all wired from
// template.yaml.
//
// It keeps everything in one data folder:
//
//	dynamodb.sqlite   the table, of dynoxide
//	dynamodb-local    the folder of the table, of Amazon's DynamoDB Local
//	kms.json          the master key, and the key that seals bundles
//	secretsmanager.json  the bundles of services, sealed
//	*.address         where KMS and Secrets Manager listen
//	key               the API key of the first account, which is stored nowhere else
//	stack.json        the endpoints of a running stack, for Running
//	env               what a shell exports, to be sourced: see Endpoints.env; it exists
//	                  while the stack answers
//	sam               files of infra/sam/local for containers
//	lock              held by the stack that uses the folder
package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/uuid"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/apigw"
	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/durable"
	"goblins-secrets/infra/local/emulator"
	"goblins-secrets/infra/local/kms"
	"goblins-secrets/infra/local/secretsmanager"
	"goblins-secrets/infra/local/stream"
	"goblins-secrets/infra/local/template"
	"goblins-secrets/infra/local/tool"
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/secrets"
)

const (
	tableName   = "goblins-secrets"
	keyAlias    = "alias/goblins-secrets"
	bundleAlias = "alias/goblins-secrets-bundles"
	firstName   = "local"         // of the first account
	lockPatient = 2 * time.Second // for a stack that is ending

	// More often than the template's schedule: a user who has just killed a stack waits.
	redeployEvery = 10 * time.Second
	deployRetries = 3 // of a batch; the template's MaximumRetryAttempts
)

// Config says how to run a stack.
type Config struct {
	Addr     string            // of the gateway, host:port; port 0 is any free one
	Data     string            // the data folder
	Set      map[string]string // template parameters
	Progress io.Writer         // receives a line before a slow step
}

// Stack is a running stack.
type Stack struct {
	URL    string // without a slash at the end
	APIKey string // of the first account

	data    string
	manager *secrets.Manager
	closers []func() error // in the order of creation
	failed  chan error
}

// Endpoints are the addresses of the parts of a running stack.
type Endpoints struct {
	APIURL         string `json:"api_url"`
	DynamoDB       string `json:"dynamodb"`
	AccessKey      string `json:"access_key"` // of the table's owner
	KMS            string `json:"kms"`
	SecretsManager string `json:"secrets_manager,omitempty"`
	Table          string `json:"table"`
	MasterKey      string `json:"master_key"`
}

// Start runs a stack, and returns when all of it answers. After an error nothing of it
// keeps running.
func Start(ctx context.Context, c Config) (*Stack, error) {
	s := &Stack{data: c.Data, failed: make(chan error, 1)}
	if err := s.start(ctx, c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context, c Config) error {
	path, err := checkout.Path("template.yaml")
	if err != nil {
		return err
	}
	tmpl, err := template.Read(path, c.Set)
	if err != nil {
		return err
	}
	if err := s.takeFolder(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return listenError(c.Addr, err)
	}
	s.closeLater(func() error { // unless a server has closed it
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	s.URL = "http://" + dialable(listener.Addr().(*net.TCPAddr))

	db, err := emulator.FromEnvironment(ctx, c.Data, c.Progress)
	if err != nil {
		return err
	}
	s.closeLater(db.Close)
	go func() {
		<-db.Ended()
		s.fail(db.Failure())
	}()
	if err := db.CreateTable(ctx, tableName, tmpl.Table); err != nil {
		return err
	}
	endpoints := Endpoints{APIURL: s.URL, DynamoDB: db.URL, AccessKey: db.AccessKey, Table: tableName}
	keys, url, masterKey, err := s.startKMS()
	if err != nil {
		return err
	}
	endpoints.KMS, endpoints.MasterKey = url, masterKey
	table, err := deployed(tmpl)
	if err != nil {
		return err
	}
	deploys := functions.Named(table, "deploy-secret")
	view := ""
	if deploys != nil {
		view = tmpl.Table.StreamView
		if endpoints.SecretsManager, err = s.startSecretsManager(keys); err != nil {
			return err
		}
	}
	if err := db.SetStream(ctx, tableName, view); err != nil {
		return err
	}

	made, err := Functions(table, tmpl.Timeout, func(function string) (func(string) string, error) {
		return endpoints.Environment(tmpl, function)
	})
	if err != nil {
		return err
	}
	m, err := endpoints.Manager(tmpl, "Authorizer")
	if err != nil {
		return err
	}
	getenv, err := endpoints.Environment(tmpl, "Authorizer")
	if err != nil {
		return err
	}
	if err := app.CheckTable(ctx, getenv); err != nil {
		return fmt.Errorf("%w, such as that of another data folder: DATA=folder", err)
	}
	gateway := apigw.New(tmpl, table, made, slog.Default())
	s.serve(gateway.Listener(listener), gateway)
	for _, name := range []string{"purge-secrets", "delete-expired-keys"} {
		sweeper := functions.Named(table, name)
		s.every(sweeper.Interval(), name, func(ctx context.Context) error {
			return invoke(ctx, made, *sweeper, struct{}{}, nil)
		})
	}
	if deploys != nil {
		seconds, err := strconv.Atoi(tmpl.Parameters["DeployBatchSeconds"])
		if err != nil {
			return err
		}
		source := stream.Source{
			Endpoint: endpoints.DynamoDB, AccessKey: endpoints.AccessKey, Table: endpoints.Table, Filter: deploys.Filter(), Batch: functions.BatchSize,
			Window: time.Duration(seconds) * time.Second, Retries: deployRetries,
		}
		if err := source.Open(ctx); err != nil {
			return err
		}
		s.deliver(source, *deploys, *functions.Named(table, "redeploy-secrets"), made)
		checks := functions.Named(table, "check-bundles")
		s.every(checks.Interval(), checks.Name, func(ctx context.Context) error {
			return invoke(ctx, made, *checks, struct{}{}, nil)
		})
	}
	s.manager = m
	if s.APIKey, err = firstKey(ctx, m, filepath.Join(c.Data, "key")); err != nil {
		return err
	}
	caller, err := m.Authenticate(ctx, "Bearer "+s.APIKey)
	if err != nil {
		return err
	}
	account, err := m.Store.Account(ctx, caller.AccountID)
	if err != nil {
		return err
	}
	if err := s.probe(ctx); err != nil {
		return err
	}
	s.closeLater(s.forget)
	state, err := json.Marshal(endpoints)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(c.Data, "stack.json"), state); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(c.Data, "env"), []byte(endpoints.env(account, s.APIKey)))
}

// env is the text of an env file for an account and its key: what the documents' commands need, and what an
// AWS SDK needs to reach the local Secrets Manager.
func (e Endpoints) env(account secrets.Account, key string) string {
	var text strings.Builder
	export := func(name, value string) { fmt.Fprintf(&text, "export %s=%s\n", name, tool.Quote(value)) }
	export("API_URL", e.APIURL)
	export("API_KEY", key)
	export("ACCOUNT_ID", account.ID.String())
	export("ACCOUNT_NAME", account.Name)
	if e.SecretsManager != "" {
		export("AWS_ENDPOINT_URL_SECRETS_MANAGER", e.SecretsManager)
		export("AWS_REGION", "us-east-1")
		export("AWS_DEFAULT_REGION", "us-east-1")
		export("AWS_ACCESS_KEY_ID", "local")
		export("AWS_SECRET_ACCESS_KEY", "local")
	}
	return text.String()
}

// NewAccount creates another account, with a first user and its key.
func (s *Stack) NewAccount(ctx context.Context, name string) (secrets.NewAccount, error) {
	return s.manager.CreateAccount(ctx, secrets.Text(name))
}

// Failed yields the error of a part that stopped unexpectedly.
func (s *Stack) Failed() <-chan error { return s.failed }

// fail reports a part that stopped unexpectedly. Only the first report counts.
func (s *Stack) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// Close stops everything that Start began, in reverse order.
func (s *Stack) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

func (s *Stack) closeLater(f func() error) { s.closers = append(s.closers, f) }

// takeFolder locks the data folder, and removes the files of an earlier stack.
func (s *Stack) takeFolder() error {
	cant := func(err error) error {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return fmt.Errorf("the data folder %s cannot be written (%w): choose another with DATA=folder", s.data, err)
	}
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		return cant(err)
	}
	lock, err := os.OpenFile(filepath.Join(s.data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return cant(err)
	}
	s.closeLater(lock.Close) // releases it
	for deadline := time.Now().Add(lockPatient); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("another stack is running on the data folder %s: stop it, or choose another folder with DATA=folder", s.data)
		}
	}
	if err := s.forget(); err != nil {
		return cant(err)
	}
	return nil
}

// forget removes the files that describe a running stack.
func (s *Stack) forget() error {
	for _, name := range []string{"env", "stack.json"} {
		if err := os.Remove(filepath.Join(s.data, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func listenError(addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("the address %s is in use: choose another with ADDR=host:port", addr)
	}
	return fmt.Errorf("can't listen on %s (%w): choose another address with ADDR=host:port", addr, err)
}

// dialable is the address that a client on this machine uses.
func dialable(a *net.TCPAddr) string {
	ip := a.IP
	if ip.IsUnspecified() {
		ip = net.IPv4(127, 0, 0, 1)
	}
	return net.JoinHostPort(ip.String(), fmt.Sprint(a.Port))
}

// startKMS returns the local KMS, its URL and the ARN of the master key.
func (s *Stack) startKMS() (keys *kms.Server, url, masterKey string, err error) {
	if keys, err = kms.Open(filepath.Join(s.data, "kms.json")); err != nil {
		return nil, "", "", err
	}
	if masterKey, err = keys.EnsureKey(keyAlias); err != nil {
		return nil, "", "", err
	}
	url, err = s.serveLocally(keys, "kms.address")
	return keys, url, masterKey, err
}

func (s *Stack) startSecretsManager(keys *kms.Server) (url string, err error) {
	sealer, err := keys.Sealer(bundleAlias)
	if err != nil {
		return "", err
	}
	server, err := secretsmanager.Open(filepath.Join(s.data, "secretsmanager.json"), sealer)
	if err != nil {
		return "", err
	}
	return s.serveLocally(server, "secretsmanager.address")
}

// serveLocally serves HTTP on an address of this machine, the same after each start: programs that a user
// has configured find it again.
func (s *Stack) serveLocally(h http.Handler, file string) (url string, err error) {
	listener, err := listen(filepath.Join(s.data, file))
	if err != nil {
		return "", err
	}
	s.serve(listener, h)
	return "http://" + listener.Addr().String(), nil
}

// deliver passes the table's stream to deploy-secret, as Lambda does. redeploy-secrets requeues the
// entries that an earlier stack left.
func (s *Stack) deliver(source stream.Source, deploys, redeploys functions.Function, made map[string]apigw.Function) {
	deploy := func(ctx context.Context, batch events.DynamoDBEvent) (failed events.DynamoDBEventResponse, err error) {
		err = invoke(ctx, made, deploys, batch, &failed)
		return failed, err
	}
	s.run(func(ctx context.Context) { source.Run(ctx, deploy, slog.Default()) })
	s.every(redeployEvery, "redeploy-secrets", func(ctx context.Context) error {
		return invoke(ctx, made, redeploys, struct{}{}, nil)
	})
}

// invoke calls a function with an event, and decodes its answer into answer, unless that is nil.
func invoke(ctx context.Context, made map[string]apigw.Function, f functions.Function, event, answer any) error {
	payload, err := json.Marshal(event)
	if err != nil {
		return err
	}
	out, err := made[f.ID()].Invoke(ctx, payload)
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(out, answer)
}

// serve serves HTTP until the stack is closed.
func (s *Stack) serve(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: local(h), ReadHeaderTimeout: 10 * time.Second}
	s.closeLater(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			return server.Close()
		}
		return nil
	})
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.fail(err)
		}
	}()
}

// every calls a function now and on a schedule, until the stack is closed.
func (s *Stack) every(interval time.Duration, name string, call func(context.Context) error) {
	s.run(func(ctx context.Context) {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			if err := call(ctx); err != nil && ctx.Err() == nil {
				slog.Error(name+" failed", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
}

// run does something until the stack is closed.
func (s *Stack) run(do func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.closeLater(func() error { cancel(); <-done; return nil })
	go func() {
		defer close(done)
		do(ctx)
	}()
}

// probe asks the API for the first account's secrets, through everything.
func (s *Stack) probe(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/secrets/", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+s.APIKey)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("the API does not answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the API answers %s", response.Status)
	}
	return nil
}

// firstKey reads the first account's API key, or creates that account. Only this file has
// the key, so an account whose key is lost gets a successor.
func firstKey(ctx context.Context, m *secrets.Manager, path string) (string, error) {
	saved, err := os.ReadFile(path)
	if err == nil {
		key := strings.TrimSpace(string(saved))
		_, err := m.Authenticate(ctx, "Bearer "+key)
		if err == nil {
			return key, nil
		}
		if !errors.Is(err, secrets.ErrUnauthenticated) {
			return "", err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	made, err := m.CreateAccount(ctx, secrets.Text(firstName))
	var taken secrets.Invalid
	if errors.As(err, &taken) {
		made, err = m.CreateAccount(ctx, secrets.Text(firstName+"-"+uuid.NewString()[:8]))
	}
	if err != nil {
		return "", err
	}
	return made.Key, durable.WriteFile(path, []byte(made.Key+"\n"))
}

// Running returns the endpoints of the stack that runs on a data folder.
// fs.ErrNotExist: no stack does.
func Running(data string) (endpoints Endpoints, err error) {
	state, err := os.ReadFile(filepath.Join(data, "stack.json"))
	if err != nil {
		return endpoints, err
	}
	if err := json.Unmarshal(state, &endpoints); err != nil {
		return endpoints, fmt.Errorf("read stack.json: %w", err)
	}
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(endpoints.DynamoDB, "http://"), time.Second)
	if err != nil {
		return endpoints, fs.ErrNotExist // it was killed, and could not remove the file
	}
	return endpoints, conn.Close()
}

// CreateAccount creates another account on the stack that runs on a data folder, and
// returns the text of an env file for it.
func CreateAccount(ctx context.Context, data, name string) (env string, err error) {
	endpoints, err := Running(data)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no stack is running on the data folder %s: start one with make run", data)
	}
	if err != nil {
		return "", err
	}
	path, err := checkout.Path("template.yaml")
	if err != nil {
		return "", err
	}
	tmpl, err := template.Read(path, nil)
	if err != nil {
		return "", err
	}
	m, err := endpoints.Manager(tmpl, "CreateAccount")
	if err != nil {
		return "", err
	}
	made, err := m.CreateAccount(ctx, secrets.Text(name))
	if errors.Is(err, secrets.ErrUnavailable) {
		return "", fmt.Errorf("the stack on the data folder %s does not answer: start it with make run", data)
	}
	if err != nil {
		return "", err
	}
	return endpoints.env(made.Account, made.Key), nil
}

// Manager is the manager of a function.
func (e Endpoints) Manager(t *template.Template, function string, options ...func(*aws.Config)) (*secrets.Manager, error) {
	getenv, err := e.Environment(t, function)
	if err != nil {
		return nil, err
	}
	return app.NewManager(getenv, options...)
}

// Environment is what Lambda gives a function: its variables from the template, and the
// endpoints of AWS.
func (e Endpoints) Environment(t *template.Template, function string) (func(string) string, error) {
	variables, err := t.Environment(function, map[string]string{
		"Table": e.Table, "MasterKey.Arn": e.MasterKey,
		"AWS::StackName": "local",
	})
	if err != nil {
		return nil, err
	}
	variables["STACK_NAME"] = "" // without metrics
	variables["AWS_REGION"] = "us-east-1"
	variables["AWS_ACCESS_KEY_ID"] = e.AccessKey
	variables["AWS_SECRET_ACCESS_KEY"] = "local"
	variables["AWS_ENDPOINT_URL_DYNAMODB"] = e.DynamoDB
	variables["AWS_ENDPOINT_URL_KMS"] = e.KMS
	variables["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = e.SecretsManager
	return func(name string) string { return variables[name] }, nil
}

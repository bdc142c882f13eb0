// Package app wires the product together: from the environment of a function to a
// manager, deliverer, sweeper or checker that is ready to use.
//
//	variable                 meaning
//	TABLE_NAME               the DynamoDB table
//	MASTER_KEY_ARN           the KMS key that wraps data keys
//	READ_LIMIT               reveals per user and window, 1 to 1000
//	READ_WINDOW_SECONDS      the window, 1 to 86400
//	MAX_SECRETS, MAX_ITEMS, MAX_SERVICES
//	                         quotas of accounts, and of a secret's items, 1 to 1000000
//	KEEP_VERSIONS            former versions of a value that are kept, 0 to 100
//	RECOVERY_DAYS            days that what is deleted can be restored, 0 to 365; 0: it is removed at once
//	EVENT_DAYS               days that an event is kept, 0 to 3650; 0: for ever
//	DEPLOY_TARGET            where bundles are delivered: secrets-manager, or none
//	BUNDLE_PREFIX            of the names of new bundles, behind goblins/
//	BUNDLE_KEY_ARN           the KMS key of bundles; without it AWS's key for Secrets Manager
//	STACK_NAME               the stack's name, for metrics; without it there are none
//	AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
//	                         as Lambda sets them
//	AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL_KMS,
//	AWS_ENDPOINT_URL_SECRETS_MANAGER
//	                         the endpoints of AWS services, if not AWS's own
package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/google/uuid"

	"goblins-secrets/pkg/awskms"
	"goblins-secrets/pkg/awssm/limits"
	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/dynamo"
	"goblins-secrets/pkg/envelope"
	"goblins-secrets/pkg/metrics"
	"goblins-secrets/pkg/secrets"
)

// MustManager returns the manager of the process's environment. A misconfigured function
// must not serve: it panics at cold start.
func MustManager() *secrets.Manager { return must(NewManager(os.Getenv)) }

// MustCheckedManager is MustManager for the functions through which calls enter, such as
// the authorizer. It also refuses a table of another format. The functions behind the
// authorizer need no check of their own, and no call in their cold starts.
func MustCheckedManager() *secrets.Manager { return must(mustCheckedWiring().manager()) }

// MustDeliverer returns the deliverer of the process's environment. It panics like
// MustCheckedManager.
func MustDeliverer(open OpenTarget) *delivery.Deliverer {
	return must(mustCheckedWiring().deliverer(open))
}

// MustChecker returns the checker of the process's environment. It panics like
// [MustCheckedManager].
func MustChecker(open OpenTarget) *delivery.Checker { return must(mustCheckedWiring().checker(open)) }

// MustSweeper returns the sweeper of the process's environment. It panics like
// MustCheckedManager.
func MustSweeper() *delivery.Sweeper { return mustCheckedWiring().sweeper() }

// mustCheckedWiring checks the table with the client that the function then uses, so that
// the first call finds a connection.
func mustCheckedWiring() wiring {
	w := must(wire(os.Getenv, nil))
	if err := w.store.CheckFormat(context.Background()); err != nil {
		panic("app: " + err.Error())
	}
	return w
}

func must[T any](made T, err error) T {
	if err != nil {
		panic("app: " + err.Error())
	}
	return made
}

// CheckTable refuses the table of an environment if it has another format. It costs one
// call.
func CheckTable(ctx context.Context, getenv func(string) string, options ...func(*aws.Config)) error {
	w, err := wire(getenv, options)
	if err != nil {
		return err
	}
	return w.store.CheckFormat(ctx)
}

// NewManager returns the manager that an environment describes. Options may change how
// AWS is called.
func NewManager(getenv func(string) string, options ...func(*aws.Config)) (*secrets.Manager, error) {
	w, err := wire(getenv, options)
	if err != nil {
		return nil, err
	}
	return w.manager()
}

// OpenTarget opens the target of deliveries. Endpoint is nil for AWS itself. Only
// functions that deliver name one, so that no other function links the target's SDK.
type OpenTarget func(cfg aws.Config, endpoint *string, prefix, kmsKeyID string) delivery.Target

// NewDeliverer returns the deliverer that an environment describes, with the target that
// open opens. Options may change how AWS is called.
func NewDeliverer(getenv func(string) string, open OpenTarget, options ...func(*aws.Config)) (*delivery.Deliverer, error) {
	w, err := wire(getenv, options)
	if err != nil {
		return nil, err
	}
	return w.deliverer(open)
}

// NewChecker returns the checker that an environment describes, with the target that open opens.
// Options may change how it calls AWS.
func NewChecker(getenv func(string) string, open OpenTarget, options ...func(*aws.Config)) (*delivery.Checker, error) {
	w, err := wire(getenv, options)
	if err != nil {
		return nil, err
	}
	return w.checker(open)
}

// NewSweeper returns the sweeper that an environment describes. Options may change how
// AWS is called.
func NewSweeper(getenv func(string) string, options ...func(*aws.Config)) (*delivery.Sweeper, error) {
	w, err := wire(getenv, options)
	if err != nil {
		return nil, err
	}
	return w.sweeper(), nil
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// wiring is what managers, deliverers, sweepers and checkers have in common.
type wiring struct {
	env     *environment
	config  aws.Config
	store   *dynamo.Store
	sealer  envelope.Sealer
	monitor metrics.Log
	log     *slog.Logger
}

func wire(getenv func(string) string, options []func(*aws.Config)) (wiring, error) {
	env := &environment{getenv: getenv}
	table := env.text("TABLE_NAME")
	masterKey := env.text("MASTER_KEY_ARN")
	eventDays := env.number("EVENT_DAYS", 0, 3650)
	cfg := env.awsConfig()
	if env.err != nil {
		return wiring{}, env.err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	monitor := metrics.New(log, getenv("STACK_NAME"))
	monitor.WatchCalls(&cfg)
	for _, option := range options {
		option(&cfg)
	}
	db := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.BaseEndpoint = env.endpoint("DYNAMODB") })
	store := dynamo.New(db, table)
	store.EventDays = eventDays
	keys := kms.NewFromConfig(cfg, func(o *kms.Options) { o.BaseEndpoint = env.endpoint("KMS") })
	return wiring{
		env:     env,
		config:  cfg,
		store:   store,
		sealer:  envelope.Sealer{Keys: awskms.New(keys, masterKey), Rand: rand.Reader},
		monitor: monitor,
		log:     log,
	}, nil
}

// maxQuota is the template's largest number of objects.
const maxQuota = 1_000_000

func (w wiring) manager() (*secrets.Manager, error) {
	m := &secrets.Manager{
		Store:   w.store,
		Sealer:  w.sealer,
		Monitor: w.monitor,
		Quotas: secrets.Quotas{
			Secrets: w.env.number("MAX_SECRETS", 1, maxQuota), Items: w.env.number("MAX_ITEMS", 1, maxQuota),
			Services: w.env.number("MAX_SERVICES", 1, maxQuota),
		},
		KeepVersions: w.env.number("KEEP_VERSIONS", 0, 100),
		Recovery:     time.Duration(w.env.number("RECOVERY_DAYS", 0, 365)) * 24 * time.Hour,
		RevealLimit:  w.env.number("READ_LIMIT", 1, 1000),
		RevealWindow: time.Duration(w.env.number("READ_WINDOW_SECONDS", 1, 86400)) * time.Second,
		Now:          time.Now,
		NewID:        newID,
		Rand:         rand.Reader,
		Log:          w.log,
	}
	if w.env.choice("DEPLOY_TARGET", "secrets-manager", "none") == "secrets-manager" {
		m.MaxBundleSize = limits.MaxSecretSize
	}
	if w.env.err != nil {
		return nil, w.env.err
	}
	return m, nil
}

func (w wiring) target(open OpenTarget) (delivery.Target, error) {
	return open(w.config, w.env.endpoint("SECRETS_MANAGER"), w.env.text("BUNDLE_PREFIX"), w.env.getenv("BUNDLE_KEY_ARN")), w.env.err
}

func (w wiring) deliverer(open OpenTarget) (*delivery.Deliverer, error) {
	target, err := w.target(open)
	return &delivery.Deliverer{
		Store:   w.store,
		Opener:  w.sealer,
		Target:  target,
		Limits:  limits.SecretsManager(),
		Monitor: w.monitor,
		Now:     time.Now,
		NewID:   newID,
		Log:     w.log,
	}, err
}

func (w wiring) checker(open OpenTarget) (*delivery.Checker, error) {
	target, err := w.target(open)
	return &delivery.Checker{Store: w.store, Target: target, Now: time.Now, NewID: newID}, err
}

func (w wiring) sweeper() *delivery.Sweeper {
	pause := func(ctx context.Context, d time.Duration) {
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
	}
	return &delivery.Sweeper{Store: w.store, Pace: limits.SecretsManager().Pace, Now: time.Now, NewID: newID, Pause: pause}
}

// environment reads settings and keeps the first error.
type environment struct {
	getenv func(string) string
	err    error
}

func (e *environment) text(name string) string {
	value := e.getenv(name)
	if value == "" && e.err == nil {
		e.err = fmt.Errorf("%s is not set", name)
	}
	return value
}

func (e *environment) number(name string, low, high int) int {
	n, err := strconv.Atoi(e.text(name))
	if e.err == nil && (err != nil || n < low || n > high) {
		e.err = fmt.Errorf("%s is not a number from %d to %d", name, low, high)
	}
	return n
}

func (e *environment) choice(name string, values ...string) string {
	value := e.text(name)
	if e.err == nil && !slices.Contains(values, value) {
		e.err = fmt.Errorf("%s is none of %s", name, strings.Join(values, ", "))
	}
	return value
}

// endpoint is the address of an AWS service, or nil for AWS itself.
func (e *environment) endpoint(service string) *string {
	if url := cmp.Or(e.getenv("AWS_ENDPOINT_URL_"+service), e.getenv("AWS_ENDPOINT_URL")); url != "" {
		return &url
	}
	return nil
}

// awsConfig is what config.LoadDefaultConfig finds in Lambda, without its search of files
// and services, which would take most of a cold start.
func (e *environment) awsConfig() aws.Config {
	credentials := aws.Credentials{
		AccessKeyID:     e.text("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: e.text("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    e.getenv("AWS_SESSION_TOKEN"),
		Source:          "environment",
	}
	return aws.Config{
		Region: e.text("AWS_REGION"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return credentials, nil
		}),
		// AWS answers within milliseconds, and a function has ten seconds: retry a call that
		// hangs instead of waiting for it.
		HTTPClient: HTTPClient(2 * time.Second),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = 500 * time.Millisecond })
		},
	}
}

// HTTPClient is the client of AWS calls. The timeout is that of one attempt.
func HTTPClient(timeout time.Duration) aws.HTTPClient {
	return plainBodies{awshttp.NewBuildableClient().
		WithTimeout(timeout).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = time.Second })}
}

// plainBodies passes the SDK's request bodies to net/http as bytes, which fixes two
// problems. net/http copies the SDK's reader by io.WriterTo. If the response arrives
// before the copy ends, the SDK closes the reader, the copy fails, and net/http drops the
// connection while the response is read: "use of closed network connection", after the
// write was done (aws-sdk-go-v2 issue 2737). And if a connection died while the function
// was frozen, net/http sends the request again, which needs GetBody.
type plainBodies struct{ aws.HTTPClient }

// WithTimeout returns the client with another timeout of an attempt. It has connections of its own.
func (c plainBodies) WithTimeout(timeout time.Duration) aws.HTTPClient {
	if inner, ok := c.HTTPClient.(*awshttp.BuildableClient); ok {
		return plainBodies{inner.WithTimeout(timeout)}
	}
	return c
}

func (c plainBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return c.HTTPClient.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err = errors.Join(err, r.Body.Close()); err != nil {
		return nil, fmt.Errorf("read request body: %w", err)
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody() // cannot fail
	return c.HTTPClient.Do(r)
}

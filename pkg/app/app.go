// Package app wires the product together: from the environment of a function to
// a service that is ready to use.
//
//	variable                 meaning
//	TABLE_NAME               the DynamoDB table
//	MASTER_KEY_ARN           the KMS key that wraps data keys
//	READ_LIMIT               reveals per user and window, 1 to 1000
//	READ_WINDOW_SECONDS      the window, 1 to 86400
//	DEPLOY_TARGET            where services take their secrets from: secrets-manager, or none
//	BUNDLE_KEY_ARN           the KMS key of what is delivered; without it AWS's own for Secrets Manager
//	STACK_NAME               the stack, for metrics; without it there are none
//	AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
//	                         as Lambda sets them
//	AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL_KMS,
//	AWS_ENDPOINT_URL_SECRETS_MANAGER
//	                         where the services are, if not in AWS
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
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/uuid"

	"goblins-secrets/pkg/awskms"
	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/dynamo"
	"goblins-secrets/pkg/envelope"
	"goblins-secrets/pkg/metrics"
	"goblins-secrets/pkg/secrets"
)

// Must is New for the process's environment. A function that lacks a setting must
// not serve: it panics.
func Must() *secrets.Service {
	svc, err := New(os.Getenv)
	if err != nil {
		panic("app: " + err.Error())
	}
	return svc
}

// New makes the service that an environment describes. Options may change how AWS
// is called.
func New(getenv func(string) string, options ...func(*aws.Config)) (*secrets.Service, error) {
	env := environment{getenv: getenv}
	table := env.text("TABLE_NAME")
	masterKey := env.text("MASTER_KEY_ARN")
	limit := env.number("READ_LIMIT", 1, 1000)
	window := env.number("READ_WINDOW_SECONDS", 1, 86400)
	target := env.choice("DEPLOY_TARGET", "secrets-manager", "none")
	cfg := env.awsConfig()
	if env.err != nil {
		return nil, env.err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	monitor := metrics.New(log, getenv("STACK_NAME"))
	monitor.WatchCalls(&cfg)
	for _, option := range options {
		option(&cfg)
	}
	db := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.BaseEndpoint = env.endpoint("DYNAMODB") })
	keys := kms.NewFromConfig(cfg, func(o *kms.Options) { o.BaseEndpoint = env.endpoint("KMS") })
	sm := secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) { o.BaseEndpoint = env.endpoint("SECRETS_MANAGER") })
	return &secrets.Service{
		Store:      dynamo.New(db, table),
		Sealer:     envelope.Sealer{Keys: awskms.New(keys, masterKey), Rand: rand.Reader},
		Target:     awssm.New(sm, getenv("BUNDLE_KEY_ARN")),
		Delivers:   target != "none",
		ReadLimit:  limit,
		ReadWindow: time.Duration(window) * time.Second,
		Now:        time.Now,
		NewID:      func() uuid.UUID { return uuid.Must(uuid.NewV7()) },
		Rand:       rand.Reader,
		Log:        log,
		Monitor:    monitor,
	}, nil
}

// environment reads settings and keeps the first that is missing or wrong.
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

// endpoint is the address of a service, or nil for AWS itself.
func (e *environment) endpoint(service string) *string {
	if url := cmp.Or(e.getenv("AWS_ENDPOINT_URL_"+service), e.getenv("AWS_ENDPOINT_URL")); url != "" {
		return &url
	}
	return nil
}

// awsConfig is what config.LoadDefaultConfig finds in Lambda, without its search
// of files and services, which takes most of a cold start of ours.
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
		// Answers come within milliseconds, and a function has ten seconds: what hangs
		// is better tried again than waited for.
		HTTPClient: HTTPClient(2 * time.Second),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = 500 * time.Millisecond })
		},
	}
}

// HTTPClient is what AWS is called with; timeout is for one attempt.
func HTTPClient(timeout time.Duration) aws.HTTPClient {
	return plainBodies{awshttp.NewBuildableClient().
		WithTimeout(timeout).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = time.Second })}
}

// plainBodies gives net/http the SDK's request bodies as the bytes that they are,
// which mends two things. Of the SDK's own reader net/http copies by io.WriterTo;
// where the answer overtakes the end of that copy, the SDK has closed the reader,
// the copy fails, and net/http drops the connection while the answer is read: "use
// of closed network connection", after the write was done (aws-sdk-go-v2 issue 2737).
// And a request that meets a connection that died while the function was frozen is
// sent again by net/http itself if nothing of it was written, which needs GetBody.
type plainBodies struct{ aws.HTTPClient }

func (c plainBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return c.HTTPClient.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err = errors.Join(err, r.Body.Close()); err != nil {
		return nil, fmt.Errorf("read request body: %w", err)
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody() // which can't fail
	return c.HTTPClient.Do(r)
}

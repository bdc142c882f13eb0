// Package metrics tells operators what happens: log lines in CloudWatch's embedded
// metric format, of which CloudWatch makes metrics while it takes in the log. That
// needs no call and no permission, and can't hold up a request.
//
// All are in the namespace GoblinsSecrets, with the stack's name as their dimension
// "Stack":
//
//	metric                                                  unit           one for each
//	Reveals                                                 Count          value that left
//	Charge, Read, Open, Record                              Milliseconds   of these, phase by phase; see secrets.RevealTimes
//	Throttled                                               Count          reveal refused by the budget
//	Denied                                                  Count          request without a valid key
//	Deliveries                                              Count          bundle that became what services take
//	DeliveryLag                                             Milliseconds   of these, since the change that it is for
//	DeliveryFailures                                        Count          attempt to deliver that failed
//	KMSFailures, DynamoDBFailures, SecretsManagerFailures   Count          call that failed, after all tries
//	KMSThrottles, DynamoDBThrottles, SecretsManagerThrottles   Count       try that AWS throttled
//
// A metric costs money only in hours in which it is sent; more dimensions would
// multiply them.
//
// The format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
package metrics

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"goblins-secrets/pkg/secrets"
)

// Namespace holds all metrics.
const Namespace = "GoblinsSecrets"

// Log writes metrics as lines of a log. The zero Log writes none.
type Log struct{ logger *slog.Logger }

var _ secrets.Monitor = Log{}

// New writes the metrics of a stack; without a name there are none.
func New(logger *slog.Logger, stack string) Log {
	if stack == "" {
		return Log{}
	}
	return Log{logger.With("Stack", stack)}
}

// Revealed implements secrets.Monitor.
func (l Log) Revealed(ctx context.Context, took secrets.RevealTimes) {
	l.write(ctx, "value revealed", count("Reveals", 1),
		milliseconds("Charge", took.Charge), milliseconds("Read", took.Read),
		milliseconds("Open", took.Open), milliseconds("Record", took.Record))
}

// Throttled implements secrets.Monitor.
func (l Log) Throttled(ctx context.Context) { l.write(ctx, "reveal throttled", count("Throttled", 1)) }

// Denied implements secrets.Monitor.
func (l Log) Denied(ctx context.Context) { l.write(ctx, "key denied", count("Denied", 1)) }

// Delivered implements secrets.Monitor.
func (l Log) Delivered(ctx context.Context, lag time.Duration) {
	l.write(ctx, "secret delivered", count("Deliveries", 1), milliseconds("DeliveryLag", lag))
}

// DeliveryFailed implements secrets.Monitor.
func (l Log) DeliveryFailed(ctx context.Context) {
	l.write(ctx, "delivery failed", count("DeliveryFailures", 1))
}

// WatchCalls is an option for a client's configuration: it counts the calls of AWS
// that fail and the tries that AWS throttles. A condition that does not hold and a
// transaction that meets another are answers, no failures.
func (l Log) WatchCalls(cfg *aws.Config) {
	if l.logger == nil {
		return
	}
	watch := middleware.InitializeMiddlewareFunc("WatchCalls", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		l.called(ctx, err, metadata)
		return out, metadata, err
	})
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(watch, middleware.After) // behind what says which service it is
	})
}

// called writes what went wrong with a call, if anything did.
func (l Log) called(ctx context.Context, err error, metadata middleware.Metadata) {
	service := strings.ReplaceAll(awsmiddleware.GetServiceID(ctx), " ", "") // "KMS", "DynamoDB", "SecretsManager"
	throttled := 0
	tries, _ := retry.GetAttemptResults(metadata)
	for _, try := range tries.Results {
		if throttle.IsErrorThrottle(try.Err) == aws.TrueTernary {
			throttled++
		}
	}
	var values []value
	if throttled > 0 {
		values = append(values, count(service+"Throttles", throttled))
	}
	if err != nil && !isAnswer(service, err) && !errors.Is(ctx.Err(), context.Canceled) {
		values = append(values, count(service+"Failures", 1))
	}
	if len(values) > 0 {
		l.write(ctx, "call of AWS", values...)
	}
}

var throttle = retry.IsErrorThrottles(retry.DefaultThrottles)

// answers are the errors that are a service's regular answers.
var answers = map[string][]string{
	"DynamoDB": {
		"ConditionalCheckFailedException", "TransactionCanceledException",
		"TransactionConflictException", "TransactionInProgressException",
	},
	// There is no such bundle yet, or somebody was faster.
	"SecretsManager": {"ResourceNotFoundException", "ResourceExistsException", "InvalidParameterException"},
}

func isAnswer(service string, err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains(answers[service], api.ErrorCode())
}

// value is one metric's value on a line.
type value struct {
	name, unit string
	number     float64
}

func count(name string, n int) value { return value{name, "Count", float64(n)} }

func milliseconds(name string, d time.Duration) value {
	return value{name, "Milliseconds", float64(d.Microseconds()) / 1000}
}

// The format's own part of a line: which of its members are metrics.
type (
	embedded struct {
		Timestamp         int64 // Unix, in milliseconds
		CloudWatchMetrics []directive
	}
	directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	definition struct{ Name, Unit string }
)

func (l Log) write(ctx context.Context, message string, values ...value) {
	if l.logger == nil {
		return
	}
	d := directive{Namespace: Namespace, Dimensions: [][]string{{"Stack"}}}
	attrs := make([]slog.Attr, 0, len(values)+1)
	for _, v := range values {
		d.Metrics = append(d.Metrics, definition{v.name, v.unit})
		attrs = append(attrs, slog.Float64(v.name, v.number))
	}
	attrs = append(attrs, slog.Any("_aws", embedded{time.Now().UnixMilli(), []directive{d}}))
	l.logger.LogAttrs(ctx, slog.LevelInfo, message, attrs...)
}

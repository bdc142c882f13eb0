// Package metrics reports what operators watch. It writes log lines in CloudWatch's
// embedded metric format, which CloudWatch turns into metrics when it ingests the log.
// That needs no call and no permission, and cannot block a request.
//
// All are in the namespace GoblinsSecrets, with the stack's name as their dimension
// "Stack":
//
//	metric                                                  unit           one for each
//	Reveals                                                 Count          value that left
//	Charge, Read, Open, Record                              Milliseconds   of these, by phase; see secrets.Phase
//	Throttled                                               Count          reveal refused by the budget
//	Denied                                                  Count          request without a valid key
//	Deliveries                                              Count          bundle that became current
//	DeliveryLag                                             Milliseconds   of these, since the newest change
//	DeliveryFailures                                        Count          attempt to deliver that failed
//	KMSFailures, DynamoDBFailures, SecretsManagerFailures   Count          call that failed, after all tries
//	KMSThrottles, DynamoDBThrottles, SecretsManagerThrottles   Count       try that AWS throttled
//
// A metric costs money only in hours in which it is sent. More dimensions would multiply
// that cost.
//
// The format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
package metrics

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

// Namespace holds all metrics.
const Namespace = "GoblinsSecrets"

// Log writes metrics as lines of a log. The zero Log writes none.
type Log struct{ logger *slog.Logger }

var (
	_ secrets.Monitor  = Log{}
	_ delivery.Monitor = Log{}
)

// New writes the metrics of a stack; without a name there are none.
func New(logger *slog.Logger, stack string) Log {
	if stack == "" {
		return Log{}
	}
	return Log{logger.With("Stack", stack)}
}

// phases collects when the AWS calls of each phase of a reveal began and ended.
type phases struct {
	mu    sync.Mutex
	spans map[secrets.Phase]span
}

type span struct{ begin, end time.Time }

type phasesKey struct{}

// Revealing implements secrets.Monitor.
func (l Log) Revealing(ctx context.Context) context.Context {
	if l.logger == nil {
		return ctx
	}
	return context.WithValue(ctx, phasesKey{}, &phases{spans: make(map[secrets.Phase]span)})
}

// observe adds a call to its phase. A phase lasts from the begin of its first call to the
// end of its last one.
func observe(ctx context.Context, begin, end time.Time) {
	p, revealing := ctx.Value(phasesKey{}).(*phases)
	phase, ok := secrets.PhaseOf(ctx)
	if !revealing || !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s, seen := p.spans[phase]
	if !seen || begin.Before(s.begin) {
		s.begin = begin
	}
	if end.After(s.end) {
		s.end = end
	}
	p.spans[phase] = s
}

// Revealed implements secrets.Monitor.
func (l Log) Revealed(ctx context.Context, reveals int) {
	values := []value{count("Reveals", reveals)}
	if p, ok := ctx.Value(phasesKey{}).(*phases); ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, phase := range []secrets.Phase{secrets.PhaseCharge, secrets.PhaseRead, secrets.PhaseOpen, secrets.PhaseRecord} {
			s := p.spans[phase]
			values = append(values, milliseconds(string(phase), s.end.Sub(s.begin)))
		}
	}
	l.write(ctx, "value revealed", values...)
}

// Throttled implements secrets.Monitor.
func (l Log) Throttled(ctx context.Context) { l.write(ctx, "reveal throttled", count("Throttled", 1)) }

// Denied implements secrets.Monitor.
func (l Log) Denied(ctx context.Context) { l.write(ctx, "key denied", count("Denied", 1)) }

// Delivered implements delivery.Monitor.
func (l Log) Delivered(ctx context.Context, lag time.Duration) {
	l.write(ctx, "secret delivered", count("Deliveries", 1), milliseconds("DeliveryLag", lag))
}

// DeliveryFailed implements delivery.Monitor.
func (l Log) DeliveryFailed(ctx context.Context) {
	l.write(ctx, "delivery failed", count("DeliveryFailures", 1))
}

// WatchCalls is an option of an AWS configuration. It counts calls that fail and tries
// that AWS throttles, and times the calls of a reveal. A failed condition and a
// transaction conflict are answers, not failures.
func (l Log) WatchCalls(cfg *aws.Config) {
	if l.logger == nil {
		return
	}
	watch := middleware.InitializeMiddlewareFunc("WatchCalls", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		begin := time.Now()
		out, metadata, err := next.HandleInitialize(ctx, in)
		observe(ctx, begin, time.Now())
		l.called(ctx, err, metadata)
		return out, metadata, err
	})
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(watch, middleware.After) // after the middleware that names the service
	})
}

// called reports a call that failed or was throttled.
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

// answers are errors that are regular answers of a service.
var answers = map[string][]string{
	"DynamoDB": {
		"ConditionalCheckFailedException", "TransactionCanceledException",
		"TransactionConflictException", "TransactionInProgressException",
	},
	// The bundle does not exist yet, or a concurrent caller was faster.
	"SecretsManager": {"ResourceNotFoundException", "ResourceExistsException", "InvalidParameterException"},
}

func isAnswer(service string, err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains(answers[service], api.ErrorCode())
}

// value is the value of one metric on a line.
type value struct {
	name, unit string
	number     float64
}

func count(name string, n int) value { return value{name, "Count", float64(n)} }

func milliseconds(name string, d time.Duration) value {
	return value{name, "Milliseconds", float64(d.Microseconds()) / 1000}
}

// The part of a line that the format defines: it says which members are metrics.
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

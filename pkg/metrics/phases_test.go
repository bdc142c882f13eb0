package metrics_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
)

// A phase lasts as long as its calls: a slow call adds to its own phase only. Other phases
// wait for it, but do not count the waiting.
func TestSlowCallAddsToItsOwnPhaseOnly(t *testing.T) {
	t.Parallel()
	const (
		delay     = 500 * time.Millisecond // longer than any other call
		delayedMS = float64(delay / time.Millisecond)
	)
	for _, tt := range []struct{ call, phase string }{
		{"UpdateItem READS", "Charge"},
		{"BatchGetItem", "Read"},
		{"Decrypt", "Open"},
		{"UpdateItem ITEM", "Record"},
		{"PutItem EVENTS", "Record"},
	} {
		t.Run(tt.call, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			m := f.manager(t, slow(tt.call, delay))
			begin := time.Now()
			if err := f.reveal(t, m); err != nil {
				t.Fatal(err)
			}
			took := float64(time.Since(begin)) / float64(time.Millisecond)
			line := sent(t, f.log)
			for _, phase := range phases {
				ms, low, high := line[phase], 0.0, delayedMS
				if phase == tt.phase {
					low, high = delayedMS, took
				}
				if ms <= low || ms >= high {
					t.Errorf("%s = %v ms of a reveal of %v ms, want between %v and %v", phase, ms, took, low, high)
				}
			}
		})
	}
}

// slow is an option that delays a call, named as in package secretstest.
func slow(call string, delay time.Duration) func(*aws.Config) {
	operation, kind, _ := strings.Cut(call, " ")
	return func(cfg *aws.Config) {
		cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Slow", func(
				ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
			) (middleware.InitializeOutput, middleware.Metadata, error) {
				if awsmiddleware.GetOperationName(ctx) == operation && isOf(in.Parameters, kind) {
					time.Sleep(delay)
				}
				return next.HandleInitialize(ctx, in)
			}), middleware.After) // inside the middleware that times the call
		})
	}
}

// isOf reports whether a call is of a kind of row: its partition or sort key has this prefix.
func isOf(parameters any, kind string) bool {
	var row map[string]types.AttributeValue
	switch in := parameters.(type) {
	case *dynamodb.GetItemInput:
		row = in.Key
	case *dynamodb.UpdateItemInput:
		row = in.Key
	case *dynamodb.PutItemInput:
		row = in.Item
	default:
		return kind == ""
	}
	for _, name := range []string{"PK", "SK"} {
		if key, ok := row[name].(*types.AttributeValueMemberS); ok && strings.HasPrefix(key.Value, kind) {
			return true
		}
	}
	return false
}

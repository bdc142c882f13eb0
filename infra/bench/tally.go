package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// tally counts AWS calls and the units that DynamoDB reports for them.
type tally struct {
	mu     sync.Mutex
	calls  map[string]int // by operation; a service other than DynamoDB is a prefix
	reads  float64        // units
	writes float64
	bytes  int64 // of all requests' bodies
}

// attach makes all clients of a configuration count into the tally.
func (t *tally) attach(cfg *aws.Config) {
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), func(stack *middleware.Stack) error {
		count := middleware.InitializeMiddlewareFunc("count", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			askConsumed(in.Parameters)
			out, metadata, err := next.HandleInitialize(ctx, in)
			t.add(ctx, consumed(out.Result))
			return out, metadata, err
		})
		if err := stack.Initialize.Add(count, middleware.After); err != nil {
			return err
		}
		weigh := middleware.FinalizeMiddlewareFunc("weigh", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if r, ok := in.Request.(*smithyhttp.Request); ok {
				t.mu.Lock()
				t.bytes += r.ContentLength
				t.mu.Unlock()
			}
			return next.HandleFinalize(ctx, in)
		})
		return stack.Finalize.Add(weigh, middleware.Before)
	})
}

func (t *tally) add(ctx context.Context, units float64) {
	operation := middleware.GetOperationName(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if service := awsmiddleware.GetServiceID(ctx); service != "DynamoDB" {
		operation = service + " " + operation
	}
	if t.calls == nil {
		t.calls = make(map[string]int)
	}
	t.calls[operation]++
	switch operation {
	case "GetItem", "Query":
		t.reads += units
	default:
		t.writes += units
	}
}

// take returns the counts since its last call, and resets them.
func (t *tally) take() count {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := count{calls: t.calls, reads: t.reads, writes: t.writes, bytes: t.bytes}
	t.calls, t.reads, t.writes, t.bytes = nil, 0, 0, 0
	return c
}

// count is the AWS calls of one operation of the product.
type count struct {
	calls         map[string]int
	reads, writes float64
	bytes         int64
}

func (c count) kms() int { return c.of("KMS ") }

// of returns the number of calls with a prefix.
func (c count) of(prefix string) int {
	n := 0
	for operation, times := range c.calls {
		if strings.HasPrefix(operation, prefix) {
			n += times
		}
	}
	return n
}

// String lists the calls by name.
func (c count) String() string {
	var calls []string
	for operation, times := range c.calls {
		calls = append(calls, fmt.Sprintf("%d %s", times, operation))
	}
	slices.SortFunc(calls, func(a, b string) int {
		_, a, _ = strings.Cut(a, " ")
		_, b, _ = strings.Cut(b, " ")
		return strings.Compare(a, b)
	})
	return strings.Join(calls, ", ")
}

// askConsumed makes DynamoDB report the units of an operation.
func askConsumed(input any) {
	const total = types.ReturnConsumedCapacityTotal
	switch in := input.(type) {
	case *dynamodb.GetItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.QueryInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.PutItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.UpdateItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.DeleteItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.BatchWriteItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.TransactWriteItemsInput:
		in.ReturnConsumedCapacity = total
	}
}

// consumed returns the units that DynamoDB reported. It reports none for a failed condition.
func consumed(output any) (units float64) {
	var reports []types.ConsumedCapacity
	one := func(c *types.ConsumedCapacity) {
		if c != nil {
			reports = append(reports, *c)
		}
	}
	switch out := output.(type) {
	case *dynamodb.GetItemOutput:
		one(out.ConsumedCapacity)
	case *dynamodb.QueryOutput:
		one(out.ConsumedCapacity)
	case *dynamodb.PutItemOutput:
		one(out.ConsumedCapacity)
	case *dynamodb.UpdateItemOutput:
		one(out.ConsumedCapacity)
	case *dynamodb.DeleteItemOutput:
		one(out.ConsumedCapacity)
	case *dynamodb.BatchWriteItemOutput:
		reports = out.ConsumedCapacity
	case *dynamodb.TransactWriteItemsOutput:
		reports = out.ConsumedCapacity
	}
	for _, report := range reports {
		units += aws.ToFloat64(report.CapacityUnits)
	}
	return units
}

package secretstest

import (
	"context"
	"fmt"
	"reflect"
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

// Usage counts AWS calls and what they use.
type Usage struct {
	mu   sync.Mutex
	used Used
}

// Used is a number of AWS calls and what they used.
type Used struct {
	Calls  map[string]int // by operation, or CountRefused; a service other than DynamoDB is a prefix: "KMS Decrypt"
	Reads  float64        // units that DynamoDB reports, of the table
	Writes float64

	IndexReads  float64 // of its indexes
	IndexWrites float64

	Bytes int64 // of all requests' bodies
}

// Take returns what was used since its last call.
func (u *Usage) Take() Used {
	u.mu.Lock()
	defer u.mu.Unlock()
	used := u.used
	u.used = Used{}
	return used
}

// Count is an option that counts the calls of all clients of a configuration.
func (u *Usage) Count(cfg *aws.Config) {
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), func(stack *middleware.Stack) error {
		err := stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Count", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			askForUnits(in.Parameters)
			out, metadata, err := next.HandleInitialize(ctx, in)
			u.add(operation(ctx, in.Parameters), reportedUnits(out.Result))
			return out, metadata, err
		}), middleware.After)
		if err != nil {
			return err
		}
		return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("Weigh", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if r, ok := in.Request.(*smithyhttp.Request); ok {
				u.mu.Lock()
				u.used.Bytes += r.ContentLength
				u.mu.Unlock()
			}
			return next.HandleFinalize(ctx, in)
		}), middleware.Before)
	})
}

// CountRefused is the call that counts a refused try.
const CountRefused = "UpdateItem of refused tries"

func operation(ctx context.Context, in any) string {
	operation := middleware.GetOperationName(ctx)
	if service := awsmiddleware.GetServiceID(ctx); service != "DynamoDB" {
		return service + " " + operation
	}
	if in, ok := in.(*dynamodb.UpdateItemInput); ok && prefix(in.Key["PK"].(*types.AttributeValueMemberS).Value) == "REFUSED" {
		return CountRefused
	}
	return operation
}

func (u *Usage) add(operation string, used units) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.used.Calls == nil {
		u.used.Calls = make(map[string]int)
	}
	u.used.Calls[operation]++
	switch operation {
	case "GetItem", "BatchGetItem", "Query":
		u.used.Reads += used.table
		u.used.IndexReads += used.indexes
	default:
		u.used.Writes += used.table
		u.used.IndexWrites += used.indexes
	}
}

// Of returns the number of calls of a service other than DynamoDB.
func (u Used) Of(service string) (n int) {
	for operation, times := range u.Calls {
		if strings.HasPrefix(operation, service+" ") {
			n += times
		}
	}
	return n
}

// String lists the calls by name.
func (u Used) String() string {
	var operations []string
	for operation := range u.Calls {
		operations = append(operations, operation)
	}
	slices.Sort(operations)
	for i, operation := range operations {
		operations[i] = fmt.Sprintf("%d %s", u.Calls[operation], operation)
	}
	return strings.Join(operations, ", ")
}

// askForUnits makes DynamoDB report the units of an operation. Inputs of other services have
// no such field.
func askForUnits(input any) {
	if field := reflect.ValueOf(input).Elem().FieldByName("ReturnConsumedCapacity"); field.IsValid() {
		field.SetString(string(types.ReturnConsumedCapacityIndexes))
	}
}

// units are what a call used.
type units struct{ table, indexes float64 }

func (u *units) add(report types.ConsumedCapacity) {
	indexes := 0.0
	for _, index := range report.GlobalSecondaryIndexes {
		indexes += aws.ToFloat64(index.CapacityUnits)
	}
	u.indexes += indexes
	u.table += aws.ToFloat64(report.CapacityUnits) - indexes // the total includes them
}

// reportedUnits returns the units that DynamoDB reported. It reports none for a failed condition.
func reportedUnits(output any) (used units) {
	if output == nil { // the call failed
		return units{}
	}
	field := reflect.ValueOf(output).Elem().FieldByName("ConsumedCapacity")
	if !field.IsValid() {
		return units{}
	}
	switch report := field.Interface().(type) {
	case *types.ConsumedCapacity:
		if report != nil {
			used.add(*report)
		}
	case []types.ConsumedCapacity: // one for each table
		for _, table := range report {
			used.add(table)
		}
	}
	return used
}

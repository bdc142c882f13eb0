package secretstest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// Call is one attempt of an AWS call: its operation, such as "GetItem VALUE" or "Decrypt",
// and the number of earlier attempts of that operation.
type Call struct {
	What string
	Nth  int
}

func (c Call) String() string { return fmt.Sprintf("%s/%d", c.What, c.Nth) }

// Fault is a failure of a call.
type Fault int

const (
	None         Fault = iota
	Before             // it is not sent; the error is final
	After              // it is done, but its answer is lost; the error is final
	LostBefore         // it is not sent; the connection broke, which the SDK retries
	LostAfter          // it is done, but the connection broke; the SDK retries
	NoConnection       // there is no connection to send it on; the SDK retries
	Throttled          // it is refused for load; the SDK retries
	Conflict           // it is refused because another transaction is under way
)

func (f Fault) String() string {
	return [...]string{"None", "Before", "After", "LostBefore", "LostAfter", "NoConnection", "Throttled", "Conflict"}[f]
}

// Retried reports whether the SDK retries a call that fails this way.
func (f Fault) Retried() bool { return f != None && f != Before && f != After }

// At is a plan with one fault at one call. With crash, the process ends there: it sends no
// call after that one.
func At(target Call, fault Fault, crash bool) func(Call) Fault {
	crashed := false
	return func(c Call) Fault {
		switch {
		case crashed:
			return Before
		case c == target:
			crashed = crash
			return fault
		}
		return None
	}
}

// ErrInjected is the error of a call that met Before or After.
var ErrInjected = errors.New("injected fault")

var (
	errConnection   = &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	errNoConnection = &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	errThrottled    = &smithy.GenericAPIError{Code: "ThrottlingException", Message: "injected fault"}
)

// Inject is an option that asks plan for the fault of every attempt of every AWS call. It
// calls plan from one goroutine at a time. The SDK's retries do not wait.
func Inject(plan func(Call) Fault) func(*aws.Config) {
	var mu sync.Mutex
	seen := make(map[string]int)
	decide := func(what string) Fault {
		mu.Lock()
		defer mu.Unlock()
		call := Call{what, seen[what]}
		seen[what]++
		return plan(call)
	}
	return func(cfg *aws.Config) {
		cfg.Retryer = func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
		}
		cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
			err := stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Describe", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				return next.HandleInitialize(middleware.WithStackValue(ctx, whatKey{}, describe(in.Parameters)), in)
			}), middleware.Before)
			if err != nil {
				return err
			}
			return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("Inject", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, md middleware.Metadata, err error) {
				what := middleware.GetStackValue(ctx, whatKey{}).(string)
				switch fault := decide(what); fault {
				case Before:
					return out, md, ErrInjected
				case LostBefore:
					return out, md, errConnection
				case NoConnection:
					return out, md, errNoConnection
				case Throttled:
					return out, md, errThrottled
				case Conflict:
					return out, md, conflict(what)
				case After, LostAfter:
					out, md, err = next.HandleFinalize(ctx, in)
					if err == nil && fault == After {
						err = ErrInjected
					} else if err == nil {
						err = errConnection
					}
					return out, md, err
				default:
					return next.HandleFinalize(ctx, in)
				}
			}), "Retry", middleware.After)
		})
	}
}

type whatKey struct{}

// conflict is the answer of DynamoDB when a row is in another transaction.
func conflict(what string) error {
	if strings.HasPrefix(what, "TransactWriteItems") {
		return &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{
			{Code: aws.String("None")}, {Code: aws.String("TransactionConflict")},
		}}
	}
	return &types.TransactionConflictException{}
}

// Conflicts is a plan that refuses half of the writes, at random, that could conflict with
// another transaction: those of rows that transactions write.
func Conflicts(call Call) Fault {
	switch call.What {
	case "TransactWriteItems", "UpdateItem ITEM", "UpdateItem READS":
		if rand.IntN(2) == 0 {
			return Conflict
		}
	}
	return None
}

// describe names a call by its operation and the kind of its row.
func describe(in any) string {
	operation := strings.TrimSuffix(fmt.Sprintf("%T", in), "Input")
	operation = operation[strings.LastIndex(operation, ".")+1:]
	switch in := in.(type) {
	case *dynamodb.GetItemInput:
		return operation + " " + kind(in.Key)
	case *dynamodb.UpdateItemInput:
		return operation + " " + kind(in.Key)
	case *dynamodb.DeleteItemInput:
		return operation + " " + kind(in.Key)
	case *dynamodb.PutItemInput:
		return operation + " " + kind(in.Item)
	case *dynamodb.QueryInput:
		pk, _ := in.ExpressionAttributeValues[":pk"].(*types.AttributeValueMemberS)
		return operation + " " + prefix(pk.Value)
	}
	return operation
}

// kind is the kind of a row: the prefix of its sort key, or that of its partition key if the
// sort key is a bare id.
func kind(row map[string]types.AttributeValue) string {
	pk, sk := row["PK"].(*types.AttributeValueMemberS).Value, row["SK"].(*types.AttributeValueMemberS).Value
	if p := prefix(sk); p == strings.ToUpper(p) && !strings.ContainsAny(p, "0123456789") {
		return p
	}
	return prefix(pk)
}

func prefix(key string) string {
	p, _, _ := strings.Cut(key, "#")
	return p
}

package secretstest

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
)

// Permissions are what IAM must allow a function: actions and, for actions on the table,
// the prefix of the partition key, as in "dynamodb:PutItem EVENTS".
type Permissions struct {
	mu     sync.Mutex
	needed map[string]bool
}

// Needed returns the permissions that the recorded calls needed.
func (p *Permissions) Needed() map[string]bool { return p.needed }

// Record is an option that records the permissions of each AWS call. A transaction needs
// those of all its actions.
func (p *Permissions) Record(cfg *aws.Config) {
	if p.needed == nil {
		p.needed = make(map[string]bool)
	}
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Record", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			p.mu.Lock()
			for _, permission := range permissions(in.Parameters) {
				p.needed[permission] = true
			}
			p.mu.Unlock()
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	})
}

func permissions(in any) (needed []string) {
	on := func(action string, row map[string]types.AttributeValue) {
		needed = append(needed, "dynamodb:"+action+" "+prefix(row["PK"].(*types.AttributeValueMemberS).Value))
	}
	switch in := in.(type) {
	case *dynamodb.GetItemInput:
		on("GetItem", in.Key)
	case *dynamodb.UpdateItemInput:
		on("UpdateItem", in.Key)
	case *dynamodb.DeleteItemInput:
		on("DeleteItem", in.Key)
	case *dynamodb.PutItemInput:
		on("PutItem", in.Item)
	case *dynamodb.QueryInput:
		on("Query", map[string]types.AttributeValue{"PK": in.ExpressionAttributeValues[":pk"]})
	case *dynamodb.BatchWriteItemInput:
		for _, requests := range in.RequestItems {
			for _, r := range requests {
				on("BatchWriteItem", r.DeleteRequest.Key)
			}
		}
	case *dynamodb.TransactWriteItemsInput:
		for _, item := range in.TransactItems {
			switch {
			case item.Put != nil:
				on("PutItem", item.Put.Item)
			case item.Update != nil:
				on("UpdateItem", item.Update.Key)
			case item.Delete != nil:
				on("DeleteItem", item.Delete.Key)
			case item.ConditionCheck != nil:
				on("ConditionCheckItem", item.ConditionCheck.Key)
			}
		}
	default:
		name := strings.TrimSuffix(fmt.Sprintf("%T", in), "Input")
		service, operation, _ := strings.Cut(strings.TrimPrefix(name, "*"), ".")
		needed = append(needed, service+":"+operation)
	}
	return needed
}

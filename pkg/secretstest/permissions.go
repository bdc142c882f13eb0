package secretstest

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
)

// Permissions are what IAM must allow a function: actions and, for actions on the table,
// the prefix of the partition key, as in "dynamodb:PutItem EVENTS", or its index, as in "dynamodb:Query index/by_user".
type Permissions struct {
	mu      sync.Mutex
	needed  map[string]bool
	updated map[string][]string
}

// Updated returns the attributes that IAM saw in the updates of rows under partition keys with a
// prefix, sorted.
func (p *Permissions) Updated(prefix string) []string {
	slices.Sort(p.updated[prefix])
	return slices.Compact(p.updated[prefix])
}

// Needed returns the permissions that the recorded calls needed.
func (p *Permissions) Needed() map[string]bool { return p.needed }

// Record is an option that records the permissions of each AWS call. A transaction needs
// those of all its actions.
func (p *Permissions) Record(cfg *aws.Config) {
	if p.needed == nil {
		p.needed, p.updated = make(map[string]bool), make(map[string][]string)
	}
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Record", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			p.mu.Lock()
			for _, permission := range permissions(in.Parameters) {
				p.needed[permission] = true
			}
			if in, ok := in.Parameters.(*dynamodb.UpdateItemInput); ok {
				kind := prefix(in.Key["PK"].(*types.AttributeValueMemberS).Value)
				p.updated[kind] = append(p.updated[kind], updated(in)...)
			}
			p.mu.Unlock()
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	})
}

// name is a word of an expression: a placeholder :x, or an attribute, an operator or a function.
var name = regexp.MustCompile(`:?[A-Za-z_]+`)

// words are what names of attributes stand among in the product's update expressions.
var words = []string{"SET", "ADD", "REMOVE", "AND", "OR", "attribute_exists", "attribute_not_exists", "list_append", "if_not_exists", "size"}

// updated returns the attributes that IAM sees in an update: those of its key and of its expressions.
func updated(in *dynamodb.UpdateItemInput) (attributes []string) {
	attributes = slices.Collect(maps.Keys(in.Key))
	for _, expression := range []*string{in.UpdateExpression, in.ConditionExpression} {
		for _, found := range name.FindAllString(aws.ToString(expression), -1) {
			if !strings.HasPrefix(found, ":") && !slices.Contains(words, found) {
				attributes = append(attributes, found)
			}
		}
	}
	return attributes
}

func permissions(in any) (needed []string) {
	on := func(action string, row map[string]types.AttributeValue) {
		needed = append(needed, "dynamodb:"+action+" "+prefix(row["PK"].(*types.AttributeValueMemberS).Value))
	}
	switch in := in.(type) {
	case *dynamodb.GetItemInput:
		on("GetItem", in.Key)
	case *dynamodb.BatchGetItemInput:
		for _, table := range in.RequestItems {
			for _, row := range table.Keys {
				on("BatchGetItem", row)
			}
		}
	case *dynamodb.UpdateItemInput:
		on("UpdateItem", in.Key)
	case *dynamodb.DeleteItemInput:
		on("DeleteItem", in.Key)
	case *dynamodb.PutItemInput:
		on("PutItem", in.Item)
	case *dynamodb.QueryInput:
		if in.IndexName != nil { // the statement of an index names no keys
			needed = append(needed, "dynamodb:Query index/"+*in.IndexName)
			break
		}
		on("Query", map[string]types.AttributeValue{"PK": in.ExpressionAttributeValues[":pk"]})
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

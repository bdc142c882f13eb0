// Package dynamo keeps the domain's data in one DynamoDB table. It is the only
// implementation of the ports and the only importer of the DynamoDB SDK. It holds no
// rules. keys.go draws the table and lists every access pattern.
package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/awserr"
	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

// Store implements secrets.Store, delivery.Store, delivery.SweepStore and delivery.CheckStore.
type Store struct {
	EventDays int // days that an event is kept; 0: for ever

	client      *dynamodb.Client
	table       string
	retryUndone aws.Retryer
}

var (
	_ secrets.Store       = (*Store)(nil)
	_ delivery.Store      = (*Store)(nil)
	_ delivery.SweepStore = (*Store)(nil)
	_ delivery.CheckStore = (*Store)(nil)
)

// New uses the table with this name.
func New(client *dynamodb.Client, table string) *Store {
	return &Store{client: client, table: table, retryUndone: retryUndone()}
}

// get reads one row, or ErrNotFound.
func get[T any](ctx context.Context, s *Store, k key) (row T, err error) {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.table, Key: marshal(k), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return row, translate("GetItem", err)
	}
	if out.Item == nil {
		return row, secrets.ErrNotFound
	}
	return unmarshal[T](out.Item)
}

// page reads up to limit rows of a partition whose sort keys are prefix and an id, on one
// side of the cursor, nearest first: one Query per MB.
func page[T any](ctx context.Context, s *Store, pk, prefix string, from secrets.Cursor, limit int) ([]T, error) {
	return pageThat[T](ctx, s, "", pk, prefix, from, limit)
}

// pageThat is page without the rows that a filter leaves out.
func pageThat[T any](ctx context.Context, s *Store, filter, pk, prefix string, from secrets.Cursor, limit int) ([]T, error) {
	low, high := prefix+from.ID.String(), prefix+"~" // "~" sorts after every id
	if from == (secrets.Cursor{}) {
		low = prefix
	}
	if from.Backward {
		low, high = prefix, low
	}
	in := &dynamodb.QueryInput{
		TableName:              &s.table,
		KeyConditionExpression: aws.String("PK = :pk AND SK BETWEEN :low AND :high"),
		ExpressionAttributeValues: attributes{
			":pk": text(pk), ":low": text(low), ":high": text(high),
		},
		ScanIndexForward: aws.Bool(!from.Backward),
		ConsistentRead:   aws.Bool(true),
	}
	if filter != "" {
		in.FilterExpression = &filter
	}
	// BETWEEN includes the cursor's own row, if it exists: start after it.
	if from != (secrets.Cursor{}) {
		in.ExclusiveStartKey = marshal(key{pk, prefix + from.ID.String()})
	}
	var rows []T
	for {
		in.Limit = aws.Int32(int32(limit - len(rows)))
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return nil, translate("Query", err)
		}
		rows = slices.Grow(rows, len(out.Items))
		for _, item := range out.Items {
			row, err := unmarshal[T](item)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(rows) == limit || in.ExclusiveStartKey == nil {
			return rows, nil
		}
	}
}

// partition reads all rows of a partition.
func partition[R, T any](ctx context.Context, s *Store, pk string, convert func(R) (T, error)) ([]T, error) {
	return all(ctx, s, s.allOf(pk), convert)
}

// all reads all rows of a query.
func all[R, T any](ctx context.Context, s *Store, query *dynamodb.QueryInput, convert func(R) (T, error)) ([]T, error) {
	var found []T
	pages := dynamodb.NewQueryPaginator(s.client, query)
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, translate("Query", err)
		}
		for _, item := range out.Items {
			x, err := decode(item, convert)
			if err != nil {
				return nil, err
			}
			found = append(found, x)
		}
	}
	return found, nil
}

// allOf queries all rows of a partition.
func (s *Store) allOf(pk string) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName:                 &s.table,
		KeyConditionExpression:    aws.String("PK = :pk"),
		ExpressionAttributeValues: attributes{":pk": text(pk)},
		ConsistentRead:            aws.Bool(true),
	}
}

// countRows counts the rows of a query that selects their number.
func (s *Store) countRows(ctx context.Context, query *dynamodb.QueryInput) (n int, err error) {
	pages := dynamodb.NewQueryPaginator(s.client, query)
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return 0, translate("Query", err)
		}
		n += int(out.Count)
	}
	return n, nil
}

// write is one action of a transaction, and the error that a failed condition means.
type write struct {
	types.TransactWriteItem
	refused error
}

// put adds a row that must not exist yet.
func (s *Store) put(row any, refused error) write {
	return write{types.TransactWriteItem{Put: &types.Put{
		TableName: &s.table, Item: marshal(row), ConditionExpression: aws.String("attribute_not_exists(PK)"),
	}}, refused}
}

// set puts a row, whether or not it exists.
func (s *Store) set(row any) write {
	return write{types.TransactWriteItem{Put: &types.Put{TableName: &s.table, Item: marshal(row)}}, secrets.ErrChanged}
}

// replace puts a row over an existing one, on a condition.
func (s *Store) replace(row any, condition string, values attributes, refused error) write {
	return write{types.TransactWriteItem{Put: &types.Put{
		TableName: &s.table, Item: marshal(row),
		ConditionExpression: &condition, ExpressionAttributeValues: values,
	}}, refused}
}

// update changes a row on a condition.
func (s *Store) update(k key, expression, condition string, names map[string]string, values attributes, refused error) write {
	return write{types.TransactWriteItem{Update: &types.Update{
		TableName: &s.table, Key: marshal(k), UpdateExpression: &expression, ConditionExpression: &condition,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	}}, refused}
}

// count adds n to a counter of a row that must exist.
func (s *Store) count(k key, counter string, n int, refused error) write {
	return s.update(k, "ADD #counter :n", "attribute_exists(PK)",
		map[string]string{"#counter": counter}, attributes{":n": number(int64(n))}, refused)
}

// countUpTo counts one object more, unless there are most already; 0: no limit.
func (s *Store) countUpTo(most int, k key, counter string) write {
	if most == 0 {
		return s.count(k, counter, +1, secrets.ErrNotFound)
	}
	return s.update(k, "ADD #counter :n", "attribute_exists(PK) AND (attribute_not_exists(#counter) OR #counter < :most)",
		map[string]string{"#counter": counter}, attributes{":n": number(1), ":most": number(int64(most))}, secrets.ErrFull)
}

// remove deletes a row on a condition.
func (s *Store) remove(k key, condition string, names map[string]string, values attributes, refused error) write {
	return write{types.TransactWriteItem{Delete: &types.Delete{
		TableName: &s.table, Key: marshal(k), ConditionExpression: &condition,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	}}, refused}
}

// removeOwned deletes the marker by which owner holds a name or key.
func (s *Store) removeOwned(k key, owner uuid.UUID) write {
	return s.remove(k, "#owner = :owner",
		map[string]string{"#owner": "owner"}, attributes{":owner": text(owner.String())}, secrets.ErrChanged)
}

// check requires that a row exists, and changes nothing.
func (s *Store) check(k key, refused error) write {
	return s.checkThat(k, "attribute_exists(PK)", refused)
}

// checkThat requires a condition of a row, and changes nothing.
func (s *Store) checkThat(k key, condition string, refused error) write {
	return write{types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &s.table, Key: marshal(k), ConditionExpression: &condition,
	}}, refused}
}

// transact does all writes and appends the event, or does nothing and returns the error
// of the first failed condition.
func (s *Store) transact(ctx context.Context, ev secrets.Event, writes ...write) error {
	ctx, cancel := context.WithTimeout(ctx, eventPatience)
	defer cancel()
	if ev.Token != (secrets.Token{}) { // first: what else fails may fail because the request is done
		writes = append([]write{s.keepToken(ev)}, writes...)
	}
	return s.transactOnce(ctx, ev.ID, append(writes, s.put(s.newEventRow(ev), errors.New("event exists")))...)
}

// transactOnce is transact without an event. The id is the idempotency token of all
// attempts, the SDK's and this function's: an attempt whose answer was lost is not done
// twice, and does not fail because of its own rows.
func (s *Store) transactOnce(ctx context.Context, id uuid.UUID, writes ...write) error {
	in := &dynamodb.TransactWriteItemsInput{ClientRequestToken: aws.String(id.String())}
	for _, w := range writes {
		in.TransactItems = append(in.TransactItems, w.TransactWriteItem)
	}
	err := retryConflicts(ctx, func() error {
		_, err := s.client.TransactWriteItems(ctx, in)
		return err
	})
	var canceled *types.TransactionCanceledException
	if errors.As(err, &canceled) {
		for i, reason := range canceled.CancellationReasons {
			if aws.ToString(reason.Code) == "ConditionalCheckFailed" && i < len(writes) {
				return writes[i].refused
			}
		}
	}
	return translate("TransactWriteItems", err)
}

// conflictPatience limits the retries of a write that conflicts with other transactions.
const conflictPatience = 5 * time.Second

// retryConflicts repeats try while it conflicts with other transactions. The SDK does not retry conflicts.
func retryConflicts(ctx context.Context, try func() error) error {
	return retryWhile(ctx, isConflict, try)
}

// retryWhile repeats try while it fails so, with exponential backoff and full jitter.
func retryWhile(ctx context.Context, so func(error) bool, try func() error) error {
	deadline := time.Now().Add(conflictPatience)
	for backoff := 8 * time.Millisecond; ; backoff = min(2*backoff, 256*time.Millisecond) {
		err := try()
		if !so(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(rand.N(backoff)):
		}
	}
}

// isConflict reports whether nothing was done, only because another transaction was in
// progress on one of the rows or DynamoDB had no capacity.
func isConflict(err error) bool {
	var plain *types.TransactionConflictException
	var inProgress *types.TransactionInProgressException
	if errors.As(err, &plain) || errors.As(err, &inProgress) {
		return true
	}
	var canceled *types.TransactionCanceledException
	if !errors.As(err, &canceled) {
		return false
	}
	conflict := false
	for _, reason := range canceled.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			conflict = true
		case "None", "":
		default: // a failed condition fails again
			return false
		}
	}
	return conflict
}

// translate maps an SDK error to the domain's errors: a failed condition is ErrChanged,
// and an outage or a lasting conflict is ErrUnavailable.
func translate(operation string, err error) error {
	if refused(err) {
		return secrets.ErrChanged
	}
	if isConflict(err) {
		return errors.Join(secrets.ErrUnavailable, fmt.Errorf("%s: %w", operation, err))
	}
	err = awserr.Translate(operation, err)
	var outage awserr.Outage
	if errors.As(err, &outage) {
		return errors.Join(secrets.ErrUnavailable, err)
	}
	return err
}

// refused reports whether the condition of a single write failed.
func refused(err error) bool {
	var failed *types.ConditionalCheckFailedException
	return errors.As(err, &failed)
}

func text(s string) types.AttributeValue  { return &types.AttributeValueMemberS{Value: s} }
func number(n int64) types.AttributeValue { return &types.AttributeValueMemberN{Value: fmt.Sprint(n)} }

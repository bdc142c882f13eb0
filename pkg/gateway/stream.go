package gateway

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

const (
	deployAtOnce = 4               // secrets of a batch in parallel
	deployMargin = 8 * time.Second // of the function's time, to record failures
)

// StartDeploySecret serves DeploySecret as a Lambda function on the table's stream. It
// does not return.
func StartDeploySecret(d *delivery.Deliverer) { lambda.Start(DeploySecret(d)) }

// DeploySecret delivers each secret of a batch once. The batch's records are changes of
// outbox entries, whose keys have the ids of the account and the secret; everything else is
// read from the table. It returns failed records as batch item failures, and Lambda
// sends them again.
func DeploySecret(d *delivery.Deliverer) func(context.Context, events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
	return func(ctx context.Context, batch events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
		if deadline, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-deployMargin))
			defer cancel()
		}
		records := make(map[delivery.Place][]string) // their sequence numbers
		var failed []events.DynamoDBBatchItemFailure
		for _, record := range batch.Records {
			at, err := placeOf(record)
			if err != nil {
				d.Log.ErrorContext(ctx, "stream record without a secret", "event_id", record.EventID)
				failed = append(failed, events.DynamoDBBatchItemFailure{ItemIdentifier: record.Change.SequenceNumber})
				continue
			}
			records[at] = append(records[at], record.Change.SequenceNumber)
		}
		results := make(chan []string, len(records))
		var g errgroup.Group
		g.SetLimit(deployAtOnce)
		for at, numbers := range records {
			g.Go(func() error {
				err := secrets.Guard(func() error { return d.Deliver(ctx, at.AccountID, at.SecretID) })
				if err != nil {
					d.Log.ErrorContext(ctx, "secret not delivered", "account_id", at.AccountID, "secret_id", at.SecretID, "error", err)
					results <- numbers
				}
				return nil
			})
		}
		_ = g.Wait() // failures are in results
		close(results)
		for numbers := range results {
			for _, number := range numbers {
				failed = append(failed, events.DynamoDBBatchItemFailure{ItemIdentifier: number})
			}
		}
		return events.DynamoDBEventResponse{BatchItemFailures: failed}, nil
	}
}

// placeOf reads the key of an outbox entry: the stream carries nothing else.
func placeOf(record events.DynamoDBEventRecord) (delivery.Place, error) {
	key, ok := record.Change.Keys["SK"]
	if !ok || key.DataType() != events.DataTypeString {
		return delivery.Place{}, errors.New("no sort key")
	}
	return parsePlace(key.String())
}

// parsePlace decodes <account>#<secret>.
func parsePlace(text string) (at delivery.Place, err error) {
	account, secret, _ := strings.Cut(text, "#")
	var accountErr, secretErr error
	at.AccountID, accountErr = uuid.Parse(account)
	at.SecretID, secretErr = uuid.Parse(secret)
	return at, errors.Join(accountErr, secretErr)
}

package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/pkg/secrets"
)

const (
	deployAtOnce = 4               // secrets of one batch
	deployMargin = 8 * time.Second // of the function's time, to note what failed
)

// StartDeploySecret serves DeploySecret as a Lambda function on the table's stream. It
// does not return.
func StartDeploySecret(svc *secrets.Service) { lambda.Start(DeploySecret(svc)) }

// DeploySecret delivers the secrets that a batch of the stream is about, each of them
// once. Its records are changes of the list of what waits, and tell the account's and
// the secret's id; what is to be done stands in the table. Those that fail are answered
// as the batch's failures, and come again.
func DeploySecret(svc *secrets.Service) func(context.Context, events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
	return func(ctx context.Context, batch events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
		if deadline, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-deployMargin))
			defer cancel()
		}
		type place struct{ account, secret uuid.UUID }
		records := make(map[place][]string) // their numbers
		var failed []events.DynamoDBBatchItemFailure
		for _, record := range batch.Records {
			account, accountErr := recordID(record, "account_id")
			secret, secretErr := recordID(record, "secret_id")
			if accountErr != nil || secretErr != nil {
				svc.Log.ErrorContext(ctx, "record of the stream tells no secret", "event_id", record.EventID)
				failed = append(failed, events.DynamoDBBatchItemFailure{ItemIdentifier: record.Change.SequenceNumber})
				continue
			}
			at := place{account, secret}
			records[at] = append(records[at], record.Change.SequenceNumber)
		}
		results := make(chan []string, len(records))
		var g errgroup.Group
		g.SetLimit(deployAtOnce)
		for at, numbers := range records {
			g.Go(func() error {
				if err := svc.DeploySecret(ctx, at.account, at.secret); err != nil {
					svc.Log.ErrorContext(ctx, "secret not delivered", "account_id", at.account, "secret_id", at.secret, "error", err)
					results <- numbers
				}
				return nil
			})
		}
		_ = g.Wait() // failures are results
		close(results)
		for numbers := range results {
			for _, number := range numbers {
				failed = append(failed, events.DynamoDBBatchItemFailure{ItemIdentifier: number})
			}
		}
		return events.DynamoDBEventResponse{BatchItemFailures: failed}, nil
	}
}

// recordID reads an id of the row that a record is about.
func recordID(record events.DynamoDBEventRecord, name string) (uuid.UUID, error) {
	value, ok := record.Change.NewImage[name]
	if !ok || value.DataType() != events.DataTypeString {
		return uuid.UUID{}, fmt.Errorf("no %s", name)
	}
	return uuid.Parse(value.String())
}

// Package stream is Lambda's event source mapping for DynamoDB streams: it delivers the
// changes of a table to a function. It passes on records that match a filter, in order,
// in batches gathered over a window. It retries a failed batch a limited number of
// times, then drops it.
//
// It speaks the stream's JSON protocol directly: a record of GetRecords has the same
// fields as a record of a function's event.
package stream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Function handles a batch of records.
type Function func(context.Context, events.DynamoDBEvent) (events.DynamoDBEventResponse, error)

const (
	pollEvery  = 100 * time.Millisecond // Lambda polls every 250 ms
	retryAfter = time.Second
)

// Source is a table's stream with the mapping to a function.
type Source struct {
	Endpoint  string        // URL of the DynamoDB emulator
	AccessKey string        // of the table's owner
	Table     string        // name of a table with a stream
	Filter    string        // a JSON pattern: records that do not match are dropped
	Batch     int           // the most records of a batch
	Window    time.Duration // how long records are gathered
	Retries   int           // of a failed batch, before it is dropped

	pattern  map[string]any
	position string // a shard iterator
}

// Open positions the source at the end of the stream: Run delivers later writes only.
func (s *Source) Open(ctx context.Context) error {
	if err := json.Unmarshal([]byte(s.Filter), &s.pattern); err != nil {
		return fmt.Errorf("filter %s: %w", s.Filter, err)
	}
	if err := known(s.pattern); err != nil {
		return fmt.Errorf("filter %s: %w", s.Filter, err)
	}
	var list struct{ Streams []struct{ StreamArn string } }
	if err := s.call(ctx, "ListStreams", map[string]any{"TableName": s.Table}, &list); err != nil {
		return err
	}
	if len(list.Streams) != 1 {
		return fmt.Errorf("table %s has %d streams, want one", s.Table, len(list.Streams))
	}
	arn := list.Streams[0].StreamArn
	var description struct {
		StreamDescription struct{ Shards []struct{ ShardId string } }
	}
	if err := s.call(ctx, "DescribeStream", map[string]any{"StreamArn": arn}, &description); err != nil {
		return err
	}
	shards := description.StreamDescription.Shards
	if len(shards) != 1 { // the emulator never splits one
		return fmt.Errorf("stream %s has %d shards, want one", arn, len(shards))
	}
	var iterator struct{ ShardIterator string }
	err := s.call(ctx, "GetShardIterator", map[string]any{
		"StreamArn": arn, "ShardId": shards[0].ShardId, "ShardIteratorType": "LATEST",
	}, &iterator)
	s.position = iterator.ShardIterator
	return err
}

// Run delivers records to f until ctx ends.
func (s *Source) Run(ctx context.Context, f Function, log *slog.Logger) {
	var waiting []events.DynamoDBEventRecord
	var since time.Time // when the first waiting record was read
	for sleep(ctx, pollEvery) {
		found, err := s.read(ctx)
		if len(waiting) == 0 {
			since = time.Now()
		}
		waiting = append(waiting, found...)
		if err != nil && ctx.Err() == nil {
			log.Warn("read stream failed", "error", err)
			sleep(ctx, retryAfter)
		}
		for len(waiting) >= s.Batch || len(waiting) > 0 && time.Since(since) >= s.Window {
			batch := waiting[:min(len(waiting), s.Batch)]
			waiting = waiting[len(batch):]
			s.deliver(ctx, f, batch, log)
		}
	}
}

// deliver calls the function for a batch. It retries from the first failed record on, or
// with the whole batch if the function returns an error.
func (s *Source) deliver(ctx context.Context, f Function, batch []events.DynamoDBEventRecord, log *slog.Logger) {
	var err error
	for range 1 + s.Retries {
		var answer events.DynamoDBEventResponse
		answer, err = f(ctx, events.DynamoDBEvent{Records: batch})
		if err == nil {
			first := slices.IndexFunc(batch, func(r events.DynamoDBEventRecord) bool {
				return slices.ContainsFunc(answer.BatchItemFailures, func(failed events.DynamoDBBatchItemFailure) bool {
					return failed.ItemIdentifier == r.Change.SequenceNumber
				})
			})
			if first < 0 {
				return
			}
			batch = batch[first:]
		}
		if !sleep(ctx, retryAfter) {
			return
		}
	}
	log.Error("stream records dropped after all retries", "records", len(batch), "error", err)
}

// read returns the new records that match. With an error it also returns the records read
// before the error: they are not read again.
func (s *Source) read(ctx context.Context) (found []events.DynamoDBEventRecord, err error) {
	for {
		var page struct {
			Records           []json.RawMessage
			NextShardIterator string
		}
		if err := s.call(ctx, "GetRecords", map[string]any{"ShardIterator": s.position}, &page); err != nil {
			return found, err
		}
		matching, err := s.filter(page.Records)
		if err != nil {
			return found, err
		}
		found = append(found, matching...)
		if s.position = page.NextShardIterator; len(page.Records) == 0 {
			return found, nil
		}
	}
}

// filter returns the records that match a pattern, decoded.
func (s *Source) filter(records []json.RawMessage) (matching []events.DynamoDBEventRecord, err error) {
	for _, raw := range records {
		matches, err := s.matches(raw)
		if err != nil {
			return nil, err
		}
		if !matches {
			continue
		}
		var record events.DynamoDBEventRecord
		if err := json.Unmarshal(raw, &record); err != nil {
			return nil, fmt.Errorf("read record: %w", err)
		}
		matching = append(matching, record)
	}
	return matching, nil
}

// matches reports whether a record matches the filter.
func (s *Source) matches(raw json.RawMessage) (bool, error) {
	var record map[string]any
	if err := json.Unmarshal(raw, &record); err != nil {
		return false, fmt.Errorf("read record: %w", err)
	}
	return match(s.pattern, record), nil
}

// match reports whether a value matches a pattern: an object of patterns, or a list of
// strings that must contain the value. Lambda has more rules; known refuses them.
func match(pattern, value any) bool {
	switch pattern := pattern.(type) {
	case map[string]any:
		object, ok := value.(map[string]any)
		if !ok {
			return false
		}
		for name, p := range pattern {
			if !match(p, object[name]) {
				return false
			}
		}
		return true
	case []any:
		return slices.Contains(pattern, value)
	}
	return false
}

// known refuses patterns with rules that match does not support.
func known(pattern any) error {
	switch pattern := pattern.(type) {
	case map[string]any:
		for _, p := range pattern {
			if err := known(p); err != nil {
				return err
			}
		}
		return nil
	case []any:
		for _, p := range pattern {
			if _, ok := p.(string); !ok {
				return fmt.Errorf("the rule %v is not supported here", p)
			}
		}
		return nil
	}
	return fmt.Errorf("%v is not a pattern", pattern)
}

func (s *Source) call(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set("X-Amz-Target", "DynamoDBStreams_20120810."+operation)
	hash := sha256.Sum256(body)
	local := aws.Credentials{AccessKeyID: s.AccessKey, SecretAccessKey: "local"}
	if err := v4.NewSigner().SignHTTP(ctx, local, request, hex.EncodeToString(hash[:]), "dynamodb", "us-east-1", time.Now()); err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	answer, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", operation, response.Status)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	return nil
}

// sleep waits for d. It returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

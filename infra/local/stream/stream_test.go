package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/emulator"
	"goblins-secrets/infra/local/stream"
	"goblins-secrets/pkg/secretstest"
)

// function records its batches and returns the queued answers, then successes.
type function struct {
	t *testing.T

	mu      sync.Mutex
	batches [][]string // sort keys, by call
	answers []func(events.DynamoDBEvent) (events.DynamoDBEventResponse, error)
}

func (f *function) call(_ context.Context, batch events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var keys []string
	for _, r := range batch.Records {
		keys = append(keys, r.Change.Keys["SK"].String())
	}
	f.batches = append(f.batches, keys)
	if len(f.answers) == 0 {
		return events.DynamoDBEventResponse{}, nil
	}
	answer := f.answers[0]
	f.answers = f.answers[1:]
	return answer(batch)
}

// await waits until the function has received a record with this sort key, and returns
// all batches so far.
func (f *function) await(key string) [][]string {
	f.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		f.mu.Lock()
		got := slices.Clone(f.batches)
		f.mu.Unlock()
		if slices.Contains(slices.Concat(got...), key) {
			return got
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("the function got %v, want also %s", got, key)
		}
	}
}

// failing returns an answer that reports the nth and the last record of the batch as failed.
func failing(n int) func(events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
	return func(batch events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
		var out events.DynamoDBEventResponse
		for _, i := range []int{len(batch.Records) - 1, n} {
			out.BatchItemFailures = append(out.BatchItemFailures, events.DynamoDBBatchItemFailure{
				ItemIdentifier: batch.Records[i].Change.SequenceNumber,
			})
		}
		return out, nil
	}
}

func broken(events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
	return events.DynamoDBEventResponse{}, errors.New("the function fails")
}

// streamed is a table with a stream.
type streamed struct {
	*secretstest.Table
	t *testing.T
}

func newStreamed(t *testing.T) streamed {
	t.Helper()
	table := secretstest.NewTable(t)
	db := emulator.At(table.Endpoints().DynamoDB, table.Endpoints().AccessKey)
	if err := db.SetStream(t.Context(), table.Name, "NEW_AND_OLD_IMAGES"); err != nil {
		t.Fatal(err)
	}
	return streamed{table, t}
}

// source returns a source with the mapping of deploy-secret.
func (s streamed) source() stream.Source {
	table, err := functions.Load()
	if err != nil {
		s.t.Fatal(err)
	}
	return stream.Source{
		Endpoint: s.Endpoints().DynamoDB, AccessKey: s.Endpoints().AccessKey, Table: s.Name, Filter: functions.Named(table, "deploy-secret").Filter(),
		Batch: functions.BatchSize, Window: time.Second, Retries: 2,
	}
}

// run delivers the stream to a function until the test ends.
func (s streamed) run(source stream.Source) (*function, *logged) {
	s.t.Helper()
	if err := source.Open(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	f, log := &function{t: s.t}, new(logged)
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(s.t.Context())
	s.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		source.Run(ctx, f.call, slog.New(slog.NewTextHandler(log, nil)))
	}()
	return f, log
}

type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// put writes a row in the partition in.
func (s streamed) put(in, key, value string) {
	s.t.Helper()
	_, err := s.Client.PutItem(s.t.Context(), &dynamodb.PutItemInput{TableName: &s.Name, Item: map[string]types.AttributeValue{
		"PK": &types.AttributeValueMemberS{Value: in}, "SK": &types.AttributeValueMemberS{Value: key},
		"value": &types.AttributeValueMemberS{Value: value},
	}})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s streamed) delete(in, key string) {
	s.t.Helper()
	_, err := s.Client.DeleteItem(s.t.Context(), &dynamodb.DeleteItemInput{TableName: &s.Name, Key: map[string]types.AttributeValue{
		"PK": &types.AttributeValueMemberS{Value: in}, "SK": &types.AttributeValueMemberS{Value: key},
	}})
	if err != nil {
		s.t.Fatal(err)
	}
}

const listed = "OUTBOX"

// keys returns n sort keys.
func keys(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf("row-%02d", i))
	}
	return keys
}

// Every record that matches the template's filter arrives once and in order, in the shape
// of Lambda's event. Deletions and rows of other partitions do not arrive.
func TestMatchingRecordsArriveOnceInOrder(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	f, _ := s.run(s.source())
	var records []events.DynamoDBEventRecord
	f.mu.Lock()
	for range 20 {
		f.answers = append(f.answers, func(batch events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
			records = append(records, batch.Records...)
			return events.DynamoDBEventResponse{}, nil
		})
	}
	f.mu.Unlock()
	s.put("ACCOUNT#1", "other", "1")
	s.put(listed, "a", "1")
	s.put(listed, "a", "2")
	s.put(listed, "b", "1")
	s.delete(listed, "a")
	s.put("EVENTS#1", "b", "1")
	s.put(listed, "last", "1")
	f.await("last")

	f.mu.Lock()
	defer f.mu.Unlock()
	var got []string
	for i, r := range records {
		got = append(got, r.EventName+" "+r.Change.NewImage["SK"].String()+"="+r.Change.NewImage["value"].String())
		if r.EventID == "" || r.Change.SequenceNumber == "" || i > 0 && r.Change.SequenceNumber == records[i-1].Change.SequenceNumber {
			t.Errorf("record %d is %q, number %q", i, r.EventID, r.Change.SequenceNumber)
		}
		if pk := r.Change.Keys["PK"].String(); pk != listed {
			t.Errorf("a record of %s got through the filter", pk)
		}
	}
	if want := []string{"INSERT a=1", "MODIFY a=2", "INSERT b=1", "INSERT last=1"}; !slices.Equal(got, want) {
		t.Errorf("records %q, want %q", got, want)
	}
}

// Open refuses a pattern with unsupported rules, which would match nothing or too much.
func TestUnsupportedFilterIsRefused(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	for _, pattern := range []string{
		`{"eventName": [{"prefix": "INS"}]}`, `{"dynamodb": {"NewImage": {"n": {"N": [{"numeric": [">", 0]}]}}}}`,
		`{"eventName": "INSERT"}`, `{"eventName": [null]}`, `not JSON`,
	} {
		source := s.source()
		source.Filter = pattern
		if err := source.Open(t.Context()); err == nil || !strings.Contains(err.Error(), pattern) {
			t.Errorf("Open(filter %s) = %v, want an error that names the filter", pattern, err)
		}
	}
	source := s.source()
	source.Table = "another"
	if err := source.Open(t.Context()); err == nil {
		t.Error("Open(missing table) = nil, want an error")
	}
}

// Changes within the window are delivered in few batches.
func TestChangesWithinTheWindowShareABatch(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	source := s.source()
	source.Window = 2 * time.Second
	f, _ := s.run(source)
	want := keys(40)
	for _, key := range want {
		s.put(listed, key, "1")
	}
	got := f.await(want[len(want)-1])
	if all := slices.Concat(got...); !slices.Equal(all, want) {
		t.Errorf("records %q, want %q", all, want)
	}
	if len(got) > len(want)/4 {
		t.Errorf("%d records came in %d batches, want few", len(want), len(got))
	}
}

// A full batch does not wait for the end of the window; the remaining records do.
func TestFullBatchSkipsTheWindow(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	source := s.source()
	source.Batch, source.Window = 4, time.Hour
	f, _ := s.run(source)
	want := keys(10)
	for _, key := range want {
		s.put(listed, key, "1")
	}
	got := f.await(want[7])
	if len(got) != 2 || !slices.Equal(got[0], want[:4]) || !slices.Equal(got[1], want[4:8]) {
		t.Errorf("batches %q, want two of four", got)
	}
}

// A failed batch is retried from its first failed record, or as a whole if the function
// returned an error. After the last retry it is dropped, and the next batch is delivered.
func TestFailedRecordsAreRetriedThenDropped(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		answers []func(events.DynamoDBEvent) (events.DynamoDBEventResponse, error)
		from    []int // first record of each call
		dropped bool
	}{
		{"some fail", []func(events.DynamoDBEvent) (events.DynamoDBEventResponse, error){failing(1), failing(0)}, []int{0, 1, 1}, false},
		{"no answer", []func(events.DynamoDBEvent) (events.DynamoDBEventResponse, error){broken}, []int{0, 0}, false},
		{"too often", []func(events.DynamoDBEvent) (events.DynamoDBEventResponse, error){broken, failing(2), broken}, []int{0, 0, 2}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStreamed(t)
			source := s.source()
			source.Batch, source.Window = 4, time.Hour
			f, log := s.run(source)
			f.mu.Lock()
			f.answers = tt.answers
			f.mu.Unlock()
			rows := keys(8)
			for _, key := range rows {
				s.put(listed, key, "1")
			}
			var want [][]string
			for _, from := range tt.from {
				want = append(want, rows[from:4])
			}
			want = append(want, rows[4:])
			got := f.await(rows[7])
			if !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("batches %q, want %q", got, want)
			}
			if dropped := strings.Contains(log.String(), "dropped after all retries"); dropped != tt.dropped {
				t.Errorf("records dropped: %t, want %t\n%s", dropped, tt.dropped, log)
			}
		})
	}
}

// A reopened source begins at the end of the stream.
func TestReopenedSourceSkipsOldRecords(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	first, _ := s.run(s.source())
	s.put(listed, "before", "1")
	first.await("before")
	second, _ := s.run(s.source())
	s.put(listed, "after", "1")
	if got := slices.Concat(second.await("after")...); !slices.Equal(got, []string{"after"}) {
		t.Errorf("records of the second source = %q, want only the later one", got)
	}
	if got := slices.Concat(first.await("after")...); !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("records of the first source = %q, want both", got)
	}
}

// If the emulator fails after every answer with records, no record is lost or delivered
// twice.
func TestEmulatorFailureLosesNoRecord(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	target, err := url.Parse(s.Endpoints().DynamoDB)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	var failing atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetRecords") {
			forward.ServeHTTP(w, r)
			return
		}
		if failing.Swap(false) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		answer := httptest.NewRecorder()
		forward.ServeHTTP(answer, r)
		failing.Store(strings.Contains(answer.Body.String(), "eventName"))
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // fails only if the client is gone
	}))
	t.Cleanup(server.Close) // registered first: it runs after the source has ended
	source := s.source()
	source.Endpoint, source.Window = server.URL, 0
	f, log := s.run(source)
	want := keys(3)
	for _, key := range want {
		s.put(listed, key, "1")
		f.await(key)
	}
	if got := slices.Concat(f.await(want[len(want)-1])...); !slices.Equal(got, want) {
		t.Errorf("records %q, want %q", got, want)
	}
	if !strings.Contains(log.String(), "read stream failed") {
		t.Errorf("no failure was logged:\n%s", log)
	}
}

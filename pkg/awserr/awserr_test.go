package awserr_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"goblins-secrets/pkg/awserr"
)

// canary is a value that AWS's messages quote.
const canary = "correct-horse-battery-staple"

func api(code string) error {
	return &smithy.GenericAPIError{Code: code, Message: "Value '" + canary + "' is not accepted"}
}

// answered wraps an error as the SDK does for an answer with this status.
func answered(status int, err error) error {
	return &smithy.OperationError{ServiceID: "KMS", OperationName: "Decrypt", Err: &awshttp.ResponseError{
		ResponseError: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err},
	}}
}

// unsent wraps an error as the SDK does for a request that got no answer.
func unsent(err error) error {
	return &smithy.OperationError{ServiceID: "KMS", OperationName: "Decrypt", Err: &smithyhttp.RequestSendError{Err: err}}
}

var (
	malformed = json.Unmarshal([]byte("!"), new(any))
	dial      = &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, Err: syscall.ECONNREFUSED}
	read      = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
)

// failures are the errors of AWS calls, and whether the same call may succeed later.
var failures = []struct {
	name     string
	err      error
	outage   bool
	redacted string // the text after the operation
}{
	{"throttled", answered(400, api("ThrottlingException")), true, "ThrottlingException"},
	{"throttled by KMS", answered(400, api("LimitExceededException")), true, "LimitExceededException"},
	{"failing", answered(500, api("InternalFailure")), true, "InternalFailure"},
	{"failing, not JSON", answered(503, malformed), true, "malformed response"},
	{"no connection", unsent(dial), true, dial.Error()},
	{"broken connection", unsent(read), true, read.Error()},
	{"too slow", unsent(context.DeadlineExceeded), true, "context deadline exceeded"},
	{"canceled", &smithy.CanceledError{Err: context.Canceled}, true, "context canceled"},

	{"not allowed", answered(400, api("AccessDeniedException")), false, "AccessDeniedException"},
	{"invalid", answered(400, api("ValidationException")), false, "ValidationException"},
	{"failed condition", answered(400, api("ConditionalCheckFailedException")), false, "ConditionalCheckFailedException"},
	{"not JSON", answered(200, fmt.Errorf("%w in %s", malformed, canary)), false, "malformed response"},
	{"of the program", errors.New(canary), false, "malformed response"},
}

// unavailable finds an outage as packages do that do not import awserr.
func unavailable(err error) bool {
	var outage interface{ Unavailable() bool }
	return errors.As(err, &outage) && outage.Unavailable()
}

func TestOutagesAreTheErrorsThatMayPass(t *testing.T) {
	for _, tt := range failures {
		for name, err := range map[string]error{
			"Translate":         awserr.Translate("Decrypt", tt.err),
			"TranslateRedacted": awserr.TranslateRedacted("Decrypt", tt.err),
		} {
			wrapped := fmt.Errorf("open value: %w", err)
			if _, outage := errors.AsType[awserr.Outage](wrapped); outage != tt.outage || unavailable(wrapped) != tt.outage {
				t.Errorf("%s(%s) is an Outage: %v, want %v", name, tt.name, outage, tt.outage)
			}
		}
	}
}

func TestTranslateWrapsTheErrorUnderItsOperation(t *testing.T) {
	for _, tt := range failures {
		err := awserr.Translate("Decrypt", tt.err)
		if !errors.Is(err, tt.err) || !strings.Contains(err.Error(), "Decrypt: "+tt.err.Error()) {
			t.Errorf("Translate(%s) = %v, want Decrypt: %v", tt.name, err, tt.err)
		}
	}
}

// No form of a redacted error, nor of an error that it wraps, has AWS's message.
func TestTranslateRedactedQuotesNothing(t *testing.T) {
	for _, tt := range failures {
		err := awserr.TranslateRedacted("Decrypt", tt.err)
		want := "Decrypt: " + tt.redacted
		if tt.outage {
			want = "AWS is unavailable: " + want
		}
		if err == nil || err.Error() != want {
			t.Errorf("TranslateRedacted(%s) = %v, want %s", tt.name, err, want)
		}
		if errors.Is(err, tt.err) {
			t.Errorf("TranslateRedacted(%s) wraps the error", tt.name)
		}
		for ; err != nil; err = errors.Unwrap(err) {
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, canary) {
				t.Errorf("TranslateRedacted(%s) = %s, which quotes the value", tt.name, text)
			}
		}
	}
}

func TestNilStaysNil(t *testing.T) {
	if err := awserr.Translate("Decrypt", nil); err != nil {
		t.Errorf("Translate(nil) = %v, want nil", err)
	}
	if err := awserr.TranslateRedacted("Decrypt", nil); err != nil {
		t.Errorf("TranslateRedacted(nil) = %v, want nil", err)
	}
}

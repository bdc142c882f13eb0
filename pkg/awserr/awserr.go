// Package awserr classifies errors of AWS calls. It is the only place that decides
// whether an error is an outage, which the same call may not meet again.
package awserr

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
)

// Outage is an error that may pass: AWS is unreachable, failing or throttling.
type Outage struct{ err error }

func (e Outage) Error() string { return "AWS is unavailable: " + e.err.Error() }
func (e Outage) Unwrap() error { return e.err }

// Unavailable marks the error as an outage. Packages that do not import this one find
// it by this method.
func (Outage) Unavailable() bool { return true }

// Translate names the operation that failed. The result is an Outage if a retry may
// succeed. A nil error stays nil.
func Translate(operation string, err error) error {
	if err == nil {
		return nil
	}
	return classify(err, fmt.Errorf("%s: %w", operation, err))
}

// TranslateRedacted is Translate for calls that carry values: AWS's messages quote what
// they refuse. The result wraps nothing and holds only the operation and the kind of
// error.
func TranslateRedacted(operation string, err error) error {
	if err == nil {
		return nil
	}
	return classify(err, errors.New(operation+": "+reason(err)))
}

// retryable recognises the errors that the SDK retries, and has retried.
var retryable = retry.IsErrorRetryables(retry.DefaultRetryables)

func classify(err, translated error) error {
	if retryable.IsErrorRetryable(err) == aws.TrueTernary ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Outage{translated}
	}
	return translated
}

func reason(err error) string {
	var api smithy.APIError
	var network *net.OpError
	switch {
	case errors.As(err, &api):
		return api.ErrorCode()
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded.Error()
	case errors.Is(err, context.Canceled):
		return context.Canceled.Error()
	case errors.As(err, &network):
		return network.Error() // addresses and the system's message
	}
	return "malformed response"
}

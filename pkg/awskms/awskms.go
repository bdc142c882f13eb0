// Package awskms makes and unwraps data keys with AWS KMS. It is the only
// importer of the KMS SDK, and knows nothing of what the keys are for.
package awskms

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// Keys is one master key in KMS.
type Keys struct {
	client *kms.Client
	arn    string
}

// New uses the master key with this ARN.
func New(client *kms.Client, masterKeyARN string) Keys {
	return Keys{client: client, arn: masterKeyARN}
}

// GenerateDataKey makes a 256-bit data key, plain and wrapped under the master
// key with facts as the encryption context. KMS: GenerateDataKey.
func (k Keys) GenerateDataKey(ctx context.Context, facts map[string]string) (plain, wrapped []byte, err error) {
	out, err := k.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: &k.arn, KeySpec: types.DataKeySpecAes256, EncryptionContext: facts,
	})
	if err != nil {
		return nil, nil, translate("generate data key", err)
	}
	return out.Plaintext, out.CiphertextBlob, nil
}

// UnwrapDataKey returns the plain data key. It names the master key, so a key
// that was wrapped under another one is refused. KMS: Decrypt.
func (k Keys) UnwrapDataKey(ctx context.Context, facts map[string]string, wrapped []byte) (plain []byte, err error) {
	out, err := k.client.Decrypt(ctx, &kms.DecryptInput{
		KeyId: &k.arn, CiphertextBlob: wrapped, EncryptionContext: facts,
	})
	if err != nil {
		return nil, translate("decrypt data key", err)
	}
	return out.Plaintext, nil
}

// Outage is an error that may pass: KMS is unreachable, failing or throttling.
type Outage struct{ err error }

func (e Outage) Error() string { return "kms is unavailable: " + e.err.Error() }
func (e Outage) Unwrap() error { return e.err }

// Unavailable marks the error as one that the same call may not meet again.
func (Outage) Unavailable() bool { return true }

// passing tells errors that the SDK itself would retry, and has.
var passing = retry.IsErrorRetryables(retry.DefaultRetryables)

func translate(doing string, err error) error {
	err = fmt.Errorf("%s: %w", doing, err)
	if passing.IsErrorRetryable(err) == aws.TrueTernary ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Outage{err}
	}
	return err
}

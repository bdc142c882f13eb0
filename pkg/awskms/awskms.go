// Package awskms generates and unwraps data keys with AWS KMS. It is the only importer
// of the KMS SDK, and does not know what the keys are for.
package awskms

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"goblins-secrets/pkg/awserr"
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

// GenerateDataKey generates a 256-bit data key, plain and wrapped under the master key
// and the encryption context. KMS: GenerateDataKey.
func (k Keys) GenerateDataKey(ctx context.Context, encryptionContext map[string]string) (plain, wrapped []byte, err error) {
	out, err := k.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: &k.arn, KeySpec: types.DataKeySpecAes256, EncryptionContext: encryptionContext,
	})
	if err != nil {
		return nil, nil, awserr.Translate("generate data key", err)
	}
	return out.Plaintext, out.CiphertextBlob, nil
}

// UnwrapDataKey returns the plain data key. It names the master key, so KMS refuses a
// data key that was wrapped under another one. KMS: Decrypt.
func (k Keys) UnwrapDataKey(ctx context.Context, encryptionContext map[string]string, wrapped []byte) (plain []byte, err error) {
	out, err := k.client.Decrypt(ctx, &kms.DecryptInput{
		KeyId: &k.arn, CiphertextBlob: wrapped, EncryptionContext: encryptionContext,
	})
	if err != nil {
		return nil, awserr.Translate("decrypt data key", err)
	}
	return out.Plaintext, nil
}

package awskms_test

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	localkms "goblins-secrets/infra/local/kms"
	"goblins-secrets/pkg/awserr"
	"goblins-secrets/pkg/awskms"
)

// service returns a local KMS that speaks the real protocol, with a key behind each alias.
func service(t *testing.T, aliases ...string) (client *kms.Client, server *httptest.Server, arns []string) {
	t.Helper()
	keys, err := localkms.Open(filepath.Join(t.TempDir(), "kms.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, alias := range aliases {
		arn, err := keys.EnsureKey(alias)
		if err != nil {
			t.Fatal(err)
		}
		arns = append(arns, arn)
	}
	server = httptest.NewServer(keys)
	t.Cleanup(server.Close)
	return kms.New(kms.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond }),
	}), server, arns
}

func isOutage(err error) bool {
	_, ok := errors.AsType[awserr.Outage](err)
	return ok
}

// KMS unwraps a data key only under the encryption context and the master key that wrapped it.
func TestDataKeyUnwrapsOnlyWhereItWasWrapped(t *testing.T) {
	client, server, arns := service(t, "alias/master", "alias/other")
	keys, encryptionContext := awskms.New(client, arns[0]), map[string]string{"account": "a", "version": "1"}
	plain, wrapped, err := keys.GenerateDataKey(t.Context(), encryptionContext)
	if err != nil || len(plain) != 32 || bytes.Contains(wrapped, plain) {
		t.Fatalf("GenerateDataKey = %d and %d bytes, %v, want 32 and the key wrapped", len(plain), len(wrapped), err)
	}
	again, err := keys.UnwrapDataKey(t.Context(), encryptionContext, wrapped)
	if err != nil || !bytes.Equal(again, plain) {
		t.Errorf("UnwrapDataKey = another key, %v, want the same", err)
	}
	tampered := bytes.Clone(wrapped)
	tampered[len(tampered)-1] ^= 1
	for name, unwrap := range map[string]func() ([]byte, error){
		"another context": func() ([]byte, error) {
			return keys.UnwrapDataKey(t.Context(), map[string]string{"account": "b", "version": "1"}, wrapped)
		},
		"tampered": func() ([]byte, error) { return keys.UnwrapDataKey(t.Context(), encryptionContext, tampered) },
		"another master key": func() ([]byte, error) {
			return awskms.New(client, arns[1]).UnwrapDataKey(t.Context(), encryptionContext, wrapped)
		},
	} {
		// A retry cannot succeed, so these are not outages.
		if got, err := unwrap(); err == nil || got != nil || isOutage(err) {
			t.Errorf("UnwrapDataKey(%s) = %d bytes, %v, want an error that is not an Outage", name, len(got), err)
		}
	}
	server.Close()
	if _, _, err := keys.GenerateDataKey(t.Context(), encryptionContext); !isOutage(err) {
		t.Errorf("GenerateDataKey without KMS = %v, want an Outage", err)
	}
	if _, err := keys.UnwrapDataKey(t.Context(), encryptionContext, wrapped); !isOutage(err) {
		t.Errorf("UnwrapDataKey without KMS = %v, want an Outage", err)
	}
}

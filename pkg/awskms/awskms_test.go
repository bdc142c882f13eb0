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
	"goblins-secrets/pkg/awskms"
)

// service is a KMS that speaks its real protocol, with a key behind each alias.
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

// passing tells an error that may pass, as package httpapi does.
func passing(err error) bool {
	var outage interface{ Unavailable() bool }
	return errors.As(err, &outage) && outage.Unavailable()
}

func TestKeys(t *testing.T) {
	client, server, arns := service(t, "alias/ours", "alias/theirs")
	keys, facts := awskms.New(client, arns[0]), map[string]string{"account": "a", "version": "1"}
	plain, wrapped, err := keys.GenerateDataKey(t.Context(), facts)
	if err != nil || len(plain) != 32 || bytes.Contains(wrapped, plain) {
		t.Fatalf("GenerateDataKey = %d and %d bytes, %v, want 32 and it wrapped", len(plain), len(wrapped), err)
	}
	again, err := keys.UnwrapDataKey(t.Context(), facts, wrapped)
	if err != nil || !bytes.Equal(again, plain) {
		t.Errorf("UnwrapDataKey = another key, %v, want the same", err)
	}
	tampered := bytes.Clone(wrapped)
	tampered[len(tampered)-1] ^= 1
	for name, unwrap := range map[string]func() ([]byte, error){
		"under other facts": func() ([]byte, error) {
			return keys.UnwrapDataKey(t.Context(), map[string]string{"account": "b", "version": "1"}, wrapped)
		},
		"tampered": func() ([]byte, error) { return keys.UnwrapDataKey(t.Context(), facts, tampered) },
		"naming another master key": func() ([]byte, error) {
			return awskms.New(client, arns[1]).UnwrapDataKey(t.Context(), facts, wrapped)
		},
	} {
		// None of these passes by itself: they are no outages.
		if got, err := unwrap(); err == nil || got != nil || passing(err) {
			t.Errorf("UnwrapDataKey %s = %d bytes, %v, want a lasting error", name, len(got), err)
		}
	}
	server.Close()
	if _, _, err := keys.GenerateDataKey(t.Context(), facts); !passing(err) {
		t.Errorf("GenerateDataKey without KMS: %v, want an outage", err)
	}
	if _, err := keys.UnwrapDataKey(t.Context(), facts, wrapped); !passing(err) {
		t.Errorf("UnwrapDataKey without KMS: %v, want an outage", err)
	}
}

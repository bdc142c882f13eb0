package deploy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"goblins-secrets/infra/sam/ministack"
)

// cloud is the emulator that the stack is deployed to. Plain signed requests call the
// services that have no SDK module in go.mod.
type cloud struct{ *ministack.Ministack }

var root = aws.Credentials{AccessKeyID: ministack.AccessKey, SecretAccessKey: ministack.SecretKey}

func rootCredentials(context.Context) (aws.Credentials, error) { return root, nil }

func (c cloud) dynamodb() *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: ministack.Region, BaseEndpoint: &c.URL, Credentials: aws.CredentialsProviderFunc(rootCredentials),
	})
}

func (c cloud) kms() *kms.Client {
	return kms.New(kms.Options{Region: ministack.Region, BaseEndpoint: &c.URL, Credentials: aws.CredentialsProviderFunc(rootCredentials)})
}

// rest calls an API that speaks JSON over HTTP, such as Lambda's and API Gateway's. It
// decodes the answer into out, unless out is nil.
func (c cloud) rest(t *testing.T, service, method, path string, in, out any) {
	t.Helper()
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := c.try(t, service, method, path, http.Header{"Content-Type": {"application/json"}}, body)
	if err != nil {
		t.Fatal(err)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(answer, out); err != nil {
		t.Fatalf("%s %s %s = %s: %v", service, method, path, answer, err)
	}
}

var form = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}

// query calls an API that speaks forms and XML: CloudFormation's or IAM's.
func (c cloud) query(t *testing.T, service, action string, parameters map[string]string, out any) {
	t.Helper()
	values := url.Values{"Action": {action}, "Version": {map[string]string{"cloudformation": "2010-05-15", "iam": "2010-05-08"}[service]}}
	for name, value := range parameters {
		values.Set(name, value)
	}
	answer, err := c.try(t, service, http.MethodPost, "/", form, []byte(values.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if out == nil {
		return
	}
	if err := xml.Unmarshal(answer, out); err != nil {
		t.Fatalf("%s %s = %s: %v", service, action, answer, err)
	}
}

// try sends a signed request. A status other than 2xx is an error.
func (c cloud) try(t *testing.T, service, method, path string, header http.Header, body []byte) ([]byte, error) {
	t.Helper()
	return c.as(t, root, service, method, path, header, body)
}

// as is try with other credentials.
func (c cloud) as(t *testing.T, who aws.Credentials, service, method, path string, header http.Header, body []byte) ([]byte, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header = header.Clone()
	hash := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(t.Context(), who, request, hex.EncodeToString(hash[:]), service, ministack.Region, time.Now())
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s %s %.200s = %s %.1000s", service, method, path, body, response.Status, answer)
	}
	return answer, nil
}

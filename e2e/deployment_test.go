package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/uuid"

	"goblins-secrets/pkg/gateway"
)

// deploymentVariable names an environment variable with a deployment. If it is set, every
// scenario runs against that deployment only.
const deploymentVariable = "E2E_TARGET"

// deployment is a running deployment of the product, as JSON:
//
//	{
//	  "name": "ministack",
//	  "url": "http://127.0.0.1:4566/restapis/a1b2c3/prod/_user_request_",
//	  "public": "https://a1b2c3.execute-api.us-east-1.amazonaws.com/prod",
//	  "settings": {"READ_LIMIT": "100", "READ_WINDOW_SECONDS": "3600"},
//	  "concurrency": 10,
//	  "create_account": {"endpoint": "http://127.0.0.1:4566", "function": "goblins-secrets-CreateAccount-X1"},
//	  "table": {"endpoint": "http://127.0.0.1:4566", "name": "goblins-secrets-Table-X2"}
//	}
//
// The tests create accounts by invoking the function through Lambda's API, which AWS,
// ministack and `sam local start-lambda` have. Only TestLongListsPageInBothDirections uses
// the table: it writes its rows directly, 10,000 of them unless "rows" gives another
// number. Table may be missing if that test does not run. Concurrency may be missing if the
// deployment accepts any number of requests at once. Credentials come from
// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, the region from
// AWS_REGION or AWS_DEFAULT_REGION.
//
// A scenario never skips itself. It fails if the deployment lacks something that it needs,
// such as other settings. The runner of the tests selects scenarios with -run and -skip,
// and gives the reasons.
type deployment struct {
	Name          string      `json:"name"`
	URL           string      `json:"url"`         // where requests go; no slash at the end
	Public        string      `json:"public"`      // the prefix of links: url as the gateway sees it
	Settings      settings    `json:"settings"`    // the functions' values of the settings that scenarios may change
	Concurrency   int         `json:"concurrency"` // maximum of concurrent requests: a new AWS account runs ten functions
	CreateAccount lambdaPlace `json:"create_account"`
	Table         *tablePlace `json:"table"`

	turns chan struct{} // a semaphore of Concurrency requests, which all scenarios share
}

type lambdaPlace struct {
	Endpoint string `json:"endpoint"`
	Function string `json:"function"`
}

type tablePlace struct {
	Endpoint string `json:"endpoint"`
	Name     string `json:"name"`
	Rows     int    `json:"rows"`
}

// documented are the default settings of a scenario.
var documented = settings{"READ_LIMIT": "100", "READ_WINDOW_SECONDS": "3600"}

// deployed returns the deployment that the environment describes, or nil.
var deployed = sync.OnceValues(func() (*deployment, error) {
	text := os.Getenv(deploymentVariable)
	if text == "" {
		return nil, nil
	}
	d := &deployment{}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(d); err != nil {
		return nil, fmt.Errorf("%s: %w", deploymentVariable, err)
	}
	for name, value := range map[string]string{
		"name": d.Name, "url": d.URL, "public": d.Public, "create_account.endpoint": d.CreateAccount.Endpoint, "create_account.function": d.CreateAccount.Function,
	} {
		if value == "" {
			return nil, fmt.Errorf("%s has no %s", deploymentVariable, name)
		}
	}
	if d.Concurrency > 0 {
		d.turns = make(chan struct{}, d.Concurrency)
	}
	return d, nil
})

// parts returns the deployment as the only target of a scenario with these settings.
func (d *deployment) parts(t *testing.T, override settings) parts {
	t.Helper()
	want := maps.Clone(documented)
	maps.Copy(want, override)
	if !maps.Equal(want, d.Settings) {
		t.Fatalf("settings of %s = %v, want %v: skip this test or deploy with them", d.Name, d.Settings, want)
	}
	p := parts{target: &target{url: d.URL, public: d.Public, account: d.account, apigw: true, turns: d.turns}}
	if d.Table != nil {
		p.tableName, p.rows = d.Table.Name, cmp.Or(d.Table.Rows, longList)
		p.table = dynamodb.New(dynamodb.Options{
			Region: region(), BaseEndpoint: &d.Table.Endpoint, Retryer: aws.NopRetryer{},
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return credentials(), nil }),
		})
	}
	return p
}

// account creates an account as an operator does, by invoking create-account.
func (d *deployment) account(t *testing.T) account {
	t.Helper()
	event, err := json.Marshal(gateway.CreateAccountRequest{Name: uuid.NewString()})
	if err != nil {
		t.Fatal(err)
	}
	created, err := invoke[gateway.CreateAccountResponse](t.Context(), d.CreateAccount, event)
	if err != nil {
		t.Fatalf("create an account: %v", err)
	}
	return account{id: created.AccountID, key: created.APIKey, user: created.UserID}
}

// invoke sends a signed invocation through Lambda's API and decodes the answer.
func invoke[Answer any](ctx context.Context, at lambdaPlace, event []byte) (answer Answer, err error) {
	url := at.Endpoint + "/2015-03-31/functions/" + at.Function + "/invocations"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(event))
	if err != nil {
		return answer, err
	}
	hash := sha256.Sum256(event)
	if err := v4.NewSigner().SignHTTP(ctx, credentials(), request, hex.EncodeToString(hash[:]), "lambda", region(), time.Now()); err != nil {
		return answer, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer, err
	}
	if failed := response.Header.Get("X-Amz-Function-Error"); response.StatusCode != http.StatusOK || failed != "" {
		return answer, fmt.Errorf("invoke %s: %s %s %s", at.Function, response.Status, failed, short(string(body)))
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return answer, fmt.Errorf("invoke %s: %w: %s", at.Function, err, short(string(body)))
	}
	return answer, nil
}

func credentials() aws.Credentials {
	return aws.Credentials{
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
	}
}

func region() string {
	return cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
}

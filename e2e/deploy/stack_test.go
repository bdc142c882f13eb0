package deploy

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// stackName is the one in samconfig.toml.
const stackName = "goblins-secrets"

// stack is a deployed stack, as CloudFormation describes it.
type stack struct {
	status              string
	parameters, outputs map[string]string
	resources           map[string]resource // by logical id
}

type resource struct {
	Type     string `xml:"ResourceType"`
	Logical  string `xml:"LogicalResourceId"`
	Physical string `xml:"PhysicalResourceId"`
}

func (c cloud) stack(t *testing.T) stack {
	t.Helper()
	name := map[string]string{"StackName": stackName}
	var described struct {
		Status     string `xml:"DescribeStacksResult>Stacks>member>StackStatus"`
		Parameters []struct {
			Name  string `xml:"ParameterKey"`
			Value string `xml:"ParameterValue"`
		} `xml:"DescribeStacksResult>Stacks>member>Parameters>member"`
		Outputs []struct {
			Name  string `xml:"OutputKey"`
			Value string `xml:"OutputValue"`
		} `xml:"DescribeStacksResult>Stacks>member>Outputs>member"`
	}
	c.query(t, "cloudformation", "DescribeStacks", name, &described)
	var listed struct {
		Resources []resource `xml:"DescribeStackResourcesResult>StackResources>member"`
	}
	c.query(t, "cloudformation", "DescribeStackResources", name, &listed)
	s := stack{status: described.Status, parameters: map[string]string{}, outputs: map[string]string{}, resources: map[string]resource{}}
	for _, p := range described.Parameters {
		s.parameters[p.Name] = p.Value
	}
	for _, o := range described.Outputs {
		s.outputs[o.Name] = o.Value
	}
	for _, r := range listed.Resources {
		s.resources[r.Logical] = r
	}
	return s
}

// await waits until CloudFormation has finished. The stack must then have the wanted status.
func (c cloud) await(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		status := c.stack(t).status
		if status == want {
			return
		}
		if !strings.HasSuffix(status, "_IN_PROGRESS") || time.Now().After(deadline) {
			t.Fatalf("the stack is %s, want %s", status, want)
		}
	}
}

// awaitGone waits until the stack does not exist.
func (c cloud) awaitGone(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		_, err := c.try(t, "cloudformation", http.MethodPost, "/", form, []byte("Action=DescribeStacks&Version=2010-05-15&StackName="+stackName))
		if err != nil && strings.Contains(err.Error(), "does not exist") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the stack is still there: %v", err)
		}
	}
}

// template returns the deployed template: Original, or Processed, with SAM's resources
// expanded.
func (c cloud) template(t *testing.T, stage string) string {
	t.Helper()
	var answer struct {
		Body string `xml:"GetTemplateResult>TemplateBody"`
	}
	c.query(t, "cloudformation", "GetTemplate", map[string]string{"StackName": stackName, "TemplateStage": stage}, &answer)
	return answer.Body
}

// change is a change set's action on a resource. Replacement is True, False or Conditional,
// and empty for an added or removed resource.
type change struct {
	Action      string `xml:"ResourceChange>Action"`
	Logical     string `xml:"ResourceChange>LogicalResourceId"`
	Type        string `xml:"ResourceChange>ResourceType"`
	Replacement string `xml:"ResourceChange>Replacement"`
}

func (c cloud) changes(t *testing.T, changeSet string) []change {
	t.Helper()
	var described struct {
		Changes []change `xml:"DescribeChangeSetResult>Changes>member"`
	}
	c.query(t, "cloudformation", "DescribeChangeSet", map[string]string{"ChangeSetName": changeSet}, &described)
	return described.Changes
}

// functions returns the logical ids of the stack's functions, sorted.
func (s stack) functions() []string {
	var found []string
	for name, r := range s.resources {
		if r.Type == "AWS::Lambda::Function" {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// live returns the versions that the functions' aliases live point to, by logical id.
func (c cloud) live(t *testing.T) map[string]string {
	t.Helper()
	s := c.stack(t)
	versions := map[string]string{}
	for _, name := range s.functions() {
		var alias struct{ FunctionVersion string }
		c.rest(t, "lambda", http.MethodGet, "/2015-03-31/functions/"+s.resources[name].Physical+"/aliases/live", nil, &alias)
		versions[name] = alias.FunctionVersion
	}
	return versions
}

func (c cloud) newestVersion(t *testing.T, function string) string {
	t.Helper()
	var listed struct{ Versions []struct{ Version string } }
	c.rest(t, "lambda", http.MethodGet, "/2015-03-31/functions/"+function+"/versions", nil, &listed)
	newest := 0
	for _, v := range listed.Versions {
		if n, err := strconv.Atoi(v.Version); err == nil { // not $LATEST
			newest = max(newest, n)
		}
	}
	return fmt.Sprint(newest)
}

// rows returns the sort keys of the rows in a partition of the table.
func (c cloud) rows(t *testing.T, table, partition string) (keys []string) {
	t.Helper()
	condition := "PK = :pk"
	out, err := c.dynamodb().Query(t.Context(), &dynamodb.QueryInput{
		TableName: &table, KeyConditionExpression: &condition,
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: partition}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range out.Items {
		keys = append(keys, row["SK"].(*types.AttributeValueMemberS).Value)
	}
	return keys
}

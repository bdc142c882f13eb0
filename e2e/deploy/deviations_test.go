package deploy

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"goblins-secrets/infra/sam/ministack"
)

// deviations lists the relevant differences between ministack 1.5.33 and AWS, with the
// replacement for each and the end-to-end tests that are skipped for it.
var deviations = []struct{ what, instead, skip string }{
	{what: "it ignores x-amazon-apigateway-gateway-responses in the API's definition", instead: "completeAPI sets them by API"},
	{what: "it ignores x-amazon-apigateway-any-method", instead: "completeAPI sets the methods by API"},
	{what: "it keeps BinaryMediaTypes in CloudFormation's spelling, *~1*", instead: "completeAPI sets */* by API"},
	{what: "it passes functions no domain, so that links use the Host header", instead: "the suite gets the prefix of links as a setting"},
	{
		what:    "it decodes a slash in a path before it splits the path",
		instead: "e2e tests it on the local gateway; AWS's behaviour is not known here",
		skip:    "TestEncodedSlashIsPartOfTheID",
	},
	{
		what:    "it drops empty parts of a path",
		instead: "e2e tests it on the local gateway; AWS's behaviour is not known here",
		skip:    "TestEmptySegmentsFindNothing",
	},
	{
		what:    "SAM does not recognise its S3 addresses, so that sam delete fails on the nested templates in SAM's bucket",
		instead: "the test deletes the stack through CloudFormation, as sam delete does once it has emptied the bucket",
	},
	{
		what:    "a new stack of the same name gives its table the old one's name, and so adopts it",
		instead: "the new stack takes over the restored table",
	},
	{
		what:    "it is one slow process: parallel calls of many functions exceed the tests' timeouts",
		instead: "the suite sends a few requests at once",
	},
	{
		what:    "the hundreds of requests of rules that no deployment changes take it a minute",
		instead: "e2e sends them to the local gateway",
		skip: "TestServiceFieldsAreChecked|TestFieldsOfPeopleAreChecked|TestNoOneGivesWhatTheyLack|TestUsersHaveTwentyKeys|" +
			"TestListsOfPeopleHavePages|TestFiltersOfEventsAreChecked|TestFaultsOfABatchHaveTheirPlace|TestBinHasPages|" +
			"TestForeignVersionsLookMissing|TestMalformedIDsAreNotFound|TestEachPermissionAllowsItsRoutesOnly|" +
			"TestUsedSecretsFitABundle|TestInvalidBodiesAreRefused|TestCursorsOnlyLeadToTheCallersObjects|" +
			"TestSecretOfAServiceMustExist|TestNamesAreTrimmedAndChecked|TestKeysAreTrimmedAndChecked|" +
			"TestServicePagesCoverTheListInBothDirections|TestInvalidValuesAreRefused",
	},
	{what: "it drops an empty header, and joins repeated ones", instead: "e2e tests it on the local gateway", skip: "TestTokensHaveALength"},
	{what: "its DynamoDB reads a whole partition for each query", instead: "the suite's long list is shorter than elsewhere"},
	{what: "IAM: conditions on dynamodb:LeadingKeys allow all", instead: "policies_test.go compares the policies with all calls"},
	{
		what:    "IAM: it does not check actions on logs, on X-Ray, on the stream and on its queue",
		instead: "template_test.go reads the policies",
	},
	{
		what:    "of an event source mapping it supports stream, filters and batch size: no window, no failed records, no retry, and so no queue",
		instead: "redeploy-secrets requeues failures; template_test.go reads the mapping, and infra/local/stream implements it",
	},
	{what: "its CreateSecret draws the id of the first version itself", instead: "package ministack fixes that"},
	{what: "IAM: aws:PrincipalArn of a role's session is the session's ARN", instead: "package ministack makes it the role's, as AWS documents"},
	{
		what:    "its Secrets Manager has no quota of versions, no limit of size, no delay, and uses no key",
		instead: "pkg/awssm is tested on a strict one; BundleKeyArn is read as text",
	},
	{
		what:    "it ignores the table's ResourcePolicy, TTL and point-in-time recovery, and tracing and memory",
		instead: "template_test.go reads them",
	},
	{
		what:    "its DynamoDB and its KMS accept requests that the real ones refuse",
		instead: "pkg/dynamo is tested on two emulators, pkg/awskms on a strict one",
	},
}

// skipped matches the tests of the suite that do not run against a deployment with the
// template's own settings.
func skipped() string {
	names := []string{
		"TestBudgetChargesRevealsOnly", "TestRevealSucceedsAfterTheWait", "TestBundlesAreThrottled", // need other settings: the first two run after the updates
	}
	for _, d := range deviations {
		if d.skip != "" {
			names = append(names, d.skip)
		}
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

// definition is the part of the API's OpenAPI document that ministack does not read.
type definition struct {
	BinaryMediaTypes []string       `json:"x-amazon-apigateway-binary-media-types"`
	GatewayResponses map[string]any `json:"x-amazon-apigateway-gateway-responses"`
	Paths            map[string]struct {
		Any *struct {
			Integration struct {
				Type   string `json:"type"`
				Method string `json:"httpMethod"`
				URI    struct {
					Sub string `json:"Fn::Sub"`
				} `json:"uri"`
			} `json:"x-amazon-apigateway-integration"`
			Security []map[string]any `json:"security"`
		} `json:"x-amazon-apigateway-any-method"`
	} `json:"paths"`
}

// completeAPI sets those parts of the API's definition that ministack ignores. It reads them
// from the definition that CloudFormation got, so the tests see only the template's values.
// AWS reads the whole definition and needs no such step.
func (c cloud) completeAPI(t *testing.T) {
	t.Helper()
	s := c.stack(t)
	var template struct {
		Resources struct {
			API struct {
				Properties struct{ Body definition }
			} `json:"Api"`
		}
	}
	if err := json.Unmarshal([]byte(c.template(t, "Processed")), &template); err != nil {
		t.Fatalf("the processed template: %v", err)
	}
	api, body := "/restapis/"+s.outputs["ApiId"], template.Resources.API.Properties.Body

	for kind, response := range body.GatewayResponses {
		c.rest(t, "apigateway", http.MethodPut, api+"/gatewayresponses/"+kind, response, nil)
	}
	c.rest(t, "apigateway", http.MethodPatch, api, map[string]any{"patchOperations": []any{
		map[string]any{"op": "replace", "path": "/binaryMediaTypes", "value": body.BinaryMediaTypes},
	}}, nil)

	var authorizers struct {
		Items []struct{ ID, Name string } `json:"item"`
	}
	c.rest(t, "apigateway", http.MethodGet, api+"/authorizers", nil, &authorizers)
	var tree struct {
		Items []struct {
			ID, Path string
			Methods  map[string]any `json:"resourceMethods"`
		} `json:"item"`
	}
	c.rest(t, "apigateway", http.MethodGet, api+"/resources?limit=500", nil, &tree)
	for _, node := range tree.Items {
		operation := body.Paths[node.Path].Any
		if operation == nil || node.Methods["ANY"] != nil {
			continue
		}
		method := map[string]string{"authorizationType": "NONE"}
		for _, a := range authorizers.Items {
			if len(operation.Security) == 1 && operation.Security[0][a.Name] != nil {
				method = map[string]string{"authorizationType": "CUSTOM", "authorizerId": a.ID}
			}
		}
		at := api + "/resources/" + node.ID + "/methods/ANY"
		c.rest(t, "apigateway", http.MethodPut, at, method, nil)
		c.rest(t, "apigateway", http.MethodPut, at+"/integration", map[string]string{
			"type": strings.ToUpper(operation.Integration.Type), "httpMethod": operation.Integration.Method,
			"uri": s.substitute(t, operation.Integration.URI.Sub),
		}, nil)
	}
	// The changes take effect with a deployment.
	c.rest(t, "apigateway", http.MethodPost, api+"/deployments", map[string]string{"stageName": s.parameters["StageName"]}, nil)
}

var reference = regexp.MustCompile(`\$\{[^}]+\}`)

// substitute fills a Fn::Sub that refers to the region and to resources.
func (s stack) substitute(t *testing.T, text string) string {
	t.Helper()
	return reference.ReplaceAllStringFunc(text, func(r string) string {
		name := strings.Trim(r, "${}")
		switch name {
		case "AWS::Region":
			return ministack.Region
		case "AWS::Partition":
			return "aws"
		}
		resource, known := s.resources[name]
		if !known {
			t.Fatalf("%s: the stack has no resource %s", text, name)
		}
		return resource.Physical
	})
}

package goblins_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/local/template"
)

// The tests in this file check the repository's own template. They use package template for the
// parts that it returns, and the plain document for the rest: policies, logs, the master key.

// repositoryFile returns the path of a file at the repository's root.
func repositoryFile(t *testing.T, name string) string {
	t.Helper()
	path, err := checkout.Path(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// readRepository reads the repository's template with the parameters in set.
func readRepository(t *testing.T, set map[string]string) *template.Template {
	t.Helper()
	tmpl, err := template.Read(repositoryFile(t, "template.yaml"), set)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func document(t *testing.T) value {
	t.Helper()
	return read(t, "template.yaml")
}

// only returns the properties of the one resource of a type.
func only(t *testing.T, doc value, kind string) value {
	t.Helper()
	found := resources(doc, kind)
	if len(found) != 1 {
		t.Fatalf("the template has %d of %s, want 1", len(found), kind)
	}
	for _, r := range found {
		return at(r, "Properties")
	}
	panic("unreachable")
}

func TestAPIHasOneRegionalStage(t *testing.T) {
	doc := document(t)
	check(t, doc, "3.0.1", "Globals", "Api", "OpenApiVersion") // else SAM deploys a second stage
	api := only(t, doc, "AWS::Serverless::Api")
	check(t, api, "!Ref StageName", "StageName")
	check(t, api, "REGIONAL", "EndpointConfiguration", "Type")
	check(t, api, "false", "Auth", "AddDefaultAuthorizerToCorsPreflight")
	check(t, api, "1024", "MinimumCompressionSize")
	for _, v := range []value{at(doc, "Globals", "Api"), api} {
		for _, unwanted := range []string{"Cors", "DefinitionUri"} {
			if at(v, unwanted) != nil {
				t.Errorf("the API has %s, which adds routes without events", unwanted)
			}
		}
	}
}

func TestDataTraceIsOff(t *testing.T) {
	settings := list(at(only(t, document(t), "AWS::Serverless::Api"), "MethodSettings"))
	every := false
	for _, s := range settings {
		check(t, s, "false", "DataTraceEnabled")
		every = every || at(s, "ResourcePath") == "/*" && at(s, "HttpMethod") == "*"
	}
	if !every {
		t.Error("no method setting covers every method")
	}
}

// Routes that write, and those without a key, have rates of their own. All others share the stage's.
func TestWritesAndTheConsoleHaveTheirOwnRates(t *testing.T) {
	got := map[string]string{}
	for _, s := range list(at(document(t), "Resources", "Api", "Properties", "MethodSettings")) {
		path := strings.ReplaceAll(strings.TrimPrefix(text(at(s, "ResourcePath")), "/~1"), "~1", "/")
		got[text(at(s, "HttpMethod"))+" /"+strings.TrimPrefix(path, "/")] = text(at(s, "ThrottlingRateLimit"))
	}
	want := map[string]string{"* /*": "!Ref ThrottleRate"}
	for _, r := range functions.Routes(table(t)) {
		switch {
		case r.Open:
			want[r.Method+" "+r.Path] = "!Ref ConsoleRate"
		case r.Method != "GET" && r.Method != "ANY":
			want[r.Method+" "+r.Path] = "!Ref WriteRate"
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 10 {
		t.Errorf("rates (-want +got):\n%s", diff)
	}
}

func TestGatewayResponsesHaveTheShapeOfTheAPI(t *testing.T) {
	response := func(status int, detail string, headers ...string) template.GatewayResponse {
		all := map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Strict-Transport-Security": "max-age=31536000",
		}
		for i := 0; i < len(headers); i += 2 {
			all[headers[i]] = headers[i+1]
		}
		return template.GatewayResponse{Status: status, Headers: all, Body: `{"detail":"` + detail + "\"}\n"}
	}
	unauthorized := response(401, "Invalid or missing API key.", "WWW-Authenticate", "Bearer")
	denied := response(403, "You do not have permission to perform this action.")
	notFound := response(404, "Not found.")
	badRequest := response(400, "Bad request.")
	want := map[string]template.GatewayResponse{
		"ACCESS_DENIED":                  denied,
		"API_CONFIGURATION_ERROR":        response(500, "A server error occurred."),
		"AUTHORIZER_CONFIGURATION_ERROR": response(500, "A server error occurred."),
		"AUTHORIZER_FAILURE":             response(500, "A server error occurred."),
		"BAD_REQUEST_BODY":               badRequest,
		"BAD_REQUEST_PARAMETERS":         badRequest,
		"DEFAULT_4XX":                    response(0, "The request could not be processed."), // a status here would override all others
		"DEFAULT_5XX":                    response(0, "A server error occurred."),
		"EXPIRED_TOKEN":                  unauthorized,
		"INTEGRATION_FAILURE":            response(504, "A server error occurred."),
		"INTEGRATION_TIMEOUT":            response(504, "A server error occurred."),
		"INVALID_API_KEY":                unauthorized,
		"INVALID_SIGNATURE":              unauthorized,
		"MISSING_AUTHENTICATION_TOKEN":   notFound,
		"QUOTA_EXCEEDED":                 response(429, "Request was throttled."),
		"REQUEST_TOO_LARGE":              response(413, "Request body too large."),
		"RESOURCE_NOT_FOUND":             notFound,
		"THROTTLED":                      response(429, "Request was throttled.", "Retry-After", "1"),
		"UNAUTHORIZED":                   unauthorized,
		"UNSUPPORTED_MEDIA_TYPE":         response(415, "Unsupported media type in request."),
		"WAF_FILTERED":                   denied,
	}
	got := readRepository(t, nil).GatewayResponses
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("gateway responses (-want +got):\n%s", diff)
	}
	for kind, r := range got {
		var body map[string]string
		if err := json.Unmarshal([]byte(r.Body), &body); err != nil || len(body) != 1 || body["detail"] == "" {
			t.Errorf("%s: body %s (%v), want an object with a detail and nothing else", kind, r.Body, err)
		}
	}
}

// API Gateway's error messages can contain the key that a caller sent.
func TestTemplateUsesNoErrorMessage(t *testing.T) {
	raw, err := os.ReadFile(repositoryFile(t, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// The response type is safe: it is one of a fixed list.
	if strings.Contains(strings.ReplaceAll(string(raw), "$context.error.responseType", ""), "$context.error") {
		t.Error("the template uses a message of $context.error")
	}
}

// routes returns the API's routes: those of events, and those of its definition.
func routes(t *testing.T, doc value) []functions.Route {
	t.Helper()
	var found []functions.Route
	for name, f := range resources(doc, "AWS::Serverless::Function") {
		events, _ := at(f, "Properties", "Events").(map[string]value)
		for _, e := range events {
			if at(e, "Type") != "Api" {
				continue
			}
			properties := at(e, "Properties")
			check(t, properties, "!Ref Api", "RestApiId") // SAM would make a second API for another
			method, _ := at(properties, "Method").(string)
			path, _ := at(properties, "Path").(string)
			found = append(found, functions.Route{
				Method: method, Path: path, Function: name, Open: at(properties, "Auth", "Authorizer") == "NONE",
			})
		}
	}
	paths, _ := at(only(t, doc, "AWS::Serverless::Api"), "DefinitionBody", "paths").(map[string]value)
	for path, operations := range paths {
		for method, operation := range operations.(map[string]value) {
			if method != "x-amazon-apigateway-any-method" {
				t.Errorf("the definition has %s %s: want an event", method, path)
			}
			integration := at(operation, "x-amazon-apigateway-integration")
			check(t, integration, "aws_proxy", "type")
			uri, _ := at(integration, "uri").(string)
			function := regexp.MustCompile(`/functions/\$\{(\w+)Aliaslive\}/invocations$`).FindStringSubmatch(uri)
			if function == nil {
				t.Fatalf("ANY %s leads to %s, want the alias of a function", path, uri)
			}
			found = append(found, functions.Route{Method: "ANY", Path: path, Function: function[1]})
		}
	}
	return found
}

func TestEveryRouteLeadsToItsFunction(t *testing.T) {
	const (
		secrets  = "/api/secrets"
		secret   = secrets + "/{secret_id}"
		items    = secret + "/items"
		item     = items + "/{item_id}"
		services = "/api/services"
		service  = services + "/{service_id}"
		users    = "/api/users"
		user     = users + "/{user_id}"
		keys     = "/api/keys"
		key      = keys + "/{key_id}"
		me       = "/api/me"
		console  = "/console"
		openapi  = "/api/openapi.json"
		docs     = "/docs"
	)
	want := []functions.Route{
		{Method: "GET", Path: secrets, Function: "ListSecrets"},
		{Method: "POST", Path: secrets, Function: "CreateSecret"},
		{Method: "GET", Path: secret, Function: "GetSecret"},
		{Method: "PATCH", Path: secret, Function: "UpdateSecret"},
		{Method: "DELETE", Path: secret, Function: "DeleteSecret"},
		{Method: "POST", Path: secret + "/restore", Function: "RestoreSecret"},
		{Method: "GET", Path: items, Function: "ListItems"},
		{Method: "POST", Path: items, Function: "CreateItem"},
		{Method: "GET", Path: item, Function: "GetItem"},
		{Method: "PATCH", Path: item, Function: "UpdateItem"},
		{Method: "DELETE", Path: item, Function: "DeleteItem"},
		{Method: "POST", Path: item + "/restore", Function: "RestoreItem"},
		{Method: "GET", Path: item + "/versions", Function: "ListVersions"},
		{Method: "GET", Path: item + "/versions/{version}", Function: "GetItem"}, // so that no other role may decrypt
		{Method: "DELETE", Path: item + "/versions/{version}", Function: "DeleteVersion"},
		{Method: "POST", Path: item + "/rollback", Function: "RollbackItem"},
		{Method: "POST", Path: items + "/batch", Function: "BatchItems"},
		{Method: "GET", Path: secret + "/bundle", Function: "GetBundle"},
		{Method: "GET", Path: secrets + "/compare", Function: "GetBundle"}, // so that no other role may decrypt
		{Method: "GET", Path: services, Function: "ListServices"},
		{Method: "POST", Path: services, Function: "CreateService"},
		{Method: "GET", Path: service, Function: "GetService"},
		{Method: "PATCH", Path: service, Function: "UpdateService"},
		{Method: "DELETE", Path: service, Function: "DeleteService"},
		{Method: "GET", Path: "/api/budget", Function: "GetBudget"},
		{Method: "GET", Path: me, Function: "GetMe"},
		{Method: "GET", Path: users, Function: "ListUsers"},
		{Method: "POST", Path: users, Function: "CreateUser"},
		{Method: "GET", Path: user, Function: "GetUser"},
		{Method: "PATCH", Path: user, Function: "UpdateUser"},
		{Method: "DELETE", Path: user, Function: "DeleteUser"},
		{Method: "GET", Path: keys, Function: "ListKeys"},
		{Method: "POST", Path: keys, Function: "CreateKey"},
		{Method: "GET", Path: key, Function: "GetKey"},
		{Method: "PATCH", Path: key, Function: "UpdateKey"},
		{Method: "DELETE", Path: key, Function: "DeleteKey"},
		{Method: "GET", Path: "/api/events", Function: "ListEvents"},
		{Method: "GET", Path: secret + "/events", Function: "ListSecretEvents"},
		{Method: "GET", Path: item + "/events", Function: "ListItemEvents"},
		{Method: "GET", Path: "/api/review", Function: "GetReview"},
		// The console and the API's description are the only routes without a key.
		{Method: "GET", Path: "/", Function: "Console", Open: true},
		{Method: "GET", Path: console, Function: "Console", Open: true},
		{Method: "GET", Path: console + "/{proxy+}", Function: "Console", Open: true},
		{Method: "GET", Path: openapi, Function: "Docs", Open: true},
		{Method: "GET", Path: docs, Function: "Docs", Open: true},
		{Method: "GET", Path: docs + "/{proxy+}", Function: "Docs", Open: true},
	}
	// The fallback answers what these paths have no method for, and all other paths.
	for _, path := range []string{
		secrets, secrets + "/compare", secret, secret + "/restore", secret + "/bundle", items, items + "/batch", item, item + "/restore", item + "/versions",
		item + "/versions/{version}", item + "/rollback", services, service, "/api/budget", me, users, user, keys, key, "/", console,
		"/api/events", secret + "/events", item + "/events", "/api/review",
		console + "/{proxy+}", openapi, docs, docs + "/{proxy+}", "/{proxy+}",
	} {
		want = append(want, functions.Route{Method: "ANY", Path: path, Function: "Fallback"})
	}
	byText := cmpopts.SortSlices(func(a, b functions.Route) bool { return a.Path+" "+a.Method < b.Path+" "+b.Method })
	if diff := cmp.Diff(want, routes(t, document(t)), byText); diff != "" {
		t.Errorf("routes of the template (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, functions.Routes(table(t)), byText); diff != "" {
		t.Errorf("routes of the local gateway (-want +got):\n%s", diff)
	}
}

func TestFallbackKnowsTheMethodsOfEachPath(t *testing.T) {
	methods := map[string][]string{} // of the other functions, by path
	for _, r := range routes(t, document(t)) {
		if r.Method != "ANY" {
			methods[r.Path] = append(methods[r.Path], r.Method)
		}
	}
	permission := only(t, document(t), "AWS::Lambda::Permission")
	check(t, permission, "!Ref Fallback.Alias", "FunctionName")
	check(t, permission, "!Sub arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*", "SourceArn")

	tmpl := readRepository(t, nil)
	environment, err := tmpl.Environment("Fallback", map[string]string{"Table": "rows", "MasterKey.Arn": "arn:key", "AWS::StackName": "stack"})
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string][]string{}
	for line := range strings.SplitSeq(environment["ROUTES"], "\n") {
		names, path, _ := strings.Cut(line, " ")
		allowed[path] = strings.Split(names, ",")
		slices.Sort(allowed[path])
	}
	for _, names := range methods {
		slices.Sort(names)
	}
	if diff := cmp.Diff(methods, allowed); diff != "" {
		t.Errorf("ROUTES (-events +ROUTES):\n%s", diff)
	}
}

func TestAuthorizerAcceptsOnlyBearerKeys(t *testing.T) {
	// Package template refuses other authorizers. TestEveryRouteLeadsToItsFunction checks the routes without one.
	authorizer := readRepository(t, nil).Authorizer
	if authorizer.Function != "Authorizer" || authorizer.Header != "Authorization" {
		t.Errorf("authorizer = %s, header %s, want Authorizer, header Authorization", authorizer.Function, authorizer.Header)
	}
	for header, want := range map[string]bool{
		"Bearer gob_0aZ":         true,
		"bearer gob_0aZ":         true,
		"BEARER   gob_0aZ  ":     true,
		"":                       false,
		"Bearer":                 false,
		"Bearer ":                false,
		"Bearer gob_":            false,
		"Bearer gob_0aZ gob_1":   false,
		"Bearer gob_0a-Z":        false,
		"Bearer GOB_0aZ":         false,
		"Bearer\tgob_0aZ":        false,
		" Bearer gob_0aZ":        false,
		"Bearergob_0aZ":          false,
		"Basic gob_0aZ":          false,
		"gob_0aZ":                false,
		"Bearer gob_0aZ\n":       false,
		"Bearer gob_0aZ, Bearer": false,
	} {
		if got := authorizer.Validation.MatchString(header); got != want {
			t.Errorf("Validation.MatchString(%q) = %t, want %t", header, got, want)
		}
	}
}

func TestKeyCacheFollowsItsParameter(t *testing.T) {
	for set, want := range map[string]int{"": 60, "0": 0, "3600": 3600} {
		parameters := map[string]string{}
		if set != "" {
			parameters["KeyCacheSeconds"] = set
		}
		if got := readRepository(t, parameters).Authorizer.CacheSeconds; got != want {
			t.Errorf("CacheSeconds with KeyCacheSeconds=%q = %d, want %d", set, got, want)
		}
	}
}

func TestParametersOutOfBoundsAreRefused(t *testing.T) {
	for name, refused := range map[string][]string{
		"StageName":           {"", "a/b", "a b"},
		"Architecture":        {"", "riscv"},
		"MemorySize":          {"127", "10241"},
		"ReadLimit":           {"0", "1001", "many"},
		"ReadWindowSeconds":   {"0", "86401"},
		"MaxSecrets":          {"0", "1000001"},
		"MaxItems":            {"0", "1000001"},
		"MaxServices":         {"0", "1000001"},
		"EventDays":           {"-1", "3651", "for ever"},
		"KeepVersions":        {"-1", "101"},
		"RecoveryDays":        {"-1", "366"},
		"KeyCacheSeconds":     {"-1", "3601"},
		"LogRetentionDays":    {"0", "2"},
		"ThrottleRate":        {"-1"},
		"ThrottleBurst":       {"-1"},
		"ReservedConcurrency": {"0", "-1", "many"},
		"DeploymentType":      {"", "Canary"},
		"Tracing":             {"", "Passive"},
		"AccessLog":           {"", "yes"},
		"DeployTarget":        {"", "ssm"},
		"DeployBatchSeconds":  {"-1", "301"},
		"BundleKeyArn":        {"alias/x"},
		"RestoredTable":       {"a/b"},
		"RestoredTableStream": {"2026-11-23T12:00:00.000", "arn:aws:dynamodb:r:1:table/t"},
		"RetainedKey":         {"alias/x"},
		"DeletionProtection":  {"", "yes"},
	} {
		for _, v := range refused {
			_, err := template.Read(repositoryFile(t, "template.yaml"), map[string]string{name: v})
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%q: %v, want an error that names the parameter", name, v, err)
			}
		}
	}
}

func TestFunctionsHaveTheirFolderTimeoutAndSchedule(t *testing.T) {
	doc := document(t)
	globals := at(doc, "Globals", "Function")
	check(t, globals, "provided.al2023", "Runtime")
	check(t, globals, "bootstrap", "Handler")
	check(t, globals, "!Ref MemorySize", "MemorySize")
	check(t, doc, "arm64", "Parameters", "Architecture", "Default")
	if diff := cmp.Diff([]value{"!Ref Architecture"}, list(at(globals, "Architectures"))); diff != "" {
		t.Errorf("architectures (-want +got):\n%s", diff)
	}

	check(t, globals, "10", "Timeout") // API Gateway waits 29 s
	schedules := map[string]value{
		"CheckBundles":      map[string]value{"Schedule": "rate(5 minutes)"},
		"DeleteExpiredKeys": map[string]value{"Schedule": "rate(24 hours)"},
		"PurgeSecrets":      map[string]value{"Schedule": "rate(15 minutes)"},
		"RedeploySecrets":   map[string]value{"Schedule": "rate(5 minutes)"},
	}
	timeouts := map[string]value{
		"CheckBundles": "60", "PurgeSecrets": "300", "DeleteExpiredKeys": "300", "DeploySecret": "60", "RedeploySecrets": "60", "RevokeKey": "60",
	}
	memories := map[string]value{"GetBundle": "1024"}
	routed := map[string]bool{"Authorizer": true}
	for _, r := range routes(t, doc) {
		routed[r.Function] = true
	}
	for name, f := range resources(doc, "AWS::Serverless::Function") {
		check(t, f, "functions/"+folderName(name)+"/", "Properties", "CodeUri")
		if own := at(f, "Properties", "Timeout"); own != timeouts[name] {
			t.Errorf("%s has the timeout %v, want %v", name, own, timeouts[name])
		}
		if own := at(f, "Properties", "MemorySize"); own != memories[name] {
			t.Errorf("%s has the memory %v, want %v", name, own, memories[name])
		}
		if diff := cmp.Diff(schedules[name], at(f, "Properties", "Events", "Sweep", "Properties")); diff != "" {
			t.Errorf("schedule of %s (-want +got):\n%s", name, diff)
		}
	}
	for _, name := range []string{
		"CreateAccount", "IssueKey", "RevokeKey", "ListPeople", "DeleteExpiredKeys", "PurgeSecrets", "DeploySecret", "RedeploySecrets",
	} {
		if routed[name] {
			t.Errorf("%s has a route", name)
		}
	}
}

// The table's stream starts deliveries, and only from rows of the outbox.
func TestOutboxRowsStartDeliveries(t *testing.T) {
	doc := document(t)
	delivering := map[string]bool{} // without a target there are no functions that deliver
	for name, f := range resources(doc, "AWS::Serverless::Function") {
		if at(f, "Condition") == "IsDelivered" {
			delivering[name] = true
		}
		events, _ := at(f, "Properties", "Events").(map[string]value)
		for _, e := range events {
			if at(e, "Type") == "DynamoDB" && name != "DeploySecret" {
				t.Errorf("a stream leads to %s", name)
			}
		}
	}
	if diff := cmp.Diff(map[string]bool{"CheckBundles": true, "DeploySecret": true, "RedeploySecrets": true}, delivering); diff != "" {
		t.Errorf("functions that DeployTarget=none removes (-want +got):\n%s", diff)
	}
	changes := at(doc, "Resources", "DeploySecret", "Properties", "Events", "Changes", "Properties")
	check(t, changes, "TRIM_HORIZON", "StartingPosition")
	check(t, changes, "100", "BatchSize")
	check(t, changes, "!Ref DeployBatchSeconds", "MaximumBatchingWindowInSeconds")
	filters := list(at(changes, "FilterCriteria", "Filters"))
	if len(filters) != 1 {
		t.Fatalf("filters of the stream = %v, want one", filters)
	}
	check(t, filters[0], `{"eventName": ["INSERT", "MODIFY"], "dynamodb": {"Keys": {"PK": {"S": ["OUTBOX"]}}}}`, "Pattern")
	if diff := cmp.Diff([]value{"ReportBatchItemFailures"}, list(at(changes, "FunctionResponseTypes"))); diff != "" {
		t.Errorf("response types (-want +got):\n%s", diff)
	}

	// Records that fail after all retries go to a queue.
	check(t, changes, "2", "ParallelizationFactor")
	check(t, changes, "true", "BisectBatchOnFunctionError")
	check(t, changes, "3", "MaximumRetryAttempts")
	check(t, changes, "!GetAtt DeployFailures.Arn", "DestinationConfig", "OnFailure", "Destination")
	queue := at(doc, "Resources", "DeployFailures", "Properties")
	check(t, queue, "1209600", "MessageRetentionPeriod")
	check(t, queue, "true", "SqsManagedSseEnabled")
}

// A function's role and log group have the function's condition.
func TestRolesAndLogsShareTheirFunctionsCondition(t *testing.T) {
	doc := document(t)
	for name, f := range resources(doc, "AWS::Serverless::Function") {
		for _, id := range []string{name + "Role", name + "Logs"} {
			if diff := cmp.Diff(at(f, "Condition"), at(doc, "Resources", id, "Condition")); diff != "" {
				t.Errorf("condition of %s (-) and of %s (+):\n%s", name, id, diff)
			}
		}
	}
}

// folderName turns a function's logical id into its folder's name: GetItem into get-item.
func folderName(name string) string {
	words := regexp.MustCompile(`[A-Z][a-z]+`).FindAllString(name, -1)
	return strings.ToLower(strings.Join(words, "-"))
}

func TestFunctionsGetExactlyTheirVariables(t *testing.T) {
	values := map[string]string{
		"TABLE_NAME":                "rows",
		"MASTER_KEY_ARN":            "arn:key",
		"READ_LIMIT":                "5",
		"READ_WINDOW_SECONDS":       "3600",
		"MAX_SECRETS":               "10000",
		"MAX_ITEMS":                 "10000",
		"MAX_SERVICES":              "10000",
		"EVENT_DAYS":                "400",
		"KEEP_VERSIONS":             "10",
		"RECOVERY_DAYS":             "30",
		"STACK_NAME":                "stack",
		"RELEASE":                   "",
		"DEPLOY_TARGET":             "secrets-manager",
		"AWS_ENDPOINT_URL_DYNAMODB": "", // empty in AWS
		"AWS_ENDPOINT_URL_KMS":      "",
	}
	tmpl := readRepository(t, map[string]string{"ReadLimit": "5"})
	for _, f := range table(t) {
		environment, err := tmpl.Environment(f.ID(), map[string]string{"Table": "rows", "MasterKey.Arn": "arn:key", "AWS::StackName": "stack"})
		if err != nil {
			t.Error(err)
		}
		target := []string{"DeploySecret", "CheckBundles"}
		for name, owners := range map[string][]string{
			"ROUTES": {"Fallback"}, "BUNDLE_KEY_ARN": {"DeploySecret"}, "BUNDLE_PREFIX": target, "AWS_ENDPOINT_URL_SECRETS_MANAGER": target,
		} {
			if value, ok := environment[name]; ok != slices.Contains(owners, f.ID()) {
				t.Errorf("%s: %s = %q, want it set for %v alone", f.Name, name, value, owners)
			}
			delete(environment, name)
		}
		if diff := cmp.Diff(values, environment); diff != "" {
			t.Errorf("variables of %s (-want +got):\n%s", f.Name, diff)
		}
	}
}

func TestEachFunctionHasItsOwnLogGroup(t *testing.T) {
	doc := document(t)
	check(t, doc, "JSON", "Globals", "Function", "LoggingConfig", "LogFormat")
	groups := resources(doc, "AWS::Logs::LogGroup")
	names := map[value]string{}
	for id, group := range groups {
		check(t, group, "!Ref LogRetentionDays", "Properties", "RetentionInDays")
		name := at(group, "Properties", "LogGroupName")
		if other, taken := names[name]; taken || name == nil {
			t.Errorf("%s and %s are both named %v", id, other, name)
		}
		names[name] = id
	}
	owner := map[string]string{} // by log group
	for name, f := range resources(doc, "AWS::Serverless::Function") {
		reference, _ := at(f, "Properties", "LoggingConfig", "LogGroup").(string)
		id := strings.TrimPrefix(reference, "!Ref ")
		if groups[id] == nil {
			t.Errorf("%s logs to %q, which is not a log group of the template", name, reference)
		}
		if owner[id] != "" {
			t.Errorf("%s and %s log to the same group", name, owner[id])
		}
		owner[id] = name
		for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents"} { // both are necessary to log
			if !slices.ContainsFunc(statements(t), func(s statement) bool { return s.function == name && slices.Contains(s.actions, action) }) {
				t.Errorf("%s lacks %s", name, action)
			}
		}
	}
}

// A new value of a parameter must reach the functions behind the API. It does so by changing the
// description of their versions, which publishes new ones. Lambda refuses to publish a version if a
// parameter changes only its description.
func TestParametersMakeVersions(t *testing.T) {
	doc := document(t)
	check(t, doc, "live", "Globals", "Function", "AutoPublishAlias")
	check(t, doc, "true", "Globals", "Function", "AutoPublishAliasAllProperties")
	// These belong to the function or the deployment, not to a version. The architecture is exempt
	// too: a new one comes with new code, and so with a new version.
	others := []string{"ReservedConcurrentExecutions", "DeploymentPreference", "Architectures", "VersionDescription", "Events"}
	conditions := map[string][]string{}
	for name, c := range at(doc, "Conditions").(map[string]value) {
		conditions[name] = parameters(doc, nil, c)
	}
	for name, f := range resources(doc, "AWS::Serverless::Function") {
		var used []string
		description := at(f, "Properties", "VersionDescription")
		named := parameters(doc, conditions, description)
		for _, properties := range []value{at(doc, "Globals", "Function"), at(f, "Properties")} {
			for key, property := range properties.(map[string]value) {
				if !slices.Contains(others, key) && (key != "MemorySize" || at(f, "Properties", key) == nil) {
					used = append(used, parameters(doc, conditions, property)...)
				}
			}
		}
		if at(f, "Condition") == "IsDelivered" { // on one value of this parameter
			constant := func(name string) bool { return name == "DeployTarget" }
			used, named = slices.DeleteFunc(used, constant), slices.DeleteFunc(named, constant)
		}
		slices.Sort(used)
		slices.Sort(named)
		if diff := cmp.Diff(slices.Compact(used), slices.Compact(named)); diff != "" {
			t.Errorf("parameters that %s depends on (-) and those in its VersionDescription (+):\n%s", name, diff)
		}
	}
}

// Lambda accepts descriptions of at most 256 characters; they must fit with any parameters.
func TestVersionDescriptionsFit(t *testing.T) {
	const (
		id  = "mrk-0123456789abcdef0123456789abcdef"
		arn = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/" + id
	)
	longest := strings.NewReplacer("!Sub ", "", "${Release}", strings.Repeat("r", 25), "${MemorySize}", "10240", "${ReadLimit}", "1000", "${ReadWindowSeconds}", "86400", "${MaxSecrets}", "1000000", "${MaxItems}", "1000000", "${MaxServices}", "1000000", "${EventDays}", "3650", "${KeepVersions}", "100", "${RecoveryDays}", "365", "${Tracing}", "Disabled", "${Trace}", "off",
		"${DeployTarget}", "secrets-manager", "${RestoredTable}", strings.Repeat("t", 66), "${RetainedKey}", arn, "${Key}", id, "${BundlePrefix}", strings.Repeat("p", 31), "${BundleKey}", id)
	for name, f := range resources(document(t), "AWS::Serverless::Function") {
		description := longest.Replace(list(at(f, "Properties", "VersionDescription"))[0].(string))
		if len(description) > 256 || strings.Contains(description, "${") {
			t.Errorf("%s: VersionDescription has %d characters, want at most 256 and none unresolved: %s", name, len(description), description)
		}
	}
}

// parameters returns the parameters that a part of the template names, directly or in conditions.
func parameters(doc value, conditions map[string][]string, v value) (found []string) {
	switch v := v.(type) {
	case map[string]value:
		for _, part := range v {
			found = append(found, parameters(doc, conditions, part)...)
		}
	case []value:
		for _, part := range v {
			found = append(found, parameters(doc, conditions, part)...)
			if name, ok := part.(string); ok {
				found = append(found, conditions[name]...)
			}
		}
	case string:
		if text, ok := strings.CutPrefix(v, "!Ref "); ok && at(doc, "Parameters", text) != nil {
			found = append(found, text)
		}
		for _, match := range regexp.MustCompile(`\$\{([A-Za-z]+)\}`).FindAllStringSubmatch(v, -1) { // a !Sub, or its first part
			if at(doc, "Parameters", match[1]) != nil {
				found = append(found, match[1])
			}
		}
	}
	return found
}

// statement is one statement of a function's policy.
type statement struct {
	function string
	actions  []string
	resource value
	keys     []string // patterns of the partition keys that a DynamoDB action may touch
	indexes  []string // of the table and of the restored one, if the statement is on indexes
	value    value
}

// byAWS reports whether AWS calls the actions in the function's role: for its log, its stream, the
// stream's failures, and with the key of bundles.
func (s statement) byAWS() bool {
	service, operation, _ := strings.Cut(s.actions[0], ":")
	return service == "logs" || service == "sqs" || s.resource == "!Ref BundleKeyArn" ||
		service == "dynamodb" && (strings.Contains(operation, "Stream") || operation == "GetRecords" || operation == "GetShardIterator")
}

// statements returns the statements of all functions' policies. It checks that each function has its
// own role: the role that SAM generates may write to every log group.
func statements(t *testing.T) []statement {
	t.Helper()
	doc := document(t)
	functions := resources(doc, "AWS::Serverless::Function")
	for id := range resources(doc, "AWS::IAM::Role") {
		if name, ok := strings.CutSuffix(id, "Role"); !ok || functions[name] == nil && name != "Traffic" {
			t.Errorf("%s is not the role of a function, and not CodeDeploy's", id)
		}
		check(t, at(doc, "Resources", id, "Properties"), "!Sub /${AWS::StackName}/", "Path")
		boundary := value([]value{"HasBoundary", "!Ref PermissionsBoundary", "!Ref AWS::NoValue"})
		if !cmp.Equal(boundary, at(doc, "Resources", id, "Properties", "PermissionsBoundary")) {
			t.Errorf("%s has no boundary", id)
		}
	}
	var all []statement
	for name, f := range functions {
		check(t, f, "!GetAtt "+name+"Role.Arn", "Properties", "Role")
		for _, sams := range []string{"Policies", "ManagedPolicyArns", "PermissionsBoundary"} {
			if at(f, "Properties", sams) != nil {
				t.Errorf("%s has %s beside its role", name, sams)
			}
		}
		role := at(doc, "Resources", name+"Role", "Properties")
		if diff := cmp.Diff(value([]value{"IsTraced", []value{"!Ref TracePolicy"}, "!Ref AWS::NoValue"}), at(role, "ManagedPolicyArns")); diff != "" {
			t.Errorf("managed policies of %sRole (-want +got):\n%s", name, diff)
		}
		trust := list(at(role, "AssumeRolePolicyDocument", "Statement"))
		if want := (map[string]value{"Effect": "Allow", "Principal": map[string]value{"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}); !cmp.Equal([]value{want}, trust) {
			t.Errorf("%sRole trusts %v", name, trust)
		}
		for _, p := range list(at(role, "Policies")) {
			for _, s := range list(at(p, "PolicyDocument", "Statement")) {
				if branches, ok := s.([]value); ok { // an !If that omits the statement otherwise
					if len(branches) != 3 || branches[2] != "!Ref AWS::NoValue" {
						t.Fatalf("%s: %v is not a conditional statement", name, s)
					}
					s = branches[1]
				}
				st := statement{function: name, resource: at(s, "Resource"), value: s}
				for _, a := range list(at(s, "Action")) {
					st.actions = append(st.actions, a.(string))
				}
				for _, k := range list(at(s, "Condition", "ForAllValues:StringLike", "dynamodb:LeadingKeys")) {
					st.keys = append(st.keys, k.(string))
				}
				st.indexes = indexesIn(st.resource)
				all = append(all, st)
			}
		}
	}
	return all
}

// indexes returns the resources of a statement on these indexes.
func indexes(names ...string) (resources []value) {
	for _, name := range names {
		resources = append(resources, "!Sub ${Table.Arn}/index/"+name, []value{
			"IsRestored", "!Sub arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${RestoredTable}/index/" + name, "!Ref AWS::NoValue",
		})
	}
	return resources
}

// indexesIn returns the names of the indexes of the table among the resources of a statement.
func indexesIn(resource value) (names []string) {
	for _, index := range functions.TableIndexes {
		if slices.Contains(list(resource), indexes(index)[0]) {
			names = append(names, index)
		}
	}
	return names
}

// ownOrRetainedKey is the template's reference to the master key.
var ownOrRetainedKey = value([]value{"HasRetainedKey", "!Ref RetainedKey", "!GetAtt MasterKey.Arn"})

func TestPoliciesNameTheirKeysAndResources(t *testing.T) {
	// ForAllValues is true for a request without keys. These actions always send one.
	keyed := map[string]bool{
		"dynamodb:BatchGetItem":       true,
		"dynamodb:ConditionCheckItem": true,
		"dynamodb:DeleteItem":         true,
		"dynamodb:GetItem":            true,
		"dynamodb:PutItem":            true,
		"dynamodb:Query":              true,
		"dynamodb:UpdateItem":         true,
	}
	keys := regexp.MustCompile(`^((ACCOUNT|ACCOUNTNAME|SECRET|DELIVERY|USER|EVENTS|REFUSED|APIKEY|PEOPLE|BIN|IDEMPOTENCY)#\*|ACCOUNTS|PURGE|OUTBOX|USED|ROUND)$`)
	streams := []value{"!Sub ${Table.Arn}/stream/*",
		[]value{"IsRestored", "!Sub arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${RestoredTable}/stream/*", "!Ref AWS::NoValue"}}
	seen := map[string]bool{}
	for _, s := range statements(t) {
		check(t, s.value, "Allow", "Effect")
		for _, wide := range []string{"NotAction", "NotResource", "Principal"} {
			if at(s.value, wide) != nil {
				t.Errorf("%s: %s in %v", s.function, wide, s.value)
			}
		}
		if len(s.actions) == 0 {
			t.Errorf("%s: no action in %v", s.function, s.value)
		}
		for _, action := range s.actions {
			attributes := at(s.value, "Condition", "ForAllValues:StringEquals") // a stamp, which no transaction has
			name := fmt.Sprint(s.function, " ", action, " on ", s.resource, attributes)
			if attributes != nil {
				name += fmt.Sprint(s.keys)
			}
			if seen[name] {
				t.Errorf("%s in more than one statement", name)
			} else {
				seen[name] = true
			}
			want := value([]value{",", "!GetAtt Tables.Value"})
			switch {
			case len(s.indexes) > 0:
				if action != "dynamodb:Query" {
					t.Errorf("%s: %s on indexes", s.function, action)
				}
				want = indexes(s.indexes...)
			case keyed[action]:
				if len(s.keys) == 0 {
					t.Errorf("%s: %s on any key", s.function, action)
				}
			case strings.HasPrefix(action, "kms:") && s.resource == "!Ref BundleKeyArn":
				check(t, s.value, "!Sub secretsmanager.${AWS::Region}.${AWS::URLSuffix}", "Condition", "StringEquals", "kms:ViaService")
				want = s.resource
			case action == "kms:Decrypt" || action == "kms:GenerateDataKey":
				want = ownOrRetainedKey
			case slices.Contains(bundleActions, action):
				want = []value{
					"arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:goblins/${Prefix}/*",
					map[string]value{"Prefix": []value{"HasBundlePrefix", "!Ref BundlePrefix", "!Ref AWS::StackName"}},
				}
			case slices.Contains([]string{"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"}, action):
				want = streams
			case action == "sqs:SendMessage":
				want = "!GetAtt DeployFailures.Arn"
			case action == "logs:CreateLogStream" || action == "logs:PutLogEvents":
				want = "!GetAtt " + s.function + "Logs.Arn"
			default:
				t.Errorf("%s: unexpected action %s", s.function, action)
			}
			if !cmp.Equal(s.resource, want) {
				t.Errorf("%s: %s on %v, want %v", s.function, action, s.resource, want)
			}
		}
		for _, k := range s.keys {
			if !keys.MatchString(k) {
				t.Errorf("%s: key %q matches no rows", s.function, k)
			}
		}
	}
}

// Users, keys and the counters of both have partitions of their own, which only the functions for them may write. The
// authorizer may record a key's use there, and nothing else. Read counters are made and deleted with their users, and
// reveals and exports charge them.
func TestOnlyFunctionsForPeopleWriteThem(t *testing.T) {
	writes := regexp.MustCompile(`^dynamodb:(PutItem|UpdateItem|DeleteItem)$`)
	written := map[string]map[string]string{}
	for _, s := range statements(t) {
		for _, action := range s.actions {
			if !writes.MatchString(action) {
				continue
			}
			for _, key := range s.keys {
				if key != "PEOPLE#*" && key != "APIKEY#*" && key != "USER#*" {
					continue
				}
				what := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(action, "dynamodb:"), "Item"))
				if only := list(at(s.value, "Condition", "ForAllValues:StringEquals", "dynamodb:Attributes")); only != nil {
					what += fmt.Sprint(" ", only)
				}
				if written[key] == nil {
					written[key] = map[string]string{}
				}
				if before := written[key][s.function]; before != "" {
					what = before + " " + what
				}
				written[key][s.function] = what
			}
		}
	}
	want := map[string]map[string]string{
		"PEOPLE#*": {
			"CreateAccount": "put", "CreateUser": "update put", "UpdateUser": "update put", "DeleteUser": "update delete",
			"CreateKey": "update delete put", "UpdateKey": "update", "DeleteKey": "update delete",
			"IssueKey": "update put", "RevokeKey": "update delete", "DeleteExpiredKeys": "update delete",
			"Authorizer": "update [PK SK last_used_at]",
		},
		"APIKEY#*": {
			"CreateAccount": "put", "DeleteUser": "delete", "CreateKey": "delete put", "DeleteKey": "delete", "IssueKey": "put",
			"RevokeKey": "delete", "DeleteExpiredKeys": "delete",
		},
		"USER#*": {
			"CreateAccount": "put", "CreateUser": "put", "UpdateUser": "update", "DeleteUser": "delete", "GetItem": "update", "GetBundle": "update",
		},
	}
	if diff := cmp.Diff(want, written); diff != "" {
		t.Errorf("functions that may write users, keys and counters (-want +got):\n%s", diff)
	}
}

// bundleActions are the actions allowed on bundles.
var bundleActions = []string{
	"secretsmanager:CreateSecret", "secretsmanager:DeleteSecret", "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue",
	"secretsmanager:RestoreSecret", "secretsmanager:TagResource", "secretsmanager:UpdateSecretVersionStage",
}

func TestOnlySixFunctionsUseTheMasterKey(t *testing.T) {
	users := map[string][]string{}
	for _, s := range statements(t) {
		for _, action := range s.actions {
			if cmp.Equal(s.resource, ownOrRetainedKey) {
				users[action] = append(users[action], s.function)
				slices.Sort(users[action])
			}
		}
	}
	want := map[string][]string{
		"kms:Decrypt":         {"DeploySecret", "GetBundle", "GetItem"},
		"kms:GenerateDataKey": {"BatchItems", "CreateItem", "UpdateItem"},
	}
	if diff := cmp.Diff(want, users); diff != "" {
		t.Errorf("functions that may use the master key (-want +got):\n%s", diff)
	}
}

// Only deploy-secret may touch bundles, and no other function has the actions for that. check-bundles
// looks at them, which shows no value.
func TestOnlyDeploySecretTouchesBundles(t *testing.T) {
	var may []string
	for _, s := range statements(t) {
		bundles := strings.HasPrefix(s.actions[0], "secretsmanager:")
		if s.function == "CheckBundles" && slices.Equal(s.actions, []string{"secretsmanager:DescribeSecret"}) {
			continue
		}
		if bundles {
			may = append(may, s.actions...)
		}
		if (bundles || s.byAWS() && !strings.HasPrefix(s.actions[0], "logs:")) && s.function != "DeploySecret" {
			t.Errorf("%s may %v", s.function, s.actions)
		}
	}
	slices.Sort(may)
	if diff := cmp.Diff(bundleActions, may); diff != "" {
		t.Errorf("actions of DeploySecret in Secrets Manager (-want +got):\n%s", diff)
	}
}

func TestTableIsRetainedAndBackedUp(t *testing.T) {
	index := func(name string) template.Index {
		return template.Index{Name: name, Keys: []template.Key{{Name: name, Type: "HASH"}, {Name: "SK", Type: "RANGE"}}}
	}
	want := template.Table{
		Attributes:   []template.Attribute{{Name: "PK", Type: "S"}, {Name: "SK", Type: "S"}, {Name: "by_secret", Type: "S"}, {Name: "by_user", Type: "S"}},
		Keys:         []template.Key{{Name: "PK", Type: "HASH"}, {Name: "SK", Type: "RANGE"}},
		Indexes:      []template.Index{index("by_secret"), index("by_user")},
		StreamView:   "KEYS_ONLY",
		TTLAttribute: "expires_at",
	}
	got := readRepository(t, nil).Table
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	var names []string
	for _, i := range got.Indexes {
		names = append(names, i.Name)
	}
	if diff := cmp.Diff(functions.TableIndexes, names); diff != "" {
		t.Errorf("indexes that functions.yaml may name (-) and the table's (+):\n%s", diff)
	}

	doc := document(t)
	// Below /goblins/: Systems Manager reserves names that begin with aws or ssm.
	check(t, doc, "!Sub /goblins/${AWS::StackName}/tables", "Resources", "Tables", "Properties", "Name")
	table := at(doc, "Resources", "Table")
	check(t, table, "Retain", "DeletionPolicy")
	check(t, table, "Retain", "UpdateReplacePolicy")
	check(t, table, "PAY_PER_REQUEST", "Properties", "BillingMode")
	check(t, table, "true", "Properties", "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled")
	check(t, table, "!Ref DeletionProtection", "Properties", "DeletionProtectionEnabled")
	check(t, doc, "true", "Parameters", "DeletionProtection", "Default")
	if sse := at(table, "Properties", "SSESpecification"); sse != nil {
		t.Errorf("SSESpecification = %v: every function would need kms:Decrypt", sse)
	}
}

func TestMasterKeyIsRetainedAndRotated(t *testing.T) {
	checkMasterKey(t, at(document(t), "Resources", "MasterKey"), "AWS::StackName")
}

// The key that is made by hand is the same as the stack's own.
func TestKeyMadeByHandIsTheSame(t *testing.T) {
	checkMasterKey(t, at(read(t, "infra/key.yaml"), "Resources", "MasterKey"), "StackName")
}

func checkMasterKey(t *testing.T, key value, stack string) {
	t.Helper()
	check(t, key, "AWS::KMS::Key", "Type")
	check(t, key, "RetainExceptOnCreate", "DeletionPolicy")
	check(t, key, "Retain", "UpdateReplacePolicy")
	check(t, key, "true", "Properties", "EnableKeyRotation")
	check(t, key, "30", "Properties", "PendingWindowInDays")
	check(t, key, "true", "Properties", "MultiRegion")
	functions := "!Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${" + stack + "}/*"
	want := []value{
		map[string]value{
			"Sid": "Account", "Effect": "Allow", "Principal": map[string]value{"AWS": "!Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:root"},
			"Action": "kms:*", "Resource": "*",
		},
		map[string]value{
			"Sid": "OnlyFunctionsOpen", "Effect": "Deny", "Principal": "*",
			"Action": []value{"kms:Decrypt", "kms:ReEncryptFrom"}, "Resource": "*",
			"Condition": map[string]value{"ArnNotLike": map[string]value{"aws:PrincipalArn": functions}},
		},
		map[string]value{
			"Sid": "NoReplica", "Effect": "Deny", "Principal": "*",
			"Action": []value{"kms:ReplicateKey", "kms:UpdatePrimaryRegion"}, "Resource": "*",
		},
	}
	if diff := cmp.Diff(want, list(at(key, "Properties", "KeyPolicy", "Statement"))); diff != "" {
		t.Errorf("policy of the key (-want +got):\n%s", diff)
	}
}

// A take-over by a stack of another name replaces every name in a policy, which AWS returns as one line.
func TestTakeOverRenamesTheWholePolicy(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root(t), "docs/deploy.md"))
	if err != nil {
		t.Fatal(err)
	}
	programs := regexp.MustCompile("sed \"s#role/[^\"]*\"").FindAllString(string(content), -1)
	for _, program := range programs {
		command := exec.Command("sh", "-c", program)
		command.Env = []string{"OLD=goblins-secrets", "NEW=goblins-two", "PATH=" + os.Getenv("PATH")}
		command.Stdin = strings.NewReader(`{"A": ["role/goblins-secrets/*", "role/goblins-secrets/*", "role/goblins-secrets/*"]}`)
		out, err := command.Output()
		if err != nil || strings.Count(string(out), "role/goblins-two/*") != 3 {
			t.Errorf("%s = %s, %v, want each name replaced", program, out, err)
		}
	}
	if len(programs) != 2 {
		t.Errorf("docs/deploy.md has %d programs that rename a policy, want 2", len(programs))
	}
}

// The audit trail is append-only for every principal: TestWritersOfEventsCannotFindThem reads the roles of the stack,
// and the table denies others any change. Only the stack may write keys.
func TestTableDeniesOthersEventsAndKeys(t *testing.T) {
	others := map[string]value{"aws:PrincipalArn": "!Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${AWS::StackName}/*"}
	denied := func(sid string, actions []value, keys ...value) value {
		return map[string]value{
			"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": actions, "Resource": "*",
			"Condition": map[string]value{
				"ArnNotLike": others, "ForAnyValue:StringLike": map[string]value{"dynamodb:LeadingKeys": keys},
			},
		}
	}
	got := list(at(document(t), "Resources", "Table", "Properties", "ResourcePolicy", "PolicyDocument", "Statement"))
	for _, want := range []value{
		denied("OthersWriteNoEventsAndKeys", []value{"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem"}, "EVENTS#*", "REFUSED#*", "APIKEY#*", "PEOPLE#*"),
		denied("OthersDeleteNoEvents", []value{"dynamodb:DeleteItem"}, "EVENTS#*", "REFUSED#*"),
		map[string]value{
			"Sid": "OthersWriteNothingByPartiQL", "Effect": "Deny", "Principal": "*",
			"Action": []value{"dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:PartiQLDelete"}, "Resource": "*",
			"Condition": map[string]value{"ArnNotLike": others},
		},
	} {
		if !slices.ContainsFunc(got, func(s value) bool { return cmp.Equal(s, want) }) {
			t.Errorf("the table's policy lacks %v", want)
		}
	}
}

func TestOutputsNameTheEndpointsAndTheKey(t *testing.T) {
	doc := document(t)
	url := []value{"HasDomain", "!GetAtt Domain.Outputs.Url", "!Sub https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${StageName}"}
	if diff := cmp.Diff(value(url), at(doc, "Outputs", "ApiUrl", "Value")); diff != "" {
		t.Errorf("ApiUrl (-want +got):\n%s", diff)
	}
	console := []value{"HasDomain", "!Sub https://${DomainName}/console/", "!Sub https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${StageName}/console/"}
	if diff := cmp.Diff(value(console), at(doc, "Outputs", "ConsoleUrl", "Value")); diff != "" {
		t.Errorf("ConsoleUrl (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(ownOrRetainedKey, at(doc, "Outputs", "MasterKeyArn", "Value")); diff != "" {
		t.Errorf("MasterKeyArn (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"ApiId":                 "!Ref Api",
		"DeployFailures":        "!Ref DeployFailures",
		"CreateAccountFunction": "!Ref CreateAccount",
	} {
		check(t, doc, want, "Outputs", name, "Value")
	}
}

// A budget in the document has the limits of the parameters that set it.
func TestBudgetHasTheLimitsOfItsParameters(t *testing.T) {
	budget := at(read(t, "pkg", "docs", "openapi.json"), "components", "schemas", "Budget", "properties")
	parameters := at(read(t, "template.yaml"), "Parameters")
	for field, parameter := range map[string]string{"limit": "ReadLimit", "left": "ReadLimit", "window": "ReadWindowSeconds", "reset": "ReadWindowSeconds"} {
		if got, want := at(budget, field, "maximum"), at(parameters, parameter, "MaxValue"); got == nil || got != want {
			t.Errorf("the maximum of %s = %v, want that of %s, %v", field, got, parameter, want)
		}
	}
}

// The document has every failure that the gateway can answer with, for every operation.
func TestEachFailureOfTheGatewayIsDocumented(t *testing.T) {
	document := read(t, "pkg", "docs", "openapi.json")
	gateway := map[string]bool{"502": true} // of a function that fails: API Gateway's own
	for _, response := range at(read(t, "template.yaml"), "Resources", "Api", "Properties", "GatewayResponses").(map[string]value) {
		if status, ok := at(response, "StatusCode").(string); ok && status != "404" { // that of an unknown path
			gateway[status] = true
		}
	}
	for path, item := range at(document, "paths").(map[string]value) {
		for method, operation := range item.(map[string]value) {
			isOpen := len(list(at(operation, "security"))) == 0
			for status := range gateway {
				ref, _ := at(operation, "responses", status, "$ref").(string)
				response := at(document, "components", "responses", ref[strings.LastIndex(ref, "/")+1:])
				if response == nil && !(status == "401" && isOpen) {
					t.Errorf("%s %s has no %s", method, path, status)
				}
				if waits := at(response, "headers", "Retry-After") != nil; response != nil && waits != (status == "429" || status == "503") {
					t.Errorf("%s of %s %s has Retry-After: %v", status, method, path, waits)
				}
			}
			for _, status := range []string{"404", "503"} {
				has := at(operation, "responses", status) != nil
				if want := !isOpen && (status == "503" || strings.Contains(path, "{") || method == "get" && path != "/api/budget/" && path != "/api/me/"); has != want {
					t.Errorf("%s %s has %s: %v, want %v", method, path, status, has, want)
				}
			}
		}
	}
}

// Numbers in the document's texts are those of the product.
func TestNumbersInTheDocumentAreTrue(t *testing.T) {
	document := read(t, "pkg", "docs", "openapi.json")
	text := func(keys ...string) string { text, _ := at(document, keys...).(string); return text }
	source := func(path ...string) string {
		file, err := os.ReadFile(filepath.Join(append([]string{root(t)}, path...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(file)
	}
	parameters := at(read(t, "template.yaml"), "Parameters")
	for _, tt := range []struct{ text, says, place, has string }{
		{text("paths", "/api/secrets/", "post", "description"), "at most 10,000 secrets", fmt.Sprint(at(parameters, "MaxSecrets", "Default")), "10000"},
		{text("paths", "/api/services/", "post", "description"), "at most 10,000", fmt.Sprint(at(parameters, "MaxServices", "Default")), "10000"},
		{text("paths", "/api/secrets/{secret_id}/items/", "post", "description"), "at most 10,000 items", fmt.Sprint(at(parameters, "MaxItems", "Default")), "10000"},
		{text("components", "responses", "TooLarge", "description"), "524,288 bytes (512 KiB)", source("pkg", "httpapi", "body.go"), "maxBody = 512 * 1024\n"},
		{text("components", "responses", "Undeletable", "description"), "first five services", source("pkg", "secrets", "secrets.go"), "namedServices = 5\n"},
		{text("components", "schemas", "RevealedItem", "properties", "value", "description"), "1 to 65,536 bytes", source("pkg", "secrets", "field.go"), "maxValueSize   = 64 * 1024"},
		{text("components", "securitySchemes", "key", "description"), "43 random characters", source("pkg", "secrets", "key.go"), "43"},
	} {
		if !strings.Contains(tt.text, tt.says) || !strings.Contains(tt.place, tt.has) {
			t.Errorf("the document says %q, want %q; the product must have %q", tt.text, tt.says, tt.has)
		}
	}
}

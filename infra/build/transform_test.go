package build

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/checkout"
)

// transform runs SAM's own translator, the one that CloudFormation runs, on the template with
// the given parameters, and prints the resulting resources.
const transform = `
import json, os, sys
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform
class NoManagedPolicies:
    def load(self): return {}
if os.environ.get("SALT"):  # as in a SAM that hashes versions in another way
    from samtranslator.translator.logical_id_generator import LogicalIdGenerator
    present = LogicalIdGenerator.get_hash
    LogicalIdGenerator.get_hash = lambda self, *args, **kwargs: present(self, *args, **kwargs)[::-1]
template = yaml_parse(open(sys.argv[1]).read())
values = {name: p.get("Default") for name, p in template["Parameters"].items()}
values.update(p.split("=", 1) for p in sys.argv[2:])
values.update({"AWS::Region": "us-east-1", "AWS::Partition": "aws", "AWS::StackName": "stack", "AWS::AccountId": "123456789012"})
for name, resource in template["Resources"].items():
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["CodeUri"] = "s3://bucket/" + name
print(json.dumps(transform(template, values, NoManagedPolicies())["Resources"]))
`

type resource struct {
	Type         string
	Condition    string
	Properties   map[string]any
	UpdatePolicy map[string]any
}

// known are the results so far, by salt and parameters: several tests look at the same one, and each takes seconds.
var known = map[string]map[string]resource{}

func transformed(t *testing.T, parameters ...string) map[string]resource {
	t.Helper()
	path, err := checkout.Path("template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	key := fmt.Sprint(os.Getenv("SALT"), parameters)
	if known[key] == nil {
		known[key] = transformedFrom(t, path, parameters...)
	}
	return known[key]
}

func transformedFrom(t *testing.T, template string, parameters ...string) map[string]resource {
	t.Helper()
	python, err := checkout.Path(".tools", "sam", "bin", "python")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"-c", transform, template}, parameters...)...)
	cmd.Env = append(cmd.Environ(), "AWS_DEFAULT_REGION=us-east-1", "SAM_CLI_TELEMETRY=0")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("transform with %v: %v\n%s", parameters, err, &stderr)
	}
	var resources map[string]resource
	if err := json.Unmarshal(out, &resources); err != nil {
		t.Fatal(err)
	}
	return resources
}

// A gradual DeploymentType shifts traffic step by step, and back on an alarm. Otherwise aliases
// switch at once. No emulator has CodeDeploy, so the test inspects the translated template.
func TestTrafficShiftsAsDeploymentTypeSays(t *testing.T) {
	for _, tt := range []struct {
		deploymentType string
		gradual        bool
	}{{"AllAtOnce", false}, {"Canary10Percent5Minutes", true}, {"Linear10PercentEvery1Minute", true}} {
		aliases := 0
		for name, r := range transformed(t, "DeploymentType="+tt.deploymentType) {
			switch r.Type {
			case "AWS::IAM::Role": // SAM's own have neither the path nor the boundary
				if path := fmt.Sprint(r.Properties["Path"]); !strings.Contains(path, "StackName") && path != "/stack/" {
					t.Errorf("%s: %s is SAM's own role", tt.deploymentType, name)
				}
			case "AWS::Lambda::Alias":
				aliases++
				if _, has := r.UpdatePolicy["CodeDeployLambdaAliasUpdate"]; has != tt.gradual {
					t.Errorf("%s: CodeDeploy moves %s: %t, want %t", tt.deploymentType, name, has, tt.gradual)
				}
			case "AWS::CodeDeploy::DeploymentGroup":
				group, err := json.Marshal(r.Properties)
				if err != nil {
					t.Fatal(err)
				}
				for _, want := range []string{tt.deploymentType, "Outputs.ErrorsAlarm", "Outputs.LatencyAlarm", "DEPLOYMENT_STOP_ON_ALARM"} {
					if !strings.Contains(string(group), want) {
						t.Errorf("%s: %s does not have %s: %s", tt.deploymentType, name, want, group)
					}
				}
				if !tt.gradual {
					t.Errorf("%s: unexpected deployment group %s", tt.deploymentType, name)
				}
				alone := strings.HasPrefix(name, "DeploySecret") || strings.HasPrefix(name, "RedeploySecrets") || strings.HasPrefix(name, "CheckBundles")
				if alone != (r.Condition == "IsDelivered") {
					t.Errorf("%s: %s is there on condition %q", tt.deploymentType, name, r.Condition)
				}
			}
		}
		if aliases < 10 {
			t.Errorf("%s: %d aliases, want one of each function", tt.deploymentType, aliases)
		}
	}
}

// SAM names a version after a hash of its function. When a new SAM hashes in another way, CloudFormation
// publishes new versions of unchanged functions, which Lambda refuses: the update rolls back. A release
// changes each function's environment together with its version, so that there is always something new.
func TestReleaseSurvivesANewHash(t *testing.T) {
	before := transformed(t)
	t.Setenv("SALT", "1")
	after := transformed(t)
	functions, versions, renamed := 0, 0, 0
	for name, r := range before {
		properties, err := json.Marshal(r.Properties)
		if err != nil {
			t.Fatal(err)
		}
		switch r.Type {
		case "AWS::Lambda::Function":
			functions++
			if !reflect.DeepEqual(r.Properties, after[name].Properties) {
				t.Errorf("%s changes with SAM's hash: the simulation is wrong", name)
			}
			if !strings.Contains(string(properties), `"RELEASE":{"Ref":"Release"}`) && !strings.Contains(string(properties), `"RELEASE":""`) {
				t.Errorf("the environment of %s has no release: %s", name, properties)
			}
		case "AWS::Lambda::Version":
			versions++
			if _, same := after[name]; !same {
				renamed++
			}
			if !strings.Contains(string(properties), "${Release}") {
				t.Errorf("the description of %s has no release: %s", name, properties)
			}
		}
	}
	if functions < 20 || versions != functions || renamed != versions {
		t.Errorf("%d functions, %d versions, %d of them renamed by another hash, want all", functions, versions, renamed)
	}
}

// The API has one stage, which calls each function by its alias, including the authorizer.
func TestOneStageCallsFunctionsByAlias(t *testing.T) {
	var stages int
	for _, r := range transformed(t) {
		switch r.Type {
		case "AWS::ApiGateway::Stage":
			stages++
		case "AWS::ApiGateway::RestApi":
			body, err := json.Marshal(r.Properties["Body"])
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(body), `"any":`) { // SAM's spelling of an ANY event beside a definition
				t.Error("the API has a method any, which API Gateway does not know")
			}
			all := strings.Count(string(body), "/invocations")
			aliases := strings.Count(string(body), "Aliaslive}/invocations") + strings.Count(string(body), `{"Ref":"AuthorizerAliaslive"}`)
			if all == 0 || all != aliases {
				t.Errorf("%d of %d calls of functions use the alias, want all", aliases, all)
			}
		}
	}
	if stages != 1 {
		t.Errorf("stages = %d, want 1", stages)
	}
}

// Lambda's policy of a function has 20 KB, so the fallback has one permission for the methods of all paths.
func TestFallbackHasOneInvokePermission(t *testing.T) {
	permissions := 0
	for _, r := range transformed(t) {
		if r.Type == "AWS::Lambda::Permission" && reflect.DeepEqual(r.Properties["FunctionName"], map[string]any{"Ref": "FallbackAliaslive"}) {
			permissions++
			if source := fmt.Sprint(r.Properties["SourceArn"]); !strings.HasSuffix(source, "${Api}/*]") {
				t.Errorf("the fallback may be invoked by %s, want all methods and paths of the API", source)
			}
		}
	}
	if permissions != 1 {
		t.Errorf("the fallback has %d invoke permissions, want 1", permissions)
	}
}

// The stream calls deploy-secret by its alias, so that new code and parameters take effect together
// with those of the other functions.
func TestStreamCallsAlias(t *testing.T) {
	mappings := 0
	for name, r := range transformed(t) {
		if r.Type != "AWS::Lambda::EventSourceMapping" {
			continue
		}
		mappings++
		if got, want := r.Properties["FunctionName"], any(map[string]any{"Ref": "DeploySecretAliaslive"}); !reflect.DeepEqual(got, want) || r.Condition != "IsDelivered" {
			t.Errorf("%s calls %v on condition %q, want %v on IsDelivered", name, got, r.Condition, want)
		}
	}
	if mappings != 1 {
		t.Errorf("event source mappings = %d, want 1", mappings)
	}
}

// CloudFormation accepts 500 resources in a stack. Sixty functions, with every option on, leave room.
func TestSixtyFunctionsFitOneStack(t *testing.T) {
	const wanted, most = 60, 450
	table, err := functions.Load()
	if err != nil {
		t.Fatal(err)
	}
	for i := len(table); i < wanted; i++ {
		name := fmt.Sprintf("get-invented-%c%c", 'a'+i/26, 'a'+i%26)
		table = append(table, functions.Function{Name: name, Does: "nothing", Route: "GET /api/" + name + "/{id}"})
	}
	path, err := checkout.Path("template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if content, err = functions.Files["template.yaml"](table, content); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(large, content, 0o600); err != nil {
		t.Fatal(err)
	}
	found := transformedFrom(t, large, "DeploymentType=Canary10Percent5Minutes")
	made := map[string]int{}
	for _, r := range found {
		made[r.Type]++
	}
	if made["AWS::Lambda::Function"] != wanted || made["AWS::CodeDeploy::DeploymentGroup"] != wanted {
		t.Errorf("functions and deployment groups = %v, want %d of each", made, wanted)
	}
	// Resources with a condition are counted too, as if each condition held.
	if len(found) > most {
		t.Errorf("%d functions make %d resources, want at most %d: %v", wanted, len(found), most, made)
	}
	t.Logf("%d functions make %d resources: %v", wanted, len(found), made)
}

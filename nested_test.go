package goblins_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/infra/local/checkout"
)

// The tests in this file check the templates in infra/: alarms, firewall, domain, account and pipeline.
// cfn-lint checks that they are valid (make validate).

// sent returns the metrics in the table of package metrics. Each has the one dimension Stack.
func sent(t *testing.T) []string {
	t.Helper()
	path, err := checkout.Path("pkg", "metrics", "metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, row := range regexp.MustCompile(`(?m)^//\t([A-Z][A-Za-z, ]*?) +(?:Count|Milliseconds) `).FindAllSubmatch(source, -1) {
		names = append(names, strings.Split(string(row[1]), ", ")...)
	}
	if len(names) < 10 {
		t.Fatalf("the table of metrics in %s names %v", path, names)
	}
	return names
}

func text(v value) string {
	s, _ := v.(string)
	return s
}

func asMap(v value) map[string]value {
	m, _ := v.(map[string]value)
	return m
}

// every calls visit for v and all values within it.
func every(v value, visit func(value)) {
	visit(v)
	switch v := v.(type) {
	case map[string]value:
		for _, e := range v {
			every(e, visit)
		}
	case []value:
		for _, e := range v {
			every(e, visit)
		}
	}
}

// An alarm is useless if it reaches no operator or gives no instructions.
func TestAlarmsReachTheTopicWithInstructions(t *testing.T) {
	doc := read(t, "infra/operations.yaml")
	for name, alarm := range resources(doc, "AWS::CloudWatch::Alarm") {
		t.Run(name, func(t *testing.T) {
			properties := at(alarm, "Properties")
			for _, actions := range []string{"AlarmActions", "OKActions"} {
				want := []value{"HasTopic", []value{"!Ref AlarmTopicArn"}, "!Ref AWS::NoValue"}
				if diff := cmp.Diff(value(want), at(properties, actions)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", actions, diff)
				}
			}
			if len(text(at(properties, "AlarmDescription"))) < 100 {
				t.Errorf("AlarmDescription = %q, want instructions", text(at(properties, "AlarmDescription")))
			}
			if at(properties, "TreatMissingData") == nil {
				t.Error("TreatMissingData has its default, want an explicit value")
			}
			if condition := text(at(alarm, "Condition")); !strings.HasPrefix(condition, "Has") {
				t.Errorf("Condition = %q, want Has…: an alarm costs money and must be opt-in", condition)
			}
		})
	}
}

// An alarm or graph of a metric that is never sent would always look healthy.
func TestAlarmedAndShownMetricsAreSent(t *testing.T) {
	doc := read(t, "infra/operations.yaml")
	filters := map[string]bool{}
	for _, f := range resources(doc, "AWS::Logs::MetricFilter") {
		transformation := list(at(f, "Properties", "MetricTransformations"))[0]
		filters[text(at(transformation, "MetricName"))] = true
	}
	alarmed := map[string]bool{}
	for name, alarm := range resources(doc, "AWS::CloudWatch::Alarm") {
		every(alarm, func(v value) {
			metric := text(at(v, "MetricName"))
			switch at(v, "Namespace") {
			case "GoblinsSecrets":
				alarmed[metric] = true
				dimensions := list(at(v, "Dimensions"))
				if !slices.Contains(sent(t), metric) || len(dimensions) != 1 || at(dimensions[0], "Name") != "Stack" {
					t.Errorf("%s: %s with dimensions %v is not sent", name, metric, dimensions)
				}
			case "GoblinsSecrets/Trail":
				if !filters[metric] {
					t.Errorf("%s: no filter counts %s", name, metric)
				}
			}
		})
	}
	if len(alarmed) == 0 {
		t.Error("no alarm uses the product's own metrics")
	}

	shown := map[string]bool{}
	for _, metric := range dashboardMetrics(t, doc) {
		if metric[0] == "GoblinsSecrets" {
			shown[metric[1]] = true
			if !slices.Contains(sent(t), metric[1]) || metric[2] != "Stack" {
				t.Errorf("the dashboard shows %s by %s, which is not sent", metric[1], metric[2])
			}
		}
	}
	for _, metric := range sent(t) {
		if !shown[metric] {
			t.Errorf("the dashboard does not show %s", metric)
		}
	}
}

// dashboardMetrics returns namespace, name and first dimension of each metric of the dashboard. It
// resolves the abbreviations "." and "...".
func dashboardMetrics(t *testing.T, doc value) [][3]string {
	t.Helper()
	body, ok := strings.CutPrefix(text(at(doc, "Resources", "Board", "Properties", "DashboardBody")), "!Sub ")
	if !ok {
		t.Fatal("DashboardBody is not a !Sub")
	}
	var dashboard struct {
		Widgets []struct {
			X, Width   int
			Properties struct{ Metrics [][]any }
		}
	}
	if err := json.Unmarshal([]byte(body), &dashboard); err != nil {
		t.Fatalf("DashboardBody: %v", err)
	}
	var metrics [][3]string
	for _, w := range dashboard.Widgets {
		if w.X+w.Width > 24 {
			t.Errorf("a widget ends in column %d of 24", w.X+w.Width)
		}
		var last []string
		for _, m := range w.Properties.Metrics {
			var words []string
			for _, word := range m {
				if s, ok := word.(string); ok { // not an options object
					words = append(words, s)
				}
			}
			if words[0] == "..." {
				words = append(slices.Clone(last[:len(last)-len(words)+1]), words[1:]...)
			}
			for i, word := range words {
				if word == "." {
					words[i] = last[i]
				}
			}
			last = words
			metric := [3]string{words[0], words[1]}
			if len(words) > 2 {
				metric[2] = words[2]
			}
			metrics = append(metrics, metric)
		}
	}
	return metrics
}

// foreignDecrypts returns the filter's pattern with these ARNs.
func foreignDecrypts(t *testing.T, key, reveals, exports, delivers string) string {
	t.Helper()
	pattern := text(at(read(t, "infra/operations.yaml"), "Resources", "ForeignDecryptsFilter", "Properties", "FilterPattern"))
	pattern = strings.NewReplacer("!Sub ", "", "${MasterKeyArn}", key, "${GetItemRoleArn}", reveals, "${GetBundleRoleArn}", exports,
		"${DeploySecretRoleArn}", delivers).Replace(pattern)
	if strings.Contains(pattern, "${") {
		t.Fatalf("unknown reference in %s", pattern)
	}
	return pattern
}

// A caller other than get-item, get-bundle and deploy-secret that unwraps a data key must raise the alarm.
func TestForeignDecryptsAreCounted(t *testing.T) {
	const key, role, delivers = "arn:aws:kms:r:1:key/k", "arn:aws:iam::1:role/s/get-item", "arn:aws:iam::1:role/s/deploy-secret"
	const exports = "arn:aws:iam::1:role/s/get-bundle"
	pattern := foreignDecrypts(t, key, role, exports, delivers)
	event := func(name, arn, issuer string) map[string]any {
		identity := map[string]any{"type": "IAMUser"}
		if issuer != "" {
			identity = map[string]any{"type": "AssumedRole", "sessionContext": map[string]any{"sessionIssuer": map[string]any{"arn": issuer}}}
		}
		return map[string]any{"eventSource": "kms.amazonaws.com", "eventName": name, "userIdentity": identity,
			"resources": []any{map[string]any{"ARN": arn}}}
	}
	const admin, another = "arn:aws:iam::1:role/admin", "arn:aws:kms:r:1:key/other"
	into := event("ReEncrypt", another, admin)
	into["resources"] = append(into["resources"].([]any), map[string]any{"ARN": key})
	for name, test := range map[string]struct {
		event map[string]any
		want  bool
	}{
		"GetItem":      {event("Decrypt", key, role), false},
		"GetBundle":    {event("Decrypt", key, exports), false},
		"DeploySecret": {event("Decrypt", key, delivers), false},
		"OtherRole":    {event("Decrypt", key, admin), true},
		"LongerName":   {event("Decrypt", key, role+"-2"), true},
		"User":         {event("Decrypt", key, ""), true},
		"ReEncrypt":    {event("ReEncrypt", key, admin), true},
		"ReEncryptTo":  {into, true},
		"OtherKey":     {event("Decrypt", another, admin), false},
		"GenerateData": {event("GenerateDataKey", key, admin), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := matches(t, pattern, test.event); got != test.want {
				t.Errorf("counted = %v, want %v", got, test.want)
			}
		})
	}

	// Without deliveries the role does not exist, and no other role may take its place.
	check(t, at(read(t, "template.yaml"), "Resources", "Operations", "Properties", "Parameters"), "!GetAtt GetItemRole.Arn", "GetItemRoleArn")
	check(t, at(read(t, "template.yaml"), "Resources", "Operations", "Properties", "Parameters"), "!GetAtt GetBundleRole.Arn", "GetBundleRoleArn")
	want := []value{"IsDelivered", "!GetAtt DeploySecretRole.Arn", "!GetAtt GetItemRole.Arn"}
	got := at(read(t, "template.yaml"), "Resources", "Operations", "Properties", "Parameters", "DeploySecretRoleArn")
	if diff := cmp.Diff(value(want), got); diff != "" {
		t.Errorf("DeploySecretRoleArn (-want +got):\n%s", diff)
	}
	alone := foreignDecrypts(t, key, role, exports, role)
	if matches(t, alone, event("Decrypt", key, role)) || !matches(t, alone, event("Decrypt", key, delivers)) {
		t.Error("without deliveries, get-item is counted, or another role is not")
	}
}

// What makes others' calls count: each event alone, in the shape that CloudTrail documents.
func TestChangesAreCounted(t *testing.T) {
	event := func(source, name string, more map[string]any) map[string]any {
		e := map[string]any{"eventSource": source + ".amazonaws.com", "eventName": name, "sourceIPAddress": "192.0.2.1"}
		maps.Copy(e, more)
		return e
	}
	key := map[string]any{"resources": []any{map[string]any{"ARN": "arn:key"}}}
	asked := func(name, value string) map[string]any {
		return map[string]any{"requestParameters": map[string]any{name: value}}
	}
	const reveals, exports = "arn:aws:lambda:r:1:function:s-GetItem-1:live", "arn:aws:lambda:r:1:function:s-GetBundle-1:live"
	invoked := func(function, by string) map[string]any {
		return map[string]any{"requestParameters": map[string]any{"functionName": function}, "userIdentity": map[string]any{"invokedBy": by}}
	}
	for _, tt := range []struct {
		filter string
		event  map[string]any
		want   bool
	}{
		{"KeyChanges", event("kms", "PutKeyPolicy", key), true},
		{"KeyChanges", event("kms", "ReplicateKey", key), true},
		{"KeyChanges", event("kms", "UpdatePrimaryRegion", key), true},
		{"KeyChanges", event("kms", "Decrypt", key), false},
		{"RoleChanges", event("iam", "CreateRole", asked("path", "/s/")), true},
		{"RoleChanges", event("iam", "CreateRole", asked("path", "/s/below/")), true},
		{"RoleChanges", event("iam", "CreateRole", asked("path", "/s2/")), false},
		{"RoleChanges", event("iam", "PutRolePolicy", asked("roleName", "s-GetItemRole-1")), true},
		{"RoleChanges", event("iam", "UpdateAssumeRolePolicy", asked("roleName", "s-GetItemRole-1")), true},
		{"RoleChanges", event("iam", "AttachRolePolicy", asked("roleName", "another")), false},
		{"RoleChanges", event("iam", "CreatePolicyVersion", asked("policyArn", "arn:aws:iam::1:policy/s/s-TracePolicy-1")), true},
		{"RoleChanges", event("iam", "CreatePolicyVersion", asked("policyArn", "arn:aws:iam::1:policy/other")), false},
		{"FunctionChanges", event("lambda", "UpdateFunctionCode20150331v2", asked("functionName", "s-GetItem-1")), true},
		{"FunctionChanges", event("lambda", "AddPermission20150331v2", asked("functionName", "arn:aws:lambda:r:1:function:s-GetItem-1")), true},
		{"FunctionChanges", event("lambda", "UpdateFunctionCode20150331v2", asked("functionName", "other")), false},
		{"FunctionChanges", event("lambda", "UpdateFunctionCode20150331v2", map[string]any{
			"requestParameters": map[string]any{"functionName": "s-GetItem-1"}, "sourceIPAddress": "cloudformation.amazonaws.com",
		}), false},
		{"FunctionChanges", event("lambda", "AddPermission20150331v2", map[string]any{
			"requestParameters": map[string]any{"functionName": "s-GetItem-1"}, "sourceIPAddress": "cloudformation.amazonaws.com",
		}), true},
		{"FunctionChanges", event("lambda", "CreateFunction20150331", map[string]any{
			"requestParameters": map[string]any{"functionName": "x", "role": "arn:aws:iam::1:role/s/s-GetItemRole-1"},
		}), true},
		{"FunctionChanges", event("lambda", "UpdateFunctionConfiguration20150331v2", map[string]any{
			"requestParameters": map[string]any{"functionName": "x", "role": "arn:aws:iam::1:role/other"},
		}), false},
		{"ForeignInvocations", event("lambda", "Invoke", invoked(reveals, "apigateway.amazonaws.com")), false},
		{"ForeignInvocations", event("lambda", "Invoke", invoked(exports, "apigateway.amazonaws.com")), false},
		{"ForeignInvocations", event("lambda", "Invoke", asked("functionName", exports)), true},
		{"ForeignInvocations", event("lambda", "Invoke", invoked(reveals, "events.amazonaws.com")), true},
		{"ForeignInvocations", event("lambda", "Invoke", asked("functionName", reveals)), true},
		{"ForeignInvocations", event("lambda", "Invoke", asked("functionName", "arn:aws:lambda:r:1:function:s-GetSecret-1:live")), false},
	} {
		pattern := text(at(read(t, "infra/operations.yaml"), "Resources", tt.filter+"Filter", "Properties", "FilterPattern"))
		pattern = strings.NewReplacer("!Sub ", "", "${MasterKeyArn}", "arn:key", "${StackName}", "s", "${GetItemFunction}", "s-GetItem-1", "${GetBundleFunction}", "s-GetBundle-1").Replace(pattern)
		if got := matches(t, pattern, tt.event); got != tt.want || len(pattern) > 900 {
			t.Errorf("%s of %v = %v, want %v, in %d characters", tt.filter, tt.event, got, tt.want, len(pattern))
		}
	}
}

// CloudWatch accepts 1,024 characters, and the pattern holds names of any length.
func TestForeignDecryptsPatternFits(t *testing.T) {
	// infra/github.yaml limits the stack's name; CloudFormation cuts IAM names at 64 characters.
	stack := strings.Repeat("s", 29)
	role := func(id string) string {
		return "arn:aws-us-gov:iam::123456789012:role/" + stack + "/" + stack + "-" + id + "Role-0123456789AB"
	}
	pattern := foreignDecrypts(t, "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-0123456789abcdef0123456789abcdef",
		role("GetItem"), role("GetBundle"), role("DeploySecret"))
	if len(pattern) > 1024 {
		t.Errorf("the pattern has %d characters: %s", len(pattern), pattern)
	}
}

var (
	condition = regexp.MustCompile(`\(\$\.([\w.\[\]]+) (?:(NOT EXISTS)|(=|!=) "([^"]*)")\)`)
	group     = regexp.MustCompile(`\(([TF&| ]+)\)`)
)

// matches evaluates the subset of CloudWatch Logs' filter patterns that the template uses: conditions
// in parentheses, && before ||. A comparison with a missing field is false, even with !=.
func matches(t *testing.T, pattern string, event map[string]any) bool {
	t.Helper()
	truth := func(is bool) string {
		if is {
			return "T"
		}
		return "F"
	}
	pattern = strings.Trim(pattern, "{} \n")
	pattern = condition.ReplaceAllStringFunc(pattern, func(s string) string {
		c := condition.FindStringSubmatch(s)
		got, exists := field(event, c[1])
		is, _ := got.(string)
		equal, _ := path.Match(strings.ReplaceAll(c[4], "/", "|"), strings.ReplaceAll(is, "/", "|")) // * matches any text
		return truth(c[2] != "" && !exists || c[3] == "=" && exists && equal || c[3] == "!=" && exists && !equal)
	})
	either := func(s string) string {
		for _, all := range strings.Split(s, "||") {
			if !strings.Contains(all, "F") {
				return "T"
			}
		}
		return "F"
	}
	for group.MatchString(pattern) {
		pattern = group.ReplaceAllStringFunc(pattern, func(s string) string { return either(s[1 : len(s)-1]) })
	}
	if strings.Trim(pattern, "TF&| ") != "" {
		t.Fatalf("unsupported pattern: %s", pattern)
	}
	return either(pattern) == "T"
}

func field(event any, path string) (any, bool) {
	for _, name := range strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune(".[]", r) }) {
		switch e := event.(type) {
		case map[string]any:
			event = e[name]
		case []any:
			i := int(name[0] - '0')
			if i >= len(e) {
				return nil, false
			}
			event = e[i]
		}
		if event == nil {
			return nil, false
		}
	}
	return event, true
}

// A value may look like an attack, so no rule on bodies may block. The list has all such rules that
// AWS documents for these groups.
func TestFirewallBlocksNoBody(t *testing.T) {
	onBodies := map[string][]string{
		"AWSManagedRulesCommonRuleSet": {
			"SizeRestrictions_BODY", "CrossSiteScripting_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "EC2MetaDataSSRF_BODY",
		},
		"AWSManagedRulesKnownBadInputsRuleSet":  {"JavaDeserializationRCE_BODY", "Log4JRCE_BODY", "ReactJSRCE_BODY"},
		"AWSManagedRulesAmazonIpReputationList": nil,
	}
	for _, rule := range list(at(read(t, "infra/firewall.yaml"), "Resources", "Firewall", "Properties", "Rules")) {
		statement := at(rule, "Statement", "ManagedRuleGroupStatement")
		if statement == nil {
			continue
		}
		rules, known := onBodies[text(at(statement, "Name"))]
		if !known {
			t.Errorf("%v: add its rules on bodies to this test", at(statement, "Name"))
		}
		counted := map[string]bool{}
		for _, o := range list(at(statement, "RuleActionOverrides")) {
			counted[text(at(o, "Name"))] = at(o, "ActionToUse", "Count") != nil
		}
		for _, name := range rules {
			if !counted[name] {
				t.Errorf("%s blocks values", name)
			}
		}
	}
}

// WAF shows requests in samples and logs, which must not have a key or a piece of a value.
// One key has one rate, however a client writes the header, and no name grows with the stack's.
func TestFirewallLimitsEachKey(t *testing.T) {
	doc := read(t, "infra/firewall.yaml")
	found := false
	for _, rule := range list(at(doc, "Resources", "Firewall", "Properties", "Rules")) {
		check(t, rule, text(at(rule, "Name")), "VisibilityConfig", "MetricName")
		rate := at(rule, "Statement", "RateBasedStatement")
		if at(rule, "Name") != value("key-rate") {
			continue
		}
		found = true
		check(t, rate, "CUSTOM_KEYS", "AggregateKeyType")
		want := []value{map[string]value{"Header": map[string]value{
			"Name": "authorization",
			"TextTransformations": []value{
				map[string]value{"Priority": "0", "Type": "COMPRESS_WHITE_SPACE"}, map[string]value{"Priority": "1", "Type": "LOWERCASE"},
			},
		}}}
		if diff := cmp.Diff(want, list(at(rate, "CustomKeys"))); diff != "" {
			t.Errorf("keys of the rate (-want +got):\n%s", diff)
		}
	}
	if !found {
		t.Error("the firewall has no rate for a key")
	}
	// WAF's log names the keys of rates: the protection must not leave them out.
	every(at(doc, "Resources", "Firewall", "Properties", "DataProtectionConfig"), func(v value) {
		if excluded := at(v, "ExcludeRateBasedDetails"); excluded != nil {
			t.Errorf("%v leaves the keys of rates readable", v)
		}
	})
}

func TestFirewallDisclosesNoKeyAndNoValue(t *testing.T) {
	doc := read(t, "infra/firewall.yaml")
	firewall := at(doc, "Resources", "Firewall", "Properties")
	every(firewall, func(v value) {
		if sampled := at(v, "SampledRequestsEnabled"); sampled != nil && sampled != "false" {
			t.Errorf("%v samples requests", at(v, "MetricName"))
		}
	})
	hidden := map[string]bool{}
	for _, p := range list(at(firewall, "DataProtectionConfig", "DataProtections")) {
		keys := []string{text(at(p, "Field", "FieldType"))}
		for _, k := range list(at(p, "Field", "FieldKeys")) {
			keys = append(keys, text(k))
		}
		hidden[strings.Join(keys, " ")] = at(p, "Action") == "SUBSTITUTION" && at(p, "ExcludeRuleMatchDetails") == nil
	}
	if !hidden["BODY"] || !hidden["SINGLE_HEADER authorization"] {
		t.Errorf("DataProtections = %v, want bodies and keys", hidden)
	}
	redacted := list(at(doc, "Resources", "Logging", "Properties", "RedactedFields"))
	if len(redacted) != 1 || at(redacted[0], "SingleHeader", "Name") != "authorization" {
		t.Errorf("RedactedFields = %v, want the key", redacted)
	}
}

// Without them every API of the account would stop logging, or other repositories would stop deploying.
func TestSharedResourcesAreRetained(t *testing.T) {
	for file, names := range map[string][]string{
		"infra/account.yaml": {"LoggingRole", "Account"},
		"infra/github.yaml":  {"Provider"},
	} {
		doc := read(t, file)
		for _, name := range names {
			check(t, doc, "Retain", "Resources", name, "DeletionPolicy")
			check(t, doc, "Retain", "Resources", name, "UpdateReplacePolicy")
		}
	}
}

// Only one environment of one repository may assume DeployRole, and only CloudFormation may do more.
func TestGitHubTrustsOneEnvironment(t *testing.T) {
	doc := read(t, "infra/github.yaml")
	trust := list(at(doc, "Resources", "DeployRole", "Properties", "AssumeRolePolicyDocument", "Statement"))
	if len(trust) != 1 || len(at(trust[0], "Condition").(map[string]value)) != 1 {
		t.Fatalf("trust policy = %v, want one statement with one condition", trust)
	}
	equal := at(trust[0], "Condition", "StringEquals")
	check(t, equal, "sts.amazonaws.com", "token.actions.githubusercontent.com:aud")
	check(t, equal, "!Sub repo:${Repository}:environment:${Environment}", "token.actions.githubusercontent.com:sub")

	for _, s := range statementsOf(doc, "DeployRole") {
		for _, action := range list(at(s, "Action")) {
			service, _, _ := strings.Cut(text(action), ":")
			if !slices.Contains([]string{"cloudformation", "iam", "s3"}, service) {
				t.Errorf("DeployRole may %s", action)
			}
			if service == "iam" {
				check(t, s, "iam:PassRole", "Action")
				check(t, s, "!GetAtt ExecutionRole.Arn", "Resource")
				check(t, s, "cloudformation.amazonaws.com", "Condition", "StringEquals", "iam:PassedToService")
			}
		}
	}
	for _, s := range statementsOf(doc, "ExecutionRole") {
		for _, action := range list(at(s, "Action")) {
			for _, never := range []string{
				"dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:DeleteTable",
				"secretsmanager:GetSecretValue", "sqs:ReceiveMessage",
				"kms:Decrypt", "kms:ReEncryptFrom", "kms:CreateGrant", "kms:ScheduleKeyDeletion", "kms:DisableKey",
			} {
				if ok, err := filepath.Match(text(action), never); err != nil || ok {
					t.Errorf("ExecutionRole may %s by %s", never, action)
				}
			}
		}
	}
}

func statementsOf(doc value, role string) []value {
	var all []value
	for _, p := range list(at(doc, "Resources", role, "Properties", "Policies")) {
		for _, s := range list(at(p, "PolicyDocument", "Statement")) {
			if branches, ok := s.([]value); ok { // an !If that omits the statement otherwise
				s = branches[1]
			}
			all = append(all, s)
		}
	}
	return all
}

// What the pipeline's role could grant itself: whatever the roles have that it may make, change or pass. All
// of these have the boundary, which the role can neither change nor take off, and the boundary has no right
// on permissions, keys' policies or other stacks.
func TestPipelineGrantsItselfNoMoreThanTheBoundary(t *testing.T) {
	const account = "!Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:"
	doc := read(t, "infra/github.yaml")
	makes := map[string]bool{"iam:CreateRole": true, "iam:PutRolePolicy": true, "iam:AttachRolePolicy": true, "iam:PutRolePermissionsBoundary": true}
	// These change a role so that another principal has its rights, or take the boundary off.
	never := []string{
		"iam:UpdateAssumeRolePolicy", "iam:DeleteRolePermissionsBoundary", "iam:SetDefaultPolicyVersion", "iam:CreateUser", "iam:CreateAccessKey",
		"iam:AddUserToGroup", "iam:PutUserPolicy", "iam:AttachUserPolicy", "sts:AssumeRole", "kms:PutKeyPolicy", "kms:CreateGrant",
		"kms:CreateKey", "kms:CreateAlias", "kms:UpdateAlias", "kms:Decrypt", "kms:ReplicateKey", "organizations:CreateAccount",
	}
	made := map[string]bool{}
	for _, s := range statementsOf(doc, "ExecutionRole") {
		for _, action := range list(at(s, "Action")) {
			for _, n := range never {
				if ok, err := filepath.Match(text(action), n); err != nil || ok {
					t.Errorf("ExecutionRole may %s by %s", n, action)
				}
			}
			service, _, _ := strings.Cut(text(action), ":")
			switch {
			case makes[text(action)]:
				made[text(action)] = true
				check(t, s, "!Ref Boundary", "Condition", "StringEquals", "iam:PermissionsBoundary")
				check(t, s, account+"role/${StackName}/*", "Resource")
				if action == value("iam:AttachRolePolicy") {
					check(t, s, account+"policy/${StackName}/*", "Condition", "ArnLike", "iam:PolicyARN")
				}
			case action == value("iam:PassRole"):
				check(t, s, account+"role/${StackName}/*", "Resource")
			case service == "iam":
				for _, r := range list(at(s, "Resource")) {
					if !strings.HasPrefix(text(r), account+"role/${StackName}/") && !strings.HasPrefix(text(r), account+"policy/${StackName}/") &&
						!strings.HasPrefix(text(r), account+"role/aws-service-role/") {
						t.Errorf("ExecutionRole may %s on %s", action, r)
					}
				}
			case service == "kms":
				check(t, s, "kms:DescribeKey", "Action")
				check(t, s, "!Ref KeyArn", "Resource")
			case action == value("route53:ChangeResourceRecordSets"):
				check(t, s, "!Sub arn:${AWS::Partition}:route53:::hostedzone/${HostedZoneId}", "Resource")
			}
		}
	}
	if diff := cmp.Diff(makes, made); diff != "" {
		t.Errorf("actions that give rights (-known +held):\n%s", diff)
	}
	boundary := at(doc, "Resources", "Boundary", "Properties")
	check(t, boundary, "!Sub /${AWS::StackName}/", "Path") // of the pipeline's stack, not of the deployed one
	for _, s := range list(at(boundary, "PolicyDocument", "Statement")) {
		for _, action := range list(at(s, "Action")) {
			service, operation, _ := strings.Cut(text(action), ":")
			if slices.Contains([]string{"iam", "sts", "*"}, service) || strings.Contains(operation, "*") ||
				service == "kms" && !slices.Contains([]string{"Decrypt", "GenerateDataKey"}, operation) {
				t.Errorf("the boundary has %s", action)
			}
			for _, r := range list(at(s, "Resource")) {
				own := regexp.MustCompile(`\bStackName\b|\$\{(RestoredTable|Prefix)\}`).MatchString(fmt.Sprint(r)) || r == value("!Ref KeyArn") ||
					text(at(s, "Condition", "StringEquals", "kms:ViaService")) != "" || service == "xray" || service == "cloudwatch"
				if !own {
					t.Errorf("the boundary has %s on %s", action, r)
				}
			}
		}
	}
}

// What the pipeline can do beyond its stack, and whom its templates can let in, is what SECURITY.md and the
// template's head say, and no more.
func TestPipelineReachesNoMoreThanIsSaid(t *testing.T) {
	own := regexp.MustCompile(`StackName|KeyArn|Packages|HostedZoneId|aws:transform|aws-service-role`)
	beyond, lettingIn := map[string]bool{}, map[string]bool{}
	for _, s := range statementsOf(read(t, "infra/github.yaml"), "ExecutionRole") {
		for _, action := range list(at(s, "Action")) {
			for _, r := range list(at(s, "Resource")) {
				if !own.MatchString(fmt.Sprint(r)) && !own.MatchString(fmt.Sprint(at(s, "Condition"))) {
					service, operation, _ := strings.Cut(text(action), ":")
					if !regexp.MustCompile(`^(Describe|Get|List)`).MatchString(operation) {
						beyond[service] = true
					}
				}
			}
			if strings.Contains(text(action), "Policy") && !strings.HasPrefix(text(action), "iam:") && !strings.Contains(text(action), ":Get") {
				lettingIn[text(action)] = true
			}
		}
	}
	// Event source mappings have generated ids, and are of the stack's functions by a condition; tags of them are not.
	if diff := cmp.Diff(map[string]bool{"apigateway": true, "codedeploy": true, "logs": true, "wafv2": true, "lambda": true}, beyond); diff != "" {
		t.Errorf("services in which ExecutionRole changes what is not its stack's (-known +held):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]bool{
		"apigateway:UpdateRestApiPolicy": true, "dynamodb:PutResourcePolicy": true, "dynamodb:DeleteResourcePolicy": true, "logs:PutResourcePolicy": true,
		"logs:PutRetentionPolicy": true, "logs:DeleteRetentionPolicy": true,
	}, lettingIn); diff != "" {
		t.Errorf("actions on policies (-known +held):\n%s", diff)
	}
}

// The boundary leaves the stack's roles all that their policies allow.
func TestBoundaryCoversTheStacksRoles(t *testing.T) {
	within := map[string]bool{}
	for _, s := range list(at(read(t, "infra/github.yaml"), "Resources", "Boundary", "Properties", "PolicyDocument", "Statement")) {
		for _, action := range list(at(s, "Action")) {
			within[text(action)] = true
		}
	}
	needed := map[string]bool{}
	for _, s := range statements(t) {
		for _, action := range s.actions {
			needed[action] = true
		}
	}
	doc := document(t)
	others := statementsOf(doc, "TrafficRole")
	others = append(others, list(at(doc, "Resources", "TracePolicy", "Properties", "PolicyDocument", "Statement"))...)
	for _, s := range others {
		for _, action := range list(at(s, "Action")) {
			needed[text(action)] = true
		}
	}
	if diff := cmp.Diff(needed, within); diff != "" {
		t.Errorf("actions of the stack's roles (-) and of their boundary (+):\n%s", diff)
	}
}

// The pipeline's rights are on names that begin with its stack's name.
func TestNoStackNameBeginsAnother(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root(t), "samconfig.toml"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, match := range regexp.MustCompile(`(?m)^stack_name = "([^"]+)"`).FindAllStringSubmatch(string(content), -1) {
		names = append(names, match[1])
	}
	for _, one := range names {
		for _, other := range names {
			if one != other && strings.HasPrefix(other, one) {
				t.Errorf("%s begins with %s", other, one)
			}
		}
	}
	if len(names) < 2 {
		t.Errorf("stack names are %v", names)
	}
	check(t, read(t, "infra/github.yaml"), names[len(names)-1], "Parameters", "StackName", "Default")
}

// ExecutionRole deploys the root template and those nested in it, so it needs all their services.
func TestGitHubMayDeployEveryResource(t *testing.T) {
	may := map[string]bool{} // services, and actions
	for _, s := range statementsOf(read(t, "infra/github.yaml"), "ExecutionRole") {
		for _, action := range list(at(s, "Action")) {
			service, _, _ := strings.Cut(text(action), ":")
			may[service] = true
			may[text(action)] = true
			if service == "ssm" {
				check(t, s, "!Sub arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/goblins/${StackName}/*", "Resource")
			}
			if strings.HasSuffix(text(action), "EventSourceMapping") && action != value("lambda:GetEventSourceMapping") {
				const functions = "!Sub arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${StackName}-*"
				check(t, s, functions, "Condition", "ArnLike", "lambda:FunctionArn")
			}
		}
	}
	for file := range nested(t) {
		for name, r := range at(read(t, file), "Resources").(map[string]value) {
			service := strings.ToLower(strings.Split(text(at(r, "Type")), "::")[1])
			if service == "serverless" {
				service = "lambda" // its other services occur as separate resources
				for id, event := range asMap(at(r, "Properties", "Events")) {
					// Its mapping is named after neither the stack nor the function.
					if at(event, "Type") == "DynamoDB" && !may["lambda:CreateEventSourceMapping"] {
						t.Errorf("%s: ExecutionRole of infra/github.yaml may not create %s of %s", file, id, name)
					}
				}
			}
			if !may[service] {
				t.Errorf("%s: %s is a %s, but ExecutionRole of infra/github.yaml may not use %s", file, name, at(r, "Type"), service)
			}
		}
	}
}

// CloudFormation reports a missing or unknown parameter of a nested stack only while it deploys.
func TestNestedStacksGetExactlyTheirParameters(t *testing.T) {
	for file, given := range nested(t) {
		if given == nil {
			continue // the root
		}
		declared := at(read(t, file), "Parameters").(map[string]value)
		for name := range given {
			if _, ok := declared[name]; !ok {
				t.Errorf("%s gets %s, but has no such parameter", file, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(declared)) {
			if _, ok := given[name]; !ok && at(declared[name], "Default") == nil {
				t.Errorf("%s does not get %s, which has no default", file, name)
			}
		}
	}
}

// nested returns the templates of the deployment by file, with the parameters that the root passes.
func nested(t *testing.T) map[string]map[string]value {
	t.Helper()
	files := map[string]map[string]value{"template.yaml": nil}
	for _, r := range resources(read(t, "template.yaml"), "AWS::CloudFormation::Stack") {
		given, ok := at(r, "Properties", "Parameters").(map[string]value)
		if !ok {
			given = map[string]value{}
		}
		files[text(at(r, "Properties", "TemplateURL"))] = given
	}
	return files
}

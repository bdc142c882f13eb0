package template_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"goblins-secrets/infra/local/template"
)

// small uses each feature that the package supports.
const small = `
Parameters:
  Stage: {Type: String, Default: dev, AllowedPattern: "[a-z]+"}
  Size: {Type: String, Default: small, AllowedValues: [small, large]}
  Limit: {Type: Number, Default: 10, MinValue: 1, MaxValue: 20}
Conditions:
  IsLarge: !Equals [!Ref Size, large]
  IsSmall: !Not [!Equals [!Ref Size, large]]
  IsOdd: !And [!Condition IsLarge, !Condition IsSmall]
Globals:
  Function:
    Timeout: 20
    Environment:
      Variables:
        STAGE: !Ref Stage
        MODE: global
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: !Ref Stage
      MinimumCompressionSize: !Ref Limit
      BinaryMediaTypes: ["*~1*"]
      Auth:
        DefaultAuthorizer: Keys
        Authorizers:
          Keys:
            FunctionPayloadType: TOKEN
            FunctionArn: !Ref Check.Alias
            Identity:
              Header: Authorization
              ValidationExpression: "^key [0-9]+$"
              ReauthorizeEvery: !Ref Limit
      GatewayResponses:
        UNAUTHORIZED:
          StatusCode: 401
          ResponseParameters: {Headers: {WWW-Authenticate: "'Bearer'"}}
          ResponseTemplates: {application/json: '{"detail":"No."}'}
        DEFAULT_4XX:
          ResponseTemplates: {application/json: '{"detail":"Bad."}'}
  Check:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/check/
      Timeout: 3
  Show:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/show
      Environment:
        Variables:
          MODE: own
          TABLE: !Ref Table
          KEY: !GetAtt Key.Arn
          NAME: !Sub "${Stage}-${Key.Arn}-${!Stage}"
          COUNT: 7
          LARGE: !If [IsLarge, !Ref Size, "-"]
          SMALL: !If [IsSmall, !Ref Size, "-"]
  Follow:
    Type: AWS::Serverless::Function
    Condition: IsSmall
    Properties:
      CodeUri: functions/follow
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions:
        - {AttributeName: PK, AttributeType: S}
        - {AttributeName: SK, AttributeType: N}
      KeySchema:
        - {AttributeName: PK, KeyType: HASH}
        - {AttributeName: SK, KeyType: RANGE}
      GlobalSecondaryIndexes:
        - IndexName: by_size
          KeySchema: [{AttributeName: SK, KeyType: HASH}]
          Projection: {ProjectionType: ALL}
      TimeToLiveSpecification: {AttributeName: expires, Enabled: true}
      StreamSpecification: {StreamViewType: KEYS_ONLY}
`

// write saves a template and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// edit returns small with its one occurrence of old replaced.
func edit(t *testing.T, old, new string) string {
	t.Helper()
	if n := strings.Count(small, old); n != 1 {
		t.Fatalf("%q is in the template %d times, want once", old, n)
	}
	return strings.Replace(small, old, new, 1)
}

func TestReadReturnsAllDeclarations(t *testing.T) {
	got, err := template.Read(write(t, small), map[string]string{"Limit": "5"})
	if err != nil {
		t.Fatal(err)
	}
	want := &template.Template{
		Parameters: map[string]string{"Stage": "dev", "Size": "small", "Limit": "5"},
		Timeout:    20 * time.Second,
		Authorizer: template.Authorizer{
			Function:     "Check",
			Header:       "Authorization",
			Validation:   regexp.MustCompile("^key [0-9]+$"),
			CacheSeconds: 5,
		},
		CompressFrom: 5,
		GatewayResponses: map[string]template.GatewayResponse{
			"UNAUTHORIZED": {Status: 401, Headers: map[string]string{"WWW-Authenticate": "Bearer"}, Body: `{"detail":"No."}`},
			"DEFAULT_4XX":  {Headers: map[string]string{}, Body: `{"detail":"Bad."}`},
		},
		Table: template.Table{
			Attributes:   []template.Attribute{{Name: "PK", Type: "S"}, {Name: "SK", Type: "N"}},
			Keys:         []template.Key{{Name: "PK", Type: "HASH"}, {Name: "SK", Type: "RANGE"}},
			Indexes:      []template.Index{{Name: "by_size", Keys: []template.Key{{Name: "SK", Type: "HASH"}}}},
			StreamView:   "KEYS_ONLY",
			TTLAttribute: "expires",
		},
	}
	expressions := cmp.Comparer(func(a, b *regexp.Regexp) bool { return a.String() == b.String() })
	if diff := cmp.Diff(want, got, expressions, cmpopts.IgnoreUnexported(template.Template{})); diff != "" {
		t.Errorf("Read (-want +got):\n%s", diff)
	}
}

func TestConditionsFollowTheirParameters(t *testing.T) {
	for size, large := range map[string]bool{"small": false, "large": true} {
		tmpl, err := template.Read(write(t, small), map[string]string{"Size": size})
		if err != nil {
			t.Fatal(err)
		}
		for condition, want := range map[string]bool{"IsLarge": large, "IsSmall": !large} {
			if got, err := tmpl.Holds(condition); err != nil || got != want {
				t.Errorf("Holds(%s) with Size=%s = %v, %v, want %v", condition, size, got, err, want)
			}
		}
		for _, condition := range []string{"Maybe", "IsOdd"} { // unknown, and not supported
			if got, err := tmpl.Holds(condition); err == nil {
				t.Errorf("Holds(%s) = %v, want an error", condition, got)
			}
		}
	}
}

func TestSetParametersReplaceDefaults(t *testing.T) {
	path := write(t, small)
	for _, set := range []map[string]string{
		nil,
		{"Limit": "1"},
		{"Limit": "20", "Size": "large", "Stage": "prod"},
	} {
		got, err := template.Read(path, set)
		if err != nil {
			t.Errorf("Read(set %v): %v", set, err)
			continue
		}
		for name, want := range set {
			if got.Parameters[name] != want {
				t.Errorf("Read(set %v): %s = %q, want %q", set, name, got.Parameters[name], want)
			}
		}
	}
}

func TestInvalidParametersAreRefused(t *testing.T) {
	path := write(t, small)
	for _, test := range []struct{ name, value, want string }{
		{"Nonesuch", "1", "there is no parameter Nonesuch: the template has Limit, Size, Stage"},
		{"Limit", "many", `parameter Limit must be a number, not "many"`},
		{"Limit", "", `parameter Limit must be a number, not ""`},
		{"Limit", "NaN", `parameter Limit must be a number, not "NaN"`},
		{"Limit", "0", `parameter Limit must be at least 1, not "0"`},
		{"Limit", "21", `parameter Limit must be at most 20, not "21"`},
		{"Size", "medium", `parameter Size must be one of small, large, not "medium"`},
		{"Stage", "dev/1", `parameter Stage must match [a-z]+, not "dev/1"`},
	} {
		_, err := template.Read(path, map[string]string{test.name: test.value})
		if err == nil || err.Error() != test.want {
			t.Errorf("Read(set %s=%s) = %v, want %s", test.name, test.value, err, test.want)
		}
	}

	unset := write(t, edit(t, "Default: dev, ", ""))
	want := "parameter Stage has no default and must be set"
	if _, err := template.Read(unset, nil); err == nil || err.Error() != want {
		t.Errorf("Read = %v, want %s", err, want)
	}
	if _, err := template.Read(unset, map[string]string{"Stage": "dev"}); err != nil {
		t.Errorf("Read with the parameter set: %v", err)
	}
}

func TestUnsupportedTemplatesAreRefused(t *testing.T) {
	const (
		secondTable    = "  Other: {Type: AWS::DynamoDB::Table}\n  Table:\n    Type: AWS::DynamoDB::Table"
		firstTableOnly = "  Table:\n    Type: AWS::DynamoDB::Table"
	)
	for name, test := range map[string]struct{ old, new, want string }{
		"NotYAML":               {"Parameters:\n", "Parameters: [\n", "yaml"},
		"DuplicateKey":          {"    Timeout: 20\n", "    Timeout: 20\n    Timeout: 21\n", "already defined"},
		"UnknownIntrinsic":      {"Timeout: 20", "Timeout: !Select [0, [1]]", "Timeout of Globals: line 12: cannot resolve !Select"},
		"UnknownReference":      {"Timeout: 20", "Timeout: !Ref Patience", "cannot resolve the reference to Patience"},
		"TimeoutNotWhole":       {"Timeout: 20", "Timeout: 1.5", `want a whole number, have "1.5"`},
		"ConditionalTable":      {"  Table:\n", "  Table:\n    Condition: IsSmall\n", "Table: conditions are not supported"},
		"TextBodies":            {`["*~1*"]`, `[image/png]`, `Api: BinaryMediaTypes is ["image/png"]`},
		"CompressionUnknown":    {"MinimumCompressionSize: !Ref Limit", "MinimumCompressionSize: !Ref Stage", "Api: MinimumCompressionSize: "},
		"NoAuthorizer":          {"DefaultAuthorizer: Keys", "DefaultAuthorizer: Others", `DefaultAuthorizer "Others" is not among`},
		"RequestAuthorizer":     {"FunctionPayloadType: TOKEN", "FunctionPayloadType: REQUEST", `FunctionPayloadType is "REQUEST"`},
		"AuthorizerNotFunction": {"!Ref Check.Alias", "!Ref Table.Alias", "FunctionArn is not !Ref <function>.Alias"},
		"BadExpression":         {"^key [0-9]+$", "^key [0-9+$", "ValidationExpression: "},
		"NoCacheTime":           {"ReauthorizeEvery: !Ref Limit", "Extra: 1", "ReauthorizeEvery: there is no value"},
		"HeaderNotFixed":        {`"'Bearer'"`, "method.request.header.Host", "gateway response UNAUTHORIZED: header WWW-Authenticate: want a fixed value"},
		"OtherResponseParts":    {"{Headers: {WWW-", "{Paths: {}, Headers: {WWW-", "not supported: Paths"},
		"BodyWithVariable":      {`"No."`, `"$context.error.message"`, "variables are not supported in the body"},
		"BodyOfOtherType":       {`{application/json: '{"detail":"No."}'}`, `{text/plain: No.}`, "want one response template"},
		"TwoTables":             {firstTableOnly, secondTable, "want one AWS::DynamoDB::Table, have 2"},
		"NoTable":               {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "want one AWS::DynamoDB::Table, have 0"},
		"LocalIndex":            {"      KeySchema:\n", "      LocalSecondaryIndexes: []\n      KeySchema:\n", "Table: local indexes are not supported"},
		"NarrowIndex":           {"ProjectionType: ALL", "ProjectionType: KEYS_ONLY", `Table: index by_size: ProjectionType is "KEYS_ONLY", want ALL`},
		"ProvisionedIndex":      {"IndexName: by_size", "IndexName: by_size\n          ProvisionedThroughput: {}", "Table: index by_size: not supported: ProvisionedThroughput"},
		"NoAPI":                 {"AWS::Serverless::Api", "AWS::Serverless::HttpApi", "want one AWS::Serverless::Api, have 0"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, edit(t, test.old, test.new))
			_, err := template.Read(path, nil)
			if err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Read = %v, want the path and %q", err, test.want)
			}
		})
	}
	if _, err := template.Read(filepath.Join(t.TempDir(), "none.yaml"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of a missing file = %v, want a not-exist error", err)
	}
}

func TestEnvironmentResolvesReferences(t *testing.T) {
	tmpl, err := template.Read(write(t, small), nil)
	if err != nil {
		t.Fatal(err)
	}
	resources := map[string]string{"Table": "rows", "Key.Arn": "arn:key"}
	for function, want := range map[string]map[string]string{
		"Check":  {"STAGE": "dev", "MODE": "global"},
		"Follow": {"STAGE": "dev", "MODE": "global"},
		"Show": {
			"STAGE": "dev",
			"MODE":  "own",
			"TABLE": "rows",
			"KEY":   "arn:key",
			"NAME":  "dev-arn:key-${Stage}",
			"COUNT": "7",
			"LARGE": "-",
			"SMALL": "small",
		},
	} {
		got, err := tmpl.Environment(function, resources)
		if err != nil {
			t.Errorf("Environment(%s): %v", function, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Environment(%s) (-want +got):\n%s", function, diff)
		}
	}
}

func TestEnvironmentRefusesUnknownReferences(t *testing.T) {
	all := map[string]string{"Table": "rows", "Key.Arn": "arn:key"}
	for name, test := range map[string]struct {
		text      string
		function  string
		resources map[string]string
		want      string
	}{
		"NoSuchFunction":   {small, "Hide", all, "environment of Hide: the template has no such function"},
		"UnknownResource":  {small, "Show", map[string]string{"Key.Arn": "arn:key"}, "environment of Show: TABLE: "},
		"UnknownAttribute": {edit(t, "${Key.Arn}", "${Key.Id}"), "Show", all, "NAME: line 55: cannot resolve the reference to Key.Id"},
		"UnknownIntrinsic": {edit(t, "COUNT: 7", "COUNT: !Select [0, [1]]"), "Show", all, "COUNT: line 56: cannot resolve !Select"},
		"UnknownCondition": {edit(t, "COUNT: 7", "COUNT: !If [IsOdd, 1, 2]"), "Show", all, "COUNT: line 56: cannot resolve the condition IsOdd"},
		"LongForm":         {edit(t, "COUNT: 7", "COUNT: {Ref: Limit}"), "Show", all, "COUNT: line 56: cannot resolve !!map"},
		"Null":             {edit(t, "COUNT: 7", "COUNT:"), "Show", all, "COUNT: line 56: cannot resolve !!null"},
	} {
		t.Run(name, func(t *testing.T) {
			tmpl, err := template.Read(write(t, test.text), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = tmpl.Environment(test.function, test.resources)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Environment = %v, want %q", err, test.want)
			}
		})
	}
}

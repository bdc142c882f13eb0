// Package template reads the SAM template for the local stack: parameters, the functions' environments,
// the authorizer, the gateway responses and the table. Package functions has the functions' routes.
//
// It supports the part of SAM that the template uses, with the short forms !Ref, !GetAtt, !Sub and
// !If of the intrinsic functions. Anything relevant that it does not support is an error: the local
// stack must not guess what the deployed one does.
package template

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Template is the part of a SAM template that the local gateway needs.
type Template struct {
	Parameters       map[string]string // every parameter's value: as set, else its default
	Timeout          time.Duration     // of functions without their own
	Authorizer       Authorizer        // of every route that is not open
	GatewayResponses map[string]GatewayResponse
	CompressFrom     int // answers of at least this many bytes are compressed if the client accepts it; negative: never
	Table            Table

	variables  map[string]map[string]yaml.Node // by function, then by variable, unresolved
	conditions map[string]yaml.Node            // unresolved
}

// Authorizer is the TOKEN authorizer of every route that is not open.
type Authorizer struct {
	Function     string         // the logical id
	Header       string         // the header with the token
	Validation   *regexp.Regexp // a token that does not match is refused without a call of the function
	CacheSeconds int            // how long an answer may be reused for the same token; 0: never
}

// GatewayResponse is an answer of the gateway itself, without a function.
type GatewayResponse struct {
	Status  int               // 0: the gateway's default status
	Headers map[string]string // without the quotes around fixed values in the template
	Body    string            // of type application/json
}

// Table is the schema of the DynamoDB table.
type Table struct {
	Attributes   []Attribute
	Keys         []Key
	Indexes      []Index
	StreamView   string // empty: no stream
	TTLAttribute string // empty: rows do not expire
}

// Attribute is a key attribute and its type: S, N or B.
type Attribute struct{ Name, Type string }

// Key is an attribute and its role in the primary key: HASH or RANGE.
type Key struct{ Name, Type string }

// Index is a global secondary index that holds its rows with all their attributes.
type Index struct {
	Name string
	Keys []Key
}

// Read reads the SAM template at path. Parameters in set replace their defaults. For an unknown
// parameter, or a value that its declaration does not allow, the error names the parameter.
func Read(path string, set map[string]string) (*Template, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	var doc document
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	parameters, err := resolveParameters(doc.Parameters, set)
	if err != nil {
		return nil, err
	}
	t, err := doc.template(parameters)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Environment returns the environment variables of a function, including those of Globals. It
// looks up a reference to a resource in resources, under the argument of !Ref or !GetAtt:
// {"Table": "local", "MasterKey.Arn": "arn:…"}. Any other reference is an error.
func (t *Template) Environment(function string, resources map[string]string) (map[string]string, error) {
	variables, ok := t.variables[function]
	if !ok {
		return nil, fmt.Errorf("environment of %s: the template has no such function", function)
	}
	known := t.scope(resources)
	environment := make(map[string]string, len(variables))
	for name, node := range variables {
		value, err := known.text(&node)
		if err != nil {
			return nil, fmt.Errorf("environment of %s: %s: %w", function, name, err)
		}
		environment[name] = value
	}
	return environment, nil
}

// Holds reports whether a condition of the template holds.
func (t *Template) Holds(condition string) (bool, error) { return t.scope(nil).holds(condition) }

// scope returns the scope of references: parameters, conditions, and these resources.
func (t *Template) scope(resources map[string]string) scope {
	known := scope{}
	maps.Copy(known, resources)
	maps.Copy(known, t.Parameters)
	for name, node := range t.conditions {
		// A condition that this package cannot resolve is an error only where it is used.
		if holds, err := scope(t.Parameters).condition(&node); err == nil {
			known[conditionPrefix+name] = strconv.FormatBool(holds)
		}
	}
	return known
}

// document is the part of the template file that this package reads, unresolved.
type document struct {
	Parameters map[string]parameter `yaml:"Parameters"`
	Conditions map[string]yaml.Node `yaml:"Conditions"`
	Globals    struct {
		Function functionProperties `yaml:"Function"`
	} `yaml:"Globals"`
	Resources map[string]resource `yaml:"Resources"`
}

type resource struct {
	Type       literal   `yaml:"Type"`
	Condition  literal   `yaml:"Condition"`
	Properties yaml.Node `yaml:"Properties"`
}

type functionProperties struct {
	Timeout     yaml.Node `yaml:"Timeout"`
	Environment struct {
		Variables map[string]yaml.Node `yaml:"Variables"`
	} `yaml:"Environment"`
}

type apiProperties struct {
	Auth struct {
		DefaultAuthorizer literal                         `yaml:"DefaultAuthorizer"`
		Authorizers       map[string]authorizerProperties `yaml:"Authorizers"`
	} `yaml:"Auth"`
	GatewayResponses map[string]gatewayResponseProperties `yaml:"GatewayResponses"`
	BinaryMediaTypes []literal                            `yaml:"BinaryMediaTypes"`
	CompressFrom     yaml.Node                            `yaml:"MinimumCompressionSize"`
}

type authorizerProperties struct {
	FunctionPayloadType literal   `yaml:"FunctionPayloadType"`
	FunctionArn         yaml.Node `yaml:"FunctionArn"`
	Identity            struct {
		Header               literal   `yaml:"Header"`
		ValidationExpression literal   `yaml:"ValidationExpression"`
		ReauthorizeEvery     yaml.Node `yaml:"ReauthorizeEvery"`
	} `yaml:"Identity"`
}

type gatewayResponseProperties struct {
	StatusCode         yaml.Node `yaml:"StatusCode"`
	ResponseParameters struct {
		Headers map[string]literal `yaml:"Headers"`
		Others  map[string]any     `yaml:",inline"`
	} `yaml:"ResponseParameters"`
	ResponseTemplates map[string]literal `yaml:"ResponseTemplates"`
}

func (d *document) template(parameters map[string]string) (*Template, error) {
	t := &Template{Parameters: parameters, variables: map[string]map[string]yaml.Node{}, conditions: d.Conditions}
	apiName, node, err := d.only("AWS::Serverless::Api")
	if err != nil {
		return nil, err
	}
	var api apiProperties
	if err := node.Decode(&api); err != nil {
		return nil, fmt.Errorf("%s: %w", apiName, err)
	}
	seconds, err := scope(parameters).number(&d.Globals.Function.Timeout)
	if err != nil {
		return nil, fmt.Errorf("property Timeout of Globals: %w", err)
	}
	t.Timeout = time.Duration(seconds) * time.Second
	for _, name := range d.named("AWS::Serverless::Function") {
		var own functionProperties
		properties := d.Resources[name].Properties
		if err := properties.Decode(&own); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		t.variables[name] = maps.Clone(d.Globals.Function.Environment.Variables)
		maps.Copy(t.variables[name], own.Environment.Variables)
	}
	if !slices.Equal(api.BinaryMediaTypes, []literal{"*~1*"}) {
		return nil, fmt.Errorf("%s: BinaryMediaTypes is %q: want all types, *~1*", apiName, api.BinaryMediaTypes)
	}
	if t.Authorizer, err = d.authorizer(api, parameters); err != nil {
		return nil, fmt.Errorf("%s: %w", apiName, err)
	}
	if t.GatewayResponses, err = gatewayResponses(api.GatewayResponses); err != nil {
		return nil, fmt.Errorf("%s: %w", apiName, err)
	}
	t.CompressFrom = -1
	if !api.CompressFrom.IsZero() {
		if t.CompressFrom, err = scope(parameters).number(&api.CompressFrom); err != nil {
			return nil, fmt.Errorf("%s: MinimumCompressionSize: %w", apiName, err)
		}
	}
	if t.Table, err = d.table(); err != nil {
		return nil, err
	}
	return t, nil
}

// named returns the logical ids of the resources of one type, sorted.
func (d *document) named(kind literal) []string {
	var names []string
	for name, r := range d.Resources {
		if r.Type == kind {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// only returns the one resource of a type.
func (d *document) only(kind literal) (string, *yaml.Node, error) {
	names := d.named(kind)
	if len(names) != 1 {
		return "", nil, fmt.Errorf("want one %s, have %d", kind, len(names))
	}
	properties, err := d.properties(names[0])
	return names[0], properties, err
}

// properties returns the properties of a resource, which must not have a condition.
func (d *document) properties(name string) (*yaml.Node, error) {
	r := d.Resources[name]
	if r.Condition != "" {
		return nil, fmt.Errorf("%s: conditions are not supported", name)
	}
	return &r.Properties, nil
}

func (d *document) authorizer(api apiProperties, parameters map[string]string) (Authorizer, error) {
	properties, ok := api.Auth.Authorizers[string(api.Auth.DefaultAuthorizer)]
	if !ok {
		return Authorizer{}, fmt.Errorf("the DefaultAuthorizer %q is not among the Authorizers", api.Auth.DefaultAuthorizer)
	}
	if properties.FunctionPayloadType != "TOKEN" {
		return Authorizer{}, fmt.Errorf("FunctionPayloadType is %q, want TOKEN", properties.FunctionPayloadType)
	}
	function, ok := strings.CutSuffix(properties.FunctionArn.Value, ".Alias")
	if !ok || properties.FunctionArn.Tag != "!Ref" || d.Resources[function].Type != "AWS::Serverless::Function" {
		return Authorizer{}, fmt.Errorf("FunctionArn is not !Ref <function>.Alias")
	}
	validation, err := regexp.Compile(string(properties.Identity.ValidationExpression))
	if err != nil {
		return Authorizer{}, fmt.Errorf("ValidationExpression: %w", err)
	}
	seconds, err := scope(parameters).number(&properties.Identity.ReauthorizeEvery)
	if err != nil {
		return Authorizer{}, fmt.Errorf("ReauthorizeEvery: %w", err)
	}
	return Authorizer{
		Function:     function,
		Header:       string(properties.Identity.Header),
		Validation:   validation,
		CacheSeconds: seconds,
	}, nil
}

func gatewayResponses(declared map[string]gatewayResponseProperties) (map[string]GatewayResponse, error) {
	responses := make(map[string]GatewayResponse, len(declared))
	for kind, properties := range declared {
		response, err := gatewayResponse(properties)
		if err != nil {
			return nil, fmt.Errorf("gateway response %s: %w", kind, err)
		}
		responses[kind] = response
	}
	return responses, nil
}

func gatewayResponse(properties gatewayResponseProperties) (GatewayResponse, error) {
	response := GatewayResponse{Headers: map[string]string{}}
	if !properties.StatusCode.IsZero() {
		status, err := scope{}.number(&properties.StatusCode)
		if err != nil {
			return GatewayResponse{}, fmt.Errorf("StatusCode: %w", err)
		}
		response.Status = status
	}
	if err := none(properties.ResponseParameters.Others); err != nil {
		return GatewayResponse{}, err
	}
	for name, value := range properties.ResponseParameters.Headers {
		fixed, opened := strings.CutPrefix(string(value), "'")
		fixed, closed := strings.CutSuffix(fixed, "'")
		if !opened || !closed {
			return GatewayResponse{}, fmt.Errorf("header %s: want a fixed value in single quotes, have %s", name, value)
		}
		response.Headers[name] = fixed
	}
	body, ok := properties.ResponseTemplates["application/json"]
	if !ok || len(properties.ResponseTemplates) != 1 {
		return GatewayResponse{}, fmt.Errorf("want one response template, for application/json")
	}
	if strings.Contains(string(body), "$") {
		return GatewayResponse{}, fmt.Errorf("variables are not supported in the body %s", body)
	}
	response.Body = string(body)
	return response, nil
}

func (d *document) table() (Table, error) {
	name, node, err := d.only("AWS::DynamoDB::Table")
	if err != nil {
		return Table{}, err
	}
	var properties struct {
		Attributes []struct {
			Name literal `yaml:"AttributeName"`
			Type literal `yaml:"AttributeType"`
		} `yaml:"AttributeDefinitions"`
		Keys   keySchema `yaml:"KeySchema"`
		Stream struct {
			View literal `yaml:"StreamViewType"`
		} `yaml:"StreamSpecification"`
		TTL struct {
			Attribute literal `yaml:"AttributeName"`
			Enabled   bool    `yaml:"Enabled"`
		} `yaml:"TimeToLiveSpecification"`
		Indexes []struct {
			Name       literal   `yaml:"IndexName"`
			Keys       keySchema `yaml:"KeySchema"`
			Projection struct {
				Type literal `yaml:"ProjectionType"`
			} `yaml:"Projection"`
			Others map[string]any `yaml:",inline"`
		} `yaml:"GlobalSecondaryIndexes"`
		Local yaml.Node `yaml:"LocalSecondaryIndexes"`
	}
	if err := node.Decode(&properties); err != nil {
		return Table{}, fmt.Errorf("%s: %w", name, err)
	}
	if !properties.Local.IsZero() {
		return Table{}, fmt.Errorf("%s: local indexes are not supported", name)
	}
	table := Table{Keys: properties.Keys.keys(), StreamView: string(properties.Stream.View)}
	for _, a := range properties.Attributes {
		table.Attributes = append(table.Attributes, Attribute{Name: string(a.Name), Type: string(a.Type)})
	}
	for _, i := range properties.Indexes {
		if err := none(i.Others); err != nil {
			return Table{}, fmt.Errorf("%s: index %s: %w", name, i.Name, err)
		}
		if i.Projection.Type != "ALL" {
			return Table{}, fmt.Errorf("%s: index %s: ProjectionType is %q, want ALL", name, i.Name, i.Projection.Type)
		}
		table.Indexes = append(table.Indexes, Index{Name: string(i.Name), Keys: i.Keys.keys()})
	}
	if properties.TTL.Enabled {
		table.TTLAttribute = string(properties.TTL.Attribute)
	}
	return table, nil
}

// keySchema is the key of a table or of an index.
type keySchema []struct {
	Name literal `yaml:"AttributeName"`
	Type literal `yaml:"KeyType"`
}

func (s keySchema) keys() (keys []Key) {
	for _, k := range s {
		keys = append(keys, Key{Name: string(k.Name), Type: string(k.Type)})
	}
	return keys
}

// none refuses unsupported properties, where any could change an answer.
func none(others map[string]any) error {
	if len(others) == 0 {
		return nil
	}
	return fmt.Errorf("not supported: %s", strings.Join(slices.Sorted(maps.Keys(others)), ", "))
}

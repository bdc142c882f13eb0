// Package template reads the SAM template for the local gateway: the functions, their routes, the
// authorizer, the gateway responses and the table.
//
// It supports the part of SAM that the template uses, with the short forms !Ref, !GetAtt, !Sub and
// !If of the intrinsic functions. It omits a function whose condition is false. Anything relevant
// that it does not support is an error: the local gateway must not guess what the deployed one does.
package template

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
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
	Functions        []Function        // by name
	Routes           []Route           // of Api events and of the API's definition, sorted by path and method
	Authorizer       Authorizer        // of every route that is not open
	GatewayResponses map[string]GatewayResponse
	CompressFrom     int // answers of at least this many bytes are compressed if the client accepts it; negative: never
	Table            Table

	variables  map[string]map[string]yaml.Node // by function, then by variable, unresolved
	conditions map[string]yaml.Node            // unresolved
}

// Function is one Lambda function.
type Function struct {
	Name     string        // the logical id, such as GetItem
	Folder   string        // under functions/, such as get-item
	Timeout  time.Duration // how long one invocation may take
	Stream   *Stream       // nil: none
	Schedule time.Duration // the interval between scheduled invocations; 0: none
}

// Stream maps the table's stream to a function, from the oldest record on. The function reports the
// failed records of a batch.
type Stream struct {
	BatchSize int           // most records of a batch
	Window    time.Duration // how long records are gathered into a batch
	Filters   []string      // JSON patterns; a record must match one of them; none: all records
}

// Route maps a method and a path to a function.
type Route struct {
	Method   string // in capitals; ANY stands for all methods without their own route
	Path     string // as in the template, with parameters {name} and {name+}
	Function string // the logical id
	Open     bool   // served without the authorizer
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
	StreamView   string // empty: no stream
	TTLAttribute string // empty: rows do not expire
}

// Attribute is a key attribute and its type: S, N or B.
type Attribute struct{ Name, Type string }

// Key is an attribute and its role in the primary key: HASH or RANGE.
type Key struct{ Name, Type string }

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
	CodeURI     literal   `yaml:"CodeUri"`
	Timeout     yaml.Node `yaml:"Timeout"`
	Environment struct {
		Variables map[string]yaml.Node `yaml:"Variables"`
	} `yaml:"Environment"`
	Events map[string]event `yaml:"Events"`
}

type event struct {
	Type       literal   `yaml:"Type"`
	Properties yaml.Node `yaml:"Properties"`
}

type apiProperties struct {
	Auth struct {
		DefaultAuthorizer literal                         `yaml:"DefaultAuthorizer"`
		Authorizers       map[string]authorizerProperties `yaml:"Authorizers"`
	} `yaml:"Auth"`
	GatewayResponses map[string]gatewayResponseProperties `yaml:"GatewayResponses"`
	BinaryMediaTypes []literal                            `yaml:"BinaryMediaTypes"`
	CompressFrom     yaml.Node                            `yaml:"MinimumCompressionSize"`
	Merge            bool                                 `yaml:"MergeDefinitions"`
	Definition       struct {
		Paths map[string]map[string]operation `yaml:"paths"`
	} `yaml:"DefinitionBody"`
}

type operation struct {
	Integration struct {
		Type literal   `yaml:"type"`
		URI  yaml.Node `yaml:"uri"`
	} `yaml:"x-amazon-apigateway-integration"`
	Others map[string]any `yaml:",inline"`
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
	for _, name := range d.named("AWS::Serverless::Function") {
		if err := d.addFunction(t, name, apiName); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if !slices.Equal(api.BinaryMediaTypes, []literal{"*~1*"}) {
		return nil, fmt.Errorf("%s: BinaryMediaTypes is %q: want all types, *~1*", apiName, api.BinaryMediaTypes)
	}
	defined, err := api.routes()
	if err != nil {
		return nil, fmt.Errorf("%s: DefinitionBody: %w", apiName, err)
	}
	t.Routes = append(t.Routes, defined...)
	if err := sortRoutes(t.Routes); err != nil {
		return nil, err
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

// addFunction adds a function, its variables and its routes to t.
func (d *document) addFunction(t *Template, name, apiName string) error {
	resource := d.Resources[name]
	if resource.Condition != "" {
		holds, err := t.scope(nil).holds(string(resource.Condition))
		if err != nil || !holds {
			return err
		}
	}
	var own functionProperties
	if err := resource.Properties.Decode(&own); err != nil {
		return err
	}
	folder, ok := strings.CutPrefix(path.Clean(string(own.CodeURI)), "functions/")
	if !ok || strings.Contains(folder, "/") {
		return fmt.Errorf("CodeUri is %q, want functions/<folder>", own.CodeURI)
	}
	timeout := own.Timeout
	if timeout.IsZero() {
		timeout = d.Globals.Function.Timeout
	}
	seconds, err := scope(t.Parameters).number(&timeout)
	if err != nil {
		return fmt.Errorf("property Timeout: %w", err)
	}
	variables := map[string]yaml.Node{}
	maps.Copy(variables, d.Globals.Function.Environment.Variables)
	maps.Copy(variables, own.Environment.Variables)
	t.variables[name] = variables
	function := Function{Name: name, Folder: folder, Timeout: time.Duration(seconds) * time.Second}
	for id, e := range own.Events {
		if err := d.addEvent(t, &function, e, apiName); err != nil {
			return fmt.Errorf("event %s: %w", id, err)
		}
	}
	t.Functions = append(t.Functions, function)
	return nil
}

// addEvent adds an Api event as a route to t, and any other event to the function.
func (d *document) addEvent(t *Template, f *Function, e event, apiName string) error {
	switch e.Type {
	case "Api":
		r, err := route(e, apiName)
		if err != nil {
			return err
		}
		r.Function = f.Name
		t.Routes = append(t.Routes, r)
		return nil
	case "DynamoDB":
		if f.Stream != nil {
			return fmt.Errorf("a second stream is not supported")
		}
		table, _, err := d.only("AWS::DynamoDB::Table")
		if err != nil {
			return err
		}
		f.Stream, err = stream(e, t.scope(map[string]string{table + ".StreamArn": "the table's"}))
		return err
	case "Schedule":
		if f.Schedule != 0 {
			return fmt.Errorf("a second schedule is not supported")
		}
		var err error
		f.Schedule, err = schedule(e)
		return err
	case "HttpApi":
		return fmt.Errorf("an HttpApi event makes a second API")
	}
	return fmt.Errorf("the type %q is not supported", e.Type)
}

func route(e event, apiName string) (Route, error) {
	var properties struct {
		RestAPI yaml.Node `yaml:"RestApiId"`
		Path    literal   `yaml:"Path"`
		Method  literal   `yaml:"Method"`
		Auth    struct {
			Authorizer literal        `yaml:"Authorizer"`
			Others     map[string]any `yaml:",inline"`
		} `yaml:"Auth"`
		Others map[string]any `yaml:",inline"`
	}
	if err := e.Properties.Decode(&properties); err != nil {
		return Route{}, err
	}
	if api := properties.RestAPI; api.Tag != "!Ref" || api.Value != apiName {
		return Route{}, fmt.Errorf("RestApiId is not !Ref %s", apiName) // SAM would make a second API for it
	}
	if err := errors.Join(none(properties.Others), none(properties.Auth.Others)); err != nil {
		return Route{}, err
	}
	if a := properties.Auth.Authorizer; a != "" && a != "NONE" {
		return Route{}, fmt.Errorf("the authorizer is %s: want the default one, or NONE", a)
	}
	return Route{
		Method: strings.ToUpper(string(properties.Method)), Path: string(properties.Path), Open: properties.Auth.Authorizer == "NONE",
	}, nil
}

// invocation is the URI of an integration that invokes a function's alias live, as SAM calls it.
var invocation = regexp.MustCompile(`^arn:\$\{AWS::Partition\}:apigateway:\$\{AWS::Region\}:lambda:path/2015-03-31/functions/\$\{(\w+)Aliaslive\}/invocations$`)

// routes returns the routes of the API's definition, which SAM merges with those of the events. Each
// is for any method.
func (api apiProperties) routes() ([]Route, error) {
	var routes []Route
	for path, operations := range api.Definition.Paths {
		for method, o := range operations {
			delete(o.Others, "responses") // which REST APIs require and proxy integrations ignore
			function := invocation.FindStringSubmatch(o.Integration.URI.Value)
			switch {
			case !api.Merge:
				return nil, errors.New("want MergeDefinitions: true")
			case method != "x-amazon-apigateway-any-method":
				return nil, fmt.Errorf("%s: method %s is not supported: want an event", path, method)
			case o.Integration.Type != "aws_proxy" || o.Integration.URI.Tag != "!Sub" || function == nil:
				return nil, fmt.Errorf("%s: the integration is not a proxy for a function's alias", path)
			}
			if err := none(o.Others); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			routes = append(routes, Route{Method: "ANY", Path: path, Function: function[1]})
		}
	}
	return routes, nil
}

// stream reads an event of type DynamoDB. In its scope only the table's stream resolves.
func stream(e event, known scope) (*Stream, error) {
	var properties struct {
		Stream           yaml.Node `yaml:"Stream"`
		StartingPosition literal   `yaml:"StartingPosition"`
		BatchSize        yaml.Node `yaml:"BatchSize"`
		Window           yaml.Node `yaml:"MaximumBatchingWindowInSeconds"`
		ResponseTypes    []literal `yaml:"FunctionResponseTypes"`
		FilterCriteria   struct {
			Filters []struct {
				Pattern literal `yaml:"Pattern"`
			} `yaml:"Filters"`
		} `yaml:"FilterCriteria"`
		// Accepted without effect: these apply to a batch that fails repeatedly.
		Retries yaml.Node      `yaml:"MaximumRetryAttempts"`
		Bisect  yaml.Node      `yaml:"BisectBatchOnFunctionError"`
		Failed  yaml.Node      `yaml:"DestinationConfig"`
		Others  map[string]any `yaml:",inline"`
	}
	if err := e.Properties.Decode(&properties); err != nil {
		return nil, err
	}
	if err := none(properties.Others); err != nil {
		return nil, err
	}
	if _, err := known.text(&properties.Stream); err != nil {
		return nil, fmt.Errorf("property Stream: %w", err)
	}
	if properties.StartingPosition != "TRIM_HORIZON" {
		return nil, fmt.Errorf("StartingPosition is %q, want TRIM_HORIZON", properties.StartingPosition)
	}
	if !slices.Equal(properties.ResponseTypes, []literal{"ReportBatchItemFailures"}) {
		return nil, fmt.Errorf("FunctionResponseTypes is %q, want ReportBatchItemFailures", properties.ResponseTypes)
	}
	size, err := known.number(&properties.BatchSize)
	if err != nil {
		return nil, fmt.Errorf("property BatchSize: %w", err)
	}
	seconds, err := known.number(&properties.Window)
	if err != nil {
		return nil, fmt.Errorf("property MaximumBatchingWindowInSeconds: %w", err)
	}
	s := &Stream{BatchSize: size, Window: time.Duration(seconds) * time.Second}
	for _, filter := range properties.FilterCriteria.Filters {
		if !json.Valid([]byte(filter.Pattern)) {
			return nil, fmt.Errorf("the pattern %s is not JSON", filter.Pattern)
		}
		s.Filters = append(s.Filters, string(filter.Pattern))
	}
	return s, nil
}

var rate = regexp.MustCompile(`^rate\(([1-9][0-9]*) (minute|hour)s?\)$`)

// schedule reads an event of type Schedule: a rate, in minutes or hours.
func schedule(e event) (time.Duration, error) {
	var properties struct {
		Schedule literal        `yaml:"Schedule"`
		Others   map[string]any `yaml:",inline"`
	}
	if err := e.Properties.Decode(&properties); err != nil {
		return 0, err
	}
	if err := none(properties.Others); err != nil {
		return 0, err
	}
	match := rate.FindStringSubmatch(string(properties.Schedule))
	if match == nil {
		return 0, fmt.Errorf("property Schedule is %q, want rate(… minutes) or rate(… hours)", properties.Schedule)
	}
	every, err := strconv.Atoi(match[1])
	if err != nil {
		return 0, fmt.Errorf("property Schedule: %w", err)
	}
	return time.Duration(every) * map[string]time.Duration{"minute": time.Minute, "hour": time.Hour}[match[2]], nil
}

// sortRoutes sorts routes and refuses duplicates.
func sortRoutes(routes []Route) error {
	slices.SortFunc(routes, func(a, b Route) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method), strings.Compare(a.Function, b.Function))
	})
	for i := 1; i < len(routes); i++ {
		if a, b := routes[i-1], routes[i]; a.Path == b.Path && a.Method == b.Method {
			return fmt.Errorf("%s %s leads to %s and to %s", a.Method, a.Path, a.Function, b.Function)
		}
	}
	return nil
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
		Keys []struct {
			Name literal `yaml:"AttributeName"`
			Type literal `yaml:"KeyType"`
		} `yaml:"KeySchema"`
		Stream struct {
			View literal `yaml:"StreamViewType"`
		} `yaml:"StreamSpecification"`
		TTL struct {
			Attribute literal `yaml:"AttributeName"`
			Enabled   bool    `yaml:"Enabled"`
		} `yaml:"TimeToLiveSpecification"`
		Global yaml.Node `yaml:"GlobalSecondaryIndexes"`
		Local  yaml.Node `yaml:"LocalSecondaryIndexes"`
	}
	if err := node.Decode(&properties); err != nil {
		return Table{}, fmt.Errorf("%s: %w", name, err)
	}
	if !properties.Global.IsZero() || !properties.Local.IsZero() {
		return Table{}, fmt.Errorf("%s: indexes are not supported", name)
	}
	table := Table{StreamView: string(properties.Stream.View)}
	for _, a := range properties.Attributes {
		table.Attributes = append(table.Attributes, Attribute{Name: string(a.Name), Type: string(a.Type)})
	}
	for _, k := range properties.Keys {
		table.Keys = append(table.Keys, Key{Name: string(k.Name), Type: string(k.Type)})
	}
	if properties.TTL.Enabled {
		table.TTLAttribute = string(properties.TTL.Attribute)
	}
	return table, nil
}

// none refuses unsupported properties, where any could change an answer.
func none(others map[string]any) error {
	if len(others) == 0 {
		return nil
	}
	return fmt.Errorf("not supported: %s", strings.Join(slices.Sorted(maps.Keys(others)), ", "))
}

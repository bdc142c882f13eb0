package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// built is the relevant part of a template as `sam build` writes it.
const built = `
AWSTemplateFormatVersion: '2010-09-09'
Resources:
  Api:
    Properties:
      Auth:
        Authorizers:
          Key: {FunctionArn: {Ref: Authorizer.Alias}, Identity: {ReauthorizeEvery: {Ref: Seconds}}}
      DefinitionBody:
        openapi: 3.0.1
        paths:
          /things:
            x-amazon-apigateway-any-method:
              x-amazon-apigateway-integration: {uri: {'Fn::Sub': 'arn:aws:functions/${FallbackAliaslive}/invocations'}}
  Authorizer: {Properties: {CodeUri: Authorizer}}
  Read:
    Properties:
      Events:
        Route: {Type: Api, Properties: {RestApiId: {Ref: Api}, Method: GET, Path: /things}}
        Other: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}
  Fallback: {Properties: {CodeUri: Fallback}}
`

func TestAdaptReplacesAliasAndANY(t *testing.T) {
	path := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(path, []byte(built), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second call changes nothing
		if err := adapt(path); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc, want object
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(built), &want); err != nil {
		t.Fatal(err)
	}
	at(want, "Resources", "Api", "Properties", "Auth", "Authorizers", "Key")["FunctionArn"] = object{"Fn::GetAtt": []any{"Authorizer", "Arn"}}
	things := at(want, "Resources", "Api", "Properties", "DefinitionBody", "paths", "/things")
	clear(things)
	for _, method := range []string{"delete", "head", "options", "patch", "post", "put"} {
		things[method] = object{"x-amazon-apigateway-integration": object{
			"uri": object{"Fn::Sub": "arn:aws:functions/${Fallback.Arn}/invocations"},
		}}
	}
	if diff := cmp.Diff(want, doc); diff != "" {
		t.Errorf("adapt (-want +got):\n%s", diff)
	}
	if err := os.WriteFile(path, []byte("[not a mapping"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := adapt(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("adapt of an invalid template = %v, want an error that names it", err)
	}
}

// Command hello is the smallest Lambda function in Go: what the cold start of
// get-item is measured against.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() { lambda.Start(func() (string, error) { return "hello", nil }) }

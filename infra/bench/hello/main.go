// Command hello is the smallest Lambda function in Go: the baseline for the cold start of
// get-item.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() { lambda.Start(func() (string, error) { return "hello", nil }) }

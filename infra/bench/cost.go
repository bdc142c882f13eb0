package main

import "time"

// Prices in US dollars, in us-east-1, without free tiers.
const (
	priceWriteUnit = 0.625 / 1e6 // DynamoDB, on demand
	priceReadUnit  = 0.125 / 1e6
	priceKMS       = 0.03 / 10_000 // a request
	priceLambda    = 0.20 / 1e6    // a request
	priceLambdaGBs = 0.0000133334  // a GB and second, arm64
	priceGateway   = 3.50 / 1e6    // a request to a REST API
	priceSecrets   = 0.05 / 10_000 // a call of Secrets Manager
)

// assumedWait is a reveal's assumed wait for DynamoDB and KMS, which the cost of memory includes.
const assumedWait = 15 * time.Millisecond

// A reveal's assumed use of Lambda.
const (
	lambdaGB      = 0.25  // the template's default
	lambdaSeconds = 0.035 // the measured CPU time, scaled to that memory, and assumedWait
)

// costLine is the cost of one AWS service for a million reveals.
type costLine struct {
	service, quantity string
	dollars           float64
}

// revealCost assumes users with full read counters: the most expensive case, and over
// time the most common one.
func (c counts) revealCost() []costLine {
	const million = 1e6
	calls := float64(c.reveal.kms())
	return []costLine{
		{"DynamoDB writes", units(c.writes) + " units", million * c.writes * priceWriteUnit},
		{"DynamoDB reads", units(c.reveal.reads) + " units", million * c.reveal.reads * priceReadUnit},
		{"KMS", units(calls) + " request", million * calls * priceKMS},
		{"Lambda", "1 request, 35 ms of 256 MB", million * (priceLambda + lambdaGB*lambdaSeconds*priceLambdaGBs)},
		{"API Gateway", "1 request", million * priceGateway},
	}
}

// deliveryCost returns the cost of a delivery's calls and units.
func (c count) deliveryCost() float64 {
	return c.writes*priceWriteUnit + c.reads*priceReadUnit + float64(c.kms())*priceKMS + float64(c.of("Secrets Manager "))*priceSecrets
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/infra/bench/compare"
	"goblins-secrets/pkg/gateway"
	"goblins-secrets/pkg/secrets"
)

const (
	warmAnswers  = 50               // further answers measured in one start
	startTimeout = 10 * time.Second // for a function's start and answers
	maxColdStart = 1.5              // of get-item to the smallest possible function
)

// measureColdStarts starts get-item and the smallest possible function alternately.
func measureColdStarts(ctx context.Context, size size, dir string, r *report) (err error) {
	w, err := newWorld(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	secret, c, err := account(ctx, w.manager)
	if err != nil {
		return err
	}
	item, err := createItem(ctx, w.manager, c, secret, "KEY")
	if err != nil {
		return err
	}
	environment := w.environment()
	floor := newFloor(w.config, w.endpoints)

	// Built as by sam build, but for this machine.
	flags := []string{"-trimpath", "-ldflags=-s -w", "-tags=lambda.norpc"}
	function, err := build(ctx, dir, "get-item", "./functions/get-item", flags...)
	if err != nil {
		return err
	}
	hello, err := build(ctx, dir, "hello", "./infra/bench/hello", flags...)
	if err != nil {
		return err
	}

	var (
		started, helloStarted, answered []time.Duration
		coldCPU, moreCPU                []time.Duration // of starts with one answer, and with further ones
		memory                          int64           // the maximum of all starts
	)
	for i := range size.starts + 2 { // the first two rounds only warm the page cache
		if err := floor.fillCounter(ctx, c); err != nil { // the whole budget is left
			return err
		}
		event, err := revealEvent(c, secret, item)
		if err != nil {
			return err
		}
		for _, start := range []struct {
			binary string
			event  []byte
			times  *[]time.Duration
		}{
			{function, nil, &started},
			{hello, nil, &helloStarted},
			{function, event, &answered},
		} {
			took, used, err := coldStart(ctx, start.binary, environment, start.event, 1)
			if err != nil {
				return err
			}
			if i >= 2 {
				*start.times = append(*start.times, took)
				if start.event != nil {
					coldCPU = append(coldCPU, used.cpu)
				}
			}
		}
		if err := floor.fillCounter(ctx, c); err != nil {
			return err
		}
		_, used, err := coldStart(ctx, function, environment, event, 1+warmAnswers)
		if err != nil {
			return err
		}
		moreCPU = append(moreCPU, used.cpu)
		memory = max(memory, used.memory)
	}

	functionInfo, err := os.Stat(function)
	if err != nil {
		return err
	}
	helloInfo, err := os.Stat(hello)
	if err != nil {
		return err
	}
	start := compare.Ratio(compare.P50(started), compare.P50(helloStarted))
	binary := float64(functionInfo.Size()) / float64(helloInfo.Size())
	r.atMost("cold start of get-item / hello, p50", start, maxColdStart)
	r.atMost("binary of get-item / hello", binary, maxColdStart)
	starts := newTable("function | p50: | p99: | binary:")
	starts.row("`get-item`", milliseconds(compare.P50(started)), milliseconds(compare.P99(started)), megabytes(functionInfo.Size()))
	starts.row("`hello`", milliseconds(compare.P50(helloStarted)), milliseconds(compare.P99(helloStarted)), megabytes(helloInfo.Size()))
	starts.row("ratio", fixed(start), fixed(compare.Ratio(compare.P99(started), compare.P99(helloStarted))), fixed(binary))
	starts.row("`get-item` to its first answer", milliseconds(compare.P50(answered)), milliseconds(compare.P99(answered)), "")
	r.section("coldstarts", starts.String())

	cold := compare.P50(coldCPU)
	r.section("memory", memoryText(memory, cold, (compare.P50(moreCPU)-cold)/warmAnswers))
	return nil
}

// priceLambdaGBs is the price of a GB and second in US dollars, in us-east-1, arm64.
const priceLambdaGBs = 0.0000133334

// memoryText scales the CPU time of a start with its first reveal, and that of a further reveal,
// to Lambda's sizes of memory.
func memoryText(used int64, cold, warm time.Duration) string {
	const (
		oneCore = 1769                  // MB, which have one core
		wait    = 15 * time.Millisecond // for DynamoDB and KMS, assumed
	)
	t := newTable("memory | first reveal, ms: | further reveal, ms: | dollars a million:")
	for _, size := range []int{128, 256, 512, 1024, oneCore} {
		stretch := func(cpu time.Duration) time.Duration { return cpu * oneCore / time.Duration(size) }
		billed := stretch(warm) + wait
		t.row(fmt.Sprintf("%d MB", size), milliseconds(stretch(cold)), milliseconds(stretch(warm)),
			fixed(1e6*billed.Seconds()*float64(size)/1024*priceLambdaGBs))
	}
	return fmt.Sprintf(`After %d reveals get-item uses %s of memory. Its start and first reveal use %s ms of CPU, each further reveal
%s ms.

`, 1+warmAnswers, megabytes(used), milliseconds(cold), milliseconds(warm)) + t.String()
}

// environment returns the variables that Lambda gives the function, and no others.
func (w *world) environment() []string {
	environment := []string{"STACK_NAME=bench"} // so that the function writes metrics, as when deployed
	for _, name := range []string{
		"TABLE_NAME", "MASTER_KEY_ARN", "READ_LIMIT", "READ_WINDOW_SECONDS", "MAX_SECRETS", "MAX_ITEMS", "MAX_SERVICES", "EVENT_DAYS", "KEEP_VERSIONS", "RECOVERY_DAYS", "DEPLOY_TARGET",
		"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_KMS",
	} {
		environment = append(environment, name+"="+w.getenv(name))
	}
	return environment
}

// usage is a process's total use of resources.
type usage struct {
	cpu    time.Duration
	memory int64 // its largest resident set, in bytes
}

// coldStart starts a function and returns the time until it asks for work. With an event, it
// returns the time until the function has answered it so many times. It is a stand-in for
// Lambda's runtime API:
//
//	GET  /2018-06-01/runtime/invocation/next          the next event; blocks until there is one
//	POST /2018-06-01/runtime/invocation/<id>/response the function's answer
func coldStart(ctx context.Context, binary string, environment []string, event []byte, answers int) (took time.Duration, used usage, err error) {
	type result struct {
		at  time.Time
		err error
	}
	results := make(chan result, 2+answers)
	var asked, answered atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		if event == nil {
			results <- result{at: now}
			<-r.Context().Done()
			return
		}
		if asked.Add(1) > int64(answers) {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", uuid.NewString())
		w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(now.Add(startTimeout).UnixMilli()))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:bench")
		_, _ = w.Write(event)
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		now := time.Now()
		var answer struct {
			StatusCode int    `json:"statusCode"`
			Body       string `json:"body"`
		}
		if err == nil {
			err = json.Unmarshal(body, &answer)
		}
		if err == nil && (answer.StatusCode != http.StatusOK || !strings.Contains(answer.Body, plaintext)) {
			err = fmt.Errorf("the function answers %d: %s", answer.StatusCode, answer.Body)
		}
		if answered.Add(1) == int64(answers) || err != nil {
			results <- result{now, err}
		}
		w.WriteHeader(http.StatusAccepted)
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = append(slices.Clone(environment), "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(server.URL, "http://"))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, usage{}, err
	}
	defer func() { // the process must end first: closing the server waits for its connections
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if rusage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			used = usage{cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), rusage.Maxrss << 10}
		}
	}()
	select {
	case r := <-results:
		return r.at.Sub(start), usage{}, r.err
	case <-time.After(startTimeout):
		return 0, usage{}, fmt.Errorf("%s does not answer: %s", cmd.Path, stderr.String())
	case <-ctx.Done():
		return 0, usage{}, ctx.Err()
	}
}

// revealEvent returns the event that API Gateway sends to get-item.
func revealEvent(c secrets.Caller, secret, item string) ([]byte, error) {
	path := "/api/secrets/" + secret + "/items/" + item + "/"
	type object = map[string]any
	return json.Marshal(object{
		"resource": "/api/secrets/{secret_id}/items/{item_id}", "path": path, "httpMethod": "GET",
		"headers":        object{"Host": "api.example.com", "X-Forwarded-Proto": "https"},
		"pathParameters": object{"secret_id": secret, "item_id": item},
		"requestContext": object{
			"path": "/prod" + path, "stage": "prod", "domainName": "api.example.com", "httpMethod": "GET",
			"requestId": c.RequestID, "identity": object{"sourceIp": c.SourceIP},
			"authorizer": gateway.AuthorizerContext(c),
		},
	})
}

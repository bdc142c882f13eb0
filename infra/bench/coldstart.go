package main

import (
	"context"
	"encoding/json"
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

	"goblins-secrets/pkg/secrets"
)

// coldStarts has the times from a start to the first request for work, of get-item and of
// the smallest possible function, and the times from a start to get-item's first answer.
type coldStarts struct {
	function, hello           []time.Duration // sorted
	answer                    []time.Duration
	functionBytes, helloBytes int64
	coldCPU, warmCPU          time.Duration // of a start with its first answer, and of each further answer; p50
	memory                    int64         // of get-item after warmAnswers, in bytes; the maximum of all starts
}

// warmAnswers is the number of further answers measured in one start.
const warmAnswers = 50

// startPatience is how long a function may take to start and answer.
const startPatience = 10 * time.Second

// measureColdStarts starts both functions alternately.
func measureColdStarts(ctx context.Context, size size, w *world, r *report) error {
	manager, err := w.service()
	if err != nil {
		return err
	}
	made, c, err := account(ctx, manager, "cold")
	if err != nil {
		return err
	}
	secret := made.Account.DefaultSecretID.String()
	item, err := createItem(ctx, manager, c, secret, "KEY")
	if err != nil {
		return err
	}
	environment, err := w.environment()
	if err != nil {
		return err
	}

	// Built as by sam build, but for this machine.
	flags := []string{"-trimpath", "-ldflags=-s -w", "-tags=lambda.norpc"}
	function, err := build(ctx, w.dir, "get-item", "./functions/get-item", flags...)
	if err != nil {
		return err
	}
	hello, err := build(ctx, w.dir, "hello", "./infra/bench/hello", flags...)
	if err != nil {
		return err
	}
	for binary, bytes := range map[string]*int64{function: &r.cold.functionBytes, hello: &r.cold.helloBytes} {
		info, err := os.Stat(binary)
		if err != nil {
			return err
		}
		*bytes = info.Size()
	}

	var cold, more []time.Duration   // CPU of starts with one answer, and with further ones
	for i := range size.starts + 2 { // the first two rounds only warm the page cache
		c.UserID = uuid.New() // with a full budget
		event, err := revealEvent(c, secret, item)
		if err != nil {
			return err
		}
		for _, start := range []struct {
			binary string
			event  []byte
			times  *[]time.Duration
		}{
			{function, nil, &r.cold.function},
			{hello, nil, &r.cold.hello},
			{function, event, &r.cold.answer},
		} {
			took, used, err := coldStart(ctx, start.binary, environment, start.event, 1)
			if err != nil {
				return err
			}
			if i >= 2 {
				*start.times = append(*start.times, took)
				if start.event != nil {
					cold = append(cold, used.cpu)
				}
			}
		}
		c.UserID = uuid.New()
		if event, err = revealEvent(c, secret, item); err != nil {
			return err
		}
		_, used, err := coldStart(ctx, function, environment, event, 1+warmAnswers)
		if err != nil {
			return err
		}
		more = append(more, used.cpu)
		r.cold.memory = max(r.cold.memory, used.memory)
	}
	slices.Sort(cold)
	slices.Sort(more)
	r.cold.coldCPU = p50(cold)
	r.cold.warmCPU = (p50(more) - r.cold.coldCPU) / warmAnswers
	slices.Sort(r.cold.function)
	slices.Sort(r.cold.hello)
	slices.Sort(r.cold.answer)
	return nil
}

// environment returns the variables that Lambda gives the function, and no others.
func (w *world) environment() ([]string, error) {
	getenv, err := w.endpoints.Environment(w.template, "GetItem")
	if err != nil {
		return nil, err
	}
	environment := []string{"STACK_NAME=bench"} // so that the function writes metrics, as when deployed
	for _, name := range []string{
		"TABLE_NAME", "MASTER_KEY_ARN", "READ_LIMIT", "READ_WINDOW_SECONDS", "DEPLOY_TARGET",
		"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_KMS",
	} {
		environment = append(environment, name+"="+getenv(name))
	}
	return environment, nil
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
		w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(now.Add(startPatience).UnixMilli()))
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
	case <-time.After(startPatience):
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
			"authorizer": object{
				"account_id": c.AccountID.String(), "user_id": c.UserID.String(), "key_id": c.KeyID.String(),
			},
		},
	})
}

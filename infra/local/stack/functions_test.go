package stack

import (
	"cmp"
	"context"
	"strings"
	"testing"
	"time"

	"goblins-secrets/infra/functions"
)

// An answer keeps its bytes while other events are served. An instance of Lambda's library reuses the
// memory of an answer for the next one.
func TestAnswersOutliveTheNextEvent(t *testing.T) {
	f := instances{func(in string) (string, error) { return in, nil }, time.Second}
	var answers [][]byte
	for _, letter := range "abcdefgh" {
		answer, err := f.Invoke(t.Context(), []byte(`"`+strings.Repeat(string(letter), 100)+`"`))
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	for i, letter := range "abcdefgh" {
		if want := `"` + strings.Repeat(string(letter), 100) + `"`; string(answers[i]) != want {
			t.Errorf("answer %d has become %s, want %s", i, answers[i], want)
		}
	}
}

func TestFunctionsEndWithTheirTimeout(t *testing.T) {
	f := instances{func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 10 * time.Millisecond}
	if _, err := f.Invoke(t.Context(), nil); err == nil || err.Error() != context.DeadlineExceeded.Error() {
		t.Errorf("Invoke = %v, want %v", err, context.DeadlineExceeded)
	}
}

// A row that the switch in function lacks is an error with the function's name.
func TestUnknownFunctionsAreErrors(t *testing.T) {
	environment := func(string) (func(string) string, error) {
		return func(name string) string {
			return cmp.Or(map[string]string{"MASTER_KEY_ARN": "arn:aws:kms:us-east-1:000000000000:key/1", "DEPLOY_TARGET": "none"}[name], "1")
		}, nil
	}
	_, err := Functions([]functions.Function{{Name: "sweep-dust", By: "hand"}}, time.Second, environment)
	if err == nil || !strings.Contains(err.Error(), "function sweep-dust: the local stack does not know it") {
		t.Errorf("Functions = %v, want an error that names sweep-dust", err)
	}
}

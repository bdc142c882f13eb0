package awssm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/uuid"

	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/secrets"
)

func TestOutagesAreDistinctFromRefusals(t *testing.T) {
	t.Parallel()
	s, b := newService(t), bundle(uuid.New(), 1)
	target := awssm.New(s.Client, inTest)
	mustDeliver(t, target, b, 0)
	calls := map[string]func(context.Context) error{
		"Stage":   func(ctx context.Context) error { return stage(ctx, target, bundle(b.SecretID, 2)) },
		"Promote": func(ctx context.Context) error { _, err := promote(ctx, target, b); return err },
		"Remove":  func(ctx context.Context) error { return target.Remove(ctx, b.At) },
	}
	for what, intercept := range map[string]func(http.ResponseWriter, *http.Request, http.Handler){
		"failing":  func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(503) },
		"breaking": func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) },
		"hanging": func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
			_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice the end of the request
			<-r.Context().Done()
		},
		"unreachable": nil,
	} {
		if intercept != nil {
			s.intercept.Store(&intercept)
		} else {
			target = awssm.New(sm.New(options("http://127.0.0.1:1")), inTest)
		}
		for call, do := range calls {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if err := do(ctx); !isOutage(err) {
				t.Errorf("%s, service %s = %v, want an Outage", call, what, err)
			}
			cancel()
		}
		target = awssm.New(s.Client, inTest)
	}

	denied := func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		answer(w, "AccessDeniedException", "No.")
	}
	s.intercept.Store(&denied)
	for call, do := range calls {
		if err := do(t.Context()); err == nil || isOutage(err) || !strings.HasSuffix(err.Error(), ": AccessDeniedException") {
			t.Errorf("%s, not allowed = %v, want AccessDeniedException and no Outage", call, err)
		}
	}
}

// No error shows the value that was sent, whatever AWS answers.
func TestErrorsHoldNoValue(t *testing.T) {
	t.Parallel()
	const plaintext = "correct-horse-battery-staple"
	s := newService(t)
	for what, echo := range map[string]func(http.ResponseWriter, string){
		"ValidationException":   func(w http.ResponseWriter, body string) { answer(w, "ValidationException", "Value '"+body+"' …") },
		"InvalidParameter":      func(w http.ResponseWriter, body string) { answer(w, "InvalidParameterException", body) },
		"LimitExceeded":         func(w http.ResponseWriter, body string) { answer(w, "LimitExceededException", body) },
		"ThrottlingException":   func(w http.ResponseWriter, body string) { answer(w, "ThrottlingException", body) },
		"InternalServiceError":  func(w http.ResponseWriter, body string) { w.WriteHeader(500); _, _ = io.WriteString(w, body) },
		"no JSON, with status":  func(w http.ResponseWriter, body string) { w.WriteHeader(400); _, _ = io.WriteString(w, "!"+body) },
		"no JSON":               func(w http.ResponseWriter, body string) { _, _ = io.WriteString(w, "!"+body) },
		"JSON of another shape": func(w http.ResponseWriter, body string) { _, _ = io.WriteString(w, `{"ARN": [`+body+`]}`) },
		"no HTTP": func(w http.ResponseWriter, body string) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, body+"\r\n\r\n")
				conn.Close()
			}
		},
	} {
		intercept := func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
			body, _ := io.ReadAll(r.Body)
			if !strings.Contains(string(body), plaintext) {
				r.Body = io.NopCloser(bytes.NewReader(body))
				serve.ServeHTTP(w, r)
				return
			}
			echo(w, string(body))
		}
		for _, client := range []*sm.Client{s.Client, s.withRetries()} {
			for _, revision := range []int64{1, 2} { // CreateSecret, and PutSecretValue
				b := bundle(uuid.New(), revision)
				s.intercept.Store(nil)
				if revision > 1 {
					mustDeliver(t, awssm.New(client, inTest), bundle(b.SecretID, 1), 0)
				}
				s.intercept.Store(&intercept)
				b.Content = secrets.NewValue(plaintext)
				err := stage(t.Context(), awssm.New(client, inTest), b)
				if err == nil {
					t.Errorf("Stage(revision %d) answered with %s = nil, want an error", revision, what)
				}
				for ; err != nil; err = errors.Unwrap(err) {
					if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, plaintext[:7]) {
						t.Errorf("Stage answered with %s = an error that shows the value", what)
					}
				}
			}
		}
	}
}

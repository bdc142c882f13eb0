package awssm_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/delivery"
)

// The life of a secret, once for each of its requests: the answer to that request is lost, and
// the caller or the SDK retries.
func TestRetryAfterALostAnswerEndsTheSame(t *testing.T) {
	t.Parallel()
	for how, lose := range map[string]func(http.ResponseWriter){
		"500":    func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		"closed": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		for by, retries := range map[string]bool{"caller": false, "SDK": true} {
			t.Run(how+", retried by the "+by, func(t *testing.T) {
				t.Parallel()
				s := newService(t)
				client := s.Client
				if retries {
					client = s.withRetries()
				}
				requests := s.loseEachAnswer(t, awssm.New(client, inTest), lose, retries)
				if requests < 10 {
					t.Errorf("only %d requests", requests)
				}
			})
		}
	}
}

// loseEachAnswer delivers, renames, removes and restores a new secret, again and again. In
// round n it loses the answer to the nth request, until there is no nth request. It returns
// the number of requests.
func (s *service) loseEachAnswer(t *testing.T, target awssm.Target, lose func(http.ResponseWriter), retries bool) int64 {
	t.Helper()
	var losing atomic.Int64 // the answer to lose: 1 is the next one
	intercept := func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
		if losing.Add(-1) != 0 {
			serve.ServeHTTP(w, r)
			return
		}
		serve.ServeHTTP(httptest.NewRecorder(), r)
		lose(w)
	}
	s.intercept.Store(&intercept)
	for nth := int64(1); ; nth++ {
		secret, lost := uuid.New(), false
		retry := func(do func() error) {
			t.Helper()
			for {
				err := do()
				if err == nil {
					return
				}
				if retries || lost || !isOutage(err) {
					t.Fatalf("request %d: %v, want at most one Outage", nth, err)
				}
				lost = true
			}
		}
		losing.Store(nth)
		one, two, three := bundle(secret, 1), bundle(secret, 2), bundle(secret, 3)
		two.Name = "renamed"
		for _, b := range []delivery.Bundle{one, two} {
			retry(func() error { return stage(t.Context(), target, b) })
			retry(func() error {
				got, err := promote(t.Context(), target, b)
				if err == nil && got != 0 {
					t.Errorf("request %d: Promote(%d) = %d, want 0", nth, b.Revision, got)
				}
				return err
			})
		}
		retry(func() error { return target.Remove(t.Context(), three.At) })
		retry(func() error { _, err := deliver(t.Context(), target, three); return err })
		done := losing.Load() > 0
		losing.Store(0)
		s.checkCurrent(t, three)
		if got := s.versions(t, three); len(got) != 3 {
			t.Errorf("request %d: %d versions, want 3", nth, len(got))
		}
		if done {
			return nth - 1
		}
	}
}

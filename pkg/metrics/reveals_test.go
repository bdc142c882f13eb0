package metrics_test

import (
	"bytes"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"goblins-secrets/pkg/metrics"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

func TestRevealSendsItsPhases(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if got := sent(t, f.log); len(got) > 0 {
		t.Errorf("CreateItem sends %v, want nothing", got)
	}
	begin := time.Now()
	if err := f.reveal(t, f.manager(t)); err != nil {
		t.Fatal(err)
	}
	took := float64(time.Since(begin)) / float64(time.Millisecond)
	text := f.log.String()
	got := sent(t, f.log)
	for _, phase := range phases {
		if got[phase] <= 0 || got[phase] > took {
			t.Errorf("%s = %v ms of a reveal of %v ms", phase, got[phase], took)
		}
		delete(got, phase)
	}
	if !maps.Equal(got, map[string]float64{"Reveals": 1}) {
		t.Errorf("RevealItem also sends %v, want one of Reveals", got)
	}
	if strings.Contains(text, value) || strings.Contains(text, f.account.Key) {
		t.Errorf("the log holds the value or the key: %s", text)
	}
}

func TestFailuresAndRefusalsAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	intact := f.manager(t)
	faulty := func(plan func(secretstest.Call) secretstest.Fault) func() error {
		return func() error { return f.reveal(t, f.manager(t, secretstest.Inject(plan))) }
	}
	authenticate := func(key string) func() error {
		return func() error { _, err := intact.Authenticate(ctx, "Bearer "+key); return err }
	}
	if err := f.reveal(t, intact); err != nil { // the first of four
		t.Fatal(err)
	}
	f.log.Reset()
	for _, tt := range []struct {
		name  string
		do    func() error
		fails bool
		want  map[string]float64
	}{
		{"KMS throttles twice", faulty(first(2, "Decrypt", secretstest.Throttled)), false,
			map[string]float64{"Reveals": 1, "KMSThrottles": 2}},
		{"KMS is away", faulty(first(99, "Decrypt", secretstest.NoConnection)), true,
			map[string]float64{"KMSFailures": 1}},
		{"DynamoDB keeps throttling", faulty(first(99, "PutItem", secretstest.Throttled)), true,
			map[string]float64{"DynamoDBThrottles": 3, "DynamoDBFailures": 1}},
		{"the budget is spent", func() error { return f.reveal(t, intact) }, true, map[string]float64{"Throttled": 1}},
		{"an invalid key", authenticate("gob_x"), true, map[string]float64{"Denied": 1}},
		{"a key", authenticate(f.account.Key), false, map[string]float64{}},
		{"the account's name is taken", func() error {
			_, err := intact.CreateAccount(ctx, secrets.Text("metrics"))
			return err
		}, true, map[string]float64{}},
		{"a missing secret", func() error { _, err := intact.Secret(ctx, f.caller, f.item.ID.String()); return err }, true,
			map[string]float64{}},
	} {
		if err := tt.do(); (err != nil) != tt.fails {
			t.Errorf("%s: %v, want an error: %v", tt.name, err, tt.fails)
		}
		got := sent(t, f.log)
		maps.DeleteFunc(got, func(name string, _ float64) bool { return slices.Contains(phases, name) })
		if !maps.Equal(got, tt.want) {
			t.Errorf("%s sends %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestWithoutAStackNothingIsSent(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	metrics.New(slog.New(slog.NewJSONHandler(&log, nil)), "").Denied(t.Context())
	if log.Len() > 0 {
		t.Errorf("log = %s, want nothing", &log)
	}
}

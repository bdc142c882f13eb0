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

// An export and a comparison count the values that they open, which the alarm on reveals adds up.
func TestValuesOfExportsAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	m := f.manager(t)
	other, err := m.CreateSecret(t.Context(), f.caller, secrets.SecretInput{Name: secrets.Text("other")})
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{f.account.Account.DefaultSecretID.String(), other.ID.String()}
	batch := secrets.BatchInput{}
	for _, key := range []string{"A", "B", "C"} {
		batch.Items = append(batch.Items, secrets.ItemInput{Key: secrets.Text(key), Value: secrets.Text(value)})
	}
	for _, id := range ids {
		if _, err := m.BatchItems(t.Context(), f.caller, id, batch); err != nil {
			t.Fatal(err)
		}
	}
	exported := func() error { _, err := m.ExportSecret(t.Context(), f.caller, ids[1], nil); return err }
	compared := func() error {
		_, err := m.CompareSecrets(t.Context(), f.caller, secrets.CompareInput{A: secrets.Text(ids[0]), B: secrets.Text(ids[1])})
		return err
	}
	for what, tt := range map[string]struct {
		do   func() error
		want float64
	}{"an export of 3 items": {exported, 3}, "a comparison of 3 keys that both have": {compared, 6}} {
		f.log.Reset()
		if err := tt.do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := sent(t, f.log)["Reveals"]; got != tt.want {
			t.Errorf("%s counts %v values, want %v", what, got, tt.want)
		}
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

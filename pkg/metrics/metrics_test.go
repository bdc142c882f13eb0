package metrics_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/metrics"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// sent reads log lines as CloudWatch does, and returns the metrics that it makes of
// them, summed, by name.
func sent(t *testing.T, log *bytes.Buffer) map[string]float64 {
	t.Helper()
	sums := map[string]float64{}
	for line := range strings.Lines(log.String()) {
		var root map[string]any
		var format struct {
			AWS struct {
				Timestamp         int64
				CloudWatchMetrics []struct {
					Namespace  string
					Dimensions [][]string
					Metrics    []struct{ Name, Unit string }
				}
			} `json:"_aws"`
		}
		if err := json.Unmarshal([]byte(line), &root); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(line), &format); err != nil {
			t.Fatal(err)
		}
		if age := time.Since(time.UnixMilli(format.AWS.Timestamp)); age < 0 || age > time.Minute {
			t.Errorf("the timestamp is %v old", age)
		}
		if len(format.AWS.CloudWatchMetrics) != 1 {
			t.Fatalf("%s has no metrics", line)
		}
		d := format.AWS.CloudWatchMetrics[0]
		if d.Namespace != metrics.Namespace || !cmp.Equal(d.Dimensions, [][]string{{"Stack"}}) || root["Stack"] != "the-stack" {
			t.Errorf("%s is not in its namespace and of its stack", line)
		}
		for _, m := range d.Metrics {
			number, ok := root[m.Name].(float64)
			if !ok {
				t.Errorf("%s is no number in %s", m.Name, line)
			}
			if want := map[bool]string{true: "Milliseconds", false: "Count"}[strings.Contains("Charge Read Open Record DeliveryLag", m.Name)]; m.Unit != want {
				t.Errorf("%s is in %s, want %s", m.Name, m.Unit, want)
			}
			sums[m.Name] += number
		}
	}
	log.Reset()
	return sums
}

func TestMetrics(t *testing.T) {
	const value = "a value that stays out of the log"
	table := secretstest.NewTable(t)
	made, c := table.Account(t, "metrics")
	ctx := t.Context()
	var log bytes.Buffer
	monitor := metrics.New(slog.New(slog.NewJSONHandler(&log, nil)), "the-stack")
	// service is one whose calls meet plan.
	service := func(plan func(secretstest.Call) secretstest.Fault) *secrets.Manager {
		svc := table.Manager(t, monitor.WatchCalls, secretstest.Inject(plan))
		svc.Monitor = monitor
		svc.RevealLimit = 4
		return svc
	}
	well := service(func(secretstest.Call) secretstest.Fault { return secretstest.None })
	def := made.Account.DefaultSecretID.String()
	it, err := well.CreateItem(ctx, c, def, secrets.ItemInput{Key: secrets.Text("KEY"), Value: secrets.Text(value)})
	if err != nil {
		t.Fatal(err)
	}
	reveal := func(svc *secrets.Manager) error {
		_, err := svc.RevealItem(ctx, c, def, it.ID.String())
		return err
	}
	// at is a plan for the first tries of a call.
	at := func(what string, tries int, fault secretstest.Fault) func(secretstest.Call) secretstest.Fault {
		return func(call secretstest.Call) secretstest.Fault {
			if strings.HasPrefix(call.What, what) && call.Nth < tries {
				return fault
			}
			return secretstest.None
		}
	}

	if got := sent(t, &log); len(got) > 0 {
		t.Errorf("a create sends %v", got)
	}
	if err := reveal(well); err != nil {
		t.Fatal(err)
	}
	text := log.String()
	got := sent(t, &log)
	for _, phase := range []string{"Charge", "Read", "Open", "Record"} {
		if got[phase] <= 0 || got[phase] > 60_000 {
			t.Errorf("%s took %v ms", phase, got[phase])
		}
		delete(got, phase)
	}
	if !maps.Equal(got, map[string]float64{"Reveals": 1}) {
		t.Errorf("a reveal sends %v", got)
	}
	if strings.Contains(text, value) || strings.Contains(text, made.Key) {
		t.Errorf("the log tells too much: %s", text)
	}

	for _, tt := range []struct {
		name  string
		do    func() error
		fails bool
		want  map[string]float64
	}{
		{"KMS throttles twice", func() error { return reveal(service(at("Decrypt", 2, secretstest.Throttled))) }, false, map[string]float64{"Reveals": 1, "KMSThrottles": 2}},
		{"KMS is away", func() error { return reveal(service(at("Decrypt", 99, secretstest.NoConnection))) }, true, map[string]float64{"KMSFailures": 1}},
		{"DynamoDB throttles to the end", func() error { return reveal(service(at("PutItem", 99, secretstest.Throttled))) }, true, map[string]float64{"DynamoDBThrottles": 3, "DynamoDBFailures": 1}},
		{"the budget is spent", func() error { return reveal(well) }, true, map[string]float64{"Throttled": 1}},
		{"not a key", func() error { _, err := well.Authenticate(ctx, "Bearer gob_x"); return err }, true, map[string]float64{"Denied": 1}},
		{"a key", func() error { _, err := well.Authenticate(ctx, "Bearer "+made.Key); return err }, false, map[string]float64{}},
		{"an account's name is taken", func() error { _, err := well.CreateAccount(ctx, secrets.Text("metrics")); return err }, true, map[string]float64{}},
		{"no such secret", func() error { _, err := well.Secret(ctx, c, it.ID.String()); return err }, true, map[string]float64{}},
	} {
		if err := tt.do(); (err != nil) != tt.fails {
			t.Errorf("%s: %v", tt.name, err)
		}
		got := sent(t, &log)
		maps.DeleteFunc(got, func(name string, _ float64) bool { return strings.Contains("Charge Read Open Record", name) })
		if !maps.Equal(got, tt.want) {
			t.Errorf("%s: %v is sent, want %v", tt.name, got, tt.want)
		}
	}

	if metrics.New(slog.New(slog.NewJSONHandler(&log, nil)), "").Denied(ctx); log.Len() > 0 {
		t.Errorf("without a stack: %s", &log)
	}
}

// Deliveries tell how long after the change they were, and what Secrets Manager failed
// in; its regular answers are no failures.
func TestDeliveryMetrics(t *testing.T) {
	const value = "a value that stays out of the log"
	table := secretstest.NewTable(t)
	made, c := table.Account(t, "metrics")
	ctx, def := t.Context(), made.Account.DefaultSecretID
	var log bytes.Buffer
	monitor := metrics.New(slog.New(slog.NewJSONHandler(&log, nil)), "the-stack")
	now := time.Now()
	deliverer := func(plan func(secretstest.Call) secretstest.Fault) *delivery.Deliverer {
		d := table.Deliverer(t, monitor.WatchCalls, secretstest.Inject(plan))
		d.Monitor = monitor
		d.Now = func() time.Time { return now }
		return d
	}
	manager := table.Manager(t, monitor.WatchCalls)
	manager.Now = func() time.Time { return now }
	well := deliverer(func(secretstest.Call) secretstest.Fault { return secretstest.None })
	at := func(what string, tries int, fault secretstest.Fault) *delivery.Deliverer {
		return deliverer(func(call secretstest.Call) secretstest.Fault {
			if call.What == what && call.Nth < tries {
				return fault
			}
			return secretstest.None
		})
	}
	write := func(key string) {
		t.Helper()
		_, err := manager.CreateItem(ctx, c, def.String(), secrets.ItemInput{Key: secrets.Text(key), Value: secrets.Text(value)})
		if err != nil {
			t.Fatal(err)
		}
	}
	app, err := manager.CreateService(ctx, c, secrets.ServiceInput{Name: secrets.Text("app"), Image: secrets.Text("app"), Port: secrets.Text("80")})
	if err != nil {
		t.Fatal(err)
	}
	deploy := func(d *delivery.Deliverer) error { return d.Deliver(ctx, c.AccountID, def) }
	for _, tt := range []struct {
		name  string
		do    func() error
		fails bool
		want  map[string]float64
	}{
		{"the first bundle, 90 seconds late", func() error { now = now.Add(90 * time.Second); return deploy(well) }, false, map[string]float64{"Deliveries": 1, "DeliveryLag": 90_000}},
		{"nothing waits", func() error { return deploy(well) }, false, map[string]float64{}},
		{"another, at once", func() error { write("A"); return deploy(well) }, false, map[string]float64{"Deliveries": 1, "DeliveryLag": 0}},
		{"Secrets Manager throttles twice", func() error { write("B"); return deploy(at("PutSecretValue", 2, secretstest.Throttled)) }, false, map[string]float64{"Deliveries": 1, "DeliveryLag": 0, "SecretsManagerThrottles": 2}},
		{"Secrets Manager is away", func() error { write("C"); return deploy(at("DescribeSecret", 99, secretstest.NoConnection)) }, true, map[string]float64{"DeliveryFailures": 1, "SecretsManagerFailures": 1}},
		{"and is back", func() error { return deploy(well) }, false, map[string]float64{"Deliveries": 1, "DeliveryLag": 0}},
		{"KMS refuses", func() error { write("D"); return deploy(at("Decrypt", 1, secretstest.Before)) }, true, map[string]float64{"DeliveryFailures": 1, "KMSFailures": 1}},
		{"and no more", func() error { return deploy(well) }, false, map[string]float64{"Deliveries": 1, "DeliveryLag": 0}},
		{"the last service goes", func() error {
			if err := manager.DeleteService(ctx, c, app.ID.String()); err != nil {
				return err
			}
			return deploy(well)
		}, false, map[string]float64{}},
	} {
		if err := tt.do(); (err != nil) != tt.fails {
			t.Errorf("%s: %v", tt.name, err)
		}
		if strings.Contains(log.String(), value) {
			t.Errorf("%s: the log tells the value: %s", tt.name, &log)
		}
		if got := sent(t, &log); !maps.Equal(got, tt.want) {
			t.Errorf("%s: %v is sent, want %v", tt.name, got, tt.want)
		}
	}
}

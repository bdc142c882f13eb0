package metrics_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// A delivery sends its lag behind the change. Regular answers of Secrets Manager are not
// failures.
func TestDeliveriesSendTheirLagAndFailures(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Now()
	clock := func() time.Time { return now }
	deliver := func(plan func(secretstest.Call) secretstest.Fault) error {
		d := f.Deliverer(t, f.monitor.WatchCalls, secretstest.Inject(plan))
		d.Monitor, d.Now = f.monitor, clock
		return d.Deliver(t.Context(), f.caller.AccountID, f.account.Account.DefaultSecretID)
	}
	manager := f.manager(t)
	manager.Now = clock
	write := func(key string) {
		t.Helper()
		_, err := manager.CreateItem(t.Context(), f.caller, f.secret(), secrets.ItemInput{Key: secrets.Text(key), Value: secrets.Text(value)})
		if err != nil {
			t.Fatal(err)
		}
	}
	app, err := manager.CreateService(t.Context(), f.caller, secrets.ServiceInput{
		Name: secrets.Text("app"), Image: secrets.Text("app"), Port: secrets.Text("80"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		do    func() error
		fails bool
		want  map[string]float64
	}{
		{"the first bundle, 90 seconds late", func() error { now = now.Add(90 * time.Second); return deliver(well) }, false,
			map[string]float64{"Deliveries": 1, "DeliveryLag": 90_000}},
		{"an empty outbox", func() error { return deliver(well) }, false, map[string]float64{}},
		{"another bundle, without delay", func() error { write("A"); return deliver(well) }, false,
			map[string]float64{"Deliveries": 1, "DeliveryLag": 0}},
		{"Secrets Manager throttles twice", func() error {
			write("B")
			return deliver(first(2, "PutSecretValue", secretstest.Throttled))
		}, false, map[string]float64{"Deliveries": 1, "DeliveryLag": 0, "SecretsManagerThrottles": 2}},
		{"Secrets Manager is away", func() error {
			write("C")
			return deliver(first(99, "DescribeSecret", secretstest.NoConnection))
		}, true, map[string]float64{"DeliveryFailures": 1, "SecretsManagerFailures": 1}},
		{"Secrets Manager is back", func() error { return deliver(well) }, false,
			map[string]float64{"Deliveries": 1, "DeliveryLag": 0}},
		{"KMS refuses", func() error { write("D"); return deliver(first(1, "Decrypt", secretstest.Before)) }, true,
			map[string]float64{"DeliveryFailures": 1, "KMSFailures": 1}},
		{"KMS accepts", func() error { return deliver(well) }, false, map[string]float64{"Deliveries": 1, "DeliveryLag": 0}},
		{"the last service is deleted", func() error {
			if err := manager.DeleteService(t.Context(), f.caller, app.ID.String(), nil); err != nil {
				return err
			}
			return deliver(well)
		}, false, map[string]float64{}},
	} {
		if err := tt.do(); (err != nil) != tt.fails {
			t.Errorf("%s: %v, want an error: %v", tt.name, err, tt.fails)
		}
		if strings.Contains(f.log.String(), value) {
			t.Errorf("%s: the log holds the value: %s", tt.name, f.log)
		}
		if got := sent(t, f.log); !maps.Equal(got, tt.want) {
			t.Errorf("%s sends %v, want %v", tt.name, got, tt.want)
		}
	}
}

package metrics_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"goblins-secrets/pkg/metrics"
	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// sent reads log lines as CloudWatch does, and returns the sum of each metric. It empties the
// log.
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
			t.Errorf("the timestamp is %v old, want at most a minute", age)
		}
		if len(format.AWS.CloudWatchMetrics) != 1 {
			t.Fatalf("%s has no metrics", line)
		}
		d := format.AWS.CloudWatchMetrics[0]
		if d.Namespace != metrics.Namespace || !cmp.Equal(d.Dimensions, [][]string{{"Stack"}}) || root["Stack"] != "the-stack" {
			t.Errorf("%s has another namespace or stack", line)
		}
		for _, m := range d.Metrics {
			number, ok := root[m.Name].(float64)
			if !ok {
				t.Errorf("%s is not a number in %s", m.Name, line)
			}
			if want := map[bool]string{true: "Milliseconds",
				false: "Count"}[strings.Contains("Charge Read Open Record DeliveryLag", m.Name)]; m.Unit != want {
				t.Errorf("%s is in %s, want %s", m.Name, m.Unit, want)
			}
			sums[m.Name] += number
		}
	}
	log.Reset()
	return sums
}

// value is revealed and delivered by the tests, and must stay out of the log.
const value = "correct-horse-battery-staple"

// phases are all phases of a reveal.
var phases = []string{"Charge", "Read", "Open", "Record"}

func well(secretstest.Call) secretstest.Fault { return secretstest.None }

// first is a plan with a fault at the first attempts of a call.
func first(attempts int, what string, fault secretstest.Fault) func(secretstest.Call) secretstest.Fault {
	return func(call secretstest.Call) secretstest.Fault {
		if strings.HasPrefix(call.What, what) && call.Nth < attempts {
			return fault
		}
		return secretstest.None
	}
}

// fixture is an account with one item, and a log for its metrics.
type fixture struct {
	*secretstest.Table
	account secrets.NewAccount
	caller  secrets.Caller
	item    secrets.Item
	log     *bytes.Buffer
	monitor metrics.Log
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	f := fixture{Table: secretstest.NewTable(t), log: new(bytes.Buffer)}
	f.account, f.caller = f.Account(t, "metrics")
	f.monitor = metrics.New(slog.New(slog.NewJSONHandler(f.log, nil)), "the-stack")
	var err error
	f.item, err = f.manager(t).CreateItem(t.Context(), f.caller, f.secret(), secrets.ItemInput{
		Key: secrets.Text("KEY"), Value: secrets.Text(value),
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f fixture) secret() string { return f.account.Account.DefaultSecretID.String() }

// manager returns a manager whose calls are watched, and have the faults of an option.
func (f fixture) manager(t *testing.T, faults ...func(*aws.Config)) *secrets.Manager {
	t.Helper()
	m := f.Manager(t, append([]func(*aws.Config){f.monitor.WatchCalls}, faults...)...)
	m.Monitor = f.monitor
	m.RevealLimit = 4
	return m
}

func (f fixture) reveal(t *testing.T, m *secrets.Manager) error {
	t.Helper()
	_, err := m.RevealItem(t.Context(), f.caller, f.secret(), f.item.ID.String())
	return err
}

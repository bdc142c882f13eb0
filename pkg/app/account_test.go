package app_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/infra/local/localtest"
	"goblins-secrets/pkg/app"
	"goblins-secrets/pkg/secrets"
)

func TestCreateAccount(t *testing.T) {
	t.Parallel()
	table := localtest.NewTable(t)
	svc := table.Service(t)
	made, c := table.Account(t, "  first ")
	if made.Account.Name != "first" {
		t.Errorf("account is named %q, want it trimmed", made.Account.Name)
	}
	page, err := svc.ListSecrets(t.Context(), c, secrets.Cursor{}, 10)
	if err != nil || page.Count != 1 || len(page.Results) != 1 || page.Results[0].Name != "Default" || !page.Results[0].IsDefault {
		t.Errorf("a new account has %+v, %v, want its default secret", page, err)
	}
	for name, want := range map[string]secrets.Invalid{
		"first":                  {{Field: "name", Messages: []string{"account with this name already exists."}}},
		" ":                      {{Field: "name", Messages: []string{"This field may not be blank."}}},
		strings.Repeat("n", 256): {{Field: "name", Messages: []string{"Ensure this field has no more than 255 characters."}}},
	} {
		_, err := svc.CreateAccount(t.Context(), secrets.Text(name))
		var invalid secrets.Invalid
		errors.As(err, &invalid)
		if diff := cmp.Diff(want, invalid); diff != "" {
			t.Errorf("CreateAccount(%.9q) (-want +got):\n%s", name, diff)
		}
	}
	table.Check(t)

	// The key is nowhere in the table.
	for _, row := range table.Rows(t) {
		for name, value := range row {
			if text, ok := value.(string); ok && strings.Contains(text, made.Key[4:]) {
				t.Errorf("%s of %v holds the key", name, row["PK"])
			}
		}
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	table := localtest.NewTable(t)
	svc := table.Service(t)
	made, c := table.Account(t, "first")
	c.SourceIP, c.RequestID = "", "" // those are the gateway's to tell
	for _, header := range []string{"Bearer " + made.Key, "bearer " + made.Key, "BEARER   " + made.Key + "  "} {
		if got, err := svc.Authenticate(t.Context(), header); err != nil || got != c {
			t.Errorf("Authenticate(%.10q…) = %+v, %v, want %+v", header, got, err, c)
		}
	}
	for name, header := range map[string]string{
		"nothing":        "",
		"no scheme":      made.Key,
		"another scheme": "Basic " + made.Key,
		"no key":         "Bearer ",
		"half a key":     "Bearer " + made.Key[:20],
		"two keys":       "Bearer " + made.Key + " " + made.Key,
		"wrong checksum": "Bearer " + made.Key[:len(made.Key)-1] + "!",
		// Well formed, but nobody's.
		"unknown": "Bearer gob_owIh2bmFwatYwvaM3Yv0hckz0oGRQofQtwTlpnBUIJY2ONhvh",
	} {
		if got, err := svc.Authenticate(t.Context(), header); !errors.Is(err, secrets.ErrUnauthenticated) || got != (secrets.Caller{}) {
			t.Errorf("Authenticate with %s = %+v, %v, want ErrUnauthenticated", name, got, err)
		}
	}
	away := table.Service(t, localtest.Inject(func(localtest.Call) localtest.Fault { return localtest.LostBefore }))
	if _, err := away.Authenticate(t.Context(), "Bearer "+made.Key); !errors.Is(err, secrets.ErrUnavailable) {
		t.Errorf("Authenticate without a table: %v, want ErrUnavailable", err)
	}
}

// expiring is a store in which keys have an end.
type expiring struct {
	secrets.Store
	at time.Time
}

func (s expiring) APIKey(ctx context.Context, h secrets.KeyHash) (secrets.APIKey, error) {
	k, err := s.Store.APIKey(ctx, h)
	k.ExpiresAt = s.at
	return k, err
}

func TestExpiredKey(t *testing.T) {
	t.Parallel()
	table := localtest.NewTable(t)
	made, _ := table.Account(t, uuid.NewString())
	svc := table.Service(t)
	end := time.Now().Add(time.Hour)
	svc.Store = expiring{svc.Store, end}
	for offset, want := range map[time.Duration]error{-time.Second: nil, 0: secrets.ErrUnauthenticated, time.Hour: secrets.ErrUnauthenticated} {
		svc.Now = func() time.Time { return end.Add(offset) }
		if _, err := svc.Authenticate(t.Context(), "Bearer "+made.Key); !errors.Is(err, want) {
			t.Errorf("Authenticate %v after a key's end: %v, want %v", offset, err, want)
		}
	}
}

// A function that lacks a setting, or has a wrong one, does not start.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := localtest.NewTable(t).Environment(t, "GetItem")
	if _, err := app.New(good); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, value, want string }{
		{"TABLE_NAME", "", "TABLE_NAME is not set"},
		{"MASTER_KEY_ARN", "", "MASTER_KEY_ARN is not set"},
		{"READ_LIMIT", "", "READ_LIMIT is not set"},
		{"READ_LIMIT", "0", "READ_LIMIT is not a number from 1 to 1000"},
		{"READ_LIMIT", "1001", "READ_LIMIT is not a number from 1 to 1000"},
		{"READ_LIMIT", "many", "READ_LIMIT is not a number from 1 to 1000"},
		{"READ_WINDOW_SECONDS", "86401", "READ_WINDOW_SECONDS is not a number from 1 to 86400"},
		{"DEPLOY_TARGET", "", "DEPLOY_TARGET is not set"},
		{"DEPLOY_TARGET", "secretsmanager", "DEPLOY_TARGET is none of secrets-manager, none"},
		{"AWS_REGION", "", "AWS_REGION is not set"},
		{"AWS_ACCESS_KEY_ID", "", "AWS_ACCESS_KEY_ID is not set"},
	} {
		_, err := app.New(func(name string) string {
			if name == tt.name {
				return tt.value
			}
			return good(name)
		})
		if err == nil || err.Error() != tt.want {
			t.Errorf("New with %s=%s: %v, want %s", tt.name, tt.value, err, tt.want)
		}
	}
}

// Deliveries are on or off by a setting.
func TestDeployTarget(t *testing.T) {
	t.Parallel()
	good := localtest.NewTable(t).Environment(t, "GetItem")
	for target, want := range map[string]bool{"secrets-manager": true, "none": false} {
		svc, err := app.New(func(name string) string {
			if name == "DEPLOY_TARGET" {
				return target
			}
			return good(name)
		})
		if err != nil || svc.Delivers != want {
			t.Errorf("New with DEPLOY_TARGET=%s: delivers = %v, %v, want %v", target, svc.Delivers, err, want)
		}
	}
}

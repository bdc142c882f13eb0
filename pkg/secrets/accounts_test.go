package secrets_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// An account begins with its default secret. Names are unique, and keys are not stored.
func TestAccountBeginsWithDefaultSecret(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	m := table.Manager(t)
	made, c := table.Account(t, "  first ")
	if made.Account.Name != "first" {
		t.Errorf("account is named %q, want it trimmed", made.Account.Name)
	}
	page, err := m.ListSecrets(t.Context(), c, secrets.Field{}, secrets.Cursor{}, 10)
	if err != nil || page.Count != 1 || len(page.Results) != 1 || page.Results[0].Name != "Default" || !page.Results[0].IsDefault {
		t.Errorf("a new account has %+v, %v, want its default secret", page, err)
	}
	for name, want := range map[string]secrets.Invalid{
		"first":                  {{Field: "name", Messages: []string{"account with this name already exists."}}},
		" ":                      {{Field: "name", Messages: []string{"This field may not be blank."}}},
		strings.Repeat("n", 256): {{Field: "name", Messages: []string{"Ensure this field has no more than 255 characters."}}},
	} {
		_, err := m.CreateAccount(t.Context(), secrets.Text(name))
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

// Only a well-formed, known key identifies a caller.
func TestOnlyKnownKeysAuthenticate(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	m := table.Manager(t)
	made, c := table.Account(t, "first")
	c.SourceIP, c.RequestID = "", "" // the gateway adds those
	for _, header := range []string{"Bearer " + made.Key, "bearer " + made.Key, "BEARER   " + made.Key + "  "} {
		if got, err := m.Authenticate(t.Context(), header); err != nil || !reflect.DeepEqual(got, c) {
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
		// Well formed, but unknown.
		"unknown": "Bearer gob_owIh2bmFwatYwvaM3Yv0hckz0oGRQofQtwTlpnBUIJY2ONhvh",
	} {
		if got, err := m.Authenticate(t.Context(), header); !errors.Is(err, secrets.ErrUnauthenticated) || !reflect.DeepEqual(got, secrets.Caller{}) {
			t.Errorf("Authenticate with %s = %+v, %v, want ErrUnauthenticated", name, got, err)
		}
	}
	away := table.Manager(t, secretstest.Inject(func(secretstest.Call) secretstest.Fault { return secretstest.LostBefore }))
	if _, err := away.Authenticate(t.Context(), "Bearer "+made.Key); !errors.Is(err, secrets.ErrUnavailable) {
		t.Errorf("Authenticate without a table: %v, want ErrUnavailable", err)
	}
}

// expiring is a store whose keys expire.
type expiring struct {
	secrets.Store
	at time.Time
}

func (s expiring) Key(ctx context.Context, account, key uuid.UUID) (secrets.Key, error) {
	k, err := s.Store.Key(ctx, account, key)
	k.ExpiresAt = s.at
	return k, err
}

func TestExpiredKeysDoNotAuthenticate(t *testing.T) {
	t.Parallel()
	table := secretstest.NewTable(t)
	made, _ := table.Account(t, uuid.NewString())
	m := table.Manager(t)
	end := time.Now().Add(time.Hour)
	m.Store = expiring{m.Store, end}
	for offset, want := range map[time.Duration]error{
		-time.Second: nil, 0: secrets.ErrUnauthenticated, time.Hour: secrets.ErrUnauthenticated,
	} {
		m.Now = func() time.Time { return end.Add(offset) }
		if _, err := m.Authenticate(t.Context(), "Bearer "+made.Key); !errors.Is(err, want) {
			t.Errorf("Authenticate %v after a key's end: %v, want %v", offset, err, want)
		}
	}
}

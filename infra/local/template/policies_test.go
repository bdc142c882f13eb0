package template_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/infra/local/localtest"
	"goblins-secrets/pkg/secrets"
)

// Each function may do what it does, and nothing else: every call that its operation
// makes, on every way through it, is in its policy, and the policy has no other.
func TestPoliciesAreWhatFunctionsDo(t *testing.T) {
	allowed := map[string]map[string]bool{}
	for _, s := range statements(t) {
		if strings.HasPrefix(s.actions[0], "logs:") {
			continue // which Lambda calls by itself
		}
		if allowed[s.function] == nil {
			allowed[s.function] = map[string]bool{}
		}
		for _, action := range s.actions {
			if len(s.keys) == 0 {
				allowed[s.function][action] = true
			}
			for _, key := range s.keys {
				allowed[s.function][action+" "+strings.TrimSuffix(key, "#*")] = true
			}
		}
	}

	table := localtest.NewTable(t)
	made, c := table.Account(t, "first")
	def := made.Account.DefaultSecretID.String()
	ctx := t.Context()
	named := func(name string) func() (secrets.SecretInput, error) {
		return func() (secrets.SecretInput, error) { return secrets.SecretInput{Name: secrets.Text(name)}, nil }
	}
	item := func(key, value string) func() (secrets.ItemInput, error) {
		return func() (secrets.ItemInput, error) {
			return secrets.ItemInput{Key: secrets.Text(key), Value: secrets.Text(value)}, nil
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	svc := table.Service(t)
	secret, err := svc.CreateSecret(ctx, c, named("secret"))
	must(err)
	it, err := svc.CreateItem(ctx, c, def, item("KEY", "value"))
	must(err)
	doomed, err := svc.CreateItem(ctx, c, def, item("DOOMED", "value"))
	must(err)
	_, err = svc.CreateItem(ctx, c, secret.ID.String(), item("KEY", "value"))
	must(err)
	left, err := svc.CreateSecret(ctx, c, named("left"))
	must(err)
	_, err = svc.CreateItem(ctx, c, left.ID.String(), item("KEY", "value"))
	must(err)
	canceled, cancel := context.WithCancel(ctx)
	leave := table.Service(t, localtest.Inject(func(call localtest.Call) localtest.Fault {
		if strings.HasPrefix(call.What, "Query") {
			cancel() // before the purge
		}
		return localtest.None
	}))
	must(leave.DeleteSecret(canceled, c, left.ID.String()))

	for function, do := range map[string]func(*secrets.Service) error{
		"Authorizer":    func(s *secrets.Service) error { _, err := s.Authenticate(ctx, "Bearer "+made.Key); return err },
		"CreateAccount": func(s *secrets.Service) error { _, err := s.CreateAccount(ctx, secrets.Text("second")); return err },
		"CreateItem": func(s *secrets.Service) error {
			if _, err := s.CreateItem(ctx, c, def, item("", "")); err == nil { // looks whether the secret is there
				t.Error("a blank key was accepted")
			}
			_, err := s.CreateItem(ctx, c, def, item("NEW", "value"))
			return err
		},
		"CreateSecret": func(s *secrets.Service) error { _, err := s.CreateSecret(ctx, c, named("new")); return err },
		"DeleteItem":   func(s *secrets.Service) error { return s.DeleteItem(ctx, c, def, doomed.ID.String()) },
		"DeleteSecret": func(s *secrets.Service) error { return s.DeleteSecret(ctx, c, secret.ID.String()) },
		"GetItem": func(s *secrets.Service) error {
			s.ReadWindow = time.Millisecond // so that the counter grows until it is trimmed
			s.ReadLimit = 1
			for range 15 {
				if _, err := s.RevealItem(ctx, c, def, it.ID.String()); err != nil {
					return err
				}
				time.Sleep(2 * time.Millisecond)
			}
			return nil
		},
		"GetSecret":    func(s *secrets.Service) error { _, err := s.Secret(ctx, c, def); return err },
		"ListItems":    func(s *secrets.Service) error { _, err := s.ListItems(ctx, c, def, secrets.Cursor{}, 10); return err },
		"ListSecrets":  func(s *secrets.Service) error { _, err := s.ListSecrets(ctx, c, secrets.Cursor{}, 10); return err },
		"PurgeSecrets": func(s *secrets.Service) error { _, err := s.PurgeSecrets(ctx); return err },
		"UpdateItem": func(s *secrets.Service) error {
			_, err := s.UpdateItem(ctx, c, def, it.ID.String(), item("RENAMED", "rotated"))
			return err
		},
		"UpdateSecret": func(s *secrets.Service) error { _, err := s.UpdateSecret(ctx, c, def, named("renamed")); return err },
	} {
		var p localtest.Permissions
		must(do(table.Service(t, p.Record)))
		if diff := cmp.Diff(allowed[function], p.Needed()); diff != "" {
			t.Errorf("%s (-allowed +needed):\n%s", function, diff)
		}
		delete(allowed, function)
	}
	if rest := slices.Collect(maps.Keys(allowed)); len(rest) > 0 {
		t.Errorf("policies of %v are held against nothing", rest)
	}
}

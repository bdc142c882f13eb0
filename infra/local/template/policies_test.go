package template_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/infra/local/localtest"
	"goblins-secrets/pkg/secrets"
)

// byAWS are what Lambda calls by itself as the function; each stands in a statement
// with its like. With the key of bundles, Secrets Manager does so.
var byAWS = map[string]bool{
	"logs:CreateLogStream": true, "dynamodb:GetRecords": true, "dynamodb:DescribeStream": true, "sqs:SendMessage": true,
}

// Each function may do what it does, and nothing else: every call that its operation
// makes, on every way through it, is in its policy, and the policy has no other.
func TestPoliciesAreWhatFunctionsDo(t *testing.T) {
	allowed := map[string]map[string]bool{}
	for _, s := range statements(t) {
		if byAWS[s.actions[0]] || s.resource == "!Ref BundleKeyArn" {
			continue
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
	workload := func(name, secret string) func() (secrets.WorkloadInput, error) {
		return func() (secrets.WorkloadInput, error) {
			return secrets.WorkloadInput{
				Name: secrets.Text(name), Image: secrets.Text("app"), Port: secrets.Text("80"), Secret: secrets.Text(secret),
			}, nil
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

	// Services use the default secret and two others, one of them for good.
	other, err := svc.CreateSecret(ctx, c, named("other"))
	must(err)
	_, err = svc.CreateItem(ctx, c, other.ID.String(), item("KEY", "value"))
	must(err)
	_, err = svc.CreateService(ctx, c, workload("service", def))
	must(err)
	_, err = svc.CreateService(ctx, c, workload("staying", other.ID.String()))
	must(err)
	moving, err := svc.CreateService(ctx, c, workload("moving", other.ID.String()))
	must(err)
	lone, err := svc.CreateSecret(ctx, c, named("lone"))
	must(err)
	leaving, err := svc.CreateService(ctx, c, workload("leaving", lone.ID.String()))
	must(err)

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
		"DeleteSecret": func(s *secrets.Service) error {
			var used secrets.InUse
			if err := s.DeleteSecret(ctx, c, other.ID.String()); !errors.As(err, &used) {
				t.Errorf("delete a used secret: %v, want InUse", err)
			}
			return s.DeleteSecret(ctx, c, secret.ID.String())
		},
		"CreateService": func(s *secrets.Service) error {
			_, err := s.CreateService(ctx, c, func() (secrets.WorkloadInput, error) { // of the default secret
				return secrets.WorkloadInput{Name: secrets.Text("new"), Image: secrets.Text("app"), Port: secrets.Text("80")}, nil
			})
			if err != nil {
				return err
			}
			unused, err := svc.CreateSecret(ctx, c, named("unused"))
			if err != nil {
				return err
			}
			_, err = s.CreateService(ctx, c, workload("newer", unused.ID.String()))
			return err
		},
		"DeleteService": func(s *secrets.Service) error { return s.DeleteService(ctx, c, leaving.ID.String()) },
		"GetService":    func(s *secrets.Service) error { _, err := s.Service(ctx, c, moving.ID.String()); return err },
		"ListServices": func(s *secrets.Service) error {
			if _, err := s.ListServices(ctx, c, "", secrets.Cursor{}, 10); err != nil {
				return err
			}
			_, err := s.ListServices(ctx, c, def, secrets.Cursor{}, 10)
			return err
		},
		"UpdateService": func(s *secrets.Service) error {
			unused, err := svc.CreateSecret(ctx, c, named("goal"))
			if err != nil {
				return err
			}
			if _, err := s.UpdateService(ctx, c, moving.ID.String(), workload("moved", unused.ID.String())); err != nil {
				return err
			}
			_, err = s.UpdateService(ctx, c, moving.ID.String(), workload("stayed", unused.ID.String()))
			return err
		},
		"DeploySecret": func(s *secrets.Service) error { return deliverAllWays(ctx, svc, s, c, workload, named, item) },
		"RedeploySecrets": func(s *secrets.Service) error {
			_, err := s.RedeploySecrets(ctx, true)
			return err
		},
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
		"GetBudget":    func(s *secrets.Service) error { _, err := s.Budget(ctx, c); return err },
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

// deliverAllWays has a secret delivered for the first time and again, renamed, removed
// and restored, and when the target is ahead.
func deliverAllWays(
	ctx context.Context, svc, deliverer *secrets.Service, c secrets.Caller,
	workload func(name, secret string) func() (secrets.WorkloadInput, error),
	named func(string) func() (secrets.SecretInput, error), item func(key, value string) func() (secrets.ItemInput, error),
) error {
	secret, err := svc.CreateSecret(ctx, c, named("delivered"))
	if err != nil {
		return err
	}
	id := secret.ID.String()
	deploy := func() error { return deliverer.DeploySecret(ctx, c.AccountID, secret.ID) }
	attach := func() error { _, err := svc.CreateService(ctx, c, workload("user", id)); return err }
	var used secrets.Page[secrets.Workload]
	detach := func() error {
		if used, err = svc.ListServices(ctx, c, id, secrets.Cursor{}, 10); err != nil {
			return err
		}
		return svc.DeleteService(ctx, c, used.Results[0].ID.String())
	}
	add := func(key string) func() error {
		return func() error { _, err := svc.CreateItem(ctx, c, id, item(key, "value")); return err }
	}
	rename := func() error { _, err := svc.UpdateSecret(ctx, c, id, named("delivered anew")); return err }
	again := func() error { _, err := svc.RedeploySecrets(ctx, true); return err }
	// As after a restore of the table.
	back := func() error {
		now, err := svc.Store.Secret(ctx, c.AccountID, secret.ID)
		if err != nil {
			return err
		}
		return svc.Store.RaiseRevision(ctx, now, 1)
	}
	for _, step := range []func() error{
		add("FIRST"), attach, deploy, add("SECOND"), deploy, rename, deploy, detach, deploy, attach, deploy, back, again, deploy,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

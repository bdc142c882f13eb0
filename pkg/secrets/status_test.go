package secrets_test

import (
	"testing"

	"goblins-secrets/pkg/secrets"
)

func TestStatusSaysHowFarTheDeliveryIs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		secret     secrets.Secret
		status     secrets.Status
		successful bool
	}{
		{"of before there were services", secrets.Secret{}, secrets.StatusReady, true},
		{"changed, unused", secrets.Secret{Revision: 7}, secrets.StatusReady, true},
		{"unused, its bundle not removed yet", secrets.Secret{Revision: 7, Delivered: 5}, secrets.StatusReady, true},
		{"unused, the removal failed", secrets.Secret{Revision: 7, Delivered: 5, DeployFailed: true}, secrets.StatusReady, true},
		{"used, never delivered", secrets.Secret{Services: 1, Revision: 1}, secrets.StatusPending, false},
		{"used by many, never delivered", secrets.Secret{Services: 9, Revision: 30}, secrets.StatusPending, false},
		{"the first delivery failed", secrets.Secret{Services: 1, Revision: 1, DeployFailed: true}, secrets.StatusFailed, false},
		{"delivered", secrets.Secret{Services: 1, Revision: 7, Delivered: 7}, secrets.StatusReady, true},
		{"changed since", secrets.Secret{Services: 1, Revision: 8, Delivered: 7}, secrets.StatusDeploying, true},
		{"changed by another hand", secrets.Secret{Services: 1, Revision: 7, Delivered: 7, Drifted: true}, secrets.StatusDeploying, true},
		{"changed since, and it failed", secrets.Secret{Services: 1, Revision: 8, Delivered: 7, DeployFailed: true}, secrets.StatusFailed, false},
		{"delivered again, and it failed", secrets.Secret{Services: 1, Revision: 7, Delivered: 7, DeployFailed: true}, secrets.StatusFailed, false},
	} {
		status, successful := (&secrets.Manager{MaxBundleSize: 65536}).Status(tt.secret)
		if status != tt.status || successful != tt.successful {
			t.Errorf("%s: Status(%+v) = %s, %v, want %s, %v", tt.name, tt.secret, status, successful, tt.status, tt.successful)
		}
		if status, successful := (&secrets.Manager{}).Status(tt.secret); status != secrets.StatusReady || !successful {
			t.Errorf("%s, nothing is delivered: Status(%+v) = %s, %v, want ready, true", tt.name, tt.secret, status, successful)
		}
	}
}

func TestBundleIsShownWhereServicesReadIt(t *testing.T) {
	t.Parallel()
	at := secrets.Bundle{Name: "goblins/a", Region: "eu-west-1", ARN: "arn:a", Version: "r1"}
	for name, tt := range map[string]struct {
		secret secrets.Secret
		shown  bool
	}{
		"never delivered":         {secrets.Secret{Services: 1, Revision: 1}, false},
		"delivered":               {secrets.Secret{Services: 1, Revision: 1, Delivered: 1, Bundle: at}, true},
		"unused, not removed yet": {secrets.Secret{Revision: 2, Delivered: 1, Bundle: at}, false},
		"changed, and failed":     {secrets.Secret{Services: 1, Revision: 2, Delivered: 1, DeployFailed: true, Bundle: at}, true},
		"changed by another hand": {secrets.Secret{Services: 1, Revision: 1, Delivered: 1, Drifted: true, Bundle: at}, true},
	} {
		if got, ok := (&secrets.Manager{MaxBundleSize: 65536}).BundleOf(tt.secret); ok != tt.shown || ok && got != at {
			t.Errorf("%s: BundleOf = %+v, %v, want %v", name, got, ok, tt.shown)
		}
		if got, ok := (&secrets.Manager{}).BundleOf(tt.secret); ok {
			t.Errorf("%s, nothing is delivered: BundleOf = %+v, want none", name, got)
		}
	}
}

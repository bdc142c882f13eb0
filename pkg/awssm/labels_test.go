package awssm_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/awssm"
	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

// labels are those of the versions, by revision.
func (s *service) labels(t *testing.T, b delivery.Bundle) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for id, stages := range s.describe(t, b).VersionIdsToStages {
		var n int
		if _, err := fmt.Sscanf(id, "r%d-", &n); err != nil {
			t.Errorf("version %s: %v", id, err)
		}
		found[fmt.Sprint(n)] = stages
	}
	return found
}

// A former value has no label: not after a promotion, and not if it was staged and overtaken.
func TestOnlyTheCurrentVersionHasALabel(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, inTest)
	for n := int64(1); n <= 3; n++ {
		mustDeliver(t, target, bundle(secret, n), 0)
	}
	if diff := cmp.Diff(map[string][]string{"3": {"AWSCURRENT", "AWSPENDING"}}, s.labels(t, bundle(secret, 3))); diff != "" {
		t.Errorf("labels after three bundles (-want +got):\n%s", diff)
	}
	late := bundle(secret, 4)
	if err := stage(t.Context(), target, late); err != nil {
		t.Fatal(err)
	}
	// Another deliverer was faster.
	held, err := target.Look(t.Context(), late)
	if err != nil {
		t.Fatal(err)
	}
	id := "r0000000000000000009-00000000000000000000000000000000"
	if _, err := s.PutSecretValue(t.Context(), &sm.PutSecretValueInput{
		SecretId: &late.At, ClientRequestToken: &id, SecretString: aws.String("{}"), VersionStages: []string{"AWSCURRENT"},
	}); err != nil {
		t.Fatal(err)
	}
	if ahead, err := promote(t.Context(), target, late); err != nil || ahead != 9 {
		t.Errorf("Promote(4) after 9 = %d, %v, want 9", ahead, err)
	}
	if diff := cmp.Diff(map[string][]string{"9": {"AWSCURRENT"}}, s.labels(t, late)); diff != "" {
		t.Errorf("labels after an overtaken bundle (-want +got):\n%s", diff)
	}
	if err := target.Tidy(t.Context(), held); err != nil {
		t.Errorf("Tidy of labels that have moved = %v, want nil: they are another caller's", err)
	}
}

func TestLookReportsWhatServicesWouldRead(t *testing.T) {
	t.Parallel()
	s, b := newService(t), bundle(uuid.New(), 7)
	target := awssm.New(s.Client, inTest)
	look := func() delivery.Held {
		t.Helper()
		held, err := target.Look(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	if got := look(); got != (delivery.Held{}) || got.Live() {
		t.Errorf("Look at nothing = %+v", got)
	}
	mustDeliver(t, target, b, 0)
	want := delivery.Held{
		Bundle: secrets.Bundle{
			Name: b.At, Region: "us-east-1", ARN: *s.describe(t, b).ARN, Version: fmt.Sprintf("r%019d-%x", 7, b.Versions[:16]),
		},
		Revision: 7, Tagged: true,
	}
	if diff := cmp.Diff(want, look()); diff != "" || !look().Live() {
		t.Errorf("Look (-want +got):\n%s", diff)
	}
	content, err := target.Content(t.Context(), look())
	if err != nil || content.Reveal() != b.Content.Reveal() {
		t.Errorf("Content is not the bundle's (%v)", err)
	}
	b.Name = "renamed"
	if look().Tagged {
		t.Error("Look at a bundle with another name = tagged")
	}
	if err := target.Remove(t.Context(), b.At); err != nil {
		t.Fatal(err)
	}
	if got := look(); !got.Deleted || got.Live() || got.Revision != 7 {
		t.Errorf("Look at a removed bundle = %+v, want revision 7, deleted", got)
	}
}

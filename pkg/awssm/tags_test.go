package awssm_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"goblins-secrets/pkg/awssm"
)

// The tag follows each rename. An unchanged name costs no request.
func TestNameTagHoldsOnlyAcceptedCharacters(t *testing.T) {
	t.Parallel()
	s, secret := newService(t), uuid.New()
	target := awssm.New(s.Client, inTest)
	for n, tt := range []struct{ name, want string }{
		{"plain", "plain"},
		{"a#b 💥 <x>", "a_b _ _x_"},
		{"Größe/日本 1+2=3 @a.b:c_d-e", "Größe/日本 1+2=3 @a.b:c_d-e"},
		{"new\nline\xff\x00", "new_line__"},
		{"", ""},
		{"aws:backup", "aws_backup"},
		{"AwS:x", "AwS_x"},
		{"my aws:x", "my aws:x"},
		{strings.Repeat("ü", 300), strings.Repeat("ü", 256)},
		{strings.Repeat("𝐀", 200), strings.Repeat("𝐀", 128)}, // two UTF-16 units each
	} {
		b := bundle(secret, int64(n+1))
		b.Name = tt.name
		mustDeliver(t, target, b, 0)
		if got := s.tags(t, b)["goblins:name"]; got != tt.want {
			t.Errorf("tag of the name %q = %q, want %q", tt.name, got, tt.want)
		}
	}
	// A rename that changes no item.
	b := bundle(secret, 20)
	b.Name = "renamed"
	mustDeliver(t, target, b, 0)
	if got := s.tags(t, b)["goblins:name"]; got != "renamed" {
		t.Errorf("tag of a renamed secret = %q, want renamed", got)
	}
	calls := s.calls.Load()
	mustDeliver(t, target, b, 0)
	if got := s.calls.Load() - calls; got != 2 {
		t.Errorf("repeated delivery took %d requests, want 2 of DescribeSecret", got)
	}
}

package secrets

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"regexp"
	"strings"
	"testing"
)

func TestNewKeysHaveTheirForm(t *testing.T) {
	form := regexp.MustCompile(`^gob_[0-9A-Za-z]{49}$`)
	seen := make(map[string]bool)
	for _, random := range [][]byte{nil, make([]byte, 32), bytes.Repeat([]byte{0xff}, 32)} {
		source := rand.Reader
		if random != nil {
			source = bytes.NewReader(random)
		}
		key, err := newKey(source)
		if err != nil {
			t.Fatal(err)
		}
		if !form.MatchString(key) || seen[key] {
			t.Errorf("newKey = %q, want a new one like %s", key, form)
		}
		seen[key] = true
		hash, ok := hashKey(key)
		if !ok || hash != sha256.Sum256([]byte(key)) {
			t.Errorf("hashKey(%q) = %x, %v, want its SHA-256", key, hash, ok)
		}
	}
	if key, err := newKey(strings.NewReader("too short")); err == nil {
		t.Errorf("newKey without randomness = %q, want an error", key)
	}
}

// A key with any character changed, missing or added is refused without a read.
func TestChecksumFindsDamagedKeys(t *testing.T) {
	key, err := newKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := range key {
		for _, c := range "0Az-" {
			if changed := key[:i] + string(c) + key[i+1:]; changed != key {
				if _, ok := hashKey(changed); ok {
					t.Errorf("hashKey accepts %q for %q", changed, key)
				}
			}
		}
		if _, ok := hashKey(key[:i]); ok {
			t.Errorf("hashKey accepts %q", key[:i])
		}
	}
	for _, other := range []string{key + "0", " " + key, "GOB_" + key[4:]} {
		if _, ok := hashKey(other); ok {
			t.Errorf("hashKey accepts %q", other)
		}
	}
}

// The form is a promise to scanners: this key stays valid for ever.
func TestGoldenKey(t *testing.T) {
	key, err := newKey(bytes.NewReader([]byte("goblins-secrets golden key, 32 B")))
	if err != nil {
		t.Fatal(err)
	}
	if want := "gob_owIh2bmFwatYwvaM3Yv0hckz0oGRQofQtwTlpnBUIJY2ONhvh"; key != want {
		t.Errorf("newKey = %q, want %q", key, want)
	}
}

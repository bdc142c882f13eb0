package secrets_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// keyStore keeps API keys in memory and counts their reads.
type keyStore struct {
	secrets.Store
	keys  map[secrets.KeyHash]secrets.Key
	reads int
}

func (s *keyStore) CreateAccount(_ context.Context, _ secrets.Account, _ secrets.Secret, _ secrets.User, _ int, k secrets.Key, _ secrets.Event) error {
	s.keys[k.Hash] = k
	return nil
}

func (s *keyStore) FindKey(_ context.Context, hash secrets.KeyHash) (secrets.KeyPlace, error) {
	s.reads++
	k, ok := s.keys[hash]
	if !ok {
		return secrets.KeyPlace{}, secrets.ErrNotFound
	}
	return secrets.KeyPlace{AccountID: k.AccountID, ID: k.ID}, nil
}

func (s *keyStore) Key(_ context.Context, _, id uuid.UUID) (secrets.Key, error) {
	for _, k := range s.keys {
		if k.ID == id {
			return k, nil
		}
	}
	return secrets.Key{}, secrets.ErrNotFound
}

func (s *keyStore) StampKey(context.Context, uuid.UUID, uuid.UUID, time.Time, time.Time) error {
	return nil
}

// denials counts refused keys.
type denials struct {
	secrets.Monitor
	n *int
}

func (d denials) Denied(context.Context) { *d.n++ }

// keyManager makes keys from a source of randomness.
func keyManager(random io.Reader) (*secrets.Manager, *keyStore) {
	store := &keyStore{keys: map[secrets.KeyHash]secrets.Key{}}
	return &secrets.Manager{Store: store, Monitor: denials{n: new(int)}, Now: time.Now, NewID: uuid.New, Rand: random, Log: slog.New(slog.DiscardHandler)}, store
}

func TestNewKeysHaveTheirForm(t *testing.T) {
	form := regexp.MustCompile(`^gob_[0-9A-Za-z]{49}$`)
	seen := make(map[string]bool)
	for _, random := range [][]byte{nil, make([]byte, 32), bytes.Repeat([]byte{0xff}, 32)} {
		source := rand.Reader
		if random != nil {
			source = bytes.NewReader(random)
		}
		m, store := keyManager(source)
		made, err := m.CreateAccount(t.Context(), secrets.Text("account"))
		if err != nil {
			t.Fatal(err)
		}
		if !form.MatchString(made.Key) || seen[made.Key] {
			t.Errorf("CreateAccount from %x = key %q, want a new one like %s", random, made.Key, form)
		}
		seen[made.Key] = true
		if _, ok := store.keys[sha256.Sum256([]byte(made.Key))]; !ok || len(store.keys) != 1 {
			t.Errorf("CreateAccount stored %v for %q, want its SHA-256", store.keys, made.Key)
		}
		want := made.Caller()
		if c, err := m.Authenticate(t.Context(), "Bearer "+made.Key); err != nil || !reflect.DeepEqual(c, want) {
			t.Errorf("Authenticate(%q) = %+v, %v, want %+v", made.Key, c, err, want)
		}
	}
	m, store := keyManager(strings.NewReader("too short"))
	if made, err := m.CreateAccount(t.Context(), secrets.Text("account")); err == nil || len(store.keys) > 0 {
		t.Errorf("CreateAccount without randomness = %+v, and stored %v, want an error", made, store.keys)
	}
}

// A key with any character changed, missing or added is refused without a read.
func TestChecksumFindsDamagedKeys(t *testing.T) {
	m, store := keyManager(rand.Reader)
	made, err := m.CreateAccount(t.Context(), secrets.Text("account"))
	if err != nil {
		t.Fatal(err)
	}
	key := made.Key
	var damaged []string
	for i := range key {
		for _, c := range "0Az-" {
			if changed := key[:i] + string(c) + key[i+1:]; changed != key {
				damaged = append(damaged, changed)
			}
		}
		damaged = append(damaged, key[:i])
	}
	damaged = append(damaged, key+"0", "\t"+key, "GOB_"+key[4:])
	for _, text := range damaged {
		if c, err := m.Authenticate(t.Context(), "Bearer "+text); !errors.Is(err, secrets.ErrUnauthenticated) {
			t.Errorf("Authenticate(%q) for %q = %+v, %v, want ErrUnauthenticated", text, key, c, err)
		}
	}
	if store.reads > 0 {
		t.Errorf("%d damaged keys cost %d reads, want none", len(damaged), store.reads)
	}
	if n := *m.Monitor.(denials).n; n != len(damaged) {
		t.Errorf("the monitor counts %d refused keys, want %d", n, len(damaged))
	}
}

// The form is a promise to scanners: this key stays valid for ever.
func TestGoldenKey(t *testing.T) {
	m, _ := keyManager(bytes.NewReader([]byte("goblins-secrets golden key, 32 B")))
	made, err := m.CreateAccount(t.Context(), secrets.Text("account"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "gob_owIh2bmFwatYwvaM3Yv0hckz0oGRQofQtwTlpnBUIJY2ONhvh"; made.Key != want {
		t.Errorf("CreateAccount = key %q, want %q", made.Key, want)
	}
}

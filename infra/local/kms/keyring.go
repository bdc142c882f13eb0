package kms

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"

	"github.com/google/uuid"

	"goblins-secrets/infra/local/awsjson"
)

const (
	region    = "us-east-1"
	accountID = "000000000000"
	arnPrefix = "arn:aws:kms:" + region + ":" + accountID + ":"

	fileVersion = 1
	secretSize  = 32
)

// keyring is the server's state, in the shape of the key file.
type keyring struct {
	Version int              `json:"version"`
	Keys    map[string]key   `json:"keys"`
	Aliases map[string]alias `json:"aliases"`
}

type key struct {
	id          string       // its key in keyring.Keys
	BackingKeys []backingKey `json:"backing_keys"`
}

// backingKey is one generation of a key; AWS also calls it key material.
type backingKey struct {
	ID     string `json:"id"`
	Secret []byte `json:"secret"`
}

type alias struct {
	KeyID string `json:"key_id"`
}

func (k key) arn() string { return arnPrefix + "key/" + k.id }

// latest returns the backing key that encrypts, and its index.
func (k key) latest() (backingKey, uint32) {
	last := len(k.BackingKeys) - 1
	return k.BackingKeys[last], uint32(last)
}

// find returns the key that id names: a key id, a key ARN, an alias name or an
// alias ARN.
func (ring *keyring) find(id string) (key, error) {
	if err := awsjson.Between("keyId", len(id), 1, 2048); err != nil {
		return key{}, err
	}
	name, err := localName(id)
	if err != nil {
		return key{}, err
	}
	if strings.HasPrefix(name, "alias/") {
		a, ok := ring.Aliases[name]
		if !ok {
			return key{}, fail("NotFoundException", "Alias %s is not found.", arnPrefix+name)
		}
		name = a.KeyID
	}
	k, ok := ring.Keys[name]
	if !ok {
		return key{}, fail("NotFoundException", "Key '%s' does not exist", arnPrefix+"key/"+name)
	}
	return k, nil
}

// localName reduces an ARN to its key id or alias name. Other ids stay unchanged.
func localName(id string) (string, error) {
	if !strings.HasPrefix(id, "arn:") {
		return id, nil
	}
	resource, ok := strings.CutPrefix(id, arnPrefix)
	keyID, isKey := strings.CutPrefix(resource, "key/")
	switch {
	case ok && isKey:
		return keyID, nil
	case ok && strings.HasPrefix(resource, "alias/"):
		return resource, nil
	case !ok && strings.HasPrefix(id, "arn:aws:kms:") && strings.Count(id, ":") == 5:
		return "", fail("NotFoundException", "Invalid arn: this is %s, account %s", region, accountID)
	}
	return "", fail("InvalidArnException", "'%s' is not the ARN of a key or an alias", id)
}

func newBackingKey() backingKey {
	return backingKey{ID: hex.EncodeToString(randomBytes(secretSize)), Secret: randomBytes(secretSize)}
}

func randomBytes(size int) []byte {
	random := make([]byte, size)
	rand.Read(random) // never fails
	return random
}

// update applies change to a copy of the keyring. Readers share the slices inside a key, so change must
// replace them and never write into them.
func (s *Server) update(change func(*keyring) error) error {
	return s.state.Update(func(old *keyring) (*keyring, error) {
		next := &keyring{Version: fileVersion, Keys: maps.Clone(old.Keys), Aliases: maps.Clone(old.Aliases)}
		return next, change(next)
	})
}

// check validates a keyring read from a file and sets the ids of its keys. It repairs
// nothing: with a lost key, everything encrypted under it would be lost without notice.
func (ring *keyring) check() error {
	if ring == nil || ring.Version != fileVersion || ring.Keys == nil || ring.Aliases == nil {
		return fmt.Errorf("want version %d, keys and aliases", fileVersion)
	}
	for id, k := range ring.Keys {
		if u, err := uuid.Parse(id); err != nil || u.String() != id {
			return fmt.Errorf("key id %q is not a UUID", id)
		}
		if len(k.BackingKeys) == 0 {
			return fmt.Errorf("key %s has no backing key", id)
		}
		for _, b := range k.BackingKeys {
			if len(b.Secret) != secretSize {
				return fmt.Errorf("key %s has a backing key of %d bytes", id, len(b.Secret))
			}
		}
		k.id = id
		ring.Keys[id] = k
	}
	for name, a := range ring.Aliases {
		if _, ok := ring.Keys[a.KeyID]; !ok {
			return fmt.Errorf("%s points to a key that does not exist", name)
		}
	}
	return nil
}

package kms

import (
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

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
	CreatedAt   time.Time    `json:"created_at"`
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

// findKey is find for the operations that manage keys: these do not accept an alias.
func (ring *keyring) findKey(id string) (key, error) {
	if isAlias(id) {
		return key{}, fail("NotFoundException", "Invalid keyId '%s'", id)
	}
	return ring.find(id)
}

// addAlias adds an alias of a key.
func (ring *keyring) addAlias(name, keyID string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-"
	if err := awsjson.Between("aliasName", len(name), 1, 256); err != nil {
		return err
	}
	if rest, ok := strings.CutPrefix(name, "alias/"); !ok || strings.Trim(rest, "/") == "" {
		return fail("ValidationException", "Invalid identifier")
	}
	if strings.Trim(name, allowed) != "" {
		return fail("ValidationException", "%s contains invalid characters for an alias", name)
	}
	if strings.HasPrefix(name, "alias/aws/") {
		return fail("NotAuthorizedException", "The prefix alias/aws/ is reserved.")
	}
	ring.Aliases[name] = alias{keyID}
	return nil
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

func isAlias(id string) bool {
	return strings.HasPrefix(id, "alias/") || strings.HasPrefix(id, "arn:") && strings.Contains(id, ":alias/")
}

// newKey returns a new key with its first backing key. It does not store the key.
func (s *Server) newKey() (key, error) {
	id, err := uuid.NewRandomFromReader(s.rand)
	if err != nil {
		return key{}, fmt.Errorf("make key id: %w", err)
	}
	first, err := s.newBackingKey()
	return key{id: id.String(), CreatedAt: s.now().UTC(), BackingKeys: []backingKey{first}}, err
}

func (s *Server) newBackingKey() (backingKey, error) {
	random := make([]byte, 2*secretSize)
	if _, err := io.ReadFull(s.rand, random); err != nil {
		return backingKey{}, fmt.Errorf("make backing key: %w", err)
	}
	return backingKey{ID: hex.EncodeToString(random[:secretSize]), Secret: random[secretSize:]}, nil
}

// update applies change to a copy of the keyring. Readers share the slices inside a key, so change must
// replace them and never write into them.
func (s *Server) update(change func(*keyring) error) error {
	return s.state.Update(func(old *keyring) (*keyring, error) {
		next := &keyring{Version: fileVersion, Keys: maps.Clone(old.Keys), Aliases: maps.Clone(old.Aliases)}
		return next, change(next)
	})
}

// changeKey applies change to the key behind id.
func (s *Server) changeKey(id string, change func(*key) error) error {
	return s.update(func(ring *keyring) error {
		k, err := ring.findKey(id)
		if err != nil {
			return err
		}
		if err := change(&k); err != nil {
			return err
		}
		ring.Keys[k.id] = k
		return nil
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

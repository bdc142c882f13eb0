package secrets

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The text of an API key:
//
//	gob_ | 43 characters: 32 random bytes | 6 characters: CRC-32 of all before
//
// Numbers are big-endian in base 62 (0-9, a-z, A-Z), padded with 0. The prefix and the
// checksum let a scanner recognise a leaked key, and let the authorizer refuse garbage
// without a read. The key is shown once. Only its SHA-256 is stored; that is enough,
// because 256 random bits cannot be guessed from their hash.
const (
	keyPrefix   = "gob_"
	keyBytes    = 32
	keyDigits   = 43 // ceil(256 / log2(62))
	checkDigits = 6  // ceil(32 / log2(62))
)

// KeyHash is the SHA-256 of an API key's text.
type KeyHash [sha256.Size]byte

// Key is an API key of a user. Its text is stored nowhere.
type Key struct {
	AccountID  uuid.UUID
	ID         uuid.UUID
	UserID     uuid.UUID
	Name       string
	Prefix     string // the first characters of the text, by which people recognise it
	Hash       KeyHash
	Rights     Rights // its own, which narrow its user's
	Invitation bool   // it can only be exchanged for a key with these rights
	User       Holder
	CreatedAt  time.Time
	CreatedBy  uuid.UUID // a user; zero: an operator
	MadeBy     uuid.UUID // the key that made it; zero: an operator
	ExpiresAt  time.Time // zero: never
	LastUsedAt time.Time // zero: never; to the minute
	Revision   int64     // raised by every change, but not by its use
}

// Holder is what a key has of its user, so that reading the key alone decides what it may do.
type Holder struct {
	Kind   Kind
	Name   string
	Rights Rights
}

// holder returns what the user's keys have of it.
func (u User) holder() Holder { return Holder{u.Kind, u.Name, u.Rights} }

// Granted is what the key's user and the key itself both allow.
func (k Key) Granted() Rights { return k.User.Rights.and(k.Rights) }

// Effective is what the key may do. An invitation may do nothing.
func (k Key) Effective() Rights {
	if k.Invitation {
		return Rights{Secrets: []uuid.UUID{}}
	}
	return k.Granted()
}

// kind is that of a caller with the key.
func (k Key) kind() Kind {
	if k.Invitation {
		return Invited
	}
	return k.User.Kind
}

// caller returns the caller c as the key has it now.
func (k Key) caller(c Caller) Caller {
	c.AccountID, c.UserID, c.KeyID, c.Kind, c.Rights = k.AccountID, k.UserID, k.ID, k.kind(), k.Effective()
	c.UserName, c.KeyName = k.User.Name, k.Name
	return c
}

func (k Key) expired(now time.Time) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }

// admins is 1 if the key lets its account be administrated for ever, and else 0.
func (k Key) admins() int {
	if k.Effective().Permissions.Has(Admin) && k.ExpiresAt.IsZero() {
		return 1
	}
	return 0
}

// NewKey is a key with its text, which is shown only once.
type NewKey struct {
	Key
	Text string
}

// KeyInput is what a caller may say about a key. Err is set when the input could not be read.
type KeyInput struct {
	User, Name, Permissions, Secrets, ExpiresAt, Invitation Field
	Err                                                     error
}

// KeyPlace is where the key of a hash is stored.
type KeyPlace struct{ AccountID, ID uuid.UUID }

// Keys is the part of a [Store] that keeps API keys. For maker see [Users].
type Keys interface {
	// FindKey finds a key by the SHA-256 of its text.
	FindKey(ctx context.Context, hash KeyHash) (KeyPlace, error)
	Key(ctx context.Context, account, key uuid.UUID) (Key, error)
	// StampKey records a use of a key, unless one is recorded since before. It changes no revision.
	StampKey(ctx context.Context, account, key uuid.UUID, at, since time.Time) error
	// Keys reads a page of all keys of an account like Secrets.
	Keys(ctx context.Context, account uuid.UUID, from Cursor, limit int) (found []Key, count int, err error)
	// KeysWithIDs reads those of the keys that exist, sorted by id.
	KeysWithIDs(ctx context.Context, account uuid.UUID, ids []uuid.UUID) ([]Key, error)
	// CreateKey adds a key of a user, and deletes the invitation that it is exchanged for, if there is one.
	// ErrChanged: the user or the invitation has changed.
	CreateKey(ctx context.Context, maker *Key, u User, k Key, invitation *Key, sum People, ev Event) error
	// UpdateKey replaces old by updated. ErrLastAdmin: no key with Admin would be left.
	UpdateKey(ctx context.Context, maker *Key, old, updated Key, sum People, ev Event) error
	// DeleteKey removes a key of a user. ErrLastAdmin as above.
	DeleteKey(ctx context.Context, maker *Key, u User, k Key, sum People, ev Event) error
	// Made lists which keys of the account made others. It still knows them when they are deleted.
	Made(ctx context.Context, account uuid.UUID) ([]Made, error)
}

// Made is a key that another one made, and its user.
type Made struct{ Maker, Key, UserID uuid.UUID }

// shownDigits is how many random characters of a key's text its record shows: 24 of its 256 bits.
const shownDigits = 4

// shown returns the first characters of a key's text.
func shown(text string) string { return text[:len(keyPrefix)+shownDigits] }

// newKey generates the text of a new key.
func newKey(rand io.Reader) (string, error) {
	random := make([]byte, keyBytes)
	if _, err := io.ReadFull(rand, random); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	key := keyPrefix + base62(new(big.Int).SetBytes(random), keyDigits)
	return key + checksum(key), nil
}

// hashKey checks the form and checksum of a key's text and returns its hash.
func hashKey(key string) (hash KeyHash, ok bool) {
	const size = len(keyPrefix) + keyDigits + checkDigits
	if len(key) != size || !strings.HasPrefix(key, keyPrefix) {
		return hash, false
	}
	body, sum := key[:size-checkDigits], key[size-checkDigits:]
	return sha256.Sum256([]byte(key)), checksum(body) == sum
}

func checksum(s string) string {
	return base62(new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(s)))), checkDigits)
}

func base62(n *big.Int, digits int) string {
	return fmt.Sprintf("%0*s", digits, n.Text(62))
}

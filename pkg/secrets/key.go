package secrets

import (
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

// APIKey is the stored record of a key.
type APIKey struct {
	ID        uuid.UUID
	AccountID uuid.UUID
	UserID    uuid.UUID
	Hash      KeyHash
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
}

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

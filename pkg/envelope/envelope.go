// Package envelope implements envelope encryption of small plaintexts: AES-256-GCM under
// a fresh data key that a [KeyService] wraps. It knows nothing about what it seals.
//
// A blob is all that needs to be stored:
//
//	offset   bytes
//	0        1     format: 1
//	1        2     length n of the wrapped data key, big-endian
//	3        n     wrapped data key
//	3+n      12    nonce, random
//	15+n     …     AES-256-GCM ciphertext, with its tag of 16 bytes at the end
//
// The associated data binds a blob to its place. The KeyService gets it as its encryption
// context, so that it refuses to unwrap the data key elsewhere and its log names each
// unwrap. AES-GCM gets it as additional authenticated data:
//
//	"goblins-secrets/envelope" | format | for each pair, sorted by name:
//	    length of name (4 bytes, big-endian) | name | length of value (4) | value
//
// The lengths make the encoding injective: no two sets of pairs share one. A data key
// seals one blob only, so a random nonce cannot repeat under it.
package envelope

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

const (
	format1   = 1
	purpose   = "goblins-secrets/envelope"
	nonceSize = 12
)

// ErrTampered: the blob was not sealed under this associated data.
var ErrTampered = errors.New("envelope does not open")

// KeyService generates and unwraps data keys under its master key.
type KeyService interface {
	// GenerateDataKey returns a new 32-byte key, plain and wrapped under the context.
	GenerateDataKey(ctx context.Context, encryptionContext map[string]string) (plain, wrapped []byte, err error)
	// UnwrapDataKey returns the plain key, under the same context only.
	UnwrapDataKey(ctx context.Context, encryptionContext map[string]string, wrapped []byte) (plain []byte, err error)
}

// Sealer seals and opens blobs. Both fields are required.
type Sealer struct {
	Keys KeyService
	Rand io.Reader // cryptographic; the source of nonces
}

// Seal encrypts plaintext under a new data key: one GenerateDataKey. It neither keeps nor
// changes plaintext.
func (s Sealer) Seal(ctx context.Context, associatedData map[string]string, plaintext []byte) (blob []byte, err error) {
	key, wrapped, err := s.Keys.GenerateDataKey(ctx, associatedData)
	if err != nil {
		return nil, fmt.Errorf("generate data key: %w", err)
	}
	defer clear(key)
	if len(wrapped) > 0xffff {
		return nil, fmt.Errorf("wrapped data key of %d bytes", len(wrapped))
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	size := 3 + len(wrapped) + nonceSize
	blob = make([]byte, 0, size+len(plaintext)+aead.Overhead())
	blob = append(blob, format1)
	blob = binary.BigEndian.AppendUint16(blob, uint16(len(wrapped)))
	blob = append(blob, wrapped...)
	blob = blob[:size]
	nonce := blob[size-nonceSize:]
	if _, err := io.ReadFull(s.Rand, nonce); err != nil {
		return nil, fmt.Errorf("read nonce: %w", err)
	}
	return aead.Seal(blob, nonce, plaintext, additionalData(associatedData)), nil
}

// Open returns the plaintext of a blob that was sealed under the same associated data:
// one UnwrapDataKey. Otherwise it returns ErrTampered or the error of the KeyService.
func (s Sealer) Open(ctx context.Context, associatedData map[string]string, blob []byte) (plaintext []byte, err error) {
	if len(blob) < 3 || blob[0] != format1 {
		return nil, ErrTampered
	}
	rest := blob[3:]
	n := int(binary.BigEndian.Uint16(blob[1:3]))
	if len(rest) < n+nonceSize {
		return nil, ErrTampered
	}
	wrapped, nonce, ciphertext := rest[:n], rest[n:n+nonceSize], rest[n+nonceSize:]
	key, err := s.Keys.UnwrapDataKey(ctx, associatedData, wrapped)
	if err != nil {
		return nil, fmt.Errorf("unwrap data key: %w", err)
	}
	defer clear(key)
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	plaintext, err = aead.Open(nil, nonce, ciphertext, additionalData(associatedData))
	if err != nil {
		return nil, ErrTampered
	}
	return plaintext, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("data key of %d bytes, want 32", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err // unreachable: the size is right
	}
	return cipher.NewGCM(block)
}

func additionalData(associatedData map[string]string) []byte {
	data := append([]byte(purpose), format1)
	for _, name := range slices.Sorted(maps.Keys(associatedData)) {
		for _, text := range []string{name, associatedData[name]} {
			data = binary.BigEndian.AppendUint32(data, uint32(len(text)))
			data = append(data, text...)
		}
	}
	return data
}

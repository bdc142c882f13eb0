package kms

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
)

const (
	blobVersion = 1
	headerSize  = 1 + len(uuid.UUID{}) + 4
)

// blobHeader names the backing key of a ciphertext blob.
type blobHeader struct {
	keyID   uuid.UUID
	backing uint32
}

// seal makes a ciphertext blob. Random nonces are safe for 2³² blobs per backing key,
// far more than any local run makes.
func seal(h blobHeader, secret, plaintext []byte, context map[string]string) ([]byte, error) {
	gcm, err := newGCM(secret)
	if err != nil {
		return nil, err
	}
	blob := append([]byte{blobVersion}, h.keyID[:]...)
	blob = binary.BigEndian.AppendUint32(blob, h.backing)
	return gcm.Seal(blob, nil, plaintext, additionalData(blob, context)), nil
}

// readHeader returns the header of a blob. It is not authenticated until unseal succeeds.
func readHeader(blob []byte) (blobHeader, bool) {
	if len(blob) < headerSize || blob[0] != blobVersion {
		return blobHeader{}, false
	}
	return blobHeader{
		keyID:   uuid.UUID(blob[1:17]),
		backing: binary.BigEndian.Uint32(blob[17:headerSize]),
	}, true
}

// unseal opens a blob that readHeader has accepted.
func unseal(blob, secret []byte, context map[string]string) ([]byte, error) {
	gcm, err := newGCM(secret)
	if err != nil {
		return nil, err
	}
	header, ciphertext := blob[:headerSize], blob[headerSize:]
	plaintext, err := gcm.Open(nil, nil, ciphertext, additionalData(header, context))
	if err != nil {
		return nil, invalidCiphertext()
	}
	return plaintext, nil
}

// additionalData encodes the header and the encryption context as associated data. Length
// prefixes make the encoding injective.
func additionalData(header []byte, context map[string]string) []byte {
	aad := slices.Clone(header)
	for _, k := range slices.Sorted(maps.Keys(context)) {
		for _, s := range []string{k, context[k]} {
			aad = binary.BigEndian.AppendUint32(aad, uint32(len(s)))
			aad = append(aad, s...)
		}
	}
	return aad
}

// newGCM returns an AEAD that puts a random nonce before each ciphertext.
func newGCM(secret []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("use backing key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

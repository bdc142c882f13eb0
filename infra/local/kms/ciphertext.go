package kms

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/google/uuid"
)

const (
	blobVersion = 1
	headerSize  = 1 + len(uuid.UUID{}) + 4
	nonceSize   = 12
)

// blobHeader says which backing key opens a ciphertext blob.
type blobHeader struct {
	keyID   uuid.UUID
	backing uint32
}

// seal makes a ciphertext blob. Random nonces are safe for 2³² blobs per backing
// key, far more than a local run makes.
func seal(random io.Reader, h blobHeader, secret, plaintext []byte, context map[string]string) ([]byte, error) {
	gcm, err := newGCM(secret)
	if err != nil {
		return nil, err
	}
	blob := append([]byte{blobVersion}, h.keyID[:]...)
	blob = binary.BigEndian.AppendUint32(blob, h.backing)
	aad := additionalData(blob, context)

	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("make nonce: %w", err)
	}
	blob = append(blob, nonce...)
	return gcm.Seal(blob, nonce, plaintext, aad), nil
}

// readHeader returns the header of a blob, unauthenticated until the blob opens.
func readHeader(blob []byte) (blobHeader, bool) {
	if len(blob) < headerSize+nonceSize || blob[0] != blobVersion {
		return blobHeader{}, false
	}
	return blobHeader{
		keyID:   uuid.UUID(blob[1:17]),
		backing: binary.BigEndian.Uint32(blob[17:headerSize]),
	}, true
}

// unseal opens a blob that readHeader accepts.
func unseal(blob, secret []byte, context map[string]string) ([]byte, error) {
	gcm, err := newGCM(secret)
	if err != nil {
		return nil, err
	}
	nonce, ciphertext := blob[headerSize:headerSize+nonceSize], blob[headerSize+nonceSize:]
	plaintext, err := gcm.Open(nil, nonce, ciphertext, additionalData(blob[:headerSize], context))
	if err != nil {
		return nil, invalidCiphertext()
	}
	return plaintext, nil
}

// additionalData binds the header and the encryption context. Lengths come first,
// so that no two contexts give the same bytes.
func additionalData(header []byte, context map[string]string) []byte {
	aad := slices.Clone(header)
	for _, k := range slices.Sorted(maps.Keys(context)) {
		for _, text := range []string{k, context[k]} {
			aad = binary.BigEndian.AppendUint32(aad, uint32(len(text)))
			aad = append(aad, text...)
		}
	}
	return aad
}

func newGCM(secret []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("use backing key: %w", err)
	}
	return cipher.NewGCM(block)
}

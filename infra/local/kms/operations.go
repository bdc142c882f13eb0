package kms

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"goblins-secrets/infra/local/awsjson"
)

const (
	algorithm = "SYMMETRIC_DEFAULT"

	// Limits of AWS KMS.
	maxBlob              = 6144
	maxOnDemandRotations = 25
)

// rotateKeyOnDemand does not accept an alias, and answers with the key id, not the ARN: AWS behaves
// this way.
func (s *Server) rotateKeyOnDemand(in struct{ KeyId string }) (answer, error) {
	if name, err := localName(in.KeyId); err == nil && strings.HasPrefix(name, "alias/") {
		return nil, fail("NotFoundException", "Invalid keyId '%s'", in.KeyId)
	}
	var id string
	err := s.update(func(ring *keyring) error {
		k, err := ring.find(in.KeyId)
		if err != nil {
			return err
		}
		if len(k.BackingKeys) > maxOnDemandRotations {
			return fail("LimitExceededException", "%s was rotated %d times, which is the limit.", k.arn(), maxOnDemandRotations)
		}
		k.BackingKeys = append(slices.Clip(k.BackingKeys), newBackingKey())
		ring.Keys[k.id] = k
		id = k.id
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer{"KeyId": id}, nil
}

func (s *Server) generateDataKey(in struct {
	KeyId, KeySpec    string
	EncryptionContext map[string]string
}) (answer, error) {
	size := map[string]int{"AES_256": 32, "AES_128": 16}[in.KeySpec] // bytes
	if size == 0 {
		return nil, fail("ValidationException", "Value '%s' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: [AES_256, AES_128]", in.KeySpec)
	}
	plaintext := randomBytes(size)
	sealed, err := encrypt(s.state.Load(), in.KeyId, plaintext, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return answer{
		"KeyId": sealed.keyARN, "KeyMaterialId": sealed.backingID,
		"CiphertextBlob": sealed.data, "Plaintext": plaintext,
	}, nil
}

func (s *Server) decryptData(in struct {
	KeyId               *string
	CiphertextBlob      []byte
	EncryptionAlgorithm string
	EncryptionContext   map[string]string
}) (answer, error) {
	if in.EncryptionAlgorithm != "" && in.EncryptionAlgorithm != algorithm {
		return nil, fail("InvalidKeyUsageException", "Algorithm %s is incompatible with key spec %s.", in.EncryptionAlgorithm, algorithm)
	}
	if err := awsjson.Between("ciphertextBlob", len(in.CiphertextBlob), 1, maxBlob); err != nil {
		return nil, err
	}
	opened, err := decrypt(s.state.Load(), in.KeyId, in.CiphertextBlob, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return answer{
		"KeyId": opened.keyARN, "KeyMaterialId": opened.backingID,
		"Plaintext": opened.data, "EncryptionAlgorithm": algorithm,
	}, nil
}

// cryptoResult is a sealed blob or an opened plaintext, and its key.
type cryptoResult struct {
	keyARN, backingID string
	data              []byte
}

func encrypt(ring *keyring, keyID string, plaintext []byte, context map[string]string) (cryptoResult, error) {
	k, err := ring.find(keyID)
	if err != nil {
		return cryptoResult{}, err
	}
	backing, index := k.latest()
	blob, err := seal(blobHeader{uuid.MustParse(k.id), index}, backing.Secret, plaintext, context)
	return cryptoResult{k.arn(), backing.ID, blob}, err
}

// decrypt opens a blob under the key that its header names. If keyID is not nil, it must
// identify the same key.
func decrypt(ring *keyring, keyID *string, blob []byte, context map[string]string) (cryptoResult, error) {
	var named *key
	if keyID != nil {
		k, err := ring.find(*keyID)
		if err != nil {
			return cryptoResult{}, err
		}
		named = &k
	}
	header, ok := readHeader(blob)
	k, held := ring.Keys[header.keyID.String()]
	// A blob of an unknown key is invalid; it is not a blob of another key.
	if !ok || !held {
		return cryptoResult{}, invalidCiphertext()
	}
	if named != nil && named.id != k.id {
		return cryptoResult{}, fail("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
	}
	if int64(header.backing) >= int64(len(k.BackingKeys)) {
		return cryptoResult{}, invalidCiphertext()
	}
	backing := k.BackingKeys[header.backing]
	plaintext, err := unseal(blob, backing.Secret, context)
	return cryptoResult{k.arn(), backing.ID, plaintext}, err
}

func invalidCiphertext() error {
	return fail("InvalidCiphertextException", "The ciphertext or its encryption context is not valid.")
}

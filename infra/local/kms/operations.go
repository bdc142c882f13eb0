package kms

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

const (
	macAlgorithm = "HMAC_SHA_256"

	// Limits of AWS KMS.
	maxBlob              = 6144
	maxMessage           = 4096
	maxDataKey           = 1024
	maxDescription       = 8192
	maxOnDemandRotations = 25
	defaultRotationDays  = 365
)

type keyRequest struct{ KeyId string }

// Keys and aliases.

func (k key) metadata() answer {
	m := answer{
		"KeyId": k.id, "Arn": k.arn(), "AWSAccountId": accountID,
		"CreationDate": epoch(k.CreatedAt), "Description": k.Description,
		"Enabled": k.Enabled, "KeyState": "Enabled",
		"KeyUsage": k.usage(), "KeySpec": k.Spec,
		"KeyManager": "CUSTOMER", "Origin": "AWS_KMS", "MultiRegion": false,
	}
	if !k.Enabled {
		m["KeyState"] = "Disabled"
	}
	if k.Spec == specHMAC {
		m["MacAlgorithms"] = []string{macAlgorithm}
	} else {
		backing, _ := k.latest()
		m["CurrentKeyMaterialId"] = backing.ID
		m["EncryptionAlgorithms"] = []string{specSymmetric}
	}
	return answer{"KeyMetadata": m}
}

func (s *Server) createKey(in struct {
	KeySpec, KeyUsage, Description, Origin, CustomKeyStoreId string
	MultiRegion                                              bool
}) (answer, error) {
	if err := between("description", len(in.Description), 0, maxDescription); err != nil {
		return nil, err
	}
	spec := cmp.Or(in.KeySpec, specSymmetric)
	if spec != specSymmetric && spec != specHMAC || cmp.Or(in.Origin, "AWS_KMS") != "AWS_KMS" ||
		in.CustomKeyStoreId != "" || in.MultiRegion {
		return nil, fail("UnsupportedOperationException", "Only single-Region keys of spec %s or %s are supported here.", specSymmetric, specHMAC)
	}
	// AWS has a default usage for symmetric encryption keys only.
	if want := (key{Spec: spec}).usage(); in.KeyUsage != want && (in.KeyUsage != "" || spec != specSymmetric) {
		return nil, fail("ValidationException", "KeyUsage %s is not compatible with KeySpec %s", in.KeyUsage, spec)
	}
	k, err := s.newKey(spec, in.Description)
	if err != nil {
		return nil, err
	}
	err = s.update(func(ring *keyring) error {
		ring.Keys[k.id] = k
		return nil
	})
	if err != nil {
		return nil, err
	}
	return k.metadata(), nil
}

func (s *Server) describeKey(in keyRequest) (answer, error) {
	k, err := s.current.Load().find(in.KeyId)
	if err != nil {
		return nil, err
	}
	return k.metadata(), nil
}

func (s *Server) createAlias(in struct{ AliasName, TargetKeyId string }) (answer, error) {
	if isAlias(in.TargetKeyId) {
		return nil, fail("ValidationException", "Aliases must refer to keys. Not aliases")
	}
	return nil, s.update(func(ring *keyring) error {
		k, err := ring.find(in.TargetKeyId)
		if err != nil {
			return err
		}
		return ring.addAlias(in.AliasName, k.id, s.now())
	})
}

func (s *Server) listAliases(in struct {
	KeyId  *string
	Limit  *int
	Marker string
}) (answer, error) {
	limit := 50
	if in.Limit != nil {
		limit = *in.Limit
	}
	if err := between("limit", limit, 1, 100); err != nil {
		return nil, err
	}
	ring := s.current.Load()
	var target string
	if in.KeyId != nil {
		k, err := ring.findKey(*in.KeyId)
		if err != nil {
			return nil, err
		}
		target = k.id
	}
	// The marker is the last name of the previous page.
	if _, ok := ring.Aliases[in.Marker]; in.Marker != "" && !ok {
		return nil, fail("InvalidMarkerException", "The marker is not one that this operation returned.")
	}

	page, out := []answer{}, answer{"Truncated": false}
	for _, name := range slices.Sorted(maps.Keys(ring.Aliases)) {
		a := ring.Aliases[name]
		if name <= in.Marker || target != "" && a.KeyID != target {
			continue
		}
		if len(page) == limit {
			out["Truncated"], out["NextMarker"] = true, page[limit-1]["AliasName"]
			break
		}
		page = append(page, answer{
			"AliasName": name, "AliasArn": arnPrefix + name, "TargetKeyId": a.KeyID,
			"CreationDate": epoch(a.CreatedAt), "LastUpdatedDate": epoch(a.CreatedAt),
		})
	}
	out["Aliases"] = page
	return out, nil
}

func (s *Server) disableKey(in keyRequest) (answer, error) { return nil, s.setEnabled(in.KeyId, false) }

func (s *Server) enableKey(in keyRequest) (answer, error) { return nil, s.setEnabled(in.KeyId, true) }

func (s *Server) setEnabled(id string, enabled bool) error {
	return s.changeKey(id, func(k *key) error {
		k.Enabled = enabled
		return nil
	})
}

// Rotation.

func (s *Server) enableKeyRotation(in struct {
	KeyId                string
	RotationPeriodInDays *int
}) (answer, error) {
	days := defaultRotationDays
	if in.RotationPeriodInDays != nil {
		days = *in.RotationPeriodInDays
	}
	if err := between("rotationPeriodInDays", days, 90, 2560); err != nil {
		return nil, err
	}
	return nil, s.changeKey(in.KeyId, func(k *key) error {
		if err := k.checkRotatable(); err != nil {
			return err
		}
		k.Rotation = &rotation{PeriodDays: days, EnabledAt: s.now().UTC()}
		return nil
	})
}

// getKeyRotationStatus and rotateKeyOnDemand answer with the key id, not the ARN, as AWS
// does.
func (s *Server) getKeyRotationStatus(in keyRequest) (answer, error) {
	k, err := s.current.Load().findKey(in.KeyId)
	if err != nil {
		return nil, err
	}
	out := answer{"KeyId": k.id, "KeyRotationEnabled": k.Rotation != nil}
	if r := k.Rotation; r != nil {
		out["RotationPeriodInDays"] = r.PeriodDays
		out["NextRotationDate"] = epoch(r.EnabledAt.AddDate(0, 0, r.PeriodDays))
	}
	return out, nil
}

func (s *Server) rotateKeyOnDemand(in keyRequest) (answer, error) {
	next, err := s.newBackingKey()
	if err != nil {
		return nil, err
	}
	var id string
	err = s.changeKey(in.KeyId, func(k *key) error {
		if err := k.checkRotatable(); err != nil {
			return err
		}
		if len(k.BackingKeys) > maxOnDemandRotations {
			return fail("LimitExceededException", "%s was rotated %d times, which is the limit.", k.arn(), maxOnDemandRotations)
		}
		k.BackingKeys = append(slices.Clip(k.BackingKeys), next)
		id = k.id
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer{"KeyId": id}, nil
}

// Data keys.

type dataKeyRequest struct {
	KeyId             string
	KeySpec           string
	NumberOfBytes     *int
	EncryptionContext map[string]string
}

func (s *Server) generateDataKey(in dataKeyRequest) (answer, error) {
	size, err := in.size()
	if err != nil {
		return nil, err
	}
	plaintext := make([]byte, size)
	if _, err := io.ReadFull(s.rand, plaintext); err != nil {
		return nil, fmt.Errorf("make data key: %w", err)
	}
	sealed, err := s.encrypt(s.current.Load(), in.KeyId, plaintext, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return answer{
		"KeyId": sealed.keyARN, "KeyMaterialId": sealed.backingID,
		"CiphertextBlob": sealed.data, "Plaintext": plaintext,
	}, nil
}

func (s *Server) generateDataKeyWithoutPlaintext(in dataKeyRequest) (answer, error) {
	out, err := s.generateDataKey(in)
	delete(out, "Plaintext")
	return out, err
}

func (in dataKeyRequest) size() (int, error) {
	switch {
	case (in.KeySpec == "") == (in.NumberOfBytes == nil):
		return 0, fail("ValidationException", "Please specify either number of bytes or key spec.")
	case in.NumberOfBytes != nil:
		return *in.NumberOfBytes, between("numberOfBytes", *in.NumberOfBytes, 1, maxDataKey)
	case in.KeySpec == "AES_256":
		return 32, nil
	case in.KeySpec == "AES_128":
		return 16, nil
	}
	return 0, fail("ValidationException", "Value '%s' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: [AES_256, AES_128]", in.KeySpec)
}

func (s *Server) decryptData(in struct {
	KeyId               *string
	CiphertextBlob      []byte
	EncryptionAlgorithm string
	EncryptionContext   map[string]string
}) (answer, error) {
	if err := checkAlgorithm(in.EncryptionAlgorithm); err != nil {
		return nil, err
	}
	opened, err := decrypt(s.current.Load(), in.KeyId, in.CiphertextBlob, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return answer{
		"KeyId": opened.keyARN, "KeyMaterialId": opened.backingID,
		"Plaintext": opened.data, "EncryptionAlgorithm": specSymmetric,
	}, nil
}

func (s *Server) reEncrypt(in struct {
	CiphertextBlob                                            []byte
	SourceKeyId                                               *string
	DestinationKeyId                                          string
	SourceEncryptionContext, DestinationEncryptionContext     map[string]string
	SourceEncryptionAlgorithm, DestinationEncryptionAlgorithm string
}) (answer, error) {
	if err := checkAlgorithm(in.SourceEncryptionAlgorithm); err != nil {
		return nil, err
	}
	if err := checkAlgorithm(in.DestinationEncryptionAlgorithm); err != nil {
		return nil, err
	}
	ring := s.current.Load()
	opened, err := decrypt(ring, in.SourceKeyId, in.CiphertextBlob, in.SourceEncryptionContext)
	if err != nil {
		return nil, err
	}
	defer clear(opened.data)
	sealed, err := s.encrypt(ring, in.DestinationKeyId, opened.data, in.DestinationEncryptionContext)
	if err != nil {
		return nil, err
	}
	return answer{
		"KeyId": sealed.keyARN, "DestinationKeyMaterialId": sealed.backingID,
		"SourceKeyId": opened.keyARN, "SourceKeyMaterialId": opened.backingID,
		"CiphertextBlob":                 sealed.data,
		"SourceEncryptionAlgorithm":      specSymmetric,
		"DestinationEncryptionAlgorithm": specSymmetric,
	}, nil
}

// cryptoResult is a sealed blob or an opened plaintext, and its key.
type cryptoResult struct {
	keyARN, backingID string
	data              []byte
}

func (s *Server) encrypt(ring *keyring, keyID string, plaintext []byte, context map[string]string) (cryptoResult, error) {
	k, err := ring.usable(keyID, usageEncrypt)
	if err != nil {
		return cryptoResult{}, err
	}
	backing, index := k.latest()
	blob, err := seal(s.rand, blobHeader{uuid.MustParse(k.id), index}, backing.Secret, plaintext, context)
	return cryptoResult{k.arn(), backing.ID, blob}, err
}

// decrypt opens a blob under the key that its header names. If keyID is not nil, it must
// identify the same key.
func decrypt(ring *keyring, keyID *string, blob []byte, context map[string]string) (cryptoResult, error) {
	if err := between("ciphertextBlob", len(blob), 1, maxBlob); err != nil {
		return cryptoResult{}, err
	}
	var named *key
	if keyID != nil {
		k, err := ring.usable(*keyID, usageEncrypt)
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
	if err := k.checkUsable(usageEncrypt); err != nil {
		return cryptoResult{}, err
	}
	backing := k.BackingKeys[header.backing]
	plaintext, err := unseal(blob, backing.Secret, context)
	return cryptoResult{k.arn(), backing.ID, plaintext}, err
}

// Message authentication codes.

type macRequest struct {
	KeyId, MacAlgorithm string
	Message             []byte
}

func (s *Server) generateMac(in macRequest) (answer, error) {
	k, sum, err := s.mac(in)
	if err != nil {
		return nil, err
	}
	return answer{"KeyId": k.arn(), "MacAlgorithm": macAlgorithm, "Mac": sum}, nil
}

func (s *Server) verifyMac(in struct {
	macRequest
	Mac []byte
}) (answer, error) {
	if err := between("mac", len(in.Mac), 1, maxBlob); err != nil {
		return nil, err
	}
	k, sum, err := s.mac(in.macRequest)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(sum, in.Mac) {
		return nil, fail("KMSInvalidMacException", "The MAC does not match the message and the key.")
	}
	return answer{"KeyId": k.arn(), "MacAlgorithm": macAlgorithm, "MacValid": true}, nil
}

func (s *Server) mac(in macRequest) (key, []byte, error) {
	if err := between("message", len(in.Message), 1, maxMessage); err != nil {
		return key{}, nil, err
	}
	switch in.MacAlgorithm {
	case macAlgorithm, "HMAC_SHA_224", "HMAC_SHA_384", "HMAC_SHA_512":
	default:
		return key{}, nil, fail("ValidationException", "Value '%s' at 'macAlgorithm' is not a MAC algorithm.", in.MacAlgorithm)
	}
	k, err := s.current.Load().usable(in.KeyId, usageMAC)
	if err != nil {
		return key{}, nil, err
	}
	if in.MacAlgorithm != macAlgorithm {
		return key{}, nil, fail("InvalidKeyUsageException", "Algorithm %s is incompatible with key spec %s.", in.MacAlgorithm, k.Spec)
	}
	backing, _ := k.latest()
	h := hmac.New(sha256.New, backing.Secret)
	h.Write(in.Message)
	return k, h.Sum(nil), nil
}

// checkAlgorithm accepts only the algorithm of symmetric keys, which is the default.
func checkAlgorithm(name string) error {
	if name != "" && name != specSymmetric {
		return fail("InvalidKeyUsageException", "Algorithm %s is incompatible with key spec %s.", name, specSymmetric)
	}
	return nil
}

// between refuses a member whose value or length is outside low to high. A missing
// member has length 0.
func between(member string, n, low, high int) error {
	if n < low || n > high {
		return fail("ValidationException", "1 validation error detected: '%s' failed to satisfy constraint: %d is not between %d and %d", member, n, low, high)
	}
	return nil
}

func invalidCiphertext() error {
	return fail("InvalidCiphertextException", "The ciphertext or its encryption context is not valid.")
}

// epoch returns a time in the protocol's format: seconds since 1970.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

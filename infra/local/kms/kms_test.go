package kms_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"goblins-secrets/infra/local/kms"
)

const (
	arnPrefix  = "arn:aws:kms:us-east-1:000000000000:"
	missingKey = "00000000-0000-4000-8000-000000000000"
)

// A stack is a server on a key file, and an AWS client of it.
type stack struct {
	*awskms.Client
	server *kms.Server
	url    string
}

func open(t *testing.T, path string) stack {
	t.Helper()
	server, err := kms.Open(path)
	if err != nil {
		t.Fatalf("Open(%s) = %v", path, err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	client := awskms.NewFromConfig(aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: &web.URL,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
	return stack{client, server, web.URL}
}

func newStack(t *testing.T) stack {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "keys.json"))
}

func (s stack) mustCreate(t *testing.T, spec types.KeySpec) (id string) {
	t.Helper()
	in := &awskms.CreateKeyInput{KeySpec: spec}
	if spec == types.KeySpecHmac256 {
		in.KeyUsage = types.KeyUsageTypeGenerateVerifyMac
	}
	out, err := s.CreateKey(t.Context(), in)
	if err != nil {
		t.Fatalf("CreateKey(%s) = %v", spec, err)
	}
	return *out.KeyMetadata.KeyId
}

func (s stack) mustDataKey(t *testing.T, keyID string, encryptionContext map[string]string) *awskms.GenerateDataKeyOutput {
	t.Helper()
	out, err := s.GenerateDataKey(t.Context(), &awskms.GenerateDataKeyInput{
		KeyId: &keyID, KeySpec: types.DataKeySpecAes256, EncryptionContext: encryptionContext,
	})
	if err != nil {
		t.Fatalf("GenerateDataKey(%s) = %v", keyID, err)
	}
	return out
}

// decrypt returns the plaintext of a blob. If keyID is empty, the request names no key.
func (s stack) decrypt(t *testing.T, keyID string, blob []byte, encryptionContext map[string]string) ([]byte, error) {
	t.Helper()
	in := &awskms.DecryptInput{CiphertextBlob: blob, EncryptionContext: encryptionContext}
	if keyID != "" {
		in.KeyId = &keyID
	}
	out, err := s.Decrypt(t.Context(), in)
	if err != nil {
		return nil, err
	}
	return out.Plaintext, nil
}

func (s stack) checkDecrypt(t *testing.T, blob []byte, encryptionContext map[string]string, want []byte) {
	t.Helper()
	if got, err := s.decrypt(t, "", blob, encryptionContext); err != nil || !bytes.Equal(got, want) {
		t.Errorf("Decrypt(blob, %v) = %x, %v, want the data key", encryptionContext, got, err)
	}
}

// code returns the AWS name of an error, or "" for nil.
func code(err error) string {
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		return api.ErrorCode()
	}
	return err.Error()
}

func checkCode(t *testing.T, call string, err error, want string) {
	t.Helper()
	if got := code(err); got != want {
		t.Errorf("%s = %q, want %q", call, got, want)
	}
}

func TestDataKeysOpenUnderEveryNameOfTheirKey(t *testing.T) {
	s := newStack(t)
	id := s.mustCreate(t, types.KeySpecSymmetricDefault)
	if _, err := s.CreateAlias(t.Context(), &awskms.CreateAliasInput{AliasName: aws.String("alias/app"), TargetKeyId: &id}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{id, arnPrefix + "key/" + id, "alias/app", arnPrefix + "alias/app"} {
		for _, size := range []struct {
			spec  types.DataKeySpec
			bytes *int32
			want  int
		}{
			{types.DataKeySpecAes256, nil, 32},
			{types.DataKeySpecAes128, nil, 16},
			{"", aws.Int32(1), 1},
			{"", aws.Int32(1024), 1024},
		} {
			t.Run(fmt.Sprintf("%s/%d", name, size.want), func(t *testing.T) {
				made, err := s.GenerateDataKey(t.Context(), &awskms.GenerateDataKeyInput{KeyId: &name, KeySpec: size.spec, NumberOfBytes: size.bytes})
				if err != nil {
					t.Fatal(err)
				}
				if got, want := *made.KeyId, arnPrefix+"key/"+id; got != want {
					t.Errorf("GenerateDataKey(%s).KeyId = %s, want %s", name, got, want)
				}
				opened, err := s.Decrypt(t.Context(), &awskms.DecryptInput{KeyId: &name, CiphertextBlob: made.CiphertextBlob})
				if err != nil {
					t.Fatal(err)
				}
				if len(opened.Plaintext) != size.want || !bytes.Equal(opened.Plaintext, made.Plaintext) {
					t.Errorf("Decrypt(blob) = %x, want %x of %d bytes", opened.Plaintext, made.Plaintext, size.want)
				}
				if *opened.KeyId != *made.KeyId || *opened.KeyMaterialId != *made.KeyMaterialId {
					t.Errorf("Decrypt(blob) under %s, %s, want %s, %s", *opened.KeyId, *opened.KeyMaterialId, *made.KeyId, *made.KeyMaterialId)
				}

				wrapped, err := s.GenerateDataKeyWithoutPlaintext(t.Context(), &awskms.GenerateDataKeyWithoutPlaintextInput{KeyId: &name, KeySpec: size.spec, NumberOfBytes: size.bytes})
				if err != nil {
					t.Fatal(err)
				}
				got, err := s.decrypt(t, name, wrapped.CiphertextBlob, nil)
				if err != nil || len(got) != size.want {
					t.Errorf("Decrypt(blob without plaintext) = %d bytes, %v, want %d", len(got), err, size.want)
				}
				// Two keys of one random byte may be equal.
				if size.want > 1 && bytes.Equal(got, made.Plaintext) {
					t.Errorf("GenerateDataKey(%s) gave one key twice", name)
				}
			})
		}
	}
}

// The test reads the raw answer: the SDK would hide an unexpected member.
func TestDataKeyWithoutPlaintextHasNone(t *testing.T) {
	s := newStack(t)
	id := s.mustCreate(t, types.KeySpecSymmetricDefault)
	status, body := s.post(t, "TrentService.GenerateDataKeyWithoutPlaintext", `{"KeyId":"`+id+`","KeySpec":"AES_256"}`)
	var got map[string]string
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("answer %d %s: %v", status, body, err)
	}
	for name := range got {
		got[name] = "" // random
	}
	if diff := cmp.Diff(map[string]string{"KeyId": "", "KeyMaterialId": "", "CiphertextBlob": ""}, got); diff != "" {
		t.Errorf("members of the answer (-want +got):\n%s", diff)
	}
}

func TestEncryptionContextIsBound(t *testing.T) {
	s := newStack(t)
	id := s.mustCreate(t, types.KeySpecSymmetricDefault)
	for _, tt := range []struct {
		name       string
		seal, open map[string]string
		want       string
	}{
		{"same", map[string]string{"a": "1", "b": "2"}, map[string]string{"b": "2", "a": "1"}, ""},
		{"none and empty", nil, map[string]string{}, ""},
		{"missing", map[string]string{"a": "1"}, nil, "InvalidCiphertextException"},
		{"added", nil, map[string]string{"a": "1"}, "InvalidCiphertextException"},
		{"other value", map[string]string{"a": "1"}, map[string]string{"a": "2"}, "InvalidCiphertextException"},
		{"other case", map[string]string{"a": "x"}, map[string]string{"a": "X"}, "InvalidCiphertextException"},
		{"values swapped", map[string]string{"a": "1", "b": "2"}, map[string]string{"a": "2", "b": "1"}, "InvalidCiphertextException"},
		{"border moved", map[string]string{"a": "bc"}, map[string]string{"ab": "c"}, "InvalidCiphertextException"},
		{"entries joined", map[string]string{"a": "b", "c": "d"}, map[string]string{"a": "bcd"}, "InvalidCiphertextException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			made := s.mustDataKey(t, id, tt.seal)
			_, err := s.decrypt(t, id, made.CiphertextBlob, tt.open)
			checkCode(t, fmt.Sprintf("Decrypt(sealed with %v, opened with %v)", tt.seal, tt.open), err, tt.want)
		})
	}

	// Go maps have no order, so the requests are written by hand.
	made := s.mustDataKey(t, id, map[string]string{"a": "1", "b": "2", "c": "3"})
	blob := base64.StdEncoding.EncodeToString(made.CiphertextBlob)
	for _, order := range []string{`"a":"1","b":"2","c":"3"`, `"c":"3","a":"1","b":"2"`} {
		if status, body := s.post(t, "TrentService.Decrypt", `{"CiphertextBlob":"`+blob+`","EncryptionContext":{`+order+`}}`); status != http.StatusOK {
			t.Errorf("Decrypt(context %s) = %d %s, want 200", order, status, body)
		}
	}
}

func TestTamperedBlobNeverOpens(t *testing.T) {
	s := newStack(t)
	id := s.mustCreate(t, types.KeySpecSymmetricDefault)
	made := s.mustDataKey(t, id, nil)

	blobs := map[string][]byte{
		"one byte":  made.CiphertextBlob[:1],
		"truncated": made.CiphertextBlob[:len(made.CiphertextBlob)-1],
		"extended":  append(bytes.Clone(made.CiphertextBlob), 0),
		"foreign":   bytes.Repeat([]byte{1}, 200),
	}
	for i := range made.CiphertextBlob {
		blob := bytes.Clone(made.CiphertextBlob)
		blob[i] ^= 1
		blobs[fmt.Sprintf("byte %d", i)] = blob
	}
	for name, blob := range blobs {
		for _, keyID := range []string{"", id} {
			_, err := s.decrypt(t, keyID, blob, nil)
			checkCode(t, fmt.Sprintf("Decrypt(%s, key %q)", name, keyID), err, "InvalidCiphertextException")
		}
	}
	s.checkDecrypt(t, made.CiphertextBlob, nil, made.Plaintext)
}

// The test opens the blob by hand, following the package documentation.
func TestBlobAndFileAreAsDocumented(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	s := open(t, path)
	id := s.mustCreate(t, types.KeySpecSymmetricDefault)
	if _, err := s.RotateKeyOnDemand(t.Context(), &awskms.RotateKeyOnDemandInput{KeyId: &id}); err != nil {
		t.Fatal(err)
	}
	made := s.mustDataKey(t, id, map[string]string{"b": "22", "a": "1"})

	var file struct {
		Version int
		Keys    map[string]struct {
			BackingKeys []struct{ Secret []byte } `json:"backing_keys"`
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	header, err := hex.DecodeString("01" + strings.ReplaceAll(id, "-", "") + "00000001")
	if err != nil {
		t.Fatal(err)
	}
	blob, ok := bytes.CutPrefix(made.CiphertextBlob, header)
	if !ok {
		t.Fatalf("blob = %x, want prefix %x", made.CiphertextBlob, header)
	}
	block, err := aes.NewCipher(file.Keys[id].BackingKeys[1].Secret)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	aad := append(header, "\x00\x00\x00\x01a\x00\x00\x00\x011\x00\x00\x00\x01b\x00\x00\x00\x0222"...)
	got, err := gcm.Open(nil, blob[:12], blob[12:], aad)
	if err != nil || !bytes.Equal(got, made.Plaintext) {
		t.Errorf("blob opened by hand = %x, %v, want %x", got, err, made.Plaintext)
	}
}

func TestDisabledKeyIsNotUsed(t *testing.T) {
	s := newStack(t)
	id, hmacID := s.mustCreate(t, types.KeySpecSymmetricDefault), s.mustCreate(t, types.KeySpecHmac256)
	other := s.mustCreate(t, types.KeySpecSymmetricDefault)
	made, made2 := s.mustDataKey(t, id, nil), s.mustDataKey(t, other, nil)
	ctx := t.Context()
	uses := map[string]func() error{
		"GenerateDataKey": func() error {
			_, err := s.GenerateDataKey(ctx, &awskms.GenerateDataKeyInput{KeyId: &id, KeySpec: types.DataKeySpecAes256})
			return err
		},
		"Decrypt named": func() error { _, err := s.decrypt(t, id, made.CiphertextBlob, nil); return err },
		"Decrypt":       func() error { _, err := s.decrypt(t, "", made.CiphertextBlob, nil); return err },
		"ReEncrypt from": func() error {
			_, err := s.ReEncrypt(ctx, &awskms.ReEncryptInput{CiphertextBlob: made.CiphertextBlob, DestinationKeyId: &other})
			return err
		},
		"ReEncrypt to": func() error {
			_, err := s.ReEncrypt(ctx, &awskms.ReEncryptInput{CiphertextBlob: made2.CiphertextBlob, DestinationKeyId: &id})
			return err
		},
		"GenerateMac": func() error {
			_, err := s.GenerateMac(ctx, &awskms.GenerateMacInput{KeyId: &hmacID, MacAlgorithm: types.MacAlgorithmSpecHmacSha256, Message: []byte("m")})
			return err
		},
		"EnableKeyRotation": func() error {
			_, err := s.EnableKeyRotation(ctx, &awskms.EnableKeyRotationInput{KeyId: &id})
			return err
		},
		"RotateKeyOnDemand": func() error {
			_, err := s.RotateKeyOnDemand(ctx, &awskms.RotateKeyOnDemandInput{KeyId: &id})
			return err
		},
	}
	check := func(state types.KeyState, want string) {
		t.Helper()
		for name, use := range uses {
			checkCode(t, fmt.Sprintf("%s with the key %s", name, state), use(), want)
		}
		out, err := s.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: &id})
		if err != nil {
			t.Fatal(err)
		}
		if m := out.KeyMetadata; m.KeyState != state || m.Enabled != (state == types.KeyStateEnabled) {
			t.Errorf("DescribeKey = %s, enabled %t, want %s", m.KeyState, m.Enabled, state)
		}
	}
	check(types.KeyStateEnabled, "")
	for _, id := range []string{id, hmacID} {
		if _, err := s.DisableKey(ctx, &awskms.DisableKeyInput{KeyId: &id}); err != nil {
			t.Fatal(err)
		}
	}
	check(types.KeyStateDisabled, "DisabledException")
	for _, id := range []string{id, hmacID} {
		if _, err := s.EnableKey(ctx, &awskms.EnableKeyInput{KeyId: &id}); err != nil {
			t.Fatal(err)
		}
	}
	check(types.KeyStateEnabled, "")
}

func TestRotationKeepsOldBlobsOpening(t *testing.T) {
	s := newStack(t)
	id := s.mustCreate(t, types.KeySpecSymmetricDefault)
	var made []*awskms.GenerateDataKeyOutput
	materials := map[string]bool{}
	for i := range 3 {
		if i > 0 {
			out, err := s.RotateKeyOnDemand(t.Context(), &awskms.RotateKeyOnDemandInput{KeyId: &id})
			if err != nil || *out.KeyId != id {
				t.Fatalf("RotateKeyOnDemand(%s) = %v, %v", id, out, err)
			}
		}
		out := s.mustDataKey(t, id, nil)
		described, err := s.DescribeKey(t.Context(), &awskms.DescribeKeyInput{KeyId: &id})
		if err != nil {
			t.Fatal(err)
		}
		if got := *described.KeyMetadata.CurrentKeyMaterialId; got != *out.KeyMaterialId {
			t.Errorf("CurrentKeyMaterialId = %s, want %s", got, *out.KeyMaterialId)
		}
		materials[*out.KeyMaterialId] = true
		made = append(made, out)
	}
	if len(materials) != 3 {
		t.Errorf("three generations used %d backing keys, want 3", len(materials))
	}
	for _, m := range made {
		s.checkDecrypt(t, m.CiphertextBlob, nil, m.Plaintext)
	}
	for i := 3; i <= 25; i++ {
		if _, err := s.RotateKeyOnDemand(t.Context(), &awskms.RotateKeyOnDemandInput{KeyId: &id}); err != nil {
			t.Fatalf("RotateKeyOnDemand, time %d = %v", i, err)
		}
	}
	// By hand, because the SDK retries this error.
	status, body := s.post(t, "TrentService.RotateKeyOnDemand", `{"KeyId":"`+id+`"}`)
	if status != http.StatusBadRequest || !strings.Contains(body, "LimitExceededException") {
		t.Errorf("RotateKeyOnDemand, time 26 = %d %s, want 400 LimitExceededException", status, body)
	}
}

func TestAutomaticRotationIsRecorded(t *testing.T) {
	s := newStack(t)
	id := s.mustCreate(t, types.KeySpecSymmetricDefault)
	status := func() *awskms.GetKeyRotationStatusOutput {
		t.Helper()
		out, err := s.GetKeyRotationStatus(t.Context(), &awskms.GetKeyRotationStatusInput{KeyId: &id})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := status(); got.KeyRotationEnabled || got.NextRotationDate != nil {
		t.Errorf("GetKeyRotationStatus of a new key = %+v, want off", got)
	}
	for _, period := range []int32{365, 90} {
		in := &awskms.EnableKeyRotationInput{KeyId: &id, RotationPeriodInDays: &period}
		if period == 365 { // the default
			in.RotationPeriodInDays = nil
		}
		if _, err := s.EnableKeyRotation(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		got := status()
		if !got.KeyRotationEnabled || aws.ToInt32(got.RotationPeriodInDays) != period {
			t.Errorf("GetKeyRotationStatus = %t, %d days, want on, %d", got.KeyRotationEnabled, aws.ToInt32(got.RotationPeriodInDays), period)
		}
		if next := aws.ToTime(got.NextRotationDate); time.Until(next.AddDate(0, 0, -int(period))).Abs() > time.Minute {
			t.Errorf("NextRotationDate = %s, want in %d days", next, period)
		}
	}
}

func TestReEncryptChangesKeyAndContext(t *testing.T) {
	s := newStack(t)
	from, to := s.mustCreate(t, types.KeySpecSymmetricDefault), s.mustCreate(t, types.KeySpecSymmetricDefault)
	old, next := map[string]string{"v": "1"}, map[string]string{"v": "2"}
	made := s.mustDataKey(t, from, old)
	for _, destination := range []string{from, to} {
		out, err := s.ReEncrypt(t.Context(), &awskms.ReEncryptInput{
			CiphertextBlob: made.CiphertextBlob,
			SourceKeyId:    &from, SourceEncryptionContext: old,
			DestinationKeyId: &destination, DestinationEncryptionContext: next,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := *out.KeyId, arnPrefix+"key/"+destination; got != want {
			t.Errorf("ReEncrypt.KeyId = %s, want %s", got, want)
		}
		if got, want := *out.SourceKeyId, arnPrefix+"key/"+from; got != want {
			t.Errorf("ReEncrypt.SourceKeyId = %s, want %s", got, want)
		}
		if got, err := s.decrypt(t, destination, out.CiphertextBlob, next); err != nil || !bytes.Equal(got, made.Plaintext) {
			t.Errorf("Decrypt(re-encrypted) = %x, %v, want %x", got, err, made.Plaintext)
		}
		_, err = s.decrypt(t, destination, out.CiphertextBlob, old)
		checkCode(t, "Decrypt(re-encrypted, old context)", err, "InvalidCiphertextException")
	}
	s.checkDecrypt(t, made.CiphertextBlob, old, made.Plaintext)

	_, err := s.ReEncrypt(t.Context(), &awskms.ReEncryptInput{CiphertextBlob: made.CiphertextBlob, SourceKeyId: &to, SourceEncryptionContext: old, DestinationKeyId: &to})
	checkCode(t, "ReEncrypt(wrong source key)", err, "IncorrectKeyException")
	_, err = s.ReEncrypt(t.Context(), &awskms.ReEncryptInput{CiphertextBlob: made.CiphertextBlob, SourceEncryptionContext: next, DestinationKeyId: &to})
	checkCode(t, "ReEncrypt(wrong source context)", err, "InvalidCiphertextException")
}

func TestVerifyMacAcceptsOnlyTheExactMac(t *testing.T) {
	s := newStack(t)
	id, other := s.mustCreate(t, types.KeySpecHmac256), s.mustCreate(t, types.KeySpecHmac256)
	made, err := s.GenerateMac(t.Context(), &awskms.GenerateMacInput{KeyId: &id, MacAlgorithm: types.MacAlgorithmSpecHmacSha256, Message: []byte("message")})
	if err != nil {
		t.Fatal(err)
	}
	if len(made.Mac) != 32 || *made.KeyId != arnPrefix+"key/"+id {
		t.Errorf("GenerateMac = %d bytes under %s, want 32 under %s", len(made.Mac), *made.KeyId, id)
	}
	flipped := bytes.Clone(made.Mac)
	flipped[31] ^= 1
	for _, tt := range []struct {
		name, key, message string
		mac                []byte
		want               string
	}{
		{"right", id, "message", made.Mac, ""},
		{"other message", id, "Message", made.Mac, "KMSInvalidMacException"},
		{"other key", other, "message", made.Mac, "KMSInvalidMacException"},
		{"flipped bit", id, "message", flipped, "KMSInvalidMacException"},
		{"cut short", id, "message", made.Mac[:16], "KMSInvalidMacException"},
	} {
		out, err := s.VerifyMac(t.Context(), &awskms.VerifyMacInput{KeyId: &tt.key, MacAlgorithm: types.MacAlgorithmSpecHmacSha256, Message: []byte(tt.message), Mac: tt.mac})
		checkCode(t, "VerifyMac("+tt.name+")", err, tt.want)
		if err == nil && !out.MacValid {
			t.Errorf("VerifyMac(%s).MacValid = false, want true", tt.name)
		}
	}
}

func TestListAliasesPagesAndFilters(t *testing.T) {
	s := newStack(t)
	ids := []string{s.mustCreate(t, types.KeySpecSymmetricDefault), s.mustCreate(t, types.KeySpecSymmetricDefault)}
	want := map[string]string{}
	for i, name := range []string{"alias/e", "alias/b", "alias/d", "alias/a", "alias/c"} {
		if _, err := s.CreateAlias(t.Context(), &awskms.CreateAliasInput{AliasName: &name, TargetKeyId: &ids[i%2]}); err != nil {
			t.Fatal(err)
		}
		want[name] = ids[i%2]
	}
	list := func(in *awskms.ListAliasesInput) (map[string]string, int) {
		t.Helper()
		got, pages := map[string]string{}, 0
		for p := awskms.NewListAliasesPaginator(s.Client, in); p.HasMorePages(); pages++ {
			out, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range out.Aliases {
				got[*a.AliasName] = *a.TargetKeyId
				if *a.AliasArn != arnPrefix+*a.AliasName {
					t.Errorf("AliasArn of %s = %s", *a.AliasName, *a.AliasArn)
				}
			}
		}
		return got, pages
	}
	got, pages := list(&awskms.ListAliasesInput{Limit: aws.Int32(2)})
	if diff := cmp.Diff(want, got); diff != "" || pages != 3 {
		t.Errorf("ListAliases, %d pages, want 3 (-want +got):\n%s", pages, diff)
	}
	maps.DeleteFunc(want, func(_, id string) bool { return id != ids[1] })
	got, _ = list(&awskms.ListAliasesInput{KeyId: &ids[1]})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ListAliases(key) (-want +got):\n%s", diff)
	}
}

func TestDescribeKeyReportsAllMetadata(t *testing.T) {
	s := newStack(t)
	for _, tt := range []struct {
		spec types.KeySpec
		want types.KeyMetadata
	}{
		{types.KeySpecSymmetricDefault, types.KeyMetadata{
			KeyUsage:             types.KeyUsageTypeEncryptDecrypt,
			EncryptionAlgorithms: []types.EncryptionAlgorithmSpec{types.EncryptionAlgorithmSpecSymmetricDefault},
		}},
		{types.KeySpecHmac256, types.KeyMetadata{
			KeyUsage:      types.KeyUsageTypeGenerateVerifyMac,
			MacAlgorithms: []types.MacAlgorithmSpec{types.MacAlgorithmSpecHmacSha256},
		}},
	} {
		id := s.mustCreate(t, tt.spec)
		out, err := s.DescribeKey(t.Context(), &awskms.DescribeKeyInput{KeyId: &id})
		if err != nil {
			t.Fatal(err)
		}
		got := *out.KeyMetadata
		if age := time.Since(aws.ToTime(got.CreationDate)).Abs(); age > time.Minute {
			t.Errorf("CreationDate = %s, want now", aws.ToTime(got.CreationDate))
		}
		got.CreationDate, got.CurrentKeyMaterialId = nil, nil // random
		tt.want.KeyId, tt.want.Arn = &id, aws.String(arnPrefix+"key/"+id)
		tt.want.AWSAccountId, tt.want.Description, tt.want.MultiRegion = aws.String("000000000000"), aws.String(""), aws.Bool(false)
		tt.want.Enabled, tt.want.KeyState, tt.want.KeySpec = true, types.KeyStateEnabled, tt.spec
		tt.want.KeyManager, tt.want.Origin = types.KeyManagerTypeCustomer, types.OriginTypeAwsKms
		if diff := cmp.Diff(pretty(t, tt.want), pretty(t, got)); diff != "" {
			t.Errorf("DescribeKey(%s) (-want +got):\n%s", tt.spec, diff)
		}
	}
}

// pretty makes SDK structs comparable: they have unexported fields.
func pretty(t *testing.T, v any) string {
	t.Helper()
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestErrorsHaveTheirAWSNames(t *testing.T) {
	s := newStack(t)
	ctx := t.Context()
	id, other, hmacID := s.mustCreate(t, types.KeySpecSymmetricDefault), s.mustCreate(t, types.KeySpecSymmetricDefault), s.mustCreate(t, types.KeySpecHmac256)
	if _, err := s.server.EnsureKey("alias/taken"); err != nil {
		t.Fatal(err)
	}
	blob := s.mustDataKey(t, id, nil).CiphertextBlob

	dataKey := func(keyID string, spec types.DataKeySpec, size *int32) error {
		_, err := s.GenerateDataKey(ctx, &awskms.GenerateDataKeyInput{KeyId: &keyID, KeySpec: spec, NumberOfBytes: size})
		return err
	}
	decrypt := func(keyID string, blob []byte) error { _, err := s.decrypt(t, keyID, blob, nil); return err }
	create := func(in awskms.CreateKeyInput) error { _, err := s.CreateKey(ctx, &in); return err }
	alias := func(name, target string) error {
		_, err := s.CreateAlias(ctx, &awskms.CreateAliasInput{AliasName: &name, TargetKeyId: &target})
		return err
	}
	list := func(in awskms.ListAliasesInput) error { _, err := s.ListAliases(ctx, &in); return err }
	disable := func(keyID string) error {
		_, err := s.DisableKey(ctx, &awskms.DisableKeyInput{KeyId: &keyID})
		return err
	}
	rotation := func(keyID string, days int32) error {
		_, err := s.EnableKeyRotation(ctx, &awskms.EnableKeyRotationInput{KeyId: &keyID, RotationPeriodInDays: &days})
		return err
	}
	mac := func(keyID string, algorithm types.MacAlgorithmSpec, size int) error {
		_, err := s.GenerateMac(ctx, &awskms.GenerateMacInput{KeyId: &keyID, MacAlgorithm: algorithm, Message: make([]byte, size)})
		return err
	}
	const aes256, sha256 = types.DataKeySpecAes256, types.MacAlgorithmSpecHmacSha256

	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"key: missing", dataKey(missingKey, aes256, nil), "NotFoundException"},
		{"key: missing, by ARN", dataKey(arnPrefix+"key/"+missingKey, aes256, nil), "NotFoundException"},
		{"key: missing alias", dataKey("alias/none", aes256, nil), "NotFoundException"},
		{"key: missing alias, by ARN", dataKey(arnPrefix+"alias/none", aes256, nil), "NotFoundException"},
		{"key: alias without prefix", dataKey("taken", aes256, nil), "NotFoundException"},
		{"key: other region", dataKey("arn:aws:kms:eu-west-1:000000000000:key/"+id, aes256, nil), "NotFoundException"},
		{"key: other account", dataKey("arn:aws:kms:us-east-1:111111111111:key/"+id, aes256, nil), "NotFoundException"},
		{"key: not an ARN", dataKey("arn:aws:kms", aes256, nil), "InvalidArnException"},
		{"key: ARN of a grant", dataKey(arnPrefix+"grant/"+id, aes256, nil), "InvalidArnException"},
		{"key: empty", dataKey("", aes256, nil), "ValidationException"},
		{"key: too long", dataKey(strings.Repeat("k", 2049), aes256, nil), "ValidationException"},
		{"key: for MACs", dataKey(hmacID, aes256, nil), "InvalidKeyUsageException"},

		{"data key: no size", dataKey(id, "", nil), "ValidationException"},
		{"data key: two sizes", dataKey(id, aes256, aws.Int32(32)), "ValidationException"},
		{"data key: unknown spec", dataKey(id, "AES_512", nil), "ValidationException"},
		{"data key: 0 bytes", dataKey(id, "", aws.Int32(0)), "ValidationException"},
		{"data key: 1025 bytes", dataKey(id, "", aws.Int32(1025)), "ValidationException"},

		{"decrypt: another key", decrypt(other, blob), "IncorrectKeyException"},
		{"decrypt: missing key", decrypt(missingKey, blob), "NotFoundException"},
		{"decrypt: key for MACs", decrypt(hmacID, blob), "InvalidKeyUsageException"},
		{"decrypt: empty blob", decrypt(id, []byte{}), "ValidationException"},
		{"decrypt: 6144 bytes", decrypt(id, make([]byte, 6144)), "InvalidCiphertextException"},
		{"decrypt: 6145 bytes", decrypt(id, make([]byte, 6145)), "ValidationException"},

		{"create: HMAC without usage", create(awskms.CreateKeyInput{KeySpec: types.KeySpecHmac256}), "ValidationException"},
		{"create: symmetric for MACs", create(awskms.CreateKeyInput{KeyUsage: types.KeyUsageTypeGenerateVerifyMac}), "ValidationException"},
		{"create: RSA", create(awskms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeSignVerify}), "UnsupportedOperationException"},
		{"create: imported", create(awskms.CreateKeyInput{Origin: types.OriginTypeExternal}), "UnsupportedOperationException"},
		{"create: long description", create(awskms.CreateKeyInput{Description: aws.String(strings.Repeat("d", 8193))}), "ValidationException"},

		{"alias: taken", alias("alias/taken", id), "AlreadyExistsException"},
		{"alias: to no key", alias("alias/new", missingKey), "NotFoundException"},
		{"alias: to an alias", alias("alias/new", "alias/taken"), "ValidationException"},
		{"alias: no prefix", alias("new", id), "ValidationException"},
		{"alias: no name", alias("alias/", id), "ValidationException"},
		{"alias: bad character", alias("alias/a b", id), "ValidationException"},
		{"alias: 257 characters", alias("alias/"+strings.Repeat("a", 251), id), "ValidationException"},
		{"alias: reserved", alias("alias/aws/s3", id), "NotAuthorizedException"},

		{"list: limit 0", list(awskms.ListAliasesInput{Limit: aws.Int32(0)}), "ValidationException"},
		{"list: limit 101", list(awskms.ListAliasesInput{Limit: aws.Int32(101)}), "ValidationException"},
		{"list: marker", list(awskms.ListAliasesInput{Marker: aws.String("none")}), "InvalidMarkerException"},
		{"list: missing key", list(awskms.ListAliasesInput{KeyId: aws.String(missingKey)}), "NotFoundException"},

		{"disable: missing", disable(missingKey), "NotFoundException"},
		{"disable: by alias", disable("alias/taken"), "NotFoundException"},
		{"rotation: HMAC", rotation(hmacID, 365), "UnsupportedOperationException"},
		{"rotation: 89 days", rotation(id, 89), "ValidationException"},
		{"rotation: 2561 days", rotation(id, 2561), "ValidationException"},

		{"mac: 4096 bytes", mac(hmacID, sha256, 4096), ""},
		{"mac: 4097 bytes", mac(hmacID, sha256, 4097), "ValidationException"},
		{"mac: empty message", mac(hmacID, sha256, 0), "ValidationException"},
		{"mac: symmetric key", mac(id, sha256, 1), "InvalidKeyUsageException"},
		{"mac: other algorithm", mac(hmacID, types.MacAlgorithmSpecHmacSha512, 1), "InvalidKeyUsageException"},
		{"mac: unknown algorithm", mac(hmacID, "MD5", 1), "ValidationException"},
	} {
		checkCode(t, tt.name, tt.err, tt.want)
	}
}

// post sends a request without the SDK.
func (s stack) post(t *testing.T, target, body string) (status int, answer string) {
	t.Helper()
	return s.send(t, http.MethodPost, "application/x-amz-json-1.1", target, body)
}

func (s stack) send(t *testing.T, method, contentType, target, body string) (status int, answer string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Amz-Target", target)
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	data, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(data)
}

func TestServerSpeaksAWSJSON(t *testing.T) {
	s := newStack(t)
	id := s.mustCreate(t, types.KeySpecSymmetricDefault)
	const (
		post     = http.MethodPost
		amzJSON  = "application/x-amz-json-1.1"
		describe = "TrentService.DescribeKey"
		dataKey  = "TrentService.GenerateDataKey"
	)
	body := `{"KeyId":"` + id + `"}`
	for _, tt := range []struct {
		name, method, contentType, target, body string
		status                                  int
		want                                    string // __type
	}{
		{"known", post, amzJSON, describe, body, 200, ""},
		{"unknown member", post, amzJSON, describe, `{"KeyId":"` + id + `","New":{"a":[1]}}`, 200, ""},
		{"empty answer", post, amzJSON, "TrentService.EnableKey", body, 200, ""},
		{"unknown operation", post, amzJSON, "TrentService.Sign", body, 400, "UnknownOperationException"},
		{"other service", post, amzJSON, "DynamoDB_20120810.DescribeKey", body, 400, "UnknownOperationException"},
		{"no service", post, amzJSON, "DescribeKey", body, 400, "UnknownOperationException"},
		{"GET", http.MethodGet, amzJSON, describe, body, 400, "UnknownOperationException"},
		{"other content type", post, "text/plain", describe, body, 400, "UnknownOperationException"},
		{"not JSON", post, amzJSON, describe, `{"KeyId":`, 400, "SerializationException"},
		{"more than JSON", post, amzJSON, describe, body + body, 400, "SerializationException"},
		{"other type", post, amzJSON, describe, `{"KeyId":7}`, 400, "SerializationException"},
		{"context value not a string", post, amzJSON, dataKey, `{"KeyId":"` + id + `","KeySpec":"AES_256","EncryptionContext":{"a":1}}`, 400, "SerializationException"},
		{"blob not base64", post, amzJSON, "TrentService.Decrypt", `{"CiphertextBlob":"*"}`, 400, "SerializationException"},
		{"named key empty", post, amzJSON, "TrentService.Decrypt", `{"CiphertextBlob":"AAAA","KeyId":""}`, 400, "ValidationException"},
		{"dry run", post, amzJSON, dataKey, `{"KeyId":"` + id + `","KeySpec":"AES_256","DryRun":true}`, 400, "UnsupportedOperationException"},
		{"attestation", post, amzJSON, dataKey, `{"KeyId":"` + id + `","KeySpec":"AES_256","Recipient":{}}`, 400, "UnsupportedOperationException"},
		{"too large", post, amzJSON, describe, strings.Repeat(" ", 1<<20), 413, "RequestEntityTooLargeException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, answer := s.send(t, tt.method, tt.contentType, tt.target, tt.body)
			var got struct {
				Type string `json:"__type"`
			}
			if answer != "" {
				if err := json.Unmarshal([]byte(answer), &got); err != nil {
					t.Fatalf("answer %q is not JSON: %v", answer, err)
				}
			}
			if status != tt.status || got.Type != tt.want {
				t.Errorf("%s = %d %q, want %d %q", tt.target, status, got.Type, tt.status, tt.want)
			}
		})
	}
}

func TestKeysSurviveReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	s := open(t, path)
	arn, err := s.server.EnsureKey("alias/app")
	if err != nil {
		t.Fatal(err)
	}
	first := s.mustDataKey(t, "alias/app", nil)
	if _, err := s.RotateKeyOnDemand(t.Context(), &awskms.RotateKeyOnDemandInput{KeyId: &arn}); err != nil {
		t.Fatal(err)
	}
	second := s.mustDataKey(t, "alias/app", nil)
	if _, err := s.EnableKeyRotation(t.Context(), &awskms.EnableKeyRotationInput{KeyId: &arn}); err != nil {
		t.Fatal(err)
	}
	disabled := s.mustCreate(t, types.KeySpecHmac256)
	if _, err := s.DisableKey(t.Context(), &awskms.DisableKeyInput{KeyId: &disabled}); err != nil {
		t.Fatal(err)
	}

	again := open(t, path)
	for _, made := range []*awskms.GenerateDataKeyOutput{first, second} {
		again.checkDecrypt(t, made.CiphertextBlob, nil, made.Plaintext)
	}
	if got := again.mustDataKey(t, "alias/app", nil); *got.KeyMaterialId != *second.KeyMaterialId {
		t.Errorf("KeyMaterialId after reopening = %s, want %s", *got.KeyMaterialId, *second.KeyMaterialId)
	}
	for _, id := range []string{arn, disabled} {
		var got [2]string
		for i, s := range []stack{s, again} {
			key, err := s.DescribeKey(t.Context(), &awskms.DescribeKeyInput{KeyId: &id})
			if err != nil {
				t.Fatal(err)
			}
			status, err := s.GetKeyRotationStatus(t.Context(), &awskms.GetKeyRotationStatusInput{KeyId: &id})
			if err != nil {
				t.Fatal(err)
			}
			got[i] = pretty(t, key.KeyMetadata) + pretty(t, []any{status.KeyRotationEnabled, status.RotationPeriodInDays, status.NextRotationDate})
		}
		if diff := cmp.Diff(got[0], got[1]); diff != "" {
			t.Errorf("key %s after reopening (-before +after):\n%s", id, diff)
		}
	}
	if got, err := again.server.EnsureKey("alias/app"); err != nil || got != arn {
		t.Errorf("EnsureKey after reopening = %s, %v, want %s", got, err, arn)
	}
}

func TestEnsureKeyIsIdempotent(t *testing.T) {
	s := newStack(t)
	arn, err := s.server.EnsureKey("alias/app")
	if err != nil {
		t.Fatal(err)
	}
	if got := *s.mustDataKey(t, "alias/app", nil).KeyId; got != arn {
		t.Errorf("key behind alias/app = %s, want %s", got, arn)
	}
	if again, err := s.server.EnsureKey("alias/app"); err != nil || again != arn {
		t.Errorf("EnsureKey again = %s, %v, want %s", again, err, arn)
	}
	for _, name := range []string{"", "app", "alias/", "alias/aws/app"} {
		if got, err := s.server.EnsureKey(name); err == nil {
			t.Errorf("EnsureKey(%q) = %s, want an error", name, got)
		}
	}
}

func TestOpenRefusesDamagedFile(t *testing.T) {
	const id = missingKey
	secret := base64.StdEncoding.EncodeToString(make([]byte, 32))
	good := `{"version":1,"keys":{"` + id + `":{"spec":"SYMMETRIC_DEFAULT","enabled":true,"backing_keys":[{"id":"00","secret":"` + secret + `"}]}},"aliases":{"alias/app":{"key_id":"` + id + `"}}}`
	for _, tt := range []struct {
		name, file string
		ok         bool
	}{
		{"good", good, true},
		{"empty", "", false},
		{"null", "null", false},
		{"no members", "{}", false},
		{"no keys", `{"version":1,"aliases":{}}`, false},
		{"cut short", good[:len(good)-20], false},
		{"zeros", string(make([]byte, 100)), false},
		{"something after", good + "{}", false},
		{"later version", strings.Replace(good, `"version":1`, `"version":2`, 1), false},
		{"key id", strings.Replace(good, `{"`+id, `{"x`, 1), false},
		{"spec", strings.Replace(good, "SYMMETRIC_DEFAULT", "RSA_2048", 1), false},
		{"no backing key", strings.Replace(good, `{"id":"00","secret":"`+secret+`"}`, "", 1), false},
		{"short backing key", strings.Replace(good, secret, "AAAA", 1), false},
		{"alias to no key", strings.Replace(good, `"key_id":"0`, `"key_id":"1`, 1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys.json")
			if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := kms.Open(path)
			if (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), path) {
				t.Errorf("Open(%s) = %v, want ok %t, naming the file", tt.file, err, tt.ok)
			}
		})
	}
}

// If the file cannot be written, the caller gets an error and nothing changes.
func TestFailedWriteChangesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := open(t, filepath.Join(dir, "keys.json"))
	id := s.mustCreate(t, types.KeySpecSymmetricDefault)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}

	status, body := s.post(t, "TrentService.DisableKey", `{"KeyId":"`+id+`"}`)
	if status != http.StatusInternalServerError || !strings.Contains(body, "KMSInternalException") || strings.Contains(body, dir) {
		t.Errorf("DisableKey = %d %s, want 500 KMSInternalException without detail", status, body)
	}
	if _, err := s.server.EnsureKey("alias/app"); err == nil {
		t.Error("EnsureKey = nil, want an error")
	}
	s.mustDataKey(t, id, nil)
	_, err := s.DescribeKey(t.Context(), &awskms.DescribeKeyInput{KeyId: aws.String("alias/app")})
	checkCode(t, "DescribeKey(alias/app)", err, "NotFoundException")
}

func TestFileHoldsNoDataKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.json")
	s := open(t, path)
	id := s.mustCreate(t, types.KeySpecSymmetricDefault)
	var keys [][]byte
	for range 5 {
		keys = append(keys, s.mustDataKey(t, id, nil).Plaintext)
	}
	if _, err := s.RotateKeyOnDemand(t.Context(), &awskms.RotateKeyOnDemandInput{KeyId: &id}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("folder = %v, %v, want the key file alone", entries, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode of the key file = %o, want 600", got)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		for _, form := range []string{string(key), hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key)} {
			if bytes.Contains(file, []byte(form)) {
				t.Errorf("the key file holds a data key as %q", form)
			}
		}
	}
}

func TestConcurrentCallsLoseNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	s := open(t, path)
	id := s.mustCreate(t, types.KeySpecSymmetricDefault)
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		arns = map[string]bool{}
		made []*awskms.GenerateDataKeyOutput
	)
	for range 8 {
		wg.Go(func() {
			arn, err := s.server.EnsureKey("alias/app")
			if err != nil {
				t.Errorf("EnsureKey = %v", err)
			}
			if _, err := s.CreateKey(t.Context(), &awskms.CreateKeyInput{}); err != nil {
				t.Errorf("CreateKey = %v", err)
			}
			if _, err := s.RotateKeyOnDemand(t.Context(), &awskms.RotateKeyOnDemandInput{KeyId: &id}); err != nil {
				t.Errorf("RotateKeyOnDemand = %v", err)
			}
			for range 5 {
				out, err := s.GenerateDataKey(t.Context(), &awskms.GenerateDataKeyInput{KeyId: &id, KeySpec: types.DataKeySpecAes256})
				if err != nil {
					t.Errorf("GenerateDataKey = %v", err)
					return
				}
				s.checkDecrypt(t, out.CiphertextBlob, nil, out.Plaintext)
				mu.Lock()
				arns[arn], made = true, append(made, out)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(arns) != 1 {
		t.Errorf("EnsureKey(one alias) = %d different keys, want 1", len(arns))
	}

	var file struct {
		Keys map[string]struct {
			BackingKeys []any `json:"backing_keys"`
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Keys) != 10 || len(file.Keys[id].BackingKeys) != 9 {
		t.Errorf("file has %d keys and %d backing keys, want 10 and 9", len(file.Keys), len(file.Keys[id].BackingKeys))
	}
	again := open(t, path)
	for _, m := range made {
		again.checkDecrypt(t, m.CiphertextBlob, nil, m.Plaintext)
	}
}

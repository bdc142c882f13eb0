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
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

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
	return stack{client, server}
}

func newStack(t *testing.T) stack {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "keys.json"))
}

// mustKey returns the id of the key behind an alias.
func (s stack) mustKey(t *testing.T, alias string) (id string) {
	t.Helper()
	arn, err := s.server.EnsureKey(alias)
	if err != nil {
		t.Fatalf("EnsureKey(%s) = %v", alias, err)
	}
	return strings.TrimPrefix(arn, arnPrefix+"key/")
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
	id := s.mustKey(t, "alias/app")
	for _, name := range []string{id, arnPrefix + "key/" + id, "alias/app", arnPrefix + "alias/app"} {
		for _, size := range []struct {
			spec types.DataKeySpec
			want int
		}{
			{types.DataKeySpecAes256, 32},
			{types.DataKeySpecAes128, 16},
		} {
			t.Run(fmt.Sprintf("%s/%d", name, size.want), func(t *testing.T) {
				made, err := s.GenerateDataKey(t.Context(), &awskms.GenerateDataKeyInput{KeyId: &name, KeySpec: size.spec})
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
			})
		}
	}
}

func TestEncryptionContextIsBound(t *testing.T) {
	s := newStack(t)
	id := s.mustKey(t, "alias/app")
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
	id := s.mustKey(t, "alias/app")
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
	id := s.mustKey(t, "alias/app")
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

func TestRotationKeepsOldBlobsOpening(t *testing.T) {
	s := newStack(t)
	id := s.mustKey(t, "alias/app")
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

func TestErrorsHaveTheirAWSNames(t *testing.T) {
	s := newStack(t)
	ctx := t.Context()
	id, other := s.mustKey(t, "alias/app"), s.mustKey(t, "alias/other")
	blob := s.mustDataKey(t, id, nil).CiphertextBlob

	dataKey := func(keyID string, spec types.DataKeySpec) error {
		_, err := s.GenerateDataKey(ctx, &awskms.GenerateDataKeyInput{KeyId: &keyID, KeySpec: spec})
		return err
	}
	decrypt := func(keyID string, blob []byte) error { _, err := s.decrypt(t, keyID, blob, nil); return err }
	rotate := func(keyID string) error {
		_, err := s.RotateKeyOnDemand(ctx, &awskms.RotateKeyOnDemandInput{KeyId: &keyID})
		return err
	}
	const aes256 = types.DataKeySpecAes256

	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"key: missing", dataKey(missingKey, aes256), "NotFoundException"},
		{"key: missing, by ARN", dataKey(arnPrefix+"key/"+missingKey, aes256), "NotFoundException"},
		{"key: missing alias", dataKey("alias/none", aes256), "NotFoundException"},
		{"key: missing alias, by ARN", dataKey(arnPrefix+"alias/none", aes256), "NotFoundException"},
		{"key: alias without prefix", dataKey("app", aes256), "NotFoundException"},
		{"key: other region", dataKey("arn:aws:kms:eu-west-1:000000000000:key/"+id, aes256), "NotFoundException"},
		{"key: other account", dataKey("arn:aws:kms:us-east-1:111111111111:key/"+id, aes256), "NotFoundException"},
		{"key: not an ARN", dataKey("arn:aws:kms", aes256), "InvalidArnException"},
		{"key: ARN of a grant", dataKey(arnPrefix+"grant/"+id, aes256), "InvalidArnException"},
		{"key: empty", dataKey("", aes256), "ValidationException"},
		{"key: too long", dataKey(strings.Repeat("k", 2049), aes256), "ValidationException"},

		{"data key: no size", dataKey(id, ""), "ValidationException"},
		{"data key: unknown spec", dataKey(id, "AES_512"), "ValidationException"},

		{"decrypt: another key", decrypt(other, blob), "IncorrectKeyException"},
		{"decrypt: missing key", decrypt(missingKey, blob), "NotFoundException"},
		{"decrypt: empty blob", decrypt(id, []byte{}), "ValidationException"},
		{"decrypt: 6144 bytes", decrypt(id, make([]byte, 6144)), "InvalidCiphertextException"},
		{"decrypt: 6145 bytes", decrypt(id, make([]byte, 6145)), "ValidationException"},

		{"rotate: missing", rotate(missingKey), "NotFoundException"},
		{"rotate: by alias", rotate("alias/app"), "NotFoundException"},
		{"rotate: by alias ARN", rotate(arnPrefix + "alias/app"), "NotFoundException"},
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
	id := s.mustKey(t, "alias/app")
	const (
		post    = http.MethodPost
		amzJSON = "application/x-amz-json-1.1"
		dataKey = "TrentService.GenerateDataKey"
	)
	body := `{"KeyId":"` + id + `","KeySpec":"AES_256"}`
	for _, tt := range []struct {
		name, method, contentType, target, body string
		status                                  int
		want                                    string // __type
	}{
		{"known", post, amzJSON, dataKey, body, 200, ""},
		{"unknown member", post, amzJSON, dataKey, `{"KeyId":"` + id + `","KeySpec":"AES_256","New":{"a":[1]}}`, 200, ""},
		{"unknown operation", post, amzJSON, "TrentService.Sign", body, 400, "UnknownOperationException"},
		{"other service", post, amzJSON, "DynamoDB_20120810.GenerateDataKey", body, 400, "UnknownOperationException"},
		{"no service", post, amzJSON, "GenerateDataKey", body, 400, "UnknownOperationException"},
		{"GET", http.MethodGet, amzJSON, dataKey, body, 400, "UnknownOperationException"},
		{"other content type", post, "text/plain", dataKey, body, 400, "UnknownOperationException"},
		{"not JSON", post, amzJSON, dataKey, `{"KeyId":`, 400, "SerializationException"},
		{"more than JSON", post, amzJSON, dataKey, body + body, 400, "SerializationException"},
		{"other type", post, amzJSON, dataKey, `{"KeyId":7}`, 400, "SerializationException"},
		{"context value not a string", post, amzJSON, dataKey, `{"KeyId":"` + id + `","KeySpec":"AES_256","EncryptionContext":{"a":1}}`, 400, "SerializationException"},
		{"blob not base64", post, amzJSON, "TrentService.Decrypt", `{"CiphertextBlob":"*"}`, 400, "SerializationException"},
		{"named key empty", post, amzJSON, "TrentService.Decrypt", `{"CiphertextBlob":"AAAA","KeyId":""}`, 400, "ValidationException"},
		{"dry run", post, amzJSON, dataKey, `{"KeyId":"` + id + `","KeySpec":"AES_256","DryRun":true}`, 400, "UnsupportedOperationException"},
		{"size in bytes", post, amzJSON, dataKey, `{"KeyId":"` + id + `","KeySpec":"AES_256","NumberOfBytes":32}`, 400, "UnsupportedOperationException"},
		{"attestation", post, amzJSON, dataKey, `{"KeyId":"` + id + `","KeySpec":"AES_256","Recipient":{}}`, 400, "UnsupportedOperationException"},
		{"too large", post, amzJSON, dataKey, strings.Repeat(" ", 1<<20), 413, "RequestEntityTooLargeException"},
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

	again := open(t, path)
	for _, made := range []*awskms.GenerateDataKeyOutput{first, second} {
		again.checkDecrypt(t, made.CiphertextBlob, nil, made.Plaintext)
	}
	if got := again.mustDataKey(t, "alias/app", nil); *got.KeyMaterialId != *second.KeyMaterialId {
		t.Errorf("KeyMaterialId after reopening = %s, want %s", *got.KeyMaterialId, *second.KeyMaterialId)
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
	for _, name := range []string{"", "app", strings.TrimPrefix(arn, arnPrefix+"key/")} {
		if got, err := s.server.EnsureKey(name); err == nil {
			t.Errorf("EnsureKey(%q) = %s, want an error", name, got)
		}
	}
}

func TestOpenRefusesDamagedFile(t *testing.T) {
	const id = missingKey
	secret := base64.StdEncoding.EncodeToString(make([]byte, 32))
	good := `{"version":1,"keys":{"` + id + `":{"backing_keys":[{"id":"00","secret":"` + secret + `"}]}},"aliases":{"alias/app":{"key_id":"` + id + `"}}}`
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
	id := s.mustKey(t, "alias/app")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}

	status, body := s.post(t, "TrentService.RotateKeyOnDemand", `{"KeyId":"`+id+`"}`)
	if status != http.StatusInternalServerError || !strings.Contains(body, "KMSInternalException") || strings.Contains(body, dir) {
		t.Errorf("RotateKeyOnDemand = %d %s, want 500 KMSInternalException without detail", status, body)
	}
	if _, err := s.server.EnsureKey("alias/new"); err == nil {
		t.Error("EnsureKey = nil, want an error")
	}
	s.mustDataKey(t, id, nil)
	_, err := s.GenerateDataKey(t.Context(), &awskms.GenerateDataKeyInput{KeyId: aws.String("alias/new"), KeySpec: types.DataKeySpecAes256})
	checkCode(t, "GenerateDataKey(alias/new)", err, "NotFoundException")
}

func TestFileHoldsNoDataKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.json")
	s := open(t, path)
	id := s.mustKey(t, "alias/app")
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
	id := s.mustKey(t, "alias/app")
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		arns = map[string]bool{}
		made []*awskms.GenerateDataKeyOutput
	)
	for worker := range 8 {
		wg.Go(func() {
			arn, err := s.server.EnsureKey("alias/shared")
			if err != nil {
				t.Errorf("EnsureKey = %v", err)
			}
			if _, err := s.server.EnsureKey(fmt.Sprint("alias/", worker)); err != nil {
				t.Errorf("EnsureKey(own alias) = %v", err)
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

// A sealer's values have no limit of size, and open only with their associated data.
func TestSealerBindsItsAssociatedData(t *testing.T) {
	s := newStack(t)
	sealer, err := s.server.Sealer("alias/bundles")
	if err != nil {
		t.Fatal(err)
	}
	value, bound := make([]byte, 1<<16), map[string]string{"version": "1"}
	sealed, err := sealer.Seal(bound, value)
	if err != nil || bytes.Contains(sealed, value[:32]) {
		t.Fatalf("Seal = %d bytes, %v, want the value sealed", len(sealed), err)
	}
	if got, err := sealer.Open(bound, sealed); err != nil || !bytes.Equal(got, value) {
		t.Errorf("Open = %d bytes, %v, want the value", len(got), err)
	}
	if _, err := sealer.Open(map[string]string{"version": "2"}, sealed); err == nil {
		t.Error("Open with other associated data = nil, want an error")
	}
	other, err := s.server.Sealer("alias/other")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Open(bound, sealed); err == nil {
		t.Error("Open with another key = nil, want an error")
	}
}

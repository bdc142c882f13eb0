package envelope_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/pkg/envelope"
)

// localKeys wraps data keys under a key in memory. It binds them to all pairs of the encryption
// context, in any order, as KMS does.
type localKeys struct {
	aead cipher.AEAD
	made [][]byte // every plain key that it returned
}

var errRefused = errors.New("key service refuses")

func newLocalKeys(t testing.TB) *localKeys {
	t.Helper()
	block, err := aes.NewCipher(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return &localKeys{aead: aead}
}

func (k *localKeys) GenerateDataKey(_ context.Context, encryptionContext map[string]string) (plain, wrapped []byte, err error) {
	random := make([]byte, 32+k.aead.NonceSize())
	if _, err := rand.Read(random); err != nil {
		return nil, nil, err
	}
	plain, nonce := random[:32], random[32:]
	k.made = append(k.made, plain)
	return plain, k.aead.Seal(bytes.Clone(nonce), nonce, plain, encode(encryptionContext)), nil
}

func (k *localKeys) UnwrapDataKey(_ context.Context, encryptionContext map[string]string, wrapped []byte) ([]byte, error) {
	n := k.aead.NonceSize()
	if len(wrapped) < n {
		return nil, errRefused
	}
	plain, err := k.aead.Open(nil, wrapped[:n], wrapped[n:], encode(encryptionContext))
	if err != nil {
		return nil, errRefused
	}
	k.made = append(k.made, plain)
	return plain, nil
}

func encode(encryptionContext map[string]string) []byte {
	encoded, err := json.Marshal(encryptionContext) // sorts by name
	if err != nil {
		panic(err)
	}
	return encoded
}

func place() map[string]string {
	return map[string]string{"account": "a", "secret": "s", "item": "i", "version": "1"}
}

func TestOpenReturnsWhatWasSealed(t *testing.T) {
	keys := newLocalKeys(t)
	sealer := envelope.Sealer{Keys: keys, Rand: rand.Reader}
	for _, plaintext := range []string{"", "x", "líne1\r\n\"q\" 🔑\u2028", strings.Repeat("v", 64<<10)} {
		given := []byte(plaintext)
		blob, err := sealer.Seal(t.Context(), place(), given)
		if err != nil {
			t.Fatal(err)
		}
		if string(given) != plaintext {
			t.Error("Seal changed its plaintext")
		}
		if len(plaintext) > 8 && bytes.Contains(blob, given[:8]) {
			t.Error("a blob holds its plaintext")
		}
		opened, err := sealer.Open(t.Context(), place(), blob)
		if err != nil || string(opened) != plaintext {
			t.Errorf("Open(Seal(%d bytes)) = %d bytes, %v, want the same", len(plaintext), len(opened), err)
		}
	}
	for _, key := range keys.made {
		if !bytes.Equal(key, make([]byte, 32)) {
			t.Fatal("a plain data key was not wiped")
		}
	}
}

// Two blobs of one value share no key, nonce or ciphertext.
func TestEachBlobHasItsOwnKeyAndNonce(t *testing.T) {
	sealer := envelope.Sealer{Keys: newLocalKeys(t), Rand: rand.Reader}
	seen := make(map[string]bool)
	for range 50 {
		blob, err := sealer.Seal(t.Context(), place(), []byte("the same value"))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range [][]byte{blob[3 : 3+60], blob[3+60 : 3+72], blob[3+72:]} {
			if seen[string(part)] {
				t.Fatal("two blobs share a part")
			}
			seen[string(part)] = true
		}
	}
}

func TestChangedBlobDoesNotOpen(t *testing.T) {
	sealer := envelope.Sealer{Keys: newLocalKeys(t), Rand: rand.Reader}
	blob, err := sealer.Seal(t.Context(), place(), []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	refuses := func(name string, blob []byte) {
		t.Helper()
		opened, err := sealer.Open(t.Context(), place(), blob)
		if opened != nil || !errors.Is(err, envelope.ErrTampered) && !errors.Is(err, errRefused) {
			t.Errorf("Open(%s) = %d bytes, %v, want none and an error", name, len(opened), err)
		}
	}
	for i := range blob {
		for _, bit := range []byte{1, 0x80} {
			flipped := bytes.Clone(blob)
			flipped[i] ^= bit
			refuses(fmt.Sprintf("byte %d flipped by %#x", i, bit), flipped)
		}
	}
	for n := range blob {
		refuses(fmt.Sprintf("cut to %d bytes", n), blob[:n])
	}
	refuses("with an extra byte", append(bytes.Clone(blob), 0))
}

// A blob opens only under its associated data, and its parts do not fit another blob.
func TestBlobOpensOnlyAtItsPlace(t *testing.T) {
	sealer := envelope.Sealer{Keys: newLocalKeys(t), Rand: rand.Reader}
	blob, err := sealer.Seal(t.Context(), place(), []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range place() {
		elsewhere := place()
		elsewhere[name] = "other"
		if _, err := sealer.Open(t.Context(), elsewhere, blob); err == nil {
			t.Errorf("Open(another %s) = nil, want an error", name)
		}
		delete(elsewhere, name)
		if _, err := sealer.Open(t.Context(), elsewhere, blob); err == nil {
			t.Errorf("Open(without %s) = nil, want an error", name)
		}
	}
	other, err := sealer.Seal(t.Context(), place(), []byte("VALUE"))
	if err != nil {
		t.Fatal(err)
	}
	const wrappedEnd = 3 + 60
	for name, mixed := range map[string][]byte{
		"another's wrapped key": slices.Concat(blob[:3], other[3:wrappedEnd], blob[wrappedEnd:]),
		"another's ciphertext":  slices.Concat(blob[:wrappedEnd+12], other[wrappedEnd+12:]),
		"another's nonce":       slices.Concat(blob[:wrappedEnd], other[wrappedEnd:wrappedEnd+12], blob[wrappedEnd+12:]),
	} {
		if _, err := sealer.Open(t.Context(), place(), mixed); !errors.Is(err, envelope.ErrTampered) {
			t.Errorf("Open with %s: %v, want ErrTampered", name, err)
		}
	}
}

// lenientKeys ignores the encryption context: AES-GCM alone must bind the blob.
type lenientKeys struct{ *localKeys }

func (k lenientKeys) GenerateDataKey(ctx context.Context, _ map[string]string) ([]byte, []byte, error) {
	return k.localKeys.GenerateDataKey(ctx, nil)
}

func (k lenientKeys) UnwrapDataKey(ctx context.Context, _ map[string]string, wrapped []byte) ([]byte, error) {
	return k.localKeys.UnwrapDataKey(ctx, nil, wrapped)
}

func TestAssociatedDataIsBoundWithoutTheKeyService(t *testing.T) {
	sealer := envelope.Sealer{Keys: lenientKeys{newLocalKeys(t)}, Rand: rand.Reader}
	// If names and values were only joined, some of these would be equal.
	sets := []map[string]string{
		place(), {}, {"a": "b"}, {"ab": ""}, {"": "ab"}, {"a": "bc"}, {"ab": "c"}, {"a": "b", "c": "d"}, {"a": "bc", "d": ""},
	}
	for i, associatedData := range sets {
		blob, err := sealer.Seal(t.Context(), maps.Clone(associatedData), []byte("value"))
		if err != nil {
			t.Fatal(err)
		}
		for j, other := range sets {
			_, err := sealer.Open(t.Context(), other, blob)
			if want := i == j; (err == nil) != want {
				t.Errorf("sealed under %v, Open(%v) = %v, want success: %v", associatedData, other, err, want)
			}
		}
	}
}

func TestSealFailsWithoutRandomness(t *testing.T) {
	if blob, err := (envelope.Sealer{Keys: newLocalKeys(t), Rand: strings.NewReader("short")}).Seal(t.Context(), place(),
		[]byte("value")); err == nil {
		t.Errorf("Seal without randomness = %d bytes, want an error", len(blob))
	}
}

// golden is a blob of an earlier release, which must always open.
type golden struct {
	AssociatedData map[string]string `json:"associated_data"`
	Plaintext      string            `json:"plaintext"`
	Blob           []byte            `json:"blob"`
}

var update = flag.Bool("add-golden", false, "write a new golden blob of the current format")

func TestGoldenBlobsOpen(t *testing.T) {
	sealer := envelope.Sealer{Keys: newLocalKeys(t), Rand: rand.Reader}
	if *update {
		g := golden{AssociatedData: place(), Plaintext: "-----BEGIN PRIVATE KEY-----\n🔑\n"}
		var err error
		if g.Blob, err = sealer.Seal(t.Context(), g.AssociatedData, []byte(g.Plaintext)); err != nil {
			t.Fatal(err)
		}
		encoded, err := json.MarshalIndent(g, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/format1.json", append(encoded, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden blobs: %v", err)
	}
	for _, file := range files {
		encoded, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var g golden
		if err := json.Unmarshal(encoded, &g); err != nil {
			t.Fatal(err)
		}
		opened, err := sealer.Open(t.Context(), g.AssociatedData, g.Blob)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if diff := cmp.Diff(g.Plaintext, string(opened)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// Open returns an error for any other input, and never panics.
func FuzzOpen(f *testing.F) {
	sealer := envelope.Sealer{Keys: newLocalKeys(f), Rand: rand.Reader}
	blob, err := sealer.Seal(f.Context(), place(), []byte("value"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(blob)
	f.Add([]byte{1, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, other []byte) {
		if opened, err := sealer.Open(t.Context(), place(), other); err == nil && !bytes.Equal(other, blob) {
			t.Errorf("Open(%x) = %x, want an error", other, opened)
		}
	})
}

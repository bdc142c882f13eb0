package httpapi

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"goblins-secrets/pkg/secrets"
)

// idempotencyKey is the header by which a client repeats a request without doing it twice.
const idempotencyKey = "Idempotency-Key"

const maxIdempotencyKey = 255 // characters

// token reads the idempotency token of a POST, and leaves the body to be read again. Other methods have none: they may
// be repeated anyway.
func token(r *http.Request) (secrets.Token, error) {
	keys := r.Header.Values(idempotencyKey)
	if r.Method != http.MethodPost || keys == nil {
		return secrets.Token{}, nil
	}
	if len(keys) > 1 || keys[0] == "" || utf8.RuneCountInString(keys[0]) > maxIdempotencyKey {
		return secrets.Token{}, requestError{http.StatusBadRequest, "Idempotency-Key must be given once, with 1 to 255 characters."}
	}
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBatchBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return secrets.Token{}, errTooLarge
	}
	if err != nil {
		return secrets.Token{}, errParse("the body ended early.")
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	return secrets.NewToken(keys[0], r.Method, strings.TrimSuffix(r.URL.Path, "/"), r.URL.RawQuery, string(text)), nil
}

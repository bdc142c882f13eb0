package secrets_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// A refusal leaves one line in the log, with what is known of the caller. No line has a key or a value.
func TestRefusalsLeaveTheCallersName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secretstest.NewTable(t))
	m := w.table.Manager(t)
	var log bytes.Buffer
	m.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}))
	m.RevealLimit = 2
	secret, item := w.secret.ID.String(), w.item.ID.String()
	reveal := func(secret, item string) error {
		_, err := m.RevealItem(t.Context(), w.caller, secret, item)
		return err
	}
	const unknown = "gob_owIh2bmFwatYwvaM3Yv0hckz0oGRQofQtwTlpnBUIJY2ONhvh" // well-formed
	sum := sha256.Sum256([]byte(unknown))
	known := map[string]string{
		"account_id": w.caller.AccountID.String(), "user_id": w.caller.UserID.String(), "key_id": w.caller.KeyID.String(),
		"source_ip": w.caller.SourceIP, "request_id": w.caller.RequestID,
	}
	said := func(message string, attributes map[string]string) map[string]string {
		line := map[string]string{"msg": message}
		for name, value := range attributes {
			line[name] = value
		}
		return line
	}
	for _, tt := range []struct {
		name string
		do   func() error
		is   error
		want map[string]string // nil: no line
	}{
		{"a reveal", func() error { return reveal(secret, item) }, nil, nil},
		{"a missing item", func() error { return reveal(secret, uuid.NewString()) }, secrets.ErrNotFound,
			said("reveal of what does not exist, charged", known)},
		{"a spent budget", func() error { return reveal(secret, item) }, secrets.Throttled{}, said("reveal refused: the budget is spent", known)},
		{"an unknown key", func() error { _, err := m.Authenticate(t.Context(), "Bearer "+unknown); return err }, secrets.ErrUnauthenticated,
			said("key refused: unknown", map[string]string{"key_sha256": hex.EncodeToString(sum[:4])})},
		{"no key", func() error { _, err := m.Authenticate(t.Context(), "Bearer gob_secret"); return err }, secrets.ErrUnauthenticated,
			said("key refused: not a key", nil)},
	} {
		log.Reset()
		err := tt.do()
		if throttled := new(secrets.Throttled); errors.As(tt.is, throttled) != errors.As(err, throttled) ||
			!errors.As(tt.is, throttled) && !errors.Is(err, tt.is) {
			t.Errorf("%s = %v, want %v", tt.name, err, tt.is)
		}
		if strings.Count(log.String(), "\n") > 1 || strings.Contains(log.String(), "gob_") || strings.Contains(log.String(), "value of") {
			t.Errorf("%s: log %s, want at most one line, without key and value", tt.name, &log)
		}
		var got map[string]string
		if log.Len() > 0 {
			if err := json.Unmarshal(log.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: line (-want +got):\n%s", tt.name, diff)
		}
	}
}

package ministack_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"goblins-secrets/infra/sam/ministack"
)

func TestMinistackRequiresSignaturesUntilClosed(t *testing.T) {
	m, err := ministack.Start(t.Context(), t.TempDir(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Timeout: 10 * time.Second}
	ask := func() (status int, err error) {
		response, err := client.Post(m.URL, "application/x-www-form-urlencoded", strings.NewReader("Action=ListRoles&Version=2010-05-08"))
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}
	if status, err := ask(); err != nil || status != http.StatusForbidden {
		t.Errorf("ListRoles without a signature = %d, %v, want 403", status, err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if status, err := ask(); err == nil {
		t.Errorf("ListRoles after Close = %d, want no answer", status)
	}
}

func TestMissingPythonIsNamed(t *testing.T) {
	checkout := t.TempDir()
	if err := os.WriteFile(filepath.Join(checkout, "go.mod"), []byte("module goblins-secrets\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(checkout)
	t.Setenv("PATH", "")
	_, err := ministack.Start(t.Context(), t.TempDir(), os.Stderr)
	if err == nil || !strings.Contains(err.Error(), "python3 is needed to install ministack") {
		t.Errorf("Start without Python = %v, want an error that names python3", err)
	}
}

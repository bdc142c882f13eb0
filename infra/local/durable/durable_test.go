package durable_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"goblins-secrets/infra/local/durable"
)

// A file is replaced as a whole: a reader with the old file open sees all of it, and a write that
// fails leaves it.
func TestFilesAreReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if err := durable.WriteFile(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := durable.WriteFile(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	old := make([]byte, 8)
	n, _ := reader.Read(old) // 3 bytes, or the comparison fails
	if got, err := os.ReadFile(path); string(old[:n]) != "old" || err != nil || string(got) != "new" {
		t.Errorf("a reader of the old file has %s, the file has %s (%v): want old and new", old[:n], got, err)
	}
	if err := os.Mkdir(path+".tmp", 0o700); err != nil { // so that the next write fails
		t.Fatal(err)
	}
	if err := durable.WriteFile(path, []byte("never")); err == nil {
		t.Error("WriteFile = nil beside a folder in its way, want an error")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "new" {
		t.Errorf("after a failed write the file has %s (%v), want new", got, err)
	}
}

// A state is published only when it is written, and an error of the change leaves it.
func TestStatesAreWrittenBeforeTheyAreSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	open := func() *durable.State[int] {
		t.Helper()
		state, err := durable.Open(path, 0, func(n int) error {
			if n < 0 {
				return errors.New("negative")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	state := open()
	become := func(n int, err error) error {
		return state.Update(func(int) (int, error) { return n, err })
	}
	if err := become(1, nil); err != nil {
		t.Fatal(err)
	}
	if err := become(2, errors.New("no")); err == nil || state.Load() != 1 || open().Load() != 1 {
		t.Errorf("after a refused change the state is %d, the file's %d (%v): want 1, 1 and an error", state.Load(), open().Load(), err)
	}
	if err := os.Mkdir(path+".tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := become(3, nil); err == nil || state.Load() != 1 {
		t.Errorf("after a failed write the state is %d (%v), want 1 and an error", state.Load(), err)
	}
	if err := os.WriteFile(path, []byte("-1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := durable.Open(path, 0, func(int) error { return errors.New("negative") }); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open of a refused file = %v, want an error that names it", err)
	}
}

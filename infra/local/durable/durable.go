// Package durable keeps state in files that survive a crash at any time.
package durable

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// State is the state of a service, in memory and in a JSON file. It is copy-on-write: readers load the
// present state without a lock and never change it. A writer makes the next one, which is written to
// the file and only then published.
type State[T any] struct {
	path    string
	writing sync.Mutex
	current atomic.Pointer[T]
}

// Open reads the state from the file at path, or starts with the empty one if the file does not
// exist. The folder must exist. A file that check refuses is an error, which names the file.
func Open[T any](path string, empty T, check func(T) error) (*State[T], error) {
	s := &State[T]{path: path}
	s.current.Store(&empty)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	var kept T
	if err = json.Unmarshal(data, &kept); err == nil {
		err = check(kept)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is damaged, or of another version (%w): move it away, or use another folder", path, err)
	}
	s.current.Store(&kept)
	return s, nil
}

// Load returns the present state.
func (s *State[T]) Load() T { return *s.current.Load() }

// Update replaces the state by the one that change makes of it. An error leaves everything unchanged.
func (s *State[T]) Update(change func(old T) (T, error)) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	next, err := change(s.Load())
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	if err := WriteFile(s.path, append(data, '\n')); err != nil {
		return fmt.Errorf("save the state: %w", err)
	}
	s.current.Store(&next)
	return nil
}

// WriteFile atomically replaces the file at path, mode 0600. It returns when both the bytes and the name
// are on disk. A crash leaves either the old file or the new one.
func WriteFile(path string, data []byte) error {
	// A fixed name for the unfinished file: a crash leaves at most one behind.
	unfinished := path + ".tmp"
	f, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(unfinished, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(unfinished))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Package checkout finds files of the checkout of this project.
package checkout

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Path returns the absolute path of a file of the checkout, given relative to its root.
// The root is the nearest folder with the go.mod of this project, from the working directory
// upwards. For the tests of another module it is where this package was compiled from.
func Path(elem ...string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if isRoot(dir) {
			return filepath.Join(append([]string{dir}, elem...)...), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	_, file, _, _ := runtime.Caller(0) // not a path, if it was compiled with -trimpath
	if dir = filepath.Join(filepath.Dir(file), "..", "..", ".."); !filepath.IsAbs(file) || !isRoot(dir) {
		return "", errors.New("not inside a checkout of goblins-secrets: its go.mod is neither here nor above")
	}
	return filepath.Join(append([]string{dir}, elem...)...), nil
}

// isRoot reports whether a folder has the go.mod of this project.
func isRoot(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return !errors.Is(err, fs.ErrNotExist) && bytes.HasPrefix(text, []byte("module goblins-secrets\n"))
}

// Package checkout finds files of the checkout that contains the working directory.
package checkout

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Path returns the absolute path of a file of the checkout, given relative to its root.
// The root is the nearest folder with a go.mod, from the working directory upwards.
func Path(elem ...string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return filepath.Join(append([]string{dir}, elem...)...), nil
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || parent == dir {
			return "", errors.New("not inside a checkout of goblins-secrets: no go.mod here or above")
		}
		dir = parent
	}
}

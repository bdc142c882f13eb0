// Package checkout finds the files of the checkout that a local program or test
// runs in.
package checkout

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Path is the absolute path of a file of the checkout, given relative to its root:
// the nearest folder with a go.mod, from the working directory upwards.
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
			return "", errors.New("this is no checkout of goblins-secrets: no go.mod here or above")
		}
		dir = parent
	}
}

// Command generate writes the generated files of the checkout: those that follow from functions.yaml and from
// the fragments of the OpenAPI document, and the console's scripts.
package main

//go:generate go run .

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"goblins-secrets/infra/bundle"
	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/checkout"
	"goblins-secrets/infra/openapi"
)

func main() {
	if err := errors.Join(fromTable(), scripts()); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// fromTable writes what follows from functions.yaml, the document of its routes included.
func fromTable() error {
	table, err := functions.Load()
	if err != nil {
		return err
	}
	for _, files := range []map[string]func([]functions.Function, []byte) ([]byte, error){functions.Files, openapi.Files} {
		for name, generate := range files {
			path, err := checkout.Path(name)
			if err != nil {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if content, err = generate(table, content); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if err := os.WriteFile(path, content, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// scripts writes the console's scripts.
func scripts() error {
	folder, err := checkout.Path("pkg", "console")
	if err != nil {
		return err
	}
	made, _, err := bundle.Scripts(folder)
	if err != nil {
		return err
	}
	for name, script := range made {
		if err := os.WriteFile(filepath.Join(folder, name), script, 0o644); err != nil {
			return err
		}
	}
	return nil
}

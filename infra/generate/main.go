// Command generate writes what follows from functions.yaml. go generate runs it.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"goblins-secrets/infra/functions"
	"goblins-secrets/infra/local/checkout"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run() error {
	path, err := checkout.Path("functions.yaml")
	if err != nil {
		return err
	}
	table, err := functions.Read(path)
	if err != nil {
		return err
	}
	for name, generate := range functions.Files {
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
	return nil
}
